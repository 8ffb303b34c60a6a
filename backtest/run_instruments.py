"""The instruments of a run: facts, tiers, fees and scales as of its dates, and what had to be assumed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from backtest.errors import ConfigError
from feeds.dataset import Dataset
from feeds.stream import Stream
from feeds.times import iso
from venues.checks import Number, decimals
from venues.config import Venue
from venues.contract import ContractBox
from venues.facts import TierTable
from venues.instrument import Instrument, RoundingRules, Tier, complete_tiers
from venues.tiers import TierBox

RATE_UNIT = 10_000_000_000  # fee rates are integers in 1e-10
PRICE_KINDS = ("trades", "quotes", "book", "book_orders", "bars", "mark", "index", "funding", "liquidations")
QUANTITY_KINDS = ("trades", "quotes", "book", "book_orders", "bars", "liquidations", "open_interest")


@dataclass
class RunInstrument:
    """One (venue, symbol) of a run.

    Attributes
    ----------
    index : int
        Row in the run's table.
    streams : list of Stream
    instrument : Instrument
        In force at the start.
    changes : list of Instrument
        Later records inside the run.
    tables : list of TierTable
        In force from the start on, ascending.
    price_scale, quantity_scale, rate_scale, premium_scale : int
    """

    index: int
    venue: str
    symbol: str
    streams: list[Stream]
    instrument: Instrument
    changes: list[Instrument]
    tables: list[TierTable] = field(default_factory=list)
    tier_source: str = ""
    assumed: bool = False
    price_scale: int = 0
    quantity_scale: int = 0
    rate_scale: int = 0
    premium_scale: int = 0

    @property
    def address(self) -> str:
        """Return SYMBOL@venue."""
        return f"{self.symbol}@{self.venue}"

    @property
    def is_derivative(self) -> bool:
        """Return whether it has margin."""
        return self.instrument.contract != "spot"

    @property
    def is_perpetual(self) -> bool:
        """Return whether it pays funding."""
        return self.is_derivative and self.instrument.expiry is None

    @property
    def book_stream(self) -> Stream | None:
        """Return the stream that makes its book: of levels, else of best bid and ask, else None."""
        found = self.stream("book_orders") or self.stream("book") or self.stream("quotes")
        return found[0] if found else None

    def stream(self, kind: str) -> list[Stream]:
        """Return the streams of a kind, finest first (points before bars)."""
        return sorted((s for s in self.streams if s.kind == kind), key=lambda s: s.timeframe_ns)


def is_collateral(stream: Stream, assets: Sequence[str]) -> bool:
    """Return whether a stream is the US dollar price of an asset of the run, not an instrument."""
    base, _, quote = stream.symbol.partition("/")
    return stream.kind == "index" and quote == "USD" and base in assets


def resolve(dataset: Dataset, venues: Sequence[Venue], start: int, end: int) -> list[RunInstrument]:
    """Return the instruments of a run in the order of their addresses.

    Parameters
    ----------
    dataset : Dataset
    venues : sequence of Venue
    start, end : int
        ns.

    Raises
    ------
    ConfigError
        If data belong to a venue that is not among `venues`, or tiers are missing; the message says what to give.
    """
    books = {venue.name: venue for venue in venues}
    found: dict[tuple[str, str], list[Stream]] = {}
    for stream in dataset.streams:
        if stream.kind == "borrow_rates":
            continue  # of assets
        if stream.venue not in books:
            known = ", ".join(sorted(books))
            raise ConfigError(
                f"the data hold {stream.label}, but venues= has no {stream.venue} (it has {known}); add "
                f"venues.Venue({stream.venue!r}, balances=...), or leave it out with data.select(symbols=...)"
            )
        found.setdefault((stream.venue, stream.symbol), []).append(stream)
    out: list[RunInstrument] = []
    for venue, symbol in sorted(found):
        streams = found[venue, symbol]
        if ":" not in symbol and {s.kind for s in streams} <= {"index"}:
            continue  # the price of an asset
        out.append(_instrument(len(out), books[venue], symbol, streams, dataset, start, end))
    if not out:
        raise ConfigError("the data hold no instrument to trade; they need trades or bars")
    return out


def _instrument(
    index: int, venue: Venue, symbol: str, streams: list[Stream], dataset: Dataset, start: int, end: int
) -> RunInstrument:
    rules = venue.book
    given = [
        _from_row(row, symbol, rules.expiry(symbol))
        for row in dataset.instruments
        if (row["venue"], row["symbol"]) == (venue.name, symbol)
    ]
    records = sorted([*rules.instruments(symbol), *given], key=lambda record: record.valid_from)
    before = [record for record in records if record.valid_from <= start]
    facts = before[-1] if before else records[0] if records else rules.default_instrument(symbol)
    changes = [record for record in records if start < record.valid_from < end and record is not facts]
    run = RunInstrument(index, venue.name, symbol, streams, facts, changes, assumed=not records)
    run.price_scale = max([s.scales["price"] for s in streams if s.kind in PRICE_KINDS], default=0)
    run.quantity_scale = max([s.scales["quantity"] for s in streams if s.kind in QUANTITY_KINDS], default=0)
    tradeable = [s for s in streams if s.kind in ("trades", "quotes", "book", "book_orders", "bars")]
    tick_scale = max((s.scales["price"] for s in tradeable), default=run.price_scale)
    if facts.tick_size is None:
        facts = replace(facts, tick_size=float(Decimal(1).scaleb(-tick_scale)))
    if facts.lot_size is None:
        facts = replace(facts, lot_size=float(Decimal(1).scaleb(-run.quantity_scale)))
    run.instrument = facts
    for record in (facts, *changes):
        run.price_scale = max(run.price_scale, decimals(record.tick_size) if record.tick_size else 0)
        for amount in (record.lot_size, record.market_lot, record.min_quantity):
            if amount:
                run.quantity_scale = max(run.quantity_scale, decimals(amount))
    run.rate_scale = max((s.scales["rate"] for s in streams if s.kind == "funding"), default=0)
    run.premium_scale = max((s.scales["rate"] for s in streams if s.kind == "premium"), default=0)
    if run.is_derivative:
        _tiers(run, venue, dataset, start, end)
    return run


def _from_row(row: Mapping[str, Any], symbol: str, expiry: int | None) -> Instrument:
    """Return an Instrument of a row of kind `instruments`; `expiry` holds where the row has none."""
    fields: dict[str, Any] = {
        name: float(row[name])
        for name in ("contract_size", "tick_size", "lot_size", "min_notional")
        if row.get(name) is not None
    }
    fields["expiry"] = row["expiry"] if row.get("expiry") else expiry
    return Instrument(
        symbol,
        contract=str(row["contract"]),
        valid_from=int(row["valid_from"]),
        source="data",
        **fields,
    )


def _tiers(run: RunInstrument, venue: Venue, dataset: Dataset, start: int, end: int) -> None:
    """Find the tier tables: from the data, the user's instrument, the venue, or as missing_tiers says."""
    rows: dict[int, list[Tier]] = {}
    for row in dataset.tiers:
        if (row["venue"], row["symbol"]) == (venue.name, run.symbol):
            amount = row.get("amount")
            rows.setdefault(int(row["valid_from"]), []).append(
                Tier(
                    floor=float(row["floor"]),
                    maintenance_rate=float(row["maintenance_rate"]),
                    max_leverage=float(row["max_leverage"]),
                    amount=None if amount is None else float(amount),
                )
            )
    tables = [
        TierTable(since, complete_tiers(sorted(tiers, key=lambda t: t.floor), f"tiers of {run.symbol}"), "data", False)
        for since, tiers in sorted(rows.items())
    ]
    own = [
        table for table in venue.book.tier_tables(run.symbol) if not tables or table.valid_from < tables[0].valid_from
    ]
    tables = sorted([*own, *tables], key=lambda table: table.valid_from)
    in_force = [table for table in tables if table.valid_from <= start]
    if in_force:
        later = [table for table in tables if start < table.valid_from < end]
        run.tables = [in_force[-1], *later]
        run.tier_source = in_force[-1].source + (" (unverified)" if in_force[-1].is_unverified else "")
        return
    choice = venue.missing_tiers
    if choice == "error":
        since = f"; the first known is of {iso(tables[0].valid_from)}" if tables else ""
        raise ConfigError(
            f"{run.address} has no tier table in force at {iso(start)}{since}. "
            f"venues.Venue({venue.name!r}, missing_tiers='nearest') takes the strictest comparable table of the venue, "
            "missing_tiers=[venues.Tier(...)] your own"
        )
    if choice == "nearest":
        run.tables = [TierTable(0, venue.book.nearest_tiers(run.symbol, start), "nearest", False)]
        run.tier_source = "nearest"
    else:
        run.tables = [TierTable(0, tuple(choice), "missing_tiers", False)]  # type: ignore[arg-type]
        run.tier_source = "missing_tiers"
    run.tables += [table for table in tables if start < table.valid_from < end]


def box(run: RunInstrument, venue: Venue, assets: Mapping[str, int], settle_scale: int, start: int) -> ContractBox:
    """Return the contract of an instrument in C memory, as of the start."""
    rules = venue.book
    fees = rules.fees(first_level(venue, start), start, symbol=run.symbol)
    return ContractBox(
        run.instrument,
        index=run.index,
        assets=dict(assets),
        price_scale=run.price_scale,
        quantity_scale=run.quantity_scale,
        settle_scale=settle_scale,
        margin=rules.margin(start),
        interest_caps=rules.interest_caps(run.symbol, start),
        rounding=rules.rounding(start) if rules.facts.rounding else RoundingRules(),
        fees=(fees.maker, fees.taker),
        clearance_fee=rules.clearance_fee(run.symbol, start) if run.is_derivative else None,
        delivery_fee=rules.delivery(run.symbol, start).fee if run.instrument.expiry and run.is_derivative else 0,
        funding_accrues=run.is_derivative and rules.is_funding_continuous(run.symbol, start),
        tiers=TierBox(run.tables[0].tiers, valid_from=run.tables[0].valid_from) if run.tables else None,
    )


def first_level(venue: Venue, at: int) -> str | tuple[Number, Number]:
    """Return the fee level, or the rates, that an account begins with."""
    return venue.book.level_of_volume(venue.volume, at) if venue.fees == "by_volume" else venue.fees


def fee_units(
    venue: Venue, run: RunInstrument, at: int, level: str | tuple[Number, Number] | None = None
) -> tuple[int, int]:
    """Return maker and taker rate in 1e-10 at a time, the user's discount taken off positive ones."""
    fees = venue.book.fees(first_level(venue, at) if level is None else level, at, symbol=run.symbol)

    def units(rate: float) -> int:
        exact = Decimal(repr(float(rate)))
        if exact > 0:
            exact *= 1 - Decimal(repr(float(venue.discount)))
        return int((exact * RATE_UNIT).to_integral_value())

    return units(fees.maker), units(fees.taker)
