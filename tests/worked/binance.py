"""What our functions say of the worked cases of Binance."""

import venues
from venues.instrument import Tier, complete_tiers

USDM = venues.get("binance_usdm", as_of="2024-10-24")
LATEST = venues.get("binance_usdm")


def with_tiers(rules, symbol, rows, **more):
    tiers = [Tier(floor=f, maintenance_rate=r, max_leverage=lever, amount=a) for f, r, lever, a in rows]
    return rules.with_instrument(venues.Instrument(symbol, contract="linear", tiers=tiers, **more))


def _isolated(case):
    """The wallet is the isolated margin less unrealised profit (binance.md section 1)."""
    rules = with_tiers(USDM, case["symbol"], case["tiers"])
    position = {name: case[name] for name in ("quantity", "entry_price", "side")}

    def risk(wallet):
        one = venues.Position(case["symbol"], margin_mode="isolated", isolated_wallet=wallet, **position)
        account = venues.Account(
            rules,
            position_mode="one_way" if case["side"] is None else "hedge",
            balances={"USDT": 0},
            positions=[one],
        )
        return account.risk(marks={case["symbol"]: case["mark"]}).positions[one.key]

    profit = risk(0.0).unrealized_pnl
    wallet = case["isolated_margin"] - profit
    return {"unrealized_pnl": profit, "wallet": wallet, "liquidation_price": risk(wallet).liquidation_price}


def _cross(case):
    rules = USDM
    for row in case["positions"]:
        rules = with_tiers(rules, row["symbol"], row["tiers"])
    positions = [
        venues.Position(row["symbol"], quantity=row["quantity"], entry_price=row["entry_price"])
        for row in case["positions"]
    ]
    account = venues.Account(rules, balances={"USDT": case["wallet"]}, positions=positions)
    risk = account.risk(marks={row["symbol"]: row["mark"] for row in case["positions"]})
    return {symbol: _named(risk.positions[symbol], names) for symbol, names in case["expected"].items()}


def _maintenance(case):
    symbol = case["symbol"]
    position = venues.Position(symbol, quantity=case["quantity"], entry_price=case["mark"])
    account = venues.Account(venues.get(case["venue"]), positions=[position])
    return _named(account.risk(marks={symbol: case["mark"]}).positions[symbol], case["expected"])


def _amounts(case):
    rows = [Tier(floor=floor, maintenance_rate=rate, max_leverage=lever) for floor, rate, lever in case["rows"]]
    return [row.amount for row in complete_tiers(rows)]


def _order_cost(case):
    return _named(LATEST.order_cost(symbol="BTC/USDT:USDT", **case["order"]), case["expected"])


def _auto_exchange(case):
    return LATEST.auto_exchange(deficit=case["deficit"], ratio=case["ratio"])


def _funding_rate(case):
    return LATEST.funding_rate(premium=case["premium"], interval_hours=case["interval_hours"])


def _mark_price(case):
    names = ("index", "last_rate", "hours_left", "interval_hours", "basis", "contract_price")
    return LATEST.mark_price(**{name: case[name] for name in names})


def _named(thing, names):
    return {name: getattr(thing, name) for name in names}


FIGURES = {
    "isolated": _isolated,
    "cross": _cross,
    "maintenance": _maintenance,
    "amounts": _amounts,
    "order_cost": _order_cost,
    "auto_exchange": _auto_exchange,
    "funding_rate": _funding_rate,
    "mark_price": _mark_price,
}
