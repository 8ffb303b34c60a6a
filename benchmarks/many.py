"""Many small instruments at once: what the number of streams, of positions and of days costs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import data
from benchmarks.files import VENUE, canonical
from benchmarks.tasks import account

if TYPE_CHECKING:
    import pyarrow as pa

    from feeds.dataset import Dataset
    from venues.config import Venue

ROWS_A_DAY = 200_000  # of all instruments together, so that memory can only grow with streams or days
PRICE = 50.0
SPAN_NS = data.DAY_NS


def symbol(number: int) -> str:
    """Return the name of an instrument."""
    return f"S{number:03d}/USDT:USDT"


def wallet(**options: Any) -> "Venue":
    """Return the account of these runs; one tier table for every instrument."""
    import venues

    tier = venues.Tier(floor=0, maintenance_rate=0.01, max_leverage=50)
    return account(missing_tiers=[tier], **options)


def walk(rng: "np.random.Generator", rows: int) -> np.ndarray:
    """Return a price that wanders by a cent about 50 and stays near it."""
    steps = np.cumsum(rng.integers(-1, 2, rows))
    return np.round(PRICE + 0.01 * np.abs(steps % 400 - 200), 2)


def moments(rng: "np.random.Generator", start: int, span: int, rows: int) -> np.ndarray:
    """Return sorted times."""
    return start + np.sort(rng.integers(1, span, rows))


def trades(rng: "np.random.Generator", start: int, span: int, rows: int) -> "pa.Table":
    """Return trades of one instrument."""
    side = np.where(rng.random(rows) < 0.5, 1, -1).astype(np.int8)
    columns = {"ts": moments(rng, start, span, rows), "price": walk(rng, rows), "side": side}
    return canonical("trades", columns | {"size": np.round(rng.gamma(1.2, 0.2, rows) + 0.001, 3)})


def streams(count: int, rows: int) -> "Dataset":
    """Return trades of `count` instruments, `rows` together, over a day, in memory."""
    from feeds.stream import Stream

    made = []
    for number in range(count):
        rng = np.random.Generator(np.random.PCG64([11, number]))
        table = trades(rng, data.START_NS, SPAN_NS, rows // count)
        made.append(Stream.from_table(VENUE, symbol(number), "trades", table))
    return _dataset(made)


def marks(count: int, rows: int) -> "Dataset":
    """Return marks of `count` instruments, `rows` together, over a day, and trades at the start of each to buy from."""
    from feeds.stream import Stream

    made = []
    for number in range(count):
        rng = np.random.Generator(np.random.PCG64([12, number]))
        # From the first minute on a trade a second, until the orders are filled.
        ts = data.START_NS + data.MINUTE_NS + np.arange(3, dtype=np.int64) * data.SECOND_NS
        first = {"ts": ts, "price": np.full(3, PRICE), "size": np.full(3, 1.0), "side": np.ones(3, np.int8)}
        stamps = moments(rng, data.START_NS, SPAN_NS, rows // count)
        stamps[0] = data.START_NS
        points = {"ts": stamps, "price": walk(rng, rows // count)}
        made.append(Stream.from_table(VENUE, symbol(number), "trades", canonical("trades", first)))
        made.append(Stream.from_table(VENUE, symbol(number), "mark", canonical("mark", points)))
    return _dataset(made)


def _dataset(made: list[Any]) -> "Dataset":
    from feeds.dataset import Dataset

    dataset = Dataset(made)
    dataset.fingerprint  # noqa: B018  what it costs belongs to the loading
    return dataset


def write_catalog(root: Path, count: int, days: int) -> None:
    """Write trades of `count` instruments over `days`, ROWS_A_DAY together each day, unless they are there."""
    from feeds.catalog import Catalog

    place = root / f"many-{count}-{days}"
    if (place / "done").exists():
        return
    catalog = Catalog(place)
    for number in range(count):
        rng = np.random.Generator(np.random.PCG64([13, number]))
        table = trades(rng, data.START_NS, days * data.DAY_NS, days * ROWS_A_DAY // count)
        catalog.write(VENUE, symbol(number), "trades", table, source="benchmarks", replace=True)
    (place / "done").touch()


def stored(root: Path, count: int, days: int, of: int) -> "Dataset":
    """Return the first `days` of what `write_catalog` stored for `of` days."""
    from feeds.catalog import Catalog

    end = data.START_NS + days * data.DAY_NS
    names = [symbol(number) for number in range(count)]
    return Catalog(root / f"many-{count}-{of}").dataset(VENUE, names, start=data.START_NS, end=end)
