"""What can be recorded from where: venue x kind x channel, each a method of ccxt.pro and what its messages hold."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from feeds.downloads.capabilities import ways
from feeds.errors import FeedError
from feeds.schema import split_kind
from feeds.symbols import check_venue


@dataclass(frozen=True, slots=True)
class Channel:
    """One kind of one venue, as a stream of messages.

    Attributes
    ----------
    venue, kind : str
    method : str
        Of ccxt.pro; kinds of one method share their subscription.
    host : str
        Public host name, the key of redirections.
    params : mapping
        What the method is called with besides the symbol.
    coverage : str
        Of liquidations: ``full`` or ``sampled``.
    quiet_s : float
        A connection on which nothing of this kind arrives for so long is opened anew; 0: silence means nothing.
    note : str
    fact : str
        Where this is documented and when it was read.
    is_verified : bool
        False for what was read in one place only and not observed.
    """

    venue: str
    kind: str
    method: str
    host: str
    params: Mapping[str, Any] = field(default_factory=dict)
    coverage: str = ""
    quiet_s: float = 0.0
    note: str = ""
    fact: str = ""
    is_verified: bool = False


_CCXT = "ccxt 4.5.90 (pro)"
_TRADES_QUIET_S, _GRID_QUIET_S = 900.0, 60.0


def _binance(venue: str, host: str) -> tuple[Channel, ...]:
    """Return the channels of one of Binance's futures venues."""
    doc = f"{_CCXT}; developers.binance.com, derivatives, web socket streams, read 2026-11"
    return (
        Channel(
            venue,
            "liquidations",
            "watch_liquidations",
            host,
            coverage="sampled",
            note="forceOrder: the last order of each second",
            fact=doc,
        ),
        Channel(
            venue,
            "trades",
            "watch_trades",
            host,
            {"name": "aggTrade"},
            quiet_s=_TRADES_QUIET_S,
            note="aggregates, numbered without holes; ADL and insurance trades are not among them",
            fact=doc,
        ),
        Channel(
            venue,
            "book",
            "watch_order_book",
            host,
            quiet_s=_GRID_QUIET_S,
            note="every 100 ms what changed; 1,000 levels a side by REST at each start",
            fact=doc,
        ),
        Channel(venue, "mark", "watch_mark_price", host, quiet_s=_GRID_QUIET_S, note="every second", fact=doc),
        Channel(
            venue,
            "funding",
            "watch_mark_price",
            host,
            quiet_s=_GRID_QUIET_S,
            note="predicted rates, a row for each change",
            fact=doc,
        ),
    )


_BYBIT = f"{_CCXT}; bybit-exchange.github.io/docs/v5/websocket/public, read 2026-11"
_OKX = f"{_CCXT}; okx.com/docs-v5, web socket channels, read 2026-11"
_DERIBIT = f"{_CCXT}; docs.deribit.com, subscriptions, read 2026-11"
_HYPERLIQUID = f"{_CCXT}; hyperliquid.gitbook.io, web socket subscriptions, read 2026-11"
_PREDICTED = "predicted rates, a row for each change"

CHANNELS: tuple[Channel, ...] = (
    *_binance("binance_usdm", "fstream.binance.com"),
    *_binance("binance_coinm", "dstream.binance.com"),
    Channel(
        "bybit",
        "liquidations",
        "watch_liquidations",
        "stream.bybit.com",
        coverage="full",
        note="allLiquidation, at bankruptcy prices",
        fact=_BYBIT,
    ),
    Channel("bybit", "trades", "watch_trades", "stream.bybit.com", quiet_s=_TRADES_QUIET_S, fact=_BYBIT),
    Channel(
        "bybit",
        "book",
        "watch_order_book",
        "stream.bybit.com",
        {"limit": 200},
        quiet_s=_GRID_QUIET_S,
        note="200 levels a side, every 100 ms what changed",
        fact=_BYBIT,
    ),
    Channel("bybit", "mark", "watch_ticker", "stream.bybit.com", quiet_s=_GRID_QUIET_S, fact=_BYBIT),
    Channel(
        "bybit", "funding", "watch_ticker", "stream.bybit.com", quiet_s=_GRID_QUIET_S, note=_PREDICTED, fact=_BYBIT
    ),
    Channel(
        "okx",
        "liquidations",
        "watch_liquidations",
        "ws.okx.com",
        coverage="sampled",
        note="at most one order a second and contract, at bankruptcy prices",
        fact=_OKX,
    ),
    Channel("okx", "trades", "watch_trades", "ws.okx.com", quiet_s=_TRADES_QUIET_S, fact=_OKX),
    Channel(
        "okx",
        "book",
        "watch_order_book",
        "ws.okx.com",
        quiet_s=_GRID_QUIET_S,
        note="400 levels a side, every 100 ms what changed",
        fact=_OKX,
    ),
    Channel("okx", "mark", "watch_mark_price", "ws.okx.com", quiet_s=_GRID_QUIET_S, fact=_OKX),
    Channel("okx", "funding", "watch_funding_rate", "ws.okx.com", quiet_s=_TRADES_QUIET_S, note=_PREDICTED, fact=_OKX),
    Channel(
        "deribit",
        "liquidations",
        "watch_trades",
        "www.deribit.com",
        coverage="full",
        note="trades flagged as liquidations",
        fact=_DERIBIT,
    ),
    Channel(
        "deribit",
        "trades",
        "watch_trades",
        "www.deribit.com",
        quiet_s=_TRADES_QUIET_S,
        note="by trade_seq, numbered without holes",
        fact=_DERIBIT,
    ),
    Channel(
        "deribit",
        "book",
        "watch_order_book",
        "www.deribit.com",
        quiet_s=_GRID_QUIET_S,
        note="every 100 ms what changed",
        fact=_DERIBIT,
    ),
    Channel("deribit", "mark", "watch_ticker", "www.deribit.com", quiet_s=_GRID_QUIET_S, fact=_DERIBIT),
    Channel(
        "hyperliquid",
        "trades",
        "watch_trades",
        "api.hyperliquid.xyz",
        quiet_s=_TRADES_QUIET_S,
        note="without ids that count",
        fact=_HYPERLIQUID,
    ),
    Channel(
        "hyperliquid",
        "book",
        "watch_order_book",
        "api.hyperliquid.xyz",
        quiet_s=_GRID_QUIET_S,
        note="20 levels a side, whole at each change",
        fact=_HYPERLIQUID,
    ),
    Channel(
        "hyperliquid",
        "mark",
        "watch_ticker",
        "api.hyperliquid.xyz",
        quiet_s=_GRID_QUIET_S,
        note="the message has no time: that of its receipt",
        fact=_HYPERLIQUID,
    ),
    Channel(
        "hyperliquid",
        "funding",
        "watch_ticker",
        "api.hyperliquid.xyz",
        quiet_s=_GRID_QUIET_S,
        note=f"{_PREDICTED}, at the time of its receipt",
        fact=_HYPERLIQUID,
    ),
)

_ALTERNATIVES = {
    ("deribit", "funding"): "its messages hold the running 8 h rate only",
    ("hyperliquid", "liquidations"): "its public messages do not mark them; the node fills of its S3 buckets do",
}


def venues() -> tuple[str, ...]:
    """Return the venues that can be recorded, sorted."""
    return tuple(sorted({each.venue for each in CHANNELS}))


def checked(venue: str, kinds: Iterable[str]) -> tuple[Channel, ...]:
    """Return the channels of the kinds asked for, or refuse what the venue does not send.

    Raises
    ------
    FeedError
        For all refused kinds at once, each with what to do instead.
    """
    check_venue(venue)
    offered = {each.kind: each for each in CHANNELS if each.venue == venue}
    if not offered:
        raise FeedError(f"{venue}: cannot be recorded; {', '.join(venues())} can")
    words = list(dict.fromkeys(kinds))
    refused = [f"{word}: {_alternative(venue, word)}" for word in words if word not in offered]
    if refused:
        lines = "".join(f"\n{text}" for text in refused)
        raise FeedError(f"{venue} does not send what was asked for (it sends {', '.join(offered)}):{lines}")
    if not words:
        raise FeedError(f"no kind is asked for; {venue} sends {', '.join(offered)}")
    return tuple(offered[word] for word in words)


def listed(venue: str | None = None) -> list[dict[str, str]]:
    """Return the table as rows of text, of one venue or of all."""
    if venue is not None:
        check_venue(venue)
    return [
        {
            "venue": each.venue,
            "kind": each.kind,
            "channel": f"{each.method} {each.host}",
            "coverage": each.coverage,
            "note": each.note,
            "fact": f"{each.fact}{'' if each.is_verified else ' (unverified)'}",
        }
        for each in CHANNELS
        if venue in (None, each.venue)
    ]


def _alternative(venue: str, text: str) -> str:
    """Return what to do instead of recording a kind."""
    word, timeframe_ns = split_kind(text)
    if timeframe_ns:
        return "bars are downloaded, not recorded: `levdyn download`"
    own = _ALTERNATIVES.get((venue, word), "not among its messages")
    return f"{own}; `levdyn download` has it" if ways(venue, word) else own
