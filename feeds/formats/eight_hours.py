"""A table of 8-hour bars and funding of spot pairs, linear and inverse perpetuals of three venues in one file."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from feeds.errors import FeedError
from feeds.findings import Finding
from feeds.formats.candles import candle_piece
from feeds.formats.files import Source
from feeds.formats.heads import Head
from feeds.formats.records import Records, gathered, read_records
from feeds.formats.shape import Format, Piece, Wanted
from feeds.funding_grid import intervals_of

_HOUR_NS = 3_600_000_000_000
_STEP_NS = 8 * _HOUR_NS
_COLUMNS = (*("exchange", "pair", "contract", "open", "high", "low", "close", "volume", "funding_rate", "time_utc"),)
# exchange: venues of its spot pairs, linear and inverse perpetuals
_VENUES = {
    "binance": ("binance_spot", "binance_usdm", "binance_coinm"),
    "bybit": ("bybit_spot", "bybit", "bybit"),
    "okx": ("okx", "okx", "okx"),
}
# Volumes are amounts of the base coin; these venues count contracts in their inverse (OKX in all) perpetuals.
_IN_COINS = ("binance_spot", "binance_usdm", "bybit_spot", "bybit")

BARS = Records(
    kind="bars",
    fields={"ts": ("time", ("time_utc",))}
    | {name: ("number", (name,)) for name in ("open", "high", "low", "close", "volume")},
    headers=(_COLUMNS,),
    venue="exchange",
    symbol="pair",
)
FUNDING = Records(
    kind="funding",
    fields={"ts": ("time", ("time_utc",)), "rate": ("number", ("funding_rate",))},
    headers=(_COLUMNS,),
    venue="exchange",
    symbol="pair",
)


def _place(piece: Piece, where: str) -> tuple[str, str]:
    """Return venue id and unified symbol of a pair: BTC/USDT is spot, BTCUSDT linear, BTCUSDCM coin-margined."""
    match = re.fullmatch(r"([A-Z0-9]+?)(/?USDT|USDCM)", str(piece.symbol))
    if match is None or piece.venue not in _VENUES:
        raise FeedError(f"{where}: {piece.symbol!r} of {piece.venue!r} is no pair of this table")
    base, kind = match.groups()
    spot, linear, inverse = _VENUES[str(piece.venue)]
    if kind == "/USDT":
        return spot, f"{base}/USDT"
    return (linear, f"{base}/USDT:USDT") if kind == "USDT" else (inverse, f"{base}/USD:{base}")


def _on_grid(piece: Piece, where: str) -> Piece:
    """Move rows to UTC: in British summer time this table is an hour late (rule T4).

    Its funding of BTCUSDT is that of the venue, settlement by settlement, once rows at 01:00, 09:00 and 17:00 are
    taken for 00:00, 08:00 and 16:00.
    """
    stamps = np.asarray(piece.columns["ts"], dtype=np.int64)
    late = stamps % _STEP_NS
    if np.any((late != 0) & (late != _HOUR_NS)):
        raise FeedError(f"{where}: rows of {piece.symbol} are not at 00:00, 08:00 or 16:00, nor an hour later (T4)")
    count = int(np.count_nonzero(late))
    note = Finding("T4", "repair", count, "rows of British summer time, an hour late in a column of UTC: moved")
    columns: dict[str, Any] = {**piece.columns, "ts": stamps - late}
    return replace(piece, columns=columns, notes=(*piece.notes, note) if count else piece.notes)


def _read(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read bars and settled funding; a rate stands at its settlement, which is the open of the bar."""
    left_out: dict[tuple[str, str], Finding] = {}
    for piece in gathered(read_records(source, head, BARS)):
        venue, symbol = _place(piece, source.where)
        found = _on_grid(piece, source.where)
        if ":" in symbol and (venue not in _IN_COINS or symbol.split(":")[1] != "USDT"):
            message = "bars left out: their volume is in coins, the venue counts contracts"
            left_out[venue, symbol] = Finding("V3", "flag", len(found.columns["ts"]), message)
            continue
        bars = candle_piece("bars", dict(found.columns), wanted, source.where, found.notes)
        yield replace(bars, venue=venue, symbol=symbol)
    for piece in gathered(read_records(source, head, FUNDING)):
        if not len(piece.columns["ts"]):
            continue  # a spot pair
        venue, symbol = _place(piece, source.where)
        found = _on_grid(piece, source.where)
        columns = {**found.columns, "interval_s": intervals_of(np.asarray(found.columns["ts"]))}
        notes = (*found.notes, *(left_out[key] for key in ((venue, symbol),) if key in left_out))
        yield replace(found, venue=venue, symbol=symbol, columns=columns, notes=notes)


FORMATS = (
    Format(
        "eight-hour-table",
        "table of 8 h bars and funding (exchange, pair, contract, open ... time_utc), British summer time undone",
        BARS.fits,
        _read,
    ),
)
