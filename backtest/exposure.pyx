"""The verbs that reach an exposure: targets, portfolios, closing, resident stops."""

from functools import partial

from backtest.sizing cimport BY_LEVERAGE, Size, chosen, effective_units, resolve_size, to_units
from backtest.brackets cimport Brackets
from backtest.views cimport OrderView
from libc.stdint cimport int32_t, int64_t
from venues.contract cimport Contract, quote_notional
from venues.orders cimport (
    CLOSE_POSITION, GTC, LIMIT, MARKET, POST_ONLY, PROTECTIVE, REDUCE_ONLY, STOP_MARKET, TAKE_MARKET, TRAILING_STOP,
    WORKING, Order,
)
from venues.state cimport AccountState

from backtest.errors import OrderError
from backtest.trading import TIFS, TRIGGERS


cdef class Exposure(Brackets):
    """The verbs that compare what is wanted with what is held, and send the difference."""

    def target(self, symbol, *, quantity=None, value=None, notional=None, delta=None, leverage=None, limit=None,
               tif="GTC", tag=None):
        """Reach an exposure and return the orders sent (possibly none).

        Working orders of this strategy count as filled, so that asking twice sends once. An order that would turn the
        position is split at zero and its first part is reduce-only. An addition below the venue's minimum is skipped.
        An instrument whose size needs a price that nobody has told yet is reached with the first one.

        Parameters
        ----------
        symbol : str
        quantity, value, notional, delta, leverage : number
            Exactly one, signed; see `buy`.
        limit, tif, tag
            As in `buy`.
        """
        return self._reach(symbol, (quantity, value, notional, delta, leverage), limit, tif, tag, False)

    def adjust(self, symbol, *, quantity=None, value=None, notional=None, delta=None, leverage=None, limit=None,
               tif="GTC", tag=None):
        """Change an exposure by so much (signed) and return the orders sent; see `target`."""
        return self._reach(symbol, (quantity, value, notional, delta, leverage), limit, tif, tag, True)

    def _reach(self, symbol, tuple sizes, limit, tif, tag, bint by):
        cdef int32_t instrument, account
        cdef int64_t wanted, held, change, part
        cdef Size size
        instrument, account = self.find(symbol)
        self._may_trade()
        if self.context.state(account).hedge:
            raise OrderError("target and adjust are for one-way mode; in hedge mode use buy and sell with position=")
        size = resolve_size(sizes, True)
        if limit is None and self._lacks_price(instrument, size):
            key = object() if by else (account, instrument)      # each change counts, of the targets only the last
            self._wait(instrument, key,
                       partial(self._reach, symbol, sizes, limit, tif, tag, by))
            return []
        held = effective_units(self.context, account, instrument, self._pending(instrument, account))
        wanted = to_units(self.context, account, instrument, size, 0, 0)
        change = wanted if by else wanted - held
        sent = []
        if change == 0:
            return sent
        if held * change < 0:
            part = min(abs(change), abs(held))
            sent.append(self._send_part(instrument, account, 1 if change > 0 else -1, part, limit, tif, tag, True,
                                        size.value))
            change = change - part if change > 0 else change + part
        if change != 0:
            sent.append(self._send_part(instrument, account, 1 if change > 0 else -1, abs(change), limit, tif, tag,
                                        False, size.value))
        return [order for order in sent if order is not None]

    cdef int64_t _pending(self, int32_t instrument, int32_t account):
        """Signed quantity units that own orders may still fill, protective ones left out."""
        cdef int64_t sum = 0
        cdef OrderView view
        for view in self._orders.values():
            if (view.order.instrument == instrument and view.order.account == account and not view.order.canceling
                    and view.order.status <= WORKING and not view.order.flags & (CLOSE_POSITION | PROTECTIVE)
                    and view.order.type <= LIMIT and view.order.parent == 0):
                sum += view.order.side * (view.order.quantity - view.order.filled)
        return sum

    def _send_part(self, int32_t instrument, int32_t account, int side, int64_t units, limit, tif, tag, bint reduces,
                   double requested):
        cdef int64_t price = 0
        cdef double reference = self.context.price(instrument)
        cdef const Contract *c
        cdef bint is_spot = self.context.infos[instrument].contract == "spot"
        if limit is not None:
            price = self.context.price_units(instrument, float(limit), side)
        if is_spot:
            units -= units % max(<int64_t> 1, self.context.world.contracts[instrument].lot)      # fees leave dust
            if units == 0:
                return None
        if not reduces:
            c = self.context.world.contracts[instrument]
            if units < c.minimum_quantity or quote_notional(
                    c, self.context.world.quantity_value(instrument, units), reference) < c.minimum_notional:
                return None
        order = self.context.send(
            self.number, account, instrument, side, units, LIMIT if price else MARKET, price, 0, 0,
            REDUCE_ONLY if reduces and not is_spot else 0, chosen("tif", tif, TIFS), 0,
            self.context.tag(tag), requested)
        return self.view(order.id)

    def target_portfolio(self, weights, *, tolerance=0.0, over=None, reduce_first=True, tag=None):
        """Reach several exposures, each a multiple of its account's equity, and return the orders sent.

        Parameters
        ----------
        weights : mapping of str to float
            Signed leverage of each symbol; contracts that these accounts hold and that are not named are closed.
        tolerance : float
            A change smaller than this share of the weight is left alone.
        over : str, optional
            Spread the change in equal parts over this time (``"30m"``), one a minute.
        reduce_first : bool
            Send what reduces before what increases.
        """
        from backtest.portfolio import plan
        self._may_trade()
        return plan(self, weights, tolerance=tolerance, over=over, reduce_first=reduce_first, tag=tag)

    def _place(self, symbol):
        """Instrument and account of a symbol."""
        return self.find(symbol)

    def _has_price(self, symbol):
        return self.context.price(self.find(symbol)[0]) > 0.0

    def _working_quantity(self, symbol):
        """The position with own working orders counted as filled, in the instrument's unit."""
        cdef int32_t instrument, account
        instrument, account = self.find(symbol)
        return self.context.world.quantity_value(
            instrument, effective_units(self.context, account, instrument, self._pending(instrument, account)))

    def _quantity_at(self, symbol, double leverage):
        """The signed quantity that a leverage means now, toward zero on the lot."""
        cdef int32_t instrument, account
        cdef Size size
        if leverage == 0.0:
            return 0.0
        instrument, account = self.find(symbol)
        size.kind = BY_LEVERAGE
        size.value = leverage
        return self.context.world.quantity_value(instrument, to_units(self.context, account, instrument, size, 0, 0))

    def _contracts_held(self, accounts):
        """Names of the contracts that accounts hold, by instrument and account."""
        cdef AccountState state
        cdef int32_t i
        held = {}
        for account in sorted(accounts):
            state = self.context.state(account)
            for i in range(state.n_slots):
                if state.slots[i].position.quantity != 0:
                    instrument = state.slots[i].position.instrument
                    symbol = self.context.infos[instrument].symbol
                    held[instrument, account] = f"{symbol}@{self.context.accounts[account]}"
        return held

    def close(self, symbol, *, tag=None):
        """Close a position at market, reduce-only, and return the orders; own working orders there are cancelled."""
        cdef int32_t instrument, account
        cdef int leg
        instrument, account = self.find(symbol)
        self._may_trade()
        self.cancel_all(symbol)
        sent = []
        for leg in range(-1, 2):
            if leg == 0:
                units = effective_units(self.context, account, instrument, 0)
            else:
                units = self._leg_units(account, instrument, leg)
            if units != 0:
                order = self.context.send(
                    self.number, account, instrument, -1 if units > 0 else 1, abs(units), MARKET, 0, 0, 0,
                    0 if self.context.infos[instrument].contract == "spot" else REDUCE_ONLY, GTC, leg,
                    self.context.tag(tag), abs(units) / self.context.world.quantity_divisors[instrument])
                sent.append(self.view(order.id))
        return sent

    def quote(self, symbol, *, bid=None, ask=None, levels=(), tag="quote"):
        """Have post-only orders at wanted prices and nowhere else, and return those that were sent for it.

        Own working orders of this tag that stand at a wanted price stay where they are, what is left of them included,
        and keep their place in the queue; the others are cancelled. Asking twice for the same sends nothing.

        Parameters
        ----------
        symbol : str
        bid, ask : (price, quantity), optional
            Rounded to the passive side on the tick, and toward zero on the lot; None = nothing on that side.
        levels : sequence of (bid, ask)
            Further pairs.
        tag : str
        """
        cdef int32_t instrument, account
        cdef int64_t price, units
        cdef OrderView view
        instrument, account = self.find(symbol)
        self._may_trade()
        number = self.context.tag(tag)
        wanted = {}
        for pair in ((bid, ask), *levels):
            for side, one in zip((1, -1), pair, strict=True):
                if one is None:
                    continue
                price = self.context.price_units(instrument, float(one[0]), side)
                units = self.context.units_down(instrument, float(one[1]))
                if price <= 0 or units < 0:
                    raise OrderError(f"quote({symbol!r}): a price must be positive, a quantity not negative: {one!r}")
                if units > 0:
                    wanted[side, price] = wanted.get((side, price), 0) + units
        for view in list(self._orders.values()):
            if (view.order.instrument != instrument or view.order.account != account or view.order.tag != number
                    or view.order.canceling or not view.is_open):
                continue
            if wanted.pop((view.order.side, view.order.price), None) is None:
                self.cancel(view)
        return [self._post(instrument, account, side, price, units, number)
                for (side, price), units in wanted.items()]

    def _post(self, int32_t instrument, int32_t account, int side, int64_t price, int64_t units, int32_t tag):
        cdef Order *order = self.context.send(
            self.number, account, instrument, side, units, LIMIT, price, 0, 0, POST_ONLY, GTC, self._leg(account, None),
            tag, units / self.context.world.quantity_divisors[instrument])
        return self.view(order.id)

    def _leg_units(self, int32_t account, int32_t instrument, int leg):
        slot = self.context.state(account).find(instrument, leg)
        return 0 if slot == NULL else slot.position.quantity

    def protect(self, symbol, *, stop=None, take=None, trailing=None, trigger="mark", position=None):
        """Keep resident stops at the venue for the whole position, whatever its size is when they fire.

        Parameters
        ----------
        symbol : str
        stop, take : float, optional
            Trigger prices of a stop-market and a take-profit-market order.
        trailing : float or str, optional
            Distance of a trailing stop, in price or as a share of the best price (``"0.5%"``).
        trigger : str
            ``mark | last | index``.

        Returns
        -------
        list of Order
            A repeated call replaces those whose prices have changed.
        """
        cdef int32_t instrument, account
        cdef int leg, side
        cdef int64_t price
        cdef double rate
        cdef Order *order
        cdef OrderView standing
        instrument, account = self.find(symbol)
        self._may_trade()
        chosen("trigger", trigger, TRIGGERS)
        if stop is None and take is None and trailing is None:
            raise OrderError(f"protect({symbol!r}) needs stop=, take= or trailing=")
        leg = self._leg(account, position)
        units = self._leg_units(account, instrument, leg)
        if units == 0:
            return []
        side = -1 if units > 0 else 1
        made = []
        for kind, level in ((STOP_MARKET, stop), (TAKE_MARKET, take), (TRAILING_STOP, trailing)):
            if level is None:
                continue
            rate = 0.0
            if kind == TRAILING_STOP:
                price, rate = self._trail(instrument, level)
            else:
                price = self.context.price_units(instrument, float(level), 0)
            if price <= 0 and rate == 0.0:
                raise OrderError(f"protect({symbol!r}): a price or distance must be at least one tick, got {level!r}")
            standing = self._standing(instrument, account, leg, side, kind, price, rate)
            if standing is None:
                order = self.context.send(
                    self.number, account, instrument, side, 0, kind, 0, 0 if kind == TRAILING_STOP else price,
                    price if kind == TRAILING_STOP else 0, CLOSE_POSITION | PROTECTIVE | REDUCE_ONLY, GTC, leg, -1, 0.0)
                order.trigger_source = TRIGGERS[trigger]
                order.trail_rate = rate
                standing = self.view(order.id)
                standing.order.trigger_source = order.trigger_source
            made.append(standing)
        return made

    cdef OrderView _standing(self, int32_t instrument, int32_t account, int leg, int side, int kind, int64_t price,
                             double rate):
        """The resident stop that is as wanted, None if there is none; others of its kind there are cancelled."""
        cdef OrderView view, standing = None
        for view in list(self._orders.values()):
            if (view.order.instrument != instrument or view.order.account != account or view.order.leg != leg
                    or view.order.type != kind or view.order.parent != 0 or not view.order.flags & PROTECTIVE
                    or view.order.canceling or not view.is_open):
                continue
            if view.order.side == side and view.order.trail_rate == rate and price == (
                    view.order.trail if kind == TRAILING_STOP else view.order.trigger):
                standing = view
            else:
                self.cancel(view)
        return standing
