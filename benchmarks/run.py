"""Runs the benchmarks: every task a whole process, in rounds, one at a time; prints ratios taken in this one run.

usage: python -m benchmarks.run [--quick] [--peers [NAME ...]] [--scale X] [--rounds N] [--only TEXT] [--json FILE]
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import build, jobs, report
from benchmarks.peers import install
from benchmarks.process import Run, TaskFailed, measure
from benchmarks.targets import wrong

CACHE = Path(__file__).parent.parent / "build" / "benchmarks"
QUICK_SCALE, QUICK_ROUNDS, ROUNDS = 0.2, 3, 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 0 = every target met, 1 = one missed or an answer wrong."""
    options = _options(arguments)
    cache = options.cache.resolve()
    found, present = _prepare(options, cache)
    environment = os.environ | {
        # Nobody's figures hold the compiling of Python sources, wherever their folders may not be written to.
        "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPYCACHEPREFIX": str(cache / "pycache"),
    }  # fmt: skip
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    runs: dict[str, list[Run]] = {job.name: [] for job in found}
    problems = {
        f"{peer}.{task}": "not installed (--peers installs it)"
        for peer, (_, tasks, _) in jobs.PEERS.items() if peer not in present for task in tasks
    }  # fmt: skip
    answers: dict[str, dict[str, Any]] = {}
    for number in range(options.rounds):
        for job in found:
            if job.name in problems or number >= job.most:
                continue
            _show(f"round {number + 1} of {options.rounds}: {job.name}")
            try:
                run = measure(job.command, environment)
            except TaskFailed as error:
                problems[job.name] = str(error)
                continue
            runs[job.name].append(run)
            why = wrong(job.task, run.answer, answers.setdefault(job.task, {}), options.scale)
            if why:
                problems[job.name] = f"wrong answer: {why}"
            else:
                answers[job.task] |= {key: given for key, given in run.answer.items() if key != "filled"}
        if options.json:
            options.json.write_text(_json(runs, problems, present, _heading(options, number + 1)))
    _show("")
    shown, missed = report.text(runs, problems, present, _heading(options, options.rounds))
    print(shown)
    real = [why for why in problems.values() if "not installed" not in why]
    print(f"{missed} targets missed, {len(real)} processes without figures")
    return int(bool(missed or real))


def _heading(options: argparse.Namespace, rounds: int) -> str:
    """Return date, machine, scale and rounds."""
    return (
        f"{datetime.date.today()}, {report.machine()}; scale {options.scale:g}, {rounds} rounds, each figure "
        f"that of the least disturbed run; load {os.getloadavg()[0]:.1f}"
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help=f"scale {QUICK_SCALE}, {QUICK_ROUNDS} rounds, no long rows"
    )
    parser.add_argument(
        "--peers", nargs="*", choices=sorted(install.PACKAGES), help="install peers; all without a name"
    )
    parser.add_argument("--scale", type=float, help="1 = five million trades, two years of bars")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--only", action="append", default=[], help="run processes whose name contains this")
    parser.add_argument("--json", type=Path, help="write every run to a file, after each round")
    parser.add_argument("--cache", type=Path, default=CACHE, help="data, compiled modules, environments of peers")
    options = parser.parse_args(arguments)
    if options.scale is None:
        options.scale = QUICK_SCALE if options.quick else 1.0
    if options.rounds is None:
        options.rounds = QUICK_ROUNDS if options.quick else ROUNDS
    if not 0.01 <= options.scale <= 1.0:
        parser.error(f"--scale must be between 0.01 and 1, got {options.scale:g}")
    return options


def _prepare(options: argparse.Namespace, cache: Path) -> tuple[list[jobs.Job], dict[str, str]]:
    """Compile, write the data, install peers; return the jobs and the peers that are there."""
    _show("compiling")
    built = build.everything(cache)
    _show("writing the workload")
    root = cache / f"data-{options.scale:g}"
    prepare(root, "workload")
    if options.peers is not None:
        for peer in options.peers or install.PACKAGES:
            install.install(cache, peer)
    present = install.installed(cache)
    if "hftbacktest" in present and not (root / "hft_t3.npz").exists():
        _show("converting for hftbacktest")
        script = str(jobs.HERE / "peers" / "hft.py")
        subprocess.run([str(install.python(cache, "hftbacktest")), script, "prepare", str(root)], check=True)
    found = [
        *jobs.limits(root, built), *jobs.ours(root, built), *jobs.extras(root, built, quick=options.quick),
        *jobs.peers(root, cache, present),
    ]  # fmt: skip
    if options.only:
        found = [job for job in found if any(text in job.name for text in options.only)]
    for name in {job.name for job in found if job.name.startswith("extra.memory.")}:
        _show("writing many streams")
        prepare(root, f"many.{name.split('.')[2]}.{jobs.DAYS}")
    for name in {job.name for job in found if job.name.startswith("extra.books.")}:
        _show("writing a day of a book")
        prepare(root, name.removeprefix("extra."))
    return found, present


def prepare(root: Path, what: str) -> None:
    """Write data in a process of its own: a child's peak memory begins with that of the process that starts it."""
    subprocess.run([sys.executable, str(jobs.HERE / "child.py"), f"prepare.{what}", str(root), "-"], check=True)


def _json(runs: dict[str, list[Run]], problems: dict[str, str], versions: dict[str, str], heading: str) -> str:
    made = {name: [asdict(run) for run in each] for name, each in runs.items()}
    return json.dumps({"heading": heading, "versions": versions, "problems": problems, "runs": made}, indent=1)


def _show(text: str) -> None:
    """Say on the terminal's last line what goes on."""
    if sys.stderr.isatty():
        print(f"\r{text:<60}", end="" if text else "\r", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
