"""Deribit by REST: candles and funding through ccxt, trades of its history host by their number per instrument."""

from typing import Any
from urllib.parse import urlencode

import numpy as np

from feeds.downloads.context import Context
from feeds.downloads.http import as_list
from feeds.downloads.rest.pages import MS, OHLC, empty, paged, rest_source, table_of
from feeds.downloads.rest.paging import Ids, Row
from feeds.downloads.windows import Fetch, Haul, Wanted, Window
from feeds.errors import FeedError
from feeds.schema import ACCRUAL, FLAGS, timeframe_text
from feeds.symbols import parse_symbol

HOST, HISTORY = "www.deribit.com", "history.deribit.com"
HOUR_NS = 3_600_000_000_000
_PAGE, _CANDLES, _SAMPLES = 1000, 5000, 744
_BESIDE = 100  # trades asked for on either side of an edge
_DVOL = {"1m": "60", "1h": "3600", "12h": "43200", "1d": "1D"}
_MINUTES = {"1m": 1, "3m": 3, "5m": 5, "10m": 10, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "3h": 180, "6h": 360}


def listing(context: Context, wanted: Wanted) -> tuple[int | None, int | None]:
    """Return when an instrument was created and when it expired; of an index the exchange does not say."""
    if wanted.kind == "index":
        return None, None
    info = _info(context, wanted)
    expiry = int(info.get("expiration_timestamp") or 0) * MS
    return int(info.get("creation_timestamp") or 0) * MS or None, expiry if 0 < expiry < context.now else None


def rest(context: Context, wanted: Wanted) -> Fetch:
    """Return what fills windows of a stream by REST."""
    exchange = context.exchange("deribit")
    place = {"instrument_name": wanted.native}
    if wanted.kind in ("trades", "liquidations"):
        return _Trades(context, wanted).fetch
    if wanted.kind == "index":
        return _volatility(context, wanted)
    if wanted.kind == "bars":
        is_inverse = _is_inverse(wanted)

        def ask(low: int, high: int) -> list[tuple[int, Row]]:
            minutes = _MINUTES[timeframe_text(wanted.timeframe_ns)]
            bounds = {"start_timestamp": low // MS, "end_timestamp": (high - 1) // MS, "resolution": str(minutes)}
            return exchange.call(
                "publicGetGetTradingviewChartData", place | bounds, lambda reply: _candles(_result(reply), is_inverse)
            )

        names = (*OHLC, "volume", "quote_volume")
        return paged(
            context, wanted, ask, names, _CANDLES * wanted.timeframe_ns, f"{HOST} tradingview_chart_data"
        ).fetch

    def ask_funding(low: int, high: int) -> list[tuple[int, Row]]:
        bounds = {"start_timestamp": low // MS, "end_timestamp": (high - 1) // MS}
        # interest_8h is the rolling sum of eight of these: adding those up gives eight times the funding.
        return exchange.call(
            "publicGetGetFundingRateHistory",
            place | bounds,
            lambda reply: [(int(row["timestamp"]) * MS, (row["interest_1h"],)) for row in _result(reply)],
        )

    constants = {"kind": ACCRUAL, "interval_s": 3600}
    name = f"{HOST} funding_rate_history"
    return paged(context, wanted, ask_funding, ("rate",), _SAMPLES * HOUR_NS, name, constants).fetch


def _volatility(context: Context, wanted: Wanted) -> Fetch:
    """Return what fills windows of a volatility index; past bars of the price indices are not public."""
    coin = wanted.native.partition("DVOL_")
    if not (coin[0] and coin[1] and coin[2] == "USD"):
        raise FeedError(
            f"{wanted}: {HOST} has bars of its volatility indices only, as BTCDVOL/USD (ccxt would answer with trade "
            "bars); tardis has the index price (--source tardis)"
        )
    exchange = context.exchange("deribit")

    def ask(low: int, high: int) -> list[tuple[int, Row]]:
        bounds = {"start_timestamp": low // MS, "end_timestamp": (high - 1) // MS}
        return exchange.call(
            "publicGetGetVolatilityIndexData",
            {"currency": coin[0], "resolution": _DVOL[timeframe_text(wanted.timeframe_ns)]} | bounds,
            lambda reply: [
                (int(row[0]) * MS, tuple(str(cell) for cell in row[1:5])) for row in as_list(_result(reply)["data"])
            ],
        )

    return paged(context, wanted, ask, OHLC, _PAGE * wanted.timeframe_ns, f"{HOST} volatility_index_data").fetch


def instrument(context: Context, wanted: Wanted) -> dict[str, Any]:
    """Return today's facts of an instrument as columns of kind `instruments`."""
    info = _info(context, wanted)
    parts = parse_symbol(wanted.symbol)
    is_inverse = _is_inverse(wanted)
    kinds = {"option": "option", "spot": "spot"}
    return {
        "kind": kinds.get(info["kind"], "future" if parts.expiry else "perpetual"),
        "base": info["base_currency"],
        "quote": info["quote_currency"],
        "settle": info.get("settlement_currency") or info["quote_currency"],
        "contract": kinds.get(info["kind"], "inverse" if is_inverse else "linear"),
        "contract_size": str(info["contract_size"]) if not is_inverse else "1",
        "quantity_unit": "contracts" if is_inverse else "base",
        "tick_size": str(info["tick_size"]),
        "lot_size": str(info["min_trade_amount"]),
        "min_notional": None,
        "onboard": int(info["creation_timestamp"]) * MS if info.get("creation_timestamp") else None,
        "expiry": int(info["expiration_timestamp"]) * MS if parts.expiry else None,
        "strike": str(info["strike"]) if info.get("strike") else None,
        "right": {"call": "C", "put": "P"}.get(info.get("option_type", "")),
    }


class _Trades:
    """Trades by ``trade_seq``, which counts per instrument without holes; rows come unsorted."""

    def __init__(self, context: Context, wanted: Wanted) -> None:
        self._client = context.client
        self._wanted = wanted
        self._now = context.now
        self._source = rest_source(f"{HISTORY} get_last_trades_by_instrument")

    def fetch(self, window: Window) -> Haul:
        ids = Ids(str(self._wanted))
        is_known = self._wanted.kind == "trades" and window.known >= 0
        first, last = window.known if is_known else self._edge(window, "asc"), self._edge(window, "desc")
        if first is None or last is None:
            return Haul(empty(self._wanted), (self._source,), is_whole=window.is_running)
        # The rows just outside show that the edges are the edges.
        is_left = is_known or self._widen(ids, window, first, -1)
        is_right = self._widen(ids, window, last, 1) or window.is_running
        inside = [number for number, (ts, _) in ids.rows.items() if window.low <= ts < window.high]
        begin = first if is_known else min(inside, default=first)
        ids.close(self._page, begin, max(inside, default=last) + 1)
        rows = [(ts, row) for _, (ts, row) in sorted(ids.rows.items())]
        numbers = sorted(ids.rows)
        if self._wanted.kind == "liquidations":
            kept = [(ts, row) for ts, row in rows if row[3]]
            values = _liquidations(kept)
        else:
            values = {"ts": [ts for ts, _ in rows], "id": numbers}
            for place, name in enumerate(("price", "quantity", "side")):
                values[name] = [row[place] for _, row in rows]
            values["flags"] = np.array([_flags(row) for _, row in rows], dtype=np.uint16)
        table, findings = table_of(self._wanted, values, window.low, window.high, self._now)
        return Haul(table, (self._source,), "id_contiguous", is_left and is_right, findings, tuple(ids.gaps))

    def _widen(self, ids: Ids, window: Window, edge: int, way: int) -> bool:
        """Ask for the trades beyond an edge until one outside the window is there; tells whether the edge is shown."""
        for _ in range(2):
            while edge > 0:
                if edge + way not in ids.rows:
                    ids.add(self._page(max(edge - _BESIDE, 1), edge + _BESIDE + 1))
                beyond = ids.rows.get(edge + way)
                if beyond is None:
                    break
                if not window.low <= beyond[0] < window.high:
                    return True
                edge += way
        return edge <= 1 and way < 0

    def _edge(self, window: Window, sorting: str) -> int | None:
        """Return the number of the first or last trade of a window, None when it has none."""
        bounds = {"start_timestamp": window.low // MS, "end_timestamp": (window.high - 1) // MS}
        for _ in range(2):  # a lost page looks like a window without trades
            page = self._ask("get_last_trades_by_instrument_and_time", bounds | {"count": 10, "sorting": sorting})
            inside = [number for number, ts, _ in page if window.low <= ts < window.high]
            if inside:
                return min(inside) if sorting == "asc" else max(inside)
        return None

    def _page(self, low: int, high: int) -> list[tuple[int, int, Row]]:
        """Return trades from number `low` on, at most a page."""
        bounds = {"start_seq": low, "end_seq": min(high, low + _PAGE) - 1, "count": _PAGE}
        return self._ask("get_last_trades_by_instrument", bounds)

    def _ask(self, name: str, params: dict[str, Any]) -> list[tuple[int, int, Row]]:
        query = urlencode({"instrument_name": self._wanted.native} | params)
        return self._client.json(f"https://{HISTORY}/api/v2/public/{name}?{query}", _trades)


def _trades(reply: Any) -> list[tuple[int, int, Row]]:
    """Return number, time and cells of trades."""
    return [
        (
            int(row["trade_seq"]),
            int(row["timestamp"]) * MS,
            (
                str(row["price"]),
                str(row["amount"]),
                1 if row["direction"] == "buy" else -1,
                row.get("liquidation") or "",
                bool(row.get("block_trade_id")),
            ),
        )
        for row in as_list(reply["result"]["trades"])
    ]


def _flags(row: Row) -> int:
    """Return the flags of a trade."""
    return (FLAGS["liquidation"] if row[3] else 0) | (FLAGS["block"] if row[4] else 0)


def _liquidations(rows: list[tuple[int, Row]]) -> dict[str, Any]:
    """Return flagged trades as liquidations: with M the maker was forced, with T the taker, with MT both."""
    forced = [(ts, row, side) for ts, row in rows for side in _forced_sides(row)]
    return {
        "ts": [ts for ts, _, _ in forced],
        "side": np.array([side for _, _, side in forced], dtype=np.int8),
        "price": [row[0] for _, row, _ in forced],
        "average_price": [row[0] for _, row, _ in forced],
        "quantity": [row[1] for _, row, _ in forced],
        "coverage": ["full"] * len(forced),
    }


def _forced_sides(row: Row) -> list[int]:
    """Return the sides of the forced orders of a trade."""
    return [side for letter, side in (("T", row[2]), ("M", -row[2])) if letter in row[3]]


def _candles(found: Any, is_inverse: bool) -> list[tuple[int, Row]]:
    """Return time and cells of candles; quantities of an inverse contract are US dollars, which they call cost."""
    sizes = found["cost"] if is_inverse else found["volume"]
    quotes = [None] * len(sizes) if is_inverse else found["cost"]
    rows = zip(*(found[name] for name in OHLC), sizes, quotes, strict=True)
    return [(int(tick) * MS, row) for tick, row in zip(found["ticks"], rows, strict=True)]


def _is_inverse(wanted: Wanted) -> bool:
    """Tell whether a contract is settled in its base coin."""
    parts = parse_symbol(wanted.symbol)
    return parts.settle == parts.base and not parts.strike


def _result(reply: Any) -> Any:
    """Return the result of a reply, which must be there."""
    return reply["result"]


def _info(context: Context, wanted: Wanted) -> dict[str, Any]:
    """Return what the exchange says of an instrument, expired ones included."""
    exchange = context.exchange("deribit")
    params = {"instrument_name": wanted.native}
    found: dict[str, Any] = context.once(
        "deribit", wanted.native, make=lambda: exchange.call("publicGetGetInstrument", params, _result)
    )
    return found
