"""A venue's margin engine: what a pool must hold, and how far prices may move before that must be looked at again."""

from venues.margin cimport Band, Pool, Risk, standard_risk, standard_slack


cdef class MarginEngine:
    """Tiered, marginal maintenance at the mark (venues/margin.pxd); a venue that computes otherwise overrides both."""

    cdef void risk(self, const Pool *pool, Risk *out) noexcept nogil:
        standard_risk(pool, out)

    cdef double slack(self, const Pool *pool, const Risk *risk, double threshold, Band *bands) noexcept nogil:
        return standard_slack(pool, risk, threshold, bands)
