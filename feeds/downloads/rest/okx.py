"""OKX by REST, raw endpoints of ccxt (okx). Lists come newest first; `after` and `before` leave their own stamp out."""

from collections.abc import Callable
from typing import Any

from feeds.downloads.context import Context
from feeds.downloads.http import as_list
from feeds.downloads.rest.pages import MS, OHLC, empty, paged, rest_source, table_of
from feeds.downloads.rest.paging import Ids, Row
from feeds.downloads.windows import Fetch, Haul, Wanted, Window
from feeds.errors import FeedError
from feeds.schema import timeframe_text
from feeds.symbols import parse_symbol

HOST = "www.okx.com"
HOUR_NS = 3_600_000_000_000
_PAGE, _CANDLES = 100, 300
_KLINES = {"bars": "HistoryCandles", "mark": "HistoryMarkPriceCandles", "index": "HistoryIndexCandles"}
_UTC_BARS = {"6h": "6Hutc", "12h": "12Hutc", "1d": "1Dutc"}  # the plain words open at UTC+8


def listing(context: Context, wanted: Wanted) -> tuple[int | None, int | None]:
    """Return when a contract was listed and delisted, None where the exchange does not say."""
    info = _info(context, wanted)
    if info is None:
        return None, None
    expiry = int(info.get("expTime") or 0) * MS
    return int(info.get("listTime") or 0) * MS or None, expiry if 0 < expiry < context.now else None


def rest(context: Context, wanted: Wanted) -> Fetch:
    """Return what fills windows of a stream by REST."""
    exchange = context.exchange("okx")
    if wanted.kind == "trades":
        return _Trades(context, wanted).fetch
    if wanted.kind in _KLINES:
        name = _KLINES[wanted.kind]
        native = "-".join(wanted.native.split("-")[:2]) if wanted.kind == "index" else wanted.native
        page = _CANDLES if wanted.kind == "bars" else _PAGE

        def ask(low: int, high: int) -> list[tuple[int, Row]]:
            params = {"instId": native, "bar": _bar(wanted), "limit": page} | _bounds(low, high)
            return exchange.call(
                f"publicGetMarket{name}",
                params,
                lambda reply: [(int(row[0]) * MS, _candle(wanted, row)) for row in _data(reply) if row[-1] != "0"],
            )

        names = (*OHLC, "volume", "quote_volume") if wanted.kind == "bars" else OHLC
        return paged(context, wanted, ask, names, page * wanted.timeframe_ns, f"{HOST} {name}").fetch
    if wanted.kind == "funding":

        def ask_funding(low: int, high: int) -> list[tuple[int, Row]]:
            params = {"instId": wanted.native, "limit": _PAGE} | _bounds(low, high)
            # What was paid is the realised rate; the other is what had been predicted.
            return exchange.call(
                "publicGetPublicFundingRateHistory",
                params,
                lambda reply: [
                    (int(row["fundingTime"]) * MS, (row.get("realizedRate") or row["fundingRate"],))
                    for row in _data(reply)
                ],
            )

        return paged(context, wanted, ask_funding, ("rate",), _PAGE * 4 * HOUR_NS, f"{HOST} funding-rate-history").fetch

    def ask_interest(low: int, high: int) -> list[tuple[int, Row]]:
        # Whether the bounds are inclusive is not documented: one ms more at the lower one, rows outside are cut.
        params = {"instId": wanted.native, "period": "5m", "limit": _PAGE}
        bounds = {"begin": low // MS - 1, "end": high // MS}
        return exchange.call(
            "publicGetRubikStatContractsOpenInterestHistory",
            params | bounds,
            lambda reply: [(int(row[0]) * MS, (row[1], row[3])) for row in _data(reply)],
        )

    interest = ("native", "quote")
    span = (_PAGE - 1) * wanted.step_ns
    return paged(context, wanted, ask_interest, interest, span, f"{HOST} open-interest-history").fetch


def instrument(context: Context, wanted: Wanted) -> dict[str, Any]:
    """Return today's facts of a contract as columns of kind `instruments`."""
    info = _info(context, wanted)
    if info is None:
        raise FeedError(f"{wanted}: {HOST} does not list {wanted.native}")
    parts = parse_symbol(wanted.symbol)
    is_spot = not parts.settle
    return {
        "kind": "spot" if is_spot else "future" if parts.expiry else "perpetual",
        "base": parts.base,
        "quote": parts.quote,
        "settle": parts.settle or parts.quote,
        "contract": "spot" if is_spot else str(info["ctType"]),
        "contract_size": "1" if is_spot else str(info["ctVal"]),
        "quantity_unit": "base" if is_spot else "contracts",
        "tick_size": info["tickSz"],
        "lot_size": info["lotSz"],
        "min_notional": None,
        "onboard": int(info["listTime"]) * MS if info.get("listTime") else None,
        "expiry": int(info["expTime"]) * MS if parts.expiry else None,
    }


def tiers(context: Context, wanted: Wanted) -> list[dict[str, Any]]:
    """Return today's position tiers; their bounds are numbers of contracts, and there is no deduction."""
    parts = parse_symbol(wanted.symbol)
    params = {
        "instType": "FUTURES" if parts.expiry else "SWAP",
        "tdMode": "cross",
        "instFamily": f"{parts.base}-{parts.quote}",
    }
    rows = context.exchange("okx").call("publicGetPublicPositionTiers", params, _data)
    return [
        {
            "floor": "0" if number == 0 else str(row["minSz"]),
            "maintenance_rate": str(row["mmr"]),
            "max_leverage": str(row["maxLever"]),
            "amount": None,
        }
        for number, row in enumerate(sorted(rows, key=lambda row: float(row["minSz"])))
    ]


class _Trades:
    """Trades by id, from the end of a window back to its start, 100 a page."""

    def __init__(self, context: Context, wanted: Wanted) -> None:
        self._exchange = context.exchange("okx")
        self._wanted = wanted
        self._now = context.now
        self._source = rest_source(f"{HOST} history-trades")

    def fetch(self, window: Window) -> Haul:
        ids = Ids(str(self._wanted))
        for _ in range(2):  # a lost page looks like a window without trades
            ids.add(self._page({"type": "2", "after": window.high // MS + 60_000}))
        if not ids.rows:
            return Haul(empty(self._wanted), (self._source,), is_whole=window.is_running)
        has_later = self._walk(ids, lambda: max(ids.rows) + _PAGE + 1, lambda ts: ts >= window.high)
        # Rows that are stored from the beginning on need not be asked for again.
        is_beyond = self._walk(ids, lambda: min(ids.rows), lambda ts: ts < window.low or min(ids.rows) <= window.known)
        inside = [number for number, (ts, _) in ids.rows.items() if window.low <= ts < window.high]
        if inside:
            ids.close(lambda low, high: self._page({"type": "1", "after": high}), min(inside), max(inside) + 1)
        rows = [(ts, (number, *row)) for number, (ts, row) in sorted(ids.rows.items())]
        values: dict[str, Any] = {"ts": [ts for ts, _ in rows]}
        for place, name in enumerate(("id", "price", "quantity", "side")):
            values[name] = [row[place] for _, row in rows]
        table, findings = table_of(self._wanted, values, window.low, window.high, self._now)
        is_whole = is_beyond and (has_later or window.is_running)
        return Haul(table, (self._source,), "id_contiguous", is_whole, findings, tuple(ids.gaps))

    def _walk(self, ids: Ids, after: Callable[[], int], is_reached: Callable[[int], bool]) -> bool:
        """Ask for pages before an id until a trade of the time wanted is there, or nothing new comes twice."""
        dry = 0
        while dry < 2 and not any(is_reached(ts) for ts, _ in ids.rows.values()):
            dry = 0 if ids.add(self._page({"type": "1", "after": after()})) else dry + 1
        return dry < 2

    def _page(self, params: dict[str, Any]) -> list[tuple[int, int, Row]]:
        asked = {"instId": self._wanted.native, "limit": _PAGE} | params
        return self._exchange.call("publicGetMarketHistoryTrades", asked, _trades)


def _trades(reply: Any) -> list[tuple[int, int, Row]]:
    """Return id, time and cells of trades."""
    return [
        (int(row["tradeId"]), int(row["ts"]) * MS, (row["px"], row["sz"], 1 if row["side"] == "buy" else -1))
        for row in _data(reply)
    ]


def _bar(wanted: Wanted) -> str:
    """Return OKX's word for a timeframe."""
    text = timeframe_text(wanted.timeframe_ns)
    return _UTC_BARS.get(text, text if text.endswith("m") else text.upper())


def _candle(wanted: Wanted, row: list[Any]) -> Row:
    """Return a candle as our columns: volume in contracts, and what was turned over in quote currency."""
    return (*row[1:6], row[7]) if wanted.kind == "bars" else tuple(row[1:5])


def _bounds(low: int, high: int) -> dict[str, int]:
    """Return both bounds of a request: older than `after`, newer than `before`, neither included."""
    return {"after": high // MS, "before": low // MS - 1}


def _data(reply: Any) -> list[Any]:
    """Return the rows of a reply; a reply without a list is no empty one."""
    return as_list(reply["data"])


def _info(context: Context, wanted: Wanted) -> dict[str, Any] | None:
    """Return what the exchange says of an instrument, None when it is not listed."""
    parts = parse_symbol(wanted.symbol)
    kind = "SPOT" if not parts.settle else "FUTURES" if parts.expiry else "SWAP"
    exchange = context.exchange("okx")
    params = {"instType": kind, "instId": wanted.native}
    rows = context.once("okx", wanted.native, make=lambda: exchange.call("publicGetPublicInstruments", params, _data))
    found: dict[str, Any] | None = next((each for each in rows if each["instId"] == wanted.native), None)
    return found
