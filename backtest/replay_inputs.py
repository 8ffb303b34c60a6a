"""What a replay starts from: fills in the order of their matching, ledger rows, forced orders, contracts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backtest.errors import ConfigError
from venues.instrument import RoundingRules
from venues.rulebook import VenueRules, get

if TYPE_CHECKING:
    from feeds.formats.binance_account import AccountExport

SETTLE_SCALE = 8  # decimals of Binance's ledger
_FORCED_ID = "autoclose"
_TAKEOVER_NS = 60_000_000_000  # a takeover follows its order within a minute


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution of the export; `fee` > 0 is paid, `realized` is the profit that the export shows."""

    seq: int
    ts: int
    symbol: str
    order: str
    side: int
    leg: int
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    realized: Decimal
    is_maker: bool

    @property
    def signed(self) -> Decimal:
        """Quantity, negative for a sale."""
        return self.quantity * self.side


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the export's ledger; `symbol` is empty for transfers."""

    ts: int
    kind: str
    asset: str
    symbol: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class ForcedOrder:
    """An order of the venue that closes a position; a takeover fills whole at its own limit and bears no fee."""

    ts: int
    order: str
    symbol: str
    leg: int
    limit: Decimal
    quantity: Decimal
    filled: Decimal
    is_takeover: bool


@dataclass(frozen=True, slots=True)
class Spec:
    """A contract of the replay."""

    symbol: str
    kind: str
    base: str
    settle: str
    size: Decimal
    price_scale: int
    quantity_scale: int
    lot: Decimal
    expiry: int
    rounding: RoundingRules

    def value(self, quantity: Decimal, price: Decimal) -> Decimal:
        """Return quantity x size x price (linear) or quantity x size / price (inverse), settle asset."""
        size = quantity * self.size
        return size / price if self.kind == "inverse" else size * price


@dataclass(frozen=True, slots=True)
class Isolated:
    """A stretch of time in which a leg had a wallet of its own, as the export's list of closed positions says."""

    symbol: str
    leg: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything read from one export; `assets` are those of its ledger, its fees and its contracts, sorted."""

    venue: str
    rules: VenueRules
    fills: tuple[Fill, ...]
    entries: tuple[Entry, ...]
    forced: Mapping[str, ForcedOrder]
    unfilled: tuple[ForcedOrder, ...]
    specs: Mapping[str, Spec]
    isolated: tuple[Isolated, ...]
    orders: tuple[dict[str, Any], ...]
    assets: tuple[str, ...]
    notes: tuple[str, ...]

    def is_isolated(self, symbol: str, leg: int, ts: int) -> bool:
        """Return whether the export says that a leg was isolated then."""
        return any(row.symbol == symbol and row.leg == leg and row.start <= ts <= row.end for row in self.isolated)


def read_inputs(export_dir: str | Path | Iterable[str | Path], venue: str) -> Inputs:
    """Read an account export and put its fills into the order in which they were matched.

    Parameters
    ----------
    export_dir : path or iterable of paths
        Folder or files of the export.
    venue : {"binance_usdm", "binance_coinm"}

    Raises
    ------
    FeedError
        If the export cannot be read.
    ConfigError
        If it has no fills.
    """
    from feeds.formats.binance_account import read_account_export

    export = read_account_export(export_dir, venue=venue)
    if not export.fills.num_rows:
        raise ConfigError(f"replay: no fills of {venue} in {export_dir}; export the trade history too")
    rules = get(venue)
    fills = _fills(export)
    forced, unfilled = _forced(export, fills)
    specs = {symbol: _spec(symbol, rules, fills) for symbol in sorted({fill.symbol for fill in fills})}
    notes = [f"export: {note}" for note in export.findings]
    orders = export.orders.to_pylist()
    if orders and not any(row["client_order_id"] for row in orders):
        notes.append("orders have no client ids: forced orders are those that reduce, take, and bear no fee")
    entries = _entries(export)
    assets = {entry.asset for entry in entries} | {fill.fee_asset for fill in fills}
    return Inputs(
        venue=venue,
        rules=rules,
        fills=fills,
        entries=entries,
        forced=forced,
        unfilled=unfilled,
        specs=specs,
        isolated=_isolated(export),
        orders=tuple(orders),
        assets=tuple(sorted(assets | {spec.settle for spec in specs.values()})),
        notes=tuple(notes),
    )


def _fills(export: "AccountExport") -> tuple[Fill, ...]:
    """Fills by time; inside a second by order, and inside an order the way it walked through prices."""
    rows = [
        Fill(
            seq=row["seq"],
            ts=row["ts"],
            symbol=row["symbol"],
            order=row["order_id"],
            side=row["side"],
            leg=row["position_side"] or 0,
            price=row["price"].normalize(),
            quantity=row["quantity"].normalize(),
            fee=-row["fee"].normalize(),
            fee_asset=row["fee_asset"],
            realized=row["realized_pnl"].normalize(),
            is_maker=bool(row["is_maker"]),
        )
        for row in export.fills.to_pylist()
    ]
    first: dict[tuple[int, str], int] = {}
    for row in sorted(rows, key=lambda fill: fill.seq):
        first.setdefault((row.ts, row.order), row.seq)
    # The export has whole seconds and lists the fills of one taker order in no order.
    return tuple(sorted(rows, key=lambda f: (f.ts, first[f.ts, f.order], f.price * f.side, f.seq)))


def _entries(export: "AccountExport") -> tuple[Entry, ...]:
    """Rows of the ledger in their order."""
    return tuple(
        Entry(row["ts"], row["kind"], row["asset"], row["symbol"] or "", row["amount"].normalize())
        for row in export.ledger.to_pylist()
    )


def _forced(export: "AccountExport", fills: tuple[Fill, ...]) -> tuple[dict[str, ForcedOrder], tuple[ForcedOrder, ...]]:
    """Orders of the liquidation engine that filled, by id, and those that did not."""
    of_order: dict[str, list[Fill]] = {}
    for fill in fills:
        of_order.setdefault(fill.order, []).append(fill)
    orders = export.orders.to_pylist()
    has_ids = any(row["client_order_id"] for row in orders)
    chosen = []
    for row in orders:
        own = of_order.get(row["id"], [])
        if has_ids:
            is_forced = (row["client_order_id"] or "").startswith(_FORCED_ID)
        else:
            is_forced = bool(own) and all(not f.fee and not f.is_maker and f.realized for f in own)
        if is_forced:
            chosen.append((row, own))
    found = []
    for row, own in chosen:
        leg = own[0].leg if own else row["position_side"] or 0
        rest = {
            other["quantity"] - other["filled"]
            for other, _ in chosen
            if other is not row and other["symbol"] == row["symbol"] and 0 <= row["ts"] - other["ts"] <= _TAKEOVER_NS
        }
        takeover = bool(own) and all(f.price == row["price"] for f in own) and row["quantity"] in rest
        found.append(
            ForcedOrder(
                row["ts"], row["id"], row["symbol"], leg, row["price"].normalize(), row["quantity"].normalize(),
                row["filled"].normalize(), takeover,
            )
        )  # fmt: skip
    return {o.order: o for o in found if o.filled}, tuple(o for o in found if not o.filled)


def _spec(symbol: str, rules: VenueRules, fills: tuple[Fill, ...]) -> Spec:
    """Return the contract; scales and lot are the finest decimals of its fills and of the rule book."""
    own = [fill for fill in fills if fill.symbol == symbol]
    known = rules.instrument(symbol, own[0].ts)
    made = known if known is not None else rules.default_instrument(symbol)
    prices = max(places(fill.price) for fill in own)
    quantities = max(places(fill.quantity) for fill in own)
    lot = Decimal(1).scaleb(-quantities)
    if known is not None and known.lot_size is not None:
        lot = Decimal(repr(known.lot_size))
        quantities = max(quantities, places(lot))
    return Spec(
        symbol=symbol,
        kind=str(made.contract),
        base=made.base,
        settle=made.settle,
        size=Decimal(repr(made.contract_size)).normalize(),
        price_scale=prices,
        quantity_scale=quantities,
        lot=lot,
        expiry=int(made.expiry or 0),
        rounding=rules.rounding(own[0].ts),
    )


def _isolated(export: "AccountExport") -> tuple[Isolated, ...]:
    """Stretches of isolated margin; the second before the opening and the minute after the close belong to them."""
    rows: list[dict[str, Any]] = export.positions.to_pylist()
    return tuple(
        Isolated(
            row["symbol"],
            row["position_side"] or 0,
            row["ts_open"] - 1_000_000_000,
            row["ts_close"] + _TAKEOVER_NS if row["ts_close"] else 1 << 62,
        )
        for row in rows
        if row["margin_mode"] == "isolated"
    )


def places(number: Decimal) -> int:
    """Return the number of decimals."""
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
