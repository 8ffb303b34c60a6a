"""What a strategy is shown: fresh Python objects that may be kept."""

cimport cython
from feeds.events cimport (
    BAR, BOOK, FUNDING, INDEX, INDEX_BAR, LIQUIDATION, MARK, MARK_BAR, PREMIUM, QUOTE, TRADE, Event,
)
from venues.orders cimport EXPIRED, FILLED

from venues.orders import REASONS, STATUSES, TIFS, TYPES

KINDS = ("settled", "predicted", "accrual")


cdef class InstrumentInfo:
    """Names and scales of one instrument of a run."""

    def __init__(self, *, int index, str symbol, str venue, str contract, str base, str quote, str settle,
                 int price_scale, int quantity_scale, int rate_scale, int premium_scale):
        self.index = index
        self.symbol = symbol
        self.venue = venue
        self.address = f"{symbol}@{venue}"
        self.contract = contract
        self.base = base
        self.quote = quote
        self.settle = settle
        self.price_divisor = 10.0 ** price_scale
        self.quantity_divisor = 10.0 ** quantity_scale
        self.rate_divisor = 10.0 ** rate_scale
        self.premium_divisor = 10.0 ** premium_scale

    def named(self, str name):
        """Return a copy under another name; the address stays."""
        cdef InstrumentInfo info = InstrumentInfo.__new__(InstrumentInfo)
        info.index = self.index
        info.symbol = name
        info.venue = self.venue
        info.address = self.address
        info.contract = self.contract
        info.base = self.base
        info.quote = self.quote
        info.settle = self.settle
        info.price_divisor = self.price_divisor
        info.quantity_divisor = self.quantity_divisor
        info.rate_divisor = self.rate_divisor
        info.premium_divisor = self.premium_divisor
        return info

    def __repr__(self):
        return f"InstrumentInfo({self.address!r})"


@cython.freelist(256)
@cython.no_gc                    # it refers to nothing that could refer back
@cython.final
cdef class TradeEvent:
    """A trade of the market: `ts` (ns, venue), `price`, `quantity`, `side` (+1: a buyer was the aggressor), `flags`."""

    cdef readonly int64_t ts
    cdef readonly double price
    cdef readonly double quantity
    cdef readonly int side
    cdef readonly int flags
    cdef readonly InstrumentInfo instrument

    @property
    def symbol(self):
        """Unified name."""
        return self.instrument.symbol

    @property
    def venue(self):
        """Venue id."""
        return self.instrument.venue

    def __repr__(self):
        return f"TradeEvent({self.instrument.address}, ts={self.ts}, {self.price} x {self.quantity}, side={self.side})"


@cython.freelist(64)
@cython.no_gc                    # it refers to nothing that could refer back
@cython.final
cdef class QuoteEvent:
    """Best bid and ask of a quote, or of a book after a message: `ts` (ns, venue), `is_valid`; 0 = no such level."""

    cdef readonly int64_t ts
    cdef readonly double bid
    cdef readonly double bid_quantity
    cdef readonly double ask
    cdef readonly double ask_quantity
    cdef readonly bint is_valid
    cdef readonly InstrumentInfo instrument

    @property
    def symbol(self):
        """Unified name."""
        return self.instrument.symbol

    @property
    def venue(self):
        """Venue id."""
        return self.instrument.venue

    def __repr__(self):
        return (f"QuoteEvent({self.instrument.address}, ts={self.ts}, {self.bid} x {self.bid_quantity}, "
                f"{self.ask} x {self.ask_quantity})")


@cython.freelist(64)
@cython.no_gc                    # it refers to nothing that could refer back
@cython.final
cdef class BarEvent:
    """A completed bar: `ts_open`, `ts_close` (ns), `open`, `high`, `low`, `close`, `volume` (the instrument's unit)."""

    cdef readonly int64_t ts_open
    cdef readonly int64_t ts_close
    cdef readonly double open
    cdef readonly double high
    cdef readonly double low
    cdef readonly double close
    cdef readonly double volume
    cdef readonly InstrumentInfo instrument

    @property
    def ts(self):
        """Time of the close, ns."""
        return self.ts_close

    @property
    def timeframe(self):
        """Length as text, such as ``1h``."""
        from feeds.schema import timeframe_text
        return timeframe_text(self.ts_close - self.ts_open)

    @property
    def symbol(self):
        """Unified name."""
        return self.instrument.symbol

    @property
    def venue(self):
        """Venue id."""
        return self.instrument.venue

    def __repr__(self):
        return (f"BarEvent({self.instrument.address}, ts_close={self.ts_close}, o={self.open} h={self.high} "
                f"l={self.low} c={self.close} v={self.volume})")


@cython.freelist(64)
@cython.no_gc                    # it refers to nothing that could refer back
@cython.final
cdef class PriceEvent:
    """A mark, index or premium value: `ts` (ns), `price`."""

    cdef readonly int64_t ts
    cdef readonly double price
    cdef readonly InstrumentInfo instrument

    @property
    def symbol(self):
        """Unified name."""
        return self.instrument.symbol

    @property
    def venue(self):
        """Venue id."""
        return self.instrument.venue

    def __repr__(self):
        return f"PriceEvent({self.instrument.address}, ts={self.ts}, price={self.price})"


@cython.no_gc                    # it refers to nothing that could refer back
@cython.final
cdef class FundingEvent:
    """A funding rate: `ts` (ns), `rate` per interval, `interval_hours`, `mark` (None unless the row has it), `kind`."""

    cdef readonly int64_t ts
    cdef readonly double rate
    cdef readonly double interval_hours
    cdef readonly object mark
    cdef readonly str kind
    cdef readonly InstrumentInfo instrument

    @property
    def symbol(self):
        """Unified name."""
        return self.instrument.symbol

    @property
    def venue(self):
        """Venue id."""
        return self.instrument.venue

    def __repr__(self):
        return f"FundingEvent({self.instrument.address}, ts={self.ts}, rate={self.rate}, kind={self.kind!r})"


@cython.no_gc                    # it refers to nothing that could refer back
@cython.final
cdef class LiquidationEvent:
    """Somebody's forced order: `ts` (ns), `side` (+1 buy), `price`, `quantity`."""

    cdef readonly int64_t ts
    cdef readonly int side
    cdef readonly double price
    cdef readonly double quantity
    cdef readonly InstrumentInfo instrument

    @property
    def symbol(self):
        """Unified name."""
        return self.instrument.symbol

    @property
    def venue(self):
        """Venue id."""
        return self.instrument.venue

    def __repr__(self):
        return (f"LiquidationEvent({self.instrument.address}, ts={self.ts}, {self.price} x {self.quantity}, "
                f"side={self.side})")


@cython.no_gc                    # it refers to nothing that could refer back
@cython.final
cdef class OpenInterestEvent:
    """Open interest: `ts` (ns), `value` in the instrument's unit."""

    cdef readonly int64_t ts
    cdef readonly double value
    cdef readonly InstrumentInfo instrument

    @property
    def symbol(self):
        """Unified name."""
        return self.instrument.symbol

    @property
    def venue(self):
        """Venue id."""
        return self.instrument.venue


cdef object market_event(InstrumentInfo info, const Event *event, int64_t timeframe):
    """A fresh Python object of a market event."""
    cdef TradeEvent trade
    cdef BarEvent bar
    cdef PriceEvent price
    cdef FundingEvent funding
    cdef LiquidationEvent liquidation
    cdef OpenInterestEvent interest
    cdef QuoteEvent quote
    if event.kind == TRADE:
        trade = TradeEvent.__new__(TradeEvent)
        trade.ts = event.ts
        trade.price = <double> event.a / info.price_divisor
        trade.quantity = <double> event.b / info.quantity_divisor
        trade.side = event.side
        trade.flags = <int> event.c
        trade.instrument = info
        return trade
    if event.kind == BOOK or event.kind == QUOTE:
        quote = QuoteEvent.__new__(QuoteEvent)
        quote.ts = event.ts
        quote.bid = <double> event.a / info.price_divisor
        quote.bid_quantity = <double> event.b / info.quantity_divisor
        quote.ask = <double> event.c / info.price_divisor
        quote.ask_quantity = <double> event.d / info.quantity_divisor
        quote.is_valid = event.e != 0
        quote.instrument = info
        return quote
    if event.kind == BAR or event.kind == MARK_BAR or event.kind == INDEX_BAR:
        bar = BarEvent.__new__(BarEvent)
        bar.ts_open = event.ts
        bar.ts_close = event.ts + timeframe
        bar.open = <double> event.a / info.price_divisor
        bar.high = <double> event.b / info.price_divisor
        bar.low = <double> event.c / info.price_divisor
        bar.close = <double> event.d / info.price_divisor
        bar.volume = <double> event.e / info.quantity_divisor
        bar.instrument = info
        return bar
    if event.kind == MARK or event.kind == INDEX:
        price = PriceEvent.__new__(PriceEvent)
        price.ts = event.ts
        price.price = <double> event.a / info.price_divisor
        price.instrument = info
        return price
    if event.kind == PREMIUM:
        price = PriceEvent.__new__(PriceEvent)
        price.ts = event.ts
        price.price = <double> event.a / info.premium_divisor
        price.instrument = info
        return price
    if event.kind == FUNDING:
        funding = FundingEvent.__new__(FundingEvent)
        funding.ts = event.ts
        funding.rate = <double> event.a / info.rate_divisor
        funding.interval_hours = <double> event.b / 3600.0
        funding.mark = None if event.c == 0 else <double> event.c / info.price_divisor
        funding.kind = KINDS[event.d]
        funding.instrument = info
        return funding
    if event.kind == LIQUIDATION:
        liquidation = LiquidationEvent.__new__(LiquidationEvent)
        liquidation.ts = event.ts
        liquidation.side = event.side
        liquidation.price = <double> event.a / info.price_divisor
        liquidation.quantity = <double> event.b / info.quantity_divisor
        liquidation.instrument = info
        return liquidation
    interest = OpenInterestEvent.__new__(OpenInterestEvent)
    interest.ts = event.ts
    interest.value = <double> event.a / info.quantity_divisor
    interest.instrument = info
    return interest


cdef class OrderView:
    """An own order as the strategy knows it: what the venue has answered so far, one response latency ago at best."""

    @property
    def id(self):
        """Number of the order in the run."""
        return self.order.id

    @property
    def symbol(self):
        """Unified name."""
        return self.info.symbol

    @property
    def venue(self):
        """Venue id."""
        return self.info.venue

    @property
    def type(self):
        """``market | limit | stop | take | trailing | stop_limit | take_limit``, as it was sent."""
        return TYPES[self.order.sent_type]

    @property
    def tif(self):
        """Time in force."""
        return TIFS[self.order.tif]

    @property
    def side(self):
        """+1 buy, -1 sell."""
        return self.order.side

    @property
    def status(self):
        """``sent | working | filled | canceled | rejected | expired``."""
        return STATUSES[self.order.status]

    @property
    def reason(self):
        """Why it was refused or cancelled; empty otherwise."""
        return REASONS[self.order.reason]

    @property
    def filled(self):
        """Quantity filled so far."""
        return self.order.filled / self.info.quantity_divisor

    @property
    def sent(self):
        """Quantity sent to the venue, rounded toward zero on the lot."""
        return self.order.quantity / self.info.quantity_divisor

    @property
    def requested(self):
        """Quantity before rounding."""
        return self.order.requested_quantity

    @property
    def limit(self):
        """Limit price sent, None for a market order."""
        return None if self.order.price == 0 else self.order.price / self.info.price_divisor

    @property
    def trigger(self):
        """Trigger price, None without one."""
        return None if self.order.trigger == 0 else self.order.trigger / self.info.price_divisor

    @property
    def average_price(self):
        """Average price of what has filled, None before."""
        if self.order.filled == 0:
            return None
        return self.order.filled_value / self.order.filled / self.info.price_divisor

    @property
    def age(self):
        """Nanoseconds since it was sent."""
        return self.clock() - self.order.submitted

    @property
    def is_open(self):
        """Whether it may still fill."""
        return not (FILLED <= self.order.status <= EXPIRED)

    def __repr__(self):
        return (f"Order({self.id}, {self.info.address}, {'buy' if self.order.side > 0 else 'sell'} {self.sent} "
                f"{self.type}, {self.status}{' ' + self.reason if self.reason else ''})")
