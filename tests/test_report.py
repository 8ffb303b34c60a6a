"""The tear sheet: whole, escaped, self-contained, with the numbers of the run; charts that keep the extremes."""

import base64
import gzip
import hashlib
import json
import re
from decimal import Decimal
from html.parser import HTMLParser
from itertools import pairwise

import generators_results as g
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.report import page
from backtest.report_axes import downsample, time_ticks, value_axis
from backtest.report_charts import Line, Mark, chart
from backtest.report_html import Html, element, table
from backtest.report_series import MAX_POOLS, cumulative, pools
from backtest.result_storage import Store
from backtest.result_text import decimals_of, money, percent

VOID = {"meta", "br", "hr", "img", "link", "input"}
SECTIONS = [
    "assumptions", "headline", "where-it-came-from", "equity", "leverage", "liquidations", "funding", "trades",
    "orders", "months", "statistics", "other-orders-of-the-same-days", "provenance",
]  # fmt: skip


class Reader(HTMLParser):
    """Collects tags, attributes and text; fails on a tag that is not closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.ids, self.text = [], [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.ids += [value for key, value in attrs if key == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> without a beginning"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data):
        if data.strip() and self.open[-1] not in ("style", "title", "script"):
            self.text.append(data.strip())


@pytest.fixture(scope="module")
def long_result():
    return g.long_run(days=75).finish()


@pytest.fixture(scope="module")
def long_page(long_result):
    return page(long_result)


def all_pages():
    return {"carry": g.carry, "ruin": g.ruin, "empty": g.empty}


# The page


@pytest.mark.parametrize("make", all_pages().values(), ids=all_pages())
def test_every_section_is_there_in_order_and_every_tag_is_closed(make):
    ids = Reader(page(make().finish())).ids
    assert [name for name in ids if name in SECTIONS] == SECTIONS


def test_the_assumptions_come_before_any_number(long_page):
    text = Reader(long_page).text
    first = text.index("Assumptions")
    assert first < text.index("return")
    assert text.index("your choice") < text.index("return")
    assert any("Mark gap of 12 minutes" in part for part in text[first : text.index("return")])


def test_nothing_is_fetched_and_nothing_runs_but_the_two_scripts_of_the_page(long_page):
    reader = Reader(long_page)
    assert not {"link", "iframe", "img", "object", "embed", "form"} & set(reader.tags)
    assert not [value for key, value in reader.attributes if key in ("src", "href", "xlink:href", "action")]
    assert not [key for key, _ in reader.attributes if key.startswith("on")]
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", long_page, re.DOTALL)
    assert [attributes for attributes, _ in scripts] == [' type="text/plain" id="library"', ""]
    bare = re.sub(r"<script.*?</script>|data-live=\"[^\"]*\"", "", long_page, flags=re.DOTALL)
    assert "http" not in bare.replace("http-equiv", "")
    assert "url(" not in bare
    assert "@import" not in bare
    plotly = gzip.decompress(base64.b64decode(scripts[0][1])).decode()
    assert "Licensed under the MIT license" in plotly[:300]
    allowed = " ".join(f"'sha256-{digest(text)}'" for text in (scripts[1][1], plotly))
    policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; script-src {allowed}"
    assert policy in [value for _, value in reader.attributes]


def digest(text):
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_a_page_of_pictures_only_has_no_library(long_result):
    made = page(long_result, interactive=False)
    assert "library" not in Reader(made).ids
    assert "data-live=" not in made
    assert len(made) < 800_000


def test_the_data_of_a_chart_are_those_of_its_line(long_result, long_page):
    """Extremes kept, seven digits, times in ms since the beginning."""
    data = [
        json.loads(gzip.decompress(base64.b64decode(text))) for text in re.findall('data-live="([^"]*)"', long_page)
    ]
    equity = next(each for each in data if each["title"] == "Equity, USDT")
    (line,) = equity["lines"]
    run = long_result.curve
    assert (equity["start"], equity["end"]) == (
        long_result.meta["start_ns"] // 10**6,
        long_result.meta["end_ns"] // 10**6,
    )
    assert (max(line["y"]), min(line["y"])) == pytest.approx((run.equity.max(), run.equity.min()), rel=1e-6)
    assert (line["x"][0], line["x"][-1]) == (0, (run.times[-1] - long_result.meta["start_ns"]) // 10**6)
    assert equity["hover"] == "%{y:,.2f} USDT"
    assert any(kind == "liquidation" for _, kind, _ in equity["marks"])


def test_text_of_the_run_is_escaped():
    run = g.carry()
    nasty = '<script>alert("x")</script>&amp;'
    run.tags = [nasty, nasty]
    run.row("log", text=0, strategy=0)
    run.row("series", value=1.5, name=0, strategy=0)
    run.meta = {
        "texts": [nasty], "series": [nasty], "strategies": [nasty], "warnings": [nasty], "findings": [nasty],
        "assumptions": [{"name": nasty, "value": nasty, "note": nasty, "is_choice": True}],
        "config": {nasty: nasty}, "fingerprint": nasty, "versions": {nasty: nasty},
        "rules": [dict.fromkeys(("name", "value", "from", "source"), nasty)],
        "data": [dict.fromkeys(("name", "rows", "from", "to", "note"), nasty)],
    }  # fmt: skip
    made = page(run.finish())
    reader = Reader(made)
    assert reader.tags.count("script") == 2  # those of the page
    assert sum(nasty in part for part in reader.text) >= 14


def test_headline_figures_are_those_of_the_summary(long_result, long_page):
    text = Reader(long_page).text
    found = long_result.summary
    assert text[text.index("return") + 1] == percent(found["return"])
    assert text[text.index("equity") + 1] == money(found["end_equity"])
    assert text[text.index("max drawdown") + 1] == percent(found["max_drawdown"])
    assert text[text.index("liquidations") + 1] == "1" == str(found["liquidations"])
    assert text[text.index("highest margin ratio") + 1] == percent(found["max_margin_ratio"], 1)


def test_the_waterfall_adds_up_to_the_cent(long_result, long_page):
    text = Reader(long_page).text
    block = text[text.index("price at decision") : text.index("change of equity") + 2]
    amounts = [Decimal(part.replace(",", "")) for part in block if re.fullmatch(r"-?[\d,]+\.\d\d", part)]
    assert len(amounts) == len(block) // 2
    assert sum(amounts[:-1]) == amounts[-1]
    assert float(amounts[-1]) == pytest.approx(long_result.summary["change"], abs=0.01)


def test_each_row_of_the_tables_by_group_and_month_adds_up(long_page):
    for heading in ("By symbol", "By venue", "By tag"):
        block = long_page[long_page.index(heading) :]
        rows = re.findall(r"<tr>(.*?)</tr>", block[: block.index("</table>")])[1:]
        for row in rows:
            cells = re.findall(r"<td[^>]*>(.*?)</td>", row)
            numbers = [Decimal(cell.replace(",", "")) for cell in cells[1:]]
            assert len(numbers) > 4
            assert sum(numbers[:-2]) == numbers[-2], row  # change, then deposits


def test_the_liquidation_log_names_trigger_price_and_payer(long_result, long_page):
    text = Reader(long_page).text
    block = text[text.index("Liquidations") : text.index("Margin calls and alerts")]
    step = long_result.liquidations.iloc[1]
    assert f"{step.trigger_mark:,.8g}" in block
    assert "liquidation 1.2" in block
    assert "insurance fund" in block
    assert "900.00" in block


def test_rejected_orders_are_counted_with_their_reason(long_page):
    text = Reader(long_page).text
    block = text[text.index("Orders") : text.index("Months")]
    assert block[block.index("insufficient margin") + 1] == "20"  # every 90 hours of 75 days


def test_months_have_the_time_weighted_return(long_result, long_page):
    text = Reader(long_page).text
    block = text[text.index("Months") : text.index("Statistics")]
    for time, value in long_result.returns("MS").items():
        assert block[block.index(f"{time:%Y-%m}") + 1] == percent(value)


def test_recorded_series_and_log_are_shown(long_page):
    text = Reader(long_page).text
    block = text[text.index("Recorded by the strategy") :]
    assert "funding_apr" in block
    assert "entered <b>long</b> & happy" in block


def test_times_in_the_provenance_are_dates():
    run = g.empty()
    run.meta = {
        "rules": [{"name": "tiers", "value": "10", "from": g.START, "source": "s", "verified": False},
                  {"name": "fees", "value": "1", "from": 0, "source": "s", "verified": True}],
        "data": [{"name": "trades", "rows": 12_345, "from": g.START, "to": g.START + g.DAY, "note": ""}],
    }  # fmt: skip
    text = Reader(page(run.finish())).text
    assert text[text.index("trades") + 1 :][:3] == ["12,345", "2025-02-01 00:00", "2025-02-02 00:00"]
    assert text[text.index("tiers") :][:5] == ["tiers", "10", "2025-02-01 00:00", "s", "no"]
    assert text[text.index("fees", text.index("tiers")) :][:5] == ["fees", "1", "always", "s", "yes"]


def test_few_days_are_said_to_be_few():
    assert "Of 1 daily return (UTC)" in page(g.ruin().finish())
    assert "Fewer than 30 days" in page(g.ruin().finish())
    assert "Fewer than 30 days" not in page(g.carry().finish())  # 30 days


def test_the_configuration_can_be_read_back(long_page):
    shown = re.search(r"<pre>(.*?)</pre>", long_page, re.DOTALL).group(1)
    import html

    assert json.loads(html.unescape(shown))["strategy"]["units"] == 4


@pytest.mark.parametrize("make", all_pages().values(), ids=all_pages())
def test_no_number_is_nan(make):
    text = " ".join(Reader(page(make().finish())).text).lower()
    assert not re.search(r"\bnan\b|\binf\b|none %", text)


def test_the_same_result_gives_the_same_page(long_result, long_page, tmp_path):
    path = long_result.tear_sheet(tmp_path / "new" / "report.html")
    assert path.read_text(encoding="utf-8") == long_page
    assert list(path.parent.iterdir()) == [path]


def test_a_page_of_many_samples_stays_small():
    run = g.Run().begin(usdm_usdt=10_000 * 10**8)
    run.at(g.HOUR).fill(g.LINEAR, 1_000, 6_000_000, decision=6_000_000)
    rng = np.random.default_rng(0)
    for minute in range(20_000):
        run.at(2 * g.HOUR + minute * g.HOUR // 60).marks[g.LINEAR] = 6_000_000 + int(rng.integers(-9_999, 9_999))
        run.sample()
    result = run.finish()
    assert len(page(result, interactive=False)) < 400_000
    assert len(page(result)) < 3_000_000


# Lines


def test_lines_over_time_end_at_the_attribution():
    result = g.carry().finish()
    lines = {line.name: line.values[-1] for line in cumulative(result.store, result.curve)}
    found = result.summary
    assert lines["price at decision"] == pytest.approx(found["price_pnl"])
    assert lines["slippage"] == pytest.approx(found["slippage"])
    assert lines["funding"] == pytest.approx(found["funding"])
    assert lines["fees"] == pytest.approx(found["fees"])  # what was kept of a transfer is in it
    assert lines["revaluation of balances"] == pytest.approx(found["revaluation"])


def test_liquidation_costs_are_not_in_the_line_of_slippage():
    result = g.ruin().finish()
    lines = {line.name: line.values[-1] for line in cumulative(result.store, result.curve)}
    assert lines == pytest.approx({"price at decision": -3_500, "liquidation less insurance": 500})


def test_many_pools_become_the_worst_of_them():
    run = g.carry()
    meta, arrays = run.finish().meta, run.arrays()
    margin = np.repeat(arrays["margin"][:1], MAX_POOLS + 1)
    margin["asset"], margin["instrument"] = -1, -1
    margin["account"] = np.arange(MAX_POOLS + 1)
    margin["ratio"] = np.linspace(0.1, 0.6, MAX_POOLS + 1)
    margin["distance"] = np.linspace(0.9, 0.2, MAX_POOLS + 1)
    assert len(meta["accounts"]) > MAX_POOLS
    store = Store(meta, arrays | {"margin": margin})
    (worst,) = pools(store, meta["start_ns"], meta["end_ns"])
    assert (worst.name, worst.ratio.max(), worst.distance.min()) == ("worst of 6 pools", 0.6, 0.2)


def test_a_pool_that_was_not_sampled_for_long_has_a_gap():
    run = g.Run().begin(usdm_usdt=10_000 * 10**8)
    run.at(g.HOUR).fill(g.LINEAR, 1_000, 6_000_000)
    for hour in (1, 2, 3, 4, 30, 31, 32):
        run.at(hour * g.HOUR).sample()
    result = run.finish()
    (pool,) = pools(result.store, result.meta["start_ns"], result.meta["end_ns"])
    assert np.isnan(pool.leverage).tolist() == [False] * 4 + [True] + [False] * 4
    assert (np.diff(pool.times) >= 0).all()


# Charts

SPAN = {"start": 0, "end": 1000, "form": lambda value: f"{value:g}"}


def paths_of(made):
    return re.findall(r' d="([^"]*)"', made)


def points_of(path):
    return [tuple(map(float, pair.split(","))) for pair in re.findall(r"[\d.-]+,[\d.-]+", path)]


def test_a_line_lies_where_its_values_are():
    made = chart("x", [Line("a", np.array([0, 500, 1000]), np.array([0.0, 10.0, 5.0]))], height=100, **SPAN)
    (path,) = paths_of(made)
    (x0, y0), (x1, y1), (x2, y2) = points_of(path)
    assert (x0, x1, x2) == (0.0, 500.0, 1000.0)
    assert y0 == 100.0  # the zero at which the values end is the edge
    assert 0.0 < y1 < 10.0
    assert y2 == pytest.approx((y0 + y1) / 2, abs=0.1)


def test_a_line_breaks_where_it_has_no_value():
    values = np.array([1.0, 2.0, np.nan, np.inf, 3.0, 4.0])
    (path,) = paths_of(chart("x", [Line("a", np.arange(6) * 200, values)], **SPAN))
    assert path.count("M") == 2


def test_a_chart_of_one_point_draws_it():
    (path,) = paths_of(chart("x", [Line("a", np.array([500]), np.array([2.0]))], **SPAN))
    assert len(path) > 0


def test_a_chart_without_values_says_so():
    made = chart("x", [Line("a", np.array([], dtype=np.int64), np.array([]))], **SPAN)
    assert "Nothing to show" in made
    assert "<svg" not in made


def test_values_above_the_cap_are_drawn_at_it_and_said_to_be():
    made = chart("x", [Line("a", np.array([0, 500, 1000]), np.array([1.0, 900.0, 2.0]))], cap=4.0, height=100, **SPAN)
    assert "drawn up to 4, highest 900" in made
    (_, one), (_, cut), (_, two) = points_of(paths_of(made)[0])
    assert (one - two) * 3 == pytest.approx(one - cut, abs=0.3)  # drawn at 4, not at 900


def test_a_level_far_from_the_lines_is_left_out():
    line = Line("a", np.array([0, 1000]), np.array([0.01, 0.02]))
    assert "liquidation" not in chart("x", [line], references=((1.0, "liquidation"),), **SPAN)
    near = Line("a", np.array([0, 1000]), np.array([0.2, 0.8]))
    assert "liquidation" in chart("x", [near], references=((1.0, "liquidation"),), **SPAN)


def test_marks_at_one_place_are_counted_and_the_gravest_is_drawn_last():
    line = Line("a", np.array([0, 1000]), np.array([1.0, 2.0]))
    marks = [Mark(500, "liquidation", "L"), Mark(501, "liquidation", "L"), Mark(500, "flow", "F")]
    made = chart("x", [line], marks=marks, **SPAN)
    assert "L (and 1 more)" in made
    assert made.index("mark flow") < made.index("mark liquidation")


def test_a_chart_describes_itself_to_those_who_do_not_see_it():
    made = chart("Equity", [Line("a", np.array([0, 1000]), np.array([1.0, 2.0]))], **SPAN)
    assert 'aria-label="Equity: from 1 to 2"' in made


VALUES = st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(np.nan), st.just(np.inf)), min_size=1, max_size=400)


@given(VALUES, st.integers(1, 12))
def test_downsampling_keeps_the_extremes_the_ends_and_the_gaps(values, buckets):
    values = np.array(values)
    times = np.arange(len(values)) * 10
    kept_times, kept = downsample(times, values, 0, int(times[-1]) + 1, buckets)
    assert len(kept) <= max(5 * (buckets + 1), 4 * buckets)
    assert (np.diff(kept_times) > 0).all()
    assert (kept_times[0], kept_times[-1]) == (times[0], times[-1])
    assert np.isfinite(kept).all() == np.isfinite(values).all()
    finite = values[np.isfinite(values)]
    if len(finite):
        shown = kept[np.isfinite(kept)]
        assert (shown.min(), shown.max()) == (finite.min(), finite.max())
    np.testing.assert_array_equal(kept, values[np.searchsorted(times, kept_times)])


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9))
def test_the_value_axis_holds_the_values_between_round_ticks(low, span):
    ticks, bottom, top = value_axis(low, low + span)
    assert bottom <= low
    assert low + span <= top
    assert 2 <= len(ticks) <= 8
    assert all(a < b for a, b in pairwise(ticks))
    assert not any(str(tick).startswith("-0.0") and tick == 0 for tick in ticks)


@pytest.mark.parametrize(
    ("start", "end", "labels"),
    [
        ("2025-02-01T00:00", "2025-02-01T06:00", ["1 Feb", "01:00", "02:00", "03:00", "04:00", "05:00", "06:00"]),
        ("2025-02-01T13:00", "2025-02-03T13:00", ["2 Feb", "12:00", "3 Feb", "12:00"]),
        ("2025-02-01", "2025-02-08", ["1 Feb", "3 Feb", "5 Feb", "7 Feb"]),
        ("2025-01-15", "2025-06-20", ["Feb 2025", "Mar 2025", "Apr 2025", "May 2025", "Jun 2025"]),
        ("2020-06-01", "2025-06-01", ["2021", "2022", "2023", "2024", "2025"]),
    ],
)
def test_time_ticks_are_round_moments(start, end, labels):
    first, last = (int(np.datetime64(text, "ns").astype(np.int64)) for text in (start, end))
    found = time_ticks(first, last)
    assert [label for _, label in found] == labels
    assert all(first <= time <= last for time, _ in found)


@given(st.integers(0, 2**60), st.integers(1, 2**61))
def test_there_are_never_many_time_ticks(start, span):
    assert len(time_ticks(start, start + span)) <= 14


# Words


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(1234.5, 2, "1,234.50"), (-0.001, 2, "0.00"), (float("nan"), 2, "–"), (-5.0, 0, "-5"), (0.0, 3, "0.000")],
)
def test_amounts_are_written_plainly(value, decimals, text):
    assert money(value, decimals) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1234, "12.34 %"), (-0.00001, "0.00 %"), (float("inf"), "none"), (float("nan"), "–"), (12.5, "1,250.00 %")],
)
def test_fractions_are_written_in_percent(value, text):
    assert percent(value) == text


@pytest.mark.parametrize(("largest", "decimals"), [(0.0, 2), (100.0, 2), (10.0, 3), (1.0, 4), (0.0001, 8), (1e-12, 8)])
def test_small_amounts_have_more_decimals(largest, decimals):
    assert decimals_of(largest) == decimals


def test_attributes_and_text_are_escaped_and_html_is_not():
    made = element("p", 'a<b>"', Html("<i>x</i>"), class_='q"r', title=None)
    assert made == '<p class="q&quot;r">a&lt;b&gt;&quot;<i>x</i></p>'


def test_negative_numbers_are_marked_and_a_dash_is_not():
    made = table(("a", "b", "c"), [("-5", "-5.00", "–")])
    assert made.count('class="neg"') == 1
