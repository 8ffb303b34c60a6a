"""`levdyn validate`: a report on stored data by the rules of the feeds."""

from pathlib import Path
from typing import Annotated

import typer

from backtest.commands import output


def validate(
    path: Annotated[Path, typer.Argument(help="A catalog, or one of its partition folders.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Check stored data: hashes, order, spacing, gaps, prices against each other.

    Exit code 1: something was found; 2: some of it must not be used.

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
    output.line(
        f"{found.checked_rows:,} rows in {found.checked_files:,} partitions: {'clean' if not found.rows else ''}"
    )
    if found.rows:
        rows = []
        for row in found.rows:
            rows.append((row.rule, row.severity, f"{row.count:,}", f"{row.where}: {row.message}"))
            rows += [("", "", "", f"  {example}") for example in row.examples[:3]]
        output.table(("rule", "severity", "count", "where and what"), rows, right=("count",))
    raise typer.Exit(found.exit_code)
