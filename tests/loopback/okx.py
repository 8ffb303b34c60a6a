"""OKX v5: newest first; `after` means older than, `before` alone means the latest, neither bound included."""

from loopback.page import Page, step_ms

SERIES = {"history-candles": "trade", "history-mark-price-candles": "mark", "history-index-candles": "index"}
CAPS = {"history-candles": 100, "history-mark-price-candles": 100, "history-index-candles": 100}


def answer(world, path, params):
    """Return the reply to a request."""
    name = path.rsplit("/", 1)[-1]
    limit = min(int(params.get("limit", 100)), 100)  # whatever is asked for: the older text of the venue
    high, low = int(params.get("after", world.now)), int(params.get("before", 0)) + 1
    if name == "instruments":
        return _wrap([_instrument(world)] if params["instType"] == "SWAP" else [])
    if name == "position-tiers":
        return _wrap(
            [
                {"minSz": "0", "maxSz": "1000", "mmr": "0.004", "maxLever": "125", "tier": "1"},
                {"minSz": "1000", "maxSz": "6000", "mmr": "0.005", "maxLever": "100", "tier": "2"},
            ]
        )
    if name in SERIES:
        step = step_ms(params["bar"].lower().removesuffix("utc"))
        slots = world.slots(low, high, step)
        found = slots[-limit:]
        rows = [_candle(world, at, step, SERIES[name]) for at in found]
    elif name == "funding-rate-history":
        found = world.settlements(low, high)[-limit:]
        rows = [{"fundingRate": "0.5", "realizedRate": rate, "fundingTime": str(at)} for at, rate in found]
    elif name == "open-interest-history":
        found = world.interest(int(params["begin"]) + 1, int(params["end"]))[-limit:]
        rows = [[str(at), amount, "10.5", "300000.5"] for at, amount in found]
    elif name == "history-trades":
        rows = _trades(world, params, limit)
    else:
        return {"code": "51001", "msg": "Instrument ID does not exist", "data": []}
    return Page(rows[::-1], _wrap)


def _wrap(rows):
    return {"code": "0", "msg": "", "data": rows}


def _trades(world, params, limit):
    after = int(params["after"])
    if params["type"] == "2":
        found = world.trades(after - 86_400_000, after)[-limit:]
    else:
        found = [each for each in world.trades_from(max(after - limit, 1), limit) if each.id < after]
    return [
        {
            "instId": params["instId"],
            "side": "buy" if each.side > 0 else "sell",
            "sz": each.quantity,
            "px": each.price,
            "tradeId": str(each.id),
            "ts": str(each.ts),
        }
        for each in found
    ]


def _candle(world, at, step, series):
    cells = world.candle(at, series)
    confirm = "1" if at + step <= world.now else "0"
    if series != "trade":
        return [str(at), *cells, confirm]
    return [str(at), *cells, "0.5", "1000.5", confirm]


def _instrument(world):
    return {
        "instId": "BTC-USDT-SWAP",
        "instType": "SWAP",
        "uly": "BTC-USDT",
        "settleCcy": "USDT",
        "state": "live",
        "ctType": "linear",
        "ctVal": "0.01",
        "tickSz": "0.1",
        "lotSz": "0.01",
        "listTime": str(world.listed),
        "expTime": "",
    }
