"""One parser per vendor format; a format is recognised by content, never by date or name."""

from dataclasses import replace

from feeds.errors import FeedError
from feeds.formats import (
    binance_account_format,
    binance_books,
    binance_vision,
    bitmex,
    bybit,
    candles,
    captures,
    ccxt_lists,
    deribit,
    dydx,
    eight_hours,
    gate,
    hyperliquid,
    okx,
    plain,
    positions,
    refused,
    research,
    research_tables,
    rule_tables,
    tardis,
    tardis_books,
    tardis_ticker,
    tiers,
)
from feeds.formats.files import Source
from feeds.formats.heads import Head
from feeds.formats.shape import Format, Piece, Wanted

__all__ = ["FORMATS", "Format", "Piece", "Wanted", "format_named", "recognise"]


def _dated(formats: tuple[Format, ...], zone_h: int = 0) -> tuple[Format, ...]:
    """Return the formats of a vendor whose file names carry the day of the rows, in UTC or so many hours ahead."""
    return tuple(replace(each, zone_h=zone_h) for each in formats)


FORMATS: tuple[Format, ...] = (
    *_dated(binance_vision.FORMATS),
    *_dated(binance_books.FORMATS),
    *binance_account_format.FORMATS,
    *_dated(bybit.FORMATS),
    *_dated(okx.FORMATS, 8),
    *_dated(bitmex.FORMATS),
    *deribit.FORMATS,
    *hyperliquid.FORMATS,
    *dydx.FORMATS,
    *_dated(gate.FORMATS),
    *_dated(tardis.FORMATS),
    *_dated(tardis_books.FORMATS),
    *_dated(tardis_ticker.FORMATS),
    *captures.FORMATS,
    *positions.FORMATS,
    *candles.FORMATS,
    *ccxt_lists.FORMATS,
    *eight_hours.FORMATS,
    *research.FORMATS,
    *research_tables.FORMATS,
    *rule_tables.FORMATS,
    *tiers.FORMATS,
    plain.FORMAT,
)


def format_named(name: str) -> Format:
    """Return a format by its name, or raise FeedError with those that exist."""
    from difflib import get_close_matches

    names = {item.name: item for item in FORMATS}
    if name not in names:
        near = get_close_matches(str(name), names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise FeedError(f"format {name!r} is not known{hint} (formats: auto, {', '.join(names)})")
    return names[name]


def recognise(source: Source, head: Head) -> Format:
    """Return the one format that a file's content fits.

    Raises
    ------
    FeedError
        If it fits none (with its header, or with what it is where that is known) or several (with the argument that
        chooses).
    """
    found = [item for item in FORMATS if item is not plain.FORMAT and item.fits(head)]
    if not found and plain.FORMAT.fits(head):
        found = [plain.FORMAT]
    if len(found) == 1:
        return found[0]
    if found:
        choices = " or ".join(f"format={item.name!r}" for item in found)
        raise FeedError(f"{source.where}: its content fits {len(found)} formats, choose one: {choices}")
    if why := refused.reason(head):
        raise FeedError(f"{source.where}: {why}; nothing was written")
    raise FeedError(
        f"{source.where}: not a known format: {head.describe()}; give format= (one of "
        f"{', '.join(item.name for item in FORMATS)}), where 'csv' takes kind= and columns={{'ts': 'their word', ...}}"
    )
