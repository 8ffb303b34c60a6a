"""All venues of a run on their clock: prices come by one door, orders and verbs arrive, accounts are looked after."""

from libc.math cimport rint
from libc.stdint cimport INT64_MAX
from venues.account cimport Account
from venues.admission cimport Admission, wins
from venues.matching cimport Market, Move
from venues.orders cimport (
    BY_USER, BY_VENUE, CLOSE_POSITION, GTD, NO_ENTRY, NO_REASON, POSITION_CLOSED, REDUCE_ONLY, REJECTED,
    SENT, SIBLING_MET, TIME_OVER, WORKING, Order,
)
from venues.ledger cimport COUNTERPARTIES, PostingContext
from venues.outbox cimport SETTLED, STATE_ONLY, Message
from venues.records cimport BY_SETTLEMENT, INTEREST, Forced
from venues.state cimport LIQUIDATING, PoolState, Slot
from venues.world cimport INDEX_PRICE, LAST_PRICE, MARK_PRICE, PriceSource


cdef class Exchange(Admission):
    """The venue side of a run; `Admission` lists its arguments."""

    def mark_source(self, int instrument, str source):
        """Take an instrument's mark from its ``last`` or ``index`` price instead of a feed."""
        self.mark_from_last[instrument] = source == "last"
        self.mark_from_index[instrument] = source == "index"

    def examine_all(self, int64_t time):
        """Look at the margin of every account: a rule has changed."""
        self.flag_all()
        self.attend(time)

    def settle_at(self, int instrument, int64_t price, int64_t time):
        """Close every position in an instrument at a settlement price (price units; < 0 = its mark), end its market."""
        self.settle(instrument, price if price >= 0 else self.world.prices[instrument].mark, time)

    def set_delivery(self, int instrument, int64_t start, int64_t expiry):
        """Let the mark of a dated contract walk to the average of its index from `start` to `expiry`, ns."""
        cdef Market market = self.market_list[instrument]
        market.settles_from = start
        market.expiry = expiry

    def pay_out(self, int venue, int64_t time):
        """Settle a session: the profit of every position at a venue moves into the balance of its owner."""
        cdef int32_t i, j
        for i in range(self.n_accounts):
            if (<Account> self.accounts[i]).venue != venue:
                continue
            for j in range(self.world.n_assets):
                if (<Account> self.accounts[i]).state.session_profit[j] != 0:
                    (<Account> self.accounts[i]).state.session_profit[j] = 0
                    (<Account> self.accounts[i]).message(STATE_ONLY, time, NULL, j)
            for j in range(self.n_markets):
                if self.venue_of[j] == venue:
                    (<Account> self.accounts[i]).pay_profit(j, time)
        if self.crowd is not None:
            self.crowd.pay_out(venue, time)
        self.attend(time)

    def debt(self, int account, int asset):
        """Return the atoms of an asset that an account owes, 0 without a debt."""
        return (<Account> self.accounts[account]).state.owed(asset)

    def charge_interest(self, int account, int asset, int64_t atoms, int64_t time):
        """Take interest on a debt, which grows by it, and look at the account's margin."""
        cdef PostingContext context
        cdef Account owner = self.account_list[account]
        context.time = time
        context.ref = 0
        context.instrument = -1
        context.strategy = -1
        context.tag = -1
        owner.post(&context, self.ledger.pseudo(owner.venue, COUNTERPARTIES), asset, INTEREST, -atoms, NULL)
        owner.message(STATE_ONLY, time, NULL, asset)
        self.examine_all(time)

    def reduce(self, int account, int instrument, double share, int64_t price, int64_t time):
        """Deleverage a share (toward zero on the lot) of a winning position at a price in units; 0 = at the mark."""
        cdef int leg
        cdef Slot *slot
        cdef int64_t part, lot = max(<int64_t> 1, self.world.contracts[instrument].lot)
        for leg in range(-1, 2):
            slot = (<Account> self.accounts[account]).state.find(instrument, <int8_t> leg)
            if not wins(self.world, slot):
                continue
            part = slot.position.quantity
            if share < 1.0:
                part = <int64_t> (<double> part * share) // lot * lot     # C's division
            if part != 0:
                self.deleverage(account, instrument, part, price if price else self.world.prices[instrument].mark, time)

    # ------------------------------------------------------------------ prices

    cdef int trade(self, int32_t instrument, int64_t price, int64_t quantity, int8_t side,
                   int64_t time) except -1 nogil:
        self.world.set_last(instrument, price, time)
        if self.mark_from_last[instrument]:
            self.mark(instrument, price, time)
        return (<Market> self.markets[instrument]).on_trade(price, quantity, side, time)

    cdef int book_changed(self, int32_t instrument, int64_t time) except -1 nogil:
        return (<Market> self.markets[instrument]).on_book(time)

    cdef int mark(self, int32_t instrument, int64_t price, int64_t time) except -1 nogil:
        cdef int32_t i
        cdef int64_t fed = price
        if self.crowd is not None:
            price = self.crowd.note_mark(instrument, price, time)
        if (<Market> self.markets[instrument]).moves_mark:
            (<Market> self.markets[instrument]).feed_mark = fed
            price = (<Market> self.markets[instrument]).displaced(price, time)
        self.world.set_price(instrument, MARK_PRICE, price, time)
        for i in range(self.n_accounts):
            (<Account> self.accounts[i]).mark_moved(instrument)
        if self.crowd is not None:
            self.crowd.host_marks_moved(instrument)
            self.crowd.mark_moved(instrument, time)
        if (<Market> self.markets[instrument]).active:
            (<Market> self.markets[instrument]).on_price(MARK_PRICE, price, time)
        return 0

    cdef int index(self, int32_t instrument, int64_t price, int64_t time) except -1 nogil:
        cdef int32_t i
        self.world.set_price(instrument, INDEX_PRICE, price, time)
        if self.mark_from_index[instrument]:
            self.mark(instrument, self.walked(instrument, price, time), time)
        if self.world.contracts[instrument].margin_at_index:
            for i in range(self.n_accounts):
                (<Account> self.accounts[i]).mark_moved(instrument)
            if self.crowd is not None:
                self.crowd.host_marks_moved(instrument)
                self.crowd.mark_moved(instrument, time)
        if (<Market> self.markets[instrument]).active:
            (<Market> self.markets[instrument]).on_price(INDEX_PRICE, price, time)
        return 0

    cdef int asset_price_moved(self, int64_t time) except -1 nogil:
        """A collateral price has changed: pools of all assets together are looked at."""
        cdef int32_t i, j
        for i in range(self.n_accounts):
            if not (<Account> self.accounts[i]).state.multi_assets:
                continue
            for j in range((<Account> self.accounts[i]).state.n_pools):
                if (<Account> self.accounts[i]).state.pools[j].asset < 0:
                    (<Account> self.accounts[i]).state.refresh_wallet((<Account> self.accounts[i]).state.pools[j])
                    (<Account> self.accounts[i]).state.pools[j].stale = 2
                    (<Account> self.accounts[i]).flagged = True
                    self.world.attention = True
        return 0

    cdef int funding(self, int32_t instrument, int64_t mark, int64_t rate, int32_t rate_scale, int64_t interval,
                     int64_t time) except -1 nogil:
        cdef int32_t i
        for i in range(self.n_accounts):
            (<Account> self.accounts[i]).pay_funding(instrument, mark, rate, rate_scale, interval, time)
        if self.crowd is not None:
            self.crowd.funding(instrument, mark, rate, rate_scale, interval, time)
        return 0

    cdef int64_t walked(self, int32_t instrument, int64_t price, int64_t time) noexcept nogil:
        return (<Market> self.markets[instrument]).walk(price, time)

    # ------------------------------------------------------------------ looking after accounts

    cdef int move_marks(self, int64_t time) except -1 nogil:
        """Own orders have moved markets: marks that follow them move at once."""
        cdef int32_t i
        self.world.moved_marks = False
        for i in range(self.n_markets):
            if (<Market> self.markets[i]).mark_due:
                (<Market> self.markets[i]).mark_due = False
                if (<Market> self.markets[i]).feed_mark != 0:
                    self.mark(i, (<Market> self.markets[i]).feed_mark, time)
        return 0

    cdef int attend(self, int64_t time) except -1 nogil:
        cdef int32_t i, j, closed, row, following, guard = 0
        cdef Order *order
        while self.world.attention and guard < 10000:
            guard += 1
            self.world.attention = False
            if self.world.moved_marks:
                self.move_marks(time)
            if self.world.brackets_due:
                self.world.brackets_due = False
                for i in range(self.n_markets):
                    if (<Market> self.markets[i]).bracket_due:
                        (<Market> self.markets[i]).look_after_brackets(time)
            for i in range(self.n_accounts):
                if (<Account> self.accounts[i]).state.multi_assets:
                    self.auto_exchange.cover_all(i, time, False)
                else:
                    self.liquidator.cover_debts(i, time)
                if (<Account> self.accounts[i]).flagged:
                    (<Account> self.accounts[i]).check(time)
                if (<Account> self.accounts[i]).overdrawn:
                    (<Account> self.accounts[i]).overdrawn = False
                    for j in range((<Account> self.accounts[i]).state.n_pools):
                        if (<Account> self.accounts[i]).state.pools[j].is_overdrawn:
                            (<Account> self.accounts[i]).state.pools[j].is_overdrawn = False
                            self.liquidator.cancel_risky(i, (<Account> self.accounts[i]).state.pools[j], time)
                if (<Account> self.accounts[i]).liquidating:
                    (<Account> self.accounts[i]).liquidating = False
                    for j in range((<Account> self.accounts[i]).state.n_pools):
                        if (<Account> self.accounts[i]).state.pools[j].condition == LIQUIDATING:
                            self.liquidator.proceed(i, (<Account> self.accounts[i]).state.pools[j], time)
                closed = (<Account> self.accounts[i]).closed_instrument
                if closed >= 0:
                    (<Account> self.accounts[i]).closed_instrument = -1
                    row = (<Market> self.markets[closed]).head
                    while row >= 0:
                        order = self.store.at(row)
                        following = order.next
                        if (order.account == i and order.flags & (REDUCE_ONLY | CLOSE_POSITION)
                                and (<Market> self.markets[closed]).reducible(order) == 0):
                            (<Market> self.markets[closed]).cancel(order, POSITION_CLOSED, time)
                        row = following
            if self.crowd is not None:
                self.crowd_moved(time)
        return 0

    cdef int crowd_moved(self, int64_t time) except -1 nogil:
        """Look after the population, and move the marks that its forced sales have moved."""
        cdef int32_t i
        self.crowd.attend(time)
        for i in range(self.n_markets):
            if self.crowd.shifts[i].changed:
                self.crowd.shifts[i].changed = False
                self.mark(i, self.crowd.shifts[i].raw, time)
        return 0

    cdef int deadlines(self, int64_t time) except -1 nogil:
        """The time limit of a liquidation is over."""
        cdef int32_t i
        cdef int64_t earliest = INT64_MAX
        for i in range(self.n_accounts):
            earliest = min(earliest, self.liquidator.go_on(i, time))
        if self.crowd is not None:
            earliest = min(earliest, self.crowd.deadlines(time))
        self.liquidator.next_deadline = earliest
        return self.attend(time)

    # ------------------------------------------------------------------ orders arrive

    cdef int arrive(self, Order *order, int64_t time) except -1 nogil:
        cdef int reason, i
        cdef Order *child
        order.arrived = time
        if order.status != SENT:
            return 0
        reason = order.reason            # already off the run's units when it was sent
        if reason == NO_REASON and order.group != 0 and order.group != order.id and self.is_met(order.group):
            reason = SIBLING_MET
        if reason == NO_REASON and order.tif == GTD and order.expires <= time:
            reason = TIME_OVER
        if reason == NO_REASON:
            reason = self.validate(order, time)
        if reason == NO_REASON:
            reason = (<Account> self.accounts[order.account]).try_hold(
                order, (<Market> self.markets[order.instrument]).reaches(order, time))
        if reason != NO_REASON:
            order.status = REJECTED
            order.reason = reason
            (<Account> self.accounts[order.account]).order_changed(order, time)
            for i in range(order.children):
                child = self.store.by_id(order.id + 1 + i)
                child.status = REJECTED
                child.reason = NO_ENTRY
                (<Account> self.accounts[order.account]).order_changed(child, time)
            return (<Market> self.markets[order.instrument]).drop_siblings(order, time)
        for i in range(order.children):
            (<Market> self.markets[order.instrument]).hold(self.store.by_id(order.id + 1 + i), time)
        (<Market> self.markets[order.instrument]).add(order, time)
        if self.world.attention:
            self.attend(time)
        return 0

    cdef int cancel(self, int64_t id, int64_t time) except -1 nogil:
        cdef Order *order = self.store.by_id(id)
        if order == NULL or order.status != WORKING:
            return 0                     # it was filled or refused before the cancel arrived: its own message says so
        if self.outage_until[self.venue_of[order.instrument]] > time:
            order.canceling = 0
            return (<Account> self.accounts[order.account]).order_changed(order, time)
        (<Market> self.markets[order.instrument]).cancel(order, BY_USER, time)
        return (<Market> self.markets[order.instrument]).drop_siblings(order, time)

    cdef bint is_met(self, int64_t group) noexcept nogil:
        """Whether the first of the orders that cancel each other is over or has been met."""
        cdef const Order *first = self.store.by_id(group)
        return first.status > WORKING or first.group == 0

    cdef int expire(self, int64_t id, int64_t time) except -1 nogil:
        """The time of a good-till-date order is over."""
        cdef Order *order = self.store.by_id(id)
        if order.status == WORKING:
            return (<Market> self.markets[order.instrument]).cancel(order, TIME_OVER, time)
        return 0

    # ------------------------------------------------------------------ settlement and deleveraging

    cdef int forced(self, int32_t account, int32_t instrument, int8_t leg, int64_t quantity, int64_t price,
                    int64_t decision, int64_t time,
                    int what) except -1 nogil:
        """Close a signed quantity of a position at a price without a market."""
        cdef Order *order = self.store.new()
        order.account = account
        order.instrument = instrument
        order.strategy = -1
        order.side = -1 if quantity > 0 else 1
        order.leg = leg
        order.quantity = quantity if quantity > 0 else -quantity
        order.submitted = time
        order.arrived = time
        order.decision_price = decision if decision != 0 else price
        (<Account> self.accounts[account]).fill(order, order.quantity, price, False, time, <Forced> what)
        return 0

    cdef int settle(self, int32_t instrument, int64_t price, int64_t time) except -1 nogil:
        cdef int32_t i, row, following
        cdef int leg
        cdef Slot *slot
        cdef Message *m
        cdef int64_t decision = self.world.prices[instrument].mark
        row = (<Market> self.markets[instrument]).head
        while row >= 0:
            following = self.store.at(row).next
            (<Market> self.markets[instrument]).cancel(self.store.at(row), BY_VENUE, time)
            row = following
        if price != 0:                   # else it has none, and nobody can have a position
            self.world.set_price(instrument, MARK_PRICE, price, time)
        for i in range(self.n_accounts):
            for leg in range(-1, 2):
                slot = (<Account> self.accounts[i]).state.find(instrument, <int8_t> leg)
                if slot != NULL and slot.position.quantity != 0:
                    self.forced(i, instrument, <int8_t> leg, slot.position.quantity, price, decision, time,
                                BY_SETTLEMENT)
                    m = (<Account> self.accounts[i]).message(
                        SETTLED, time, slot, self.world.contracts[instrument].settle)
                    m.row = self.journal.fills.rows - 1
        if self.crowd is not None:
            self.crowd.settle(instrument, price, time)
        (<Market> self.markets[instrument]).closed = True
        return self.attend(time)

    cdef int deleverage(self, int32_t account, int32_t instrument, int64_t quantity, int64_t price,
                        int64_t time) except -1 nogil:
        cdef int leg
        cdef Slot *slot
        for leg in range(-1, 2):
            slot = (<Account> self.accounts[account]).state.find(instrument, <int8_t> leg)
            if slot != NULL and slot.position.quantity != 0 and (slot.position.quantity > 0) == (quantity > 0):
                if quantity > 0:
                    quantity = min(quantity, slot.position.quantity)
                else:
                    quantity = max(quantity, slot.position.quantity)
                self.liquidator.deleverage(account, slot, quantity if quantity > 0 else -quantity, price, time)
                return self.attend(time)
        return 0

    # ------------------------------------------------------------------ bars

    cdef bint quiet(self, int32_t instrument) noexcept nogil:
        """No order rests here, so the way of a bar between its open and its close touches nothing but margin."""
        return (<Market> self.markets[instrument]).active == 0

    cdef void set_progress(self, const Move *moves, int32_t n, double progress, int64_t time) noexcept nogil:
        cdef int32_t i
        cdef int64_t price
        for i in range(n):
            price = moves[i].start + <int64_t> rint(progress * <double> (moves[i].end - moves[i].start))
            if moves[i].source == LAST_PRICE:
                (<Market> self.markets[moves[i].instrument]).override = price
            elif moves[i].source == MARK_PRICE and self.crowd is not None:
                price = self.crowd.note_mark(moves[i].instrument, price, time)
            self.world.set_price(moves[i].instrument, <PriceSource> moves[i].source, price, time)

    cdef bint is_burdened(self, int32_t account, const PoolState *pool) noexcept nogil:
        """Whether a pool has positions, orders or debts that ask for margin."""
        cdef int32_t asset
        if pool.pool.count > 0:
            return True
        if pool.asset < 0:
            for asset in range(self.world.n_assets):
                if ((<Account> self.accounts[account]).state.owed(asset) > 0
                        and (<Account> self.accounts[account]).state.loans[asset] != NULL):
                    return True
        return False

    cdef double worst_ratio(self) noexcept nogil:
        """Highest ratio of any pool that is not in liquidation, at the present prices; 1 = that it is liquidated at."""
        cdef int32_t i, j
        cdef PoolState *pool
        cdef double ratio, worst = 0.0
        for i in range(self.n_accounts):
            for j in range((<Account> self.accounts[i]).state.n_pools):
                pool = (<Account> self.accounts[i]).state.pools[j]
                if not self.is_burdened(i, pool) or pool.condition == LIQUIDATING:
                    continue
                (<Account> self.accounts[i]).state.look(pool)
                ratio = (<Account> self.accounts[i]).state.ratio(pool) / (<Account> self.accounts[i]).trigger
                if ratio > worst:
                    worst = ratio
        return worst

    cdef bint breached(self) noexcept nogil:
        return self.worst_ratio() >= 1.0 or (self.crowd is not None and self.crowd.is_any_met())

    cdef int flag_all(self) except -1 nogil:
        cdef int32_t i, j
        for i in range(self.n_accounts):
            for j in range((<Account> self.accounts[i]).state.n_pools):
                if self.is_burdened(i, (<Account> self.accounts[i]).state.pools[j]):
                    (<Account> self.accounts[i]).state.pools[j].stale = 2
                    (<Account> self.accounts[i]).flagged = True
                    self.world.attention = True
        if self.crowd is not None:
            self.crowd.move_all()
        return 0

    cdef int jump(self, const Move *moves, int32_t n, int64_t time) except -1 nogil:
        """Opens: all prices are there at once; margin first, then what they meet."""
        cdef int32_t i
        self.set_progress(moves, n, 1.0, time)
        self.flag_all()
        self.attend(time)
        for i in range(n):
            if moves[i].source == LAST_PRICE:
                (<Market> self.markets[moves[i].instrument]).on_jump(moves[i].end, time)
            elif (<Market> self.markets[moves[i].instrument]).active:
                # Triggered by the mark's jump: the market order meets the trade path when it opens.
                (<Market> self.markets[moves[i].instrument]).override = 0
                (<Market> self.markets[moves[i].instrument]).on_price(<PriceSource> moves[i].source, moves[i].end, time)
        self.attend(time)
        for i in range(n):
            (<Market> self.markets[moves[i].instrument]).override = 0
        return 0

    cdef int advance(self, const Move *moves, int32_t n, int64_t time) except -1 nogil:
        cdef double progress = 0.0, hit, best, low, high, middle
        cdef Order *order = NULL
        cdef Order *nearest = NULL
        cdef int32_t i, _halving, by, guard = 0
        cdef int64_t price
        while guard < 100000:
            guard += 1
            best = 2.0
            by = -1
            for i in range(n):
                if (<Market> self.markets[moves[i].instrument]).active:
                    hit = (<Market> self.markets[moves[i].instrument]).next_hit(&moves[i], progress, &order)
                    if hit < best:
                        best = hit
                        nearest = order
                        by = i
            self.set_progress(moves, n, min(best, 1.0), time)
            if self.breached():
                # Equity less requirement falls once along a straight way: bisection finds where.
                low = progress
                high = min(best, 1.0)
                for _halving in range(60):
                    middle = 0.5 * (low + high)
                    self.set_progress(moves, n, middle, time)
                    if self.breached():
                        high = middle
                    else:
                        low = middle
                progress = high
                self.set_progress(moves, n, progress, time)
                self.flag_all()
                self.attend(time)
                continue
            if by < 0:
                break
            progress = best
            price = moves[by].start + <int64_t> rint(progress * <double> (moves[by].end - moves[by].start))
            (<Market> self.markets[moves[by].instrument]).meet(nearest, <PriceSource> moves[by].source, price, time)
            self.attend(time)
        self.set_progress(moves, n, 1.0, time)
        self.flag_all()
        self.attend(time)
        for i in range(n):
            (<Market> self.markets[moves[i].instrument]).override = 0
            (<Market> self.markets[moves[i].instrument]).segment = (
                (<Market> self.markets[moves[i].instrument]).segment + 1)
        return 0
