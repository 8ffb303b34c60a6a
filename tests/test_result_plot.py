"""What a notebook shows of a result: an interactive figure and the first sections of the tear sheet."""

import html
import re

import generators_results as g
import numpy as np
import pytest

from backtest.result_plot import BUCKETS


@pytest.fixture(scope="module")
def result():
    return g.long_run(days=75).finish()


def test_the_figure_has_the_lines_of_the_run_in_their_units(result):
    made = result.plot()
    lines = {trace.name: trace for trace in made.data}
    assert {"equity", "drawdown"} < set(lines)
    run = result.curve
    assert lines["equity"].y[0] == run.equity[0]
    assert lines["equity"].y[-1] == run.equity[-1]
    assert min(lines["equity"].y) == run.equity.min()
    assert min(lines["drawdown"].y) == pytest.approx(result.summary["max_drawdown"])
    assert lines["equity"].x[0] == np.datetime64(int(run.times[0]), "ns").astype("datetime64[us]").item()
    assert len({axis.matches for axis in made.select_xaxes()} - {None}) == 1  # one zoom for all
    assert {"equity, USDT"} <= {axis.title.text for axis in made.select_yaxes()}


def test_a_long_line_is_thinned_and_keeps_its_extremes(result):
    for trace in result.plot().data:
        assert len(trace.y) <= 4 * BUCKETS + 1


def test_what_happened_is_marked(result):
    texts = [note.hovertext for note in result.plot().layout.annotations]
    forced = len(np.unique(result.store.columns("liquidations")["episode"]))
    assert sum(text.startswith("liquidation") for text in texts) == forced
    calls = result.margin_calls
    assert sum(text.startswith(("margin call", "own alert")) for text in texts) == int(calls["active"].sum())


@pytest.mark.parametrize("make", ["empty", "ruin", "carry"])
def test_other_runs_can_be_drawn_too(make):
    found = getattr(g, make)().finish()
    assert found.plot().to_json()
    assert "<iframe" in found._repr_html_()


def test_a_notebook_shows_the_first_sections_in_a_frame(result):
    frame = result._repr_html_()
    inner = html.unescape(re.search(r'srcdoc="(.*?)"', frame, re.DOTALL)[1])
    assert inner.startswith("<!DOCTYPE html>")
    for name in ("assumptions", "headline", "where-it-came-from", "equity"):
        assert f'id="{name}"' in inner
    assert 'id="trades"' not in inner
    assert "<style" not in frame
