"""How long requests of an account are on their way to its venue, and answers back.

Constant; or drawn for each request and answer from a lognormal distribution, by its number, so that nothing else in a
run moves it; or read from recorded round trips, between which it is interpolated in a straight line. Requests and
answers go over one connection each: none arrives before one that was sent earlier.
"""

from libc.math cimport rint
from libc.stdint cimport int64_t
from feeds.draws cimport ANSWER_DELAY, REQUEST_DELAY, Purpose, lognormal


cdef class Delay:
    """Delays of one account.

    Parameters
    ----------
    order, response : int
        ns; medians with `sigma`.
    sigma : float
        Standard deviation of the logarithm; 0 = constant.
    seed, account : int
        Of the draws.
    record : (times, orders, responses), optional
        int64 arrays, ns, times ascending: round trips that take the place of the others.
    """

    def __init__(self, int64_t order, int64_t response, *, double sigma=0.0, int64_t seed=0, int64_t account=0,
                 record=None):
        self.order = order
        self.response = response
        self.sigma = sigma
        self.seed = seed
        self.account = account
        if record is not None:
            self.times, self.orders, self.responses = record
            self.n = len(self.times)

    cdef int64_t arrival(self, int64_t now) noexcept nogil:
        cdef int64_t delay = self.order
        if self.n > 0:
            delay = self.recorded(self.orders, now)
        elif self.sigma > 0.0:
            delay = self.drawn(self.order, REQUEST_DELAY, self.n_requests)
        self.n_requests += 1
        self.last_arrival = max(self.last_arrival, now + delay)
        return self.last_arrival

    cdef int64_t answer(self, int64_t time) noexcept nogil:
        cdef int64_t delay = self.response
        if self.n > 0:
            delay = self.recorded(self.responses, time)
        elif self.sigma > 0.0:
            delay = self.drawn(self.response, ANSWER_DELAY, self.n_answers)
        self.n_answers += 1
        self.last_answer = max(self.last_answer, time + delay)
        return self.last_answer

    cdef int64_t drawn(self, int64_t median, Purpose purpose, int64_t number) noexcept nogil:
        return lognormal(median, self.sigma, self.seed, purpose, self.account, number)

    cdef int64_t recorded(self, const int64_t[::1] values, int64_t time) noexcept nogil:
        cdef Py_ssize_t low = 0, high = self.n - 1, middle
        cdef double share
        if time <= self.times[0]:
            return values[0]
        if time >= self.times[high]:
            return values[high]
        while high - low > 1:
            middle = (low + high) // 2
            if self.times[middle] <= time:
                low = middle
            else:
                high = middle
        share = <double> (time - self.times[low]) / <double> (self.times[high] - self.times[low])
        return values[low] + <int64_t> rint(share * <double> (values[high] - values[low]))

    def arrivals(self, times):
        """Return when requests sent at these times arrive, one after the other."""
        return [self.arrival(time) for time in times]

    def answers(self, times):
        """Return when answers of these times are heard, one after the other."""
        return [self.answer(time) for time in times]
