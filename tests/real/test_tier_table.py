"""The 178-symbol table of tiers as the user's own history: imported, stored, dated, and felt by a position.

AVAXUSDT has no tier table of its own in the package. Its minutes of February 2025 trade against the imported one, and
against a second table, twice as strict, that the user puts into force on the second day. Prices of liquidation are
worked out by hand from the columns of the files.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from engine_data import USDM, Notes, Script

import feeds
import venues
from backtest import Backtest, ConfigError, Result
from feeds.dataset import Dataset
from feeds.times import time_ns

SYMBOL = "AVAX/USDT:USDT"
TABLE = "instruments/binance_um_leverage_tiers_2024-10.parquet"
MINUTES = "ohlcv/binance_um_AVAXUSDT_1m-2025-02.parquet"
QUANTITY, LEVERAGE = 760, 10
MINUTE = pd.Timedelta("1min")


@dataclass
class Imported:
    """What was stored in a catalog, and the rows of the file it came from."""

    catalog: feeds.Catalog
    result: Any
    rows: pd.DataFrame


@pytest.fixture(scope="module")
def table(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    catalog = feeds.Catalog(tmp_path_factory.mktemp("history"))
    result = feeds.import_file(real_data / TABLE, venue=USDM, valid_from="2024-10-01", catalog=catalog)
    return Imported(catalog, result, pd.read_parquet(real_data / TABLE))


@pytest.fixture(scope="module")
def minutes(real_data: Path) -> pd.DataFrame:
    """Candles as pandas reads them, by the beginning of the minute."""
    frame = pd.read_parquet(real_data / MINUTES)
    return frame.set_index(pd.to_datetime(frame["open_time"], unit="ms", utc=True))


@pytest.fixture(scope="module")
def data(real_data: Path, table: Imported) -> Dataset:
    """The minutes, in the catalog that already has the tiers."""
    feeds.import_file(real_data / MINUTES, catalog=table.catalog)
    return table.catalog.dataset(USDM, SYMBOL, end="2025-02-04")


@pytest.fixture(scope="module")
def stricter(table: Imported, tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Dataset]:
    """A table of the user's own as CSV, in force from the second day: twice the rates, half the leverage."""
    rows = table.rows[table.rows["symbol"] == SYMBOL].copy()
    rows[["maintenanceMarginRate", "cum"]] *= 2
    rows["maxLeverage"] = (rows["maxLeverage"] // 2).clip(lower=1)
    path = tmp_path_factory.mktemp("own") / "tiers.csv"
    rows.to_csv(path, index=False)
    return rows, feeds.import_file(path, venue=USDM, valid_from="2025-02-02").dataset


def test_every_row_of_every_symbol_is_stored_and_comes_back(table: Imported) -> None:
    assert (table.result.format, table.result.rows_in, table.result.rows_out) == ("leverage-tiers", 1447, 1447)
    symbols = sorted(table.rows["symbol"].unique())
    assert len(symbols) == 178
    assert list(table.catalog.symbols(USDM)) == symbols
    stored = table.catalog.dataset([(USDM, symbol) for symbol in symbols])
    assert stored.streams == ()
    names = {
        "minNotional": "floor",
        "maintenanceMarginRate": "maintenance_rate",
        "maxLeverage": "max_leverage",
        "cum": "amount",
    }
    wanted = {(row["symbol"], *(row[name] for name in names)) for row in table.rows.to_dict("records")}
    found = {(row["symbol"], *(float(row[name]) for name in names.values())) for row in stored.tiers}
    assert found == wanted
    assert {row["ts"] for row in stored.tiers} == {time_ns("2024-10-01")}


def by_hand(rows: pd.DataFrame, quantity: float, entry: float, wallet: float) -> float:
    """Liquidation price of an isolated long: the tier whose own price has its notional (binance.md section 5)."""
    tiers = rows[rows["symbol"] == SYMBOL]
    for tier in tiers.itertuples():
        price = (quantity * entry - wallet - tier.cum) / (quantity * (1 - tier.maintenanceMarginRate))
        if tier.minNotional < quantity * price <= tier.maxNotional:
            return float(price)
    raise AssertionError("no tier has a liquidation price of its own")


def long_in_february(data: Dataset) -> tuple[Result, list[float]]:
    """Buy 760 AVAX for 26,000 USDT, in the third tier, and note the liquidation price an hour later and on day two."""
    notes = Notes()

    def look(strategy: Any) -> None:
        strategy.note(strategy.position(SYMBOL).liquidation_price)

    steps = [
        ("2025-02-01T00:15", lambda s: s.buy(SYMBOL, quantity=QUANTITY)),
        ("2025-02-01T01:15", look),
        ("2025-02-02T00:30", look),
    ]
    account = venues.Venue(USDM, balances={"USDT": 5_000}, margin_mode="isolated", leverage=LEVERAGE)
    strategy = Script(*[(time_ns(time), action) for time, action in steps], notes=notes)
    return Backtest(data, strategy, venues=account, mark="last").run(), [note[1] for note in notes]


def test_a_position_in_a_symbol_of_the_table_is_liquidated_where_its_tiers_say(
    data: Dataset, table: Imported, stricter: tuple[pd.DataFrame, Dataset], minutes: pd.DataFrame
) -> None:
    """31.188 by the published table, 31.383 by the stricter: bought in the third tier, liquidated in the second."""
    for later, seen in ((None, ("03:17:20", 31.187)), (stricter, ("03:13:20", 31.383))):
        result, prices = long_in_february(data if later is None else data + later[1])
        (entry,) = result.fills.loc[result.fills["forced"] == "own", "price"]
        wallet = QUANTITY * entry / LEVERAGE
        published = by_hand(table.rows, QUANTITY, entry, wallet)
        in_force = published if later is None else by_hand(later[0], QUANTITY, entry, wallet)
        assert QUANTITY * entry > 25_000 > QUANTITY * published
        assert prices == pytest.approx([published, in_force], rel=1e-9)
        # The first minute whose low is there; a bar's low is placed at its first third.
        held = minutes[minutes.index >= pd.Timestamp("2025-02-01T00:16", tz="UTC")]
        crossed = held.index[held["low"] <= in_force][0]
        step = next(result.liquidations.itertuples())
        assert step.time == crossed + MINUTE / 3
        assert (step.time.strftime("%H:%M:%S"), step.trigger_mark) == seen
        assert in_force - 0.001 < step.trigger_mark <= in_force
        # The clearance fee of 1.25 % is above 0.65 % of maintenance: all goes at once. Below 1.3 %, a part may do.
        closed = result.liquidations["quantity"]
        assert closed.sum() == QUANTITY
        assert (len(closed) == 1) == (later is None)
        assert (result.liquidations["shortfall"] == 0).all()
        names = [row["value"] for row in result.assumptions if row["name"] == "tiers"]
        assert names == ["data"]


def test_without_the_table_the_symbol_is_refused(data: Dataset) -> None:
    bare = Dataset(data.streams)
    with pytest.raises(ConfigError, match=r"AVAX/USDT:USDT@binance_usdm has no tier table in force at 2025-02-01"):
        long_in_february(bare)


def test_leverage_above_the_tables_first_tier_is_refused(data: Dataset) -> None:
    account = venues.Venue(USDM, balances={"USDT": 5_000}, leverage=100)
    with pytest.raises(ConfigError, match=r"leverage 100 of AVAX/USDT:USDT exceeds the 75 that its first tier allows"):
        Backtest(data, Script(), venues=account, mark="last").run()
