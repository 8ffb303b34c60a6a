"""Without ccxt everything but the network works: importing, storing, reading, validating, repairing, a run."""

import subprocess
import sys
from pathlib import Path

CODE = """
import sys
sys.modules["ccxt"] = None  # importing it raises ImportError, as where it is not installed
sys.path.insert(0, {tests!r})
from pathlib import Path

import feeds
import vendor_files
from backtest.cli import main
from feeds.repair import repair

folder = Path({folder!r})
for name, sample in vendor_files.SAMPLES.items():
    (folder / sample.name).write_text(sample.text)
    found = feeds.import_file(folder / sample.name, catalog=folder / name, **sample.options)
    assert found.format == name, (name, found.format)
    assert feeds.validate(folder / name).exit_code < 2, name
    assert repair(folder / name) == [], name
    feeds.Catalog(folder / name).fingerprint()
for words in (["coverage", str(folder / "csv")], ["validate", str(folder / "csv")], ["demo"]):
    assert main(words) == 0, words
assert not any(name.partition(".")[0] == "ccxt" and module for name, module in sys.modules.items())
"""


def test_everything_but_the_network_works_without_ccxt(tmp_path: Path) -> None:
    code = CODE.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
