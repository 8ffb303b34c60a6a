"""Bugs of other backtesters about runs as a whole (pitfalls.md, by id)."""

import gc
import sys
from itertools import pairwise

import pytest
from engine_data import (
    LINEAR,
    MINUTE,
    SECOND,
    USDM,
    USER_COIN,
    Notes,
    Script,
    account,
    funding,
    marks,
    ns,
    run,
    trades,
    user_coin,
)

import venues
from backtest import Backtest, ConfigError, OrderError, Strategy
from venues import VenueError


def seconds(n, price=lambda i: 100, symbol=USER_COIN, step=SECOND):
    """Return marks and trades, a step apart from 00:00."""
    rows = [(ns("00:00") + i * step, price(i)) for i in range(n)]
    return marks(rows, symbol) + trades([(t, p, 100) for t, p in rows], symbol)


UNKNOWN = {
    "bar_path": (
        {"bar_path": "wurst"},
        "must be one of worst, ohlc, olhc, got 'wurst', did you mean 'worst'?",
    ),
    "on_gap": ({"on_gap": "ignore"}, "on_gap must be one of error, skip, warn, got 'ignore'"),
    "on_ruin": ({"on_ruin": "halt"}, "on_ruin must be one of stop, continue, refill, got 'halt'"),
    "mark": (
        {"mark": "lst"},
        "mark of X/USDT:USDT@binance_usdm must be feed, last, index, formula or feed+impact, got 'lst'",
    ),
    "leverage of an unknown symbol": (None, "leverage= names 'Z/USDT:USDT', which is no derivative in the data"),
    "mark of an unknown symbol": (
        {"mark": {"Z/USDT:USDT": "last"}},
        "mark= names 'Z/USDT:USDT', which is no",
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_option_of_a_run_is_an_error(name):
    """B28: never ignored, never a default in its place."""
    options, words = UNKNOWN[name]
    leverage = {"Z/USDT:USDT": 5} if options is None else None
    with pytest.raises(ConfigError) as error:
        run(seconds(5), Script(), account(user_coin(), leverage=leverage), **(options or {}))
    assert words in str(error.value)


ACCOUNTS = {
    "margin_mode": {"margin_mode": "portfolio"},
    "position_mode": {"position_mode": "netting"},
    "collateral": {"collateral": "both"},
    "fills": {"fills": "mid"},
    "adl": {"adl": "maybe"},
    "forced_close": {"forced_close": "market"},
    "multi-assets mode with isolated margin": {"collateral": "multi", "margin_mode": "isolated"},
}


@pytest.mark.parametrize("name", ACCOUNTS)
def test_an_unknown_option_of_an_account_is_an_error(name):
    """B28."""
    with pytest.raises(VenueError):
        venues.Venue(USDM, balances={"USDT": 1}, **ACCOUNTS[name])


@pytest.mark.parametrize("option", [{"adl": "population"}])
def test_an_option_that_could_have_no_effect_is_an_error_before_the_run(option):
    """B28: a run that would ignore it does not start."""
    with pytest.raises(ValueError, match="needs other accounts"):
        run(seconds(5), Script(), account(user_coin(), **option))


def test_options_without_effect_on_a_spot_account_are_refused():
    """B28."""
    with pytest.raises(VenueError, match="leverage would have no effect"):
        venues.Venue("binance_spot", balances={"USDT": 1}, leverage=5)


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.buy(USER_COIN, quantity=1, tif="DAY"),
        lambda s: s.target(USER_COIN, quantity=1, tif="DAY"),
        lambda s: s.submit(USER_COIN, side="buy", quantity=1, tif="DAY"),
        lambda s: s.protect(USER_COIN, stop=90, trigger="mid"),
        lambda s: s.set_margin_mode(USER_COIN, "portfolio"),
        lambda s: s.buy(USER_COIN, quantity=1, notional=100),
        lambda s: s.buy(USER_COIN),
        lambda s: s.submit(USER_COIN, side="long", quantity=1),
        lambda s: s.buy(USER_COIN, quantity=1, position="long"),
    ],
)
def test_an_unknown_word_in_a_verb_is_an_error_where_it_is_said(call):
    """B28."""
    with pytest.raises(OrderError):
        run(seconds(5), Script(("00:00:01", call)), account(user_coin()))


class Reader(Script):
    """Reads its state at every trade."""

    def on_trade(self, event):
        """Note position, equity, open orders and free margin."""
        state = self.account(USDM)
        self.note(self.position(USER_COIN).quantity, self.equity, len(self.orders()), state.free("USDT"))


def test_what_the_strategy_sees_lags_the_venue_by_the_response_latency():
    """B35: filled at second 3, known at second 5; equity, orders and free margin with it."""
    notes = Notes()
    script = Reader((ns("00:00:02"), lambda s: s.buy(USER_COIN, quantity=10)), notes=notes)
    owner = account(user_coin(), leverage=10, latency=("0s", "2s", "0s"), fees=(0, 0.001))
    result = run(seconds(9), script, owner)
    assert [time.second for time in result.fills["time"]] == [3]
    assert [note[1] for note in notes] == [0, 0, 0, 0, 0, 10, 10, 10, 10]
    assert [note[2] for note in notes] == [10_000] * 5 + [9_999] * 4
    # Its own order is known to it at once; that it has been filled comes with the answer.
    assert [note[3] for note in notes] == [0, 0, 0, 1, 1, 0, 0, 0, 0]
    # At second 4 it hears that the order works: a tenth of 10 x 100.05, and 0.5 that it would lose at once, are held.
    assert [note[4] for note in notes] == [10_000] * 4 + [9_899.45] + [9_899] * 4


def test_an_order_reaches_the_venue_one_order_latency_later():
    """B35: sent at second 2, there at 2 + 3, filled by the trade after that; the answer is back at once."""
    notes = Notes()
    script = Reader((ns("00:00:02"), lambda s: s.buy(USER_COIN, quantity=10)), notes=notes)
    result = run(seconds(9), script, account(user_coin(), latency=("3s", "0s", "0s")))
    assert [time.second for time in result.fills["time"]] == [6]
    assert [note[1] for note in notes] == [0, 0, 0, 0, 0, 0, 10, 10, 10]


def test_market_data_reach_the_strategy_one_feed_latency_later():
    """B35: it acts on prices that are two seconds old, the venue does not."""
    notes = Notes()

    class Watcher(Strategy):
        def on_trade(self, event):
            notes.append((self.now - event.ts, event.price, self.position(USER_COIN).unrealized_pnl))
            if event.price == 102:
                self.buy(USER_COIN, quantity=1)

    result = run(seconds(9, lambda i: 100 + i), Watcher(), account(user_coin(), latency=("0s", "0s", "2s")))
    assert {lag for lag, _, _ in notes} == {2 * SECOND}
    # 102 is traded at second 2 and seen at second 4; the next trade, at second 5, is at 105.
    assert result.fills["price"].tolist() == [105.0]
    # Entered at 105 while the delivered mark is 103: the local view marks it at what it knows.
    assert [profit for _, price, profit in notes if price == 103] == [pytest.approx(-2.0)]


class Busy(Strategy):
    """Turns its position at every trade and counts what is alive."""

    def __init__(self, notes, calls):
        super().__init__()
        self.notes, self.calls = notes, calls

    def on_trade(self, event):
        """Buy or sell, and note the counters."""
        self.notes.append((self.calls[0], len(self.orders())))
        if self.position(USER_COIN).quantity > 0:
            self.sell(USER_COIN, quantity=1, reduce_only=True)
        else:
            self.buy(USER_COIN, quantity=1)


def counted(data):
    """Return (calls so far, open orders) at each trade, with every Python-level call counted."""
    notes, calls = Notes(), [0]

    def profile(frame, event, argument):
        if event in ("call", "c_call"):
            calls[0] += 1

    test = Backtest(data, Busy(notes, Shared(calls)), venues=account(user_coin()))
    sys.setprofile(profile)
    try:
        result = test.run()
    finally:
        sys.setprofile(None)
    return notes, calls[0], result


class Shared(list):
    """A list that the copy of a strategy shares."""

    def __init__(self, base):
        super().__init__()
        self.base = base

    def __getitem__(self, index):
        return self.base[index]

    def __deepcopy__(self, memo):
        return self


def test_work_per_trade_does_not_grow_with_trades_done():
    """B33: counted, not timed: the last hundred trades take as many calls as the first."""
    notes, _, result = counted(seconds(1_200))
    assert len(result.fills) > 1_100
    steps = [after[0] - before[0] for before, after in pairwise(notes)]
    early, late = steps[100:200], steps[-100:]
    assert sum(late) <= sum(early) * 1.02
    assert max(count for _, count in notes) <= 1


def test_work_does_not_grow_with_the_rows_of_funding_passed():
    """B33: the same with a funding row every five minutes."""
    rows = funding([(ns("00:00") + (i + 1) * 5 * MINUTE, 0.0001) for i in range(11)], USER_COIN, hours=1 / 12)
    notes, _, result = counted(seconds(700, step=5 * SECOND) + rows)
    assert len(result.funding) >= 5
    steps = [after[0] - before[0] for before, after in pairwise(notes)]
    assert sum(steps[-120:]) <= sum(steps[60:180]) * 1.02


def test_orders_that_are_over_are_not_kept_by_the_strategy():
    """B33: memory of open orders only, whatever was sent before."""
    alive = Notes()

    def views():
        return sum(type(thing).__name__ == "OrderView" for thing in gc.get_objects())

    class Sender(Strategy):
        def on_trade(self, event):
            self.buy(USER_COIN, quantity=1)
            if event.ts % (20 * SECOND) == 0:
                alive.append(views())

    gc.collect()
    others = views()  # that earlier tests have kept
    run(seconds(300), Sender(), account(user_coin(), {"USDT": 1_000_000}))
    assert len(alive) == 15
    assert max(alive) - others <= 4


def test_a_run_in_small_batches_keeps_few_of_them():
    """B30: two readers of one stream share its batches; what both have passed is freed."""
    alive = Notes()

    def batches():
        return sum(type(thing).__name__ == "Batch" for thing in gc.get_objects())

    class Watcher(Strategy):
        def on_trade(self, event):
            if event.ts % (50 * SECOND) == 0:
                alive.append(batches())

    gc.collect()
    others = batches()  # of results that earlier tests have kept
    test = Backtest(seconds(2_000), Watcher(), venues=account(user_coin()))
    test.settings.batch_rows = 16
    test.run()
    assert len(alive) == 40
    assert max(alive) - others <= 2 * 2  # two streams, the batch at hand and the one that was just begun


def test_a_run_holds_no_data_before_its_start():
    """B30: what lies before start is never delivered."""
    seen = Notes()

    class Watcher(Strategy):
        def on_trade(self, event):
            seen.append(event.ts)

    run(seconds(100, symbol=LINEAR), Watcher(), account(), start=ns("00:00:40"), end=ns("00:00:50"))
    assert seen == [ns("00:00") + i * SECOND for i in range(40, 50)]
