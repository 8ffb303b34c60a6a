"""Compiles into a cache folder: strategies against the installed tree, limits in C and Cython."""

import hashlib
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).parent
FLAGS = ["-O3", "-march=native"]  # of the limits: what the machine can do
MODULE_FLAGS = ["-O3", "-ffp-contract=off"]  # of the strategies: as the engine is built


def module(cache: Path, source: Path, flags: list[str]) -> Path:
    """Compile a .pyx unless it is there, and return the folder to import it from."""
    import backtest

    tree = Path(backtest.__file__).parent.parent
    contracts = sorted(path for package in ("feeds", "venues", "backtest") for path in (tree / package).glob("*.pxd"))
    folder = cache / "build" / f"{source.stem}-{_digest([source, *contracts], flags)}"
    if list(folder.glob(f"{source.stem}*.so")):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / source.name).write_bytes(source.read_bytes())
    command = [
        sys.executable, "-m", "cython", "-3", "-I", str(tree), "-X", "boundscheck=False", "-X", "wraparound=False",
        "-X", "initializedcheck=False", "-X", "cdivision=True", str(folder / source.name),
    ]  # fmt: skip
    subprocess.run(command, check=True, cwd=folder)
    target = folder / f"{source.stem}{sysconfig.get_config_var('EXT_SUFFIX')}"
    include = f"-I{sysconfig.get_paths()['include']}"
    made = str((folder / source.name).with_suffix(".c"))
    _compile([*flags, "-shared", "-fPIC", include, made, "-o", str(target)])
    return folder


def program(cache: Path, source: Path) -> Path:
    """Compile a C program unless it is there, and return it."""
    target = cache / "build" / f"{source.stem}-{_digest([source], FLAGS)}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        _compile([*FLAGS, str(source), "-o", str(target)])
    return target


def everything(cache: Path) -> dict[str, str]:
    """Compile all, and return where each lies."""
    return {
        "strategies": str(module(cache, HERE / "compiled.pyx", MODULE_FLAGS)),
        "calls": str(module(cache, HERE / "limits" / "calls.pyx", FLAGS)),
        "merge": str(program(cache, HERE / "limits" / "merge.c")),
    }


def _compile(arguments: list[str]) -> None:
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-w", *arguments], check=True)


def _digest(sources: list[Path], flags: list[str]) -> str:
    text = b"\0".join(source.read_bytes() for source in sources) + " ".join([*flags, sys.version]).encode()
    return hashlib.sha256(text).hexdigest()[:12]
