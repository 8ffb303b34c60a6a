"""What our functions say of the worked cases of BitMEX."""

import venues
from feeds.times import time_ns
from venues.instrument import Instrument

HOUR = 3600 * 10**9
BITMEX = venues.get("bitmex")


def free(symbol):
    """Return the rules with a contract that pays no fees, as the examples count."""
    shipped = BITMEX.instrument(symbol)
    fields = {"contract": shipped.contract, "contract_size": shipped.contract_size, "lot_size": 1}
    return BITMEX.with_instrument(Instrument(symbol, **fields, maker_fee=0, taker_fee=0))


def _account(case):
    names = ("quantity", "entry_price", "leverage")
    position = venues.Position(case["symbol"], **{name: case[name] for name in names})
    rules = free(case["symbol"])
    settle = rules.instrument(case["symbol"]).settle
    return venues.Account(rules, balances={settle: case["wallet"]}, positions=[position])


def _cross(case):
    risk = _account(case).risk(marks={case["symbol"]: case["entry_price"]})
    one = risk.positions[case["symbol"]]
    return {
        "initial": risk.initial_margin,
        "maintenance": risk.maintenance_margin,
        "liquidation_price": one.liquidation_price,
        "bankruptcy_price": one.bankruptcy_price,
        "available": risk.available,
    }


def _fair(case):
    left = (time_ns(case["next"]) - time_ns(case["now"])) / HOUR
    fair = BITMEX.mark_price(index=case["index"], last_rate=case["rate"], hours_left=left)
    return {"basis": fair - case["index"], "fair": fair, "annual": case["rate"] * 3 * 365}


def _cap(case):
    def a_day(hours):
        return BITMEX.funding_rate(premium=1.0, symbol=case["symbol"], interval_hours=hours) * 24 / hours

    return {"of 8 hours": a_day(8) / 3, "a day": a_day(8), "a day of 2 hours": a_day(2)}


def _quanto(case):
    risk = _account(case).risk(marks={case["symbol"]: case["entry_price"] + case["move"]})
    return {
        "value": free(case["symbol"]).box(case["symbol"]).notional(case["quantity"], case["entry_price"]),
        "initial": risk.initial_margin,
        "profit": risk.unrealized_pnl,
    }


def _adl(case):
    names = ("symbol", "quantity", "entry_price", "mark", "bankruptcy_price")
    return BITMEX.adl_score(**{name: case[name] for name in names})


FIGURES = {"cross": _cross, "fair": _fair, "cap": _cap, "quanto": _quanto, "adl": _adl}
