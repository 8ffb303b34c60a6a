"""The same trades at other leverages: repeated exactly at 1x, the same profit until something is closed by force."""

import random

import book_tape
import numpy as np
import pytest
from engine_data import (
    CASH,
    COINM,
    INVERSE,
    LINEAR,
    SPOT,
    USDM,
    USER_COIN,
    Script,
    account,
    bars,
    book,
    marks,
    trades,
    user_coin,
)

import feeds
import venues
from backtest import Backtest, ConfigError, Strategy
from backtest.survival import COLUMNS, FACTORS, cells, said
from strategies.funding_carry import FundingCarry
from strategies.market_maker import MarketMaker
from strategies.trend_compiled import EmaCross

TABLES = ("fills", "funding", "ledger", "liquidations", "orders", "transfers")


class Turns(Strategy):
    """In and out twice a day, with a trailing stop that is the venue's to follow."""

    symbol: str = LINEAR
    leverage: float = 2.0

    def on_start(self):
        self.every("12h")

    def on_timer(self, timer):
        if self.position(self.symbol).quantity:
            self.close(self.symbol)
        else:
            self.target(self.symbol, leverage=self.leverage)

    def on_fill(self, fill):
        if fill.increases:
            self.protect(self.symbol, trailing="6%")


class Dice(Strategy):
    """Orders of many kinds on minutes, often too large to survive."""

    seed: int = 0

    def on_start(self):
        self._dice = random.Random(self.seed)

    def on_bar(self, bar):
        dice = self._dice
        if dice.random() > 0.2:
            return
        way = dice.choice((self.buy, self.sell))
        what, size = dice.randrange(6), dice.choice((20, 200))
        if what < 2:
            way(bar.symbol, quantity=size)
        elif what == 2:
            way(bar.symbol, quantity=size, limit=bar.close * (1 + dice.uniform(-0.004, 0.004)))
        elif what == 3:
            self.protect(bar.symbol, trailing=0.01 * bar.close)
        elif what == 4:
            self.bracket(
                bar.symbol, side="buy", quantity=size, limit=bar.close * 0.999, take=bar.close * 1.004,
                stop=bar.close * 0.995,
            )  # fmt: skip
        else:
            self.close(bar.symbol)

    def on_fill(self, fill):
        if self._dice.random() < 0.3:
            self.cancel_all()


def minutes(seed):
    """Return bars of a price that wanders."""
    close = 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.003, 600)))
    first = np.r_[100.0, close[:-1]]
    rows = zip(first, np.maximum(first, close) * 1.001, np.minimum(first, close) * 0.999, close, strict=True)
    start = 1_735_689_600_000_000_000
    return bars(
        [(start + i * 60 * 10**9, *map(float, np.round(row, 3)), 5_000.0) for i, row in enumerate(rows)],
        USER_COIN, timeframe="1m",
    )  # fmt: skip


def usdm(**more):
    return venues.Venue(USDM, balances={"USDT": 10_000}, **more)


def backtest(strategy, *accounts, days=10, symbols=(LINEAR,), **more):
    return Backtest(feeds.sample(symbols=symbols, days=days), strategy, venues=list(accounts), **more)


def repeated(made):
    """Return the run, and its script carried out once more with nothing changed."""
    from backtest.repeat import Repeat
    from backtest.script import Script as Requests

    script = Requests()
    own = made.carry_out([strategy.fresh_copy({}) for strategy in made.strategies], script)
    strategy = Repeat(script, shares=[1.0] * len(made.venues), settings=lambda account, instrument, leverage: leverage)
    return own, made.carry_out([strategy]), strategy


def runs():
    carry = [venues.Venue(USDM, balances={"USDT": 900}), venues.Venue("binance_spot", balances={"USDT": 9_100})]
    isolated = usdm(margin_mode="isolated", leverage=7, latency=("70ms", "40ms", "10ms"))
    maker = MarketMaker(symbol=USER_COIN, size=5, most=20, pause="1s")
    random = venues.Latency(order="15ms", response="10ms", sigma=0.7)
    own = account(user_coin(tick_size=1, lot_size=1), balances={"USDT": 100_000}, latency=random, queue="log")
    risky = {"balances": {"USDT": 2_000}, "leverage": 20, "margin_call": 0.6}
    return {
        "orders of all kinds on bars, through ruin": Backtest(
            minutes(1), Dice(seed=1), venues=[account(user_coin(), **risky)], mark="last", on_ruin="refill"
        ),
        "the same a quarter of a second late, isolated": Backtest(
            minutes(2),
            Dice(seed=2),
            mark="last",
            on_ruin="refill",
            venues=[account(user_coin(), **risky, latency="250ms", margin_mode="isolated")],
        ),
        "trailing stops with latency, isolated": backtest(Turns(), isolated),
        "orders sent by C hooks": backtest(EmaCross(), usdm(latency="30ms")),
        "two accounts and transfers between them": backtest(FundingCarry(), *carry, symbols=(LINEAR, SPOT)),
        "quotes in the queues of a book, answers out of order": Backtest(
            book_tape.market(3, 900), maker, venues=[own], seed=5
        ),
    }


@pytest.mark.parametrize("made", runs().values(), ids=runs())
def test_a_run_is_repeated_to_the_atom(made):
    own, again, strategy = repeated(made)
    assert len(own.fills) > 3
    assert strategy.changed == 0
    for name in TABLES:
        ours, theirs = own.store.columns(name), again.store.columns(name)
        for column in set(ours) - {"strategy"}:
            np.testing.assert_array_equal(ours[column], theirs[column], f"{name}.{column}")


def test_every_kind_of_request_is_repeated():
    """Amended, cancelled, good till a date, one-cancels-the-other, off the lot, margin added and settings changed."""

    def begin(s):
        s.set_leverage(USER_COIN, 3)
        s.buy(USER_COIN, quantity=10)
        s.buy(USER_COIN, quantity=5, limit=90, until="2m", tag="low")
        s.submit(USER_COIN, side="buy", quantity="0.5", limit=91)
        s.oco(USER_COIN, side="sell", quantity=10, limit=120, stop=80)

    def later(s):
        s.add_margin(USER_COIN, 100)
        first, *_ = s.orders(USER_COIN)
        s.amend(first, limit=92, quantity=7)
        s.deposit("binance_usdm", "USDT", 1_000)
        s.withdraw("binance_usdm", "USDT", 200)

    levels = [("00:00", {99: 40}, {101: 30}), ("00:03", {91: 5, 99: 0}, {}, True), ("00:06", {70: 40}, {95: 1}, True)]
    data = book(levels, USER_COIN) + marks([("00:00", 100), ("00:05", 95), ("00:06", 75), ("01:00", 100)], USER_COIN)
    steps = (("00:01", begin), ("00:02", later), ("00:05", lambda s: s.cancel(s.orders()[-1])))
    own_account = account(user_coin(tick_size=1, lot_size=1), balances={"USDT": 100_000}, margin_mode="isolated")
    made = Backtest(data, Script(*steps), venues=[own_account])
    own, again, _ = repeated(made)
    assert len(own.orders) >= 5
    for name in TABLES:
        ours, theirs = own.store.columns(name), again.store.columns(name)
        for column in set(ours) - {"strategy"}:
            np.testing.assert_array_equal(ours[column], theirs[column], f"{name}.{column}")


@pytest.fixture(scope="module")
def found():
    """Twice the equity of the sample, through its crash of 20 %."""
    return backtest(Turns(), usdm()).survival()


def test_profit_is_the_same_to_the_atom_while_nothing_is_closed_by_force(found):
    assert list(found.results) == sorted(FACTORS)
    own = found.result
    survived = [result for result in found.results.values() if not result.summary["liquidations"]]
    assert len(survived) >= 4
    profit = own.ledger.loc[own.ledger["kind"] != "deposit", "amount"].sum()
    for result in survived:
        np.testing.assert_array_equal(result.store.columns("fills")["quantity"], own.store.columns("fills")["quantity"])
        assert result.ledger.loc[result.ledger["kind"] != "deposit", "amount"].sum() == pytest.approx(profit, abs=1e-6)


def test_leverage_is_multiplied_by_dividing_the_capital(found):
    table = found.table
    assert list(table.columns) == list(COLUMNS)
    assert table["start_equity"].to_list() == pytest.approx([10_000 / factor for factor in found.results])
    assert table.loc[1.0, "end_equity"] == found.result.summary["end_equity"]
    # Entry at twice the equity: the leverage right after it is 2 x factor, less fee and slippage.
    for factor, result in found.results.items():
        at_entry = result.margin["leverage"].iloc[:2].max()
        assert at_entry == pytest.approx(2 * factor, rel=0.02)


def test_distance_shrinks_and_what_is_closed_by_force_is_told(found):
    table = found.table
    distances = table["min_distance"].to_list()
    assert distances == sorted(distances, reverse=True)
    never = table["first_liquidation"].isna()
    assert never.to_list() == (table["liquidations"] == 0).to_list()
    survived, closed = found.limits
    assert list(found.results).index(closed) == list(found.results).index(survived) + 1


def held(leverage, crash=77.0, **more):
    """Own a coin bought at 100 for so many times the equity, through a fall and a recovery."""
    rows = [
        ("00:00", 100),
        ("00:01", 100),
        ("01:00", crash),
        ("02:00", 100),
        ("03:00", 110),
        ("03:15", 110),
        ("04:00", 110),
    ]
    data = marks(rows, USER_COIN) + trades([(when, price, 10**6) for when, price in rows], USER_COIN)
    steps = (
        ("00:00:30", lambda s: s.buy(USER_COIN, leverage=leverage)),
        ("03:00", lambda s: s.close(USER_COIN)),
        ("03:30", lambda s: s.buy(USER_COIN, quantity=1)),
    )
    own = account(user_coin(), balances={"USDT": 1_000}, slippage=0, fees=(0, 0), **more)
    return Backtest(data, Script(*steps), venues=[own], on_ruin="continue")


def test_a_fall_that_one_survives_closes_the_other_by_force():
    """By hand: 20 coins lose 460 at the low of 77; of 1000 / k at factor k that leaves nothing beyond k = 2.17."""
    found = held(2.0).survival((1, 2, 2.5))
    table = found.table
    assert table["liquidations"].to_list() == [0, 0, 1]
    assert found.limits == (2.0, 2.5)
    assert table.loc[2.0, "end_equity"] == pytest.approx(500 + 200)
    assert str(table.loc[2.5, "first_liquidation"])[11:16] == "01:00"
    assert "up to 2x the leverage; at 2.5x" in said(found)[0]


def test_after_a_forced_close_the_orders_of_the_run_only_reduce():
    """The run's own close would have opened a short of what is no longer there; the next entry finds both flat."""
    found = held(2.0).survival((1, 2.5))
    closed = found.results[2.5]
    assert found.changed[2.5] == 0  # close() is reduce-only by itself; the entry of 03:30 goes out as it was
    assert closed.orders["reason"].to_list() == ["", "NOTHING_TO_REDUCE", "INSUFFICIENT_MARGIN"]
    quantities = closed.fills["side"] * closed.fills["quantity"]
    assert (quantities.cumsum() > -1e-9).all()


def test_an_order_that_would_open_what_was_not_open_then_is_refused():
    """An exit that is not reduce-only by itself, after a forced close."""
    made = held(2.0)
    made.strategies[0].steps[1] = (made.strategies[0].steps[1][0], lambda s: s.sell(USER_COIN, quantity=20))
    found = made.survival((1, 2.5))
    assert found.changed[2.5] == 1
    assert "NOTHING_TO_REDUCE" in found.results[2.5].orders["reason"].to_list()
    assert (found.results[2.5].fills["side"] * found.results[2.5].fills["quantity"]).cumsum().min() >= -1e-9
    assert any("could only reduce" in text for text in said(found))


def test_spot_accounts_keep_their_capital_and_margin_accounts_do_not():
    accounts = [venues.Venue(USDM, balances={"USDT": 4_000}), venues.Venue("binance_spot", balances={"USDT": 6_000})]
    found = backtest(FundingCarry(), *accounts, symbols=(LINEAR, SPOT)).survival((0.5, 1, 4))
    assert found.table["start_equity"].to_list() == [14_000, 10_000, 7_000]
    assert found.notes == ["Spot accounts keep their capital: binance_spot."]
    coins = [result.fills[result.fills["symbol"] == SPOT]["quantity"].iloc[0] for result in found.results.values()]
    assert len(set(coins)) == 1
    assert found.table.loc[4.0, "min_distance"] < found.table.loc[1.0, "min_distance"]


def test_margin_leverage_that_was_set_is_multiplied_up_to_the_largest_of_the_venue():
    found = backtest(Turns(leverage=1.0), usdm(margin_mode="isolated", leverage=3), days=2).survival((0.5, 1, 4, 100))
    set_to = [result.config["venues"][0]["leverage"] for result in found.results.values()]
    most = venues.get(USDM, as_of="2024-11-01").tiers(LINEAR)[0].max_leverage
    assert set_to == [{LINEAR: 1.5}, 3.0, {LINEAR: 12.0}, {LINEAR: most}]


def test_where_there_is_no_leverage_or_no_factor_it_says_so():
    spot = venues.Venue("binance_spot", balances={"USDT": 6_000})
    with pytest.raises(ConfigError, match="all accounts are spot accounts"):
        Backtest(trades([("00:00", 100, 1)], SPOT, CASH), Turns(symbol=SPOT), venues=spot).survival()
    with pytest.raises(ConfigError, match="must be positive, got -1"):
        backtest(Turns(), usdm()).survival((1, -1))


def test_inverse_contracts_are_repeated_with_less_coin():
    coin = venues.Venue(COINM, balances={"BTC": 0.2})
    found = backtest(Turns(symbol=INVERSE), coin, symbols=(INVERSE,), days=2).survival((1, 2))
    own, twice = found.result.fills, found.results[2.0].fills
    assert own["quantity"].to_list() == twice["quantity"].to_list()
    assert found.results[2.0].ledger["amount"].iloc[0] == pytest.approx(0.1)


def test_it_stands_in_the_tear_sheet_and_on_the_screen(found, levdyn, tmp_path):
    page = found.result.tear_sheet(tmp_path / "sheet.html", survival=found).read_text()
    assert 'id="survival"' in page
    for row in cells(found):
        assert all(cell in page for cell in row)
    assert 'id="survival"' not in found.result.tear_sheet(tmp_path / "plain.html").read_text()
    done = levdyn("run", "run.toml", "--survival", "--json", "--out", tmp_path / "out")
    assert done.code == 0, done.err
    assert list(done.json["survival"]) == [f"{factor:g}" for factor in FACTORS]
    assert 'id="survival"' in (tmp_path / "out" / "tear_sheet.html").read_text()
    shown = levdyn("run", "run.toml", "--survival")
    assert "the leverage" in shown.out
