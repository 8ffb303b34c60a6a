"""From the streams of a dataset to the cursors of a run: in the order of ties, only the columns that are needed."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from backtest.errors import ConfigError
from backtest.run_instruments import RunInstrument
from feeds.arrays import plain
from feeds.cursor import Cursor
from feeds.dataset import Dataset
from feeds.errors import FeedError
from feeds.stream import Stream

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    import pyarrow as pa

# EventKind of feeds/events.pxd
INDEX, PREMIUM, MARK, FUNDING, TRADE, LIQUIDATION, OPEN_INTEREST = 2, 3, 4, 5, 7, 8, 9
QUOTE, BOOK, BOOK_ORDER, DEPTH = 10, 11, 12, 13
BAR, MARK_BAR, INDEX_BAR, PREMIUM_BAR = 14, 15, 16, 17
POINTS = {
    "trades": TRADE,
    "mark": MARK,
    "index": INDEX,
    "premium": PREMIUM,
    "funding": FUNDING,
    "liquidations": LIQUIDATION,
    "open_interest": OPEN_INTEREST,
    "quotes": QUOTE,
    "book": BOOK,
    "book_orders": BOOK_ORDER,
    "depth": DEPTH,
}
BARS = {"bars": BAR, "mark": MARK_BAR, "index": INDEX_BAR, "premium": PREMIUM_BAR}
RANK = {
    INDEX: 2, INDEX_BAR: 2, PREMIUM: 3, PREMIUM_BAR: 3, MARK: 4, MARK_BAR: 4, FUNDING: 5, TRADE: 7, LIQUIDATION: 8,
    OPEN_INTEREST: 9, QUOTE: 10, BOOK: 11, BOOK_ORDER: 12, DEPTH: 13, BAR: 14,
}  # fmt: skip
COLUMNS = {
    TRADE: {"price": "a", "quantity": "b", "side": "side", "flags": "c"},
    MARK: {"price": "a"},
    INDEX: {"price": "a"},
    PREMIUM: {"price": "a"},
    FUNDING: {"rate": "a", "interval_s": "b", "mark": "c", "kind": "d"},
    LIQUIDATION: {"price": "a", "quantity": "b", "side": "side"},
    OPEN_INTEREST: {"native": "a"},
    QUOTE: {"bid_price": "a", "bid_quantity": "b", "ask_price": "c", "ask_quantity": "d"},
    BOOK: {"price": "a", "quantity": "b", "side": "side", "seq": "c", "prev_seq": "d", "is_snapshot": "e"},
    BOOK_ORDER: {
        "price": "a",
        "quantity": "b",
        "side": "side",
        "seq": "c",
        "order_id": "d",
        "is_snapshot": "e",
    },
    DEPTH: {"percentage": "a", "quantity": "b"},
    BAR: {"open": "a", "high": "b", "low": "c", "close": "d", "volume": "e"},
}
OHLC = {"open": "a", "high": "b", "low": "c", "close": "d"}
COLLATERAL_SCALE = 10
MEMORY_BYTES = 64 << 20  # more is slower: batches of twenty streams stay in the cache
LEAST_ROWS = 4096
MOST_ROWS = 131_072
MINUTE_NS = 60_000_000_000


@dataclass
class Plan:
    """One cursor to be."""

    stream: Stream
    event_kind: int
    instrument: int  # -1 = the price of an asset
    asset: int = -1
    passive: bool = False  # nothing of it reaches the market
    feeds_book: bool = False  # makes the local book of its instrument
    derived: bool = False  # a second reading of a stream as another kind; not told to strategies
    latency: int = 0
    sigma: float = 0.0  # of the logarithm of the latency

    def delayed(self, latency: int, sigma: float) -> "Plan":
        """Return the plan with the latency of its feed."""
        return replace(self, latency=latency, sigma=sigma)

    @property
    def order(self) -> tuple[int, str, str, int, int]:
        """Return what the number of the stream follows from."""
        return RANK[self.event_kind], self.stream.venue, self.stream.symbol, self.stream.timeframe_ns, int(self.derived)


def plans(
    dataset: Dataset,
    instruments: Sequence[RunInstrument],
    assets: dict[str, int],
    mark_of: dict[int, str],
    latency: dict[str, tuple[int, float]],
    wanted: Iterable[int],
    by_book: Iterable[int] = (),
    by_interest: Collection[int] = (),
    by_depth: Collection[int] = (),
) -> list[Plan]:
    """Return the cursors of a run in the order of ties.

    Parameters
    ----------
    dataset : Dataset
    instruments : sequence of RunInstrument
    assets : dict of str to int
        Rows of the assets.
    mark_of : dict of int to str
        ``feed | last | index`` of each derivative.
    latency : dict of str to (int, float)
        Feed latency of each venue, ns, and the standard deviation of its logarithm.
    wanted : iterable of int
        Event kinds that a strategy has a hook for.
    by_book : iterable of int
        Instruments whose orders meet a book: their bars are told, and do not reach the market.
    by_interest : collection of int, optional
        Instruments whose margin follows their open interest.
    by_depth : collection of int, optional
        Instruments whose recorded depth says what own orders cost.
    """
    rows = {(run.venue, run.symbol): run for run in instruments}
    kinds, meeting = set(wanted), set(by_book)
    found = []
    for stream in dataset.streams:
        run = rows.get((stream.venue, stream.symbol))
        if run is None:
            base = stream.symbol.partition("/")[0]
            if stream.kind == "index" and base in assets:
                kind = INDEX_BAR if stream.timeframe_ns else INDEX
                found.append(Plan(stream, kind, -1, assets[base]).delayed(*latency[stream.venue]))
            continue
        table = BARS if stream.timeframe_ns else POINTS
        if stream.kind not in table:
            continue
        kind = table[stream.kind]
        plan = Plan(stream, kind, run.index).delayed(*latency[stream.venue])
        finest = run.stream(stream.kind)[0]
        plan.passive = (
            kind == PREMIUM_BAR
            or stream is not finest
            or (kind == BAR and (bool(run.stream("trades")) or run.index in meeting))
        )
        if kind in (QUOTE, BOOK, BOOK_ORDER):
            plan.feeds_book = stream is run.book_stream
            plan.passive = not plan.feeds_book or run.index not in meeting
            if not plan.feeds_book and (kind != QUOTE or kind not in kinds):
                continue  # best prices beside a book are read only for a hook
        if kind == DEPTH and run.index not in by_depth:
            continue
        if stream.kind == "mark" and mark_of.get(run.index, "feed") != "feed":
            plan.passive = True
        # Kinds that the local view does not need are read only for a hook.
        needed = kind in kinds or (kind == OPEN_INTEREST and run.index in by_interest)
        if kind in (LIQUIDATION, OPEN_INTEREST, PREMIUM_BAR) and not needed:
            continue
        found.append(plan)
        mark = mark_of.get(run.index)
        if mark == "last" and kind == BAR and not plan.passive:
            found.append(Plan(stream, MARK_BAR, run.index, derived=True, latency=plan.latency))
        if mark == "index" and kind == INDEX_BAR and not plan.passive:
            found.append(Plan(stream, MARK_BAR, run.index, derived=True, latency=plan.latency))
    found.sort(key=lambda plan: plan.order)
    return found


def rows_per_batch(n_streams: int) -> int:
    """Return how many rows a batch may have so that all streams together stay inside the memory budget."""
    # Three batches a stream, one of them ahead, of up to eight columns of eight bytes.
    room = MEMORY_BYTES // (3 * 8 * 8 * max(n_streams, 1))
    return max(LEAST_ROWS, min(MOST_ROWS, room))


def cursors(
    found: Sequence[Plan],
    instruments: Sequence[RunInstrument],
    start: int,
    end: int,
    *,
    batch_rows: int | None,
    flags_wanted: bool,
    prefetch: bool | None = None,
    seed: int = 0,
) -> list[Cursor]:
    """Open the cursors of the plans; all that are decoded ahead share one thread."""
    rows = batch_rows or rows_per_batch(len(found))
    ahead = [not plan.stream.is_in_memory if prefetch is None else prefetch for plan in found]
    thread = None
    if any(ahead):
        from concurrent.futures import ThreadPoolExecutor

        thread = ThreadPoolExecutor(1, "levdyn-decode")  # it ends with the last cursor
    return [
        _cursor(number, plan, instruments, start, end, rows, flags_wanted, thread if is_ahead else None, seed)
        for number, (plan, is_ahead) in enumerate(zip(found, ahead, strict=True))
    ]


def _cursor(
    number: int,
    plan: Plan,
    instruments: Sequence[RunInstrument],
    start: int,
    end: int,
    rows: int,
    flags_wanted: bool,
    thread: "ThreadPoolExecutor | None",
    seed: int,
) -> Cursor:
    stream = plan.stream
    names = dict(COLUMNS.get(plan.event_kind, OHLC))
    if plan.event_kind == TRADE and not flags_wanted:
        names.pop("flags")
    columns = ["ts", "ts_avail", *names]
    factors = [1, 1, *(_factor(plan, stream, name, instruments) for name in names)]
    batches = stream.batches(columns, rows, start, end)
    if thread is not None:
        from feeds.ahead import Ahead

        batches = Ahead(batches, thread)
    return Cursor(
        stream=number,
        instrument=plan.instrument,
        kind=plan.event_kind,
        timeframe=stream.timeframe_ns,
        batches=batches,
        names=["ts", "avail", *names.values()],
        factors=factors,
        latency=plan.latency,
        sigma=plan.sigma,
        seed=seed,
        label=stream.label,
    )


def _factor(plan: Plan, stream: Stream, name: str, instruments: Sequence[RunInstrument]) -> int:
    """Return what a column's mantissas are multiplied with to come to the run's scale."""
    if plan.asset >= 0:
        up = COLLATERAL_SCALE - stream.scales["price"]
        if up < 0:
            raise ConfigError(f"{stream.label}: prices have more than {COLLATERAL_SCALE} decimals")
        return int(10**up)
    run = instruments[plan.instrument]
    if name in ("side", "flags", "interval_s", "kind", "seq", "prev_seq", "is_snapshot", "order_id"):
        return 1
    if plan.event_kind == DEPTH:
        return 1  # its market knows the units
    if name == "rate":
        return int(10 ** (run.rate_scale - stream.scales["rate"]))
    if plan.event_kind in (PREMIUM, PREMIUM_BAR):
        return int(10 ** (run.premium_scale - stream.scales["rate"]))
    if name in ("quantity", "volume", "native", "bid_quantity", "ask_quantity"):
        return int(10 ** (run.quantity_scale - stream.scales["quantity"]))
    return int(10 ** (run.price_scale - stream.scales["price"]))


def mark_age(run: RunInstrument, mark: str) -> int:
    """Return how old a mark may become with a position open, ns: by the spacing of what it comes from.

    Bars: two of them. Points: twenty times their median spacing, at least a minute. Trades as marks: an hour, since a
    quiet market is not a gap.
    """
    kind = {"feed": "mark", "index": "index", "formula": "index"}.get(mark)
    streams = run.stream(kind) if kind else run.stream("trades") or run.stream("bars")
    if not streams:
        return 0
    stream = streams[0]
    if stream.timeframe_ns:
        return 2 * stream.timeframe_ns
    if stream.kind == "trades":
        return 60 * MINUTE_NS
    first: pa.RecordBatch = next(iter(stream.batches(["ts"], LEAST_ROWS)))
    stamps = plain(first.column(0))
    spacing = int(np.median(np.diff(stamps))) if stamps.size > 1 else MINUTE_NS
    return max(MINUTE_NS, 20 * spacing)


def check_gaps(streams: Iterable[Stream], on_gap: str) -> list[str]:
    """Return the stretches that the data lack or that must not be trusted; an error unless they are accepted.

    Holes in settled funding are `check_funding`'s: it sees those between rows too.

    Raises
    ------
    FeedError
        Names the first stretch and what accepts it.
    """
    gaps = [f"{stream.label}: {gap}" for stream in streams if stream.kind != "funding" for gap in stream.gaps]
    if gaps and on_gap == "error":
        more = f" and {len(gaps) - 1} more" if len(gaps) > 1 else ""
        raise FeedError(f"{gaps[0]}{more}; fill the data, or accept it with on_gap='warn' or on_gap='skip'")
    return gaps


def check_funding(run: RunInstrument, start: int, end: int, on_gap: str) -> list[str]:
    """Return the gaps in the settled funding rows of an instrument inside the run; an error unless they are accepted.

    A row is missing where the time between two settled rows is longer than the interval that the later one states.
    """
    gaps = []
    for stream in run.stream("funding"):
        before = None
        for batch in stream.batches(["ts", "interval_s", "kind"], MOST_ROWS, start, end):
            stamps, intervals, kinds = (plain(column) for column in batch.columns)
            for ts, interval in zip(stamps[kinds == 0].tolist(), intervals[kinds == 0].tolist(), strict=True):
                if before is not None and interval and ts - before > 1.5 * interval * 1_000_000_000:
                    gaps.append(
                        f"{run.address}: no funding row between {_time(before)} and {_time(ts)} ({interval} s apart)"
                    )
                before = ts
    if gaps and on_gap == "error":
        more = f" and {len(gaps) - 1} more" if len(gaps) > 1 else ""
        raise FeedError(f"{gaps[0]}{more}; fill the data, or accept it with on_gap='warn' or on_gap='skip'")
    return gaps


def _time(ns: int) -> str:
    from feeds.times import iso

    return iso(ns)
