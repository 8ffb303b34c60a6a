"""`levdyn report`: the tear sheet of a saved result."""

from pathlib import Path
from typing import Annotated

import typer

from backtest.commands import output


def report(
    folders: Annotated[
        list[Path], typer.Argument(metavar="RUN_DIR...", help="Folder of a saved result; several are put side by side.")
    ],
    out: Annotated[Path | None, typer.Option(help="HTML file; by default tear_sheet.html in the folder.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the first screen of the result too.")] = False,
    still: Annotated[bool, typer.Option("--still", help="Without scripts for zoom and values: a small file.")] = False,
    picture: Annotated[Path | None, typer.Option(help="PNG file of the curves, written too.")] = None,
    trials: Annotated[
        int | None,
        typer.Option(min=1, help="Configurations tried before this one: says what the Sharpe ratio is worth."),
    ] = None,
    variance: Annotated[
        float | None, typer.Option(help="Of the daily Sharpe ratios of these trials; needed with several.")
    ] = None,
) -> None:
    """Write the tear sheet of a saved result, or compare several.

    One HTML file that needs nothing else.

    \b
    Examples:
      levdyn report result
      levdyn report result --out sheet.html --show
      levdyn report result --still --picture result.png
      levdyn report result --trials 20 --variance 0.002
      levdyn report slow fast faster --out compared.html
    """
    from backtest.commands.saving import SHEET
    from backtest.errors import ConfigError
    from backtest.result import Result

    if trials is not None and trials > 1 and variance is None:
        raise ConfigError(f"--trials {trials} needs --variance, that of the daily Sharpe ratios of all trials")
    if variance is not None and trials is None:
        raise ConfigError("--variance has no effect without --trials")
    if len(folders) > 1:
        if picture is not None or trials is not None or show or out is None:
            raise ConfigError("several results become one page: name it with --out, and leave other options out")
        output.line(f"written: {_together(folders, out, still)}")
        return
    (folder,) = folders
    result = Result.load(folder)
    with output.working("tear sheet"):
        target = out if out is not None else folder / SHEET
        written = [result.tear_sheet(target, trials=trials, variance=variance, interactive=not still)]
        if picture is not None:
            written.append(result.picture(picture))
    if show:
        output.result(result)
        output.line()
    for path in written:
        output.line(f"written: {path}")


def _together(folders: list[Path], out: Path, still: bool) -> Path:
    """Write the page of several results, named as their folders are."""
    from backtest.comparison import side_by_side
    from backtest.comparison_page import write
    from backtest.errors import ConfigError
    from backtest.result import Result

    names = [folder.name for folder in folders]
    labels = names if len(set(names)) == len(names) else [str(folder) for folder in folders]
    if len(set(labels)) < len(labels):
        raise ConfigError(f"a result is named twice: {', '.join(labels)}")
    with output.working("comparison"):
        found = side_by_side({label: Result.load(folder) for label, folder in zip(labels, folders, strict=True)})
        return write(found, out, interactive=not still)
