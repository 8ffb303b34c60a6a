"""Assets that count at discounts of balance and profit together: figures, prices and bands of random pools."""

from dataclasses import dataclass, field
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from margin_cases import FLAT, Drawn, House, Leg, box, drawn_legs
from reference.coins import counted, worth
from test_margin import decisions, find_the_nearest_root, pool_at

import venues
from venues.collateral import counted_amount
from venues.instrument import Tier
from venues.pool import PoolBox, PoolCoin
from venues.tiers import TierBox

HOUSE = House(venues.get("okx").margin(), taker_fee=0.0005)
ASSETS = ("USDT", "A", "B", "C")


@dataclass
class Basket(Drawn):
    """A drawn account of several assets; its wallet is a scale for tolerances."""

    coins: list[PoolCoin] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)

    def pool(self, **changed):
        pool = PoolBox(0.0, coins=self.coins)
        for leg, row in zip(self.legs, self.rows, strict=True):
            pool.add(
                leg.box, quantity=leg.quantity, entry_price=leg.entry_price, mark=leg.mark, leverage=leg.leverage,
                side=leg.side, conversion=leg.conversion, coin=row,
            )  # fmt: skip
        return pool


@st.composite
def coins(draw, value, price):
    """Draw an asset worth about `value`: discounts and tiers of debts that bend near its balance."""
    size = value / price
    balance = size * draw(st.one_of(st.floats(-0.5, 3.0), st.sampled_from([0.0, 1.0])))
    shares = sorted(draw(st.lists(st.sampled_from([1.0, 0.98, 0.95, 0.8, 0.5, 0.0]), min_size=1, max_size=4)))[::-1]
    floors, floor = [0.0], 0.0
    for _ in shares[1:]:
        floor += size * draw(st.floats(0.2, 1.5))
        floors.append(floor)
    brackets = list(zip(floors, shares, strict=True))
    loans = None
    if draw(st.booleans()):
        rates = sorted(draw(st.lists(st.sampled_from([0.03, 0.04, 0.06, 0.2]), min_size=1, max_size=3)))
        loans = TierBox(
            [
                Tier(floor=size * 0.3 * number, maintenance_rate=rate, max_leverage=max(1.0, 0.5 / rate))
                for number, rate in enumerate(rates)
            ]
        )
    borrowed = size * draw(st.sampled_from([0.0, 0.0, 0.4]))
    return PoolCoin(balance, price, brackets, loans, borrowed)


@st.composite
def baskets(draw, contracts=3):
    """Draw linear and inverse positions that settle in up to four assets."""
    legs, rows, total = [], [], 0.0
    prices = {asset: 10 ** draw(st.floats(-1.0, 1.0)) for asset in ASSETS}
    for number in range(draw(st.integers(1, contracts))):
        contract = draw(st.sampled_from(["linear", "inverse"]))
        made, _ = draw(drawn_legs(contract, ASSETS[number + 1], False, HOUSE))
        settle = ASSETS[number + 1] if contract == "inverse" else "USDT"
        for leg in made:
            leg.conversion = prices[settle]
            value = abs(leg.quantity) * leg.box.instrument.contract_size
            total += (value / leg.mark if contract == "inverse" else value * leg.mark) * leg.conversion
            legs.append(leg)
            rows.append(ASSETS.index(settle))
    share = draw(st.one_of(st.floats(0.01, 0.3), st.floats(0.3, 2.0)))
    made = [draw(coins(total * share, prices[asset])) for asset in ASSETS]
    scale = total + sum(abs(coin.balance) * coin.price for coin in made)
    return Basket(scale, legs, made, rows)


def tiers_of(coin):
    return coin.loans.rows if coin.loans else ()


def exact(basket, marks=None):
    """Return equity, initial and maintenance of a basket from fractions; positions by the tier of the whole and fee."""
    profits, initial, maintenance = {}, Fraction(0), Fraction(0)
    for number, (leg, row) in enumerate(zip(basket.legs, basket.rows, strict=True)):
        size, mark = Fraction(leg.box.instrument.contract_size), Fraction(leg.mark if marks is None else marks[number])
        units, entry, price = Fraction(leg.quantity), Fraction(leg.entry_price), Fraction(basket.coins[row].price)
        if leg.box.instrument.contract == "inverse":
            profit, value = units * size * (1 / entry - 1 / mark), abs(units) * size / mark
        else:
            profit, value = units * size * (mark - entry), abs(units) * size * mark
        profits[ASSETS[row]] = profits.get(ASSETS[row], Fraction(0)) + profit
        rate = [tier for tier in leg.box.tiers.rows if tier.floor < abs(leg.quantity) or tier.floor == 0][-1]
        maintenance += value * (Fraction(rate.maintenance_rate) + Fraction("0.0005")) * price
        initial += value / Fraction(leg.leverage) * price
    held = {
        asset: (
            coin.balance, coin.borrowed, coin.price, coin.brackets,
            [(t.floor, t.maintenance_rate, 1 / Fraction(t.max_leverage)) for t in tiers_of(coin)],
        )
        for asset, coin in zip(ASSETS, basket.coins, strict=True)
    }  # fmt: skip
    equity, lent, owed = worth(held, profits)
    return equity, initial + lent, maintenance + owed


@given(baskets())
def test_figures_are_those_of_exact_numbers(basket):
    equity, initial, maintenance = exact(basket)
    risk = basket.pool().risk()
    assert risk.equity == pytest.approx(float(equity), abs=1e-9 * basket.wallet)
    assert risk.maintenance == pytest.approx(float(maintenance), abs=1e-9 * basket.wallet)
    assert risk.initial == pytest.approx(float(initial), abs=1e-9 * basket.wallet)


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=5), st.floats(-50, 50))
def test_what_an_amount_counts_as_is_that_of_exact_numbers(steps, amount):
    floors = [0.0] + [sum(steps[: n + 1]) for n in range(len(steps))]
    brackets = [(floor, 1.0 - 0.1 * n) for n, floor in enumerate(floors)]
    assert counted_amount(amount, brackets) == pytest.approx(float(counted(brackets, Fraction(amount))), abs=1e-9)


@given(baskets(), st.data())
def test_the_liquidation_price_is_the_nearest_bisection_root(basket, data):
    find_the_nearest_root(basket, data.draw(st.integers(0, len(basket.legs) - 1)))


@given(baskets(), st.data())
def test_the_bankruptcy_price_leaves_just_the_fee(basket, data):
    """With a reserve for the fee to close: equity is the fee of the contract's own legs."""
    row = data.draw(st.integers(0, len(basket.legs) - 1))
    price = basket.pool().leg(row).bankruptcy_price
    assume(price is not None)
    pool = pool_at(basket, row, price)
    own = [n for n, leg in enumerate(basket.legs) if leg.box is basket.legs[row].box]
    fees = sum(pool.leg(n).notional * 0.0005 * basket.legs[n].conversion for n in own)
    assert pool.risk().equity == pytest.approx(fees, abs=1e-8 * (basket.wallet + pool.risk().notional))


@given(baskets(), st.sampled_from([1.0, 0.8, 0.3]), st.integers(0, 2**32))
def test_inside_the_bands_the_threshold_is_never_met(basket, threshold, seed):
    _, wrong = decisions(basket, threshold, seed, 150)
    assert wrong == 0


def test_bands_answer_most_small_moves():
    """They are of use: of the marks of a sound account hardly one costs a look at it."""
    held = [PoolCoin(1e6, 1.0, [(0, 1.0), (2e6, 0.9)]), PoolCoin(10.0, 1e5, [(0, 0.98), (20, 0.9)])]
    legs = [
        Leg(box(contract, FLAT, coin=coin, house=HOUSE), 1000.0, 100.0, 100.0, 10.0, 0, price)
        for coin, contract, price in (("A", "linear", 1.0), ("B", "inverse", 1e5))
    ]
    basket = Basket(2e6, legs, held, [0, 1])
    assert sum(decisions(basket, 1.0, seed, 100)[0] for seed in range(20)) > 1_500


@given(baskets())
def test_at_joint_bankruptcy_prices_the_account_counts_nothing_but_the_fees(basket):
    # gains that count for nothing make up for no fee
    assume(all(basket.coins[row].brackets[-1][1] > 0 for row in basket.rows))
    pool = basket.pool()
    prices = [pool.joint_bankruptcy_price(row) for row in range(len(pool))]
    assume(None not in prices)
    assume(all(1e-3 < price / leg.mark < 1e3 for price, leg in zip(prices, basket.legs, strict=True)))
    equity, _, _ = exact(basket, marks=prices)
    value = 0.0
    for leg, price in zip(basket.legs, prices, strict=True):
        size = abs(leg.quantity) * leg.box.instrument.contract_size
        value += (size / price if leg.box.instrument.contract == "inverse" else size * price) * leg.conversion
    assert float(equity) == pytest.approx(0.0005 * value, abs=1e-9 * (basket.wallet + value))


def test_profit_counts_at_the_discount_of_its_coin_by_hand():
    """1 BTC, and 100,000 USD long from 50,000, at 62,500: 0.4 BTC of profit; 1.4 at 0.98 are 85,750 US dollars."""
    rules = venues.get("okx").with_collateral("BTC", 0.98)
    tiers = [Tier(floor=0, maintenance_rate=0.01, max_leverage=50)]
    coin = venues.Instrument(
        "BTC/USD:BTC", contract="inverse", contract_size=100, tiers=tiers, maker_fee=0, taker_fee=0
    )
    own = venues.Account(
        rules.with_instrument(coin),
        collateral="multi",
        balances={"BTC": 1},
        positions=[venues.Position("BTC/USD:BTC", quantity=1_000, entry_price=50_000, leverage=10)],
    )
    risk = own.risk(marks={"BTC/USD:BTC": 62_500}, index={"BTC": 62_500})
    assert risk.equity == pytest.approx(1.4 * 0.98 * 62_500)
    assert risk.maintenance_margin == pytest.approx(0.01 * 100_000)
    assert risk.pools[""].unrealized_pnl == pytest.approx(0.4 * 62_500)
