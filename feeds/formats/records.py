"""Formats whose rows are records of one kind: a table of columns, one streaming reader for every container."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from feeds.errors import FeedError
from feeds.findings import Finding
from feeds.formats import cells
from feeds.formats.files import Source, broken, opened
from feeds.formats.heads import Head
from feeds.formats.shape import Piece, looks_like
from feeds.schema import layout

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 1 << 22
BATCH_ROWS = 1 << 18
# Cells that mean "no value" in a text file; a row without a required value is dropped and counted (rule V1).
_EMPTY = ["", "nan", "NaN", "NAN", "null", "NULL", "None", "inf", "-inf", "Infinity", "-Infinity"]

Fields = Mapping[str, tuple[str, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Records:
    """Columns of one vendor file.

    Attributes
    ----------
    kind : str
    fields : mapping
        Canonical column -> (shape of its cells, header names it may have). Shapes: time, number, integer, id (an
        integer where the file has integers, else left out), side, taker (side from "buyer is maker"), flag (true or
        false), text.
    headers : tuple of tuple of str
        Accepted headers; the order of the columns does not matter.
    bare : tuple of (str, tuple of str)
        For files without header: the letters of `looks_like` and the names of the columns.
    venue, symbol : str
        Header names of the columns that say whose rows they are; empty when the file has none.
    constants : mapping
        Canonical columns with one value in all rows.
    loose : bool
        Whether a header may have more columns than the one listed (JSON of ccxt, which differs by venue).
    """

    kind: str
    fields: Fields
    headers: tuple[tuple[str, ...], ...]
    bare: tuple[tuple[str, tuple[str, ...]], ...] = ()
    venue: str = ""
    symbol: str = ""
    constants: Mapping[str, int | str] = field(default_factory=dict)
    loose: bool = False

    def fits(self, head: Head) -> bool:
        """Whether a file has one of the headers, or none and the columns of one of the bare shapes."""
        if head.columns:
            have = set(head.columns)
            return any(have >= set(header) if self.loose else have == set(header) for header in self.headers)
        return any(looks_like(head, letters) for letters, _ in self.bare)

    def names(self, head: Head) -> tuple[str, ...]:
        """Return the column names of a file.

        Raises
        ------
        FeedError
            If the file has another header (rule M2), or none and not one of the bare shapes' numbers of columns.
        """
        if head.columns:
            if not self.fits(head):
                known = " or ".join(",".join(header) for header in self.headers) or "no header"
                raise FeedError(f"{head.name}: {head.describe()}; this format has {known} (M2)")
            return head.columns
        alike = [names for letters, names in self.bare if looks_like(head, letters)]
        alike += [names for _, names in self.bare if len(names) == head.width]
        if not alike:
            widths = ", ".join(str(len(names)) for _, names in self.bare) or "a header"
            raise FeedError(f"{head.name}: {head.describe()}; this format needs {widths} columns")
        return alike[0]


def read_records(source: Source, head: Head, layout_: Records) -> Iterator[Piece]:
    """Yield the rows of a file in batches, split by the venue and symbol columns where there are any."""
    names = layout_.names(head)
    chosen = {
        target: (shape, name)
        for target, (shape, names_) in layout_.fields.items()
        for name in names_
        if name in names and not (shape == "id" and not _is_integer(head, names, name))
    }
    required = _required(layout_.kind)
    absent = [words[0] for target, (_, words) in layout_.fields.items() if target in required and target not in chosen]
    if absent:
        raise FeedError(f"{source.where}: no column {absent[0]!r} for this format; {head.describe()}")
    shapes = {name: shape for shape, name in chosen.values()}
    shapes |= {name: "word" for name in (layout_.venue, layout_.symbol) if name in names}
    for table in batches(source, head, names, shapes):
        for venue, symbol, rows in _split(table, layout_):
            columns, notes = _converted(source, layout_.kind, rows, chosen)
            columns |= {name: _constant(value, columns) for name, value in layout_.constants.items()}
            yield Piece(layout_.kind, columns, venue, symbol, notes=notes)


def _required(kind: str) -> list[str]:
    """Return the columns of a kind that a row must have."""
    return [item.name for item in layout(f"{kind}:1m" if kind == "bars" else kind) if item.default is ...]


def gathered(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Put the batches of each instrument together, sorted by ts: for formats whose meaning depends on the spacing."""
    import pyarrow as pa

    found: dict[tuple[str | None, str | None], list[Piece]] = {}
    for piece in pieces:
        found.setdefault((piece.venue, piece.symbol), []).append(piece)
    for parts in found.values():
        table = pa.concat_tables([pa.table(dict(piece.columns)) for piece in parts])
        if "ts" in table.column_names:
            table = table.sort_by("ts")
        columns = {name: table[name].combine_chunks() for name in table.column_names}
        yield replace(parts[0], columns=columns, notes=tuple(note for piece in parts for note in piece.notes))


def _constant(value: int | str, columns: Mapping[str, Any]) -> Any:
    import pyarrow as pa

    return pa.repeat(value, len(next(iter(columns.values()))))


def batches(source: Source, head: Head, names: tuple[str, ...], shapes: Mapping[str, str]) -> "Iterator[pa.Table]":
    """Yield the wanted columns of a file, a block at a time.

    Parameters
    ----------
    source, head : Source, Head
    names : tuple of str
        All columns of the file in order.
    shapes : mapping of str to str
        Wanted columns and the shape of their cells; numbers of a text file stay text, so that no digit is lost.

    Raises
    ------
    FeedError
        If the file cannot be read to its end or a cell does not have its shape.
    """
    import pyarrow as pa

    if head.table is not None:
        yield head.table.rename_columns(list(names)).select(list(shapes))
        return
    try:
        if source.container == "csv":
            yield from _csv_batches(source, head, names, shapes)
        elif source.container == "parquet":
            yield from _parquet_batches(source, list(shapes))
        else:
            import pyarrow.feather as feather

            yield feather.read_table(source.path, columns=list(shapes), memory_map=False)
    except pa.ArrowInvalid as error:
        raise broken(source, error) from error


def _parquet_batches(source: Source, wanted: list[str]) -> "Iterator[pa.Table]":
    import pyarrow as pa
    import pyarrow.parquet as parquet

    # what is buffered ahead stays in memory until the file is closed (arrow#39808)
    with parquet.ParquetFile(source.path, pre_buffer=False) as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=wanted):
            yield pa.Table.from_batches([batch])


def _csv_batches(source: Source, head: Head, names: tuple[str, ...], shapes: Mapping[str, str]) -> "Iterator[pa.Table]":
    import pyarrow as pa
    import pyarrow.csv as pacsv

    word = pa.dictionary(pa.int32(), pa.string())
    types: dict[str, Any] = {}
    for name, shape in shapes.items():
        whole = shape in ("integer", "id") or (shape == "time" and _is_integer(head, names, name))
        types[name] = pa.int64() if whole else pa.string() if shape in ("number", "time") else word
    read = pacsv.ReadOptions(
        column_names=list(names), skip_rows=1 if head.columns else 0, block_size=BLOCK_BYTES, use_threads=True
    )
    convert = pacsv.ConvertOptions(
        column_types=types, include_columns=list(shapes), null_values=_EMPTY, strings_can_be_null=True
    )
    with opened(source) as stream:
        if not head.rows:
            return
        reader = pacsv.open_csv(stream, read_options=read, convert_options=convert)
        for batch in reader:
            yield pa.Table.from_batches([batch])


def _is_integer(head: Head, names: tuple[str, ...], name: str) -> bool:
    """Whether a column holds whole numbers: by its type, or by the sampled text."""
    import pyarrow.types as types

    if head.types and not (types.is_string(head.types[name]) or types.is_large_string(head.types[name])):
        return bool(types.is_integer(head.types[name]))
    texts = [text for text in head.text(names.index(name)) if text]
    return bool(texts) and all(text.strip().removeprefix("-").isdigit() and len(text) < 19 for text in texts)


def _split(table: "pa.Table", records: Records) -> "Iterator[tuple[str | None, str | None, pa.Table]]":
    """Split a batch by its venue and symbol columns, in order of first appearance."""
    import pyarrow.compute as pc

    by = [name for name in (records.venue, records.symbol) if name and name in table.column_names]
    if not by:
        yield None, None, table
        return
    for values in table.select(by).group_by(by, use_threads=False).aggregate([]).to_pylist():
        rows = table
        for name in by:
            if len(table[name].unique()) > 1:
                rows = rows.filter(pc.equal(rows[name].cast("string"), values[name]))
        yield values.get(records.venue), values.get(records.symbol), rows


def _converted(
    source: Source, kind: str, table: "pa.Table", chosen: Mapping[str, tuple[str, str]]
) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    """Turn cells into canonical columns; rows that lack a required value are dropped and counted."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns: dict[str, Any] = {}
    for target, (shape, name) in chosen.items():
        try:
            columns[target] = _cells(table[name].combine_chunks(), shape, name)
        except (pa.ArrowInvalid, FeedError) as error:
            raise FeedError(f"{source.where}: column {name!r}: {error}") from error
    required = _required(kind)
    holes = [pc.is_null(columns[name]) for name in required if name in columns and columns[name].null_count]
    if not holes:
        return columns, ()
    keep = pc.invert(_any(holes))
    kept = {name: column.filter(keep) for name, column in columns.items()}
    dropped = table.num_rows - len(next(iter(kept.values())))
    message = f"rows without a value in one of {', '.join(required)}: dropped"
    return kept, (Finding("V1", "flag", dropped, message),)


def _any(masks: "list[pa.Array]") -> "pa.Array":
    import pyarrow.compute as pc

    found = masks[0]
    for mask in masks[1:]:
        found = pc.or_(found, mask)
    return found


def _cells(array: "pa.Array", shape: str, name: str) -> "pa.Array":
    """Typed cells of one column."""
    if shape == "time":
        return cells.times(array, header=name)
    if shape == "number":
        return cells.numbers(array, header=name)
    if shape in ("integer", "id"):
        return array.cast("int64")
    if shape == "side":
        return cells.sides(array, header=name)
    if shape == "flag":
        return cells.flags(array, header=name)
    if shape == "taker":
        return cells.taker_side(array, header=name)
    return array.cast("string")
