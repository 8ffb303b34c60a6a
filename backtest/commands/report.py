"""`levdyn report`: the tear sheet of a saved result."""

from pathlib import Path
from typing import Annotated

import typer

from backtest.commands import output


def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="Folder of a saved result.")],
    out: Annotated[Path | None, typer.Option(help="HTML file; by default tear_sheet.html in the folder.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the first screen of the result too.")] = False,
) -> None:
    """Write the tear sheet of a saved result.

    One HTML file that needs nothing else.

    \b
    Examples:
      levdyn report result
      levdyn report result --out sheet.html --show
    """
    from backtest.commands.saving import SHEET
    from backtest.result import Result

    result = Result.load(folder)
    with output.working("tear sheet"):
        written = result.tear_sheet(out if out is not None else folder / SHEET)
    if show:
        output.result(result)
        output.line()
    output.line(f"written: {written}")
