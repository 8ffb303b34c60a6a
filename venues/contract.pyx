"""A contract as the engine sees it: what one unit is worth, its limits, its fees, its rounding rules as of a date."""

from libc.math cimport fabs
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memset

from venues.tiers cimport TierBox
from venues.units cimport CEILING, FLOOR, HALF_UP, TOWARD_ZERO

from venues.checks import decimals, mantissa
from venues.errors import VenueError
from venues.instrument import MarginRules, RoundingRules

cdef enum:
    RATE_SCALE = 10
    MAX_SCALE = 18


cdef double notional(const Contract *c, double quantity, double price) noexcept nogil:
    cdef double size = fabs(quantity) * c.multiplier
    if c.kind == INVERSE:
        return size / price if price > 0.0 else 0.0
    return size * price


cdef double quote_notional(const Contract *c, double quantity, double price) noexcept nogil:
    cdef double size = fabs(quantity) * c.multiplier
    return size if c.kind == INVERSE else size * price


cdef uint8_t _rounding(str name) except 255:
    if name == "toward_zero":
        return TOWARD_ZERO
    if name == "half_up":
        return HALF_UP
    if name == "floor":
        return FLOOR
    if name == "ceiling":
        return CEILING
    raise VenueError(f"rounding must be 'toward_zero', 'half_up', 'floor' or 'ceiling', got {name!r}")


cdef uint8_t _entry_rule(str name) except 255:
    if name == "exact_value":
        return EXACT_VALUE
    if name == "average_price":
        return AVERAGE_PRICE
    if name == "average_digits":
        return AVERAGE_DIGITS
    raise VenueError(f"entry must be 'exact_value', 'average_price' or 'average_digits', got {name!r}")


cdef uint8_t _kind(object instrument) except 255:
    if instrument.contract == "spot":
        return SPOT
    if instrument.contract == "linear":
        return LINEAR
    if instrument.contract == "inverse":
        return INVERSE
    if instrument.contract == "quanto":
        return QUANTO
    raise VenueError(
        f"{instrument.symbol}: {instrument.contract} contracts have no arithmetic here yet; "
        "allowed: spot, linear, inverse, quanto"
    )


cdef int32_t _row(dict assets, str asset, str symbol) except -1:
    if asset not in assets:
        raise VenueError(f"{symbol}: asset {asset!r} is not in the run's table of assets: {', '.join(sorted(assets))}")
    return assets[asset]


cdef int32_t _scale(object scale, str name, str symbol) except -1:
    if not 0 <= scale <= MAX_SCALE:
        raise VenueError(f"{symbol}: {name} must be in [0, {MAX_SCALE}], got {scale!r}")
    return scale


cdef class ContractBox:
    """One contract in C memory.

    Parameters
    ----------
    instrument : venues.Instrument
        Spot, linear, inverse or quanto.
    index : int
        Row in the run's table of instruments.
    assets : dict of str to int
        Row of each asset; base, quote and settle must be in it.
    price_scale, quantity_scale : int
        Decimals of the run's mantissas; tick, lot and limits must fit into them exactly.
    settle_scale : int, optional
        Decimals of one atom of the settle asset.
    rounding : RoundingRules, optional
        None: exact entry value, everything toward zero.
    fees : (maker, taker), optional
        Rates, at most 10 decimals. None: the instrument's own.
    clearance_fee : float, optional
        Rate on the notional closed by force. None: the instrument's own, 0 without one.
    tiers : TierBox or sequence of venues.Tier, optional
        None: the instrument's own.
    margin : MarginRules, optional
        None: no fee to close inside the margins, everything at the mark.
    delivery_fee : float, optional
        Rate on the notional settled at expiry.
    funding_accrues : bool, optional
        Funding is paid for the part of an interval that a position was held.
    interest_caps : (lower, upper), optional
        Open interest, quote currency, between which the initial rate rises to 1.

    Raises
    ------
    VenueError
        If the contract has no arithmetic here, an asset is unknown, a limit needs more decimals than the run keeps, or
        neither the call nor the instrument gives fees.
    """

    def __cinit__(
        self, instrument, *, index, dict assets, price_scale, quantity_scale, settle_scale=8, rounding=None, fees=None,
        clearance_fee=None, tiers=None, margin=None, delivery_fee=0, bint funding_accrues=False,
        interest_caps=None
    ):
        cdef str symbol = instrument.symbol
        memset(&self.value, 0, sizeof(Contract))
        self.contract = &self.value
        self.value.index = index
        self.value.kind = _kind(instrument)
        self.value.base = _row(assets, instrument.base, symbol)
        self.value.quote = _row(assets, instrument.quote, symbol)
        self.value.settle = _row(assets, instrument.settle, symbol)
        self.value.price_scale = _scale(price_scale, "price_scale", symbol)
        self.value.quantity_scale = _scale(quantity_scale, "quantity_scale", symbol)
        self.value.settle_scale = _scale(settle_scale, "settle_scale", symbol)
        self.value.price_unit = float(f"1e-{price_scale}")
        self.value.quantity_unit = float(f"1e-{quantity_scale}")
        self.value.size_scale = _scale(decimals(instrument.contract_size), "decimals of contract_size", symbol)
        self.value.size = mantissa(instrument.contract_size, self.value.size_scale, f"{symbol}: contract_size")
        self.value.multiplier = instrument.contract_size
        self.value.expiry = 0 if instrument.expiry is None else instrument.expiry
        self.value.delivery_fee = mantissa(delivery_fee, RATE_SCALE, f"{symbol}: delivery fee")
        self.value.funding_accrues = funding_accrues
        self._limits(instrument)
        self.set_rounding(RoundingRules() if rounding is None else rounding)
        if interest_caps is not None:
            self.set_interest_caps(interest_caps[0], interest_caps[1])
        self.set_margin(MarginRules() if margin is None else margin)
        if fees is None:
            fees = (instrument.maker_fee, instrument.taker_fee)
        if fees[0] is None or fees[1] is None:
            raise VenueError(f"{symbol}: no fees are known; give fees=(maker, taker) or maker_fee= and taker_fee=")
        self.set_fees(fees[0], fees[1])
        if clearance_fee is None:
            clearance_fee = instrument.clearance_fee
        self.set_clearance_fee(0 if clearance_fee is None else clearance_fee)
        if tiers is None:
            tiers = instrument.tiers
        if not isinstance(tiers, TierBox):
            tiers = TierBox(tiers, valid_from=instrument.valid_from) if len(tiers) > 0 else None
        self.swap_tiers(tiers)

    cdef int _limits(self, object instrument) except -1:
        """Copy tick, lot and limits; 0 = none."""
        cdef Contract *c = self.contract
        cdef str symbol = instrument.symbol
        tick = 0 if instrument.tick_size is None else instrument.tick_size
        lot = 0 if instrument.lot_size is None else instrument.lot_size
        c.tick = mantissa(tick, c.price_scale, f"{symbol}: tick_size")
        c.lot = mantissa(lot, c.quantity_scale, f"{symbol}: lot_size")
        c.market_lot = mantissa(instrument.market_lot, c.quantity_scale, f"{symbol}: market_lot")
        c.minimum_quantity = mantissa(instrument.min_quantity, c.quantity_scale, f"{symbol}: min_quantity")
        c.maximum_quantity = mantissa(instrument.max_quantity, c.quantity_scale, f"{symbol}: max_quantity")
        c.maximum_market_quantity = mantissa(
            instrument.max_market_quantity, c.quantity_scale, f"{symbol}: max_market_quantity"
        )
        c.funding_scale = -1 if instrument.funding_decimals is None else instrument.funding_decimals
        c.is_alone = instrument.is_alone
        c.minimum_notional = instrument.min_notional
        c.band_up = instrument.band_up
        c.band_down = instrument.band_down
        self.instrument = instrument
        return 0

    cpdef int set_interest_caps(self, double lower, double upper) except -1:
        """Set the open interest (quote currency) between which the initial rate rises to 1; upper 0 = it does not."""
        if not 0.0 <= lower <= upper:
            raise VenueError(f"{self.instrument.symbol}: interest caps must ascend from 0, got {lower:g} and {upper:g}")
        self.contract.interest_lower = lower
        self.contract.interest_upper = upper
        return 0

    cpdef int swap_tiers(self, TierBox tiers) except -1:
        """Put another tier table in force; None = no table."""
        self.contract.tiers = NULL if tiers is None else &tiers.table
        self.tiers = tiers
        return 0

    cpdef int set_fees(self, object maker, object taker) except -1:
        """Set the trading fees: rates of notional with at most 10 decimals, a rebate is negative."""
        cdef int64_t maker_rate = mantissa(maker, RATE_SCALE, f"{self.instrument.symbol}: maker fee")
        self.contract.taker_fee = mantissa(taker, RATE_SCALE, f"{self.instrument.symbol}: taker fee")
        self.contract.maker_fee = maker_rate
        return 0

    cpdef int set_margin(self, object margin) except -1:
        """Put the margin rules of a date in force."""
        cdef Contract *c = self.contract
        c.isolated_rule = {
            "mark": AT_MARK, "entry": AT_ENTRY, "price": AT_PRICE, "initial": INITIAL_AT_ENTRY,
        }[margin.isolated]
        c.reserves_fee = margin.reserves_fee_to_close
        c.order_loss_in_equity = margin.order_loss == "equity"
        c.funding_from_available = margin.isolated_funding == "available"
        c.margin_at_index = margin.linear == "index" and c.kind == LINEAR
        c.cross_at_entry = margin.cross == "entry"
        c.initial_rule = {"leverage": OF_LEVERAGE, "tier": OF_TIER, "larger": OF_LARGER}[margin.initial]
        c.close_fee_is_wide = margin.fee_to_close == "conservative"
        c.order_loss_is_free = margin.order_loss == "none"
        c.close_fee_at_mark = margin.fee_to_close == "mark"
        c.tiers_by_quantity = margin.tier_unit == "quantity"
        c.funding_is_capped = margin.funding_is_capped
        c.funding_at_index = margin.funding_price == "index"
        c.whole_leverage = margin.whole_leverage
        c.transfer_share = margin.transfer_share
        return 0

    cpdef int set_value_limits(self, double market, double limit) except -1:
        """Set the largest notional of one market and of one limit order, quote currency; 0 = none."""
        self.contract.maximum_market_notional = market
        self.contract.maximum_notional = limit
        return 0

    cpdef int set_clearance_fee(self, object rate) except -1:
        """Set the rate charged on notional closed by force."""
        self.contract.clearance_fee = mantissa(rate, RATE_SCALE, f"{self.instrument.symbol}: clearance fee")
        return 0

    cpdef int set_rounding(self, object rounding) except -1:
        """Put the rounding rules of a date in force."""
        cdef Contract *c = self.contract
        c.profit_rounding = _rounding(rounding.profit)
        c.fee_rounding = _rounding(rounding.fee)
        c.funding_rounding = _rounding(rounding.funding)
        c.entry_rule = _entry_rule(rounding.entry)
        c.entry_scale = rounding.entry_decimals
        c.money_scale = c.settle_scale
        if rounding.money_decimals is not None:
            c.money_scale = min(c.settle_scale, <uint8_t> rounding.money_decimals)
        return 0

    cpdef int swap_instrument(self, object instrument) except -1:
        """Put the instrument's next dated record in force: tick, lot and limits.

        Raises
        ------
        VenueError
            If symbol, contract, contract size or expiry differ: positions are kept in these units.
        """
        for name in ("symbol", "contract", "contract_size", "expiry"):
            old, new = getattr(self.instrument, name), getattr(instrument, name)
            if old != new:
                raise VenueError(
                    f"{self.instrument.symbol}: {name} cannot change during a run, from {old!r} to {new!r}; "
                    "end the run before that date or give the instrument by with_instrument"
                )
        return self._limits(instrument)

    def set_open_interest(self, double quantity):
        """Set the open interest (quantity) that the initial rate follows where the contract has caps."""
        self.contract.open_interest = quantity

    def notional(self, quantity, price):
        """Return the absolute notional of a quantity at a price, settle asset."""
        return notional(self.contract, quantity, price)

    @property
    def size(self):
        """(mantissa, decimals) of the contract size."""
        return self.contract.size, self.contract.size_scale

    @property
    def fees(self):
        """(maker, taker) in units of 1e-10."""
        return self.contract.maker_fee, self.contract.taker_fee
