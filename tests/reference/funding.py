"""What a position pays at a funding time (binance.md section 8)."""

from reference.rounding import atoms


def payment(position, mark, rate):
    """Return the atoms that the holder receives: minus signed notional x rate, truncated toward zero."""
    sign = 1 if position.quantity > 0 else -1
    return atoms(-sign * position.contract.notional(position.quantity, mark) * rate)
