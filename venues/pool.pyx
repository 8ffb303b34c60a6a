"""A pool of positions for Python: the calculator, the population of the lab and the tests call the engine itself."""

from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.stdint cimport int8_t, int32_t, int64_t
from libc.string cimport memset

from venues.coins cimport Coin
from venues.collateral cimport Haircut, haircut_of
from venues.contract cimport INVERSE, Contract, ContractBox, reserved_fee
from venues.margin cimport (
    Band, Leg, Pool, Risk, bankruptcy_price, joint_bankruptcy_price, leg_maintenance, leg_notional, leg_unrealized,
    liquidation_price, standard_risk, standard_slack,
)
from venues.leg_margin cimport leg_initial
from venues.reductions cimport first_tier_requirement, part_of, reduction, step_down, tiers_down
from venues.slices cimport bankruptcy_value, fillable_price
from venues.tiers cimport TierBox

from collections.abc import Sequence
from typing import NamedTuple

from venues.errors import VenueError


class PoolRisk(NamedTuple):
    """Figures of a pool, in its unit."""

    equity: float
    initial: float
    orders: float
    maintenance: float
    unrealized: float
    notional: float
    signed_notional: float
    close_fees: float


class PoolCoin(NamedTuple):
    """One asset of a pool: quantities, price in the pool's unit, rows of (floor, ratio), tiers of what is owed."""

    balance: float
    price: float
    brackets: Sequence[tuple[float, float]]
    loans: TierBox | None = None
    borrowed: float = 0.0


class LegRisk(NamedTuple):
    """Figures of one leg in its settle asset; prices are None where there is none."""

    notional: float
    unrealized: float
    initial: float
    maintenance: float
    liquidation_price: float | None
    bankruptcy_price: float | None


cdef double _entry_value(const Contract *c, double quantity, double entry_price) noexcept nogil:
    if c.kind == INVERSE:
        return quantity * c.multiplier / entry_price
    return quantity * c.multiplier * entry_price


cdef object _price(double price):
    return price if price > 0.0 else None


cdef class PoolBox:
    """Positions that share one equity.

    Parameters
    ----------
    wallet : float
        Balance of the pool, haircuts included; 0 with coins.
    isolated : bool, optional
        Its one leg has the wallet for itself.
    debts : (float, float), optional
        Initial and maintenance margin of what is owed, where profit counts as it is.
    coins : sequence of PoolCoin, optional
        Assets that count at a ratio of balance and profit together.

    Notes
    -----
    Entry values come from a float entry price here; the engine passes its exact ones.
    """

    cdef Pool pool
    cdef list boxes
    cdef Haircut *haircuts
    cdef int32_t room

    def __cinit__(self, double wallet, bint isolated=False, *, debts=(0.0, 0.0), coins=()):
        cdef int32_t index
        self.pool.wallet = wallet
        self.pool.isolated = isolated
        self.pool.debt_initial, self.pool.debt_maintenance = debts
        self.pool.coin_count = 0
        self.pool.coins = <Coin *> PyMem_Malloc((len(coins) + 1) * sizeof(Coin))
        self.haircuts = <Haircut *> PyMem_Malloc((len(coins) + 1) * sizeof(Haircut))
        if self.pool.coins == NULL or self.haircuts == NULL:
            raise MemoryError()
        self.pool.count = 0
        self.pool.legs = NULL
        self.boxes = []
        self.room = 0
        for index in range(<int32_t> len(coins)):
            self._add_coin(index, coins[index])

    cdef int _add_coin(self, int32_t index, object coin) except -1:
        cdef TierBox tiers = coin.loans
        self.haircuts[index] = haircut_of(coin.brackets)
        self.boxes.append(tiers)
        self.pool.coins[index].balance = coin.balance
        self.pool.coins[index].borrowed = coin.borrowed
        self.pool.coins[index].price = coin.price
        self.pool.coins[index].profit = 0.0
        self.pool.coins[index].haircut = &self.haircuts[index]
        self.pool.coins[index].loans = NULL if tiers is None else &tiers.table
        self.pool.coin_count = index + 1
        return 0

    def __dealloc__(self):
        PyMem_Free(self.pool.legs)
        PyMem_Free(self.pool.coins)
        PyMem_Free(self.haircuts)

    def __len__(self):
        return self.pool.count

    def add(
        self, ContractBox box not None, *, double quantity, double entry_price, double mark, double leverage=1.0,
        int8_t side=0, double conversion=1.0, double bids=0.0, double asks=0.0, double open_loss=0.0, index=None,
        int32_t coin=0
    ):
        """Add one leg and return its row; fields as in `venues.margin.Leg`.

        `index` is the index price where margins are valued at it (None: that of the mark); it moves with the mark.
        """
        cdef Leg *grown
        cdef Leg *leg
        if not mark > 0.0 or (quantity != 0.0 and not entry_price > 0.0) or not leverage >= 1.0:
            raise VenueError(
                f"{box.instrument.symbol}: mark and entry_price must be above 0 and leverage at least 1, "
                f"got mark={mark}, entry_price={entry_price}, leverage={leverage}"
            )
        if not 0 <= coin < max(1, self.pool.coin_count):
            raise IndexError(f"coin {coin} of a pool of {self.pool.coin_count}")
        if self.pool.count == self.room:
            self.room = max(4, 2 * self.room)
            grown = <Leg *> PyMem_Realloc(self.pool.legs, self.room * sizeof(Leg))
            if grown == NULL:
                raise MemoryError()
            self.pool.legs = grown
        leg = &self.pool.legs[self.pool.count]
        leg.contract = box.contract
        leg.side = side
        leg.quantity = quantity
        leg.entry_value = 0.0 if quantity == 0.0 else _entry_value(box.contract, quantity, entry_price)
        leg.mark = mark
        leg.at_index = 1.0
        if index is not None and box.contract.margin_at_index:
            leg.at_index = <double> index / mark
        leg.leverage = leverage
        leg.close_fee = reserved_fee(box.contract, box.contract.taker_fee)
        leg.conversion = conversion
        leg.coin = coin
        leg.bids = bids
        leg.asks = asks
        leg.open_loss = open_loss
        self.boxes.append(box)
        self.pool.count += 1
        return self.pool.count - 1

    cdef int32_t _row(self, int32_t row) except -1:
        if not 0 <= row < self.pool.count:
            raise IndexError(f"row {row} of a pool of {self.pool.count} legs")
        return row

    @property
    def wallet(self):
        """Balance of the pool."""
        return self.pool.wallet

    def set_mark(self, int32_t row, double mark):
        """Move the mark of every leg of that leg's contract."""
        cdef const Contract *moved = self.pool.legs[self._row(row)].contract
        cdef int32_t index
        if not mark > 0.0:
            raise VenueError(f"mark must be above 0, got {mark}")
        for index in range(self.pool.count):
            if self.pool.legs[index].contract == moved:
                self.pool.legs[index].mark = mark

    def quantity(self, int32_t row):
        """Return the signed quantity of a leg."""
        return self.pool.legs[self._row(row)].quantity

    def close(self, int32_t row, *, double quantity, double price, double fee):
        """Close part of a leg: its profit at `price` and the fee (settle asset) go to the wallet.

        Parameters
        ----------
        quantity : float
            In [0, size of the leg].
        """
        cdef Leg *leg = &self.pool.legs[self._row(row)]
        cdef double size = -leg.quantity if leg.quantity < 0.0 else leg.quantity
        cdef double mark = leg.mark
        cdef double before, share
        if not (0.0 <= quantity <= size and price > 0.0):
            raise VenueError(f"quantity must be in [0, {size:g}] and price above 0, got {quantity} and {price}")
        if size == 0.0:
            return
        share = quantity / size
        leg.mark = price
        before = leg_unrealized(leg)
        leg.mark = mark
        if self.pool.coin_count > 0:
            self.pool.coins[leg.coin].balance += before * share - fee
        else:
            self.pool.wallet += (before * share - fee) * leg.conversion
        leg.entry_value *= 1.0 - share
        leg.quantity = 0.0 if quantity == size else leg.quantity * (1.0 - share)

    def risk(self):
        """Return the figures of the pool (`PoolRisk`)."""
        cdef Risk risk
        standard_risk(&self.pool, &risk)
        return PoolRisk(
            risk.equity, risk.initial, risk.orders, risk.maintenance, risk.unrealized, risk.notional,
            risk.signed_notional, risk.close_fees,
        )

    def leg(self, int32_t row):
        """Return the figures of one leg (`LegRisk`)."""
        cdef Leg *leg = &self.pool.legs[self._row(row)]
        cdef double size = leg_notional(leg)
        return LegRisk(
            size, leg_unrealized(leg), leg_initial(&self.pool, leg), leg_maintenance(&self.pool, leg),
            _price(liquidation_price(&self.pool, row)), _price(bankruptcy_price(&self.pool, row)),
        )

    def slack(self, double threshold):
        """Return (slack, [(low, high, slope_down, slope_up) of each leg]); see `venues.margin.Band`."""
        cdef Risk risk
        cdef Band *bands = <Band *> PyMem_Malloc(max(1, self.pool.count) * sizeof(Band))
        cdef int32_t index
        if bands == NULL:
            raise MemoryError()
        try:
            standard_risk(&self.pool, &risk)
            slack = standard_slack(&self.pool, &risk, threshold, bands)
            if slack <= 0.0:
                return slack, []
            return slack, [
                (bands[index].low, bands[index].high, bands[index].slope_down, bands[index].slope_up)
                for index in range(self.pool.count)
            ]
        finally:
            PyMem_Free(bands)

    def joint_bankruptcy_price(self, int32_t row):
        """Return a leg's price when all legs have lost the same share of notional and equity is 0; None without one."""
        cdef Risk risk
        standard_risk(&self.pool, &risk)
        return _price(joint_bankruptcy_price(&self.pool, &risk, self._row(row)))

    def reduction(self, int32_t row, *, double price, double fee_rate, double target=1.0):
        """Return the quantity (>= 0) of a leg to close at `price` until maintenance is below target x equity."""
        if not price > 0.0:
            raise VenueError(f"price must be above 0, got {price}")
        return reduction(&self.pool, self._row(row), price, fee_rate, target)

    def tiers_down(self, int32_t row, *, int32_t tiers):
        """Return the quantity (>= 0) to close to stand so many tiers lower; all where there are not so many."""
        return tiers_down(&self.pool.legs[self._row(row)], tiers)

    def first_tier_requirement(self):
        """Return the maintenance if every leg were in the first tier, fees to close included."""
        return first_tier_requirement(&self.pool)

    def part(self, int32_t row, *, double whole_up_to, double part):
        """Return the quantity (>= 0) of the first order: all of a notional up to whole_up_to, else that part."""
        return part_of(&self.pool.legs[self._row(row)], whole_up_to, part)

    def fillable_price(self, int32_t row, *, double adjustment, double spread):
        """Return the limit of a slice of a leg that is closed by force, not on the tick; `venues.facts.SliceRules`."""
        cdef Risk risk
        standard_risk(&self.pool, &risk)
        return fillable_price(&self.pool, &risk, self._row(row), adjustment, spread)

    def bankruptcy_value(self, int32_t row, *, double quantity):
        """Return the cash (paid < 0) of closing a quantity (> 0) of a leg with its share of the equity."""
        cdef Risk risk
        standard_risk(&self.pool, &risk)
        return bankruptcy_value(&self.pool, &risk, self._row(row), quantity)

    def step_down(self, int32_t row, *, double price, double fee_rate):
        """Return the quantity (>= 0) to close at `price` to stand in the highest lower tier that suffices; else all."""
        if not price > 0.0:
            raise VenueError(f"price must be above 0, got {price}")
        return step_down(&self.pool, self._row(row), price, fee_rate)


def risk_arrays(
    list boxes, const int32_t[::1] contract, const int64_t[::1] first, const double[::1] quantity,
    const double[::1] entry_price, const double[::1] mark, const double[::1] leverage, const double[::1] wallet,
    double[:, ::1] out
):
    """Fill `out` with the risk of many accounts, without the GIL.

    Parameters
    ----------
    boxes : list of ContractBox
    contract : ndarray of int32, shape (positions,)
        Row in `boxes` of each position; positions of one account are neighbours.
    first : ndarray of int64, shape (accounts + 1,)
        Positions of account i are first[i] to first[i + 1] - 1.
    quantity, entry_price, mark, leverage : ndarray of float64, shape (positions,)
    wallet : ndarray of float64, shape (accounts,)
    out : ndarray of float64, shape (accounts, 5)
        equity, initial, maintenance, unrealized, notional; written.
    """
    cdef int64_t accounts = wallet.shape[0]
    cdef int64_t positions = quantity.shape[0]
    cdef int64_t account, row
    cdef int32_t index
    cdef Pool pool
    cdef Risk risk
    cdef const Contract **contracts
    cdef Leg *legs = NULL
    memset(&pool, 0, sizeof(Pool))
    contracts = <const Contract **> PyMem_Malloc(max(1, len(boxes)) * sizeof(Contract *))
    legs = <Leg *> PyMem_Malloc(max(1, positions) * sizeof(Leg))
    try:
        if contracts == NULL or legs == NULL:
            raise MemoryError()
        for index in range(<int32_t> len(boxes)):
            contracts[index] = (<ContractBox?> boxes[index]).contract
        with nogil:
            for row in range(positions):
                legs[row].contract = contracts[contract[row]]
                legs[row].side = 0
                legs[row].quantity = quantity[row]
                legs[row].entry_value = 0.0
                if quantity[row] != 0.0:
                    legs[row].entry_value = _entry_value(legs[row].contract, quantity[row], entry_price[row])
                legs[row].mark = mark[row]
                legs[row].leverage = leverage[row]
                legs[row].close_fee = reserved_fee(legs[row].contract, legs[row].contract.taker_fee)
                legs[row].conversion = 1.0
                legs[row].at_index = 1.0
                legs[row].bids = 0.0
                legs[row].asks = 0.0
                legs[row].open_loss = 0.0
            for account in range(accounts):
                pool.wallet = wallet[account]
                pool.count = <int32_t> (first[account + 1] - first[account])
                pool.legs = legs + first[account]
                standard_risk(&pool, &risk)
                out[account, 0] = risk.equity
                out[account, 1] = risk.initial
                out[account, 2] = risk.maintenance
                out[account, 3] = risk.unrealized
                out[account, 4] = risk.notional
    finally:
        PyMem_Free(contracts)
        PyMem_Free(legs)


def price_arrays(
    list boxes, const int32_t[::1] contract, const double[::1] quantity, const double[::1] entry_price,
    const double[::1] wallet, double[:, ::1] out
):
    """Fill `out` with the liquidation and bankruptcy prices of many isolated positions, without the GIL.

    Parameters
    ----------
    boxes : list of ContractBox
    contract : ndarray of int32, shape (positions,)
        Row in `boxes` of each position.
    quantity, entry_price, wallet : ndarray of float64, shape (positions,)
        Signed quantity; quote currency, above 0; settle asset.
    out : ndarray of float64, shape (positions, 2)
        Liquidation price, bankruptcy price; 0 where there is none; written.
    """
    cdef int64_t row
    cdef int32_t index
    cdef Pool pool
    cdef Leg leg
    cdef const Contract **contracts = <const Contract **> PyMem_Malloc(max(1, len(boxes)) * sizeof(Contract *))
    if contracts == NULL:
        raise MemoryError()
    memset(&pool, 0, sizeof(Pool))
    pool.isolated = True
    pool.count = 1
    pool.legs = &leg
    leg.side = 0
    leg.at_index = 1.0
    leg.leverage = 1.0
    leg.conversion = 1.0
    leg.bids = 0.0
    leg.asks = 0.0
    leg.open_loss = 0.0
    try:
        for index in range(<int32_t> len(boxes)):
            contracts[index] = (<ContractBox?> boxes[index]).contract
        with nogil:
            for row in range(quantity.shape[0]):
                leg.contract = contracts[contract[row]]
                leg.close_fee = reserved_fee(leg.contract, leg.contract.taker_fee)
                leg.quantity = quantity[row]
                leg.entry_value = _entry_value(leg.contract, quantity[row], entry_price[row])
                leg.mark = entry_price[row]
                pool.wallet = wallet[row]
                out[row, 0] = liquidation_price(&pool, 0)
                out[row, 1] = bankruptcy_price(&pool, 0)
    finally:
        PyMem_Free(contracts)
