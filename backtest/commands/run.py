"""`levdyn run`: the run that a configuration describes."""

import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backtest.commands import output
from backtest.commands.watching import watched

if TYPE_CHECKING:
    from backtest.backtest import Backtest
    from backtest.result import Result
    from backtest.survival import Survival
    from backtest.what_if import WhatIf


def run(
    config: Annotated[Path | None, typer.Argument(metavar="CONFIG", help="TOML file.", show_default=False)] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the result and its tear sheet.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Wins over the configuration; may be given several times."),
    ] = None,
    what_if: Annotated[
        bool, typer.Option("--what-if", help="Run it again with other fees, slippage, latency, funding, volume.")
    ] = False,
    survival: Annotated[
        bool, typer.Option("--survival", help="Run its trades again at 0.5 to 5 times the leverage.")
    ] = False,
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
      levdyn run my.toml --what-if --survival --out result
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
    costs = _what_if(prepared.backtest) if what_if else None
    leverages = _survival(prepared.backtest) if survival else None
    if costs is not None:
        result = costs.result
    elif leverages is not None:
        result = leverages.result
    else:
        with watched(prepared.backtest):
            result = prepared.backtest.run()
    with output.working("writing"):
        written = save(result, target, prepared.tear_sheet, costs, leverages)
    if as_json:
        _print_json(result, written, prepared.attribution, costs, leverages)
    else:
        _print(result, written, prepared.attribution, costs, leverages)
    raise typer.Exit(output.FINDINGS if result.findings else output.DONE)


def _what_if(backtest: "Backtest") -> "WhatIf":
    """Run a backtest as it is and with other costs; Ctrl-C ends it with what there is."""
    from backtest.what_if import WhatIf, variants

    runs, left_out = variants(backtest)
    results = {}
    for name, run in runs.items():
        with watched(run, f"running {name}"):
            results[name] = run.run()
        if run.was_stopped:
            left_out |= dict.fromkeys([name for name in runs if name not in results], "interrupted")
            break
    return WhatIf(results, left_out)


def _survival(backtest: "Backtest") -> "Survival":
    """Run a backtest, and its trades at other leverages; Ctrl-C ends it with what there is."""
    from backtest.survival import survival

    return survival(backtest, watch=watched)


def _print_json(
    result: "Result",
    written: list[Path],
    attribution: tuple[str, ...],
    costs: "WhatIf | None",
    leverages: "Survival | None",
) -> None:
    more: dict[str, Any] = {}
    if costs is not None:
        more |= {"what_if": costs.table.to_dict("index"), "what_if_left_out": costs.left_out}
    if leverages is not None:
        more |= {
            "survival": {f"{factor:g}": row for factor, row in leverages.table.to_dict("index").items()},
            "survival_notes": leverages.notes,
        }
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
            **more,
        }
    )


def _print(
    result: "Result",
    written: list[Path],
    attribution: tuple[str, ...],
    costs: "WhatIf | None",
    leverages: "Survival | None",
) -> None:
    from backtest import survival, what_if

    output.result(result)
    for by in attribution:
        output.attribution(result, by)
    if costs is not None:
        output.heading("WHAT IF (the same run with other costs, each carried out anew)")
        output.table(what_if.HEADS, what_if.cells(costs), right=what_if.HEADS[1:])
        for text in what_if.said(costs):
            output.lines(f"  {text}")
    if leverages is not None:
        output.heading("SURVIVAL (the same trades with other leverage, each carried out anew)")
        output.table(survival.HEADS, survival.cells(leverages), right=survival.HEADS[1:])
        for text in survival.said(leverages):
            output.lines(f"  {text}")
    output.line()
    for path in written:
        output.line(f"written: {path}")
    if not written:
        output.line("nothing is written without --out FOLDER (result and tear sheet)", style="dim")
