"""Balances of one account: postings, isolated wallets, and what its owner is told."""

from libc.math cimport floor, nextafter
from libc.stdint cimport INT64_MIN
from libc.stdlib cimport calloc, free
from venues.contract cimport Contract
from venues.ledger cimport Ledger, PostingContext
from venues.orders cimport Order
from venues.outbox cimport ORDER_STATE, Message, MessageKind, Outbox
from venues.records cimport FUNDING_PAYMENT, TRADE_PROFIT, Journal, OrderRow, PostingKind
from venues.state cimport AccountState, PoolState, Slot


cdef class Wallet:
    """Money and messages of one account, on the venue's clock.

    Parameters
    ----------
    index : int
        Row in the run's table of accounts.
    venue : int
        Row in the run's table of venues.
    state : AccountState
    ledger : Ledger
    outbox : Outbox
    journal : Journal
    fees : list of (int, int)
        Maker and taker rate in 1e-10 for each instrument of the run.
    margin_call : float
        Ratio of maintenance to equity at which the owner is warned.
    limits : bool
        Refuse what the leverage set does not allow.
    fee_in_received : bool
        Spot: the fee is taken from the asset received, else from the quote asset.
    slippage : float
        Fraction of the price, half-spread included, against every taker fill.
    fill_rule : int
        FillRule of matching.pxd.
    """

    def __cinit__(self, *, int index, int venue, AccountState state, Ledger ledger, Outbox outbox, Journal journal,
                  list fees, double margin_call, bint limits, bint fee_in_received, double slippage, int fill_rule):
        cdef int32_t i, n = state.world.n_instruments
        self.index = index
        self.label = index
        self.books = index
        self.venue = venue
        self.state = state
        self.world = state.world
        self.ledger = ledger
        self.outbox = outbox
        self.journal = journal
        self.margin_call = margin_call
        self.limits = limits
        self.fee_in_received = fee_in_received
        self.slippage = slippage
        self.fill_rule = fill_rule
        self.closed_instrument = -1
        self.part_closed = INT64_MIN
        self.trigger = 1.0
        self.penalty_cap = -1.0
        self.market_buy_factor = 1.0
        self.market_sell_factor = 1.0
        self.maker_fees = <int64_t *> calloc(n + 1, sizeof(int64_t))
        self.locked = <int64_t *> calloc(state.world.n_assets + 1, sizeof(int64_t))
        self.marks = <double *> calloc(3 * n + 1, sizeof(double))
        if self.marks == NULL or self.maker_fees == NULL or self.locked == NULL:
            raise MemoryError("account: no memory")
        for i in range(n):
            self.maker_fees[i], self.state.taker_fees[i] = fees[i]

    def __dealloc__(self):
        free(self.maker_fees)
        free(self.locked)
        free(self.marks)

    def set_fees(self, int instrument, int64_t maker, int64_t taker):
        """Set the rates of an instrument, 1e-10; where margins reserve the fee of closing they are looked at anew."""
        cdef int32_t i
        self.maker_fees[instrument] = maker
        self.state.taker_fees[instrument] = taker
        if self.world.contracts[instrument].reserves_fee:
            for i in range(self.state.n_pools):
                self.flag(self.state.pools[i])

    def assume_prices(self, double buy_markup, double sell_markup):
        """Set the venue's relative additions to the last price at which market orders are margined."""
        self.market_buy_factor = 1.0 + buy_markup
        self.market_sell_factor = 1.0 + sell_markup

    def charge_forced_fills(self, *, bint fills, bint takeovers):
        """Set whether fills by force pay the taker fee instead of a clearance fee, and whether takeovers pay it."""
        self.fee_on_forced = fills
        self.fee_on_takeover = takeovers

    def meet_books(self, int model, double power, double slippage):
        """Set how the queue ahead of resting orders shrinks (`venues.queue`), and the slippage on top of a book."""
        self.book_slippage = slippage
        self.queue_model = <QueueModel> model
        self.queue_power = power

    def meet_own_orders(self, int policy):
        """Set what happens when an order that takes would meet a resting one of this account (`SelfTrade`)."""
        self.self_trade = <SelfTrade> policy

    def spare_at_equality(self):
        """Liquidate a pool only when its maintenance exceeds its equity, not when it reaches it."""
        self.trigger = nextafter(1.0, 2.0)

    def cap_penalty(self, double rate):
        """Take what a forced fill yields above its share of bankruptcy, at most a rate of its value, for the fund.

        Below it the insurance fund pays the difference.
        """
        self.penalty_cap = rate

    def close_at_mark(self):
        """Fill forced orders at the mark and its slippage instead of on the market."""
        self.forced_at_mark = True

    def stand_for_others(self, int books):
        """Be an account of a population, whose money is one row of the ledger; its owner is never warned."""
        self.books = books
        self.margin_call = 2.0

    cdef void act_as(self, Wallet template, int32_t label, int64_t part_closed) noexcept nogil:
        """Take the rules in force from another account of the venue, and what records call it."""
        cdef int32_t i
        for i in range(self.world.n_instruments):
            self.maker_fees[i] = template.maker_fees[i]
            self.state.taker_fees[i] = template.state.taker_fees[i]
        self.market_buy_factor = template.market_buy_factor
        self.market_sell_factor = template.market_sell_factor
        self.slippage = template.slippage
        self.book_slippage = template.book_slippage
        self.queue_model = template.queue_model
        self.queue_power = template.queue_power
        self.fill_rule = template.fill_rule
        self.forced_at_mark = template.forced_at_mark
        self.fee_on_forced = template.fee_on_forced
        self.fee_on_takeover = template.fee_on_takeover
        self.penalty_cap = template.penalty_cap
        self.trigger = template.trigger
        self.label = label
        self.part_closed = part_closed

    cdef int post(self, const PostingContext *context, int32_t contra, int32_t asset, PostingKind kind,
                  int64_t amount, Slot *isolated) except -1 nogil:
        self.ledger.post(context, self.books, contra, asset, kind, amount)
        # a row of the ledger may be of many accounts; its own balance cannot overflow where that did not
        self.state.balances[asset] = self.state.balances[asset] + amount
        if self.state.has_sessions and (kind == TRADE_PROFIT or kind == FUNDING_PAYMENT):
            self.state.session_profit[asset] = self.state.session_profit[asset] + amount
        if isolated != NULL and isolated.position.margin_mode == 1:
            isolated.position.isolated_wallet += amount
            self.state.earmarked[asset] = self.state.earmarked[asset] + amount
        self.state.refresh_wallets(asset)
        if self.state.balances[asset] < (0 if self.state.multi_assets else self.state.earmarked[asset]):
            self.world.attention = True      # a debt: other assets may cover it, or the insurance fund
        return 0

    cdef int earmark(self, Slot *slot, int64_t atoms) except -1 nogil:
        cdef int32_t asset = self.world.contracts[slot.position.instrument].settle
        slot.position.isolated_wallet += atoms
        self.state.earmarked[asset] = self.state.earmarked[asset] + atoms
        self.state.refresh_wallets(asset)
        if self.state.cross_pool[asset] >= 0:
            self.flag(self.state.pools[self.state.cross_pool[asset]])         # its balance has changed too
        self.world.attention = True
        return 0

    cdef void flag(self, PoolState *pool) noexcept nogil:
        pool.stale = 2
        self.flagged = True
        self.world.attention = True

    cdef int64_t equity_atoms(self, PoolState *pool, int32_t asset) noexcept nogil:
        cdef double unit = 1.0
        if pool.risk.notional == 0.0 and pool.isolated >= 0:
            return self.state.slots[pool.isolated].position.isolated_wallet      # nothing open: exact
        if pool.risk.notional == 0.0 and pool.asset >= 0:
            return self.state.balances[asset] - self.state.earmarked[asset]
        if pool.asset < 0:
            unit = self.world.asset_usd[asset]
        # What lies within rounding below an atom is on it: floats must not cost an atom.
        return <int64_t> floor((pool.risk.equity + 1e-15 * pool.risk.notional) / unit * self.world.atoms[asset])

    cdef Message *message(self, MessageKind kind, int64_t time, Slot *slot, int32_t asset) except NULL nogil:
        cdef Message *m = self.outbox.new()
        m.kind = kind
        m.time = time
        m.account = self.index
        if slot != NULL:
            m.position = slot.position
            m.has_position = 1
            m.bids = slot.bids
            m.asks = slot.asks
            m.open_loss = slot.open_loss
            m.open_orders = slot.open_orders
            m.instrument = slot.position.instrument
        if asset >= 0:
            m.assets[0] = asset
            m.balances[0] = self.state.balances[asset]
            m.earmarked[0] = self.state.earmarked[asset]
            m.session_profit[0] = self.state.session_profit[asset]
            m.locked[0] = self.locked[asset]
            m.borrowed[0] = self.state.borrowed[asset]
        return m

    cdef int order_changed(self, Order *order, int64_t time) except -1 nogil:
        cdef OrderRow *row = <OrderRow *> self.journal.orders.append()
        cdef Message *m
        cdef const Contract *c = self.world.contracts[order.instrument]
        row.time = time
        row.order = order.id
        row.price = order.price
        row.trigger = order.trigger
        row.quantity = order.quantity
        row.filled = order.filled
        row.submitted = order.submitted
        row.filled_value = order.filled_value
        row.requested_quantity = order.requested_quantity
        row.requested_price = order.requested_price
        row.account = order.account
        row.instrument = order.instrument
        row.strategy = order.strategy
        row.tag = order.tag
        row.side = order.side
        row.leg = order.leg
        row.type = order.sent_type
        row.tif = order.tif
        row.flags = order.flags
        row.status = order.status
        row.reason = order.reason
        if order.strategy >= 0:
            m = self.message(ORDER_STATE, time, self.state.find(order.instrument, order.leg), c.settle)
            m.order = order[0]
            m.strategy = order.strategy
            m.instrument = order.instrument
        return 0
