"""The first rows of a file: header, sample, types, and the symbol that its name carries."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from feeds.errors import FeedError
from feeds.formats.files import Source, broken, opened

SAMPLE_BYTES = 1 << 18
SAMPLE_ROWS = 2000
SAMPLE_LINES = 50
_INT64 = 2**63


@dataclass(frozen=True, slots=True)
class Head:
    """What a file looks like at its beginning.

    Attributes
    ----------
    columns : tuple of str
        The header, or an empty tuple when the first row is data. A list of JSON objects has their keys, with those of
        an inner object as `outer.inner`.
    rows : list of list of str
        At most 2,000 first rows as text, an empty text for an empty cell.
    width : int
        Number of columns.
    types : dict of str to pyarrow.DataType
        Column types of Parquet and Feather, empty for text.
    name : str
        Name of the file or zip member: never decides a format, but may give the symbol and may forbid a guess.
    symbol : str or None
        What the user or the name says the symbol is, native or unified.
    table : pyarrow.Table or None
        All rows of a JSON file, which is read at once.
    objects : tuple
        The first parsed lines of JSON lines that are no flat records; then there is no table.
    envelope : dict
        What stood around the rows of a JSON answer (`{"result": {"trades": [...]}}`), without them.
    """

    columns: tuple[str, ...]
    rows: list[list[str]]
    width: int
    types: dict[str, Any]
    name: str = ""
    symbol: str | None = None
    table: Any = None
    objects: tuple[Any, ...] = ()
    envelope: dict[str, Any] = field(default_factory=dict)

    def text(self, position: int) -> list[str]:
        """Return the sampled texts of one column."""
        return [row[position].strip() for row in self.rows if len(row) > position]

    def numbers(self, position: int) -> Any:
        """Return the sampled numbers of one column as doubles, NaN where a cell has none."""
        import numpy as np

        return np.array([float(text) if _is_number(text) else float("nan") for text in self.text(position)])

    def describe(self) -> str:
        """Say in one line what was found."""
        if self.columns:
            return "header " + ",".join(self.columns)
        if self.objects:
            first = self.objects[0]
            inside = ",".join(list(first)[:8]) if isinstance(first, dict) else type(first).__name__
            return f"JSON lines of {inside}"
        if not self.rows:
            return "an empty file"
        return f"no header, {self.width} columns, first row " + ",".join(self.rows[0])


def head(source: Source, *, symbol: str | None = None) -> Head:
    """Look at the beginning of a file.

    Parameters
    ----------
    source : Source
    symbol : str, optional
        What the user says the symbol is; else the name is searched for one.
    """
    if source.container == "csv":
        found = _text_head(source)
    elif source.container == "jsonl":
        found = _lines_head(source)
    elif source.container == "json":
        rows, envelope = unwrapped(json_rows(source))
        found = replace(json_head(rows), envelope=envelope)
    else:
        found = _binary_head(source)
    return replace(found, name=source.name, symbol=symbol if symbol is not None else symbol_in_name(source.name))


def symbol_in_name(name: str) -> str | None:
    """Return the native symbol that a file name carries, None when it has none or several.

    `BTCUSDT-aggTrades-2024-01-01.zip` gives BTCUSDT, `BTC_USDT_USDT-1h-mark.feather` (freqtrade) BTC/USDT:USDT.
    """
    freqtrade = r"([A-Z0-9]+)_(?!PERP|\d+-)([A-Z0-9]+)(?:_([A-Z0-9]+)(?:-(\d{6}))?)?-\d+[mhdw](?:-|\.)"
    if match := re.match(freqtrade, name):
        base, quote, settle, expiry = match.groups()
        return f"{base}/{quote}" + (f":{settle}" if settle else "") + (f"-{expiry}" if expiry else "")
    types = "trades|aggTrades|metrics|fundingRate|liquidationSnapshot|bookTicker|bookDepth"
    if match := re.match(rf"([A-Z0-9]+(?:_PERP|_\d{{6}})?)-(?:{types}|\d+[a-zA-Z]+)[-.]", name):
        return match[1]
    # OKX: BTC-USDT-SWAP-trades-2024-01-01.zip; Gate: BTC_USDT-202401.csv.gz; Hyperliquid: BTC.lz4.
    if match := re.match(r"([A-Z0-9]+(?:-[A-Z0-9]+)+?)-(?:trades|aggtrades|candlesticks|L2orderbook)[-.]", name):
        return match[1]
    if match := re.match(r"([A-Z0-9]+_(?:USDT|USD))-\d{6}(?:\d{2})?(?:\d{2})?[-.]", name):
        return match[1]
    if match := re.fullmatch(r"([A-Za-z0-9]+)\.lz4", name):
        return match[1]
    inside = r"(?<![A-Za-z0-9])([A-Z0-9]{2,24}?(?:USDT|USDC|USD)(?:_PERP|_\d{6}(?!\d))?)(?![A-Za-z0-9])"
    symbols = set(re.findall(inside, name))
    return symbols.pop() if len(symbols) == 1 else None


def _binary_head(source: Source) -> Head:
    import pyarrow as pa
    import pyarrow.feather as feather
    import pyarrow.parquet as parquet

    try:
        if source.container == "parquet":
            with parquet.ParquetFile(source.path) as file:
                schema = file.schema_arrow
                batch = next(file.iter_batches(batch_size=SAMPLE_ROWS), None)
                table = schema.empty_table() if batch is None else pa.Table.from_batches([batch])
        else:
            table = feather.read_table(source.path, memory_map=False).slice(0, SAMPLE_ROWS)
            schema = table.schema
    except (pa.ArrowInvalid, OSError) as error:
        raise broken(source, error) from error
    cells = [["" if cell is None else str(cell) for cell in column.to_pylist()] for column in table.columns]
    rows = [list(row) for row in zip(*cells, strict=True)]
    return Head(tuple(schema.names), rows, len(schema.names), {field.name: field.type for field in schema})


def json_rows(source: Source) -> Any:
    """Return the parsed JSON of a file; numbers with a fraction keep their text."""
    import json

    with opened(source) as stream:
        data = stream.read()
    try:
        return json.loads(data, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise FeedError(f"{source.where}: {_not_json(data, error)}") from error


def json_lines(source: Source) -> Iterator[tuple[int, Any]]:
    """Yield the time of receipt in ns (0 when the line has none) and the object of each line, one at a time.

    Raises
    ------
    FeedError
        If a line is not whole JSON: also the last one, which a cut download ends with.
    """
    import json

    with opened(source) as stream:
        for number, line in enumerate(stream, start=1):
            text = line.strip()
            if not text:
                continue
            stamp, space, rest = text.partition(b" ")
            receipt = int(stamp) if space and stamp.isdigit() else 0
            try:
                yield receipt, json.loads(rest if receipt else text, parse_float=str)
            except (ValueError, RecursionError) as error:
                raise FeedError(f"{source.where}: line {number}: {_not_json(text, error)}") from error


def _not_json(data: bytes, error: Exception) -> str:
    if data.lstrip()[:1] == b"<":
        return "a web page (HTML) in place of JSON: the server refused or redirected; nothing was written"
    return f"not whole JSON ({error}); nothing was written"


def unwrapped(rows: Any) -> tuple[Any, dict[str, Any]]:
    """Return the list inside the envelope of a venue's answer, and the rest of the envelope.

    Known are `result`, `data`, and inside them (or outside) `trades`, `list`, `candles`, `historicalFunding`.
    """
    envelope: dict[str, Any] = {}
    for keys in (("result", "data"), ("trades", "list", "candles", "historicalFunding")):
        name = next((key for key in keys if isinstance(rows, dict) and isinstance(rows.get(key), dict | list)), None)
        if name is not None:
            envelope |= {key: value for key, value in rows.items() if key != name}
            rows = rows[name]
    return rows, envelope


def _lines_head(source: Source) -> Head:
    """Look at JSON lines: flat records become a table, everything else is left to a format that reads line by line."""
    import itertools

    first = list(itertools.islice(json_lines(source), SAMPLE_LINES))
    objects = tuple(each for _, each in first)
    is_flat = all(isinstance(each, dict) and not _has_inner(each) for each in objects)
    if not objects or not is_flat or any(receipt for receipt, _ in first):
        return Head((), [], 0, {}, objects=objects)
    return json_head([each for _, each in json_lines(source)])


def _has_inner(row: dict[str, Any]) -> bool:
    """Tell whether a record has lists of lists or of objects in it."""
    return any(
        _has_inner(value) if isinstance(value, dict) else isinstance(value, list) and bool(value)
        for value in row.values()
    )


def json_head(rows: Any) -> Head:
    """Look at parsed JSON: a list of lists, a list of objects, or one object (then only its keys).

    Raises
    ------
    FeedError
        If it is none of these, or lists of different length.
    """
    import pyarrow as pa

    if isinstance(rows, dict):
        return Head((), [], 0, {}, table=rows)
    if not isinstance(rows, list) or not rows or not isinstance(rows[0], list | tuple | dict):
        return Head((), [], 0, {})
    if not all(isinstance(row, type(rows[0])) for row in rows):
        raise FeedError("JSON rows of different kinds in one list (lists, objects, plain values); nothing was written")
    if isinstance(rows[0], dict):
        flat = [_flat(row) for row in rows]
        names = tuple(dict.fromkeys(name for row in flat for name in row))
        columns = [[row.get(name) for row in flat] for name in names]
    else:
        widths = {len(row) for row in rows}
        if len(widths) > 1:
            raise FeedError(f"rows of different lengths: {', '.join(map(str, sorted(widths)))}")
        names = tuple(f"f{place}" for place in range(widths.pop()))
        columns = [list(column) for column in zip(*rows, strict=True)]
    table = pa.table([_json_column(column) for column in columns], names=list(names))
    sample = [["" if cell is None else str(cell) for cell in column[:SAMPLE_ROWS]] for column in columns]
    texts = [list(row) for row in zip(*sample, strict=True)]
    return Head(names if isinstance(rows[0], dict) else (), texts, len(names), {}, table=table)


def _json_column(cells: list[Any]) -> Any:
    """One Arrow column: integers stay integers, floats floats, everything else is text."""
    import pyarrow as pa

    kinds = {type(cell) for cell in cells} - {type(None)}
    if kinds in ({int}, {float}) and all(cell is None or abs(cell) < _INT64 for cell in cells):
        return pa.array(cells)
    # Numbers of mixed kinds are given as text by repr, which shows the shortest digits of a float.
    return pa.array(
        [cell if cell is None or isinstance(cell, str) else _json_text(cell) for cell in cells], pa.string()
    )


def _json_text(cell: Any) -> str:
    return repr(cell) if isinstance(cell, int | float) and not isinstance(cell, bool) else str(cell)


def _flat(row: dict[str, Any], outer: str = "") -> dict[str, Any]:
    """Keys of inner objects become `outer.inner`; lists are left out."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{outer}{name}.")
        elif not isinstance(value, list | tuple):
            found[f"{outer}{name}"] = value
    return found


def _text_head(source: Source) -> Head:
    with opened(source) as stream:
        data = stream.read(SAMPLE_BYTES)
    whole = len(data) < SAMPLE_BYTES
    text = _decoded(data, source, whole=whole)
    if text.lstrip()[:1] == "<":
        raise FeedError(f"{source.where}: a web page (HTML), no table: the server refused; nothing was written")
    lines = text.splitlines()
    if not whole and lines:
        lines.pop()  # the sample may end inside a row
    rows = [row for row in csv.reader(io.StringIO("\n".join(lines[: SAMPLE_ROWS + 1]))) if row]
    if not rows:
        return Head((), [], 0, {})
    # OKX writes its words in two languages: trade_id/<the same in Chinese>.
    first = [cell.strip() if cell.isascii() else cell.partition("/")[0].strip() for cell in rows[0]]
    if any(_is_number(cell) for cell in first):
        return Head((), rows[:SAMPLE_ROWS], len(first), {})
    return Head(tuple(first), rows[1:], len(first), {})


def _decoded(data: bytes, source: Source, *, whole: bool) -> str:
    """Return the text of a sample, in UTF-8 or else in GBK, which older files of OKX are written in."""
    errors = "strict" if whole else "ignore"
    try:
        return data.decode("utf-8-sig", errors=errors)
    except UnicodeDecodeError as error:
        try:
            return data.decode("gbk", errors=errors)
        except UnicodeDecodeError:
            raise FeedError(f"{source.where}: not UTF-8 text ({error})") from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
