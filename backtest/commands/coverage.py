"""`levdyn coverage`: what a catalog holds, day by day."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from backtest.commands import output

if TYPE_CHECKING:
    from feeds.store import Partition

STATES = ("present", "partial", "gap", "absent", "refused")
SIGNS = {"present": "#", "partial": "p", "gap": "g", "absent": ".", "refused": "x"}


@dataclass(slots=True)
class Series:
    """One kind of one instrument: its days (months for funding and the like) by state.

    Attributes
    ----------
    days : dict of str to str
        ``present``: whole; ``partial``: the source was cut short; ``gap``: rows are missing inside; ``absent``: none
        between the first and the last; ``refused``: suspect or contradicted, a run would not use it.
    """

    symbol: str
    kind: str
    days: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    bytes: int = 0

    def count(self, state: str) -> int:
        """Return the number of days in a state."""
        return sum(each == state for each in self.days.values())


def coverage(
    catalog: Annotated[str, typer.Argument(help="Folder of the catalog.")],
    days: Annotated[bool, typer.Option("--days", help="Draw a calendar: a line a month, a sign a day.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every day as JSON.")] = False,
) -> None:
    """List what a catalog holds, day by day.

    Days are present, partial (cut short), gap (rows missing inside), absent, or refused (suspect or contradicted).
    Exit code 1: not everything between the first and the last day is there.

    \b
    Examples:
      levdyn coverage history
      levdyn coverage history --days
      levdyn coverage history --json
    """
    from feeds.catalog import Catalog
    from feeds.errors import FeedError

    with output.working(f"reading {catalog}"):
        series = collect(Catalog(catalog).partitions())
    if not series:
        raise FeedError(f"{catalog}: no catalog, or an empty one; levdyn import FILE... --catalog {catalog} fills it")
    if as_json:
        output.print_json([asdict(each) for each in series])
    else:
        _print(series)
        if days:
            _print_days(series)
    is_whole = all(state == "present" for each in series for state in each.days.values())
    raise typer.Exit(output.DONE if is_whole else output.FINDINGS)


def collect(partitions: "Iterable[Partition]") -> list[Series]:
    """Return the series of a catalog with the state of each of their days."""
    found: dict[tuple[str, str, str], Series] = {}
    for part in partitions:
        key = (part.venue, part.symbol, part.kind)
        series = found.setdefault(key, Series(f"{part.symbol}@{part.venue}", part.kind))
        state = {"complete": "present", "partial": "partial", "absent": "absent"}.get(part.status, "refused")
        series.days[part.name] = "gap" if state == "present" and part.gaps else state
        series.rows += part.rows
        series.bytes += int(part.ledger["file"]["size"])
    for series in found.values():
        first, last = min(series.days), max(series.days)
        series.days = {name: series.days.get(name, "absent") for name in between(first, last)}
    return list(found.values())


def between(first: str, last: str) -> list[str]:
    """Return the names of all days, or of all months, from the first to the last."""
    from feeds.times import day_bounds, day_text, month_bounds

    names, bounds = [first], day_bounds if len(first) == len("2024-01-01") else month_bounds
    while names[-1] < last:
        names.append(day_text(bounds(names[-1])[1])[: len(first)])
    return names


def ranges(names: Iterable[str], days: Iterable[str]) -> str:
    """Return days among all names as ranges: ``2024-11-03, 2024-11-05 to 2024-11-09``."""
    position = {name: number for number, name in enumerate(names)}
    runs: list[list[str]] = []
    for day in days:
        if runs and position[day] == position[runs[-1][-1]] + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)


def _print(series: list[Series]) -> None:
    shown = [state for state in STATES if state != "refused" or any(each.count(state) for each in series)]
    width = max(12, *(len(each.kind) for each in series))
    heads = "".join(f"{state:>8}" for state in shown)
    output.line(f"  {'kind':<{width}} {'first':<10} {'last':<10}{heads}{'rows':>10}", style="bold")
    symbol = ""
    for each in series:
        if each.symbol != symbol:
            symbol = each.symbol
            output.line(symbol)
        counts = "".join(f"{each.count(state) if each.count(state) else '.':>8}" for state in shown)
        output.line(f"  {each.kind:<{width}} {min(each.days):<10} {max(each.days):<10}{counts}{each.rows:>10,}")
    size = sum(each.bytes for each in series)
    output.line(f"{len(series)} series, {sum(each.rows for each in series):,} rows, {size / 1e6:,.1f} MB")
    lacking = [
        (each.symbol, each.kind, state, ranges(each.days, (day for day, found in each.days.items() if found == state)))
        for each in series
        for state in STATES[1:]
        if each.count(state)
    ]
    if lacking:
        output.heading("NOT WHOLE")
        output.table(("symbol", "kind", "state", "days or months"), lacking)


def _print_days(series: list[Series]) -> None:
    """Print each series as a line a month with a sign a day; kinds kept by the month as a line a year."""
    output.heading("DAYS (" + ", ".join(f"{sign} {state}" for state, sign in SIGNS.items()) + ")")
    for each in series:
        output.line(f"{each.symbol} {each.kind}")
        lines: dict[str, list[str]] = {}
        for name, state in each.days.items():
            whole, _, part = name.rpartition("-")
            # A first month (or year) that begins late keeps its place below the others.
            found = lines.setdefault(whole, [" "] * (int(part) - 1))
            found.append(SIGNS[state])
        for whole, signs in lines.items():
            output.line(f"  {whole:<7}  {''.join(signs)}")
