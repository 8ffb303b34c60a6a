"""Positions as data: answers of Hyperliquid by address and of the dYdX indexer by subaccount, saved as JSON."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from feeds.errors import FeedError
from feeds.formats.files import Source
from feeds.formats.heads import Head, json_lines
from feeds.formats.messages import ms
from feeds.formats.shape import Format, Piece, Wanted
from feeds.scales import to_decimal
from feeds.schema import columns
from feeds.symbols import ALL, to_unified
from feeds.times import time_ns

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_STATES = ("clearinghouseState", "state")


def _is_state(value: Any) -> bool:
    return isinstance(value, Mapping) and "assetPositions" in value and "crossMarginSummary" in value


def _is_hyperliquid(head: Head) -> bool:
    first = head.table if isinstance(head.table, dict) else head.objects[0] if head.objects else None
    if not isinstance(first, Mapping):
        return False
    values = [first, *(first.get(name) for name in _STATES), *list(first.values())[:1]]
    return any(map(_is_state, values))


def _states(source: Source, head: Head) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Yield address, clearinghouse state, and what stands around the state.

    A file holds one state (then its name has the address), an object of states by address, or lines of
    ``{"user": address, "clearinghouseState": state}``.
    """
    if isinstance(head.table, dict):
        if _is_state(head.table):
            found = _ADDRESS.search(source.name)
            if found is None:
                raise FeedError(
                    f"{source.where}: a clearinghouseState does not say whose it is: put the address into the file "
                    "name, or save {address: state}"
                )
            yield found[0], head.table, head.table
            return
        for account, state in head.table.items():
            if not _is_state(state):
                raise FeedError(f"{source.where}: {account!r} does not hold a clearinghouseState")
            yield account, state, state
        return
    for number, (_, line) in enumerate(json_lines(source), start=1):
        state = next((line[name] for name in _STATES if isinstance(line, Mapping) and _is_state(line.get(name))), None)
        account = None if state is None else line.get("user", line.get("address"))
        if state is None or not isinstance(account, str):
            raise FeedError(f"{source.where}: line {number} is no {{user, clearinghouseState}}")
        yield account, state, line


def _hyperliquid_rows(account: str, state: Mapping[str, Any], around: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the positions of one account.

    The value of a cross account backs all its cross positions, so each gets the share of its notional. Maintenance is
    half of the initial margin at the largest leverage (Hyperliquid documentation, Margining).
    """
    stamp = ms(state["time"] if "time" in state else around["time"])
    summary = state["crossMarginSummary"]
    value, total = (to_decimal(summary[name], name=name) for name in ("accountValue", "totalNtlPos"))
    for each in state["assetPositions"]:
        position = each["position"]
        size = to_decimal(position["szi"], name="szi")
        if not size:
            continue
        notional = abs(to_decimal(position["positionValue"], name="positionValue"))
        is_cross = position["leverage"]["type"] == "cross"
        share = value * notional / total if is_cross and total else to_decimal(position["marginUsed"], name="margin")
        yield {
            "ts": stamp,
            "venue": "hyperliquid",
            "account": account.lower(),
            "symbol": to_unified("hyperliquid", position["coin"]),
            "side": 1 if size > 0 else -1,
            "qty": abs(size),
            "entry": to_decimal(position["entryPx"], name="entryPx"),
            "collateral": _places(max(share, Decimal(0))),
            "collateral_asset": "USDC",
            "haircut": Decimal(0),
            "margin_mode": "cross" if is_cross else "isolated",
            "contract": "linear",
            "mmr": _places(1 / (2 * to_decimal(position["maxLeverage"], name="maxLeverage"))),
            "mm_base": "mark",
            "opened_at": None,
            "weight": Decimal(1),
        }


def _places(value: Decimal) -> Decimal:
    """Round a quotient to the 18 decimals that are stored, half to even."""
    return value.quantize(Decimal("1e-18"))


def _read_hyperliquid(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    rows: list[dict[str, Any]] = []
    for account, state, around in _states(source, head):
        try:
            rows += _hyperliquid_rows(account, state, around)
        except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            raise FeedError(f"{source.where}: the state of {account} is not whole ({error})") from error
    yield _piece("hyperliquid", rows)


def _subaccount(head: Head) -> Mapping[str, Any] | None:
    """Return the subaccount of an answer of the indexer, inside the envelope of some recorders or not."""
    found = head.table if isinstance(head.table, dict) else None
    found = found.get("subaccount", found) if found is not None else None
    return found if isinstance(found, Mapping) and "openPerpetualPositions" in found else None


def _read_dydx(source: Source, head: Head, wanted: Wanted) -> Iterator[Piece]:
    """Read a subaccount; the answer has no time, so its envelope or the user (valid_from) gives it.

    Equity backs all positions and gets divided by notional at entry. The maintenance fraction is a fact of the market
    and not in the answer: it is taken from the markets that stand beside it under ``markets``, if they do.
    """
    found = _subaccount(head)
    if found is None:
        raise FeedError(f"{source.where}: no answer of /v4/addresses/ADDRESS/subaccountNumber/NUMBER")
    stamp = wanted.valid_from
    if stamp is None and "isoTimestamp" in head.envelope:
        stamp = time_ns(head.envelope["isoTimestamp"], name="isoTimestamp")
    if stamp is None:
        raise FeedError(f"{source.where}: the answer does not say when it was given; give valid_from=")
    try:
        yield _piece("dydx", list(_dydx_rows(found, stamp, head.table.get("markets", {}))))
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        if isinstance(error, FeedError):
            raise
        raise FeedError(f"{source.where}: the subaccount is not whole ({error})") from error


def _dydx_rows(state: Mapping[str, Any], stamp: int, markets: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the open positions of one subaccount."""
    positions = [each for each in state["openPerpetualPositions"].values() if each["status"] == "OPEN"]
    sizes = [abs(to_decimal(each["size"], name="size")) for each in positions]
    entries = [to_decimal(each["entryPrice"], name="entryPrice") for each in positions]
    total = sum((size * entry for size, entry in zip(sizes, entries, strict=True)), Decimal(0))
    equity = max(to_decimal(state["equity"], name="equity"), Decimal(0))
    for each, size, entry in zip(positions, sizes, entries, strict=True):
        market = markets.get(each["market"])
        if market is None:
            raise FeedError(
                f"positions of {each['market']} need its maintenanceMarginFraction: save the answer as "
                '{"subaccount": ..., "markets": {...}} with that of /v4/perpetualMarkets'
            )
        yield {
            "ts": stamp,
            "venue": "dydx",
            "account": f"{state['address']}/{state['subaccountNumber']}",
            "symbol": to_unified("dydx", each["market"]),
            "side": 1 if each["side"] == "LONG" else -1,
            "qty": size,
            "entry": entry,
            "collateral": _places(equity * size * entry / total) if total else equity,
            "collateral_asset": "USDC",
            "haircut": Decimal(0),
            "margin_mode": "cross",
            "contract": "linear",
            "mmr": to_decimal(market["maintenanceMarginFraction"], name="maintenanceMarginFraction"),
            "mm_base": "mark",
            "opened_at": time_ns(each["createdAt"]) if "createdAt" in each else None,
            "weight": Decimal(1),
        }


def _piece(venue: str, rows: list[dict[str, Any]]) -> Piece:
    """Return the piece of a population, which belongs to the venue as a whole."""
    names = [name for name in columns("positions").names if name != "ts_avail"]
    found = {name: [row[name] for row in rows] for name in names}
    return Piece("positions", found | {"ts_avail": found["ts"]}, venue, ALL, is_derived=True)


FORMATS = (
    Format("hyperliquid-positions", "Hyperliquid clearinghouseState by address", _is_hyperliquid, _read_hyperliquid),
    Format("dydx-positions", "dYdX v4 indexer subaccount", lambda head: _subaccount(head) is not None, _read_dydx),
)
