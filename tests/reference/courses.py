"""How venues close positions by force, one step at a time.

A course takes the account, the pool's name and the pool, and returns "again" when the pool is to be looked at anew,
"wait" when an order is out or its time has not come, and "take over" when the rest goes to the fund.
"""

from reference.fills import book
from reference.inputs import SECOND
from reference.margin import least_reduction
from reference.orders import Order
from reference.rounding import ceiling, floor

PACE = 60 * SECOND  # okx.md section 7.3: one order a minute
TIERS_DOWN = 2


def cancel_orders(account, name):
    """Cancel all orders of the pool's contracts."""
    for contract in account.contracts:
        keys = [key for key in account.positions if key[0] == contract.address]
        if any(account.pool_of(key) == name for key in keys):
            account.run.tapes[contract.address].cancel_all(account)


def cancel_early(account):
    """Cancel what holds margin in cross pools that would not admit it any more (okx.md sections 4 and 7)."""
    for name in account.pools() if account.house.cancels_early else ():
        if isinstance(name, tuple) or account.watches[name].condition == "liquidating":
            continue
        pool = account.pool(name)
        if not pool.orders:
            continue
        account.run.doubt_near(pool.equity, pool.initial + pool.orders, pool.notional)
        if pool.equity < pool.initial + pool.orders:
            for order in [o for o in account.orders if o.counted]:
                if account.pool_of((order.contract.address, order.leg)) == name:
                    account.run.tapes[order.contract.address].end(order, "canceled", "BY_VENUE")


def cancel_contract(account, leg):
    """Cancel the orders in a leg's contract; returns whether any held margin."""
    key = leg.contract.address, leg.side
    before = sum(order.counted for order in account.orders if (order.contract.address, order.leg) == key)
    account.run.tapes[leg.contract.address].cancel_all(account)
    return before > sum(order.counted for order in account.orders if (order.contract.address, order.leg) == key)


def worst(pool):
    """Return the leg that asks for the most maintenance."""
    return max((leg for leg in pool.legs if leg.position.quantity), key=lambda leg: leg.maintenance)


def send(account, name, leg, quantity, *, tif="GTC"):
    """Send the order that closes a quantity of a leg, limited by the bankruptcy price where the venue does so."""
    run, contract = account.run, leg.contract
    side = -1 if leg.position.quantity > 0 else 1
    order = Order(0, account, contract, side, min(abs(leg.position.quantity), quantity), leg=leg.side, forced=True)
    order.tif = tif
    limit, step = account.pool(name).bankruptcy_price(leg), run.price_steps[contract.address]
    if limit is not None and account.house.is_limited:
        run.doubt_step(limit / step)
        # Rounded to the side that keeps the pool at or above zero.
        order.price = (ceiling(limit / step) if side < 0 else floor(limit / step)) * step
    account.watches[name].forced = order
    run.tapes[contract.address].add(order)
    return "wait" if order.status == "working" else "again"


def closing_price(account, leg):
    """Return the price at which a close is reckoned: the mark less the slippage."""
    side = -1 if leg.position.quantity > 0 else 1
    return leg.mark * (1 + side * account.owner.slippage)


def stepwise(account, name, pool):
    """Reduce the worst position as far as needed (binance.md section 5)."""
    leg = worst(pool)
    return send(account, name, leg, least_reduction(pool, leg, closing_price(account, leg)) * leg.contract.lot)


def rounds(account, name, pool):
    """The same, a part of the position each second (deribit.md section 6)."""
    watch, now = account.watches[name], account.run.now
    if now < watch.next_round:
        return "wait"
    watch.next_round = now + account.house.round_seconds * SECOND
    return stepwise(account, name, pool)


def in_parts(account, name, pool):
    """Offer a whole position, or a fifth of a large one first (hyperliquid.md, liquidations, stage 2)."""
    house, leg = account.house, worst(pool)
    account.run.doubt_near(leg.notional, house.whole_up_to, leg.notional)
    quantity = abs(leg.position.quantity)
    is_cooling = account.run.now - house.cooldown * SECOND < account.part_closed
    if leg.notional > house.whole_up_to and not is_cooling:
        quantity = ceiling(quantity * house.part / leg.contract.lot) * leg.contract.lot
    return send(account, name, leg, quantity)


def by_tier(account, name, pool):
    """Offer once the difference to a lower tier that suffices (bybit.md section 6, bitmex.md section 5)."""
    watch, leg = account.watches[name], worst(pool)
    quantity = step_down(account, pool, leg)
    if watch.has_stepped or quantity is None:
        return "take over"
    watch.has_stepped = True
    return send(account, name, leg, quantity, tif="FOK")


def step_down(account, pool, leg):
    """Return the least quantity that brings a leg to a lower tier where its pool complies; None without one."""
    house, contract, run = leg.house, leg.contract, account.run
    whole, value, price = abs(leg.position.quantity), house.value(leg), closing_price(account, leg)
    row = contract.tiers.index(house.tier(leg, value))
    paid = leg.position.unrealized(price) - contract.notional(whole, price) * house.taker
    others = pool.maintenance - leg.maintenance
    while row > 0:
        kept = contract.tiers[row].floor / value  # a value equal to a floor belongs to the row below it
        rest = leg.holding(leg.position.quantity * kept)
        equity = pool.equity + (1 - kept) * (paid - leg.position.unrealized(leg.mark))
        required = others + rest.maintenance
        run.doubt(required, equity, pool.notional)
        if required < equity:
            lots = whole * (1 - kept) / contract.lot
            run.doubt_step(lots, also_on=True)
            quantity = ceiling(lots) * contract.lot
            return quantity if quantity < whole else None
        row -= 1
    return None


def down_tiers(account, name, pool):
    """Offset long and short, then move one position two tiers down each minute (okx.md section 7)."""
    run, watch = account.run, account.watches[name]
    for leg in pool.legs:
        other = next((o for o in pool.legs if o.contract is leg.contract and o.side == -1 and leg.side == 1), None)
        if other is not None and leg.position.quantity and other.position.quantity:
            quantity = min(abs(leg.position.quantity), abs(other.position.quantity))
            for one in (leg, other):
                close(account, one, quantity)
            return "again"
    found = [
        (leg, lots) for leg in pool.legs if leg.position.quantity and (lots := lots_down(account, leg)) is not None
    ]
    if not found:
        return "take over"
    if watch.deadline > run.now:
        return "wait"
    watch.deadline = run.now + PACE
    leg, lots = max(found, key=lambda one: one[0].maintenance)
    return send(account, name, leg, lots * leg.contract.lot)


def lots_down(account, leg):
    """Return the lots that move a leg two tiers down; None where it has not so many below it."""
    table = leg.contract.tiers
    held = abs(leg.position.quantity)
    row = table.index(leg.house.tier(leg, leg.notional))
    if row < TIERS_DOWN:
        return None
    return ceiling((held - table[row - TIERS_DOWN + 1].floor) / leg.contract.lot)


def close(account, leg, quantity):
    """Close a quantity of a leg at the mark without a market."""
    side = -1 if leg.position.quantity > 0 else 1
    order = Order(0, account, leg.contract, side, quantity, leg=leg.side, forced=True)
    book(account, order, quantity, leg.mark, forced="liquidation")


def wait(account, watch, name):
    """Let a paced course wait for its order to fill."""
    if account.house.course(isinstance(name, tuple)) == "down_tiers" and watch.deadline <= account.run.now:
        watch.deadline = account.run.now + PACE


COURSES = {
    "stepwise": stepwise, "rounds": rounds, "in_parts": in_parts, "by_tier": by_tier, "down_tiers": down_tiers,
}  # fmt: skip
