"""Liquidation in slices, block by block, of a subaccount with one position (dydx_v4.md, liquidation)."""

from fractions import Fraction

from reference import courses, fund
from reference.fills import book
from reference.inputs import ATOM, SECOND
from reference.ledger import fund_of
from reference.orders import Order
from reference.rounding import ceiling, floor
from reference.slices import Subaccount

BLOCK = 1_100_000_000  # ns
PATIENCE = 60 * SECOND  # without a trade: without a buyer
BLOCK_LOSS = 1_000_000


def subaccount(pool):
    """Return a pool with one leg as the chain keeps it."""
    leg = pool.legs[0]
    quote = pool.wallet - leg.position.entry_value
    table = leg.contract.tiers
    return Subaccount(quote, leg.position.quantity, table[0].rate, leg.contract.lot, leg.contract.tick)


def proceed(account, name):
    """Go on with the liquidation of a pool; returns "wait", "over", or "settle": over, with debts to be paid."""
    run, watch = account.run, account.watches[name]
    if not watch.has_begun:
        watch.has_begun, watch.has_stepped, watch.step = True, False, 0
        watch.deadline = watch.waits_since = run.now
        watch.offered = watch.is_given = False
        courses.cancel_orders(account, name)
    while True:
        pool = account.pool(name)
        fund.exhaust(run, account.owner.venue, name)
        if not pool.is_open:
            return "settle" if watch.is_given or pool.equity < 0 else "over"
        tape = run.tapes[pool.legs[0].contract.address]
        is_out = watch.forced is not None and watch.forced.status == "working"
        run.doubt(pool.equity, 0, pool.notional)
        if pool.equity < 0 and watch.offered:
            waits = run.now - max(watch.waits_since, tape.last_time) < PATIENCE
            if not is_out or not waits:
                give_away(account, watch, pool)
                continue
        if run.now >= watch.deadline:
            if is_out:
                tape.end(watch.forced, "canceled", "BY_VENUE")
                is_out = False
            watch.deadline, watch.offered, watch.closed = run.now + BLOCK, False, False
        if is_out:
            return "wait"
        if not account.house.is_triggered(account.ratio(name)):
            return "over"
        if watch.offered or watch.closed:
            return "wait"  # the next block goes on
        offer(account, watch, pool)


def offer(account, watch, pool):
    """Offer a slice at the fillable price, or one at which fund and block can still pay."""
    run, leg = account.run, pool.legs[0]
    chain, oracle, size = subaccount(pool), leg.mark, leg.position.quantity
    for border in (1000, 10_000):
        run.doubt_near(abs(size) * oracle, Fraction(border), abs(size) * oracle)
    run.doubt_step(chain.most(oracle) / oracle / leg.contract.lot)
    quantity = chain.delta(oracle)
    payable = Fraction(BLOCK_LOSS)
    if account.owner.venue in run.limited:
        payable = min(payable, run.ledger.balances[fund_of(account.owner.venue), leg.contract.settle] * ATOM)
    sign = 1 if size > 0 else -1
    least = sign * quantity * oracle - chain.collateral(oracle) * quantity / abs(size) - max(Fraction(0), payable)
    least = least / quantity * sign
    tick = leg.contract.tick
    run.doubt_step(least / tick)
    run.doubt_step(chain.fillable(oracle) / tick)
    bound = max(1, ceiling(least / tick) if size > 0 else floor(least / tick)) * tick
    limit = chain.limit(oracle)
    order = Order(0, account, leg.contract, -sign, quantity, leg=leg.side, forced=True, tif="IOC")
    order.price = max(limit, bound, tick) if size > 0 else max(min(limit, bound), tick)
    watch.forced, watch.offered = order, True
    run.tapes[leg.contract.address].add(order)


def give_away(account, watch, pool):
    """Let others take the position whole at its bankruptcy price."""
    run, leg = account.run, pool.legs[0]
    size, mark, step = leg.position.quantity, leg.mark, run.price_steps[leg.contract.address]
    if watch.forced is not None and watch.forced.status == "working":
        run.tapes[leg.contract.address].end(watch.forced, "canceled", "BY_VENUE")
    exact = abs((size * mark - pool.equity) / abs(size)) / step
    run.doubt_step(exact)
    price = max(1, ceiling(exact) if size > 0 else floor(exact)) * step
    watch.is_given, watch.offered = True, False
    side = -1 if size > 0 else 1
    order = Order(0, account, leg.contract, side, abs(size), leg=leg.side, forced=True)
    book(account, order, abs(size), price, forced="takeover")
    told = run.steps[-1]
    told.shortfall, told.paid_by = max(0, int(-side * (price - mark) * abs(size) / ATOM)), "adl"
