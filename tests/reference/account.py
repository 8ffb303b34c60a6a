"""One account: wallets, positions, pools of margin, and what its open orders hold."""

import math
from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction

from reference.houses import house_of
from reference.margin import Leg, Pool
from reference.position import Position
from reference.rounding import atoms, ceiling, money, toward_zero


@dataclass
class Watch:
    """What is known of a pool between two looks: normal, warned or liquidating, and the procedure's state."""

    condition: str = "normal"
    deadline: int = 0
    forced: object = None
    step: int = 0
    has_begun: bool = False
    has_stepped: bool = False
    next_round: int = 0
    waits_since: int = 0  # of a course in slices: the last fill, ...
    offered: bool = False  # ... whether this block's slice is offered ...
    closed: bool = False  # ... or closed, ...
    is_given: bool = False  # ... and whether others took the position
    highest: float = 0.0


class Account:
    """State of one owner at one venue."""

    def __init__(self, owner, run):
        self.owner = owner
        self.house = house_of(owner)
        self.name = owner.name
        self.run = run
        self.contracts = [c for c in run.contracts if c.venue == owner.venue]
        derivatives = [c for c in self.contracts if c.kind != "spot"]
        self.leverage = {c.address: owner.leverage for c in derivatives}
        self.isolated = {c.address: owner.isolated for c in derivatives}
        self.legs = (-1, 1) if owner.hedge else (0,)
        self.positions = {
            (c.address, leg): Position(c, keeps_average=self.house.keeps_average)
            for c in derivatives
            for leg in self.legs
        }
        self.wallets = defaultdict(int)  # atoms of isolated legs
        self.orders = []  # working ones
        self.watches = defaultdict(Watch)
        self.session_profit = 0  # atoms of the settle asset, until the settlement of the day
        self.accrued = defaultdict(int)  # quantity x ns since the last funding, where it accrues ...
        self.accrued_until = {}
        self.accrued_from = {}
        self.part_closed = -math.inf  # when a forced close last left a part of a position

    # ------------------------------------------------------------------ money

    def balance(self, asset):
        """Return all atoms of an asset, isolated wallets included."""
        return self.run.ledger.balances[self.name, asset]

    def cross(self, asset):
        """Return the atoms that are in no isolated wallet."""
        legs = [key for key in self.positions if self.positions[key].contract.settle == asset]
        return self.balance(asset) - sum(self.wallets[key] for key in legs)

    def post(self, contra, asset, kind, amount, leg=None):
        """Post atoms to this account; those of an isolated leg are its wallet's."""
        self.run.ledger.post(self.run.now, self.name, contra, asset, kind, amount)
        if self.house.has_sessions and kind in ("trade_profit", "funding"):
            self.session_profit += amount
        if leg is not None and self.isolated[leg[0]]:
            self.wallets[leg] += amount

    def accrue(self, key):
        """Count what a leg has held since it was last looked at, where funding runs with time."""
        now = self.run.now
        if self.house.accrues:
            self.accrued_from.setdefault(key, now)
            self.accrued[key] += self.positions[key].quantity * (now - self.accrued_until.get(key, now))
            self.accrued_until[key] = now

    # ------------------------------------------------------------------ pools

    def pool_of(self, key):
        """Return the pool of a leg: its own when isolated, else that of its settle asset."""
        return key if self.isolated[key[0]] else self.positions[key].contract.settle

    def pools(self):
        """Return every pool that a leg may be in."""
        return list(dict.fromkeys(self.pool_of(key) for key in self.positions))

    def members(self, pool):
        """Return the legs of a pool that hold something or have orders."""
        keys = [key for key in self.positions if self.pool_of(key) == pool]
        return [key for key in keys if self.positions[key].quantity or any(self.holding(key))]

    def holding(self, key):
        """Return what a leg's open orders hold: bids, asks and open loss."""
        mine = [o for o in self.orders if o.counted and (o.contract.address, o.leg) == key]
        bids = sum((o.held_value for o in mine if o.side > 0), Fraction(0))
        asks = sum((o.held_value for o in mine if o.side < 0), Fraction(0))
        return bids, asks, sum((o.held_loss for o in mine), Fraction(0))

    def leg(self, key):
        """Return a leg as it stands."""
        mark, leverage, isolated = self.run.marks[key[0]], self.leverage[key[0]], self.isolated[key[0]]
        held = self.holding(key)
        return Leg(self.positions[key], mark, self.house, leverage, key[1], *held, isolated)

    def pool(self, name):
        """Return the pool as it stands."""
        legs = [self.leg(key) for key in self.members(name)]
        return Pool(money(self.wallets[name] if isinstance(name, tuple) else self.cross(name)), legs)

    def available(self, asset):
        """Return what may back a new order: equity less initial margin less margin of orders, isolated ones' too."""
        cross = self.pool(asset)
        free = cross.equity - cross.initial - cross.orders
        alone = [p for p in self.pools() if isinstance(p, tuple) and self.positions[p].contract.settle == asset]
        return free - sum((self.pool(p).orders for p in alone), Fraction(0))

    def ratio(self, name):
        """Return maintenance / equity of a pool, infinite where nothing is left."""
        pool = self.pool(name)
        if pool.maintenance <= 0:
            return Fraction(0)
        self.run.doubt(pool.maintenance, pool.equity, pool.notional)
        return math.inf if pool.equity <= 0 else pool.maintenance / pool.equity

    # ------------------------------------------------------------------ orders

    def reducible(self, order):
        """Return how much of the position an order of this side may close."""
        held = self.positions[order.contract.address, order.leg].quantity
        return -held * order.side if held * order.side < 0 else Fraction(0)

    def price_for_margin(self, order, takes):
        """Return the price at which an order is margined (binance.md section 3, assuming price)."""
        last = self.run.tapes[order.contract.address].last
        if order.is_stop:
            return order.trigger
        if order.side > 0:
            return order.price or last * (1 + self.house.buy_markup)
        if order.kind == "market" or takes:
            return max(last * (1 + self.house.sell_markup), self.run.marks.get(order.contract.address, 0), order.price)
        return order.price

    def hold(self, order, takes):
        """Hold the margin of an order, or return why not."""
        order.margin_price = self.price_for_margin(order, takes)
        if order.contract.kind == "spot":
            return self.lock(order)
        if order.is_reducing:
            return ""
        contract, key = order.contract, (order.contract.address, order.leg)
        mark = self.run.marks[contract.address]
        before = self.available(contract.settle)
        order.held_value = contract.notional(order.rest, order.margin_price)
        gain = order.side * (mark - order.margin_price)
        if gain < 0 and self.house.loss_in != "none":
            order.held_loss = abs(order.held_value - contract.notional(order.rest, mark))
        order.counted = True
        self.orders.append(order)
        after = self.available(contract.settle)
        reason = ""
        if after < before:
            self.run.doubt_near(after, 0, contract.notional(order.rest, mark))
        if after < 0 and after < before:
            reason = "INSUFFICIENT_MARGIN"
        elif self.house.refuses_above_bracket and self.is_above_bracket(key, self.leverage[contract.address]):
            reason = "POSITION_LIMIT"
        if reason:
            self.release(order, order.rest)
        return reason

    def is_above_bracket(self, key, leverage):
        """Return whether position and orders together would outgrow what the leverage allows (binance.md section 3)."""
        leg = self.leg(key)
        here = leg.notional * (1 if leg.position.quantity >= 0 else -1)
        most = max(abs(here + leg.bids), abs(here - leg.asks))
        if most <= abs(here):
            return False
        for row in leg.contract.tiers:
            measure = self.house.measure(leg, most)
            self.run.doubt_near(measure, row.floor, measure)
        return self.house.leverage_allowed(leg, most) < leverage

    def release(self, order, quantity):
        """Free what is held for a part that fills or goes; the order's `filled` does not include it yet."""
        if order.counted:
            share = 1 - quantity / order.rest
            order.held_value *= share
            order.held_loss *= share
            if share == 0:
                order.counted = False
                self.orders.remove(order)

    # ------------------------------------------------------------------ spot

    def spot_need(self, order):
        """Return asset and atoms that the rest of a spot order needs."""
        if order.side < 0:
            return order.contract.base, atoms(order.rest * order.contract.size)
        return order.contract.quote, atoms(order.contract.notional(order.rest, order.margin_price))

    def lock(self, order):
        """Set the money of a spot order aside, or return why not."""
        step = self.run.price_steps[order.contract.address]
        order.margin_price = ceiling(order.margin_price / step) * step
        asset, need = self.spot_need(order)
        if need > self.balance(asset) - self.locked(asset):
            return "INSUFFICIENT_BALANCE"
        order.counted = True
        self.orders.append(order)
        return ""

    def affordable(self, order, price):
        """Return how much of the rest of a spot order the balance pays for at a price: the venue lends nothing."""
        if order.contract.kind != "spot" or order.side < 0:
            return order.rest
        own = self.spot_need(order)[1] if order.counted else 0
        asset, lot = order.contract.quote, order.contract.lot
        have = self.balance(asset) - self.locked(asset) + own
        lots = toward_zero(order.rest / lot)
        while lots and atoms(order.contract.notional(lots * lot, price)) > have:
            lots = min(lots - 1, max(0, toward_zero(money(have + 1) / order.contract.notional(lot, price))))
        return lots * lot

    def locked(self, asset):
        """Return the atoms behind open spot orders."""
        needs = [self.spot_need(o) for o in self.orders if o.counted and o.contract.kind == "spot"]
        return sum(need for held, need in needs if held == asset)
