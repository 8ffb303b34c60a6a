"""Importing files: what a user downloaded becomes a dataset in memory, or partitions of a catalog."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feeds.errors import FeedError
from feeds.findings import Finding
from feeds.formats import FORMATS, Format, Wanted, format_named, recognise
from feeds.formats.ccxt_lists import pieces_in_memory
from feeds.formats.days import checked
from feeds.formats.files import Source, find
from feeds.formats.heads import Head
from feeds.formats.heads import head as look
from feeds.formats.rows import Day, at_one_scale, merged
from feeds.formats.streams import Streams
from feeds.schema import ACCOUNT_KINDS, KINDS, RULE_KINDS, join_kind, split_kind, timeframe_ns
from feeds.symbols import check_venue, parse_symbol
from feeds.times import time_ns

if TYPE_CHECKING:
    from feeds.catalog import Catalog
    from feeds.dataset import Dataset

Paths = str | Path | Iterable[str | Path]
# What a user may call the export of his own account, and the formats of its files.
ACCOUNTS = {"binance-export": "binance-account-"}


@dataclass(frozen=True, slots=True)
class Imported:
    """One stream of an import: who, what, how many rows, and what was found.

    Attributes
    ----------
    venue, symbol, kind : str
        The kind with its timeframe.
    rows_in, rows_out : int
        Rows in the files, and rows kept.
    findings : tuple of Finding
    written : tuple of str
        Paths of the partitions.
    """

    venue: str
    symbol: str
    kind: str
    rows_in: int
    rows_out: int
    findings: tuple[Finding, ...] = ()
    written: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import read, and where it went.

    Attributes
    ----------
    dataset : Dataset
        The rows: in memory, or backed by the partitions just written (without account kinds).
    streams : tuple of Imported
        One per venue, symbol and kind.
    format : str
        Name of the format; several are joined with a comma.
    left_out : tuple of str
        Rows of venues that have no names here, and files that are empty by the vendor's rules.
    """

    dataset: "Dataset"
    streams: tuple[Imported, ...]
    format: str
    left_out: tuple[str, ...] = ()

    @property
    def rows_in(self) -> int:
        """Return the number of rows in the files."""
        return sum(stream.rows_in for stream in self.streams)

    @property
    def rows_out(self) -> int:
        """Return the number of rows kept."""
        return sum(stream.rows_out for stream in self.streams)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return the findings of all streams."""
        return tuple(finding for stream in self.streams for finding in stream.findings)

    @property
    def written(self) -> tuple[str, ...]:
        """Return the paths of all partitions written."""
        return tuple(path for stream in self.streams for path in stream.written)

    def __str__(self) -> str:
        """Return one line per stream and one per finding."""
        lines = [f"format {self.format}: {self.rows_in:,} rows read, {self.rows_out:,} kept"]
        for stream in self.streams:
            partitions = f", {len(stream.written)} partitions" if stream.written else ""
            lines.append(f"  {stream.symbol}@{stream.venue} {stream.kind}: {stream.rows_out:,} rows{partitions}")
            lines += [f"    {item.rule} {item.severity} ({item.count:,}): {item.message}" for item in stream.findings]
        lines += [f"  left out: {text}" for text in self.left_out]
        return "\n".join(lines)


def import_file(
    path: Paths,
    *,
    format: str = "auto",
    catalog: "Catalog | str | Path | None" = None,
    symbol: str | None = None,
    venue: str | None = None,
    timeframe: str | None = None,
    kind: str | None = None,
    columns: Mapping[str, str] | None = None,
    valid_from: Any = None,
    account: str | None = None,
) -> ImportResult:
    """Import one file, or the files of a folder.

    The format is told by content: header text, number of columns, values; never by date or name. Where the content does
    not name the instrument, the name of the file may (`BTCUSDT-aggTrades-2024-01-01.zip`), and `symbol=` wins over it.

    Parameters
    ----------
    path : str, Path or iterable of them
        .csv, .parquet, .feather, .json, .jsonl, the text ones also as .gz, or a .zip with one member.
    format : str
        ``"auto"``, or a name from `feeds.formats.FORMATS`.
    catalog : Catalog, str or Path, optional
        Where to store the rows; without it they stay in memory.
    symbol : str, optional
        Unified or native. Selects among the instruments of a file that names them.
    venue : str, optional
        Venue id. Selects likewise; required where neither content nor form of the symbol shows it.
    timeframe : str, optional
        Checked against the content; needed only for a single bar.
    kind : str, optional
        Selects one kind of a file with several; says what the rows of format "csv" are.
    columns : mapping of str to str, optional
        Means format "csv": canonical column (of bars, trades, funding, mark, index, premium, quotes, open_interest,
        book, liquidations; `interval_hours` and `symbol` beside them) to header name. Times without a zone are UTC.
    valid_from : str, datetime or int ns, optional
        For tables of tiers and instruments without a column of that name: since when they hold. For positions whose
        file has no time: when they were.
    account : {"binance-export"}, optional
        The files are the export of a user's own account: others in a folder are left out and listed.

    Returns
    -------
    ImportResult

    Raises
    ------
    FeedError
        If a file cannot be read to its end, fits no format or several, names another instrument than the one given, or
        breaks a rule of the validation table. Nothing is written then.
    """
    wanted = _wanted(symbol, venue, timeframe, kind, columns, valid_from)
    if columns is not None and format not in ("auto", "csv"):
        raise FeedError(f"columns= names the header words of format='csv'; format={format!r} has its own, leave it out")
    named = "csv" if columns is not None else format
    chosen = None if named == "auto" else format_named(named)
    if account is not None:
        _check_account(account, named)
    streams = Streams(wanted)
    formats: dict[str, None] = {}
    for source in find(path, strict=account is None):
        head = look(source, symbol=symbol)
        found = _format_of(source, head, chosen) if account is None else _account_format(head, account)
        if found is None and account is not None:
            streams.left_out_files.append(f"{source.path.name}: no fills, orders or ledger of a {account}")
            continue
        if found is None:
            streams.empty.append(source.path.name)
            continue
        formats[found.name] = None
        pieces = found.read(source, head, wanted)
        if found.zone_h is not None:
            pieces = checked(pieces, source.name, found.zone_h, source.where)
        streams.take(pieces, source.where, name=source.path.name, named=head.symbol)
    return _finished(streams, ", ".join(formats), catalog)


import_files = import_file  # the name for a list of files or a folder; the function is one


def from_ccxt(rows: Sequence[Any], *, kind: str, venue: str, symbol: str, timeframe: str | None = None) -> "Dataset":
    """Return a dataset of a list that a ccxt call returned.

    Parameters
    ----------
    rows : sequence
        `fetch_ohlcv` lists (also with price mark, index, premiumIndex), `fetch_funding_rate_history` or `fetch_trades`
        dicts.
    kind : {"bars", "mark", "index", "premium", "funding", "trades"}
        May carry the timeframe, as "bars:1m".
    venue, symbol : str
    timeframe : str, optional
        Checked against the spacing of the rows.

    Raises
    ------
    FeedError
        If the rows are not of that kind, of another symbol, or break a rule of the validation table.
    """
    word, _, length = kind.partition(":")
    wanted = _wanted(symbol, venue, length if length else timeframe, word, None, None)
    streams = Streams(wanted)
    streams.take(pieces_in_memory(rows, word, wanted), "rows from ccxt")
    return _finished(streams, "ccxt", None).dataset


def _check_account(account: str, format: str) -> None:
    """Raise FeedError for an export that is not known, or one that is given beside a format."""
    if account not in ACCOUNTS:
        raise FeedError(f"account {account!r} is not known (known: {', '.join(ACCOUNTS)})")
    if format != "auto":
        raise FeedError(f"account={account!r} tells the formats of its files itself; leave format={format!r} out")


def _account_format(head: Head, account: str) -> Format | None:
    """Return which file of an account's export this is, None when it is none."""
    return next((each for each in FORMATS if each.name.startswith(ACCOUNTS[account]) and each.fits(head)), None)


def _format_of(source: Source, head: Head, chosen: Format | None) -> Format | None:
    """Return the format of a file, None for a file without rows that its vendor documents as a day without data."""
    if head.rows or head.objects or head.table is not None:
        return recognise(source, head) if chosen is None else chosen
    if not any(item.may_be_empty and item.fits(head) for item in FORMATS):
        raise FeedError(f"{source.where}: no rows ({head.describe()}); leave the file out, or download it again")
    return None


def _wanted(
    symbol: str | None,
    venue: str | None,
    timeframe: str | None,
    kind: str | None,
    columns: Mapping[str, str] | None,
    valid_from: Any,
) -> Wanted:
    """Check what the user said."""
    if venue is not None:
        check_venue(venue)
    if symbol is not None and "/" in symbol:
        parse_symbol(symbol)
    if kind is not None and kind not in KINDS:
        raise FeedError(
            f"kind {kind!r} is not known here (a bare word of {', '.join(KINDS)}; the length is timeframe=)"
        )
    return Wanted(
        venue=venue,
        symbol=symbol,
        timeframe_ns=0 if timeframe is None else timeframe_ns(timeframe),
        kind=kind,
        columns=columns,
        valid_from=None if valid_from is None else time_ns(valid_from, name="valid_from"),
    )


def _finished(streams: Streams, formats: str, catalog: "Catalog | str | Path | None") -> ImportResult:
    """Repair all rows, then keep them in memory or write them: an error in any stream comes before the first write."""
    from feeds.catalog import Catalog
    from feeds.dataset import Dataset

    ready = {key: streams.rows[key].finished() for key in sorted(streams.rows)}
    if not any(ready.values()):
        raise FeedError(
            f"no row to import: {', '.join(streams.empty) or formats} has none, or none is left after repairs"
        )
    target = None if catalog is None else catalog if isinstance(catalog, Catalog) else Catalog(catalog)
    dataset = Dataset([])
    done = []
    for key, days in ready.items():
        if not days:
            continue
        venue, symbol, kind, length = key
        name = join_kind(kind, length)
        rows_out = sum(day.rows for day in days)
        findings = tuple(merged([finding for day in days for finding in day.findings]))
        written: tuple[str, ...] = ()
        if target is None:
            dataset += _in_memory(venue, symbol, name, days)
        else:
            source = {"name": ", ".join(streams.sources[key]), "format": formats}
            written = _write(target, (venue, symbol, name), days, source)
            # A run does not read accounts, so a catalog gives no dataset of them.
            dataset += Dataset([]) if kind in ACCOUNT_KINDS else target.dataset([(venue, symbol)], kinds=name)
        done.append(Imported(venue, symbol, name, streams.rows[key].rows_in, rows_out, findings, written))
    left_out = tuple(f"{text}: {rows:,} rows" for text, rows in streams.left_out.items())
    left_out += tuple(
        f"{symbol}@{venue} funding: {rows.lost} rows whose spacing does not show their interval"
        for (venue, symbol, *_), rows in sorted(streams.rows.items())
        if rows.lost
    )
    left_out += tuple(streams.left_out_files)
    left_out += tuple(f"{name}: empty, a day without data" for name in streams.empty)
    return ImportResult(dataset, tuple(done), formats, left_out)


def _in_memory(venue: str, symbol: str, kind: str, days: list[Day]) -> "Dataset":
    """Return a dataset of one stream, or of rows of a rule table, held in memory."""
    import pyarrow as pa

    from feeds.dataset import Dataset, Stream
    from feeds.normalize import grid_gaps

    if kind in RULE_KINDS:
        rows = [{"venue": venue, "symbol": symbol} | row for day in days for row in day.take().to_pylist()]
        return Dataset([], **{kind: rows})
    word, length = split_kind(kind)
    table = pa.concat_tables(at_one_scale([day.take() for day in days], word, length))
    gaps = [gap for day in days for gap in day.gaps] + grid_gaps(table, word, length)
    return Dataset([Stream.from_table(venue, symbol, kind, table, gaps=gaps)])


def _write(
    catalog: "Catalog", place: tuple[str, str, str], days: list[Day], source: Mapping[str, str]
) -> tuple[str, ...]:
    """Write the days in order, letting go of each once it is on disk."""
    paths = []
    while days:
        for day in days.pop(0).parts():
            # A hole in ids that the venue numbers without holes is missing data (rule G1).
            status = "suspect" if day.gaps else "complete"
            parts = catalog.write(
                *place, day.take(), source=source, findings=day.findings, gaps=day.gaps, status=status
            )
            paths += [part.path for part in parts]
    return tuple(dict.fromkeys(paths))
