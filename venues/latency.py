"""Latency that is not constant: drawn from a distribution, or as it was recorded."""

from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any

from venues.checks import duration_ns, number, suggest_arguments
from venues.errors import VenueError

COLUMNS = ("ts", "order", "response")


@suggest_arguments
@dataclass(frozen=True, slots=True)
class Latency:
    """How long orders, answers and market data are on their way.

    Parameters
    ----------
    order, response, feed : duration
        To the venue, back from it, and of market data. With `sigma` medians of the first two.
    sigma : float
        Standard deviation of the logarithm of order and response latency, drawn anew for each request and answer
        (lognormal, from the run's seed).
    feed_sigma : float
        The same of the feed latency of trades, books, prices and rates, drawn anew for each moment of a stream, which
        is never reordered; bars come with the median.
    record : path or DataFrame, optional
        Recorded round trips, in place of order and response: ascending `ts` at which a request was sent, `order` and
        `response`, all int ns, in a Parquet or CSV file. In between both are interpolated, outside the nearest holds.

    Raises
    ------
    VenueError
        If an argument cannot be used.

    Examples
    --------
    >>> import venues
    >>> venues.Latency(order="4ms", response="6ms", sigma=0.5).medians
    (4000000, 6000000, 0)
    """

    _: KW_ONLY
    order: int | str = 0
    response: int | str = 0
    feed: int | str = 0
    sigma: float = 0.0
    feed_sigma: float = 0.0
    record: Any = None
    rows: Any = field(init=False, repr=False)
    medians: tuple[int, int, int] = field(init=False)

    def __post_init__(self) -> None:
        """Read and check every field."""
        object.__setattr__(self, "sigma", number(self.sigma, "Latency: sigma", low=0.0, high=5.0))
        object.__setattr__(self, "feed_sigma", number(self.feed_sigma, "Latency: feed_sigma", low=0.0, high=5.0))
        order, response, feed = (
            duration_ns(value, f"Latency: {name}")
            for name, value in (("order", self.order), ("response", self.response), ("feed", self.feed))
        )
        rows = None
        if self.record is not None:
            if order or response or self.sigma:
                raise VenueError("Latency: record= takes the place of order=, response= and sigma=; leave them out")
            rows = _read(self.record)
            order, response = (int(sorted(column)[len(column) // 2]) for column in rows[1:])
        elif self.sigma and not (order or response):
            raise VenueError(f"Latency: sigma={self.sigma:g} has no effect without order= or response=")
        if self.feed_sigma and not feed:
            raise VenueError(f"Latency: feed_sigma={self.feed_sigma:g} has no effect without feed=")
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "medians", (order, response, feed))

    def describe(self) -> str:
        """Return the distribution in words, empty for constant latency."""
        said = []
        if self.rows is not None:
            said.append(f"recorded, {len(self.rows[0])} round trips")
        elif self.sigma:
            said.append(f"lognormal, sigma {self.sigma:g}")
        if self.feed_sigma:
            said.append(f"feed lognormal, sigma {self.feed_sigma:g}")
        return "; ".join(said)

    def scaled(self, factor: int) -> "Latency":
        """Return the same with every latency multiplied."""
        feed = factor * self.medians[2]
        if self.rows is None:
            order, response = factor * self.medians[0], factor * self.medians[1]
            return Latency(order=order, response=response, feed=feed, sigma=self.sigma, feed_sigma=self.feed_sigma)
        import pandas as pd

        times, orders, responses = self.rows
        return Latency(
            feed=feed,
            feed_sigma=self.feed_sigma,
            record=pd.DataFrame({"ts": times, "order": factor * orders, "response": factor * responses}),
        )


def _read(record: Any) -> tuple[Any, Any, Any]:
    """Return the columns of recorded round trips as int64 arrays."""
    import numpy as np
    import pandas as pd

    where = "Latency: record"
    frame = record
    if isinstance(record, str | Path):
        where = f"Latency: record {record}"
        try:
            frame = pd.read_parquet(record) if str(record).endswith(".parquet") else pd.read_csv(record)
        except (OSError, ValueError) as error:
            raise VenueError(f"{where}: {error}") from None
    if not isinstance(frame, pd.DataFrame) or set(COLUMNS) - set(frame.columns):
        given = list(frame.columns) if isinstance(frame, pd.DataFrame) else type(frame).__name__
        raise VenueError(f"{where}: needs a file or DataFrame with columns {', '.join(COLUMNS)}, got {given}")
    if any(frame[name].dtype.kind not in "iu" for name in COLUMNS):
        raise VenueError(f"{where}: {', '.join(COLUMNS)} must be int ns")
    times, orders, responses = (np.ascontiguousarray(frame[name], dtype=np.int64) for name in COLUMNS)
    if not len(times) or (np.diff(times) <= 0).any() or (orders < 0).any() or (responses < 0).any():
        raise VenueError(f"{where}: needs rows with ascending ts and no negative latency")
    return times, orders, responses
