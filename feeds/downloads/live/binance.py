"""Messages of Binance USD-M and COIN-M (developers.binance.com, derivatives, web socket streams, read 2026-11)."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from feeds.downloads.live.heard import Heard
from feeds.formats.messages import ms, pairs
from feeds.schema import FLAGS

_SIDES = {"BUY": 1, "SELL": -1}


def take(found: Heard, received: int, message: Any) -> None:
    """File one message; those of other streams are left alone."""
    event = message.get("e")
    if event == "aggTrade":
        number = int(message["a"])
        side = -1 if message["m"] else 1
        cells = (message["p"], message["q"], side, FLAGS["aggregated"], int(message["f"]), int(message["l"]))
        found.trade(message["s"], (ms(message["T"]), number, *cells), name=number, number=number)
    elif event == "depthUpdate":
        stamp = ms(message["T"])
        shared = (stamp, max(stamp, received), int(message["u"]), int(message["pu"]), 0)
        found.levels(message["s"], shared, ((1, pairs(message["b"])), (-1, pairs(message["a"]))))
    elif event == "markPriceUpdate":
        native, stamp = message["s"], ms(message["E"])
        found.mark(native, stamp, message["p"])
        if message["r"] and found.wants("funding", native):  # a dated future has none
            found.rate(native, stamp, message["r"], str(message["T"]), found.intervals_s[native])
    elif event == "forceOrder":
        order = message["o"]
        found.liquidation(
            order["s"],
            ms(order["T"]),
            _SIDES[order["S"]],
            order["p"],
            order["q"],
            average_price=order["ap"],
            status=order["X"],
        )


def take_reply(url: str, found: Heard, received: int, reply: Any) -> None:
    """File the book that ccxt asks for by REST: later changes are changes of it."""
    parts = urlsplit(url)
    if not parts.path.endswith("/depth"):
        return
    stamp = ms(reply["T"])
    shared = (stamp, max(stamp, received), int(reply["lastUpdateId"]), -1, 1)
    native = parse_qs(parts.query)["symbol"][0]
    found.levels(native, shared, ((1, pairs(reply["bids"])), (-1, pairs(reply["asks"]))))
