"""Deribit: JSON-RPC envelopes; trades unsorted, numbered per instrument; numbers are numbers."""

import random

from loopback.page import Page


def answer(world, path, params):
    """Return the reply to a request."""
    name = path.rsplit("/", 1)[-1]
    low, high = int(params.get("start_timestamp", 0)), int(params.get("end_timestamp", world.now)) + 1
    if name == "get_instrument":
        return _wrap(_instrument(world, params["instrument_name"]))
    if name == "get_instruments":
        return _wrap([_instrument(world, "BTC-PERPETUAL")])
    if name == "get_tradingview_chart_data":
        step = int(params["resolution"]) * 60_000
        slots = world.slots(low, high, step)[-5000:]
        return Page(slots, lambda slots: _wrap(_chart(world, slots)))
    if name == "get_volatility_index_data":
        step = {"60": 60_000, "3600": 3_600_000, "43200": 43_200_000, "1D": 86_400_000}[params["resolution"]]
        slots = world.slots(low, high, step)[-1000:]
        rows = [[at, *(round(float(cell) / 500, 2) for cell in world.candle(at, "index")[:4])] for at in slots]
        return Page(rows, lambda rows: _wrap({"data": rows, "continuation": None}))
    if name == "get_funding_rate_history":
        rows = [
            {"timestamp": at, "index_price": 30000.5, "interest_8h": float(rate) * 8, "interest_1h": float(rate)}
            for at, rate in world.settlements(low, high)[:744]
        ]
        return Page(rows, _wrap)
    if name.startswith("get_last_trades_by_instrument"):
        return Page(_trades(world, name, params, low, high), lambda rows: _wrap({"trades": rows, "has_more": True}))
    return {"jsonrpc": "2.0", "error": {"code": 13020, "message": "not_found"}}


def _wrap(result):
    return {"jsonrpc": "2.0", "result": result, "usIn": 1, "usOut": 2, "usDiff": 1, "testnet": False}


def _instrument(world, name):
    return {
        "instrument_name": name,
        "kind": "future",
        "settlement_period": "perpetual",
        "base_currency": "BTC",
        "quote_currency": "USD",
        "counter_currency": "USD",
        "settlement_currency": "BTC",
        "contract_size": 10.0,
        "tick_size": 0.5,
        "min_trade_amount": 10.0,
        "is_active": True,
        "creation_timestamp": world.listed,
        "expiration_timestamp": 32503708800000,
    }


def _trades(world, name, params, low, high):
    count = min(int(params.get("count", 10)), 1000)
    if name.endswith("_and_time"):
        found = world.trades(low, high)
        found = found[-count:] if params.get("sorting") == "desc" else found[:count]
    else:
        first, last = int(params["start_seq"]), int(params["end_seq"])
        found = [each for each in world.trades_from(first, count) if each.id <= last]
    rows = [
        {
            "trade_seq": each.id,
            "trade_id": f"T-{each.id}",
            "timestamp": each.ts,
            "price": float(each.price),
            "amount": float(each.quantity) * 1000,
            "direction": "buy" if each.side > 0 else "sell",
            **({"liquidation": each.liquidation} if each.liquidation else {}),
        }
        for each in found
    ]
    return random.Random(len(rows)).sample(rows, len(rows))


def _chart(world, slots):
    cells = [world.candle(at) for at in slots]
    found = {
        name: [float(cell[place]) for cell in cells] for place, name in enumerate(("open", "high", "low", "close"))
    }
    volumes = [float(cell[4]) for cell in cells]
    return found | {"ticks": slots, "volume": volumes, "cost": [size * 10 for size in volumes], "status": "ok"}
