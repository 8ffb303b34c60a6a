"""The verbs that a strategy trades with."""

from functools import partial

from backtest.sizing cimport BY_LEVERAGE, BY_QUANTITY, Size, chosen, effective_units, resolve_size, to_units, units_of
from backtest.strategy_core cimport StrategyCore
from backtest.views cimport OrderView
from libc.stdint cimport int8_t, int32_t, int64_t
from venues.orders cimport (
    BELOW_MINIMUM, BY_USER, CANCELED, CLOSE_POSITION, FOK, GTC, IOC, LIMIT, MARKET, NO_REASON, OFF_LOT, OFF_TICK,
    ON_INDEX, ON_LAST, ON_MARK, POST_ONLY, PROTECTIVE, REDUCE_ONLY, REJECTED, STOP_MARKET, TAKE_MARKET,
    TRAILING_STOP, WORKING, Order,
)
from venues.state cimport AccountState

from backtest.errors import OrderError

TRIGGERS = {"mark": ON_MARK, "last": ON_LAST, "index": ON_INDEX}
TIFS = {"GTC": GTC, "IOC": IOC, "FOK": FOK}
SIZES = ("quantity", "value", "notional", "delta", "leverage")


cdef class Trading(StrategyCore):
    """The verbs that send, change and cancel orders."""

    def buy(self, symbol, *, quantity=None, value=None, notional=None, delta=None, leverage=None, limit=None,
            post_only=False, reduce_only=False, tif="GTC", tag=None, position=None):
        """Send a buy order and return it; None when the size rounds to nothing.

        A market order whose size needs a price that nobody has told yet (in `on_start`, say) is sent with the first
        one; its `id` is negative until then.

        Parameters
        ----------
        symbol : str
        quantity, value, notional, delta, leverage : number or str
            Exactly one, positive. `quantity` in the instrument's unit; `notional` in quote currency (US dollars for
            inverse); `value` what is spent: spot cash with the fee inside, derivative margin and fee; `delta` in base
            coin; `leverage` as a multiple of the account's equity at the mark. Rounded toward zero on the lot.
        limit : number, optional
            Limit price, rounded to the passive side on the tick; None sends a market order.
        post_only, reduce_only : bool
        tif : str
            ``GTC | IOC | FOK``.
        tag : str, optional
            Goes into fills, ledger and attribution.
        position : str, optional
            ``long | short``, required in hedge mode.
        """
        return self._trade(1, symbol, (quantity, value, notional, delta, leverage), limit, post_only, reduce_only,
                           tif, tag, position)

    def sell(self, symbol, *, quantity=None, value=None, notional=None, delta=None, leverage=None, limit=None,
             post_only=False, reduce_only=False, tif="GTC", tag=None, position=None):
        """Send a sell order and return it; see `buy`."""
        return self._trade(-1, symbol, (quantity, value, notional, delta, leverage), limit, post_only, reduce_only,
                           tif, tag, position)

    def _trade(self, int side, symbol, tuple sizes, limit, bint post_only, bint reduce_only, tif, tag, position,
               OrderView early=None):
        cdef int32_t instrument, account
        cdef int64_t units, price = 0
        cdef int leg = 0
        cdef Size size
        instrument, account = self.find(symbol)
        self._may_trade()
        size = resolve_size(sizes, False)
        leg = self._leg(account, position)
        if limit is not None:
            price = self.context.price_units(instrument, float(limit), side)
            if price <= 0:
                raise OrderError(f"limit must be a positive price, got {limit!r} for {symbol}")
        elif post_only:
            raise OrderError(f"post_only needs a limit price ({symbol})")
        if early is None and price == 0 and self._lacks_price(instrument, size):
            early = self._early(account, instrument, side, tag, size.value)
            self._wait(instrument, early, partial(self._trade, side, symbol, sizes, None, post_only, reduce_only, tif,
                                                  tag, position, early))
            return early
        units = to_units(self.context, account, instrument, size, side, price)
        if early is not None:
            self._orders.pop(early.order.id)
        if units == 0:
            if early is not None:
                early.order.status = REJECTED
                early.order.reason = BELOW_MINIMUM
            return None
        order = self.context.send(
            self.number, account, instrument, side, abs(units), LIMIT if price else MARKET, price, 0, 0,
            (POST_ONLY if post_only else 0) | (REDUCE_ONLY if reduce_only else 0), chosen("tif", tif, TIFS), leg,
            self.context.tag(tag), size.value)
        if limit is not None:
            order.requested_price = float(limit)
        if early is not None:
            early.order = order[0]
            self._orders[order.id] = early
        return self.view(order.id)

    cdef bint _lacks_price(self, int32_t instrument, Size size):
        return size.kind != BY_QUANTITY and self.context.price(instrument) <= 0.0

    cdef OrderView _early(self, int32_t account, int32_t instrument, int side, tag, double requested):
        """An order that waits for the first price of its instrument."""
        cdef OrderView view = OrderView.__new__(OrderView)
        self._early_orders += 1
        view.order.id = -self._early_orders
        view.order.account = account
        view.order.instrument = instrument
        view.order.side = <int8_t> side
        view.order.requested_quantity = requested
        view.order.submitted = self.context.now
        view.info = self.told(instrument, account)
        view.account = self.context.accounts[account]
        view.tag = None if tag is None else str(tag)
        view.clock = self._clock
        self._orders[view.order.id] = view
        return view

    def _wait(self, int32_t instrument, key, call):
        """Call later, when an instrument has a price; a waiting call of the same key is replaced."""
        self._forget(key)
        self._waiting.append((instrument, key, call))
        self.context.waiting += 1

    def _forget(self, key):
        kept = [each for each in self._waiting if each[1] != key]
        self.context.waiting -= len(self._waiting) - len(kept)
        self._waiting = kept

    def first_prices(self):
        """Send what waited for the first price of its instrument (the engine calls this)."""
        due = [each for each in self._waiting if self.context.price(each[0]) > 0.0]
        self._waiting = [each for each in self._waiting if each not in due]
        self.context.waiting -= len(due)
        for _, _, call in due:
            call()

    def _leg(self, int32_t account, position):
        if position is not None and position != "long" and position != "short":
            raise OrderError(f"position must be 'long' or 'short', got {position!r}")
        if self.context.state(account).hedge:
            if position is None:
                raise OrderError(
                    f"account {self.context.accounts[account]} is in hedge mode: "
                    "name the leg with position='long' or 'short'")
            return 1 if position == "long" else -1
        if position is not None:
            raise OrderError(
                f"account {self.context.accounts[account]} is in one-way mode and has no {position!r} leg; "
                "leave position out, or use position_mode='hedge'")
        return 0

    def _may_trade(self):
        if self.context.warming:
            raise OrderError("trading verbs are refused while warmup= replays history")

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
            self._wait(instrument, None if by else (account, instrument),
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
                    and view.order.type <= LIMIT):
                sum += view.order.side * (view.order.quantity - view.order.filled)
        return sum

    def _send_part(self, int32_t instrument, int32_t account, int side, int64_t units, limit, tif, tag, bint reduces,
                   double requested):
        cdef int64_t price = 0
        cdef double reference = self.context.price(instrument)
        cdef bint is_spot = self.context.infos[instrument].contract == "spot"
        if limit is not None:
            price = self.context.price_units(instrument, float(limit), side)
        if is_spot:
            units -= units % max(<int64_t> 1, self.context.world.contracts[instrument].lot)      # fees leave dust
            if units == 0:
                return None
        if not reduces:
            if units < self.context.world.contracts[instrument].minimum_quantity:
                return None
            size = self.context.world.contracts[instrument].multiplier
            if (self.context.world.quantity_value(instrument, units) * size
                    * reference < self.context.world.contracts[instrument].minimum_notional):
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
        for view in list(self._orders.values()):
            if view.info.index == instrument and (<OrderView> view).order.account == account and view.is_open:
                self.cancel(view)
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
        trailing : float, optional
            Distance of a trailing stop, in price.
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
        cdef Order *order
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
            price = self.context.price_units(instrument, float(level), 0)
            if price <= 0:
                raise OrderError(f"protect({symbol!r}): a price or distance must be at least one tick, got {level!r}")
            standing = None
            for view in list(self._orders.values()):
                if (view.info.index == instrument and (<OrderView> view).order.type == kind and view.is_open
                        and (<OrderView> view).order.flags & PROTECTIVE and (<OrderView> view).order.leg == leg
                        and not (<OrderView> view).order.canceling):
                    same = (<OrderView> view).order.trail if kind == TRAILING_STOP else (<OrderView> view).order.trigger
                    if same == price and (<OrderView> view).order.side == side:
                        standing = view
                    else:
                        self.cancel(view)
            if standing is None:
                order = self.context.send(
                    self.number, account, instrument, side, 0, kind, 0, 0 if kind == TRAILING_STOP else price,
                    price if kind == TRAILING_STOP else 0, CLOSE_POSITION | PROTECTIVE | REDUCE_ONLY, GTC, leg, -1, 0.0)
                order.trigger_source = TRIGGERS[trigger]
                standing = self.view(order.id)
                (<OrderView> standing).order.trigger_source = order.trigger_source
            made.append(standing)
        return made

    def submit(self, symbol, *, side, quantity, limit=None, stop=None, post_only=False, reduce_only=False, tif="GTC",
               tag=None, position=None, trigger="mark"):
        """Send exactly what is given, without rounding; the venue refuses what does not fit, with a reason.

        Parameters
        ----------
        symbol : str
        side : str
            ``buy | sell``.
        quantity : number or str
            In the instrument's unit.
        limit, stop : number, optional
            A limit price, or the trigger of a stop-market order.
        """
        cdef int32_t instrument, account
        cdef int64_t units, price = 0, level = 0
        cdef int scale, reason
        cdef int source = chosen("trigger", trigger, TRIGGERS)
        cdef Order *order
        instrument, account = self.find(symbol)
        self._may_trade()
        if side not in ("buy", "sell"):
            raise OrderError(f"side must be 'buy' or 'sell', got {side!r}")
        if limit is not None and stop is not None:
            raise OrderError("submit takes limit= or stop=, not both (stop-limit orders are not built)")
        if post_only and limit is None:
            raise OrderError(f"post_only needs a limit price ({symbol})")
        scale = self.context.world.contracts[instrument].price_scale
        units, exact = units_of(quantity, self.context.world.contracts[instrument].quantity_scale, "quantity")
        reason = NO_REASON if exact else OFF_LOT
        if limit is not None or stop is not None:
            level, exact = units_of(stop if limit is None else limit, scale, "stop" if limit is None else "limit")
            if not exact:
                reason = OFF_TICK
        if limit is not None:
            price, level = level, 0
        order = self.context.send(
            self.number, account, instrument, 1 if side == "buy" else -1, units,
            LIMIT if limit is not None else STOP_MARKET if stop is not None else MARKET, price, level, 0,
            (POST_ONLY if post_only else 0) | (REDUCE_ONLY if reduce_only else 0), chosen("tif", tif, TIFS),
            self._leg(account, position), self.context.tag(tag), float(quantity))
        order.trigger_source = source
        if limit is not None:
            order.requested_price = float(limit)
        view = self.view(order.id)
        order.reason = reason                # finer than the run's units: the venue refuses it when it arrives
        return view

    def cancel(self, order):
        """Ask the venue to cancel an own order; its answer comes to `on_order`."""
        cdef OrderView view = order
        cdef Order *live = self.context.store.by_id(view.order.id)
        if view.is_open and live == NULL:            # it still waits for a price
            self._forget(view)
            self._orders.pop(view.order.id)
            view.order.status = CANCELED
            view.order.reason = BY_USER
        if not view.is_open or live.canceling:
            return
        view.order.canceling = 1
        self.context.send_cancel(live)

    def cancel_all(self, symbol=None):
        """Ask to cancel all own open orders, of one symbol or of all."""
        instrument = None if symbol is None else self.find(symbol)[0]
        for view in list(self._orders.values()):
            if view.is_open and (instrument is None or view.info.index == instrument):
                self.cancel(view)

    def amend(self, order, *, limit=None, quantity=None):
        """Ask for another limit price or quantity; the order goes to the back of the queue at its price."""
        cdef OrderView view = order
        if view.order.type != LIMIT or not view.is_open:
            raise OrderError(f"only an open limit order can be amended, this is {order!r}")
        if view.order.id < 0:
            raise OrderError(f"{order!r} is not sent yet: it waits for a price")
        price = view.order.price if limit is None else self.context.price_units(view.info.index, float(limit),
                                                                                view.order.side)
        units = view.order.quantity if quantity is None else self.context.units_down(view.info.index, float(quantity))
        self._ask("amend", view.order.account, f"amend of order {view.order.id} ({view.info.address})", view.order.id,
                  price, units)

    def _ask(self, what, int32_t account, text, *arguments):
        """Send a request other than an order; `text` is what a refusal is told with."""
        self.context.add_verb(account, (what, self.number, account, *arguments, text))

    def orders(self, symbol=None):
        """Return the own open orders, of one symbol or of all."""
        instrument = None if symbol is None else self.find(symbol)[0]
        return [view for view in self._orders.values()
                if view.is_open and (instrument is None or view.info.index == instrument)]

    def round_price(self, symbol, price, side):
        """Return the price on the tick, to the passive side of ``buy`` or ``sell``."""
        instrument = self.find(symbol)[0]
        units = self.context.price_units(instrument, float(price), 1 if side == "buy" else -1)
        return units / self.context.world.divisors[instrument]

    def round_quantity(self, symbol, quantity):
        """Return the quantity on the lot, toward zero."""
        instrument = self.find(symbol)[0]
        return self.context.units_down(instrument, float(quantity)) / self.context.world.quantity_divisors[instrument]

    def minimum(self, symbol):
        """Return the smallest quantity that the venue takes at the present price, in the instrument's unit."""
        cdef int32_t instrument = self.find(symbol)[0]
        cdef double price = self.context.price(instrument), least
        c = self.context.world.contracts[instrument]
        least = max(c.minimum_quantity, c.lot, 1) / self.context.world.quantity_divisors[instrument]
        if price > 0.0 and c.minimum_notional > 0.0:
            divisor = self.context.world.quantity_divisors[instrument]
            lots = -(-c.minimum_notional / (price * c.multiplier) * divisor // max(1, c.lot))
            least = max(least, lots * max(1, c.lot) / self.context.world.quantity_divisors[instrument])
        return least
