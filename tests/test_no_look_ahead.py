"""What happens before a time rests on nothing after it: the future is changed, the journal before it must stay."""

from random import Random

import engine_random
import pandas as pd
import pytest
from engine_data import (
    HOUR,
    LINEAR,
    MINUTE,
    SECOND,
    USDM,
    USER_COIN,
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
    user_coin,
)

import feeds
from backtest import Strategy

TABLES = (
    "ledger",
    "fills",
    "funding",
    "margin",
    "equity",
    "exposure",
    "order_events",
    "liquidations",
    "margin_calls",
    "transfers",
    "series",
    "log",
)
LATENCIES = {
    "zero": None,
    "constant": "400ms",
    "response": ("0s", "1500ms", "0s"),
    "all different": ("200ms", "900ms", "1300ms"),
}
SECONDS = 900


class Curious(engine_random.Restless):
    """Also asks for everything that a strategy may see, and lets it decide."""

    def on_bar(self, bar):
        """Note history, universe and indicators."""
        frame = self.history([engine_random.ETHER], "1m", 3, field="close")
        self.record(history=float(frame.iloc[-1, 0]) if len(frame) else 0.0, rows=len(frame))
        self.record(close=bar.close, high=bar.high)
        if len(frame) and frame.iloc[-1, 0] > bar.open:
            self.adjust(f"{engine_random.ETHER}@{USDM}/iso", quantity=0.5)
        super().on_bar(bar)

    def on_timer(self, timer):
        """Note the state of everything."""
        for name in engine_random.NAMES:
            state = self.account(name)
            self.record(equity=state.equity, free=state.free("USDT"), ratio=state.margin_ratio)
        for symbol in (LINEAR, engine_random.INVERSE, engine_random.ETHER):
            held, rates = self.position(symbol), self.funding(symbol)
            self.record(
                quantity=held.quantity, distance=held.distance, rate=rates.last_rate, guess=rates.predicted_rate
            )
        self.record(delta=self.delta("BTC"), whole=self.equity)
        super().on_timer(timer)


def outcome(seed, latency, future=None):
    """Return the tables of a run, with another future from some time on."""
    data = engine_random.market(seed, SECONDS, future)
    test = engine_random.prepared(seed, data=data, latency=latency, strategies=[Curious(seed=seed)])
    result = test.run()
    return {name: getattr(result, name) for name in TABLES}


def before(table, moment, column="time"):
    """Return the rows of a table before a time."""
    return table[table[column] < pd.Timestamp(moment, unit="ns", tz="UTC")].reset_index(drop=True)


def same(left, right, name):
    """Assert that two tables are equal; a column of missing names has no type of its own."""
    plain = [table.astype(object).where(table.notna(), None) for table in (left, right)]
    pd.testing.assert_frame_equal(*plain, obj=name)


@pytest.mark.parametrize("latency", LATENCIES)
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_the_journal_before_a_random_time_does_not_depend_on_the_data_after_it(seed, latency):
    """Three venues, five accounts, trades and bars; the times are minutes, so that no bar is cut in two."""
    random = Random(seed)
    own = outcome(seed, LATENCIES[latency])
    moment = engine_random.START + random.randrange(3, SECONDS // 60 - 2) * MINUTE
    other = outcome(seed, LATENCIES[latency], engine_random.Future(moment, seed))
    assert len(before(own["ledger"], moment)) > 20
    for name in TABLES:
        same(before(own[name], moment), before(other[name], moment), name)
    assert len(own["fills"]) > 5
    assert not own["equity"].equals(other["equity"])


@pytest.mark.parametrize("seed", [21, 22, 23])
def test_the_strategy_knows_nothing_that_was_not_delivered_to_it(seed):
    """With feed and response two seconds late, what it does before T rests on what the venues had before T - 2 s."""
    late = ("300ms", "2s", "2s")
    moment = engine_random.START + Random(seed).randrange(3, SECONDS // 60 - 2) * MINUTE
    own = outcome(seed, late)
    other = outcome(seed, late, engine_random.Future(moment - 2 * SECOND, seed))
    for name in ("series", "log"):
        pd.testing.assert_frame_equal(before(own[name], moment), before(other[name], moment), obj=name)
    sent = [
        before(tables["order_events"], moment, "submitted").drop_duplicates("order")[
            ["order", "account", "symbol", "side", "type", "quantity", "submitted"]
        ]
        for tables in (own, other)
    ]
    assert len(sent[0]) > 4
    pd.testing.assert_frame_equal(*(each.reset_index(drop=True) for each in sent))


def test_every_event_is_heard_at_its_delivery_time_and_never_before():
    """ts_avail and the feed latency, whichever is later; a stream does not reorder."""
    heard = Notes()

    class Watcher(Strategy):
        def on_trade(self, event):
            heard.append((event.ts, self.now))

    times = [ns("00:00") + i * SECOND for i in range(6)]
    frame = pd.DataFrame({"ts": times, "price": 100.0, "quantity": 1.0, "side": 1})
    frame["ts_avail"] = [times[0], times[1] + 3 * SECOND, times[2], times[3], times[4], times[5]]
    tape = feeds.from_pandas(frame, kind="trades", venue=USDM, symbol=USER_COIN)
    run(
        tape + marks([(times[0], 100), (times[0] + 20 * SECOND, 100)], USER_COIN),
        Watcher(),
        account(user_coin(), latency=("0s", "0s", "500ms")),
    )
    late = times[1] + 3 * SECOND + SECOND // 2
    assert heard == [
        (times[0], times[0] + SECOND // 2), (times[1], late), (times[2], late), (times[3], late),
        (times[4], max(late, times[4] + SECOND // 2)), (times[5], times[5] + SECOND // 2),
    ]  # fmt: skip


def test_a_late_rate_delays_only_the_news_of_it():
    """The settled row is the boundary on the venue's clock; on_funding comes when the rate was public."""
    rows = pd.DataFrame({"ts": [ns("08:00")], "ts_avail": [ns("08:05")], "rate": [0.01], "interval_hours": [8]})
    data = constant(100, start="07:00", end="09:00", symbol=USER_COIN)
    data += feeds.from_pandas(rows, kind="funding", venue=USDM, symbol=USER_COIN)
    notes = Notes()

    class Listener(Script):
        def on_funding(self, event):
            self.note("rate", event.rate)

        def on_funding_payment(self, payment):
            self.note("paid", payment.amount)

    run(data, Listener(("07:30", lambda s: s.buy(USER_COIN, quantity=1)), notes=notes), account(user_coin()))
    assert notes == [(ns("08:00"), "paid", -1.0), (ns("08:05"), "rate", 0.01)]


class Rates(engine_random.Future):
    """Another future of the funding rates alone."""

    def prices(self, rows, tick, columns=1):
        """Leave prices as they are."""
        return list(rows)

    def sizes(self, rows):
        """Leave sizes as they are."""
        return list(rows)


@pytest.mark.parametrize("latency", LATENCIES)
def test_other_rates_after_a_time_change_nothing_before_it(latency):
    """The same market with every later rate turned round and tripled: at the first of them the runs part."""
    moment = engine_random.START + 600 * SECOND
    own = outcome(14, LATENCIES[latency])
    other = outcome(14, LATENCIES[latency], Rates(moment, 14))
    for name in TABLES:
        same(before(own[name], moment), before(other[name], moment), name)
    assert len(own["funding"]) > 0
    assert not own["funding"].equals(other["funding"])


def test_flipping_every_rate_after_a_time_changes_nothing_before_it():
    """The same in the smallest form: a carry that looks at its rate every hour."""
    data = constant(100, start="00:00", end="2025-01-02T00:00", step=10 * MINUTE, symbol=USER_COIN)
    rates = [(ns("00:00") + 4 * HOUR * (i + 1), 0.001 * (-1) ** i) for i in range(6)]

    class Carry(Strategy):
        def on_start(self):
            self.every("1h")

        def on_timer(self, timer):
            known = self.funding(USER_COIN)
            if known.last_rate is not None:
                self.target(USER_COIN, quantity=-1 if known.last_rate > 0 else 1)
            self.record(rate=known.last_rate, guess=known.predicted_rate)

    moment = ns("13:00")
    found = []
    for flip in (1, -1):
        changed = [(t, rate * flip if t >= moment else rate) for t, rate in rates]
        result = run(data + funding(changed, USER_COIN, hours=4), Carry(), account(user_coin()))
        found.append({name: before(getattr(result, name), moment) for name in ("ledger", "fills", "series")})
        found[-1]["all"] = result.ledger
    assert len(found[0]["fills"]) >= 3
    for name in ("ledger", "fills", "series"):
        pd.testing.assert_frame_equal(found[0][name], found[1][name])
    assert not found[0]["all"].equals(found[1]["all"])


def test_an_order_is_matched_only_against_what_follows_it():
    """Even without latency: the trade that a strategy answers does not fill its order."""

    class Answer(Strategy):
        def on_trade(self, event):
            if event.price == 101:
                self.buy(USER_COIN, quantity=1)

    prices = [100, 101, 102, 103]
    rows = [(ns("00:00") + i * SECOND, p) for i, p in enumerate(prices)]
    data = marks(rows, USER_COIN) + trades([(t, p, 5) for t, p in rows], USER_COIN)
    assert run(data, Answer(), account(user_coin())).fills["price"].tolist() == [102.0]


def test_a_bar_is_told_when_it_is_complete_and_its_extremes_not_before():
    """Inside a bar a strategy sees the close of the bar before, whatever the path on the venue's side."""
    rows = [("00:00", 100, 101, 99, 100), ("01:00", 100, 150, 50, 120), ("02:00", 120, 120, 120, 120)]
    looks = [
        (ns("01:00") + i * 5 * MINUTE, lambda s: s.note(s.equity, s.position(USER_COIN).unrealized_pnl))
        for i in range(1, 12)
    ]
    notes = Notes()
    script = Script(("00:30", lambda s: s.buy(USER_COIN, quantity=1)), *looks, notes=notes)
    result = run(bars(rows, USER_COIN), script, account(user_coin()), mark="last")
    entry = result.fills["price"].tolist()[0]
    assert [profit for _, _, profit in notes] == [pytest.approx(100 - entry)] * 11


def test_the_worth_of_a_coin_reaches_the_strategy_with_its_feed_not_before():
    """Equity in another currency is valued at delivered prices, from index rows and from the instrument's own mark."""
    times = [ns("00:00") + i * 10 * SECOND for i in range(5)]
    prices = [50_000, 50_000, 60_000, 60_000, 60_000]
    coin = list(zip(times, prices, strict=True))
    looks = [(times[2] + SECOND, lambda s: s.note(s.equity)), (times[2] + 6 * SECOND, lambda s: s.note(s.equity))]
    tape = trades([(t, p, 10) for t, p in coin], engine_random.INVERSE, "binance_coinm")
    tape += marks(coin, engine_random.INVERSE, "binance_coinm")
    owner = account("binance_coinm", {"BTC": 1}, latency=("0s", "0s", "5s"))
    for more in (None, points("index", coin, "BTC/USD", "binance_coinm")):
        notes = Notes()
        run(tape if more is None else tape + more, Script(*looks, notes=notes), owner, reporting="USD")
        assert [value for _, value in notes] == [50_000.0, 60_000.0]
