"""What our functions say of the worked cases of Hyperliquid."""

from decimal import Decimal

import venues
from venues.position import ExactPosition

BTC = "BTC/USDC:USDC"


def rules_of(case):
    """Return the venue on the day of a case."""
    return venues.get("hyperliquid", as_of=case.get("date"))


def cross(rules, symbol, quantity, mark, value, leverage=1):
    """Return a cross account worth `value` with one position entered at the mark."""
    position = venues.Position(symbol, quantity=quantity, entry_price=mark, leverage=leverage)
    return venues.Account(rules, balances={"USDC": value}, positions=[position])


def _snapshot(case):
    mark = case["position_value"] / case["quantity"]
    profit = case["quantity"] * (mark - case["entry_price"])
    position = venues.Position(
        case["symbol"],
        quantity=case["quantity"],
        entry_price=case["entry_price"],
        leverage=case["leverage"],
        margin_mode="isolated",
        isolated_wallet=case["margin_value"] - profit,
    )
    rules = rules_of(case)
    assert rules.tiers(case["symbol"])[0].max_leverage == case["max_leverage"]
    risk = venues.Account(rules, positions=[position]).risk(marks={case["symbol"]: mark}).positions[case["symbol"]]
    return {"mark": mark, "unrealized": risk.unrealized_pnl, "liquidation_price": risk.liquidation_price}


def _funding_rate(case):
    return rules_of(case).funding_rate(premium=case["premium"])


def _impact(case):
    rules = rules_of(case)
    premium = rules.premium(impact_bid=case["impact_bid"], impact_ask=case["impact_ask"], index=case["oracle"])
    hourly = rules.funding_rate(premium=premium)
    position = ExactPosition(kind="linear", price_scale=0, quantity_scale=0)
    position.fill(case["quantity"], case["oracle"])
    return {
        "premium": premium,
        "rate_8h": rules.funding_rate(premium=premium, interval_hours=8),
        "hourly_rate": hourly,
        "paid": -position.funding(case["oracle"], Decimal(repr(round(hourly, 10)))),
    }


def _maintenance(case):
    rules, mark = rules_of(case), case["notional"] / 2000
    tier = rules.tiers(case["symbol"])[1]
    risk = cross(rules, case["symbol"], 2000, mark, 1e9).risk(marks={case["symbol"]: mark})
    return {"rate": tier.maintenance_rate, "deduction": tier.amount, "maintenance": risk.maintenance_margin}


def _cross(case):
    account = cross(rules_of(case), case["symbol"], case["quantity"], case["mark"], case["account_value"], leverage=20)
    risk = account.risk(marks={case["symbol"]: case["mark"]}).positions[case["symbol"]]
    return {"maintenance": risk.maintenance_margin, "liquidation_price": risk.liquidation_price}


def _book_orders(case):
    rules = rules_of(case)
    found = []
    for order in case["orders"]:
        value = order["quantity"] * order["mark"] / 90  # below maintenance (1/80), above two thirds of it
        account = cross(rules, BTC, order["quantity"], order["mark"], value)
        marks = {BTC: order["mark"]}
        steps = rules.liquidation_steps(account=account, symbol=BTC, marks=marks, is_cooling=order["is_cooling"])
        assert [step.kind for step in steps[:2]] == ["cancel_orders", "reduce"]
        found.append(steps[1].quantity)
    return found


def _decayed_average(case):
    return rules_of(case).average_basis(samples=case["samples"])


def _stages(case):
    rules, marks = rules_of(case), {case["symbol"]: case["mark"]}
    booked, taken, maintenance = [], [], set()
    for value in case["account_values"]:
        account = cross(rules, case["symbol"], case["quantity"], case["mark"], value)
        maintenance.add(account.risk(marks=marks).maintenance_margin)
        steps = rules.liquidation_steps(account=account, symbol=case["symbol"], marks=marks)
        booked.append(sum(step.quantity for step in steps if step.kind == "reduce"))
        taken.append(sum(step.quantity for step in steps if step.kind == "takeover"))
    return {"maintenance": maintenance.pop(), "closed in the book": booked, "taken over": taken}


FIGURES = {
    "snapshot": _snapshot,
    "funding_rate": _funding_rate,
    "impact": _impact,
    "maintenance": _maintenance,
    "cross": _cross,
    "book_orders": _book_orders,
    "decayed_average": _decayed_average,
    "stages": _stages,
}
