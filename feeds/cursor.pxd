"""One sorted columnar stream with two read positions, one for each clock; a batch lives until the slower passed it."""

from feeds.events cimport Event
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t

cdef struct Columns:         # of one decoded batch; NULL = a column that is not there and reads as zero
    Py_ssize_t n
    const int64_t *ts
    const int64_t *avail
    const int64_t *a
    const int64_t *b
    const int64_t *c
    const int64_t *d
    const int64_t *e
    const int8_t *side
    int64_t times_a          # what the mantissas are multiplied with, to come to the scales of the run
    int64_t times_b
    int64_t times_c
    int64_t times_d
    int64_t times_e

cdef class Batch:
    cdef Columns columns
    cdef object arrays       # keeps the memory
    cdef Batch following

cdef class Cursor:
    cdef readonly int16_t stream         # number in the run: the tie rule
    cdef readonly int32_t instrument
    cdef readonly uint8_t kind           # EventKind
    cdef readonly int64_t timeframe      # ns; 0 = points
    cdef readonly int64_t latency        # ns of the feed; median where it is drawn
    cdef double sigma                    # of its logarithm; 0 = always the same
    cdef int64_t seed
    cdef int64_t draws                   # of which stream, whatever else there is in the run
    cdef int64_t next_ts                 # INT64_MAX = no more
    cdef int64_t next_delivery
    cdef int64_t last_delivery
    cdef readonly int64_t taken          # rows so far
    cdef object source                   # iterator of record batches
    cdef object names
    cdef object factors
    cdef readonly str label
    cdef Batch venue_batch
    cdef Py_ssize_t venue_row
    cdef Batch local_batch
    cdef Py_ssize_t local_row

    cdef int start(self) except -1
    cdef int take(self, Event *out) except -1 nogil          # the row of next_ts, and on
    cdef void peek(self, Event *out) noexcept nogil          # the row of next_ts, which must exist
    cdef void head_of_local(self, Event *out) noexcept nogil     # the row of next_delivery, which must exist
    cdef int deliver(self, Event *out) except -1 nogil       # the row of next_delivery, and on
    cdef void fill(self, const Columns *columns, Py_ssize_t row, Event *out) noexcept nogil
    cdef void set_delivery(self) noexcept nogil
    # Whether the next row of a clock belongs to the same message of a book
    cdef bint venue_continues(self, const Event *event) noexcept nogil
    cdef bint local_continues(self, const Event *event) noexcept nogil
    cdef Batch load(self)
    cdef int turn(self) except -1
