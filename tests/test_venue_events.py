"""Recorded events of venues: what is refused while they last, what settles, and the draws of an overload."""

import pytest
from engine_data import LINEAR, USDM, Listener, account, constant, funding, marks, ns, reasons, run, trades

from backtest import ConfigError
from feeds.dataset import Dataset

START, END = "00:00", "06:00"


def event(what, since, until=None, *, value=None, symbol="*"):
    row = {"ts": ns(since), "ts_avail": 0, "until": 0 if until is None else ns(until), "venue": USDM, "symbol": symbol}
    return Dataset([], venue_events=[row | {"what": what, "value": value, "source": "test"}])


def flat():
    return constant(60_000, start=START, end=END)


def buy(strategy):
    strategy.buy(LINEAR, quantity=0.1)


def test_orders_during_an_outage_are_answered_unavailable_and_later_ones_are_taken():
    script = Listener(("01:30", buy), ("03:00", buy))
    result = run(flat() + event("outage", "01:00", "02:00"), script)
    assert reasons(result) == ["rejected VENUE_UNAVAILABLE", "filled"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda s: s.set_leverage(LINEAR, 5),
        lambda s: s.set_margin_mode(LINEAR, "isolated"),
        lambda s: s.withdraw(USDM, "USDT", 10),
    ],
)
def test_an_account_takes_no_requests_during_an_outage_but_money_from_outside(ask):
    def pay_in(strategy):
        strategy.deposit(USDM, "USDT", 5)

    result = run(
        flat() + event("outage", "01:00", "02:00"), Listener(("01:30", ask), ("01:40", pay_in), ("03:00", ask))
    )
    (refusal,) = [text for text in result.warnings if "VENUE_UNAVAILABLE" in text]
    assert "refused" in refusal
    assert (result.ledger["kind"] == "deposit").sum() == 2


def test_an_order_keeps_its_place_and_price_when_an_outage_refuses_its_change():
    def change(strategy):
        strategy.amend(strategy.orders()[0], limit=59_000)

    script = Listener(("00:30", lambda s: s.buy(LINEAR, quantity=0.1, limit=50_000)), ("01:30", change))
    result = run(flat() + event("outage", "01:00", "02:00"), script)
    assert result.orders["price"].tolist() == [50_000]


def test_a_stop_rests_through_an_outage_and_fires_in_it():
    prices = [("00:00", 60_000), ("01:00", 60_000), ("01:30", 57_000), ("03:00", 57_000)]
    data = marks(prices) + trades(sorted([(t, p, 1000) for t, p in prices] + [("01:31", 57_000, 1000)]))
    script = Listener(("00:10", buy), ("01:05", lambda s: s.protect(LINEAR, stop=58_000)), ("01:45", buy))
    result = run(data + event("outage", "01:20", "02:00"), script)
    assert reasons(result) == ["filled", "filled", "rejected VENUE_UNAVAILABLE"]


def test_cancel_only_takes_cancels_and_refuses_orders():
    def cancel(strategy):
        strategy.cancel_all()

    script = Listener(("00:30", lambda s: s.buy(LINEAR, quantity=0.1, limit=50_000)), ("01:30", cancel), ("01:40", buy))
    result = run(flat() + event("cancel_only", "01:00", "02:00"), script)
    assert reasons(result) == ["canceled BY_USER", "rejected VENUE_UNAVAILABLE"]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_an_overload_refuses_its_share(share):
    script = Listener(*[(f"01:{minute:02d}", buy) for minute in range(10, 20)])
    result = run(flat() + event("overload", "01:00", "02:00", value=share), script)
    assert set(reasons(result)) == {"rejected VENUE_OVERLOADED" if share else "filled"}


def test_the_draws_of_an_overload_follow_from_seed_and_order_alone():
    def outcome(seed):
        script = Listener(*[(ns("01:00") + k * 10**9, buy) for k in range(200)])
        return reasons(run(flat() + event("overload", "01:00", "02:00", value=0.3), script, seed=seed))

    first = outcome(1)
    refused = first.count("rejected VENUE_OVERLOADED")
    # 200 draws of 0.3: 60 +- 6.5; five deviations on either side.
    assert 28 < refused < 92
    assert outcome(1) == first
    assert outcome(2) != first


def test_a_delisting_settles_the_position_and_refuses_orders():
    script = Listener(("00:30", buy), ("03:00", buy))
    result = run(flat() + event("delisting", "02:00", value=59_000, symbol=LINEAR), script)
    assert reasons(result)[-1] == "rejected DELISTED"
    closing = result.fills.iloc[-1]
    assert (closing["price"], closing["quantity"]) == (59_000, 0.1)
    assert result.summary["end_equity"] == pytest.approx(10_000 - 100, abs=1e-9)


def test_a_perpetual_that_is_delisted_with_an_open_short_settles_and_leaves_the_universe():
    listed = {}

    def short(strategy):
        strategy.sell(LINEAR, quantity=0.1)
        listed["before"] = strategy.universe(USDM, quote="USDT")

    script = Listener(("00:30", short), ("03:00", lambda s: listed.update(after=s.universe(USDM, quote="USDT"))))
    data = flat() + funding([("01:00", 0.001), ("02:30", 0.001), ("03:30", 0.001)])
    result = run(data + event("delisting", "02:00", value=59_000, symbol=LINEAR), script)
    assert listed == {"before": [LINEAR], "after": []}
    closing = result.fills.iloc[-1]
    assert (closing["forced"], closing["price"], closing["side"]) == ("settlement", 59_000, 1)
    # one payment while it lived: 0.1 x 60,000 x 0.1 %, received by the short, and 1,000 of profit a coin
    assert result.funding["amount"].tolist() == [6.0]
    assert result.summary["end_equity"] == pytest.approx(10_000 + 6 + 100, abs=1e-9)


def test_recorded_adl_reduces_only_a_winning_position_of_an_account_that_asked_for_it():
    prices = [("00:00", 60_000), ("01:00", 61_000), ("03:00", 61_000)]
    data = marks(prices) + trades(sorted([(t, p, 1000) for t, p in prices] + [("00:31", 60_000, 1000)]))
    adl = event("adl", "02:00", value=0.5, symbol=LINEAR)
    off = run(data + adl, Listener(("00:30", buy)), account(adl="off"))
    on = run(data + adl, Listener(("00:30", buy)), account(adl="recorded"))
    assert len(off.fills) == 1
    assert on.fills.iloc[-1]["quantity"] == 0.05
    short = run(data + adl, Listener(("00:30", lambda s: s.sell(LINEAR, quantity=0.1))), account(adl="recorded"))
    assert len(short.fills) == 1


def test_events_that_are_unknown_or_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match=r"'flood'.*unknown.*failure"):
        run(flat() + event("flood", "01:00"), Listener())
    for what in ("outage", "cancel_only", "overload", "transfer_suspended"):
        with pytest.raises(ConfigError, match=rf"'{what}'.*until="):
            run(flat() + event(what, "01:00", value=0.5), Listener())
    for value in (None, -0.1, 1.1):
        with pytest.raises(ConfigError, match=r"'failure'.*every balance that is kept, in \[0, 1\]"):
            run(flat() + event("failure", "01:00", value=value), Listener())
    with pytest.raises(ConfigError, match=r"'failure'.*all symbols.*delisting"):
        run(flat() + event("failure", "01:00", value=0.5, symbol=LINEAR), Listener())
    with pytest.raises(ConfigError, match=r"share of orders refused.*1\.5"):
        run(flat() + event("overload", "01:00", "02:00", value=1.5), Listener())
    with pytest.raises(ConfigError, match="settlement price"):
        run(flat() + event("delisting", "01:00", symbol=LINEAR), Listener())
    with pytest.raises(ConfigError, match=r"adl='population' needs other accounts.*population="):
        run(flat(), Listener(), account(adl="population", insurance_fund={"USDT": 1}))


def test_more_conditional_orders_than_the_venue_allows_are_refused():
    def many(strategy):
        for k in range(12):
            strategy.submit(LINEAR, side="sell", quantity=0.1, stop=50_000 + k, trigger="mark")

    result = run(flat(), Listener(("00:30", many)), account(balances={"USDT": 1_000_000}))
    # binance.md: ten conditional orders per symbol.
    assert reasons(result).count("rejected TOO_MANY_ORDERS") == 2
