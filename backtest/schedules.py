"""How a position is unwound over time: schedules that weigh the cost of haste against the risk of waiting.

Formulas: R. Almgren, N. Chriss, "Optimal execution of portfolio transactions", 2000, sections 2 and 3; A. Obizhaeva,
J. Wang, "Optimal trading strategy and supply/demand dynamics", 2005. Worked figures: leverage_lab.md section 10.3.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

from backtest.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Schedule:
    """Holdings over equal steps of time, and what the model expects of them.

    Attributes
    ----------
    holdings : tuple of float
        At the start and after each step; the last is 0.
    cost : float
        Expected cost, quote currency.
    variance : float
        Of the cost.
    urgency : float
        Kappa, per unit of time; 0 is a straight line.
    """

    holdings: tuple[float, ...]
    cost: float
    variance: float
    urgency: float


def almgren_chriss(
    quantity: float,
    *,
    steps: int,
    time: float,
    volatility: float,
    temporary: float,
    permanent: float,
    fixed: float = 0.0,
    aversion: float = 0.0,
) -> Schedule:
    """Return the schedule that minimises cost + aversion x variance.

    With ``tau = time / steps`` and ``eta' = temporary - permanent tau / 2``, holdings are
    ``X sinh(kappa (T - t)) / sinh(kappa T)`` where ``2 (cosh(kappa tau) - 1) / tau^2 = aversion volatility^2 / eta'``.

    Parameters
    ----------
    quantity : float
        To be unwound, not negative.
    steps : int
    time : float
        In the unit of the other figures.
    volatility : float
        Of the price, quote currency per square root of time.
    temporary, permanent : float
        Price concession per unit of trading rate; lasting move of the price per unit traded.
    fixed : float
        Cost per unit traded whatever the rate: half-spread and fee.
    aversion : float
        Of risk, per unit of cost; 0 gives equal steps.

    Raises
    ------
    ConfigError
        If an argument cannot be used.
    """
    if steps < 1 or time <= 0.0 or quantity < 0.0 or volatility < 0.0 or aversion < 0.0 or fixed < 0.0:
        raise ConfigError(
            "almgren_chriss needs steps >= 1, time > 0 and no negative quantity, volatility, fixed or aversion; got "
            f"steps={steps}, time={time:g}, quantity={quantity:g}, volatility={volatility:g}, fixed={fixed:g}, "
            f"aversion={aversion:g}"
        )
    tau = time / steps
    adjusted = temporary - permanent * tau / 2.0
    if adjusted <= 0.0:
        raise ConfigError(
            f"almgren_chriss needs temporary > permanent x time / 2 steps = {permanent * tau / 2:g}, got {temporary:g}"
        )
    kappa = math.acosh(1.0 + aversion * volatility**2 / adjusted * tau**2 / 2.0) / tau
    if kappa * time < 1e-9:
        holdings = [quantity * (1.0 - step / steps) for step in range(steps + 1)]
    else:
        holdings = [
            quantity * math.sinh(kappa * (time - step * tau)) / math.sinh(kappa * time) for step in range(steps + 1)
        ]
    traded = [before - after for before, after in pairwise(holdings)]
    cost = permanent * quantity**2 / 2.0 + fixed * quantity + adjusted / tau * sum(part**2 for part in traded)
    variance = volatility**2 * tau * sum(held**2 for held in holdings[1:])
    return Schedule(tuple(holdings), cost, variance, kappa)


def obizhaeva_wang(quantity: float, *, recovery: float, time: float) -> tuple[float, float]:
    """Return the block traded at both ends and the constant rate between them, for a book that refills at `recovery`.

    Block ``X / (recovery T + 2)``, rate ``recovery`` times that.
    """
    if quantity < 0.0 or recovery <= 0.0 or time <= 0.0:
        raise ConfigError(
            f"obizhaeva_wang needs quantity >= 0, recovery > 0 and time > 0; got {quantity:g}, {recovery:g}, {time:g}"
        )
    block = quantity / (recovery * time + 2.0)
    return block, recovery * block
