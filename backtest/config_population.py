"""What [population] of a configuration says, as a `Crowd`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backtest.config_problems import Problems
from backtest.config_tables import PopulationTable
from backtest.errors import ConfigError
from backtest.population import Crowd

if TYPE_CHECKING:
    from backtest.lab.positions import Population
    from venues.config import Venue

_OF_MAP = ("mixture", "removal", "maintenance_rate", "venue", "symbol", "reference", "size", "margin_mode")


def crowd(table: PopulationTable, folder: Path, accounts: "Sequence[Venue | None]", problems: Problems) -> Crowd | None:
    """Return the population that a table describes, None after noting what is wrong with it."""
    idle = [name for name in _OF_MAP if name in table.given()]
    if (table.positions is None) == (table.open_interest is None):
        problems.note("population", "needs positions = a file, or open_interest = a file, and not both")
        return None
    if table.positions is not None:
        if idle:
            problems.note("population", f"{', '.join(idle)} would have no effect with positions; leave it out")
        found = problems.attempt("population.positions", _positions, folder / table.positions)
    else:
        found = problems.attempt("population", _of_open_interest, table, folder, accounts)
    if found is None:
        return None
    return problems.construct(
        "population", Crowd, {"positions": found}, table.given("positions", "open_interest", *_OF_MAP)
    )


def _positions(path: Path) -> "Population":
    from backtest.lab.study_inputs import read_population

    return read_population(str(path))


def _of_open_interest(table: PopulationTable, folder: Path, accounts: "Sequence[Venue | None]") -> "Population":
    """Return the accounts of the map that a file of open interest and bars gives."""
    from backtest.lab.accounts import accounts_of_map
    from backtest.lab.study_inputs import infer_map_of, read_rows

    known = {account.name: account for account in accounts if account is not None}
    name = table.venue if table.venue is not None else next(iter(known), "")
    if name not in known or (table.venue is None and len(known) > 1):
        raise ConfigError(f"needs venue = one of {', '.join(known)}")
    if table.symbol is None:
        raise ConfigError("needs symbol = the contract that the open interest is of")
    values = {
        "path": str(folder / str(table.open_interest)),
        "mixture": table.mixture,
        "maintenance_rate": table.maintenance_rate,
        "removal": table.removal,
    }
    inferred = infer_map_of(values)
    last = float(read_rows(values["path"])["close"].iloc[-1])  # type: ignore[arg-type]
    return accounts_of_map(
        inferred,
        rules=known[name].book,
        symbol=table.symbol,
        reference=last if table.reference is None else table.reference,
        size=table.size,
        margin_mode=table.margin_mode,
    )
