"""Instruments and tiers as data, in tables of our own column names: a history of rules that a user keeps himself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from feeds.errors import FeedError
from feeds.formats.files import Source
from feeds.formats.heads import Head
from feeds.formats.records import Records, gathered, read_records
from feeds.formats.shape import Format, Piece, Wanted

# What the words of an instrument may say: the kinds of contract that exist here.
_WORDS = {"kind": ("spot", "perpetual", "future", "option"), "contract": ("linear", "inverse", "spot", "option")}


@dataclass(frozen=True, slots=True)
class _Rules:
    """Columns of one kind of rules: name -> shape of its cells (see `Records`)."""

    kind: str
    needed: Mapping[str, str]
    optional: Mapping[str, str]

    def fits(self, head: Head) -> bool:
        """Whether a header has all columns that are needed, and no other than these and the optional ones."""
        have = set(head.columns)
        return {"symbol", *self.needed} <= have <= {"symbol", "venue", *_DATES, *self.needed, *self.optional}

    def records(self, head: Head) -> Records:
        """Return the columns of a file."""
        shapes = {**_DATES, **self.needed, **self.optional}
        fields = {name: (shape, (name,)) for name, shape in shapes.items() if name in head.columns}
        return Records(self.kind, fields, headers=(head.columns,), venue="venue", symbol="symbol")


_DATES = {"valid_from": "time", "valid_to": "time"}
INSTRUMENTS = _Rules(
    "instruments",
    {
        **dict.fromkeys(("kind", "base", "quote", "settle", "contract", "quantity_unit"), "text"),
        **dict.fromkeys(("contract_size", "tick_size", "lot_size"), "number"),
    },
    {
        **dict.fromkeys(("min_notional", "strike"), "number"),
        **dict.fromkeys(("onboard", "delist", "expiry"), "time"),
        **dict.fromkeys(("alias_of", "right"), "text"),
        "funding_interval_s": "integer",
    },
)
TIERS = _Rules("tiers", dict.fromkeys(("floor", "maintenance_rate", "max_leverage"), "number"), {"amount": "number"})


def _read(rules: _Rules, source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read a table; a row holds from its valid_from on, or all from the one that the user gives."""
    if not rules.fits(head):
        raise FeedError(f"{source.where}: {head.describe()}; this format has symbol, {', '.join(rules.needed)} (M2)")
    for piece in gathered(read_records(source, head, rules.records(head))):
        if piece.notes:  # a rule that is left out would be another rule
            lost = sum(note.count for note in piece.notes)
            raise FeedError(
                f"{source.where}: {lost} rows of {piece.symbol} lack a value of {', '.join(rules.needed)} or valid_from"
            )
        columns = dict(piece.columns)
        for name, allowed in _WORDS.items() if rules is INSTRUMENTS else ():
            odd = sorted(set(columns[name].to_pylist()) - set(allowed))
            if odd:
                raise FeedError(
                    f"{source.where}: {name} of {piece.symbol} is {odd[0]!r}, allowed: {', '.join(allowed)}"
                )
        columns["ts"] = _since(source, columns, wanted)
        columns["valid_from"] = columns["ts"]
        if "valid_to" in columns:
            columns["valid_to"] = columns["valid_to"].fill_null(0)
        yield replace(piece, columns=columns)


def _since(source: Source, columns: Mapping[str, Any], wanted: Wanted) -> Any:
    """Return since when each row holds."""
    if "valid_from" in columns:
        return np.asarray(columns["valid_from"], dtype=np.int64)
    if wanted.valid_from is None:
        raise FeedError(
            f"{source.where}: the table does not say since when it holds; give it a column valid_from, or valid_from="
        )
    return np.full(len(next(iter(columns.values()))), wanted.valid_from, dtype=np.int64)


FORMATS = (
    Format(
        "instruments-table",
        "instruments as data: symbol, kind, base, quote, settle, contract, contract_size, tick_size, ... valid_from",
        INSTRUMENTS.fits,
        partial(_read, INSTRUMENTS),
    ),
    Format(
        "tiers-table",
        "tiers as data: symbol, floor, maintenance_rate, max_leverage, amount, valid_from",
        TIERS.fits,
        partial(_read, TIERS),
    ),
)
