"""What a fill does to an account: profit, fee, isolated wallet (binance.md sections 1, 5 and 7)."""

from dataclasses import dataclass
from fractions import Fraction

from reference.inputs import ATOM
from reference.ledger import fees_of, fund_of, others_of
from reference.rounding import atoms, ceiling, floor, toward_zero
from reference.slices import penalty

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
            cost if forced == "own" else max(0, cost),
            profit,
            is_maker,
            forced,
        )
    )
    if forced in ("liquidation", "takeover", "adl"):
        watch = account.watches[account.pool_of((address, order.leg))]
        watch.step += 1
        step = Step(
            account.run.now, account.name, address, -order.side * quantity, price, max(0, cost), forced, watch.step
        )
        if cost < 0:  # the fund has paid up to the bankruptcy price
            step.shortfall, step.paid_by = -cost, "insurance_fund"
        account.run.steps.append(step)
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
    account.accrue(key)
    is_slice = forced == "liquidation" and account.house.is_sliced
    bankruptcy = value_at_bankruptcy(account, key, quantity) if is_slice else None
    profit, closed, opened = position.fill(order.side * quantity, price)
    if closed and (opened or not position.quantity):
        account.run.orphans.append((account, contract))
    if forced == "liquidation" and position.quantity:
        account.part_closed = account.run.now
    account.post(others_of(contract.venue), contract.settle, KINDS[forced], profit, key)
    cost, house = 0, account.house
    if forced == "own":
        cost = atoms(house.fee(contract.notional(quantity, price) * rate))
        account.post(fees_of(contract.venue), contract.settle, "fee", -cost, key)
    elif is_slice:
        cost = take_penalty(account, key, -order.side * quantity * price, bankruptcy)
    elif forced == "liquidation" or (forced == "takeover" and house.charges_takeover):
        # min(rate x filled notional, what the margin still holds above zero): the clearance fee or the trading fee
        is_trading = house.forced_fee == "trading"
        cost = atoms(contract.notional(quantity, price) * (rate if is_trading else contract.clearance))
        if forced == "liquidation":  # the price of a takeover leaves just the fee
            cost = max(0, min(cost, floor(account.pool(account.pool_of(key)).equity / ATOM)))
        if is_trading:
            account.post(fees_of(contract.venue), contract.settle, "fee", -cost, key)
        else:
            account.post(fund_of(contract.venue), contract.settle, "liquidation_fee", -cost, key)
    if account.isolated[contract.address]:
        move_isolated(account, key, (held, closed, opened), price, (profit, cost), forced)
    return cost, profit


def value_at_bankruptcy(account, key, quantity):
    """Return the cash of closing a part of a position at its share of the pool's equity."""
    pool, leg = account.pool(account.pool_of(key)), account.leg(key)
    sign = 1 if leg.position.quantity > 0 else -1
    return sign * quantity * leg.mark - pool.equity * quantity / abs(leg.position.quantity)


def take_penalty(account, key, value, bankruptcy):
    """Let a slice pay the fund, or be paid, by what its cash is against bankruptcy; returns the atoms."""
    contract, watch = account.positions[key].contract, account.watches[account.pool_of(key)]
    cost = int(penalty(value, bankruptcy) / ATOM)
    kind = "liquidation_fee" if cost > 0 else "insurance"
    account.post(fund_of(contract.venue), contract.settle, kind, -cost, key)
    watch.waits_since, watch.offered, watch.closed = account.run.now, False, True
    return cost


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
        margin = account.house.opening(account.leg(key), contract.notional(opened, price))
        wanted = ceiling(margin / ATOM) + (0 if closed else cost)
        # Filled beyond the price that it was margined at, an order may want more: the leg gets what there is.
        account.wallets[key] += min(wanted, max(0, account.cross(contract.settle)))
