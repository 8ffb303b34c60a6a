"""What [data] of a configuration names, as one dataset."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backtest.config_problems import Problems
from backtest.config_tables import DataTable
from backtest.errors import ConfigError

if TYPE_CHECKING:
    from feeds.dataset import Dataset


def dataset(table: DataTable, folder: Path, problems: Problems) -> "Dataset | None":
    """Return all sources joined. Files are read only when nothing else is wrong: that may take long."""
    parts = []
    if table.sample is not False:
        arguments = {} if table.sample is True else table.sample.given()
        parts.append(problems.construct("data.sample", _sample, {}, arguments))
    if table.catalog is not None:
        parts.append(problems.attempt("data.catalog", _catalog, table, folder))
    files = [table.files] if isinstance(table.files, str) else list(table.files)
    _check_idle(table, files, problems)
    for number, given in enumerate(files):
        path = given if isinstance(given, str) else given.path
        if not (folder / path).exists():
            problems.note(f"data.files[{number}]", f"no such file or folder: {folder / path}")
    if not parts and not files and not problems.found:
        problems.note("data", "is empty; give sample = true, catalog = 'FOLDER', or files = ['bars.csv', ...]")
    if problems.found:
        return None
    shared = problems.attempt("data.symbols", _shared, table) if files else {}
    if shared is None:
        return None
    for number, given in enumerate(files):
        arguments = shared | ({"path": given} if isinstance(given, str) else given.given())
        parts.append(problems.attempt(f"data.files[{number}]", _imported, arguments, folder))
    made = [part for part in parts if part is not None]
    if len(made) < len(parts) or not made:
        return None
    joined = problems.attempt("data", _joined, made)
    if joined is None or (table.start is None and table.end is None):
        return joined
    return problems.attempt("data", joined.between, table.start, table.end)


def _check_idle(table: DataTable, files: Sequence[object], problems: Problems) -> None:
    """Note keys that would have no effect."""
    if table.catalog is not None:
        return
    if table.kinds is not None:
        problems.note("data.kinds", "chooses from a catalog; give catalog = 'FOLDER', or leave it out")
    for name in ("venue", "symbols"):
        if getattr(table, name) and not files:
            problems.note(f"data.{name}", "is for a catalog or for files, and there is neither; leave it out")
    if files and len(_texts(table.symbols)) > 1:
        problems.note("data.symbols", "several names do not say which file is which; write files = [{ path, symbol }]")


def _shared(table: DataTable) -> dict[str, str]:
    """Return what [data] says of all files that do not say it themselves."""
    from feeds.symbols import parse_address

    names = _texts(table.symbols)
    if len(names) != 1:
        return {} if table.venue is None else {"venue": table.venue}
    address = parse_address(names[0])
    venue = address.venue if address.venue is not None else table.venue
    return {"symbol": address.symbol} | ({} if venue is None else {"venue": venue})


def _texts(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _joined(parts: "list[Dataset]") -> "Dataset":
    out = parts[0]
    for part in parts[1:]:
        out += part
    return out


def _sample(**arguments: Any) -> "Dataset":
    from feeds.synthetic import sample

    return sample(**arguments)


def _catalog(table: DataTable, folder: Path) -> "Dataset":
    from feeds.catalog import Catalog
    from feeds.symbols import parse_address

    root = str(table.catalog)
    catalog = Catalog(root if "://" in root else folder / root)
    pairs = []
    for text in _texts(table.symbols):
        address = parse_address(text)
        venue = address.venue if address.venue is not None else table.venue
        if venue is None:
            venues = [each for each in catalog.venues() if address.symbol in catalog.symbols(each)]
            if len(venues) > 1:
                raise ConfigError(
                    f"{text} is at {', '.join(venues)}; write {text}@{venues[0]}, or venue = {venues[0]!r}"
                )
            venue = venues[0] if venues else next(iter(catalog.venues()), "")
        pairs.append((venue, address.symbol))
    if not pairs:
        raise ConfigError(
            "symbols is missing: give names as ['BTC/USDT:USDT@binance_usdm']; there are "
            + (", ".join(f"{symbol}@{each}" for each in catalog.venues() for symbol in catalog.symbols(each)) or "none")
        )
    return catalog.dataset(pairs, start=table.start, end=table.end, kinds=table.kinds)


def _imported(arguments: Mapping[str, Any], folder: Path) -> "Dataset":
    from feeds.importing import import_file

    options = {name: value for name, value in arguments.items() if name != "path"}
    return import_file(folder / arguments["path"], **options).dataset
