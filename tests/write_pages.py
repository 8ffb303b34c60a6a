"""``python tests/write_pages.py [PAGE...]`` writes what the blocks of pages print now; read the difference then."""

import importlib.util
import sys
import tempfile
from pathlib import Path

from code_blocks import ROOT, rewrite, write_csv_files

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))


def main(given: list[str]) -> None:
    """Rewrite the pages that are named, else all."""
    for page in [Path(name).resolve() for name in given] or PAGES:
        with tempfile.TemporaryDirectory() as folder:
            write_csv_files(Path(folder))
            rewrite(page, Path(folder).resolve())


if __name__ == "__main__":
    if importlib.util.find_spec("backtest") is None:
        sys.path.insert(0, str(ROOT))
    main(sys.argv[1:])
