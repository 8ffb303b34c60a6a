"""A replay as the tables and meta data of a result."""

from bisect import bisect_left
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np

from backtest.replay_inputs import SETTLE_SCALE, Inputs, Spec, places
from backtest.replay_margin import Timeline
from backtest.replay_prices import Market, held_at
from backtest.replay_walk import Snapshot, Walk
from backtest.tables import ACCOUNT_ROLES, FORCED, ORDER_STATUS, ORDER_TYPES, table

_ATOMS = 10**SETTLE_SCALE
_IN_TRANSIT = ACCOUNT_ROLES.index("in_transit")
_FINAL = {"FILLED": "filled", "CANCELED": "canceled", "EXPIRED": "expired", "REJECTED": "rejected", "NEW": "working"}
_STABLE = ("USDT", "USDC", "USD", "BUSD", "FDUSD")


class Valuation:
    """What an asset is worth in the reporting asset: 1 among stablecoins, else the coin's last own fill, else 0.

    Parameters
    ----------
    inputs : Inputs

    Attributes
    ----------
    reporting : str
        The settle asset of most fills.
    unpriced : tuple of str
        Assets of the account that are valued at 0.
    """

    def __init__(self, inputs: Inputs) -> None:
        counts = [inputs.specs[fill.symbol].settle for fill in inputs.fills]
        self.reporting = max(sorted(set(counts)), key=counts.count)
        self._fills: dict[str, tuple[list[int], list[float]]] = {}
        for fill in inputs.fills:
            spec = inputs.specs[fill.symbol]
            if spec.kind != "inverse":
                stamps, prices = self._fills.setdefault(spec.base, ([], []))
                stamps.append(fill.ts)
                prices.append(float(fill.price))
        self.unpriced = tuple(asset for asset in inputs.assets if not self.at(asset, inputs.fills[0].ts))

    def at(self, asset: str, ts: int) -> float:
        """Return the price of an asset; 0 where nothing shows it."""
        if asset == self.reporting or (asset in _STABLE and self.reporting in _STABLE):
            return 1.0
        if asset not in self._fills or self.reporting not in _STABLE:
            return 0.0
        stamps, prices = self._fills[asset]
        return prices[max(held_at(stamps, ts), 0)]


def tables(inputs: Inputs, walk: Walk, line: Timeline, market: Market) -> dict[str, np.ndarray]:
    """Return the tables of a result: ledger, fills, funding, margin, equity, orders, liquidations, holdings."""
    values = Valuation(inputs)
    ledger = walk.money.postings().copy()
    ledger["value_price"] = [
        values.at(inputs.assets[asset], ts) for asset, ts in zip(ledger["asset"], ledger["time"], strict=True)
    ]
    return {
        "ledger": ledger,
        "fills": _fills(inputs, walk),
        "funding": _funding(inputs, walk),
        "margin": _margin(inputs, line),
        "equity": _equity(inputs, walk, line, values),
        "orders": _orders(inputs),
        "liquidations": _liquidations(inputs, walk),
        "holdings": _holdings(inputs, walk, line, market, values, ledger),
    }


def instruments(inputs: Inputs) -> list[dict[str, Any]]:
    """Return the contracts in the form of the meta data."""
    return [
        {
            "symbol": spec.symbol,
            "venue": inputs.venue,
            "base": spec.base,
            "quote": spec.symbol.partition("/")[2].partition(":")[0],
            "settle": spec.settle,
            "contract": spec.kind,
            "size": int(spec.size.scaleb(places(spec.size))),
            "size_scale": places(spec.size),
            "price_scale": spec.price_scale,
            "quantity_scale": spec.quantity_scale,
        }
        for spec in inputs.specs.values()
    ]


def accounts(inputs: Inputs) -> list[dict[str, Any]]:
    """Return the accounts of the ledger in the form of the meta data."""
    return [
        {
            "name": f"{inputs.venue}/main" if role == "user" else f"{inputs.venue}/{role}",
            "venue": inputs.venue,
            "account": "main" if role == "user" else role,
            "role": role,
            "margin_mode": "cross",
        }
        for role in ACCOUNT_ROLES
    ]


def _units(number: Decimal | float, scale: int) -> int:
    """Return a mantissa at a scale, rounded to the nearest."""
    return round((number if isinstance(number, Decimal) else Decimal(repr(number))).scaleb(scale))


def _rows(name: str, rows: list[dict[str, Any]]) -> np.ndarray:
    """Return rows as the structured array of a table; fields not given are 0."""
    out = table(name).empty(len(rows))
    for place, row in enumerate(rows):
        for key, value in row.items():
            out[key][place] = value
    return out


def _order_id(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _fills(inputs: Inputs, walk: Walk) -> np.ndarray:
    specs, symbols = inputs.specs, list(inputs.specs)
    rows = []
    for done in walk.executed:
        fill, spec = done.fill, specs[done.fill.symbol]
        forced = inputs.forced.get(fill.order)
        word = ("takeover" if forced.is_takeover else "liquidation") if forced else "own"
        if spec.expiry and fill.ts >= spec.expiry:
            word = "settlement"
        rows.append(
            {
                "time": fill.ts, "order": _order_id(fill.order), "price": _units(fill.price, spec.price_scale),
                "quantity": _units(abs(done.quantity), spec.quantity_scale), "fee": done.fee,
                "realized_pnl": done.realized, "instrument": symbols.index(fill.symbol), "strategy": -1, "tag": -1,
                "fee_asset": inputs.assets.index(fill.fee_asset), "side": 1 if done.quantity > 0 else -1,
                "leg": fill.leg, "is_maker": fill.is_maker, "forced": FORCED.index(word), "increases": done.increases,
            }
        )  # fmt: skip
    return _rows("fills", rows)


def _funding(inputs: Inputs, walk: Walk) -> np.ndarray:
    symbols = list(inputs.specs)
    rows = []
    for row in walk.funded:
        spec = inputs.specs[row.symbol]
        rows.append(
            {
                "time": row.ts, "quantity": _units(row.quantity, spec.quantity_scale),
                "mark": _units(row.mark or Decimal(0), spec.price_scale), "rate": _units(row.rate or Decimal(0), 10),
                "amount": row.posted, "instrument": symbols.index(row.symbol),
                "asset": inputs.assets.index(spec.settle), "rate_scale": 10, "leg": row.leg,
            }
        )  # fmt: skip
    return _rows("funding", rows)


def _margin(inputs: Inputs, line: Timeline) -> np.ndarray:
    return _rows(
        "margin",
        [
            {
                "time": point.ts, "equity": point.equity, "initial": np.nan, "maintenance": point.maintenance,
                "ratio": point.ratio, "leverage": point.notional / point.equity if point.equity > 0 else np.inf,
                "distance": point.distance, "asset": inputs.assets.index(point.asset), "instrument": -1, "flags": 1,
            }
            for point in line.points
        ],
    )  # fmt: skip


def _equity(inputs: Inputs, walk: Walk, line: Timeline, values: Valuation) -> np.ndarray:
    """Worth of all pools at the openings of bars and after changes, without the times at which its owner emptied it.

    An account that was emptied by a withdrawal is not a ruined one: its next deposit starts where it stood.
    """
    paid_out = {entry.ts for entry in inputs.entries if entry.kind == "transfer" and entry.amount < 0}
    settled = {spec.settle for spec in inputs.specs.values()}
    stamps = [snapshot.ts for snapshot in walk.snapshots]
    is_empty = [
        snapshot.ts in paid_out and not snapshot.legs and not any(snapshot.wallets[asset] for asset in settled)
        for snapshot in walk.snapshots
    ]
    sums: dict[int, list[float]] = {}
    for ts, asset, wallet, unrealized in line.samples:
        if is_empty[held_at(stamps, ts)]:
            continue
        worth = values.at(asset, ts)
        found = sums.setdefault(ts, [0.0, 0.0])
        found[0] += wallet * worth
        found[1] += unrealized * worth
    return _rows(
        "equity",
        [
            {"time": ts, "equity": cash + unrealized, "cash": cash, "unrealized": unrealized}
            for ts, (cash, unrealized) in sorted(sums.items())
        ],
    )


def _orders(inputs: Inputs) -> np.ndarray:
    symbols = list(inputs.specs)
    rows: list[dict[str, Any]] = []
    for row in inputs.orders:
        if row["symbol"] not in inputs.specs:
            continue
        spec: Spec = inputs.specs[row["symbol"]]
        is_market = row["type"] == "MARKET"
        rows.append(
            {
                "time": row["ts_update"] or row["ts"], "order": _order_id(row["id"]),
                "price": 0 if is_market else _units(row["price"], spec.price_scale),
                "quantity": _units(row["quantity"], spec.quantity_scale),
                "filled": _units(row["filled"], spec.quantity_scale), "submitted": row["ts"],
                "filled_value": float(row["filled"] * (row["average_price"] or 0))
                * 10.0 ** (spec.price_scale + spec.quantity_scale),
                "requested_quantity": float(row["quantity"]),
                "requested_price": 0.0 if is_market else float(row["price"]), "instrument": symbols.index(spec.symbol),
                "strategy": -1, "tag": -1, "side": row["side"], "leg": row["position_side"] or 0,
                "type": ORDER_TYPES.index("market" if is_market else "limit"),
                "status": ORDER_STATUS.index(_FINAL.get(row["status"], "working")),
            }
        )  # fmt: skip
    rows.sort(key=lambda row: row["time"])
    return _rows("orders", rows)


def _liquidations(inputs: Inputs, walk: Walk) -> np.ndarray:
    symbols = list(inputs.specs)
    rows = []
    for place, step in enumerate(walk.steps):
        spec = inputs.specs[step.symbol]
        rows.append(
            {
                "time": step.ts, "price": _units(step.average, spec.price_scale),
                "quantity": _units(step.filled, spec.quantity_scale) * (step.leg or 1), "fee": step.fee,
                "bankruptcy": _units(step.limit, spec.price_scale), "ratio": 1.0,
                "instrument": symbols.index(step.symbol), "step": place + 1,
                "asset": inputs.assets.index(spec.settle),
                "what": FORCED.index("takeover" if step.is_takeover else "liquidation"), "episode": 1,
            }
        )  # fmt: skip
    return _rows("liquidations", rows)


def _holdings(
    inputs: Inputs, walk: Walk, line: Timeline, market: Market, values: Valuation, ledger: np.ndarray
) -> np.ndarray:
    """What was owned at the start, at month boundaries and at the end."""
    stamps = [snapshot.ts for snapshot in walk.snapshots]
    fills = [done.fill.ts for done in walk.executed]
    end = max(stamps[-1], *(ts for ts, *_ in line.samples[-1:]))
    empty = Snapshot(stamps[0], dict.fromkeys(inputs.assets, 0), {})
    opening = int(np.searchsorted(ledger["time"], stamps[0], side="right"))
    moments = [(stamps[0], walk.snapshots[0], opening, held_at(fills, stamps[0]) + 1)]
    for boundary in _months(stamps[0], end):
        row = bisect_left(stamps, boundary) - 1
        before = int(np.searchsorted(ledger["time"], boundary)), bisect_left(fills, boundary)
        moments.append((boundary, walk.snapshots[row] if row >= 0 else empty, *before))
    moments.append((end, walk.snapshots[-1], len(ledger), len(fills)))
    symbols = list(inputs.specs)
    rows: list[dict[str, Any]] = []
    for number, (ts, snapshot, ledger_rows, fill_rows) in enumerate(moments):
        common = {"time": ts, "ledger_rows": ledger_rows, "fill_rows": fill_rows, "snapshot": number}
        common |= {"strategy": -1, "tag": -1}
        for account in (0, _IN_TRANSIT):
            for place, asset in enumerate(inputs.assets):
                amount = snapshot.wallets[asset] if account == 0 else 0
                worth = values.at(asset, ts)
                rows.append(
                    common
                    | {"amount": amount, "account": account, "asset": place, "instrument": -1, "value_price": worth}
                )
        for (symbol, leg), (quantity, entry) in snapshot.legs.items():
            spec, proxy = inputs.specs[symbol], market.proxies[symbol]
            mark = (proxy.price(ts) if proxy else None) or entry
            size = quantity * float(spec.size)
            profit = size / entry - size / mark if spec.kind == "inverse" else size * (mark - entry)
            rows.append(
                common
                | {
                    "amount": int(profit * _ATOMS), "quantity": _units(quantity, spec.quantity_scale),
                    "mark": _units(mark, spec.price_scale), "value_price": values.at(spec.settle, ts), "account": 0,
                    "asset": inputs.assets.index(spec.settle), "instrument": symbols.index(symbol), "leg": leg,
                }
            )  # fmt: skip
    return _rows("holdings", rows)


def _months(start: int, end: int) -> list[int]:
    """Return the first moments of the months strictly between two times, ns."""
    day = datetime.fromtimestamp(start / 1e9, UTC)
    year, month = day.year, day.month
    out: list[int] = []
    while True:
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        moment = int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1_000_000_000
        if moment >= end:
            return out
        if moment > start:
            out.append(moment)
