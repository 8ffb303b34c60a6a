"""Venue ids, native and unified instrument names both ways, ids in paths, addresses of accounts."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from urllib.parse import quote, unquote

from feeds.errors import FeedError
from feeds.venue_names import CCXT_VENUES, UNIFIED, VENUES, Unified, VenueNames

ALL = "*"  # rows that concern every instrument of a venue, or an account as a whole


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed ``SYMBOL[@venue[/account]]``; `venue` and `account` are None when not written."""

    symbol: str
    venue: str | None = None
    account: str | None = None


def parse_symbol(symbol: str) -> Unified:
    """Split a unified symbol into its parts, or raise FeedError that shows the form."""
    match = UNIFIED.fullmatch(symbol if symbol else "")
    if match is None:
        raise FeedError(
            f"symbol {symbol!r} is not a unified name: BASE/QUOTE (spot), BASE/QUOTE:SETTLE (perpetual), "
            "BASE/QUOTE:SETTLE-YYMMDD (dated), BASE/QUOTE:SETTLE-YYMMDD-STRIKE-C|P (option)"
        )
    return Unified(*(part if part is not None else "" for part in match.groups()))


def parse_address(text: str) -> Address:
    """Parse ``SYMBOL``, ``SYMBOL@venue`` or ``SYMBOL@venue/account``; the venue must be known."""
    symbol, at, rest = text.partition("@")
    parse_symbol(symbol)
    if not at:
        return Address(symbol)
    venue, slash, account = rest.partition("/")
    check_venue(venue)
    if slash and not account:
        raise FeedError(f"address {text!r} ends in a slash: write {symbol}@{venue}/ACCOUNT, or leave the slash out")
    return Address(symbol, venue, account if slash else None)


def venue_ids() -> tuple[str, ...]:
    """Return the ids of the venues whose own names can be translated, sorted.

    Other exchanges of ccxt are venues too, under ccxt's id; their instruments have unified names only.
    """
    return tuple(sorted(VENUES))


def check_venue(venue: str) -> None:
    """Raise FeedError unless the venue id is known."""
    if venue not in VENUES and venue not in CCXT_VENUES:
        near = get_close_matches(str(venue), VENUES, n=1) or get_close_matches(str(venue), CCXT_VENUES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise FeedError(
            f"venue {venue!r} is not known{hint} (known: {', '.join(venue_ids())}, and other exchanges by ccxt's id)"
        )


def _names(venue: str) -> VenueNames:
    """Return how a known venue writes its names."""
    check_venue(venue)
    return VENUES[venue] if venue in VENUES else CCXT_VENUES[venue]


def to_unified(venue: str, native: str) -> str:
    """Return the unified symbol of a venue's own id (``("binance_coinm", "BTCUSD_PERP")`` -> ``BTC/USD:BTC``).

    Raises
    ------
    FeedError
        For an unknown venue, or an id that does not have the form of the venue's names.
    """
    check_venue(venue)
    if native == ALL or "/" in native:
        return native if native == ALL else str(parse_symbol(native))
    rules = _names(venue)
    found = rules.unified(native)
    if found is None:
        raise FeedError(f"{venue}: {native!r} is not one of its instrument names (such as {rules.example})")
    return str(found)


def to_native(venue: str, symbol: str) -> str:
    """Return the venue's own id of a unified symbol, the inverse of `to_unified`.

    An index pair that the venue has no name for (``USDT/USD`` on most) is its own id.

    Raises
    ------
    FeedError
        For an unknown venue, a malformed symbol, or a contract that the venue's naming cannot express.
    """
    check_venue(venue)
    if symbol == ALL:
        return ALL
    rules = _names(venue)
    if "/" not in symbol and (meant := rules.unified(symbol)) is not None:
        raise FeedError(f"symbol {symbol!r} is a name of {venue}; its unified name is {str(meant)!r}")
    parts = parse_symbol(symbol)
    found = rules.native(parts)
    if found is not None:
        back = rules.unified(found)
        if str(back) == symbol:
            return found
        if not parts.settle and back is not None and back.settle:
            raise FeedError(f"{venue} has no spot {symbol}: {found!r} there is {back}")
    if not parts.settle and not rules.spot:
        return symbol
    example = rules.unified(rules.example)
    raise FeedError(f"{venue} has no instrument of the form {symbol!r} (its names are like {example})")


def instrument_to_path(native: str) -> str:
    """Return an id as it is written in a path: percent-encoded outside ``[A-Za-z0-9._-]``.

    An id with lower-case letters gets a ``~`` in front and its upper-case letters percent-encoded too, so that
    ``kPEPE`` and ``KPEPE`` stay apart on disks that ignore case.
    """
    plain = quote(native, safe="").replace("~", "%7E")
    if not re.search(r"[a-z]", native):
        return plain
    pieces = re.split(r"(%[0-9A-F]{2})", plain)
    return "~" + "".join(
        piece if piece.startswith("%") else re.sub(r"[A-Z]", lambda letter: f"%{ord(letter[0]):02X}", piece)
        for piece in pieces
    )


def instrument_from_path(text: str) -> str:
    """Return the id that `instrument_to_path` wrote."""
    return unquote(text.removeprefix("~"))


def suggest(symbol: str, known: Iterable[str]) -> str:
    """Return a ``; did you mean ...`` for a symbol among known ones, or an empty text."""
    names = sorted(known)
    near = get_close_matches(symbol, names, n=3, cutoff=0.6)
    bare = re.sub(r"[^A-Z0-9]", "", symbol.upper())
    near += [name for name in names if re.sub(r"[^A-Z0-9]", "", name.partition(":")[0]) == bare and name not in near]
    return f"; did you mean {', '.join(near[:3])}?" if near else ""
