"""Messages of Bybit's contracts (bybit-exchange.github.io/docs/v5/websocket/public, read 2026-11)."""

from typing import Any

from feeds.downloads.live.heard import Heard
from feeds.formats.bybit import take_book
from feeds.formats.messages import ms
from feeds.schema import FLAGS

_SIDES = {"Buy": 1, "Sell": -1}


def take(found: Heard, received: int, message: Any) -> None:
    """File one message; those of other topics are left alone."""
    topic = str(message.get("topic", "")).partition(".")[0]
    if topic == "publicTrade":
        for each in message["data"]:
            flags = (FLAGS["block"] if each.get("BT") else 0) | (FLAGS["rpi"] if each.get("RPI") else 0)
            row = (ms(each["T"]), -1, each["p"], each["v"], _SIDES[each["S"]], flags)
            found.trade(each["s"], row, name=each["i"])
    elif topic == "orderbook":
        take_book(found, received, message)
    elif topic == "tickers":
        body, stamp = message["data"], ms(message["ts"])
        # After the first, a message has only the fields that have changed.
        if body.get("markPrice"):
            found.mark(body["symbol"], stamp, body["markPrice"])
        native = body["symbol"]
        if body.get("fundingRate") and found.wants("funding", native):
            due = str(body.get("nextFundingTime", ""))
            found.rate(native, stamp, body["fundingRate"], due, found.intervals_s[native])
    elif topic == "allLiquidation":
        for each in message["data"]:
            # The side of the position: "Buy" says that a long one was closed, so that the order sold.
            found.liquidation(each["s"], ms(each["T"]), -_SIDES[each["S"]], each["p"], each["v"])
