"""One venue's data read as another's: what is there of its own comes first, the rest stands in and is named."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from backtest.errors import ConfigError
from feeds.dataset import Dataset
from feeds.errors import FeedError
from feeds.schema import join_kind
from feeds.stream import Stream
from feeds.symbols import parse_symbol, to_native
from venues.rulebook import VenueRules

_LINEAR = (("USDT", "USDT"), ("USDC", "USDC"), ("USD", "USDC"), ("USD", "USD"))  # (quote, settle), as venues name them


@dataclass(frozen=True, slots=True)
class StandIn:
    """Rows of one venue that stand in for those of another.

    Attributes
    ----------
    venue, symbol : str
        Whose rows were wanted.
    kind : str
        As ``bars:1m``.
    source : str
        ``SYMBOL@venue`` whose rows they are.
    """

    venue: str
    symbol: str
    kind: str
    source: str


@dataclass(frozen=True, slots=True)
class Readdressed:
    """Data as a venue would have had them.

    Attributes
    ----------
    data : Dataset
    symbols : mapping of str to str
        Symbol at the base venue to the one at this venue.
    stand_ins : tuple of StandIn
    """

    data: Dataset
    symbols: Mapping[str, str]
    stand_ins: tuple[StandIn, ...]


def readdress(
    data: Dataset, base: str, rules: VenueRules, others: Iterable[str] = (), symbols: Mapping[str, str] | None = None
) -> Readdressed:
    """Return the data of a base venue as those of another.

    Streams that the other venue has itself are taken; of the rest those of the base venue stand in. Rules of the base
    venue (instruments, tiers, venue events) stay behind: they are its own.

    Parameters
    ----------
    data : Dataset
    base : str
        Venue whose place is taken.
    rules : VenueRules
        Of the venue that takes it.
    others : iterable of str
        Further venues of the run, whose data stay as they are.
    symbols : mapping of str to str, optional
        Symbol at the base venue to the one that takes its place, where it is not the contract of the same kind on the
        same base asset.

    Raises
    ------
    ConfigError
        If a symbol has no counterpart there, or `symbols` names what the base venue does not have.
    """
    wanted = [stream for stream in data.streams if stream.venue == base]
    named = dict.fromkeys(stream.symbol for stream in wanted)
    _check(symbols or {}, named, base)
    pairs = {symbol: counterpart(symbol, rules, symbols) for symbol in named}
    names = {rules.name, *others}
    renamed_here = {old for old, new in pairs.items() if old != new} if rules.name == base else set()
    kept = [s for s in data.streams if s.venue in names and not (s.venue == base and s.symbol in renamed_here)]
    has = {stream.key for stream in kept}
    made: list[Stream] = []
    notes: list[StandIn] = []
    for stream in wanted:
        target = stream.relabelled(rules.name, pairs[stream.symbol])
        if target.key in has:
            continue
        made.append(target)
        kind = join_kind(stream.kind, stream.timeframe_ns)
        notes.append(StandIn(rules.name, target.symbol, kind, f"{stream.symbol}@{base}"))
    tables = {
        name: [row for row in getattr(data, name) if row.get("venue") in names]
        for name in ("instruments", "tiers", "venue_events")
    }
    return Readdressed(Dataset([*kept, *made], **tables), pairs, tuple(notes))


def counterpart(symbol: str, rules: VenueRules, symbols: Mapping[str, str] | None = None) -> str:
    """Return the symbol at a venue that is the same contract: given, of the same name, or of the same kind and base.

    Raises
    ------
    ConfigError
        If there is none.
    """
    given = (symbols or {}).get(symbol)
    if given is not None:
        try:
            to_native(rules.name, given)
        except FeedError as error:
            raise ConfigError(f"{symbol} at {rules.name}: {error}") from None
        return given
    parts = parse_symbol(symbol)
    if not parts.settle:
        return symbol  # an index pair; a venue without spot refuses trades of it when the run is built
    tail = symbol.partition(":")[2].removeprefix(parts.settle)
    is_inverse = parts.settle == parts.base
    kind = "inverse" if is_inverse else "linear"
    written = (("USD", parts.base),) if is_inverse else ((parts.quote, parts.settle), *_LINEAR)
    for quote, settle in written:
        name = f"{parts.base}/{quote}:{settle}{tail}"
        try:
            to_native(rules.name, name)
        except FeedError:
            continue
        if kind in rules.contracts and rules.default_instrument(name).contract == kind:
            return name
    raise ConfigError(
        f"{rules.name} lists no {kind} contract that is {symbol} (it lists {', '.join(rules.contracts)}); "
        f"name one: symbols={{{symbol!r}: ...}}"
    )


def renamed(value: Any, base: str, venue: str, symbols: Mapping[str, str]) -> Any:
    """Return a parameter of a strategy with the symbols and addresses in it as they are at another venue."""
    if isinstance(value, str):
        symbol, at, rest = value.partition("@")
        place, slash, account = rest.partition("/")
        if symbol not in symbols or (at and place != base):
            return value
        return symbols[symbol] + (f"@{venue}{slash}{account}" if at else "")
    if isinstance(value, list | tuple):
        return type(value)(renamed(each, base, venue, symbols) for each in value)
    return value


def _check(symbols: Mapping[str, str], named: Iterable[str], base: str) -> None:
    unknown = [symbol for symbol in symbols if symbol not in named]
    if unknown:
        raise ConfigError(f"symbols names {unknown[0]!r}, which is not in the data of {base} ({', '.join(named)})")


def base_of(data: Dataset, first: str) -> str:
    """Return the venue whose data stand in for those of the others.

    Parameters
    ----------
    data : Dataset
    first : str
        Venue of the first candidate: its data are taken where there are any, else those of the only venue that has
        contracts in the data.

    Raises
    ------
    ConfigError
        If there are several.
    """
    found = sorted({stream.venue for stream in data.streams if parse_symbol(stream.symbol).settle})
    if first in found:
        return first
    if len(found) == 1:
        return found[0]
    raise ConfigError(
        f"the data hold contracts of {', '.join(found) if found else 'no venue'}, none of {first}; "
        "say whose stand in for the others: base='binance_usdm'"
    )
