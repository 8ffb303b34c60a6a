"""The failure of a venue: it stops for good, and of every balance there its owner gets a share."""

from fractions import Fraction

from libc.stdint cimport INT64_MAX, int32_t, int64_t
from venues.account cimport Account
from venues.ledger cimport COUNTERPARTIES, PostingContext
from venues.outbox cimport STATE_ONLY
from venues.records cimport VENUE_FAILURE
from venues.venue cimport Exchange


cdef class VenueFailures:
    """Which venues of a run have failed, and what that does to accounts there.

    Parameters
    ----------
    exchange : Exchange
    """

    def __init__(self, Exchange exchange):
        self.exchange = exchange
        self.shares = {}
        self.events = []

    def has_failed(self, int venue):
        """Return whether a venue has stopped for good."""
        return venue in self.shares

    def fail(self, int venue, share, int64_t time):
        """Cancel all orders of a venue, close all positions at their marks and pay back a share of what is left.

        Debts are netted first: an account of several assets has what they are together, and one that is below zero is
        filled up by the insurance fund as without the failure.
        """
        cdef Exchange exchange = self.exchange
        cdef int32_t i
        exchange.outage(venue, INT64_MAX)
        for i in range(exchange.n_markets):
            if exchange.venue_of[i] == venue:
                exchange.settle(i, exchange.world.prices[i].mark, time)
        for i in range(exchange.n_accounts):
            if (<Account> exchange.accounts[i]).venue == venue and (<Account> exchange.accounts[i]).state.multi_assets:
                exchange.auto_exchange.cover_all(i, time, True)
        exchange.attend(time)
        self.shares[venue] = Fraction(share)
        self.events.append((time, venue))
        for i in range(exchange.n_accounts):
            if (<Account> exchange.accounts[i]).venue == venue:
                for asset in range(exchange.world.n_assets):
                    self.write_off(i, asset, exchange.ledger.balance_of(i, asset), time)

    def write_off(self, int account, int asset, atoms, int64_t time):
        """Take the share that is lost, the atom that is divided with it, from money at a failed venue; return the rest.

        A debt stays whole.
        """
        cdef PostingContext context
        cdef int32_t venue = (<Account> self.exchange.accounts[account]).venue
        share = self.shares[venue]
        kept = atoms if atoms <= 0 else atoms * share.numerator // share.denominator
        if kept == atoms:
            return kept
        context.time = time
        context.ref = 0
        context.instrument = -1
        context.strategy = -1
        context.tag = -1
        (<Account> self.exchange.accounts[account]).post(
            &context, self.exchange.ledger.pseudo(venue, COUNTERPARTIES), asset, VENUE_FAILURE, kept - atoms, NULL)
        (<Account> self.exchange.accounts[account]).message(STATE_ONLY, time, NULL, asset)
        return kept
