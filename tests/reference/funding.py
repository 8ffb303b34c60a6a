"""What a position pays at a funding time (binance.md section 8; deribit.md section 8 where it runs with time)."""

from fractions import Fraction

from reference.inputs import ATOM, SECOND
from reference.ledger import others_of
from reference.rounding import atoms, floor, half_up

INTERVAL = 8 * 3600 * SECOND  # of the rows of a scenario
MEAN_STEP = Fraction(1, 10**6)  # of a unit of quantity: the decimals more that a mean quantity keeps


def payment(house, contract, quantity, mark, rate):
    """Return the atoms that the holder receives: minus signed notional x rate, rounded as the venue does."""
    sign = 1 if quantity > 0 else -1
    return atoms(house.funding(-sign * contract.notional(quantity, mark) * rate))


def pay(account, key, mark, rate):
    """Pay one leg; returns what it held and the atoms, or None where nothing was held."""
    position, run = account.positions[key], account.run
    contract, quantity = position.contract, position.quantity
    if account.house.accrues:
        account.accrue(key)
        span = max(INTERVAL, run.now - account.accrued_from[key])
        unit = run.quantity_steps[contract.address] * MEAN_STEP
        mean = half_up(account.accrued[key] / span / unit) * unit
        account.accrued[key], account.accrued_from[key] = 0, run.now
        amount = payment(account.house, contract, mean, mark, rate)
        step = run.quantity_steps[contract.address]
        quantity = half_up(mean / step) * step
    else:
        amount = payment(account.house, contract, quantity, mark, rate) if quantity else 0
    if not quantity and not amount:
        return None
    if amount < 0 and account.house.funding_is_capped and not account.isolated[key[0]]:
        # okx.md section 9: what would take equity to maintenance is not charged; the last atom stays
        pool = account.pool(contract.settle)
        spare = (pool.equity - pool.maintenance) / ATOM
        most = max(0, floor(spare) - 1)
        if -amount >= most - 1:
            run.doubt_step(spare, also_on=True)
        amount = max(amount, -most)
    post(account, key, amount)
    return quantity, amount


def post(account, key, amount):
    """Book what a leg pays or receives."""
    contract = account.positions[key].contract
    others, own = others_of(contract.venue), amount
    if account.house.funding_from == "available" and account.isolated[key[0]]:
        # bybit.md section 9: the available balance first, what it lacks from the position's margin
        available = account.available(contract.settle) / ATOM
        free = max(0, min(floor(available), account.cross(contract.settle)))
        if -amount >= free:
            account.run.doubt_step(available, also_on=True)
        own = min(0, amount + free) if amount < 0 else 0
        account.post(others, contract.settle, "funding", amount - own)
    account.post(others, contract.settle, "funding", own, key)
