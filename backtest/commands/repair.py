"""`levdyn repair`: a catalog put in order."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from backtest.commands import output


def repair(
    catalog: Annotated[Path, typer.Argument(help="Folder of the catalog.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Put a catalog in order; no data is deleted.

    Writes that were killed are finished or undone, repeated rows dropped, and partitions whose bytes have changed are
    moved to the folder set-aside, so that an import or a download fills their place. Exit code 1: something was moved
    there, or a rule rejects rows that stay.

    \b
    Examples:
      levdyn repair history --dry-run
      levdyn repair history
    """
    from feeds.repair import repair as put_in_order

    with output.working(f"repairing {catalog}"):
        found = put_in_order(catalog, dry_run=dry_run)
    if as_json:
        output.print_json({"dry_run": dry_run, "repairs": [each.to_dict() for each in found]})
    elif found:
        output.table(("what", "where and why"), [(each.what, f"{each.where}: {each.detail}") for each in found])
        counts = Counter(each.what for each in found)
        text = ", ".join(f"{count:,} {what}" for what, count in counts.items())
        output.line(f"{'would do' if dry_run else 'done'}: {text}")
    else:
        output.line("nothing to repair")
    raise typer.Exit(output.FINDINGS if any(each.is_loss for each in found) else output.DONE)
