"""Bybit by REST, raw endpoints of ccxt (bybit). Lists come newest first."""

from functools import partial
from typing import Any

from feeds.downloads.context import Context
from feeds.downloads.http import as_list
from feeds.downloads.rest.pages import MS, OHLC, paged, rest_source, table_of
from feeds.downloads.rest.paging import Row
from feeds.downloads.windows import Fetch, Haul, Wanted, Window
from feeds.errors import FeedError
from feeds.findings import Gap
from feeds.schema import FLAGS, timeframe_text
from feeds.symbols import parse_symbol
from feeds.tables import ints

HOST = "api.bybit.com"
HOUR_NS = 3_600_000_000_000
_PAGE, _SMALL_PAGE = 1000, 200
_KLINES = {"bars": "Kline", "mark": "MarkPriceKline", "index": "IndexPriceKline", "premium": "PremiumIndexPriceKline"}
_INTERVALS = {
    **{text: text[:-1] for text in ("1m", "3m", "5m", "15m", "30m")},
    **{"1h": "60", "2h": "120", "4h": "240", "6h": "360", "12h": "720", "1d": "D"},
}


def listing(context: Context, wanted: Wanted) -> tuple[int | None, int | None]:
    """Return when a contract was listed and delisted, None where the exchange does not say."""
    info = _info(context, wanted)
    if info is None:
        return None, None
    delivery = int(info.get("deliveryTime") or 0) * MS
    return int(info.get("launchTime") or 0) * MS or None, delivery if 0 < delivery < context.now else None


def rest(context: Context, wanted: Wanted) -> Fetch:
    """Return what fills windows of a stream by REST."""
    exchange = context.exchange("bybit")
    place = {"category": category(wanted), "symbol": wanted.native}
    if wanted.kind == "trades":
        return partial(_newest, context, wanted)
    if wanted.kind in _KLINES:
        name = _KLINES[wanted.kind]

        def ask(low: int, high: int) -> list[tuple[int, Row]]:
            params = {"interval": _INTERVALS[timeframe_text(wanted.timeframe_ns)], "limit": _PAGE}
            bounds = {"start": low // MS, "end": (high - 1) // MS}
            return exchange.call(
                f"publicGetV5Market{name}",
                place | params | bounds,
                lambda reply: [(int(row[0]) * MS, _kline(wanted, row)) for row in _list(reply)],
            )

        names = (*OHLC, "volume", "quote_volume") if wanted.kind == "bars" else OHLC
        return paged(context, wanted, ask, names, _PAGE * wanted.timeframe_ns, f"{HOST} {name}").fetch
    if wanted.kind == "funding":

        def ask_funding(low: int, high: int) -> list[tuple[int, Row]]:
            params = {"startTime": low // MS, "endTime": (high - 1) // MS, "limit": _SMALL_PAGE}
            return exchange.call(
                "publicGetV5MarketFundingHistory",
                place | params,
                lambda reply: [(int(row["fundingRateTimestamp"]) * MS, (row["fundingRate"],)) for row in _list(reply)],
            )

        # 200 rows of an 8 h contract span 66 days; of an hourly one 8, which the loop finds out by itself.
        return paged(
            context, wanted, ask_funding, ("rate",), _SMALL_PAGE * 4 * HOUR_NS, f"{HOST} funding/history"
        ).fetch

    def ask_interest(low: int, high: int) -> list[tuple[int, Row]]:
        params = {"intervalTime": "5min", "startTime": low // MS, "endTime": (high - 1) // MS, "limit": _SMALL_PAGE}
        return exchange.call(
            "publicGetV5MarketOpenInterest",
            place | params,
            lambda reply: [(int(row["timestamp"]) * MS, (row["openInterest"],)) for row in _list(reply)],
        )

    return paged(
        context, wanted, ask_interest, ("native",), _SMALL_PAGE * wanted.step_ns, f"{HOST} open-interest"
    ).fetch


def _newest(context: Context, wanted: Wanted, window: Window) -> Haul:
    """Return the newest trades of a running day; earlier ones that are not stored are a gap."""
    if not window.is_running:
        return Haul(absence="not yet")  # what can be asked for says nothing of a day that is over
    place = {"category": category(wanted), "symbol": wanted.native, "limit": _PAGE}
    rows = context.exchange("bybit").call("publicGetV5MarketRecentTrade", place, _trades)
    if len(rows) >= _PAGE:  # trades of the oldest stamp may have been cut off
        rows = [row for row in rows if row[0] > rows[0][0]]
    values: dict[str, Any] = {"ts": [ts for ts, *_ in rows]}
    for number, name in enumerate(("price", "quantity", "side", "flags"), start=1):
        values[name] = [row[number] for row in rows]
    table, findings = table_of(wanted, values, window.low, window.high, context.now)
    first = int(ints(table, "ts")[0]) if table.num_rows else window.high
    since = max(window.low, window.seen + 1)
    gaps = (Gap(since, first, "missing", f"older than the newest {_PAGE:,} trades"),) if since < first else ()
    return Haul(table, (rest_source(f"{HOST} recent-trade"),), is_whole=True, findings=findings, gaps=gaps)


def _trades(reply: Any) -> list[tuple[int, str, str, int, int]]:
    """Return time, price, size, side of the taker and flags of trades, oldest first."""
    return [
        (
            int(row["time"]) * MS,
            row["price"],
            row["size"],
            1 if row["side"] == "Buy" else -1,
            (FLAGS["block"] if row.get("isBlockTrade") else 0) | (FLAGS["rpi"] if row.get("isRPITrade") else 0),
        )
        for row in reversed(_list(reply))
    ]


def instrument(context: Context, wanted: Wanted) -> dict[str, Any]:
    """Return today's facts of a contract as columns of kind `instruments`."""
    info = _info(context, wanted)
    if info is None:
        raise FeedError(f"{wanted}: {HOST} does not list {wanted.native}")
    parts = parse_symbol(wanted.symbol)
    is_linear = category(wanted) == "linear"
    return {
        "kind": "future" if parts.expiry else "perpetual",
        "base": info["baseCoin"],
        "quote": info["quoteCoin"],
        "settle": info["settleCoin"],
        "contract": "linear" if is_linear else "inverse",
        "contract_size": "1",
        "quantity_unit": "base" if is_linear else "contracts",
        "tick_size": info["priceFilter"]["tickSize"],
        "lot_size": info["lotSizeFilter"]["qtyStep"],
        "min_notional": info["lotSizeFilter"].get("minNotionalValue") or None,
        "onboard": int(info["launchTime"]) * MS if info.get("launchTime") else None,
        "expiry": int(info["deliveryTime"]) * MS if parts.expiry else None,
        "funding_interval_s": int(info["fundingInterval"]) * 60 if info.get("fundingInterval") else None,
    }


def tiers(context: Context, wanted: Wanted) -> list[dict[str, Any]]:
    """Return today's risk limits."""
    exchange = context.exchange("bybit")
    params = {"category": category(wanted), "symbol": wanted.native}
    found = exchange.call("publicGetV5MarketRiskLimit", params, _list)
    rows = sorted(found, key=lambda row: float(row["riskLimitValue"]))
    floors = ["0", *(str(row["riskLimitValue"]) for row in rows[:-1])]
    return [
        {
            "floor": floor,
            "maintenance_rate": str(row["maintenanceMargin"]),
            "max_leverage": str(row["maxLeverage"]),
            "amount": str(row["mmDeduction"]) if row.get("mmDeduction") else None,
        }
        for floor, row in zip(floors, rows, strict=True)
    ]


def category(wanted: Wanted) -> str:
    """Return Bybit's word for the kind of contract."""
    return "inverse" if parse_symbol(wanted.symbol).quote == "USD" else "linear"


def _kline(wanted: Wanted, row: list[Any]) -> Row:
    """Return a kline as our columns; the turnover of an inverse contract is in coins, not in quote currency."""
    if wanted.kind != "bars":
        return tuple(row[1:5])
    return (*row[1:6], row[6] if category(wanted) == "linear" else None)


def _list(reply: Any) -> list[Any]:
    """Return the rows of a reply; a reply without a list is no empty one."""
    return as_list(reply["result"]["list"])


def _info(context: Context, wanted: Wanted) -> dict[str, Any] | None:
    """Return what instruments-info says of a symbol, None when it is not listed."""
    exchange = context.exchange("bybit")
    params = {"category": category(wanted), "symbol": wanted.native}
    rows = context.once(
        "bybit", wanted.native, make=lambda: exchange.call("publicGetV5MarketInstrumentsInfo", params, _list)
    )
    found: dict[str, Any] | None = next((each for each in rows if each["symbol"] == wanted.native), None)
    return found
