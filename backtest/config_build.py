"""From the tables of a configuration to the objects of a run, collecting every error on the way."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from backtest.backtest import Backtest
from backtest.config_data import dataset
from backtest.config_population import crowd
from backtest.config_problems import Problems
from backtest.config_scenario import scenario
from backtest.config_strategy import strategy_class
from backtest.config_tables import (
    ImpactTable,
    InstrumentTable,
    LatencyTable,
    StrategyTable,
    Tables,
    TierTable,
    VenueTable,
)
from backtest.errors import ConfigError
from backtest.timers import duration_ns
from feeds.times import time_ns
from venues.checks import did_you_mean
from venues.config import Transfers, Venue
from venues.impact import Impact
from venues.instrument import Instrument, Tier
from venues.latency import Latency
from venues.rulebook import VenueRules, get

if TYPE_CHECKING:
    from backtest.strategy import Strategy
    from feeds.dataset import Dataset

T = TypeVar("T")
READERS: dict[str, Callable[..., int]] = {"start": time_ns, "end": time_ns, "warmup": duration_ns}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that is ready, and what to do with its result.

    Attributes
    ----------
    backtest : Backtest
    out : Path or None
        Folder in which the result is saved.
    tear_sheet : Path or None
        HTML file; None: ``tear_sheet.html`` in `out`, if there is one.
    attribution : tuple of str
        Further tables of where the money came from.
    document : dict
        The configuration as it was read, settings applied.
    tables : Tables
        The same, checked.
    folder : Path
        That its paths are relative to.
    arguments : mapping
        Of [run] and [transfers], as `Backtest` takes them.
    """

    backtest: Backtest
    out: Path | None
    tear_sheet: Path | None
    attribution: tuple[str, ...]
    document: Mapping[str, Any]
    tables: Tables
    folder: Path
    arguments: Mapping[str, Any]


def build(
    tables: Tables, source: Path, document: Mapping[str, Any], found: list[str], compared: Sequence[str] = ()
) -> Prepared | None:
    """Return the run that tables describe, None after adding what the constructors refused to `found`.

    `compared` are further venues, which [[instrument]] may name.
    """
    problems = Problems(found)
    folder = source.resolve().parent
    accounts = [account(row, name, tables, problems, folder) for row, name in _named(tables.venue, "venue")]
    _stray_instruments(tables, compared, problems)
    strategies = [_strategy(row, name, folder, problems) for row, name in _named(tables.strategy, "strategy")]
    transfers = _transfers(tables, problems)
    data = dataset(tables.data, folder, problems)
    attribution = _texts(tables.report.attribution)
    for by in attribution:
        _check_attribution(by, problems)
    arguments = tables.run.given() | ({} if transfers is None else {"transfers": transfers})
    if tables.population is not None:
        arguments |= {"population": crowd(tables.population, folder, accounts, problems)}
    if tables.scenario:
        arguments |= {"scenario": scenario(tables.scenario, data, problems)}
    backtest = _backtest(arguments, data, strategies, accounts, problems)
    if found or backtest is None:
        return None
    return Prepared(
        backtest=backtest,
        out=None if tables.report.out is None else folder / tables.report.out,
        tear_sheet=None if tables.report.tear_sheet is None else folder / tables.report.tear_sheet,
        attribution=tuple(attribution),
        document=document,
        tables=tables,
        folder=folder,
        arguments=arguments,
    )


def _named(rows: Sequence[T], name: str) -> Iterator[tuple[T, str]]:
    """Yield each table of a list with the name of its place."""
    for number, row in enumerate(rows):
        yield row, name if len(rows) == 1 else f"{name}[{number}]"


def _texts(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


# ---------------------------------------------------------------- venues


def account(row: VenueTable, place: str, tables: Tables, problems: Problems, folder: Path) -> Venue | None:
    """Return the account that a [venue] describes, with the instruments of the configuration.

    Paths in it are relative to `folder`.
    """
    rules = problems.attempt(f"{place}.name", get, row.name)
    if rules is not None and row.as_of is not None:
        rules = problems.attempt(f"{place}.as_of", get, row.name, as_of=row.as_of)
    if rules is None:
        return None
    for given, name in _named(tables.instrument, "instrument"):
        if given.venue == row.name or (given.venue is None and len({each.name for each in tables.venue}) == 1):
            rules = _with_instrument(rules, given, name, problems)
    for asset, ratios in row.collateral_ratios.items():
        made = problems.attempt(f"{place}.collateral_ratios.{asset}", rules.with_collateral, asset, ratios)
        rules = rules if made is None else made
    for asset, rows in row.loan_tiers.items():
        where = f"{place}.loan_tiers.{asset}"
        made = problems.attempt(where, rules.with_loans, asset, _tiers(rows, where, problems) or ())
        rules = rules if made is None else made
    arguments = row.given("name", "as_of", "balances", "collateral_ratios", "loan_tiers")
    if isinstance(row.missing_tiers, list):
        tiers = _tiers(row.missing_tiers, f"{place}.missing_tiers", problems)
        arguments["missing_tiers"] = "error" if tiers is None else tiers
    for name in ("fees", "latency"):
        if isinstance(arguments.get(name), list):
            arguments[name] = tuple(arguments[name])
    for name, table, kind in (("latency", row.latency, Latency), ("impact", row.impact, Impact)):
        if isinstance(table, LatencyTable | ImpactTable):
            keys = table.given()
            if isinstance(keys.get("record"), str):
                keys["record"] = folder / keys["record"]
            arguments[name] = problems.construct(f"{place}.{name}", kind, {}, keys)
    return problems.construct(place, Venue, {"rules": rules, "balances": row.balances}, arguments)


def _with_instrument(rules: VenueRules, row: InstrumentTable, place: str, problems: Problems) -> VenueRules:
    arguments = row.given("symbol", "venue", "contract")
    if row.tiers:
        arguments["tiers"] = _tiers(row.tiers, f"{place}.tiers", problems) or ()
    required = {"symbol": row.symbol, "contract": row.contract}
    made = problems.construct(place, Instrument, required, arguments)
    return rules if made is None else rules.with_instrument(made)


def _tiers(rows: Sequence[TierTable], place: str, problems: Problems) -> list[Tier] | None:
    made = [problems.attempt(f"{place}[{number}]", Tier, **row.given()) for number, row in enumerate(rows)]
    return None if None in made else [tier for tier in made if tier is not None]


def _stray_instruments(tables: Tables, compared: Sequence[str], problems: Problems) -> None:
    """Note instruments of no venue of the run: they would have no effect."""
    own = dict.fromkeys(row.name for row in tables.venue)
    names = list(own | dict.fromkeys(compared))
    for row, place in _named(tables.instrument, "instrument"):
        if row.venue is None and len(own) > 1:
            problems.note(place, f"needs venue = one of {', '.join(names)}")
        elif row.venue is not None and row.venue not in names:
            problems.note(f"{place}.venue", f"{row.venue!r} is no venue of the run ({', '.join(names)})")


def _transfers(tables: Tables, problems: Problems) -> Transfers | None:
    if tables.transfers is None:
        return Transfers()
    arguments = tables.transfers.given()
    if isinstance(tables.transfers.delay, dict):
        pairs = {}
        for written, delay in tables.transfers.delay.items():
            source, arrow, target = written.partition("->")
            if not arrow or not source.strip() or not target.strip():
                problems.note("transfers.delay", f"a pair is written 'source -> target', got {written!r}")
                return None
            pairs[source.strip(), target.strip()] = delay
        arguments["delay"] = pairs
    return problems.construct("transfers", Transfers, {}, arguments)


# ---------------------------------------------------------------- strategies


def _strategy(row: StrategyTable, place: str, folder: Path, problems: Problems) -> "Strategy | None":
    found = problems.attempt(f"{place}.class", strategy_class, row.class_, folder)
    if found is None:
        return None

    def make(**parameters: Any) -> "Strategy":
        try:
            return found(**parameters)
        except TypeError as error:
            raise ConfigError(f"{found.__name__} does not take these parameters: {error}") from None

    return problems.construct(f"{place}.parameters", make, {}, row.parameters)


# ---------------------------------------------------------------- the run


def _check_attribution(by: str, problems: Problems) -> None:
    from backtest.attribution import BY

    if by not in BY:
        problems.note("report.attribution", f"{by!r} is unknown{did_you_mean(by, BY)}; allowed are {', '.join(BY)}")


def _backtest(
    arguments: Mapping[str, Any],
    data: "Dataset | None",
    strategies: "Sequence[Strategy | None]",
    accounts: Sequence[Venue | None],
    problems: Problems,
) -> Backtest | None:
    """Return the Backtest. Where a part is missing, a stand-in lets the arguments of [run] be judged all the same."""
    from backtest.strategy import Strategy

    given = dict(arguments)
    if data is None:
        for name, value in [(name, given.pop(name)) for name in READERS if name in given]:
            problems.attempt(f"run.{name}", READERS[name], value)
        data = _stand_in()
        given.pop("scenario", None)  # it is of the data
    required = {
        "data": data,
        "strategy": [each if each is not None else Strategy() for each in strategies],
        "venues": [each if each is not None else Venue("binance_usdm", balances={"USDT": 1}) for each in accounts],
    }
    return problems.construct("run", Backtest, required, given)


def _stand_in() -> "Dataset":
    """Return the smallest data there are."""
    import pandas as pd

    from feeds.frames import from_pandas

    frame = pd.DataFrame({"price": [1.0]}, index=pd.DatetimeIndex(["2024-01-01"], tz="UTC"))
    return from_pandas(frame, kind="mark", venue="binance_usdm", symbol="BTC/USDT:USDT")
