"""The procedure when a pool's maintenance is no longer below its equity (binance.md section 5, first course).

All orders are cancelled and the ratio is looked at again; one order at a time reduces the position with the largest
maintenance as far as needed, never worse than the bankruptcy price; when equity is gone, or after a minute, the rest is
taken over at prices at which the pool is worth zero, and the fund bears what the mark says they are worth less.
"""

from fractions import Fraction

from reference.fills import book
from reference.inputs import SECOND
from reference.ledger import UNFUNDED, fund_of, others_of
from reference.margin import least_reduction
from reference.orders import Order
from reference.position import Position
from reference.rounding import ceiling, floor, half_up

TIME_LIMIT = 60 * SECOND


def proceed(account, name):
    """Go on with the liquidation of a pool as far as the present instant allows."""
    run, watch = account.run, account.watches[name]
    if not watch.has_begun:
        watch.has_begun, watch.step = True, 0
        watch.deadline = run.now + TIME_LIMIT
        cancel_orders(account, name)
    while True:
        pool = account.pool(name)
        if not pool.is_open:
            return finish(account, name)
        run.doubt(pool.equity, 0, pool.notional)
        if pool.equity <= 0 or run.now >= watch.deadline:
            take_over(account, name)
            return finish(account, name)
        if watch.forced is not None and watch.forced.status == "working":
            return None  # it is out and takes the next price, even if the mark has come back meanwhile
        if account.ratio(name) < 1:
            return finish(account, name)
        send(account, name, max(pool.legs, key=lambda leg: leg.maintenance))
        if watch.forced.status == "working":
            return None


def cancel_orders(account, name):
    """Cancel all orders of the pool's contracts."""
    for contract in account.contracts:
        keys = [key for key in account.positions if key[0] == contract.address]
        if any(account.pool_of(key) == name for key in keys):
            account.run.tapes[contract.address].cancel_all(account)


def send(account, name, leg):
    """Send the order that reduces a leg as far as needed, limited by the bankruptcy price."""
    run, contract, held = account.run, leg.contract, leg.position.quantity
    pool = account.pool(name)
    side = -1 if held > 0 else 1
    price = leg.mark * (1 + side * account.owner.slippage)
    lots = least_reduction(pool, leg, price)
    order = Order(0, account, contract, side, min(abs(held), lots * contract.lot), leg=leg.side, forced=True)
    limit, step = pool.bankruptcy_price(leg), run.price_steps[contract.address]
    if limit is not None:
        run.doubt_step(limit / step)
        # Rounded to the side that keeps the pool at or above zero.
        order.price = (ceiling(limit / step) if side < 0 else floor(limit / step)) * step
    account.watches[name].forced = order
    run.tapes[contract.address].add(order)


def take_over(account, name):
    """Hand every position to the fund at prices at which the pool is worth zero; it holds them at the mark."""
    run, watch = account.run, account.watches[name]
    if watch.forced is not None and watch.forced.status == "working":
        run.tapes[watch.forced.contract.address].end(watch.forced, "canceled", "BY_VENUE")
    venue, pool = account.owner.venue, account.pool(name)
    prices = {}
    for leg in pool.legs:
        if leg.position.quantity:
            step = run.price_steps[leg.contract.address]
            exact = pool.joint_bankruptcy_price(leg) / step
            run.doubt_step(exact + Fraction(1, 2), also_on=True)  # which way a half goes is not documented
            prices[leg.contract.address, leg.side] = max(1, half_up(exact)) * step
    for (address, side), price in prices.items():
        position = account.positions[address, side]
        contract, quantity, mark = position.contract, position.quantity, run.marks[address]
        held = Position(contract)
        held.fill(quantity, price)
        gain = held.fill(-quantity, mark)[0]
        order = Order(0, account, contract, -1 if quantity > 0 else 1, abs(quantity), leg=side, forced=True)
        book(account, order, abs(quantity), price, forced="takeover")
        run.ledger.post(run.now, fund_of(venue), others_of(venue), contract.settle, "insurance", gain)
        step = run.steps[-1]
        if gain < 0:
            step.shortfall, step.paid_by = -gain, "insurance_fund"
            if exhaust(run, venue, contract.settle):
                step.paid_by = "unfunded"
    if not isinstance(name, tuple):
        clear(account, name)


def exhaust(run, venue, asset):
    """Book what a limited fund cannot pay as a loss that nobody bears; returns whether there was any."""
    owed = -run.ledger.balances[fund_of(venue), asset]
    if venue not in run.limited or owed <= 0:
        return False
    run.ledger.post(run.now, fund_of(venue), UNFUNDED, asset, "unfunded_loss", owed)
    return True


def clear(account, asset):
    """Give the rest of a cross wallet to the fund, or let it fill up a debt."""
    account.post(fund_of(account.owner.venue), asset, "insurance", -account.cross(asset))
    exhaust(account.run, account.owner.venue, asset)


def cover_debts(account):
    """Let the fund fill up a wallet below zero that has no position left (binance.md section 5, procedure)."""
    for asset in dict.fromkeys(position.contract.settle for position in account.positions.values()):
        if account.cross(asset) < 0 and not account.pool(asset).is_open:
            clear(account, asset)


def finish(account, name):
    """End the procedure and look at the account anew."""
    watch = account.watches[name]
    watch.condition, watch.has_begun, watch.forced = "normal", False, None
    account.run.look(account)
