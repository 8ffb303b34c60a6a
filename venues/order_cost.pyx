"""What an order costs before it fills: the price assumed for it and the loss it would start with."""

from libc.math cimport fabs

from venues.contract cimport INVERSE, Contract, ContractBox, notional, reserved_fee
from venues.margin cimport Leg, order_margin

from typing import NamedTuple

from venues.errors import VenueError


class OrderCost(NamedTuple):
    """Cost of an order in the settle asset, and the price it was taken at."""

    price: float
    initial_margin: float
    open_loss: float
    cost: float


cdef double open_loss(const Contract *c, int side, double quantity, double price, double mark) noexcept nogil:
    # quantity x abs(min(0, side x (mark - price))) (Binance FAQ 87fa7ee3); inverse: the same with 1/price - 1/mark
    cdef double gain
    if c.order_loss_is_free:
        return 0.0
    if c.kind == INVERSE:
        gain = side * (1.0 / price - 1.0 / mark)
    else:
        gain = side * (mark - price)
    return fabs(quantity) * c.multiplier * (-gain) if gain < 0.0 else 0.0


cdef double assumed_price(
    int side, double price, double last, double mark, double ask, double buy_markup, double sell_markup
) noexcept nogil:
    # Binance FAQ 87fa7ee3: sell max(last x 1.0015, mark, order price); buy its limit, without one ask x 1.0005
    if side < 0:
        return max(max(last * (1.0 + sell_markup), mark), price)
    if price > 0.0:
        return price
    if ask > 0.0:
        return ask * (1.0 + buy_markup)
    return max(last, mark) * (1.0 + buy_markup)


cdef double auto_exchange_sale(double deficit, double ratio) noexcept nogil:
    # Binance Multi-Asset Info: sold = deficit / haircut ratio
    return deficit / ratio if deficit > 0.0 else 0.0


def order_cost(
    ContractBox box not None, *, int side, double quantity, double leverage, double mark, double price=0.0,
    bint takes=False, double last=0.0, double ask=0.0, double buy_markup=0.0, double sell_markup=0.0
):
    """Return the cost of an order (`OrderCost`): initial margin at its (assumed) price plus the loss it starts with.

    Parameters
    ----------
    box : ContractBox
    side : int
        +1 buy, -1 sell.
    quantity, leverage, mark : float
        Above 0.
    price : float, optional
        Limit; 0 = market order, which takes.
    takes : bool
        The order takes liquidity at once, so an assuming price stands in for its own.
    last, ask : float, optional
        Last price, best ask; 0 = unknown.
    buy_markup, sell_markup : float, optional
        Relative additions of the assuming price.

    Raises
    ------
    VenueError
        If a number cannot be used, or an order that takes has no last price.
    """
    cdef double loss, margin
    cdef Leg leg
    if side != 1 and side != -1:
        raise VenueError(f"side must be +1 (buy) or -1 (sell), got {side}")
    if not (quantity > 0.0 and leverage >= 1.0 and mark > 0.0 and price >= 0.0):
        raise VenueError(
            "quantity and mark must be above 0, leverage at least 1, price at least 0, "
            f"got quantity={quantity}, mark={mark}, leverage={leverage}, price={price}"
        )
    if price == 0.0 or takes:
        if last <= 0.0 and ask <= 0.0:
            raise VenueError("an order that takes liquidity is margined at an assuming price; give last= or ask=")
        price = assumed_price(side, price, last, mark, ask, buy_markup, sell_markup)
    leg.contract = box.contract
    leg.side = 0
    leg.quantity = 0.0
    leg.mark = mark
    leg.at_index = 1.0
    leg.leverage = leverage
    leg.close_fee = reserved_fee(box.contract, box.contract.taker_fee)
    leg.bids = notional(box.contract, quantity, price) if side > 0 else 0.0
    leg.asks = notional(box.contract, quantity, price) if side < 0 else 0.0
    margin = order_margin(&leg)
    loss = open_loss(box.contract, side, quantity, price, mark)
    return OrderCost(price, margin, loss, margin + loss)


def auto_exchange(double deficit, *, double ratio):
    """Return the value of other collateral sold to cover a deficit (>= 0) at a haircut ratio in (0, 1], same unit."""
    if not (deficit >= 0.0 and 0.0 < ratio <= 1.0):
        raise VenueError(f"deficit must be at least 0 and ratio in (0, 1], got {deficit} and {ratio}")
    return auto_exchange_sale(deficit, ratio)
