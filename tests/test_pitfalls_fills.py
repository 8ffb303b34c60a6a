"""Bugs of other backtesters about fills and money (pitfalls.md, by id), each through the whole engine."""

from decimal import ROUND_DOWN, Decimal
from fractions import Fraction

import pytest
from engine_data import (
    COINM,
    INVERSE,
    MINUTE,
    USDM,
    USER_COIN,
    Listener,
    Notes,
    Script,
    account,
    amounts,
    balance,
    bars,
    marks,
    ns,
    points,
    postings,
    reasons,
    run,
    trades,
    user_coin,
)


def tape(rows, symbol=USER_COIN, venue=USDM):
    """Return marks at the first price and trades from rows of (price, quantity), one minute apart from 00:00."""
    times = [ns("00:00") + i * MINUTE for i in range(len(rows))]
    own = trades([(t, price, quantity) for t, (price, quantity) in zip(times, rows, strict=True)], symbol, venue)
    return own + marks([(t, rows[0][0]) for t in times], symbol, venue)


def test_each_part_of_a_fill_reaches_position_fee_and_margin_once():
    """B18: a limit for 10 at 100 is met by 3, 4 and 5 units traded below it."""
    data = tape([(101, 1), (101, 1), (99, 3), (99, 4), (101, 1), (99, 5), (101, 1), (101, 1)])
    notes = Notes()

    def look(strategy):
        held = strategy.position(USER_COIN)
        strategy.note(held.quantity, round(strategy.account(USDM).free("USDT"), 6))

    steps = [
        ("00:01", lambda s: s.buy(USER_COIN, quantity=10, limit=100)),
        *((f"00:0{minute}", look) for minute in range(1, 7)),
    ]
    owner = account(user_coin(), {"USDT": 1_000}, leverage=10, fees=(0.001, 0.002))
    result = run(data, Script(*steps, notes=notes), owner)
    assert result.fills["quantity"].tolist() == [3.0, 4.0, 3.0]
    assert result.fills["is_maker"].tolist() == [True] * 3
    assert amounts(result, "fee") == [Decimal("-0.3"), Decimal("-0.4"), Decimal("-0.3")]
    # Free: wallet + profit at the mark of 101, less a tenth of the notional at mark, less a tenth of what still waits.
    assert [note[1] for note in notes] == [0.0, 3.0, 7.0, 7.0, 10.0, 10.0]
    expected = []
    for held, fee in ((0, "0"), (3, "0.3"), (7, "0.7"), (7, "0.7"), (10, "1"), (10, "1")):
        waiting = 10 - held
        wallet = 1_000 - Decimal(fee) + held * (101 - 100)
        expected.append(float(wallet - Decimal(held * 101 + waiting * 100) / 10))
    assert [note[2] for note in notes[1:]] == pytest.approx(expected[1:])


def test_a_fill_of_exactly_the_rest_closes_the_order():
    """B19: nothing of it is left working, and nothing of its margin held."""
    data = tape([(101, 1), (101, 1), (99, 6), (99, 4), (99, 50), (99, 50)])
    notes = Notes()
    steps = [
        ("00:01", lambda s: s.buy(USER_COIN, quantity=10, limit=100)),
        ("00:04", lambda s: s.note(len(s.orders()), s.position(USER_COIN).quantity)),
    ]
    result = run(data, Listener(*steps, notes=notes), account(user_coin()))
    assert result.fills["quantity"].tolist() == [6.0, 4.0]
    assert reasons(result) == ["filled"]
    assert (0, 10.0) in [note[1:] for note in notes]
    states = [note[3] for note in notes if note[1] == "order"]
    assert states == ["working", "filled"]


def test_a_rebate_reaches_equity_with_its_sign():
    """B20: a maker fee of -0.01 % pays 0.1 on 1,000 of notional, and the venue pays it."""
    data = tape([(101, 1), (101, 1), (99, 20), (101, 1)])
    step = ("00:01", lambda s: s.buy(USER_COIN, quantity=10, limit=100))
    result = run(data, Script(step), account(user_coin(), fees=(-0.0001, 0.001)))
    assert amounts(result, "fee") == [Decimal("0.1")]
    assert balance(result) == Decimal("10000.1")
    assert balance(result, name=f"{USDM} venue_fees") == 0  # the contra side is not a posting of its own
    assert result.fills["fee"].tolist() == [-0.1]
    assert result.summary["fees"] == pytest.approx(0.1)


def test_two_own_orders_share_the_quantity_of_a_trade_and_a_new_trade_brings_a_new_one():
    """B21: 5 traded below the limits of two orders for 4 fill 4 and 1; the next 5 fill the other 3, oldest first."""
    data = tape([(101, 1), (101, 1), (99, 5), (101, 1), (99, 5), (101, 1)])
    steps = [("00:01", lambda s: s.buy(USER_COIN, quantity=4, limit=100)) for _ in range(2)]
    result = run(data, Script(*steps), account(user_coin()))
    found = [(row.order, row.quantity, row.time.minute) for row in result.fills.itertuples()]
    assert found == [(1, 4.0, 2), (2, 1.0, 2), (2, 3.0, 4)]


def test_orders_of_two_accounts_do_not_both_eat_one_trade():
    """B21: the market is one, whoever owns the orders."""
    data = tape([(101, 1), (101, 1), (99, 5), (101, 1)])

    def send(strategy):
        for name in ("a", "b"):
            strategy.buy(f"{USER_COIN}@{USDM}/{name}", quantity=4, limit=100)

    result = run(data, Script(("00:01", send)), *(account(user_coin(), account=name) for name in ("a", "b")))
    assert result.fills["quantity"].tolist() == [4.0, 1.0]


def test_all_orders_of_a_bar_share_its_stated_part_of_the_volume():
    """B21: a tenth of 50 is 5, for a taker and a maker together; the next bar brings its own."""
    rows = [("00:00", 100, 100, 100, 100, 1_000), ("01:00", 100, 101, 98, 100, 50), ("02:00", 100, 101, 98, 100, 50)]
    steps = [
        ("01:00", lambda s: s.buy(USER_COIN, quantity=3)),
        ("01:00", lambda s: s.buy(USER_COIN, quantity=4, limit=99)),
    ]
    result = run(bars(rows, USER_COIN), Script(*steps), account(user_coin()), mark="last")
    found = [(row.order, row.quantity, row.time.hour) for row in result.fills.itertuples()]
    assert found == [(1, 3.0, 1), (2, 2.0, 1), (2, 2.0, 2)]


def test_the_same_displayed_size_is_not_consumed_twice_by_an_order_at_the_touch():
    """B21: at its own price an order first waits for the estimated queue, then takes what trades beyond it."""
    rows = [(100, 8), (101, 8)] * 30 + [(100, 3), (100, 30), (101, 1)]
    steps = [(ns("00:00") + 59 * MINUTE, lambda s: s.buy(USER_COIN, quantity=5, limit=100))]
    result = run(tape(rows), Script(*steps), account(user_coin()))
    # Runs of 8 a side make the estimate; 3 do not reach through it, the 30 that follow do.
    assert [(row.time.hour, row.time.minute) for row in result.fills.itertuples()] == [(1, 1)]
    assert result.fills["quantity"].sum() == 5.0


def test_profit_and_margin_of_an_inverse_contract_are_in_the_coin():
    """B22: 100 contracts of 100 USD bought at 50,000 and sold at 40,000: 0.2 - 0.25 = -0.05 coins."""
    times = ["00:00", "00:01", "00:02", "00:03", "00:04"]
    prices = [50_000, 50_000, 40_000, 40_000, 40_000]
    rows = list(zip(times, prices, strict=True))
    data = marks(rows, INVERSE, COINM) + trades([(t, p, 500) for t, p in rows], INVERSE, COINM)
    notes = Notes()

    def look(strategy):
        held = strategy.position(INVERSE)
        strategy.note(held.unrealized_pnl, held.notional, held.delta)

    steps = [
        ("00:00", lambda s: s.buy(INVERSE, quantity=100)),
        ("00:02", look),
        ("00:03", lambda s: s.close(INVERSE)),
    ]
    owner = account(COINM, {"BTC": 1}, leverage=10)
    result = run(data, Script(*steps, notes=notes), owner, reporting="USD")
    assert [note[1:] for note in notes] == [pytest.approx((-0.05, 0.25, 0.25), rel=1e-12)]
    assert amounts(result, "trade_profit", name=COINM) == [Decimal("-0.05")]
    row = next(
        row for row in result.margin.to_dict("records") if row["flags"] == "periodic" and row["time"].minute == 3
    )
    # Notional at mark in coin: 0.25; a tenth of it is initial margin, 0.4 % (first tier, amount 0) maintenance.
    assert (row["initial"], row["maintenance"], row["equity"]) == pytest.approx((0.025, 0.001, 0.95), rel=1e-12)
    assert row["asset"] == "BTC"


def test_equity_of_several_collaterals_counts_each_once():
    """B23: 1,000 USDT at 0.9999 and 2 BTC at 0.975 x 50,000 back one pool; the equity of the run has no haircut."""
    times = [ns("00:00") + i * MINUTE for i in range(6)]
    symbol = "BTC/USDT:USDT"
    data = (
        marks([(t, 50_000) for t in times], symbol)
        + trades([(t, 50_000, 100) for t in times], symbol)
        + points("index", [(t, 50_000) for t in times], "BTC/USD")
        + points("index", [(t, 1) for t in times], "USDT/USD")
    )
    step = ("00:01", lambda s: s.buy(symbol, quantity=1))
    owner = account(balances={"USDT": 1_000, "BTC": 2}, collateral="multi", leverage=10)
    result = run(data, Script(step), owner, reporting="USD")
    rows = [row for row in result.margin.to_dict("records") if row["flags"] == "periodic"]
    assert rows[-1]["equity"] == pytest.approx(1_000 * 0.9999 + 2 * 50_000 * 0.975, rel=1e-12)
    assert len({row["symbol"] for row in rows}) == 1
    assert result.equity["equity"].tolist()[-1] == pytest.approx(101_000, rel=1e-12)
    assert result.summary["end_equity"] == pytest.approx(101_000, rel=1e-9)


def test_fees_of_both_sides_are_counted():
    """B32: a maker's entry and a taker's exit, each at its rate on its own notional."""
    data = tape([(101, 1), (101, 1), (99, 20), (110, 1), (110, 1)])
    steps = [
        ("00:01", lambda s: s.buy(USER_COIN, quantity=10, limit=100)),
        ("00:03", lambda s: s.close(USER_COIN)),
    ]
    result = run(data, Script(*steps), account(user_coin(), fees=(0.0002, 0.0005)))
    assert amounts(result, "fee") == [Decimal("-0.2"), Decimal("-0.55")]
    assert balance(result) - 10_000 == Decimal("100") - Decimal("0.75")


FILLS = [(7, 50_123.4), (13, 49_876.5), (29, 51_005.3), (-17, 50_444.7), (11, 48_999.9), (-43, 50_900.1)]


def test_realised_profit_comes_from_the_exact_entry_value_truncated_to_the_atom():
    """B38: COIN-M keeps the entry value exactly; an average price rounded to any tick would be off by atoms.

    The same sums are made here in fractions: value = contracts x 100 / price, a part leaves with its share.
    """
    times = [ns("00:00") + i * MINUTE for i in range(2 * len(FILLS) + 2)]
    prices = [FILLS[min(i // 2, len(FILLS) - 1)][1] for i in range(len(times))]
    rows = list(zip(times, prices, strict=True))
    data = marks(rows, INVERSE, COINM) + trades([(t, p, 500) for t, p in rows], INVERSE, COINM)

    def send(size):
        return lambda s: s.buy(INVERSE, quantity=size) if size > 0 else s.sell(INVERSE, quantity=-size)

    steps = [(times[2 * i], send(size)) for i, (size, _) in enumerate(FILLS)]
    result = run(data, Script(*steps), account(COINM, {"BTC": 1}), reporting="USD")
    assert result.fills["price"].tolist() == [price for _, price in FILLS]
    held, value, expected = 0, Fraction(0), []
    for size, price in FILLS:
        worth = Fraction(abs(size) * 100) / Fraction(str(price))
        if size > 0:
            held, value = held + size, value + worth
            continue
        part = value * Fraction(-size, held)
        profit = part - worth
        atoms = Decimal(profit.numerator) / Decimal(profit.denominator)
        expected.append(atoms.quantize(Decimal("1e-8"), rounding=ROUND_DOWN))
        held, value = held + size, value - part
    assert amounts(result, "trade_profit", name=COINM) == expected
    assert held == 0
    assert postings(result, "trade_profit", name=COINM) == sum(expected)
