"""HTML that is escaped unless it was made here."""

import html
from collections.abc import Iterable, Sequence
from importlib.resources import files

# Nothing may be fetched, and nothing run but the scripts that are named; pictures are made in the page itself.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:"


class Html(str):
    """Text that is already HTML."""

    __slots__ = ()


NONE = (Html(), "")  # no scripts


def join(parts: Iterable[str]) -> Html:
    """Return parts one after the other; those that are not `Html` are escaped."""
    return Html("".join(part if isinstance(part, Html) else html.escape(part) for part in parts))


def element(name: str, *children: str, **attributes: str | None) -> Html:
    """Return an element.

    Parameters
    ----------
    name : str
    *children : str
        Escaped unless `Html`.
    **attributes : str or None
        Names with ``_`` for ``-`` and a closing ``_`` dropped (``class_``); None leaves one out. Values are escaped.

    Returns
    -------
    Html
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def document(title: str, subtitle: str, sections: Iterable[Html | None], *, scripts: tuple[Html, str] = NONE) -> str:
    """Return one HTML document that needs nothing else.

    Parameters
    ----------
    title, subtitle : str
    sections : iterable of Html or None
    scripts : (Html, str)
        Elements at the end of the page, and what its policy allows to run: from `report_live.scripts`.
    """
    style = (files("backtest") / "templates" / "report.css").read_text(encoding="utf-8")
    body = element(
        "body",
        element("header", element("h1", title), element("p", subtitle)),
        element("main", *(part for part in sections if part is not None)),
        element("footer", element("p", "levdyn: a simulation of the past, not a promise.")),
        scripts[0],
    )
    policy = f"{POLICY}; script-src {scripts[1]}" if scripts[1] else POLICY
    head = (
        '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"{element('title', f'{title} – levdyn')}<style>{style}</style></head>"
    )
    return f'<!DOCTYPE html>\n<html lang="en">{head}{body}</html>\n'


def section(title: str, *children: str, note: str = "") -> Html:
    """Return a section with a heading, and a sentence under it."""
    anchor = title.lower().replace(" ", "-")
    said = [element("p", note, class_="note")] if note else []
    return element("section", element("h2", title), *said, *children, id_=anchor)


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    text: Sequence[int] = (0,),
    foot: Sequence[str] | None = None,
    class_: str | None = None,
) -> Html:
    """Return a table that scrolls sideways when the screen is narrow.

    Parameters
    ----------
    headings : sequence of str
    rows : iterable of sequences of str
    text : sequence of int
        Columns set left; the others are numbers, set right and coloured when negative.
    foot : sequence of str, optional
        A last row that sums up.
    class_ : str, optional
    """

    def cells(row: Sequence[str]) -> list[Html]:
        return [element("td", cell, class_=_cell_class(index in text, cell)) for index, cell in enumerate(row)]

    head = [element("th", name, class_="t" if index in text else None) for index, name in enumerate(headings)]
    parts = [element("thead", element("tr", *head)), element("tbody", *(element("tr", *cells(row)) for row in rows))]
    if foot is not None:
        parts.append(element("tfoot", element("tr", *cells(foot))))
    return element("div", element("table", *parts, class_=class_), class_="scroll")


def definitions(pairs: Iterable[tuple[str, str]]) -> Html:
    """Return pairs of name and value in columns."""
    rows = [element("div", element("dt", name), element("dd", value)) for name, value in pairs]
    return element("dl", *rows)


def _cell_class(is_text: bool, cell: str) -> str | None:
    if is_text:
        return "t"
    if cell.strip("0.") == "":
        return "nil"
    return "neg" if cell.startswith("-") and len(cell) > 1 else None
