"""The failure of a venue: it stops for good, and of every balance there its owner gets a share."""

from fractions import Fraction

from venues.venue import Exchange

class VenueFailures:
    """Which venues of a run have failed, and what that does to accounts there.

    Parameters
    ----------
    exchange : Exchange
    """
    def __init__(self, exchange: Exchange) -> None: ...
    def has_failed(self, venue: int) -> bool: ...
    def fail(self, venue: int, share: Fraction, time: int) -> None: ...
    def write_off(self, account: int, asset: int, atoms: int, time: int) -> int: ...
    @property
    def shares(self) -> dict[int, Fraction]: ...
    @property
    def events(self) -> list[tuple[int, int]]: ...
