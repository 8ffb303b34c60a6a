"""Generic tables: common header words, or a map from canonical columns to the header's words."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from feeds.errors import FeedError
from feeds.findings import Finding
from feeds.formats.candles import candle_piece
from feeds.formats.files import Source
from feeds.formats.heads import Head
from feeds.formats.records import Records, gathered, read_records
from feeds.formats.shape import Format, Piece, Wanted
from feeds.funding_grid import intervals_of
from feeds.schema import BAR_KINDS

_WORDS: dict[str, tuple[str, ...]] = {
    "ts": ("ts", "time", "timestamp", "date", "datetime", "open_time"),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c"),
    "volume": ("volume", "v", "vol"),
    "price": ("price", "px"),
    "quantity": ("quantity", "qty", "amount", "size", "sz"),
    "side": ("side",),
    "id": ("id", "trade_id"),
    "rate": ("rate", "funding_rate", "fundingrate"),
    "interval_hours": ("interval_hours", "funding_interval_hours"),
    "mark": ("mark", "mark_price", "markprice"),
    "symbol": ("symbol",),
    "ts_avail": ("ts_avail", "local_timestamp", "received"),
    "bid_price": ("bid_price", "best_bid_price", "bid"),
    "bid_quantity": ("bid_quantity", "best_bid_qty", "bid_qty", "bid_size", "bid_amount"),
    "ask_price": ("ask_price", "best_ask_price", "ask"),
    "ask_quantity": ("ask_quantity", "best_ask_qty", "ask_qty", "ask_size", "ask_amount"),
    "update_id": ("update_id",),
    "is_snapshot": ("is_snapshot",),
    "seq": ("seq", "sequence"),
    "prev_seq": ("prev_seq",),
    "native": ("native", "open_interest", "oi"),
    "quote": ("quote", "open_interest_value"),
    "average_price": ("average_price", "avg_price"),
    "status": ("status",),
}
_SHAPES = {"ts": "time", "ts_avail": "time", "side": "side", "id": "id", "interval_hours": "integer"}
_SHAPES |= {"update_id": "id", "seq": "integer", "prev_seq": "integer", "is_snapshot": "flag", "status": "text"}
_OHLC = ("open", "high", "low", "close")
# What each kind needs and may have, beside ts.
_KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "bars": ((*_OHLC, "volume"), ()),
    "trades": (("price", "quantity"), ("side", "id")),
    "funding": (("rate",), ("interval_hours", "mark")),
    "mark": (_OHLC, ()),
    "index": (_OHLC, ()),
    "premium": (_OHLC, ()),
    "quotes": (("bid_price", "bid_quantity", "ask_price", "ask_quantity"), ("update_id",)),
    "open_interest": (("native",), ("quote",)),
    "book": (("side", "price", "quantity"), ("is_snapshot", "seq", "prev_seq")),
    "liquidations": (("side", "price", "quantity"), ("average_price", "status")),
}
# Kinds whose header alone shows them; a book or liquidations look like trades, so the user has to say what they are.
_SHOWN = ("bars", "trades", "funding", "quotes", "open_interest")
_POINTS = ("mark", "index", "premium")
_STREAMED = ("trades", "quotes", "book", "liquidations")  # rows mean something without the others


def fits(head: Head) -> bool:
    """Whether a header has the words of one kind and no others.

    A column that we do not know may change what the rows mean (a book update has the columns of a trade and one more),
    so such a file needs format="csv" from the user.
    """
    names = _by_word(head)
    kind = _guess(names)
    if kind is None:
        return False
    needed, optional = _KINDS[kind]
    return set(head.columns) <= {
        names[column] for column in ("ts", "ts_avail", "symbol", *needed, *optional) if column in names
    }


def _by_word(head: Head) -> dict[str, str]:
    """Canonical column -> the header's own name, by common words in any case."""
    plain = {name.strip().lower(): name for name in head.columns}
    found = {column: [plain[word] for word in words if word in plain] for column, words in _WORDS.items()}
    return {column: names[0] for column, names in found.items() if names}


def _guess(names: Mapping[str, str]) -> str | None:
    if "ts" not in names:
        return None
    for kind in _SHOWN:
        if set(_KINDS[kind][0]) <= set(names):
            return kind
    return None


def _layout(head: Head, wanted: Wanted, where: str) -> tuple[str, dict[str, str]]:
    """Return the kind and the names of its columns, from the user's map where there is one."""
    names = dict(wanted.columns) if wanted.columns is not None else _by_word(head)
    absent = [name for name in names.values() if name not in head.columns]
    if absent:
        raise FeedError(f"{where}: columns= names {absent[0]!r}, which is not in the file; {head.describe()}")
    unknown = [column for column in names if column not in _WORDS]
    if unknown:
        raise FeedError(f"{where}: columns= has {unknown[0]!r}; allowed: {', '.join(_WORDS)}")
    kind = wanted.kind if wanted.kind is not None else _guess(names)
    if kind is None or kind not in _KINDS:
        raise FeedError(
            f"{where}: {head.describe()} does not show what the rows are; give kind= (one of {', '.join(_KINDS)}) and, "
            "for other words than the common ones, columns={'ts': 'their word', ...}"
        )
    needed, optional = _KINDS[kind]
    if kind in _POINTS and "open" not in names:
        needed = ("price",)
    missing = [column for column in ("ts", *needed) if column not in names]
    if missing:
        raise FeedError(
            f"{where}: {kind} need a column for {', '.join(missing)}; {head.describe()}; give "
            f"columns={{{missing[0]!r}: 'its header', ...}}"
        )
    chosen = ("ts", *(() if "open" in names else ("ts_avail",)), *needed, *optional, "symbol")
    return kind, {column: names[column] for column in chosen if column in names}


def _read(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    kind, names = _layout(head, wanted, source.where)
    fields = {column: (_SHAPES.get(column, "number"), (name,)) for column, name in names.items() if column != "symbol"}
    records = Records(
        kind="bars" if "open" in names else kind, fields=fields, headers=(head.columns,), symbol=names.get("symbol", "")
    )
    unread = [name for name in head.columns if name not in names.values()]
    notes = (Finding("M2", "flag", len(unread), f"columns not read: {', '.join(unread)}"),) if unread else ()
    pieces = read_records(source, head, records)
    for piece in pieces if kind in _STREAMED else gathered(pieces):
        yield _finished(kind, replace(piece, notes=piece.notes + notes), wanted, source.where)
        notes = ()


def _finished(kind: str, piece: Piece, wanted: Wanted, where: str) -> Piece:
    """Add what the kind needs beside the cells: the timeframe of bars, the interval of funding."""
    columns = dict(piece.columns)
    if kind in BAR_KINDS and "open" in columns:
        return replace(candle_piece(kind, columns, wanted, where, piece.notes), symbol=piece.symbol)
    if kind == "funding":
        hours = columns.pop("interval_hours", None)
        stamps = np.asarray(columns["ts"])
        columns["interval_s"] = intervals_of(stamps) if hours is None else np.asarray(hours) * 3600
    if "ts_avail" in columns:
        # A receipt of a clock that runs behind cannot make data known before it happened.
        columns["ts_avail"] = np.maximum(np.asarray(columns["ts_avail"]), np.asarray(columns["ts"]))
    if "is_snapshot" in columns:
        columns["is_snapshot"] = columns["is_snapshot"].cast("int8")
    return replace(piece, kind=kind, columns=columns)


FORMAT = Format("csv", "table with common header words (ts, open, price, rate, ...) or columns={...}", fits, _read)
