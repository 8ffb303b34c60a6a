"""What commands print: tables and text that fit the terminal, JSON, progress, errors as one block."""

import json
import math
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from backtest.result import Result

DONE, FINDINGS, CANNOT = 0, 1, 2  # exit codes
REFRESH_S = 0.1
NARROWEST = 20  # columns of a wrapped cell


def screen(*, errors: bool = False, at_least: int = 0) -> "Console":
    """Return a console on standard output, or on standard error, as wide as the terminal or wider."""
    from rich.console import Console

    console = Console(stderr=errors, highlight=False, markup=False, emoji=False)
    console.width = max(console.width, at_least)
    return console


def table(
    heads: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[str] = (), with_heads: bool = True
) -> None:
    """Print rows under heads, those of `right` aligned to the right.

    Where the terminal is too narrow, the widest of the other columns is wrapped, down to `NARROWEST`.
    """
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    cells = [[cell if isinstance(cell, Text) else Text(str(cell)) for cell in row] for row in rows]
    widths = {
        head: max([len(head) * with_heads, *(row[at].cell_len for row in cells)]) for at, head in enumerate(heads)
    }
    numbers = set(right)
    widest = max((head for head in heads if head not in numbers), key=lambda head: widths[head], default="")
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_header=with_heads)
    for head in heads:
        is_right = head in numbers
        made.add_column(head, justify="right" if is_right else "left", overflow="fold", no_wrap=head != widest)
    for row in cells:
        made.add_row(*row)
    least = sum(min(width, NARROWEST) if head == widest else width for head, width in widths.items())
    console = screen(at_least=least + 2 * len(widths))
    with console.capture() as drawn:
        console.print(Padding(made, (0, 0, 0, 2)))
    sys.stdout.write("".join(f"{text.rstrip()}\n" for text in drawn.get().splitlines()))


def paragraph(head: str, note: str, text: str) -> None:
    """Print a head with a dim note, and an indented text below."""
    from rich.text import Text

    out = screen()
    out.print(Text.assemble("  ", (head, "bold"), (note, "dim")))
    indent = " " * 6
    out.print(textwrap.fill(text, out.width, initial_indent=indent, subsequent_indent=indent), soft_wrap=True)


def heading(text: str) -> None:
    """Print a heading after an empty line."""
    out = screen()
    out.print()
    out.print(text, style="bold")


def line(text: str = "", *, style: str | None = None, errors: bool = False) -> None:
    """Print a line or a paragraph, on standard error if so wished."""
    screen(errors=errors).print(text, style=style)


def assumptions(result: "Result") -> None:
    """Print what a run rests on; the user's own choices are marked."""
    heading("ASSUMPTIONS (* = your choice)")
    rows = [
        (
            f"{'*' if row['is_choice'] else ' '} {row['name']}",
            row["value"] + (f" ({row['note']})" if row["note"] else ""),
        )
        for row in result.assumptions
    ]
    table(("name", "value"), rows, with_heads=False)


def result(found: "Result") -> None:
    """Print the first screen of a result as wide as the terminal allows."""
    from backtest.result_text import screen as first_screen

    console = screen()
    text = first_screen(found.meta, found.summary, found.explained(), width=max(72, min(console.width, 100)))
    console.print(text, soft_wrap=True)


def attribution(found: "Result", by: str) -> None:
    """Print where the change of equity came from, by group."""
    from backtest.result_text import decimals_of, money

    frame = found.attribution(by)
    kept = [name for name in frame.columns if frame[name].any()]
    decimals = decimals_of(float(frame.abs().to_numpy().max(initial=0.0)))
    heading(f"BY {by.upper()}")
    rows = [
        (str(name), *(money(value, decimals) for value in row))
        for name, row in zip(frame.index, frame[kept].to_numpy(), strict=True)
    ]
    table((by, *kept), rows, right=kept)


def pair(text: str, option: str) -> tuple[str, str]:
    """Return the two sides of ``NAME=VALUE``."""
    from backtest.errors import ConfigError

    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise ConfigError(f"{option} takes NAME=VALUE, got {text!r}")
    return name.strip(), value.strip()


def lines(text: str) -> None:
    """Print text, each of its lines wrapped below its own indent."""
    console = screen()
    for each in text.split("\n"):
        indent = " " * (len(each) - len(each.lstrip()))
        shown = textwrap.fill(
            each.strip(),
            console.width,
            initial_indent=indent,
            subsequent_indent=f"{indent}    ",
            break_on_hyphens=False,
        )
        console.print(shown, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print a value as JSON; what is not finite becomes null, times become text."""
    sys.stdout.write(json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def plain(value: Any) -> Any:
    """Return a value as JSON holds it."""
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else " ".join(map(str, key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, str | bool | int | None):
        return value
    if hasattr(value, "item"):  # a numpy scalar
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def report_error(text: str) -> None:
    """Print an error on standard error as one block that fits the terminal."""
    from rich.text import Text

    console = screen(errors=True)
    for number, part in enumerate(text.split("\n")):
        first = "error: " if number == 0 else " " * (7 + len(part) - len(part.lstrip()))
        shown = textwrap.fill(
            part.strip(),
            max(40, min(console.width, 110)),
            initial_indent=first,
            subsequent_indent=" " * (len(first) + 2 * (number > 0)),
            break_long_words=False,
            break_on_hyphens=False,
        )
        console.print(Text.assemble((shown[:6], "bold red" if number == 0 else ""), shown[6:]), soft_wrap=True)


@contextmanager
def working(text: str, watch: Callable[[], tuple[float, str]] | None = None) -> Iterator[None]:
    """Show on a terminal that something is being done; `watch` says how far it is (0 to 1), and more in words.

    Nothing is shown where standard error is not a terminal, and nothing is left when it is done.
    """
    console = screen(errors=True)
    if not console.is_terminal:
        yield
        return
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns: list[ProgressColumn] = [SpinnerColumn("line"), TextColumn("{task.description}", markup=False)]
    if watch is not None:
        columns += [BarColumn(bar_width=24), TextColumn("{task.percentage:>3.0f} %"), TextColumn("{task.fields[said]}")]
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True, auto_refresh=False) as progress:
        task = progress.add_task(text, total=1.0 if watch is not None else None, said="")
        done = 0.0

        def draw() -> None:
            nonlocal done
            share, said = (0.0, "") if watch is None else watch()
            done = max(done, share)
            progress.update(task, completed=done, said=said, refresh=True)

        with refreshed(draw):
            yield


@contextmanager
def refreshed(draw: Callable[[], None]) -> Iterator[None]:
    """Call `draw` from another thread until the block ends; the engine gives up the GIL between batches."""
    from threading import Event, Thread

    ended = Event()

    def watch() -> None:
        while not ended.wait(REFRESH_S):
            draw()

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
