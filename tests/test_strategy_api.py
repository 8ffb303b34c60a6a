"""What a strategy may rely on: names, orders before there is a price, the warm-up, accounts, money, its own view."""

import pandas as pd
import pytest
from engine_data import (
    CASH,
    COINM,
    INVERSE,
    LINEAR,
    MINUTE,
    SECOND,
    SPOT,
    USDM,
    Notes,
    Script,
    account,
    bars,
    constant,
    funding,
    marks,
    ns,
    points,
    run,
    trades,
)

import venues
from backtest import Backtest, ConfigError, Strategy
from backtest.errors import OrderError

END = "01:00"
ADDRESS = f"{LINEAR}@{USDM}"


def linear(price=50_000, end=END, start="00:00"):
    return constant(price, start=start, end=end)


def spot(price=50_000, start="00:00", end=END):
    rows = [(t, price, 1000.00001) for t in range(ns(start), ns(end) + 1, MINUTE)]
    return trades(rows, SPOT, CASH)


# ---------------------------------------------------------------------------- names


class Names(Strategy):
    """Notes by which names the market and its own account are told to it."""

    symbol: str = LINEAR
    notes: Notes = Notes()

    def on_start(self):
        self.once("10m")

    def on_timer(self, timer):
        self.buy(self.symbol, quantity=0.1)

    def on_trade(self, event):
        self.notes.append(("trade", event.symbol, event.venue))

    def on_mark(self, event):
        self.notes.append(("mark", event.symbol, event.venue))

    def on_bars(self, time, bars):
        self.notes.extend(("bars", name, bar.venue) for name, bar in bars.items())

    def on_order(self, order):
        self.notes.append(("order", order.symbol, order.venue))

    def on_fill(self, fill):
        self.notes.append(("fill", fill.symbol, fill.venue))

    def on_funding_payment(self, payment):
        self.notes.append(("payment", payment.symbol, payment.venue))


def named_market():
    hour = [("00:00", 50_000, 50_000, 50_000, 50_000)]
    return linear() + bars(hour, timeframe="30m") + funding([("00:30", 0.0001)])


@pytest.mark.parametrize("name", [LINEAR, ADDRESS, f"{ADDRESS}/main"])
def test_everything_is_told_by_the_name_that_the_strategy_uses(name):
    notes = Notes()
    run(named_market(), Names(symbol=name, notes=notes))
    assert {(what, told) for what, told, _ in notes} == {
        (what, name) for what in ("trade", "mark", "bars", "order", "fill", "payment")
    }
    assert {venue for _, _, venue in notes} == {USDM}


def test_two_strategies_have_their_own_names_of_one_contract():
    one, other = Notes(), Notes()
    data = linear() + bars([("00:00", 1, 1, 1, 1)], timeframe="30m") + funding([("00:30", 0.0001)])
    run(data, [Names(notes=one), Names(symbol=ADDRESS, notes=other)])
    assert {told for _, told, _ in one} == {LINEAR}
    assert {told for _, told, _ in other} == {ADDRESS}


def test_a_name_in_a_list_or_a_verb_counts_and_others_stay_plain():
    class Listener(Strategy):
        symbols: tuple[str, ...] = (ADDRESS,)
        notes: Notes = Notes()

        def on_start(self):
            self.position(f"{SPOT}@{CASH}")

        def on_trade(self, event):
            self.notes.append(event.symbol)

    notes = Notes()
    inverse = constant(50_000, start="00:00", end=END, symbol=INVERSE, venue=COINM)
    index = points("index", [(t, 1) for t in ("00:00", "00:30")], "USDT/USD", USDM)
    wallets = [account(), account(CASH), account(COINM, {"BTC": 1})]
    run(linear() + spot() + inverse + index, Listener(notes=notes), *wallets, reporting="USD")
    assert set(notes) == {ADDRESS, f"{SPOT}@{CASH}", INVERSE}


def test_a_strategy_hears_only_of_the_accounts_that_it_names():
    class Hears(Strategy):
        symbol: str = LINEAR
        notes: Notes = Notes()

        def on_start(self):
            self.once("1m")

        def on_timer(self, timer):
            self.buy(self.symbol, quantity=0.1)

        def on_funding_payment(self, payment):
            self.notes.append((payment.account, payment.symbol, payment.quantity))

    data = linear() + funding([("00:30", 0.0001)])
    notes = {name: Notes() for name in (LINEAR, f"{ADDRESS}/b")}
    wallets = [account(), account(account="b")]
    run(data, [Hears(symbol=name, notes=kept) for name, kept in notes.items()], *wallets)
    assert notes[LINEAR] == [(USDM, LINEAR, 0.1)]
    assert notes[f"{ADDRESS}/b"] == [(f"{USDM}/b", f"{ADDRESS}/b", 0.1)]


# ---------------------------------------------------------------------------- before there is a price


class Early(Strategy):
    """Does something before there is any price, and notes its orders."""

    def __init__(self, act, notes):
        super().__init__()
        self.act, self.notes = act, notes

    def on_start(self):
        self.notes.append(self.act(self))

    def on_order(self, order):
        self.notes.append((order.id, order.status, order.reason))


def early(act):
    notes = Notes()
    result = run(spot(start="00:20"), Early(act, notes), account(CASH), start="2025-01-01T00:20")
    return result, list(notes)


def test_cash_spent_on_start_is_spent_at_the_first_price():
    result, (order, *told) = early(lambda s: s.buy(SPOT, value=s.account(CASH).free("USDT"), tag="all"))
    assert order.id > 0
    assert order.status == "filled"
    assert [status for _, status, _ in told] == ["working", "filled"]
    assert result.fills["tag"].tolist() == ["all"]
    assert result.fills["quantity"].tolist() == [pytest.approx(0.2, rel=1e-3)]


def test_an_order_that_waits_for_a_price_has_a_negative_id_and_can_be_withdrawn():
    def act(strategy):
        order = strategy.buy(SPOT, value=1_000)
        assert order.id < 0
        assert strategy.orders() == [order]
        strategy.cancel(order)
        return order

    result, (order, *told) = early(act)
    assert (order.status, order.reason, told) == ("canceled", "BY_USER", [])
    assert len(result.orders) == 0


def test_an_order_that_turns_out_to_be_nothing_is_told_as_refused():
    result, (order, *told) = early(lambda s: s.buy(SPOT, value=0.01))
    assert told == [(order.id, "rejected", "BELOW_MINIMUM")]
    assert result.orders[["quantity", "reason"]].values.tolist() == [[0, "BELOW_MINIMUM"]]


def test_a_size_that_rounds_to_nothing_is_refused_not_ignored():
    notes = Notes()
    run(spot(), Early(lambda s: s.buy(SPOT, quantity=1e-9), notes), account(CASH), start="2025-01-01T00:20")
    order, *told = notes
    assert told == [(order.id, "rejected", "BELOW_MINIMUM")]


def test_changes_wait_one_after_the_other_but_only_the_last_target_counts():
    def adjust(strategy):
        return [strategy.adjust(SPOT, notional=amount) for amount in (1_000, 2_000)]

    def target(strategy):
        return [strategy.target(SPOT, notional=amount) for amount in (1_000, 2_000)]

    assert early(adjust)[0].fills["quantity"].sum() == pytest.approx(0.06)
    assert early(target)[0].fills["quantity"].sum() == pytest.approx(0.04)


# ---------------------------------------------------------------------------- warm-up and timers


class Warm(Strategy):
    notes: Notes = Notes()

    def on_start(self):
        with pytest.raises(OrderError, match="refused while warmup= replays history"):
            self.buy(LINEAR, quantity=0.1)
        self.once("1s", name="soon")
        self.every("10m", name="often")

    def on_timer(self, timer):
        self.notes.append((timer.name, self.time.strftime("%H:%M")))


def test_a_timer_of_the_warm_up_goes_off_when_that_ends_and_regular_ones_go_on():
    notes = Notes()
    run(linear(), Warm(notes=notes), warmup="30m")
    assert notes[:3] == [("soon", "00:30"), ("often", "00:30"), ("often", "00:40")]


def test_timers_have_numbers_and_a_function_as_a_name_is_called():
    class Timed(Strategy):
        notes: Notes = Notes()

        def on_start(self):
            self.notes.append([self.every("1h"), self.at("00:05"), self.once("1m", name=self.now_then)])

        def now_then(self):
            self.notes.append(self.time.strftime("%H:%M"))

    notes = Notes()
    run(linear(), Timed(notes=notes))
    assert notes == [[0, 1, 2], "00:01"]


def test_an_alert_set_in_the_middle_of_a_run_goes_off_and_is_over_again():
    class Alert(Strategy):
        notes: Notes = Notes()

        def on_start(self):
            self.once("5m", name=lambda: (self.buy(LINEAR, quantity=1), self.alert(LINEAR, distance=0.15)))

        def on_margin_call(self, event):
            self.notes.append((self.time.strftime("%H:%M"), event.active, event.symbol, round(event.distance, 2)))

    rows = [("00:00", 50_000), ("00:20", 50_000), ("00:30", 46_000), ("00:40", 50_000), (END, 50_000)]
    tape = trades([(t, 50_000, 1000) for t in ("00:00", "00:06", END)])
    notes = Notes()
    run(marks(rows) + tape, Alert(notes=notes), account(balances={"USDT": 10_000}))
    assert [(time, active) for time, active, _, _ in notes] == [("00:30", True), ("00:40", False)]
    assert {symbol for _, _, symbol, _ in notes} == {LINEAR}


# ---------------------------------------------------------------------------- accounts and money


def test_a_setting_goes_to_the_account_that_is_named():
    notes = Notes()
    second = f"{ADDRESS}/b"
    steps = [
        ("00:01", lambda s: s.set_leverage(second, 3)),
        ("00:02", lambda s: s.note(s.position(LINEAR).margin_leverage, s.position(second).margin_leverage)),
    ]
    run(linear(), Script(*steps, notes=notes), account(leverage=10), account(account="b", leverage=10))
    assert notes[0][1:] == (10, 3)


def test_an_account_is_named_by_itself_by_its_venue_or_by_a_symbol():
    notes = Notes()
    names = (USDM, f"{USDM}/main", LINEAR, ADDRESS, f"{USDM}/b", f"{ADDRESS}/b")
    step = ("00:01", lambda s: s.note(*(s.account(name).name for name in names)))
    run(linear(), Script(step, notes=notes), account(), account(account="b"))
    assert notes[0][1:] == (USDM,) * 4 + (f"{USDM}/b",) * 2


def test_a_refused_request_is_told_in_words():
    result = run(linear(), Script(("00:01", lambda s: s.set_leverage(LINEAR, 500))))
    (text,) = [text for text in result.warnings if "set_leverage" in text]
    assert f"set_leverage('{LINEAR}', 500) at {USDM} refused: " in text


@pytest.mark.parametrize(("more", "status"), [(0, "arrived"), (1e-6, "refused")])
def test_what_is_withdrawable_is_what_the_venue_lets_go_open_profit_apart(more, status):
    def move(strategy):
        amount = strategy.account(LINEAR).withdrawable("USDT")
        strategy.note(amount)
        strategy.transfer("USDT", amount + more, source=USDM, target=f"{USDM}/b")

    rows = [(t, 50_000 if t < ns("00:20") else 60_000) for t in range(ns("00:00"), ns(END), MINUTE)]
    data = marks(rows) + trades([(t, p, 1000.001) for t, p in rows])
    notes = Notes()
    steps = [("00:05", lambda s: s.buy(LINEAR, quantity=1)), ("00:30", move)]
    result = run(data, Script(*steps, notes=notes), account(leverage=20), account(account="b"))
    assert notes[0][1] == pytest.approx(10_000 - 60_000 / 20)  # the wallet less the margin at the mark
    assert result.transfers["status"].iloc[-1] == status


def test_money_that_arrives_before_its_departure_is_told_does_not_stay_on_its_way():
    notes = Notes()
    steps = [
        ("00:01", lambda s: s.transfer("USDT", 5_000, source=USDM, target=f"{USDM}/b")),
        ("00:30", lambda s: s.note(s.equity, s.account(f"{USDM}/b").balance("USDT"))),
    ]
    slow = account(latency=(0, "10s", 0))
    run(linear(), Script(*steps, notes=notes), slow, account(account="b", balances={"USDT": 1}))
    assert notes[0][1:] == (10_001, 5_001)


# ---------------------------------------------------------------------------- the own view


def test_the_stop_price_follows_the_marks_that_were_delivered_and_none_before():
    class Trailed(Strategy):
        notes: Notes = Notes()

        def on_start(self):
            self.once("5m", name=lambda: self.buy(LINEAR, quantity=0.1))
            self._seen = []
            self._since = None

        def on_fill(self, fill):
            self.protect(LINEAR, trailing=100)

        def on_order(self, order):
            if order.type == "trailing" and order.status == "working":
                self._since = len(self._seen)

        def on_mark(self, event):
            self._seen.append(event.price)
            stop = self.position(LINEAR).stop_price
            if self._since is not None and stop is not None:
                self.notes.append((stop, max(self._seen[self._since :]) - 100))

    prices = [50_000 + 20 * i - 30 * (i % 3) for i in range(360)]
    rows = [(ns("00:00") + i * 10 * SECOND, p) for i, p in enumerate(prices)]
    notes = Notes()
    wallet = account(latency=("1s", "1s", "25s"))
    run(marks(rows) + trades([(t, p, 1000.001) for t, p in rows]), Trailed(notes=notes), wallet)
    assert len(notes) > 20
    assert all(stop == known for stop, known in notes)
    assert len({stop for stop, _ in notes}) > 5


# ---------------------------------------------------------------------------- parameters


def test_a_parameter_without_a_value_must_be_given():
    class Needs(Strategy):
        symbol: str
        size: float = 1.0

    with pytest.raises(ConfigError, match=r"Needs needs symbol=; it has no value of its own"):
        Needs(size=2)
    assert Needs(symbol=LINEAR).parameter_values() == {"symbol": LINEAR, "size": 1.0}


def test_a_list_as_a_parameter_is_each_runs_own():
    class Lists(Strategy):
        levels: list[float] = [1.0]  # noqa: RUF012
        notes: Notes = Notes()

        def on_start(self):
            self.levels.append(2.0)
            self.notes.append(list(self.levels))

    notes = Notes()
    test = Backtest(linear(), Lists(notes=notes), venues=account())
    test.run()
    test.run()
    assert notes == [[1.0, 2.0], [1.0, 2.0]]
    assert Lists.levels == [1.0]


def test_time_is_the_same_instant_as_now():
    notes = Notes()
    run(linear(), Script(("00:07", lambda s: s.note(s.time)), notes=notes))
    ((now, time),) = notes
    assert time == pd.Timestamp(now, unit="ns", tz="UTC") == pd.Timestamp("2025-01-01T00:07", tz="UTC")


def test_transfers_name_accounts_by_symbols_and_convert():
    notes = Notes()
    steps = [("00:01", lambda s: s.transfer("USDT", 1_000, source=SPOT, target=LINEAR))]
    delay = venues.Transfers(delay="5m")
    result = run(linear() + spot(), Script(*steps, notes=notes), account(), account(CASH), transfers=delay)
    rows = result.transfers
    assert rows[["source", "target", "status"]].to_numpy().tolist() == [[CASH, USDM, "sent"], [CASH, USDM, "arrived"]]
    assert (rows["time"].iloc[1] - rows["time"].iloc[0]) == pd.Timedelta("5min")
