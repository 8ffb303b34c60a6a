"""The tables of a result: columns, types, units and the words behind their codes."""

from dataclasses import dataclass

import numpy as np

from backtest.errors import ConfigError
from venues.orders import REASONS

FORMAT = "levdyn-result"
VERSION = (1, 1)  # a newer major version is refused; a newer minor one may only add columns, tables or keys

LEDGER_KINDS = (
    "trade_profit", "fee", "funding", "interest", "conversion", "liquidation_fee", "insurance", "adl", "transfer",
    "deposit", "withdrawal", "settlement", "socialised", "unfunded_loss", "spot_trade",
    "venue_failure", "borrow", "repay", "debt",
)  # fmt: skip
ACCOUNT_ROLES = (
    "user",
    "venue_fees",
    "insurance_fund",
    "counterparties",
    "population",
    "in_transit",
    "outside",
    "unfunded",
)
OWNED_ROLES = ("user", "in_transit")  # whose money is the equity of the run
FORCED = ("own", "liquidation", "takeover", "adl", "settlement")
PAID_BY = ("nobody", "insurance_fund", "adl", "unfunded")
ORDER_TYPES = ("market", "limit", "stop_market", "take_market", "trailing_stop", "stop_limit", "take_limit")
TIMES_IN_FORCE = ("GTC", "IOC", "FOK", "GTD")
ORDER_FLAGS = ("post_only", "reduce_only", "close_position", "forced", "protective")  # bit 0, 1, 2 ...
ORDER_STATUS = ("sent", "working", "filled", "canceled", "rejected", "expired")
TRANSFER_STATUS = ("sent", "arrived", "refused")
SAMPLE_FLAGS = ("periodic", "change", "extreme")
LEGS = {0: "net", 1: "long", -1: "short"}
CODES = {
    "ledger_kind": LEDGER_KINDS,
    "forced": FORCED,
    "paid_by": PAID_BY,
    "order_type": ORDER_TYPES,
    "tif": TIMES_IN_FORCE,
    "status": ORDER_STATUS,
    "reason": REASONS,
    "transfer_status": TRANSFER_STATUS,
}
BITS = {"order_flags": ORDER_FLAGS, "sample_flags": SAMPLE_FLAGS}


@dataclass(frozen=True, slots=True)
class Column:
    """One column as it is stored.

    Attributes
    ----------
    name : str
    type : str
        Little-endian numpy type: ``i8``, ``f8``, ``i4``, ``i1``, ``u1``.
    unit : str
        ``time`` (ns since 1970, UTC; 0 = none), ``price`` and ``quantity`` (mantissas at the scales of the row's
        instrument), ``price?`` (the same, 0 = none), ``rate`` (mantissa at the row's ``rate_scale``), ``atoms:COLUMN``
        (of the asset in that column) or ``atoms:settle`` (of the settle asset of the row's instrument), ``account``,
        ``instrument``, ``asset``, ``strategy``, ``tag``, ``series``, ``text`` (rows of the lists in the meta data;
        -1 = none), ``code:NAME``, ``bits:NAME``, ``flag``, ``leg``, or words for a plain number.
    doc : str
    """

    name: str
    type: str
    unit: str
    doc: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its columns in stored order, and the names that its DataFrame begins with."""

    name: str
    doc: str
    columns: tuple[Column, ...]
    shown: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the stored columns."""
        return tuple(column.name for column in self.columns)

    @property
    def dtype(self) -> np.dtype[np.void]:
        """Return the packed structured type of one row, fields in stored order."""
        return np.dtype([(c.name, c.type if c.type in ("i1", "u1") else f"<{c.type}") for c in self.columns])

    def empty(self, rows: int = 0) -> np.ndarray:
        """Return a zeroed structured array of so many rows."""
        return np.zeros(rows, dtype=self.dtype)


def _table(name: str, doc: str, shown: str, *columns: tuple[str, str, str, str]) -> Table:
    return Table(name, doc, tuple(Column(*column) for column in columns), tuple(shown.split()))


_TABLES = (
    _table(
        "ledger",
        "One row per posting: `amount` enters `account` and leaves `contra`. The only record of money.",
        "time account asset kind amount balance ref",
        ("time", "i8", "time", "venue clock"),
        ("amount", "i8", "atoms:asset", "received by the account; negative = paid"),
        ("balance", "i8", "atoms:asset", "of the account in that asset, after the posting"),
        ("ref", "i8", "id", "order, transfer or liquidation; 0 = none"),
        ("value_price", "f8", "reporting asset per unit of the asset", "at that time; nan = not yet known"),
        ("account", "i4", "account", "index"),
        ("asset", "i4", "asset", "index"),
        ("instrument", "i4", "instrument", "index; -1 = none"),
        ("strategy", "i4", "strategy", "index; -1 = none"),
        ("tag", "i4", "tag", "of the order behind it; -1 = none"),
        ("kind", "i4", "code:ledger_kind", "why"),
        ("contra", "i4", "account", "index of the other side"),
    ),
    _table(
        "fills",
        "One row per execution, forced ones included.",
        "time account symbol order side price quantity fee fee_asset realized_pnl is_maker tag",
        ("time", "i8", "time", "venue clock"),
        ("order", "i8", "id", "order; 0 = none"),
        ("price", "i8", "price", "execution"),
        ("quantity", "i8", "quantity", "> 0"),
        ("fee", "i8", "atoms:fee_asset", "paid > 0, rebate < 0"),
        ("realized_pnl", "i8", "atoms:settle", "profit that this execution realised, fee not included"),
        ("decision_price", "i8", "price?", "when the order was decided; trigger mark of a forced close; 0 = unknown"),
        ("account", "i4", "account", "index"),
        ("instrument", "i4", "instrument", "index"),
        ("strategy", "i4", "strategy", "index; -1 = forced"),
        ("tag", "i4", "tag", "index; -1 = none"),
        ("fee_asset", "i4", "asset", "index"),
        ("side", "i1", "+1 buy, -1 sell", ""),
        ("leg", "i1", "leg", "0 one-way, +1 long leg, -1 short leg"),
        ("is_maker", "u1", "flag", "added liquidity"),
        ("forced", "u1", "code:forced", "why it happened"),
        ("increases", "u1", "flag", "the position grew"),
    ),
    _table(
        "funding",
        "One row per funding payment.",
        "time account symbol quantity mark rate amount asset",
        ("time", "i8", "time", "funding time"),
        ("quantity", "i8", "quantity", "held at that time, signed"),
        ("mark", "i8", "price", "that priced it"),
        ("rate", "i8", "rate", "per interval; positive: longs pay"),
        ("amount", "i8", "atoms:asset", "received; negative = paid"),
        ("account", "i4", "account", "index"),
        ("instrument", "i4", "instrument", "index"),
        ("asset", "i4", "asset", "index"),
        ("rate_scale", "i4", "decimals of the rate", ""),
        ("leg", "i4", "leg", "0 one-way, +1 long leg, -1 short leg"),
    ),
    _table(
        "margin",
        "Samples of each margin pool (an isolated leg, a settle asset in cross, or all assets).",
        "time account equity initial maintenance ratio leverage distance asset symbol flags",
        ("time", "i8", "time", "venue clock"),
        ("equity", "f8", "asset of the row", "settle asset; the reporting asset where asset is none"),
        ("initial", "f8", "asset of the row", "initial margin"),
        ("maintenance", "f8", "asset of the row", "maintenance margin"),
        ("ratio", "f8", "1", "maintenance / equity; 1 = liquidation"),
        ("leverage", "f8", "1", "sum of abs(notional) / equity"),
        ("distance", "f8", "1", "smallest abs(mark - liquidation price) / mark; inf without one"),
        ("account", "i4", "account", "index"),
        ("asset", "i4", "asset", "index; -1 = all assets together"),
        ("instrument", "i4", "instrument", "isolated leg; -1 = cross"),
        ("flags", "i4", "bits:sample_flags", "why the sample was taken"),
    ),
    _table(
        "equity",
        "Samples of the whole run just before their time, the last one at the end; money in transit included.",
        "time equity cash unrealized",
        ("time", "i8", "time", "venue clock"),
        ("equity", "f8", "reporting asset", "cash + unrealized"),
        ("cash", "f8", "reporting asset", "balances valued at the index"),
        ("unrealized", "f8", "reporting asset", "profit of open positions at the mark"),
    ),
    _table(
        "exposure",
        "Samples of each open position.",
        "time account symbol quantity mark notional",
        ("time", "i8", "time", "venue clock"),
        ("notional", "f8", "reporting asset", "signed"),
        ("quantity", "f8", "quantity", "signed; already a number, not a mantissa"),
        ("mark", "f8", "quote per base", "already a number, not a mantissa"),
        ("account", "i4", "account", "index"),
        ("instrument", "i4", "instrument", "index"),
    ),
    _table(
        "orders",
        "One row per state change of an order, in order of time; the last one of an order is its final state.",
        "time account symbol order side type price quantity filled status reason tag",
        ("time", "i8", "time", "of the change, venue clock"),
        ("order", "i8", "id", "order"),
        ("price", "i8", "price?", "sent; 0 = market"),
        ("trigger", "i8", "price?", "sent; 0 = none"),
        ("quantity", "i8", "quantity", "sent"),
        ("filled", "i8", "quantity", "so far"),
        ("submitted", "i8", "time", "strategy clock"),
        ("filled_value", "f8", "units", "sum of quantity x price in units; with `filled` it gives the average price"),
        ("requested_quantity", "f8", "quantity", "before rounding"),
        ("requested_price", "f8", "quote per base", "before rounding; 0 = none"),
        ("account", "i4", "account", "index"),
        ("instrument", "i4", "instrument", "index"),
        ("strategy", "i4", "strategy", "index; -1 = the venue"),
        ("tag", "i4", "tag", "index; -1 = none"),
        ("side", "i1", "+1 buy, -1 sell", ""),
        ("leg", "i1", "leg", "0 one-way, +1 long leg, -1 short leg"),
        ("type", "u1", "code:order_type", ""),
        ("tif", "u1", "code:tif", ""),
        ("flags", "u1", "bits:order_flags", ""),
        ("status", "u1", "code:status", ""),
        ("reason", "u1", "code:reason", "why it was refused, cancelled or expired"),
    ),
    _table(
        "liquidations",
        "One row per step of a forced close (`what`: liquidation or takeover) and per own position deleveraged (adl).",
        "time account symbol step trigger_mark price quantity fee shortfall paid_by",
        ("time", "i8", "time", "venue clock"),
        ("trigger_mark", "i8", "price?", "the mark that started it"),
        ("price", "i8", "price?", "at which this step closed"),
        ("quantity", "i8", "quantity", "closed by this step, signed like the position"),
        ("fee", "i8", "atoms:asset", "liquidation fee"),
        ("shortfall", "i8", "atoms:asset", "what the account could not pay"),
        ("bankruptcy", "i8", "price?", "bankruptcy price; 0 = none"),
        ("ratio", "f8", "1", "maintenance / equity at the trigger"),
        ("account", "i4", "account", "index"),
        ("instrument", "i4", "instrument", "index; -1 = none"),
        ("step", "i4", "number", "of the step in its episode"),
        ("asset", "i4", "asset", "index"),
        ("what", "i4", "code:forced", ""),
        ("paid_by", "i4", "code:paid_by", "who bore the shortfall"),
        ("episode", "i4", "number", "of the liquidation in the run"),
    ),
    _table(
        "population",
        "One row per step of a forced close of the population that lives in the run, and per position of it "
        "deleveraged; `liquidations` has those of the users' accounts.",
        "time member symbol step trigger_mark price quantity fee shortfall paid_by",
        ("time", "i8", "time", "venue clock"),
        ("trigger_mark", "i8", "price?", "the mark that started it"),
        ("price", "i8", "price?", "at which this step closed"),
        ("quantity", "i8", "quantity", "closed by this step, signed like the position"),
        ("fee", "i8", "atoms:asset", "liquidation fee"),
        ("shortfall", "i8", "atoms:asset", "what the account could not pay"),
        ("bankruptcy", "i8", "price?", "bankruptcy price; 0 = none"),
        ("ratio", "f8", "1", "maintenance / equity at the trigger"),
        ("member", "i4", "number", "account of the population, from 0"),
        ("instrument", "i4", "instrument", "index; -1 = none"),
        ("step", "i4", "number", "of the step in its episode"),
        ("asset", "i4", "asset", "index"),
        ("what", "i4", "code:forced", ""),
        ("paid_by", "i4", "code:paid_by", "who bore the shortfall"),
        ("episode", "i4", "number", "of the liquidation in the run"),
    ),
    _table(
        "margin_calls",
        "One row when a margin call (or an alert of the strategy) is raised, one when it is over.",
        "time account symbol ratio distance active",
        ("time", "i8", "time", "venue clock; of an alert the strategy's clock"),
        ("ratio", "f8", "1", "maintenance / equity"),
        ("distance", "f8", "1", "smallest of the pool; inf without a liquidation price"),
        ("account", "i4", "account", "index"),
        ("asset", "i4", "asset", "index; -1 = all assets together"),
        ("instrument", "i4", "instrument", "isolated leg or instrument of the alert; -1 = cross"),
        ("strategy", "i4", "strategy", "whose alert; -1 = the venue's call"),
        ("active", "i4", "flag", "1 raised, 0 over"),
    ),
    _table(
        "transfers",
        "One row per state of a transfer between accounts or with the outside.",
        "time id source target asset amount receive_asset received fee status reason",
        ("time", "i8", "time", "of this state"),
        ("id", "i8", "id", "transfer"),
        ("amount", "i8", "atoms:asset", "sent"),
        ("received", "i8", "atoms:receive_asset", "that arrived; 0 until then"),
        ("fee", "i8", "atoms:asset", "paid"),
        ("source", "i4", "account", "index; -1 = outside"),
        ("target", "i4", "account", "index; -1 = outside"),
        ("asset", "i4", "asset", "index"),
        ("receive_asset", "i4", "asset", "index"),
        ("status", "i4", "code:transfer_status", ""),
        ("reason", "i4", "code:reason", "why it was refused"),
    ),
    _table(
        "series",
        "What the strategy recorded.",
        "time name value strategy",
        ("time", "i8", "time", "strategy clock"),
        ("value", "f8", "as recorded", ""),
        ("name", "i4", "series", "index"),
        ("strategy", "i4", "strategy", "index"),
    ),
    _table(
        "log",
        "What the strategy wrote.",
        "time strategy text",
        ("time", "i8", "time", "strategy clock"),
        ("text", "i4", "text", "index"),
        ("strategy", "i4", "strategy", "index; -1 = the engine"),
    ),
    _table(
        "holdings",
        "What was owned at the start (after the opening deposits), at each UTC month boundary T (before the first "
        "event at or after T) and at the end: one cash row per owned account and asset (a zero may be left out, but "
        "each moment has a row), and one row per open position with its unrealised profit.",
        "time account asset amount value_price symbol",
        ("time", "i8", "time", "start, 00:00 UTC of the first of a month, or end"),
        ("amount", "i8", "atoms:asset", "balance, or unrealised profit at the mark rounded toward zero"),
        ("quantity", "i8", "number", "quantity units held, signed; 0 in cash rows"),
        ("mark", "i8", "number", "price units of the mark; 0 in cash rows"),
        ("ledger_rows", "i8", "count", "postings written before the snapshot"),
        ("fill_rows", "i8", "count", "fills written before the snapshot"),
        ("value_price", "f8", "reporting asset per unit of the asset", "at that time"),
        ("account", "i4", "account", "index; in transit is an account too"),
        ("asset", "i4", "asset", "index; settle asset of a position"),
        ("instrument", "i4", "instrument", "index; -1 = cash"),
        ("strategy", "i4", "strategy", "that last increased the position; -1 = none or several"),
        ("tag", "i4", "tag", "of the order that last increased the position; -1 = none"),
        ("leg", "i4", "leg", "0 one-way, +1 long leg, -1 short leg"),
        ("snapshot", "i4", "number", "0 the start, then each month boundary, the end last"),
    ),
)  # fmt: skip
TABLES: dict[str, Table] = {table.name: table for table in _TABLES}

# Keys of the meta data that readers rely on; `empty_meta` gives each its neutral value.
META_KEYS = {
    "config": dict,  # the run's configuration, JSON
    "assumptions": list,  # [{"name", "value", "note", "is_choice"}], in the order they are printed
    "warnings": list,  # sentences
    "findings": list,  # sentences; a run with findings exits with 1
    "fingerprint": str,  # of the data
    "seed": int,
    "versions": dict,  # package -> version
    "start_ns": int,
    "end_ns": int,
    "reporting": str,  # asset
    "cash_rate": float,  # per year, of the Sharpe ratio
    "assets": list,  # [{"name", "scale"}]
    "accounts": list,  # [{"name", "venue", "account", "role", "margin_mode"}], by ledger index
    "instruments": list,  # [{"symbol", "venue", "base", "quote", "settle", "contract", "size", "size_scale",
    #                        "price_scale", "quantity_scale"}]; contract size = size / 10^size_scale
    "strategies": list,  # names
    "tags": list,
    "series": list,
    "texts": list,
    "rules": list,  # [{"name", "value", "source", "from", "verified"}] dated rules that were used
    "margin_bounds": list,  # [{"account", "ratio"}] of accounts with several positions on bars; null = no equity left
    "population": dict,  # what happened to other traders in the run (backtest.population_build); empty without them
    "data": list,  # [{"name", "rows", "from", "to", "note"}] streams
}


def empty_meta() -> dict[str, object]:
    """Return meta data with every key of `META_KEYS` at its neutral value."""
    return {key: kind() for key, kind in META_KEYS.items()}


def table(name: str) -> Table:
    """Return the definition of a table.

    Raises
    ------
    ConfigError
        If there is no such table.
    """
    if name not in TABLES:
        raise ConfigError(f"no table {name!r} in a result; there are {', '.join(TABLES)}")
    return TABLES[name]
