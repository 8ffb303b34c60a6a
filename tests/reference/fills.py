"""What a fill does to an account: profit, fee, isolated wallet (binance.md sections 1, 5 and 7)."""

from dataclasses import dataclass
from fractions import Fraction

from reference.inputs import ATOM
from reference.ledger import fees_of, fund_of, others_of
from reference.rounding import atoms, ceiling, floor, toward_zero

KINDS = {
    "own": "trade_profit",
    "liquidation": "trade_profit",
    "takeover": "trade_profit",
    "adl": "adl",
    "settlement": "settlement",
}


@dataclass(frozen=True)
class Fill:
    """One fill as it is told."""

    time: int
    account: str
    contract: str
    leg: int
    side: int
    price: Fraction
    quantity: Fraction
    fee: int
    profit: int
    is_maker: bool
    forced: str


@dataclass
class Step:
    """One step of a forced close."""

    time: int
    account: str
    contract: str
    quantity: Fraction  # signed like the position
    price: Fraction
    fee: int
    what: str
    step: int
    shortfall: int = 0
    paid_by: str = "nobody"


def book(account, order, quantity, price, *, is_maker=False, forced="own"):
    """Book a fill of an order; `forced` says why it happened."""
    account.release(order, quantity)
    order.filled += quantity
    rate = account.owner.maker if is_maker else account.owner.taker
    if order.contract.kind == "spot":
        cost, profit = swap(account, order, quantity, price, rate), 0
    else:
        cost, profit = trade(account, order, quantity, price, rate, forced)
    address = order.contract.address
    account.run.fills.append(
        Fill(
            account.run.now,
            account.name,
            address,
            order.leg,
            order.side,
            price,
            quantity,
            cost,
            profit,
            is_maker,
            forced,
        )
    )
    if forced in ("liquidation", "takeover", "adl"):
        watch = account.watches[account.pool_of((address, order.leg))]
        watch.step += 1
        account.run.steps.append(
            Step(account.run.now, account.name, address, -order.side * quantity, price, cost, forced, watch.step)
        )
    if forced not in ("adl", "settlement"):
        account.run.look(account)  # those happen to several legs at once


def swap(account, order, quantity, price, rate):
    """Exchange two assets; the fee is taken from what is received. Returns the fee in atoms."""
    contract, side = order.contract, order.side
    paid, got = atoms(contract.notional(quantity, price)), atoms(quantity * contract.size)
    account.post(others_of(contract.venue), contract.quote, "spot_trade", -side * paid)
    account.post(others_of(contract.venue), contract.base, "spot_trade", side * got)
    asset, worth = (contract.base, got * ATOM) if side > 0 else (contract.quote, contract.notional(quantity, price))
    cost = atoms(worth * rate)
    account.post(fees_of(contract.venue), asset, "fee", -cost)
    return cost


def trade(account, order, quantity, price, rate, forced):
    """Change a position and pay for it. Returns fee and profit in atoms."""
    contract, key = order.contract, (order.contract.address, order.leg)
    position = account.positions[key]
    held = abs(position.quantity)
    profit, closed, opened = position.fill(order.side * quantity, price)
    if closed and (opened or not position.quantity):
        account.run.orphans.append((account, contract))
    account.post(others_of(contract.venue), contract.settle, KINDS[forced], profit, key)
    cost = 0
    if forced == "own":
        cost = atoms(contract.notional(quantity, price) * rate)
        account.post(fees_of(contract.venue), contract.settle, "fee", -cost, key)
    elif forced == "liquidation":
        # min(rate x filled notional, what the margin still holds above zero), and no trading fee
        due = atoms(contract.notional(quantity, price) * contract.clearance)
        left = floor(account.pool(account.pool_of(key)).equity / ATOM)
        cost = max(0, min(due, left))
        account.post(fund_of(contract.venue), contract.settle, "liquidation_fee", -cost, key)
    if account.isolated[contract.address]:
        move_isolated(account, key, (held, closed, opened), price, (profit, cost), forced)
    return cost, profit


def move_isolated(account, key, quantities, price, money, forced):
    """Give back the closed share of an isolated wallet with that part's profit less its fee; margin what opens."""
    (held, closed, opened), (profit, cost) = quantities, money
    position = account.positions[key]
    contract = position.contract
    if forced == "takeover" and not position.quantity:
        account.post(fund_of(contract.venue), contract.settle, "insurance", -account.wallets[key], key)
    # A forced close in part leaves the wallet where it is: it moves by transfers, funding, fees and profit alone.
    if closed and closed == held:
        account.wallets[key] = 0
    elif closed and forced != "liquidation":
        before = account.wallets[key] - profit + cost
        stays = max(0, before - toward_zero(Fraction(before) * closed / held))
        account.wallets[key] = min(account.wallets[key], stays)
    if opened:
        margin = contract.notional(opened, price) / account.leverage[contract.address]
        wanted = ceiling(margin / ATOM) + (0 if closed else cost)
        # Filled beyond the price that it was margined at, an order may want more: the leg gets what there is.
        account.wallets[key] += min(wanted, max(0, account.cross(contract.settle)))
