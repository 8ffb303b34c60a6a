"""Hyperliquid: one endpoint, bare arrays; the newest 5,000 candles, funding 500 a page from the start."""

from loopback.page import Page, step_ms


def answer(world, path, params):
    """Return the reply to a request."""
    kind = params["type"]
    if kind == "metaAndAssetCtxs":
        context = {"funding": "0.0000125", "openInterest": "688.11", "prevDayPx": "30000.0", "dayNtlVlm": "1.0"}
        return [answer(world, path, {"type": "meta"}), [context | {"markPx": "30001.0", "oraclePx": "30000.0"}]]
    if kind == "meta":
        return {
            "universe": [{"name": "BTC", "szDecimals": 5, "maxLeverage": 40, "marginTableId": 56}],
            "marginTables": [
                [
                    56,
                    {
                        "description": "tiered 40x",
                        "marginTiers": [
                            {"lowerBound": "0.0", "maxLeverage": 40},
                            {"lowerBound": "150000000.0", "maxLeverage": 20},
                        ],
                    },
                ]
            ],
        }
    if kind == "fundingHistory":
        rows = world.settlements(int(params["startTime"]), int(params.get("endTime", world.now)) + 1)[:500]
        return Page([{"coin": "BTC", "fundingRate": rate, "premium": "0.0001", "time": at + 40} for at, rate in rows])
    asked = params["req"]
    step = step_ms(asked["interval"])
    oldest = world.now - 5000 * step
    slots = [at for at in world.slots(asked["startTime"], asked["endTime"] + 1, step) if at >= oldest][-5000:]
    return Page([_candle(world, at, step) for at in slots])


def _candle(world, at, step):
    open_, high, low, close, volume = world.candle(at)
    return {
        "t": at,
        "T": at + step - 1,
        "s": "BTC",
        "i": "",
        "o": open_,
        "h": high,
        "l": low,
        "c": close,
        "v": volume,
        "n": 9,
    }
