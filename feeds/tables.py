"""Canonical tables: building, checking, scales in their metadata, content hash."""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from feeds import scales as _scales
from feeds.arrays import nulls, plain
from feeds.errors import FeedError
from feeds.schema import AGGREGATE_COLUMNS, SCALES, Column, columns, join_kind, layout, split_kind

if TYPE_CHECKING:
    import pyarrow as pa


def build(kind: str, values: Mapping[str, Any], *, timeframe_ns: int = 0) -> "pa.Table":
    """Build a canonical table from columns of exact or float numbers. Repairs nothing: see `feeds.normalize`.

    Parameters
    ----------
    kind : str
        Bare or with its timeframe (``"bars:1m"``).
    values : mapping of str to array
        Canonical column names. Scaled columns hold *values* (text, Decimal, integer or float), never mantissas.
        Columns that are absent get the default of the schema; for bars `ts_close` and `ts_avail` are derived.
    timeframe_ns : int

    Returns
    -------
    pa.Table
        Exactly the canonical columns; ``price_scale`` ... in the schema metadata.

    Raises
    ------
    FeedError
        For a missing or unknown column, or a value that cannot be kept exactly.
    """
    import pyarrow as pa

    if ":" in kind:
        kind, timeframe_ns = split_kind(kind)
    aggregates = kind == "trades" and all(column.name in values for column in AGGREGATE_COLUMNS)
    wanted = layout(kind, timeframe_ns, aggregates=aggregates)
    _check_names(kind, timeframe_ns, values, wanted)
    rows = len(values["ts"])
    given = dict(values)
    if timeframe_ns:
        close = np.asarray(given["ts"], dtype=np.int64) + timeframe_ns
        given.setdefault("ts_close", close)
        given.setdefault("ts_avail", close)
    if kind == "funding":
        given.setdefault("ts_raw", given["ts"])
    if kind in ("instruments", "tiers"):
        given.setdefault("valid_from", given["ts"])
    if kind == "trades":
        given.setdefault("seq", np.arange(rows, dtype=np.int64))
    found: dict[str, Any] = {}
    used: dict[str, int] = {}
    for scale in SCALES:
        group = [column for column in wanted if column.scale == scale]
        if group:
            arrays, used[scale] = _encode_group(group, given, rows)
            found |= arrays
    schema = columns(kind, timeframe_ns, aggregates=aggregates)
    for column in wanted:
        if column.scale is None:
            found[column.name] = _plain(column, given.get(column.name, column.default), rows, schema)
    table = pa.table([found[column.name] for column in wanted], schema=schema)
    return with_scales(table, used)


def scales_of(table_or_schema: Any) -> dict[str, int]:
    """Return the scales in the metadata of a table or schema, 0 for those that its kind does not use."""
    schema = getattr(table_or_schema, "schema", table_or_schema)
    metadata = getattr(schema, "metadata", schema) or {}
    return {scale: int(metadata.get(f"{scale}_scale".encode(), b"0")) for scale in SCALES}


def with_scales(table: "pa.Table", scales: Mapping[str, int]) -> "pa.Table":
    """Return the table with these scales as its only metadata."""
    return table.replace_schema_metadata({f"{name}_scale": str(scales[name]) for name in SCALES if name in scales})


def check(table: "pa.Table", kind: str, timeframe_ns: int = 0) -> None:
    """Raise FeedError unless the table is canonical: columns, types, no nulls where none may be, sorted by ts."""
    aggregates = kind.partition(":")[0] == "trades" and "first_id" in table.column_names
    wanted = columns(kind, timeframe_ns, aggregates=aggregates)
    label = kind if ":" in kind else join_kind(kind, timeframe_ns)
    if table.column_names != wanted.names:
        raise FeedError(
            f"{label}: columns are {', '.join(table.column_names)}; a canonical table has {', '.join(wanted.names)}"
        )
    for field in wanted:
        if table.schema.field(field.name).type != field.type:
            raise FeedError(f"{label}.{field.name}: type {table.schema.field(field.name).type}, needs {field.type}")
        if not field.nullable and table.column(field.name).null_count:
            raise FeedError(f"{label}.{field.name}: has empty rows; none are allowed")
    stamps = ints(table, "ts")
    if stamps.size > 1 and (steps := np.flatnonzero(stamps[1:] < stamps[:-1])).size:
        row = int(steps[0]) + 1
        raise FeedError(f"{label}: row {row} (ts {stamps[row]}) is earlier than the row before; sort by ts first")


def ints(table: Any, name: str) -> _scales.Int64s:
    """Return an integer column of a table or record batch as one contiguous int64 array, nulls as 0."""
    return plain(whole(table.column(name))).astype(np.int64, copy=False)


def whole(column: Any) -> "pa.Array":
    """Return a column of a table or record batch as one array; Arrow would copy one that is in one piece already."""
    if not hasattr(column, "num_chunks"):
        array: pa.Array = column
        return array
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def rescale_table(table: "pa.Table", kind: str, timeframe_ns: int, scales: Mapping[str, int]) -> "pa.Table":
    """Return the table with its mantissas moved to other scales (exact, or FeedError)."""
    import pyarrow as pa

    current = scales_of(table)
    for column in layout(kind, timeframe_ns):
        if column.scale is None or scales[column.scale] == current[column.scale]:
            continue
        moved = _scales.rescale(ints(table, column.name), current[column.scale], scales[column.scale], name=column.name)
        mask = np.asarray(table.column(column.name).is_null()) if table.column(column.name).null_count else None
        place = table.column_names.index(column.name)
        table = table.set_column(place, table.schema.field(place), pa.array(moved, mask=mask))
    used = {column.scale for column in layout(kind, timeframe_ns) if column.scale}
    return with_scales(table, {scale: scales[scale] for scale in used})


def strip_scales(table: "pa.Table", kind: str, timeframe_ns: int) -> "pa.Table":
    """Return the table at the least scales that keep every digit, so that equal content gives equal bytes."""
    current = scales_of(table)
    least = dict(current)
    for scale in SCALES:
        group = [column.name for column in layout(kind, timeframe_ns) if column.scale == scale]
        if group and current[scale]:
            least[scale] = _scales.smallest_scale([ints(table, name) for name in group], current[scale])
    return rescale_table(table, kind, timeframe_ns, least)


def content_sha256(table: "pa.Table") -> str:
    """Return the hash of names, types, scales and values in schema order, independent of chunks and encoding.

    Values are hashed as little-endian fixed-width words (text as lengths then UTF-8 bytes); empty cells as a byte
    mask followed by values with zeros in their place.
    """
    import pyarrow as pa

    digest = hashlib.sha256()
    scales = scales_of(table)
    digest.update(f"{table.num_rows}|{sorted(scales.items())}".encode())
    for field, column in zip(table.schema, table.columns, strict=True):
        digest.update(f"|{field.name}:{field.type}|".encode())
        array = whole(column)
        if array.null_count:
            digest.update(nulls(array).astype(np.uint8).tobytes())
        if pa.types.is_integer(field.type):
            values = plain(array)
            digest.update(np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"), copy=False)).data)
        else:
            texts = [b"" if item is None else str(item).encode() for item in array.to_pylist()]
            digest.update(np.array([len(text) for text in texts], dtype="<i8").tobytes() + b"".join(texts))
    return digest.hexdigest()


def _check_names(kind: str, timeframe_ns: int, values: Mapping[str, Any], wanted: tuple[Column, ...]) -> None:
    """Raise FeedError for a column that is missing or not of this kind."""
    from difflib import get_close_matches

    label = join_kind(kind, timeframe_ns)
    derived = {"ts_close", "valid_from"}
    names = [column.name for column in wanted]
    unknown = [name for name in values if name not in names]
    for name in (column.name for column in wanted if column.default is ... and column.name not in derived):
        if name not in values:
            near = get_close_matches(name, unknown, n=1)
            hint = f"; did you mean it by {near[0]!r}?" if near else ""
            raise FeedError(f"{label}: column {name!r} is missing{hint} (given: {', '.join(values)})")
    if unknown:
        near = get_close_matches(unknown[0], names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise FeedError(f"{label}: column {unknown[0]!r} is not one of its columns{hint} ({', '.join(names)})")
    lengths = {name: len(column) for name, column in values.items()}
    if len(set(lengths.values())) > 1:
        raise FeedError(f"{label}: columns have different lengths: {lengths}")


def _encode_group(group: list[Column], given: dict[str, Any], rows: int) -> tuple[dict[str, "pa.Array"], int]:
    """Encode the columns that share one scale; empty cells are allowed where the schema allows them."""
    import pyarrow as pa

    masks: dict[str, Any] = {}
    dense: dict[str, Any] = {}
    for column in group:
        values = given.get(column.name, column.default)
        if values is None:
            masks[column.name] = np.ones(rows, dtype=bool)
        elif isinstance(values, int):
            dense[column.name] = np.full(rows, values, dtype=np.int64)
        elif column.nullable:
            array = _scales.as_arrow(values, column.name)
            masks[column.name] = np.asarray(array.is_null(nan_is_null=True))
            dense[column.name] = array.filter(pa.array(~masks[column.name]))
        else:
            dense[column.name] = values
    encoded, scale = _scales.encode_together(dense)
    arrays: dict[str, Any] = {}
    for column in group:
        mask = masks.get(column.name)
        if mask is None:
            arrays[column.name] = pa.array(encoded[column.name])
            continue
        full = np.zeros(rows, dtype=np.int64)
        full[~mask] = encoded.get(column.name, full[:0])
        arrays[column.name] = pa.array(full, mask=mask)
    return arrays, scale


def _plain(column: Column, values: Any, rows: int, schema: "pa.Schema") -> "pa.Array":
    """Return a column that has no scale as its Arrow type."""
    import pyarrow as pa

    wanted = schema.field(column.name).type
    if values is None or isinstance(values, (int, str)):
        return pa.array([values] * rows, wanted) if not isinstance(values, int) else _constant(values, rows, wanted)
    try:
        if column.type == "decimal":
            items = values.to_pylist() if hasattr(values, "to_pylist") else list(values)
            return pa.array([_decimal_or_none(item, column.name) for item in items], wanted)
        array = _scales.as_arrow(values, column.name)
        return array.cast(wanted)
    except pa.ArrowInvalid as error:
        raise FeedError(f"{column.name}: {error}") from None


def _constant(value: int, rows: int, wanted: Any) -> "pa.Array":
    """Return `rows` times one integer."""
    import pyarrow as pa

    return pa.array(np.full(rows, value, dtype=wanted.to_pandas_dtype()))


def _decimal_or_none(value: Any, name: str) -> Any:
    """Return a Decimal, or None for an empty cell."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    return _scales.to_decimal(value, name=name)
