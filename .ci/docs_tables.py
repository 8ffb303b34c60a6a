"""Tables of the documentation that come from the code: a page says ``<!-- table: NAME -->`` where one belongs."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

MARKER = re.compile(r"^<!-- table: (\w+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **kwargs: Any) -> str:
    """Put the tables into a page (called by mkdocs)."""
    return MARKER.sub(lambda found: TABLES[found[1]](), markdown)


def venues() -> str:
    """Return the venues with account rules."""
    from backtest.commands.venues import facts
    from venues import get, names

    rows = []
    for name in names():
        rules = get(name)
        found = list(facts(rules, history=True))
        unsure = sum(not row["verified"] for row in found)
        rows.append((f"`{name}`", rules.facts.title, ", ".join(rules.contracts), len(found), unsure))
    return _table(("venue", "title", "contracts", "dated rules", "of them unverified"), rows)


def downloads() -> str:
    """Return what can be downloaded from where."""
    from feeds.downloads.capabilities import listed

    return _ways(listed())


def channels() -> str:
    """Return what can be recorded from where."""
    from feeds.downloads.live.channels import listed

    return _ways(listed())


def commands() -> str:
    """Return the help of every command."""
    import typer

    from backtest.cli import app

    parts = []

    def add(command: Any, name: str, above: Any) -> None:
        context = command.make_context(name, [], parent=above, resilient_parsing=True, terminal_width=100)
        if not hasattr(command, "list_commands"):
            parts.append(f"## {context.command_path}\n\n```text\n{command.get_help(context).rstrip()}\n```\n")
            return
        for each in command.list_commands(context):
            add(command.get_command(context, each), each, context)

    add(typer.main.get_command(app), "levdyn", None)
    return "\n".join(parts)


def formats() -> str:
    """Return the file formats that are told by their content."""
    from feeds.formats import FORMATS

    return _table(("format", "what it is"), [(f"`{each.name}`", each.what) for each in FORMATS])


def _ways(rows: list[dict[str, str]]) -> str:
    heads = tuple(name for name in rows[0] if name != "fact")  # the source of each row would be wider than the rest
    return _table(heads, [tuple(row[name] for name in heads) for row in rows])


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


TABLES = {"venues": venues, "downloads": downloads, "channels": channels, "formats": formats, "commands": commands}
