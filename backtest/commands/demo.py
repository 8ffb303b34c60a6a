"""`levdyn demo`: a leveraged position on the built-in sample, to its end, every cent explained."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from backtest.commands import output

if TYPE_CHECKING:
    from backtest.demo import Rung
    from backtest.result import Result


def demo(
    out: Annotated[Path, typer.Option(help="Folder of the result and its tear sheet.")] = Path("demo-output"),
    leverage: Annotated[
        float, typer.Option(help="Notional of the position bought, over equity.", min=0.1, max=15)
    ] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures and story as JSON.")] = False,
) -> None:
    """Watch leverage to its end, every cent explained.

    A position on the built-in sample pays funding, comes near liquidation and is closed by force. Offline.

    \b
    Examples:
      levdyn demo
      levdyn demo --leverage 3
    """
    from backtest import demo as show
    from backtest.commands.saving import check_folder, save

    check_folder(out)
    with output.working("the built-in sample, one run"):
        result = show.run(leverage)
    if not as_json:
        _print_run(result, leverage)
    with output.working("the same at other leverages"):
        rungs = show.ladder()
    if not as_json:
        _print_ladder(rungs)
    with output.working("tear sheet"):
        _, sheet = save(result, out, None)
    if as_json:
        output.print_json(
            {
                "assumptions": result.assumptions,
                "summary": result.summary,
                "story": [
                    asdict(moment) | {"amount": None if moment.amount is None else float(moment.amount)}
                    for moment in show.story(result)
                ],
                "bill": {name: float(amount) for name, amount, _ in show.bill(result)},
                "other_leverages": [asdict(rung) for rung in rungs],
                "tear_sheet": str(sheet),
            }
        )
        return
    output.heading("WRITTEN")
    output.line(f"  {sheet}: the tear sheet, one file for a browser")
    output.line(f"  {out}: all tables of the run, for backtest.Result.load")
    output.line()
    output.line("next: levdyn run --example > my.toml && levdyn run my.toml", style="dim")


def _print_run(result: "Result", leverage: float) -> None:
    """Print assumptions, story and the exact bill."""
    from backtest import demo as show
    from backtest.result_text import money, percent

    output.line(f"{show.DEPOSIT:,} USDT, long {show.SYMBOL} at {leverage:g}x, held through a flash crash", style="bold")
    output.line("A synthetic market: 10 days made from seed 0, nothing recorded on an exchange.")
    output.assumptions(result)
    output.heading("STORY (UTC, USDT; in red what the venue did)")
    told: list[tuple[object, ...]] = []
    for moment in show.story(result):
        head = moment.what.partition(":")[0]
        style = "bold red" if moment.is_forced and head.isupper() else "red" if moment.is_forced else ""
        away = "" if moment.distance is None else percent(moment.distance, 1)
        amount = "" if moment.amount is None else money(float(moment.amount))
        told.append((moment.when, Text(moment.what, style=style), amount, away))
    output.table(("time", "what happened", "amount", "from liq."), told, right=("amount", "from liq."))
    output.heading("THE BILL, exactly")
    lines, explained = show.bill(result), result.explained()
    rows: list[tuple[object, ...]] = [(name, f"{float(amount):,.8f}", text) for name, amount, text in lines]
    total = sum(amount for _, amount, _ in lines)
    change = explained.end - explained.start
    same = "exactly the same" if total == change else f"differs by {float(change - total):.8f}"
    rows.append((Text("sum", style="bold"), Text(f"{float(total):,.8f}", style="bold"), "of the lines"))
    rows.append(
        (
            "change",
            f"{float(change):,.8f}",
            f"of equity, {float(explained.start):,.2f} to {float(explained.end):,.2f}: {same}",
        )
    )
    output.table(("line", "USDT", "what it is"), rows, right=("USDT",))


def _print_ladder(rungs: "list[Rung]") -> None:
    """Print what leverage did."""
    from backtest.result_text import money, percent

    output.heading("THE SAME AT OTHER LEVERAGES")
    rows = [
        (
            f"{rung.leverage:g}x",
            money(rung.end),
            percent(rung.change, 1),
            money(rung.funding),
            percent(rung.distance, 1),
            Text(rung.closed, style="bold red") if rung.closed else "no",
        )
        for rung in rungs
    ]
    heads = ("leverage", "end", "return", "funding", "nearest to liquidation", "closed by force")
    output.table(heads, rows, right=heads[:5])
