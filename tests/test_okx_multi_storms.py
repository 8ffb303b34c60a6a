"""Random multi-currency accounts of OKX: conserved, never below zero, and at every minute what exact numbers say."""

from collections import Counter
from fractions import Fraction
from random import Random

import pytest
from engine_data import MINUTE, USER_COIN, funding, ns, totals
from reference.coins import worth
from test_bands import Examiner, journal
from test_okx_multi import INVERSE, OKX, ROWS, dollars, multi, path, rules
from test_okx_multi import worth as prices_of
from venue_storms import Gambler

import venues
from backtest import Backtest

SIZES = {USER_COIN: Fraction(1, 10), INVERSE: Fraction(10)}
BRACKETS = {
    "USDT": [(0, 1), (5_000_000, Fraction("0.975")), (10_000_000, Fraction("0.95"))],
    "BTC": [(0, Fraction("0.98")), (20, 0)],
    "X": [(0, Fraction("0.9")), (50, Fraction("0.5"))],
}
LOANS = [(0, Fraction("0.03"), Fraction("0.1"))]
MINUTES = 480


def walk(seed, start, leaps):
    """Return a path with leaps."""
    random = Random(f"{seed} {start}")
    prices = [float(start)]
    while len(prices) < MINUTES:
        leap = random.choice(leaps) if random.random() < 0.02 else 0.004
        prices.append(round(max(start / 5, prices[-1] * (1 + random.gauss(0, leap))), 3))
    return prices


def market(seed):
    """Return both contracts, the dollar prices of the three collaterals, and their paths."""
    linear, coin, bitcoin = walk(seed, 100, [0.03, 0.1]), walk(seed, 110, [0.03, 0.1]), walk(seed, 10_000, [0.05, 0.2])
    random = Random(seed)
    times = [ns("00:00") + i * MINUTE for i in range(MINUTES)]
    data = path(linear) + path(coin, INVERSE) + prices_of(bitcoin) + prices_of(coin, "X/USD") + dollars()
    for symbol in (USER_COIN, INVERSE):
        rates = [(times[i], random.choice([0.002, -0.002])) for i in range(100, MINUTES, 100)]
        data += funding(rates, symbol, OKX, hours=100 / 60)
    return data, {USER_COIN: linear, INVERSE: coin, "BTC": bitcoin, "X": coin, "USDT": [1.0] * MINUTES}


def owner(**options):
    return multi(rules(), USDT=2_000, BTC=1, X=20, fees=(0, 0.001), slippage=5, **options)


def gamblers(seed):
    return [Gambler(seed, USER_COIN), Gambler(seed + 1_000, INVERSE)]


class Book:
    """Positions and balances of an account before a time, from its fills and its ledger."""

    def __init__(self, result):
        fills, ledger, raw = result.fills, result.ledger, result.store.columns("ledger")["amount"].tolist()
        self.fills = list(
            zip(fills["time"].map(lambda t: t.value), fills["symbol"], fills["side"], fills["quantity"], fills["price"],
                strict=True)
        )  # fmt: skip
        self.rows = [
            (time.value, asset, amount)
            for time, asset, amount, who in zip(ledger["time"], ledger["asset"], raw, ledger["account"], strict=True)
            if who == OKX
        ]
        self.held = {symbol: (Fraction(0), Fraction(0)) for symbol in SIZES}
        self.balances = dict.fromkeys(BRACKETS, Fraction(0))
        self.at = [0, 0]

    def value(self, symbol, units, price):
        size = SIZES[symbol] * units
        return size / price if symbol == INVERSE else size * price

    def advance(self, time):
        while self.at[0] < len(self.fills) and self.fills[self.at[0]][0] < time:
            _, symbol, side, quantity, price = self.fills[self.at[0]]
            self.at[0] += 1
            units, entry = self.held[symbol]
            signed, price = (1 if side in (1, "buy") else -1) * Fraction(str(quantity)), Fraction(str(price))
            if units * signed < 0:
                closed = min(abs(units), abs(signed))
                entry *= 1 - closed / abs(units)
                units += closed * (1 if signed > 0 else -1)
                signed -= closed * (1 if signed > 0 else -1)
            self.held[symbol] = (units + signed, entry + self.value(symbol, signed, price))
        while self.at[1] < len(self.rows) and self.rows[self.at[1]][0] < time:
            _, asset, amount = self.rows[self.at[1]]
            self.at[1] += 1
            self.balances[asset] += Fraction(amount, 10**8)

    def figures(self, marks):
        """Return equity and maintenance, US dollars."""
        profits, maintenance = {}, Fraction(0)
        for symbol, (units, entry) in self.held.items():
            mark = Fraction(str(marks[symbol]))
            value = self.value(symbol, units, mark)
            asset = "X" if symbol == INVERSE else "USDT"
            profits[asset] = entry - value if symbol == INVERSE else value - entry
            rate = [rate for floor, rate, _ in ROWS if floor < abs(units) or floor == 0][-1]
            price = Fraction(str(marks["X"])) if symbol == INVERSE else 1
            maintenance += abs(value) * (Fraction(str(rate)) + Fraction("0.001")) * price
        coins = {
            asset: (amount, 0, Fraction(str(marks[asset])), BRACKETS[asset], LOANS)
            for asset, amount in self.balances.items()
        }
        equity, _, owed = worth(coins, profits)
        return equity, maintenance + owed


def checked(seed):
    """Return a run of which every minute's figures are those of exact numbers."""
    data, paths = market(seed)
    result = Backtest(data, gamblers(seed), venues=[owner()], reporting="USD", on_ruin="continue").run()
    assert all(total == 0 for total in totals(result)[0].values())
    assert result.findings == []
    book, compared = Book(result), 0
    table = result.margin[result.margin["flags"] == "periodic"]
    rows = zip(table["time"].map(lambda t: t.value), table["equity"], table["maintenance"], strict=True)
    for time, equity, maintenance in rows:
        minute = (time - 1 - ns("00:00")) // MINUTE
        book.advance(time)
        expected = book.figures({name: prices[minute] for name, prices in paths.items()})
        scale = 1e-9 * (abs(float(expected[0])) + 100_000)
        assert equity == pytest.approx(float(expected[0]), abs=scale)
        assert maintenance == pytest.approx(float(expected[1]), abs=scale)
        compared += 1
    assert compared > 50
    # whoever has nothing open is not below zero, and nothing is left that the venue would have closed
    last = result.margin[result.margin["flags"] != "extreme"]
    assert last["ratio"].iloc[-1] < 1
    if not result.positions["is_open"].any():
        assert result.equity["equity"].iloc[-1] >= 0
    return result


@pytest.mark.parametrize("seed", [3])
def test_every_minute_of_a_random_account_is_that_of_exact_numbers(seed):
    checked(seed)


@pytest.mark.slow
def test_whatever_happens_the_figures_are_exact_and_money_is_conserved():
    kinds = Counter()
    for seed in range(25):
        result = checked(seed)
        kinds.update(result.liquidations["what"])
        kinds.update(result.ledger["kind"])
    assert kinds["takeover"] > 0
    assert kinds["liquidation"] > 0
    assert kinds["conversion"] > 0


@pytest.mark.parametrize("seed", [2])
def test_looking_at_every_account_after_every_event_changes_no_byte(seed):
    decided(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 10))
def test_looking_at_every_account_after_every_event_changes_no_byte_of_more(seed):
    decided(seed)


def decided(seed):
    """Bands decide as full looks do, with several collaterals and contracts."""
    found = []
    for looks in (False, True):
        examiner = Examiner(looks)
        data, _ = market(seed)
        test = Backtest(data, [*gamblers(seed), examiner], venues=[owner()], reporting="USD", on_ruin="continue")
        found.append(journal(test, examiner))
        assert (examiner.asked > 1_000) == looks
    assert found[0] == found[1]


def test_the_venue_is_the_one_that_the_exact_numbers_are_about():
    known = venues.get(OKX)
    assert [(tier.maintenance_rate, 1 / tier.max_leverage) for tier in known.loan_tiers("USDT")] == [(0.03, 0.1)]
    assert [(row.floor, row.ratio) for row in known.counted_brackets("USDT")] == [
        (floor, float(ratio)) for floor, ratio in BRACKETS["USDT"]
    ]
