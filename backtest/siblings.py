"""Refuses a foreign package that answers to the name of one of ours; imports nothing of levdyn, so it can run first."""

import importlib.util
from collections.abc import Iterable
from pathlib import Path

SIBLINGS = ("feeds", "venues")


def require_siblings(home: Path, names: Iterable[str] = SIBLINGS) -> None:
    """Check that the packages which `backtest` imports are the ones that lie next to it.

    ``feeds`` and ``venues`` are common words: a folder of that name in the working directory, or another
    distribution, comes first on ``sys.path`` and would be imported instead. Nothing foreign is executed to find out.

    Parameters
    ----------
    home : pathlib.Path
        The folder of the package `backtest`.
    names : iterable of str
        Top-level packages of the same distribution.

    Raises
    ------
    ImportError
        If one of them was, or would be, imported from elsewhere or not at all: names the foreign path and the remedy.
    """
    for name in names:
        own, found = home.parent / name, _origin(name)
        if found is None or not _is_inside(found, own):
            raise ImportError(_message(name, own, found), name=name)


def _origin(name: str) -> Path | None:
    """Return the file or folder that ``import name`` gives: of the module if it was imported, else of its spec."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        return None
    if spec.origin is not None:
        return Path(spec.origin)
    places = list(spec.submodule_search_locations or ())  # a folder without __init__.py
    return Path(places[0]) if places else None


def _is_inside(found: Path, own: Path) -> bool:
    # The folder is resolved, the file is not: in an editable installation each file is a link into the checkout.
    return own.is_dir() and found.parent.resolve() == own.resolve()


def _message(name: str, own: Path, found: Path | None) -> str:
    if not own.is_dir():
        place = "nothing of that name" if found is None else str(found)
        return (
            f"levdyn needs its own package {name!r} in {own}, which is missing; Python finds {place}. "
            "The installation is incomplete: pip install --force-reinstall levdyn"
        )
    return (
        f"levdyn needs its own package {name!r} from {own}, but Python finds {found or 'nothing of that name'}. "
        f"Rename that folder or file, start Python from another directory, or put {own.parent} before it on sys.path; "
        "if it belongs to another distribution, install levdyn into a virtual environment of its own."
    )
