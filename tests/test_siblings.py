"""A folder `feeds` or `venues` of somebody else is named, not imported."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import backtest
import feeds
from backtest.siblings import require_siblings

HOME = Path(backtest.__file__).parent
PRELUDE = "import sys; sys.path.insert(0, {foreign!r}); "


def run(code: str, cwd: Path, home: Path = HOME.parent) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a fresh interpreter that finds our packages in ``home``, after what the code puts first."""
    reach = f"import sys; sys.path[:0] = [{str(home)!r}, {sysconfig.get_path('platlib')!r}]; "
    return subprocess.run([sys.executable, "-P", "-c", reach + code], cwd=cwd, capture_output=True, text=True)


def test_packages_of_this_installation_are_accepted(tmp_path):
    done = run(load_alone(), tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["feeds", "venues"])
def test_foreign_package_is_named_and_not_executed(tmp_path, name):
    foreign = tmp_path / name
    foreign.mkdir()
    (foreign / "__init__.py").write_text("print('executed')\n")
    done = run(PRELUDE.format(foreign=str(tmp_path)) + load_alone(), tmp_path)
    assert done.returncode != 0
    assert "executed" not in done.stdout
    error = done.stderr.strip().splitlines()[-1]
    assert error.startswith(f"ImportError: levdyn needs its own package {name!r} from {HOME.parent / name}")
    assert str(foreign / "__init__.py") in error
    assert "Rename" in error


def test_foreign_module_of_one_file_is_named(tmp_path):
    (tmp_path / "venues.py").write_text("")
    done = run(PRELUDE.format(foreign=str(tmp_path)) + load_alone(), tmp_path)
    assert str(tmp_path / "venues.py") in done.stderr


def test_foreign_package_that_was_imported_before_is_named(tmp_path):
    foreign = tmp_path / "venues"
    foreign.mkdir()
    (foreign / "__init__.py").write_text("")
    code = PRELUDE.format(foreign=str(tmp_path)) + "import venues; sys.path.pop(0); " + load_alone()
    assert str(foreign) in run(code, tmp_path).stderr


def test_missing_package_says_that_the_installation_is_incomplete(tmp_path):
    home = tmp_path / "backtest"
    home.mkdir()
    with pytest.raises(ImportError, match="installation is incomplete") as caught:
        require_siblings(home, ["feeds"])
    assert str(home.parent / "feeds") in str(caught.value)
    assert str(feeds.__file__) in str(caught.value)


def test_linked_files_of_an_editable_installation_are_accepted(tmp_path):
    for name in ("backtest", "feeds", "venues"):
        (tmp_path / name).mkdir()
        for source in (HOME.parent / name).glob("*.py"):
            (tmp_path / name / source.name).symlink_to(source)
    done = run(load_alone(tmp_path / "backtest"), tmp_path, home=tmp_path)
    assert done.returncode == 0, done.stderr


def load_alone(home: Path = HOME) -> str:
    """Load siblings.py by its path: the package's own __init__ must not be what refuses here."""
    return (
        "import importlib.util as u; from pathlib import Path; "
        f"spec = u.spec_from_file_location('siblings', {str(home / 'siblings.py')!r}); "
        "module = u.module_from_spec(spec); spec.loader.exec_module(module); "
        f"module.require_siblings(Path({str(home)!r}))"
    )
