"""Messages of Deribit (docs.deribit.com, subscriptions, read 2026-11)."""

from collections.abc import Iterator
from typing import Any

from feeds.downloads.live.heard import Heard
from feeds.formats.messages import ms
from feeds.schema import FLAGS

_SIDES = {"buy": 1, "sell": -1}


def take(found: Heard, received: int, message: Any) -> None:
    """File one message; those of other channels are left alone."""
    body = message.get("params", {})
    channel = str(body.get("channel", "")).partition(".")[0]
    if channel == "trades":
        for each in body["data"]:
            _trade(found, each)
    elif channel == "book":
        data = body["data"]
        stamp, is_snapshot = ms(data["timestamp"]), data["type"] == "snapshot"
        before = -1 if is_snapshot else int(data["prev_change_id"])
        shared = (stamp, max(stamp, received), int(data["change_id"]), before, int(is_snapshot))
        found.levels(data["instrument_name"], shared, ((1, _levels(data["bids"])), (-1, _levels(data["asks"]))))
    elif channel == "ticker":
        data = body["data"]
        found.mark(data["instrument_name"], ms(data["timestamp"]), str(data["mark_price"]))


def _trade(found: Heard, each: dict[str, Any]) -> None:
    """File a trade, and as a liquidation too where it is one: with M the maker was forced, with T the taker."""
    native, stamp, number = each["instrument_name"], ms(each["timestamp"]), int(each["trade_seq"])
    price, quantity, side = str(each["price"]), str(each["amount"]), _SIDES[each["direction"]]
    forced = each.get("liquidation") or ""
    flags = (FLAGS["liquidation"] if forced else 0) | (FLAGS["block"] if each.get("block_trade_id") else 0)
    found.trade(native, (stamp, number, price, quantity, side, flags), name=number, number=number)
    for letter, ordered in (("T", side), ("M", -side)):
        if letter in forced:
            found.liquidation(native, stamp, ordered, price, quantity, average_price=price)


def _levels(changes: list[Any]) -> Iterator[tuple[str, str]]:
    """Yield price and size of levels ``[action, price, size]``; a size of 0 takes a level away."""
    for action, price, size in changes:
        yield str(price), "0" if action == "delete" else str(size)
