"""What our functions say of the worked cases of OKX."""

from decimal import Decimal

import venues
from venues.instrument import Instrument, Tier
from venues.pool import PoolBox
from venues.position import ExactPosition


def with_rate(case, symbol, contract, size):
    """Return the venue on the day of a case, with a contract of one tier."""
    tier = Tier(floor=0, maintenance_rate=case["maintenance_rate"], max_leverage=100)
    own = Instrument(
        symbol, contract=contract, contract_size=size, tiers=[tier], maker_fee=0, taker_fee=case["taker_fee"]
    )
    return venues.get("okx", as_of=case["date"]).with_instrument(own)


def _cross(case):
    symbol, mark = case["symbol"], case["mark"]
    rules = with_rate(case, symbol, case["contract"], case["contract_size"])
    position = venues.Position(
        symbol, quantity=case["quantity"], entry_price=case["entry_price"], leverage=case["leverage"]
    )
    wallet = case["equity"] - case["expected"]["unrealized"]
    risk = venues.Account(rules, balances={"USDT": wallet}, positions=[position]).risk(marks={symbol: mark})
    leg = risk.positions[symbol]
    return {
        "initial": leg.initial_margin,
        "maintenance_alone": leg.maintenance_margin - leg.notional * case["taker_fee"],
        "unrealized": leg.unrealized_pnl,
        "ratio": 1 / risk.margin_ratio,
        "liquidation_price": leg.liquidation_price,
    }


def _closed(case):
    box = venues.get("okx").box(case["symbol"], tiers=())
    size = Decimal(str(box.instrument.contract_size))
    position = ExactPosition(kind="linear", price_scale=2, quantity_scale=1, size=size)
    quantity, rate = Decimal(case["quantity"]), Decimal(case["rate"])
    opened, closed = Decimal(case["entry_price"]), Decimal(case["exit_price"])
    position.fill(quantity, opened)
    profit, _, _ = position.fill(-quantity, closed)
    fees = position.fee(quantity, opened, rate) + position.fee(quantity, closed, rate)
    pool = PoolBox(1.0, isolated=True)
    pool.add(box, quantity=float(quantity), entry_price=float(opened), mark=3000, leverage=case["leverage"])
    initial = pool.leg(0).initial
    return {
        "profit": profit,
        "fees": fees,
        "realized": profit - fees,
        "initial": initial,
        "share": float(profit - fees) / initial,
    }


def _tiers(case):
    """Without the fee, which the venue keeps apart."""
    rules, mark = venues.get("okx", as_of=case["date"]), case["mark"]
    box = rules.box(case["symbol"])
    box.set_fees(0, 0)
    found = []
    for quantity in case["quantities"]:
        pool = PoolBox(1e6)
        pool.add(box, quantity=quantity, entry_price=mark, mark=mark, leverage=10)
        found.append(pool.risk().maintenance)
    return found


def _funding(case):
    rules = venues.get("okx", as_of=case["date"])
    return [
        rules.funding_rate(premium=[p for p in row["premium"] for _ in range(row["minutes"])], symbol=row["symbol"])
        for row in case["rates"]
    ]


def _isolated(case):
    found = []
    for held in case["positions"]:
        is_inverse = held["contract"] == "inverse"
        symbol = "X/USD:X" if is_inverse else "X/USDT:USDT"
        box = with_rate(case, symbol, held["contract"], 10.0 if is_inverse else 0.1).box(symbol)
        pool = PoolBox(held["margin"], isolated=True)
        pool.add(box, quantity=held["quantity"], entry_price=held["entry_price"], mark=2000, leverage=case["leverage"])
        found.append(pool.leg(0).liquidation_price)
    return found


def _discount(case):
    rules = venues.get("okx", as_of=case["date"])
    return rules.collateral_value(asset=case["asset"], amount=case["amount"], price=1)


def _multi(case):
    symbol = "X/USDT:USDT"
    rules = with_rate(case, symbol, "linear", 0.1)
    position = venues.Position(
        symbol, quantity=case["quantity"], entry_price=case["entry_price"], leverage=case["leverage"]
    )
    account = venues.Account(rules, collateral="multi", balances=case["balances"], positions=[position])
    risk = account.risk(marks={symbol: case["mark"]}, index=case["index"])
    return {
        "equity": risk.equity,
        "maintenance": risk.maintenance_margin,
        "initial": risk.initial_margin,
        "ratio": 1 / risk.margin_ratio,
    }


FIGURES = {
    "cross": _cross, "closed": _closed, "tiers": _tiers, "funding": _funding, "isolated": _isolated,
    "discount": _discount, "multi": _multi,
}  # fmt: skip
