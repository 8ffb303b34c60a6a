"""Premium samples to the rate of a funding interval, and the mark price formula. Payments: venues/position.pxd."""

from libc.math cimport INFINITY, NAN, exp
from libc.stdint cimport int32_t

from venues.errors import VenueError


cdef void premium_reset(PremiumAverage *average) noexcept nogil:
    average.total = 0.0
    average.weights = 0.0
    average.count = 0


cdef void premium_add(PremiumAverage *average, const FundingFormula *formula, double premium) noexcept nogil:
    # weight i for the i-th sample of the interval (Binance funding FAQ 360033525031, copies)
    cdef double weight = 1.0
    average.count += 1
    if formula.is_weighted:
        weight = <double> average.count
    average.total += weight * premium
    average.weights += weight


cdef double premium_mean(const PremiumAverage *average) noexcept nogil:
    if average.count == 0:
        return NAN
    return average.total / average.weights


cdef double premium_of(double impact_bid, double impact_ask, double index) noexcept nogil:
    # Binance funding FAQ 360033525031; venues/hyperliquid.md, funding
    return (max(0.0, impact_bid - index) - max(0.0, index - impact_ask)) / index


cdef double funding_rate(const FundingFormula *formula, double premium, double interval_hours) noexcept nogil:
    # F8 = P + clamp(I - P, -c, +c); F = F8 x interval / 8, then cap and floor (Binance FAQ 360033525031; Hyperliquid)
    cdef double correction = formula.interest_rate - premium
    cdef double rate
    if formula.is_added:
        correction = formula.interest_rate           # venues/dydx_v4.md, funding: mean premium + default funding
    elif correction > formula.clamp:
        correction = formula.clamp
    elif correction < -formula.clamp:
        correction = -formula.clamp
    rate = (premium + correction) * interval_hours / 8.0
    if rate > formula.cap:
        return formula.cap
    if rate < formula.floor:
        return formula.floor
    return rate


cdef double predicted_rate(
    const PremiumAverage *average, const FundingFormula *formula, double interval_hours
) noexcept nogil:
    return funding_rate(formula, premium_mean(average), interval_hours)


cdef void basis_reset(BasisAverage *average, int32_t points) noexcept nogil:
    average.points = min(max(points, 1), <int32_t> MAX_BASIS_POINTS)
    average.count = 0
    average.next = 0


cdef void basis_add(BasisAverage *average, double basis) noexcept nogil:
    average.samples[average.next] = basis
    average.next = (average.next + 1) % average.points
    if average.count < average.points:
        average.count += 1


cdef double basis_mean(const BasisAverage *average) noexcept nogil:
    # summed anew each time: a running sum would keep the rounding of every sample it ever held
    cdef double total = 0.0
    cdef int32_t index
    if average.count == 0:
        return 0.0
    for index in range(average.count):
        total += average.samples[index]
    return total / average.count


cdef double mark_price(
    double index, double last_rate, double hours_left, double interval_hours, double basis, double contract_price
) noexcept nogil:
    # median(P1, P2, contract price): Binance FAQ 360033525071, fff6ec1b
    cdef double first = index * (1.0 + last_rate * hours_left / interval_hours)
    cdef double second = index + basis
    cdef double low = min(first, second)
    cdef double high = max(first, second)
    return min(max(contract_price, low), high)


cdef double fair_price(double index, double rate, double hours_left, double interval_hours) noexcept nogil:
    # BitMEX fairPriceMarking (bitmex.md section 2): the funding basis, what is left of the rate
    return index * (1.0 + rate * hours_left / interval_hours)


cdef double bounded_price(double index, double average, double bound) noexcept nogil:
    # Deribit (deribit.md section 2): index + EMA of price - index
    if bound <= 0.0:
        return index + average
    return min(max(index + average, index * (1.0 - bound)), index * (1.0 + bound))


cdef FundingFormula _formula(
    double interest_rate, double clamp, object cap, object floor, bint is_weighted, bint is_added
) except *:
    cdef FundingFormula formula
    if not clamp >= 0.0:
        raise VenueError(f"clamp must be at least 0, got {clamp}")
    formula.interest_rate = interest_rate
    formula.clamp = clamp
    formula.cap = INFINITY if cap is None else cap
    formula.floor = -INFINITY if floor is None else floor
    formula.is_weighted = is_weighted
    formula.is_added = is_added
    if formula.floor > formula.cap:
        raise VenueError(f"floor must not be above cap, got floor={floor}, cap={cap}")
    return formula


cdef double _hours(double interval_hours) except -1.0:
    if not 0.0 < interval_hours <= 24.0:
        raise VenueError(f"interval_hours must be in (0, 24], got {interval_hours}")
    return interval_hours


def interval_rate(
    double premium, *, double interval_hours, double interest_rate, double clamp, cap=None, floor=None,
    bint is_added=False
):
    """Return the funding rate of one interval.

    Parameters
    ----------
    premium : float
        Average premium index of the interval, dimensionless.
    interval_hours : float
        In (0, 24].
    interest_rate : float
        For 8 hours, dimensionless.
    clamp : float
        interest_rate - premium is cut to +-clamp.
    cap, floor : float, optional
        Bounds of the result; None = none.
    is_added : bool
        interest_rate is added to the premium; clamp has no part in it.

    Returns
    -------
    float
        Rate for the interval; positive: longs pay.

    Raises
    ------
    VenueError
        If a bound or the interval cannot be used.
    """
    cdef FundingFormula formula = _formula(interest_rate, clamp, cap, floor, True, is_added)
    return funding_rate(&formula, premium, _hours(interval_hours))


def formula_mark(
    *, double index, double last_rate, double hours_left, double interval_hours, double basis, double contract_price
):
    """Return the mark price of a perpetual: the median of index with funding left, index with mean basis, last price.

    Parameters
    ----------
    index, contract_price : float
        Quote currency, above 0.
    last_rate : float
        Rate settled last, for one interval.
    hours_left : float
        Until the next funding time, in [0, interval_hours].
    interval_hours : float
    basis : float
        Moving average of mid - index, quote currency.
    """
    _hours(interval_hours)
    if not (index > 0.0 and contract_price > 0.0):
        raise VenueError(f"index and contract_price must be above 0, got {index} and {contract_price}")
    if not 0.0 <= hours_left <= interval_hours:
        raise VenueError(f"hours_left must be in [0, interval_hours={interval_hours:g}], got {hours_left:g}")
    return mark_price(index, last_rate, hours_left, interval_hours, basis, contract_price)


def ema_mark(*, double index, double average, double bound=0.0):
    """Return the mark price that is the index and a moving average of price - index, within +-bound of the index.

    Parameters
    ----------
    index, average : float
        Quote currency; index above 0.
    bound : float
        Share of the index; 0 = none.
    """
    if not index > 0.0 or not bound >= 0.0:
        raise VenueError(f"index must be above 0 and bound at least 0, got {index} and {bound}")
    return bounded_price(index, average, bound)


def fair_mark(*, double index, double last_rate, double hours_left, double interval_hours):
    """Return the mark price of a perpetual that is the index with the funding left.

    Parameters
    ----------
    index : float
        Quote currency, above 0.
    last_rate : float
        Rate that will be paid at the next funding time, for one interval.
    hours_left : float
        Until that time, in [0, interval_hours].
    interval_hours : float
    """
    _hours(interval_hours)
    if not index > 0.0:
        raise VenueError(f"index must be above 0, got {index}")
    if not 0.0 <= hours_left <= interval_hours:
        raise VenueError(f"hours_left must be in [0, interval_hours={interval_hours:g}], got {hours_left:g}")
    return fair_price(index, last_rate, hours_left, interval_hours)


def outside_mark(*, double index, double basis, double contract_price, outside=None, short_average=None):
    """Return the median of index with mean basis, the venue's own price and other venues' mids.

    Parameters
    ----------
    index, contract_price : float
        Quote currency, above 0; contract_price is the median of best bid, best ask and last trade.
    basis : float
        Average of mid - index, quote currency.
    outside : float, optional
        Weighted median of other venues' mids.
    short_average : float, optional
        Average of contract_price over 30 s; it stands in for `outside`, which it must not meet.

    References
    ----------
    venues/hyperliquid.md, oracle and mark price.
    """
    if (outside is None) == (short_average is None):
        raise VenueError("the median needs three prices: give either outside= or, when that is missing, short_average=")
    cdef double first = index + basis
    cdef double third = short_average if outside is None else outside
    return min(max(first, min(contract_price, third)), max(contract_price, third))


def decayed_average(samples, double seconds, double decay):
    """Return the average of samples that stand for `seconds` each and lose weight by exp(-seconds / decay).

    Parameters
    ----------
    samples : sequence of float
        In time order, at least one.
    seconds, decay : float
        Above 0.

    References
    ----------
    venues/hyperliquid.md: num = num x exp(-t/150) + sample x t, den = den x exp(-t/150) + t.
    """
    cdef double kept = exp(-seconds / decay), total = 0.0, weight = 0.0, sample
    for sample in samples:
        total = total * kept + sample * seconds
        weight = weight * kept + seconds
    return total / weight


def impact_premium(double impact_bid, double impact_ask, double index):
    """Return the premium index of impact prices against the index, all above 0."""
    return premium_of(impact_bid, impact_ask, index)


cdef class FundingEstimator:
    """The rate of a running interval from the premium samples known so far.

    Parameters
    ----------
    interval_hours, interest_rate, clamp, cap, floor, is_added
        As in `interval_rate`.
    is_weighted : bool
        The i-th sample weighs i; else all weigh the same.
    """

    def __init__(
        self, *, double interval_hours, double interest_rate, double clamp, cap=None, floor=None,
        bint is_weighted=True, bint is_added=False
    ):
        self.formula = _formula(interest_rate, clamp, cap, floor, is_weighted, is_added)
        self.interval_hours = _hours(interval_hours)
        premium_reset(&self.average)

    def add(self, double premium):
        """Take one premium sample, in time order."""
        if premium != premium:
            raise VenueError("premium must be a number, got nan")
        premium_add(&self.average, &self.formula, premium)

    def reset(self):
        """Begin the next interval."""
        premium_reset(&self.average)

    @property
    def premium(self):
        """Average premium so far; None without a sample."""
        return None if self.average.count == 0 else premium_mean(&self.average)

    @property
    def rate(self):
        """Rate that the samples so far would give at the end of the interval; None without a sample."""
        if self.average.count == 0:
            return None
        return predicted_rate(&self.average, &self.formula, self.interval_hours)


cdef class BasisWindow:
    """Moving average of mid - index over the latest samples.

    Parameters
    ----------
    points : int
        1 to 512.
    """

    cdef BasisAverage average

    def __init__(self, int32_t points):
        if not 1 <= points <= MAX_BASIS_POINTS:
            raise VenueError(f"points must be in [1, {MAX_BASIS_POINTS}], got {points}")
        basis_reset(&self.average, points)

    def add(self, double basis):
        """Take one sample, quote currency."""
        basis_add(&self.average, basis)

    @property
    def mean(self):
        """Mean of the samples held; 0 without one."""
        return basis_mean(&self.average)
