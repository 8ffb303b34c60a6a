"""Other traders in a run, as thin rows: what each holds, what it owns, and the prices at which it must be looked at.

A row costs nothing while marks stay away from it: its margin engine says between which marks no requirement can be met
(`MarginEngine.slack`), and those marks stand in a heap for each contract and direction. A mark touches the top of two
heaps. Whoever is met is looked at with the engine's `risk`, which alone decides, and gets new triggers or is
liquidated. A pool of one contract has its exact band; legs of several share what may be lost, each its own part.
"""

from libc.math cimport INFINITY
from libc.stdint cimport INT64_MIN
from libc.stdlib cimport calloc, free
from venues.contract cimport Contract, reserved_fee
from venues.position cimport FillEffect, apply_fill, entry_value
from venues.triggers cimport push


cdef class Members:
    """Accounts of a population.

    Parameters
    ----------
    world : World
        Of the venue's clock.
    engine : MarginEngine
    venue, asset, first : ndarray of int32, shape (accounts,), (accounts,), (accounts + 1,)
        Rows in the run's tables; positions of account i are first[i] to first[i + 1] - 1.
    wallet : ndarray of int64, shape (accounts,)
        Atoms.
    isolated : ndarray of uint8, shape (accounts,)
    instrument : ndarray of int32, shape (positions,)
    quantity, price : ndarray of int64, shape (positions,)
        Signed quantity units and price units of the entry.
    leverage : ndarray of float64, shape (positions,)
        Margin leverage set.
    trigger : list of float
        By venue.
    start : int
        ns from which they are there.
    """

    def __init__(
        self, World world, MarginEngine engine, *, const int32_t[::1] venue, const int32_t[::1] asset,
        const int32_t[::1] first, const int64_t[::1] wallet, const uint8_t[::1] isolated,
        const int32_t[::1] instrument, const int64_t[::1] quantity, const int64_t[::1] price,
        const double[::1] leverage, list trigger, int64_t start
    ):
        cdef int32_t i, j, most = 1
        cdef Position *p
        cdef FillEffect effect
        self.world = world
        self.engine = engine
        self.start = start
        self.n_instruments = world.n_instruments
        self.n_members = <int32_t> wallet.shape[0]
        self.n_positions = <int32_t> quantity.shape[0]
        self.members = <Member *> calloc(self.n_members + 1, sizeof(Member))
        self.positions = <Position *> calloc(self.n_positions + 1, sizeof(Position))
        self.accruals = <Accrual *> calloc(self.n_positions + 1, sizeof(Accrual))
        self.falls = <Triggers *> calloc(world.n_instruments + 1, sizeof(Triggers))
        self.rises = <Triggers *> calloc(world.n_instruments + 1, sizeof(Triggers))
        self.restless = <Triggers *> calloc(world.n_instruments + 1, sizeof(Triggers))
        self.moved = <uint8_t *> calloc(world.n_instruments + 1, sizeof(uint8_t))
        self.trigger = <double *> calloc(len(trigger) + 1, sizeof(double))
        self.taker_fees = <const int64_t **> calloc(len(trigger) + 1, sizeof(int64_t *))
        for i in range(self.n_members):
            most = max(most, first[i + 1] - first[i])
        self.legs = <Leg *> calloc(most, sizeof(Leg))
        self.bands = <Band *> calloc(most, sizeof(Band))
        if (self.members == NULL or self.positions == NULL or self.accruals == NULL or self.falls == NULL
                or self.rises == NULL or self.restless == NULL or self.moved == NULL or self.trigger == NULL
                or self.legs == NULL or self.bands == NULL or self.taker_fees == NULL):
            raise MemoryError("population: no memory for its accounts")
        for i in range(<int32_t> len(trigger)):
            self.trigger[i] = trigger[i]
        for i in range(self.n_members):
            self.members[i].venue = venue[i]
            self.members[i].asset = asset[i]
            self.members[i].first = first[i]
            self.members[i].count = first[i + 1] - first[i]
            self.members[i].wallet = wallet[i]
            self.members[i].isolated = isolated[i]
            self.members[i].host = -1
            self.members[i].part_closed = INT64_MIN
            for j in range(first[i], first[i + 1]):
                p = &self.positions[j]
                p.instrument = instrument[j]
                p.margin_mode = isolated[i]
                p.leverage = leverage[j]
                p.isolated_wallet = wallet[i] if isolated[i] else 0
                apply_fill(p, world.contracts[instrument[j]], quantity[j], price[j], &effect)
                p.last_entry_price = price[j]
                p.entries = 1
                p.opened = start
                self.accruals[j].since = start
                self.accruals[j].until = start
                # the first mark of each contract sets the triggers
                push(&self.restless[instrument[j]], 0.0, i, 0)

    def __dealloc__(self):
        cdef int32_t i
        for i in range(self.n_instruments if self.falls != NULL else 0):
            free(self.falls[i].items)
            free(self.rises[i].items)
            free(self.restless[i].items)
        free(self.falls)
        free(self.rises)
        free(self.restless)
        free(self.moved)
        free(self.trigger)
        free(self.taker_fees)
        free(self.members)
        free(self.positions)
        free(self.accruals)
        free(self.legs)
        free(self.bands)

    def wallets(self):
        """Return what each account owns now, atoms of its settle asset."""
        return [self.wallet_now(i) for i in range(self.n_members)]

    def wealth(self):
        """Return what all accounts own now by asset, atoms; money of a host is its member's."""
        cdef int32_t i
        found = {}
        for i in range(self.n_members):
            found[self.members[i].asset] = found.get(self.members[i].asset, 0) + self.wallet_now(i)
        return found

    def quantities(self):
        """Return what each position is now, signed quantity units."""
        return [self.positions[i].quantity for i in range(self.n_positions)]

    def closes(self):
        """Return how often each account was liquidated."""
        return [self.members[i].closes for i in range(self.n_members)]

    cdef bint look(self, int32_t member, Risk *risk) noexcept nogil:
        cdef Member *m = &self.members[member]
        cdef Position *p
        cdef Leg *leg
        cdef const Contract *c
        cdef int32_t i
        self.pool.isolated = m.isolated
        self.pool.wallet = self.world.amount_value(
            m.asset, self.positions[m.first].isolated_wallet if m.isolated else m.wallet)
        self.pool.count = m.count
        self.pool.legs = self.legs
        for i in range(m.count):
            p = &self.positions[m.first + i]
            c = self.world.contracts[p.instrument]
            leg = &self.legs[i]
            leg.contract = c
            leg.side = p.leg
            leg.quantity = self.world.quantity_value(p.instrument, p.quantity)
            leg.entry_value = entry_value(p, c)
            leg.mark = self.world.prices[p.instrument].mark_value
            leg.at_index = 1.0
            leg.leverage = p.leverage
            leg.close_fee = reserved_fee(c, self.taker_fees[m.venue][p.instrument])
            leg.conversion = 1.0
            if leg.mark <= 0.0:
                return False
            if c.margin_at_index and self.world.prices[p.instrument].index_value > 0.0:
                leg.at_index = self.world.prices[p.instrument].index_value / leg.mark
        self.engine.risk(&self.pool, risk)
        return True

    cdef bint arm(self, int32_t member) except -1 nogil:
        cdef Member *m = &self.members[member]
        cdef Risk risk
        cdef Band *band
        cdef double slack, low, high, mark, part
        cdef int32_t i, instrument
        m.stamp += 1
        if not self.look(member, &risk):
            for i in range(m.count):
                push(&self.restless[self.positions[m.first + i].instrument], 0.0, member, m.stamp)
            return False
        if risk.maintenance <= 0.0:
            return False
        if risk.equity <= 0.0 or risk.maintenance / risk.equity >= self.trigger[m.venue]:
            return True
        slack = self.engine.slack(&self.pool, &risk, 1.0, self.bands)
        part = slack / m.count
        for i in range(m.count):
            instrument = self.positions[m.first + i].instrument
            if self.legs[i].quantity == 0.0:
                continue
            band = &self.bands[i]
            mark = self.legs[i].mark
            if slack <= 0.0 or self.looks_always:
                push(&self.restless[instrument], 0.0, member, m.stamp)
                continue
            low = band.low
            high = band.high
            if band.slope_down > 0.0:
                low = max(low, mark - part / band.slope_down)
            if band.slope_up > 0.0:
                high = min(high, mark + part / band.slope_up)
            if low >= mark or high <= mark:
                push(&self.restless[instrument], 0.0, member, m.stamp)
                continue
            if low > 0.0:
                push(&self.falls[instrument], -low, member, m.stamp)
            if high < INFINITY:
                push(&self.rises[instrument], high, member, m.stamp)
        return False

    cdef bint is_met(self, int32_t instrument, double low, double high) noexcept nogil:
        """Whether somebody must be looked at when the mark goes as low and as high as that."""
        return (self.restless[instrument].count > 0
                or (self.falls[instrument].count > 0 and low <= -self.falls[instrument].items[0].key)
                or (self.rises[instrument].count > 0 and high >= self.rises[instrument].items[0].key))

    cdef bint is_any_met(self) noexcept nogil:
        """Whether a trigger is met at the present marks; those without one are looked at anyway."""
        cdef int32_t i
        cdef double mark
        for i in range(self.n_instruments):
            mark = self.world.prices[i].mark_value
            if mark > 0.0 and (
                    (self.falls[i].count > 0 and mark <= -self.falls[i].items[0].key)
                    or (self.rises[i].count > 0 and mark >= self.rises[i].items[0].key)):
                return True
        return False

    cdef void mark_moved(self, int32_t instrument, int64_t time) noexcept nogil:
        cdef double mark = self.world.prices[instrument].mark_value
        if self.is_met(instrument, mark, mark) and time >= self.start:
            self.moved[instrument] = 1
            self.world.attention = True

    cdef void move_all(self) noexcept nogil:
        """Prices have been set without telling: every contract is looked at when accounts are."""
        cdef int32_t i
        for i in range(self.n_instruments):
            self.moved[i] = 1
        self.world.attention = True

    cdef int64_t wallet_now(self, int32_t member) noexcept nogil:
        return self.members[member].wallet

    cdef int64_t deleverage(self, int32_t venue, int32_t instrument, int64_t quantity, int64_t price,
                            int64_t time) except -1 nogil:
        return 0                         # rows have no queue
