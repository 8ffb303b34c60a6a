"""Which orders a tape of trades fills, when and at what price: the trades-only model of `venues/matching.pyx`.

A market order fills whole at the next trade, its price moved by the slippage and rounded to the tick away from it.
A limit that the touch reaches at arrival does the same, bounded by its limit. A resting limit fills at its limit when a
trade goes through it, or when a trade at its price has a rest after the queue ahead; all share a trade, oldest first.
A taker that would meet a resting limit of its own account, at a price through it or at it with no queue ahead, ends, or
that one does, as the venue has it.
"""

from fractions import Fraction

from reference.fills import book
from reference.rounding import ceiling, floor


class Tape:
    """Market of one contract: the latest trade and the working orders, oldest first."""

    def __init__(self, contract, run):
        self.contract = contract
        self.run = run
        self.orders = []
        self.last = Fraction(0)
        self.last_time = 0
        self.side = 0
        self.is_closed = False
        self.level = None  # the present unbroken run of trades at one price, its volume ...
        self.volume = 0
        self.average = 0.0  # ... and the moving average of such volumes, in units: an estimate, hence a float

    # ------------------------------------------------------------------ arrivals

    def is_reached(self, order):
        """Return whether the touch that the last trade shows reaches a limit."""
        if order.side > 0:
            return order.price >= self.last + (0 if self.side >= 0 else self.contract.tick)
        return order.price <= self.last - (0 if self.side <= 0 else self.contract.tick)

    def add(self, order):
        """Take an order in, or refuse what may not rest or may not take."""
        if order.kind == "limit":
            order.takes = self.is_reached(order)
            order.queue = int(self.average)
            if order.takes and order.post_only:
                return self.end(order, "rejected", "WOULD_TAKE")
            if not order.takes and order.tif != "GTC":
                return self.end(order, "expired", "NOT_FILLABLE")
        order.status = "working"
        self.orders.append(order)
        if order.forced and order.account.owner.at_mark:
            self.take(order, self.run.marks[self.contract.address])
        return None

    def end(self, order, status, reason):
        """Finish an order that fills no more."""
        if order in self.orders:
            self.orders.remove(order)
        order.account.release(order, order.rest)
        order.status, order.reason = status, reason

    def cancel_all(self, account=None):
        """Cancel what the venue cancels: all orders, or an account's own ones."""
        for order in list(self.orders):
            if account is None or (order.account is account and not order.forced):
                self.end(order, "canceled", "BY_VENUE")

    # ------------------------------------------------------------------ fills

    def moved(self, price, order):
        """Return a price moved against the taker by the slippage, on the tick away from it."""
        slippage, tick = order.account.owner.slippage, self.contract.tick
        if slippage == 0:
            return price
        ticks = price * (1 + order.side * slippage) / tick
        return (ceiling(ticks) if order.side > 0 else max(1, floor(ticks))) * tick

    def cut(self, order):
        """Bound an order that only reduces by the position; returns whether anything is left to do."""
        if not order.is_reducing and not order.forced:
            return True
        most = order.account.reducible(order)
        if order.whole:
            order.quantity = order.filled + most
        if most == 0:
            self.end(order, "canceled", "POSITION_CLOSED")
            return False
        if order.rest > most:
            order.quantity = order.filled + most
        return True

    def fill(self, order, quantity, price, is_maker):
        """Book a fill; a full one ends the order."""
        if quantity == order.rest:
            self.orders.remove(order)
            order.status = "filled"
        book(order.account, order, quantity, price, is_maker=is_maker, forced="liquidation" if order.forced else "own")

    def take(self, order, price):
        """Fill the whole rest of an order as a taker, unless the price has left its limit."""
        if self.stops_at_own(order, price) or not self.cut(order):
            return
        moved = self.moved(price, order)
        if order.price:
            if order.side * (price - order.price) > 0:
                if order.tif != "GTC":
                    self.end(order, "expired", "NOT_FILLABLE")
                order.takes, order.queue = False, 0
                return
            if order.side * (moved - order.price) > 0:
                moved = order.price
        quantity = order.rest if order.price else order.account.affordable(order, moved)
        if quantity:
            self.fill(order, quantity, moved, False)
        if order.status == "working":
            self.end(order, "canceled", "INSUFFICIENT_BALANCE")

    def stops_at_own(self, order, price):
        """End what the venue ends of a taker and the own orders that it would meet; returns whether it is the taker."""
        rule = order.account.house.self_trade
        if rule == "allow" or order.forced:
            return False
        for other in [o for o in self.orders if o.account is order.account and o.side == -order.side]:
            beyond = order.side * (price - other.price)
            if other.kind != "limit" or other.takes or beyond < 0 or (beyond == 0 and other.queue > 0):
                continue
            if rule == "taker":
                self.end(order, "canceled", "SELF_TRADE")
                return True
            self.end(other, "canceled", "SELF_TRADE")
        return False

    def on_trade(self, price, quantity, side):
        """Meet a trade."""
        units = quantity / self.run.quantity_steps[self.contract.address]
        if price == self.level:
            self.volume += units
        else:
            self.average += 0.05 * (float(self.volume) - self.average)
            self.level, self.volume = price, units
        self.last, self.side, self.last_time = price, side, self.run.now
        left = quantity
        for order in list(self.orders):
            if order.status != "working":
                continue
            if order.kind == "market" or order.takes:
                self.take(order, price)
            elif order.kind == "limit":
                left = self.rest_meets(order, price, left)
            elif order.is_woken("last", price):
                order.takes = True

    def rest_meets(self, order, price, left):
        """Let a resting limit meet a trade of which `left` is still to be had; returns what remains for the next."""
        step = self.run.quantity_steps[self.contract.address]
        ahead = Fraction(0)
        if order.side * (order.price - price) < 0:
            return left
        if order.price == price:
            ahead = min(order.queue * step, left)
            order.queue -= int(ahead / step)
            if order.queue > 0:
                return left
        if left <= ahead or not self.cut(order):
            return left
        quantity = min(floor((left - ahead) / self.contract.lot) * self.contract.lot, order.rest)
        if quantity > 0:
            self.fill(order, quantity, order.price, True)
        return left - quantity

    def on_price(self, source, price):
        """Wake stops by a mark or an index; they fill at the next trade."""
        for order in self.orders:
            if order.is_woken(source, price):
                order.takes = True
