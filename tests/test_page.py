"""The tear sheet as a reader sees it: in a browser, zoomed, in the dark, on a phone, on paper, without scripts."""

import re
from pathlib import Path

import pytest
from browsers import Shown, chromium

import feeds
import venues
from backtest import Backtest, Strategy, compare
from backtest.result_text import money, percent

BTC = "BTC/USDT:USDT"
SECTIONS = [
    "assumptions", "headline", "capital", "where-it-came-from", "what-if", "survival", "equity", "price", "leverage",
    "exposure", "liquidations", "funding", "trades", "orders", "months", "statistics",
    "other-orders-of-the-same-days", "track-record", "recorded-by-the-strategy", "provenance",
]  # fmt: skip
RANGES = """[...document.querySelectorAll('.live')].map((place) =>
    place._fullLayout.xaxis.range.map((end) => Date.parse(end.replace(' ', 'T') + 'Z')))"""


class Turns(Strategy):
    """In and out with a stop, until the crash of the sample takes what is left."""

    leverage: float = 6.0

    def on_start(self):
        self.every("12h")

    def on_timer(self, timer):
        if self.position(BTC).quantity:
            self.close(BTC, tag="out")
        else:
            self.target(BTC, leverage=self.leverage, tag="in")
        self.record(leverage=self.position(BTC).leverage)
        self.log(f"</script><b>equity</b> {self.equity:,.0f}")

    def on_fill(self, fill):
        if fill.increases and fill.price > 58_000:
            self.protect(BTC, stop=0.97 * fill.price)


def usdm(name="binance_usdm"):
    return venues.Venue(name, balances={"USDT": 10_000}, latency="50ms")


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def run():
    return Backtest(feeds.sample(symbols=[BTC]), Turns(), venues=usdm(), on_ruin="continue")


@pytest.fixture(scope="module")
def survival(run):
    return run.survival((0.5, 1, 2, 5))


@pytest.fixture(scope="module")
def sheet(run, survival, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "sheet.html"
    return survival.result.tear_sheet(path, what_if=run.what_if(), survival=survival, trials=2, variance=0.01)


def test_it_is_whole_fetches_nothing_and_says_nothing(browser, sheet, survival):
    with Shown(browser, sheet) as shown:
        assert shown.said == []
        assert shown.fetched == [sheet.as_uri()]
        assert shown.ask("[...document.querySelectorAll('section')].map((each) => each.id)") == SECTIONS
        found = survival.result.summary
        tiles = shown.page.inner_text("#headline")
        for text in (percent(found["return"]), money(found["end_equity"]), percent(found["max_drawdown"])):
            assert text in tiles
        assert money(found["funding"]) in shown.page.inner_text("#where-it-came-from")
        assert "</script><b>equity</b>" in shown.page.inner_text("#recorded-by-the-strategy")
        shown.picture("sheet")
    assert sheet.stat().st_size < 5_000_000


@pytest.mark.slow
def test_every_chart_is_drawn_with_its_lines(browser, sheet):
    with Shown(browser, sheet) as shown:
        lengths = shown.ask(
            "[...document.querySelectorAll('.live')].map((place) => [...place.querySelectorAll('path.js-line, .point')]"
            ".filter((path) => path.getAttribute('d').length > 10 && path.getBoundingClientRect().width > 0).length)"
        )
        assert len(lengths) == shown.ask("document.querySelectorAll('figure[data-live]').length") >= 8
        assert min(lengths) >= 1
        still = shown.ask(
            "[...document.querySelectorAll('.is-live > svg')].map((svg) => getComputedStyle(svg).display)"
        )
        assert set(still) == {"none"}
        # The price has its mark, liquidation price, stops, fills of both sides and funding.
        names = shown.ask("document.querySelector('#price .live').data.map((trace) => trace.name)")
        assert {"mark", "liquidation price", "stops", "bought", "sold", "funding"} <= set(names)


@pytest.mark.slow
def test_a_value_is_told_with_its_unit(browser, sheet):
    with Shown(browser, sheet) as shown:
        place = shown.page.locator("#equity .live").first
        place.scroll_into_view_if_needed()
        box = place.bounding_box()
        shown.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        shown.page.wait_for_selector("#equity .hoverlayer text")
        text = " ".join(
            shown.ask("[...document.querySelectorAll('#equity .hoverlayer text')].map((e) => e.textContent)")
        )
        assert "UTC" in text
        assert re.search(r"[\d,]+\.\d\d USDT", text)


@pytest.mark.slow
def test_all_charts_are_zoomed_at_once(browser, sheet):
    with Shown(browser, sheet) as shown:
        whole = shown.ask(RANGES)
        assert len({tuple(pair) for pair in whole}) == 1
        for label, share in (("zoom in", 0.5), ("later", 0.5), ("zoom out", 1.0), ("the whole run", 1.0)):
            shown.page.click(f"button[aria-label='{label}']")
            shown.page.wait_for_timeout(300)
            ranges = shown.ask(RANGES)
            assert len({tuple(pair) for pair in ranges}) == 1, label
            width = (ranges[0][1] - ranges[0][0]) / (whole[0][1] - whole[0][0])
            assert width == pytest.approx(share, abs=0.26 if label == "zoom out" else 1e-3), label
        # By dragging over one of them.
        place = shown.page.locator("#equity .live").nth(1)
        place.scroll_into_view_if_needed()
        box = place.bounding_box()
        shown.page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 40)
        shown.page.mouse.down()
        shown.page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 60, steps=5)
        shown.page.mouse.up()
        shown.page.wait_for_timeout(400)
        ranges = shown.ask(RANGES)
        assert len({tuple(pair) for pair in ranges}) == 1
        assert (ranges[0][1] - ranges[0][0]) / (whole[0][1] - whole[0][0]) == pytest.approx(0.21, abs=0.03)
        assert shown.said == []


@pytest.mark.slow
def test_the_theme_can_be_switched_and_lines_follow(browser, sheet):
    look = "[getComputedStyle(document.body).backgroundColor, document.querySelector('#equity .js-line').style.stroke]"
    with Shown(browser, sheet) as shown:
        light = shown.ask(look)
        shown.page.click("#theme")
        shown.page.wait_for_timeout(300)
        dark = shown.ask(look)
        assert light[0] == "rgb(255, 255, 255)"
        assert dark[0] == "rgb(15, 18, 22)"
        assert light[1] != dark[1]
        shown.picture("sheet-dark")
        assert shown.said == []
    with Shown(browser, sheet, scheme="dark") as shown:
        assert shown.ask(look) == dark
        assert shown.page.inner_text("#theme") == "light"


@pytest.mark.slow
def test_on_a_phone_nothing_is_wider_than_the_screen(browser, sheet):
    with Shown(browser, sheet, width=390) as shown:
        assert shown.ask("document.documentElement.scrollWidth") <= 390
        widths = shown.ask(
            "[...document.querySelectorAll('.live svg.main-svg')].map((svg) => svg.getBoundingClientRect().width)"
        )
        assert 300 < max(widths) <= 390
        shown.picture("sheet-phone")
        assert shown.said == []


@pytest.mark.slow
def test_on_paper_and_without_scripts_the_drawn_pictures_are_there(browser, sheet):
    visible = "[...document.querySelectorAll('.chart > svg')].every((svg) => svg.getBoundingClientRect().height > 50)"
    with Shown(browser, sheet) as shown:
        shown.page.emulate_media(media="print")
        assert shown.ask(visible)
        assert not shown.page.is_visible("#tools")
        assert not shown.page.locator(".live").first.is_visible()
    with Shown(browser, sheet, scripts=False) as shown:
        for number in range(shown.page.locator(".chart > svg").count()):
            assert shown.page.locator(".chart > svg").nth(number).bounding_box()["height"] > 50
        assert shown.page.locator(".live").count() == 0
        shown.picture("sheet-without-scripts")


@pytest.mark.slow
def test_a_page_of_pictures_only_is_small_and_has_the_theme(browser, survival, tmp_path):
    path = survival.result.tear_sheet(tmp_path / "still.html", interactive=False)
    assert path.stat().st_size < 600_000
    with Shown(browser, path) as shown:
        assert shown.said == []
        shown.page.click("#theme")
        assert shown.ask("getComputedStyle(document.body).backgroundColor") == "rgb(15, 18, 22)"


@pytest.mark.slow
def test_a_comparison_is_drawn_too(browser, tmp_path):
    found = compare(feeds.sample(symbols=[BTC]), Turns(), [usdm(), usdm("bybit")])
    path = found.page(tmp_path / "comparison.html")
    with Shown(browser, path) as shown:
        assert shown.said == []
        assert shown.ask("document.querySelectorAll('.live .js-line').length") >= 6
        shown.picture("comparison")
