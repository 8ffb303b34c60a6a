"""`levdyn new`: files to begin with."""

import keyword
import re
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from backtest.commands import output
from backtest.errors import ConfigError

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

FILES = {"{name}.py": "new_strategy.txt", "test_{name}.py": "new_test.txt", "{name}.toml": "new_config.txt"}


@app.callback()
def new() -> None:
    """Write files to begin with."""


@app.command()
def strategy(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the module: lower case, words joined by _.")],
    folder: Annotated[Path, typer.Option(help="Where to write; made when missing.")] = Path(),
) -> None:
    """Write a strategy with comments, a test and a configuration.

    All three run as they are, on the built-in sample.

    \b
    Examples:
      levdyn new strategy my_trend
      levdyn new strategy my_trend --folder research
    """
    for path in write(name, folder):
        output.line(f"written: {path}")
    place = f"{folder}/" if folder != Path() else ""
    output.line()
    output.line(f"next: levdyn run {place}{name}.toml", style="dim")


def write(name: str, folder: Path) -> list[Path]:
    """Write the files of a new strategy, all or none, and return them.

    Raises
    ------
    ConfigError
        If the name cannot be that of a module, or one of the files is there already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        hint = re.sub(r"\W+", "_", name).strip("_").lower()
        meant = f"; perhaps {hint}" if re.fullmatch(r"[a-z][a-z0-9_]*", hint) and hint != name else ""
        raise ConfigError(f"NAME is that of a Python module: lower case letters, digits, _, got {name!r}{meant}")
    words = {
        "name": name,
        "cls": "".join(word.capitalize() for word in name.split("_")),
        "title": name.replace("_", " ").strip().capitalize(),
    }
    targets = {folder / target.format(**words): template for target, template in FILES.items()}
    there = [str(path) for path in targets if path.exists()]
    if there:
        raise ConfigError(f"{there[0]} is there already; give another name or --folder")
    texts = {
        path: (files("backtest") / "templates" / template).read_text(encoding="utf-8").format(**words)
        for path, template in targets.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return list(texts)
