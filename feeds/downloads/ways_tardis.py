"""What Tardis has: one line per venue and kind, asked for with `source="tardis"` only, since its days cost money."""

from feeds.downloads.ways import Way

HOST = "datasets.tardis.dev"
_SPOT = ("binance_spot", "bybit_spot", "coinbase", "gemini")
_CONTRACTS = (
    *("binance_coinm", "binance_usdm", "bitget", "bitmex", "bybit", "deribit", "dydx", "gate", "htx", "hyperliquid"),
    *("krakenfutures", "kucoinfutures", "okx"),
)
_FORCED = ("binance_coinm", "binance_usdm", "bitmex", "bybit", "deribit", "htx", "krakenfutures", "okx")
_NOTES = {
    "book": "every update of the book from its first snapshot on",
    "mark": "points",
    "index": "points",
    "open_interest": "points",
    "funding": "the last rate of the ticker before each settlement",
    "liquidations": "as the venue's stream sent them (coverage sampled)",
    "options": "one file a day for all options of the venue",
}


def _way(venue: str, kind: str) -> Way:
    return Way(
        venue,
        kind,
        "tardis",
        HOST,
        "first day of each month; all days with a key",
        note=_NOTES.get(kind, ""),
        fact="docs.tardis.dev, downloadable CSV files, and its client's source, read 2026-11",
        is_verified=False,
    )


TARDIS: tuple[Way, ...] = (
    *(_way(venue, kind) for venue in (*_CONTRACTS, *_SPOT) for kind in ("trades", "quotes", "book")),
    *(_way(venue, kind) for venue in _CONTRACTS for kind in ("mark", "index", "open_interest", "funding")),
    *(_way(venue, "liquidations") for venue in _FORCED),
    *(_way(venue, "options") for venue in ("deribit", "okx")),
)
