"""A journal above its limit of memory goes to disk and comes back: results are the same, and nothing stays behind."""

import dataclasses
import gc
import resource
import tempfile
from typing import Any

import numpy as np
import pytest
from engine_data import LINEAR, SECOND, account, ns, trades
from pandas.testing import assert_frame_equal

from backtest import Backtest, Strategy
from backtest.errors import SpillError
from backtest.spill import Spill
from backtest.tables import TABLES
from venues.ledger import Ledger

BLOCK = 1 << 16
ROWS = 3 * BLOCK + 100


class Churn(Strategy):
    """Buys and sells in turn at every trade and records its own fills, so that their rows are read as well."""

    _calls = 0

    def on_trade(self, event: Any) -> None:
        """Trade."""
        self._calls += 1
        (self.buy if self._calls % 2 else self.sell)(LINEAR, quantity=0.002)

    def on_fill(self, fill: Any) -> None:
        """Record the price."""
        self.record(price=fill.price)


@pytest.fixture
def spills(tmp_path, monkeypatch):
    """Return the directory in which journals make theirs."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def posted(limit, rows=ROWS):
    """Return a ledger of so many postings and the spill beside it; posting k has k + 1 atoms."""
    ledger = Ledger(1, 1, 1)
    spill = Spill([ledger.postings], limit)
    for k in range(rows):
        ledger.endow(0, 0, k + 1, k)
    return ledger, spill


def test_results_with_and_without_a_spill_are_the_same_bytes(spills, tmp_path_factory):
    start = ns("00:00")
    data = trades([(start + k * SECOND, 60_000 + k % 7, 10) for k in range(2 * BLOCK + 1_000)])
    made = {}
    for name, limit in (("memory", None), ("disk", 0)):
        run = Backtest(data, Churn(), venues=account(latency="1s"), mark="last")
        if limit is not None:
            run.settings = dataclasses.replace(run.settings, journal_limit=limit)
        made[name] = run.run()
        if limit is None:
            assert not list(spills.iterdir())
    folders = {name: result.save(tmp_path_factory.mktemp(name) / "result") for name, result in made.items()}
    written = {path.stem for path in next(spills.iterdir()).iterdir()}
    assert {"fills", "orders", "series"} <= written
    for file in sorted(folders["memory"].iterdir()):
        assert file.read_bytes() == (folders["disk"] / file.name).read_bytes(), file.name
    assert made["memory"].fingerprint == made["disk"].fingerprint
    assert made["memory"].summary == made["disk"].summary
    for table in ("series", "fills", "ledger", "margin"):
        assert_frame_equal(getattr(made["memory"], table), getattr(made["disk"], table))
    assert set(TABLES) == {path.stem for path in folders["disk"].glob("*.arrow")}


def test_a_row_on_disk_is_still_found_by_its_number(spills):
    ledger, _ = posted(0)
    postings = ledger.postings
    assert postings.written == 2
    assert postings.bytes_held == 2 * postings.block_bytes
    for number in (0, 1, BLOCK - 1, BLOCK, 2 * BLOCK - 1, 2 * BLOCK, ROWS - 1):
        row = postings.row(number)
        assert (int(row["time"]), int(row["amount"])) == (number, number + 1)
    # The two that came back leave again, and are not written twice.
    for k in range(ROWS, 5 * BLOCK + 1):
        ledger.endow(0, 0, k + 1, k)
    assert postings.bytes_held == 2 * postings.block_bytes
    assert postings.written == 4


def test_below_the_limit_nothing_is_written(spills):
    ledger, spill = posted(4 * Ledger(1, 1, 1).postings.block_bytes + 1)
    assert spill.directory is None
    assert ledger.postings.written == 0
    assert [len(block) for block in spill.table(ledger.postings)] == [BLOCK, BLOCK, BLOCK, 100]


def test_the_directory_goes_with_the_result(spills):
    ledger, spill = posted(0)
    table = spill.table(ledger.postings)
    np.testing.assert_array_equal(table.column("amount").to_numpy(), np.arange(1, ROWS + 1))
    assert len(list(spills.iterdir())) == 1
    del ledger, spill
    gc.collect()
    assert not list(spills.iterdir())
    np.testing.assert_array_equal(table.column("time").to_numpy(), np.arange(ROWS))  # mapped: still there


def test_a_disk_that_is_full_is_an_error_that_says_so(spills):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(SpillError, match=r"table 'postings' could not be written to .*levdyn-journal.*TMPDIR"):
            posted(0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    gc.collect()
    assert not list(spills.iterdir())
