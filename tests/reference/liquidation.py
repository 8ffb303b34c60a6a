"""The procedure when a pool's maintenance is no longer below its equity (binance.md section 5, first course).

All orders are cancelled and the ratio is looked at again; one order at a time reduces the position with the largest
maintenance as far as needed, never worse than the bankruptcy price; when equity is gone, or after a minute, the rest is
taken over at prices at which the pool is worth zero, and the fund bears what the mark says they are worth less. What
other venues do instead is in `reference.courses`.
"""

from fractions import Fraction

from reference import courses, fund, sliced
from reference.fills import book
from reference.inputs import SECOND
from reference.ledger import fund_of, others_of
from reference.orders import Order
from reference.position import Position
from reference.rounding import half_up

NEVER = 1 << 62


def proceed(account, name):
    """Go on with the liquidation of a pool as far as the present instant allows."""
    run, watch, house = account.run, account.watches[name], account.house
    if house.is_sliced:
        outcome = sliced.proceed(account, name)
        if outcome == "settle":
            fund.clear(account, name)
        return None if outcome == "wait" else finish(account, name)
    if not watch.has_begun:
        watch.has_begun, watch.has_stepped, watch.step, watch.next_round = True, False, 0, 0
        watch.deadline = NEVER if house.time_limit is None else run.now + house.time_limit * SECOND
        if house.course(isinstance(name, tuple)) == "down_tiers":
            watch.deadline = run.now
        if house.cancels == "pool":
            courses.cancel_orders(account, name)
    while True:
        pool = account.pool(name)
        if not pool.is_open:
            return finish(account, name)
        run.doubt(pool.left, 0, pool.notional)
        if is_over(account, watch, pool, name):
            take_over(account, name)
            return finish(account, name)
        if watch.forced is not None and watch.forced.status == "working":
            courses.wait(account, watch, name)
            return None  # it is out and takes the next price, even if the mark has come back meanwhile
        if account.ratio(name) < 1:
            return finish(account, name)
        if house.cancels == "contract" and courses.cancel_contract(account, courses.worst(pool)):
            continue
        step = courses.COURSES[house.course(isinstance(name, tuple))](account, name, pool)
        if step == "take over":
            take_over(account, name)
            return finish(account, name)
        if step == "wait":
            return None


def is_over(account, watch, pool, name):
    """Return whether what is left of a pool is taken over."""
    run, house = account.run, account.house
    if house.course(isinstance(name, tuple)) == "down_tiers":
        least = sum((house.first_requirement(leg) for leg in pool.legs), Fraction(0))
        run.doubt(pool.equity, least, pool.notional)
        return pool.left <= 0 or pool.equity <= least
    if house.backstop:
        run.doubt(pool.equity, house.backstop * pool.maintenance, pool.notional)
    return pool.left <= 0 or run.now >= watch.deadline or pool.equity <= house.backstop * pool.maintenance


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
        held = Position(contract, keeps_average=account.house.keeps_average)
        held.fill(quantity, price)
        gain = held.fill(-quantity, mark)[0]
        order = Order(0, account, contract, -1 if quantity > 0 else 1, abs(quantity), leg=side, forced=True)
        book(account, order, abs(quantity), price, forced="takeover")
        run.ledger.post(run.now, fund_of(venue), others_of(venue), contract.settle, "insurance", gain)
        step = run.steps[-1]
        if gain < 0:
            step.shortfall, step.paid_by = -gain, "insurance_fund"
            if fund.exhaust(run, venue, contract.settle):
                step.paid_by = "unfunded"
    if not isinstance(name, tuple):
        fund.clear(account, name)


def finish(account, name):
    """End the procedure and look at the account anew."""
    watch = account.watches[name]
    if watch.forced is not None and watch.forced.status == "working":
        account.run.tapes[watch.forced.contract.address].end(watch.forced, "canceled", "BY_VENUE")
    watch.condition, watch.has_begun, watch.forced = "normal", False, None
    account.run.look(account)
