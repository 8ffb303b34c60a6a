"""The still picture of a result, and what the command writes beside the tear sheet."""

import struct

import engine_data as ed
import pytest

import feeds
import venues
from backtest import Backtest, ConfigError
from backtest.demo import BuyAndHold


@pytest.fixture(scope="module")
def ruined():
    account = venues.Venue(ed.USDM, balances={"USDT": 10_000})
    data = feeds.sample(symbols=[ed.LINEAR], days=7)
    return Backtest(data, BuyAndHold(leverage=6), venues=account).run()


def size(path):
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", content[16:24])


def test_it_is_a_png_of_the_size_asked_for_and_the_same_each_time(ruined, tmp_path):
    first = ruined.picture(tmp_path / "new" / "a.png", width=6, dpi=100)
    assert size(first) == (600, 510)
    assert first.read_bytes() == ruined.picture(tmp_path / "b.png", width=6, dpi=100).read_bytes()


def test_a_run_without_a_trade_has_a_picture_too(tmp_path):
    from backtest import Strategy

    account = venues.Venue(ed.USDM, balances={"USDT": 10_000})
    idle = Backtest(feeds.sample(symbols=[ed.LINEAR], days=1), Strategy(), venues=account).run()
    assert size(idle.picture(tmp_path / "idle.png"))[0] == 1296


def test_another_kind_of_file_is_refused(ruined, tmp_path):
    with pytest.raises(ConfigError, match="must end in"):
        ruined.picture(tmp_path / "a.pdf")


def test_the_command_writes_a_small_page_a_picture_and_what_the_sharpe_ratio_is_worth(ruined, levdyn, tmp_path):
    ruined.save(tmp_path / "run")
    done = levdyn("report", "run", "--still", "--picture", "curve.png", "--trials", "3", "--variance", "0.01")
    assert done.code == 0, done.err
    page = (tmp_path / "run" / "tear_sheet.html").read_text()
    assert 'id="track-record"' in page
    assert 'id="library"' not in page
    size(tmp_path / "curve.png")
    assert 'id="library"' in (levdyn("report", "run") and (tmp_path / "run" / "tear_sheet.html").read_text())
    assert 'id="track-record"' not in (tmp_path / "run" / "tear_sheet.html").read_text()
    assert "--variance" in levdyn("report", "run", "--trials", "3").err
    assert "no effect" in levdyn("report", "run", "--variance", "0.1").err
