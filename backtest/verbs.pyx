"""Requests other than orders, carried out when they arrive at the venue: settings, margin, transfers, conversion."""

from libc.math cimport floor, isnan
from libc.stdint cimport int32_t, int64_t
from backtest.agenda cimport TRANSFER_ARRIVES
from backtest.context cimport Context
from backtest.sizing cimport withdrawable_atoms
from venues.account cimport Account
from venues.failure cimport VenueFailures
from venues.ledger cimport COUNTERPARTIES, VENUE_FEES, PostingContext
from venues.matching cimport Market
from venues.orders cimport (
    BELOW_MINIMUM, BY_USER, INSUFFICIENT_BALANCE, LIMIT, NO_PRICE, NO_REASON, SENT, VENUE_UNAVAILABLE, WORKING, Order,
)
from venues.outbox cimport STATE_ONLY, TRANSFERRED, Message
from venues.records cimport CONVERSION, DEPOSIT, FEE, TRANSFER, WITHDRAWAL, TransferRow
from venues.venue cimport Exchange

from venues.orders import REASONS

cdef enum:
    SENT_OFF = 0
    ARRIVED = 1
    REFUSED = 2


cdef class Verbs:
    """Carries out requests on the venue's clock.

    Parameters
    ----------
    exchange : Exchange
    context : Context
    delays : callable
        (source venue, target venue) -> ns that a transfer takes.
    fees, minimums : mapping of str to float
        By asset.
    start_balances : list of dict
        Of each account: asset row -> atoms; what a refill pays in.
    suspended : callable
        (venue id, ns) -> whether transfers are suspended there.
    failures : VenueFailures
    gated : list of bool
        By account: its venue lets no money out while an account of the collateral pool is below zero.
    """

    cdef Exchange exchange
    cdef Context context
    cdef object delays
    cdef dict fees
    cdef dict minimums
    cdef list start_balances
    cdef list moving                     # (id, source, target, receive asset, atoms to receive)
    cdef readonly list refusals          # (ns, text)
    cdef object suspended                # callable: (venue id, ns) -> bool
    cdef VenueFailures failures
    cdef list gated

    def __init__(self, Exchange exchange, Context context, *, delays, dict fees, dict minimums,
                 list start_balances, suspended, VenueFailures failures, list gated):
        self.exchange = exchange
        self.context = context
        self.delays = delays
        self.fees = fees
        self.minimums = minimums
        self.start_balances = start_balances
        self.suspended = suspended
        self.failures = failures
        self.gated = gated
        self.moving = []
        self.refusals = []

    def open_books(self):
        """Let the local view know what was paid in before the run, at once."""
        cdef Py_ssize_t i
        for i in range(self.exchange.outbox.count):
            self.context.apply(&self.exchange.outbox.items[i])
        self.exchange.outbox.count = 0

    def execute(self, bint arrival, int64_t number, int64_t time):
        """Carry out request `number`, or bring in transfer `number`."""
        if arrival:
            self.transfer_in(self.moving[number], time)
            return
        verb = self.context.verbs[number]
        what, account = verb[0], verb[2]
        if self.is_closed(account, what, time):
            self.answer(verb, VENUE_UNAVAILABLE, time)
            return
        if what == "leverage":
            self.answer(verb, self.leverage(account, verb[3], verb[4], time), time)
        elif what == "margin_mode":
            self.answer(verb, self.margin_mode(account, verb[3], verb[4], time), time)
        elif what == "margin":
            self.answer(verb, self.margin(account, verb[3], verb[4], verb[5], time), time)
        elif what == "amend":
            self.answer(verb, self.amend(verb[3], verb[4], verb[5], time), time)
        elif what == "transfer":
            self.transfer_out(verb[3], verb[4], verb[5], account, verb[6], verb[7], time)
        elif what == "convert":
            self.answer(verb, self.convert(account, verb[3], verb[4], verb[5], time), time)
        elif what == "borrow" or what == "repay":
            self.loan(verb, time)
        elif what == "deposit":
            self.pay_in(account, verb[3], self.atoms(verb[3], verb[4]), time)
        elif what == "withdraw":
            self.answer(verb, self.withdraw(account, verb[3], verb[4], time), time)

    cdef bint is_closed(self, int number, what, int64_t time) except -1:
        """Whether a venue takes no such request now; money from outside reaches an account during an outage too."""
        cdef int32_t venue = (<Account> self.exchange.account_list[number]).venue
        if what == "transfer":
            return False                 # it answers in its own table
        return self.has_failed(number) or (what != "deposit" and self.exchange.outage_until[venue] > time)

    cdef bint has_failed(self, int number) except -1:
        return self.failures.has_failed((<Account> self.exchange.account_list[number]).venue)

    cdef bint is_gated(self, int number) except -1:
        return self.gated[number] and self.exchange.is_gated(number)

    def answer(self, verb, int reason, int64_t time, allowed=""):
        """Note a refusal: the strategy's log and the run's warnings carry it."""
        if reason != NO_REASON:
            text = f"{verb[len(verb) - 1]} at {self.context.accounts[verb[2]]} refused: {REASONS[reason]}"
            self.refusals.append((time, verb[1], text + (f", {allowed}" if allowed else "")))

    cdef int64_t atoms(self, int32_t asset, double amount) except? -1:
        return <int64_t> floor(amount * self.exchange.world.atoms[asset] * (1.0 + 1e-15) + 1e-9)

    # ------------------------------------------------------------------ settings

    cdef int leverage(self, int number, int32_t instrument, double leverage, int64_t time) except -1:
        cdef Account account = self.exchange.account_list[number]
        cdef int reason
        reason = account.set_leverage(instrument, leverage, time)
        self.tell_setting(account, instrument, time)
        return reason

    cdef int margin_mode(self, int number, int32_t instrument, bint isolated, int64_t time) except -1:
        cdef Account account = self.exchange.account_list[number]
        cdef int reason = account.set_isolated(instrument, isolated)
        self.tell_setting(account, instrument, time)
        return reason

    cdef int tell_setting(self, Account account, int32_t instrument, int64_t time) except -1:
        cdef int leg
        for leg in range(-1, 2):
            if account.state.hedge == (leg == 0):
                continue
            account.message(STATE_ONLY, time, account.state.slot(instrument, leg), -1)
        return 0

    cdef int margin(self, int number, int32_t instrument, int leg, double amount, int64_t time) except -1:
        cdef Account account = self.exchange.account_list[number]
        cdef int64_t atoms = self.atoms(account.world.contracts[instrument].settle, abs(amount))
        return account.move_margin(instrument, leg, atoms if amount >= 0.0 else -atoms, time)

    cdef int amend(self, int64_t id, int64_t price, int64_t quantity, int64_t time) except -1:
        """Change price or quantity of a resting limit order: it is taken out, judged anew, and put at the end."""
        cdef Order *order = self.exchange.store.by_id(id)
        cdef Account account
        cdef Market market
        cdef int reason
        cdef int64_t old_price, old_quantity
        if order == NULL or order.status != WORKING or order.type != LIMIT:
            return NO_REASON             # over before this arrived: its own message says so
        account = self.exchange.account_list[order.account]
        market = self.exchange.market_list[order.instrument]
        if order.held:                   # an exit that waits for its entry, whose size it follows
            order.price = price
            account.order_changed(order, time)
            return NO_REASON
        if (price == order.price and order.filled < quantity <= order.quantity
                and self.exchange.keeps_place[self.exchange.venue_of[order.instrument]]):
            account.release(order, order.quantity - quantity)
            order.quantity = quantity
            account.order_changed(order, time)
            return NO_REASON
        old_price = order.price
        old_quantity = order.quantity
        market.unlink(order)
        account.release(order, order.quantity - order.filled)
        if quantity <= order.filled:
            market.add(order, time)
            market.cancel(order, BY_USER, time)
            return NO_REASON
        order.price = price
        order.quantity = quantity
        order.status = SENT
        reason = self.exchange.validate(order, time)
        if reason == NO_REASON:
            reason = account.try_hold(order, market.reaches(order, time))
        if reason != NO_REASON:
            order.price = old_price
            order.quantity = old_quantity
            account.try_hold(order, market.reaches(order, time))
        market.add(order, time)
        return reason

    # ------------------------------------------------------------------ money

    cdef PostingContext posting(self, int64_t time, int64_t ref):
        cdef PostingContext context
        context.time = time
        context.ref = ref
        context.instrument = -1
        context.strategy = -1
        context.tag = -1
        return context

    def pay_in(self, int number, int asset, int64_t atoms, int64_t time):
        """Pay atoms into an account from outside the run."""
        cdef Account account = self.exchange.account_list[number]
        cdef PostingContext context = self.posting(time, 0)
        cdef int32_t i
        account.post(&context, self.exchange.ledger.outside, asset, DEPOSIT, atoms, NULL)
        account.message(STATE_ONLY, time, NULL, asset)
        for i in range(account.state.n_pools):
            account.examine(account.state.pools[i], time)

    def refill(self, int number, int64_t time):
        """Pay the starting balances in again after ruin, unless the venue is no more."""
        if self.has_failed(number):
            return
        for asset, atoms in self.start_balances[number].items():
            self.pay_in(number, asset, atoms, time)

    cdef int64_t withdrawable(self, Account account, int32_t asset) except? -1:
        return withdrawable_atoms(account.state, asset, account.locked[asset])

    cdef int withdraw(self, int number, int32_t asset, object amount, int64_t time) except -1:
        cdef Account account = self.exchange.account_list[number]
        cdef int64_t most = self.withdrawable(account, asset)
        cdef int64_t atoms = most if amount == "all" else self.atoms(asset, float(amount))
        cdef PostingContext context = self.posting(time, 0)
        if atoms > most or atoms <= 0:
            return INSUFFICIENT_BALANCE
        if self.is_gated(number):
            return VENUE_UNAVAILABLE
        account.post(&context, self.exchange.ledger.outside, asset, WITHDRAWAL, -atoms, NULL)
        account.message(STATE_ONLY, time, NULL, asset)
        self.examine_all(account, time)
        return NO_REASON

    cdef int examine_all(self, Account account, int64_t time) except -1:
        cdef int32_t i
        for i in range(account.state.n_pools):
            account.examine(account.state.pools[i], time)
        return 0

    cdef int64_t exchanged(self, int account, int32_t sell, int32_t buy, int64_t atoms) except? -1:
        """Atoms of `buy` for atoms of `sell`: at the index less the account's slippage; -1 without both prices."""
        cdef double one = 1.0 if sell == self.context.reporting else self.exchange.world.asset_prices[sell]
        cdef double other = 1.0 if buy == self.context.reporting else self.exchange.world.asset_prices[buy]
        if sell == buy:
            return atoms
        if isnan(one) or isnan(other) or other <= 0.0:
            return -1
        one *= 1.0 - self.context.slippage[account]
        return <int64_t> floor(atoms / self.exchange.world.atoms[sell] * one / other * self.exchange.world.atoms[buy])

    cdef int convert(self, int number, int32_t sell, int32_t buy, object amount, int64_t time) except -1:
        cdef Account account = self.exchange.account_list[number]
        cdef int64_t most = self.withdrawable(account, sell)
        cdef int64_t atoms = most if amount == "all" else self.atoms(sell, float(amount))
        cdef int64_t received
        cdef PostingContext context = self.posting(time, 0)
        cdef int32_t others = self.exchange.ledger.pseudo(account.venue, COUNTERPARTIES)
        if atoms > most or atoms <= 0:
            return INSUFFICIENT_BALANCE
        received = self.exchanged(number, sell, buy, atoms)
        if received < 0:
            return NO_PRICE
        account.post(&context, others, sell, CONVERSION, -atoms, NULL)
        account.post(&context, others, buy, CONVERSION, received, NULL)
        account.message(STATE_ONLY, time, NULL, sell)
        account.message(STATE_ONLY, time, NULL, buy)
        self.examine_all(account, time)
        return NO_REASON

    def loan(self, verb, int64_t time):
        """Pay a loan out, or back; a refusal says how much there is."""
        cdef int number = verb[2], reason
        cdef int32_t asset = verb[3]
        cdef Account account = self.exchange.account_list[number]
        cdef int64_t most = self.exchange.auto_exchange.repayable(number, asset)
        amount, name = verb[4], self.context.assets[asset]
        if verb[0] == "borrow":
            reason = self.exchange.auto_exchange.borrow(number, asset, self.atoms(asset, float(amount)), time)
            self.answer(verb, reason, time)
        else:
            reason = self.exchange.auto_exchange.repay(
                number, asset, most if amount == "all" else self.atoms(asset, float(amount)), time)
            borrowed = self.exchange.world.amount_value(asset, account.state.borrowed[asset])
            held = self.exchange.world.amount_value(asset, most)
            self.answer(verb, reason, time, f"{borrowed:.8g} {name} borrowed, {held:.8g} of it can be paid back")
        if self.exchange.world.attention:
            self.exchange.attend(time)

    # ------------------------------------------------------------------ transfers

    def transfer_out(self, int64_t id, int asset, object amount, int source, int target, int receive, int64_t time):
        """Take the money out of the source and put it on its way, or refuse."""
        cdef Account account = self.exchange.account_list[source]
        cdef int64_t most = self.withdrawable(account, asset), fee = 0, atoms, received = 0
        cdef int32_t transit = self.exchange.ledger.in_transit
        cdef PostingContext context = self.posting(time, id)
        cdef int reason = NO_REASON
        name = self.context.assets[asset]
        venues = self.context.account_venues[source], self.context.account_venues[target]
        if venues[0] != venues[1]:
            fee = self.atoms(asset, float(self.fees.get(name, 0.0)))
        atoms = most if amount == "all" else self.atoms(asset, float(amount))
        if (self.exchange.outage_until[account.venue] > time or self.has_failed(target)
                or self.suspended(venues[0], time) or self.suspended(venues[1], time) or self.is_gated(source)):
            reason = VENUE_UNAVAILABLE
        elif atoms > most or atoms <= fee:
            reason = INSUFFICIENT_BALANCE
        elif venues[0] != venues[1] and atoms < self.atoms(asset, float(self.minimums.get(name, 0.0))):
            reason = BELOW_MINIMUM
        else:
            received = self.exchanged(source, asset, receive, atoms - fee)
            if received < 0:
                reason = NO_PRICE
        if reason != NO_REASON:
            self.row(account, id, asset, receive, atoms, 0, 0, source, target, REFUSED, reason, time)
            return
        account.post(&context, transit, asset, TRANSFER, fee - atoms, NULL)
        if fee > 0:
            account.post(&context, self.exchange.ledger.pseudo(account.venue, VENUE_FEES), asset, FEE, -fee, NULL)
        if receive != asset:
            self.exchange.ledger.post(
                &context, transit, self.exchange.ledger.pseudo(account.venue, COUNTERPARTIES), asset,
                CONVERSION, fee - atoms)
            self.exchange.ledger.post(
                &context, transit, self.exchange.ledger.pseudo(account.venue, COUNTERPARTIES), receive,
                CONVERSION, received)
        self.examine_all(account, time)
        self.row(account, id, asset, receive, atoms, received, fee, source, target, SENT_OFF, NO_REASON, time)
        self.moving.append((id, source, target, receive, received))
        self.context.venue_agenda.push(time + <int64_t> self.delays(*venues), TRANSFER_ARRIVES, len(self.moving) - 1)

    def transfer_in(self, moving, int64_t time):
        """Money in transit reaches its target; a failed venue keeps the share that it keeps of everything."""
        cdef int64_t id = moving[0], atoms = moving[4], kept = atoms
        cdef int32_t asset = moving[3]
        cdef Account account = self.exchange.account_list[moving[2]]
        cdef PostingContext context = self.posting(time, id)
        account.post(&context, self.exchange.ledger.in_transit, asset, TRANSFER, atoms, NULL)
        if self.has_failed(moving[2]):
            kept = self.failures.write_off(moving[2], asset, atoms, time)
        self.examine_all(account, time)
        self.row(account, id, asset, asset, atoms, kept, 0, moving[1], moving[2], ARRIVED, NO_REASON, time)

    cdef int row(self, Account account, int64_t id, int32_t asset, int32_t receive, int64_t atoms, int64_t received,
                 int64_t fee, int32_t source, int32_t target, int status, int reason, int64_t time) except -1:
        cdef TransferRow *row = <TransferRow *> self.exchange.journal.transfers.append()
        cdef Message *m
        row.time = time
        row.id = id
        row.amount = atoms
        row.received = received
        row.fee = fee
        row.source = source
        row.target = target
        row.asset = asset
        row.receive_asset = receive
        row.status = status
        row.reason = reason
        m = account.message(TRANSFERRED, time, NULL, asset)
        m.row = self.exchange.journal.transfers.rows - 1
        return 0
