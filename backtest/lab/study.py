"""A study: one question to the lab with its inputs, its answer with units and errors, and a figure; JSON and a page."""

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

from backtest import __version__
from backtest.errors import ConfigError
from backtest.lab.figures import Figure, Shaded
from backtest.report_html import Html, document, element, section, table


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """An answer.

    Attributes
    ----------
    name : str
        Of the command.
    question : str
        In one sentence.
    inputs : dict
        The whole configuration, defaults included.
    seed : int
    results : dict
        Figures, arrays and estimates {value, error, count}.
    units : dict of str to str
        Of every key of `results`.
    headline : tuple of (str, str)
        What to read first: name and text.
    notes : tuple of str
        Assumptions and limits.
    findings : tuple of str
        What should be looked at; exit code 1.
    figures : tuple of Figure or Shaded
    """

    name: str
    question: str
    inputs: Mapping[str, Any]
    seed: int
    results: Mapping[str, Any]
    units: Mapping[str, str]
    headline: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    findings: tuple[str, ...] = ()
    figures: tuple[Figure | Shaded, ...] = field(default=())

    def __post_init__(self) -> None:
        """Check that every result has its unit."""
        if set(self.results) != set(self.units):
            odd = sorted(set(self.results) ^ set(self.units))
            raise ConfigError(f"study {self.name}: results and units differ in {odd}")

    def as_json(self) -> dict[str, Any]:
        """Return what the JSON file holds."""
        return {
            "study": self.name,
            "question": self.question,
            "version": __version__,
            "seed": self.seed,
            "inputs": _plain(self.inputs),
            "results": _plain(self.results),
            "units": dict(self.units),
            "notes": list(self.notes),
            "findings": list(self.findings),
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write NAME.json, NAME.html and NAME.png into a folder, which is made when missing; return their paths."""
        from backtest.lab.pictures import picture

        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        data, page = target / f"{self.name}.json", target / f"{self.name}.html"
        data.write_text(json.dumps(self.as_json(), indent=2, allow_nan=False) + "\n", encoding="utf-8")
        page.write_text(self.page(), encoding="utf-8")
        return [data, page, picture(self.figures, target / f"{self.name}.png")]

    def sections(self) -> list[Html]:
        """Return the sections of its page."""
        said = [element("li", text) for text in self.notes]
        parts: list[Html] = [table(("", ""), self.headline), *(figure.html for figure in self.figures)]
        if self.findings:
            listed = element("ul", *(element("li", text) for text in self.findings))
            parts.append(element("div", element("b", "Findings"), listed, class_="findings"))
        return [section(self.question, *parts, element("ul", *said))]

    def page(self) -> str:
        """Return the study as one HTML document."""
        title = f"Leverage lab: {self.name}"
        return document(title, f"levdyn {__version__} · seed {self.seed}", self.sections())


def configuration(example: str, path: Path | None, where: str) -> dict[str, Any]:
    """Return the configuration of a study: its example, with what a file says in its place.

    A table that the file gives replaces the example's table of that name as a whole where it names another `kind` or
    `source`; else key by key. A key that the example does not know is refused with the nearest one.
    """
    base = tomllib.loads(example)
    if path is None:
        return base
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from None
    return _merged(base, given, f"{path}: levdyn lab {where}")


def _merged(base: dict[str, Any], given: dict[str, Any], where: str) -> dict[str, Any]:
    from venues.checks import did_you_mean

    out = dict(base)
    for key, value in given.items():
        if key not in base:
            raise ConfigError(f"{where}: {key!r} is unknown{did_you_mean(key, base)}; allowed are {', '.join(base)}")
        if isinstance(base[key], dict) != isinstance(value, dict):
            raise ConfigError(f"{where}: {key} must be a {'table' if isinstance(base[key], dict) else 'value'}")
        is_free = isinstance(value, dict) and _kind(value) not in (None, _kind(base[key]))
        is_named = isinstance(value, dict) and base[key] and all(isinstance(v, dict) for v in base[key].values())
        out[key] = (
            value
            if is_free or is_named or not isinstance(value, dict)
            else _merged(base[key], value, f"{where}: [{key}]")
        )
    return out


def _kind(values: Mapping[str, Any]) -> Any:
    return values.get("kind", values.get("source"))


class Reader:
    """Reads a table of a configuration: each key once, its errors with the place, what is left over refused."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self.left = dict(values)
        self.where = where

    def take(self, name: str) -> Any:
        """Return a key's value; it must be there."""
        if name not in self.left:
            raise ConfigError(f"{self.where}: {name} is missing")
        return self.left.pop(name)

    def all(self, *names: str) -> dict[str, Any]:
        """Return those keys and end: nothing may be left."""
        values = {name: self.take(name) for name in names}
        self.end()
        return values

    def end(self) -> None:
        """Refuse what was not read."""
        if self.left:
            raise ConfigError(f"{self.where}: {', '.join(sorted(self.left))}: not used here; it would have no effect")


def _plain(value: Any) -> Any:
    """Return a value as JSON holds it; what is not finite becomes null."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, bool | int | str | None) else str(value)
