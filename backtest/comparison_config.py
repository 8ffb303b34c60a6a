"""The accounts that `levdyn compare` makes of one configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backtest.config_build import Prepared, account
from backtest.config_problems import Problems
from backtest.config_tables import VenueTable
from backtest.errors import ConfigError
from backtest.scenarios import LagEngine
from backtest.stand_ins import counterpart, renamed
from feeds.symbols import parse_symbol
from venues.rulebook import get

if TYPE_CHECKING:
    from venues.config import Venue


@dataclass(frozen=True, slots=True)
class Candidates:
    """What is compared.

    Attributes
    ----------
    accounts : mapping of label to list of Venue
        The first of each takes the place of the base venue.
    base : str
        Venue of the configuration whose place is taken.
    notes : list of str
        What was exchanged besides: assets of balances.
    """

    accounts: "dict[str, list[Venue]]"
    base: str
    notes: list[str]


def symbol_pairs(texts: Sequence[str]) -> dict[str, dict[str, str]]:
    """Read ``VENUE:OLD=NEW`` as venue to (symbol to symbol)."""
    found: dict[str, dict[str, str]] = {}
    for text in texts:
        venue, colon, pair = text.partition(":")
        old, equals, new = pair.partition("=")
        if not (colon and equals and venue.strip() and old.strip() and new.strip()):
            raise ConfigError(f"--symbol takes VENUE:OLD=NEW, as bitmex:BTC/USDT:USDT=BTC/USD:BTC, got {text!r}")
        found.setdefault(venue.strip(), {})[old.strip()] = new.strip()
    return found


def candidates(
    prepared: Prepared, names: Sequence[str], modes: Sequence[str], symbols: Mapping[str, Mapping[str, str]]
) -> Candidates:
    """Return one account per venue and margin mode, as [venue] describes it.

    Balances in the settle asset of a contract become balances in that of its counterpart, one for one.

    Raises
    ------
    ConfigError
        For an unknown venue or mode, a venue named twice, or an account that cannot be; all problems at once.
    """
    if not names:
        raise ConfigError("--venues is empty; name venues as binance_usdm,bybit")
    repeated = sorted({name for name in names if names.count(name) > 1} | {m for m in modes if modes.count(m) > 1})
    if repeated:
        raise ConfigError(f"{repeated[0]} is named twice")
    number, row = _exchanged(prepared)
    others = [venue for at, venue in enumerate(prepared.backtest.venues) if at != number]
    traded = [stream.symbol for stream in prepared.backtest.data.streams if stream.venue == row.name]
    problems: list[str] = []
    accounts: dict[str, list[Venue]] = {}
    notes = []
    for name in names:
        pairs = Problems(problems).attempt(f"--venues {name}", _pairs, traded, name, symbols.get(name))
        if pairs is None:
            continue
        assets = _assets(pairs)
        notes += [
            f"{name}: {amount:,.8g} {assets[asset]} in place of {asset}"
            for asset, amount in row.balances.items()
            if assets.get(asset, asset) != asset
        ]
        for mode in modes or (row.margin_mode,):
            label = name if len(modes) < 2 else f"{name} {mode}"
            changed = {"name": name, "margin_mode": mode, **_exchange(row, name, pairs, assets)}
            made = account(_changed(row, changed), label, prepared.tables, Problems(problems), prepared.folder)
            if made is not None:
                accounts[label] = [made, *others]
    if problems:
        raise ConfigError("\n".join(["the comparison cannot be made; nothing was run", *(f"  {p}" for p in problems)]))
    return Candidates(accounts, row.name, notes)


def comparable(prepared: Prepared) -> dict[str, Any]:
    """Return the arguments of a run that hold at every venue; its scenario is in its data already.

    Raises
    ------
    ConfigError
        For what is of one venue only: a population, or a late liquidation engine.
    """
    arguments = dict(prepared.arguments)
    late = [step.what for step in arguments.pop("scenario", ()) if isinstance(step, LagEngine)]
    if arguments.pop("population", None) is not None:
        late.append("[population]")
    if late:
        raise ConfigError(f"compare exchanges the venue, and {', '.join(late)} is of one venue only; leave it out")
    return arguments


def _exchanged(prepared: Prepared) -> tuple[int, VenueTable]:
    """Return the only account with margin, and its place among the accounts."""
    found = [
        (number, row)
        for number, (row, venue) in enumerate(zip(prepared.tables.venue, prepared.backtest.venues, strict=True))
        if venue.book.contracts != ("spot",)
    ]
    if len(found) != 1:
        names = ", ".join(row.name for _, row in found) if found else "none"
        raise ConfigError(f"compare exchanges the one account with margin of a configuration; this one has {names}")
    return found[0]


def _pairs(traded: Sequence[str], name: str, symbols: Mapping[str, str] | None) -> dict[str, str]:
    rules = get(name)
    return {symbol: counterpart(symbol, rules, symbols) for symbol in dict.fromkeys(traded)}


def _assets(pairs: Mapping[str, str]) -> dict[str, str]:
    """Return the settle asset of each contract and that of its counterpart."""
    both = [(parse_symbol(old).settle, parse_symbol(new).settle) for old, new in pairs.items()]
    return {old: new for old, new in both if old and new}


def _exchange(row: VenueTable, name: str, pairs: Mapping[str, str], assets: Mapping[str, str]) -> dict[str, Any]:
    """Return the keys of an account in which symbols or settle assets stand, as they are at another venue."""
    balances: dict[str, float] = {}
    for asset, amount in row.balances.items():
        balances[assets.get(asset, asset)] = balances.get(assets.get(asset, asset), 0.0) + amount
    changed: dict[str, Any] = {"balances": balances}
    if isinstance(row.leverage, dict):
        changed["leverage"] = {renamed(key, row.name, name, pairs): value for key, value in row.leverage.items()}
    if row.insurance_fund is not None:
        changed["insurance_fund"] = {assets.get(asset, asset): amount for asset, amount in row.insurance_fund.items()}
    return changed


def _changed(row: VenueTable, changes: Mapping[str, Any]) -> VenueTable:
    """Return a [venue] with other values of some keys."""
    return VenueTable.model_validate({**row.model_dump(exclude_unset=True), **changes})
