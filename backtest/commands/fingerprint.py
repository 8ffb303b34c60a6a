"""`levdyn fingerprint`: the hash that names a dataset."""

from typing import Annotated

import typer

from backtest.commands import output


def fingerprint(
    catalog: Annotated[str, typer.Argument(help="Folder of the catalog.")],
    symbols: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SYMBOL@VENUE]...", help="Only these instruments; all that is stored without."),
    ] = None,
    kinds: Annotated[
        list[str] | None, typer.Option("--kind", help="Only these kinds, as bars:1m; may be repeated.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="First day or time.")] = None,
    end: Annotated[str | None, typer.Option(help="First day or time that does not belong to it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Print the hash of stored data.

    Equal data have equal hashes on every machine; the report of a run prints the one of its data.

    \b
    Examples:
      levdyn fingerprint history
      levdyn fingerprint history BTC/USDT:USDT@binance_usdm --kind bars:1m \\
          --start 2024-01-01 --end 2024-02-01
    """
    from feeds.catalog import Catalog
    from feeds.errors import FeedError
    from feeds.symbols import parse_address

    found = Catalog(catalog)
    pairs = []
    for text in symbols if symbols is not None else ():
        address = parse_address(text)
        if address.venue is None:
            raise FeedError(f"{text!r}: write it with its venue, as {text}@binance_usdm")
        pairs.append((address.venue, address.symbol))
    if not pairs and any(each is not None for each in (kinds, start, end)):
        pairs = [(venue, symbol) for venue, symbol, _ in found.instruments() if symbol != "*"]
    if pairs:
        value = found.fingerprint(pairs, kinds=kinds, start=start, end=end)
    elif next(found.instruments(), None) is None:
        raise FeedError(f"{catalog}: no catalog, or an empty one; levdyn import FILE... --catalog {catalog} fills it")
    else:
        value = found.fingerprint()
    if as_json:
        output.print_json({"catalog": catalog, "fingerprint": value})
    else:
        output.line(value)
