"""What a run does about stretches that its data are known to lack."""

import pytest
from engine_data import LINEAR, USDM, Listener, account, constant, marks, ns, run, trades

from feeds.dataset import Dataset, Stream
from feeds.errors import FeedError
from feeds.findings import Gap


def holed(reason="suspect"):
    """Trades of which an hour is not to be trusted, and whole marks."""
    whole = constant(60_000, start="00:00", end="04:00")
    tape = next(stream for stream in whole.streams if stream.kind == "trades")
    gap = Gap(ns("01:00"), ns("02:00"), reason, "id gap 5..9")
    streams = [Stream.from_table(USDM, LINEAR, "trades", tape.table(), gaps=[gap])]
    return Dataset([*streams, *(stream for stream in whole.streams if stream.kind != "trades")])


def test_a_stretch_that_must_not_be_trusted_stops_the_run_and_the_message_names_what_accepts_it():
    with pytest.raises(FeedError, match=r"trades: .*suspect.*id gap 5\.\.9.*on_gap='warn'"):
        run(holed(), Listener())


@pytest.mark.parametrize("choice", ["warn", "skip"])
def test_an_accepted_stretch_is_printed(choice):
    result = run(holed("missing"), Listener(), on_gap=choice)
    assert any(row["name"] == "gaps accepted" and row["value"] == "1" for row in result.assumptions)
    assert any("missing" in finding for finding in result.findings)


def test_a_stretch_outside_the_run_is_no_matter():
    assert run(holed(), Listener(), account(), start=ns("02:30")).findings == []


def test_a_hole_in_the_mark_matters_only_while_a_position_is_open():
    prices = [("00:00", 100), ("00:10", 100), ("00:20", 100), ("05:00", 100), ("05:10", 100)]
    tape = [(minute * 600 * 10**9 + ns("00:00"), 100, 1000) for minute in range(32)]
    data = marks(prices) + trades(tape)
    assert run(data, Listener()).findings == []
    script = Listener(("00:15", lambda s: s.buy(LINEAR, quantity=1)))
    with pytest.raises(FeedError, match="a position is open"):
        run(data, script)
    assert any("gap in mark" in finding for finding in run(data, script, on_gap="warn").findings)
