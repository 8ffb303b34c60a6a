"""Which stream a piece belongs to: venue and symbol from content, user or file name, and what was not asked for."""

from collections.abc import Iterable, Iterator

from feeds.errors import FeedError
from feeds.formats.rows import Rows
from feeds.formats.shape import Piece, Wanted
from feeds.schema import join_kind
from feeds.symbols import to_native, to_unified, venue_ids

Key = tuple[str, str, str, int]  # venue, unified symbol, kind, timeframe in ns


class Streams:
    """The streams that the files of one import feed.

    Attributes
    ----------
    rows : dict of Key to Rows
    sources : dict of Key to list of str
        Names of the files that fed each.
    left_out : dict of str to int
        What a file held beside what is imported because its venue has no names here, and how many rows of it.
    left_out_files : list of str
        Names of files that are not what was asked for, each with the reason.
    empty : list of str
        Names of files without rows that their vendor documents as days without data.
    """

    def __init__(self, wanted: Wanted) -> None:
        self.rows: dict[Key, Rows] = {}
        self.sources: dict[Key, list[str]] = {}
        self.left_out: dict[str, int] = {}
        self.left_out_files: list[str] = []
        self.empty: list[str] = []
        self._wanted = wanted

    def take(self, pieces: Iterable[Piece], where: str, *, name: str = "", named: str | None = None) -> None:
        """File the pieces of one file under their streams.

        Parameters
        ----------
        pieces : iterable of Piece
        where : str
            The file, for messages.
        name : str
            Its name, for the record of sources.
        named : str or None
            Symbol that the file name carries.

        Raises
        ------
        FeedError
            If a venue or symbol stays unknown, or nothing in the file is what was asked for (rule I4).
        """
        fed: dict[Key, None] = {}
        others: dict[str, None] = {}
        for piece in _converted(pieces, where):
            place = self._place(piece, where, named)
            if isinstance(place, str):
                others[place] = None
                continue
            key = (*place, piece.kind, piece.timeframe_ns)
            if key not in self.rows:
                label = f"{where}: {key[1]}@{key[0]} {join_kind(piece.kind, piece.timeframe_ns)}"
                self.rows[key] = Rows(label, piece.kind, piece.timeframe_ns)
            self.rows[key].add(piece.columns, piece.notes)
            fed[key] = None
        if not fed:
            asked = {"symbol": self._wanted.symbol, "venue": self._wanted.venue, "kind": self._wanted.kind}
            given = ", ".join(f"{word}={value!r}" for word, value in asked.items() if value is not None)
            raise FeedError(
                f"{where}: holds {', '.join(list(others)[:8]) or 'no rows'}, but {given or 'rows of a known venue'} "
                "was asked for (I4)"
            )
        for key in fed:
            self.sources.setdefault(key, []).append(name)

    def _place(self, piece: Piece, where: str, named: str | None) -> tuple[str, str] | str:
        """Return venue and unified symbol of a piece, or a text that says what it is when it is not imported."""
        wanted = self._wanted
        if piece.venue is not None and wanted.venue not in (None, piece.venue):
            return f"{piece.symbol if piece.symbol is not None else named} of {piece.venue}"
        if piece.venue is not None and piece.venue not in venue_ids():
            text = f"{piece.symbol} of {piece.venue} (a venue without names here)"
            self.left_out[text] = self.left_out.get(text, 0) + len(piece.columns["ts"])
            return text
        venue = wanted.venue if piece.venue is None else piece.venue
        if venue is None:
            raise FeedError(f"{where}: the content does not show the venue; give venue=, as venue='binance_usdm'")
        asked = None if wanted.symbol is None else _unified(venue, wanted.symbol, "symbol=")
        symbol = asked
        if piece.symbol is not None and piece.is_one_of_many and not _has_name(venue, piece.symbol):
            text = f"{piece.symbol} of {venue} (an instrument whose name has no form here)"
            self.left_out[text] = self.left_out.get(text, 0) + len(piece.columns["ts"])
            return text
        if piece.symbol is not None:
            symbol = _unified(venue, piece.symbol, f"{where}: symbol")
        elif asked is None and named is not None:
            symbol = _unified(venue, named, f"{where}: symbol from the file name")
        if symbol is None:
            raise FeedError(
                f"{where}: neither content nor file name shows the symbol; give symbol=, as 'BTC/USDT:USDT'"
            )
        if asked not in (None, symbol) and not piece.is_derived:
            return f"{symbol} of {venue}"
        if wanted.kind not in (None, piece.kind):
            return f"{piece.kind} of {symbol}"
        to_native(venue, symbol)
        return venue, symbol


def _converted(pieces: Iterable[Piece], where: str) -> Iterator[Piece]:
    """Yield pieces; a cell that Arrow cannot turn into what its column holds is an error of the file."""
    import pyarrow as pa

    try:
        yield from pieces
    except (pa.ArrowInvalid, OverflowError) as error:
        raise FeedError(f"{where}: {error}; nothing was written") from error


def _unified(venue: str, symbol: str, where: str) -> str:
    """Return a native or unified symbol as unified, or raise with where it came from."""
    try:
        return to_unified(venue, symbol)
    except FeedError as error:
        raise FeedError(f"{where} {symbol!r}: {error}; give symbol= and venue= that fit together") from error


def _has_name(venue: str, symbol: str) -> bool:
    """Tell whether a native name can be written as a unified one."""
    try:
        to_unified(venue, symbol)
    except FeedError:
        return False
    return True
