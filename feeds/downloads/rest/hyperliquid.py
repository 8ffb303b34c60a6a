"""Hyperliquid by REST: one endpoint, ``POST /info``, through ccxt (hyperliquid)."""

from decimal import Decimal
from typing import Any

from feeds.downloads.context import Context
from feeds.downloads.http import as_list
from feeds.downloads.rest.pages import BARS, MS, paged
from feeds.downloads.rest.paging import Row
from feeds.downloads.windows import Fetch, Wanted
from feeds.errors import FeedError
from feeds.schema import timeframe_text

HOST = "api.hyperliquid.xyz"
HOUR_NS = 3_600_000_000_000
NEWEST = 5000  # candles that the venue keeps per timeframe
_PAGE = 500
_PRICE_DECIMALS = 6  # of a perpetual, less the decimals of its size (tick and lot size page of the venue)


def listing(context: Context, wanted: Wanted) -> tuple[int | None, int | None]:
    """Return nothing: the venue does not say when it listed a coin."""
    return None, None


def rest(context: Context, wanted: Wanted) -> Fetch:
    """Return what fills windows of a stream by REST."""
    exchange = context.exchange("hyperliquid")
    if wanted.kind == "bars":

        def ask(low: int, high: int) -> list[tuple[int, Row]]:
            text = timeframe_text(wanted.timeframe_ns)
            asked = {"coin": wanted.native, "interval": text, "startTime": low // MS, "endTime": (high - 1) // MS}
            return exchange.call("publicPostInfo", {"type": "candleSnapshot", "req": asked}, _candles)

        return paged(context, wanted, ask, BARS, NEWEST * wanted.timeframe_ns, f"{HOST} candleSnapshot").fetch

    def ask_funding(low: int, high: int) -> list[tuple[int, Row]]:
        bounds = {"startTime": low // MS, "endTime": (high - 1) // MS}
        params = {"type": "fundingHistory", "coin": wanted.native} | bounds
        return exchange.call(
            "publicPostInfo",
            params,
            lambda reply: [(int(row["time"]) * MS, (row["fundingRate"],)) for row in as_list(reply)],
        )

    constants = {"interval_s": 3600}
    return paged(context, wanted, ask_funding, ("rate",), _PAGE * HOUR_NS, f"{HOST} fundingHistory", constants).fetch


def instrument(context: Context, wanted: Wanted) -> dict[str, Any]:
    """Return today's facts of a coin's perpetual as columns of kind `instruments`."""
    _, coin = _meta(context, wanted)
    decimals = int(coin["szDecimals"])
    return {
        "kind": "perpetual",
        "base": wanted.native,
        "quote": "USDC",
        "settle": "USDC",
        "contract": "linear",
        "contract_size": "1",
        "quantity_unit": "base",
        "tick_size": str(Decimal(1).scaleb(decimals - _PRICE_DECIMALS)),
        "lot_size": str(Decimal(1).scaleb(-decimals)),
        "min_notional": "10",
        "funding_interval_s": 3600,
    }


def tiers(context: Context, wanted: Wanted) -> list[dict[str, Any]]:
    """Return today's margin tiers: maintenance is half of the initial margin at the tier's highest leverage."""
    meta, coin = _meta(context, wanted)
    tables = {int(number): table["marginTiers"] for number, table in meta.get("marginTables", [])}
    single = [{"lowerBound": "0", "maxLeverage": coin["maxLeverage"]}]
    found = []
    amount, before = Decimal(0), Decimal(0)
    for row in tables.get(int(coin.get("marginTableId", -1)), single):
        rate, floor = 1 / (2 * Decimal(row["maxLeverage"])), Decimal(row["lowerBound"])
        amount += floor * (rate - before)
        before = rate
        found.append(
            {
                "floor": str(floor),
                "maintenance_rate": str(round(rate, 18)),
                "max_leverage": str(row["maxLeverage"]),
                "amount": str(round(amount, 12)),
            }
        )
    return found


def _candles(reply: Any) -> list[tuple[int, Row]]:
    """Return time and cells of candles."""
    names = ("o", "h", "l", "c", "v")
    return [(int(row["t"]) * MS, (*(row[name] for name in names), None, row.get("n"))) for row in as_list(reply)]


def _universe(reply: Any) -> dict[str, Any]:
    """Return the venue's description of its coins, which must list some."""
    if not as_list(reply["universe"]):
        raise ValueError("no coins")
    found: dict[str, Any] = reply
    return found


def _meta(context: Context, wanted: Wanted) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the venue's description of all coins, and that of one."""
    exchange = context.exchange("hyperliquid")
    meta = context.once(
        "hyperliquid", "meta", make=lambda: exchange.call("publicPostInfo", {"type": "meta"}, _universe)
    )
    coin = next((each for each in meta["universe"] if each["name"] == wanted.native), None)
    if coin is None:
        raise FeedError(f"{wanted}: {HOST} has no coin {wanted.native!r}")
    return meta, coin
