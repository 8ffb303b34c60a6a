"""Messages of OKX (okx.com/docs-v5, web socket channels, read 2026-11)."""

from typing import Any

from feeds.downloads.live.heard import Heard
from feeds.formats.messages import ms
from feeds.formats.okx import take_book

_SIDES = {"buy": 1, "sell": -1}


def take(found: Heard, received: int, message: Any) -> None:
    """File one message; those of other channels are left alone."""
    if not isinstance(message, dict) or "data" not in message:
        return
    channel = message["arg"]["channel"]
    for each in message["data"]:
        if channel == "trades":
            number = int(each["tradeId"])
            row = (ms(each["ts"]), number, each["px"], each["sz"], _SIDES[each["side"]], 0)
            found.trade(each["instId"], row, name=number)
        elif channel == "books":
            take_book(found, received, each | {"instId": message["arg"]["instId"], "action": message["action"]})
        elif channel == "mark-price":
            found.mark(each["instId"], ms(each["ts"]), each["markPx"])
        elif channel == "funding-rate":
            due, after = int(each["fundingTime"]), int(each["nextFundingTime"])
            found.rate(each["instId"], ms(each["ts"]), each["fundingRate"], str(due), (after - due) // 1000)
        elif channel == "liquidation-orders":
            for order in each["details"]:
                side = _SIDES[order["side"]]
                found.liquidation(each["instId"], ms(order["ts"]), side, order["bkPx"], order["sz"])
