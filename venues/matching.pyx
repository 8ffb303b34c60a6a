"""The market of one instrument where the data are trades or bars: which orders fill, when, and at what price.

Trades only. A market order (and a triggered stop) fills whole at the next trade after its arrival, at that trade's
price moved against it by the slippage and rounded to the tick away from it; the depth behind a trade is unknown, so its
size is no limit. A limit order that the touch already reaches when it arrives is such an order, bounded by its limit. A
resting limit order fills at its limit, never better: when a trade goes through it, or when a trade at its price has a
rest after the queue ahead; the queue is estimated at arrival as the moving average of the volume that trades in an
unbroken run at one price, and only trades at the price shorten it. All orders share the quantity of a trade, oldest
first. With a cap on participation all of them, resting ones too, take at most that share of each trade; orders that
take then fill in parts, trade by trade, and what is left waits for the next one or expires, as chosen.

Bars. The bar is a path of four points: open, two extremes, close; prices run straight between them. A market order
fills at the path's price at the time of its arrival (before the open: at the open), moved by the slippage. A limit
order fills at its limit when the path goes through it by one tick. All own orders together take at most the stated
share of a bar's volume; what is left over stays for the next bar, or expires, as chosen.

With a footprint (`venues.footprint`), on trades and on bars, the price of a taker is moved further by what its size,
and what own orders before it have taken, move the market; a limit or forced order takes only what lies within its
price.
"""

from libc.math cimport floor, rint
from venues.account cimport Account
from venues.taking cimport Taking
from venues.orders cimport (
    EXPIRED, FOK, FORCED_ORDER, INSUFFICIENT_BALANCE, IOC, LIMIT, MARKET, NOT_FILLABLE, NO_ENTRY, ON_INDEX, ON_LAST,
    ON_MARK, POST_ONLY, REJECTED, SIBLING_MET, STOP_LIMIT, STOP_MARKET, TAKE_LIMIT, TRAILING_STOP, VOLUME_EXHAUSTED,
    WORKING, WOULD_TAKE, is_stop, Order, OrderStore,
)
from venues.world cimport INDEX_PRICE, LAST_PRICE, MARK_PRICE, PriceSource, World

cdef enum:
    UNLIMITED = -1


cdef class Market(Taking):
    """Orders of all accounts in one instrument.

    Parameters
    ----------
    world : World
    store : OrderStore
    instrument : int
    share : float
        Of a bar's volume that own orders may take.
    """

    def __cinit__(self, World world, OrderStore store, int instrument, *, double share):
        self.share = share
        self.segment = 1
        self.bar_volume = -1

    def cap(self, *, bint trades, bint drops_rest):
        """Let the share hold for each trade too (`trades`); what it leaves of an order expires (`drops_rest`)."""
        self.has_cap = trades
        self.drops_rest = drops_rest

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
                self.note_bracket(order)
                (<Account> self.accounts[order.account]).release(order, order.quantity)
                return (<Account> self.accounts[order.account]).order_changed(order, time)
            if not reaches and (order.tif == IOC or order.tif == FOK):
                # Immediate or cancel: what cannot take when it arrives never rests.
                order.status = EXPIRED
                order.reason = NOT_FILLABLE
                self.note_bracket(order)
                (<Account> self.accounts[order.account]).release(order, order.quantity)
                return (<Account> self.accounts[order.account]).order_changed(order, time)
            order.triggered = reaches
            order.queue = <int64_t> self.run_average
        order.status = WORKING
        if order.flags & FORCED_ORDER == 0:
            (<Account> self.accounts[order.account]).order_changed(order, time)
        self.link(order)
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

    # ------------------------------------------------------------------ one order meets a price

    cdef int take(self, Order *order, int64_t price, int64_t limit_quantity, int64_t time) except? -1 nogil:
        """A taker fill at a price before slippage, of at most limit_quantity (UNLIMITED = all); 1 when it filled."""
        cdef int64_t quantity, whole, most, moved
        if self.has_footprint:
            self.note_last_bar(time)
            if not self.footprint.is_known():
                return 0
        if self.active > 1 and self.stops_at_own(order, price, time):
            return 1
        whole = self.fillable(order, time)
        quantity = whole
        if quantity == 0:
            return 0
        if order.price != 0:
            quantity = self.within_limit(order, price, quantity, time)
            if quantity == 0 or (order.tif == FOK and quantity < whole):
                if order.tif == IOC or order.tif == FOK:
                    self.cancel(order, NOT_FILLABLE, time)
                else:
                    order.triggered = 0      # the market has left it: it rests, at the head of nobody's queue
                    order.queue = 0
                return 0
        most = quantity
        if limit_quantity >= 0:
            if order.tif == FOK and quantity > limit_quantity:
                self.cancel(order, NOT_FILLABLE, time)
                return 0
            if self.contract.lot > 0:
                limit_quantity -= limit_quantity % self.contract.lot
            quantity = min(quantity, limit_quantity)
        moved = self.taker_price(order, price, quantity, time)
        if order.price == 0:
            quantity = (<Account> self.accounts[order.account]).affordable(self.contract, order, quantity, moved)
            if quantity < min(most, limit_quantity if limit_quantity >= 0 else most):
                most = 0                     # there is no money for the rest
                moved = self.taker_price(order, price, quantity, time)
        if limit_quantity >= 0:
            self.budget -= quantity
        if quantity > 0:
            if self.has_footprint:
                self.footprint.leave(order.side, self.world.quantity_value(self.instrument, quantity), time)
                if self.moves_mark:
                    self.mark_due = True
                    self.world.moved_marks = True
                    self.world.attention = True
            self.finish(order, quantity, moved, False, time)
        if order.status != WORKING:
            return 1
        if most == 0:
            self.cancel(order, INSUFFICIENT_BALANCE, time)
        elif order.flags & FORCED_ORDER:
            return 1
        elif order.tif == IOC:
            self.cancel(order, NOT_FILLABLE, time)
        elif quantity < most and self.drops_rest:
            self.cancel(order, VOLUME_EXHAUSTED, time)
        elif order.price != 0 and quantity == most:
            order.triggered = 0              # the rest is beyond its limit
            order.queue = 0
        return 1

    # ------------------------------------------------------------------ triggers

    cdef int trigger(self, Order *order, int64_t time) except -1 nogil:
        self.drop_siblings(order, time)
        self.end_bracket(order, time)
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

    cdef int on_price(self, PriceSource source, int64_t price, int64_t time) except -1 nogil:
        cdef int32_t row = self.head, following
        cdef Order *order
        while row >= 0:
            order = self.store.at(row)
            following = order.next
            if order.status == WORKING and self.is_hit(order, source, price):
                self.trigger(order, time)
            row = following
        return 0

    cdef void requeue(self, Order *order) noexcept nogil:
        order.queue = <int64_t> self.run_average

    cdef int look_after_brackets(self, int64_t time) except -1 nogil:
        """Exits follow what their entry has filled; they end with each other, and with an entry that never filled."""
        cdef int32_t row = self.held, following
        cdef Order *child
        cdef Order *entry
        cdef int64_t exited, quantity
        self.bracket_due = False
        while row >= 0:
            child = self.store.at(row)
            following = child.next
            entry = self.store.by_id(child.parent)
            if entry.filled > 0:
                self.unlink(child)
                child.quantity = entry.filled
                self.add(child, time)
            elif entry.status > WORKING:
                self.cancel(child, NO_ENTRY, time)
            row = following
        row = self.head
        while row >= 0:
            child = self.store.at(row)
            following = child.next
            if child.status == WORKING and child.parent != 0 and not child.triggered:
                entry = self.store.by_id(child.parent)
                exited = self.exits_filled(entry)
                if exited > 0 and entry.status == WORKING:
                    self.cancel(entry, SIBLING_MET, time)
                quantity = child.filled + entry.filled - exited
                if quantity <= child.filled:
                    self.cancel(child, SIBLING_MET, time)
                elif quantity != child.quantity:
                    child.quantity = quantity
                    (<Account> self.accounts[child.account]).order_changed(child, time)
            row = following
        return 0

    # ------------------------------------------------------------------ trades

    cdef bint is_waiting(self) noexcept nogil:
        cdef int32_t row = self.head
        while row >= 0:
            if self.store.at(row).type == MARKET or self.store.at(row).triggered:
                return True
            row = self.store.at(row).next
        return False

    cdef int on_trade(self, int64_t price, int64_t quantity, int8_t side, int64_t time) except -1 nogil:
        cdef int32_t row, following
        cdef Order *order
        cdef int64_t left = quantity, before, ahead
        self.note_trade(price, quantity, side, time)
        if self.has_cap and self.head >= 0:
            self.spare += self.share * <double> quantity
            if not self.is_waiting():
                self.budget = 0
            self.budget += <int64_t> self.spare
            self.spare -= floor(self.spare)
        row = self.head
        while row >= 0:
            order = self.store.at(row)
            following = order.next
            if order.status != WORKING:
                row = following
                continue
            if order.type == MARKET or order.triggered:
                self.take(order, price, self.budget if self.has_cap else UNLIMITED, time)
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
                    self.give(order, min(left - ahead, self.budget) if self.has_cap else left - ahead, time)
                    left -= order.filled - before
                    self.budget -= order.filled - before
            elif self.is_hit(order, LAST_PRICE, price):
                self.trigger(order, time)    # what it becomes is filled by the next trade, not by this one
            row = following
        return 0

    # ------------------------------------------------------------------ bars

    cdef void begin_bar(self, const int64_t *times, const int64_t *prices, int64_t volume) noexcept nogil:
        cdef int i
        if self.measures:
            self.note_last_bar(times[0])
            self.bar_volume = volume
        for i in range(4):
            self.path_time[i] = times[i]
            self.path_price[i] = prices[i]
        self.has_bar = True
        self.budget = <int64_t> floor(self.share * <double> volume)
        self.segment += 1

    cdef void note_bar(self, int64_t start, int64_t close, int64_t volume, int64_t begin, int64_t end) noexcept nogil:
        if self.measures:
            self.note_last_bar(begin + 1)
            self.footprint.note_bar(
                self.world.price_value(self.instrument, start), self.world.price_value(self.instrument, close),
                self.world.quantity_value(self.instrument, volume), begin, end)

    cdef void note_last_bar(self, int64_t time) noexcept nogil:
        """Take the bar before into what is measured, once it is over."""
        cdef int64_t volume = self.bar_volume
        if volume >= 0 and time > self.path_time[3]:
            self.bar_volume = -1
            self.note_bar(self.path_price[0], self.path_price[3], volume, self.path_time[0] - 1, self.path_time[3] + 1)

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
            if order.status != WORKING:
                row = following
                continue
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
