"""What it costs to move an index for as long as a forced close takes, and what that closes.

A venue whose price is a part of an index is sold into until its price stands low enough, and held there while its book
refills, until the oracle has reported it and the engine has closed what the index now says must be closed.
"""

from dataclasses import dataclass

from backtest.errors import ConfigError
from backtest.lab.curves import LiquidationCurve
from backtest.lab.depth import DepthCurve
from backtest.lab.given import number


@dataclass(frozen=True, slots=True)
class IndexMove:
    """A move of an index and its price.

    Attributes
    ----------
    move : float
        Of the index, fraction.
    venue_move : float
        Of the price at the venue that is sold into.
    seconds : float
        For which it is held.
    sold, held : float
        Base units sold to get there, and to stay there while the book refills.
    push, hold : float
        What these cost against the price before, quote.
    closed : float
        Base units that the index closes by force.
    """

    move: float
    venue_move: float
    seconds: float
    sold: float
    held: float
    push: float
    hold: float
    closed: float

    @property
    def cost(self) -> float:
        """Quote spent."""
        return self.push + self.hold

    @property
    def cost_per_unit(self) -> float:
        """Quote spent for each base unit that is closed by force; infinite when none is."""
        return self.cost / self.closed if self.closed > 0.0 else float("inf")


def close_seconds(
    *, oracle_lag: float = 0.0, engine_lag: float = 0.0, quantity: float = 0.0, execution_rate: float | None = None
) -> float:
    """Return how long an index has to stand: until it is reported, acted on, and the quantity is sold.

    Parameters
    ----------
    oracle_lag, engine_lag : float
        Seconds.
    quantity : float
        Base units that are closed.
    execution_rate : float, optional
        Base units a second; None: at once.
    """
    waited = number(oracle_lag, "oracle_lag", low=0.0) + number(engine_lag, "engine_lag", low=0.0)
    held = number(quantity, "quantity", low=0.0)
    return waited if execution_rate is None else waited + held / number(execution_rate, "execution_rate", above=0.0)


def index_move(
    book: DepthCurve,
    move: float,
    *,
    reference: float,
    seconds: float,
    weight: float = 1.0,
    refill_rate: float = 0.0,
    positions: LiquidationCurve | None = None,
) -> IndexMove:
    """Return what it costs to hold an index `move` lower for so many seconds.

    Parameters
    ----------
    book : DepthCurve
        Of the venue that is sold into.
    move : float
        Of the index, fraction of the reference price.
    reference : float
        Quote per base.
    seconds : float
    weight : float
        Part of the index that the venue's price is, in (0, 1].
    refill_rate : float
        Per second (rho): what stands against the sales comes back at that rate and has to be sold again.
    positions : Liquidations, optional
        What the index closes up to a drop.

    Raises
    ------
    ConfigError
        If the venue's price would have to fall by all of it: an index capped there cannot be moved so far.
    """
    down = number(move, "move", above=0.0, below=1.0)
    at_venue = down / number(weight, "weight", above=0.0, high=1.0)
    price, span = number(reference, "reference", above=0.0), number(seconds, "seconds", low=0.0)
    if at_venue >= 1.0:
        raise ConfigError(f"a venue with {weight:g} of the index cannot move it by {move:g}: its price would be gone")
    sold = float(book.depth(at_venue))
    again = number(refill_rate, "refill_rate", low=0.0) * sold * span
    return IndexMove(
        move=down,
        venue_move=at_venue,
        seconds=span,
        sold=sold,
        held=again,
        push=price * float(book.swept(sold)),
        hold=price * again * at_venue,
        closed=0.0 if positions is None else float(positions.total(down)),
    )
