"""The rules of feeds.md section 5 that look at one canonical table; each returns findings, none changes a row."""

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from feeds import funding_grid
from feeds.combine import deduplicate, keys
from feeds.findings import Finding, Severity
from feeds.normalize import bad_bars, bad_values, grid_gaps
from feeds.scales import to_decimal, to_text
from feeds.schema import BAR_KINDS, COVERAGES, SETTLED
from feeds.tables import ints, scales_of
from feeds.times import iso, time_ns

if TYPE_CHECKING:
    import pyarrow as pa

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_EXAMPLES = 5
_MINUTE_NS = 60 * 10**9
_JUMP = 0.10
_SIGMAS = 20.0
_CONTIGUOUS = 0.99  # share of id steps of one that makes ids contiguous
_LIQUID_NS = 10 * 10**9  # median spacing below which silence means something
_LARGEST_RATE = 0.04
_RATE_RATIO = 100.0
_FILLER_BARS = 60  # bars without volume at one price after which a file has outlived its instrument
_STALE_SPEC = 0.5


def check_table(
    table: "pa.Table", kind: str, timeframe_ns: int, *, instruments: tuple[dict[str, Any], ...] = ()
) -> list[Finding]:
    """Return what the rules find in a canonical table.

    Parameters
    ----------
    table : pa.Table
    kind : str
        The bare word.
    timeframe_ns : int
        0 for points.
    instruments : tuple of dict
        Effective-dated facts of the instrument, for V3.
    """
    if not table.num_rows:
        return []
    findings = [*_times(table), *_duplicates(table, kind, timeframe_ns), *_values(table, kind, timeframe_ns)]
    prices = _main_price(table, kind, timeframe_ns)
    if prices is not None:
        findings += _spikes(table, prices)
    findings += _specification(table, kind, instruments)
    if timeframe_ns and kind in BAR_KINDS:
        findings += _bars(table, kind, timeframe_ns)
    elif kind in _BY_KIND:
        findings += _BY_KIND[kind](table)
    return findings


def outside(table: "pa.Table", bounds: tuple[int, int]) -> list[Finding]:
    """T3: rows outside the partition that holds them."""
    stamps = ints(table, "ts")
    bad = (stamps < bounds[0]) | (stamps >= bounds[1])
    return _found("T3", "flag", bad, stamps, "rows outside the day or month of their file")


def _found(rule: str, severity: Severity, bad: Bools, stamps: Int64s, message: str) -> list[Finding]:
    """Return a finding for the rows of a mask, nothing when there are none."""
    count = int(np.count_nonzero(bad))
    if not count:
        return []
    examples = tuple(iso(ts) for ts in stamps[bad][:_EXAMPLES].tolist())
    return [Finding(rule, severity, count, message, examples)]


def _times(table: "pa.Table") -> list[Finding]:
    """T1: impossible times. O1: rows out of order, which no reader may meet."""
    stamps = ints(table, "ts")
    back = np.concatenate(([False], stamps[1:] < stamps[:-1]))
    return [
        *_found("T1", "flag", stamps <= time_ns("2009-01-03"), stamps, "rows before the first venue existed"),
        *_found("O1", "fatal", back, stamps, "rows earlier than the row before"),
    ]


def _duplicates(table: "pa.Table", kind: str, timeframe_ns: int) -> list[Finding]:
    """D1, D2, D3, F4: what joining would drop or set apart; O2: ids against time."""
    stored = [
        Finding(each.rule, "fatal" if each.rule == "D2" else "flag", each.count, each.message, each.examples)
        for each in deduplicate(table, kind, timeframe_ns).findings
    ]
    names, has_name = keys(table, kind, timeframe_ns)
    if kind == "trades" and has_name.all() and names.size > 1:
        stamps = ints(table, "ts")
        # At a change of stamp an id may not fall; inside one stamp the order is the file's.
        back = np.concatenate(([False], (names[1:] < names[:-1]) & (stamps[1:] > stamps[:-1])))
        stored += _found("O2", "flag", back, stamps, "ids fall while time rises")
    return stored


def _values(table: "pa.Table", kind: str, timeframe_ns: int) -> list[Finding]:
    """V1: prices and sizes not above 0. V4: bars that contradict themselves."""
    stamps = ints(table, "ts")
    found = _found("V1", "flag", bad_values(table, kind, timeframe_ns), stamps, "price or size not above 0")
    if timeframe_ns and kind in BAR_KINDS:
        found += _found("V4", "flag", bad_bars(table), stamps, "high is not the largest or low not the smallest price")
    return found


def _main_price(table: "pa.Table", kind: str, timeframe_ns: int) -> Int64s | None:
    """Return the price whose jumps V2 looks at; premium may cross zero and has none."""
    if kind == "premium":
        return None
    name = "close" if timeframe_ns else {"trades": "price", "mark": "price", "index": "price"}.get(kind)
    return None if name is None else ints(table, name)


def _spikes(table: "pa.Table", prices: Int64s) -> list[Finding]:
    """V2: one price more than 10 % and 20 sigma away from both neighbours, on the same side of both."""
    if prices.size < 3 or int(prices.min()) <= 0:
        return []
    # Candidates first: the deviation of all returns is needed only when one of them could be a spike.
    before, here, after = prices[:-2], prices[1:-1], prices[2:]
    up = (here > before * (1 + _JUMP)) & (here > after * (1 + _JUMP))
    down = (here < before * (1 - _JUMP)) & (here < after * (1 - _JUMP))
    places = np.flatnonzero(up | down) + 1
    if not places.size:
        return []
    returns = np.diff(np.log(prices))
    calm = np.ones(returns.size, dtype=bool)
    calm[places - 1] = calm[places] = False
    sigma = float(returns[calm].std()) if calm.any() else 0.0
    jumps = np.minimum(np.abs(returns[places - 1]), np.abs(returns[places]))
    is_spike = np.zeros(prices.size, dtype=bool)
    is_spike[places[jumps > _SIGMAS * sigma]] = True
    return _found(
        "V2", "flag", is_spike, ints(table, "ts"), "price jumps by more than 10 % and back (kept: may be real)"
    )


def _specification(table: "pa.Table", kind: str, instruments: tuple[dict[str, Any], ...]) -> list[Finding]:
    """V3: prices off the tick and quantities off the lot of the instrument in force."""
    if kind != "trades" or not instruments:
        return []
    stamps, scales = ints(table, "ts"), scales_of(table)
    starts = [int(row["valid_from"]) for row in instruments]
    off = np.zeros(stamps.size, dtype=bool)
    for row, start, end in zip(instruments, starts, [*starts[1:], None], strict=True):
        here = slice(
            int(np.searchsorted(stamps, start)), stamps.size if end is None else int(np.searchsorted(stamps, end))
        )
        for column, scale, fact in (("price", "price", "tick_size"), ("quantity", "quantity", "lot_size")):
            step = to_decimal(row[fact], name=fact).scaleb(scales[scale])
            # A step finer than the stored digits cannot be missed by them when it divides one digit.
            if step >= 1 and step == int(step):
                off[here] |= ints(table, column)[here] % int(step) != 0
    share = np.count_nonzero(off) / stamps.size
    message = "prices off the tick or quantities off the lot"
    return _found("V3", "flag", off, stamps, message + (": the specification is stale" if share > _STALE_SPEC else ""))


def _bars(table: "pa.Table", kind: str, timeframe_ns: int) -> list[Finding]:
    """G3: missing slots. I3: a file that goes on after its instrument has ended."""
    found = []
    gaps = grid_gaps(table, kind, timeframe_ns)
    if gaps:
        missing = sum((gap.end - gap.start) // timeframe_ns for gap in gaps)
        found.append(Finding("G3", "flag", missing, "missing bars", tuple(map(str, gaps[:_EXAMPLES]))))
    volume, close = ints(table, "volume"), ints(table, "close")
    if kind == "bars" and volume.any():
        last = int(np.flatnonzero(volume)[-1])
        rest = volume.size - 1 - last
        if rest >= _FILLER_BARS and np.all(close[last + 1 :] == close[-1]):
            stamps = ints(table, "ts")
            tail = np.arange(volume.size) > last
            found += _found("I3", "flag", tail, stamps, "bars without volume at one price: the instrument has ended")
    return found


def _trades(table: "pa.Table") -> list[Finding]:
    """G1: missing ids where ids are contiguous. G2: silence where there are no such ids."""
    stamps, ids = ints(table, "ts"), ints(table, "id")
    if stamps.size < 2:
        return []
    steps = np.diff(ids)
    if np.all(ids >= 0) and np.count_nonzero(steps == 1) >= _CONTIGUOUS * steps.size:
        holes = np.flatnonzero(steps > 1)
        if not holes.size:
            return []
        examples = tuple(
            f"{ids[i] + 1} to {ids[i + 1] - 1} at {iso(int(stamps[i]))}" for i in holes[:_EXAMPLES].tolist()
        )
        return [Finding("G1", "flag", int(np.sum(steps[holes] - 1)), "missing ids in a contiguous series", examples)]
    waits = np.diff(stamps)
    median = float(np.median(waits))
    if median > _LIQUID_NS:
        return []
    silent = np.concatenate(([False], waits > max(_MINUTE_NS, 50 * median)))
    return _found("G2", "flag", silent, stamps, "first trade after an unusual silence")


def _quotes(table: "pa.Table") -> list[Finding]:
    """B1: bid at or above ask, with the longest time it lasted."""
    stamps = ints(table, "ts")
    crossed = ints(table, "bid_price") >= ints(table, "ask_price")
    if not crossed.any():
        return []
    lasting = np.diff(np.append(stamps, stamps[-1]))
    starts = np.flatnonzero(crossed & ~np.concatenate(([False], crossed[:-1])))
    ends = np.flatnonzero(crossed & ~np.concatenate((crossed[1:], [False]))) + 1
    total = np.concatenate(([0], np.cumsum(lasting)))
    longest = int(np.max(total[ends] - total[starts])) / 1e9
    return _found("B1", "flag", crossed, stamps, f"bid at or above ask, for at most {longest:g} s")


def _book(table: "pa.Table") -> list[Finding]:
    """B2: a message that does not follow the one before it (messages of several rows share a sequence number).

    A snapshot that was asked for lies somewhere between two messages of the stream, and the stream itself goes on as if
    it were not there: the update after it must not begin behind it; one that ends before it is only older.
    """
    stamps, seq, previous = ints(table, "ts"), ints(table, "seq"), ints(table, "prev_seq")
    is_update = ints(table, "is_snapshot") == 0
    fresh = np.concatenate(([False], (seq[1:] != seq[:-1]) | (is_update[1:] != is_update[:-1])))
    last = np.concatenate(([0], seq[:-1]))
    after_snapshot = np.concatenate(([False], ~is_update[:-1])) & (previous <= last)
    places = np.where(is_update, np.arange(seq.size), -1)
    before = np.concatenate(([-1], np.maximum.accumulate(places)[:-1]))  # the last row of an update before each
    follows = (previous == last) | after_snapshot | ((before >= 0) & (previous == seq[before]))
    broken = fresh & is_update & (previous >= 0) & ~follows
    found = _found("B2", "flag", broken, stamps, "sequence breaks: the book is unknown until the next snapshot")
    return found + _crossed_snapshots(table)


def _crossed_snapshots(table: "pa.Table") -> list[Finding]:
    """B1: whole books whose best bid is at or above their best ask."""
    places = np.flatnonzero(ints(table, "is_snapshot"))
    if not places.size:
        return []
    stamps, seq, sides, prices = (ints(table, name)[places] for name in ("ts", "seq", "side", "price"))
    fresh = (stamps[1:] != stamps[:-1]) | (seq[1:] != seq[:-1]) | ((sides[1:] == 1) & (sides[:-1] == -1))
    starts = np.concatenate(([0], np.flatnonzero(fresh) + 1))
    bids = np.maximum.reduceat(np.where(sides == 1, prices, 0), starts)
    asks = np.minimum.reduceat(np.where(sides == -1, prices, np.iinfo(np.int64).max), starts)
    return _found("B1", "flag", bids >= asks, stamps[starts], "snapshots of the book with the bid at or above the ask")


def _funding(table: "pa.Table") -> list[Finding]:
    """F2: off the grid. F3: interval changes. F5: implausible rates. F6: missing settlements."""
    stamps, kinds = ints(table, "ts"), ints(table, "kind")
    settled = kinds == SETTLED
    _, moved = funding_grid.snap(stamps[settled])
    found = [each for each in moved if each.rule == "F2"]
    found += funding_grid.inspect(stamps[settled], ints(table, "interval_s")[settled]).findings
    return found + implausible_rates(table)


def implausible_rates(table: "pa.Table", history: float | None = None) -> list[Finding]:
    """F5: rates above 4 % an interval, or a median 100 times away from the history's.

    Parameters
    ----------
    table : pa.Table
    history : float, optional
        Median absolute rate of the rows before these.
    """
    stamps, scale = ints(table, "ts"), scales_of(table)["rate"]
    rates = np.abs(ints(table, "rate"))
    found = _found(
        "F5", "flag", rates > _LARGEST_RATE * 10**scale, stamps, "rates above 4 % an interval: percent, not fraction?"
    )
    median = float(np.median(rates)) / 10**scale
    if history is not None and history > 0 and median > 0:
        ratio = max(median / history, history / median)
        if ratio > _RATE_RATIO:
            message = f"median rate {median:g} is {ratio:.0f} times off the history's {history:g}: another unit?"
            found.append(Finding("F5", "flag", int(rates.size), message, (iso(int(stamps[0])),)))
    return found


def _liquidations(table: "pa.Table") -> list[Finding]:
    """L1: forced orders without a side, or of undeclared coverage."""
    coverage = np.array([each in COVERAGES for each in table.column("coverage").to_pylist()], dtype=bool)
    bad = (np.abs(ints(table, "side")) != 1) | ~coverage
    return _found("L1", "fatal", bad, ints(table, "ts"), "forced orders without a side or of undeclared coverage")


def _open_interest(table: "pa.Table") -> list[Finding]:
    """V1: zero open interest. G3: missing slots of the usual spacing."""
    stamps, scale = ints(table, "ts"), scales_of(table)["quantity"]
    native = ints(table, "native")
    found = _found("V1", "flag", native <= 0, stamps, f"open interest not above {to_text(0, scale)}")
    steps = np.diff(stamps)
    if steps.size > 2:
        values, counts = np.unique(steps, return_counts=True)
        usual = int(values[np.argmax(counts)])
        holes = np.concatenate(([False], steps > 1.5 * usual))
        found += _found("G3", "flag", holes, stamps, f"rows after a hole in a spacing of {usual / 1e9:g} s")
    return found


def _instruments(table: "pa.Table") -> list[Finding]:
    """I1: facts that change. I2: renames, which are never joined."""
    stamps = ints(table, "ts")
    found = []
    names = ("contract_size", "tick_size", "lot_size", "settle")
    rows = list(zip(*(table.column(name).to_pylist() for name in names), strict=True))
    changed = np.array([False, *(new != old for old, new in pairwise(rows))], dtype=bool)
    found += _found(
        "I1", "repair", changed, stamps, "contract size, tick, lot or settlement changes; each has its date"
    )
    alias = np.array([name is not None for name in table.column("alias_of").to_pylist()], dtype=bool)
    return found + _found("I2", "flag", alias, stamps, "renamed instruments: not joined with their earlier name")


_BY_KIND: dict[str, Callable[["pa.Table"], list[Finding]]] = {
    "trades": _trades,
    "quotes": _quotes,
    "book": _book,
    "funding": _funding,
    "liquidations": _liquidations,
    "open_interest": _open_interest,
    "instruments": _instruments,
}
