"""Fees by volume: each day at 00:00 UTC an account moves to the level of what it traded in the last days."""

from collections import deque
from typing import TYPE_CHECKING

from backtest.rule_events import Event
from backtest.run_instruments import fee_units

if TYPE_CHECKING:
    from backtest.assembly import Assembly

DAY_NS = 86_400_000_000_000


class VolumeFees:
    """The fee level of one account.

    Parameters
    ----------
    assembly : Assembly
    number : int
        Of the account.
    """

    def __init__(self, assembly: "Assembly", number: int) -> None:
        self.assembly = assembly
        self.number = number
        self.venue = assembly.venues[number]
        days = self.venue.book.facts.fee_days
        # What it had traded before the start is spread evenly over the days.
        self.days = deque([float(self.venue.volume) / days] * days, maxlen=days)
        self.counted = 0.0

    def events(self) -> list[Event]:
        """Return the start of every day of the run."""
        first = (self.assembly.first // DAY_NS + 1) * DAY_NS
        return [(day, self.renew) for day in range(first, self.assembly.settings.end, DAY_NS)]

    def renew(self, time: int) -> None:
        """Close a day and take the level that holds from now on; dated rates of that level are looked up too."""
        traded = self.assembly.exchange.account_list[self.number].volume
        self.days.append(traded - self.counted)
        self.counted = traded
        level = self.venue.book.level_of_volume(sum(self.days), time)
        for run in self.assembly.instruments:
            if run.venue == self.venue.name:
                set_fees(self.assembly, self.number, run.index, *fee_units(self.venue, run, time, level))


def fees_by_volume(assembly: "Assembly") -> list[Event]:
    """Return the daily events of all accounts whose fees follow their volume."""
    found: list[Event] = []
    for number, venue in enumerate(assembly.venues):
        if venue.fees == "by_volume":
            found += VolumeFees(assembly, number).events()
    return found


def set_fees(assembly: "Assembly", number: int, instrument: int, maker: int, taker: int) -> None:
    """Set the rates of an account, 1e-10, at the venue and for the sizes of its strategies."""
    assembly.exchange.account_list[number].set_fees(instrument, maker, taker)
    assembly.context.set_taker_fee(number, instrument, taker)
