"""One day of a full-depth book in a catalog, as often as wanted over: what a day larger than memory needs."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import data
from benchmarks.files import PERPETUAL, VENUE, canonical, open_table

if TYPE_CHECKING:
    import pyarrow as pa

    from feeds.dataset import Dataset


def write(root: Path, times: int) -> None:
    """Write the workload's book `times` over into one day, each from its snapshot on, and marks, unless it is there."""
    from feeds.catalog import Catalog

    place = root / f"books-{times}"
    if (place / "done").exists():
        return
    catalog = Catalog(place)
    catalog.write(VENUE, PERPETUAL, "book", _day(open_table(root, "book"), times), source="benchmarks")
    minutes = data.START_NS + np.arange(0, data.DAY_NS, data.MINUTE_NS)
    marks = {"ts": minutes, "price": np.full(len(minutes), data.FIRST_BID * data.TICK)}
    catalog.write(VENUE, PERPETUAL, "mark", canonical("mark", marks), source="benchmarks")
    (place / "done").touch()


def stored(root: Path, times: int) -> "Dataset":
    """Return what `write` has stored."""
    from feeds.catalog import Catalog

    return Catalog(root / f"books-{times}").dataset(VENUE, PERPETUAL)


def _day(book: "pa.Table", times: int) -> "pa.Table":
    import pyarrow as pa

    ts = book["ts"].to_numpy()
    seq = book["seq"].to_numpy()
    span = data.DAY_NS // times
    inside = ((ts - ts[0]) * ((span - 1) / max(1, int(ts[-1] - ts[0])))).astype(np.int64)
    step = int(seq[-1]) + 2
    parts = []
    for number in range(times):
        changed = {
            "ts": data.START_NS + number * span + inside,
            "seq": seq + number * step,
            "prev_seq": book["prev_seq"].to_numpy() + number * step,
        }
        columns = [pa.array(changed[name]) if name in changed else book[name] for name in book.schema.names]
        parts.append(pa.table(columns, schema=book.schema))
    return pa.concat_tables(parts)
