"""Multi-assets mode: a negative balance is covered by selling other assets, or stands as a debt; loans are asked for.

Binance (venues/binance.md section 6, B16): below a threshold of the asset (-5,000 USDT for a regular user), and at a
liquidation whatever the amount, assets of a value of deficit / haircut ratio are sold; the haircut is the price of it.
Bybit (venues/bybit.md sections 5 and 6): a debt stands, at interest, until a liquidation, which first repays so much of
it that maintenance is 85 % of equity (at the index, in the order of the run's assets: U). OKX (venues/okx.md section
4): a debt stands; it is repaid at the index (U) when all positions are gone.

A balance here is net of loans: a loan is posted as money that comes and as what is owed for it, which sum to zero; what
is owed, and costs interest, is the larger of the loan and of what the net balance lacks.
"""

from libc.math cimport ceil, fabs, floor
from libc.stdint cimport INT64_MAX
from libc.stdlib cimport calloc, free
from venues.account cimport Account
from venues.collateral cimport Haircut
from venues.ledger cimport COUNTERPARTIES, PostingContext
from venues.order_cost cimport auto_exchange_sale
from venues.orders cimport (
    IN_LIQUIDATION, INSUFFICIENT_BALANCE, INSUFFICIENT_MARGIN, MORE_THAN_BORROWED, NO_PRICE, NO_REASON,
)
from venues.outbox cimport STATE_ONLY
from venues.records cimport BORROW, CONVERSION, DEBT, REPAY
from venues.state cimport LIQUIDATING, AccountState, PoolState
from venues.tiers cimport TierTable, tier_at


cdef class AutoExchange:
    """Covers negative balances.

    Parameters
    ----------
    world : World
    ledger : Ledger
    thresholds : list of list of int or None
        Atoms (<= 0) of each asset, for each venue; None: the one of other assets.
    other_thresholds : list of float
        US dollars (<= 0), by venue.
    at_haircut : list of bool
        By venue: other assets are sold at the (first) share of their value that counts, else at their whole value.
    """

    def __cinit__(self, World world, Ledger ledger, *, list thresholds, list other_thresholds, list at_haircut):
        cdef int32_t i, j
        self.world = world
        self.ledger = ledger
        self.thresholds = <int64_t *> calloc(ledger.n_venues * ledger.n_assets + 1, sizeof(int64_t))
        self.other_thresholds = <double *> calloc(ledger.n_venues + 1, sizeof(double))
        self.at_haircut = <uint8_t *> calloc(ledger.n_venues + 1, sizeof(uint8_t))
        if self.thresholds == NULL or self.other_thresholds == NULL or self.at_haircut == NULL:
            raise MemoryError("auto-exchange: no memory")
        for i in range(ledger.n_venues):
            self.at_haircut[i] = at_haircut[i]
            self.other_thresholds[i] = other_thresholds[i]
            for j in range(ledger.n_assets):
                self.thresholds[i * ledger.n_assets + j] = INT64_MAX if thresholds[i][j] is None else thresholds[i][j]

    def __dealloc__(self):
        free(self.thresholds)
        free(self.other_thresholds)
        free(self.at_haircut)

    cdef bint is_due(self, int32_t account, int32_t asset) noexcept nogil:
        cdef int32_t venue = (<Account> self.accounts[account]).venue
        cdef int64_t balance = self.ledger.balance(account, asset)
        cdef int64_t own = self.thresholds[venue * self.ledger.n_assets + asset]
        if own != INT64_MAX or balance >= 0:
            return balance < own
        # an asset without a price cannot be told to be above it
        return not self.world.amount_value(asset, balance) * self.world.asset_usd[asset] >= self.other_thresholds[venue]

    cdef int64_t sellable(self, int32_t account, int32_t other) noexcept nogil:
        """Atoms of an asset that may be sold for a debt in another; 0 where it backs nothing or has no price."""
        if (not self.world.asset_usd[other] > 0.0
                or (<Account> self.accounts[account]).state.haircuts[other].ratios[0] <= 0.0):
            return 0
        return max(<int64_t> 0, (
            self.ledger.balance(account, other) - (<Account> self.accounts[account]).state.earmarked[other]
            - (<Account> self.accounts[account]).locked[other]))

    cdef int exchange(self, int32_t account, int32_t other, int32_t asset, int64_t sold, int64_t received,
                      int64_t time) except -1 nogil:
        cdef int32_t others = self.ledger.pseudo((<Account> self.accounts[account]).venue, COUNTERPARTIES)
        cdef PostingContext context
        context.time = time
        context.ref = 0
        context.instrument = -1
        context.strategy = -1
        context.tag = -1
        (<Account> self.accounts[account]).post(&context, others, other, CONVERSION, -sold, NULL)
        (<Account> self.accounts[account]).post(&context, others, asset, CONVERSION, received, NULL)
        (<Account> self.accounts[account]).message(STATE_ONLY, time, NULL, other)
        return 0

    cdef int cover(self, int32_t account, int32_t asset, int64_t time) except -1 nogil:
        """Sell other assets, in the order of the run's table, until the balance is zero or nothing is left to sell."""
        cdef int32_t other
        cdef int64_t deficit, have, sold, received
        cdef double ratio, value
        for other in range(self.ledger.n_assets):
            deficit = -self.ledger.balance(account, asset)
            if deficit <= 0:
                return 0
            have = self.sellable(account, other)
            if other == asset or have == 0:
                continue
            ratio = 1.0
            if self.at_haircut[(<Account> self.accounts[account]).venue]:
                ratio = (<Account> self.accounts[account]).state.haircuts[other].ratios[0]
            # Rounded against the account: what is sold up, what is received never above the deficit.
            value = auto_exchange_sale(self.world.amount_value(asset, deficit) * self.world.asset_usd[asset], ratio)
            sold = <int64_t> ceil(value / self.world.asset_usd[other] * self.world.atoms[other])
            received = deficit
            if sold > have:
                sold = have
                received = min(deficit, <int64_t> floor(
                    self.world.amount_value(other, sold) * self.world.asset_usd[other] * ratio
                    / self.world.asset_usd[asset] * self.world.atoms[asset]))
            self.exchange(account, other, asset, sold, received, time)
        (<Account> self.accounts[account]).message(STATE_ONLY, time, NULL, asset)
        return 0

    cdef double needed(self, int32_t account, const PoolState *pool, double target, int32_t asset,
                       int32_t other) noexcept nogil:
        """US dollars of an asset whose sale for a debt brings a pool to a ratio, as far as the rates of now hold."""
        # Each dollar that is sold counted at its ratio and repays a whole one, which asked for maintenance.
        cdef const Haircut *haircut = &(<Account> self.accounts[account]).state.haircuts[other]
        cdef const TierTable *loans = (<Account> self.accounts[account]).state.loans[asset]
        cdef double held = self.world.amount_value(other, self.ledger.balance(account, other))
        cdef double gain, short_of = pool.risk.maintenance - target * pool.risk.equity
        cdef int32_t row = haircut.count - 1
        while row > 0 and held <= haircut.floors[row]:
            row -= 1
        gain = target * (1.0 - haircut.ratios[row])
        if loans != NULL:
            gain += tier_at(loans, self.world.amount_value(
                asset, (<Account> self.accounts[account]).state.owed(asset))).maintenance_rate
        held = (held - haircut.floors[row]) * self.world.asset_usd[other]
        return min(held, short_of * (1.0 + 1e-9) / gain) if gain > 0.0 else held

    cdef int repay_to(self, int32_t account, PoolState *pool, double target, int64_t time) except -1 nogil:
        cdef int32_t asset, other
        cdef int64_t deficit, have, sold, received
        cdef double value
        if target <= 0.0:
            return self.cover_all(account, time, True)
        self.repay_all(account, time)
        for asset in range(self.ledger.n_assets):
            other = 0
            while other < self.ledger.n_assets:
                (<Account> self.accounts[account]).state.look(pool)
                deficit = -self.ledger.balance(account, asset)
                if deficit <= 0 or pool.risk.maintenance <= target * pool.risk.equity:
                    break
                have = self.sellable(account, other)
                if other == asset or have == 0:
                    other += 1
                    continue
                value = self.needed(account, pool, target, asset, other)
                sold = min(have, <int64_t> ceil(
                    value / self.world.asset_usd[other] * self.world.atoms[other]) + 1)
                received = <int64_t> floor(self.world.amount_value(other, sold) * self.world.asset_usd[other]
                                           / self.world.asset_usd[asset] * self.world.atoms[asset])
                if received > deficit:
                    received = deficit
                    sold = min(sold, <int64_t> ceil(
                        self.world.amount_value(asset, deficit) * self.world.asset_usd[asset]
                        / self.world.asset_usd[other] * self.world.atoms[other]))
                self.exchange(account, other, asset, sold, received, time)
                self.repay_all(account, time)
            (<Account> self.accounts[account]).message(STATE_ONLY, time, NULL, asset)
        (<Account> self.accounts[account]).state.look(pool)
        return 0

    cdef int cover_all(self, int32_t account, int64_t time, bint whatever) except -1 nogil:
        """Cover each negative balance that is below its threshold, or every one."""
        cdef int32_t asset
        for asset in range(self.ledger.n_assets):
            if self.ledger.balance(account, asset) < 0 and (whatever or self.is_due(account, asset)):
                self.cover(account, asset, time)
        if whatever:
            self.repay_all(account, time)
        return 0

    # ------------------------------------------------------------------ loans

    cdef int borrow(self, int32_t account, int32_t asset, int64_t atoms, int64_t time) except -1:
        """Pay a loan out: it adds to what is owed, and its margin must be there."""
        cdef double before, after
        cdef AccountState state = (<Account> self.accounts[account]).state
        cdef int32_t i
        if not self.world.asset_usd[asset] > 0.0:
            return NO_PRICE
        state.open_cross_pool()
        if state.pools[state.cross_pool[asset]].condition == LIQUIDATING:
            return IN_LIQUIDATION
        before = state.available(asset)
        state.borrowed[asset] += atoms
        state.refresh_wallets(asset)
        after = state.available(asset)
        state.borrowed[asset] -= atoms
        state.refresh_wallets(asset)
        if (<Account> self.accounts[account]).falls_short(asset, before, after, fabs(before - after)):
            return INSUFFICIENT_MARGIN
        self.lend(account, asset, atoms, time)
        for i in range(state.n_pools):
            (<Account> self.accounts[account]).examine(state.pools[i], time)
        return NO_REASON

    cdef int64_t repayable(self, int32_t account, int32_t asset) noexcept nogil:
        """Atoms of a loan that the balance, the loan included, can pay back."""
        cdef int64_t borrowed = (<Account> self.accounts[account]).state.borrowed[asset]
        return max(<int64_t> 0, min(borrowed, self.ledger.balance(account, asset) + borrowed
                                    - (<Account> self.accounts[account]).locked[asset]))

    cdef int repay(self, int32_t account, int32_t asset, int64_t atoms, int64_t time) except -1:
        """Pay a part of a loan back out of the balance of its asset."""
        cdef AccountState state = (<Account> self.accounts[account]).state
        cdef int32_t i
        if atoms > state.borrowed[asset] or state.borrowed[asset] == 0:
            return MORE_THAN_BORROWED
        if atoms > self.repayable(account, asset) or atoms == 0:
            return INSUFFICIENT_BALANCE
        self.lend(account, asset, -atoms, time)
        for i in range(state.n_pools):
            (<Account> self.accounts[account]).examine(state.pools[i], time)
        return NO_REASON

    cdef int repay_all(self, int32_t account, int64_t time) except -1 nogil:
        """Pay all loans back, as far as their balances go."""
        cdef int32_t asset
        cdef int64_t atoms
        for asset in range(self.ledger.n_assets):
            atoms = self.repayable(account, asset)
            if atoms > 0:
                self.lend(account, asset, -atoms, time)
        return 0

    cdef int lend(self, int32_t account, int32_t asset, int64_t atoms, int64_t time) except -1 nogil:
        """Post a loan (back: < 0) and what is owed for it."""
        cdef int32_t others = self.ledger.pseudo((<Account> self.accounts[account]).venue, COUNTERPARTIES)
        cdef PostingContext context
        context.time = time
        context.ref = 0
        context.instrument = -1
        context.strategy = -1
        context.tag = -1
        (<Account> self.accounts[account]).state.borrowed[asset] = (
            (<Account> self.accounts[account]).state.borrowed[asset] + atoms)
        (<Account> self.accounts[account]).post(&context, others, asset, BORROW if atoms > 0 else REPAY, atoms, NULL)
        (<Account> self.accounts[account]).post(&context, others, asset, DEBT, -atoms, NULL)
        (<Account> self.accounts[account]).message(STATE_ONLY, time, NULL, asset)
        return 0
