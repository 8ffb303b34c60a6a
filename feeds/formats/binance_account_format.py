"""Account exports of Binance as formats of the importer: fills, orders and ledger become kinds of a catalog."""

from collections.abc import Iterator
from functools import partial

from feeds.errors import FeedError
from feeds.formats.binance_account import VENUES, recognised, role_of, typed
from feeds.formats.files import Source
from feeds.formats.heads import Head
from feeds.formats.shape import Format, Piece, Wanted
from feeds.schema import columns
from feeds.symbols import ALL

_KINDS = {"fills": "account_fills", "orders": "account_orders", "ledger": "account_ledger"}


def _fits(role: str, head: Head) -> bool:
    return not head.types and head.table is None and role_of(head.columns) == role


def _read(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read one export; its rows belong to the account as a whole, so the symbol of the stream is ``*``."""
    reasons = []
    for venue in VENUES if wanted.venue is None else (wanted.venue,):
        role, raw, reason = recognised(source, venue)
        if not reason:
            break
        reasons.append(reason)
    else:
        raise FeedError("; ".join(reasons))
    table = typed(source, role, raw, venue)
    if wanted.venue is None and table["native"].null_count == table.num_rows:
        raise FeedError(f"{source.where}: no row has a symbol, so it does not show its venue; give venue={VENUES[0]!r}")
    kind = _KINDS[role]
    yield Piece(kind, {name: table[name].combine_chunks() for name in columns(kind).names}, venue, ALL, is_derived=True)


FORMATS = tuple(
    Format(f"binance-account-{role}", f"a user's own Binance futures export: {role}", partial(_fits, role), _read)
    for role in _KINDS
)
