"""Positions of a replay: the engine's exact positions, one add per order and price."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from backtest.replay_inputs import SETTLE_SCALE, Fill, Spec
from venues.position import ExactPosition

ZERO = Decimal(0)
_LEGS = {0: "one_way", 1: "long", -1: "short"}


@dataclass(slots=True)
class _Add:
    """Opening fills of one order at one price, not yet in the position."""

    order: str
    price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Closed:
    """One closing fill: what our position realised, and from which average.

    `epoch` counts the stretches between two adds of the leg; `held` is what the leg held before.
    """

    fill: Fill
    quantity: Decimal
    realized: Decimal
    average: Decimal
    held: Decimal
    epoch: int


class LegBook:
    """One leg: an exact position fed fill by fill.

    The venue rounds its average once for all fills of an order at one price: with one rounding per fill 713, with one
    per order and price 805 of 821 closing profits of a real account come out.
    """

    def __init__(self, spec: Spec, leg: int, scale: Decimal) -> None:
        self.spec = spec
        self.leg = leg
        self.scale = scale
        self.position = new_position(spec, leg, spec.price_scale)
        self.whole = ZERO  # what the account really held
        self.epoch = 0
        self.last_price = ZERO
        self._add: _Add | None = None

    @property
    def quantity(self) -> Decimal:
        """Signed quantity, fills still to be added included."""
        return self.position.quantity + (self._add.quantity if self._add else ZERO)

    @property
    def entry_price(self) -> float:
        """Entry price of the quantity, fills still to be added included; 0 when flat."""
        if self._add is None:
            return self.position.entry_price
        value = self.position.entry_value + self.spec.value(self._add.quantity, self._add.price)
        size = self.quantity * self.spec.size
        return float(size / value if self.spec.kind == "inverse" else value / size)

    def settle(self) -> ExactPosition:
        """Return the position with everything added."""
        if self._add is not None:
            self.position.fill(self._add.quantity, self._add.price)
            self._add = None
            self.epoch += 1
        return self.position

    def apply(self, fill: Fill) -> tuple[Decimal, Closed | None]:
        """Apply one fill at the scale of the replay.

        Returns
        -------
        quantity : Decimal
            Signed, after scaling; the position goes to the scaled size of the real one, toward zero on the lot.
        closed : Closed or None
            When it reduced the position.
        """
        self.whole += fill.signed
        self.last_price = fill.price
        change = fill.signed
        if self.scale != 1:
            change = (self.whole * self.scale / self.spec.lot).to_integral_value(ROUND_DOWN) * self.spec.lot
            change -= self.quantity
        return change, self._change(fill, change)

    def _change(self, fill: Fill, change: Decimal) -> Closed | None:
        """Add or close."""
        held = self.quantity
        if change == 0:
            return None
        if held == 0 or (held > 0) == (change > 0):
            if self._add and (self._add.order, self._add.price) == (fill.order, fill.price):
                self._add.quantity += change
            else:
                self.settle()
                self._add = _Add(fill.order, fill.price, change)
            return None
        position = self.settle()
        average = position.average_entry
        realized, closed, opened = position.fill(change, fill.price)
        if opened:
            self.epoch += 1
        return Closed(fill, closed, realized, average, held, self.epoch)


def new_position(spec: Spec, leg: int, price_scale: int) -> ExactPosition:
    """Return an empty position under the venue's dated rounding."""
    rules = spec.rounding
    return ExactPosition(
        kind=spec.kind,  # type: ignore[arg-type]
        price_scale=price_scale,
        quantity_scale=spec.quantity_scale,
        size=spec.size,
        settle_scale=SETTLE_SCALE,
        entry_rule=rules.entry,  # type: ignore[arg-type]
        entry_scale=rules.entry_decimals,
        rounding=rules.profit,  # type: ignore[arg-type]
        side=_LEGS[leg],  # type: ignore[arg-type]
    )


@dataclass(frozen=True, slots=True)
class Cause:
    """Why some rows differ."""

    count: int
    text: str


def explain(closed: list[Closed], spec: Spec, leg: int) -> list[Cause]:
    """Say what would make the differing profits of one leg come out.

    Parameters
    ----------
    closed : list of Closed
        All closing fills of the leg.

    Returns
    -------
    list of Cause
        For each stretch between adds: the shift of the average, in units of its last digit, under which most of the
        differing rows agree.
    """
    causes: list[Cause] = []
    for epoch in sorted({row.epoch for row in closed}):
        rows = [row for row in closed if row.epoch == epoch]
        wrong = [row for row in rows if row.realized != row.fill.realized]
        if not wrong:
            continue
        unit = _last_digit(rows[0].average, spec)
        scores = {
            shift: sum(_realized_at(row, row.average + shift * unit, spec, leg) == row.fill.realized for row in rows)
            for shift in (-3, -2, -1, 1, 2, 3)
            if unit
        }
        best = max(scores, key=lambda shift: scores[shift], default=0)
        cured = scores.get(best, 0) - (len(rows) - len(wrong))
        where = f"{spec.symbol} {_LEGS[leg]}"
        if cured > 0:
            text = (
                f"{where}: the average entry {rows[0].average.normalize()} is {best:+d} of its last digit in the export"
            )
            causes.append(Cause(cured, text))
        if len(wrong) > cured:
            causes.append(Cause(len(wrong) - max(cured, 0), f"{where}: not explained"))
    return causes


def _last_digit(average: Decimal, spec: Spec) -> Decimal:
    """Return the unit of the last digit of the venue's average; 0 without one."""
    if spec.rounding.entry == "exact_value" or average == 0:
        return ZERO
    places = spec.rounding.entry_decimals
    if spec.rounding.entry == "average_digits":
        places = min(places, places - 1 - average.adjusted())
    return Decimal(1).scaleb(-places)


def _realized_at(row: Closed, average: Decimal, spec: Spec, leg: int) -> Decimal:
    """Return the profit of a closing fill from another average entry."""
    position = new_position(spec, leg, spec.rounding.entry_decimals)
    sign = 1 if row.held > 0 else -1
    position.fill(sign * row.quantity, average)
    return position.fill(-sign * row.quantity, row.fill.price)[0]
