"""The base class of strategies: what they know, what they ask of data and time, what they write down."""

from backtest.account_verbs cimport AccountVerbs
from backtest.views cimport OrderView
from libc.stdint cimport int32_t, int64_t
from venues.orders cimport STOP_MARKET, TRAILING_STOP
from venues.records cimport LogRow, SeriesRow

from backtest.book_view import BookView
from backtest.errors import OrderError
from backtest.state_views import FundingInfo, PositionView, delta_of, equity_of, ratio_of


cdef class Strategy(AccountVerbs):
    """Base class of strategies.

    Annotated class attributes without a leading underscore are the parameters; a subclass overrides the hooks it wants
    (``on_start, on_trade(event), on_bar(bar), on_bars(time, bars), on_mark, on_index, on_funding, on_liquidation,
    on_open_interest, on_quote, on_book, on_order(order), on_fill(fill), on_funding_payment, on_margin_call,
    on_liquidated, on_adl, on_settlement, on_transfer, on_timer(timer), on_stop``), and only those are called.

    Parameters
    ----------
    **params
        Values of parameters that differ from the class's own.

    Raises
    ------
    ConfigError
        For a name that is not a parameter.
    """

    def position(self, symbol, *, leg=None):
        """Return the position in a symbol as delivered so far; `leg` 'long' or 'short' in hedge mode."""
        instrument, account = self.find(symbol)
        return PositionView(self.context, account, instrument, {None: 0, "long": 1, "short": -1}[leg],
                            self._stop_of(instrument))

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

    def book(self, symbol):
        """Return the book of a symbol as delivered so far: bid, ask, microprice, tick, age (ns), is_valid, levels."""
        return BookView(self.context, self.find(symbol)[0])

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

    def subscribe_bars(self, symbol, timeframe):
        """Return a series of completed bars with indicators; call it in `on_start`.

        A strategy that subscribes is given the bars of its own series only, and `on_bar` waits until all of them are
        ready; a compiled `_on_bar` does not wait.
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
            raise OrderError(
                f"universe() has no argument {next(iter(rest))!r}; it has quote, listed_for, top, by, include")
        return self.context.universe.members(
            venue, quote=quote, listed_for=listed_for, top=top, by=by, now=self.context.now,
            history=self.context.history,
            **{"include": chosen})

    def every(self, interval, *, offset="0s", name=None):
        """Have `on_timer` called at UTC-aligned times: every interval after the epoch, shifted by the offset (may be
        negative).

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
        return self.context.add_timer(self.number, first, period, name)

    def once(self, delay, *, name="once"):
        """Have `on_timer` called once, so much later (in the warm-up: when it ends); see `every`.

        A function as `name` is called itself, without arguments.
        """
        from backtest.timers import duration_ns
        return self.context.add_timer(self.number, self.context.now + duration_ns(delay), 0, name)

    def alert(self, symbol, *, distance=None, ratio=None):
        """Have `on_margin_call` called when the distance to liquidation is below, or the ratio above, a level."""
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
