"""Archives of Hyperliquid: node fills and trades, books, contexts of all assets, funding history."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from feeds.formats.files import Source
from feeds.formats.heads import Head, json_lines
from feeds.formats.messages import Messages, ms, read_messages
from feeds.formats.records import Records, read_records
from feeds.formats.shape import Format, Piece, Wanted
from feeds.schema import FLAGS, PREDICTED
from feeds.times import time_ns

VENUE = "hyperliquid"
SIDES = {"B": 1, "A": -1}

_CONTEXT = (
    *("time", "coin", "funding", "open_interest", "prev_day_px", "day_ntl_vlm", "premium", "oracle_px", "mark_px"),
    *("mid_px", "impact_bid_px", "impact_ask_px"),
)
FUNDING = Records(
    kind="funding",
    fields={
        "ts": ("time", ("time", "timestamp")),
        "rate": ("number", ("funding_rate", "funding_rate_1h", "fundingRate")),
    },
    headers=(
        ("coin", "funding_rate", "premium", "time"),
        ("coin", "fundingRate", "premium", "time"),
        ("time", "funding_rate", "premium"),
        ("coin", "timestamp", "funding_rate_1h"),
    ),
    symbol="coin",
    constants={"interval_s": 3600},
)


def _context(kind: str, target: str, column: str, constants: dict[str, int | str] | None = None) -> Records:
    """One series of the asset contexts."""
    return Records(
        kind=kind,
        fields={"ts": ("time", ("time",)), target: ("number", (column,))},
        headers=(_CONTEXT,),
        symbol="coin",
        constants={} if constants is None else constants,
    )


_SERIES = (
    _context("mark", "price", "mark_px"),
    _context("index", "price", "oracle_px"),
    _context("premium", "price", "premium"),
    _context("open_interest", "native", "open_interest"),
    # The rate that the hour would end with: known every minute, paid only at the hour.
    _context("funding", "rate", "funding", {"interval_s": 3600, "kind": PREDICTED}),
)


def _read_funding(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    for piece in read_records(source, head, FUNDING):
        yield replace(piece, venue=VENUE)


def _read_contexts(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read five series; a cell that is empty is no row of its series."""
    for records in _SERIES:
        for piece in read_records(source, head, records):
            if len(piece.columns["ts"]):
                yield replace(piece, venue=VENUE, notes=(), is_one_of_many=True)


class _Fills:
    """Both sides of every fill, of which the taker's is kept as the trade."""

    def __init__(self) -> None:
        self._done: set[int] = set()
        self._waiting: dict[int, tuple[str, dict[str, Any]]] = {}

    def take(self, found: Messages, receipt: int, line: Any) -> None:
        """File a block of fills, or one fill: ``{"events": [[user, fill], ...]}`` or ``[user, fill]``."""
        events = line["events"] if isinstance(line, dict) else [line]
        known = _receipt(line) if isinstance(line, dict) else 0
        for user, fill in events:
            self._one(found, str(user), fill, max(receipt, known))

    def rest(self, found: Messages) -> None:
        """File the fills of which only the maker's side is in the file."""
        for _, fill in self._waiting.values():
            _trade(found, fill, -SIDES[fill["side"]], 0)
        self._waiting = {}

    def _one(self, found: Messages, user: str, fill: dict[str, Any], receipt: int) -> None:
        forced = fill.get("liquidation")
        if forced and str(forced["liquidatedUser"]).lower() == user.lower():
            shared = (ms(fill["time"]), max(receipt, ms(fill["time"])), SIDES[fill["side"]])
            found.add("liquidations", fill["coin"], *shared, fill["px"], fill["sz"], forced["method"], "full")
        tid = int(fill["tid"])
        if tid in self._done:
            return
        if fill["crossed"]:
            self._done.add(tid)
            self._waiting.pop(tid, None)
            _trade(found, fill, SIDES[fill["side"]], receipt)
        else:
            self._waiting.setdefault(tid, (user, fill))


def _receipt(line: dict[str, Any]) -> int:
    """Return when a block was written by the node, 0 when it does not say."""
    return time_ns(line["local_time"]) if "local_time" in line else 0


def _trade(found: Messages, fill: dict[str, Any], side: int, receipt: int) -> None:
    """File one trade. A tid is a hash and not a number that counts, so it is not kept as an id."""
    flags = FLAGS["liquidation"] if fill.get("liquidation") else 0
    flags |= FLAGS["adl"] if "Deleverag" in str(fill.get("dir", "")) else 0
    stamp = ms(fill["time"])
    found.add("trades", fill["coin"], stamp, max(stamp, receipt), -1, fill["px"], fill["sz"], side, flags)


def _read_fills(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    fills, found = _Fills(), Messages(VENUE, is_many=True)
    yield from read_messages(json_lines(source), found, fills.take, source.where)
    fills.rest(found)
    yield from found.pieces()


def _take_node_trade(found: Messages, receipt: int, line: Any) -> None:
    """File a line of node_trades, whose side is the taker's."""
    stamp = time_ns(line["time"]) if isinstance(line["time"], str) else ms(line["time"])
    side = SIDES[line["side"]]
    found.add("trades", line["coin"], stamp, max(stamp, receipt), -1, line["px"], line["sz"], side, 0)


def take_book(found: Messages, receipt: int, data: dict[str, Any], sent: int = 0) -> None:
    """File a whole book: bids, then asks."""
    stamp = ms(data["time"])
    sides = (
        (side, ((str(each["px"]), str(each["sz"])) for each in levels))
        for side, levels in zip((1, -1), data["levels"], strict=True)
    )
    found.levels(data["coin"], (stamp, max(stamp, receipt, sent), -1, -1, 1), sides)


def _take_archived_book(found: Messages, receipt: int, line: Any) -> None:
    """File a line of the archive, whose own `time` is that of its receipt."""
    take_book(found, receipt, line["raw"]["data"], time_ns(line["time"]))


def _first(head: Head) -> Any:
    return head.objects[0] if head.objects else None


def _is_fills(head: Head) -> bool:
    first = _first(head)
    if isinstance(first, dict):
        return {"events", "block_number"} <= set(first)
    return isinstance(first, list) and len(first) == 2 and isinstance(first[1], dict) and "startPosition" in first[1]


def _is_node_trades(head: Head) -> bool:
    first = _first(head)
    return isinstance(first, dict) and {"coin", "px", "sz", "side", "time", "side_info"} <= set(first)


def _is_book(head: Head) -> bool:
    first = _first(head)
    return isinstance(first, dict) and {"time", "ver_num", "raw"} <= set(first)


def _read_lines(take: Any, source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    yield from read_messages(json_lines(source), Messages(VENUE, is_many=True), take, source.where)


FORMATS = (
    Format("hyperliquid-funding", "Hyperliquid fundingHistory as a table or JSON", FUNDING.fits, _read_funding),
    Format(
        "hyperliquid-fills",
        "Hyperliquid node_fills and node_fills_by_block (both sides of fills)",
        _is_fills,
        _read_fills,
    ),
    Format(
        "hyperliquid-node-trades", "Hyperliquid node_trades", _is_node_trades, partial(_read_lines, _take_node_trade)
    ),
    Format("hyperliquid-book", "Hyperliquid l2Book archive", _is_book, partial(_read_lines, _take_archived_book)),
    Format("hyperliquid-contexts", "Hyperliquid asset_ctxs archive", _SERIES[0].fits, _read_contexts),
)
