"""A table in a zone of its own, and files that are known and refused by what they are."""

from decimal import Decimal
from pathlib import Path

import pytest

from feeds.errors import FeedError
from feeds.formats import refused
from feeds.importing import import_file
from feeds.tables import ints
from feeds.times import time_ns

HEADER = "exchange,pair,contract,open,high,low,close,volume,funding_rate,time_utc"
HOURS = 3_600_000_000_000


def table(path: Path, stamps: list[str], pairs: tuple[str, ...] = ("BTC/USDT", "BTCUSDT", "BTCUSDCM")) -> Path:
    """Write bars of binance at some times; the rate of a row is its place in 1e-5, of spot there is none."""
    rows = [
        f"binance,{pair},{'spot' if '/' in pair else 'perpetual'},100,110,90,105,2.5,"
        f"{'' if '/' in pair else f'0.0000{place + 1}'},{stamp}"
        for place, stamp in enumerate(stamps)
        for pair in pairs
    ]
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def test_rows_of_summer_time_are_moved_and_counted(tmp_path: Path) -> None:
    stamps = ["2024-03-30 16:00:00", "2024-03-31 00:00:00", "2024-03-31 09:00:00", "2024-03-31 17:00:00"]
    result = import_file(table(tmp_path / "all.csv", stamps))
    expected = [time_ns("2024-03-30T16:00") + step * 8 * HOURS for step in range(4)]
    for stream in result.dataset.streams:
        assert ints(stream.table(), "ts").tolist() == expected, stream
    moved = [finding for finding in result.findings if finding.rule == "T4"]
    assert {finding.count for finding in moved} == {2}
    assert {finding.severity for finding in moved} == {"repair"}


def test_each_pair_goes_to_its_venue_and_bars_of_contracts_are_left_out(tmp_path: Path) -> None:
    result = import_file(table(tmp_path / "all.csv", ["2024-01-01 00:00:00", "2024-01-01 08:00:00"]))
    assert {(each.venue, each.symbol, each.kind) for each in result.streams} == {
        ("binance_spot", "BTC/USDT", "bars:8h"),
        ("binance_usdm", "BTC/USDT:USDT", "bars:8h"),
        ("binance_usdm", "BTC/USDT:USDT", "funding"),
        ("binance_coinm", "BTC/USD:BTC", "funding"),
    }
    (inverse,) = (each for each in result.streams if each.venue == "binance_coinm")
    assert [(finding.rule, finding.count) for finding in inverse.findings] == [("V3", 2)]
    (funding,) = (each for each in result.dataset.streams if each.kind == "funding" and each.venue == "binance_usdm")
    assert [Decimal(rate) for rate in ints(funding.table(), "rate").tolist()] == [1, 2]


def test_rows_that_are_hours_off_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="T4"):
        import_file(table(tmp_path / "all.csv", ["2024-01-01 02:00:00", "2024-01-01 10:00:00"]))


@pytest.mark.parametrize("known", refused._KNOWN, ids=[each[1] for each in refused._KNOWN])
def test_known_file_that_fits_no_kind_is_refused_by_what_it_is(
    tmp_path: Path, known: tuple[tuple[str, ...], str, str]
) -> None:
    words, what, why = known
    path = tmp_path / "file.csv"
    path.write_text(",".join(words) + "\n" + ",".join("1" for _ in words) + "\n")
    with pytest.raises(FeedError) as caught:
        import_file(path, venue="hyperliquid", symbol="BTC/USDC:USDC")
    assert all(text in str(caught.value) for text in ("file.csv", what, why, "nothing was written"))
