"""The course of a replay: the export's fills and transfers through our positions and our ledger, in time order."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from itertools import groupby

from backtest.replay_books import Books
from backtest.replay_forced import Course, ForcedStep, clearance_by_rate, decide_fee
from backtest.replay_inputs import SETTLE_SCALE, Entry, Fill, Inputs
from backtest.replay_positions import ZERO, Closed, LegBook
from backtest.replay_prices import Market

_HOUR = 3_600_000_000_000
_LATE = 60_000_000_000  # a funding row is posted up to a minute after its time
_OWN_KINDS = ("fee", "realized_pnl", "settlement")  # what our fills post themselves
Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Executed:
    """One fill as our accounts booked it; money in atoms, `fee` > 0 is paid."""

    fill: Fill
    quantity: Decimal
    realized: int
    fee: int
    fee_rate: Decimal | None
    increases: bool


@dataclass(frozen=True, slots=True)
class Funded:
    """One funding row of the export and what our accounts make of it, atoms received.

    `rate` and `mark` are None where the data has none; `computed` needs both; `posted` went to the ledger.
    """

    ts: int
    at: int
    symbol: str
    leg: int
    quantity: Decimal
    rate: Decimal | None
    mark: Decimal | None
    mark_source: str
    computed: int | None
    recorded: int
    posted: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Balances and positions after a second: what the margin timeline starts from."""

    ts: int
    wallets: dict[str, int]
    legs: dict[Key, tuple[float, float]]  # quantity, entry price


@dataclass(slots=True)
class Walk:
    """What came out, in order."""

    money: Books
    books: dict[Key, LegBook] = field(default_factory=dict)
    executed: list[Executed] = field(default_factory=list)
    closed: dict[Key, list[Closed]] = field(default_factory=dict)
    funded: list[Funded] = field(default_factory=list)
    steps: list[ForcedStep] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    owed: dict[str, int] = field(default_factory=dict)  # withdrawals that a scaled account could not pay
    findings: list[str] = field(default_factory=list)


def atoms(amount: Decimal) -> int:
    """Return an amount in atoms, truncated toward zero."""
    return int(amount.scaleb(SETTLE_SCALE).to_integral_value(ROUND_DOWN))


def fee_levels(inputs: Inputs) -> dict[tuple[str, bool], tuple[Decimal, str]]:
    """Return the trading fee rates of fees charged in the settle asset: (asset, is_maker) -> rate and its origin.

    The rate of the rule book stands where it gives the fee of the largest such fill; else the shortest decimal that
    does: the export does not say on which fee level an account was.
    """
    largest: dict[tuple[str, bool], tuple[Decimal, Fill]] = {}
    for fill in inputs.fills:
        spec = inputs.specs[fill.symbol]
        if fill.fee and fill.fee_asset == spec.settle:
            value, key = spec.value(fill.quantity, fill.price), (spec.settle, fill.is_maker)
            if key not in largest or value > largest[key][0]:
                largest[key] = (value, fill)
    levels = {}
    for key, (value, fill) in largest.items():
        book = LegBook(inputs.specs[fill.symbol], fill.leg, Decimal(1))
        shipped = inputs.rules.fees(symbol=fill.symbol, at=fill.ts)
        candidates = [(Decimal(repr(shipped.maker if fill.is_maker else shipped.taker)), "rule book")]
        candidates += [(round(fill.fee / value, places), "inferred from the fills") for places in range(2, 11)]
        levels[key] = next(
            (c for c in candidates if book.position.fee(fill.quantity, fill.price, c[0]) == fill.fee), candidates[-1]
        )
    return levels


def walk(inputs: Inputs, market: Market, scale: Decimal) -> Walk:
    """Replay an export.

    Parameters
    ----------
    inputs : Inputs
    market : Market
    scale : Decimal
        On every quantity; deposits are unchanged. Other than 1, the export's forced fills are left out: whether the
        account would have been closed is then an outcome.

    Returns
    -------
    Walk
    """
    out = Walk(Books(inputs.assets))
    levels = fee_levels(inputs)
    for ts, happened in groupby(_events(inputs, scale), key=lambda item: item[0]):
        fills: list[Fill] = []
        for _, item in happened:
            if isinstance(item, Fill):
                fills.append(item)
            elif item.kind == "funding":
                _fund(out, inputs, market, item)
            else:
                _book(out, item, scale)
        courses: dict[str, Course] = {}
        for order, group in groupby(fills, key=lambda fill: fill.order):
            own = list(group)
            asset = inputs.specs[own[0].symbol].settle
            forced = inputs.forced.get(order)
            if forced and asset not in courses:
                courses[asset] = Course(inputs, ts, asset, out.money.balance(asset), out.books)
            profits = [_execute(out, inputs, levels, fill, scale) for fill in own]
            if forced:
                _clear(out, inputs, courses[asset], own, profits)
        _snapshot(out, inputs, ts)
    return out


def _events(inputs: Inputs, scale: Decimal) -> Iterator[tuple[int, Entry | Fill]]:
    """Funding at its time, other ledger rows, fills: by time, in that order inside a second."""
    found: list[tuple[int, int, int, Entry | Fill]] = []
    for place, entry in enumerate(inputs.entries):
        if entry.kind in _OWN_KINDS or (entry.kind == "insurance" and entry.symbol):
            continue
        is_funding = entry.kind == "funding"
        found.append((funding_time(entry.ts) if is_funding else entry.ts, 0 if is_funding else 1, place, entry))
    for place, fill in enumerate(inputs.fills):
        if scale == 1 or fill.order not in inputs.forced:
            found.append((fill.ts, 2, place, fill))
    for ts, _, _, item in sorted(found, key=lambda row: row[:3]):
        yield ts, item


def funding_time(ts: int) -> int:
    """Return the funding time of a row: the hour before it, when it is at most a minute away."""
    return ts - ts % _HOUR if ts % _HOUR <= _LATE else ts


def _book(out: Walk, entry: Entry, scale: Decimal) -> None:
    """Post a ledger row as the export has it.

    A scaled account has earned less than the real one: a withdrawal takes at most its wallet, and what was lacking is
    kept back from the next deposits.
    """
    kinds = {"transfer": "transfer", "insurance": "insurance", "conversion": "conversion"}
    amount = atoms(entry.amount)
    if scale != 1 and entry.kind == "transfer":
        owed = out.owed.get(entry.asset, 0)
        wanted = amount - owed
        amount = max(wanted, min(0, -out.money.balance(entry.asset)))
        out.owed[entry.asset] = amount - wanted
    out.money.post(time=entry.ts, asset=entry.asset, kind=kinds.get(entry.kind, "other"), amount=amount)


def _execute(
    out: Walk, inputs: Inputs, levels: dict[tuple[str, bool], tuple[Decimal, str]], fill: Fill, scale: Decimal
) -> int:
    """Apply a fill, post its profit and fee; return the profit in atoms."""
    spec, key = inputs.specs[fill.symbol], (fill.symbol, fill.leg)
    book = out.books.setdefault(key, LegBook(spec, fill.leg, scale))
    before = book.quantity
    change, closed = book.apply(fill)
    realized = atoms(closed.realized) if closed else 0
    if closed:
        out.closed.setdefault(key, []).append(closed)
    rate, fee = None, ZERO
    if fill.fee and change:
        if fill.fee_asset == spec.settle:
            rate = levels[spec.settle, fill.is_maker][0]
            fee = book.position.fee(change, fill.price, rate)
        else:
            fee = fill.fee * abs(change) / fill.quantity
    paid = atoms(fee)
    row = list(inputs.specs).index(fill.symbol)
    reference = int(fill.order) if fill.order.isdigit() else 0
    kind = "settlement" if spec.expiry and fill.ts >= spec.expiry else "trade_profit"
    out.money.post(time=fill.ts, asset=spec.settle, kind=kind, amount=realized, ref=reference, instrument=row)
    out.money.post(time=fill.ts, asset=fill.fee_asset, kind="fee", amount=-paid, ref=reference, instrument=row)
    if change:
        out.executed.append(Executed(fill, change, realized, paid, rate, abs(book.quantity) > abs(before)))
    return realized


def _clear(out: Walk, inputs: Inputs, course: Course, fills: list[Fill], profits: list[int]) -> None:
    """Decide and post the clearance fee of a forced order."""
    order = inputs.forced[fills[0].order]
    spec = inputs.specs[order.symbol]
    rate = Decimal(repr(inputs.rules.clearance_fee(order.symbol, order.ts)))
    rows = [e for e in inputs.entries if e.kind == "insurance" and (e.ts, e.symbol) == (order.ts, order.symbol)]
    # One row per symbol and second: it belongs to the order that is no takeover.
    recorded = 0 if order.is_takeover else -sum(atoms(entry.amount) for entry in rows)
    by_rate = clearance_by_rate(spec, fills, rate)
    isolated = inputs.is_isolated(order.symbol, order.leg, order.ts)
    left = None if isolated else course.margin_left(out.money.balance(spec.settle))
    fee, rule = decide_fee(order, by_rate, left, recorded, is_isolated=isolated)
    out.money.post(
        time=order.ts, asset=spec.settle, kind="liquidation_fee", amount=-fee,
        ref=int(order.order) if order.order.isdigit() else 0, instrument=list(inputs.specs).index(order.symbol),
    )  # fmt: skip
    quantity = sum((fill.quantity for fill in fills), ZERO)
    value = sum((fill.quantity * fill.price for fill in fills), ZERO)
    if spec.kind == "inverse":
        value = quantity * quantity / sum((fill.quantity / fill.price for fill in fills), ZERO)
    out.steps.append(
        ForcedStep(
            order.ts, order.symbol, order.order, order.leg, order.limit, order.quantity, quantity, value / quantity,
            order.is_takeover, sum(profits), by_rate, left, fee, recorded, rule, out.money.balance(spec.settle),
        )
    )  # fmt: skip


def _fund(out: Walk, inputs: Inputs, market: Market, entry: Entry) -> None:
    """Compute a funding row where the data has its rate and mark; post the recorded amount at our size."""
    at = funding_time(entry.ts)
    recorded = atoms(entry.amount)
    rate = market.rate(entry.symbol, at)
    book = _paying_leg(out, entry, at, rate[0] if rate else 0)
    if book is None:
        out.findings.append(f"funding of {entry.symbol} at {entry.ts} ns: no position of ours; posted as recorded")
        out.money.post(time=entry.ts, asset=entry.asset, kind="funding", amount=recorded)
        return
    position = book.settle()
    mark, source = market.open_at(entry.symbol, inputs.venue, at), "own series, open"
    if mark is None:
        mark, source = float(book.last_price), "last own fill"
    price = Decimal(repr(round(mark, 8)))
    computed = None
    if rate is not None:
        computed = atoms(position.funding(price, Decimal(rate[0]).scaleb(-rate[1]), rate_scale=rate[1]))
    posted = recorded
    if position.quantity != book.whole:
        posted = atoms(entry.amount * position.quantity / book.whole) if book.whole else 0
    out.money.post(
        time=entry.ts, asset=entry.asset, kind="funding", amount=posted,
        instrument=list(inputs.specs).index(entry.symbol),
    )  # fmt: skip
    out.funded.append(
        Funded(
            entry.ts, at, entry.symbol, book.leg, position.quantity,
            None if rate is None else Decimal(rate[0]).scaleb(-rate[1]), price, source, computed, recorded, posted,
        )
    )  # fmt: skip


def _paying_leg(out: Walk, entry: Entry, at: int, rate: int) -> LegBook | None:
    """Return the leg of a funding row: of two open legs the one whose sign fits, each once."""
    taken = {row.leg for row in out.funded if row.at == at and row.symbol == entry.symbol}
    legs = [
        book for (symbol, leg), book in out.books.items() if symbol == entry.symbol and book.whole and leg not in taken
    ]
    fitting = [book for book in legs if (book.whole * rate > 0) == (entry.amount < 0)]
    return (fitting or legs or [None])[0]  # type: ignore[list-item]


def _snapshot(out: Walk, inputs: Inputs, ts: int) -> None:
    """Keep balances and open legs after a second."""
    legs = {key: (float(book.quantity), book.entry_price) for key, book in out.books.items() if book.quantity}
    out.snapshots.append(Snapshot(ts, {asset: out.money.balance(asset) for asset in inputs.assets}, legs))
