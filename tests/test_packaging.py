"""sdist -> wheel -> fresh environment -> a user's own compiled files; slow, run by `make test-all`."""

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
COMPILED = ROOT / "tests" / "compiled"
PACKAGES = ("feeds", "venues", "backtest", "strategies")
BUILT = {".so", ".c", ".pyc"}
TEMPLATES = "backtest/templates/"  # copied by users and compiled by them, not by us
SOURCES = sorted(
    path.relative_to(ROOT).as_posix()
    for package in PACKAGES
    for path in (ROOT / package).rglob("*")
    if path.is_file() and path.suffix not in BUILT
)


COMPILED_HERE = [name for name in SOURCES if name.endswith(".pyx") and not name.startswith(TEMPLATES)]


def run(*command: object, cwd: Path, **more: str) -> str:
    """Run a command, away from the checkout and its settings, and return what it printed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LEVDYN", "PYTEST"))} | more
    done = subprocess.run([str(word) for word in command], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory) -> tuple[Path, Path]:
    """Sdist and wheel: those of ``LEVDYN_WHEEL`` when given (both stand in one folder), else built here."""
    given = os.environ.get("LEVDYN_WHEEL")
    if given:
        wheel = (ROOT / given).resolve()
        return next(wheel.parent.glob("levdyn-*.tar.gz")), wheel
    folder = tmp_path_factory.mktemp("distributions")
    tree = folder / "tree"
    listed = ["setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", *SOURCES]
    for name in listed:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tree / name)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, tree, cwd=folder)
    return next(folder.glob("*.tar.gz")), next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def user(distributions, tmp_path_factory) -> Path:
    """Python of a fresh environment that holds the wheel, its dependencies and what compiles a strategy."""
    folder = tmp_path_factory.mktemp("user")
    venv.create(folder / "venv", with_pip=True, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-compile", f"{distributions[1]}[build]", cwd=folder)
    return python


def compile_outside(user: Path, folder: Path, *sources: Path) -> None:
    """Compile copies of ``sources`` in ``folder`` as a user does, without naming an include directory."""
    for source in sources:
        shutil.copyfile(source, folder / source.name)
    run(user.parent / "cythonize", "-3", "-i", *(source.name for source in sources), cwd=folder)


def test_wheel_is_platform_tagged(distributions):
    tags = distributions[1].stem.split("-")[2:]
    assert tags[0] == tags[1] == f"cp{sys.version_info[0]}{sys.version_info[1]}"
    assert tags[2] != "any"


def test_wheel_holds_every_source_and_a_binary_for_every_pyx(distributions):
    names = set(zipfile.ZipFile(distributions[1]).namelist())
    assert not set(SOURCES) - names
    compiled = {name.split(".")[0] for name in names if name.endswith(".so")}
    assert compiled == {name.removesuffix(".pyx") for name in COMPILED_HERE}


def test_wheel_holds_nothing_else(distributions):
    names = set(zipfile.ZipFile(distributions[1]).namelist())
    extra = {name for name in names - set(SOURCES) if not name.endswith(".so") and ".dist-info/" not in name}
    assert not extra
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_sdist_holds_every_source_and_no_generated_c(distributions):
    with tarfile.open(distributions[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert not set(SOURCES) - names
    assert not [name for name in names if name.endswith((".c", ".so")) or name.startswith("tests/")]


def test_installed_packages_import_outside_the_checkout(user, tmp_path):
    code = "import feeds, venues, backtest, strategies; print(feeds.__file__, venues.__file__, backtest.__file__)"
    site = user.parent.parent / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    found = run(user, "-c", code, cwd=tmp_path).split()
    assert [Path(path).parent.parent for path in found] == [site] * 3


def test_every_compiled_module_of_the_wheel_imports(user, tmp_path):
    modules = [name.removesuffix(".pyx").replace("/", ".") for name in COMPILED_HERE]
    printed = run(
        user, "-c", "".join(f"import {module}; print({module}.__file__)\n" for module in modules), cwd=tmp_path
    )
    assert printed.count(".so\n") == len(modules) > 0


def test_every_shipped_pxd_is_cimported_from_outside(user, tmp_path):
    modules = [name.removesuffix(".pxd").replace("/", ".") for name in SOURCES if name.endswith(".pxd")]
    (tmp_path / "every_pxd.pyx").write_text("".join(f"cimport {module}\n" for module in modules) + "count = 1\n")
    run(user.parent / "cythonize", "-3", "-i", "every_pxd.pyx", cwd=tmp_path)
    assert run(user, "-c", "import every_pxd; print(every_pxd.count)", cwd=tmp_path) == "1\n"


def test_users_own_file_compiles_against_the_wheel_and_computes_exactly(user, tmp_path):
    compile_outside(user, tmp_path, COMPILED / "user_contract.pyx")
    code = (
        "import user_contract as u; print(u.event_size(), u.kinds_in_order(), "
        "u.signed_volume([9_000_000_000_000_000_001, 3], [7_000_000_000_000_000_003, 5], [1, -1]))"
    )
    assert run(user, "-c", code, cwd=tmp_path).split() == ["64", "True", "63000000000000000033999999999999999988"]


@pytest.fixture(scope="module")
def templates(user, tmp_path_factory) -> Path:
    """Folder outside the tree with both templates of the wheel, copied and compiled as their docstrings say."""
    folder = tmp_path_factory.mktemp("strategies")
    shipped = run(user, "-c", "import backtest; print(backtest.__file__)", cwd=folder).strip()
    compile_outside(user, folder, *sorted((Path(shipped).parent / "templates").glob("*.pyx")))
    return folder


def test_compiled_strategies_have_parameters_like_python_ones(user, templates):
    code = """
import cdef_class, plain_class
from backtest.errors import ConfigError
for Cross in (plain_class.Cross, cdef_class.Cross):
    made = Cross(fast=20)
    print(made.fast, made.slow, sorted(made.parameter_values()))
    try:
        Cross(fasst=20)
    except ConfigError as error:
        print("fasst" in str(error), "did you mean 'fast'" in str(error))
"""
    lines = run(user, "-c", code, cwd=templates).splitlines()
    assert lines[:2] == lines[2:] == ["20 3000 ['fast', 'pause', 'quantity', 'slow', 'symbol']", "True True"]


def test_both_forms_of_a_compiled_strategy_send_the_same_orders(user, templates):
    shutil.copyfile(COMPILED / "run_templates.py", templates / "run_templates.py")
    plain, compiled = run(user, "run_templates.py", cwd=templates).splitlines()
    assert plain == compiled
    assert int(plain.split()[0]) > 10
