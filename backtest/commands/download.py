"""`levdyn download`: history from archives and exchanges into a catalog."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backtest.commands import output, vendors

if TYPE_CHECKING:
    from feeds.downloads.report import DownloadReport, Progress

REMARKS = 8  # shown of each stream
WAYS = ("venue", "kind", "source", "look-back", "note")


def download(
    venue: vendors.Venue = None,
    symbols: vendors.Symbols = None,
    kinds: Annotated[
        str | None, typer.Option(help="Kinds with commas between them, as trades,mark,funding,bars:1m.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="First day, as 2024-01-01.")] = None,
    end: Annotated[str | None, typer.Option(help="Up to here; without it up to now.")] = None,
    source: Annotated[
        str | None,
        typer.Option(help="Only this: archive, rest or tardis. Tardis is asked only when it is named here."),
    ] = None,
    check_revisions: Annotated[
        bool,
        typer.Option(
            "--check-revisions/--no-check-revisions",
            help="Compare the files of complete days with the checksums that are published now.",
        ),
    ] = True,
    accept_revision: Annotated[
        bool,
        typer.Option("--accept-revision", help="Take the rows of files that their vendor has replaced since."),
    ] = False,
    catalog: vendors.Catalog = vendors.DEFAULT_CATALOG,
    base_urls: vendors.BaseUrls = None,
    key_file: Annotated[
        Path | None, typer.Option(help="JSON file with your keys, for what a venue shows to users only.")
    ] = None,
    is_list: Annotated[bool, typer.Option("--list", help="Print what can be had from where, and stop.")] = False,
    as_json: vendors.AsJson = False,
) -> None:
    """Download history, each day proved complete or marked as what it is.

    Archives come first, REST gives the tail and what archives lack. Run it again after any interruption: what is
    complete is not asked for twice, only compared with the checksum that its archive publishes now. Exit code 1:
    something is missing or doubtful, and listed; 2: nothing could be had.

    \b
    Examples:
      levdyn download --list
      levdyn download binance_usdm --list
      levdyn download binance_usdm BTC/USDT:USDT --start 2024-01-01 \\
          --kinds trades,mark,funding,bars:1m --catalog history
      levdyn download deribit BTC/USD:BTC --start 2024-01-01 --end 2024-01-02 \\
          --kinds quotes,book,mark --source tardis
    """
    from backtest.errors import ConfigError

    if is_list:
        from feeds.downloads.capabilities import listed

        vendors.ways(listed(venue), WAYS, noun="ways", as_json=as_json)
        return
    if venue is None or not symbols or kinds is None or start is None:
        raise ConfigError(
            "give a venue, symbols, --kinds and --start, as: levdyn download binance_usdm BTC/USDT:USDT "
            "--kinds funding,bars:1m --start 2024-01-01; `levdyn download --list` shows what can be had"
        )
    from feeds.downloads.endpoints import parse_pairs
    from feeds.downloads.report import Progress
    from feeds.downloads.run import download as run

    seen = Progress()
    with _shown(seen):
        found = run(
            venue,
            symbols,
            kinds=vendors.words(kinds),
            start=start,
            end=end,
            catalog=catalog,
            source=source,
            check_revisions=check_revisions,
            accept_revision=accept_revision,
            base_urls=parse_pairs(base_urls or ()),
            key_file=key_file,
            progress=seen,
        )
    if as_json:
        output.print_json(found.to_dict())
    else:
        _print(found)
    raise typer.Exit(found.exit_code)


def _print(found: "DownloadReport") -> None:
    """Print the outcome for a reader."""
    waited = sum(found.waited_s.values())
    tail = f", {waited:,.0f} s waited" if waited >= 1 else ""
    output.line(
        f"{found.rows:,} rows stored in {found.catalog}: {found.requests:,} requests, {size(found.bytes)}, "
        f"{found.retries:,} repeated{tail}"
    )
    rows = []
    for each in found.streams:
        counts = ", ".join(f"{count} {status}" for status, count in sorted(each.partitions.items())) or "none"
        rows.append((f"{each.symbol}@{each.venue}", each.kind, f"{each.rows:,}", f"{each.kept:,}", counts))
    heads = ("symbol", "kind", "new rows", "there before", "partitions")
    output.table(heads, rows, right=heads[2:4])
    remarks = []
    for each in found.streams:
        told = [*each.problems[:REMARKS], *each.notes]
        if len(each.problems) > REMARKS:
            told.append(f"and {len(each.problems) - REMARKS} more of this kind; --json lists all")
        remarks += [(f"{each.symbol} {each.kind}", text) for text in told]
    if remarks:
        output.heading("REMARKS")
        output.table(("stream", "what"), remarks)


def size(count: float) -> str:
    """Return bytes as a reader says them."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


@contextmanager
def _shown(seen: "Progress") -> Iterator[None]:
    """Show on a terminal how far a download is: partitions, time left, rows, bytes and their rate, hosts waited for."""
    console = output.screen(errors=True)
    if not console.is_terminal:
        yield
        return
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Display

    columns = (SpinnerColumn("line"), TextColumn("{task.description}", markup=False), BarColumn(bar_width=20))
    display = Display(
        *columns, MofNCompleteColumn(), TimeRemainingColumn(), console=console, transient=True, auto_refresh=False
    )
    begun = time.monotonic()
    with display:
        task = display.add_task("asking", total=None)

        def draw() -> None:
            passed = max(time.monotonic() - begun, 1e-3)
            received = seen.bytes()
            text = f"{seen.what}  {seen.rows:,} rows  {size(received)}  {size(received / passed)}/s"
            waiting = "; ".join(f"waiting for {host} ({why})" for host, why in sorted(dict(seen.waiting).items()))
            text = f"{text}  {waiting}" if waiting else text
            display.update(task, description=text, completed=seen.done, total=seen.total or None, refresh=True)

        with output.refreshed(draw):
            yield
