"""`levdyn record`: the present of a venue into a catalog, for as long as it runs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backtest.commands import output, vendors

if TYPE_CHECKING:
    from rich.table import Table

    from feeds.downloads.live.report import Recording
    from feeds.downloads.live.tape import Tape

WAYS = ("venue", "kind", "channel", "coverage", "note")
HEADS = ("stream", "rows", "stored", "last row", "reconnects", "gaps")


def record(
    venue: vendors.Venue = None,
    symbols: vendors.Symbols = None,
    kinds: Annotated[
        str | None, typer.Option(help="Kinds with commas between them: liquidations,trades,book,mark,funding.")
    ] = None,
    catalog: vendors.Catalog = vendors.DEFAULT_CATALOG,
    duration: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="End by itself after this, as 1h or 30m.")
    ] = None,
    base_urls: vendors.BaseUrls = None,
    key_file: Annotated[Path | None, typer.Option(help="JSON file with your keys.")] = None,
    is_list: Annotated[bool, typer.Option("--list", help="Print what can be recorded from where, and stop.")] = False,
    as_json: vendors.AsJson = False,
) -> None:
    """Record what no archive keeps, liquidations above all, until Ctrl-C, SIGTERM or the time given.

    Rows are stored at every full hour UTC and at the end. What a lost connection may have missed, and the time between
    two recordings, are gaps in the catalog. Exit code 1: something was missed, and is listed; 2: nothing was heard.

    \b
    Examples:
      levdyn record --list
      levdyn record binance_usdm BTC/USDT:USDT ETH/USDT:USDT --kinds liquidations,trades
      levdyn record bybit BTC/USDT:USDT --kinds liquidations,mark,funding --for 12h --json
    """
    from backtest.errors import ConfigError

    if is_list:
        from feeds.downloads.live.channels import listed

        vendors.ways(listed(venue), WAYS, noun="channels", as_json=as_json)
        return
    if venue is None or not symbols or kinds is None:
        raise ConfigError(
            "give a venue, symbols and --kinds, as: levdyn record binance_usdm BTC/USDT:USDT --kinds "
            "liquidations,trades; `levdyn record --list` shows what can be recorded"
        )
    from feeds.downloads.endpoints import parse_pairs
    from feeds.downloads.live.report import Recording
    from feeds.downloads.live.run import record as run

    seen = Recording()
    with _shown(seen):
        found = run(
            venue,
            symbols,
            kinds=vendors.words(kinds),
            catalog=catalog,
            duration=duration,
            base_urls=parse_pairs(base_urls or ()),
            key_file=key_file,
            progress=seen,
        )
    if as_json:
        output.print_json(found.to_dict())
    else:
        _print(found)
    raise typer.Exit(found.exit_code)


def _print(found: "Recording") -> None:
    """Print the outcome for a reader."""
    seconds = (found.ended - found.begun) / 1e9
    output.line(f"{found.rows:,} rows stored in {found.catalog} in {_age(seconds)}, {found.flushes:,} times")
    output.table(HEADS, _rows(found, found.ended), right=HEADS[1:])
    remarks = [
        (str(tape.wanted), text)
        for tape in found.tapes
        for text in (*map(str, tape.lost), *_told(tape), *tape.problems)
    ]
    remarks += [("all", text) for text in found.problems]
    if found.unreadable:
        remarks.append(("all", f"{found.unreadable:,} messages had not the form they should have"))
    if remarks:
        output.heading("REMARKS")
        output.table(("stream", "what"), remarks)


def _told(tape: "Tape") -> list[str]:
    """Say what was left out of a stream."""
    return [f"{tape.dropped:,} rows with impossible times left out"] if tape.dropped else []


def _rows(found: "Recording", now: int) -> list[tuple[str, ...]]:
    """Return a row per stream."""
    return [
        (
            f"{tape.wanted} ({tape.channel.coverage})" if tape.channel.coverage else str(tape.wanted),
            f"{tape.total:,}",
            f"{found.stored.get(str(tape.wanted), 0):,}",
            f"{_age((now - tape.last_seen) / 1e9)} ago" if tape.last_seen else "-",
            f"{tape.reconnects:,}",
            f"{len(tape.lost):,}",
        )
        for tape in found.tapes
    ]


def _age(seconds: float) -> str:
    """Return a length of time as a reader says it."""
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{max(seconds, 0):.1f} s"


@contextmanager
def _shown(seen: "Recording") -> Iterator[None]:
    """Show on a terminal what is being recorded: rows, age of the last one, reconnections."""
    console = output.screen(errors=True)
    if not console.is_terminal:
        yield
        return
    from rich.live import Live

    with (
        Live(_status(seen), console=console, transient=True, auto_refresh=False) as display,
        output.refreshed(lambda: display.update(_status(seen), refresh=True)),
    ):
        yield


def _status(seen: "Recording") -> "Table":
    """Return the table of a recording that runs."""
    from rich.table import Table

    now = time.time_ns()
    title = f"{seen.state} for {_age((now - seen.begun) / 1e9)}, Ctrl-C ends it" if seen.begun else seen.state
    made = Table(box=None, pad_edge=False, title=title, title_justify="left", header_style="bold")
    for head in HEADS:
        made.add_column(head, justify="left" if head == "stream" else "right", no_wrap=True)
    for row in _rows(seen, now):
        made.add_row(*row)
    return made
