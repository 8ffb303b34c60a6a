"""Signed quantity and exact entry value of one leg; realised profit by the venue's rule."""

from decimal import Decimal

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport INT64_MIN, int64_t
from libc.string cimport memset

from venues.contract cimport AVERAGE_DIGITS, AVERAGE_PRICE, EXACT_VALUE, INVERSE, LINEAR, QUANTO, SPOT, Contract
from venues.errors import VenueError
from venues.units cimport (
    CEILING, FLOOR, HALF_UP, TOWARD_ZERO, Rounding, add, int128_t, join, mul, mul_divide, narrow,
    power_of_ten, rescale, split, subtract, to_double, to_python, widen,
)
from venues.values cimport digits_of, entry_value_scale, product_at, ratio_at, value_of

cdef extern from *:
    """
    static const double levdyn_tens[39] = {
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30, 1e31, 1e32, 1e33, 1e34, 1e35, 1e36, 1e37, 1e38
    };
    """
    const double levdyn_tens[39]

cdef enum:
    RATE_SCALE = 10                # fee rates are in 1e-10
    ACCRUED_DIGITS = 6


cdef int _gain(
    const Contract *c, const Position *p, int64_t quantity, int64_t price, int128_t part, int128_t *out, int *scale
) except -1 nogil:
    """Profit before rounding of closing `quantity` (signed like the position) whose entry value is `part`."""
    cdef int128_t leaving, entry, difference, size
    if c.entry_rule != EXACT_VALUE and c.kind != INVERSE:
        # quantity x size x (exit - average entry): every product is exact
        scale[0] = c.price_scale if c.price_scale > c.entry_scale else c.entry_scale
        rescale(widen(price), c.price_scale, scale[0], TOWARD_ZERO, &leaving)
        rescale(join(p.average_entry), c.entry_scale, scale[0], TOWARD_ZERO, &entry)
        subtract(leaving, entry, &difference)
        mul(widen(quantity), widen(c.size), &size)
        scale[0] += c.quantity_scale + c.size_scale
        return mul(size, difference, out)
    scale[0] = entry_value_scale(c)
    entry = part
    if c.entry_rule != EXACT_VALUE:
        value_of(c, quantity, join(p.average_entry), c.entry_scale, scale[0], HALF_UP, &entry)
    value_of(c, quantity, widen(price), c.price_scale, scale[0], HALF_UP, &leaving)
    # linear: exit - entry value; inverse: a coin bought with the contract's dollars, so entry - exit value
    if c.kind == INVERSE:
        return subtract(entry, leaving, out)
    return subtract(leaving, entry, out)


cdef int _close(Position *p, const Contract *c, int64_t quantity, int64_t price, FillEffect *out) except -1 nogil:
    """Take `quantity` (signed like the position, at most all of it) out at `price`."""
    cdef int128_t part, profit, rest
    cdef int64_t atoms
    cdef int scale
    part = join(p.entry_value)
    if quantity != p.quantity:
        # truncated, so that what stays never has less than its share
        mul_divide(join(p.entry_value), widen(quantity), widen(p.quantity), TOWARD_ZERO, &part)
    _gain(c, p, quantity, price, part, &profit, &scale)
    if c.entry_rule == AVERAGE_DIGITS:
        digits_of(profit, widen(1), c.entry_scale, &profit)
    rescale(profit, scale, c.settle_scale, <Rounding>c.profit_rounding, &profit)
    narrow(profit, &atoms)
    out.realized = atoms
    out.closed = quantity if quantity > 0 else -quantity
    if quantity == p.quantity:
        p.quantity = 0
        p.entry_value = split(widen(0))
        p.average_entry = split(widen(0))
        p.funding = 0
        p.realized = 0
        p.paid_out = 0
        p.last_entry_price = 0
        p.entries = 0
        p.opened = 0
        p.last_order = 0
        return 0
    subtract(join(p.entry_value), part, &rest)
    p.entry_value = split(rest)
    mul_divide(widen(p.paid_out), widen(p.quantity - quantity), widen(p.quantity), TOWARD_ZERO, &rest)
    narrow(rest, &p.paid_out)
    p.quantity -= quantity
    add(widen(p.realized), profit, &rest)
    return narrow(rest, &p.realized)


cdef int _average(const Position *p, const Contract *c, int64_t quantity, int64_t price, int128_t *out) except -1 nogil:
    """The venue's average after adding `quantity` at `price` to p, whose entry value already holds the fill."""
    cdef int128_t held, joined, worth, size
    cdef int64_t total = p.quantity
    rescale(widen(price), c.price_scale, c.entry_scale, HALF_UP, out)
    if total == quantity:
        return 0
    if c.kind == INVERSE:
        # harmonic: contracts x size / entry value
        mul(widen(total), widen(c.size), &size)
        rescale(size, c.quantity_scale + c.size_scale, c.entry_scale, HALF_UP, &size)
        mul_divide(size, power_of_ten(entry_value_scale(c)), join(p.entry_value), HALF_UP, out)
        return digits_of(out[0], widen(1), c.entry_scale, out) if c.entry_rule == AVERAGE_DIGITS else 0
    # by quantity, from the rounded average so far
    mul(join(p.average_entry), widen(total - quantity), &held)
    mul(out[0], widen(quantity), &joined)
    add(held, joined, &worth)
    if c.entry_rule == AVERAGE_DIGITS:
        return digits_of(worth, widen(total), c.entry_scale, out)
    return mul_divide(worth, widen(1), widen(total), HALF_UP, out)


cdef int _open(Position *p, const Contract *c, int64_t quantity, int64_t price, FillEffect *out) except -1 nogil:
    """Add `quantity`, signed like the position or from flat, at `price`."""
    cdef int128_t value, total
    value_of(c, quantity, widen(price), c.price_scale, entry_value_scale(c), HALF_UP, &value)
    add(join(p.entry_value), value, &total)
    p.entry_value = split(total)
    add(widen(p.quantity), widen(quantity), &total)
    narrow(total, &p.quantity)
    if c.entry_rule != EXACT_VALUE:
        _average(p, c, quantity, price, &total)
        p.average_entry = split(total)
    p.last_entry_price = price
    out.opened = quantity if quantity > 0 else -quantity
    return 0


cdef int apply_fill(Position *p, const Contract *c, int64_t quantity, int64_t price, FillEffect *out) except -1 nogil:
    # On a copy: an overflow leaves the position as it was.
    cdef Position after = p[0]
    cdef FillEffect effect
    cdef int64_t rest = quantity
    effect.realized = 0
    effect.closed = 0
    effect.opened = 0
    if quantity == 0 or quantity == INT64_MIN:
        _bad_fill(p.leg, p.quantity, quantity)
    if p.quantity != 0 and (p.quantity > 0) != (quantity > 0):
        if (quantity > 0 and quantity >= -p.quantity) or (quantity < 0 and -quantity >= p.quantity):
            rest = quantity + p.quantity
            _close(&after, c, p.quantity, price, &effect)
        else:
            rest = 0
            _close(&after, c, -quantity, price, &effect)
    if rest != 0:
        if p.leg != 0 and (p.leg > 0) != (rest > 0):
            _bad_fill(p.leg, p.quantity, quantity)
        _open(&after, c, rest, price, &effect)
    p[0] = after
    out[0] = effect
    return 0


cdef int pay_out(Position *p, const Contract *c, int64_t price, int64_t *out) except -1 nogil:
    # deribit.md section 2: floating profit restarts from the settlement price, the average entry goes on. The entry
    # value moves by just what is paid, so that rounding is not lost.
    cdef Position after = p[0]
    cdef int128_t profit, change, paid
    cdef int scale
    _gain(c, p, p.quantity, price, join(p.entry_value), &profit, &scale)
    rescale(profit, scale, c.settle_scale, <Rounding>c.profit_rounding, &profit)
    narrow(profit, out)
    rescale(profit, c.settle_scale, entry_value_scale(c), TOWARD_ZERO, &change)
    if c.kind == INVERSE:
        change = -change
    add(join(p.entry_value), change, &change)
    after.entry_value = split(change)
    add(widen(p.paid_out), profit, &paid)
    narrow(paid, &after.paid_out)
    add(widen(p.realized), profit, &paid)
    narrow(paid, &after.realized)
    p[0] = after
    return 0


cdef double entry_value(const Position *p, const Contract *c) noexcept nogil:
    return to_double(join(p.entry_value)) / levdyn_tens[entry_value_scale(c)]


cdef double entry_price(const Position *p, const Contract *c) noexcept nogil:
    cdef double value
    if p.quantity == 0:
        return 0.0
    if c.entry_rule != EXACT_VALUE:
        return to_double(join(p.average_entry)) / levdyn_tens[c.entry_scale]
    value = entry_value(p, c)
    if p.paid_out != 0:                  # the average entry is that of the fills
        value += (1.0 if c.kind == INVERSE else -1.0) * p.paid_out / levdyn_tens[c.settle_scale]
    if c.kind == INVERSE:
        return p.quantity * c.quantity_unit * c.multiplier / value if value != 0.0 else 0.0
    return value / (p.quantity * c.quantity_unit * c.multiplier)


cdef double unrealized(const Position *p, const Contract *c, double mark) noexcept nogil:
    # linear: value at mark - entry value; inverse: entry value - value at mark
    cdef double size = p.quantity * c.quantity_unit * c.multiplier
    if p.quantity == 0:
        return 0.0
    if c.kind == INVERSE:
        return entry_value(p, c) - size / mark
    return size * mark - entry_value(p, c)


cdef int _share(
    const Contract *c, int64_t quantity, int64_t price, int price_scale, int64_t rate, int rate_scale, Rounding how,
    int64_t *out
) except -1 nogil:
    """Put value x rate in atoms of the settle asset; signed like quantity x rate."""
    cdef int128_t size, atoms
    cdef int scale = c.quantity_scale + c.size_scale + rate_scale
    mul(widen(quantity), widen(c.size), &size)
    if c.kind == INVERSE:
        ratio_at(size, widen(rate), widen(price), scale - price_scale, c.money_scale, how, &atoms)
    else:
        mul(size, widen(price), &size)
        product_at(size, widen(rate), scale + price_scale, c.money_scale, how, &atoms)
    return _atoms(c, atoms, out)


cdef int _atoms(const Contract *c, int128_t money, int64_t *out) except -1 nogil:
    """Put an amount of money_scale decimals in atoms of the settle asset."""
    if c.money_scale != c.settle_scale:
        mul(money, power_of_ten(c.settle_scale - c.money_scale), &money)
    return narrow(money, out)


cdef int fee(const Contract *c, int64_t quantity, int64_t price, int64_t rate, int64_t *out) except -1 nogil:
    return _share(c, quantity if quantity > 0 else -quantity, price, c.price_scale, rate, RATE_SCALE,
                  <Rounding>c.fee_rounding, out)


cdef int funding_payment(
    const Contract *c, int64_t quantity, int64_t mark, int mark_scale, int64_t rate, int rate_scale, int64_t *out
) except -1 nogil:
    # a positive rate is paid by longs; rounding applies to what the holder receives
    cdef int128_t unit, atoms
    if c.funding_scale >= 0 and c.kind != INVERSE:
        # an index per unit of quantity, cut toward zero, moves by rate x mark (venues/dydx_v4.md, funding)
        mul(widen(c.size), widen(mark), &unit)
        product_at(unit, widen(rate), c.size_scale + mark_scale + rate_scale, c.funding_scale, TOWARD_ZERO, &unit)
        product_at(unit, widen(-quantity), c.funding_scale + c.quantity_scale, c.money_scale,
                   <Rounding>c.funding_rounding, &atoms)
        return _atoms(c, atoms, out)
    return _share(c, -quantity, mark, mark_scale, rate, rate_scale, <Rounding>c.funding_rounding, out)


cdef int accrued_payment(
    const Contract *c, int128_t accrued, int64_t interval, int64_t mark, int mark_scale, int64_t rate, int rate_scale,
    int64_t *quantity, int64_t *out
) except -1 nogil:
    # the mean quantity has ACCRUED_DIGITS decimals more than a quantity: a contract held for a minute pays its minute
    cdef Contract fine = c[0]
    cdef int128_t held
    cdef int64_t units
    mul_divide(accrued, power_of_ten(ACCRUED_DIGITS), widen(interval), HALF_UP, &held)
    narrow(held, &units)
    fine.quantity_scale += ACCRUED_DIGITS
    funding_payment(&fine, units, mark, mark_scale, rate, rate_scale, out)
    rescale(held, ACCRUED_DIGITS, 0, HALF_UP, &held)
    return narrow(held, quantity)


cdef int _bad_fill(int leg, int64_t held, int64_t quantity) except -1 with gil:
    """Raise for a quantity without meaning or one that would turn a leg of hedge mode."""
    if quantity == 0 or quantity == INT64_MIN:
        raise VenueError(f"quantity of a fill must be a signed 64-bit integer and not zero, got {quantity}")
    name = "long" if leg > 0 else "short"
    raise VenueError(f"a fill of {quantity} quantity units would turn the {name} leg that holds {held}")


_KINDS = {"spot": SPOT, "linear": LINEAR, "inverse": INVERSE, "quanto": QUANTO}
_RULES = {"exact_value": EXACT_VALUE, "average_price": AVERAGE_PRICE, "average_digits": AVERAGE_DIGITS}
_ROUNDINGS = {"toward_zero": TOWARD_ZERO, "half_up": HALF_UP, "floor": FLOOR, "ceiling": CEILING}
_LEGS = {"one_way": 0, "long": 1, "short": -1}


def _choice(str name, str given, dict allowed) -> int:
    """Return the value of a named choice."""
    if given not in allowed:
        raise VenueError(f"{name} must be one of {', '.join(allowed)}, got {given!r}")
    return allowed[given]


def _decimal(mantissa: int, scale: int) -> Decimal:
    """Return the decimal exactly, whatever the context's precision."""
    return Decimal((int(mantissa < 0), tuple(int(digit) for digit in str(abs(mantissa))), -scale))


def _mantissa(name: str, number: object, scale: int) -> int:
    """Return the mantissa of a number that has at most `scale` decimals."""
    value = Decimal(repr(number)) if isinstance(number, float) else Decimal(number)
    if not value.is_finite():
        raise VenueError(f"{name} must be finite, got {number}")
    sign, digits, exponent = value.as_tuple()
    whole = int("".join(map(str, digits)))
    shift = exponent + scale
    if shift < 0 and whole % 10 ** -shift:
        raise VenueError(f"{name} may have at most {scale} decimals, got {number}")
    whole = whole * 10 ** shift if shift >= 0 else whole // 10 ** -shift
    return -whole if sign else whole


cdef class ExactPosition:
    """One leg of one contract, with the engine's own exact arithmetic, in decimals.

    Parameters
    ----------
    kind : {"linear", "inverse", "quanto", "spot"}
    price_scale, quantity_scale : int
        Decimals of prices and of quantities (base coin for linear, contracts for inverse).
    size : int, str or Decimal
        Contract size: base coin (linear), quote currency (inverse), or settle asset per point of price (quanto).
    settle_scale : int
        Decimals of one atom of the settle asset.
    entry_rule : {"exact_value", "average_price", "average_digits"}
        Whether profit comes from the exact entry value or from an average entry rounded half-up at `entry_scale`
        decimals after each add. "average_digits" keeps at most `entry_scale` significant digits of the average and of
        the profit too, before the profit is rounded to atoms.
    entry_scale : int
        Decimals, or decimals and digits, of the venue's average entry; not used by "exact_value".
    rounding : {"toward_zero", "half_up", "floor", "ceiling"}
        Of profit, fee and funding, in atoms.
    side : {"one_way", "long", "short"}
        A leg of hedge mode cannot turn.
    money_decimals, funding_decimals : int, optional
        As in `venues.instrument.RoundingRules` and `venues.Instrument`.

    Raises
    ------
    VenueError
        For an unknown choice, a number with too many decimals, an empty fill, or one that would turn a leg.
    OverflowError
        When a product exceeds 128 bits or a result 64; the position is then unchanged.

    Examples
    --------
    >>> position = ExactPosition(price_scale=1, quantity_scale=3)
    >>> position.fill("1", "60000.0"), position.fill("-1", "60010.5")[0]
    ((Decimal('0E-8'), Decimal('0.000'), Decimal('1.000')), Decimal('10.50000000'))
    """

    cdef Contract *_contract
    cdef Position _position

    def __cinit__(
        self, *, str kind="linear", int price_scale, int quantity_scale, size=1, int settle_scale=8,
        str entry_rule="exact_value", int entry_scale=13, str rounding="toward_zero", str side="one_way",
        money_decimals=None, funding_decimals=None
    ):
        cdef Contract *c
        for name, scale in (("price_scale", price_scale), ("quantity_scale", quantity_scale),
                            ("settle_scale", settle_scale), ("entry_scale", entry_scale)):
            if not 0 <= scale <= 18:
                raise VenueError(f"{name} must be in 0..18, got {scale}")
        exact = Decimal(repr(size)) if isinstance(size, float) else Decimal(size)
        if not exact.is_finite() or exact <= 0:
            raise VenueError(f"size must be above zero, got {size}")
        self._contract = <Contract *>PyMem_Malloc(sizeof(Contract))
        if self._contract is NULL:
            raise MemoryError("no memory for a contract")
        c = self._contract
        memset(c, 0, sizeof(Contract))
        memset(&self._position, 0, sizeof(Position))
        c.kind = _choice("kind", kind, _KINDS)
        c.entry_rule = _choice("entry_rule", entry_rule, _RULES)
        c.profit_rounding = c.fee_rounding = c.funding_rounding = _choice("rounding", rounding, _ROUNDINGS)
        self._position.leg = _choice("side", side, _LEGS)
        c.price_scale = price_scale
        c.quantity_scale = quantity_scale
        c.settle_scale = settle_scale
        c.money_scale = settle_scale if money_decimals is None else min(settle_scale, money_decimals)
        c.funding_scale = -1 if funding_decimals is None else funding_decimals
        c.entry_scale = entry_scale
        c.size_scale = max(0, -exact.as_tuple().exponent)
        c.size = _mantissa("size", exact, c.size_scale)
        c.price_unit = 1.0 / levdyn_tens[price_scale]
        c.quantity_unit = 1.0 / levdyn_tens[quantity_scale]
        c.multiplier = float(exact)

    def __dealloc__(self):
        PyMem_Free(self._contract)

    def fill(self, quantity, price):
        """Apply one fill of signed quantity.

        Parameters
        ----------
        quantity : int, str, Decimal or float
            Signed: positive is a buy.
        price : int, str, Decimal or float
            Quote currency.

        Returns
        -------
        realized : Decimal
            Profit in the settle asset, rounded by the rule; fees not included.
        closed, opened : Decimal
            Quantities taken out and added, >= 0.
        """
        cdef FillEffect effect
        apply_fill(
            &self._position, self._contract, _mantissa("quantity", quantity, self._contract.quantity_scale),
            _mantissa("price", price, self._contract.price_scale), &effect,
        )
        scale = self._contract.quantity_scale
        return (_decimal(effect.realized, self._contract.settle_scale), _decimal(effect.closed, scale),
                _decimal(effect.opened, scale))

    def fee(self, quantity, price, rate):
        """Return the fee of a fill in the settle asset, positive when paid.

        Parameters
        ----------
        quantity, price : int, str, Decimal or float
        rate : int, str, Decimal or float
            Share of the notional, at most ten decimals; negative is a rebate.
        """
        cdef int64_t atoms
        fee(self._contract, _mantissa("quantity", quantity, self._contract.quantity_scale),
            _mantissa("price", price, self._contract.price_scale), _mantissa("rate", rate, RATE_SCALE), &atoms)
        return _decimal(atoms, self._contract.settle_scale)

    def funding(self, mark, rate, *, int mark_scale=8, int rate_scale=10):
        """Return the funding received (negative: paid) by the quantity held, in the settle asset.

        Parameters
        ----------
        mark : int, str, Decimal or float
            Mark price at the funding time, at most `mark_scale` decimals.
        rate : int, str, Decimal or float
            Rate of the interval, at most `rate_scale` decimals; positive: longs pay.
        """
        cdef int64_t atoms
        funding_payment(self._contract, self._position.quantity, _mantissa("mark", mark, mark_scale), mark_scale,
                        _mantissa("rate", rate, rate_scale), rate_scale, &atoms)
        return _decimal(atoms, self._contract.settle_scale)

    def pay_out(self, price):
        """Pay out the profit at a settlement price and return it; profit counts from there on, the entry price stays.

        Parameters
        ----------
        price : int, str, Decimal or float
            Quote currency.
        """
        cdef int64_t atoms
        pay_out(&self._position, self._contract, _mantissa("price", price, self._contract.price_scale), &atoms)
        return _decimal(atoms, self._contract.settle_scale)

    @property
    def paid_out(self):
        """Profit paid out so far of what is still held, settle asset."""
        return _decimal(self._position.paid_out, self._contract.settle_scale)

    def unrealized(self, double mark) -> float:
        """Return the profit at a mark price above zero, settle asset."""
        return unrealized(&self._position, self._contract, mark)

    @property
    def quantity(self):
        """Signed quantity; 0 when flat."""
        return _decimal(self._position.quantity, self._contract.quantity_scale)

    @property
    def entry_value(self):
        """Exact entry value, signed like the quantity: quote (linear) or coin (inverse)."""
        return _decimal(to_python(self._position.entry_value), entry_value_scale(self._contract))

    @property
    def average_entry(self):
        """The venue's own average entry ("average_price" rule), quote; 0 when flat or with the other rule."""
        return _decimal(to_python(self._position.average_entry), self._contract.entry_scale)

    @property
    def entry_price(self) -> float:
        """Entry price in quote currency; 0 when flat."""
        return entry_price(&self._position, self._contract)
