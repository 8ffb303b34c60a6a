"""How bad the bars in progress could have been for accounts with several positions: a bound beside the path used.

A bar does not tell which of its extremes came when. The run goes all down first or all up first (design.md section 4),
so that positions that hedge each other are never hit at once. The bound is the margin ratio that would have resulted
if each instrument had been at its adverse extreme at the same instant.
"""

from libc.math cimport INFINITY, NAN, isnan
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free
from venues.account cimport Account
from venues.margin cimport Leg, Risk
from venues.state cimport LIQUIDATING, PoolState


cdef class BarBounds(QuietBars):
    """Keeps the highest ratio of each account at independent extremes."""

    def __cinit__(self):
        self.lows = NULL
        self.highs = NULL
        self.bounds = NULL

    def __dealloc__(self):
        free(self.lows)
        free(self.highs)
        free(self.bounds)

    def margin_bounds(self):
        """Return the bound of each account: 0 where it never had two positions on bars, inf where equity was gone."""
        return [0.0 if self.bounds == NULL else self.bounds[i] for i in range(self.exchange.n_accounts)]

    cdef int begin_range(self, int32_t instrument, int64_t low, int64_t high) except -1 nogil:
        """A bar of marks has opened."""
        cdef int32_t i, n = self.venue_world.n_instruments
        if self.lows == NULL:
            self.lows = <double *> calloc(n + 1, sizeof(double))
            self.highs = <double *> calloc(n + 1, sizeof(double))
            self.bounds = <double *> calloc(self.exchange.n_accounts + 1, sizeof(double))
            if self.lows == NULL or self.highs == NULL or self.bounds == NULL:
                with gil:
                    raise MemoryError("loop: no memory for the ranges of bars")
            for i in range(n):
                self.lows[i] = NAN
        self.lows[instrument] = self.venue_world.price_value(instrument, low)
        self.highs[instrument] = self.venue_world.price_value(instrument, high)
        return 0

    cdef void end_range(self, int32_t instrument) noexcept nogil:
        self.lows[instrument] = NAN

    cdef void note_bounds(self) noexcept nogil:
        """Look at what is held now; asking twice within a bar changes nothing unless positions or money did."""
        cdef int32_t i, j
        cdef PoolState *pool
        cdef double ratio
        if self.lows == NULL:
            return
        for i in range(self.exchange.n_accounts):
            for j in range((<Account> self.exchange.accounts[i]).state.n_pools):
                pool = (<Account> self.exchange.accounts[i]).state.pools[j]
                if pool.pool.count < 2 or pool.condition == LIQUIDATING:
                    continue
                ratio = self.independent_ratio(<Account> self.exchange.accounts[i], pool)
                if ratio > self.bounds[i]:
                    self.bounds[i] = ratio

    cdef double independent_ratio(self, Account account, PoolState *pool) noexcept nogil:
        """The ratio with each held instrument at the end of its bar that loses; 0 with fewer than two on bars."""
        cdef Leg *legs = pool.pool.legs
        cdef double *marks = account.marks
        cdef int32_t i, k, other, held = 0
        cdef double net
        cdef Risk risk
        for k in range(pool.pool.count):
            i = legs[k].contract.index
            if legs[k].quantity != 0.0 and not isnan(self.lows[i]):
                held += 1
        if held < 2:
            return 0.0
        for k in range(pool.pool.count):
            i = legs[k].contract.index
            marks[k] = legs[k].mark
            net = legs[k].quantity
            if legs[k].side != 0:            # the two legs of hedge mode share one price
                for other in range(pool.pool.count):
                    if other != k and legs[other].contract.index == i:
                        net += legs[other].quantity
            if isnan(self.lows[i]):
                legs[k].mark = self.venue_world.prices[i].mark_value
            else:
                legs[k].mark = self.lows[i] if net > 0.0 else self.highs[i]
        account.state.engine.risk(&pool.pool, &risk)
        for k in range(pool.pool.count):
            legs[k].mark = marks[k]
        if risk.maintenance <= 0.0:
            return 0.0
        return risk.maintenance / risk.equity if risk.equity > 0.0 else INFINITY
