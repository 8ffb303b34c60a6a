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


def screen(*, errors: bool = False) -> "Console":
    """Return a console on standard output, or on standard error."""
    from rich.console import Console

    return Console(stderr=errors, highlight=False, markup=False, emoji=False)


def table(
    heads: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[str] = (), with_heads: bool = True
) -> None:
    """Print rows under heads, the columns named in `right` aligned to the right; long cells are wrapped, never cut."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    numbers = set(right)
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_header=with_heads)
    for head in heads:
        made.add_column(head, justify="right" if head in numbers else "left", overflow="fold", no_wrap=head in numbers)
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else str(cell) for cell in row))
    console = screen()
    with console.capture() as drawn:
        console.print(Padding(made, (0, 0, 0, 2)))
    sys.stdout.write("".join(f"{text.rstrip()}\n" for text in drawn.get().splitlines()))


def heading(text: str) -> None:
    """Print a heading after an empty line."""
    out = screen()
    out.print()
    out.print(text, style="bold")


def line(text: str = "", *, style: str | None = None) -> None:
    """Print a line or a paragraph."""
    screen().print(text, style=style)


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
def working(text: str, fraction: Callable[[], float] | None = None) -> Iterator[None]:
    """Show on a terminal that something is being done, and how far it is when `fraction` says so (0 to 1).

    Nothing is shown where standard error is not a terminal, and nothing is left when it is done.
    """
    console = screen(errors=True)
    if not console.is_terminal:
        yield
        return
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns: list[ProgressColumn] = [SpinnerColumn("line"), TextColumn("{task.description}", markup=False)]
    if fraction is not None:
        columns += [BarColumn(bar_width=24), TextColumn("{task.percentage:>3.0f} %")]
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True, auto_refresh=False) as progress:
        task = progress.add_task(text, total=1.0 if fraction is not None else None)
        with _refreshed(
            lambda: progress.update(task, completed=fraction() if fraction is not None else 0, refresh=True)
        ):
            yield


@contextmanager
def _refreshed(draw: Callable[[], None]) -> Iterator[None]:
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
