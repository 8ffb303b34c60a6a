"""The market of one instrument where the data are trades or bars: which orders fill, when, and at what price.

Trades only. A market order (and a triggered stop) fills whole at the next trade after its arrival, at that trade's
price moved against it by the slippage and rounded to the tick away from it; the depth behind a trade is unknown, so its
size is no limit. A limit order that the touch already reaches when it arrives is such an order, bounded by its limit. A
resting limit order fills at its limit, never better: when a trade goes through it, or when a trade at its price has a
rest after the queue ahead; the queue is estimated at arrival as the moving average of the volume that trades in an
unbroken run at one price, and only trades at the price shorten it. All orders share the quantity of a trade, oldest
first.

Bars. The bar is a path of four points: open, two extremes, close; prices run straight between them. A market order
fills at the path's price at the time of its arrival (before the open: at the open), moved by the slippage. A limit
order fills at its limit when the path goes through it by one tick. All own orders together take at most the stated
share of a bar's volume; what is left over stays for the next bar.
"""

from libc.math cimport ceil, floor, rint
from venues.account cimport Account
from venues.orders cimport (
    CANCELED, CLOSE_POSITION, EXPIRED, FILLED, FOK, FORCED_ORDER, INSUFFICIENT_BALANCE, IOC, LIMIT, MARKET,
    NOT_FILLABLE, ON_INDEX, ON_LAST, ON_MARK, POSITION_CLOSED, POST_ONLY, REDUCE_ONLY, REJECTED, SIBLING_MET,
    STOP_LIMIT, STOP_MARKET, TAKE_LIMIT, TIME_OVER, TRAILING_STOP, WORKING, WOULD_TAKE, Order, OrderStore, Reason,
    follow, is_stop,
)
from venues.records cimport BY_LIQUIDATION, OWN_ORDER
from venues.state cimport Slot
from venues.world cimport INDEX_PRICE, LAST_PRICE, MARK_PRICE, PriceSource, World

cdef enum:
    UNLIMITED = -1


cdef int64_t away(int64_t price, double slippage, int8_t side, int64_t tick) noexcept nogil:
    """The price moved against a taker of that side, on the tick away from it."""
    cdef double moved = <double> price * (1.0 + side * slippage)
    if tick < 1:
        tick = 1
    if slippage == 0.0:
        return price
    # A value within 1e-9 of a tick is on it: floats must not cost a tick.
    if side > 0:
        return <int64_t> ceil(moved / tick - 1e-9) * tick
    return max(tick, <int64_t> floor(moved / tick + 1e-9) * tick)


cdef class Market:
    """Orders of all accounts in one instrument."""

    def __cinit__(self, World world, OrderStore store, int instrument, *, double share):
        self.world = world
        self.store = store
        self.instrument = instrument
        self.contract = world.contracts[instrument]
        self.head = -1
        self.tail = -1
        self.share = share
        self.segment = 1

    cdef int64_t walk(self, int64_t price, int64_t time) noexcept nogil:
        """The settlement price to expect: what is known of the average, and the present index for what is left of it.

        Before the window that is the index itself, at its end the settlement price (deribit.md section 2: U).
        """
        cdef int64_t since = max(self.indexed_at, self.settles_from)
        if self.settles_from == 0:
            return price
        if time > since and self.indexed != 0:
            self.index_sum += <double> self.indexed * <double> (time - since)
        self.indexed_at = time
        self.indexed = price
        if time <= self.settles_from or time > self.expiry:
            return price
        return <int64_t> rint((self.index_sum + <double> price * <double> (self.expiry - time))
                              / <double> (self.expiry - self.settles_from))

    # ------------------------------------------------------------------ the list of working orders

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

    cdef int64_t ask_estimate(self) noexcept nogil:
        cdef int64_t last = self.world.prices[self.instrument].last
        return last if self.last_side >= 0 else last + max(<int64_t> 1, self.contract.tick)

    cdef int64_t bid_estimate(self) noexcept nogil:
        cdef int64_t last = self.world.prices[self.instrument].last
        return last if self.last_side <= 0 else last - max(<int64_t> 1, self.contract.tick)

    cdef bint reaches(self, const Order *order, int64_t time) noexcept nogil:
        cdef int64_t price
        if order.type != LIMIT or self.world.prices[self.instrument].last == 0:
            return False
        price = self.override
        if price == 0 and self.has_bar and time < self.path_time[3]:
            price = self.price_at(time)
        if order.side > 0:
            return order.price >= (price if price else self.ask_estimate())
        return order.price <= (price if price else self.bid_estimate())

    cdef bint is_priced(self) noexcept nogil:
        return self.world.prices[self.instrument].last != 0

    cdef int on_book(self, int64_t time) except -1 nogil:
        return 0                         # orders here do not fill by the book

    cdef int add(self, Order *order, int64_t time) except -1 nogil:
        cdef bint reaches = False
        if order.type == LIMIT and self.is_priced():
            reaches = self.reaches(order, time)
            if reaches and order.flags & POST_ONLY:
                order.status = REJECTED
                order.reason = WOULD_TAKE
                (<Account> self.accounts[order.account]).release(order, order.quantity)
                return (<Account> self.accounts[order.account]).order_changed(order, time)
            if not reaches and (order.tif == IOC or order.tif == FOK):
                # Immediate or cancel: what cannot take when it arrives never rests.
                order.status = EXPIRED
                order.reason = NOT_FILLABLE
                (<Account> self.accounts[order.account]).release(order, order.quantity)
                return (<Account> self.accounts[order.account]).order_changed(order, time)
            order.triggered = reaches
            order.queue = <int64_t> self.run_average
        order.status = WORKING
        if order.flags & FORCED_ORDER == 0:
            (<Account> self.accounts[order.account]).order_changed(order, time)
        if self.head < 0:
            self.head = order.row
        else:
            self.store.at(self.tail).next = order.row
        self.tail = order.row
        self.active += 1
        if order.type == MARKET or order.triggered:
            return self.take_at_once(order, time)
        if order.type == TRAILING_STOP:
            order.extreme = 0
        return 0

    cdef int take_at_once(self, Order *order, int64_t time) except -1 nogil:
        """Fill what the rules of the account or the path of a bar allow to fill before the next event."""
        cdef int64_t last = self.world.prices[self.instrument].last
        if order.flags & FORCED_ORDER and (<Account> self.accounts[order.account]).forced_at_mark:
            self.take(order, self.world.prices[self.instrument].mark, UNLIMITED, time)
        elif self.override != 0:
            self.take(order, self.override, self.budget, time)
        elif self.has_bar and self.path_time[0] <= time < self.path_time[3]:
            self.take(order, self.price_at(time), self.budget, time)
        elif last != 0 and (<Account> self.accounts[order.account]).fill_rule == SAME_TRADE:
            self.take(order, last, UNLIMITED, time)
        elif last != 0 and (<Account> self.accounts[order.account]).fill_rule == TOUCH:
            self.take(order, self.ask_estimate() if order.side > 0 else self.bid_estimate(), UNLIMITED, time)
        return 0

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

    # ------------------------------------------------------------------ one order meets a price

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

    cdef int take(self, Order *order, int64_t price, int64_t limit_quantity, int64_t time) except? -1 nogil:
        """A taker fill at a price before slippage, of at most limit_quantity (UNLIMITED = all); 1 when it filled."""
        cdef int64_t quantity = self.fillable(order, time), most, moved
        if quantity == 0:
            return 0
        moved = away(price, (<Account> self.accounts[order.account]).slippage, order.side, self.contract.tick)
        if order.price != 0:
            if order.side * (price - order.price) > 0:
                if order.tif == IOC or order.tif == FOK:
                    self.cancel(order, NOT_FILLABLE, time)
                else:
                    order.triggered = 0      # the market has left it: it rests, at the head of nobody's queue
                    order.queue = 0
                return 0
            if order.side * (moved - order.price) > 0:
                moved = order.price
        if limit_quantity >= 0:
            if order.tif == FOK and quantity > limit_quantity:
                self.cancel(order, NOT_FILLABLE, time)
                return 0
            if self.contract.lot > 0:
                limit_quantity -= limit_quantity % self.contract.lot
            quantity = min(quantity, limit_quantity)
            self.budget -= quantity
        most = quantity
        if order.price == 0:
            quantity = (<Account> self.accounts[order.account]).affordable(self.contract, order, quantity, moved)
        if quantity > 0:
            self.finish(order, quantity, moved, False, time)
        if quantity < most and order.status == WORKING:
            self.cancel(order, INSUFFICIENT_BALANCE, time)
        if order.status == WORKING and order.tif == IOC and not order.flags & FORCED_ORDER:
            self.cancel(order, NOT_FILLABLE, time)
        return 1

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

    # ------------------------------------------------------------------ triggers

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

    cdef int trigger(self, Order *order, int64_t time) except -1 nogil:
        self.drop_siblings(order, time)
        if order.type == STOP_LIMIT or order.type == TAKE_LIMIT:
            order.type = LIMIT
            return self.enter(order, time)
        order.triggered = 1
        return self.take_at_once(order, time)

    cdef int enter(self, Order *order, int64_t time) except -1 nogil:
        cdef bint reaches = self.reaches(order, time)
        if reaches and order.flags & POST_ONLY:
            return self.cancel(order, WOULD_TAKE, time)
        if not reaches and (order.tif == IOC or order.tif == FOK):
            return self.cancel(order, NOT_FILLABLE, time)
        order.triggered = reaches
        order.queue = <int64_t> self.run_average
        return self.take_at_once(order, time) if reaches else 0

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

    cdef int on_price(self, PriceSource source, int64_t price, int64_t time) except -1 nogil:
        cdef int32_t row = self.head, following
        cdef Order *order
        while row >= 0:
            order = self.store.at(row)
            following = order.next
            if self.is_hit(order, source, price):
                self.trigger(order, time)
            row = following
        return 0

    # ------------------------------------------------------------------ trades

    cdef int on_trade(self, int64_t price, int64_t quantity, int8_t side, int64_t time) except -1 nogil:
        cdef int32_t row, following
        cdef Order *order
        cdef int64_t left = quantity, before, ahead
        self.note_trade(price, quantity, side)
        row = self.head
        while row >= 0:
            order = self.store.at(row)
            following = order.next
            if order.type == MARKET or order.triggered:
                self.take(order, price, UNLIMITED, time)
            elif order.type == LIMIT:
                if order.side * (order.price - price) > 0:
                    ahead = 0
                elif order.price == price:
                    ahead = min(order.queue, left)
                    order.queue -= ahead
                    if order.queue > 0:
                        row = following
                        continue
                else:
                    row = following
                    continue
                if left - ahead > 0:
                    before = order.filled
                    self.give(order, left - ahead, time)
                    left -= order.filled - before
            elif self.is_hit(order, LAST_PRICE, price):
                self.trigger(order, time)    # what it becomes is filled by the next trade, not by this one
            row = following
        return 0

    # ------------------------------------------------------------------ bars

    cdef void begin_bar(self, const int64_t *times, const int64_t *prices, int64_t volume) noexcept nogil:
        cdef int i
        for i in range(4):
            self.path_time[i] = times[i]
            self.path_price[i] = prices[i]
        self.has_bar = True
        self.budget = <int64_t> floor(self.share * <double> volume)
        self.segment += 1

    cdef int64_t price_at(self, int64_t time) noexcept nogil:
        cdef int i
        cdef double way
        cdef int64_t price, tick = max(<int64_t> 1, self.contract.tick)
        if time <= self.path_time[0]:
            return self.path_price[0]
        for i in range(3):
            if time < self.path_time[i + 1]:
                way = <double> (time - self.path_time[i]) / <double> (self.path_time[i + 1] - self.path_time[i])
                price = self.path_price[i] + <int64_t> rint(
                    way * <double> (self.path_price[i + 1] - self.path_price[i]))
                return <int64_t> rint(<double> price / tick) * tick
        return self.path_price[3]

    cdef int on_jump(self, int64_t price, int64_t time) except -1 nogil:
        """The price is here without having been between: waiting market orders, passed limits and stops meet it."""
        cdef int32_t row = self.head, following
        cdef Order *order
        while row >= 0:
            order = self.store.at(row)
            following = order.next
            if order.type == MARKET or order.triggered:
                self.take(order, price, self.budget, time)
            elif order.type == LIMIT:
                if order.side * (order.price - price) > 0:
                    self.meet(order, LAST_PRICE, price, time)
            elif self.is_hit(order, LAST_PRICE, price):
                self.trigger(order, time)
            row = following
        return 0

    cdef double next_hit(self, const Move *move, double progress, Order **which) noexcept nogil:
        cdef int32_t row = self.head
        cdef Order *order
        cdef int64_t target, tick = max(<int64_t> 1, self.contract.tick)
        cdef int64_t here
        cdef double at, best = 2.0, span = <double> (move.end - move.start)
        here = move.start + <int64_t> rint(progress * span)
        while row >= 0:
            order = self.store.at(row)
            row = order.next
            at = 2.0
            if order.type == LIMIT:
                if move.source != LAST_PRICE or order.triggered or order.touched == self.segment or self.budget <= 0:
                    continue
                target = order.price - order.side * tick
                if order.side * (here - target) <= 0:
                    at = progress
                elif order.side * (move.end - target) <= 0:
                    at = <double> (target - move.start) / span
            elif order.type >= STOP_MARKET and not order.triggered:
                if order.trigger_source == ON_MARK and move.source != MARK_PRICE:
                    continue
                if order.trigger_source == ON_LAST and move.source != LAST_PRICE:
                    continue
                if order.trigger_source == ON_INDEX and move.source != INDEX_PRICE:
                    continue
                if self.is_hit(order, <PriceSource> move.source, here):
                    at = progress
                elif order.type == TRAILING_STOP:
                    if order.extreme == 0:
                        continue         # not active yet: where this stretch ends may activate it
                    # Away from it the trigger follows the price to the end of this stretch; towards it it stands still.
                    if order.side * (move.end - order.trigger) >= 0:
                        at = <double> (order.trigger - move.start) / span
                elif is_stop(order.type):
                    if order.side * (move.end - order.trigger) >= 0:
                        at = <double> (order.trigger - move.start) / span
                elif order.side * (order.trigger - move.end) >= 0:
                    at = <double> (order.trigger - move.start) / span
            if at < best:
                best = at
                which[0] = order
        return best if best <= 1.0 else 2.0

    cdef int meet(self, Order *order, PriceSource source, int64_t price, int64_t time) except -1 nogil:
        cdef int64_t before = order.filled
        if order.type == LIMIT:
            order.touched = self.segment
            self.give(order, self.budget, time)
            self.budget -= order.filled - before
            return 0
        return self.trigger(order, time)
