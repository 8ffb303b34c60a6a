"""Kinds of data, their timeframes, and the columns each has on disk and in memory (feeds.md 4.3)."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from feeds.errors import FeedError

if TYPE_CHECKING:
    import pyarrow as pa

KINDS = (
    "trades",
    "quotes",
    "book",
    "book_orders",
    "depth",
    "bars",
    "mark",
    "index",
    "premium",
    "funding",
    "liquidations",
    "open_interest",
    "options",
    "instruments",
    "tiers",
    "borrow_rates",
    "venue_events",
    "positions",
    "account_fills",
    "account_ledger",
    "account_orders",
)
RULE_KINDS = ("instruments", "tiers", "venue_events")
ACCOUNT_KINDS = ("positions", "account_fills", "account_ledger", "account_orders")
MONTHLY_KINDS = ("funding", "borrow_rates", *RULE_KINDS, *ACCOUNT_KINDS)
DENSE_KINDS = (
    "trades",
    "quotes",
    "book",
    "book_orders",
    "depth",
    "bars",
    "mark",
    "index",
    "premium",
    "funding",
    "open_interest",
)
BAR_KINDS = ("bars", "mark", "index", "premium")

SCALES = ("price", "quantity", "rate", "quote")
MAX_SCALE = 18
DECIMAL_PRECISION = 38

SETTLED, PREDICTED, ACCRUAL = 0, 1, 2
FLAGS = {"liquidation": 1, "adl": 2, "block": 4, "rpi": 8, "aggregated": 16, "insurance": 32}
COVERAGES = ("full", "sampled", "cm_proxy", "unknown")

_UNITS = {
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
DAY_NS = _UNITS["d"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a kind.

    Attributes
    ----------
    name : str
    type : str
        ``int64 | int8 | uint16 | string | decimal | float64`` (decimal is ``decimal128(38, 18)``, used by the small
        tables only; float64 is for what a vendor's model computed, such as Greeks, never for prices or sizes).
    scale : str or None
        Which scale of the file the int64 mantissa has: ``price | quantity | rate | quote``; None for plain integers.
    nullable : bool
    default : int, str or None
        Value when a source has no such column; ``...`` when the column is required.
    """

    name: str
    type: str = "int64"
    scale: str | None = None
    nullable: bool = False
    default: Any = ...


_TS = (Column("ts"), Column("ts_avail", default=0))
_CLOSED = (Column("ts_close"),)


def _ohlc(scale: str, volume_default: Any) -> tuple[Column, ...]:
    """Return the columns of bars whose prices have `scale`."""
    return (
        *_TS,
        *_CLOSED,
        *(Column(name, scale=scale) for name in ("open", "high", "low", "close")),
        Column("volume", scale="quantity", default=volume_default),
        Column("quote_volume", scale="quote", nullable=True, default=None),
        Column("count", nullable=True, default=None),
    )


def _decimals(*names: str, nullable: bool = False) -> tuple[Column, ...]:
    """Return decimal columns."""
    return tuple(Column(name, "decimal", nullable=nullable, default=None if nullable else ...) for name in names)


def _texts(*names: str, default: Any = ...) -> tuple[Column, ...]:
    """Return text columns; those with a default of None may be null."""
    return tuple(Column(name, "string", nullable=default is None, default=default) for name in names)


def _blanks(*names: str, scale: str) -> tuple[Column, ...]:
    """Return scaled columns that may be empty."""
    return tuple(Column(name, scale=scale, nullable=True, default=None) for name in names)


def _floats(*names: str) -> tuple[Column, ...]:
    """Return columns of doubles that may be empty."""
    return tuple(Column(name, "float64", nullable=True, default=None) for name in names)


_VALID = (Column("valid_from"), Column("valid_to", default=0))
_POINT_COLUMNS: dict[str, tuple[Column, ...]] = {
    "trades": (
        *_TS,
        Column("id", default=-1),
        Column("seq", default=-1),
        Column("price", scale="price"),
        Column("quantity", scale="quantity"),
        Column("side", "int8", default=0),
        Column("flags", "uint16", default=0),
    ),
    "quotes": (
        *_TS,
        Column("bid_price", scale="price"),
        Column("bid_quantity", scale="quantity"),
        Column("ask_price", scale="price"),
        Column("ask_quantity", scale="quantity"),
        Column("update_id", default=-1),
    ),
    "book": (
        *_TS,
        Column("seq", default=-1),
        Column("prev_seq", default=-1),
        Column("is_snapshot", "int8", default=0),
        Column("side", "int8"),
        Column("price", scale="price"),
        Column("quantity", scale="quantity"),
    ),
    "book_orders": (  # what an order is from now on: 0 = it is gone
        *_TS,
        Column("seq", default=-1),
        Column("is_snapshot", "int8", default=0),
        Column("order_id"),
        Column("side", "int8"),
        Column("price", scale="price"),
        Column("quantity", scale="quantity"),
    ),
    "depth": (  # cumulative size within a distance of the middle: no book
        *_TS,
        Column("percentage", scale="rate"),
        Column("quantity", scale="quantity"),
        Column("notional", scale="quote"),
    ),
    "options": (
        *_TS,
        *_blanks("bid_price", "ask_price", "last_price", "mark_price", scale="price"),
        *_blanks("bid_quantity", "ask_quantity", "open_interest", scale="quantity"),
        *_blanks("underlying_price", "index_price", scale="quote"),
        *_texts("underlying", default=None),
        *_floats("bid_iv", "ask_iv", "mark_iv", "delta", "gamma", "vega", "theta", "rho"),
    ),
    "mark": (*_TS, Column("price", scale="price")),
    "index": (*_TS, Column("price", scale="price")),
    "premium": (*_TS, Column("price", scale="rate")),
    "funding": (
        *_TS,
        Column("ts_raw", default=0),
        Column("rate", scale="rate"),
        Column("interval_s"),
        Column("mark", scale="price", nullable=True, default=None),
        Column("kind", "int8", default=SETTLED),
    ),
    "open_interest": (
        *_TS,
        Column("native", scale="quantity"),
        Column("quote", scale="quote", nullable=True, default=None),
    ),
    "liquidations": (
        *_TS,
        Column("side", "int8"),
        Column("price", scale="price"),
        Column("average_price", scale="price", nullable=True, default=None),
        Column("quantity", scale="quantity"),
        *_texts("status", default=None),
        *_texts("coverage", default="unknown"),
    ),
    "borrow_rates": (*_TS, *_texts("asset"), Column("rate", scale="rate"), Column("interval_s")),
    "venue_events": (
        *_TS,
        Column("until", default=0),
        *_texts("venue"),
        *_texts("symbol", default="*"),
        *_texts("what"),
        *_decimals("value", nullable=True),
        *_texts("source", default=""),
    ),
    "instruments": (
        *_TS,
        *_VALID,
        *_texts("kind", "base", "quote", "settle", "contract"),
        *_decimals("contract_size"),
        *_texts("quantity_unit"),
        *_decimals("tick_size", "lot_size"),
        *_decimals("min_notional", nullable=True),
        Column("onboard", nullable=True, default=None),
        Column("delist", nullable=True, default=None),
        *_texts("alias_of", default=None),
        Column("funding_interval_s", nullable=True, default=None),
        Column("expiry", nullable=True, default=None),
        *_decimals("strike", nullable=True),
        *_texts("right", default=None),
    ),
    "tiers": (
        *_TS,
        *_VALID,
        *_decimals("floor", "maintenance_rate", "max_leverage"),
        *_decimals("amount", nullable=True),
    ),
    "positions": (  # a population, one row a position and snapshot (leverage_lab.md 2.1)
        *_TS,
        *_texts("venue", "account", "symbol"),
        Column("side", "int8"),
        *_decimals("qty", "entry", "collateral"),
        *_texts("collateral_asset"),
        *_decimals("haircut"),
        *_texts("margin_mode", "contract"),
        *_decimals("mmr"),
        *_texts("mm_base"),
        Column("opened_at", nullable=True, default=None),
        *_decimals("weight"),
    ),
    "account_fills": (
        *_TS,
        *_texts("symbol", "id", "order_id"),
        Column("side", "int8"),
        Column("position_side", "int8", default=0),
        *_decimals("price", "quantity"),
        *_decimals("quote", "fee", nullable=True),
        *_texts("fee_asset", default=None),
        *_decimals("realized_pnl", nullable=True),
        Column("is_maker", "int8", default=0),
    ),
    "account_ledger": (
        *_TS,
        *_texts("id", default=None),
        *_texts("type", "asset"),
        *_decimals("amount"),
        *_texts("symbol", default=None),
    ),
    "account_orders": (
        *_TS,
        *_texts("symbol", "id", "type"),
        Column("side", "int8"),
        Column("position_side", "int8", default=0),
        *_decimals("price", "quantity", "filled", "average_price", "stop_price", nullable=True),
        *_texts("status"),
        *_texts("tif", "working_type", default=None),
        Column("ts_update", nullable=True, default=None),
    ),
}
_BAR_COLUMNS = {
    "bars": _ohlc("price", ...),
    "mark": _ohlc("price", 0),
    "index": _ohlc("price", 0),
    "premium": _ohlc("rate", 0),
}
AGGREGATE_COLUMNS = (Column("first_id"), Column("last_id"))


def timeframe_ns(text: str) -> int:
    """Return the length of a timeframe such as ``"1m"`` in nanoseconds.

    Raises
    ------
    FeedError
        If the text is not a positive whole number followed by ms, s, m, h, d or w. A calendar month has no fixed
        length and is not a timeframe.
    """
    match = re.fullmatch(r"([1-9]\d*)(ms|s|m|h|d|w)", text) if isinstance(text, str) else None
    if match is None:
        raise FeedError(
            f"timeframe {text!r} is not known: write a whole number and one of ms, s, m, h, d, w, as '1m', '4h', '1d'"
        )
    return int(match[1]) * _UNITS[match[2]]


def timeframe_text(ns: int) -> str:
    """Return the shortest text of a timeframe: 60 s is ``"1m"``, 24 h is ``"1d"``."""
    for unit in ("w", "d", "h", "m", "s", "ms"):
        if ns > 0 and ns % _UNITS[unit] == 0:
            return f"{ns // _UNITS[unit]}{unit}"
    raise FeedError(f"a timeframe of {ns} ns is not a positive whole number of milliseconds")


def split_kind(text: str) -> tuple[str, int]:
    """Split ``"bars:1m"`` into ``("bars", 60_000_000_000)``; a kind of points has timeframe 0.

    Raises
    ------
    FeedError
        For an unknown word, bars without a timeframe, or a timeframe on a kind that cannot have one.
    """
    word, colon, rest = text.partition(":")
    if word not in KINDS:
        from difflib import get_close_matches

        near = get_close_matches(word, KINDS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise FeedError(f"kind {text!r} is not known{hint} (kinds: {', '.join(KINDS)})")
    length = timeframe_ns(rest) if colon else 0
    check_timeframe(word, length)
    return word, length


def check_timeframe(kind: str, timeframe_ns: int) -> None:
    """Raise FeedError unless `kind` may have this timeframe (0 = points)."""
    if kind == "bars" and timeframe_ns == 0:
        raise FeedError("kind 'bars' needs a timeframe: write 'bars:1m', or pass timeframe='1m'")
    if timeframe_ns and kind not in BAR_KINDS:
        raise FeedError(f"kind {kind!r} has no timeframe; only {', '.join(BAR_KINDS)} may have one")


def join_kind(kind: str, timeframe_ns: int) -> str:
    """Return ``"bars:1m"`` for ``("bars", 60_000_000_000)``, and the bare word for points."""
    return f"{kind}:{timeframe_text(timeframe_ns)}" if timeframe_ns else kind


def layout(kind: str, timeframe_ns: int = 0, *, aggregates: bool = False) -> tuple[Column, ...]:
    """Return the columns of a kind in order.

    Parameters
    ----------
    kind : str
        Bare (``"bars"``) or with its timeframe (``"bars:1m"``).
    timeframe_ns : int
        Length of a bar; 0 for points.
    aggregates : bool
        Whether trades carry `first_id` and `last_id`.
    """
    if ":" in kind:
        kind, timeframe_ns = split_kind(kind)
    elif kind not in KINDS:
        split_kind(kind)
    check_timeframe(kind, timeframe_ns)
    found = _BAR_COLUMNS[kind] if timeframe_ns else _POINT_COLUMNS[kind]
    return found + AGGREGATE_COLUMNS if aggregates and kind == "trades" else found


def columns(kind: str, timeframe_ns: int = 0, *, aggregates: bool = False) -> "pa.Schema":
    """Return the canonical Arrow schema of a kind (no scales in its metadata; arguments as `layout`)."""
    import pyarrow as pa

    types = {
        "int64": pa.int64(),
        "int8": pa.int8(),
        "uint16": pa.uint16(),
        "string": pa.string(),
        "float64": pa.float64(),
        "decimal": pa.decimal128(DECIMAL_PRECISION, MAX_SCALE),
    }
    return pa.schema(
        [
            pa.field(column.name, types[column.type], column.nullable)
            for column in layout(kind, timeframe_ns, aggregates=aggregates)
        ]
    )


def scale_of(kind: str, column: str, timeframe_ns: int = 0) -> str | None:
    """Return which scale the mantissas of a column have: price, quantity, rate, quote, or None.

    Premium is a fraction, so its prices have the rate scale. The quote scale belongs to amounts of quote currency
    (`quote_volume`, `open_interest.quote`), whose decimals are those of price and quantity together, and to prices of
    another instrument in the same row (`underlying_price`), whose decimals have nothing to do with its own.
    """
    if kind in BAR_KINDS and ":" not in kind and timeframe_ns == 0 and (kind == "bars" or column != "price"):
        timeframe_ns = _UNITS["m"]  # the columns of bars do not depend on their length
    for found in layout(kind, timeframe_ns, aggregates=True):
        if found.name == column:
            return found.scale
    names = ", ".join(found.name for found in layout(kind, timeframe_ns, aggregates=True))
    raise FeedError(f"kind {kind!r} has no column {column!r}; it has {names}")


def version(kind: str) -> str:
    """Return the schema version written to files of a kind, such as ``"trades/1"``."""
    return f"{kind}/1"


def check_version(text: str) -> str:
    """Return the kind of a schema version, or raise FeedError when this reader is too old for it."""
    kind, _, number = text.partition("/")
    if kind not in KINDS or not number.isdigit() or int(number) < 1:
        raise FeedError(f"schema version {text!r} is not one of ours (such as 'trades/1')")
    if int(number) > 1:
        raise FeedError(f"schema version {text!r} is newer than this reader knows ({version(kind)}): update levdyn")
    return kind
