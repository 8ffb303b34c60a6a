"""Names of venues and instruments, both ways, in paths and addresses."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds import symbols
from feeds.errors import FeedError

PAIRS = [
    ("binance_usdm", "BTCUSDT", "BTC/USDT:USDT"),
    ("binance_usdm", "BTCUSDT_260327", "BTC/USDT:USDT-260327"),
    ("binance_usdm", "1000PEPEUSDT", "1000PEPE/USDT:USDT"),
    ("binance_usdm", "BTCUSDC", "BTC/USDC:USDC"),
    ("binance_usdm", "ETHBTC", "ETH/BTC:BTC"),
    ("binance_usdm", "币安人生USDT", "币安人生/USDT:USDT"),
    ("binance_usdm", "USDTUSD", "USDT/USD"),
    ("binance_coinm", "BTCUSD_PERP", "BTC/USD:BTC"),
    ("binance_coinm", "BTCUSD_251226", "BTC/USD:BTC-251226"),
    ("binance_coinm", "AAVEUSD_PERP", "AAVE/USD:AAVE"),
    ("binance_coinm", "BTCUSD", "BTC/USD"),
    ("binance_spot", "BTCUSDT", "BTC/USDT"),
    ("binance_spot", "ETHBTC", "ETH/BTC"),
    ("binance_spot", "BTCFDUSD", "BTC/FDUSD"),
    ("binance_spot", "USDTTRY", "USDT/TRY"),
    ("bybit", "BTCUSDT", "BTC/USDT:USDT"),
    ("bybit", "BTCPERP", "BTC/USDC:USDC"),
    ("bybit", "BTCUSD", "BTC/USD:BTC"),
    ("bybit", "BTCUSDZ25", "BTC/USD:BTC-251226"),
    ("bybit", "BTCUSDT-26DEC25", "BTC/USDT:USDT-251226"),
    ("bybit", "BTC-26DEC25", "BTC/USDC:USDC-251226"),
    ("okx", "BTC-USDT-SWAP", "BTC/USDT:USDT"),
    ("okx", "BTC-USD-SWAP", "BTC/USD:BTC"),
    ("okx", "BTC-USDT", "BTC/USDT"),
    ("okx", "BTC-USD-251226", "BTC/USD:BTC-251226"),
    ("okx", "BTC-USD-251031-80000-P", "BTC/USD:BTC-251031-80000-P"),
    ("deribit", "BTC-PERPETUAL", "BTC/USD:BTC"),
    ("deribit", "SOL_USDC-PERPETUAL", "SOL/USDC:USDC"),
    ("deribit", "BTC-5JAN24-40000-C", "BTC/USD:BTC-240105-40000-C"),
    ("deribit", "XRP_USDC-30AUG24-0d62-C", "XRP/USDC:USDC-240830-0.62-C"),
    ("deribit", "BTC_USDC", "BTC/USDC"),
    ("bitmex", "XBTUSD", "BTC/USD:BTC"),
    ("bitmex", "XBTUSDT", "BTC/USDT:USDT"),
    ("bitmex", "ETHUSD", "ETH/USD:BTC"),
    ("bitmex", "XBTZ25", "BTC/USD:BTC-251226"),
    ("hyperliquid", "BTC", "BTC/USDC:USDC"),
    ("hyperliquid", "kPEPE", "kPEPE/USDC:USDC"),
    ("dydx", "BTC-USD", "BTC/USDC:USDC"),
    ("drift", "SOL-PERP", "SOL/USDC:USDC"),
    ("krakenfutures", "PF_XBTUSD", "BTC/USD:USD"),
    ("krakenfutures", "PI_XBTUSD", "BTC/USD:BTC"),
    ("krakenfutures", "FI_XBTUSD_251226", "BTC/USD:BTC-251226"),
    ("gate", "BTC_USDT", "BTC/USDT:USDT"),
    ("gate", "BTC_USDT_20251226", "BTC/USDT:USDT-251226"),
    ("gate", "BTC_USD", "BTC/USD:BTC"),
    ("bitget", "BTCUSDT", "BTC/USDT:USDT"),
    ("bitget", "BTCPERP", "BTC/USDC:USDC"),
    ("kucoinfutures", "XBTUSDTM", "BTC/USDT:USDT"),
    ("kucoinfutures", "XBTUSDM", "BTC/USD:BTC"),
    ("htx", "BTC-USDT", "BTC/USDT:USDT"),
    ("htx", "BTC-USD", "BTC/USD:BTC"),
    ("coinbase", "BTC-USD", "BTC/USD"),
    ("gemini", "BTCUSD", "BTC/USD"),
]


@pytest.mark.parametrize(("venue", "native", "unified"), PAIRS)
def test_native_and_unified_name_translate_both_ways(venue, native, unified):
    assert symbols.to_unified(venue, native) == unified
    assert symbols.to_native(venue, unified) == native


def test_every_venue_has_a_tested_name():
    assert {venue for venue, _, _ in PAIRS} | {"bybit_spot"} == set(symbols.venue_ids())


bases = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=2, max_size=8).filter(
    lambda base: not re.search(r"USD|PERP|^XBT|^\d+$|^BTC$", base)
)


@given(bases, st.sampled_from(["USDT", "USDC"]), st.sampled_from(["", "-251226", "-260327"]))
def test_linear_names_of_binance_come_back_for_any_base(base, quote, expiry):
    symbol = f"{base}/{quote}:{quote}{expiry}"
    assert symbols.to_unified("binance_usdm", symbols.to_native("binance_usdm", symbol)) == symbol


@given(st.sampled_from(sorted(symbols.venue_ids())), bases)
def test_symbol_either_comes_back_or_is_refused(venue, base):
    for symbol in (
        f"{base}/USDT:USDT",
        f"{base}/USD:{base}",
        f"{base}/USDC:USDC",
        f"{base}/USDT",
        f"{base}/USD:{base}-251226",
    ):
        try:
            native = symbols.to_native(venue, symbol)
        except FeedError:
            continue
        assert symbols.to_unified(venue, native) == symbol


@pytest.mark.parametrize(
    ("venue", "symbol", "words"),
    [
        ("binance", "BTC/USDT", "did you mean 'binance_usdm'"),
        ("nowhere", "BTC/USDT", "known: binance_coinm, binance_spot"),
        ("binance_usdm", "BTCUSDT", "its unified name is 'BTC/USDT:USDT'"),
        ("binance_usdm", "BTC/USDT", "has no spot BTC/USDT"),
        ("binance_usdm", "BTC/USD:BTC", "no instrument of the form"),
        ("binance_spot", "BTC/USDT:USDT", "no instrument of the form"),
        ("hyperliquid", "BTC/USDT:USDT", "BTC/USDC:USDC"),
        ("bybit", "BTC/USD:BTC-251225", "no instrument of the form"),
        ("binance_usdm", "BTC USDT/X", "is not a unified name"),
        ("binance_usdm", "", "is not a unified name"),
    ],
)
def test_name_that_the_venue_cannot_have_is_refused(venue, symbol, words):
    with pytest.raises(FeedError, match=re.escape(words)):
        symbols.to_native(venue, symbol)


@pytest.mark.parametrize(
    ("venue", "native"),
    [
        ("binance_usdm", "BTC"),
        ("binance_usdm", "BTCUSDT_"),
        ("binance_coinm", "BTCUSDT"),
        ("okx", "BTC"),
        ("dydx", "BTC"),
    ],
)
def test_native_name_of_another_form_is_refused(venue, native):
    with pytest.raises(FeedError, match="is not one of its instrument names"):
        symbols.to_unified(venue, native)


def test_index_pair_without_a_name_of_its_own_is_its_own_id():
    assert symbols.to_native("bybit", "USDT/USD") == "USDT/USD"
    assert symbols.to_unified("bybit", "USDT/USD") == "USDT/USD"


def test_star_stands_for_all_instruments_of_a_venue():
    assert symbols.to_native("binance_usdm", "*") == symbols.to_unified("binance_usdm", "*") == "*"


ids = st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable() and not text.startswith("~"))


@given(ids)
def test_path_of_an_id_is_safe_and_comes_back(native):
    path = symbols.instrument_to_path(native)
    assert re.fullmatch(r"~?[A-Za-z0-9._%-]+", path)
    assert symbols.instrument_from_path(path) == native


@given(ids, ids)
def test_two_ids_never_share_a_path_on_a_disk_that_ignores_case(first, second):
    if first != second:
        one, two = symbols.instrument_to_path(first), symbols.instrument_to_path(second)
        assert one.casefold() != two.casefold()


@pytest.mark.parametrize(
    ("native", "path"),
    [
        ("BTCUSDT", "BTCUSDT"),
        ("KPEPE", "KPEPE"),
        ("kPEPE", "~k%50%45%50%45"),
        ("PURR/USDC", "PURR%2FUSDC"),
        ("*", "%2A"),
    ],
)
def test_path_of_known_ids(native, path):
    assert symbols.instrument_to_path(native) == path


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("BTC/USDT:USDT", ("BTC/USDT:USDT", None, None)),
        ("BTC/USDT:USDT@binance_usdm", ("BTC/USDT:USDT", "binance_usdm", None)),
        ("BTC/USDT:USDT@binance_usdm/hedge", ("BTC/USDT:USDT", "binance_usdm", "hedge")),
    ],
)
def test_address_splits_into_symbol_venue_and_account(text, parts):
    found = symbols.parse_address(text)
    assert (found.symbol, found.venue, found.account) == parts


@pytest.mark.parametrize("text", ["BTCUSDT", "BTC/USDT@nowhere", "BTC/USDT:USDT@binance_usdm/", "@binance_usdm"])
def test_address_that_cannot_be_read_is_refused(text):
    with pytest.raises(FeedError):
        symbols.parse_address(text)


def test_near_names_are_suggested():
    known = ["BTC/USDT:USDT", "ETH/USDT:USDT"]
    assert "BTC/USDT:USDT" in symbols.suggest("BTCUSDT", known)
    assert "ETH/USDT:USDT" in symbols.suggest("ETH/USDT", known)
    assert symbols.suggest("QQQQQQ", []) == ""
