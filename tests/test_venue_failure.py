"""A venue fails: orders and positions there end, balances keep a share, and nothing reaches it any more."""

from decimal import Decimal
from fractions import Fraction

import pytest
from engine_data import (
    CASH,
    LINEAR,
    SPOT,
    USDM,
    Listener,
    Script,
    account,
    balance,
    constant,
    marks,
    ns,
    points,
    postings,
    reasons,
    run,
)
from engine_data import trades as tape

import venues
from backtest import Strategy
from backtest.attribution_entries import LINES
from feeds.dataset import Dataset

END = "06:00"


def failure(since, share, venue=USDM):
    row = {"ts": ns(since), "ts_avail": 0, "until": 0, "venue": venue, "symbol": "*"}
    return Dataset([], venue_events=[row | {"what": "failure", "value": share, "source": "test"}])


def flat():
    return constant(60_000, start="00:00", end=END)


def rising():
    """Return 60,000 until 01:00 and 61,000 from then on."""
    prices = [("00:00", 60_000), ("00:31", 60_000), ("01:00", 61_000), ("03:00", 61_000), ("05:00", 61_000)]
    return marks(prices) + tape([(t, p, 1000) for t, p in prices])


def both(extra):
    """Return linear contracts and a spot market."""
    return flat() + constant(60_000, start="00:00", end=END, symbol=SPOT, venue=CASH) + extra


def buy(strategy):
    strategy.buy(LINEAR, quantity=0.1)


def accounts():
    return account(), account(CASH, balances={"USDT": 100_000})


def adds_up(result):
    """Assert that the lines are exactly the change of equity, and that the failure's is what the ledger says."""
    found = result.explained()
    assert sum((found.total(line) for line in LINES), Fraction(0)) == found.end - found.start
    lost = sum((postings(result, "venue_failure", name=name) for name in (USDM, CASH)), Decimal(0))
    assert found.total("failure") == Fraction(lost)


class Told(Listener):
    """Notes settlements as well."""

    def on_settlement(self, event):
        """Note it."""
        self.note("settlement", event)


def test_positions_end_at_the_last_mark_and_the_balance_keeps_its_share():
    script = Told(("00:30", buy))
    result = run(rising() + failure("02:00", 0.3), script)
    closing = result.fills.iloc[-1]
    assert (closing["price"], closing["quantity"], str(closing["time"])[11:16]) == (61_000, 0.1, "02:00")
    assert postings(result, "settlement") == 100  # 0.1 x 1,000
    assert balance(result) == Decimal("3030")  # 0.3 x 10,100
    assert result.summary["venue_failure"] == pytest.approx(-7070)
    assert [note[1] for note in script.notes if note[1] == "settlement"] == ["settlement"]
    adds_up(result)


def test_the_loss_is_conserved_and_the_divided_atom_is_lost():
    result = run(flat() + failure("02:00", 1 / 3), Listener(), account(balances={"USDT": "100.00000001"}))
    # floor(10000000001 x the decimal 0.3333333333333333)
    assert balance(result) == Decimal("33.33333333")
    assert result.attribution("asset").loc["USDT"].size > 0  # opening + postings = closing, or it raises
    adds_up(result)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_all_or_nothing_can_be_kept(share):
    result = run(flat() + failure("02:00", share), Listener(("00:30", buy)))
    assert balance(result) == 10_000 * int(share)
    adds_up(result)


def test_working_orders_are_cancelled_and_later_ones_refused():
    script = Listener(
        ("00:30", lambda s: s.buy(LINEAR, quantity=0.1, limit=50_000)),
        ("03:00", buy),
        ("04:00", lambda s: s.set_leverage(LINEAR, 5)),
    )
    result = run(flat() + failure("02:00", 0.5), script)
    assert reasons(result) == ["canceled BY_VENUE", "rejected VENUE_UNAVAILABLE"]
    assert any("leverage" in text and "VENUE_UNAVAILABLE" in text for text in result.warnings)
    assert any("binance_usdm failed at 2025-01-01T02:00" in text and "0.5" in text for text in result.warnings)


def test_a_later_outage_does_not_bring_it_back():
    outage = {"ts": ns("02:30"), "ts_avail": 0, "until": ns("02:40"), "venue": USDM, "symbol": "*"}
    more = Dataset([], venue_events=[outage | {"what": "outage", "value": None, "source": "test"}])
    result = run(flat() + failure("02:00", 0.5) + more, Listener(("03:00", buy)))
    assert reasons(result) == ["rejected VENUE_UNAVAILABLE"]


def test_the_other_venue_of_a_run_goes_on():
    script = Listener(("00:30", buy), ("03:00", lambda s: s.buy(SPOT, quantity=1)))
    result = run(both(failure("02:00", 0.2)), script, *accounts())
    assert reasons(result) == ["filled", "filled"]
    assert balance(result) == 2_000
    assert balance(result, name=CASH) == 40_000
    assert balance(result, "BTC", name=CASH) == 1
    assert postings(result, "venue_failure", name=CASH) == 0
    assert result.summary["end_equity"] == pytest.approx(102_000)
    by_venue = result.attribution("venue")
    assert by_venue.loc[USDM, "failure"] == -8_000
    assert by_venue.loc["total", "failure"] == -8_000
    adds_up(result)


def test_nothing_moves_to_it_or_from_it_any_more():
    def move(source, target):
        return lambda s: s.transfer("USDT", 100, source=source, target=target)

    script = Listener(
        ("03:00", move(CASH, USDM)),
        ("03:10", move(USDM, CASH)),
        ("03:20", lambda s: s.deposit(USDM, "USDT", 50)),
        ("03:30", lambda s: s.withdraw(USDM, "USDT", 50)),
    )
    result = run(both(failure("02:00", 0.5)), script, *accounts())
    sent = result.transfers
    assert list(sent["status"]) == ["refused", "refused"]
    assert set(sent["reason"]) == {"VENUE_UNAVAILABLE"}
    assert (balance(result), balance(result, name=CASH)) == (5_000, 100_000)
    assert sum("VENUE_UNAVAILABLE" in text for text in result.warnings) == 2  # the deposit and the withdrawal


def test_money_in_transit_to_it_arrives_into_the_loss_and_money_from_it_arrives_whole():
    script = Listener(
        ("01:50", lambda s: s.transfer("USDT", 1_000, source=CASH, target=USDM)),
        ("01:51", lambda s: s.transfer("USDT", 3_000, source=USDM, target=CASH)),
    )
    result = run(
        both(failure("02:00", 0.25)), script, *accounts(), transfers=venues.Transfers(delay="20m", fees={}, minimum={})
    )
    assert balance(result) == Decimal("0.25") * (7_000 + 1_000)
    assert balance(result, name=CASH) == 100_000 - 1_000 + 3_000
    arrived = result.transfers[result.transfers["status"] == "arrived"].set_index("target")
    assert (arrived.loc[USDM, "amount"], arrived.loc[USDM, "received"]) == (1_000, 250)
    assert (arrived.loc[CASH, "amount"], arrived.loc[CASH, "received"]) == (3_000, 3_000)
    adds_up(result)


def test_the_strategy_hears_of_it_one_response_latency_later():
    class Watch(Strategy):
        """Notes its equity every second around the failure."""

        def on_start(self):
            """Look four times."""
            for second in (-1, 0, 1, 2):
                self.once(ns("02:00") + second * 10**9 - self.now, name=str(second))

        def on_timer(self, timer):
            """Record what is known."""
            self.record(equity=self.equity)

    result = run(flat() + failure("02:00", 0.5), Watch(), account(latency=("0s", "1500ms", "0s")))
    assert list(result.series["value"]) == [10_000, 10_000, 10_000, 5_000]


def test_spot_coins_and_isolated_margin_keep_their_share():
    script = Listener(("00:20", lambda s: s.set_margin_mode(LINEAR, "isolated")), ("00:30", buy))
    result = run(rising() + failure("02:00", 0.5), script)
    assert balance(result) == 5_050
    spot = constant(60_000, start="00:00", end=END, symbol=SPOT, venue=CASH) + failure("02:00", 0.5, CASH)
    held = run(spot, Script(("00:30", lambda s: s.buy(SPOT, quantity=1))), account(CASH, balances={"USDT": 65_000}))
    assert (balance(held, name=CASH), balance(held, "BTC", name=CASH)) == (2_500, Decimal("0.5"))
    found = held.explained()
    assert found.total("failure") == -32_500  # 2,500 USDT and half a coin of 60,000
    assert sum((found.total(line) for line in LINES), Fraction(0)) == found.end - found.start


def test_debts_of_an_account_of_several_assets_are_netted_before_the_share():
    prices = [("00:00", 60_000), ("00:02", 60_000), ("01:00", 57_600), ("01:02", 57_600), ("03:00", 57_600)]
    data = marks(prices) + tape([(t, p, 1000) for t, p in prices])
    data += points("index", prices, "BTC/USD") + points("index", [("00:00", 1)], "USDT/USD")
    script = Listener(("00:01", lambda s: s.buy(LINEAR, quantity=2)), ("01:01", lambda s: s.sell(LINEAR, quantity=2)))
    multi = account(balances={"BTC": 1}, collateral="multi")
    result = run(data + failure("02:00", 0.5), script, multi, reporting="USD")
    # 4,800 USDT of debt are paid with 4,800 / 0.975 dollars of the coin (binance.md section 6), half of the rest stays.
    assert balance(result) == 0
    rest = 1 - Decimal(4_800) / Decimal("0.975") / 57_600
    assert balance(result, "BTC") == pytest.approx(rest / 2, abs=Decimal("2e-8"))
    found = result.explained()
    assert sum((found.total(line) for line in LINES), Fraction(0)) == found.end - found.start
    assert float(found.total("failure")) == pytest.approx(float(-rest / 2 * 57_600), rel=1e-6)


def test_the_tear_sheet_and_the_screen_show_it(tmp_path):
    result = run(flat() + failure("02:00", 0.5), Listener(("00:30", buy)))
    page = result.tear_sheet(tmp_path / "page.html").read_text()
    assert "Failed venues" in page
    assert "lost with failed venues" in page
    assert "lost with failed venues" in str(result)
