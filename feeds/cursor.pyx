"""One sorted columnar stream with two read positions, one for each clock; a batch lives until the slower passed it."""

from libc.stdint cimport INT64_MAX, uintptr_t

from feeds.draws cimport FEED_DELAY, lognormal

import zlib

import numpy as np

from feeds.arrays import plain
from feeds.errors import FeedError

SLOTS = ("a", "b", "c", "d", "e")


cdef const int64_t *pointer(object array) except? NULL:
    if array is None:
        return NULL
    return <const int64_t *> <uintptr_t> array.ctypes.data


cdef class Batch:
    """Decoded columns, and the batch that comes after."""


cdef class Cursor:
    """Read a stream on two clocks.

    Parameters
    ----------
    stream : int
        Number of the stream in the run.
    instrument : int
        Row in the run's table; -1 for streams of no instrument.
    kind : int
        EventKind.
    timeframe : int
        ns; 0 for points.
    batches : iterator of pyarrow.RecordBatch
        Columns in the order of `names`, sorted by ts.
    names : list of str
        What each column is: ``ts, avail, side`` or one of ``a .. e``.
    factors : list of int
        What each mantissa is multiplied with to come to the run's scale.
    latency : int
        Feed latency, ns; with `sigma` its median.
    sigma : float
        Standard deviation of the logarithm of the latency of points, drawn anew for each moment of the stream; bars
        come with the median.
    seed : int
        Of the draws.
    label : str
        For messages.
    """

    def __init__(self, *, int stream, int instrument, int kind, int64_t timeframe, batches, list names, list factors,
                 int64_t latency, str label, double sigma=0.0, int64_t seed=0):
        self.stream = stream
        self.instrument = instrument
        self.kind = kind
        self.timeframe = timeframe
        self.source = iter(batches)
        self.names = names
        self.factors = factors
        self.latency = latency
        self.label = label
        self.sigma = 0.0 if timeframe else sigma
        self.seed = seed
        self.draws = zlib.crc32(label.encode())
        self.last_delivery = -INT64_MAX
        self.start()

    cdef Batch load(self):
        cdef Batch batch
        cdef dict arrays = {}
        cdef dict factors = {}
        for found in self.source:
            if found.num_rows:
                break
        else:
            return None
        for name, factor, column in zip(self.names, self.factors, found.columns):
            array = plain(column)
            if name != "side" and array.dtype != np.int64:
                if not array.any():
                    continue             # flags: mostly none
                array = array.astype(np.int64)
            if factor > 1 and max(int(array.max()), -int(array.min())) > INT64_MAX // factor:
                raise FeedError(
                    f"{self.label}: a value times {factor} exceeds 64 bits; the scales of its files are too far apart")
            if name == "avail" and int(array.max()) <= 0:
                continue                 # 0 = the same as ts
            arrays[name] = np.ascontiguousarray(array)
            factors[name] = factor
        batch = Batch.__new__(Batch)
        batch.arrays = arrays
        batch.columns.n = found.num_rows
        batch.columns.ts = pointer(arrays["ts"])
        batch.columns.avail = pointer(arrays.get("avail"))
        batch.columns.times_a = factors.get("a", 1)
        batch.columns.times_b = factors.get("b", 1)
        batch.columns.times_c = factors.get("c", 1)
        batch.columns.times_d = factors.get("d", 1)
        batch.columns.times_e = factors.get("e", 1)
        batch.columns.a = pointer(arrays.get("a"))
        batch.columns.b = pointer(arrays.get("b"))
        batch.columns.c = pointer(arrays.get("c"))
        batch.columns.d = pointer(arrays.get("d"))
        batch.columns.e = pointer(arrays.get("e"))
        side = arrays.get("side")
        batch.columns.side = NULL
        if side is not None:
            batch.columns.side = <const int8_t *> <uintptr_t> side.ctypes.data
        return batch

    cdef int start(self) except -1:
        self.venue_batch = self.load()
        self.local_batch = self.venue_batch
        self.venue_row = 0
        self.local_row = 0
        if self.venue_batch is None:
            self.next_ts = INT64_MAX
            self.next_delivery = INT64_MAX
            return 0
        self.next_ts = self.venue_batch.columns.ts[0]
        self.set_delivery()
        return 0

    cdef int turn(self) except -1:
        """The venue's clock has used up its batch: decode the next one."""
        cdef Batch following = self.load()
        cdef int64_t last = self.venue_batch.columns.ts[self.venue_batch.columns.n - 1]
        if following is not None and following.columns.ts[0] < last:
            raise FeedError(
                f"{self.label}: not sorted: {following.columns.ts[0]} follows {last}; import or write it again")
        self.venue_batch.following = following
        if following is None:
            self.next_ts = INT64_MAX
            return 0
        self.venue_batch = following
        self.venue_row = 0
        self.next_ts = following.columns.ts[0]
        return 0

    cdef void fill(self, const Columns *columns, Py_ssize_t row, Event *out) noexcept nogil:
        out.ts = columns.ts[row]
        out.instrument = self.instrument
        out.stream = self.stream
        out.kind = self.kind
        out.side = columns.side[row] if columns.side != NULL else 0
        out.a = columns.a[row] * columns.times_a if columns.a != NULL else 0
        out.b = columns.b[row] * columns.times_b if columns.b != NULL else 0
        out.c = columns.c[row] * columns.times_c if columns.c != NULL else 0
        out.d = columns.d[row] * columns.times_d if columns.d != NULL else 0
        out.e = columns.e[row] * columns.times_e if columns.e != NULL else 0

    cdef void peek(self, Event *out) noexcept nogil:
        self.fill(&self.venue_batch.columns, self.venue_row, out)

    cdef void head_of_local(self, Event *out) noexcept nogil:
        self.fill(&self.local_batch.columns, self.local_row, out)

    cdef int take(self, Event *out) except -1 nogil:
        self.fill(&self.venue_batch.columns, self.venue_row, out)
        self.taken += 1
        self.venue_row += 1
        if self.venue_row < self.venue_batch.columns.n:
            self.next_ts = self.venue_batch.columns.ts[self.venue_row]
        else:
            with gil:
                self.turn()
        return 0

    cdef void set_delivery(self) noexcept nogil:
        """When the next row reaches the strategy: never before the one before it (a stream does not reorder)."""
        cdef int64_t at
        at = self.local_batch.columns.ts[self.local_row] + (self.timeframe if self.timeframe else 0)
        if self.local_batch.columns.avail != NULL and self.local_batch.columns.avail[self.local_row] > at:
            at = self.local_batch.columns.avail[self.local_row]
        if self.sigma > 0.0:
            at += lognormal(self.latency, self.sigma, self.seed, FEED_DELAY, self.draws,
                            self.local_batch.columns.ts[self.local_row])
        else:
            at += self.latency
        if at < self.last_delivery:
            at = self.last_delivery
        self.next_delivery = at
        self.last_delivery = at

    cdef int deliver(self, Event *out) except -1 nogil:
        self.fill(&self.local_batch.columns, self.local_row, out)
        out.delivered = self.next_delivery
        self.local_row += 1
        if self.local_row < self.local_batch.columns.n:
            self.set_delivery()
            return 0
        with gil:
            self.local_batch = self.local_batch.following
            self.local_row = 0
            if self.local_batch is None:
                self.next_delivery = INT64_MAX
            else:
                self.set_delivery()
        return 0

    cdef bint venue_continues(self, const Event *event) noexcept nogil:
        return self.next_ts == event.ts and same_message(&self.venue_batch.columns, self.venue_row, event)

    cdef bint local_continues(self, const Event *event) noexcept nogil:
        return (self.next_delivery == event.delivered
                and self.local_batch.columns.ts[self.local_row] == event.ts
                and same_message(&self.local_batch.columns, self.local_row, event))


cdef inline bint same_message(const Columns *columns, Py_ssize_t row, const Event *event) noexcept nogil:
    """Sequence number and mark of a snapshot are those of the row before."""
    return ((columns.c == NULL or columns.c[row] == event.c)
            and (columns.e[row] if columns.e != NULL else 0) == event.e)
