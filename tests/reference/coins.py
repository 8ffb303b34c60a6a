"""What the assets of one account count as together, in exact numbers (okx.md section 4, bybit.md section 5)."""

from fractions import Fraction


def counted(brackets, amount):
    """Return what an amount counts as, in its own asset; `brackets` are rows of (floor, ratio), a debt counts whole."""
    if amount <= 0:
        return amount
    ends = [Fraction(floor) for floor, _ in brackets[1:]] + [amount]
    total = Fraction(0)
    for (floor, ratio), end in zip(brackets, ends, strict=True):
        part = min(amount, max(end, Fraction(floor))) - Fraction(floor)
        total += max(part, Fraction(0)) * Fraction(ratio)
    return total


def loan_margins(rows, owed):
    """Return (initial, maintenance) of what is owed, in its asset; `rows` are (floor, maintenance rate, initial rate).

    Maintenance is marginal: each part at the rate of its tier. Initial: the rate of the tier of the whole.
    """
    if owed <= 0 or not rows:
        return Fraction(0), Fraction(0)
    ends = [Fraction(row[0]) for row in rows[1:]] + [owed]
    maintenance = Fraction(0)
    for (floor, rate, _), end in zip(rows, ends, strict=True):
        maintenance += max(Fraction(0), min(owed, max(end, Fraction(floor))) - Fraction(floor)) * Fraction(rate)
    tier = [row for row in rows if Fraction(row[0]) < owed][-1]
    return owed * Fraction(tier[2]), maintenance


def worth(coins, profits):
    """Return (equity, initial, maintenance) of assets: discounts and debts are of balance and profit together.

    Parameters
    ----------
    coins : mapping of asset to (balance, borrowed, price, brackets, loan rows)
    profits : mapping of asset to profit of the positions that settle in it
    """
    equity = initial = maintenance = Fraction(0)
    for asset, (balance, borrowed, price, brackets, rows) in coins.items():
        own = Fraction(balance) + profits.get(asset, Fraction(0))
        margins = loan_margins(rows, max(Fraction(borrowed), -own))
        equity += counted(brackets, own) * Fraction(price)
        initial += margins[0] * Fraction(price)
        maintenance += margins[1] * Fraction(price)
    return equity, initial, maintenance
