"""Binance USD-M and COIN-M by REST, raw endpoints of ccxt (binanceusdm, binancecoinm)."""

from typing import Any

import numpy as np

from feeds.downloads.context import Context
from feeds.downloads.credentials import variables
from feeds.downloads.http import as_list
from feeds.downloads.rest.pages import BARS, MS, OHLC, empty, paged, rest_source, table_of
from feeds.downloads.rest.paging import Ids, Row
from feeds.downloads.windows import Fetch, Haul, Wanted, Window
from feeds.errors import FeedError
from feeds.schema import FLAGS, timeframe_text
from feeds.symbols import parse_symbol

HOUR_NS = 3_600_000_000_000
_PAGE = 1000
_KEPT_PAGES = 50  # of a day's trades after which what has come is stored: about a minute of asking
_HOSTS = {"binance_usdm": "fapi.binance.com", "binance_coinm": "dapi.binance.com"}
_KLINES = {"bars": "klines", "mark": "markPriceKlines", "index": "indexPriceKlines", "premium": "premiumIndexKlines"}
_PERIOD = "5m"


def listing(context: Context, wanted: Wanted) -> tuple[int | None, int | None]:
    """Return when a contract was listed and delisted, None where the exchange does not say (delisted ones are gone)."""
    info = _info(context, wanted)
    if info is None:
        return None, None
    onboard = int(info.get("onboardDate") or 0) * MS
    delivery = int(info.get("deliveryDate") or 0) * MS
    return onboard or None, delivery if 0 < delivery < context.now else None


def rest(context: Context, wanted: Wanted) -> Fetch:
    """Return what fills windows of a stream by REST."""
    prefix = "fapi" if wanted.venue == "binance_usdm" else "dapi"
    exchange = context.exchange(wanted.venue)
    host = _HOSTS[wanted.venue]
    if wanted.kind == "trades":
        return _Trades(context, wanted, prefix, host).fetch
    if wanted.kind in _KLINES:
        name, pair = _KLINES[wanted.kind], "pair" if wanted.kind == "index" else "symbol"
        native = _pair(wanted) if wanted.kind == "index" else wanted.native

        def ask(low: int, high: int) -> list[tuple[int, Row]]:
            params = {pair: native, "interval": timeframe_text(wanted.timeframe_ns), "limit": _PAGE}
            return exchange.call(
                f"{prefix}PublicGet{name[:1].upper()}{name[1:]}",
                params | _bounds(low, high),
                lambda reply: [(int(row[0]) * MS, _kline(wanted, row)) for row in as_list(reply)],
            )

        names = BARS if wanted.kind == "bars" else OHLC
        return paged(context, wanted, ask, names, _PAGE * wanted.timeframe_ns, f"{host} {name}").fetch
    if wanted.kind == "funding":

        def ask_funding(low: int, high: int) -> list[tuple[int, Row]]:
            params = {"symbol": wanted.native, "limit": _PAGE} | _bounds(low, high)
            return exchange.call(
                f"{prefix}PublicGetFundingRate",
                params,
                lambda reply: [
                    (int(row["fundingTime"]) * MS, (row["fundingRate"], row.get("markPrice") or None))
                    for row in as_list(reply)
                ],
            )

        return paged(context, wanted, ask_funding, ("rate", "mark"), _PAGE * HOUR_NS, f"{host} fundingRate").fetch

    def ask_interest(low: int, high: int) -> list[tuple[int, Row]]:
        params: dict[str, Any] = {"period": _PERIOD, "limit": 500} | _bounds(low, high)
        if prefix == "fapi":
            return exchange.call("fapiDataGetOpenInterestHist", params | {"symbol": wanted.native}, _linear_interest)
        # COIN-M's "value" is an amount of the base coin, not of quote currency.
        kind = {"pair": _pair(wanted), "contractType": "PERPETUAL"}
        return exchange.call(
            "dapiDataGetOpenInterestHist",
            params | kind,
            lambda reply: [(int(row["timestamp"]) * MS, (row["sumOpenInterest"], None)) for row in as_list(reply)],
        )

    interest = ("native", "quote")
    return paged(context, wanted, ask_interest, interest, 500 * wanted.step_ns, f"{host} openInterestHist").fetch


def instrument(context: Context, wanted: Wanted) -> dict[str, Any]:
    """Return today's facts of a contract as columns of kind `instruments`."""
    info = _info(context, wanted)
    if info is None:
        raise FeedError(f"{wanted}: {_HOSTS[wanted.venue]} does not list {wanted.native}")
    parts = parse_symbol(wanted.symbol)
    filters = {each["filterType"]: each for each in info["filters"]}
    is_linear = wanted.venue == "binance_usdm"
    least = filters.get("MIN_NOTIONAL", {}).get("notional")
    return {
        "kind": "future" if parts.expiry else "perpetual",
        "base": info["baseAsset"],
        "quote": info["quoteAsset"],
        "settle": info["marginAsset"],
        "contract": "linear" if is_linear else "inverse",
        "contract_size": "1" if is_linear else str(info["contractSize"]),
        "quantity_unit": "base" if is_linear else "contracts",
        "tick_size": filters["PRICE_FILTER"]["tickSize"],
        "lot_size": filters["LOT_SIZE"]["stepSize"],
        "min_notional": least,
        "onboard": int(info["onboardDate"]) * MS if info.get("onboardDate") else None,
        "expiry": int(info["deliveryDate"]) * MS if parts.expiry else None,
    }


def tiers(context: Context, wanted: Wanted) -> list[dict[str, Any]]:
    """Return today's leverage brackets; the endpoint is signed, so the user's key is needed."""
    if context.credentials(wanted.venue) is None:
        raise FeedError(
            f"{wanted}: the venue shows its brackets to users only: set {variables(wanted.venue)}, or import a table "
            "with `levdyn import FILE --valid-from DATE`"
        )
    exchange = context.exchange(wanted.venue)
    name = "fapiPrivateGetLeverageBracket" if wanted.venue == "binance_usdm" else "dapiPrivateV2GetLeverageBracket"
    floor = "notionalFloor" if wanted.venue == "binance_usdm" else "qtyFloor"

    def brackets(reply: Any) -> list[dict[str, Any]]:
        return [
            {
                "floor": str(row[floor]),
                "maintenance_rate": str(row["maintMarginRatio"]),
                "max_leverage": str(row["initialLeverage"]),
                "amount": str(row["cum"]),
            }
            for entry in as_list(reply)
            if entry["symbol"] == wanted.native
            for row in entry["brackets"]
        ]

    return exchange.call(name, {"symbol": wanted.native}, brackets)


class _Trades:
    """Aggregates by id: the day's first is found by time, then ids are walked (feeds.md 1.5)."""

    def __init__(self, context: Context, wanted: Wanted, prefix: str, host: str) -> None:
        self._exchange = context.exchange(wanted.venue)
        self._name = f"{prefix}PublicGetAggTrades"
        self._wanted = wanted
        self._now = context.now
        self._source = rest_source(f"{host} aggTrades")

    def fetch(self, window: Window) -> Haul:
        first = window.known if window.known >= 0 else self._first(window)
        ids = Ids(str(self._wanted))
        if first is None:
            return Haul(empty(self._wanted), (self._source,), is_whole=window.is_running)
        cursor, is_beyond, dry, pages = first, False, 0, 0
        while not is_beyond and dry < 2:
            pages += 1
            if window.keep is not None and pages % _KEPT_PAGES == 0 and not ids.holes(first, cursor):
                window.keep(self._haul(window, ids, first, cursor, is_whole=False))
            page = self._page({"fromId": cursor})
            ids.add(page)
            fresh = [each for each in page if each[0] >= cursor]
            is_beyond = any(ts >= window.high for _, ts, _ in fresh)
            # A page that brings nothing new is asked for once more: the tip of the tape looks like a lost page.
            dry = 0 if fresh else dry + 1
            cursor = max((number for number, _, _ in fresh), default=cursor - 1) + 1
        last = min((number for number, (ts, _) in ids.rows.items() if ts >= window.high), default=cursor)
        ids.close(lambda low, high: self._page({"fromId": low}), first, last)
        # Only a later trade shows that the window is over; a running one stays partial anyway.
        return self._haul(window, ids, first, last, is_whole=is_beyond or window.is_running)

    def _haul(self, window: Window, ids: Ids, first: int, last: int, *, is_whole: bool) -> Haul:
        """Return the aggregates from one id up to another."""
        rows = [(ts, (number, *row)) for number, (ts, row) in sorted(ids.rows.items()) if first <= number < last]
        names = ("id", "price", "quantity", "first_id", "last_id", "side")
        values: dict[str, Any] = {"ts": [ts for ts, _ in rows]}
        values |= {name: [row[place] for _, row in rows] for place, name in enumerate(names)}
        values["flags"] = np.full(len(rows), FLAGS["aggregated"], dtype=np.uint16)
        table, findings = table_of(self._wanted, values, window.low, window.high, self._now)
        return Haul(table, (self._source,), "id_contiguous", is_whole, findings, tuple(ids.gaps))

    def _first(self, window: Window) -> int | None:
        """Return the id of the first trade of the window; None when it has no trade."""
        for low in range(window.low, window.high, HOUR_NS):
            high = min(low + HOUR_NS, window.high)
            for _ in range(2):  # a quiet hour and a lost page look alike
                rows = self._page({"startTime": low // MS, "endTime": (high - 1) // MS})
                inside = [number for number, ts, _ in rows if low <= ts < high]
                if inside:
                    return self._walk_back(min(inside), window)
        return None

    def _walk_back(self, first: int, window: Window) -> int:
        """Return the first id of the window after checking that the one before it is earlier."""
        while first > 0:
            before = [each for each in self._page({"fromId": first - 1, "limit": 1}) if each[0] == first - 1]
            if not before or before[0][1] < window.low:
                return first
            first -= 1
        return first

    def _page(self, params: dict[str, int]) -> list[tuple[int, int, Row]]:
        return self._exchange.call(self._name, {"symbol": self._wanted.native, "limit": _PAGE} | params, _aggregates)


def _aggregates(reply: Any) -> list[tuple[int, int, Row]]:
    """Return id, time and cells of aggregates."""
    return [
        (int(row["a"]), int(row["T"]) * MS, (row["p"], row["q"], int(row["f"]), int(row["l"]), -1 if row["m"] else 1))
        for row in as_list(reply)
    ]


def _linear_interest(reply: Any) -> list[tuple[int, Row]]:
    """Return samples of open interest of USD-M, whose value is in quote currency."""
    return [
        (int(row["timestamp"]) * MS, (row["sumOpenInterest"], row["sumOpenInterestValue"])) for row in as_list(reply)
    ]


def _kline(wanted: Wanted, row: list[Any]) -> Row:
    """Return a kline as our columns; COIN-M calls base coins "quote volume" (binance-public-data#267)."""
    if wanted.kind != "bars":
        return tuple(row[1:5])
    return (*row[1:6], row[7] if wanted.venue == "binance_usdm" else None, row[8])


def _pair(wanted: Wanted) -> str:
    """Return the pair of a contract: its index is the pair's."""
    return wanted.native.partition("_")[0]


def _symbols(reply: Any) -> list[Any]:
    """Return the symbols that exchangeInfo lists; a list without any is no answer."""
    found = as_list(reply["symbols"])
    if not found:
        raise ValueError("no symbols")
    return found


def _bounds(low: int, high: int) -> dict[str, int]:
    """Return both bounds of a request; Binance includes them."""
    return {"startTime": low // MS, "endTime": (high - 1) // MS}


def _info(context: Context, wanted: Wanted) -> dict[str, Any] | None:
    """Return what exchangeInfo says of a symbol (or of a contract of the pair), None when it is not listed."""
    prefix = "fapi" if wanted.venue == "binance_usdm" else "dapi"
    exchange = context.exchange(wanted.venue)
    symbols = context.once(
        wanted.venue, "exchangeInfo", make=lambda: exchange.call(f"{prefix}PublicGetExchangeInfo", {}, _symbols)
    )
    found: dict[str, Any] | None = next((each for each in symbols if each["symbol"] == wanted.native), None)
    return found
