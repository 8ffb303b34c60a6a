"""`levdyn import`: downloaded files into a catalog."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backtest.commands import output

if TYPE_CHECKING:
    from feeds.importing import ImportResult


def import_files(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files, or folders of files.")],
    catalog: Annotated[
        str | None, typer.Option(help="Folder to store in; without it the files are only looked at.")
    ] = None,
    format: Annotated[str, typer.Option(help="Format; 'auto' tells it by the content.")] = "auto",
    symbol: Annotated[str | None, typer.Option(help="Unified or native name, as BTC/USDT:USDT.")] = None,
    venue: Annotated[str | None, typer.Option(help="Venue, as binance_usdm.")] = None,
    kind: Annotated[str | None, typer.Option(help="Kind of the rows, as bars or funding.")] = None,
    timeframe: Annotated[str | None, typer.Option(help="Length of the bars, as 1h.")] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", metavar="NAME=HEADER", help="For --format csv: our name of a column = its header."),
    ] = None,
    valid_from: Annotated[str | None, typer.Option(help="For tables of rules: since when they hold.")] = None,
    account: Annotated[
        str | None, typer.Option(help="The files are the export of your own account: binance-export.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was imported as JSON.")] = False,
) -> None:
    """Read downloaded files, check every row, store them.

    Known are the archives of Binance, Bybit, OKX, BitMEX, Deribit, Hyperliquid, dYdX and Gate, the files of tardis,
    freqtrade and ccxt, and plain CSV; what is not known is said with the argument that would explain it. An error in
    any file leaves the catalog as it was. Exit code 1: rows were kept that should be looked at.

    \b
    Examples:
      levdyn import BTCUSDT-1h-*.zip --catalog history --venue binance_usdm
      levdyn import funding.csv --catalog history --symbol BTC/USDT:USDT \\
          --venue binance_usdm
      levdyn import mine.csv --format csv --kind bars --timeframe 1h \\
          --symbol BTC/USDT:USDT --venue binance_usdm --column ts=Date
      levdyn import exports --account binance-export --catalog history
    """
    from feeds.importing import import_file

    with output.working(f"importing {len(paths)} paths" if len(paths) > 1 else f"importing {paths[0]}"):
        found = import_file(
            paths,
            format=format,
            catalog=catalog,
            symbol=symbol,
            venue=venue,
            timeframe=timeframe,
            kind=kind,
            columns=None if columns is None else dict(output.pair(text, "--column") for text in columns),
            valid_from=valid_from,
            account=account,
        )
    flagged = [item for item in found.findings if item.severity != "repair"]
    if as_json:
        _print_json(found)
    else:
        _print(found, catalog)
    raise typer.Exit(output.FINDINGS if flagged else output.DONE)


def _print_json(found: "ImportResult") -> None:
    streams = [
        {
            "venue": stream.venue,
            "symbol": stream.symbol,
            "kind": stream.kind,
            "rows_in": stream.rows_in,
            "rows_out": stream.rows_out,
            "findings": [item.to_dict() for item in stream.findings],
            "written": stream.written,
        }
        for stream in found.streams
    ]
    output.print_json({"format": found.format, "streams": streams, "left_out": found.left_out})


def _print(found: "ImportResult", catalog: str | None) -> None:
    output.line(f"format {found.format}: {found.rows_in:,} rows read, {found.rows_out:,} kept")
    rows = [
        (f"{each.symbol}@{each.venue}", each.kind, f"{each.rows_in:,}", f"{each.rows_out:,}", f"{len(each.written):,}")
        for each in found.streams
    ]
    heads = ("symbol", "kind", "rows read", "kept", "partitions")
    output.table(heads, rows, right=heads[2:])
    remarks = [
        (item.rule, item.severity, f"{item.count:,}", f"{stream.symbol} {stream.kind}: {item.message}")
        for stream in found.streams
        for item in stream.findings
    ]
    if remarks:
        output.heading("REMARKS")
        output.table(("rule", "severity", "count", "what"), remarks, right=("count",))
    for text in found.left_out:
        output.line(f"left out: {text}")
    output.line(f"stored in {catalog}" if catalog is not None else "looked at only; --catalog FOLDER stores it")
