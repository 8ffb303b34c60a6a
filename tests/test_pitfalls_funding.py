"""Bugs of other backtesters about funding (pitfalls.md, by id), each through the whole engine."""

from decimal import Decimal

import pandas as pd
import pytest
from engine_data import (
    HOUR,
    LINEAR,
    MINUTE,
    SECOND,
    USDM,
    USER_COIN,
    Listener,
    Notes,
    Script,
    account,
    amounts,
    constant,
    frame,
    funding,
    marks,
    ns,
    points,
    postings,
    run,
    trades,
    user_coin,
)

import feeds
from backtest import Strategy
from feeds import FeedError


def flat(hours, price=100, symbol=USER_COIN, *, start="00:00", step=10 * MINUTE):
    """Return marks and trades of one price."""
    return constant(price, start=start, end=ns(start) + hours * HOUR, step=step, symbol=symbol)


def hold(quantity=1, when="00:05", symbol=USER_COIN):
    """Return a step that opens a position by market order."""
    return (when, lambda s: s.buy(symbol, quantity=quantity) if quantity > 0 else s.sell(symbol, quantity=-quantity))


def paid_at(result):
    """Return the hours of the payments after 2025-01-01."""
    return [(time.value - ns("00:00")) / HOUR for time in result.funding["time"]]


def test_jittered_stamps_pay_once_per_boundary():
    """B12: rows posted some seconds after the hour are the hour's, and are paid once."""
    stamps = [ns("08:00") + 7 * SECOND, ns("16:00") + SECOND // 1000, ns("2025-01-02T00:00") + 15 * SECOND]
    rows = funding([(stamp, 0.001) for stamp in stamps], USER_COIN)
    result = run(flat(26) + rows, Script(hold()), account(user_coin()))
    assert paid_at(result) == [8, 16, 24]
    assert amounts(result, "funding") == [Decimal("-0.1")] * 3


def test_a_missing_grid_point_is_not_paid_twice_and_not_ignored():
    """B12: the boundary without a row is an error, or a finding that the user accepted; its neighbours pay once."""
    rows = funding([(hour * HOUR + ns("00:00"), 0.001) for hour in (8, 24, 32)], USER_COIN)
    with pytest.raises(FeedError, match="no funding row between") as error:
        run(flat(40) + rows, Script(hold()), account(user_coin()))
    assert "on_gap='warn'" in str(error.value)
    result = run(flat(40) + rows, Script(hold()), account(user_coin()), on_gap="warn")
    assert paid_at(result) == [8, 24, 32]
    assert any("no funding row between" in finding for finding in result.findings)


class Boundaries(Strategy):
    """Notes the boundaries it hears of."""

    def __init__(self, notes):
        super().__init__()
        self.notes = notes

    def on_funding(self, event):
        """Note its time."""
        self.notes.append(event.ts)


def test_a_run_that_is_cut_at_a_boundary_sees_and_pays_it_in_one_part_only():
    """B12: restarts; start is inside a run, end is not."""
    data = flat(26) + funding([("08:00", 0.001), ("16:00", 0.001), ("2025-01-02T00:00", 0.001)], USER_COIN)
    for cut in ("16:00", "15:59:59", "20:00"):
        first, second = Notes(), Notes()
        run(data, Boundaries(first), account(user_coin()), end=ns(cut))
        run(data, Boundaries(second), account(user_coin()), start=ns(cut))
        assert [*first, *second] == [ns("08:00"), ns("16:00"), ns("2025-01-02T00:00")]


def test_an_interval_that_shrinks_during_the_run_is_followed():
    """B13: 8 h, then 4 h, then 1 h; every boundary once, and the interval of each is known to the strategy."""
    hours = [(8, 8), (16, 8), (20, 4), (24, 4), (25, 1), (26, 1), (27, 1)]
    rows = frame([(ns("00:00") + at * HOUR, 0.001, length) for at, length in hours], "rate interval_hours")
    data = flat(30) + feeds.from_pandas(rows, kind="funding", venue=USDM, symbol=USER_COIN)
    notes = Notes()

    def look(strategy):
        known = strategy.funding(USER_COIN)
        strategy.note(known.interval_hours, known.next_time)

    looks = [(ns("00:00") + at * HOUR + MINUTE, look) for at in (8, 20, 25)]
    result = run(data, Script(hold(), *looks, notes=notes), account(user_coin()))
    assert paid_at(result) == [at for at, _ in hours]
    assert [(length, (after - ns("00:00")) / HOUR) for _, length, after in notes] == [(8, 16), (4, 24), (1, 26)]


AT = "08:00"
EDGES = {
    "opened just before": ([("07:59:59", 100, 5)], -1),
    "opened exactly at it": ([(AT, 100, 5)], None),
    "opened just after": ([(ns(AT) + 1, 100, 5)], None),
}


@pytest.mark.parametrize("name", EDGES)
def test_funding_goes_to_what_was_held_before_the_trades_of_its_instant(name):
    """B13: a position opened by a trade at the boundary does not pay, one opened before it does."""
    rows, sign = EDGES[name]
    tape = trades([("07:00", 100, 5), *rows, ("09:00", 100, 5)], USER_COIN)
    data = tape + marks([("07:00", 100), ("08:30", 100), ("09:00", 100)], USER_COIN) + funding([(AT, 0.01)], USER_COIN)
    result = run(data, Script(hold(when="07:30")), account(user_coin()), on_gap="warn")
    assert len(result.fills) == 1
    assert amounts(result, "funding") == ([] if sign is None else [Decimal(sign)])


CLOSES = {
    "closed just before": ("07:59:59", []),
    "closed exactly at it": (AT, [-1]),
    "closed just after": (ns(AT) + 1, [-1]),
}


@pytest.mark.parametrize("name", CLOSES)
def test_a_position_closed_at_the_boundary_still_pays(name):
    """B13: the other side of the same rule."""
    closing, expected = CLOSES[name]
    tape = trades([("07:00", 100, 5), ("07:10", 100, 5), (closing, 100, 5), ("09:00", 100, 5)], USER_COIN)
    data = tape + marks([("07:00", 100), ("08:30", 100), ("09:00", 100)], USER_COIN) + funding([(AT, 0.01)], USER_COIN)
    steps = [hold(when="07:05"), ("07:30", lambda s: s.close(USER_COIN))]
    result = run(data, Script(*steps), account(user_coin()), on_gap="warn")
    assert len(result.fills) == 2
    assert amounts(result, "funding") == [Decimal(x) for x in expected]


def delisted(at, price):
    """Return a settlement of the contract as data."""
    row = {"ts": ns(at), "until": ns(at), "what": "delisting", "value": price, "source": "test"}
    rows = pd.DataFrame([row])
    return feeds.from_pandas(rows, kind="venue_events", venue=USDM, symbol=USER_COIN)


def test_funding_stops_when_the_contract_settles():
    """B14: rows after the settlement find no position, and orders are refused."""
    rows = funding([("08:00", 0.01), ("16:00", 0.01), ("2025-01-02T00:00", 0.01)], USER_COIN)
    notes = Notes()
    steps = [hold(), ("13:00", lambda s: s.buy(USER_COIN, quantity=1))]
    result = run(flat(26) + rows + delisted("12:00", 103), Listener(*steps, notes=notes), account(user_coin()))
    assert paid_at(result) == [8]
    assert amounts(result, "settlement") == [Decimal(3)]
    assert result.orders["reason"].tolist()[-1] == "DELISTED"
    assert result.positions["held"].tolist() == [0.0]


def test_a_position_whose_data_end_is_an_error_not_a_frozen_price():
    """B14: marks end at 10:00, funding rows go on."""
    rows = funding([("08:00", 0.01), ("16:00", 0.01)], USER_COIN)
    with pytest.raises(FeedError, match="a position is open and its latest mark is of 2025-01-01 10:00"):
        run(flat(10) + rows + flat(17, symbol=LINEAR), Script(hold()), account(user_coin()))


def test_a_rate_without_any_price_is_loud():
    """B14: a payment that nothing can price stops the run and says what would help."""
    tape = trades([("00:00", 100, 5), ("00:10", 100, 5), ("09:00", 100, 5)], USER_COIN)
    late = marks([("08:30", 100), ("09:00", 100)], USER_COIN)
    data = tape + late + funding([("08:00", 0.01)], USER_COIN)
    with pytest.raises(FeedError, match="no mark; give mark rows, a mark column in the funding rows, or mark='last'"):
        run(data, Script(hold()), account(user_coin()), on_gap="warn")


SIGNS = [(1, 0.01, "-1"), (1, -0.01, "1"), (-1, 0.01, "1"), (-1, -0.01, "-1")]


@pytest.mark.parametrize(("quantity", "rate", "amount"), SIGNS)
def test_longs_pay_a_positive_rate_and_shorts_receive_it(quantity, rate, amount):
    """B15."""
    result = run(flat(9) + funding([("08:00", rate)], USER_COIN), Script(hold(quantity)), account(user_coin()))
    assert amounts(result, "funding") == [Decimal(amount)]


@pytest.mark.parametrize("rate", [0.000123, -0.000077])
def test_funding_of_a_closed_book_adds_up_to_zero(rate):
    """B15: what the longs pay is what the shorts receive, to the atom that truncation leaves."""
    owners = [account(user_coin(), account=name) for name in ("a", "b", "c")]
    sizes = {"a": 3.217, "b": -1.1, "c": -2.117}

    def send(strategy):
        for name, size in sizes.items():
            address = f"{USER_COIN}@{USDM}/{name}"
            strategy.buy(address, quantity=size) if size > 0 else strategy.sell(address, quantity=-size)

    data = flat(26, 97.13) + funding([("08:00", rate), ("16:00", rate), ("2025-01-02T00:00", rate)], USER_COIN)
    result = run(data, Script(("00:05", send)), *owners)
    total = sum(postings(result, "funding", name=f"{USDM}/{name}") for name in sizes)
    assert len(result.funding) == 9
    assert abs(total) <= Decimal("1e-8") * 9


def test_funding_uses_the_size_held_at_each_boundary():
    """B16: after an add, after a reduction, after a turn."""
    steps = [
        hold(2),
        ("09:05", lambda s: s.buy(USER_COIN, quantity=3)),
        ("17:05", lambda s: s.sell(USER_COIN, quantity=4)),
        ("2025-01-02T01:05", lambda s: s.sell(USER_COIN, quantity=3)),
    ]
    rows = funding([(ns("00:00") + hour * HOUR, 0.01) for hour in (8, 16, 24, 32)], USER_COIN)
    result = run(flat(33) + rows, Script(*steps), account(user_coin()))
    assert result.funding["quantity"].tolist() == [2.0, 5.0, 1.0, -2.0]
    assert amounts(result, "funding") == [Decimal(x) for x in ("-2", "-5", "-1", "2")]


@pytest.mark.parametrize("mode", ["cross", "isolated"])
def test_a_payment_can_itself_liquidate(mode):
    """B17: 50 of margin on 1,000 of notional, 46 paid: 4 is under the 5 of maintenance; the mark never moved."""
    notes = Notes()
    money = 51 if mode == "cross" else 1_000
    owner = account(user_coin(clearance_fee=None), {"USDT": money}, leverage=20, margin_mode=mode)
    data = flat(10) + funding([("08:00", 0.047 if mode == "cross" else 0.046)], USER_COIN)
    result = run(data, Listener(hold(10), notes=notes), owner)
    assert result.summary["liquidations"] == 1
    assert result.liquidations["trigger_mark"].tolist() == [100.0]
    kinds = [note[1] for note in notes]
    assert kinds.index("funding") < kinds.index("liquidated")
    survived = run(flat(10) + funding([("08:00", 0.04)], USER_COIN), Script(hold(10)), owner)
    assert survived.liquidations.empty


class Predictor(Script):
    """Notes what is predicted every hour."""

    def on_start(self):
        """Ask every hour."""
        self.every("1h")

    def on_timer(self, timer):
        """Note the prediction and the last rate."""
        info = self.funding(USER_COIN)
        self.note(info.predicted_rate, info.predicted_source, info.last_rate)


RATES = [("08:00", 0.001), ("16:00", -0.002), ("2025-01-02T00:00", 0.003)]


def test_without_predicted_rows_or_premiums_nothing_is_predicted():
    """B34: the next settled row is in the data, and must not be told."""
    notes = Notes()
    run(flat(25) + funding(RATES, USER_COIN), Predictor(notes=notes), account(user_coin()))
    assert {note[1] for note in notes} == {None}
    assert [note[3] for note in notes][6:10] == [None, 0.001, 0.001, 0.001]


def test_a_prediction_is_the_latest_delivered_predicted_row():
    """B34: predictions with their own times; the settled row that follows differs and is not looked up."""
    settled = frame([(*row, "settled") for row in RATES], "rate kind")
    predicted = frame([("07:30", 0.0007, "predicted"), ("15:30", 0.0015, "predicted")], "rate kind")
    rows = pd.concat([settled, predicted]).sort_values("ts", kind="stable")
    rows["interval_hours"] = 8
    data = flat(25) + feeds.from_pandas(rows, kind="funding", venue=USDM, symbol=USER_COIN)
    notes = Notes()
    run(data, Predictor(notes=notes), account(user_coin()))
    found = {int((time - ns("00:00")) // HOUR): rate for time, rate, _, _ in notes}
    assert found[7] is None
    assert found[8] is None  # settled meanwhile: the prediction of that interval is over
    assert found[15] is None
    looks = Notes()
    script = Script(("07:45", lambda s: s.note(s.funding(USER_COIN).predicted_rate)), notes=looks)
    run(data, script, account(user_coin()))
    assert [note[1] for note in looks] == [0.0007]


def premiums(values, start="00:00"):
    """Return premium samples ten minutes apart."""
    return points("premium", [(ns(start) + (i + 1) * 10 * MINUTE, value) for i, value in enumerate(values)], USER_COIN)


def test_a_formula_prediction_rests_on_the_premiums_delivered_so_far():
    """B34: premiums and rates after a time are changed at random; predictions before it stay."""
    calm = [(i * 7) % 5 / 10_000 for i in range(120)]
    wild = [*calm[:60], *[((i * 3) % 7 - 3) / 100 for i in range(60)]]
    seen = []
    for values, rates in ((calm, RATES), (wild, [RATES[0], ("16:00", 0.02), ("2025-01-02T00:00", -0.02)])):
        notes = Notes()
        run(flat(25) + funding(rates, USER_COIN) + premiums(values), Predictor(notes=notes), account(user_coin()))
        seen.append([note for note in notes if note[0] <= ns("10:00")])
    assert seen[0] == seen[1]
    assert {source for _, rate, source, _ in seen[0] if rate is not None} == {"premium so far"}
    assert len(seen[0]) >= 9
