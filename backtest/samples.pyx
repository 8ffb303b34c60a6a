"""Samples of equity, margin and exposure, snapshots of what is owned, and findings, on the venue's clock."""

from backtest.loop_state cimport LoopState
from libc.math cimport isnan
from libc.stdint cimport int32_t, int64_t
from venues.account cimport Account
from venues.orders cimport Order
from venues.position cimport unrealized
from venues.records cimport EquityRow, ExposureRow, MarginRow
from venues.state cimport PoolState, Slot

from feeds.errors import FeedError


cdef class Samples(LoopState):
    """Writes down what a run looks like between its events."""

    def finding(self, what, int instrument, int64_t time, text):
        """Note what the first screen must print; each kind once per instrument, with a count."""
        key = (what, instrument)
        if key in self.gap_seen:
            self.gap_seen[key]["count"] += 1
            return
        entry = {"what": what, "symbol": self.context.infos[instrument].address, "time": time, "text": text, "count": 1}
        self.gap_seen[key] = entry
        self.findings.append(entry)

    cdef int sample(self, int64_t time, int64_t at) except -1 nogil:
        """Equity, margin and exposure just before the first event since `at` (at `time`); the same as at `at`."""
        cdef EquityRow *row
        cdef ExposureRow *seen
        cdef PoolState *pool
        cdef Slot *slot
        cdef int32_t i, j, k
        cdef Py_ssize_t margins
        cdef double value
        cdef double ratio = 0.0
        cdef bint exposures = time >= self.next_exposure
        self.next_sample = at + self.sample_interval
        if exposures:
            self.next_exposure = (time // self.hour + 1) * self.hour
        row = <EquityRow *> self.exchange.journal.equity.append()
        row.time = at
        for i in range(self.exchange.n_accounts):
            for k in range(self.venue_world.n_assets):
                if self.exchange.ledger.balance(i, k) != 0:
                    row.cash += self.venue_world.amount_value(k, self.exchange.ledger.balance(i, k)) * self.value_of(k)
            for j in range((<Account> self.exchange.accounts[i]).state.n_pools):
                pool = (<Account> self.exchange.accounts[i]).state.pools[j]
                if pool.extreme > 0:             # of a position that may be closed by now
                    (<Account> self.exchange.accounts[i]).extreme_sample(pool)
                if not self.exchange.is_burdened(i, pool):
                    continue
                for k in range(self.venue_world.n_assets):
                    if pool.asset < 0 or pool.asset == k:
                        value = (<Account> self.exchange.accounts[i]).state.unrealized(pool, k)
                        if value != 0.0:
                            row.unrealized += value * self.value_of(k)
                (<Account> self.exchange.accounts[i]).periodic_sample(pool, at)
                margins = self.exchange.journal.margin.rows
                if margins > 0:
                    ratio = max(ratio, (<MarginRow *> self.exchange.journal.margin.at(margins - 1)).ratio)
            for j in range((<Account> self.exchange.accounts[i]).state.n_slots):
                slot = (<Account> self.exchange.accounts[i]).state.slots[j]
                if slot.position.quantity == 0:
                    continue
                k = slot.position.instrument
                if (self.venue_world.prices[k].mark == 0
                        or time - self.venue_world.prices[k].mark_ts > self.max_mark_age[k]):
                    with gil:
                        self.mark_gap(k, time)
                if exposures:
                    seen = <ExposureRow *> self.exchange.journal.exposure.append()
                    seen.time = at
                    seen.account = i
                    seen.instrument = k
                    seen.quantity = self.venue_world.quantity_value(k, slot.position.quantity)
                    seen.mark = self.venue_world.prices[k].mark_value
                    seen.notional = (
                        (<Account> self.exchange.accounts[i]).signed_notional(slot, seen.mark)
                        * self.value_of(self.venue_world.contracts[k].settle))
        for k in range(self.venue_world.n_assets):
            if self.exchange.ledger.balance(self.exchange.ledger.in_transit, k) != 0:
                row.cash += self.venue_world.amount_value(
                    k, self.exchange.ledger.balance(self.exchange.ledger.in_transit, k)) * self.value_of(k)
        row.equity = row.cash + row.unrealized
        self.equity = row.equity
        self.ratio = ratio
        return 0

    cdef double value_of(self, int32_t asset) noexcept nogil:
        return 1.0 if asset == self.reporting else self.exchange.ledger.asset_prices[asset]

    def mark_gap(self, int instrument, int64_t time):
        """An open position cannot be priced: an error, or what the user chose."""
        name = self.context.infos[instrument].address
        last = self.venue_world.prices[instrument].mark_ts
        if self.on_gap == 0:
            import pandas as pd

            when = pd.Timestamp(time, unit="ns", tz="UTC")
            raise FeedError(
                f"{name}: at {when} a position is open and its latest mark is of "
                f"{pd.Timestamp(last, unit='ns', tz='UTC') if last else 'never'}, older than the "
                f"{self.max_mark_age[instrument] / 1e9:.0f} s allowed for its spacing; fill the gap in the data, "
                "or accept it with on_gap='warn' (goes on with the old mark and says so) or on_gap='skip'")
        self.finding("gap in mark", instrument, time, f"no mark between {last} and {time} ns with a position open")

    def snapshot(self, int64_t time):
        """Note what is owned: at the start, at each month boundary (before the first event from it on), at the end."""
        cdef int32_t i, j, k
        cdef Slot *slot
        cdef Order *order
        cdef double value
        ledger = self.exchange.ledger
        counts = (ledger.postings.rows, self.exchange.journal.fills.rows)
        for i in list(range(self.exchange.n_accounts)) + [ledger.in_transit]:
            for k in range(self.venue_world.n_assets):
                if self.exchange.ledger.balance(i, k) == 0 and isnan(self.value_of(k)):
                    continue             # never held: it needs no price
                self.snapshots.append((
                    time, self.exchange.ledger.balance(i, k), 0, 0, *counts, self.value_of(k), i, k, -1, -1, -1, 0,
                    self.n_snapshots))
        for i in range(self.exchange.n_accounts):
            for j in range((<Account> self.exchange.accounts[i]).state.n_slots):
                slot = (<Account> self.exchange.accounts[i]).state.slots[j]
                if slot.position.quantity == 0:
                    continue
                k = slot.position.instrument
                order = self.exchange.store.by_id(slot.position.last_order)
                value = unrealized(&slot.position, self.venue_world.contracts[k], self.venue_world.prices[k].mark_value)
                self.snapshots.append((
                    time, <int64_t> (value * self.venue_world.atoms[self.venue_world.contracts[k].settle]),
                    slot.position.quantity, self.venue_world.prices[k].mark, *counts,
                    self.value_of(self.venue_world.contracts[k].settle), i, self.venue_world.contracts[k].settle, k,
                    order.strategy if order != NULL else -1, order.tag if order != NULL else -1, slot.position.leg,
                    self.n_snapshots))
        self.n_snapshots += 1
        self.next_snapshot = next_month(time)


def next_month(int64_t time):
    """The next 00:00 UTC of the first of a month, ns."""
    from datetime import datetime, timezone

    now = datetime.fromtimestamp(time // 1_000_000_000, tz=timezone.utc)
    following = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=timezone.utc)
    return int(following.timestamp()) * 1_000_000_000
