"""Orders beside hftbacktest's, one by one: the market maker of T3 on the same book and trades under the same rules.

Usage::

    python -m benchmarks.agreement --python PATH_OF_ITS_INTERPRETER [--scale 0.02] [--queue power:2]

Both engines quote one unit at the touch, post-only, look once a second with 5 ms to and from the venue, and write down
how much of each order had filled whenever a look found something new. Ours runs under both of its exchange models
(`matching=`). Exit code 1 when a row differs before theirs ends; benchmarks/RESULTS.md says what was found.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import data, files
from benchmarks.strategies import TouchMaker
from benchmarks.tasks import account

MODELS = ("no_partial_fill", "partial_fill")
SHOWN = 12


class WatchedMaker(TouchMaker):
    """T3, and what each look finds: (time, order, units filled)."""

    begin: int = 0  # ns; theirs looks from the second after its first event on

    def on_start(self):
        """Begin with nothing known."""
        super().on_start()
        self.known = {}
        self.seen = []

    def on_timer(self, timer):
        """Note what has filled since the last look, then quote."""
        if self.now <= self.begin:
            return
        for order in list(self.known):
            filled = round(order.filled * 1000)
            if filled != self.known[order]:
                self.known[order] = filled
                self.seen.append((self.now, order.id, filled))
            if not order.is_open:
                del self.known[order]
        super().on_timer(timer)
        for order in self.working.values():
            if order is not None:
                self.known.setdefault(order, 0)


def ours(root: Path, model: str, queue: str) -> list[tuple[int, int, int]]:
    """Return what our engine's strategy has seen."""
    from backtest import Backtest
    from backtest.assembly import Assembly

    dataset = files.load(root, [(files.PERPETUAL, kind, kind) for kind in ("book", "trades", "mark", "funding")])
    venue = account(latency=("5ms", "5ms", "0ms"), queue=queue, matching=model)
    streams = data.tape(files.scale_of(root))
    maker = WatchedMaker(begin=int(min(streams[name]["ts"][0] for name in ("book", "trades"))))
    test = Backtest(dataset, maker, venues=venue)
    made = Assembly(dataset, test.venues, test.settings)
    made.decide()
    made.build([maker])
    made.loop.run()
    return list(made.strategies[0].seen)


def theirs(python: str, root: Path, model: str, queue: str) -> tuple[list[tuple[int, int, int]], int, int]:
    """Return what the same strategy has seen in hftbacktest, when it ended, and its code (1 = the end of the data)."""
    script = Path(__file__).with_name("peers") / "hft_agreement.py"
    out = root / f"hft_{model}.npy"
    subprocess.run([python, str(script), str(root), model, queue.partition(":")[2] or "0", str(out)], check=True)
    *rows, end = [(int(at), int(order), int(filled)) for at, order, filled in np.load(out)]
    return rows, end[0], end[2]


def compare(own: list[tuple[int, int, int]], other: list[tuple[int, int, int]]) -> tuple[int, list[str]]:
    """Return how many rows are equal up to the first that is not, and words on the rest."""
    said = []
    most = min(len(own), len(other))
    same = next((i for i, (one, two) in enumerate(zip(own, other, strict=False)) if one != two), most)
    if same < max(len(own), len(other)):
        said.append(f"  the first difference is in row {same} of {len(own)} and {len(other)}:")
        said += [f"    ours   {row}" for row in own[same : same + SHOWN]]
        said += [f"    theirs {row}" for row in other[same : same + SHOWN]]
    return same, said


def main() -> int:
    """Run both models and print how far they agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", required=True, help="interpreter of an environment with hftbacktest and pyarrow")
    parser.add_argument("--scale", type=float, default=0.02)
    parser.add_argument("--queue", default="power:2")
    given = parser.parse_args()
    differs = False
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / f"data-{given.scale:g}"
        files.prepare(root, instruments=0)
        converter = Path(__file__).with_name("peers") / "hft.py"
        subprocess.run([given.python, str(converter), "prepare", str(root)], check=True)
        for model in MODELS:
            own = ours(root, model, given.queue)
            other, end, code = theirs(given.python, root, model, given.queue)
            if code != 1:
                print(f"{model}: theirs ended with error {code} after {(end - data.START_NS) / data.HOUR_NS:.2f} hours")
            same, said = compare([row for row in own if row[0] <= end], other)
            print(f"{model}: {same} rows equal, {len(own)} in all by ours, {len(other)} by theirs")
            print(*said, sep="\n", end="\n" if said else "")
            differs = differs or bool(said)
    return int(differs)


if __name__ == "__main__":
    sys.exit(main())
