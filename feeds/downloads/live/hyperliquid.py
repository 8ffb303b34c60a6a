"""Messages of Hyperliquid (hyperliquid.gitbook.io, web socket subscriptions, read 2026-11)."""

from typing import Any

from feeds.downloads.live.heard import Heard
from feeds.formats.hyperliquid import SIDES, take_book
from feeds.formats.messages import ms

_HOUR_S = 3600


def take(found: Heard, received: int, message: Any) -> None:
    """File one message; those of other channels are left alone."""
    channel, data = message.get("channel"), message.get("data")
    if channel == "trades":
        for each in data:
            # A tid is a hash and not a number that counts, so it names a row but is not kept as an id.
            row = (ms(each["time"]), -1, each["px"], each["sz"], SIDES[each["side"]], 0)
            found.trade(each["coin"], row, name=int(each["tid"]))
    elif channel == "l2Book":
        take_book(found, received, data)
    elif channel == "activeAssetCtx":
        context = data["ctx"]
        found.mark(data["coin"], received, context["markPx"])
        found.rate(data["coin"], received, context["funding"], "", _HOUR_S)
