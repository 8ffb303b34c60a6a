"""Every parser on damaged files: rows, or a FeedError, and never half a partition."""

from contextlib import suppress
from pathlib import Path

import pytest
import vendor_files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.catalog import Catalog
from feeds.errors import FeedError
from feeds.importing import import_file
from feeds.validation import validate

SAMPLES = vendor_files.SAMPLES
# What breaks parsers in the wild: empty cells, other units, words for no number, quotes, other alphabets, markup.
BITS = (
    *(
        "",
        ",",
        "\n",
        '"',
        "nan",
        "-1",
        "1e400",
        "inf",
        "null",
        "[]",
        "{}",
        "0",
        "9" * 25,
        "<html>",
        "\x00",
        "é",
        "=1+1",
    ),
    *("1704067200", "1704067200000000", "2024-13-45", "true", "../../x", "BTC/USDT"),
)

damage = st.tuples(st.integers(0, 10**6), st.integers(0, 12), st.sampled_from(BITS))


def damaged(text: str, changes: list[tuple[int, int, str]]) -> str:
    for place, length, bit in changes:
        at = place % (len(text) + 1)
        text = text[:at] + bit + text[at + length :]
    return text


@pytest.mark.parametrize("name", SAMPLES)
def test_a_good_file_is_recognised_by_its_content(tmp_path: Path, name: str) -> None:
    sample = SAMPLES[name]
    (tmp_path / sample.name).write_text(sample.text)
    result = import_file(tmp_path / sample.name, **sample.options)
    assert result.format == name
    assert result.rows_out > 0
    assert not [each for each in result.findings if each.severity == "fatal"]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_stored_file_reads_back_valid_and_again_changes_nothing(tmp_path: Path, name: str) -> None:
    sample = SAMPLES[name]
    (tmp_path / sample.name).write_text(sample.text)
    catalog = Catalog(tmp_path / "catalog")
    result = import_file(tmp_path / sample.name, catalog=catalog, **sample.options)
    assert sum(part.rows for part in catalog.partitions()) == result.rows_out
    assert validate(catalog).exit_code < 2
    before = {path: path.read_bytes() for path in (tmp_path / "catalog").rglob("*") if path.is_file()}
    import_file(tmp_path / sample.name, catalog=catalog, **sample.options)
    assert before == {path: path.read_bytes() for path in (tmp_path / "catalog").rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(changes=st.lists(damage, min_size=1, max_size=4))
def test_a_damaged_file_gives_rows_or_an_error_that_says_what_is_wrong(
    tmp_path: Path, name: str, changes: list[tuple[int, int, str]]
) -> None:
    sample = SAMPLES[name]
    path = tmp_path / sample.name
    path.write_bytes(damaged(sample.text, changes).encode(errors="surrogatepass"))
    for format in ("auto", name):
        with suppress(FeedError):
            assert import_file(path, format=format, **sample.options).rows_out > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(changes=st.lists(damage, min_size=1, max_size=4))
def test_a_damaged_file_never_leaves_half_a_partition(
    tmp_path_factory: pytest.TempPathFactory, name: str, changes: list[tuple[int, int, str]]
) -> None:
    sample = SAMPLES[name]
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / sample.name).write_bytes(damaged(sample.text, changes).encode(errors="surrogatepass"))
    catalog = Catalog(folder / "catalog")
    try:
        result = import_file(folder / sample.name, catalog=catalog, **sample.options)
    except FeedError:
        assert not (folder / "catalog").exists()
    else:
        assert sum(part.verify().num_rows for part in catalog.partitions()) == result.rows_out
    assert {path.name for path in folder.iterdir()} <= {sample.name, "catalog"}
