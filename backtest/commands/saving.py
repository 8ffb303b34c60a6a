"""Where commands write results: judged before anything is run, so that a wrong folder costs no time."""

from pathlib import Path
from typing import TYPE_CHECKING

from backtest.errors import ConfigError

if TYPE_CHECKING:
    from backtest.result import Result
    from backtest.survival import Survival
    from backtest.what_if import WhatIf

SHEET = "tear_sheet.html"


def check_folder(out: Path | None) -> None:
    """Raise ConfigError when a folder holds something else than an earlier result."""
    if out is not None and out.exists() and not (out / "meta.json").is_file():
        raise ConfigError(f"{out} exists and is not a result of levdyn; give another --out, or remove it")


def save(
    result: "Result",
    out: Path | None,
    sheet: Path | None,
    what_if: "WhatIf | None" = None,
    survival: "Survival | None" = None,
) -> list[Path]:
    """Save a result and its tear sheet and return what was written.

    Parameters
    ----------
    result : Result
    out : Path or None
        Folder of the result.
    sheet : Path or None
        HTML file; None: beside the tables in `out`, if that is given.
    what_if : WhatIf or None
        The same run with other costs, for the tear sheet.
    survival : Survival or None
        The same trades at other leverages, for the tear sheet.
    """
    written = [] if out is None else [result.save(out)]
    target = sheet if sheet is not None or out is None else out / SHEET
    return written if target is None else [*written, result.tear_sheet(target, what_if=what_if, survival=survival)]
