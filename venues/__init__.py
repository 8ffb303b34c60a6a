"""What an exchange does to an account: rules with dates, instruments, margin, accounts of a run."""

from venues.calculator import Account, AccountRisk, PoolFigures, Position, PositionRisk
from venues.config import Transfers, Venue
from venues.errors import VenueError
from venues.impact import Impact
from venues.instrument import Instrument, RoundingRules, Tier
from venues.latency import Latency
from venues.rulebook import VenueRules, get, names

__all__ = [
    "Account",
    "AccountRisk",
    "Impact",
    "Instrument",
    "Latency",
    "PoolFigures",
    "Position",
    "PositionRisk",
    "RoundingRules",
    "Tier",
    "Transfers",
    "Venue",
    "VenueError",
    "VenueRules",
    "get",
    "names",
]
