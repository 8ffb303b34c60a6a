"""What the engine needs of a strategy: parameters, hooks, its C side, the names it uses."""

import copy
import difflib

from backtest.context cimport Context
from backtest.sizing cimport effective_units, reading
from backtest.state_views cimport own_distance
from backtest.views cimport InstrumentInfo, OrderView
from feeds.events cimport Event
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free, realloc
from venues.contract cimport INVERSE, Contract
from venues.orders cimport GTC, LIMIT, MARKET, POST_ONLY, REDUCE_ONLY, WORKING, Order
from venues.state cimport AccountState

from backtest.errors import ConfigError, OrderError

cdef extern from *:
    """
    #define LEVDYN_VTAB(o) (((struct __pyx_obj_8backtest_13strategy_core_StrategyCore *)(o))->__pyx_vtab)
    #define LEVDYN_BASE __pyx_vtabptr_8backtest_13strategy_core_StrategyCore
    #define LEVDYN_OVERRIDES(o, name) (LEVDYN_VTAB(o)->name != LEVDYN_BASE->name)
    #define LEVDYN_C_HOOKS(o) ( \\
        (LEVDYN_OVERRIDES(o, _on_trade) ? 1 : 0) | (LEVDYN_OVERRIDES(o, _on_bar) ? 2 : 0) | \\
        (LEVDYN_OVERRIDES(o, _on_mark) ? 4 : 0) | (LEVDYN_OVERRIDES(o, _on_index) ? 8 : 0) | \\
        (LEVDYN_OVERRIDES(o, _on_funding) ? 16 : 0) | (LEVDYN_OVERRIDES(o, _on_liquidation) ? 32 : 0) | \\
        (LEVDYN_OVERRIDES(o, _on_open_interest) ? 64 : 0) | (LEVDYN_OVERRIDES(o, _on_timer) ? 128 : 0) | \\
        (LEVDYN_OVERRIDES(o, _on_fill) ? 256 : 0) | (LEVDYN_OVERRIDES(o, _on_quote) ? 512 : 0) | \\
        (LEVDYN_OVERRIDES(o, _on_book) ? 1024 : 0))
    """
    # Which slots of the method table differ from the base class's own: which C hooks a compiled class overrides.
    unsigned int LEVDYN_C_HOOKS(void *strategy)

cdef extern from *:
    """
    static PyObject *levdyn_roomy_alloc(PyTypeObject *type, Py_ssize_t items) {
        PyObject *made, *empty = PyTuple_New(0);
        (void) items;
        type->tp_alloc = PyType_GenericAlloc;
        if (empty == NULL) return NULL;
        made = PyBaseObject_Type.tp_new(type, empty, NULL);
        Py_DECREF(empty);
        return made;
    }
    static PyObject *levdyn_roomy(PyObject *of) {
        PyTypeObject *type = (PyTypeObject *) of;
        PyObject *made, *empty = PyTuple_New(0);
        if (empty == NULL) return NULL;
        if (PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) && type->tp_alloc == PyType_GenericAlloc)
            type->tp_alloc = levdyn_roomy_alloc;
        made = type->tp_new(type, empty, NULL);
        Py_DECREF(empty);
        return made;
    }
    """
    # A new object with its attributes beside it. Until 3.12 only object.__new__ lays them there (object_new in
    # Objects/typeobject.c calls _PyObject_InitializeDict), and that of a compiled class passes it by: its attributes
    # would be in a dictionary, and `self.n += 1` in a hook would cost three times as much.
    object levdyn_roomy(object type)

MARKET_HOOKS = ("on_trade", "on_bar", "on_bars", "on_mark", "on_index", "on_funding", "on_liquidation",
                "on_open_interest", "on_quote", "on_book")
ACCOUNT_HOOKS = ("on_order", "on_fill", "on_funding_payment", "on_margin_call", "on_liquidated", "on_adl",
                 "on_settlement", "on_transfer")
HOOKS = MARKET_HOOKS + ACCOUNT_HOOKS + ("on_start", "on_timer", "on_stop")


cdef class StrategyCore:
    """Parameters, hooks, the C side and names of a strategy."""

    def __init__(self, **params):
        self.set_parameters(params)
        missing = [name for name in type(self).parameters() if not hasattr(self, name)]
        if missing:
            raise ConfigError(f"{type(self).__name__} needs {missing[0]}=; it has no value of its own")

    def __dealloc__(self):
        free(self._account_of)
        free(self._bars)
        free(self._open)

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
                raise ConfigError(
                    f"{type(self).__name__} has no parameter {name!r}{hint} It has: {', '.join(known) or 'none'}")
        compiled = {}
        for base in reversed(type(self).__mro__):
            compiled.update(base.__dict__.get("PARAMETERS", {}))
        for name, value in compiled.items():
            field = next(base.__dict__[name] for base in type(self).__mro__ if name in base.__dict__)
            if not hasattr(type(field), "__set__"):
                raise ConfigError(
                    f"{type(self).__name__}.{name} hides the compiled field of that name, which C hooks read; "
                    f"give the class PARAMETERS = {{{name!r}: {field!r}}} instead")
            if name not in params:
                setattr(self, name, value)
        for name, value in params.items():
            setattr(self, name, value)
            if name in compiled and value == value and getattr(self, name) != value:
                raise ConfigError(
                    f"{type(self).__name__}.{name} cannot hold {value!r}: its compiled field makes "
                    f"{getattr(self, name)!r} of it")

    def parameter_values(self):
        """Return the parameters and their present values."""
        return {name: getattr(self, name) for name in type(self).parameters()}

    def fresh_copy(self, params):
        """Return a copy for one run: the same parameters, those in `params` changed, no state."""
        new = levdyn_roomy(type(self))
        for name, value in getattr(self, "__dict__", {}).items():
            setattr(new, name, copy.deepcopy(value))     # not through __dict__, which would slow every later look-up
        StrategyCore.set_parameters(new, {**copy.deepcopy(self.parameter_values()), **params})
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
                # The main account bears the venue's name; without one the first stands in.
                if context.accounts[j] == context.infos[i].venue or (
                        self._account_of[i] < 0 and context.account_venues[j] == context.infos[i].venue):
                    self._account_of[i] = j
        for value in self.parameter_values().values():
            for text in (value if isinstance(value, (list, tuple, set, frozenset, dict)) else (value,)):
                if isinstance(text, str) and text.partition("@")[0] in context.addresses:
                    self.find(text)

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

    cdef int _on_quote(self, const Event *event) except -1 nogil:
        return 0

    cdef int _on_book(self, const Event *event) except -1 nogil:
        return 0

    cdef int _on_fill(self, int32_t instrument, int64_t quantity, int64_t price) except -1 nogil:
        return 0

    cdef int _on_timer(self, int64_t timer) except -1 nogil:
        return 0

    cdef int32_t instrument(self, str symbol) except -1:
        return self.find(symbol)[0]

    cdef int64_t position_units(self, int32_t instrument) noexcept nogil:
        return effective_units(self.context, self._account_of[instrument], instrument, 0)

    cdef int64_t bid_units(self, int32_t instrument) noexcept nogil:
        return self.context.bid(instrument)

    cdef int64_t ask_units(self, int32_t instrument) noexcept nogil:
        return self.context.ask(instrument)

    cdef int64_t tick_units(self, int32_t instrument) noexcept nogil:
        return max(<int64_t> 1, self.context.world.contracts[instrument].tick)

    cdef int64_t limit_units(self, int32_t instrument, double price, int side) noexcept nogil:
        return self.context.price_units(instrument, price, side)

    cdef int64_t lot_units(self, int32_t instrument, double quantity) noexcept nogil:
        return self.context.units_down(instrument, quantity)

    cdef double distance(self, int32_t instrument) noexcept nogil:
        return own_distance(<AccountState> self.context.state_rows[self._account_of[instrument]], instrument, 0)

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

    cdef int64_t limit_order(self, int32_t instrument, int64_t quantity, int64_t price,
                             bint post_only) except? -1 nogil:
        return self._send_units(instrument, quantity, LIMIT, price, POST_ONLY if post_only else 0)

    cdef int64_t _send_units(self, int32_t instrument, int64_t quantity, int type, int64_t price,
                             int flags) except? -1 nogil:
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
            quantity if quantity > 0 else -quantity, type, price, 0, 0, flags, GTC, 0, -1,
            (quantity if quantity > 0 else -quantity) / self.context.world.quantity_divisors[instrument]).id
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

    cdef bint is_working(self, int64_t id) noexcept nogil:
        cdef int32_t i
        for i in range(self._n_open):
            if self._open[i].id == id:
                return True
        return False

    cdef int cancel_order(self, int64_t id) except -1 nogil:
        cdef Order *order = self.context.store.by_id(id)
        cdef int32_t i
        if order == NULL or order.canceling:
            return 0
        for i in range(self._n_open):
            if self._open[i].id == id:
                self._open[i].rest = 0
        return self.context.send_cancel(order)

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
            self._n_views += 1
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

    def _want_bar(self, int64_t instrument, int64_t timeframe):
        cdef int64_t *grown = <int64_t *> realloc(self._bars, 2 * (self._n_bars + 1) * sizeof(int64_t))
        if grown == NULL:
            raise MemoryError("strategy: no memory")
        self._bars = grown
        grown[2 * self._n_bars] = instrument
        grown[2 * self._n_bars + 1] = timeframe
        self._n_bars += 1
