"""`levdyn compare`: one configuration through the accounts of several venues."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from backtest.commands import output
from backtest.errors import ConfigError

if TYPE_CHECKING:
    from backtest.comparison import Comparison


def compare(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML file of `levdyn run`, with one [venue].")],
    venues: Annotated[
        str, typer.Option("--venues", metavar="A,B,...", help="Venues to compare; `levdyn venues` lists them.")
    ],
    modes: Annotated[
        str, typer.Option("--margin-modes", metavar="MODE,...", help="cross, isolated; by default that of [venue].")
    ] = "",
    symbols: Annotated[
        list[str] | None,
        typer.Option(
            "--symbol",
            metavar="VENUE:OLD=NEW",
            help="Contract that takes the place of one of the configuration; may be given several times.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the page, the table and every result.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Wins over the configuration; may be given several times."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Run one strategy on the same days through several venues.

    Who is closed when and where, what funding and fees came to, how much capital it took, how near it came.

    Each venue has its own margin rules, tiers and fees. Its prices and funding are its own where the data hold them,
    else those of the venue of the configuration, and the output says which.

    \b
    Examples:
      levdyn compare my.toml --venues binance_usdm,bybit --margin-modes cross,isolated
      levdyn compare my.toml --venues binance_usdm,bybit --out compared --set venue.missing_tiers=nearest
    """
    from backtest.comparison import compare as run
    from backtest.comparison_config import candidates, comparable, symbol_pairs
    from backtest.config import load

    if out is not None and out.exists() and not (out / "comparison.html").is_file():
        raise ConfigError(f"{out} exists and is not a comparison of levdyn; give another --out, or remove it")
    names = [name.strip() for name in venues.split(",") if name.strip()]
    pairs = symbol_pairs(symbols or ())
    with output.working(f"reading {config}"):
        prepared = load(config, settings=settings or (), compared=names)
        arguments = comparable(prepared)
        chosen = candidates(prepared, names, [mode.strip() for mode in modes.split(",") if mode.strip()], pairs)
    with output.working(f"running {len(chosen.accounts)} times"):
        found = run(
            prepared.backtest.data,
            prepared.backtest.strategies,
            chosen.accounts,
            base=chosen.base,
            symbols=pairs,
            **arguments,
        )
    with output.working("writing"):
        written = found.save(out) if out is not None else []
    if as_json:
        output.print_json(
            {
                "comparison": found.table.to_dict("index"),
                "units": found.table.attrs["units"],
                "stand_ins": found.notes(),
                "notes": chosen.notes,
                "findings": found.findings,
                "written": [str(path) for path in written],
            }
        )
    else:
        _print(found, chosen.notes, written)
    raise typer.Exit(output.FINDINGS if found.findings else output.DONE)


def _print(found: "Comparison", notes: list[str], written: list[Path]) -> None:
    from backtest.comparison_page import cells

    labels = list(found.results)
    output.heading("SIDE BY SIDE")
    output.table(
        ("", *labels),
        [
            (name, *(Text(cell, style="red" if cell.startswith("-") else "") for cell in row))
            for name, *row in cells(found)
        ],
        right=labels,
    )
    output.heading("WHAT STOOD IN FOR WHAT")
    for text in [*notes, *found.notes()] or ["nothing: every venue has data of its own"]:
        output.lines(f"  {text}")
    if found.findings:
        output.heading("FINDINGS")
        for text in found.findings:
            output.lines(f"  {text}")
    output.line()
    for path in written:
        output.line(f"written: {path}")
    if not written:
        output.line("nothing is written without --out FOLDER (page, table, every result)", style="dim")
