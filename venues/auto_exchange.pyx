"""Multi-assets mode: a negative balance is covered by selling other assets of the account at their haircut.

Binance (venues/binance.md section 6, B16): below a threshold of the asset (-5,000 USDT for a regular user), and at a
liquidation whatever the amount, assets of a value of deficit / haircut ratio are sold; the haircut is the price of it.
Bybit (venues/bybit.md sections 5 and 6): a debt stands, at interest, until a liquidation, which repays first (at the
index: U).
"""

from libc.math cimport ceil, floor, isnan
from libc.stdint cimport INT64_MAX
from libc.stdlib cimport calloc, free
from venues.account cimport Account
from venues.ledger cimport COUNTERPARTIES, PostingContext
from venues.order_cost cimport auto_exchange_sale
from venues.outbox cimport STATE_ONLY
from venues.records cimport CONVERSION


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

    cdef int cover(self, int32_t account, int32_t asset, int64_t time) except -1 nogil:
        """Sell other assets, in the order of the run's table, until the balance is zero or nothing is left to sell."""
        cdef int32_t other, others = self.ledger.pseudo((<Account> self.accounts[account]).venue, COUNTERPARTIES)
        cdef int64_t deficit, have, sold, received
        cdef double ratio, value
        cdef PostingContext context
        context.time = time
        context.ref = 0
        context.instrument = -1
        context.strategy = -1
        context.tag = -1
        for other in range(self.ledger.n_assets):
            deficit = -self.ledger.balance(account, asset)
            if deficit <= 0:
                return 0
            have = (self.ledger.balance(account, other) - (<Account> self.accounts[account]).state.earmarked[other]
                    - (<Account> self.accounts[account]).locked[other])
            ratio = (<Account> self.accounts[account]).state.haircuts[other].ratios[0]
            if ratio > 0.0 and not self.at_haircut[(<Account> self.accounts[account]).venue]:
                ratio = 1.0
            if other == asset or have <= 0 or ratio <= 0.0 or isnan(self.world.asset_usd[other]):
                continue
            # Rounded against the account: what is sold up, what is received never above the deficit.
            value = auto_exchange_sale(self.world.amount_value(asset, deficit) * self.world.asset_usd[asset], ratio)
            sold = <int64_t> ceil(value / self.world.asset_usd[other] * self.world.atoms[other])
            received = deficit
            if sold > have:
                sold = have
                received = min(deficit, <int64_t> floor(
                    self.world.amount_value(other, sold) * self.world.asset_usd[other] * ratio
                    / self.world.asset_usd[asset] * self.world.atoms[asset]))
            (<Account> self.accounts[account]).post(&context, others, other, CONVERSION, -sold, NULL)
            (<Account> self.accounts[account]).post(&context, others, asset, CONVERSION, received, NULL)
            (<Account> self.accounts[account]).message(STATE_ONLY, time, NULL, other)
        (<Account> self.accounts[account]).message(STATE_ONLY, time, NULL, asset)
        return 0

    cdef int cover_all(self, int32_t account, int64_t time, bint whatever) except -1 nogil:
        """Cover each negative balance that is below its threshold, or every one."""
        cdef int32_t asset
        for asset in range(self.ledger.n_assets):
            if self.ledger.balance(account, asset) < 0 and (whatever or self.is_due(account, asset)):
                self.cover(account, asset, time)
        return 0
