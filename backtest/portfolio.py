"""Several exposures reached together: what `Strategy.target_portfolio` does."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backtest.errors import OrderError
from backtest.timers import duration_ns

if TYPE_CHECKING:
    from backtest.strategy import Strategy

MINUTE_NS = 60_000_000_000
Place = tuple[int, int]


@dataclass(slots=True)
class Leg:
    """One instrument on its way: the signed quantity wanted, in its unit, and the orders of the last part."""

    symbol: str
    wanted: float
    sent: list[Any] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether the venue has no market in it any more."""
        return any(order.status == "rejected" and order.reason == "DELISTED" for order in self.sent)


class Schedule:
    """A change that is made in equal parts, one a minute; a later plan of the strategy takes its place.

    Parameters
    ----------
    strategy : Strategy
    legs : list of Leg
    parts : int
        At least 1.
    reduce_first : bool
    tag : str, optional
    """

    def __init__(
        self, strategy: "Strategy", legs: list[Leg], *, parts: int, reduce_first: bool, tag: str | None
    ) -> None:
        self.strategy = strategy
        self.legs = legs
        self.left = parts
        self.reduce_first = reduce_first
        self.tag = tag

    def step(self) -> list[Any]:
        """Send the next part and return its orders.

        Each part is the change that is still missing over the parts that are left, working orders counted as filled. So
        the parts are equal while they fill, and what was refused, or was too small to send, is in the later ones.
        """
        if self.strategy._portfolio.schedule is not self:
            return []
        self.legs = [leg for leg in self.legs if not leg.is_over]
        aims = []
        for leg in self.legs:
            held = self.strategy._working_quantity(leg.symbol)
            aims.append((leg, held, leg.wanted if self.left == 1 else held + (leg.wanted - held) / self.left))
            leg.sent = []
        self.left -= 1
        if self.left > 0:
            self.strategy.once(MINUTE_NS, name=self.step)
        if self.reduce_first:
            for leg, held, aim in aims:
                if held * (aim - held) < 0:
                    leg.sent += self._target(leg, aim if held * aim > 0 else 0.0)
        for leg, _, aim in aims:
            leg.sent += self._target(leg, aim)
        return sorted((order for leg in self.legs for order in leg.sent), key=lambda order: order.id)

    def _target(self, leg: Leg, quantity: float) -> list[Any]:
        return list(self.strategy.target(leg.symbol, quantity=quantity, tag=self.tag))


class Portfolio:
    """What a strategy has named in its plans, and the plan under way."""

    def __init__(self) -> None:
        self.places: dict[Place, str] = {}
        self.schedule: Schedule | None = None


def plan(
    strategy: "Strategy",
    weights: Mapping[str, float],
    *,
    tolerance: float = 0.0,
    over: str | int | None = None,
    reduce_first: bool = True,
    tag: str | None = None,
) -> list[Any]:
    """Reach signed leverages of several symbols, at once or in parts, and return the orders sent now.

    Parameters
    ----------
    strategy : Strategy
    weights : mapping of symbol to float
        Signed notional as a multiple of the equity of the symbol's account, at the present mark. Contracts that the
        accounts of these symbols, or of those in earlier calls, hold and that are not named are closed; a spot pair is
        closed when an earlier call has named it (a coin in the wallet does not say which pair it was bought in).
    tolerance : float
        A change smaller than this share of the weight is left alone; a weight of 0 is always reached.
    over : duration, optional
        Length over which the change is spread in equal parts, the first now and then one a minute.
    reduce_first : bool
        Send what reduces before what increases, in each part.
    tag : str, optional

    Raises
    ------
    OrderError
        If a weight is no finite number, two names mean the same symbol, or an argument cannot be used.
    """
    if strategy._portfolio is None:
        strategy._portfolio = Portfolio()
    portfolio: Portfolio = strategy._portfolio
    wanted = _checked(strategy, weights)
    if not tolerance >= 0:
        raise OrderError(f"tolerance must be at least 0, got {tolerance!r}")
    parts = 1 if over is None else math.ceil(duration_ns(over) / MINUTE_NS)
    if parts < 1:
        raise OrderError(f"over must be a positive duration such as '30m', got {over!r}")
    earlier = dict(portfolio.places)
    portfolio.places.update({place: symbol for place, (symbol, _) in wanted.items()})
    accounts = {account for _, account in portfolio.places}
    for place, name in {**strategy._contracts_held(accounts), **earlier}.items():
        wanted.setdefault(place, (portfolio.places.get(place, name), 0.0))
    legs, unpriced = [], []
    for symbol, weight in wanted.values():
        if weight != 0 and not strategy._has_price(symbol):
            unpriced.append((symbol, weight))
            continue
        held, aim = strategy._working_quantity(symbol), strategy._quantity_at(symbol, weight)
        if aim == held or abs(aim - held) < tolerance * abs(aim):
            continue
        legs.append(Leg(symbol, aim))
    portfolio.schedule = Schedule(strategy, legs, parts=parts, reduce_first=reduce_first, tag=tag)
    sent = portfolio.schedule.step()
    for symbol, weight in unpriced:
        sent += strategy.target(symbol, leverage=weight, tag=tag)
    return sent


def _checked(strategy: "Strategy", weights: Mapping[str, float]) -> dict[Place, tuple[str, float]]:
    """Return name and weight of each instrument and account."""
    if not isinstance(weights, Mapping):
        raise OrderError(f"target_portfolio needs a mapping of symbol to signed leverage, got {type(weights).__name__}")
    found: dict[Place, tuple[str, float]] = {}
    for symbol, weight in weights.items():
        if not math.isfinite(weight):
            raise OrderError(f"target_portfolio: the weight of {symbol} must be a finite number, got {weight!r}")
        place = strategy._place(symbol)
        if place in found:
            raise OrderError(f"target_portfolio names one symbol twice: {found[place][0]!r} and {symbol!r}")
        found[place] = (symbol, float(weight))
    return found
