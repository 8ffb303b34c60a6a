"""What an order costs before it fills: the price assumed for it and the loss it would start with."""

from typing import NamedTuple

from venues.contract import ContractBox

class OrderCost(NamedTuple):
    """Cost of an order in the settle asset, and the price it was taken at."""

    price: float
    initial_margin: float
    open_loss: float
    cost: float

def order_cost(
    box: ContractBox,
    *,
    side: int,
    quantity: float,
    leverage: float,
    mark: float,
    price: float = 0.0,
    takes: bool = False,
    last: float = 0.0,
    ask: float = 0.0,
    buy_markup: float = 0.0,
    sell_markup: float = 0.0,
) -> OrderCost: ...
def auto_exchange(deficit: float, *, ratio: float) -> float: ...
