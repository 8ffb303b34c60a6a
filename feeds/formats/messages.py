"""Rows that single messages of a stream become, put together into pieces as a file is read line by line."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from feeds.errors import FeedError
from feeds.formats.shape import Piece

FLUSH_ROWS = 1 << 17
_MS_NS = 1_000_000

BOOK = ("ts", "ts_avail", "seq", "prev_seq", "is_snapshot", "side", "price", "quantity")
QUOTES = ("ts", "ts_avail", "bid_price", "bid_quantity", "ask_price", "ask_quantity", "update_id")
TRADES = ("ts", "ts_avail", "id", "price", "quantity", "side", "flags")
LIQUIDATIONS = ("ts", "ts_avail", "side", "price", "quantity", "status", "coverage")
_COLUMNS = {"book": BOOK, "quotes": QUOTES, "trades": TRADES, "liquidations": LIQUIDATIONS}


class Messages:
    """Rows by kind and symbol, in the order in which they came.

    Parameters
    ----------
    venue : str or None
    is_many : bool
        Whether the file holds many instruments.
    """

    def __init__(self, venue: str | None, *, is_many: bool = False) -> None:
        self.venue = venue
        self._is_many = is_many
        self._rows: dict[tuple[str, str | None], list[tuple[Any, ...]]] = {}
        self._count = 0

    @property
    def is_full(self) -> bool:
        """Return whether it is time to hand out what was collected."""
        return self._count >= FLUSH_ROWS

    def add(self, kind: str, symbol: str | None, *row: Any) -> None:
        """Take one row in the order of the columns of its kind."""
        self._rows.setdefault((kind, symbol), []).append(row)
        self._count += 1

    def levels(self, symbol: str | None, message: tuple[Any, ...], sides: Iterable[tuple[int, Iterable[Any]]]) -> None:
        """Take a message of the book: what its rows share (the columns up to `is_snapshot`), and levels by side."""
        for side, levels in sides:
            for price, quantity in levels:
                self.add("book", symbol, *message, side, price, quantity)

    def pieces(self) -> Iterator[Piece]:
        """Hand out what was collected, and forget it."""
        rows, self._rows, self._count = self._rows, {}, 0
        for (kind, symbol), found in rows.items():
            columns = dict(zip(_COLUMNS[kind], map(list, zip(*found, strict=True)), strict=True))
            yield Piece(kind, columns, self.venue, symbol, is_one_of_many=self._is_many)


def read_messages(
    lines: Iterable[tuple[int, Any]], found: Messages, take: Callable[[Messages, int, Any], None], where: str
) -> Iterator[Piece]:
    """Yield the pieces of all messages; one that lacks a field, or has another type there, is an error with its line.

    Parameters
    ----------
    lines : iterable of (int, object)
        Receipt in ns (0 for none) and message.
    found : Messages
    take : callable
        Files one message.
    where : str
    """
    for number, (receipt, message) in enumerate(lines, start=1):
        try:
            take(found, receipt, message)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            if isinstance(error, FeedError):
                raise
            raise FeedError(
                f"{where}: line {number} is not a message of this format ({type(error).__name__}: {error})"
            ) from error
        if found.is_full:
            yield from found.pieces()
    yield from found.pieces()


def ms(value: Any) -> int:
    """Return milliseconds as ns; text is accepted, as some venues write it."""
    number = int(value)
    if not 10**12 <= number < 10**13:
        raise ValueError(f"{value!r} is no time in ms")
    return number * _MS_NS


def pairs(levels: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """Yield price and size of levels ``[price, size, ...]`` as text."""
    for level in levels:
        yield str(level[0]), str(level[1])
