"""The state that a strategy sees: positions, accounts, funding, as delivered so far."""

from libc.math cimport INFINITY, NAN, fabs, isnan
from libc.stdint cimport int8_t, int32_t, int64_t
from backtest.context cimport Context
from backtest.sizing cimport free_amount, withdrawable_atoms
from venues.contract cimport INVERSE, QUANTO, SPOT, Contract
from venues.margin cimport Leg, leg_notional, leg_unrealized, liquidation_price
from venues.position cimport entry_price
from venues.state cimport AccountState, PoolState, Slot

HOUR_NS = 3_600_000_000_000
YEAR_HOURS = 8760.0


cdef double own_distance(AccountState state, int32_t instrument, int leg) noexcept nogil:
    """Between the mark and the liquidation price of a position, as a fraction of the mark; infinite without one."""
    cdef Slot *slot = state.find(instrument, <int8_t> leg)
    cdef PoolState *pool
    cdef double level
    if slot == NULL or slot.position.quantity == 0:
        return INFINITY
    pool = state.pools[slot.pool]
    state.look(pool)
    if pool.pool.legs[slot.leg].mark <= 0.0:
        return INFINITY
    level = liquidation_price(&pool.pool, slot.leg)
    if level <= 0.0:
        return INFINITY
    return fabs(pool.pool.legs[slot.leg].mark - level) / pool.pool.legs[slot.leg].mark


cdef class PositionView:
    """A position when it was asked for: it does not change afterwards. True unless the quantity is zero.

    Attributes
    ----------
    quantity : float
        Signed, in the instrument's unit: coins (linear, spot) or contracts (inverse).
    delta : float
        Signed, in base coin.
    notional : float
        Signed worth at the mark, in the settle asset (spot: at the last price, in quote).
    leverage : float
        Notional over the equity of the account, signed.
    entry_price, last_entry_price : float or None
        Average, and of the latest fill that made the position larger; None without a position.
    entries : int
        Fills that made the position larger since it was opened.
    unrealized_pnl, funding : float
        Settle asset; funding received since the position was opened, negative when paid.
    liquidation_price : float or None
        Mark at which its margin pool is liquidated when nothing else moves.
    distance : float
        Between the mark and that price, as a fraction of the mark; infinite without one.
    stop_price : float or None
        Trigger of the resident stop.
    margin_leverage : float
        The venue's setting, which caps the leverage and is not the leverage.
    margin_mode : str
        ``cross | isolated``.
    """

    cdef readonly double quantity
    cdef readonly double delta
    cdef readonly double notional
    cdef readonly double leverage
    cdef readonly object entry_price
    cdef readonly object last_entry_price
    cdef readonly int entries
    cdef readonly double unrealized_pnl
    cdef readonly double funding
    cdef readonly object liquidation_price
    cdef readonly double distance
    cdef readonly object stop_price
    cdef readonly double margin_leverage
    cdef readonly str margin_mode

    def __init__(self, Context context, int account, int instrument, int leg, stop_price):
        cdef AccountState state = context.state(account)
        cdef const Contract *c = context.world.contracts[instrument]
        cdef Slot *slot = state.find(instrument, leg)
        cdef PoolState *pool
        cdef Leg *own
        cdef double equity, level
        self.distance = INFINITY
        self.stop_price = stop_price
        self.margin_mode = "isolated" if state.isolated[instrument] else "cross"
        self.margin_leverage = state.leverage[instrument]
        if c.kind == SPOT:
            self.quantity = context.world.amount_value(c.base, state.balances[c.base])
            self.delta = self.quantity
            self.notional = self.quantity * context.price(instrument)
            equity = context.equity(account)
            self.leverage = self.notional * context.asset_value(c.quote) / equity if equity > 0.0 else NAN
            return
        if slot == NULL or slot.position.quantity == 0:
            return
        pool = state.pools[slot.pool]
        state.look(pool)
        own = &pool.pool.legs[slot.leg]
        self.quantity = own.quantity
        self.entry_price = entry_price(&slot.position, c)
        self.last_entry_price = context.world.price_value(instrument, slot.position.last_entry_price)
        self.entries = slot.position.entries
        self.funding = context.world.amount_value(c.settle, slot.position.funding)
        if own.mark <= 0.0:
            return
        self.notional = leg_notional(own) if own.quantity > 0.0 else -leg_notional(own)
        self.delta = self.notional if c.kind == INVERSE else own.quantity * c.multiplier * quanto_coins(context, c)
        self.unrealized_pnl = leg_unrealized(own)
        equity = context.equity(account)
        self.leverage = self.notional * context.asset_value(c.settle) / equity if equity > 0.0 else NAN
        level = liquidation_price(&pool.pool, slot.leg)
        if level > 0.0:
            self.liquidation_price = level
            self.distance = own_distance(state, instrument, leg)

    def __bool__(self):
        return self.quantity != 0.0

    def __repr__(self):
        return (f"Position(quantity={self.quantity:g}, entry_price={self.entry_price}, "
                f"unrealized_pnl={self.unrealized_pnl:g}, "
                f"liquidation_price={self.liquidation_price}, distance={self.distance:.4g})")


cdef class AccountView:
    """An account, read when its attributes are.

    Attributes
    ----------
    name : str
        As in results: the venue, ``venue/account`` unless the account is called main.
    asset : str
        The asset it settles in.
    number : int
    """

    cdef Context context
    cdef readonly int number
    cdef readonly str name
    cdef readonly str asset

    def __init__(self, Context context, int number):
        self.context = context
        self.number = number
        self.name = context.accounts[number]
        self.asset = context.account_assets[number]

    @property
    def equity(self):
        """Equity in the reporting currency."""
        return self.context.equity(self.number)

    def equity_in(self, asset):
        """Return the equity in an asset, at the index."""
        value = self.context.asset_value(self._asset(asset))
        return self.context.equity(self.number) / value

    def _asset(self, asset):
        if asset not in self.context.assets:
            from backtest.errors import OrderError
            raise OrderError(f"asset {asset!r} is unknown; the run has {', '.join(self.context.assets)}")
        return self.context.assets.index(asset)

    def balance(self, asset):
        """Return the wallet balance of an asset."""
        i = self._asset(asset)
        return self.context.world.amount_value(i, self.context.state(self.number).balances[i])

    def owed(self, asset):
        """Return what is owed of an asset and costs interest: loans, or what its balance lacks if that is more."""
        i = self._asset(asset)
        return max(0.0, self.context.world.amount_value(i, self.context.state(self.number).owed(i)))

    def free(self, asset):
        """Return what may back a new order in an asset, >= 0: spot balance not locked, or available margin."""
        cdef int32_t i = self._asset(asset)
        return max(0.0, free_amount(self.context.state(self.number), i, self.context.locked[self.number][i]))

    def withdrawable(self, asset):
        """Return what may leave the account, >= 0: free, without unrealised profit."""
        cdef int32_t i = self._asset(asset)
        return self.context.world.amount_value(
            i, withdrawable_atoms(self.context.state(self.number), i, self.context.locked[self.number][i]))

    @property
    def margin_ratio(self):
        """Largest ratio of maintenance to equity of its pools."""
        return account_ratio(self.context.state(self.number))

    @property
    def maintenance(self):
        """Sum of maintenance margins, in the reporting currency."""
        cdef AccountState state = self.context.state(self.number)
        cdef double sum = 0.0
        cdef int i
        for i in range(state.n_pools):
            state.look(state.pools[i])
            sum += state.pools[i].risk.maintenance * self.context.pool_value(state.pools[i])
        return sum

    def __repr__(self):
        return f"Account({self.name!r}, equity={self.equity:.2f})"


cdef double account_ratio(AccountState state) noexcept:
    cdef int i
    cdef double worst = 0.0
    for i in range(state.n_pools):
        state.look(state.pools[i])
        worst = max(worst, state.ratio(state.pools[i]))
    return worst


cdef class FundingInfo:
    """Funding of a perpetual as delivered so far. Rates per interval; annual ones are rate x intervals a year.

    Attributes
    ----------
    last_rate, last_annual : float or None
        The latest settled rate; None before the first.
    interval_hours : float
    next_time : int or None
        Next funding time, ns.
    """

    cdef readonly object last_rate
    cdef readonly double interval_hours
    cdef readonly object next_time
    cdef readonly object last_annual
    cdef Context context
    cdef int instrument
    cdef object prediction               # a rate, or None
    cdef object source

    def __init__(self, Context context, int instrument):
        cdef double divisor = context.infos[instrument].rate_divisor
        self.context = context
        self.instrument = instrument
        f = &context.funding[instrument]
        self.interval_hours = f.interval / 3600.0 if f.interval else 8.0
        if f.last_ts:
            self.last_rate = f.rate / divisor
            self.next_time = f.last_ts + <int64_t> (self.interval_hours * HOUR_NS)
            while self.next_time <= context.now:
                self.next_time += <int64_t> (self.interval_hours * HOUR_NS)
            self.last_annual = self.last_rate * YEAR_HOURS / self.interval_hours
        if f.predicted_ts and f.predicted_ts >= f.last_ts:
            self.prediction = f.predicted / divisor
            self.source = "announced rate" if f.is_announced else "predicted row"
        elif not isnan(f.estimate):
            self.prediction = f.estimate
            self.source = "premium so far"

    cdef int asked(self) except -1:
        """What is asked for in vain during a whole run is told at its end."""
        if self.prediction is not None or self.instrument not in self.context.predictions:
            self.context.predictions[self.instrument] = self.prediction is not None
        return 0

    @property
    def predicted_rate(self):
        """Rate expected at the next funding time; None without data for it."""
        self.asked()
        return self.prediction

    @property
    def predicted_source(self):
        """What the prediction comes from; None without one."""
        self.asked()
        return self.source

    @property
    def predicted_annual(self):
        """Return the predicted rate x intervals a year; None without one."""
        self.asked()
        return None if self.prediction is None else self.prediction * YEAR_HOURS / self.interval_hours


cdef double quanto_coins(Context context, const Contract *c) except? -1.0:
    """Base coins that move as one settle coin a point does, for a quanto contract; 1 for others."""
    if c.kind != QUANTO:
        return 1.0
    return context.asset_value(c.settle) / context.asset_value(c.quote)


def equity_of(Context context):
    """Return the equity of all accounts and of money in transit, in the reporting currency."""
    cdef int i
    cdef double sum = 0.0
    for i in range(len(context.accounts)):
        sum += context.equity(i)
    for asset, atoms in context.transit.values():
        sum += context.world.amount_value(asset, atoms) * context.asset_value(asset)
    return sum


def ratio_of(Context context):
    """Return the largest ratio of maintenance to equity over all accounts."""
    return max((account_ratio(state) for state in context.states), default=0.0)


def delta_of(Context context, int asset):
    """Return what is held of an asset: balances, money in transit, contracts."""
    cdef AccountState state
    cdef const Contract *c
    cdef Slot *slot
    cdef double sum = 0.0, q
    cdef int i
    for state in context.states:
        sum += context.world.amount_value(asset, state.balances[asset])
        for i in range(state.n_slots):
            slot = state.slots[i]
            c = context.world.contracts[slot.position.instrument]
            if slot.position.quantity == 0 or c.base != asset:
                continue
            q = context.world.quantity_value(slot.position.instrument, slot.position.quantity)
            if c.kind == INVERSE:
                if context.price(slot.position.instrument) > 0.0:
                    sum += q * c.multiplier / context.price(slot.position.instrument)
            else:
                sum += q * c.multiplier * quanto_coins(context, c)
        # Unrealised profit of inverse contracts is coin too.
        for i in range(state.n_pools):
            if state.pools[i].asset == asset or state.pools[i].asset < 0:
                sum += state.unrealized(state.pools[i], asset)
    for held, atoms in context.transit.values():
        if held == asset:
            sum += context.world.amount_value(asset, atoms)
    return sum
