"""Closing positions without a market: at a takeover, at a settlement, by deleveraging."""

from libc.stdlib cimport calloc, free
from libc.string cimport memset
from venues.account cimport Account
from venues.contract cimport Contract
from venues.matching cimport Market
from venues.orders cimport BY_VENUE, FORCED_ORDER, Order
from venues.position cimport FillEffect, Position, apply_fill
from venues.records cimport BY_ADL, Forced
from venues.state cimport PoolState, Slot


cdef class ForcedCloses:
    """Closes at a price that is given, and what of a bankrupt position winners take over.

    Parameters
    ----------
    courses : list of dict
        One for each venue; `Liquidator` reads them.
    """

    def __cinit__(self, *, list courses):
        self.deleverages = <uint8_t *> calloc(len(courses) + 1, sizeof(uint8_t))
        if self.deleverages == NULL:
            raise MemoryError("liquidation: no memory")

    def __dealloc__(self):
        free(self.deleverages)

    def deleverage_others(self, int venue):
        """Let others take over, at the bankruptcy price, what an exhausted insurance fund of a venue cannot."""
        self.deleverages[venue] = True

    cdef Order *close_at(self, int32_t account, PoolState *pool, int32_t at, int64_t quantity, int64_t price,
                         int64_t time, Forced what) except NULL nogil:
        """Close units of a leg at a price without a market."""
        cdef Slot *slot = (<Account> self.accounts[account]).state.slots[pool.slots[at]]
        cdef Order *order = self.store.new()
        order.account = account
        order.instrument = slot.position.instrument
        order.strategy = -1
        order.side = -1 if slot.position.quantity > 0 else 1
        order.leg = slot.position.leg
        order.flags = FORCED_ORDER
        order.quantity = quantity
        order.submitted = time
        order.arrived = time
        order.decision_price = self.world.prices[order.instrument].mark
        (<Account> self.accounts[account]).fill(order, quantity, price, False, time, what)
        return order

    cdef int64_t loss_of(self, int32_t instrument, int64_t quantity, int64_t price, int64_t mark) except? -1 nogil:
        """Atoms lost by who takes signed units over at a price and values them at the mark; a gain is negative."""
        cdef Position held
        cdef FillEffect effect
        if quantity == 0:
            return 0
        memset(&held, 0, sizeof(Position))
        apply_fill(&held, self.world.contracts[instrument], quantity, price, &effect)
        apply_fill(&held, self.world.contracts[instrument], -quantity, mark, &effect)
        return -effect.realized

    cdef int64_t cede(self, int32_t venue, int32_t instrument, int64_t quantity, int64_t price,
                      int64_t time) except? -1 nogil:
        """Units of a bankrupt position that winners of the other side take at its price, signed like it.

        The fund keeps what it can pay for, in whole lots (how much of a position a venue's fund keeps is not
        documented: U).
        """
        cdef const Contract *c = self.world.contracts[instrument]
        cdef int64_t loss, fund, kept, whole, lot = max(<int64_t> 1, c.lot)
        if self.crowd is None or not self.deleverages[venue]:
            return 0
        loss = self.loss_of(instrument, quantity, price, self.world.prices[instrument].mark)
        fund = max(<int64_t> 0, self.ledger.balance(self.ledger.fund(venue, instrument), c.settle))
        if loss <= fund:
            return 0
        whole = quantity if quantity > 0 else -quantity
        kept = <int64_t> (<double> whole * (<double> fund / <double> loss)) // lot * lot
        while kept > 0 and self.loss_of(
                instrument, kept if quantity > 0 else -kept, price, self.world.prices[instrument].mark) > fund:
            kept -= min(kept, lot)               # rounding of the share
        return self.crowd.deleverage(
            venue, instrument, whole - kept if quantity > 0 else kept - whole, price, time)

    cdef int deleverage(self, int32_t account, Slot *slot, int64_t quantity, int64_t price,
                        int64_t time) except -1 nogil:
        """Close units (> 0) of a winning position at a price, without a fee (Binance FAQ 360033525471).

        The owner's open orders in the contract are cancelled.
        """
        cdef int32_t row = (<Market> self.markets[slot.position.instrument]).head
        cdef Order *order
        while row >= 0 and (<Account> self.accounts[account]).working > 0:
            order = self.store.at(row)
            row = order.next
            if order.account == account and not order.flags & FORCED_ORDER:
                (<Market> self.markets[slot.position.instrument]).cancel(order, BY_VENUE, time)
        self.close_at(
            account, (<Account> self.accounts[account]).state.pool_of(slot), slot.leg, quantity, price, time, BY_ADL)
        return 0
