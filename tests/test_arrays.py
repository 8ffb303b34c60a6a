"""Columns of Arrow read without pyarrow's conversions."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

import feeds
from feeds.arrays import nulls, plain, without_nulls
from feeds.catalog import Catalog
from feeds.schema import join_kind

ITEMS = [5, None, -7, None, None, 9, 0, 1, None, 2, 3]
TYPES = (pa.int64(), pa.int8(), pa.int32())


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("cut", [(0, 11), (1, 9), (2, 1), (3, 2), (4, 0), (9, 2)], ids=str)
def test_a_slice_reads_as_its_items_with_nulls_as_zero(kind, cut):
    array = pa.array(ITEMS, kind).slice(*cut)
    wanted = [item or 0 for item in array.to_pylist()]
    assert plain(array).tolist() == wanted
    assert plain(array).dtype == np.dtype(kind.to_pandas_dtype())
    assert nulls(array).tolist() == [item is None for item in array.to_pylist()]
    assert without_nulls(array).to_pylist() == wanted
    assert without_nulls(array).type == kind


def test_an_array_without_nulls_is_not_copied():
    array = pa.array([1, 2, 3], pa.int64())
    assert plain(array).ctypes.data == array.buffers()[1].address
    assert without_nulls(array) is array


RUN = """
import sys
import venues
from feeds.catalog import Catalog
from backtest import Backtest, Strategy

class Idle(Strategy):
    def on_trade(self, event):
        pass

data = Catalog(sys.argv[1]).dataset("binance_usdm", "BTC/USDT:USDT")
Backtest(data, Idle(), venues=venues.Venue("binance_usdm", balances={"USDT": 1000})).run()
print("pandas" in sys.modules)
"""


def test_a_run_from_files_does_not_import_pandas(tmp_path):
    catalog = Catalog(tmp_path)
    for stream in feeds.sample().streams:
        catalog.write(
            stream.venue,
            stream.symbol,
            join_kind(stream.kind, stream.timeframe_ns),
            stream.table(),
            source="test",
        )
    done = subprocess.run([sys.executable, "-c", RUN, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
