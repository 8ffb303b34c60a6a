"""Putting a catalog in order: what is finished, rewritten, set aside, and what is never deleted."""

import os
from pathlib import Path

import feed_rows as rows
import numpy as np
import pyarrow as pa
import pytest

from feeds.catalog import Catalog
from feeds.errors import FeedError
from feeds.repair import SET_ASIDE, repair
from feeds.store import DATA, LEDGER, PENDING
from feeds.validation import validate


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    found = Catalog(tmp_path / "catalog")
    found.write(rows.VENUE, rows.SYMBOL, "trades", rows.trades(3 * 24, step=rows.HOUR), source="a")
    found.write(rows.VENUE, rows.SYMBOL, "funding", rows.funding(9), source="b")
    return found


def everything(folder: str) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}


def test_a_sound_catalog_is_not_touched(catalog: Catalog) -> None:
    before = everything(catalog.root)
    assert repair(catalog.root) == []
    assert everything(catalog.root) == before


@pytest.mark.parametrize("name", [DATA, LEDGER])
def test_a_damaged_partition_is_set_aside_and_its_place_can_be_filled_again(catalog: Catalog, name: str) -> None:
    path = Path(next(iter(catalog.partitions())).path)
    damaged = bytearray((path / name).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (path / name).write_bytes(damaged)
    assert [each.what for each in repair(catalog.root, dry_run=True)] == ["set aside"]
    assert path.exists()
    (done,) = repair(catalog.root)
    assert (done.what, done.is_loss, path.exists()) == ("set aside", True, False)
    kept = [file for file in (Path(catalog.root) / SET_ASIDE).rglob(name) if file.is_file()]
    assert [file.read_bytes() for file in kept] == [damaged]
    assert [row.rule for row in validate(catalog).rows] == []  # the first day is no gap: nothing is before it
    catalog.write(rows.VENUE, rows.SYMBOL, "trades", rows.trades(24, step=rows.HOUR), source="a")
    assert repair(catalog.root) == []


def test_what_is_set_aside_twice_is_kept_twice(catalog: Catalog) -> None:
    for _ in range(2):
        path = Path(next(iter(catalog.partitions())).path)
        (path / DATA).write_bytes(b"not Parquet")
        assert [each.what for each in repair(catalog.root)] == ["set aside"]
        catalog.write(rows.VENUE, rows.SYMBOL, "trades", rows.trades(24, step=rows.HOUR), source="a")
    assert len(list((Path(catalog.root) / SET_ASIDE).rglob(DATA))) == 2


def test_repeated_rows_are_dropped_and_the_ledger_says_so(catalog: Catalog) -> None:
    table = rows.trades(10, start=rows.START + 5 * rows.DAY, first_id=5000)
    doubled = pa.concat_tables([table, table]).combine_chunks().sort_by([("ts", "ascending"), ("id", "ascending")])
    catalog.write(rows.VENUE, rows.SYMBOL, "trades", doubled, source="a")
    assert "D1" in {row.rule for row in validate(catalog).rows}
    (would,) = repair(catalog.root, dry_run=True)
    (done,) = repair(catalog.root)
    assert would == done
    assert (done.what, done.is_loss, done.detail) == ("rewritten", False, "10 rows fewer: D1 (10)")
    part = [each for each in catalog.partitions() if each.kind == "trades"][-1]
    assert part.rows == 10
    assert [each.rule for each in part.findings] == ["D1"]
    assert "D1" not in {row.rule for row in validate(catalog).rows}
    assert repair(catalog.root) == []


def test_rows_that_a_rule_rejects_stay_and_are_named(catalog: Catalog) -> None:
    table = rows.trades(10, start=rows.START + 5 * rows.DAY, first_id=5000, price=np.zeros(10, dtype=np.int64))
    catalog.write(rows.VENUE, rows.SYMBOL, "trades", table, source="a")
    before = everything(catalog.root)
    (found,) = repair(catalog.root)
    assert (found.what, found.is_loss) == ("cannot", True)
    assert everything(catalog.root) == before


def test_writes_that_were_killed_are_finished(catalog: Catalog) -> None:
    path = Path(next(iter(catalog.partitions())).path)
    before = everything(catalog.root)
    (path / f"{DATA}.1.999999999.part").write_bytes(b"half")
    (path / PENDING).write_bytes((path / LEDGER).read_bytes())
    (done,) = repair(catalog.root)
    assert (done.what, done.is_loss) == ("finished", False)
    assert everything(catalog.root) == before


def test_data_without_a_ledger_was_never_finished(catalog: Catalog) -> None:
    path = Path(next(iter(catalog.partitions())).path)
    os.unlink(path / LEDGER)
    assert [each.detail for each in repair(catalog.root)] == ["data without a ledger: it was never finished"]


@pytest.mark.parametrize("root", ["nowhere", "memory://x"])
def test_only_a_local_catalog_is_repaired(tmp_path: Path, root: str) -> None:
    with pytest.raises(FeedError, match="only such a one is repaired"):
        repair(root if "://" in root else tmp_path / root)
