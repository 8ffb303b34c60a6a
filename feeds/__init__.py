"""History in: files and exchanges become validated columns on disk, then time-ordered events."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from feeds.errors import FeedError, LevdynError

if TYPE_CHECKING:
    from feeds.catalog import Catalog
    from feeds.dataset import Dataset, Stream
    from feeds.downloads.live.run import record
    from feeds.downloads.run import download
    from feeds.frames import from_pandas
    from feeds.importing import from_ccxt, import_file, import_files
    from feeds.synthetic import sample
    from feeds.validation import validate

__all__ = [
    "Catalog",
    "Dataset",
    "FeedError",
    "LevdynError",
    "Stream",
    "download",
    "from_ccxt",
    "from_pandas",
    "import_file",
    "import_files",
    "record",
    "sample",
    "validate",
]

# Public name -> module that holds it, imported at first use: pandas and pyarrow cost more than the rest of a start.
_HOMES = {
    "Catalog": "feeds.catalog",
    "Dataset": "feeds.dataset",
    "Stream": "feeds.dataset",
    "download": "feeds.downloads.run",
    "from_ccxt": "feeds.importing",
    "from_pandas": "feeds.frames",
    "import_file": "feeds.importing",
    "import_files": "feeds.importing",
    "record": "feeds.downloads.live.run",
    "sample": "feeds.synthetic",
    "validate": "feeds.validation",
}


def __getattr__(name: str) -> Any:
    """Return a public name, importing its module at first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'feeds' has no attribute {name!r}")
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
