"""The working orders of one instrument: their list, what ends them, what they may still fill, what triggers them."""

from venues.account cimport Account
from venues.orders cimport (
    ALLOW_SELF_TRADE, CANCELED, CANCEL_MAKER, CANCEL_TAKER, CLOSE_POSITION, EXPIRED, FILLED, FORCED_ORDER, LIMIT,
    NOT_FILLABLE, ON_LAST, ON_MARK, POSITION_CLOSED, REDUCE_ONLY, SELF_TRADE, SIBLING_MET, STOP_MARKET, TIME_OVER,
    TRAILING_STOP, WORKING, follow, is_stop, Order, OrderStore, Reason, SelfTrade,
)
from venues.records cimport BY_LIQUIDATION, OWN_ORDER
from venues.state cimport Slot
from venues.world cimport INDEX_PRICE, LAST_PRICE, MARK_PRICE, PriceSource, World


cdef class OrderList:
    """Working orders of all accounts in one instrument, oldest first."""

    def __cinit__(self, World world, OrderStore store, int instrument, **_):
        self.world = world
        self.store = store
        self.instrument = instrument
        self.contract = world.contracts[instrument]
        self.head = -1
        self.tail = -1
        self.held = -1

    cdef void link(self, Order *order) noexcept nogil:
        order.next = -1
        if self.head < 0:
            self.head = order.row
        else:
            self.store.at(self.tail).next = order.row
        self.tail = order.row
        self.active += 1
        self.count(order, 1)

    cdef void count(self, const Order *order, int by) noexcept nogil:
        """Count a working order with its account, and a forced one with its position."""
        cdef Slot *slot
        (<Account> self.accounts[order.account]).working = (<Account> self.accounts[order.account]).working + by
        if order.flags & FORCED_ORDER:
            slot = (<Account> self.accounts[order.account]).state.find(order.instrument, order.leg)
            if slot != NULL:
                slot.forced_orders += by

    cdef void unlink(self, Order *order) noexcept nogil:
        cdef int32_t row = self.held if order.held else self.head, before = -1
        while row >= 0 and row != order.row:
            before = row
            row = self.store.at(row).next
        if row < 0:
            return
        if order.held:
            order.held = 0
            if before < 0:
                self.held = order.next
            else:
                self.store.at(before).next = order.next
            return
        if before < 0:
            self.head = order.next
        else:
            self.store.at(before).next = order.next
        if self.tail == order.row:
            self.tail = before
        self.active -= 1                 # its `next` stays: who walks along the list goes on from there
        self.count(order, -1)

    cdef int cancel(self, Order *order, Reason reason, int64_t time) except -1 nogil:
        self.unlink(order)
        (<Account> self.accounts[order.account]).release(order, order.quantity - order.filled)
        order.status = EXPIRED if reason == NOT_FILLABLE or reason == TIME_OVER else CANCELED
        order.reason = reason
        self.note_bracket(order)
        if order.flags & FORCED_ORDER:
            if reason == NOT_FILLABLE:           # fill or kill: the venue goes on at once
                (<Account> self.accounts[order.account]).liquidating = True
                self.world.attention = True
            return 0
        return (<Account> self.accounts[order.account]).order_changed(order, time)

    # ------------------------------------------------------------------ fills

    cdef int64_t reducible(self, Order *order) noexcept nogil:
        """How much of the position a reduce-only order of this side may close, in quantity units."""
        cdef Slot *slot = (<Account> self.accounts[order.account]).state.find(order.instrument, order.leg)
        if slot == NULL or slot.position.quantity * order.side >= 0:
            return 0
        return -slot.position.quantity * order.side

    cdef int finish(self, Order *order, int64_t quantity, int64_t price, bint is_maker, int64_t time) except -1 nogil:
        """Book a fill and the state that follows from it."""
        cdef bint done = order.filled + quantity >= order.quantity
        if done:
            order.status = FILLED
            self.unlink(order)
        (<Account> self.accounts[order.account]).fill(
            order, quantity, price, is_maker, time, BY_LIQUIDATION if order.flags & FORCED_ORDER else OWN_ORDER)
        if done and not order.flags & FORCED_ORDER:
            (<Account> self.accounts[order.account]).order_changed(order, time)
        self.note_bracket(order)
        return self.drop_siblings(order, time)

    cdef int64_t fillable(self, Order *order, int64_t time) except? -1 nogil:
        cdef int64_t quantity, most
        if order.flags & CLOSE_POSITION:
            order.quantity = order.filled + self.reducible(order)
        quantity = order.quantity - order.filled
        if order.flags & (REDUCE_ONLY | CLOSE_POSITION | FORCED_ORDER):
            most = self.reducible(order)
            if most == 0:
                self.cancel(order, POSITION_CLOSED, time)
                return 0
            if quantity > most:
                (<Account> self.accounts[order.account]).release(order, quantity - most)
                order.quantity = order.filled + most
                quantity = most
        return quantity

    cdef int give(self, Order *order, int64_t quantity, int64_t time) except -1 nogil:
        """A maker fill at the limit."""
        cdef int64_t most, rest = order.quantity - order.filled
        if order.flags & REDUCE_ONLY:
            most = self.reducible(order)
            if most == 0:
                return self.cancel(order, POSITION_CLOSED, time)
            if rest > most:
                (<Account> self.accounts[order.account]).release(order, rest - most)
                order.quantity = order.filled + most
                rest = most
        if self.contract.lot > 0:
            quantity -= quantity % self.contract.lot
        quantity = min(quantity, rest)
        if order.shown > 0:
            quantity = min(quantity, order.visible)
        if quantity > 0:
            self.finish(order, quantity, order.price, True, time)
            if order.shown > 0 and order.status == WORKING:
                order.visible -= quantity
                if order.visible <= 0:
                    order.visible = min(order.shown, order.quantity - order.filled)
                    self.requeue(order)
        return 0

    cdef void requeue(self, Order *order) noexcept nogil:
        order.queue = 0

    # ------------------------------------------------------------------ self-trades

    cdef Order *own_against(self, const Order *order, int64_t price) noexcept nogil:
        """The best resting order of the same account that an order would meet at a price or before; NULL = none."""
        cdef int32_t row = self.head
        cdef Order *other
        cdef Order *best = NULL
        while row >= 0:
            other = self.store.at(row)
            row = other.next
            if (other.account != order.account or other.side == order.side or other.type != LIMIT or other.triggered
                    or order.side * (price - other.price) < 0 or (other.price == price and other.queue > 0)):
                continue                 # on a tape, those ahead of it are met
            if best == NULL or order.side * (best.price - other.price) > 0:
                best = other
        return best

    cdef bint stops_at_own(self, Order *order, int64_t price, int64_t time) except -1 nogil:
        cdef SelfTrade policy = (<Account> self.accounts[order.account]).self_trade
        cdef Order *other
        if policy == ALLOW_SELF_TRADE or order.flags & FORCED_ORDER:
            return False
        while True:
            other = self.own_against(order, price)
            if other == NULL:
                return False
            if policy != CANCEL_TAKER:
                self.cancel(other, SELF_TRADE, time)
            if policy != CANCEL_MAKER:
                self.cancel(order, SELF_TRADE, time)
                return True

    # ------------------------------------------------------------------ brackets

    cdef int hold(self, Order *child, int64_t time) except -1 nogil:
        """An exit of a bracket waits at the venue until its entry fills."""
        child.arrived = time
        child.status = WORKING
        child.held = 1
        child.next = self.held
        self.held = child.row
        return (<Account> self.accounts[child.account]).order_changed(child, time)

    cdef void note_bracket(self, const Order *order) noexcept nogil:
        if order.children or order.parent:
            self.bracket_due = True
            self.world.brackets_due = True
            self.world.attention = True

    cdef int64_t exits_filled(self, const Order *entry) noexcept nogil:
        cdef int64_t sum = 0
        cdef int i
        for i in range(entry.children):
            sum += self.store.by_id(entry.id + 1 + i).filled
        return sum

    cdef int end_bracket(self, Order *order, int64_t time) except -1 nogil:
        """An exit is triggered: what is left of the entry, and the other exit, are cancelled."""
        cdef Order *entry
        cdef Order *other
        cdef int i
        if order.parent == 0:
            return 0
        entry = self.store.by_id(order.parent)
        if entry.status == WORKING:
            self.cancel(entry, SIBLING_MET, time)
        for i in range(entry.children):
            other = self.store.by_id(entry.id + 1 + i)
            if other.id != order.id and other.status == WORKING:
                self.cancel(other, SIBLING_MET, time)
        return 0

    # ------------------------------------------------------------------ groups and triggers

    cdef int drop_siblings(self, Order *order, int64_t time) except -1 nogil:
        """One cancels the other: what belongs to the group of an order that was met goes."""
        cdef int32_t row = self.head, following
        cdef int64_t group = order.group
        if group == 0:
            return 0
        order.group = 0
        while row >= 0:
            following = self.store.at(row).next
            if self.store.at(row).group == group:
                self.cancel(self.store.at(row), SIBLING_MET, time)
            row = following
        return 0

    cdef bint is_hit(self, Order *order, PriceSource source, int64_t price) noexcept nogil:
        """Whether a waiting stop, take-profit or trailing stop is triggered by a price of that source."""
        if order.triggered or order.type < STOP_MARKET:
            return False
        if order.trigger_source == ON_LAST:
            if source != LAST_PRICE:
                return False
        elif order.trigger_source == ON_MARK:
            if source != MARK_PRICE:
                return False
        elif source != INDEX_PRICE:
            return False
        if order.type == TRAILING_STOP:
            follow(order, price)
            return order.extreme != 0 and order.side * (price - order.trigger) >= 0
        if is_stop(order.type):
            return order.side * (price - order.trigger) >= 0
        return order.side * (order.trigger - price) >= 0
