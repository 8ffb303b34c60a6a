"""The earliest of many streams: a linear minimum for few, a tree of winners for many. Ties go to the lower number."""

from libc.stdint cimport INT64_MAX
from libc.stdlib cimport calloc, free

cdef enum:
    FEW = 32                 # up to here a linear minimum is the quicker one (design.md section 5)


cdef class Tournament:
    """Next times of `n` streams, all at INT64_MAX to begin with.

    Parameters
    ----------
    n : int
    few : int, optional
        Largest number of streams that is searched in a line.
    """

    def __cinit__(self, int n, *, int few=FEW):
        cdef int32_t i
        self.n = n
        self.times = <int64_t *> calloc(n + 1, sizeof(int64_t))
        if self.times == NULL:
            raise MemoryError("loop: no memory for the next times")
        for i in range(n):
            self.times[i] = INT64_MAX
        if n > few:
            self.size = 1
            while self.size < n:
                self.size *= 2
            self.winners = <int32_t *> calloc(2 * self.size, sizeof(int32_t))
            if self.winners == NULL:
                raise MemoryError("loop: no memory for the next times")
        self.rescan()

    def __dealloc__(self):
        free(self.times)
        free(self.winners)

    cdef int32_t earlier(self, int32_t x, int32_t y) noexcept nogil:
        """The winner of two streams, x < y; those beyond the last do not exist and never win."""
        if y >= self.n:
            return x
        return x if self.times[x] <= self.times[y] else y

    cdef void rescan(self) noexcept nogil:
        cdef int32_t i
        cdef int64_t t
        if self.size == 0:
            self.best = 0
            self.best_time = INT64_MAX
            self.second_time = INT64_MAX
            for i in range(self.n):
                t = self.times[i]
                if t < self.best_time:
                    self.second_time = self.best_time
                    self.best_time = t
                    self.best = i
                elif t < self.second_time:
                    self.second_time = t
            return
        for i in range(self.size):
            self.winners[self.size + i] = i
        i = self.size - 1
        while i > 0:
            self.winners[i] = self.earlier(self.winners[2 * i], self.winners[2 * i + 1])
            i -= 1
        self.crown()

    cdef void crown(self) noexcept nogil:
        """Read off the winner, and the second: the best of those that lost to the winner on its way up."""
        cdef int32_t node, loser
        self.best = self.winners[1]
        self.best_time = self.times[self.best]
        self.second_time = INT64_MAX
        node = self.size + self.best
        while node > 1:
            loser = self.winners[node ^ 1]
            if loser < self.n and self.times[loser] < self.second_time:
                self.second_time = self.times[loser]
            node //= 2

    cdef void moved(self, int32_t stream) noexcept nogil:
        cdef int32_t node
        if stream == self.best and self.times[stream] < self.second_time:
            self.best_time = self.times[stream]      # it stays ahead: in the tree nothing above it changes hands
            return
        if self.size == 0:
            self.rescan()
            return
        node = (self.size + stream) // 2
        while node > 0:
            self.winners[node] = self.earlier(self.winners[2 * node], self.winners[2 * node + 1])
            node //= 2
        self.crown()

    def play(self, list changes):
        """Apply (stream, time) changes in turn and return (best, its time, second time) after each; for tests."""
        out = []
        for stream, time in changes:
            self.times[stream] = time
            self.moved(stream)
            out.append((self.best, self.best_time, self.second_time))
        return out
