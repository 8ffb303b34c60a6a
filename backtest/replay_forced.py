"""Forced closes of a replay: clearance fees by rule, against what the margin still holds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from backtest.replay_inputs import SETTLE_SCALE, Fill, ForcedOrder, Inputs, Spec
from backtest.replay_positions import LegBook

ATOMS = 10**SETTLE_SCALE


@dataclass(frozen=True, slots=True)
class ForcedStep:
    """One forced order of the export, closed again by our accounts; money in atoms of the settle asset.

    Attributes
    ----------
    limit, average : Decimal
        Limit of the order, average of its fills.
    requested, filled : Decimal
    realized : int
        Our profit of its fills.
    by_rate : int
        Clearance rate x notional of its fills, each truncated.
    margin_left : int or None
        What the pool held above zero after the fills; None where the export does not show it.
    fee, fee_recorded : int
        Paid, and in the export's ledger.
    rule : str
        Which of them the fee is.
    wallet : int
        Of the settle asset, after.
    """

    ts: int
    symbol: str
    order: str
    leg: int
    limit: Decimal
    requested: Decimal
    filled: Decimal
    average: Decimal
    is_takeover: bool
    realized: int
    by_rate: int
    margin_left: int | None
    fee: int
    fee_recorded: int
    rule: str
    wallet: int


def clearance_by_rate(spec: Spec, fills: Iterable[Fill], rate: Decimal) -> int:
    """Return rate x notional of each fill, truncated to atoms and summed.

    Notes
    -----
    A real COIN-M order of many fills paid the sum of its truncated parts, not the truncated sum.
    """
    total = 0
    for fill in fills:
        size = Fraction(fill.quantity) * Fraction(spec.size) * Fraction(rate)
        price = Fraction(fill.price)
        total += int((size / price if spec.kind == "inverse" else size * price) * ATOMS)
    return total


def unrealized(book: LegBook, price: Fraction) -> Fraction:
    """Return the exact profit of a leg at a price, settle asset."""
    position = book.settle()
    size = Fraction(position.quantity) * Fraction(book.spec.size)
    entry = Fraction(position.entry_value)
    return entry - size / price if book.spec.kind == "inverse" else size * price - entry


class Course:
    """The forced orders of one moment and pool: at their limits the whole pool was worth zero.

    The limits are rounded to the tick; the exact prices lie a common factor away, at which equity is zero. It is this
    price of what remains that decides what the margin still holds when a part has been closed.
    """

    def __init__(
        self, inputs: Inputs, ts: int, asset: str, wallet: int, books: Mapping[tuple[str, int], LegBook]
    ) -> None:
        self.orders = [o for o in inputs.forced.values() if o.ts == ts and inputs.specs[o.symbol].settle == asset]
        self.pool = {
            key: book
            for key, book in books.items()
            if book.spec.settle == asset and book.quantity and not inputs.is_isolated(*key, ts)
        }
        limits = {(o.symbol, o.leg): o.limit for o in self.orders if not o.is_takeover}
        self.limits = limits if all(key in limits for key in self.pool) else {}
        self.factor = self._factor(wallet) if self.limits else None

    def _factor(self, wallet: int) -> Fraction | None:
        """Return the factor on all limits at which the pool is worth zero."""
        money, entry, worth = Fraction(wallet, ATOMS), Fraction(0), Fraction(0)
        is_inverse = False
        for key, book in self.pool.items():
            position = book.settle()
            limit, size = Fraction(self.limits[key]), Fraction(position.quantity) * Fraction(book.spec.size)
            is_inverse = book.spec.kind == "inverse"
            entry += Fraction(position.entry_value)
            worth += size / limit if is_inverse else size * limit
        if worth == 0:
            return None
        # linear: wallet + f x worth - entry = 0; inverse: wallet + entry - worth / f = 0
        factor = worth / (money + entry) if is_inverse and money + entry else (entry - money) / worth
        return factor if factor > 0 else None

    def margin_left(self, wallet: int) -> int | None:
        """Return what the pool holds above zero with the rest at its exact limit or takeover price; None = unknown."""
        total = wallet
        for key, book in self.pool.items():
            rest = book.settle().quantity
            if not rest:
                continue
            price = self._price(key, abs(rest))
            if price is None:
                return None
            total += int(unrealized(book, price) * ATOMS)  # toward zero, as the venue rounds a profit
        return max(0, total)

    def _price(self, key: tuple[str, int], rest: Decimal) -> Fraction | None:
        """Return the price of what a leg still holds: its takeover's, else its limit's exact one."""
        for order in self.orders:
            if order.is_takeover and (order.symbol, order.leg) == key and order.quantity == rest:
                return Fraction(order.limit)
        if self.factor is None or key not in self.limits:
            return None
        return Fraction(self.limits[key]) * self.factor


def decide_fee(
    order: ForcedOrder, by_rate: int, margin_left: int | None, recorded: int, *, is_isolated: bool
) -> tuple[int, str]:
    """Return the clearance fee and the rule that gave it.

    A takeover bears none. Else it is the rate on the filled notional, at most what the margin still holds. The wallet
    of an isolated leg is not in the export: its fee is taken as recorded.
    """
    if order.is_takeover:
        return 0, "takeover"
    if is_isolated:
        return recorded, "as recorded"
    if margin_left is not None and margin_left < by_rate:
        return margin_left, "margin left"
    return by_rate, "rate"
