"""Premium samples to the rate of a funding interval, and the mark price formula. Payments: venues/position.pxd."""

from libc.stdint cimport int32_t, int64_t

cdef enum:
    MAX_BASIS_POINTS = 512

cdef struct FundingFormula:
    double interest_rate     # for 8 hours
    double clamp             # interest - premium is cut to +-clamp
    double cap               # of the rate of one interval; infinite = none
    double floor             # the same; -infinite = none
    bint is_added            # the interest rate is added to the premium, whatever the clamp
    bint is_weighted         # the i-th sample of an interval weighs i (Binance), else all weigh the same

cdef struct PremiumAverage:  # premium samples of the interval so far: zero it (premium_reset) at each funding time
    double total             # sum of weight x premium
    double weights
    int64_t count

cdef struct BasisAverage:    # moving average of mid - index over the latest `points` samples
    double samples[MAX_BASIS_POINTS]
    int32_t points           # 1 to MAX_BASIS_POINTS
    int32_t count            # samples held
    int32_t next             # where the next one goes

cdef void premium_reset(PremiumAverage *average) noexcept nogil
cdef void premium_add(PremiumAverage *average, const FundingFormula *formula, double premium) noexcept nogil
# nan without a sample
cdef double premium_mean(const PremiumAverage *average) noexcept nogil
# (max(0, impact bid - index) - max(0, index - impact ask)) / index
cdef double premium_of(double impact_bid, double impact_ask, double index) noexcept nogil
# Rate of one interval from its average premium; nan stays nan.
cdef double funding_rate(const FundingFormula *formula, double premium, double interval_hours) noexcept nogil
# Rate that the samples so far would give at the end of the interval; nan without a sample.
cdef double predicted_rate(
    const PremiumAverage *average, const FundingFormula *formula, double interval_hours
) noexcept nogil

cdef void basis_reset(BasisAverage *average, int32_t points) noexcept nogil
cdef void basis_add(BasisAverage *average, double basis) noexcept nogil
# 0 without a sample
cdef double basis_mean(const BasisAverage *average) noexcept nogil
# index x (1 + rate x time left / interval): BitMEX
cdef double fair_price(double index, double rate, double hours_left, double interval_hours) noexcept nogil
# index + mean basis, within +-bound of the index (0 = any): Deribit
cdef double bounded_price(double index, double average, double bound) noexcept nogil
# median(index x (1 + last rate x time left / interval), index + mean basis, contract price)
cdef double mark_price(
    double index, double last_rate, double hours_left, double interval_hours, double basis, double contract_price
) noexcept nogil


# Python form of the average and its prediction.
cdef class FundingEstimator:
    cdef FundingFormula formula
    cdef PremiumAverage average
    cdef readonly double interval_hours
