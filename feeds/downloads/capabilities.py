"""What can be had from where: venue x kind x source x look-back (feeds.md section 1)."""

from collections.abc import Iterable

from feeds.ccxt_ids import CCXT_IDS
from feeds.downloads.ways import ALTERNATIVES, GENERIC, WAYS, Way
from feeds.downloads.ways_tardis import TARDIS
from feeds.errors import FeedError
from feeds.schema import BAR_KINDS, join_kind, split_kind, timeframe_text
from feeds.symbols import check_venue

__all__ = ["Way", "ccxt_id", "checked", "listed", "venues", "ways"]

# Kinds that venues offer as bars only: the bare word means these.
_DEFAULT_TIMEFRAME = {"mark": "mark:1m", "index": "index:1m", "premium": "premium:1m"}
_OWN_CCXT_IDS = {
    "binance_usdm": "binanceusdm",
    "binance_coinm": "binancecoinm",
    "binance_spot": "binance",
    "bybit_spot": "bybit",
}
_BY_TARDIS = "--source tardis, the first day of each month without a key"
_CLOSED = {"bitmex": f"BitMEX closed on 2026-09-23; import its dumps with `levdyn import`, or {_BY_TARDIS}"}
SOURCES = ("archive", "rest", "tardis")


def venues() -> tuple[str, ...]:
    """Return the venues that have adapters of their own, sorted."""
    return tuple(sorted({way.venue for way in WAYS}))


def ccxt_id(venue: str) -> str | None:
    """Return ccxt's id of a venue, None when ccxt does not have it."""
    found = _OWN_CCXT_IDS.get(venue, venue)
    return found if found in CCXT_IDS else None


def ways(venue: str, kind: str, source: str | None = None) -> tuple[Way, ...]:
    """Return the ways to get a kind (bare or with its timeframe) of a venue, archives first.

    Parameters
    ----------
    venue, kind : str
    source : {"archive", "rest", "tardis"}, optional
        Only these ways; without it those of the venue itself: a paid vendor is asked only when it is named.
    """
    word = kind.partition(":")[0]
    found = [way for way in _all(venue, source) if way.kind == word]
    return tuple(sorted(found, key=lambda way: way.source != "archive"))


def checked(venue: str, kinds: Iterable[str], source: str | None = None) -> tuple[str, ...]:
    """Return the kinds as they will be stored, or refuse what the venue (the source) cannot give.

    Raises
    ------
    FeedError
        For all refused kinds at once, each with what to do instead.
    """
    check_venue(venue)
    if source not in (None, *SOURCES):
        raise FeedError(f"source {source!r} is not known (sources: {', '.join(SOURCES)}; without one: the venue's own)")
    if venue in _CLOSED and source != "tardis":
        raise FeedError(f"{venue}: {_CLOSED[venue]}")
    if not _all(venue, source):
        raise FeedError(f"{venue}: nothing can be downloaded from {_what(venue, source)}; {_instead(venue)}")
    found: dict[str, None] = {}
    refused = []
    for text in kinds:
        # Tardis has the prices themselves, exchanges their bars only.
        kind = text if source == "tardis" else _DEFAULT_TIMEFRAME.get(text, text)
        word, length = split_kind(kind)
        label = join_kind(word, length)
        offered = ways(venue, word, source)
        if not offered:
            refused.append(f"{word}: {_alternative(venue, word)}")
        elif length and source == "tardis":
            refused.append(f"{label}: tardis has points, no bars; ask for {word}")
        elif length and not any(_has(way, length) for way in offered):
            refused.append(f"{label}: {venue} has {', '.join(offered[0].timeframes)} only")
        found[label] = None
    have = ", ".join(dict.fromkeys(way.kind for way in _all(venue, source)))
    if refused:
        lines = "".join(f"\n{text}" for text in refused)
        raise FeedError(f"{_what(venue, source)} cannot give what was asked for (it has {have}):{lines}")
    if not found:
        raise FeedError(f"no kind is asked for; {_what(venue, source)} has {have}")
    return tuple(found)


def listed(venue: str | None = None) -> list[dict[str, str]]:
    """Return the table as rows of text, of one venue or of all."""
    if venue is not None:
        check_venue(venue)
    shown = (*_all(venue), *_all(venue, "tardis")) if venue is not None else (*WAYS, *GENERIC, *TARDIS)
    return [
        {
            "venue": venue if venue is not None else "any other of ccxt" if way.venue == "*" else way.venue,
            "kind": f"{way.kind}:TF" if way.kind in BAR_KINDS and way.source != "tardis" else way.kind,
            "source": f"{way.source} {way.host}",
            "look-back": way.look_back,
            "timeframes": " ".join(way.timeframes),
            "note": way.note,
            "fact": f"{way.fact}{'' if way.is_verified else ' (unverified)'}",
        }
        for way in shown
    ]


def _all(venue: str, source: str | None = None) -> tuple[Way, ...]:
    """Return all ways of a venue, or those of a source."""
    own = WAYS if venue in venues() else GENERIC if ccxt_id(venue) is not None else ()
    offered = TARDIS if source == "tardis" else own
    return tuple(way for way in offered if way.venue in (venue, "*") and source in (None, way.source))


def _what(venue: str, source: str | None) -> str:
    """Return who is asked, for messages."""
    return venue if source is None else f"{venue} by {source}"


def _instead(venue: str) -> str:
    """Return what else there is of a venue that a source does not have."""
    text = "import its files with `levdyn import`"
    return f"{text}, or see {_BY_TARDIS}" if _all(venue, "tardis") else text


def _has(way: Way, length: int) -> bool:
    """Tell whether a way has bars of a length; ccxt decides at run time for venues without a list."""
    return not way.timeframes or timeframe_text(length) in way.timeframes


def _alternative(venue: str, word: str) -> str:
    """Return what to do instead of downloading a kind."""
    texts = [ALTERNATIVES[place] for place in ((venue, word), ("*", word)) if place in ALTERNATIVES][:1]
    found = texts[0] if texts else "not offered; `levdyn import` reads files of it from other sources"
    return f"{found}; tardis has it ({_BY_TARDIS})" if ways(venue, word, "tardis") else found
