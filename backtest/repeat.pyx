"""A strategy that asks again for what was asked for in another run.

Orders have the size, price and moment that they had there, whatever has become of the account. One rule keeps them the
same trades: an order goes out as it was where the position is what it was then, as far as each run's strategy has been
told; elsewhere (a forced close, an entry that was refused) it may only reduce. Once both are flat they are together
again.
"""

from backtest.agenda cimport ORDER_EXPIRES, TIMER
from backtest.script cimport A_CANCEL, AN_ORDER, Line, Script
from backtest.strategy cimport Strategy
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from venues.contract cimport SPOT
from venues.orders cimport REDUCE_ONLY, Order
from venues.state cimport AccountState, Slot


cdef class Repeat(Strategy):
    """The requests of a script, made again at their moments.

    Parameters
    ----------
    script : Script
        Closed.
    shares : list of float
        By account: what deposits, withdrawals, margin added and transfers between accounts other than these with 1 are
        multiplied with.
    settings : callable
        (account, instrument, leverage that was asked for) -> leverage to ask for.
    """

    def __cinit__(self, *args, **kwargs):
        self.ids = NULL

    def __init__(self, Script script, *, list shares, settings):
        Strategy.__init__(self)
        self.script = script
        self.shares = shares
        self.settings = settings
        self.ids = <int64_t *> calloc(script.last_id + 1, sizeof(int64_t))
        if self.ids == NULL:
            raise MemoryError("repeat: no memory")

    def __dealloc__(self):
        free(self.ids)

    def on_start(self):
        """Ask for what was asked for before the first event."""
        self.context.tags.update(self.script.tags)
        if self.script.n_lines > 0 and self.script.lines[0].round == 0:
            self.ask_round()
        if self.next < self.script.n_lines:
            self.timer = self.context.add_timer(self.number, self.script.lines[self.next].time, 0, "next request")

    cdef int _on_timer(self, int64_t timer) except -1 nogil:
        return 0                         # the loop calls `play` when all of the round has been heard

    cdef int play(self, int64_t time) except -1 nogil:
        """Ask for what was asked for in one round of deliveries up to a time."""
        if self.next == self.script.n_lines or self.script.lines[self.next].time > time:
            return 0
        self.ask_round()
        if self.next < self.script.n_lines:
            # Another round of this instant comes after the venue's answers to this one.
            self.context.local_agenda.push(max(time, self.script.lines[self.next].time), TIMER, self.timer)
        return 0

    cdef int ask_round(self) except -1 nogil:
        """Ask for what was asked for in the next round."""
        cdef Line *line
        cdef int64_t round = self.script.lines[self.next].round
        while self.next < self.script.n_lines and self.script.lines[self.next].round == round:
            line = &self.script.lines[self.next]
            self.next += 1
            if line.what == AN_ORDER:
                self.send_again(line)
            elif line.what == A_CANCEL:
                self.cancel_again(line.ref)
            else:
                with gil:
                    self.ask_again(line.ref)
        return 0

    cdef int send_again(self, const Line *line) except -1 nogil:
        cdef const Order *then = &self.script.orders[line.ref]
        cdef Slot *slot = (<AccountState> self.context.state_rows[then.account]).find(then.instrument, then.leg)
        cdef int flags = then.flags
        cdef Order *order
        if then.parent != 0:
            order = self.context.attach(
                self.context.store.by_id(self.ids[then.parent]), then.sent_type, then.price, then.trigger,
                then.trigger_source)
            order.requested_price = then.requested_price
            self.ids[then.id] = order.id
            return 0
        if (self.context.world.contracts[then.instrument].kind != SPOT and not flags & REDUCE_ONLY
                and (0 if slot == NULL else slot.position.quantity) != line.held):
            flags |= REDUCE_ONLY
            self.changed += 1
        order = self.context.send(
            self.number, then.account, then.instrument, then.side, then.quantity, then.sent_type, then.price,
            then.trigger, then.trail, flags, then.tif, then.leg, then.tag, then.requested_quantity)
        order.trigger_source = then.trigger_source
        order.trail_rate = then.trail_rate
        order.activation = then.activation
        order.requested_price = then.requested_price
        order.decision_price = then.decision_price   # the market was the same
        order.reason = then.reason
        order.shown = then.shown
        order.visible = then.shown
        self.ids[then.id] = order.id
        if then.group != 0:
            order.group = self.ids[then.group]
        if then.expires != 0:
            order.expires = then.expires
            self.context.venue_agenda.push(then.expires, ORDER_EXPIRES, order.id)
        return 0

    cdef int cancel_again(self, int64_t id) except -1 nogil:
        cdef Order *order = self.context.store.by_id(self.ids[id])
        if order != NULL:
            self.context.send_cancel(order)
        return 0

    cdef int ask_again(self, int64_t number) except -1:
        cdef tuple verb = self.script.verbs[number]
        what, account, given = verb[0], verb[2], list(verb[3:])
        share = self.shares[account]
        if what == "amend":
            given[0] = self.ids[given[0]]
        elif what == "leverage":
            given[1] = self.settings(account, given[0], given[1])
        elif what == "margin":
            given[2] *= share
        elif what == "transfer":
            self.context.next_transfer = given[0]
            # What spot accounts send and receive paid for the trades or came out of them.
            given[2] = part(given[2], share if self.shares[given[3]] != 1.0 else 1.0)
        elif what == "convert":
            given[2] = part(given[2], share)
        elif what == "deposit" or what == "withdraw":
            given[1] = part(given[1], share)
        return self.context.add_verb(account, (what, self.number, account, *given))


def part(amount, double share):
    """Return a share of an amount; ``"all"`` stays so."""
    return amount if share == 1.0 or amount == "all" else float(amount) * share
