"""Importing a package loads none of the heavy libraries: they are loaded by the functions that need them."""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import backtest

HEAVY = {"pandas", "pyarrow", "ccxt", "pydantic", "quantstats", "plotly", "scipy", "matplotlib"}
HOME = Path(backtest.__file__).parent.parent
PACKAGES = ["feeds", "venues", "backtest", "feeds, venues, backtest"]


@pytest.mark.parametrize("packages", PACKAGES)
def test_import_loads_no_heavy_library(tmp_path, packages):
    code = f"import sys; sys.path.insert(0, {str(HOME)!r}); import {packages}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded >= set(packages.split(", "))
    assert not loaded & HEAVY


@pytest.mark.parametrize("package", ["feeds", "venues", "backtest"])
def test_no_public_name_is_hidden_by_a_module_of_that_name(package):
    public = set(importlib.import_module(package).__all__)
    modules = {module.name for module in pkgutil.iter_modules(importlib.import_module(package).__path__)}
    assert all(callable(importlib.import_module(f"{package}.{name}")) for name in public & modules)
