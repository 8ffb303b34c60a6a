"""The base class of strategies: parameters, hooks, and the verbs that a strategy trades and asks with."""

import copy
import difflib
from functools import partial

from libc.stdint cimport int8_t
from libc.stdlib cimport calloc, free, realloc
from backtest.agenda cimport TIMER
from backtest.context cimport Context
from backtest.sizing cimport BY_LEVERAGE, BY_QUANTITY, Size, effective_units, reading, resolve_size, to_units
from backtest.views cimport InstrumentInfo, OrderView
from venues.contract cimport INVERSE, Contract
from venues.orders cimport (
    BELOW_MINIMUM, BY_USER, CANCELED, CLOSE_POSITION, FOK, GTC, IOC, LIMIT, MARKET, NO_REASON, OFF_LOT, OFF_TICK, ON_INDEX,
    ON_LAST, ON_MARK, POST_ONLY, PROTECTIVE, REDUCE_ONLY, REJECTED, STOP_MARKET, TAKE_MARKET, TRAILING_STOP, WORKING, Order,
)
from venues.records cimport LogRow, SeriesRow
from venues.state cimport AccountState

from backtest.errors import ConfigError, OrderError
from backtest.state_views import AccountView, FundingInfo, PositionView, delta_of, equity_of, ratio_of

cdef extern from *:
    """
    #define LEVDYN_VTAB(o) (((struct __pyx_obj_8backtest_8strategy_Strategy *)(o))->__pyx_vtab)
    #define LEVDYN_OVERRIDES(o, name) (LEVDYN_VTAB(o)->name != __pyx_vtabptr_8backtest_8strategy_Strategy->name)
    #define LEVDYN_C_HOOKS(o) ( \\
        (LEVDYN_OVERRIDES(o, _on_trade) ? 1 : 0) | (LEVDYN_OVERRIDES(o, _on_bar) ? 2 : 0) | \\
        (LEVDYN_OVERRIDES(o, _on_mark) ? 4 : 0) | (LEVDYN_OVERRIDES(o, _on_index) ? 8 : 0) | \\
        (LEVDYN_OVERRIDES(o, _on_funding) ? 16 : 0) | (LEVDYN_OVERRIDES(o, _on_liquidation) ? 32 : 0) | \\
        (LEVDYN_OVERRIDES(o, _on_open_interest) ? 64 : 0) | (LEVDYN_OVERRIDES(o, _on_timer) ? 128 : 0) | \\
        (LEVDYN_OVERRIDES(o, _on_fill) ? 256 : 0))
    """
    # Which slots of the method table differ from the base class's own: which C hooks a compiled class overrides.
    unsigned int LEVDYN_C_HOOKS(void *strategy)

TRIGGERS = {"mark": ON_MARK, "last": ON_LAST, "index": ON_INDEX}
TIFS = {"GTC": GTC, "IOC": IOC, "FOK": FOK}
SIZES = ("quantity", "value", "notional", "delta", "leverage")
MARKET_HOOKS = ("on_trade", "on_bar", "on_bars", "on_mark", "on_index", "on_funding", "on_liquidation", "on_open_interest")
ACCOUNT_HOOKS = ("on_order", "on_fill", "on_funding_payment", "on_margin_call", "on_liquidated", "on_adl", "on_settlement",
                 "on_transfer")
HOOKS = MARKET_HOOKS + ACCOUNT_HOOKS + ("on_start", "on_timer", "on_stop")


cdef class Strategy:
    """Base class of strategies.

    Annotated class attributes without a leading underscore are the parameters; a subclass overrides the hooks it wants
    (``on_start, on_trade(event), on_bar(bar), on_bars(time, bars), on_mark, on_index, on_funding, on_liquidation,
    on_open_interest, on_order(order), on_fill(fill), on_funding_payment, on_margin_call, on_liquidated, on_adl,
    on_settlement, on_transfer, on_timer(timer), on_stop``), and only those are called.

    Parameters
    ----------
    **params
        Values of parameters that differ from the class's own.

    Raises
    ------
    ConfigError
        For a name that is not a parameter.
    """

    def __init__(self, **params):
        self.set_parameters(params)
        missing = [name for name in type(self).parameters() if not hasattr(self, name)]
        if missing:
            raise ConfigError(f"{type(self).__name__} needs {missing[0]}=; it has no value of its own")

    def __dealloc__(self):
        free(self._account_of)
        free(self._bars)
        free(self._open)

    # ------------------------------------------------------------------ parameters

    @classmethod
    def parameters(cls):
        """Return the parameters of the class and their values: annotated attributes, or PARAMETERS of a compiled class.

        One that is annotated without a value has None here and must be given.
        """
        found = {}
        for base in reversed(cls.__mro__):
            found.update(base.__dict__.get("PARAMETERS", {}))
            for name in base.__dict__.get("__annotations__", {}):
                if not name.startswith("_"):
                    found[name] = getattr(cls, name, None)
        return found

    def set_parameters(self, params):
        """Set parameters by name; an unknown name is an error that says what was meant."""
        known = type(self).parameters()
        for name in params:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f", did you mean {near[0]!r}?" if near else ""
                raise ConfigError(f"{type(self).__name__} has no parameter {name!r}{hint} It has: {', '.join(known) or 'none'}")
        compiled = getattr(type(self), "PARAMETERS", {})
        for name, value in compiled.items():
            if name not in params:
                setattr(self, name, value)
        for name, value in params.items():
            setattr(self, name, value)

    def parameter_values(self):
        """Return the parameters and their present values."""
        return {name: getattr(self, name) for name in type(self).parameters()}

    def fresh_copy(self, params):
        """Return a copy for one run: the same parameters, those in `params` changed, no state."""
        new = type(self).__new__(type(self))
        for name, value in getattr(self, "__dict__", {}).items():
            setattr(new, name, copy.deepcopy(value))     # not through __dict__, which would slow every later look-up
        Strategy.set_parameters(new, {**copy.deepcopy(self.parameter_values()), **params})
        return new

    def python_hooks(self):
        """Return the names of the Python hooks that this class overrides."""
        return [name for name in HOOKS if getattr(type(self), name, None) is not None]

    def bind(self, Context context, int number, str name):
        """Join a run (the engine calls this)."""
        cdef int32_t i, j
        self.context = context
        self.number = number
        self.name = name
        self.c_hooks = LEVDYN_C_HOOKS(<void *> self)
        self._orders = {}
        self._found = {}
        self._told = {}
        self._heard = set()
        self._waiting = []
        self._trailing = []
        self.infos = [info.named(info.symbol) for info in context.infos]
        self._account_of = <int32_t *> calloc(len(context.infos) + 1, sizeof(int32_t))
        if self._account_of == NULL:
            raise MemoryError("strategy: no memory")
        for i in range(len(context.infos)):
            self._account_of[i] = -1
            for j in range(len(context.accounts)):
                if context.account_venues[j] == context.infos[i].venue:
                    self._account_of[i] = j
                    break
        for value in self.parameter_values().values():
            for text in (value if isinstance(value, (list, tuple, set, frozenset, dict)) else (value,)):
                if isinstance(text, str) and text.partition("@")[0] in context.addresses:
                    self.find(text)

    # ------------------------------------------------------------------ C side

    cdef int _on_trade(self, const Event *event) except -1 nogil:
        return 0

    cdef int _on_bar(self, const Event *event) except -1 nogil:
        return 0

    cdef int _on_mark(self, const Event *event) except -1 nogil:
        return 0

    cdef int _on_index(self, const Event *event) except -1 nogil:
        return 0

    cdef int _on_funding(self, const Event *event) except -1 nogil:
        return 0

    cdef int _on_liquidation(self, const Event *event) except -1 nogil:
        return 0

    cdef int _on_open_interest(self, const Event *event) except -1 nogil:
        return 0

    cdef int _on_fill(self, int32_t instrument, int64_t quantity, int64_t price) except -1 nogil:
        return 0

    cdef int _on_timer(self, int64_t timer) except -1 nogil:
        return 0

    cdef int32_t instrument(self, str symbol) except -1:
        return self.find(symbol)[0]

    cdef int64_t position_units(self, int32_t instrument) noexcept nogil:
        return effective_units(self.context, self._account_of[instrument], instrument, 0)

    cdef int64_t now_ns(self) noexcept nogil:
        return self.context.now

    cdef int64_t bar_timeframe(self) noexcept nogil:
        return self.context.bar_timeframe

    cdef double price_divisor(self, int32_t instrument) noexcept nogil:
        return self.context.world.divisors[instrument]

    cdef double quantity_divisor(self, int32_t instrument) noexcept nogil:
        return self.context.world.quantity_divisors[instrument]

    cdef int64_t expected_units(self, int32_t instrument) noexcept nogil:
        cdef int64_t sum = 0
        cdef int32_t i
        for i in range(self._n_open):
            if self._open[i].instrument == instrument:
                sum += self._open[i].rest
        return effective_units(self.context, self._account_of[instrument], instrument, sum)

    cdef int64_t units_of(self, int32_t instrument, double notional) noexcept nogil:
        cdef const Contract *c = self.context.world.contracts[instrument]
        cdef double price = self.context.price(instrument)
        if price <= 0.0:
            return 0
        return self.context.units_down(
            instrument, notional / c.multiplier if c.kind == INVERSE else notional / (c.multiplier * price))

    cdef double equity_value(self, int32_t instrument) noexcept nogil:
        return self.context.equity(self._account_of[instrument])

    cdef double price(self, int32_t instrument) noexcept nogil:
        return self.context.price(instrument)

    cdef int64_t market_order(self, int32_t instrument, int64_t quantity, bint reduce_only) except? -1 nogil:
        return self._send_units(instrument, quantity, MARKET, 0, REDUCE_ONLY if reduce_only else 0)

    cdef int64_t limit_order(self, int32_t instrument, int64_t quantity, int64_t price, bint post_only) except? -1 nogil:
        return self._send_units(instrument, quantity, LIMIT, price, POST_ONLY if post_only else 0)

    cdef int64_t _send_units(self, int32_t instrument, int64_t quantity, int type, int64_t price, int flags) except? -1 nogil:
        cdef OpenOrder *grown
        cdef OpenOrder *open
        if quantity == 0 or self.context.warming:
            return 0
        if self._n_open == self._open_capacity:
            grown = <OpenOrder *> realloc(self._open, (2 * self._open_capacity + 8) * sizeof(OpenOrder))
            if grown == NULL:
                with gil:
                    raise MemoryError("strategy: no memory for an order")
            self._open = grown
            self._open_capacity = 2 * self._open_capacity + 8
        open = &self._open[self._n_open]
        open.id = self.context.send(
            self.number, self._account_of[instrument], instrument, 1 if quantity > 0 else -1,
            quantity if quantity > 0 else -quantity, type, price, 0, 0, flags, GTC, 0, -1, 0.0).id
        open.rest = quantity
        open.instrument = instrument
        self._n_open += 1
        return open.id

    cdef void _follow_order(self, const Order *order) noexcept nogil:
        """A message about an order has come: what may still fill of it."""
        cdef int32_t i
        for i in range(self._n_open):
            if self._open[i].id == order.id:
                self._open[i].rest = order.side * (order.quantity - order.filled)
                if order.status > WORKING:
                    self._n_open -= 1
                    self._open[i] = self._open[self._n_open]
                return

    cdef int cancel_order(self, int64_t id) except -1 nogil:
        cdef Order *order = self.context.store.by_id(id)
        cdef int32_t i
        if order == NULL or order.canceling:
            return 0
        for i in range(self._n_open):
            if self._open[i].id == id:
                self._open[i].rest = 0
        return self.context.send_cancel(order)

    # ------------------------------------------------------------------ names

    cdef tuple find(self, object symbol):
        """The instrument and the account that a name means."""
        found = self._found.get(symbol)
        if found is None:
            if self.context is None:
                raise OrderError("this strategy is not in a run; verbs work inside hooks")
            found = reading(self.context, symbol)
            self._found[symbol] = found
            self._heard.add(found[1])
            if found not in self._told:
                self._told[found] = self._claim(found[0], str(symbol))
        return found

    cdef InstrumentInfo _claim(self, int32_t instrument, str name):
        """From now on events tell an instrument by the name that the strategy gave it."""
        cdef InstrumentInfo info = self.infos[instrument]
        if any(info is told for told in self._told.values()):
            return info.named(name)          # the same contract in another account
        info.symbol = name
        return info

    cdef InstrumentInfo told(self, int32_t instrument, int32_t account):
        """The instrument of an account's message, named as this strategy names it."""
        return self._told.get((instrument, account)) or self.infos[instrument]

    def hears(self, int account):
        """Return whether the strategy has named an account or a symbol in it (the engine asks this)."""
        return account in self._heard

    cdef OrderView view(self, int64_t id):
        """The object that follows an own order."""
        cdef OrderView view = self._orders.get(id)
        cdef Order *order
        if view is None:
            order = self.context.store.by_id(id)
            view = OrderView.__new__(OrderView)
            view.order = order[0]
            view.info = self.told(order.instrument, order.account)
            view.account = self.context.accounts[order.account]
            view.tag = None if order.tag < 0 else list(self.context.tags)[order.tag]
            view.clock = self._clock
            self._orders[id] = view
        return view

    def _clock(self):
        return self.context.now

    def follow_stop(self, OrderView view):
        """Begin to follow a trailing stop that works, or end with one that is over (the engine calls this)."""
        known = any(each is view for each in self._trailing)
        if view.is_open and not known:
            self._trailing.append(view)
            self.context.trailing += 1
        elif known and not view.is_open:
            self._trailing.remove(view)
            self.context.trailing -= 1

    def order_answered(self, OrderView view):
        """Forget an order that is over (the engine calls this after its last message)."""
        self._orders.pop(view.order.id, None)

    # ------------------------------------------------------------------ trading

    def buy(self, symbol, *, quantity=None, value=None, notional=None, delta=None, leverage=None, limit=None,
            post_only=False, reduce_only=False, tif="GTC", tag=None, position=None):
        """Send a buy order and return it; None when the size rounds to nothing.

        A market order whose size needs a price that nobody has told yet (in `on_start`, say) is sent with the first one; its
        `id` is negative until then.

        Parameters
        ----------
        symbol : str
        quantity, value, notional, delta, leverage : number or str
            Exactly one, positive. `quantity` in the instrument's unit; `notional` in quote currency (US dollars for inverse);
            `value` what is spent: spot cash with the fee inside, derivative margin and fee; `delta` in base coin; `leverage`
            as a multiple of the account's equity at the mark. Rounded toward zero on the lot.
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
        return self._trade(1, symbol, (quantity, value, notional, delta, leverage), limit, post_only, reduce_only, tif, tag,
                           position)

    def sell(self, symbol, *, quantity=None, value=None, notional=None, delta=None, leverage=None, limit=None,
             post_only=False, reduce_only=False, tif="GTC", tag=None, position=None):
        """Send a sell order and return it; see `buy`."""
        return self._trade(-1, symbol, (quantity, value, notional, delta, leverage), limit, post_only, reduce_only, tif, tag,
                           position)

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
            self._wait(instrument, early, partial(self._trade, side, symbol, sizes, None, post_only, reduce_only, tif, tag,
                                                  position, early))
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
                    f"account {self.context.accounts[account]} is in hedge mode: name the leg with position='long' or 'short'")
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
        position is split at zero and its first part is reduce-only. An addition below the venue's minimum is skipped. An
        instrument whose size needs a price that nobody has told yet is reached with the first one.

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
            sent.append(self._send_part(instrument, account, 1 if change > 0 else -1, part, limit, tif, tag, True, size.value))
            change = change - part if change > 0 else change + part
        if change != 0:
            sent.append(self._send_part(instrument, account, 1 if change > 0 else -1, abs(change), limit, tif, tag, False,
                                        size.value))
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
            if (self.context.world.quantity_value(instrument, units) * self.context.world.contracts[instrument].multiplier
                    * reference < self.context.world.contracts[instrument].minimum_notional):
                return None
        order = self.context.send(
            self.number, account, instrument, side, units, LIMIT if price else MARKET, price, 0, 0,
            REDUCE_ONLY if reduces and not is_spot else 0, chosen("tif", tif, TIFS), 0, self.context.tag(tag), requested)
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
                    held[instrument, account] = f"{self.context.infos[instrument].symbol}@{self.context.accounts[account]}"
        return held

    def close(self, symbol, *, tag=None):
        """Close a position at market with reduce-only orders and return them; own working orders there are cancelled."""
        cdef int32_t instrument, account
        cdef int leg
        instrument, account = self.find(symbol)
        self._may_trade()
        for view in list(self._orders.values()):
            if view.info.index == instrument and view.is_open:
                self.cancel(view)
        sent = []
        for leg in range(-1, 2):
            units = effective_units(self.context, account, instrument, 0) if leg == 0 else self._leg_units(account, instrument, leg)
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
        price = view.order.price if limit is None else self.context.price_units(view.info.index, float(limit), view.order.side)
        units = view.order.quantity if quantity is None else self.context.units_down(view.info.index, float(quantity))
        self._ask("amend", view.order.account, f"amend of order {view.order.id} ({view.info.address})", view.order.id, price, units)

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
        return self.context.price_units(instrument, float(price), 1 if side == "buy" else -1) / self.context.world.divisors[instrument]

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
            lots = -(-c.minimum_notional / (price * c.multiplier) * self.context.world.quantity_divisors[instrument] // max(1, c.lot))
            least = max(least, lots * max(1, c.lot) / self.context.world.quantity_divisors[instrument])
        return least

    # ------------------------------------------------------------------ the account

    def set_leverage(self, symbol, leverage):
        """Ask for a margin leverage: it caps exposure and sets initial margin, never maintenance."""
        instrument, account = self.find(symbol)
        if not float(leverage) >= 1:
            raise OrderError(f"leverage must be at least 1, got {leverage!r} for {symbol}")
        self._ask("leverage", account, f"set_leverage({symbol!r}, {leverage!r})", instrument, float(leverage))

    def set_margin_mode(self, symbol, mode):
        """Ask for ``cross`` or ``isolated`` margin of a symbol; the venue refuses it while a position or order is open."""
        instrument, account = self.find(symbol)
        if mode not in ("cross", "isolated"):
            raise OrderError(f"margin mode must be 'cross' or 'isolated', got {mode!r}")
        self._ask("margin_mode", account, f"set_margin_mode({symbol!r}, {mode!r})", instrument, mode == "isolated")

    def add_margin(self, symbol, amount, *, position=None):
        """Ask to move money of the settle asset from the cross wallet to an isolated position."""
        instrument, account = self.find(symbol)
        self._ask("margin", account, f"add_margin({symbol!r}, {amount!r})", instrument, self._leg(account, position), float(amount))

    def remove_margin(self, symbol, amount, *, position=None):
        """Ask to take money out of an isolated position; its initial margin must stay."""
        self.add_margin(symbol, -float(amount), position=position)

    def _account_number(self, account):
        """The row of an account: its name, its venue where that has only one, or a symbol that is traded in it."""
        name = account.name if isinstance(account, AccountView) else str(account)
        if name.partition("@")[0] in self.context.addresses:
            return self.find(name)[1]
        name = name.removesuffix("/main")
        matches = [i for i, own in enumerate(self.context.accounts) if own == name]
        matches = matches or [i for i, venue in enumerate(self.context.account_venues) if venue == name]
        if len(matches) == 1:
            self._heard.add(matches[0])
            return matches[0]
        raise OrderError(f"account {account!r} is {'ambiguous' if matches else 'unknown'}; the run has {', '.join(self.context.accounts)}")

    def _asset_number(self, asset):
        if asset not in self.context.assets:
            raise OrderError(f"asset {asset!r} is unknown; the run has {', '.join(self.context.assets)}")
        return self.context.assets.index(asset)

    def transfer(self, asset, amount, *, source, target, receive=None):
        """Move money between two accounts of the run; it arrives after the delay of `venues.Transfers`.

        Parameters
        ----------
        asset : str
        amount : number or "all"
        source, target : str or account
            As in `account`.
        receive : str, optional
            Asset on arrival; a conversion at the index when it differs.

        Returns
        -------
        int
            Number of the transfer, as in `on_transfer`.
        """
        cdef int32_t one = self._account_number(source), other = self._account_number(target)
        if one == other:
            raise OrderError(f"source and target are both {self.context.accounts[one]}")
        if amount != "all" and not float(amount) > 0:
            raise OrderError(f"amount must be positive or 'all', got {amount!r}")
        self.context.next_transfer += 1
        self._ask("transfer", one, f"transfer of {amount} {asset}", self.context.next_transfer, self._asset_number(asset), amount,
                  other, self._asset_number(receive or asset))
        return self.context.next_transfer

    def convert(self, account, sell, buy, amount):
        """Exchange one asset for another inside an account, at the index."""
        number = self._account_number(account)
        if amount != "all" and not float(amount) > 0:
            raise OrderError(f"amount must be positive or 'all', got {amount!r}")
        self._ask("convert", number, f"convert({sell!r} to {buy!r}, {amount!r})", self._asset_number(sell), self._asset_number(buy),
                  amount)

    def deposit(self, account, asset, amount):
        """Pay money into an account from outside the run."""
        number = self._account_number(account)
        self._ask("deposit", number, f"deposit({asset!r}, {amount!r})", self._asset_number(asset), float(amount))

    def withdraw(self, account, asset, amount):
        """Take money out of the run; the venue refuses more than is withdrawable."""
        number = self._account_number(account)
        self._ask("withdraw", number, f"withdraw({asset!r}, {amount!r})", self._asset_number(asset), amount)

    def account(self, name):
        """Return the state of an account as delivered so far.

        Parameters
        ----------
        name : str
            ``VENUE`` (where it has one account), ``VENUE/ACCOUNT``, or a symbol: the account that trades it.
        """
        return AccountView(self.context, self._account_number(name))

    @property
    def accounts(self):
        """All accounts of the run."""
        return [AccountView(self.context, i) for i in range(len(self.context.accounts))]

    # ------------------------------------------------------------------ state

    def position(self, symbol, *, leg=None):
        """Return the position in a symbol as delivered so far; flat when there is none. `leg` is 'long' or 'short' in hedge mode."""
        instrument, account = self.find(symbol)
        return PositionView(self.context, account, instrument, {None: 0, "long": 1, "short": -1}[leg], self._stop_of(instrument))

    def _stop_of(self, int32_t instrument):
        cdef OrderView view
        for view in self._orders.values():
            if view.order.instrument == instrument and view.is_open and view.order.type in (STOP_MARKET, TRAILING_STOP):
                return view.trigger
        return None

    @property
    def equity(self):
        """Equity of all accounts and of money in transit, in the reporting currency."""
        return equity_of(self.context)

    @property
    def margin_ratio(self):
        """Largest ratio of maintenance to equity over all accounts; 1 = liquidation, 0 without a position."""
        return ratio_of(self.context)

    def delta(self, coin):
        """Return what is held of a coin: balances, money in transit and contracts."""
        return delta_of(self.context, self._asset_number(coin))

    def funding(self, symbol):
        """Return the funding of a perpetual as delivered so far."""
        return FundingInfo(self.context, self.find(symbol)[0])

    @property
    def now(self):
        """Strategy clock, ns."""
        return self.context.now

    @property
    def time(self):
        """Strategy clock, pandas Timestamp in UTC."""
        import pandas as pd
        return pd.Timestamp(self.context.now, unit="ns", tz="UTC")

    # ------------------------------------------------------------------ data and time

    def subscribe_bars(self, symbol, timeframe):
        """Return a series of completed bars with indicators; call it in `on_start`.

        A strategy that subscribes is given the bars of its own series only, and `on_bar` waits until all of them are ready; a
        compiled `_on_bar` does not wait.
        """
        from backtest.series import BarSeries
        from feeds.schema import timeframe_ns
        instrument = self.find(symbol)[0]
        key = (instrument, timeframe_ns(timeframe))
        if not self._starting:
            raise OrderError(f"subscribe_bars({symbol!r}, {timeframe!r}) belongs into on_start")
        if key not in self.context.series:
            info = self.context.infos[instrument]
            self.context.series[key] = (BarSeries(info.symbol, info.venue, key[1]), set())
        if self.number not in self.context.series[key][1]:
            self.context.series[key][1].add(self.number)
            self._want_bar(instrument, key[1])
        return self.context.series[key][0]

    def _want_bar(self, int64_t instrument, int64_t timeframe):
        cdef int64_t *grown = <int64_t *> realloc(self._bars, 2 * (self._n_bars + 1) * sizeof(int64_t))
        if grown == NULL:
            raise MemoryError("strategy: no memory")
        self._bars = grown
        grown[2 * self._n_bars] = instrument
        grown[2 * self._n_bars + 1] = timeframe
        self._n_bars += 1

    cdef bint wants_bar(self, int32_t instrument, int64_t timeframe) noexcept nogil:
        """Whether `_on_bar` is for it: a bar that was subscribed to, or any where nothing was."""
        cdef int32_t i
        for i in range(self._n_bars):
            if self._bars[2 * i] == instrument and self._bars[2 * i + 1] == timeframe:
                return True
        return self._n_bars == 0

    def start(self):
        """Call `on_start` (the engine calls this)."""
        self._starting = True
        on_start = getattr(self, "on_start", None)
        if on_start is not None:
            on_start()
        self._starting = False

    def bar_series(self):
        """Return the series that this strategy has subscribed to."""
        return [series for series, owners in self.context.series.values() if self.number in owners]

    def history(self, symbols, timeframe, n, *, field):
        """Return a DataFrame of the last `n` completed bars, columns named as given, reaching into the warm-up."""
        requests = [symbols] if isinstance(symbols, str) else list(symbols)
        named = {}
        for symbol in requests:
            info = self.context.infos[self.find(symbol)[0]]
            named[symbol] = (info.venue, info.symbol)
        return self.context.history.frame(named, timeframe, n, field=field, now=self.context.now)

    def universe(self, venue, *, quote, listed_for=None, top=None, by=None, **rest):
        """Return the symbols of a venue that are listed now, point in time; contracts delisted later are in it.

        Parameters
        ----------
        venue : str
        quote : str
        listed_for : str, optional
            Listed at least so long (``"60D"``).
        top : int, optional
            Only the largest by `by` (``"volume"``).
        include : sequence of str
            Symbols that are in it whatever their rank.
        """
        # `include` is a word of Cython's own and cannot be a parameter's name here.
        chosen = rest.pop("include", ())
        if rest:
            raise OrderError(f"universe() has no argument {next(iter(rest))!r}; it has quote, listed_for, top, by, include")
        return self.context.universe.members(
            venue, quote=quote, listed_for=listed_for, top=top, by=by, now=self.context.now, history=self.context.history,
            **{"include": chosen})

    def every(self, interval, *, offset="0s", name=None):
        """Have `on_timer` called at UTC-aligned times: every interval after the epoch, shifted by the offset (may be negative).

        Returns the number of the timer, which a compiled `_on_timer` is given.
        """
        from backtest.timers import duration_ns
        period, shift = duration_ns(interval), duration_ns(offset)
        if period <= 0:
            raise OrderError(f"interval must be positive, got {interval!r}")
        return self._add_timer(period, shift, name or str(interval))

    def at(self, clock_time, *, name=None):
        """Have `on_timer` called every day at a UTC time such as ``"00:05"``; see `every`."""
        from backtest.timers import DAY_NS, clock_ns
        return self._add_timer(DAY_NS, clock_ns(clock_time), name or clock_time)

    def _add_timer(self, int64_t period, int64_t shift, name):
        first = (self.context.now - shift) // period * period + shift
        if first <= self.context.now:
            first += period
        self.context.timers.append((self.number, period, name))
        self.context.local_agenda.push(first, TIMER, len(self.context.timers) - 1)
        return len(self.context.timers) - 1

    def once(self, delay, *, name="once"):
        """Have `on_timer` called once, so much later (in the warm-up: when it ends); see `every`.

        A function as `name` is called itself, without arguments.
        """
        from backtest.timers import duration_ns
        self.context.timers.append((self.number, 0, name))
        self.context.local_agenda.push(self.context.now + duration_ns(delay), TIMER, len(self.context.timers) - 1)
        return len(self.context.timers) - 1

    def alert(self, symbol, *, distance=None, ratio=None):
        """Have `on_margin_call` called when the distance to liquidation falls below, or the account's ratio rises above."""
        if distance is None and ratio is None:
            raise OrderError(f"alert({symbol!r}) needs distance= or ratio=")
        instrument, account = self.find(symbol)
        self.context.alerts.append([self.number, instrument, account, distance, ratio, False])
        self.context.alerts_due = True
        self.context.marks_moved = True

    def record(self, **series):
        """Write values into the journal at simulated time; they appear in `Result.series` and the tear sheet."""
        cdef SeriesRow *row
        for name, value in series.items():
            if value is None:
                continue
            row = <SeriesRow *> self.context.journal.series.append()
            row.time = self.context.now
            row.value = float(value)
            row.name = self.context.names.setdefault(name, len(self.context.names))
            row.strategy = self.number

    def log(self, text):
        """Write a line into the journal at simulated time."""
        cdef LogRow *row = <LogRow *> self.context.journal.log.append()
        row.time = self.context.now
        row.text = len(self.context.texts)
        row.strategy = self.number
        self.context.texts.append(str(text))


cdef int chosen(str name, object value, dict allowed) except -1:
    """The code of a word, or an error that lists the words."""
    if value not in allowed:
        raise OrderError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
    return allowed[value]


cdef tuple units_of(object value, int scale, str what):
    """A positive number as given (text, Decimal, int, or a float through its repr) in the nearest units, and whether exactly so."""
    from decimal import Decimal, InvalidOperation
    try:
        number = value if isinstance(value, Decimal) else Decimal(repr(value) if isinstance(value, float) else str(value))
    except InvalidOperation:
        raise OrderError(f"{what} must be a number, got {value!r}") from None
    if not number.is_finite() or number <= 0:
        raise OrderError(f"{what} must be a positive number, got {value!r}")
    units = number.scaleb(scale)
    return int(units.to_integral_value()), units == units.to_integral_value()
