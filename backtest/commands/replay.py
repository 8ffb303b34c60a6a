"""`levdyn replay`: an account export through our accounts, beside the export's own ledger."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backtest.commands import output

if TYPE_CHECKING:
    from backtest.replay_export import ReplayResult
    from feeds.dataset import Dataset

COMPARED = ("realized", "fee", "clearance", "funding")


def replay(
    export: Annotated[
        Path, typer.Argument(metavar="EXPORT_DIR", help="Folder of the CSV files of the account export.")
    ],
    venue: Annotated[str, typer.Option(help="binance_usdm or binance_coinm.")],
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Catalog, or file, of funding rates, marks or bars, tiers; repeat for more. For funding and margin."
        ),
    ] = None,
    scale: Annotated[str, typer.Option(help="On every quantity, toward zero on the lot; deposits stay.")] = "1",
    basis: Annotated[
        float | None,
        typer.Option(help="Price of dated contracts over their perpetual, for margin; by default from own fills."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the result and its tear sheet.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Put an account export through our accounts and compare.

    Orders and fills are inputs; profits, fees, funding and wallet are outputs. With --scale there is nothing to compare
    with: it says whether the smaller (or larger) account would have survived. Exit code 1: rows without a counterpart.

    \b
    Examples:
      levdyn import funding.zip marks.zip --catalog history --venue binance_usdm
      levdyn replay export --venue binance_usdm --data history
      levdyn replay export --venue binance_coinm --data history --scale 0.5
    """
    from backtest.commands.saving import check_folder, save
    from backtest.replay_export import replay as replay_export

    check_folder(out)
    with output.working("reading market data"):
        market = _data(data if data is not None else [], venue)
    with output.working(f"replaying {export}"):
        result = replay_export(export, venue=venue, data=market, scale=scale, basis=basis)
    with output.working("writing"):
        written = save(result, out, None)
    if as_json:
        output.print_json(_as_json(result, written))
    else:
        output.lines(str(result.report))
        output.line()
        output.result(result)
        if written:
            output.line()
        for path in written:
            output.line(f"written: {path}")
    raise typer.Exit(output.FINDINGS if result.findings else output.DONE)


def _data(paths: list[Path], venue: str) -> "Dataset | None":
    """Return everything that catalogs and files hold, None without any."""
    from feeds.catalog import Catalog
    from feeds.dataset import Dataset
    from feeds.importing import import_file
    from feeds.symbols import ALL

    found = Dataset([])
    for path in paths:
        if (path / "v1").is_dir():
            catalog = Catalog(path)
            found += catalog.dataset([(each, symbol) for each, symbol, _ in catalog.instruments() if symbol != ALL])
        else:
            found += import_file(path, venue=venue).dataset
    return found if paths else None


def _as_json(result: "ReplayResult", written: list[Path]) -> dict[str, Any]:
    report = result.report
    line = report.timeline
    return {
        "rows": {what: dict(zip(("equal", "of"), report.counts(what), strict=True)) for what in COMPARED},
        "wallets": [
            {"asset": wallet.asset, "ours": wallet.ours / 1e8, "export": wallet.theirs / 1e8}
            for wallet in report.wallets
        ],
        "forced": report.forced().to_dict("records"),
        "survived": report.survived if line.points else None,
        "triggers": {asset: point.ts for asset, point in line.triggers.items()},
        "causes": [{"count": cause.count, "text": cause.text} for cause in report.causes],
        "assumptions": result.assumptions,
        "findings": result.findings,
        "warnings": result.warnings,
        "written": [str(path) for path in written],
    }
