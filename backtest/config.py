"""A run described in TOML: read as a whole, every error at once, passed to the constructors that Python users call."""

import copy
import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backtest.errors import ConfigError

if TYPE_CHECKING:
    from backtest.config_build import Prepared
    from backtest.config_tables import Tables

Document = dict[str, Any]
Place = tuple[str | int, ...]

# What pydantic calls a value that does not fit -> what is allowed, in words of TOML.
_ALLOWED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "datetime_type": "a time",
    "date_type": "a time",
}


def load(path: str | Path, *, settings: Sequence[str] = (), compared: Sequence[str] = ()) -> "Prepared":
    """Read a configuration and build the run that it describes.

    Parameters
    ----------
    path : path
        TOML with [data], [strategy] or [[strategy]], [venue] or [[venue]], and if wanted [[instrument]], [run],
        [transfers], [population], [[scenario]], [report]; keys in `backtest.config_tables`. Paths in it are relative to
        its folder.
    settings : sequence of str
        ``KEY=VALUE`` that win over the file, as ``venue.leverage=5``; VALUE as in TOML, else text.
    compared : sequence of str
        Further venues that [[instrument]] may name.

    Returns
    -------
    Prepared
        The Backtest, not yet run, and what to do with its result.

    Raises
    ------
    ConfigError
        With every error found: unknown keys, values that do not fit, arguments that the constructors refuse.
    """
    from backtest.config_build import build

    source = Path(path)
    document = read(source)
    problems: list[str] = []
    for text in settings:
        try:
            override(document, text)
        except ConfigError as error:
            problems.append(str(error))
    tables = check(document, problems)
    prepared = None if tables is None else build(tables, source, document, problems, compared)
    if problems or prepared is None:
        count = f"{len(problems)} errors" if len(problems) > 1 else "an error"
        raise ConfigError("\n".join([f"{source} has {count}; nothing was run", *(f"  {text}" for text in problems)]))
    return prepared


def read(path: Path) -> Document:
    """Return the document of a TOML file.

    Raises
    ------
    ConfigError
        If there is no such file, or it is not TOML (with line and column).
    """
    if not path.is_file():
        near = sorted(str(other) for other in path.parent.glob("*.toml")) if path.parent.is_dir() else []
        raise ConfigError(f"no such configuration: {path}" + (f" (there: {', '.join(near)})" if near else ""))
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None


def override(document: Document, text: str) -> None:
    """Set one key of a document from ``KEY=VALUE``.

    KEY is dotted; ``venue.leverage`` means the only venue, ``venue.binance_coinm.leverage`` (name or account) or
    ``venue.1.leverage`` (counted from 0) one of several.
    """
    key, equals, written = text.partition("=")
    names = [name.strip() for name in key.split(".")]
    if not equals or not all(names):
        raise ConfigError(f"--set takes KEY=VALUE, as venue.leverage=5, got {text!r}")
    try:
        value = tomllib.loads(f"value = {written}")["value"]
    except tomllib.TOMLDecodeError:
        value = written.strip()
    here: Any = document
    while len(names) > 1:
        here = _into(here, names, text)
    if isinstance(here, list):
        raise ConfigError(f"--set {text}: name a key of the table, as {key}.KEY=VALUE")
    here[names[0]] = value


def _into(here: Any, names: list[str], text: str) -> Any:
    """Step into the table that the first name means, taking it off, and into the one of a list of tables."""
    name = names.pop(0)
    inner = here.setdefault(name, {})
    if isinstance(inner, list) and all(isinstance(item, Mapping) for item in inner):
        if len(names) > 1 and names[0].isdigit() and int(names[0]) < len(inner):
            return inner[int(names.pop(0))]
        labels = [
            str(item.get("account", item.get("name", item.get("class", number)))) for number, item in enumerate(inner)
        ]
        named = [item for item in inner if names[0] in (item.get("name"), item.get("account"), item.get("class"))]
        if len(names) > 1 and len(named) == 1:
            names.pop(0)
            return named[0]
        if len(inner) == 1:
            return inner[0]
        raise ConfigError(
            f"--set {text}: there are {len(inner)} tables [[{name}]] ({', '.join(labels)}); "
            f"say which one: {name}.0.{names[-1]} or {name}.{labels[0]}.{names[-1]}"
        )
    if not isinstance(inner, dict):
        raise ConfigError(f"--set {text}: {name} is {inner!r}, not a table")
    return inner


def check(document: Document, problems: list[str]) -> "Tables | None":
    """Return the document as tables, after adding what is wrong with it to `problems`.

    Keys that are wrong are left out of what is returned, so that the rest can be looked at; None where that cannot be.
    """
    from pydantic import ValidationError

    from backtest.config_tables import LISTS, Tables

    single = {name for name in LISTS if isinstance(document.get(name), Mapping)}
    whole = {name: [value] if name in single else value for name, value in document.items()}
    try:
        return Tables.model_validate(whole)
    except ValidationError as error:
        wrong = _by_place(error.errors(include_url=False), whole)
    problems += [f"{written(place, single)}: {_message(place, here)}" for place, here in wrong.items()]
    if any(here[0]["type"] == "missing" for here in wrong.values()):
        return None
    rest = copy.deepcopy(whole)
    for place in sorted(wrong, key=len, reverse=True):
        _leave_out(rest, place)
    try:
        return Tables.model_validate(rest)
    except ValidationError:
        return None


def _leave_out(document: Any, place: Place) -> None:
    """Take what stands at a place out of a document, with its list where it is one of several."""
    for part in place[:-1]:
        if isinstance(part, int) and part >= len(document):
            return
        document = document[part]
    if isinstance(document, dict):
        document.pop(place[-1], None)
    else:
        document.clear()


def _by_place(errors: Iterable[Mapping[str, Any]], document: Document) -> dict[Place, list[Mapping[str, Any]]]:
    """Return the errors by place; a value that fits no member of a union is one place."""
    found: dict[Place, list[Mapping[str, Any]]] = {}
    for error in errors:
        found.setdefault(_place(error, document), []).append(error)

    def is_about_its_inside(place: Place) -> bool:
        """Whether a table was read as a table, so that what is wrong is inside it, and not also its type."""
        inside = any(other[: len(place)] == place and len(other) > len(place) for other in found)
        return inside and {error["type"] for error in found[place]} <= {*_ALLOWED}

    return {place: here for place, here in found.items() if not is_about_its_inside(place)}


def _place(error: Mapping[str, Any], document: Document) -> Place:
    """Return the keys and positions of an error as they stand in the document, pydantic's names of types left out."""
    place: list[str | int] = []
    here: Any = document
    location = error["loc"]
    for number, part in enumerate(location):
        is_last = number == len(location) - 1
        if isinstance(here, Mapping) and (part in here or (is_last and error["type"] == "missing")):
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
        else:
            continue
        place.append(part)
    return tuple(place)


def _message(place: Place, here: Sequence[Mapping[str, Any]]) -> str:
    """Return what is wrong at a place, what is allowed, and what was probably meant."""
    first = here[0]
    if first["type"] == "missing":
        return "is missing"
    if first["type"] == "extra_forbidden":
        return _unknown(place)
    allowed = list(dict.fromkeys(_ALLOWED[error["type"]] for error in here if error["type"] in _ALLOWED))
    if not allowed:
        return f"{first['msg']}, got {first['input']!r}"
    return f"must be {' or '.join(allowed)}, got {first['input']!r}"


def _unknown(place: Place) -> str:
    """Return what to say of a key that its table does not have."""
    from backtest.config_tables import KEYS, LISTS, keys

    name = str(place[-1])
    table = tuple(str(part) for part in place[:-1] if not isinstance(part, int))
    allowed = keys(table)
    near = difflib.get_close_matches(name, allowed, n=1)
    if near:
        return f"unknown key, did you mean {near[0]!r}?"
    elsewhere = [other for other in KEYS if len(other) == 1 and name in keys(other)]
    if elsewhere:
        shown = " or ".join(f"[[{other[0]}]]" if other[0] in LISTS else f"[{other[0]}]" for other in elsewhere)
        return f"unknown key here; it belongs to {shown}"
    return f"unknown key; allowed are {', '.join(allowed)}"


def written(place: Place, single: set[str]) -> str:
    """Return a place as a reader of the file names it: ``venue[1].leverage``, ``venue.leverage`` where there is one."""
    text = ""
    for number, part in enumerate(place):
        if isinstance(part, int):
            text += "" if number == 1 and place[0] in single else f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
