"""Auto-deleveraging in a run with a population: who of the other side takes a bankrupt position over.

Winning positions of the other side, of the population and of users who joined, are ranked by the venue's own score
(`VenueRules.adl_ranking`), once in an instant for a contract and a side, and closed in that order at the bankruptcy
price, the last one in part. A position in liquidation is passed over.
"""

from libc.math cimport INFINITY, fabs
from libc.stdlib cimport calloc, free, realloc
from venues.account cimport Account
from venues.contract cimport INVERSE
from venues.margin cimport Leg, bankruptcy_price, leg_notional, leg_unrealized
from venues.state cimport LIQUIDATING, PoolState, Slot

import numpy as np

NAMES = (
    "unrealized_pnl", "collateral", "margin_ratio", "mark", "entry_price", "notional", "account_value", "quantity",
    "bankruptcy_price",
)


cdef class CrowdQueue(Crowd):
    """A population whose winners may be deleveraged; `Crowd` lists the other arguments.

    Parameters
    ----------
    rank : callable
        (venue, instrument, side, {figure: ndarray}) -> ndarray of the candidates' places, who is closed first at first.
    joins : list of bool
        By user's account.
    """

    def __init__(self, world, engine, *, object rank, list joins, **arguments):
        cdef int32_t i
        Crowd.__init__(self, world, engine, **arguments)
        self.rank = rank
        self.queue_time = -1
        self.joins = <uint8_t *> calloc(len(joins) + 1, sizeof(uint8_t))
        if self.joins == NULL:
            raise MemoryError("population: no memory")
        for i in range(<int32_t> len(joins)):
            self.joins[i] = joins[i]

    def __dealloc__(self):
        free(self.joins)
        free(self.candidates)
        free(self.figures)
        free(self.order)

    cdef int note(self, const Pool *pool, const Risk *risk, int32_t at, int32_t account, int8_t side) except -1 nogil:
        """Add a position to the candidates if it wins at the mark and is of that side."""
        cdef const Leg *leg = &pool.legs[at]
        cdef double profit = leg_unrealized(leg), size = leg_notional(leg)
        cdef Candidate *one
        cdef double *row
        cdef void *grown
        cdef void *wider
        cdef void *longer
        if leg.quantity * side <= 0.0 or profit <= 1e-12 * size or risk.equity <= 0.0:
            return 0
        if self.n_candidates == self.capacity:
            self.capacity = 2 * self.capacity + 64
            grown = realloc(self.candidates, self.capacity * sizeof(Candidate))
            if grown != NULL:
                self.candidates = <Candidate *> grown
            wider = realloc(self.figures, self.capacity * FIGURES * sizeof(double))
            if wider != NULL:
                self.figures = <double *> wider
            longer = realloc(self.order, self.capacity * sizeof(Py_ssize_t))
            if longer != NULL:
                self.order = <Py_ssize_t *> longer
            if grown == NULL or wider == NULL or longer == NULL:
                with gil:
                    raise MemoryError("population: no memory for the queue")
        one = &self.candidates[self.n_candidates]
        one.account = account
        one.leg = leg.side
        row = &self.figures[self.n_candidates * FIGURES]
        row[0] = profit
        row[1] = pool.wallet
        row[2] = risk.maintenance / risk.equity
        row[3] = leg.mark
        row[4] = fabs(leg.entry_value) / (fabs(leg.quantity) * leg.contract.multiplier)
        if leg.contract.kind == INVERSE:
            row[4] = 1.0 / row[4]
        row[5] = size
        row[6] = risk.equity
        row[7] = leg.quantity
        row[8] = bankruptcy_price(pool, at)
        if row[8] == 0.0 and leg.contract.kind == INVERSE:
            row[8] = INFINITY                # no price takes all: the value there is 0
        self.n_candidates += 1
        return 0

    cdef int collect(self, int32_t venue, int32_t instrument, int8_t side) except -1 nogil:
        """Find all candidates, members first."""
        cdef int32_t i, j
        cdef Risk risk
        cdef PoolState *pool
        self.n_candidates = 0
        for i in range(self.n_members):
            if self.members[i].venue != venue or self.members[i].host >= 0 or not self.holds(i, instrument):
                continue
            if self.look(i, &risk):
                for j in range(self.pool.count):
                    if self.legs[j].contract.index == instrument:
                        self.note(&self.pool, &risk, j, i, side)
        for i in range(self.n_users):
            if not self.joins[i] or (<Account> self.accounts[i]).venue != venue:
                continue
            for j in range((<Account> self.accounts[i]).state.n_slots):
                if self.stands((<Account> self.accounts[i]).state.slots[j], instrument):
                    pool = (<Account> self.accounts[i]).state.pool_of((<Account> self.accounts[i]).state.slots[j])
                    (<Account> self.accounts[i]).state.look(pool)
                    self.note(
                        &pool.pool, &pool.risk, (<Account> self.accounts[i]).state.slots[j].leg, -1 - i, side)
        return 0

    cdef bint stands(self, const Slot *slot, int32_t instrument) noexcept nogil:
        return slot.position.instrument == instrument and slot.position.quantity != 0

    def make_queue(self, int venue, int instrument, int side):
        """Rank the candidates."""
        cdef Py_ssize_t i
        cdef double[::1] flat
        cdef const Py_ssize_t[::1] places
        self.place = 0
        if self.n_candidates == 0:
            return
        flat = <double[:self.n_candidates * FIGURES]> self.figures
        table = np.asarray(flat).reshape(self.n_candidates, FIGURES)
        figures = {name: np.ascontiguousarray(table[:, i]) for i, name in enumerate(NAMES)}
        places = np.ascontiguousarray(self.rank(venue, instrument, side, figures), dtype=np.intp)
        for i in range(self.n_candidates):
            self.order[i] = places[i]

    cdef int64_t deleverage(self, int32_t venue, int32_t instrument, int64_t quantity, int64_t price,
                            int64_t time) except -1 nogil:
        cdef int8_t side = -1 if quantity > 0 else 1
        cdef int64_t left = quantity if quantity > 0 else -quantity, held, part
        cdef Candidate *one
        cdef int32_t index
        cdef Slot *slot
        if self.queue_time != time or self.queue_instrument != instrument or self.queue_side != side:
            self.collect(venue, instrument, side)
            with gil:
                self.make_queue(venue, instrument, side)
            self.queue_time = time
            self.queue_instrument = instrument
            self.queue_side = side
        while left > 0 and self.place < self.n_candidates:
            one = &self.candidates[self.order[self.place]]
            index = -1 - one.account
            if one.account >= 0:
                if self.members[one.account].host < 0:
                    self.board(one.account, time)
                index = self.n_users + self.members[one.account].host
            slot = (<Account> self.accounts[index]).state.find(instrument, one.leg)
            held = 0 if slot == NULL else slot.position.quantity * side
            if held <= 0 or (<Account> self.accounts[index]).state.pool_of(slot).condition == LIQUIDATING:
                self.place += 1
                continue
            part = min(left, held)
            self.liquidator.deleverage(index, slot, part, price, time)
            left -= part
            if part == held:
                self.place += 1
        return quantity + left if quantity < 0 else quantity - left
