"""Which orders a venue takes: outages, limits of a contract, sides, triggers, numbers of open orders."""

from cpython.ref cimport PyObject
from libc.stdlib cimport calloc, free
from venues.account cimport Account
from venues.auto_exchange cimport AutoExchange
from venues.contract cimport SPOT, Contract, notional, quote_notional
from venues.crowd cimport Crowd
from feeds.draws cimport OVERLOAD_REFUSAL, uniform
from venues.ledger cimport Ledger
from venues.liquidation cimport Liquidator
from venues.matching cimport Market
from venues.orders cimport (
    ABOVE_MAXIMUM, BELOW_MINIMUM, CLOSE_POSITION, DELISTED, IN_LIQUIDATION, LIMIT, NOTHING_TO_REDUCE, NOT_ALONE,
    NOT_OFFERED, NO_REASON, OFF_LOT, OFF_TICK, OUTSIDE_BAND, REDUCE_ONLY, SIDE_NOT_ALLOWED, STOP_MARKET,
    TOO_MANY_ORDERS, TOO_MANY_REQUESTS, TRAILING_STOP, VENUE_OVERLOADED, VENUE_UNAVAILABLE, WOULD_TRIGGER, has_limit,
    is_stop, Order, OrderStore,
)
from venues.outbox cimport Outbox
from venues.position cimport unrealized
from venues.records cimport Journal
from venues.state cimport LIQUIDATING, PoolState, Slot
from venues.world cimport World


cdef bint wins(World world, const Slot *slot) noexcept nogil:
    """Whether a position has a profit at the mark, more than the rounding of floats."""
    cdef int32_t i
    cdef double mark
    if slot == NULL or slot.position.quantity == 0:
        return False
    i = slot.position.instrument
    mark = world.prices[i].mark_value
    return unrealized(&slot.position, world.contracts[i], mark) > 1e-12 * notional(
        world.contracts[i], world.quantity_value(i, slot.position.quantity), mark)


cdef class Admission:
    """What venues take and refuse, and when they are not there.

    Parameters
    ----------
    world : World
    ledger : Ledger
    journal : Journal
    outbox : Outbox
    store : OrderStore
    accounts : list of Account
    markets : list of Market
        One per instrument.
    venue_of : list of int
        Venue of each instrument.
    liquidator : Liquidator
    auto_exchange : AutoExchange
    limits : bool
        Enforce tick, lot, minimum, maximum, price band and the number of open orders.
    seed : int
        Of the draws.
    order_limits : list of (int, int)
        For each venue: open and conditional orders that an account may have in a contract; 0 = no limit.
    order_rates : list of list of (int, int)
        For each venue, at most two: orders that an account may send in a window of so many ns.
    keeps_place : list of bool
        For each venue: an order whose quantity is lowered keeps its place in the queue.
    icebergs : list of bool
        For each venue: orders may show a part of their quantity.
    """

    def __cinit__(self, *, World world, Ledger ledger, Journal journal, Outbox outbox, OrderStore store, list accounts,
                  list markets, list venue_of, Liquidator liquidator, AutoExchange auto_exchange, bint limits,
                  int64_t seed, list order_limits, list order_rates, list keeps_place,
                  list icebergs):
        cdef int32_t i
        cdef Market market
        self.world = world
        self.ledger = ledger
        self.journal = journal
        self.outbox = outbox
        self.store = store
        self.account_list = accounts
        self.market_list = markets
        self.liquidator = liquidator
        self.limits = limits
        self.n_accounts = len(accounts)
        self.n_markets = len(markets)
        self.accounts = <PyObject **> calloc(self.n_accounts + 1, sizeof(PyObject *))
        self.markets = <PyObject **> calloc(self.n_markets + 1, sizeof(PyObject *))
        self.venue_of = <int32_t *> calloc(self.n_markets + 1, sizeof(int32_t))
        self.mark_from_last = <uint8_t *> calloc(self.n_markets + 1, sizeof(uint8_t))
        self.mark_from_index = <uint8_t *> calloc(self.n_markets + 1, sizeof(uint8_t))
        self.seed = seed
        self.outage_until = <int64_t *> calloc(ledger.n_venues + 1, sizeof(int64_t))
        self.cancel_only_until = <int64_t *> calloc(ledger.n_venues + 1, sizeof(int64_t))
        self.overload_until = <int64_t *> calloc(ledger.n_venues + 1, sizeof(int64_t))
        self.overload_share = <double *> calloc(ledger.n_venues + 1, sizeof(double))
        self.most_orders = <int32_t *> calloc(ledger.n_venues + 1, sizeof(int32_t))
        self.most_conditional = <int32_t *> calloc(ledger.n_venues + 1, sizeof(int32_t))
        self.rates = <OrderRate *> calloc(WINDOWS * ledger.n_venues + 1, sizeof(OrderRate))
        self.sent = <int64_t *> calloc(WINDOWS * self.n_accounts + 1, sizeof(int64_t))
        self.window = <int64_t *> calloc(WINDOWS * self.n_accounts + 1, sizeof(int64_t))
        self.keeps_place = <uint8_t *> calloc(ledger.n_venues + 1, sizeof(uint8_t))
        self.icebergs = <uint8_t *> calloc(ledger.n_venues + 1, sizeof(uint8_t))
        if (self.rates == NULL or self.sent == NULL or self.window == NULL or self.keeps_place == NULL
                or self.icebergs == NULL or self.accounts == NULL or self.markets == NULL or self.venue_of == NULL
                or self.mark_from_last == NULL or self.mark_from_index == NULL or self.outage_until == NULL
                or self.cancel_only_until == NULL or self.overload_until == NULL or self.overload_share == NULL
                or self.most_orders == NULL or self.most_conditional == NULL):
            raise MemoryError("exchange: no memory")
        for i in range(ledger.n_venues):
            self.most_orders[i], self.most_conditional[i] = order_limits[i]
            self.keeps_place[i] = keeps_place[i]
            self.icebergs[i] = icebergs[i]
            for j, (most, span) in enumerate(order_rates[i]):
                self.rates[WINDOWS * i + <int> j].most = most
                self.rates[WINDOWS * i + <int> j].span = span
        for i in range(self.n_accounts):
            self.accounts[i] = <PyObject *> accounts[i]
        for i in range(self.n_markets):
            market = markets[i]
            market.accounts = self.accounts
            self.markets[i] = <PyObject *> market
            self.some_stand_alone = self.some_stand_alone or world.contracts[i].is_alone
            self.venue_of[i] = venue_of[i]
        self.auto_exchange = auto_exchange
        auto_exchange.accounts = self.accounts
        liquidator.auto_exchange = auto_exchange
        liquidator.world = world
        liquidator.ledger = ledger
        liquidator.store = store
        liquidator.journal = journal
        liquidator.accounts = self.accounts
        liquidator.markets = self.markets
        liquidator.n_markets = self.n_markets

    def __dealloc__(self):
        free(self.accounts)
        free(self.markets)
        free(self.venue_of)
        free(self.mark_from_last)
        free(self.mark_from_index)
        free(self.outage_until)
        free(self.cancel_only_until)
        free(self.overload_until)
        free(self.overload_share)
        free(self.most_orders)
        free(self.most_conditional)
        free(self.rates)
        free(self.sent)
        free(self.window)
        free(self.keeps_place)
        free(self.icebergs)

    def admit_crowd(self, Crowd crowd not None):
        """Let other traders live in the run."""
        cdef int32_t i
        cdef PyObject **accounts = <PyObject **> calloc(self.n_accounts + crowd.n_members + 1, sizeof(PyObject *))
        if accounts == NULL:
            raise MemoryError("exchange: no memory for a population")
        for i in range(self.n_accounts):
            accounts[i] = self.accounts[i]
        free(self.accounts)
        self.accounts = accounts
        for i in range(self.n_markets):
            (<Market> self.market_list[i]).accounts = accounts
        self.auto_exchange.accounts = accounts
        self.liquidator.accounts = accounts
        self.liquidator.crowd = crowd
        crowd.accounts = accounts
        crowd.markets = self.markets
        crowd.n_users = self.n_accounts
        crowd.n_markets = self.n_markets
        for i in range(self.ledger.n_venues):
            crowd.taker_fees[i] = (<Account> accounts[crowd.templates[i]]).state.taker_fees
        self.crowd = crowd

    def profits(self, int account, int instrument):
        """Return whether an account's position in an instrument is a winning one at the mark."""
        cdef int leg
        cdef Slot *slot
        for leg in range(-1, 2):
            slot = (<Account> self.accounts[account]).state.find(instrument, <int8_t> leg)
            if wins(self.world, slot):
                return True
        return False

    def is_gated(self, int account):
        """Return whether an account of the same venue and collateral pool is below zero.

        The pool of a market that stands alone is its own.
        """
        cdef int32_t i, j
        cdef PoolState *pool
        cdef int32_t own = self.alone_in(account)
        for i in range(self.n_accounts):
            if ((<Account> self.accounts[i]).venue != (<Account> self.accounts[account]).venue
                    or self.alone_in(i) != own):
                continue
            for j in range((<Account> self.accounts[i]).state.n_pools):
                pool = (<Account> self.accounts[i]).state.pools[j]
                (<Account> self.accounts[i]).state.look(pool)
                if pool.pool.count > 0 and pool.risk.equity < -1e-12 * pool.risk.notional:
                    return True
        return False

    def outage(self, int venue, int64_t until):
        """Answer orders and cancels of a venue with VENUE_UNAVAILABLE until a time, or an earlier one's later end."""
        self.outage_until[venue] = max(self.outage_until[venue], until)

    def cancel_only(self, int venue, int64_t until):
        """Take cancels but no orders at a venue until a time."""
        self.cancel_only_until[venue] = until

    def overload(self, int venue, int64_t until, double share):
        """Refuse a share of the orders of a venue until a time, drawn by order."""
        self.overload_until[venue] = until
        self.overload_share[venue] = share

    cdef int32_t alone_in(self, int32_t account) noexcept nogil:
        """The market that stands alone in an account now, with a position or an order; -1 without one."""
        cdef int32_t i
        for i in range((<Account> self.accounts[account]).state.n_pools):
            if (<Account> self.accounts[account]).state.pools[i].pool.count > 0:
                return (<Account> self.accounts[account]).state.pools[i].alone
        return -1

    cdef int validate(self, Order *order, int64_t time) except -1 nogil:
        """A Reason to refuse it, or NO_REASON. Limits are the venue's, dated per symbol (design.md section 6)."""
        cdef const Contract *c = self.world.contracts[order.instrument]
        cdef double mark, price, value, most_value
        cdef int64_t lot, most, last
        cdef Slot *slot
        cdef int32_t pool, venue = self.venue_of[order.instrument]
        if self.outage_until[venue] > time or self.cancel_only_until[venue] > time:
            return VENUE_UNAVAILABLE
        if self.limits and self.is_too_fast(order, time):
            return TOO_MANY_REQUESTS
        if order.shown > 0 and not self.icebergs[venue]:
            return NOT_OFFERED
        if (self.overload_until[venue] > time
                and uniform(self.seed, OVERLOAD_REFUSAL, venue, order.id) < self.overload_share[venue]):
            return VENUE_OVERLOADED
        if (<Market> self.markets[order.instrument]).closed:
            return DELISTED
        if c.kind != SPOT:
            if (<Account> self.accounts[order.account]).state.hedge != (order.leg != 0):
                return SIDE_NOT_ALLOWED
            # New risk is refused in the whole pool, also where no position stands yet.
            pool = (<Account> self.accounts[order.account]).state.cross_pool[c.settle]
            if (<Account> self.accounts[order.account]).state.isolated[order.instrument]:
                slot = (<Account> self.accounts[order.account]).state.find(order.instrument, order.leg)
                pool = -1 if slot == NULL else slot.pool
            if pool >= 0 and (<Account> self.accounts[order.account]).state.pools[pool].condition == LIQUIDATING:
                return IN_LIQUIDATION
            if order.leg != 0 and order.side != order.leg:
                order.flags |= REDUCE_ONLY       # hedge mode: against its leg an order can only reduce
            if order.flags & (REDUCE_ONLY | CLOSE_POSITION):
                if (<Market> self.markets[order.instrument]).reducible(order) == 0:
                    return NOTHING_TO_REDUCE
            elif self.some_stand_alone and self.crowds(order):
                return NOT_ALONE
        elif order.leg != 0:
            return SIDE_NOT_ALLOWED
        last = self.world.prices[order.instrument].last
        if self.limits:
            if self.too_many(order):
                return TOO_MANY_ORDERS
            lot = c.market_lot if not has_limit(order.type) and c.market_lot > 0 else c.lot
            if lot > 0 and (order.quantity % lot != 0 or order.shown % lot != 0):
                return OFF_LOT
            if c.tick > 0 and (order.price % c.tick != 0 or (order.type != LIMIT and order.trigger % c.tick != 0)):
                return OFF_TICK
            if not order.flags & CLOSE_POSITION:
                if order.quantity <= 0 or order.quantity < c.minimum_quantity:
                    return BELOW_MINIMUM
                most = c.maximum_quantity if has_limit(order.type) else c.maximum_market_quantity
                if most > 0 and order.quantity > most:
                    return ABOVE_MAXIMUM
            price = self.world.price_value(order.instrument, order.price if order.price != 0 else last)
            value = quote_notional(c, self.world.quantity_value(order.instrument, order.quantity), price)
            if (c.minimum_notional > 0.0 and price > 0.0 and value < c.minimum_notional
                    and not order.flags & (REDUCE_ONLY | CLOSE_POSITION)):
                return BELOW_MINIMUM
            most_value = c.maximum_notional if order.type == LIMIT else c.maximum_market_notional
            mark = self.world.prices[order.instrument].mark_value
            if price <= 0.0:             # nothing has traded yet
                value = quote_notional(c, self.world.quantity_value(order.instrument, order.quantity), mark)
            if most_value > 0.0 and value > most_value * (1.0 + 1e-12):
                return ABOVE_MAXIMUM
            if order.type == LIMIT and mark > 0.0:
                if order.side > 0 and c.band_up > 0.0 and price > mark * c.band_up * (1.0 + 1e-9):
                    return OUTSIDE_BAND
                if order.side < 0 and c.band_down > 0.0 and price < mark * c.band_down * (1.0 - 1e-9):
                    return OUTSIDE_BAND
        elif order.quantity <= 0 and not order.flags & CLOSE_POSITION:
            return BELOW_MINIMUM
        if order.type >= STOP_MARKET and order.type != TRAILING_STOP and self.would_trigger(order):
            return WOULD_TRIGGER
        return NO_REASON

    cdef bint is_too_fast(self, const Order *order, int64_t time) noexcept nogil:
        """Count an order in its account's windows of time; whether one of them is full."""
        cdef int32_t at = WINDOWS * self.venue_of[order.instrument], own = WINDOWS * order.account, i
        cdef bint full = False
        for i in range(WINDOWS):
            if self.rates[at + i].most == 0:
                continue
            if self.window[own + i] != time // self.rates[at + i].span:
                self.window[own + i] = time // self.rates[at + i].span
                self.sent[own + i] = 0
            self.sent[own + i] += 1
            full = full or self.sent[own + i] > self.rates[at + i].most
        return full

    cdef bint crowds(self, const Order *order) noexcept nogil:
        """Whether a contract that stands alone in its account would have another position or order beside it."""
        cdef const Contract *c = self.world.contracts[order.instrument]
        cdef Slot *slot
        cdef int32_t i, j
        for j in range((<Account> self.accounts[order.account]).state.n_slots):
            slot = (<Account> self.accounts[order.account]).state.slots[j]
            i = slot.position.instrument
            if (i != order.instrument and (c.is_alone or self.world.contracts[i].is_alone)
                    and (slot.position.quantity != 0 or slot.open_orders > 0)):
                return True
        return False

    cdef int too_many(self, Order *order) noexcept nogil:
        """Whether the account has as many open orders of that kind in the contract as the venue allows."""
        cdef int32_t row = (<Market> self.markets[order.instrument]).head
        cdef int32_t count = 0
        cdef bint conditional = order.type >= STOP_MARKET
        cdef int32_t venue = self.venue_of[order.instrument]
        cdef int32_t most = self.most_conditional[venue] if conditional else self.most_orders[venue]
        if most == 0 or (<Market> self.markets[order.instrument]).active < most:
            return False
        while row >= 0:
            if self.store.at(row).account == order.account and (self.store.at(row).type >= STOP_MARKET) == conditional:
                count += 1
            row = self.store.at(row).next
        return count >= most

    cdef bint would_trigger(self, Order *order) noexcept nogil:
        cdef int64_t price
        if order.trigger_source == 0:
            price = self.world.prices[order.instrument].mark
        elif order.trigger_source == 1:
            price = self.world.prices[order.instrument].last
        else:
            price = self.world.prices[order.instrument].index
        if price == 0:
            return False
        if is_stop(order.type):
            return order.side * (price - order.trigger) >= 0
        return order.side * (order.trigger - price) >= 0
