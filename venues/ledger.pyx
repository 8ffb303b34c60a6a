"""The only code that changes a balance. Every posting has two sides: the sum over accounts is zero in each asset."""

from libc.math cimport NAN
from libc.stdlib cimport calloc, free
from venues.records cimport DEPOSIT, PostingKind, PostingRow, RecordBlocks

cdef extern from *:
    bint __builtin_add_overflow(int64_t a, int64_t b, int64_t *out) noexcept nogil


cdef class Ledger:
    """Balances of all accounts in atoms, and the postings that made them.

    Parameters
    ----------
    n_users, n_venues, n_assets : int
        Numbers of users' accounts, venues and assets. Behind the users' accounts stand four pseudo accounts per
        venue (fees, insurance fund, counterparties, population) and three of the run (in transit, outside, unfunded
        losses).
    own_funds : sequence of bool
        Of each instrument: it has an insurance fund of its own. Those stand last.
    """

    def __cinit__(self, int n_users, int n_venues, int n_assets, own_funds=()):
        cdef int i
        self.n_users = n_users
        self.n_venues = n_venues
        self.n_assets = n_assets
        self.in_transit = n_users + n_venues * PSEUDO_PER_VENUE
        self.outside = self.in_transit + 1
        self.unfunded = self.in_transit + 2
        self.n_accounts = self.in_transit + 3
        self.n_instruments = len(own_funds)
        self.own_funds = <int32_t *> calloc(self.n_instruments + 1, sizeof(int32_t))
        if self.own_funds == NULL:
            raise MemoryError("ledger: no memory for the insurance funds")
        for i in range(self.n_instruments):
            self.own_funds[i] = self.n_accounts if own_funds[i] else -1
            self.n_accounts += 1 if own_funds[i] else 0
        self.balances = <int64_t *> calloc(self.n_accounts * n_assets + 1, sizeof(int64_t))
        self.asset_prices = <double *> calloc(n_assets + 1, sizeof(double))
        if self.balances == NULL or self.asset_prices == NULL:
            raise MemoryError("ledger: no memory for the balances")
        for i in range(n_assets):
            self.asset_prices[i] = NAN
        self.postings = RecordBlocks("postings")

    def __dealloc__(self):
        free(self.own_funds)
        free(self.balances)
        free(self.asset_prices)

    cdef int32_t pseudo(self, int32_t venue, PseudoAccount which) noexcept nogil:
        return self.n_users + venue * PSEUDO_PER_VENUE + <int32_t> which

    cdef int32_t fund(self, int32_t venue, int32_t instrument) noexcept nogil:
        if 0 <= instrument < self.n_instruments and self.own_funds[instrument] >= 0:
            return self.own_funds[instrument]
        return self.pseudo(venue, INSURANCE_FUND_ACCOUNT)

    cdef int64_t balance(self, int32_t account, int32_t asset) noexcept nogil:
        return self.balances[account * self.n_assets + asset]

    cdef int post(self, const PostingContext *context, int32_t account, int32_t contra, int32_t asset,
                  PostingKind kind, int64_t amount) except -1 nogil:
        cdef int64_t *own = &self.balances[account * self.n_assets + asset]
        cdef int64_t *other = &self.balances[contra * self.n_assets + asset]
        cdef int64_t own_after, other_after
        cdef PostingRow *row
        if amount == 0:
            return 0
        if (__builtin_add_overflow(own[0], amount, &own_after)
                or __builtin_add_overflow(other[0], -amount, &other_after)):
            with gil:
                raise OverflowError(
                    f"balance of account {account} in asset {asset}: {own[0]} + {amount} atoms exceeds 64 bits")
        own[0] = own_after
        other[0] = other_after
        row = <PostingRow *> self.postings.append()
        row.time = context.time
        row.amount = amount
        row.balance = own_after
        row.ref = context.ref
        row.value_price = self.asset_prices[asset]
        row.account = account
        row.asset = asset
        row.instrument = context.instrument
        row.strategy = context.strategy
        row.tag = context.tag
        row.kind = kind
        row.contra = contra
        return 0

    cdef int64_t total(self, int32_t asset) noexcept nogil:
        cdef int32_t i
        cdef int64_t out = 0
        for i in range(self.n_accounts):
            out += self.balances[i * self.n_assets + asset]
        return out

    def endow(self, int venue, int asset, int64_t atoms, int64_t time, int instrument=-1):
        """Put money into a venue's insurance fund, or an instrument's own, from outside the run."""
        cdef PostingContext context
        context.time = time
        context.ref = 0
        context.instrument = -1
        context.strategy = -1
        context.tag = -1
        self.post(&context, self.fund(venue, instrument), self.outside, asset, DEPOSIT, atoms)

    def set_price(self, int asset, double price):
        """Set the reporting price of an asset before the run."""
        if not 0 <= asset < self.n_assets:
            raise IndexError(f"asset {asset} of {self.n_assets}")
        self.asset_prices[asset] = price

    def balance_of(self, int account, int asset):
        """Return the balance of an account in atoms."""
        if not 0 <= account < self.n_accounts or not 0 <= asset < self.n_assets:
            raise IndexError(f"account {account} of {self.n_accounts}, asset {asset} of {self.n_assets}")
        return self.balance(account, asset)

    def totals(self):
        """Return the sum over all accounts for each asset, in atoms: zeros, or money was made or lost."""
        return [self.total(i) for i in range(self.n_assets)]
