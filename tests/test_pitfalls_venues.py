"""Rows of pitfalls.md that concern margin, inverse contracts and funding, at every venue, by their ids.

Contracts of the tests' own: one flat tier of 1 %, no fees, so that every venue's requirement is 1 % of the value that
its rule names. Where a venue's own rule is another one the test says which.
"""

from typing import Any, NamedTuple

import pytest
from engine_data import (
    HOUR,
    MINUTE,
    Script,
    account,
    amounts,
    balance,
    forced,
    frame,
    marks,
    ns,
    run,
    totals,
    trades,
    user_coin,
)

import feeds
import venues


class Place(NamedTuple):
    """A venue and a contract on it; the requirement stays that of the entry value where `is_at_entry`."""

    venue: str
    symbol: str
    asset: str
    is_at_entry: bool = False

    @property
    def is_inverse(self):
        return self.symbol.endswith(f"/USD:{self.asset}")

    @property
    def other(self):
        """A second contract of the same asset."""
        return f"{self.symbol}-260327" if self.is_inverse else self.symbol.replace("X/", "Y/")

    def rules(self, **fields):
        """Return the venue with both contracts."""
        kind = {"contract": "inverse", "lot_size": 1} if self.is_inverse else {}
        fields = {"rate": 0.01, "max_leverage": 50, "maker_fee": 0.0, "taker_fee": 0.0} | kind | fields
        return user_coin(self.other, rules=user_coin(self.symbol, rules=self.venue, **fields), **fields)

    def owner(self, deposit, *, leverage: Any = 10, **options):
        rules = options.pop("rules", None) or self.rules()
        set_here = None if self.venue == "deribit" else leverage
        return account(rules, {self.asset: deposit}, leverage=set_here, **options)

    def data(self, prices, symbol=None):
        """Return marks a minute apart, and half a minute after each a trade."""
        rows = [(ns("00:00") + i * MINUTE, price) for i, price in enumerate(prices)]
        where = symbol or self.symbol, self.venue
        return marks(rows, *where) + trades([(t + MINUTE // 2, price, 1e6) for t, price in rows], *where)


LINEAR = [
    Place("binance_usdm", "X/USDT:USDT", "USDT"), Place("bybit", "X/USDT:USDT", "USDT"),
    Place("okx", "X/USDT:USDT", "USDT"), Place("hyperliquid", "X/USDC:USDC", "USDC"),
    Place("dydx", "X/USDC:USDC", "USDC"), Place("deribit", "X/USDC:USDC", "USDC"),
    Place("bitmex", "X/USDT:USDT", "USDT", is_at_entry=True),
]  # fmt: skip
INVERSE = [
    Place("binance_coinm", "X/USD:X", "X"), Place("bybit", "X/USD:X", "X"), Place("okx", "X/USD:X", "X"),
    Place("deribit", "X/USD:X", "X"), Place("bitmex", "BTC/USD:BTC", "BTC", is_at_entry=True),
]  # fmt: skip
ISOLATED = [place for place in LINEAR if place.venue not in ("deribit", "dydx")]
LEVERED = [place for place in LINEAR if place.venue != "deribit"]


def at_places(places):
    return pytest.mark.parametrize("place", places, ids=[f"{place.venue} {place.symbol}" for place in places])


def calculated(place, *positions, deposit=1_000.0, price=100.0, other=100.0, rules=None):
    """Return the risk of an account at marks."""
    owner = venues.Account(rules or place.rules(), balances={place.asset: deposit}, positions=positions)
    return owner.risk(marks={place.symbol: price, place.other: other})


def held(place, quantity, entry=100.0, **fields):
    return venues.Position(place.symbol, quantity=quantity, entry_price=entry, **fields)


@at_places(LEVERED)
def test_maintenance_does_not_depend_on_the_leverage_that_was_set(place):
    """B01: ten units at 110 ask for 1 % of 1,100 (of the 1,000 of their entry) at every leverage."""
    found = {calculated(place, held(place, 10, leverage=x), price=110).maintenance_margin for x in (1, 5, 50)}
    assert found == {10.0 if place.is_at_entry else 11.0}


@at_places(LINEAR)
def test_maintenance_follows_the_mark(place):
    """B02: 1 % of ten units at each mark; BitMEX states its requirement at the entry value, and means it."""
    for mark in (80.0, 100.0, 130.0):
        expected = 10.0 if place.is_at_entry else mark / 10
        assert calculated(place, held(place, 10), price=mark).maintenance_margin == pytest.approx(expected, rel=1e-12)


WHOLE = ("okx", "bitmex")  # the rate of a tier is of the whole position


@at_places(LEVERED)
def test_the_requirement_meets_itself_at_a_border_or_leaps_by_the_rule(place):
    """B03: at a border of 1,000 from 1 % to 3 % the requirement goes on from 10, or leaps to 30 where rates are whole.

    OKX counts its tiers in contracts: 10 of them at 100 are that border. Deribit has no tiers, its rates grow with each
    coin (test_rules_deribit).
    """
    border = 10.0 if place.venue == "okx" else 1_000.0
    amount = {"amount": 0.0} if place.venue in WHOLE else {}
    table = [
        venues.Tier(floor=0, maintenance_rate=0.01, max_leverage=50, **amount),
        venues.Tier(floor=border, maintenance_rate=0.03, max_leverage=20, **amount),
    ]
    rules = place.rules(tiers=table)
    at, above = (calculated(place, held(place, size), rules=rules).maintenance_margin for size in (10, 10.001))
    assert at == pytest.approx(10.0, rel=1e-9)
    assert above == pytest.approx(30.003 if place.venue in WHOLE else 10.003, rel=1e-9)


@at_places(LINEAR)
def test_the_tier_is_chosen_by_the_position_whatever_the_collateral(place):
    """B04: a thousand times the money changes no requirement."""
    found = {calculated(place, held(place, 10), deposit=deposit).maintenance_margin for deposit in (200, 200_000)}
    assert found == {10.0}


@at_places(LINEAR)
def test_other_positions_count_with_their_own_sign_at_their_present_mark(place):
    """B05: long ten of X from 100 to 110, short ten of Y from 100 to 95: 1,000 + 100 + 50."""
    other = venues.Position(place.other, quantity=-10, entry_price=100)
    risk = calculated(place, held(place, 10), other, price=110, other=95)
    assert risk.equity == pytest.approx(1_150.0)
    assert calculated(place, held(place, 10), other, price=95, other=110).equity == pytest.approx(850.0)


@at_places(LINEAR)
def test_other_positions_requirement_stands_between_an_account_and_its_liquidation(place):
    """B06: 100 of money, ten long of each: X may fall until 100 - 10 d = (1 % of both), Y standing still."""
    other = venues.Position(place.other, quantity=10, entry_price=100)
    risk = calculated(place, held(place, 10), other, deposit=100.0)
    price = risk.positions[place.symbol].liquidation_price
    own = 10.0 if place.is_at_entry else 0.1 * price
    assert 100.0 - 10 * (100.0 - price) == pytest.approx(own + 10.0, rel=1e-9)
    alone = calculated(place, held(place, 10), deposit=100.0).positions[place.symbol].liquidation_price
    assert price > alone


@at_places(LINEAR)
def test_a_short_at_leverage_one_is_liquidated_when_the_price_doubles(place):
    """B10: 1,002 of money, ten short at 100: equity 0 at 200.2, so at 199.5 less than 1 %, at 190 more."""
    data = place.data([100, 100, 150, 199.5, 199.5, 199.5])
    result = run(data, Script(("00:00", lambda s: s.sell(place.symbol, quantity=10))), place.owner(1_002, leverage=1))
    assert forced(result)
    early = run(
        place.data([100, 100, 150, 190, 190]), Script(("00:00", lambda s: s.sell(place.symbol, quantity=10))),
        place.owner(1_002, leverage=1),
    )  # fmt: skip
    assert not forced(early)


@at_places(ISOLATED)
def test_isolated_margin_never_switches_liquidation_off(place):
    """B11: at 10x a fall of 9.5 % closes, with money enough beside the position to hold it in cross margin."""
    data = place.data([100, 100, 90.2, 90.2, 90.2])
    steps = Script(("00:00", lambda s: s.buy(place.symbol, quantity=10)))
    isolated = run(data, steps, place.owner(10_000, margin_mode="isolated"))
    assert forced(isolated)
    assert balance(isolated, place.asset, name=place.venue) >= 9_900
    assert not forced(run(data, steps, place.owner(10_000, margin_mode="cross")))


RATES = [("08:00", 0.001, 8), ("12:00", 0.002, 4), ("13:00", -0.001, 1), ("14:00", 0.001, 1)]


def paid(place, quantity, steps=(), deposit=10_000, rates=RATES, **options):
    """Return the funding amounts of a day at 100, an hour apart."""
    rows = [(ns("00:00") + i * HOUR // 2, 100.0) for i in range(32)]
    data = marks(rows, place.symbol, place.venue)
    data += trades([(t + MINUTE, 100.0, 1e6) for t, _ in rows], place.symbol, place.venue)
    table = frame(rates, "rate interval_hours")
    data += feeds.from_pandas(table, kind="funding", venue=place.venue, symbol=place.symbol)
    side = "buy" if quantity > 0 else "sell"
    first = ("00:00", lambda s: s.submit(place.symbol, side=side, quantity=abs(quantity)))
    return run(data, Script(first, *steps), place.owner(deposit, **options))


@at_places(LINEAR)
def test_an_interval_that_shrinks_during_the_run_is_followed(place):
    """B12, B13: rows of 8, 4 and 1 hours pay once each, whatever the venue's own interval; ten at 100.

    Deribit accrues: the first row pays for what was held of its eight hours, and the position came a minute late.
    """
    result = paid(place, 10)
    found = [float(x) for x in amounts(result, "funding", name=place.venue)]
    expected = [-1.0, -2.0, 1.0, -1.0]
    if place.venue == "deribit":
        assert found[1:] == pytest.approx(expected[1:], rel=1e-9)
        assert found[0] == pytest.approx(-(1 - 1 / 480), abs=1e-8)
    else:
        assert found == expected


@at_places([*LINEAR, *INVERSE])
def test_longs_pay_a_positive_rate_and_shorts_receive_it(place):
    """B15: and nobody but the other side of the book gains or loses by it."""
    size = 100 if place.is_inverse else 10
    sums = {}
    for sign in (1, -1):
        result = paid(place, sign * size, rates=[("08:00", 0.001, 8)])
        (sums[sign],) = amounts(result, "funding", name=place.venue)
        assert all(total == 0 for total in totals(result)[0].values())
    assert sums[1] < 0
    if place.venue != "dydx":  # rounds the payments of both sides in its own favour
        assert sums[1] == -sums[-1]


@at_places([place for place in LINEAR if place.venue != "deribit"])
def test_funding_uses_the_size_held_at_each_boundary(place):
    """B16: 10 at 08:00, 16 at 12:00, 4 at 13:00."""
    steps = [
        ("09:00", lambda s: s.buy(place.symbol, quantity=6)),
        ("12:30", lambda s: s.sell(place.symbol, quantity=12, reduce_only=True)),
    ]
    result = paid(place, 10, steps, rates=RATES[:3])
    assert [float(x) for x in amounts(result, "funding", name=place.venue)] == [-1.0, -3.2, 0.4]


@at_places(LINEAR)
def test_a_payment_can_itself_liquidate_except_where_the_venue_forbids_it(place):
    """B17: 50 of money, ten long, 10 required: 4.11 % of 1,000 leave 8.90. OKX takes no more than leaves the 10."""
    result = paid(place, 10, deposit=50, leverage=50, rates=[("08:00", 0.0411, 8)])
    assert bool(forced(result)) == (place.venue != "okx")


@at_places(INVERSE)
def test_profit_and_margin_of_an_inverse_contract_are_in_coin(place):
    """B22, B24: 5,000 contracts of 10 dollars from 100 to 125: 500 coins in, 400 out, so 100 of profit."""
    rules = place.rules(contract_size=10)
    steps = Script(
        ("00:00", lambda s: s.buy(place.symbol, quantity=5_000)),
        ("00:03", lambda s: s.close(place.symbol)),
    )
    result = run(place.data([100, 100, 125, 125, 125, 125]), steps, place.owner(1_000, rules=rules))
    assert balance(result, place.asset, name=place.venue) == 1_100
    risk = calculated(place, held(place, 5_000), price=125, rules=rules)
    assert risk.unrealized_pnl == pytest.approx(100.0)
    assert risk.maintenance_margin == pytest.approx(5.0 if place.is_at_entry else 4.0)


def test_profit_of_a_quanto_contract_is_in_the_third_coin():
    """B22, B24 at BitMEX: 1,000 contracts of 0.000001 XBT a point from 2,000 to 2,500 gain 0.5 XBT."""
    place = Place("bitmex", "ETH/USD:BTC", "BTC", is_at_entry=True)
    rules = user_coin(place.symbol, rules="bitmex", rate=0.01, contract="quanto", contract_size=1e-6, lot_size=1)
    steps = Script(
        ("00:00", lambda s: s.buy(place.symbol, quantity=1_000)),
        ("00:03", lambda s: s.close(place.symbol)),
    )
    result = run(place.data([2_000, 2_000, 2_500, 2_500, 2_500, 2_500]), steps, place.owner(10, rules=rules))
    assert balance(result, "BTC", name="bitmex") == pytest.approx(10.5)


@at_places(LINEAR)
def test_the_contract_size_is_in_profit_margin_and_notional(place):
    """B24: a hundred contracts of 0.1 are ten units."""
    rules = place.rules(contract_size=0.1, quantity_unit="contracts")
    risk = calculated(place, held(place, 100), price=110, rules=rules)
    assert (risk.unrealized_pnl, risk.maintenance_margin) == pytest.approx((100.0, 10.0 if place.is_at_entry else 11.0))


@at_places(ISOLATED)
def test_the_liquidation_price_after_adds_exits_and_margin_moves_is_the_root_of_the_equity_equation(place):
    """B27: ten at 100, six more at 104, five out at 104, 100 more of margin: the wallet and entry that are then left.

    At 10x: 100 + 62.4, less five sixteenths, and 100; eleven units whose entry value is 11/16 of 1,624.
    """
    steps = [
        ("00:00", lambda s: s.buy(place.symbol, quantity=10)),
        ("00:02", lambda s: s.buy(place.symbol, quantity=6)),
        ("00:04", lambda s: s.sell(place.symbol, quantity=5, reduce_only=True)),
        ("00:05", lambda s: s.add_margin(place.symbol, 100)),
        ("00:07", lambda s: s.note(s.position(place.symbol).liquidation_price)),
    ]
    script = Script(*steps)
    run(place.data([100, 100, 104, 104, 104, 104, 104, 104, 104]), script, place.owner(2_000, margin_mode="isolated"))
    wallet, entry, size = (100 + 62.4) * 11 / 16 + 100, 1_624 * 11 / 16, 11
    # equity wallet + 11 P - entry = 1 % of the value that the venue's rule names
    at_entry = place.is_at_entry or place.venue == "bybit"  # Bybit's isolated margins too, until May 2026
    root = (entry * 1.01 - wallet) / size if at_entry else (entry - wallet) / (size * 0.99)
    ((_, found),) = script.notes
    assert found == pytest.approx(root, rel=1e-9)
