"""What an order costs before it fills: the price assumed for it and the loss it would start with."""

from venues.contract cimport Contract

# Loss at the mark if the order filled at `price`, settle asset, >= 0; side +1 buy, -1 sell.
cdef double open_loss(const Contract *c, int side, double quantity, double price, double mark) noexcept nogil
# Price at which an order that takes liquidity is margined. price: its limit, 0 = market order; ask, last: 0 = unknown.
cdef double assumed_price(
    int side, double price, double last, double mark, double ask, double buy_markup, double sell_markup
) noexcept nogil
# Value of other collateral that must be sold to cover a deficit of the same unit.
cdef double auto_exchange_sale(double deficit, double ratio) noexcept nogil
