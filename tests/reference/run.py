"""A run of the reference model: every event in the order of ties, margin looked at after each of them.

Order inside an instant (design.md section 4): deleveraging, index, mark, funding, settlement, trade; then time limits
of liquidations, transfers that arrive, and what the trader asks for. Latency is zero.
"""

from collections import deque
from fractions import Fraction

from reference import courses, fund, liquidation
from reference.account import Account
from reference.fills import book
from reference.funding import pay
from reference.inputs import ATOM
from reference.ledger import OUTSIDE, Ledger
from reference.orders import Order
from reference.tape import Tape
from reference.verbs import Verbs

RANKS = {"adl": 0, "index": 1, "mark": 2, "funding": 3, "settlement": 4, "trade": 5}
DOUBT = Fraction(
    1, 10**9
)  # nearer to its border than this share of the amounts, a decision of floats may go either way


class Run:
    """Runs a scenario. `steps_of_price` and `steps_of_quantity` give the finest decimals of each contract's data."""

    def __init__(self, scenario, *, price_steps, quantity_steps):
        self.scenario = scenario
        self.contracts = scenario.contracts
        self.price_steps, self.quantity_steps = price_steps, quantity_steps
        self.now = min(event.time for event in scenario.events)
        self.ledger = Ledger()
        self.tapes = {contract.address: Tape(contract, self) for contract in self.contracts}
        self.marks, self.indexes = {}, {}
        self.accounts = {owner.name: Account(owner, self) for owner in scenario.owners}
        self.limited = {owner.venue for owner in scenario.owners if owner.fund is not None}
        self.verbs = Verbs(self)
        self.fills, self.steps, self.payments, self.calls, self.orders = [], [], [], [], []
        self.orphans, self.doubts = [], []
        for owner in scenario.owners:
            for asset, amount in owner.balances.items():
                self.ledger.post(self.now, owner.name, OUTSIDE, asset, "deposit", int(amount / ATOM))
            for asset, amount in (owner.fund or {}).items():
                self.ledger.post(
                    self.now, f"{owner.venue} insurance_fund", OUTSIDE, asset, "deposit", int(amount / ATOM)
                )

    # ------------------------------------------------------------------ doubt

    def unclear(self, why):
        """Note that the documents or the precision of floats leave the outcome open."""
        self.doubts.append(why)

    def doubt(self, one, other, scale):
        """Note a comparison that floats could decide otherwise; one of nothing with nothing they cannot."""
        if (one, other) != (0, 0) and abs(one - other) <= DOUBT * (abs(one) + abs(other)) + DOUBT * scale / 1000:
            self.unclear("a comparison within rounding")

    def doubt_near(self, one, other, scale):
        """Note one that comes near; what takes exactly all that there is must be decided right by floats too."""
        if one != other:
            self.doubt(one, other, scale)

    def doubt_step(self, value, *, also_on=False):
        """Note a rounding to whole steps that floats could do otherwise; `also_on`: when exactly on a border too."""
        near = abs(value - round(value))
        if near < DOUBT * 1000 and (near or also_on):
            self.unclear("a rounding within rounding")

    # ------------------------------------------------------------------ the clock

    def run(self):
        """Run to the last event and return self."""
        end = max(event.time for event in self.scenario.events)
        events = deque(sorted(self.scenario.events, key=lambda e: (e.time, RANKS[e.what], e.venue, e.symbol)))
        operations = deque(sorted(self.scenario.operations, key=lambda o: o.time))
        while True:
            times = [queue[0].time for queue in (events, operations) if queue]
            times += [transfer.due for transfer in self.verbs.moving] + self.deadlines()
            if not times or min(times) > end:
                return self
            self.now = min(times)
            while events and events[0].time == self.now:
                group = [events.popleft()]
                while group[0].what in ("index", "mark") and events and self.is_beside(group[0], events[0]):
                    group.append(events.popleft())
                self.happen(group)
            if any(due <= self.now for due in self.deadlines()):
                self.attend()
                self.forget_rounds()
            self.verbs.arrive()
            while operations and operations[0].time == self.now:
                self.verbs.carry_out(operations.popleft())
                self.attend()
            self.verbs.arrive()

    def is_beside(self, event, following):
        """Return whether prices of one instant come in together: a basket is not judged on half of its prices."""
        return following.time == event.time and following.what in ("index", "mark")

    def deadlines(self):
        """Return the times at which liquidations that are under way go on."""
        begun = [w for a in self.accounts.values() for w in a.watches.values() if w.has_begun]
        return [w.deadline for w in begun] + [w.next_round for w in begun if w.next_round]

    def forget_rounds(self):
        """Leave rounds that are due and wait for an order to that order."""
        for account in self.accounts.values():
            for watch in account.watches.values():
                if watch.next_round <= self.now:
                    watch.next_round = 0

    def happen(self, group):
        """Let an event (or the prices of one instant) happen, then look after the accounts."""
        for event in group:
            address = f"{event.symbol}@{event.venue}"
            getattr(self, event.what)(event, address)
        for account in self.accounts.values():
            self.look(account)
        self.attend()

    # ------------------------------------------------------------------ events

    def index(self, event, address):
        """Take an index price."""
        self.indexes[address] = event.price
        self.tapes[address].on_price("index", event.price)

    def mark(self, event, address):
        """Take a mark."""
        self.marks[address] = event.price
        self.tapes[address].on_price("mark", event.price)

    def trade(self, event, address):
        """Take a trade of the market."""
        self.tapes[address].on_trade(event.price, event.quantity, event.side)

    def funding(self, event, address):
        """Pay every position held before the trades of this instant, at the row's own mark or the latest price."""
        for account in self.accounts.values():
            own = self.indexes.get(address) if account.house.pays_funding_at == "index" else None
            mark = event.price or own or self.marks[address]
            for key in [key for key in account.positions if key[0] == address]:
                paid = pay(account, key, mark, event.rate)
                if paid is not None:
                    self.payments.append((self.now, account.name, address, key[1], paid[0], mark, paid[1]))

    def adl(self, event, address):
        """Reduce winning positions of accounts that take part by the recorded share, at the mark.

        No fee, and the counterparty's open orders are cancelled (binance.md section 5, ADL).
        """
        for account in self.accounts.values():
            for key, position in account.positions.items():
                if key[0] != address or not account.owner.adl or not position.quantity:
                    continue
                profit = position.unrealized(self.marks[address])
                self.doubt(profit, 0, position.contract.notional(position.quantity, self.marks[address]))
                if profit > 0:
                    step = self.quantity_steps[address]
                    quantity = abs(position.quantity) * event.rate // step * step
                    if quantity:
                        self.tapes[address].cancel_all(account)
                    self.force(account, key, quantity, self.marks[address], "adl")

    def settlement(self, event, address):
        """End a contract: orders are cancelled, every position is closed at the settlement price."""
        tape = self.tapes[address]
        tape.is_closed = True
        tape.cancel_all()
        self.marks[address] = event.price
        for account in self.accounts.values():
            for key, position in account.positions.items():
                if key[0] == address and position.quantity:
                    self.force(account, key, abs(position.quantity), event.price, "settlement")

    def force(self, account, key, quantity, price, why):
        """Close a part of a position without a market."""
        position = account.positions[key]
        if quantity:
            side = -1 if position.quantity > 0 else 1
            order = Order(0, account, position.contract, side, quantity, leg=key[1], forced=True)
            book(account, order, quantity, price, forced=why)

    # ------------------------------------------------------------------ looking after accounts

    def look(self, account):
        """Compare maintenance with equity in every pool of an account; note what begins there."""
        for name in account.pools():
            watch = account.watches[name]
            ratio = account.ratio(name)
            if watch.condition == "liquidating":
                continue
            watch.highest = max(watch.highest, float(ratio))
            if account.house.is_triggered(ratio):
                watch.condition = "liquidating"
                continue
            call = account.owner.margin_call
            if ratio:
                self.doubt(Fraction(ratio), call, 1)
            if (ratio >= call) != (watch.condition == "warned"):
                watch.condition = "warned" if ratio >= call else "normal"
                self.calls.append((self.now, account.name, name, watch.condition == "warned"))

    def attend(self):
        """Go on with liquidations and cancel orders that have nothing left to reduce, until nothing moves."""
        while True:
            before = len(self.ledger.postings), len(self.fills)
            self.doubt_order()
            for account in self.accounts.values():
                fund.cover_debts(account)
                courses.cancel_early(account)
                for name in account.pools():
                    if account.watches[name].condition == "liquidating":
                        liquidation.proceed(account, name)
            while self.orphans:
                account, contract = self.orphans.pop()
                tape = self.tapes[contract.address]
                for order in [o for o in tape.orders if o.account is account and o.is_reducing]:
                    if not account.reducible(order):
                        tape.end(order, "canceled", "POSITION_CLOSED")
            if before == (len(self.ledger.postings), len(self.fills)):
                return

    def doubt_order(self):
        """Note that several pools end in one instant: which of them meets a limited fund first no document says."""
        for venue in self.limited:
            watches = [w for a in self.accounts.values() if a.owner.venue == venue for w in a.watches.values()]
            if sum(watch.condition == "liquidating" for watch in watches) > 1:
                self.unclear("several liquidations before one limited fund")
