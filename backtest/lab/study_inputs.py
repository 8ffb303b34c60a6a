"""What studies are given in TOML: a book, a population or a map, made into the lab's own objects."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.errors import ConfigError
from backtest.lab.concentration import Concentration, concentration
from backtest.lab.depth import (
    BookDepth,
    DepthCurve,
    EmpiricalDepth,
    PoolDepth,
    PowerDepth,
    knee_depth,
    linear_depth,
    square_root_depth,
)
from backtest.lab.given import count, number
from backtest.lab.ledger import population_of
from backtest.lab.leverage_map import HeatMap, InferredMap, heat_map, prior_map
from backtest.lab.positions import liquidation_prices, margin_utilisation, population
from backtest.lab.study import Reader

if TYPE_CHECKING:
    import pandas as pd

    from backtest.lab.positions import Population

BOOK = """
[book]
kind = "knee"           # linear (density) | square_root (volume, volatility, factor) | power (coefficient, exponent)
                        # | pool (reserve) | knee (density, knee, exponent) | levels (drops, sizes)
                        # | measured (drops, quantities)
density = 500_000.0     # base units per unit (100 %) of drop near the mid
knee = 0.05             # drop from which impact follows the power
exponent = 0.5
"""

POSITIONS = """
[positions]
source = "prior"        # prior | file (path, columns of a population) | open_interest (path, mixture, removal)
open_interest = 20_000.0                      # base units on each side
entries = [100_000.0, 104_000.0, 98_000.0]    # VWAP of the last days, quote
volumes = [1.0, 1.2, 0.8]                     # their weights
median_leverage = 10.0                        # lognormal
spread = 0.8
maintenance_rate = 0.005
"""

_BOOKS: Mapping[str, tuple[Any, tuple[str, ...]]] = {
    "linear": (linear_depth, ("density",)),
    "square_root": (square_root_depth, ("volume", "volatility", "factor")),
    "power": (PowerDepth, ("coefficient", "exponent")),
    "pool": (PoolDepth, ("reserve",)),
    "knee": (knee_depth, ("density", "knee", "exponent")),
    "levels": (BookDepth, ("drops", "sizes")),
    "measured": (EmpiricalDepth, ("drops", "quantities")),
}


def make_book(values: Mapping[str, Any]) -> DepthCurve:
    """Return the book of a [book] table."""
    reader = Reader(values, "[book]")
    kind = reader.take("kind")
    if kind not in _BOOKS:
        raise ConfigError(f"[book]: kind must be one of {', '.join(_BOOKS)}, got {kind!r}")
    made, names = _BOOKS[kind]
    book: DepthCurve = made(**reader.all(*names))
    return book


def make_grid(points: int, reach: float) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    """Return moves from 0 to `reach`."""
    return np.linspace(0.0, number(reach, "reach", above=0.0, high=1.0), count(points, "points", low=2) + 1)


def make_map(values: Mapping[str, Any], *, reference: float, reach: float = 1.0, points: int = 400) -> HeatMap:
    """Return the leverage map of a [positions] table."""
    reader, grid = Reader(values, "[positions]"), make_grid(points, reach)
    source = reader.take("source")
    if source == "prior":
        names = ("open_interest", "entries", "volumes", "median_leverage", "spread", "maintenance_rate")
        return prior_map(**reader.all(*names), reference=reference, grid=grid)
    if source == "file":
        people = read_population(reader.all("path")["path"])
        prices, _ = liquidation_prices(people)
        return heat_map(prices, people.side * people.quantity * people.weight, reference=reference, grid=grid)
    if source == "open_interest":
        given = reader.all("path", "mixture", "maintenance_rate", "removal")
        return infer_map(given, reference=reference, grid=grid)
    raise ConfigError(f"[positions]: source must be prior, file or open_interest, got {source!r}")


def infer_map(values: Mapping[str, Any], *, reference: float, grid: Any) -> HeatMap:
    """Return the map of a file of open interest and bars at a reference price."""
    return infer_map_of(values).map(reference, grid)


def infer_map_of(values: Mapping[str, Any]) -> InferredMap:
    """Return what a file of open interest and bars says: columns open_interest, close, and low, high if known."""
    rows = read_rows(values["path"])
    lacking = [name for name in ("open_interest", "close") if name not in rows]
    if lacking:
        raise ConfigError(
            f"{values['path']}: columns {', '.join(lacking)} are missing; it has {', '.join(map(str, rows))}"
        )
    try:
        mixture = {float(leverage): float(weight) for leverage, weight in values["mixture"].items()}
    except ValueError:
        raise ConfigError('[positions]: mixture must be {"LEVERAGE" = WEIGHT, ...}, numbers both') from None
    inferred = InferredMap(mixture, maintenance_rate=values["maintenance_rate"], removal=values["removal"])
    close = rows["close"].to_numpy(dtype=float)
    low, high = (rows[name].to_numpy(dtype=float) if name in rows else close for name in ("low", "high"))
    columns = (rows["open_interest"].to_numpy(dtype=float), close, low, high)
    for interest, at, bottom, top in zip(*(column.tolist() for column in columns), strict=True):
        inferred.update(interest, at, low=bottom, high=top)
    return inferred


def read_population(path: str) -> "Population":
    """Return the population of a CSV or Parquet file; partial data is accepted, as most ledgers are.

    Its columns are those of `population`, or those of stored positions (kind `positions`, with ts and qty).
    """
    rows = read_rows(path)
    if "qty" in rows:
        import pyarrow as pa

        return population_of(pa.Table.from_pandas(rows, preserve_index=False))
    return population({str(name): rows[name].to_numpy() for name in rows}, is_partial=True)


def ledger_concentration(path: str, reference: float) -> Concentration:
    """Return who holds how much in a file of positions, and how close they are at the reference price."""
    found = read_population(path)
    prices, _ = liquidation_prices(found)
    away = np.where(np.isnan(prices), np.inf, np.abs(prices - reference) / reference)
    return concentration(
        found.notional,
        distance=away,
        utilisation=margin_utilisation(found, reference),
        is_foreign=[
            asset not in ("quote", symbol.partition("/")[2].partition(":")[0])
            for asset, symbol in zip(found.collateral_asset.tolist(), found.symbol.tolist(), strict=True)
        ],
    )


def read_rows(path: str) -> "pd.DataFrame":
    """Return the rows of a CSV or Parquet file."""
    import pandas as pd

    found = Path(path)
    if not found.is_file():
        raise ConfigError(f"path {path!r}: no such file")
    if found.suffix not in (".csv", ".parquet"):
        raise ConfigError(f"path {path!r}: must end in .csv or .parquet")
    return pd.read_csv(found) if found.suffix == ".csv" else pd.read_parquet(found)
