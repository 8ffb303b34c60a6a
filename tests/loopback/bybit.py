"""Bybit v5: lists newest first, the newest `limit` rows of what lies between both inclusive bounds."""

from loopback.page import Page

SERIES = {
    "kline": "trade",
    "mark-price-kline": "mark",
    "index-price-kline": "index",
    "premium-index-price-kline": "premium",
}


def answer(world, path, params):
    """Return the reply to a request."""
    name = path.removeprefix("/v5/market/")
    limit = int(params.get("limit", 200))
    if name == "instruments-info":
        return _wrap([_instrument(world)])
    if name == "risk-limit":
        return _wrap(
            [
                {"riskLimitValue": "200000", "maintenanceMargin": "0.005", "maxLeverage": "100.00", "mmDeduction": ""},
                {
                    "riskLimitValue": "400000",
                    "maintenanceMargin": "0.01",
                    "maxLeverage": "50.00",
                    "mmDeduction": "1000",
                },
            ]
        )
    if name == "recent-trade":
        found = world.trades(world.now - 86_400_000, world.now)[-limit:]
        return Page([_trade(params["symbol"], each) for each in reversed(found)], _wrap)
    if name in SERIES:
        interval = params["interval"]
        step = 86_400_000 if interval == "D" else int(interval) * 60_000
        slots = world.slots(int(params["start"]), int(params["end"]) + 1, step)[-limit:]
        rows = [_kline(world, at, SERIES[name]) for at in slots]
    elif name == "funding/history":
        found = world.settlements(int(params["startTime"]), int(params["endTime"]) + 1)[-min(limit, 200) :]
        rows = [
            {"symbol": params["symbol"], "fundingRate": rate, "fundingRateTimestamp": str(at)} for at, rate in found
        ]
    elif name == "open-interest":
        found = world.interest(int(params["startTime"]), int(params["endTime"]) + 1)[-min(limit, 200) :]
        rows = [{"openInterest": amount, "timestamp": str(at)} for at, amount in found]
    else:
        return {"retCode": 10001, "retMsg": "params error", "result": {}}
    return Page(rows[::-1], _wrap)


def _wrap(rows):
    result = {"category": "linear", "list": rows, "nextPageCursor": ""}
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": 1}


def _kline(world, at, series):
    cells = world.candle(at, series)
    return [str(at), *cells, "1000.5"] if series == "trade" else [str(at), *cells]


def _trade(symbol, each):
    return {
        "execId": f"{each.id:08x}-0000-5000-8000-{each.id:012x}",
        "symbol": symbol,
        "price": each.price,
        "size": each.quantity,
        "side": "Buy" if each.side > 0 else "Sell",
        "time": str(each.ts),
        "isBlockTrade": False,
        "isRPITrade": False,
    }


def _instrument(world):
    return {
        "symbol": "BTCUSDT",
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": "BTC",
        "quoteCoin": "USDT",
        "settleCoin": "USDT",
        "launchTime": str(world.listed),
        "deliveryTime": "0",
        "priceFilter": {"tickSize": "0.10"},
        "lotSizeFilter": {"qtyStep": "0.001", "minNotionalValue": "5"},
        "fundingInterval": 480,
    }
