"""The strategy's side of a run: what has been delivered so far, what may be asked for. No strategy reads a venue."""

from cpython.ref cimport PyObject
from libc.math cimport NAN, fabs, floor, rint
from libc.stdlib cimport calloc, free, realloc
from backtest.agenda cimport CANCEL_ARRIVES, ORDER_ARRIVES, TIMER, VERB_ARRIVES
from backtest.script cimport A_CANCEL, A_VERB, Script
from venues.book cimport Book
from venues.delay cimport Delay
from venues.orders cimport GTC, REDUCE_ONLY, Order
from venues.outbox cimport TRANSFERRED, Message
from venues.records cimport TransferRow
from venues.state cimport PoolState, Slot


cdef class Context:
    """Everything that strategies know and ask for, on their clock.

    Parameters
    ----------
    world : World
        Prices on the strategy's clock.
    states : list of AccountState
        Copies of the accounts that change only when a message arrives.
    store, venue_agenda, local_agenda, journal
        Where orders live, where requests and answers wait, where series and logs go.
    infos : list of InstrumentInfo
    books : list of Book or None
        Of each instrument.
    assets, accounts, account_venues, account_assets, lending : list of str
    delays : list of Delay
        Of each account.
    taker_fees : list of list of int
        1e-10, by account and instrument.
    slippage : list of float
        By account.
    reporting : int
        Row of the reporting asset.
    """

    def __init__(self, *, World world, list states, OrderStore store, Agenda venue_agenda, Agenda local_agenda,
                 Journal journal, list infos, list books, list assets, list accounts, list account_venues,
                 list margin_modes, list account_assets, list lending, list delays, list taker_fees, list slippage,
                 int reporting, history, universe):
        cdef int32_t i, j, n = len(infos), m = len(accounts)
        self.world = world
        self.states = states
        self.store = store
        self.venue_agenda = venue_agenda
        self.local_agenda = local_agenda
        self.journal = journal
        self.infos = infos
        self.books = books
        self.assets = assets
        self.accounts = accounts
        self.account_venues = account_venues
        self.margin_modes = margin_modes
        self.account_assets = account_assets
        self.lending = lending
        self.reporting = reporting
        self.history = history
        self.universe = universe
        self.verbs = []
        self.tags = {}
        self.names = {}
        self.texts = []
        self.predictions = {}
        self.transit = {}
        self.arrivals = set()
        self.postponed = []
        self.series = {}
        self.timers = []
        self.alerts = []
        self.addresses = {}
        self.delays = delays
        self.delay_rows = <PyObject **> calloc(m + 1, sizeof(PyObject *))
        self.slippage = <double *> calloc(m + 1, sizeof(double))
        self.state_rows = <PyObject **> calloc(m + 1, sizeof(PyObject *))
        self.book_rows = <PyObject **> calloc(n + 1, sizeof(PyObject *))
        self.funding = <FundingView *> calloc(n + 1, sizeof(FundingView))
        self.locked = <int64_t **> calloc(m + 1, sizeof(int64_t *))
        if (self.delay_rows == NULL or self.slippage == NULL or self.funding == NULL
                or self.locked == NULL or self.state_rows == NULL or self.book_rows == NULL):
            raise MemoryError("context: no memory")
        for i in range(m):
            self.delay_rows[i] = <PyObject *> delays[i]
            self.slippage[i] = slippage[i]
            self.state_rows[i] = <PyObject *> states[i]
            self.locked[i] = <int64_t *> calloc(len(assets) + 1, sizeof(int64_t))
            if self.locked[i] == NULL:
                raise MemoryError("context: no memory")
            for j in range(n):
                (<AccountState> states[i]).taker_fees[j] = taker_fees[i][j]
        for info in infos:
            self.addresses.setdefault(info.symbol, []).append(info.index)
            self.addresses[info.address] = [info.index]
        for i in range(n):
            self.funding[i].estimate = NAN
            self.book_rows[i] = NULL if books[i] is None else <PyObject *> books[i]

    def __dealloc__(self):
        cdef Py_ssize_t i
        if self.locked != NULL:
            i = 0
            while self.locked[i] != NULL:
                free(self.locked[i])
                i += 1
        free(self.locked)
        free(self.state_rows)
        free(self.book_rows)
        free(self.delay_rows)
        free(self.slippage)
        free(self.funding)
        free(self.timer_rows)

    def note_in(self, Script script):
        """Have all that is asked for from now on noted in a script."""
        self.script = script

    cdef AccountState state(self, int32_t account):
        return <AccountState> self.states[account]

    cdef int32_t tag(self, object text):
        if text is None:
            return -1
        return self.tags.setdefault(str(text), len(self.tags))

    def begin(self, int64_t now, bint warming):
        """Set the strategy clock, and whether trading verbs are refused."""
        self.now = now
        self.warming = warming

    def set_taker_fee(self, int account, int instrument, int64_t rate):
        """Set the taker rate, 1e-10, that sizes by value and margins are made with."""
        self.state(account).taker_fees[instrument] = rate

    cdef int64_t add_timer(self, int32_t owner, int64_t first, int64_t period, object name) except -1:
        """Have a timer go off at `first`, then each period; returns its number."""
        cdef Py_ssize_t number = len(self.timers)
        cdef TimerRow *grown
        if number == self.timer_room:
            grown = <TimerRow *> realloc(self.timer_rows, (2 * number + 16) * sizeof(TimerRow))
            if grown == NULL:
                raise MemoryError("context: no memory for a timer")
            self.timer_rows = grown
            self.timer_room = 2 * number + 16
        self.timer_rows[number].owner = owner
        self.timer_rows[number].period = period
        self.timer_rows[number].is_call = callable(name)
        self.timers.append(name)
        self.local_agenda.push(first, TIMER, number)
        return number

    def end_warmup(self):
        """From now on orders are taken; timers that were to go off once in the warm-up do so now."""
        self.warming = False
        for number in self.postponed:
            self.local_agenda.push(self.now, TIMER, number)
        self.postponed = []

    # ------------------------------------------------------------------ prices and sizes

    cdef double price(self, int32_t instrument) noexcept nogil:
        if self.world.prices[instrument].mark != 0:
            return self.world.prices[instrument].mark_value
        return self.world.price_value(instrument, self.world.prices[instrument].last)

    cdef int64_t bid(self, int32_t instrument) noexcept nogil:
        if self.book_rows[instrument] == NULL or not (<Book> self.book_rows[instrument]).is_usable():
            return 0
        return (<Book> self.book_rows[instrument]).best_bid()

    cdef int64_t ask(self, int32_t instrument) noexcept nogil:
        if self.book_rows[instrument] == NULL or not (<Book> self.book_rows[instrument]).is_usable():
            return 0
        return (<Book> self.book_rows[instrument]).best_ask()

    cdef int64_t decision_price(self, int32_t instrument) noexcept nogil:
        cdef int64_t bid = self.bid(instrument), ask = self.ask(instrument)
        if bid != 0 and ask != 0:
            return (bid + ask) // 2
        return self.world.prices[instrument].last or self.world.prices[instrument].mark

    cdef int64_t units_down(self, int32_t instrument, double quantity) noexcept nogil:
        """Quantity units toward zero on the lot; what lies within 1e-9 relative of a lot is on it."""
        cdef int64_t lot = max(<int64_t> 1, self.world.contracts[instrument].lot)
        cdef double lots = quantity * self.world.quantity_divisors[instrument] / lot
        cdef double near = rint(lots)
        if fabs(lots - near) <= 1e-9 * max(1.0, fabs(near)):
            return <int64_t> near * lot
        return (<int64_t> floor(lots) if lots >= 0.0 else -<int64_t> floor(-lots)) * lot

    cdef int64_t price_units(self, int32_t instrument, double price, int side) noexcept nogil:
        """Price units on the tick: down for a buy, up for a sell; what lies within 1e-9 relative of a tick is on it."""
        cdef int64_t tick = max(<int64_t> 1, self.world.contracts[instrument].tick)
        cdef double ticks = price * self.world.divisors[instrument] / tick
        cdef double near = rint(ticks)
        if fabs(ticks - near) <= 1e-9 * max(1.0, fabs(near)) or side == 0:
            return <int64_t> near * tick
        return (<int64_t> floor(ticks) + (0 if side > 0 else 1)) * tick

    # ------------------------------------------------------------------ requests

    cdef Order *send(self, int32_t strategy, int32_t account, int32_t instrument, int side, int64_t quantity, int type,
                     int64_t price, int64_t trigger, int64_t trail, int flags, int tif, int leg, int32_t tag,
                     double requested) except NULL nogil:
        cdef Order *order = self.store.new()
        cdef Slot *slot
        order.account = account
        order.instrument = instrument
        order.strategy = strategy
        order.side = <int8_t> side
        order.quantity = quantity
        order.type = <uint8_t> type
        order.sent_type = order.type
        order.price = price
        order.trigger = trigger
        order.trail = trail
        order.flags = <uint8_t> flags
        order.tif = <uint8_t> tif
        order.leg = <int8_t> leg
        order.tag = tag
        order.requested_quantity = requested
        order.submitted = self.now
        order.decision_price = self.decision_price(instrument)
        self.venue_agenda.push((<Delay> self.delay_rows[account]).arrival(self.now), ORDER_ARRIVES, order.row)
        if self.script is not None:
            slot = (<AccountState> self.state_rows[account]).find(instrument, order.leg)
            (<Script> self.script).note_order(order, self.round, 0 if slot == NULL else slot.position.quantity)
        return order

    cdef Order *attach(self, Order *entry, int type, int64_t price, int64_t trigger, int source) except NULL nogil:
        cdef Order *order = self.store.new()
        order.account = entry.account
        order.instrument = entry.instrument
        order.strategy = entry.strategy
        order.side = -entry.side
        order.leg = entry.leg
        order.quantity = entry.quantity
        order.type = <uint8_t> type
        order.sent_type = order.type
        order.price = price
        order.trigger = trigger
        order.trigger_source = <uint8_t> source
        order.flags = REDUCE_ONLY
        order.tif = GTC
        order.tag = entry.tag
        order.requested_quantity = entry.requested_quantity
        order.submitted = self.now
        order.decision_price = price if price != 0 else trigger
        order.parent = entry.id
        entry.children += 1
        if self.script is not None:
            (<Script> self.script).note_order(order, self.round, 0)
        return order

    cdef int pair(self, Order *first, Order *second) except -1:
        first.group = first.id
        second.group = first.id
        if self.script is not None:
            self.script.note_pair(first.id)
        return 0

    cdef int send_cancel(self, Order *order) except -1 nogil:
        order.canceling = 1
        if self.script is not None:
            (<Script> self.script).note(A_CANCEL, self.now, self.round, order.id, 0)
        return self.venue_agenda.push(
            (<Delay> self.delay_rows[order.account]).arrival(self.now), CANCEL_ARRIVES, order.id)

    cdef int add_verb(self, int32_t account, tuple verb) except -1:
        self.verbs.append(verb)
        if self.script is not None:
            (<Script> self.script).note(A_VERB, self.now, self.round, len(self.verbs) - 1, 0)
        return self.venue_agenda.push(
            (<Delay> self.delay_rows[account]).arrival(self.now), VERB_ARRIVES, len(self.verbs) - 1)

    # ------------------------------------------------------------------ answers

    cdef int apply(self, const Message *m) except -1 nogil:
        cdef int k
        if m.kind == TRANSFERRED:
            with gil:
                self.note_transfer(m)
        for k in range(2):
            if m.assets[k] >= 0:
                self.locked[m.account][m.assets[k]] = m.locked[k]
        return take_over(<AccountState> self.state_rows[m.account], m)

    cdef int note_transfer(self, const Message *m) except -1:
        """Money leaves the local view of one account and is in transit at once, so that equity does not jump."""
        cdef TransferRow *row = <TransferRow *> self.journal.transfers.at(m.row)
        if row.status == 1:
            if self.transit.pop(row.id, None) is None:
                self.arrivals.add(row.id)            # its target answers faster than its source
        elif row.status == 0:
            if row.id in self.arrivals:
                self.arrivals.remove(row.id)
            else:
                self.transit[row.id] = (row.receive_asset, row.received)
        return 0

    # ------------------------------------------------------------------ values

    cdef int value_collateral(self) except -1:
        """The US dollar price of an asset has changed: pools of all assets together hold what they are worth now."""
        cdef AccountState state
        cdef int32_t i
        for state in self.states:
            for i in range(state.n_pools):
                if state.pools[i].asset < 0:
                    state.refresh_wallet(state.pools[i])
        return 0

    cdef double asset_value(self, int32_t asset) noexcept nogil:
        return 1.0 if asset == self.reporting else self.world.asset_prices[asset]

    cdef double equity(self, int32_t account) noexcept nogil:
        cdef int32_t i, k
        cdef double profit, sum = 0.0
        cdef const PoolState *pool
        for i in range(self.world.n_assets):
            if (<AccountState> self.state_rows[account]).balances[i] != 0:
                sum += (self.world.amount_value(i, (<AccountState> self.state_rows[account]).balances[i])
                        * self.asset_value(i))
        for i in range((<AccountState> self.state_rows[account]).n_pools):
            pool = (<AccountState> self.state_rows[account]).pools[i]
            for k in range(self.world.n_assets):
                if pool.asset < 0 or pool.asset == k:
                    profit = (<AccountState> self.state_rows[account]).unrealized(pool, k)
                    if profit != 0.0:
                        sum += profit * self.asset_value(k)
        return sum

    cdef double pool_value(self, const PoolState *pool) noexcept nogil:
        """Reporting asset per unit of a pool: of its settle asset, in multi-assets mode of a US dollar."""
        cdef double dollars = self.world.asset_usd[self.reporting]
        if pool.asset >= 0:
            return self.asset_value(pool.asset)
        return 1.0 / dollars if dollars > 0.0 else 1.0


cdef int take_over(AccountState state, const Message *m) except -1 nogil:
    """An account on the strategy's clock becomes what a message says it is."""
    cdef int k
    cdef Slot *slot
    for k in range(2):
        if m.assets[k] >= 0:
            state.balances[m.assets[k]] = m.balances[k]
            state.session_profit[m.assets[k]] = m.session_profit[k]
            state.earmarked[m.assets[k]] = m.earmarked[k]
            state.borrowed[m.assets[k]] = m.borrowed[k]
            if state.multi_assets and state.owed(m.assets[k]) > 0:
                state.open_cross_pool()          # a debt needs margin without a position too
    if m.has_position:
        slot = state.slot(m.instrument, m.position.leg)
        if slot.position.margin_mode != m.position.margin_mode and slot.pool >= 0:
            state.detach(slot)
        slot.position = m.position
        state.leverage[m.instrument] = m.position.leverage
        state.isolated[m.instrument] = m.position.margin_mode
        slot.bids = m.bids
        slot.asks = m.asks
        slot.open_loss = m.open_loss
        slot.open_orders = m.open_orders
        state.refresh(slot)
        if slot.pool >= 0:
            state.refresh_wallet(state.pools[slot.pool])
    for k in range(2):
        if m.assets[k] >= 0:
            state.refresh_wallets(m.assets[k])
    return 0
