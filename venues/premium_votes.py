"""Funding of a chain whose validators vote: premium of a book, samples of votes, means of samples, and their bounds.

dYdX v4 (venues/dydx_v4.md, funding): each block one vote, each minute the median of its votes, each hour the mean of
its samples. Rates and premiums are whole parts per million, as on the chain.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from venues.checks import Number, exact, number
from venues.errors import VenueError

MILLION: Final = 1_000_000


def impact_price(levels: Sequence[tuple[Number, Number]], notional: Number) -> Fraction | None:
    """Return the average price at which an order of a notional (quote currency) fills; None without that depth.

    Parameters
    ----------
    levels : sequence of (price, quantity)
        One side of a book, best first.
    """
    total = left = Fraction(exact(notional))
    if left <= 0:
        raise VenueError(f"notional must be above 0, got {notional!r}")
    base = Fraction(0)
    for price, quantity in levels:
        at, size = Fraction(exact(price)), Fraction(exact(quantity))
        if at <= 0 or size <= 0:
            raise VenueError(f"a level must be a price and a quantity above 0, got {price!r} and {quantity!r}")
        if left <= at * size:
            return total / (base + left / at)
        base += size
        left -= at * size
    return None


def premium_vote(
    *,
    index: Number,
    impact_notional: Number,
    bids: Sequence[tuple[Number, Number]] = (),
    asks: Sequence[tuple[Number, Number]] = (),
    bound: int | None = None,
) -> int:
    """Return the premium of one block, parts per million, cut toward zero.

    It is 0 while the index lies between the best prices, where depth is lacking, and where the impact price lies on the
    other side of the index.

    Parameters
    ----------
    index : float
        Above 0.
    impact_notional : float
        Quote currency.
    bids, asks : sequence of (price, quantity)
        Best first.
    bound : int, optional
        Largest absolute value; `clamp_ppm` of the votes' factor.
    """
    oracle = Fraction(exact(number(index, "index", above=0.0)))
    side = 0
    if bids and Fraction(exact(bids[0][0])) > oracle:
        side = 1
    elif asks and Fraction(exact(asks[0][0])) < oracle:
        side = -1
    price = impact_price(bids if side > 0 else asks, impact_notional) if side else None
    if price is None or (price - oracle) * side <= 0:
        return 0
    vote = int((price / oracle - 1) * MILLION)
    return vote if bound is None else max(-bound, min(bound, vote))


def minute_sample(votes: Sequence[int], *, least: int = 15) -> int:
    """Return the median of a minute's votes, filled up with zeros to at least `least`; an even count halves the two.

    The half is cut toward zero.
    """
    padded = sorted([*votes, *[0] * max(0, least - len(votes))])
    if not padded:
        raise VenueError("votes must hold at least one vote, or least be above 0")
    middle = len(padded) // 2
    if len(padded) % 2:
        return padded[middle]
    return int(Fraction(padded[middle - 1] + padded[middle], 2))


def hour_premium(samples: Sequence[int], *, count: int = 60) -> int:
    """Return the mean of an hour's samples, filled up with zeros to `count`, cut toward zero."""
    if len(samples) > count:
        raise VenueError(f"an hour has {count} samples, got {len(samples)}")
    return int(Fraction(sum(samples), count))


def clamp_ppm(factor: int, *, initial: int, maintenance_fraction: int) -> int:
    """Return factor x (initial rate - maintenance rate): the largest absolute vote or 8-hour rate.

    Parameters
    ----------
    factor, initial, maintenance_fraction : int
        Parts per million; maintenance rate = initial x maintenance_fraction, cut.
    """
    maintenance = initial * maintenance_fraction // MILLION
    return factor * (initial - maintenance) // MILLION
