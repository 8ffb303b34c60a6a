"""What the commands that ask vendors share: options, words with commas, the table of what can be had."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from backtest.commands import output

Venue = Annotated[str | None, typer.Argument(metavar="VENUE", help="Venue, as binance_usdm.")]
Symbols = Annotated[
    list[str] | None, typer.Argument(metavar="SYMBOL...", help="Unified or native names, as BTC/USDT:USDT.")
]
Catalog = Annotated[Path, typer.Option(help="Folder to store in.")]
BaseUrls = Annotated[
    list[str] | None,
    typer.Option("--base-url", metavar="HOST=URL", help="Ask URL instead of a vendor's host; may be repeated."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")]
DEFAULT_CATALOG = Path("history")


def words(text: str) -> list[str]:
    """Return the words between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def ways(rows: Sequence[Mapping[str, Any]], heads: Sequence[str], *, noun: str, as_json: bool) -> None:
    """Print what can be had, and how much of it was not verified against a venue.

    Parameters
    ----------
    rows : sequence of mapping
        With all heads and ``fact``.
    heads : sequence of str
    noun : str
        What a row is, in the plural.
    as_json : bool
    """
    if as_json:
        output.print_json(rows)
        return
    output.table(heads, [tuple(row[head] for head in heads) for row in rows])
    unverified = sum("(unverified)" in row["fact"] for row in rows)
    output.line(
        f"{len(rows)} {noun}, {unverified} of them not verified against the venue; --json shows the source of each"
    )
