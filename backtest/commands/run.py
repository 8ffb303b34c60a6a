"""`levdyn run`: the run that a configuration describes."""

import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backtest.commands import output
from backtest.commands.watching import watched

if TYPE_CHECKING:
    from backtest.result import Result


def run(
    config: Annotated[Path | None, typer.Argument(metavar="CONFIG", help="TOML file.", show_default=False)] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the result and its tear sheet.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Wins over the configuration; may be given several times."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures and assumptions as JSON.")] = False,
    example: Annotated[
        bool, typer.Option("--example", help="Print a configuration with every table, and stop.")
    ] = False,
) -> None:
    """Run the backtest that a TOML file describes.

    Printed is what it assumed, what came out, and where the money went.

    Ctrl-C ends the run after the present instant and keeps what there is, marked; twice ends it at once.

    Every error of the configuration is reported at once, before anything is run. Findings (gaps accepted, losses that
    nobody paid) end with exit code 1.

    \b
    Examples:
      levdyn run --example > my.toml
      levdyn run my.toml --out result
      levdyn run my.toml --set venue.leverage=5 --set run.seed=1 --json
    """
    if example:
        sys.stdout.write((files("backtest") / "templates" / "example.toml").read_text(encoding="utf-8"))
        return
    if config is None:
        raise typer.BadParameter("name a configuration (levdyn run --example prints one)", param_hint="CONFIG")
    from backtest.commands.saving import check_folder, save
    from backtest.config import load

    with output.working(f"reading {config}"):
        prepared = load(config, settings=settings if settings is not None else ())
    target = out if out is not None else prepared.out
    check_folder(target)
    with watched(prepared.backtest):
        result = prepared.backtest.run()
    with output.working("writing"):
        written = save(result, target, prepared.tear_sheet)
    if as_json:
        _print_json(result, written, prepared.attribution)
    else:
        _print(result, written, prepared.attribution)
    raise typer.Exit(output.FINDINGS if result.findings else output.DONE)


def _print_json(result: "Result", written: list[Path], attribution: tuple[str, ...]) -> None:
    output.print_json(
        {
            "summary": result.summary,
            "reporting": result.meta["reporting"],
            "assumptions": result.assumptions,
            "findings": result.findings,
            "warnings": result.warnings,
            "attribution": {by: result.attribution(by).to_dict("index") for by in ("symbol", *attribution)},
            "liquidations": result.liquidations.to_dict("records"),
            "config": result.config,
            "fingerprint": result.fingerprint,
            "written": [str(path) for path in written],
        }
    )


def _print(result: "Result", written: list[Path], attribution: tuple[str, ...]) -> None:
    output.result(result)
    for by in attribution:
        output.attribution(result, by)
    output.line()
    for path in written:
        output.line(f"written: {path}")
    if not written:
        output.line("nothing is written without --out FOLDER (result and tear sheet)", style="dim")
