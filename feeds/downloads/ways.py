"""The facts behind the capability table: one line per venue, kind and source."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Way:
    """One source of one kind of one venue.

    Attributes
    ----------
    venue, kind : str
        Kind as a bare word; venue ``"*"`` for any exchange of ccxt without an adapter of its own.
    source : str
        ``archive``, ``rest`` or ``tardis``.
    host : str
        Public host name, the key of redirections.
    look_back : str
        How far back it reaches, for a reader.
    days : int
        The same in days before now, 0 when it reaches back to the listing.
    since, until : str
        First and last day that exist, ``YYYY-MM-DD``; empty when open.
    timeframes : tuple of str
        Of bars.
    note : str
    fact : str
        Where this is documented and when it was read.
    is_verified : bool
        False for what was inferred or read in one place only and not observed.
    """

    venue: str
    kind: str
    source: str
    host: str
    look_back: str = "all"
    days: int = 0
    since: str = ""
    until: str = ""
    timeframes: tuple[str, ...] = ()
    note: str = ""
    fact: str = ""
    is_verified: bool = True


_BINANCE_TF = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d")
_BYBIT_TF = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d")
_OKX_TF = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d")
_DERIBIT_TF = ("1m", "3m", "5m", "10m", "15m", "30m", "1h", "2h", "3h", "6h", "12h", "1d")
_HYPERLIQUID_TF = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "8h", "12h", "1d")

_VISION = "github.com/binance/binance-public-data README and issues, read 2026-11"
_BINANCE_DOC = "developers.binance.com, derivatives, market data, read 2026-11"
_BYBIT_DOC = "bybit-exchange.github.io/docs/v5/market, read 2026-11"
_OKX_DOC = "okx.com/docs-v5, public and market data, read 2026-11"
_DERIBIT_DOC = "docs.deribit.com, market data, read 2026-11"
_HYPERLIQUID_DOC = "hyperliquid.gitbook.io, info endpoint, read 2026-11"


def _binance(venue: str, host: str, start: str) -> tuple[Way, ...]:
    """Return the ways of one of Binance's futures venues."""
    vision = "data.binance.vision"
    bars = []
    for kind in ("bars", "mark", "index", "premium"):
        bars += [
            Way(venue, kind, "archive", vision, f"from {start}", since=start, timeframes=_BINANCE_TF, fact=_VISION),
            Way(venue, kind, "rest", host, timeframes=_BINANCE_TF, fact=_BINANCE_DOC),
        ]
    return (
        Way(
            venue,
            "trades",
            "archive",
            vision,
            f"from {start}",
            since=start,
            note="aggregates; ADL and insurance trades are not among them",
            fact=_VISION,
        ),
        Way(
            venue,
            "trades",
            "rest",
            host,
            "24 h",
            days=1,
            note="aggregates by id; older ids may be refused",
            fact=_BINANCE_DOC,
            is_verified=False,
        ),
        *bars,
        Way(
            venue, "funding", "archive", vision, "from 2020-01, not the running month", since="2020-01-01", fact=_VISION
        ),
        Way(venue, "funding", "rest", host, fact=_BINANCE_DOC),
        Way(
            venue,
            "open_interest",
            "archive",
            vision,
            "from 2020-09 (BTC), 2021-12 (others)",
            since="2020-09-01",
            note="5 min; known holes and doubled rows",
            fact=_VISION,
            is_verified=False,
        ),
        Way(venue, "open_interest", "rest", host, "30 d", days=30, note="5 min", fact=_BINANCE_DOC),
        Way(venue, "instruments", "rest", host, "now", note="today's facts", fact=_BINANCE_DOC),
        Way(venue, "tiers", "rest", host, "now", note="today's, needs the user's key (signed)", fact=_BINANCE_DOC),
    )


WAYS: tuple[Way, ...] = (
    *_binance("binance_usdm", "fapi.binance.com", "2019-12-31"),
    *_binance("binance_coinm", "dapi.binance.com", "2020-08-10"),
    Way(
        "binance_coinm",
        "liquidations",
        "archive",
        "data.binance.vision",
        "2023-06-25 to 2024-10-14",
        since="2023-06-25",
        until="2024-10-14",
        note="snapshots, not all orders (coverage cm_proxy)",
        fact="third-party audit of the bucket, read 2026-11",
        is_verified=False,
    ),
    Way(
        "bybit",
        "trades",
        "archive",
        "public.bybit.com",
        "from 2019-10",
        since="2019-10-01",
        note="no checksums, no numbering: a whole file is all that can be shown",
        fact="public.bybit.com listing, third-party audit, read 2026-11",
        is_verified=False,
    ),
    Way(
        "bybit",
        "trades",
        "rest",
        "api.bybit.com",
        "the newest 1,000",
        days=1,
        note="of the running day; what is older is a gap until its file is there",
        fact=_BYBIT_DOC,
    ),
    *(
        Way("bybit", kind, "rest", "api.bybit.com", timeframes=_BYBIT_TF, fact=_BYBIT_DOC)
        for kind in ("bars", "mark", "index", "premium")
    ),
    Way("bybit", "funding", "rest", "api.bybit.com", fact=_BYBIT_DOC),
    Way("bybit", "open_interest", "rest", "api.bybit.com", note="5 min", fact=_BYBIT_DOC),
    Way("bybit", "instruments", "rest", "api.bybit.com", "now", note="today's facts", fact=_BYBIT_DOC),
    Way("bybit", "tiers", "rest", "api.bybit.com", "now", note="today's", fact=_BYBIT_DOC),
    Way(
        "okx",
        "trades",
        "archive",
        "static.okx.com",
        "from 2021-10",
        since="2021-10-01",
        note="files cut at 16:00 UTC, two make a day",
        fact="third-party audit of the bucket, read 2026-11",
        is_verified=False,
    ),
    Way("okx", "trades", "rest", "www.okx.com", "about 3 months", days=90, fact=_OKX_DOC, is_verified=False),
    Way("okx", "bars", "rest", "www.okx.com", timeframes=_OKX_TF, fact=_OKX_DOC),
    Way("okx", "mark", "rest", "www.okx.com", timeframes=_OKX_TF, fact=_OKX_DOC),
    Way("okx", "index", "rest", "www.okx.com", timeframes=_OKX_TF, fact=_OKX_DOC),
    Way(
        "okx",
        "funding",
        "archive",
        "static.okx.com",
        "from 2022-03",
        since="2022-03-01",
        note="one file a day for all swaps, cut at 16:00 UTC",
        fact="third-party audit of the bucket, read 2026-11",
        is_verified=False,
    ),
    Way("okx", "funding", "rest", "www.okx.com", "about 3 months", days=90, fact=_OKX_DOC, is_verified=False),
    Way(
        "okx",
        "open_interest",
        "rest",
        "www.okx.com",
        "the newest 1,440 points of 5 min",
        days=5,
        fact=_OKX_DOC,
        is_verified=False,
    ),
    Way("okx", "instruments", "rest", "www.okx.com", "now", note="today's facts", fact=_OKX_DOC),
    Way("okx", "tiers", "rest", "www.okx.com", "now", note="today's", fact=_OKX_DOC),
    Way(
        "deribit", "trades", "rest", "history.deribit.com", note="by trade_seq, proved without holes", fact=_DERIBIT_DOC
    ),
    Way(
        "deribit",
        "liquidations",
        "rest",
        "history.deribit.com",
        note="trades flagged as liquidations (coverage full)",
        fact=_DERIBIT_DOC,
    ),
    Way("deribit", "bars", "rest", "www.deribit.com", timeframes=_DERIBIT_TF, fact=_DERIBIT_DOC),
    Way(
        "deribit", "funding", "rest", "www.deribit.com", note="hourly accrual samples (interest_1h)", fact=_DERIBIT_DOC
    ),
    Way(
        "deribit",
        "index",
        "rest",
        "www.deribit.com",
        "from 2021-03-24",
        since="2021-03-24",
        timeframes=("1m", "1h", "12h", "1d"),
        note="volatility indices only: BTCDVOL/USD, ETHDVOL/USD",
        fact=_DERIBIT_DOC,
        is_verified=False,
    ),
    Way("deribit", "instruments", "rest", "www.deribit.com", "now", note="today's facts", fact=_DERIBIT_DOC),
    Way(
        "hyperliquid",
        "bars",
        "rest",
        "api.hyperliquid.xyz",
        "the newest 5,000 bars of a timeframe",
        timeframes=_HYPERLIQUID_TF,
        fact=_HYPERLIQUID_DOC,
    ),
    Way("hyperliquid", "funding", "rest", "api.hyperliquid.xyz", note="hourly", fact=_HYPERLIQUID_DOC),
    Way(
        "hyperliquid", "instruments", "rest", "api.hyperliquid.xyz", "now", note="today's facts", fact=_HYPERLIQUID_DOC
    ),
    Way("hyperliquid", "tiers", "rest", "api.hyperliquid.xyz", "now", note="today's", fact=_HYPERLIQUID_DOC),
)

_CCXT = "ccxt 4.5.90, has[...] and the rows themselves are checked at run time"
GENERIC: tuple[Way, ...] = (
    Way("*", "bars", "rest", "of ccxt", "as the venue allows", fact=_CCXT, is_verified=False),
    Way(
        "*",
        "mark",
        "rest",
        "of ccxt",
        "as the venue allows",
        note="refused where ccxt answers with trade bars",
        fact=_CCXT,
        is_verified=False,
    ),
    Way(
        "*",
        "index",
        "rest",
        "of ccxt",
        "as the venue allows",
        note="refused where ccxt answers with trade bars",
        fact=_CCXT,
        is_verified=False,
    ),
    Way("*", "funding", "rest", "of ccxt", "as the venue allows", fact=_CCXT, is_verified=False),
    Way("*", "open_interest", "rest", "of ccxt", "as the venue allows", fact=_CCXT, is_verified=False),
    Way("*", "instruments", "rest", "of ccxt", "now", note="today's facts", fact=_CCXT, is_verified=False),
)

_RECORD = "no archive keeps them; record them from now on with `levdyn record`"
_HYPERLIQUID_S3 = (
    "only in its S3 buckets, where the requester pays; fetch the files with your own account and `levdyn import` them"
)
ALTERNATIVES: dict[tuple[str, str], str] = {
    ("*", "liquidations"): _RECORD,
    ("binance_usdm", "liquidations"): f"{_RECORD}; binance_coinm has snapshots of 2023-06 to 2024-10",
    ("*", "quotes"): "no venue gives past quotes by REST; `levdyn record` keeps the book",
    ("*", "book"): "no venue gives past books by REST; record them with `levdyn record`",
    ("*", "trades"): "its REST gives recent trades only; import files, or record them with `levdyn record`",
    ("*", "premium"): "not offered; bars of mark and index show it where they exist",
    ("*", "tiers"): "not public there; import a table with `levdyn import FILE --valid-from DATE`",
    ("deribit", "mark"): "its REST has no past marks (ccxt would answer with trade bars)",
    ("deribit", "open_interest"): "no history by REST",
    ("deribit", "tiers"): "its margin is a formula, not a table (venues.get('deribit') holds it)",
    ("hyperliquid", "trades"): _HYPERLIQUID_S3,
    ("hyperliquid", "mark"): f"asset_ctxs files hold it: {_HYPERLIQUID_S3}",
    ("hyperliquid", "index"): f"asset_ctxs files hold the oracle price: {_HYPERLIQUID_S3}",
    ("hyperliquid", "premium"): f"asset_ctxs files hold it: {_HYPERLIQUID_S3}",
    ("hyperliquid", "open_interest"): f"asset_ctxs files hold it: {_HYPERLIQUID_S3}",
    ("hyperliquid", "liquidations"): f"node fills mark them: {_HYPERLIQUID_S3}",
    ("okx", "premium"): "no bars of it by REST; bars of mark and index show it",
    ("okx", "liquidations"): "its REST kept one day of them, by an endpoint that ccxt 4.5.90 has no more; record them",
}
