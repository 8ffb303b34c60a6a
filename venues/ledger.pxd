"""The only code that changes a balance. Every posting has two sides: the sum over accounts is zero in each asset."""

from libc.stdint cimport int32_t, int64_t
from venues.records cimport PostingKind, RecordBlocks

cdef enum PseudoAccount:     # kept per venue, behind the users' accounts
    VENUE_FEES = 0
    INSURANCE_FUND_ACCOUNT = 1
    COUNTERPARTIES = 2       # everybody else: trade profit, funding, settlement
    POPULATION = 3           # all other traders who live in the run
    PSEUDO_PER_VENUE = 4

cdef struct PostingContext:  # what a posting belongs to
    int64_t time
    int64_t ref
    int32_t instrument
    int32_t strategy
    int32_t tag

cdef class Ledger:
    cdef readonly int32_t n_users
    cdef readonly int32_t n_venues
    cdef readonly int32_t n_accounts
    cdef readonly int32_t n_assets
    cdef readonly int32_t in_transit     # money between two accounts
    cdef readonly int32_t outside        # minus what was deposited, plus what was withdrawn
    cdef readonly int32_t unfunded       # losses that nobody paid: a finding of the run
    cdef int64_t *balances               # atoms, [account * n_assets + asset]
    cdef double *asset_prices            # reporting asset per unit of each asset; nan = unknown yet
    cdef readonly RecordBlocks postings
    cdef int32_t *own_funds              # by instrument: account of its own insurance fund; -1 = that of the venue
    cdef int32_t n_instruments

    # The insurance fund for an instrument (-1: of all that have none of their own).
    cdef int32_t fund(self, int32_t venue, int32_t instrument) noexcept nogil
    cdef int32_t pseudo(self, int32_t venue, PseudoAccount which) noexcept nogil
    cdef int64_t balance(self, int32_t account, int32_t asset) noexcept nogil
    cdef int post(self, const PostingContext *context, int32_t account, int32_t contra, int32_t asset,
                  PostingKind kind, int64_t amount) except -1 nogil
    cdef int64_t total(self, int32_t asset) noexcept nogil      # zero, or a law is broken
