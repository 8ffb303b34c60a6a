"""``python tests/pictures.py`` draws docs/tear_sheet.png: the tear sheet of `levdyn demo` in a headless Chromium."""

import importlib.util
import sys
import tempfile
from pathlib import Path

from browsers import Shown, chromium

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "tear_sheet.png"
WIDTH, HEIGHT = 1100, 2150


def main() -> int:
    """Run the demo and take the beginning of its page."""
    from backtest.cli import main as levdyn

    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        out = Path(folder) / "demo"
        if levdyn(["demo", "--out", str(out)]) > 1:
            return 1
        with Shown(browser, out / "tear_sheet.html", width=WIDTH) as shown:
            box = {"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT}
            shown.page.screenshot(path=PICTURE, full_page=True, clip=box)
    print(f"written: {PICTURE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    if importlib.util.find_spec("backtest") is None:
        sys.path.insert(0, str(ROOT))
    sys.exit(main())
