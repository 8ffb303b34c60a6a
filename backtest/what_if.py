"""The same run with other costs, each carried out by the engine: how much of a result hangs on what was assumed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.result_summary import break_even_fee
from backtest.result_text import money, percent
from backtest.run_decisions import DEFAULT_SLIPPAGE_BPS
from feeds.dataset import Dataset
from feeds.stream import Stream
from feeds.tables import ints
from venues.config import Venue
from venues.facts import Dated, Fact, Fees
from venues.instrument import Instrument
from venues.latency import Latency
from venues.rulebook import VenueRules

if TYPE_CHECKING:
    import pandas as pd

    from backtest.backtest import Backtest
    from backtest.result import Result

AS_IT_IS = "as it is"
COLUMNS = {
    "end_equity": "reporting asset",
    "difference": "reporting asset, to the run as it is",
    "return": "fraction, time-weighted",
    "fees": "reporting asset, received",
    "slippage": "reporting asset",
    "funding": "reporting asset, received",
    "liquidations": "count of episodes",
    "min_distance": "fraction of the mark, inf without a liquidation price",
}
Change = Callable[["Backtest"], "Backtest | None"]


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Results of one configuration under other costs.

    Attributes
    ----------
    results : mapping of str to Result
        By what was changed; the first is the run as it is.
    left_out : mapping of str to str
        Changes that would have no effect on this run, and why.
    """

    results: "Mapping[str, Result]"
    left_out: Mapping[str, str]

    @property
    def result(self) -> "Result":
        """Return the run as it is."""
        return self.results[AS_IT_IS]

    @property
    def table(self) -> "pd.DataFrame":
        """Return one row per change with the columns of `COLUMNS`; ``attrs["units"]`` names their units."""
        import pandas as pd

        end = self.result.summary["end_equity"]
        rows = {}
        for name, found in self.results.items():
            summary = found.summary
            rows[name] = {key: summary[key] for key in COLUMNS if key != "difference"}
            rows[name]["difference"] = summary["end_equity"] - end
        made = pd.DataFrame.from_dict(rows, orient="index", columns=list(COLUMNS))
        made.index.name = "what if"
        made.attrs["units"] = dict(COLUMNS)
        return made

    @property
    def break_even_fee(self) -> float:
        """Return the fee on turnover, as a fraction, at which the run as it is would have ended where it began.

        See `result_summary.break_even_fee`.
        """
        return break_even_fee(self.result.summary)


def variants(backtest: "Backtest") -> "tuple[dict[str, Backtest], dict[str, str]]":
    """Return the run as it is and with each change of `CHANGES`, and why some changes are left out."""
    runs, left_out = {AS_IT_IS: backtest}, {}
    for name, (change, why_not) in CHANGES.items():
        changed = change(backtest)
        if changed is None:
            left_out[name] = why_not
        else:
            runs[name] = changed
    return runs, left_out


def what_if(backtest: "Backtest") -> WhatIf:
    """Run a backtest as it is and once for each change that can have an effect on it."""
    runs, left_out = variants(backtest)
    return WhatIf({name: run.run() for name, run in runs.items()}, left_out)


def with_fees(backtest: "Backtest", factor: float) -> "Backtest | None":
    """Return the run with all trading fees multiplied, those of every level, date and instrument."""
    return backtest.changed(venues=[_with_fees(venue, factor) for venue in backtest.venues])


def with_slippage(backtest: "Backtest", factor: float) -> "Backtest | None":
    """Return the run with the slippage of taker fills multiplied; None where it is none."""
    bps = [DEFAULT_SLIPPAGE_BPS if venue.slippage == "default" else float(venue.slippage) for venue in backtest.venues]
    if not any(bps):
        return None
    return backtest.changed(
        venues=[replace(v, slippage=factor * each) for v, each in zip(backtest.venues, bps, strict=True)]
    )


def with_latency(backtest: "Backtest", factor: int) -> "Backtest | None":
    """Return the run with every latency multiplied; None where all are zero."""
    if not any(any(venue.latency_ns) for venue in backtest.venues):
        return None
    return backtest.changed(
        venues=[
            replace(
                venue,
                latency=venue.latency.scaled(factor)
                if isinstance(venue.latency, Latency)
                else (factor * order, factor * response, factor * feed),
            )
            for venue in backtest.venues
            for order, response, feed in [venue.latency_ns]
        ],
    )


def with_funding(backtest: "Backtest", factor: int) -> "Backtest | None":
    """Return the run with every funding rate multiplied; None without funding rows."""
    return _with_streams(backtest, "funding", "rate", lambda rates: rates * factor)


def with_volume(backtest: "Backtest", divisor: int) -> "Backtest | None":
    """Return the run with the volume of every bar divided, and so what may be filled in it; None without bars."""
    return _with_streams(backtest, "bars", "volume", lambda volumes: volumes // divisor)


def cells(found: WhatIf) -> list[tuple[str, ...]]:
    """Return the table as text: what was changed, equity at the end, difference, return, costs, forced closes."""
    frame = found.table
    return [
        (
            str(name),
            money(row["end_equity"]),
            "" if name == AS_IT_IS else money(row["difference"]),
            percent(row["return"], 1),
            *(money(row[key]) for key in ("fees", "slippage", "funding")),
            f"{row['liquidations']:.0f}",
            percent(row["min_distance"], 1),
        )
        for name, row in frame.iterrows()
    ]


def said(found: WhatIf) -> list[str]:
    """Return sentences on what the table does not show."""
    out = []
    fee = 10_000 * found.break_even_fee
    if fee >= 0.0:
        out.append(f"It would have ended where it began at fees of {fee:.2f} bp of its turnover.")
    elif fee < 0.0:
        out.append(f"It lost {-fee:.2f} bp of its turnover before any fee.")
    if found.left_out:
        reasons = ", ".join(f"{name} ({why})" for name, why in found.left_out.items())
        out.append(f"Left out, without effect here: {reasons}.")
    return out


HEADS = ("what if", "end", "difference", "return", "fees", "slippage", "funding", "forced", "nearest")
CHANGES: dict[str, tuple[Change, str]] = {
    "no fees": (lambda run: with_fees(run, 0.0), ""),
    "fees x 2": (lambda run: with_fees(run, 2.0), ""),
    "no slippage": (lambda run: with_slippage(run, 0.0), "slippage is zero"),
    "slippage x 2": (lambda run: with_slippage(run, 2.0), "slippage is zero"),
    "latency x 5": (lambda run: with_latency(run, 5), "latency is zero"),
    "funding reversed": (lambda run: with_funding(run, -1), "the data have no funding rows"),
    "half the volume": (lambda run: with_volume(run, 2), "the data have no bars"),
}


def _with_fees(venue: Venue, factor: float) -> Venue:
    given = venue.fees
    fees = given if isinstance(given, str) else (factor * float(given[0]), factor * float(given[1]))
    return replace(venue, rules=_scaled(venue.book, factor), fees=fees)


def _scaled(rules: VenueRules, factor: float) -> VenueRules:
    """Return rules whose trading fees are multiplied."""

    def dated(facts: Dated[Any], change: Callable[[Any], Any]) -> tuple[Fact[Any], ...]:
        return tuple(replace(fact, value=change(fact.value)) for fact in facts)

    def times(fee: float | None) -> float | None:
        return None if fee is None else factor * fee

    def instrument(row: Instrument) -> Instrument:
        return replace(row, maker_fee=times(row.maker_fee), taker_fee=times(row.taker_fee))

    facts = replace(
        rules.facts,
        fees={
            key: dated(found, lambda fees: Fees(factor * fees.maker, factor * fees.taker))
            for key, found in rules.facts.fees.items()
        },
        fee_levels={
            key: dated(
                found,
                lambda rows: tuple(row._replace(maker=factor * row.maker, taker=factor * row.taker) for row in rows),
            )
            for key, found in rules.facts.fee_levels.items()
        },
        instruments={
            symbol: tuple(instrument(row) for row in rows) for symbol, rows in rules.facts.instruments.items()
        },
    )
    return replace(rules, facts=facts, own=tuple(instrument(row) for row in rules.own))


def _with_streams(backtest: "Backtest", kind: str, column: str, change: Callable[[Any], Any]) -> "Backtest | None":
    """Return the run with a column of all streams of a kind changed; None where there are none."""
    import pyarrow as pa

    def moved(stream: Stream) -> Stream:
        table = stream.table()
        place = table.column_names.index(column)
        values = pa.array(change(np.asarray(ints(table, column), dtype=np.int64)))
        changed = table.set_column(place, table.schema.field(place), values)
        part = Stream.from_table(
            stream.venue, stream.symbol, stream.label.partition(" ")[2], changed, findings=stream.findings
        )
        return replace(part, start=stream.start, end=stream.end, gaps=stream.gaps)

    if not any(stream.kind == kind and stream.rows for stream in backtest.data.streams):
        return None
    data = backtest.data
    streams = [moved(stream) if stream.kind == kind and stream.rows else stream for stream in data.streams]
    return backtest.changed(
        data=Dataset(streams, instruments=data.instruments, tiers=data.tiers, venue_events=data.venue_events),
    )
