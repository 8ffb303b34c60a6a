"""The plan of a liquidation in slices, if every slice fills whole at the mark."""

from decimal import ROUND_FLOOR

from venues.checks import exact
from venues.contract import ContractBox
from venues.facts import SliceRules
from venues.pool import PoolBox
from venues.slices import fund_delta, slice_of


def plan_slices(
    slices: SliceRules, pool: PoolBox, row: int, box: ContractBox, *, mark: float, decimals: int
) -> list[tuple[float, float, float]]:
    """Return (quantity, limit, what the insurance fund gets) of the slices of one position, block by block.

    They end when maintenance no longer exceeds equity, or with the position; the pool is left as they leave it. What
    the fund pays is negative.
    """
    steps = []
    lot = exact(box.instrument.lot_size or 0)
    while size := abs(pool.quantity(row)):
        risk = pool.risk()
        if risk.maintenance <= risk.equity:
            break
        value = box.notional(size, mark)
        most = slice_of(value, least=slices.min_notional, share=slices.max_portion, most_closed=slices.block_notional)
        quantity = size
        if value > most:
            quantity = most / value * size
            if lot:
                whole = (exact(quantity * (1.0 + 1e-12)) / lot).to_integral_value(rounding=ROUND_FLOOR) * lot
                quantity = min(size, float(max(lot, whole)))
        limit = pool.fillable_price(row, adjustment=slices.bankruptcy_adjustment, spread=slices.spread_to_maintenance)
        cash = box.notional(quantity, mark) * (1 if pool.quantity(row) > 0 else -1)
        paid = fund_delta(
            cash, bankruptcy=pool.bankruptcy_value(row, quantity=quantity), cap=slices.max_fee, decimals=decimals
        )
        pool.close(row, quantity=quantity, price=mark, fee=paid)
        steps.append((quantity, limit, paid))
    return steps
