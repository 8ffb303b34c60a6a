"""Other traders in a run: thin rows of `Members`, and the few that are met, which become accounts for a while.

A member that must be liquidated, or whom funding, a settlement or auto-deleveraging reaches, boards a host: an ordinary
`Account` that takes over its wallet and positions, so that the venue's own liquidation, matching, fees, insurance fund
and rounding do to it what they would do to anybody. When nothing is left to do it leaves, and its triggers are set
anew. All money of the population of a venue is one account of the ledger: boarding moves none.

Among the accounts of an instant the users' come first, then those of the population in the order in which the mark met
them.

Marks. Forced sales may move the mark (`Shifts`): by the quantity sold over a depth, in shares of the contract's first
mark, a linear book (leverage_lab.md section 2.4), out of which the market comes back at a rate (section 5.5). Fills are
the market's own; a market that models impact needs no depth here.
"""

from libc.math cimport INFINITY, exp, rint
from libc.stdint cimport INT64_MAX
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset
from venues.engine cimport MarginEngine
from venues.ledger cimport POPULATION, PostingContext
from venues.members cimport Member
from venues.position cimport Position
from venues.records cimport BY_LIQUIDATION, BY_SETTLEMENT, DEPOSIT, FillRow
from venues.state cimport LIQUIDATING, NORMAL, PoolState, Slot
from venues.triggers cimport Trigger, Triggers, pop
from venues.world cimport World


cdef class Crowd(Members):
    """Accounts of a population that live in a run.

    Parameters
    ----------
    world, engine, and the arrays of `Members`
    ledger : Ledger
    liquidator : Liquidator
    journal : Journal
    outbox : Outbox
    make : callable
        (venue, index) -> a new Account of that venue.
    templates : list of int
        By venue: the user's account whose settings (slippage, fees, forced closes) hold; -1 where nobody of the
        population is.
    depths : list of float
        By instrument: quantity that moves the mark by its whole reference price; 0 = the mark does not move.
    refill : float
        Rate at which a moved mark comes back, per second.
    """

    def __init__(
        self, World world, MarginEngine engine, *, Ledger ledger, Liquidator liquidator, Journal journal,
        Outbox outbox, object make, list templates, list depths, double refill, **arrays
    ):
        cdef int32_t i
        Members.__init__(self, world, engine, **arrays)
        self.ledger = ledger
        self.liquidator = liquidator
        self.journal = journal
        self.outbox = outbox
        self.make = make
        self.hosts = []
        self.templates = <int32_t *> calloc(len(templates) + 1, sizeof(int32_t))
        self.first_free = <int32_t *> calloc(len(templates) + 1, sizeof(int32_t))
        self.free_hosts = <int32_t *> calloc(self.n_members + 1, sizeof(int32_t))
        self.active = <int32_t *> calloc(self.n_members + 1, sizeof(int32_t))
        self.shifts = <Shifts *> calloc(world.n_instruments + 1, sizeof(Shifts))
        if (self.templates == NULL or self.first_free == NULL or self.free_hosts == NULL or self.active == NULL
                or self.shifts == NULL):
            raise MemoryError("population: no memory")
        for i in range(<int32_t> len(templates)):
            self.templates[i] = templates[i]
            self.first_free[i] = -1
        for i in range(world.n_instruments):
            self.shifts[i].depth = depths[i]
            self.shifts[i].rate = refill * 1e-9

    def __dealloc__(self):
        cdef int32_t i
        for i in range(self.n_instruments if self.shifts != NULL else 0):
            free(self.shifts[i].items)
        free(self.templates)
        free(self.first_free)
        free(self.free_hosts)
        free(self.active)
        free(self.shifts)

    def pay_in(self, int64_t time):
        """Deposit what all members own."""
        cdef PostingContext context
        cdef int32_t i
        context.time = time
        context.ref = 0
        context.instrument = -1
        context.strategy = -1
        context.tag = -1
        sums = {}
        for i in range(self.n_members):
            key = (self.members[i].venue, self.members[i].asset)
            sums[key] = sums.get(key, 0) + self.members[i].wallet
        for (venue, asset), atoms in sorted(sums.items()):
            self.ledger.post(
                &context, self.ledger.pseudo(venue, POPULATION), self.ledger.outside, asset, DEPOSIT, atoms)

    def shifts_of(self, int instrument):
        """Return (ns, price units added to the mark) of each change by own sales."""
        return [(self.shifts[instrument].items[i].time, self.shifts[instrument].items[i].price)
                for i in range(self.shifts[instrument].count)]

    @property
    def moves_marks(self):
        """Whether own sales move any mark."""
        return any(self.shifts[i].depth > 0.0 for i in range(self.n_instruments))

    # ------------------------------------------------------------------ hosts

    def more_hosts(self, int venue):
        """Make accounts of a venue, as many again as there are."""
        cdef int32_t _i, more = min(max(8, self.n_hosts), self.n_members - self.n_hosts)
        cdef Account host
        for _i in range(more):
            host = self.make(venue, self.n_users + self.n_hosts)
            host.stand_for_others(self.ledger.pseudo(venue, POPULATION))
            self.hosts.append(host)
            self.accounts[self.n_users + self.n_hosts] = <PyObject *> host
            self.free_hosts[self.n_hosts] = self.first_free[venue]
            self.first_free[venue] = self.n_hosts
            self.n_hosts += 1

    cdef int32_t take_host(self, int32_t venue) except -1 nogil:
        cdef int32_t host
        if self.first_free[venue] < 0:
            with gil:
                self.more_hosts(venue)
        host = self.first_free[venue]
        self.first_free[venue] = self.free_hosts[host]
        return host

    cdef int board(self, int32_t member, int64_t time) except -1 nogil:
        """Make an account of a member; it is looked at when the accounts of the instant are."""
        self.active[self.n_active] = self.enter(member)
        self.n_active += 1
        self.most_active = max(self.most_active, self.n_active)
        self.world.attention = True
        return 0

    cdef int32_t enter(self, int32_t member) except -1 nogil:
        cdef int32_t host = self.take_host(self.members[member].venue)
        self.fill_host(member, host, <Account> self.accounts[self.n_users + host])
        return host

    cdef int fill_host(self, int32_t member, int32_t host, Account account) except -1 nogil:
        cdef Member *m = &self.members[member]
        cdef Position *p
        cdef Slot *slot
        cdef PoolState *pool
        cdef int32_t i
        account.act_as(<Account> self.accounts[self.templates[m.venue]], member, m.part_closed)
        account.state.balances[m.asset] = m.wallet
        account.state.earmarked[m.asset] = 0
        for i in range(m.count):
            p = &self.positions[m.first + i]
            if p.quantity == 0 and self.accruals[m.first + i].held.lo == 0:
                continue
            account.state.isolated[p.instrument] = m.isolated
            account.state.leverage[p.instrument] = p.leverage
            slot = account.state.slot(p.instrument, p.leg)
            slot.position = p[0]
            slot.is_sliced = 0
            slot.accrued_from = self.accruals[m.first + i].since
            slot.accrued_until = self.accruals[m.first + i].until
            slot.accrued = self.accruals[m.first + i].held
            if m.isolated:
                account.state.earmarked[m.asset] = account.state.earmarked[m.asset] + p.isolated_wallet
            account.state.refresh(slot)
        account.state.refresh_wallets(m.asset)
        for i in range(account.state.n_pools):
            pool = account.state.pools[i]
            pool.condition = NORMAL
            pool.episode = 0
            pool.step = 0
            pool.has_stepped = 0
            pool.blocks = 0
            pool.block_closed = 0.0
            pool.block_loss = 0.0
            pool.deadline = INT64_MAX
            pool.next_round = 0
            pool.ready = 0
            pool.max_ratio = INFINITY        # extremes of other traders are not kept
            if pool.pool.count > 0:
                account.flag(pool)
        m.host = host
        m.stamp += 1
        return 0

    cdef int64_t wallet_now(self, int32_t member) noexcept nogil:
        cdef Member *m = &self.members[member]
        if m.host < 0:
            return m.wallet
        return (<Account> self.accounts[self.n_users + m.host]).state.balances[m.asset]

    cdef bint is_done(self, Account account) noexcept nogil:
        cdef int32_t i
        if account.flagged or account.liquidating or account.working > 0:
            return False
        for i in range(account.state.n_pools):
            if account.state.pools[i].condition == LIQUIDATING:
                return False
        return True

    cdef int leave(self, int32_t host, Account account) except -1 nogil:
        """Write an account back into its member and set the triggers anew."""
        cdef int32_t member = account.label, i
        cdef Member *m = &self.members[member]
        cdef Position *p
        cdef Slot *slot
        m.wallet = account.state.balances[m.asset]
        m.part_closed = account.part_closed
        for i in range(m.count):
            p = &self.positions[m.first + i]
            slot = account.state.find(p.instrument, p.leg)
            if slot == NULL or (p.quantity == 0 and self.accruals[m.first + i].held.lo == 0):
                continue
            p[0] = slot.position
            self.accruals[m.first + i].since = slot.accrued_from
            self.accruals[m.first + i].until = slot.accrued_until
            self.accruals[m.first + i].held = slot.accrued
            memset(&slot.position, 0, sizeof(Position))
            slot.position.instrument = p.instrument
            slot.position.leg = p.leg
            account.state.refresh(slot)
        account.state.balances[m.asset] = 0
        account.state.earmarked[m.asset] = 0
        account.ruined = False
        account.closed_instrument = -1
        m.host = -1
        self.free_hosts[host] = self.first_free[m.venue]
        self.first_free[m.venue] = host
        if self.arm(member):
            self.board(member, 0)
        return 0

    # ------------------------------------------------------------------ an instant

    cdef int admit(self, int32_t instrument, int64_t time) except -1 nogil:
        """Look at everybody whom the mark has met."""
        cdef double mark = self.world.prices[instrument].mark_value
        cdef Triggers waiting = self.restless[instrument]
        cdef Trigger met
        cdef Py_ssize_t i
        self.moved[instrument] = 0
        if mark <= 0.0 or time < self.start:
            return 0
        self.restless[instrument].items = NULL
        self.restless[instrument].count = 0
        self.restless[instrument].capacity = 0
        try:
            for i in range(waiting.count):
                self.look_again(&waiting.items[i], time)
        finally:
            free(waiting.items)
        while self.falls[instrument].count > 0 and mark <= -self.falls[instrument].items[0].key:
            met = pop(&self.falls[instrument])
            self.look_again(&met, time)
        while self.rises[instrument].count > 0 and mark >= self.rises[instrument].items[0].key:
            met = pop(&self.rises[instrument])
            self.look_again(&met, time)
        return 0

    cdef int look_again(self, const Trigger *met, int64_t time) except -1 nogil:
        cdef Member *m = &self.members[met.member]
        if m.host >= 0 or m.stamp != met.stamp:
            return 0
        if self.arm(met.member):
            self.board(met.member, time)
        return 0

    cdef int attend(self, int64_t time) except -1 nogil:
        """What `Exchange.attend` does for users' accounts, for those of the population."""
        cdef int32_t i, j, host, index, kept
        cdef PoolState *pool
        for i in range(self.n_instruments):
            if self.moved[i]:
                self.admit(i, time)
        i = 0
        while i < self.n_active:             # auto-deleveraging may add some on the way
            index = self.n_users + self.active[i]
            self.liquidator.cover_debts(index, time)
            if (<Account> self.accounts[index]).flagged:
                (<Account> self.accounts[index]).check(time)
            if (<Account> self.accounts[index]).liquidating:
                (<Account> self.accounts[index]).liquidating = False
                for j in range((<Account> self.accounts[index]).state.n_pools):
                    pool = (<Account> self.accounts[index]).state.pools[j]
                    if pool.condition == LIQUIDATING:
                        if pool.episode == 0 and pool.ready == 0:
                            self.members[(<Account> self.accounts[index]).label].closes += 1
                        self.liquidator.proceed(index, pool, time)
            i += 1
        self.outbox.count = 0
        self.follow_fills(time)
        kept = 0
        j = self.n_active
        for i in range(j):
            host = self.active[i]
            if not self.is_done(<Account> self.accounts[self.n_users + host]):
                self.active[kept] = host
                kept += 1
            else:
                # who boards again stands behind the present ones
                self.leave(host, <Account> self.accounts[self.n_users + host])
        for i in range(j, self.n_active):
            self.active[kept + i - j] = self.active[i]
        self.n_active = kept + self.n_active - j
        return 0

    cdef void host_marks_moved(self, int32_t instrument) noexcept nogil:
        cdef int32_t i
        for i in range(self.n_active):
            (<Account> self.accounts[self.n_users + self.active[i]]).mark_moved(instrument)

    cdef int64_t deadlines(self, int64_t time) except -1 nogil:
        """Go on with liquidations whose time limit, or whose next part, is due."""
        cdef int32_t i
        cdef int64_t earliest = INT64_MAX
        for i in range(self.n_active):
            earliest = min(earliest, self.liquidator.go_on(self.n_users + self.active[i], time))
        self.world.attention = self.world.attention or self.n_active > 0
        return earliest

    # ------------------------------------------------------------------ what reaches everybody

    cdef int funding(self, int32_t instrument, int64_t mark, int64_t rate, int32_t rate_scale, int64_t interval,
                     int64_t time) except -1 nogil:
        """Pay the funding of everybody who holds the contract; triggers follow the new wallets."""
        cdef int32_t i, host
        for i in range(self.n_active):
            (<Account> self.accounts[self.n_users + self.active[i]]).pay_funding(
                instrument, mark, rate, rate_scale, interval, time)
        for i in range(self.n_members if time >= self.start else 0):
            if self.members[i].host < 0 and self.holds(i, instrument):
                host = self.enter(i)
                (<Account> self.accounts[self.n_users + host]).pay_funding(
                    instrument, mark, rate, rate_scale, interval, time)
                self.let_go(host, <Account> self.accounts[self.n_users + host])
                self.outbox.count = 0
        self.outbox.count = 0
        return 0

    cdef bint holds(self, int32_t member, int32_t instrument) noexcept nogil:
        """Whether a member has a position in a contract, or had one since the last funding where that accrues."""
        cdef int32_t i
        for i in range(self.members[member].first, self.members[member].first + self.members[member].count):
            if self.positions[i].instrument == instrument and (
                    self.positions[i].quantity != 0 or self.accruals[i].held.lo != 0):
                return True
        return False

    cdef int let_go(self, int32_t host, Account account) except -1 nogil:
        """Let a member leave that nothing was done to but a posting; whom it ruins boards again."""
        account.flagged = False
        return self.leave(host, account)

    cdef int pay_out(self, int32_t venue, int64_t time) except -1 nogil:
        """Settle a session: the profit of every position at a venue moves into the wallet of its owner."""
        cdef int32_t i, j, host
        for i in range(self.n_active):
            if (<Account> self.accounts[self.n_users + self.active[i]]).venue == venue:
                for j in range(self.n_instruments):
                    (<Account> self.accounts[self.n_users + self.active[i]]).pay_profit(j, time)
        for i in range(self.n_members if time >= self.start else 0):
            if self.members[i].host >= 0 or self.members[i].venue != venue:
                continue
            host = self.enter(i)
            for j in range(self.members[i].count):
                (<Account> self.accounts[self.n_users + host]).pay_profit(
                    self.positions[self.members[i].first + j].instrument, time)
            self.let_go(host, <Account> self.accounts[self.n_users + host])
            self.outbox.count = 0
        self.outbox.count = 0
        return 0

    cdef int settle(self, int32_t instrument, int64_t price, int64_t time) except -1 nogil:
        """Close every position in a contract at its settlement price."""
        cdef int32_t i, j, index
        cdef Slot *slot
        for i in range(self.n_members):
            if self.members[i].host < 0 and self.holds(i, instrument):
                self.board(i, time)
        for i in range(self.n_active):
            index = self.n_users + self.active[i]
            slot = (<Account> self.accounts[index]).state.find(instrument, 0)
            if slot == NULL or slot.position.quantity == 0:
                continue
            j = slot.pool
            self.liquidator.close_at(
                index, (<Account> self.accounts[index]).state.pools[j], slot.leg,
                slot.position.quantity if slot.position.quantity > 0 else -slot.position.quantity, price, time,
                BY_SETTLEMENT)
        self.outbox.count = 0
        return 0

    # ------------------------------------------------------------------ marks that own sales move

    cdef int follow_fills(self, int64_t time) except -1 nogil:
        """Move marks by what has been sold by force since the last look."""
        cdef FillRow *row
        while self.heard < self.journal.fills.rows:
            row = <FillRow *> self.journal.fills.at(self.heard)
            self.heard += 1
            if row.forced == BY_LIQUIDATION and self.shifts[row.instrument].depth > 0.0:
                self.move_shift(
                    row.instrument, row.side * self.world.quantity_value(row.instrument, row.quantity)
                    / self.shifts[row.instrument].depth, time)
        return 0

    cdef int move_shift(self, int32_t instrument, double by, int64_t time) except -1 nogil:
        """Add a share of the reference price to a mark's shift."""
        cdef Shifts *s = &self.shifts[instrument]
        cdef Shift *grown
        cdef double now = self.shift_at(instrument, time) + by * s.reference * self.world.divisors[instrument]
        if s.count == 0 or s.items[s.count - 1].time != time:
            if s.count == s.capacity:
                grown = <Shift *> realloc(s.items, (2 * s.capacity + 64) * sizeof(Shift))
                if grown == NULL:
                    with gil:
                        raise MemoryError("population: no memory for the shift of a mark")
                s.items = grown
                s.capacity = 2 * s.capacity + 64
            s.count += 1
        s.items[s.count - 1].time = time
        s.items[s.count - 1].price = now
        s.changed = True
        self.world.attention = True
        return 0

    cdef double shift_at(self, int32_t instrument, int64_t time) noexcept nogil:
        """Price units that own sales have added to a mark, as of a time that may have passed."""
        cdef Shifts *s = &self.shifts[instrument]
        cdef Py_ssize_t low = 0, high = s.count, middle
        if s.count == 0 or time < s.items[0].time:
            return 0.0
        low = s.count - 1
        if s.items[low].time > time:
            low = 0
            while low < high:                # the last one at or before the time
                middle = (low + high) // 2
                if s.items[middle].time <= time:
                    low = middle + 1
                else:
                    high = middle
            low -= 1
        return s.items[low].price * exp(-s.rate * <double> (time - s.items[low].time))

    cdef int64_t note_mark(self, int32_t instrument, int64_t price, int64_t time) noexcept nogil:
        """Keep a mark of the feed; returns it with what own sales have added."""
        cdef Shifts *s = &self.shifts[instrument]
        s.raw = price
        if s.reference == 0.0 and time >= self.start:
            s.reference = self.world.price_value(instrument, price)
        return self.shifted(instrument, price, time)

    cdef int64_t shifted(self, int32_t instrument, int64_t price, int64_t time) noexcept nogil:
        """A mark of the feed with what own sales have added; at least one price unit."""
        if self.shifts[instrument].depth == 0.0 or self.shifts[instrument].count == 0:
            return price
        return max(<int64_t> 1, price + <int64_t> rint(self.shift_at(instrument, time)))
