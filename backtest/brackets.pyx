"""The verbs that send orders that belong together: one cancels the other, entries with their exits."""

from backtest.sizing cimport chosen, resolve_size
from backtest.trading cimport Trading
from backtest.views cimport OrderView
from libc.stdint cimport int32_t, int64_t
from venues.orders cimport (
    LIMIT, ON_INDEX, ON_LAST, ON_MARK, STOP_LIMIT, STOP_MARKET, Order,
)

from backtest.errors import OrderError

TRIGGERS = {"mark": ON_MARK, "last": ON_LAST, "index": ON_INDEX}


cdef class Brackets(Trading):
    """The verbs that send orders that belong together."""

    def oco(self, symbol, *, side, quantity, limit, stop, stop_limit=None, post_only=False, reduce_only=False,
            tif="GTC", until=None, tag=None, position=None, trigger="last"):
        """Send a limit order and a stop of which one cancels the other, and return both.

        Whatever fills a part of one, triggers the stop, refuses or cancels one of them, cancels the other. Arguments
        are those of `submit`; `stop_limit` is the limit of the stop, a market order without it.
        """
        cdef OrderView first, second
        cdef bint above = float(limit) > float(stop), sells = side == "sell"
        if above != sells:
            raise OrderError(
                f"oco: a sell has its limit above its stop, a buy below; got {side} limit={limit!r}, stop={stop!r}")
        shared = {"side": side, "quantity": quantity, "reduce_only": reduce_only, "until": until, "tag": tag,
                  "position": position}
        first = self.submit(symbol, limit=limit, post_only=post_only, tif=tif, **shared)
        second = self.submit(symbol, limit=stop_limit, stop=stop, trigger=trigger,
                             tif="GTC" if tif != "GTD" else tif, **shared)
        self.context.pair(self.context.store.by_id(first.order.id), self.context.store.by_id(second.order.id))
        return first, second

    def bracket(self, symbol, *, side, quantity=None, value=None, notional=None, delta=None, leverage=None, limit=None,
                take=None, stop=None, stop_limit=None, trigger="last", post_only=False, tif="GTC", until=None, tag=None,
                position=None):
        """Send an entry with its exits, a take-profit, a stop or both, and return (entry, take, stop).

        The exits travel with the entry and wait at the venue. When a part of the entry fills they begin to work,
        reduce-only and for what has filled, and grow with it: the take-profit as a limit order, the stop as a stop.
        What one exit fills lowers the other; a stop that is triggered cancels the take-profit. As soon as an exit has
        filled a part or is triggered, what is left of the entry is cancelled. When the entry ends without a fill, the
        exits end with it (`NO_ENTRY`). They are not checked against the limits of the venue on their own.

        Parameters
        ----------
        symbol : str
        side : str
            ``buy | sell``, of the entry.
        quantity, value, notional, delta, leverage, limit, post_only, tif, until, tag, position
            Of the entry, as in `buy`.
        take, stop : number, optional
            Limit of the take-profit and trigger of the stop, rounded to the nearest tick; one of them at least.
        stop_limit : number, optional
            Limit of the stop; a market order without it.
        trigger : str
            ``mark | last | index``: whose price triggers the stop.
        """
        cdef int32_t instrument = self.find(symbol)[0]
        cdef OrderView entry, made
        cdef Order *order
        cdef int64_t price, level
        cdef int opposite = -1 if side == "buy" else 1, source = chosen("trigger", trigger, TRIGGERS)
        sizes = (quantity, value, notional, delta, leverage)
        if side not in ("buy", "sell"):
            raise OrderError(f"side must be 'buy' or 'sell', got {side!r}")
        if take is None and stop is None:
            raise OrderError(f"bracket({symbol!r}) needs take=, stop= or both")
        if stop_limit is not None and stop is None:
            raise OrderError(f"bracket({symbol!r}): stop_limit= needs stop=")
        if self.context.infos[instrument].contract == "spot":
            raise OrderError("a bracket is for derivatives: exits of spot cannot be reduce-only; use oco() on a fill")
        ladder = [float(x) for x in (stop, limit, take) if x is not None]
        if ladder != sorted(set(ladder), reverse=opposite > 0):
            raise OrderError(
                f"bracket: a {side} has its stop {'below' if opposite < 0 else 'above'} its limit and its take-profit "
                f"on the other side; got stop={stop!r}, limit={limit!r}, take={take!r}")
        if limit is None and self._lacks_price(instrument, resolve_size(sizes, False)):
            raise OrderError(f"bracket({symbol!r}): nobody has told a price to size it with yet; give quantity=")
        entry = self._trade(-opposite, symbol, sizes, limit, post_only, False, tif, until, tag, position)
        exits = []
        for kind, level_given, price_given in (
                (LIMIT, None, take), (STOP_MARKET if stop_limit is None else STOP_LIMIT, stop, stop_limit)):
            if level_given is None and (kind != LIMIT or price_given is None):
                exits.append(None)
                continue
            price = 0 if price_given is None else self.context.price_units(instrument, float(price_given), 0)
            level = 0 if level_given is None else self.context.price_units(instrument, float(level_given), 0)
            if price < 0 or level < 0 or (price == 0 and level == 0):
                raise OrderError(f"bracket({symbol!r}): take and stop must be positive prices")
            order = self.context.attach(self.context.store.by_id(entry.order.id), kind, price, level, source)
            if price_given is not None:
                order.requested_price = float(price_given)
            made = self.view(order.id)
            exits.append(made)
        return entry, *exits
