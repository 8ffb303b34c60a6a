"""Results on disk: what is loaded is what was saved, or an error that names the place."""

import json
import subprocess
import sys
from pathlib import Path

import generators_results as g
import pandas as pd
import pytest

import backtest.result_storage as storage
from backtest import tables
from backtest.errors import ConfigError
from backtest.result import Result


def digests(path):
    return {file.name: file.read_bytes() for file in sorted(Path(path).iterdir())}


@pytest.mark.parametrize("make", [g.carry, g.empty], ids=["carry", "empty"])
def test_a_loaded_result_equals_the_saved_one(make, tmp_path):
    result = make().finish()
    loaded = Result.load(result.save(tmp_path / "run"))
    assert loaded.meta == result.meta
    assert str(loaded) == str(result)
    for name in g.FRAMES:
        pd.testing.assert_frame_equal(getattr(loaded, name), getattr(result, name))
        assert getattr(loaded, name).attrs == getattr(result, name).attrs


def test_bytes_do_not_depend_on_how_the_journal_was_cut(tmp_path):
    meta, arrays = g.parts(g.carry())
    blocks = {name: [rows[:3], rows[3:4], rows[4:]] for name, rows in arrays.items()}
    Result(meta, arrays).save(tmp_path / "a")
    Result(meta, blocks).save(tmp_path / "b")
    Result.load(tmp_path / "a").save(tmp_path / "c")
    assert digests(tmp_path / "a") == digests(tmp_path / "b") == digests(tmp_path / "c")


def test_saving_again_replaces_an_earlier_result_and_leaves_nothing_else(tmp_path):
    g.empty().finish().save(tmp_path / "run")
    result = g.carry().finish()
    result.save(tmp_path / "run")
    assert Result.load(tmp_path / "run").summary == result.summary
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_loaded_result_can_be_saved_over_itself(tmp_path):
    g.carry().finish().save(tmp_path / "run")
    before = digests(tmp_path / "run")
    Result.load(tmp_path / "run").save(tmp_path / "run")
    assert digests(tmp_path / "run") == before


def test_a_folder_that_is_not_a_result_is_not_replaced(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(ConfigError, match="not a result"):
        g.empty().finish().save(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "x"


def test_a_failed_save_leaves_the_earlier_result_and_no_other_file(tmp_path, monkeypatch):
    result = g.carry().finish()
    result.save(tmp_path / "run")
    before = digests(tmp_path / "run")

    def fail(definition):
        if definition.name == "orders":
            raise OSError("disk full")
        return real(definition)

    real = storage.arrow_schema
    monkeypatch.setattr(storage, "arrow_schema", fail)
    with pytest.raises(OSError, match="disk full"):
        g.empty().finish().save(tmp_path / "run")
    assert digests(tmp_path / "run") == before
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_newer_major_version_is_refused(tmp_path):
    path = g.empty().finish().save(tmp_path / "run")
    content = json.loads((path / "meta.json").read_text())
    (path / "meta.json").write_text(json.dumps(content | {"version": [tables.VERSION[0] + 1, 0]}))
    with pytest.raises(ConfigError, match="install a newer levdyn"):
        Result.load(path)


def test_a_newer_minor_version_with_one_more_table_is_read(tmp_path):
    path = g.empty().finish().save(tmp_path / "run")
    content = json.loads((path / "meta.json").read_text())
    content["tables"]["options"] = 3
    (path / "meta.json").write_text(json.dumps(content | {"version": [tables.VERSION[0], 99]}))
    assert Result.load(path).summary["return"] == 0


def damage_missing_meta(path):
    (path / "meta.json").unlink()


def damage_missing_table(path):
    (path / "fills.arrow").unlink()


def damage_truncated_table(path):
    file = path / "ledger.arrow"
    file.write_bytes(file.read_bytes()[:-200])


def damage_fewer_rows(path):
    (path / "fills.arrow").write_bytes((path.parent / "other" / "fills.arrow").read_bytes())


def damage_meta(path):
    file = path / "meta.json"
    file.write_text(file.read_text()[:100])


def damage_other_json(path):
    (path / "meta.json").write_text('{"format": "parquet"}')


@pytest.mark.parametrize(
    "damage",
    [damage_missing_meta, damage_missing_table, damage_truncated_table, damage_fewer_rows, damage_meta,
     damage_other_json],
)  # fmt: skip
def test_a_directory_that_is_not_whole_is_refused(damage, tmp_path):
    path = g.carry().finish().save(tmp_path / "run")
    g.empty().finish().save(tmp_path / "other")
    damage(path)
    with pytest.raises(ConfigError, match=str(path)):
        Result.load(path)


def test_files_hold_units_and_utc_times_for_other_programs(tmp_path):
    import pyarrow as pa

    path = g.carry().finish().save(tmp_path / "run")
    table = pa.ipc.open_file(str(path / "fills.arrow")).read_all()
    assert str(table.schema.field("time").type) == "timestamp[ns, tz=UTC]"
    assert table.schema.field("fee").metadata[b"unit"] == b"atoms:fee_asset"


def test_meta_data_that_json_cannot_hold_is_refused():
    meta, arrays = g.parts(g.empty())
    with pytest.raises(ValueError, match="JSON"):
        Result(meta | {"config": {"x": float("nan")}}, arrays)


def test_importing_the_result_loads_no_heavy_library(tmp_path):
    home = str(Path(storage.__file__).parent.parent)
    code = (
        f"import sys; sys.path.insert(0, {home!r}); import backtest.result, backtest.report; "
        "print([m for m in ('pandas', 'pyarrow', 'quantstats', 'matplotlib', 'plotly') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
