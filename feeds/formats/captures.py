"""Captured web sockets: lines of receipt time and message, of Binance and of Hyperliquid."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from feeds.errors import FeedError
from feeds.formats import hyperliquid
from feeds.formats.binance_vision import futures_venue
from feeds.formats.files import Source
from feeds.formats.heads import Head, json_lines
from feeds.formats.messages import Messages, ms, pairs, read_messages
from feeds.formats.shape import Format, Piece, Wanted
from feeds.schema import FLAGS

_EVENTS = ("depthUpdate", "bookTicker", "trade", "aggTrade", "forceOrder")


def _data(message: Any) -> dict[str, Any]:
    """Return the message inside a combined stream, or the message itself."""
    inner = message.get("data") if isinstance(message, dict) else None
    return inner if isinstance(inner, dict) else message if isinstance(message, dict) else {}


def _event(data: dict[str, Any]) -> str:
    """Return the event of a message; spot tickers do not name theirs, a book asked for by REST has only its id."""
    if "e" in data:
        return str(data["e"])
    return "snapshot" if "lastUpdateId" in data else "bookTicker" if {"u", "b", "B", "a", "A"} <= set(data) else ""


def _is_binance(head: Head) -> bool:
    return bool(head.objects) and all(_event(_data(each)) in (*_EVENTS, "snapshot") for each in head.objects)


def _whose(source: Source, head: Head) -> tuple[str, str]:
    """Return venue and native symbol: futures number their book updates by the one before, spot does not."""
    updates = [_data(each) for each in head.objects if _event(_data(each)) == "depthUpdate"]
    named = [_data(each) for each in head.objects if "s" in _data(each)]
    if not updates or not named:
        raise FeedError(f"{source.where}: its first lines have no depthUpdate, which shows whether it is spot")
    symbol = str(named[0]["s"])
    return (futures_venue(symbol) if "pu" in updates[0] else "binance_spot"), symbol


def _take_binance(symbol: str, found: Messages, receipt: int, message: Any) -> None:
    """File one message. Spot tickers and REST books of spot have no time but that of their receipt."""
    data = _data(message)
    event = _event(data)
    name = str(data.get("s", symbol))
    stamp = ms(data["T"]) if "T" in data else ms(data["E"]) if "E" in data else receipt
    known = max(receipt, stamp)
    if event == "depthUpdate":
        before = int(data["pu"]) if "pu" in data else int(data["U"]) - 1
        sides = ((1, pairs(data["b"])), (-1, pairs(data["a"])))
        found.levels(name, (stamp, known, int(data["u"]), before, 0), sides)
    elif event == "snapshot":
        sides = ((1, pairs(data["bids"])), (-1, pairs(data["asks"])))
        found.levels(name, (stamp, known, int(data["lastUpdateId"]), -1, 1), sides)
    elif event == "bookTicker":
        found.add("quotes", name, stamp, known, data["b"], data["B"], data["a"], data["A"], int(data["u"]))
    elif event in ("trade", "aggTrade"):
        # Trades of the insurance fund and of ADL are in the raw stream too, marked by X.
        flags = {"INSURANCE_FUND": FLAGS["insurance"], "ADL": FLAGS["adl"]}.get(str(data.get("X", "")), 0)
        flags |= FLAGS["aggregated"] if event == "aggTrade" else 0
        number = int(data["t" if event == "trade" else "a"])
        found.add("trades", name, stamp, known, number, data["p"], data["q"], -1 if data["m"] else 1, flags)
    else:
        order = data["o"]
        stamp = ms(order["T"])
        side = 1 if order["S"] == "BUY" else -1
        row = (stamp, max(receipt, stamp), side, order["p"], order["q"], order["X"], "sampled")
        found.add("liquidations", str(order["s"]), *row)


def _read_binance(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    venue, symbol = _whose(source, head)
    yield from read_messages(json_lines(source), Messages(venue), partial(_take_binance, symbol), source.where)


def _is_hyperliquid(head: Head) -> bool:
    return bool(head.objects) and all(
        isinstance(each, dict) and each.get("channel") in ("l2Book", "trades") for each in head.objects
    )


def _take_hyperliquid(found: Messages, receipt: int, message: Any) -> None:
    """File a book or some trades; a subscription begins with trades of the time before."""
    if message["channel"] == "l2Book":
        hyperliquid.take_book(found, receipt, message["data"])
        return
    for each in message["data"]:
        stamp = ms(each["time"])
        side = hyperliquid.SIDES[each["side"]]
        found.add("trades", each["coin"], stamp, max(stamp, receipt), -1, each["px"], each["sz"], side, 0)


def _read_hyperliquid(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    found = Messages(hyperliquid.VENUE, is_many=True)
    yield from read_messages(json_lines(source), found, _take_hyperliquid, source.where)


FORMATS = (
    Format("binance-capture", "captured Binance streams (receipt in ns, message)", _is_binance, _read_binance),
    Format(
        "hyperliquid-capture",
        "captured Hyperliquid streams (receipt in ns, message)",
        _is_hyperliquid,
        _read_hyperliquid,
    ),
)
