"""Balances, positions and pools of one account, as one clock knows them: one for the venue, one for the local view."""

from libc.math cimport INFINITY
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memmove
from venues.collateral cimport Haircut, counted, haircut_of
from venues.contract cimport SPOT, Contract, reserved_fee
from venues.coins cimport Coin, loan_initial, loan_maintenance
from venues.leg_margin cimport leg_initial
from venues.margin cimport Leg, leg_unrealized, nearest_liquidation, order_margin
from venues.position cimport entry_value
from venues.tiers cimport TierBox


cdef class AccountState:
    """One account.

    Parameters
    ----------
    world : World
        Contracts and prices on this account's clock.
    engine : MarginEngine
    multi_assets : bool
        All assets back all positions, at collateral ratios, in US dollars; otherwise each settle asset is its own pool.
    hedge : bool
        A long and a short leg of a contract stand side by side.
    discounts_profit : bool
        Multi-assets mode: an asset counts at the ratio of its balance and the profit in it together.
    """

    def __cinit__(
        self, World world, MarginEngine engine, *, bint multi_assets=False, bint hedge=False,
        bint discounts_profit=False
    ):
        cdef int32_t i, n = world.n_instruments
        self.world = world
        self.engine = engine
        self.multi_assets = multi_assets
        self.hedge = hedge
        self.discounts_profit = discounts_profit
        self.loan_boxes = []
        self.borrowed = <int64_t *> calloc(world.n_assets + 1, sizeof(int64_t))
        self.loans = <const TierTable **> calloc(world.n_assets + 1, sizeof(TierTable *))
        self.balances = <int64_t *> calloc(world.n_assets + 1, sizeof(int64_t))
        self.earmarked = <int64_t *> calloc(world.n_assets + 1, sizeof(int64_t))
        self.session_profit = <int64_t *> calloc(world.n_assets + 1, sizeof(int64_t))
        self.haircuts = <Haircut *> calloc(world.n_assets + 1, sizeof(Haircut))
        self.cross_pool = <int32_t *> calloc(world.n_assets + 1, sizeof(int32_t))
        self.slot_of = <int32_t *> calloc(3 * n + 1, sizeof(int32_t))
        self.leverage = <double *> calloc(n + 1, sizeof(double))
        self.taker_fees = <int64_t *> calloc(n + 1, sizeof(int64_t))
        self.isolated = <uint8_t *> calloc(n + 1, sizeof(uint8_t))
        if (self.taker_fees == NULL or self.session_profit == NULL or self.balances == NULL or self.earmarked == NULL
                or self.haircuts == NULL or self.cross_pool == NULL or self.borrowed == NULL or self.loans == NULL
                or self.slot_of == NULL or self.leverage == NULL or self.isolated == NULL):
            raise MemoryError("account: no memory")
        for i in range(3 * n):
            self.slot_of[i] = -1
        for i in range(n):
            self.leverage[i] = 1.0
        for i in range(world.n_assets):
            self.cross_pool[i] = -1

    def __dealloc__(self):
        cdef int32_t i
        for i in range(self.n_slots):
            free(self.slots[i])
        for i in range(self.n_pools):
            free(self.pools[i].pool.legs)
            free(self.pools[i].pool.coins)
            free(self.pools[i].bands)
            free(self.pools[i].slots)
            free(self.pools[i].spent)
            free(self.pools[i].after)
            free(self.pools[i])
        free(self.slots)
        free(self.pools)
        free(self.balances)
        free(self.earmarked)
        free(self.session_profit)
        free(self.haircuts)
        free(self.borrowed)
        free(self.loans)
        free(self.cross_pool)
        free(self.slot_of)
        free(self.leverage)
        free(self.taker_fees)
        free(self.isolated)

    def configure(self, int instrument, double leverage, bint isolated):
        """Set margin leverage and mode of a contract before the run."""
        if not 0 <= instrument < self.world.n_instruments:
            raise IndexError(f"instrument {instrument} of {self.world.n_instruments}")
        self.leverage[instrument] = leverage
        self.isolated[instrument] = isolated

    def set_collateral(self, int asset, brackets):
        """Set the shares, rows of (floor, ratio) by quantity, at which an asset counts in multi-assets mode."""
        if not 0 <= asset < self.world.n_assets:
            raise IndexError(f"asset {asset} of {self.world.n_assets}")
        self.haircuts[asset] = haircut_of(brackets)

    def set_loans(self, int asset, TierBox tiers not None):
        """Set the tiers, in quantity of an asset, at which what is owed of it asks for margin."""
        if not 0 <= asset < self.world.n_assets:
            raise IndexError(f"asset {asset} of {self.world.n_assets}")
        self.loan_boxes.append(tiers)
        self.loans[asset] = &tiers.table

    def value_assets(self):
        """Value what all assets together are worth anew: their ratios have changed."""
        cdef int32_t i
        for i in range(self.world.n_assets):
            self.refresh_wallets(i)

    def keep_sessions(self):
        """Hold realised profit back until the venue's daily settlement."""
        self.has_sessions = True

    def ratios(self):
        """Return (settle asset, instrument of an isolated leg, highest ratio, smallest distance) of each pool."""
        return [(self.pools[i].asset,
                 -1 if self.pools[i].isolated < 0 else self.slots[self.pools[i].isolated].position.instrument,
                 self.pools[i].max_ratio, self.pools[i].min_distance) for i in range(self.n_pools)]

    cdef Slot *find(self, int32_t instrument, int8_t leg) noexcept nogil:
        cdef int32_t where = self.slot_of[3 * instrument + leg + 1]
        return NULL if where < 0 else self.slots[where]

    cdef Slot *slot(self, int32_t instrument, int8_t leg) except NULL nogil:
        cdef Slot *slot = self.find(instrument, leg)
        cdef Slot **grown
        if slot != NULL:
            return slot
        grown = <Slot **> realloc(self.slots, (self.n_slots + 1) * sizeof(Slot *))
        if grown != NULL:
            self.slots = grown
        slot = <Slot *> calloc(1, sizeof(Slot))
        if grown == NULL or slot == NULL:
            with gil:
                raise MemoryError("account: no memory for a position")
        slot.position.instrument = instrument
        slot.position.leg = leg
        slot.position.leverage = self.leverage[instrument]
        slot.position.margin_mode = self.isolated[instrument]
        slot.pool = -1
        slot.leg = -1
        self.slots[self.n_slots] = slot
        self.slot_of[3 * instrument + leg + 1] = self.n_slots
        self.n_slots += 1
        return slot

    cdef PoolState *new_pool(self, int32_t asset, int32_t isolated) except NULL nogil:
        cdef PoolState **grown = <PoolState **> realloc(self.pools, (self.n_pools + 1) * sizeof(PoolState *))
        cdef PoolState *pool = <PoolState *> calloc(1, sizeof(PoolState))
        if grown != NULL:
            self.pools = grown
        if grown == NULL or pool == NULL:
            with gil:
                raise MemoryError("account: no memory for a margin pool")
        pool.asset = asset
        pool.isolated = isolated
        pool.alone = -1
        pool.pool.isolated = isolated >= 0
        pool.min_distance = INFINITY
        pool.stale = 1
        if asset < 0 and self.discounts_profit:
            pool.pool.coins = <Coin *> calloc(self.world.n_assets + 1, sizeof(Coin))
            if pool.pool.coins == NULL:
                free(pool)
                with gil:
                    raise MemoryError("account: no memory for the assets of a margin pool")
            pool.pool.coin_count = self.world.n_assets
        self.pools[self.n_pools] = pool
        self.n_pools += 1
        return pool

    cdef PoolState *pool_of(self, Slot *slot) except NULL nogil:
        cdef int32_t i, asset, own
        cdef PoolState *pool
        if slot.pool >= 0:
            return self.pools[slot.pool]
        if slot.position.margin_mode == 1:
            own = self.slot_of[3 * slot.position.instrument + slot.position.leg + 1]
            for i in range(self.n_pools):
                if self.pools[i].isolated == own:
                    return self.pools[i]
            pool = self.new_pool(self.world.contracts[slot.position.instrument].settle, own)
        else:
            asset = self.world.contracts[slot.position.instrument].settle
            if self.multi_assets:
                self.open_cross_pool()
            if self.cross_pool[asset] >= 0:
                return self.pools[self.cross_pool[asset]]
            pool = self.new_pool(asset, -1)
            self.cross_pool[asset] = self.n_pools - 1
        self.refresh_wallet(pool)
        return pool

    cdef int open_cross_pool(self) except -1 nogil:
        cdef int32_t i
        if self.cross_pool[0] >= 0:
            return 0
        self.new_pool(-1, -1)
        for i in range(self.world.n_assets):
            self.cross_pool[i] = self.n_pools - 1
        self.refresh_wallet(self.pools[self.n_pools - 1])
        return 0

    cdef int attach(self, Slot *slot) except -1 nogil:
        """Put the leg of a position into its pool, in the fixed order of instruments and legs."""
        cdef PoolState *pool = self.pool_of(slot)
        cdef int32_t n = pool.pool.count, at, i, number = 0
        cdef int32_t own = self.slot_of[3 * slot.position.instrument + slot.position.leg + 1]
        cdef void *legs
        cdef void *bands
        cdef void *slots
        cdef void *spent
        cdef void *after
        cdef Slot *other
        if n == pool.capacity:
            at = max(4, 2 * n)
            legs = realloc(pool.pool.legs, at * sizeof(Leg))
            bands = realloc(pool.bands, at * sizeof(Band))
            slots = realloc(pool.slots, at * sizeof(int32_t))
            spent = realloc(pool.spent, at * sizeof(double))
            after = realloc(pool.after, 2 * at * sizeof(double))
            if legs != NULL:
                pool.pool.legs = <Leg *> legs
            if bands != NULL:
                pool.bands = <Band *> bands
            if slots != NULL:
                pool.slots = <int32_t *> slots
            if spent != NULL:
                pool.spent = <double *> spent
            if after != NULL:
                pool.after = <double *> after
            if legs == NULL or bands == NULL or slots == NULL or spent == NULL or after == NULL:
                with gil:
                    raise MemoryError("account: no memory for a leg")
            pool.capacity = at
        at = n
        while at > 0:
            other = self.slots[pool.slots[at - 1]]
            if (other.position.instrument < slot.position.instrument
                    or (other.position.instrument == slot.position.instrument
                        and other.position.leg < slot.position.leg)):
                break
            at -= 1
        memmove(&pool.pool.legs[at + 1], &pool.pool.legs[at], (n - at) * sizeof(Leg))
        memmove(&pool.slots[at + 1], &pool.slots[at], (n - at) * sizeof(int32_t))
        pool.slots[at] = own
        pool.pool.count = n + 1
        for i in range(self.n_pools):
            if self.pools[i] == pool:
                number = i
        slot.pool = number
        for i in range(at, n + 1):
            self.slots[pool.slots[i]].leg = i
        pool.pool.legs[at].contract = self.world.contracts[slot.position.instrument]
        pool.alone = slot.position.instrument if pool.pool.legs[at].contract.is_alone else -1
        pool.pool.legs[at].side = slot.position.leg
        pool.pool.legs[at].conversion = 1.0
        pool.pool.legs[at].coin = self.world.contracts[slot.position.instrument].settle
        pool.pool.legs[at].at_index = 1.0
        pool.pool.legs[at].mark = self.world.prices[slot.position.instrument].mark_value
        pool.stale |= 1
        return 0

    cdef void detach(self, Slot *slot) noexcept nogil:
        cdef PoolState *pool = self.pools[slot.pool]
        cdef int32_t at = slot.leg, n = pool.pool.count, i
        memmove(&pool.pool.legs[at], &pool.pool.legs[at + 1], (n - at - 1) * sizeof(Leg))
        memmove(&pool.slots[at], &pool.slots[at + 1], (n - at - 1) * sizeof(int32_t))
        pool.pool.count = n - 1
        for i in range(at, n - 1):
            self.slots[pool.slots[i]].leg = i
        slot.pool = -1
        slot.leg = -1
        pool.stale |= 1

    cdef int refresh(self, Slot *slot) except -1 nogil:
        cdef PoolState *pool
        cdef Leg *leg
        cdef const Contract *c = self.world.contracts[slot.position.instrument]
        if c.kind == SPOT:
            return 0
        if slot.position.quantity == 0 and slot.open_orders == 0:
            if slot.pool >= 0:
                self.detach(slot)
            return 0
        if slot.pool < 0:
            self.attach(slot)
        pool = self.pools[slot.pool]
        leg = &pool.pool.legs[slot.leg]
        leg.quantity = self.world.quantity_value(slot.position.instrument, slot.position.quantity)
        leg.entry_value = entry_value(&slot.position, c)
        leg.leverage = slot.position.leverage
        leg.bids = slot.bids
        leg.asks = slot.asks
        leg.open_loss = slot.open_loss
        pool.stale |= 1
        return 0

    cdef void refresh_wallet(self, PoolState *pool) noexcept nogil:
        cdef int32_t i
        cdef double debt, sum = 0.0
        if pool.isolated >= 0:
            pool.pool.wallet = self.world.amount_value(pool.asset, self.slots[pool.isolated].position.isolated_wallet)
        elif pool.asset >= 0:
            pool.pool.wallet = self.world.amount_value(
                pool.asset, self.balances[pool.asset] - self.earmarked[pool.asset])
        elif self.discounts_profit:
            for i in range(self.world.n_assets):
                pool.pool.coins[i].balance = self.world.amount_value(i, self.balances[i])
                pool.pool.coins[i].borrowed = self.world.amount_value(i, self.borrowed[i])
                pool.pool.coins[i].price = self.world.asset_usd[i]
                pool.pool.coins[i].haircut = &self.haircuts[i]
                pool.pool.coins[i].loans = self.loans[i]
        else:
            pool.pool.debt_initial = 0.0
            pool.pool.debt_maintenance = 0.0
            for i in range(self.world.n_assets):
                if self.balances[i] != 0:
                    sum += (counted(&self.haircuts[i], self.world.amount_value(i, self.balances[i]))
                            * self.world.asset_usd[i])
                if self.owed(i) > 0 and self.loans[i] != NULL:
                    debt = self.world.amount_value(i, self.owed(i))
                    pool.pool.debt_initial += loan_initial(self.loans[i], debt) * self.world.asset_usd[i]
                    pool.pool.debt_maintenance += loan_maintenance(self.loans[i], debt) * self.world.asset_usd[i]
            pool.pool.wallet = sum
        pool.stale |= 1

    cdef int64_t owed(self, int32_t asset) noexcept nogil:
        return max(self.borrowed[asset], -self.balances[asset])

    cdef int refresh_wallets(self, int32_t asset) except -1 nogil:
        cdef int32_t i
        for i in range(self.n_pools):
            if self.pools[i].asset == asset or self.pools[i].asset < 0:
                self.refresh_wallet(self.pools[i])
        return 0

    cdef void refresh_marks(self, PoolState *pool) noexcept nogil:
        cdef int32_t i
        cdef double index
        cdef Leg *leg
        for i in range(pool.pool.count):
            leg = &pool.pool.legs[i]
            leg.mark = self.world.prices[leg.contract.index].mark_value
            leg.close_fee = reserved_fee(leg.contract, self.taker_fees[leg.contract.index])
            if leg.contract.margin_at_index:
                index = self.world.prices[leg.contract.index].index_value
                leg.at_index = index / leg.mark if index > 0.0 and leg.mark > 0.0 else 1.0
            if pool.asset < 0:
                leg.conversion = self.world.asset_usd[leg.contract.settle]

    cdef void look(self, PoolState *pool) noexcept nogil:
        self.refresh_marks(pool)
        self.engine.risk(&pool.pool, &pool.risk)
        pool.stale |= 1

    cdef void arm(self, PoolState *pool, double threshold) noexcept nogil:
        cdef int32_t i
        pool.threshold = threshold
        pool.slack = self.engine.slack(&pool.pool, &pool.risk, threshold, pool.bands)
        pool.total_spent = 0.0
        for i in range(pool.pool.count):
            pool.spent[i] = 0.0
        pool.stale = pool.slack <= 0.0

    cdef bint mark_moved(self, Slot *slot, double mark) noexcept nogil:
        cdef PoolState *pool
        cdef Band *band
        cdef double reference, spent
        if slot.pool < 0:
            return False
        pool = self.pools[slot.pool]
        if pool.stale:
            return True
        band = &pool.bands[slot.leg]
        if mark <= band.low or mark >= band.high:
            return True
        # legs[].mark is the price of the last look; it moves only with look().
        reference = pool.pool.legs[slot.leg].mark
        if mark < reference:
            spent = band.slope_down * (reference - mark)
        else:
            spent = band.slope_up * (mark - reference)
        pool.total_spent += spent - pool.spent[slot.leg]
        pool.spent[slot.leg] = spent
        return pool.total_spent >= pool.slack

    cdef double ratio(self, const PoolState *pool) noexcept nogil:
        if pool.risk.maintenance <= 0.0:
            return 0.0
        if pool.risk.equity <= 0.0:
            return INFINITY
        return pool.risk.maintenance / pool.risk.equity

    cdef double available(self, int32_t asset) noexcept nogil:
        cdef int32_t i, cross = self.cross_pool[asset]
        cdef double out
        cdef PoolState *pool
        if cross >= 0:
            pool = self.pools[cross]
            self.look(pool)
            out = pool.risk.equity - pool.risk.initial - pool.risk.orders
        else:
            out = self.world.amount_value(asset, self.balances[asset] - self.earmarked[asset])
        for i in range(self.n_pools):
            pool = self.pools[i]
            if pool.isolated >= 0 and pool.asset == asset:
                # Orders of an isolated contract are backed by the cross wallet until they fill.
                self.look(pool)
                out -= pool.risk.orders
        return out

    cdef double own_available(self, int32_t asset) noexcept nogil:
        cdef double out = self.world.amount_value(asset, self.balances[asset])
        cdef const PoolState *pool
        cdef int32_t i
        if self.cross_pool[asset] < 0:
            return out
        pool = self.pools[self.cross_pool[asset]]
        for i in range(pool.pool.count):
            if pool.pool.legs[i].contract.settle == asset:
                out += leg_unrealized(&pool.pool.legs[i]) - leg_initial(&pool.pool, &pool.pool.legs[i])
                out -= order_margin(&pool.pool.legs[i]) + pool.pool.legs[i].open_loss
        return out

    cdef double distance(self, PoolState *pool) noexcept nogil:
        return nearest_liquidation(&pool.pool, pool.after)

    cdef double unrealized(self, const PoolState *pool, int32_t settle) noexcept nogil:
        cdef int32_t i
        cdef Leg leg
        cdef double sum = 0.0
        for i in range(pool.pool.count):
            leg = pool.pool.legs[i]
            if leg.contract.settle != settle:
                continue
            leg.mark = self.world.prices[leg.contract.index].mark_value
            sum += leg_unrealized(&leg)
        return sum
