"""What our functions say of the worked cases of dYdX Chain."""

from decimal import Decimal

import venues
from venues.instrument import Instrument, Tier
from venues.pool import PoolBox
from venues.position import ExactPosition
from venues.premium_votes import clamp_ppm, premium_vote
from venues.slices import fund_delta, slice_of


def subaccount(case, usdc):
    """Return a subaccount as a pool: its quote balance is what is left of it after its positions at their price."""
    tier = Tier(floor=0, maintenance_rate=case["maintenance_rate"], max_leverage=1 / case["maintenance_rate"])
    pool = PoolBox(usdc + sum(price * size for _, price, size in case["positions"]))
    for base, price, size in case["positions"]:
        symbol = f"{base}/USDC:USDC"
        rules = venues.get("dydx").with_instrument(Instrument(symbol, contract="linear", tiers=[tier]))
        pool.add(rules.box(symbol), quantity=size, entry_price=price, mark=price)
    return pool


def _row(case, base):
    return [position[0] for position in case["positions"]].index(base)


def _bankruptcy(case):
    base, size = case["close"]
    pool = subaccount(case, case["usdc"])
    return {"bankruptcy_notional": abs(pool.bankruptcy_value(_row(case, base), quantity=size))}


def _fillable(case):
    return {
        "fillable": [
            subaccount(case, each["usdc"]).fillable_price(
                0, adjustment=each["bankruptcy_adjustment"], spread=each["spread"]
            )
            for each in case["variants"]
        ]
    }


def _insurance_delta(case):
    size = case["positions"][0][2]
    value = subaccount(case, case["usdc"]).bankruptcy_value(0, quantity=size)
    paid = [fund_delta(case["fill_price"] * size, bankruptcy=value, cap=cap) for cap in case["max_fee"]]
    return {"insurance_fund_delta": paid}


def _interest_scaling(case):
    tier = Tier(floor=0, maintenance_rate=case["base_rate"] / 2, max_leverage=1 / case["base_rate"])
    symbol = "BTC/USDC:USDC"
    box = venues.get("dydx").with_instrument(Instrument(symbol, contract="linear", tiers=[tier])).box(symbol)
    box.set_interest_caps(case["lower"], case["upper"])
    box.set_open_interest(case["open_notional"])
    pool = PoolBox(case["position_notional"])
    leverage = 1 / case["base_rate"]
    pool.add(box, quantity=case["position_notional"], entry_price=1, mark=1, leverage=leverage)
    leg = pool.leg(0)
    return {"initial_rate": leg.initial / leg.notional, "initial_margin": leg.initial}


def _clamp(case):
    found = clamp_ppm(case["factor_ppm"], initial=case["initial_ppm"], maintenance_fraction=case["fraction_ppm"])
    return {"largest_ppm": found}


def _premium(case):
    return {"premium_ppm": [premium_vote(impact_notional=case["impact_notional"], **book) for book in case["books"]]}


def _funding_index(case):
    """The payment to a long of one coin is the fall of the index; a unit of it is 1e-12 USDC per base quantum."""
    decimals = 12 - case["atomic_decimals"]
    position = ExactPosition(
        price_scale=3, quantity_scale=0, settle_scale=decimals, funding_decimals=decimals, rounding="floor"
    )
    position.fill(1, case["price"])
    paid = position.funding(case["price"], Decimal(case["rate_8h"]) / 8, rate_scale=12)
    return {"index_delta": int(-paid.scaleb(decimals))}


def _slice(case):
    limits = {name: case[name] for name in ("least", "share", "most_closed")}
    return {"closed": [slice_of(notional, **limits) for notional in case["notional"]]}


FIGURES = {
    "bankruptcy": _bankruptcy,
    "fillable": _fillable,
    "insurance_delta": _insurance_delta,
    "interest_scaling": _interest_scaling,
    "clamp": _clamp,
    "premium": _premium,
    "funding_index": _funding_index,
    "slice": _slice,
}
