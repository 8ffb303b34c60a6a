"""Binance USD-M and COIN-M: ascending pages, both bounds inclusive, `fromId` inclusive."""

import time

from loopback.page import Page, step_ms

SERIES = {"klines": "trade", "markPriceKlines": "mark", "indexPriceKlines": "index", "premiumIndexKlines": "premium"}
FILTERS = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.1", "maxPrice": "1000000", "tickSize": "0.10"},
    {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
    {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "120", "stepSize": "0.001"},
    {"filterType": "MIN_NOTIONAL", "notional": "100"},
]


def answer(world, path, params):
    """Return the reply to a request."""
    name = path.rsplit("/", 1)[-1]
    limit = int(params.get("limit", 500))
    low, high = int(params.get("startTime", 0)), int(params.get("endTime", world.now)) + 1
    if name == "exchangeInfo":
        return {"symbols": [_symbol(world, path)], "rateLimits": [], "timezone": "UTC"}
    if name == "aggTrades":
        return _trades(world, params, low, high, limit)
    if name in SERIES:
        step = step_ms(params["interval"])
        slots = world.slots(low, high, step)[:limit]
        return Page([_kline(world, at, step, SERIES[name]) for at in slots])
    if name == "fundingRate":
        rows = world.settlements(low, high)[:limit]
        symbol = params["symbol"]
        return Page(
            [
                {"symbol": symbol, "fundingTime": at + 3, "fundingRate": rate, "markPrice": "30000.50000000"}
                for at, rate in rows
            ]
        )
    if name == "openInterestHist":
        assert high - low <= 30 * 86_400_000
        return Page(
            [
                {"sumOpenInterest": amount, "sumOpenInterestValue": "30000000.5", "timestamp": at}
                for at, amount in world.interest(low, high)[:limit]
            ]
        )
    if name == "fundingInfo":
        return [{"symbol": "ETHUSDT", "fundingIntervalHours": 4}]
    if name == "depth":
        book = {"bids": [["30000.10", "1.500"], ["30000.00", "2"]], "asks": [["30000.20", "0.700"]]}
        now = time.time_ns() // 1_000_000  # asked for only beside web sockets, which live in the present
        return {"lastUpdateId": 1000, "E": now, "T": now} | book
    if name == "leverageBracket":
        assert params["signature"]
        brackets = [
            {"bracket": 1, "initialLeverage": 125, "notionalCap": 50000, "notionalFloor": 0, "qtyFloor": 0},
            {"bracket": 2, "initialLeverage": 100, "notionalCap": 600000, "notionalFloor": 50000, "qtyFloor": 50000},
        ]
        rates = [{"maintMarginRatio": 0.004, "cum": 0.0}, {"maintMarginRatio": 0.005, "cum": 50.0}]
        return [{"symbol": params["symbol"], "brackets": [a | b for a, b in zip(brackets, rates, strict=True)]}]
    return {"code": -1121, "msg": "Invalid symbol."}


def _trades(world, params, low, high, limit):
    if "fromId" in params:
        assert "startTime" not in params
        rows = world.trades_from(int(params["fromId"]), limit)
    else:
        assert high - low <= 3_600_000  # the venue wants less than an hour
        rows = world.trades(low, high)[:limit]
    return Page(
        [
            {
                "a": each.id,
                "p": each.price,
                "q": each.quantity,
                "f": each.id * 2,
                "l": each.id * 2 + 1,
                "T": each.ts,
                "m": each.side < 0,
            }
            for each in rows
        ]
    )


def _kline(world, at, step, series):
    cells = world.candle(at, series)
    volume = cells[4] if series == "trade" else "0"
    return [at, *cells[:4], volume, at + step - 1, "1000.5" if series == "trade" else "0", 10, "0", "0", "0"]


def _symbol(world, path):
    is_linear = "fapi" in path
    return {
        "symbol": "BTCUSDT" if is_linear else "BTCUSD_PERP",
        "pair": "BTCUSDT" if is_linear else "BTCUSD",
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": world.listed,
        "status": "TRADING",
        "contractStatus": "TRADING",
        "contractSize": 100,
        "baseAsset": "BTC",
        "quoteAsset": "USDT" if is_linear else "USD",
        "marginAsset": "USDT" if is_linear else "BTC",
        "filters": FILTERS,
        "orderTypes": ["LIMIT", "MARKET"],
    }
