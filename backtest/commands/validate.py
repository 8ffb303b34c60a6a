"""`levdyn validate`: a report on stored data by the rules of the feeds."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from backtest.commands import output

if TYPE_CHECKING:
    from feeds.validation import ReportRow

EXAMPLES = 3  # shown of each finding


def validate(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A catalog, or one of its partition folders.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Check stored data by the rules of the feeds.

    Hashes, order, spacing, gaps, prices against each other. Exit code 1: something was found; 2: some of it must not
    be used.

    \b
    Examples:
      levdyn validate history
      levdyn validate history --json
    """
    from feeds.validation import validate as check

    with output.working(f"checking {path}"):
        found = check(path)
    if as_json:
        output.print_json(found.to_dict())
        raise typer.Exit(found.exit_code)
    head = f"{found.checked_rows:,} rows in {found.checked_files:,} partitions checked"
    output.line(f"{head}: {'see below' if found.rows else 'clean'}")
    if found.rows:
        output.table(("rule", "severity", "count", "where and what"), list(_shown(found.rows)), right=("count",))
    raise typer.Exit(found.exit_code)


def _shown(rows: "list[ReportRow]") -> Iterator[tuple[str, str, str, str]]:
    """Yield the rows of the table; one and the same finding of several partitions is one."""
    places: dict[tuple[object, ...], list[str]] = {}
    first: dict[tuple[object, ...], ReportRow] = {}
    for row in rows:
        key = (row.rule, row.severity, row.count, row.message, row.examples)
        places.setdefault(key, []).append(row.where)
        first.setdefault(key, row)
    for place, row in first.items():
        more = len(places[place]) - 1
        where = f"{row.where} and {more} more" if more else row.where
        yield row.rule, row.severity, f"{row.count:,}", f"{where}: {row.message}"
        for example in row.examples[:EXAMPLES]:
            yield "", "", "", f"  {example}"
