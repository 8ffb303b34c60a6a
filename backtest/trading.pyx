"""The verbs that send, change and cancel orders."""

from functools import partial

from backtest.agenda cimport ORDER_EXPIRES
from backtest.early_orders cimport EarlyOrders
from backtest.sizing cimport Size, chosen, resolve_size, to_units, units_of
from backtest.views cimport OrderView
from libc.math cimport ceil
from libc.stdint cimport int32_t, int64_t
from venues.contract cimport Contract, quote_notional
from venues.orders cimport (
    FOK, GTC, GTD, IOC, LIMIT, MARKET, NO_REASON, OFF_LOT, OFF_TICK, ON_INDEX, ON_LAST, ON_MARK, POST_ONLY, REDUCE_ONLY,
    STOP_LIMIT, STOP_MARKET, TAKE_LIMIT, TAKE_MARKET, TRAILING_STOP, Order,
)

from backtest.errors import OrderError

TRIGGERS = {"mark": ON_MARK, "last": ON_LAST, "index": ON_INDEX}
TIFS = {"GTC": GTC, "IOC": IOC, "FOK": FOK, "GTD": GTD}


cdef class Trading(EarlyOrders):
    """The verbs that send, change and cancel single orders."""

    def buy(self, symbol, *, quantity=None, value=None, notional=None, delta=None, leverage=None, limit=None,
            post_only=False, reduce_only=False, tif="GTC", until=None, tag=None, position=None, show=None):
        """Send a buy order and return it; one whose size rounds to nothing is refused by the venue (BELOW_MINIMUM).

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
            ``GTC | IOC | FOK | GTD``.
        until : duration or time, optional
            Of GTD, which it implies: how long from now (``"10m"``), or a time (int ns, Timestamp).
        tag : str, optional
            Goes into fills, ledger and attribution.
        position : str, optional
            ``long | short``, required in hedge mode.
        show : number, optional
            Of an iceberg: the quantity that a resting limit order shows. When that is filled the next part is shown,
            behind everything in the queue of its price.
        """
        return self._trade(1, symbol, (quantity, value, notional, delta, leverage), limit, post_only, reduce_only,
                           tif, until, tag, position, show)

    def sell(self, symbol, *, quantity=None, value=None, notional=None, delta=None, leverage=None, limit=None,
             post_only=False, reduce_only=False, tif="GTC", until=None, tag=None, position=None, show=None):
        """Send a sell order and return it; see `buy`."""
        return self._trade(-1, symbol, (quantity, value, notional, delta, leverage), limit, post_only, reduce_only,
                           tif, until, tag, position, show)

    def _trade(self, int side, symbol, tuple sizes, limit, bint post_only, bint reduce_only, tif, until, tag,
               position, show=None, OrderView early=None):
        cdef int32_t instrument, account
        cdef int64_t units, price = 0, shown = 0
        cdef int leg = 0
        cdef Size size
        instrument, account = self.find(symbol)
        self._may_trade()
        tif, expires = self._time_in_force(tif, until)
        size = resolve_size(sizes, False)
        leg = self._leg(account, position)
        if limit is not None:
            price = self.context.price_units(instrument, float(limit), side)
            if price <= 0:
                raise OrderError(f"limit must be a positive price, got {limit!r} for {symbol}")
        elif post_only or show is not None:
            raise OrderError(f"{'post_only' if post_only else 'show='} needs a limit price ({symbol})")
        if show is not None:
            shown = self.context.units_down(instrument, float(show))
            if shown <= 0:
                raise OrderError(f"show must be at least one lot, got {show!r} ({symbol})")
        if early is None and price == 0 and self._lacks_price(instrument, size):
            early = self._early(account, instrument, side, tag, size.value)
            self._wait(instrument, early, partial(self._trade, side, symbol, sizes, None, post_only, reduce_only, tif,
                                                  until, tag, position, None, early))
            return early
        units = to_units(self.context, account, instrument, size, side, price)
        if early is not None:
            self._orders.pop(early.order.id)
        order = self.context.send(
            self.number, account, instrument, side, abs(units), LIMIT if price else MARKET, price, 0, 0,
            (POST_ONLY if post_only else 0) | (REDUCE_ONLY if reduce_only else 0), chosen("tif", tif, TIFS), leg,
            self.context.tag(tag), size.value)
        self._end_at(order, expires)
        if shown < order.quantity:           # else all of it is shown
            order.shown = shown
            order.visible = shown
        if limit is not None:
            order.requested_price = float(limit)
        if early is not None:
            early.order = order[0]
            self._orders[order.id] = early
        return self.view(order.id)

    def _time_in_force(self, tif, until):
        """The word, and the time at which the order ends (0 = never)."""
        from backtest.timers import duration_ns
        from feeds.times import time_ns
        chosen("tif", tif, TIFS)
        if until is None:
            if tif == "GTD":
                raise OrderError("tif='GTD' needs until=: a duration such as '10m', or a time")
            return tif, 0
        if tif not in ("GTC", "GTD"):
            raise OrderError(f"until= is for tif='GTD', got tif={tif!r}")
        try:
            end = self.context.now + duration_ns(until) if isinstance(until, str) else time_ns(until, name="until")
        except ValueError as error:
            raise OrderError(f"until: {error}") from None
        if end <= self.context.now:
            raise OrderError(f"until must be later than now, got {until!r}")
        return "GTD", end

    cdef int _end_at(self, Order *order, int64_t expires) except -1:
        """Have the venue end an order at a time."""
        if expires != 0:
            order.expires = expires
            # Should it arrive later than that, the venue refuses it then.
            self.context.venue_agenda.push(expires, ORDER_EXPIRES, order.id)
        return 0

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

    def submit(self, symbol, *, side, quantity, limit=None, stop=None, take=None, trailing=None, activation=None,
               post_only=False, reduce_only=False, tif="GTC", until=None, tag=None, position=None, trigger="mark"):
        """Send exactly what is given, without rounding; the venue refuses what does not fit, with a reason.

        Parameters
        ----------
        symbol : str
        side : str
            ``buy | sell``.
        quantity : number or str
            In the instrument's unit.
        limit : number, optional
            Limit price; with `stop` or `take` the order becomes a limit order when it is triggered.
        stop, take : number, optional
            Trigger price of a stop (a buy is triggered at or above it) or of a take-profit (at or below it).
        trailing : number or str, optional
            Distance in price, or a share of the best price (``"0.5%"``), of a trailing stop.
        activation : number, optional
            Price from which a trailing stop follows: at or above it for a sell, at or below it for a buy.
        trigger : str
            ``mark | last | index``: whose price triggers.
        until
            As in `buy`.
        """
        cdef int32_t instrument, account
        cdef int64_t units, price = 0, level = 0, distance = 0, start = 0
        cdef double rate = 0.0
        cdef int scale, reason, kind = MARKET
        cdef int source = chosen("trigger", trigger, TRIGGERS)
        cdef Order *order
        instrument, account = self.find(symbol)
        self._may_trade()
        tif, expires = self._time_in_force(tif, until)
        if side not in ("buy", "sell"):
            raise OrderError(f"side must be 'buy' or 'sell', got {side!r}")
        given = [name for name, value in (("stop", stop), ("take", take), ("trailing", trailing)) if value is not None]
        if len(given) > 1:
            raise OrderError(f"submit takes one of stop=, take=, trailing=, got {' and '.join(given)}; oco() sends two")
        if trailing is not None and limit is not None:
            raise OrderError("a trailing stop takes no limit=: it becomes a market order")
        if activation is not None and trailing is None:
            raise OrderError("activation= is for a trailing stop: give trailing=")
        if post_only and limit is None:
            raise OrderError(f"post_only needs a limit price ({symbol})")
        scale = self.context.world.contracts[instrument].price_scale
        units, exact = units_of(quantity, self.context.world.contracts[instrument].quantity_scale, "quantity")
        reason = NO_REASON if exact else OFF_LOT
        if limit is not None:
            kind = LIMIT
            price, exact = units_of(limit, scale, "limit")
            reason = reason if exact else OFF_TICK
        if stop is not None or take is not None:
            name = given[0]
            kind = (STOP_MARKET if limit is None else STOP_LIMIT) if stop is not None else (
                TAKE_MARKET if limit is None else TAKE_LIMIT)
            level, exact = units_of(take if stop is None else stop, scale, name)
            reason = reason if exact else OFF_TICK
        elif trailing is not None:
            kind = TRAILING_STOP
            distance, rate = self._trail(instrument, trailing)
            if activation is not None:
                start, exact = units_of(activation, scale, "activation")
                reason = reason if exact else OFF_TICK
        order = self.context.send(
            self.number, account, instrument, 1 if side == "buy" else -1, units, kind, price, level, distance,
            (POST_ONLY if post_only else 0) | (REDUCE_ONLY if reduce_only else 0), chosen("tif", tif, TIFS),
            self._leg(account, position), self.context.tag(tag), float(quantity))
        order.trigger_source = source
        order.trail_rate = rate
        order.activation = start
        self._end_at(order, expires)
        if limit is not None:
            order.requested_price = float(limit)
        view = self.view(order.id)
        order.reason = reason                # finer than the run's units: the venue refuses it when it arrives
        return view

    def _trail(self, int32_t instrument, trailing):
        """Distance of a trailing stop: (price units, 0) or (0, share of the best price)."""
        cdef int64_t distance
        if isinstance(trailing, str):
            text = trailing.strip()
            try:
                share = float(text.removesuffix("%")) / 100.0 if text.endswith("%") else 0.0
            except ValueError:
                share = 0.0
            if not 0.0 < share < 1.0:
                raise OrderError(f"trailing must be a price distance or a share such as '0.5%', got {trailing!r}")
            return 0, share
        distance = self.context.price_units(instrument, float(trailing), 0)
        if distance <= 0:
            raise OrderError(f"trailing: a price or distance must be at least one tick, got {trailing!r}")
        return distance, 0.0

    def cancel(self, order):
        """Ask the venue to cancel an own order; its answer comes to `on_order`."""
        cdef OrderView view = order
        cdef Order *live = self.context.store.by_id(view.order.id)
        if view.is_open and live == NULL:
            self._withdraw(view)
        if not view.is_open or live.canceling:
            return
        view.order.canceling = 1
        self.context.send_cancel(live)

    def cancel_all(self, symbol=None):
        """Ask to cancel all own open orders, of one symbol or of all."""
        for view in self.orders(symbol):
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
        cdef OrderView view
        place = None if symbol is None else self.find(symbol)
        return [view for view in self._orders.values()
                if view.is_open and (place is None or place == (view.info.index, view.order.account))]

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
        cdef const Contract *c = self.context.world.contracts[instrument]
        cdef int64_t lot = max(<int64_t> 1, c.lot), least = max(c.minimum_quantity, lot)
        cdef double one = quote_notional(c, lot * c.quantity_unit, self.context.price(instrument))
        if one > 0.0:
            least = max(least, <int64_t> ceil(c.minimum_notional / one * (1.0 - 1e-12)) * lot)
        return least / self.context.world.quantity_divisors[instrument]
