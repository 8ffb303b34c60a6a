"""From messages of a venue to rows on the tapes of the streams that are recorded."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from feeds.downloads.live.tape import Tape
from feeds.formats.messages import BOOK, Messages
from feeds.schema import PREDICTED

# Cells of a row by kind; those of trades that are aggregates have two more.
COLUMNS: dict[str, tuple[str, ...]] = {
    "trades": ("ts", "ts_avail", "id", "price", "quantity", "side", "flags", "first_id", "last_id"),
    "book": BOOK,
    "mark": ("ts", "ts_avail", "price"),
    "funding": ("ts", "ts_avail", "rate", "interval_s", "mark", "kind"),
    "liquidations": ("ts", "ts_avail", "side", "price", "average_price", "quantity", "status", "coverage"),
}
Take = Callable[["Heard", int, Any], None]


class Heard(Messages):
    """Puts rows on tapes.

    Parameters
    ----------
    venue : str
    tapes : mapping of (kind, native name) to Tape
    intervals_s : mapping of str to int
        Seconds between two settlements of funding, by native name, where messages do not say.

    Attributes
    ----------
    unreadable : int
        Messages that have not the form they should have.
    """

    def __init__(self, venue: str, tapes: Mapping[tuple[str, str], Tape], intervals_s: Mapping[str, int]) -> None:
        super().__init__(venue)
        self.intervals_s = intervals_s
        self.unreadable = 0
        self._tapes = tapes
        self._received = 0

    def listen(self, take: Take, received: int, message: Any) -> None:
        """Put what a message says on the tapes; one of another form is counted."""
        self._received = received
        try:
            take(self, received, message)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            self.unreadable += 1

    def add(self, kind: str, symbol: str | None, *row: Any) -> None:
        """Take one row without a name."""
        tape = self._tapes.get((kind, str(symbol)))
        if tape is not None:
            tape.add(row, received=self._received)

    def wants(self, kind: str, native: str) -> bool:
        """Tell whether a stream is recorded."""
        return (kind, native) in self._tapes

    def trade(self, native: str, row: tuple[Any, ...], *, name: Hashable, number: int | None = None) -> None:
        """Take a trade: ``ts, id, price, quantity, side, flags[, first_id, last_id]``."""
        tape = self._tapes.get(("trades", native))
        if tape is not None:
            tape.add((row[0], max(row[0], self._received), *row[1:]), received=self._received, name=name, number=number)

    def mark(self, native: str, ts: int, price: str) -> None:
        """Take a mark price."""
        self.add("mark", native, ts, max(ts, self._received), price)

    def liquidation(self, native: str, ts: int, side: int, price: str, quantity: str, **more: str | None) -> None:
        """Take a forced order; `more` may hold its average price and status."""
        tape = self._tapes.get(("liquidations", native))
        if tape is not None:
            cells = (price, more.get("average_price"), quantity, more.get("status"), tape.channel.coverage)
            tape.add((ts, max(ts, self._received), side, *cells), received=self._received)

    def rate(self, native: str, ts: int, rate: str, due: str, interval_s: int) -> None:
        """Take a predicted funding rate and when it is due, if either has changed."""
        tape = self._tapes.get(("funding", native))
        if tape is not None:
            row = (ts, max(ts, self._received), rate, interval_s, None, PREDICTED)
            tape.add_if_changed(row, (rate, due), received=self._received)
