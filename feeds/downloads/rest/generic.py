"""Any other exchange of ccxt, for kinds whose completeness a grid shows: bars, funding, open interest."""

from collections.abc import Mapping
from typing import Any

from feeds.downloads.context import Context
from feeds.downloads.rest.pages import MS, OHLC, paged
from feeds.downloads.rest.paging import Row
from feeds.downloads.windows import Fetch, Wanted
from feeds.errors import FeedError
from feeds.schema import timeframe_text

HOUR_NS = 3_600_000_000_000
# Venues differ in how many rows they give, and some skip the oldest when asked for more than this (feeds.md 1.1).
_PAGE = 200
_FUNDING_PAGE = 100
_HAS = {
    "bars": "fetchOHLCV",
    "mark": "fetchMarkOHLCV",
    "index": "fetchIndexOHLCV",
    "funding": "fetchFundingRateHistory",
    "open_interest": "fetchOpenInterestHistory",
}
_ENOUGH_EQUAL = 20  # bars; that many equal ones of two series are no accident (rule M1)


def listing(context: Context, wanted: Wanted) -> tuple[int | None, int | None]:
    """Return when an instrument was listed, where the exchange says it."""
    market = _market(context, wanted)
    return (int(market["created"]) * MS if market.get("created") else None), None


def rest(context: Context, wanted: Wanted) -> Fetch:
    """Return what fills windows of a stream by REST.

    Raises
    ------
    FeedError
        If ccxt has no such call for the exchange.
    """
    exchange = context.exchange(wanted.venue)
    raw = exchange.raw
    _market(context, wanted)
    call = _HAS[wanted.kind]
    if not raw.has.get(call):
        raise FeedError(f"{wanted}: ccxt has no {call} for this exchange")
    host = f"{raw.id} {call}"
    if wanted.kind in ("bars", "mark", "index"):
        text = timeframe_text(wanted.timeframe_ns)
        if raw.timeframes and text not in raw.timeframes:
            raise FeedError(f"{wanted}: the exchange has {', '.join(raw.timeframes)} only")
        prices = {} if wanted.kind == "bars" else {"price": wanted.kind}
        if prices:
            _refuse_trade_bars(context, wanted, text)

        def ask(low: int, high: int) -> list[tuple[int, Row]]:
            return _candles(exchange, wanted, text, low, high, prices)

        names = (*OHLC, "volume") if wanted.kind == "bars" else OHLC
        return paged(context, wanted, ask, names, _PAGE * wanted.timeframe_ns, host).fetch
    if wanted.kind == "funding":

        def ask_funding(low: int, high: int) -> list[tuple[int, Row]]:
            rows = exchange.asked(
                lambda: raw.fetch_funding_rate_history(
                    wanted.symbol, low // MS, _FUNDING_PAGE, {"until": (high - 1) // MS}
                )
            )
            return [(int(row["timestamp"]) * MS, (row["fundingRate"],)) for row in rows]

        return paged(context, wanted, ask_funding, ("rate",), _FUNDING_PAGE * HOUR_NS, host).fetch

    def ask_interest(low: int, high: int) -> list[tuple[int, Row]]:
        rows = exchange.asked(
            lambda: raw.fetch_open_interest_history(
                wanted.symbol, "5m", low // MS, _FUNDING_PAGE, {"until": (high - 1) // MS}
            )
        )
        # Where a venue states only one of the two, ccxt leaves the other empty; the native amount is required here.
        return [
            (int(row["timestamp"]) * MS, (row["openInterestAmount"], row["openInterestValue"]))
            for row in rows
            if row["openInterestAmount"] is not None
        ]

    return paged(context, wanted, ask_interest, ("native", "quote"), _FUNDING_PAGE * wanted.step_ns, host).fetch


def instrument(context: Context, wanted: Wanted) -> dict[str, Any]:
    """Return today's facts of an instrument as columns of kind `instruments`."""
    market = _market(context, wanted)
    contract = "spot" if market["spot"] else "option" if market["option"] else _contract(market)
    least = market["limits"]["cost"]["min"]
    ticks = {name: _step(market["precision"][name]) for name in ("price", "amount")}
    return {
        "kind": "perpetual" if market["swap"] else "future" if market["future"] else contract,
        "base": market["base"],
        "quote": market["quote"],
        "settle": market["settle"] or market["quote"],
        "contract": contract,
        "contract_size": str(market["contractSize"] or 1),
        "quantity_unit": "base" if contract in ("spot",) or market["contractSize"] in (None, 1) else "contracts",
        "tick_size": ticks["price"],
        "lot_size": ticks["amount"],
        "min_notional": None if least is None else str(least),
        "onboard": int(market["created"]) * MS if market.get("created") else None,
        "expiry": int(market["expiry"]) * MS if market.get("expiry") else None,
        "strike": None if market.get("strike") is None else str(market["strike"]),
        "right": {"call": "C", "put": "P"}.get(market.get("optionType") or ""),
    }


def _step(value: Any) -> str:
    """Return a precision of ccxt, which is a step for the exchanges that are left, as text."""
    if value is None:
        raise FeedError("the exchange does not say its tick or lot size")
    return str(value)


def _contract(market: Mapping[str, Any]) -> str:
    """Return linear, inverse or quanto."""
    if market.get("linear"):
        return "linear"
    return "inverse" if market.get("inverse") else "quanto"


def _candles(
    exchange: Any, wanted: Wanted, text: str, low: int, high: int, prices: Mapping[str, str]
) -> list[tuple[int, Row]]:
    """Return unified bars, each cell as ccxt gives it; both bounds are asked for."""
    rows = exchange.asked(
        lambda: exchange.raw.fetch_ohlcv(
            wanted.symbol, text, low // MS, _PAGE, {"until": (high - 1) // MS} | dict(prices)
        )
    )
    length = 6 if not prices else 5
    return [
        (int(row[0]) * MS, tuple(row[1:length])) for row in rows if row[0] is not None and None not in row[1:length]
    ]


def _refuse_trade_bars(context: Context, wanted: Wanted, text: str) -> None:
    """Raise FeedError when bars of mark or index are the trade bars under another name (rule M1)."""
    exchange = context.exchange(wanted.venue)
    high = context.end // wanted.timeframe_ns * wanted.timeframe_ns
    low = high - _PAGE * wanted.timeframe_ns
    found = dict(_candles(exchange, wanted, text, low, high, {"price": wanted.kind}))
    trades = dict(_candles(exchange, wanted, text, low, high, {}))
    common = [ts for ts in found if ts in trades]
    if len(common) >= _ENOUGH_EQUAL and all(found[ts] == trades[ts][:4] for ts in common):
        raise FeedError(f"{wanted}: ccxt answers with trade bars here (rule M1); the venue has no such history")


def _market(context: Context, wanted: Wanted) -> dict[str, Any]:
    """Return ccxt's description of an instrument."""
    exchange = context.exchange(wanted.venue)
    markets = context.once(wanted.venue, "markets", make=lambda: exchange.asked(exchange.raw.load_markets))
    if wanted.symbol not in markets:
        from feeds.symbols import suggest

        raise FeedError(f"{wanted.venue} has no {wanted.symbol!r}{suggest(wanted.symbol, markets)}")
    found: dict[str, Any] = markets[wanted.symbol]
    return found
