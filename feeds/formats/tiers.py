"""Leverage tiers: a table with one row a tier (Parquet, CSV), or the object of ccxt's fetch_leverage_tiers."""

from collections.abc import Iterator
from typing import Any

from feeds.errors import FeedError
from feeds.formats.files import Source
from feeds.formats.heads import Head
from feeds.formats.records import Records, gathered, read_records
from feeds.formats.shape import Format, Piece, Wanted

_COLUMNS = ("symbol", "tier", "currency", "minNotional", "maxNotional", "maintenanceMarginRate", "maxLeverage")

TIERS = Records(
    kind="tiers",
    fields={
        "floor": ("number", ("minNotional",)),
        "maintenance_rate": ("number", ("maintenanceMarginRate",)),
        "max_leverage": ("number", ("maxLeverage",)),
        "amount": ("number", ("cum",)),
    },
    headers=((*_COLUMNS, "cum"), _COLUMNS),
    symbol="symbol",
)


def _read(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read a table of tiers; the table has no date of its own."""
    for piece in gathered(read_records(source, head, TIERS)):
        yield _dated(source, piece.symbol, dict(piece.columns), wanted)


def _read_ccxt(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read {symbol: [tier, ...]}; the maintenance amount is in the venue's own answer, as `info.cum`."""
    if not _is_ccxt(head):
        raise FeedError(f"{source.where}: this format is a JSON object of symbols with lists of tiers")
    for symbol, tiers in head.table.items():
        columns: dict[str, Any] = {
            "floor": [str(tier["minNotional"]) for tier in tiers],
            "maintenance_rate": [str(tier["maintenanceMarginRate"]) for tier in tiers],
            "max_leverage": [str(tier["maxLeverage"]) for tier in tiers],
        }
        amounts = [tier.get("info", {}).get("cum") for tier in tiers]
        if None not in amounts:
            columns["amount"] = [str(amount) for amount in amounts]
        yield _dated(source, symbol, columns, wanted)


def _dated(source: Source, symbol: str | None, columns: dict[str, Any], wanted: Wanted) -> Piece:
    if wanted.valid_from is None:
        raise FeedError(
            f"{source.where}: a table of tiers does not say since when it holds; give valid_from=, as "
            "valid_from='2024-10-01'"
        )
    rows = len(columns["floor"])
    return Piece("tiers", {"ts": [wanted.valid_from] * rows, **columns}, symbol=symbol)


def _is_ccxt(head: Head) -> bool:
    if not isinstance(head.table, dict) or not head.table:
        return False
    tiers = next(iter(head.table.values()))
    keys = {"minNotional", "maintenanceMarginRate", "maxLeverage"}
    return isinstance(tiers, list) and bool(tiers) and isinstance(tiers[0], dict) and keys <= set(tiers[0])


FORMATS = (
    Format("leverage-tiers", "table of leverage tiers, one row a tier", TIERS.fits, _read),
    Format("ccxt-tiers", "ccxt leverage tiers saved as JSON", _is_ccxt, _read_ccxt),
)
