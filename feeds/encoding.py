"""Bytes of a partition: the Parquet file, its ledger, and the hashes that bind them."""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from feeds.schema import layout

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP = 131_072


def encode(table: "pa.Table", kind: str, timeframe_ns: int, body: Mapping[str, Any]) -> bytes:
    """Return the Parquet bytes: delta or dictionary, zstd, page checksums (feeds.md 4.2)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    scaled = {column.name: column.scale for column in layout(kind, timeframe_ns)}
    delta = [field.name for field in table.schema if field.type == pa.int64() and scaled.get(field.name) != "quantity"]
    metadata = {name: str(body[name]) for name in ("schema", "venue", "instrument", "kind", "rows", "ts_min", "ts_max")}
    metadata |= {f"{scale}_scale": str(value) for scale, value in body["scales"].items()}
    metadata |= {name: str(body[name]) for name in ("id_first", "id_last", "content_sha256", "writer") if name in body}
    metadata |= {"date": str(body["partition"]), "ledger_sha256": hashlib.sha256(dump(body)).hexdigest()}
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata(dict(sorted(metadata.items()))),
        sink,
        row_group_size=ROW_GROUP,
        compression="zstd",
        compression_level=3,
        use_dictionary=[name for name in table.column_names if name not in delta],
        column_encoding=dict.fromkeys(delta, "DELTA_BINARY_PACKED"),
        write_page_checksum=True,
        write_page_index=True,
        sorting_columns=[pq.SortingColumn(0)],
        store_schema=True,
    )
    return bytes(sink.getvalue())


def seal(body: dict[str, Any], data: bytes) -> dict[str, Any]:
    """Return the ledger: body, hashes of the file, hash of all that."""
    length = int.from_bytes(data[-8:-4], "little") + 8
    ledger = body | {
        "file": {
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "footer_sha256": hashlib.sha256(data[-length:]).hexdigest(),
        }
    }
    return ledger | {"sha256": hashlib.sha256(dump(ledger)).hexdigest()}


def dump(values: Mapping[str, Any]) -> bytes:
    """Return JSON bytes that depend on the values only."""
    return json.dumps(values, sort_keys=True, indent=1, ensure_ascii=False).encode() + b"\n"


def footer_sha256(source: Any) -> str:
    """Return the hash of a Parquet file's footer, its length and magic included."""
    size = source.size()
    source.seek(max(size - 8, 0))
    tail = source.read(8)
    length = int.from_bytes(tail[:4], "little") + 8 if len(tail) == 8 else 0
    if not 8 < length <= size:
        return ""
    source.seek(size - length)
    digest = hashlib.sha256(source.read(length)).hexdigest()
    source.seek(0)
    return digest
