"""The working orders of one instrument: their list, what ends them, what they may still fill, what triggers them."""

from venues.account cimport Account
from venues.orders cimport (
    CANCELED, CLOSE_POSITION, EXPIRED, FILLED, FORCED_ORDER, NOT_FILLABLE, ON_LAST, ON_MARK, POSITION_CLOSED,
    REDUCE_ONLY, SIBLING_MET, STOP_MARKET, TIME_OVER, TRAILING_STOP, Order, OrderStore, Reason, follow, is_stop,
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

    cdef void link(self, Order *order) noexcept nogil:
        if self.head < 0:
            self.head = order.row
        else:
            self.store.at(self.tail).next = order.row
        self.tail = order.row
        self.active += 1

    cdef void unlink(self, Order *order) noexcept nogil:
        cdef int32_t row = self.head, before = -1
        while row >= 0 and row != order.row:
            before = row
            row = self.store.at(row).next
        if row < 0:
            return
        if before < 0:
            self.head = order.next
        else:
            self.store.at(before).next = order.next
        if self.tail == order.row:
            self.tail = before
        order.next = -1
        self.active -= 1

    cdef int cancel(self, Order *order, Reason reason, int64_t time) except -1 nogil:
        self.unlink(order)
        (<Account> self.accounts[order.account]).release(order, order.quantity - order.filled)
        order.status = EXPIRED if reason == NOT_FILLABLE or reason == TIME_OVER else CANCELED
        order.reason = reason
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
        if quantity > 0:
            self.finish(order, quantity, order.price, True, time)
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
