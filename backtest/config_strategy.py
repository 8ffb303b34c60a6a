"""Strategy classes by name: ``module:Class`` or ``file.py:Class``."""

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backtest.errors import ConfigError
from feeds.errors import LevdynError
from venues.checks import did_you_mean

if TYPE_CHECKING:
    from backtest.strategy import Strategy


def strategy_class(text: str, folder: Path) -> "type[Strategy]":
    """Return the class that ``module:Class`` or ``path/to/file.py:Class`` names.

    Parameters
    ----------
    text : str
    folder : Path
        To which a path is relative; modules are looked for where Python looks, then there, then in the working folder.

    Raises
    ------
    ConfigError
        If there is no such file, module or class, it fails when imported, or it is no Strategy.
    """
    from backtest.strategy import Strategy

    where, colon, name = text.rpartition(":")
    if not colon or not where or not name:
        raise ConfigError(f"a class is written 'module:Class' or 'file.py:Class', got {text!r}")
    module = _module(where, folder)
    found = getattr(module, name, None)
    classes = [
        key
        for key, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Strategy) and value is not Strategy
    ]
    if found is None:
        have = f"it has {', '.join(classes)}" if classes else "it has no strategy"
        raise ConfigError(f"{where} has no class {name!r}{did_you_mean(name, classes)}; {have}")
    if not isinstance(found, type) or not issubclass(found, Strategy):
        raise ConfigError(f"{text} is no backtest.Strategy; derive the class from it")
    return found


def _module(where: str, folder: Path) -> Any:
    """Import a module by name, or a file by its path."""
    path = folder / where
    if where.endswith(".py") and not path.is_file():
        near = ", ".join(sorted(other.name for other in path.parent.glob("*.py"))) if path.parent.is_dir() else ""
        raise ConfigError(f"no such file: {path}" + (f" (there: {near})" if near else ""))
    with _importable(path.parent if where.endswith(".py") else folder):
        try:
            return _file_module(path) if where.endswith(".py") else importlib.import_module(where)
        except ModuleNotFoundError as error:
            if error.name is not None and where.split(".")[0] == error.name.split(".")[0]:
                raise ConfigError(
                    f"no module {where!r}; a file is written with its ending: 'my_strategy.py:Class'"
                ) from None
            raise ConfigError(f"{where} cannot be imported: {error}") from error
        except LevdynError:
            raise
        except Exception as error:
            line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
            raise ConfigError(f"{where} cannot be imported: {type(error).__name__}: {error}{line}") from error


def _file_module(path: Path) -> Any:
    """Run a file as a module of its own, known by its path so that two files of one name do not meet."""
    name = f"{path.stem}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let imports find what lies in a folder and in the working folder, after everything that is installed."""
    before = list(sys.path)
    sys.path += [str(folder), str(Path.cwd())]
    try:
        yield
    finally:
        sys.path[:] = before
