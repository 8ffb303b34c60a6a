"""Bugs of other backtesters about margin (pitfalls.md, by id), each through the whole engine."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from engine_data import (
    LINEAR,
    MINUTE,
    OTHER_COIN,
    USER_COIN,
    Listener,
    Notes,
    Script,
    account,
    amounts,
    balance,
    bars,
    constant,
    marks,
    ns,
    reasons,
    run,
    trades,
    user_coin,
)

import venues
from backtest.errors import ConfigError
from feeds import FeedError


def path(prices, symbol=USER_COIN, *, start="00:00", step=MINUTE):
    """Return marks and trades of a path, one minute apart."""
    rows = [(ns(start) + i * step, price) for i, price in enumerate(prices)]
    return marks(rows, symbol) + trades([(t, price, 1000) for t, price in rows], symbol)


def two_coins(**fields):
    """Return rules with contracts X and Y of one flat tier of 1 %."""
    return user_coin(OTHER_COIN, rate=0.01, rules=user_coin(rate=0.01, **fields), **fields)


def at(result, minute):
    """Return the periodic margin sample of a minute: the state just before its first event."""
    rows = [row for row in result.margin.to_dict("records") if row["flags"] == "periodic"]
    (row,) = [row for row in rows if row["time"].value == ns(minute)]
    return row


def test_maintenance_does_not_depend_on_the_leverage_that_was_set():
    """B01: the requirement comes from the tier; the leverage set changes initial margin only."""
    data = path([100, 100, 100, 110, 120, 120])
    five, fifty = (
        run(data, Script(("00:00", lambda s: s.buy(USER_COIN, quantity=10))), account(user_coin(), leverage=leverage))
        for leverage in (5, 50)
    )
    assert five.margin["maintenance"].tolist() == fifty.margin["maintenance"].tolist()
    assert at(five, "00:04")["maintenance"] == pytest.approx(5.5)
    assert at(five, "00:04")["initial"] == pytest.approx(220.0)
    assert at(fifty, "00:04")["initial"] == pytest.approx(22.0)


def test_maintenance_follows_the_mark():
    """B02: 0.5 % of ten units at the mark of each moment, not of the entry."""
    data = path([100, 100, 110, 120, 90, 90, 90])
    result = run(data, Script(("00:00", lambda s: s.buy(USER_COIN, quantity=10))), account(user_coin()))
    found = [at(result, minute)["maintenance"] for minute in ("00:03", "00:04", "00:05")]
    assert found == pytest.approx([5.5, 6.0, 4.5])


TABLES = [
    ("binance_usdm", "BTC/USDT:USDT"),
    ("binance_usdm", "ETH/USDT:USDT"),
    ("binance_usdm", "XRP/USDT:USDT"),
    ("binance_coinm", "BTC/USD:BTC"),
]


@pytest.mark.parametrize(("venue", "symbol"), TABLES)
def test_maintenance_is_continuous_at_every_border_of_tiers(venue, symbol):
    """B03: the amounts are cumulative, so that crossing a border by a dollar costs the rate of a dollar."""
    rules = venues.get(venue, as_of="2024-11-01")
    table = rules.tiers(symbol)
    size = {"BTC/USD:BTC": 100.0}.get(symbol, 1.0)

    def maintenance(notional):
        quantity = 1_000.0 * notional if venue == "binance_coinm" else notional / 1_000.0
        price = 1_000.0 * size if venue == "binance_coinm" else 1_000.0
        held = venues.Position(symbol, quantity=quantity, entry_price=price)
        owner = venues.Account(rules, balances={"BTC" if venue == "binance_coinm" else "USDT": 1e10}, positions=[held])
        return owner.risk(marks={symbol: price}).maintenance_margin

    for low, high in itertools.pairwise(table):
        step = high.floor * 1e-6
        below, border, above = (maintenance(high.floor + k * step) for k in (-1, 0, 1))
        assert border - below == pytest.approx(low.maintenance_rate * step, rel=1e-3)
        assert above - border == pytest.approx(high.maintenance_rate * step, rel=1e-3)


def test_the_tier_is_chosen_by_notional_whatever_the_collateral():
    """B04: accounts of 30,000 and 30 million hold the same position at the same requirement."""
    data = constant(50_000, start="00:00", end="00:10")
    step = ("00:01", lambda s: s.buy(LINEAR, quantity=4))
    poor, rich = (run(data, Script(step), account(balances={"USDT": money})) for money in (30_000, 30_000_000))
    # 200,000 of notional, second tier: 0.5 % less 50.
    assert at(poor, "00:05")["maintenance"] == at(rich, "00:05")["maintenance"] == 950.0


def two_legs(last):
    """Return (data, script, account): long 10 X at 100, short 20 Y at 50; Y goes to 60, then X to `last`."""
    x = [100, 100, 100, 100, 100, last, last]
    y = [50, 50, 50, 60, 60, 60, 60]
    notes = Notes()
    steps = [
        ("00:00", lambda s: (s.buy(USER_COIN, quantity=10), s.sell(OTHER_COIN, quantity=20))),
        ("00:04", lambda s: s.note(s.position(USER_COIN).liquidation_price, s.position(OTHER_COIN).liquidation_price)),
    ]
    data = path(x) + path(y, OTHER_COIN)
    return data, Script(*steps, notes=notes), account(two_coins(), {"USDT": 500}, leverage=20), notes


def test_other_positions_count_with_their_own_sign_at_their_present_mark():
    """B05: 500 - 20 x (60 - 50) + 10 (p - 100) = 12 + 0.1 p, so p = 712 / 9.9; a short's loss is a loss."""
    data, script, owner, notes = two_legs(100)
    run(data, script, owner)
    ((_, first, second),) = notes
    assert first == pytest.approx(712 / 9.9, rel=1e-12)
    # 500 + 0 - 20 (p - 50) = 10 + 0.2 p
    assert second == pytest.approx(1490 / 20.2, rel=1e-12)


@pytest.mark.parametrize(("mark", "liquidations"), [(71.92, 0), (71.919, 1), (70.8, 1)])
def test_other_positions_maintenance_stands_between_an_account_and_its_liquidation(mark, liquidations):
    """B06: without the other leg's 12 of maintenance the level would be 700 / 9.9 = 70.707."""
    data, script, owner, _ = two_legs(mark)
    result = run(data, script, owner)
    assert result.summary["liquidations"] == liquidations


def wick(**options):
    """Return a result of a 10x long through a last price of 80 for one trade while the mark stays at 100."""
    rows = [(ns("00:00") + i * MINUTE, 100) for i in range(9)]
    tape = [(t, 80 if i == 5 else 100, 1000) for i, (t, _) in enumerate(rows)]
    script = Script(("00:01", lambda s: s.buy(USER_COIN, quantity=10)))
    owner = account(user_coin(), {"USDT": 100}, leverage=20, missing_tiers="error")
    return run(marks(rows, USER_COIN) + trades(tape, USER_COIN), script, owner, **options)


def test_the_trigger_fires_on_the_price_source_declared_for_the_run():
    """B07, B08: the same wick of the last price liquidates only the run whose mark is the last price."""
    assert wick().liquidations.empty
    assert wick(mark="last").liquidations["trigger_mark"].tolist()[0] == 80.0


def test_a_run_whose_declared_source_is_not_in_the_data_refuses_to_start():
    """B07: there is no going on unliquidated."""
    tape = trades([("00:00", 100, 1), ("00:05", 100, 1)], USER_COIN)
    for mark, needed in (("feed", "mark='feed' needs mark rows"), ("index", "mark='index' needs index rows")):
        with pytest.raises(ConfigError, match=needed) as error:
            run(tape, Script(), account(user_coin()), mark=mark)
        assert "mark='last' accepts" in str(error.value)


def gapped():
    """Return marks that stop for half an hour while trades go on."""
    minutes = [*range(10), *range(40, 50)]
    feed = marks([(ns("00:00") + i * MINUTE, 100) for i in minutes], USER_COIN)
    return feed + trades([(ns("00:00") + i * MINUTE, 100, 5) for i in range(50)], USER_COIN)


def test_a_run_stops_where_its_source_no_longer_prices_an_open_position():
    """B07: the message names the position, the time, and the argument that would accept the gap."""
    script = Script(("00:01", lambda s: s.buy(USER_COIN, quantity=1)))
    with pytest.raises(FeedError, match=r"X/USDT:USDT@binance_usdm: at .* a position is open") as error:
        run(gapped(), script, account(user_coin()))
    assert "on_gap='warn'" in str(error.value)
    accepted = run(gapped(), script, account(user_coin()), on_gap="warn")
    assert any("gap in mark" in finding for finding in accepted.findings)
    flat = run(gapped(), Script(), account(user_coin()))
    assert flat.findings == []


@pytest.mark.parametrize("kind", ["mark bars", "mark='last'"])
def test_a_wick_inside_a_bar_liquidates(kind):
    """B08: neither close shows it."""
    rows = [("00:00", 100, 100, 100, 100), ("01:00", 100, 101, 85, 100), ("02:00", 100, 100, 100, 100)]
    flat = [(row[0], 100, 100, 100, 100) for row in rows]
    script = Script(("00:30", lambda s: s.buy(USER_COIN, quantity=10)))
    owner = account(user_coin(clearance_fee=None), {"USDT": 100}, leverage=20)
    if kind == "mark bars":
        result = run(bars(flat, USER_COIN) + bars(rows, USER_COIN, kind="mark"), script, owner)
    else:
        result = run(bars(rows, USER_COIN), script, owner, mark="last")
    assert result.summary["liquidations"] == 1
    assert result.liquidations["trigger_mark"].tolist()[0] == pytest.approx(900 / 9.95, abs=1e-3)


def test_a_wick_of_the_last_price_inside_a_bar_does_not_liquidate_while_the_mark_stands():
    """B08: the bar's low of 85 is a last price; the run's marks are mark bars."""
    rows = [("00:00", 100, 100, 100, 100), ("01:00", 100, 101, 85, 100), ("02:00", 100, 100, 100, 100)]
    flat = [(row[0], 100, 100, 100, 100) for row in rows]
    script = Script(("00:30", lambda s: s.buy(USER_COIN, quantity=10)))
    owner = account(user_coin(), {"USDT": 100}, leverage=20)
    result = run(bars(rows, USER_COIN) + bars(flat, USER_COIN, kind="mark"), script, owner)
    assert result.liquidations.empty


@pytest.mark.parametrize(("mode", "money", "level"), [("cross", 102, 202 / 1.005), ("isolated", 200, 200 / 1.005)])
def test_a_short_at_leverage_one_is_liquidated_when_the_price_doubles(mode, money, level):
    """B10: margin and proceeds (100 and 100, isolated) meet 1.005 p of debt and maintenance at 199.005."""
    steps = [
        ("00:00", lambda s: s.sell(USER_COIN, quantity=1)),
        ("00:02", lambda s: s.note(s.position(USER_COIN).liquidation_price)),
    ]
    before, after = round(level - 0.005, 3), round(level + 0.005, 3)
    notes = Notes()
    owner = account(user_coin(), {"USDT": money}, leverage=1, margin_mode=mode)
    result = run(path([100, 100, 100, before, before, after, after]), Script(*steps, notes=notes), owner)
    assert [note[1] for note in notes] == [pytest.approx(level, rel=1e-9)]
    assert result.liquidations["trigger_mark"].tolist()[0] == after


@pytest.mark.parametrize("how", ["venue", "verb", "cross"])
def test_no_margin_mode_switches_liquidation_off(how):
    """B11: isolated from the start, isolated by the strategy, or cross: the fall ends the position each time."""
    steps = [("00:01", lambda s: s.buy(USER_COIN, quantity=10))]
    if how == "verb":
        steps.insert(0, ("00:00", lambda s: s.set_margin_mode(USER_COIN, "isolated")))
    money = 101 if how == "cross" else 10_000
    owner = account(
        user_coin(clearance_fee=None),
        {"USDT": money},
        leverage=10,
        margin_mode="isolated" if how == "venue" else "cross",
    )
    result = run(path([100, 100, 100, 95, 90, 90]), Script(*steps), owner)
    assert result.summary["liquidations"] == 1
    assert result.positions["held"].tolist() == [0.0]
    # Cross: the 1 that is left goes to the clearance fee; isolated: nothing but the leg's own wallet is lost.
    assert balance(result) == money - (101 if how == "cross" else 100)


def test_the_contract_size_is_in_profit_margin_and_notional():
    """B24: 50 contracts of 0.01 coin at 40,000 are 20,000 of notional, and 1,000 up pays 500."""
    notes = Notes()
    steps = [
        ("00:00", lambda s: s.buy(USER_COIN, quantity=50)),
        ("00:02", lambda s: s.note(s.position(USER_COIN).notional, s.position(USER_COIN).delta)),
        ("00:04", lambda s: s.close(USER_COIN)),
    ]
    owner = account(user_coin(contract_size=0.01, tick_size=1, lot_size=1), leverage=10, fees=(0, 0.0005))
    result = run(path([40_000, 40_000, 40_000, 41_000, 41_000, 41_000]), Script(*steps, notes=notes), owner)
    assert [note[1:] for note in notes] == [(20_000.0, 0.5)]
    assert [float(x) for x in amounts(result, "trade_profit")] == [500.0]
    assert [float(x) for x in amounts(result, "fee")] == [-10.0, -10.25]
    row = at(result, "00:03")
    assert (row["maintenance"], row["initial"]) == pytest.approx((100.0, 2_000.0))


def test_reducing_is_never_blocked_by_margin():
    """B25: nothing is available, and yet a reduce-only limit, a market close and a stop are taken."""
    steps = [
        ("00:00", lambda s: s.buy(USER_COIN, quantity=100)),
        ("00:02", lambda s: s.note(s.account("binance_usdm").free("USDT"))),
        ("00:02", lambda s: s.buy(USER_COIN, quantity=1)),
        ("00:02", lambda s: s.sell(USER_COIN, quantity=20, limit=95.5, reduce_only=True)),
        ("00:02", lambda s: s.protect(USER_COIN, stop=90)),
        ("00:03", lambda s: s.sell(USER_COIN, quantity=30, reduce_only=True)),
        ("00:04", lambda s: s.close(USER_COIN)),
    ]
    notes = Notes()
    data = path([100, 100, 95, 95, 95, 95, 95])
    result = run(data, Script(*steps, notes=notes), account(user_coin(), {"USDT": 1_006}, leverage=10))
    assert notes[0][1] == 0.0
    found = reasons(result)
    assert found[:3] == ["filled", "rejected INSUFFICIENT_MARGIN", "canceled BY_USER"]
    assert found[4:] == ["filled", "filled"]
    assert result.positions["held"].tolist() == [0.0]


def test_an_order_above_the_available_margin_is_refused_and_the_run_goes_on():
    """B26: 101 units at 100 and 10x need 1,010 of 1,000 (and the assumed price of a market order a little more)."""
    notes = Notes()
    steps = [
        ("00:00", lambda s: s.buy(USER_COIN, quantity=101, limit=100)),
        ("00:01", lambda s: s.buy(USER_COIN, quantity=100)),
        ("00:02", lambda s: s.buy(USER_COIN, quantity=99)),
    ]
    result = run(path([100] * 6), Listener(*steps, notes=notes), account(user_coin(), {"USDT": 1_000}, leverage=10))
    assert reasons(result) == ["rejected INSUFFICIENT_MARGIN", "rejected INSUFFICIENT_MARGIN", "filled"]
    answers = [(note[2], note[3], note[4]) for note in notes if note[1] == "order"]
    assert answers[:2] == [(1, "rejected", "INSUFFICIENT_MARGIN"), (2, "rejected", "INSUFFICIENT_MARGIN")]


class Trader:
    """The same account in exact fractions: cash in the isolated wallet, quantity and average entry."""

    def __init__(self, leverage):
        self.leverage, self.wallet, self.quantity, self.entry = leverage, Fraction(0), Fraction(0), Fraction(0)

    def add(self, quantity, price):
        """Buy more; the wallet gets the initial margin of it."""
        q, p = Fraction(quantity), Fraction(str(price))
        self.entry = (self.entry * self.quantity + q * p) / (self.quantity + q)
        self.quantity += q
        self.wallet += q * p / self.leverage

    def reduce(self, quantity, price):
        """Sell a part; that part of the wallet leaves with its profit, unless its loss is more than that part."""
        q = Fraction(quantity)
        profit = q * (Fraction(str(price)) - self.entry)
        stays = self.wallet * (1 - q / self.quantity)
        self.wallet = min(self.wallet + profit, stays)
        self.quantity -= q

    def root(self, tiers):
        """Return the price at which equity meets maintenance, by bisection."""
        low, high = Fraction(0), self.entry
        for _ in range(80):
            price = (low + high) / 2
            notional = self.quantity * price
            rate, amount = [(r, a) for floor, r, a in tiers if floor <= notional][-1]
            short = self.wallet + self.quantity * (price - self.entry) <= notional * rate - amount
            low, high = (price, high) if short else (low, price)
        return float(high)


def test_the_liquidation_price_after_adds_exits_and_margin_moves_is_the_root_of_the_equity_equation():
    """B27: isolated, across a border of tiers, after each step; none of the steps may be forgotten."""
    table = [
        venues.Tier(floor=0, maintenance_rate=0.01, max_leverage=20),
        venues.Tier(floor=1500, maintenance_rate=0.03, max_leverage=10),
    ]
    tiers = [(0, Fraction(1, 100), Fraction(0)), (1500, Fraction(3, 100), Fraction(30))]
    notes, model, expected = Notes(), Trader(5), []
    prices = [100, 100, 104, 104, 98, 98, 97, 97, 97, 97, 97, 97]
    steps = [
        ("00:00", lambda s: s.buy(USER_COIN, quantity=10)),
        ("00:02", lambda s: s.buy(USER_COIN, quantity=6)),
        ("00:04", lambda s: s.sell(USER_COIN, quantity=5, reduce_only=True)),
        ("00:06", lambda s: s.add_margin(USER_COIN, 100)),
        ("00:08", lambda s: s.remove_margin(USER_COIN, 25)),
    ]
    look = [(f"00:0{minute}", lambda s: s.note(s.position(USER_COIN).liquidation_price)) for minute in (1, 3, 5, 7, 9)]
    for change in (
        lambda: model.add(10, 100),
        lambda: model.add(6, 104),
        lambda: model.reduce(5, 98),
        lambda: setattr(model, "wallet", model.wallet + 100),
        lambda: setattr(model, "wallet", model.wallet - 25),
    ):
        change()
        expected.append(model.root(tiers))
    owner = account(user_coin(tiers=table), {"USDT": 2_000}, leverage=5, margin_mode="isolated")
    result = run(path(prices), Script(*steps, *look, notes=notes), owner)
    assert [note[1] for note in notes] == pytest.approx(expected, rel=1e-9)
    assert not np.isnan(expected).any()
    assert result.liquidations.empty


@pytest.mark.parametrize("price", [104, 96, 88])
def test_closing_a_part_of_an_isolated_position_leaves_the_liquidation_price_of_the_rest(price):
    """The margin of the closed part answers for its loss: 200 of wallet for ten at 100 leave 120 for six."""
    notes = Notes()
    look = [(when, lambda s: s.note(s.position(USER_COIN).liquidation_price)) for when in ("00:01", "00:04")]
    steps = [
        ("00:00", lambda s: s.buy(USER_COIN, quantity=10)),
        ("00:02", lambda s: s.sell(USER_COIN, quantity=4, reduce_only=True)),
    ]
    owner = account(user_coin(rate=0.01), {"USDT": 2_000}, leverage=5, margin_mode="isolated")
    result = run(path([100, 100, price, price, price, price]), Script(*steps, *look, notes=notes), owner)
    assert [note[1] for note in notes] == [pytest.approx(80 / 0.99, rel=1e-9)] * 2
    assert balance(result) == 2_000 + 4 * (price - 100)


def test_missing_tiers_are_an_error_or_a_choice_that_the_report_shows(tmp_path):
    """B31: nothing is assumed in silence."""
    symbol = "DOGE/USDT:USDT"
    data = path([0.1, 0.1, 0.1], symbol)
    with pytest.raises(ConfigError, match=r"DOGE/USDT:USDT@binance_usdm has no tier table.*missing_tiers='nearest'"):
        run(data, Script(), account())
    for choice, words in (
        ("nearest", "strictest comparable table"),
        ([venues.Tier(floor=0, maintenance_rate=0.01, max_leverage=50)], "given by missing_tiers"),
    ):
        result = run(data, Script(("00:00", lambda s: s.buy(symbol, quantity=100))), account(missing_tiers=choice))
        (row,) = [row for row in result.assumptions if row["name"] == "tiers"]
        assert words in row["value"]
        assert symbol in row["note"]
        assert row["is_choice"]
        assert words in " ".join(str(result).split())
        page = result.tear_sheet(tmp_path / "report.html").read_text()
        assert words in page
