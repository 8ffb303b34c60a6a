"""`levdyn lab`: questions about a market of leveraged positions, each with its errors, its assumptions and a figure."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backtest.commands import output

if TYPE_CHECKING:
    from backtest.lab.study import Study

HELP = {
    "map": "Say how much would be closed by force at which move.",
    "shock": "Say what an outside fall becomes, with the amplification curve.",
    "critical": "Say at which fall forced sales feed themselves, and how sure that is.",
    "phase": "Say which venues could sustain a cascade: the phase diagram.",
    "contagion": "Say how a fall at one venue spreads to others.",
    "fund": "Say how large an insurance fund must be, and who pays without it.",
    "margin": "Say the chance of being closed, and how much margin is enough.",
    "auction": "Say how fast a Dutch auction should fall.",
    "funding": "Say what funding says about a market, and what it hides.",
    "compare": "Say which margin engine loses what on the same shocks.",
}

lab = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""Ask the leverage lab where a market breaks, what it costs, how to design it.

    \b
    Examples:
      levdyn lab critical
      levdyn lab margin --example > margin.toml
      levdyn lab margin --config margin.toml --seed 1 --out answer
    """,
)


def _command(name: str) -> Callable[..., None]:
    def command(
        config: Annotated[
            Path | None, typer.Option(help="TOML; what it leaves out is as --example shows.", show_default=False)
        ] = None,
        seed: Annotated[int, typer.Option(help="Of what is random in the answer.")] = 0,
        out: Annotated[
            Path | None, typer.Option(help="Folder for NAME.json, NAME.html and NAME.png.", show_default=False)
        ] = None,
        example: Annotated[bool, typer.Option("--example", help="Print a configuration to begin with.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
    ) -> None:
        from backtest.lab.questions import QUESTIONS, ask

        if example:
            typer.echo(QUESTIONS[name].example, nl=False)
            raise typer.Exit
        with output.working(f"asking for {name}"):
            found = ask(name, config, seed=seed)
        written = [] if out is None else found.save(out)
        if as_json:
            output.print_json(found.as_json() | {"written": [str(path) for path in written]})
        else:
            _print(found, written)
        raise typer.Exit(output.FINDINGS if found.findings else output.DONE)

    command.__doc__ = f"""{HELP[name]}

    \b
    Examples:
      levdyn lab {name} --example > {name}.toml
      levdyn lab {name} --config {name}.toml --seed 1 --out answer
    """
    return command


for _name in HELP:
    lab.command(_name)(_command(_name))


@lab.command()
def report(
    out: Annotated[Path, typer.Option(help="Folder for all answers and lab.html, which joins them.")],
    configs: Annotated[
        Path | None, typer.Option(help="Folder of NAME.toml, each used where it is there.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of what is random in the answer.")] = 0,
) -> None:
    """Ask every question and join the answers in one page.

    \b
    Examples:
      levdyn lab report --out lab
      levdyn lab report --configs mine --seed 1 --out lab
    """
    from backtest.errors import ConfigError
    from backtest.lab.questions import QUESTIONS, ask
    from backtest.lab.questions import report as write

    if configs is not None and not any((configs / f"{name}.toml").is_file() for name in QUESTIONS):
        raise ConfigError(f"--configs {configs}: no file of {', '.join(f'{name}.toml' for name in QUESTIONS)} there")
    studies = {}
    for name in QUESTIONS:
        own = None if configs is None else configs / f"{name}.toml"
        with output.working(f"asking for {name}"):
            studies[name] = ask(name, own if own is not None and own.is_file() else None, seed=seed)
    written = [path for study in studies.values() for path in study.save(out)]
    written.append(write(studies, out / "lab.html"))
    for path in written:
        output.line(f"written: {path}")
    findings = [f"{name}: {text}" for name, study in studies.items() for text in study.findings]
    if findings:
        output.heading("FINDINGS")
    for text in findings:
        output.lines(f"  {text}")
    raise typer.Exit(output.FINDINGS if findings else output.DONE)


def _print(found: "Study", written: list[Path]) -> None:
    output.heading(found.question)
    output.table(("", "answer"), found.headline, with_heads=False)
    output.heading("ASSUMPTIONS AND LIMITS")
    for text in found.notes:
        output.lines(f"  {text}")
    if found.findings:
        output.heading("FINDINGS")
        for text in found.findings:
            output.lines(f"  {text}")
    output.line()
    for path in written:
        output.line(f"written: {path}")
    if not written:
        output.line(
            "nothing is written without --out FOLDER (JSON, a page with the figure, and a picture)", style="dim"
        )
