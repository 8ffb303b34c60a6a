"""Published Binance funding: stamps on the hour, intervals from spacing against the vendor's column, storage."""

import numpy as np
import pyarrow.parquet as pq
import pytest

import feeds
from feeds import funding_grid
from feeds.catalog import Catalog
from feeds.normalize import normalize
from feeds.symbols import to_unified
from feeds.tables import ints

SYMBOLS = ("AAVEUSDT", "AVAXUSDT", "AXSUSDT", "BCHUSDT", "BTCUSDT", "ETHUSDT", "SOLUSDT")


@pytest.fixture(scope="module")
def published(real_data):
    frame = pq.read_table(real_data / "funding" / "binance_um_funding_rates.parquet").to_pandas()
    tables = {}
    for symbol, part in frame.sort_values("calc_time").groupby("symbol"):
        raw = {
            "ts": part.calc_time.to_numpy(),
            "rate": part.last_funding_rate.to_numpy(),
            "interval_s": part.funding_interval_hours.to_numpy() * 3600,
        }
        tables[symbol] = normalize(raw, "funding")
    return tables


def test_all_symbols_are_there(published):
    assert tuple(published) == SYMBOLS


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_every_stamp_is_within_a_minute_of_the_hour(published, symbol):
    table, findings = published[symbol]
    assert "F2" not in {each.rule for each in findings}
    assert not np.any(ints(table, "ts") % (3600 * 10**9))


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_interval_from_spacing_is_the_vendors_but_at_a_change(published, symbol):
    # The vendor writes the new interval one row early at some changes (AXS 2026-01-26, SOL 2022-11-10); elsewhere
    # spacing alone gives the column, also across the missing months of AAVE.
    table, _ = published[symbol]
    vendor = ints(table, "interval_s")
    derived = funding_grid.intervals_from_spacing(ints(table, "ts"))
    differing = np.flatnonzero(derived != vendor)
    changes = np.flatnonzero(np.diff(vendor)) + 1
    assert set(differing.tolist()) <= set(changes.tolist())
    assert differing.size <= 1


def test_history_is_stored_and_found_clean_but_for_its_holes(published, tmp_path):
    catalog = Catalog(tmp_path)
    for native, (table, findings) in published.items():
        catalog.write("binance_usdm", to_unified("binance_usdm", native), "funding", table, findings=findings)
    report = feeds.validate(catalog)
    assert {row.rule for row in report.rows} <= {"F6"}
    assert report.exit_code == 1
    first = catalog.fingerprint()
    for native, (table, findings) in published.items():
        catalog.write("binance_usdm", to_unified("binance_usdm", native), "funding", table, findings=findings)
    assert catalog.fingerprint() == first
    bitcoin = catalog.dataset("binance_usdm", "BTC/USDT:USDT").streams[0]
    assert bitcoin.gaps == ()
    assert bitcoin.rows == published["BTCUSDT"][0].num_rows
