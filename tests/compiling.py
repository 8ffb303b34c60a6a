"""Compiles a test's own .pyx in a folder of its own, as a user compiles it."""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import backtest

PACKAGES = Path(backtest.__file__).resolve().parent.parent


def compile_in(folder, sources):
    """Compile files in a folder and return a function that imports one of them by name."""
    for source in sources:
        shutil.copyfile(source, folder / source.name)
    command = [Path(sysconfig.get_path("scripts")) / "cythonize", "-3", "-i", *(source.name for source in sources)]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": str(PACKAGES)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"

    def load(name):
        if name not in sys.modules:
            (path,) = folder.glob(f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}")
            spec = importlib.util.spec_from_file_location(name, path)
            sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[name])
        return sys.modules[name]

    return load
