"""The tables that a run prints: figure, what it is beside, ratio, target, and whether it is met."""

import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.process import Run
from benchmarks.targets import ROWS, Row, value

UNITS = {
    "speed": (1e-6, "M/s"),
    "event": (1e9, "ns"),
    "wall": (1e9, "ns"),
    "cpu": (1.0, "s"),
    "peak": (1.0, "MB"),
    "seconds": (1.0, "s"),
}
SKIPPED = "-"


def machine() -> str:
    """Return processor, memory, system and interpreter."""
    cores, name, memory = 0, platform.processor() or platform.machine(), ""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cores = sum(line.startswith("processor") for line in lines)
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
        total = int(Path("/proc/meminfo").read_text().split()[1])
        memory = f", {total / 1e6:.0f} GB"
    except OSError:
        pass
    return f"{cores} x {name}{memory}, {platform.system()}, Python {platform.python_version()}"


def text(
    runs: Mapping[str, Sequence[Run]],
    problems: Mapping[str, str],
    versions: Mapping[str, str],
    heading: str,
) -> tuple[str, int]:
    """Return the whole report as Markdown, and how many targets were missed.

    Parameters
    ----------
    runs : mapping of str to sequence of Run
        By the name of the job.
    problems : mapping of str to str
        Why a job has no figures: it failed, its answer is wrong, it is not installed.
    versions : mapping of str to str
        Of the peers.
    heading : str
        Scale, rounds, machine.
    """
    good = {name: made for name, made in runs.items() if made and name not in problems}
    parts, missed = [heading], 0
    for table in dict.fromkeys(row.table for row in ROWS if row.ours in runs):
        lines = []
        for row in (each for each in ROWS if each.table == table and each.ours in runs):
            line, failed = _line(row, good, problems)
            lines.append(line)
            missed += failed
        parts.append(f"### {table}\n\n{_table(('task', 'ours', 'beside', 'figure', 'ratio', 'target', ''), lines)}")
    parts.append(f"### Every process\n\n{_processes(runs, problems)}")
    if problems:
        parts.append("### Without figures\n\n" + "\n".join(f"- {name}: {why}" for name, why in problems.items()))
    if versions:
        parts.append("Peers: " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".")
    return "\n\n".join(parts) + "\n", missed


def ratio(row: Row, good: Mapping[str, Sequence[Run]]) -> float | None:
    """Return what a row's target is about, None when one of its jobs has no figures."""
    if row.ours not in good or (row.other and row.other not in good):
        return None
    mine = value(row.what, good[row.ours])
    return mine / value(row.what, good[row.other]) if row.other else mine


def _line(row: Row, good: Mapping[str, Sequence[Run]], problems: Mapping[str, str]) -> tuple[tuple[str, ...], int]:
    found = ratio(row, good)
    target = SKIPPED if row.bound is None else f"{'>=' if row.what == 'speed' else '<='} {row.bound:g}"
    if found is None or row.bound is None:
        verdict = (
            "" if found is not None else "absent" if "not installed" in problems.get(row.other, "") else "no figures"
        )
        failed = 0
    else:
        failed = int(found < row.bound if row.what == "speed" else found > row.bound)
        verdict = "missed" if failed else "met"
    shown = SKIPPED if found is None or not row.other else f"{found:.3g}"
    beside = _figure(row, row.other, good) if row.other else SKIPPED
    return (row.label, _figure(row, row.ours, good), row.other or SKIPPED, beside, shown, target, verdict), failed


def _figure(row: Row, job: str, good: Mapping[str, Sequence[Run]]) -> str:
    if job not in good:
        return SKIPPED
    factor, unit = UNITS[row.what]
    return f"{value(row.what, good[job]) * factor:.3g} {unit}"


def _processes(runs: Mapping[str, Sequence[Run]], problems: Mapping[str, str]) -> str:
    lines = []
    for name, made in runs.items():
        if not made:
            continue
        engine, cpu = [run.engine for run in made], [run.cpu for run in made]
        answer = ", ".join(f"{key} {given}" for key, given in made[-1].answer.items())
        problem = problems.get(name, "").partition(":")[0]
        lines.append((
            name, str(len(made)), f"{made[-1].rows:,}", _spread(engine), _spread(cpu),
            f"{min(run.wall for run in made):.2f}", f"{max(run.peak for run in made):.0f}", f"{problem} {answer}",
        ))  # fmt: skip
    heads = ("process", "runs", "events", "engine CPU s", "whole CPU s", "wall s", "peak MB", "answer")
    return _table(heads, lines)


def _spread(values: Iterable[float]) -> str:
    found = sorted(values)
    return f"{found[0]:.3f}" if len(found) == 1 else f"{found[0]:.3f} ({median(found):.3f} .. {found[-1]:.3f})"


def _table(heads: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    widths = [max(len(str(line[i])) for line in (heads, *lines)) for i in range(len(heads))]
    shown = [heads, ["-" * width for width in widths], *lines]
    return "\n".join(
        "| " + " | ".join(str(cell).ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in shown
    )
