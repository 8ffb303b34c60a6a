"""Rules of one venue looked up as of a time: instruments, tiers, fees, limits, rounding, funding, liquidation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self, TypeVar

from venues.checks import Number, Time, day, did_you_mean, number, time_ns
from venues.errors import VenueError
from venues.facts import (
    LATEST,
    Dated,
    DeliveryRules,
    Fact,
    FeeLevel,
    Fees,
    FundingRules,
    InterestCaps,
    LiquidationRules,
    MarkRules,
    OrderRules,
    TierTable,
    VenueFacts,
    in_force,
)
from venues.instrument import Instrument, MarginRules, RoundingRules, Tier, complete_tiers, parse_symbol

T = TypeVar("T")
ALONE: Final = "isolated"  # key of facts that hold for markets that stand alone and have none of their own
_HOUR_NS: Final = 3_600_000_000_000


@dataclass(frozen=True, slots=True)
class DatedRules:
    """What one venue does, looked up as of a time.

    Parameters
    ----------
    facts : VenueFacts
    as_of : int
        ns; used where a method is given no `at`.
    own : tuple of Instrument
        Instruments given by the user (`with_instrument`); they win over the venue's from their `valid_from` on.

    Notes
    -----
    Every method that needs a rule the venue does not have, or that is not known at that time, raises a `VenueError`
    which names it.
    """

    facts: VenueFacts
    as_of: int = LATEST
    own: tuple[Instrument, ...] = ()

    @property
    def name(self) -> str:
        """Name of the venue."""
        return self.facts.name

    @property
    def contracts(self) -> tuple[str, ...]:
        """Kinds of contract it lists."""
        return self.facts.contracts

    @property
    def sources(self) -> Mapping[str, str]:
        """Key to document of every source that a fact names."""
        return self.facts.sources

    @property
    def unverified(self) -> tuple[str, ...]:
        """Facts that no source seen confirms, with the day from which they are used."""
        return tuple(f"{name} (from {day(since)})" for name, since in self.facts.unverified())

    # ---- instruments and tiers

    def instruments(self, symbol: str) -> tuple[Instrument, ...]:
        """Return the dated records of a symbol, ascending; empty for a symbol without facts."""
        given = sorted((row for row in self.own if row.symbol == symbol), key=lambda row: row.valid_from)
        shipped = self.facts.instruments.get(symbol, ())
        if given:
            shipped = tuple(row for row in shipped if row.valid_from < given[0].valid_from)
        return (*shipped, *given)

    def instrument(self, symbol: str, at: Time | None = None) -> Instrument | None:
        """Return the record of a symbol in force; None for a symbol without facts then."""
        now = self.moment(at)
        found = [row for row in self.instruments(symbol) if row.valid_from <= now]
        return found[-1] if found else None

    def default_instrument(self, symbol: str) -> Instrument:
        """Return what the venue's rule says of any symbol: kind and contract size; no tick, lot, minimum or band."""
        parts = parse_symbol(symbol)
        if parts["strike"]:
            raise VenueError(f"{self.name}: {symbol} is an option; options are not built, allowed: {self.contracts}")
        contract, size = self.facts.describe(parts["base"], parts["quote"], parts["settle"])
        expiry = self.expiry(symbol)
        return Instrument(symbol, contract=contract, contract_size=size, expiry=expiry, source="rule of the venue")

    def expiry(self, symbol: str) -> int | None:
        """Return when a dated contract ends by its symbol, ns: its day, at the venue's hour; None for others."""
        date = parse_symbol(symbol)["date"]
        if not date:
            return None
        noon = time_ns(f"20{date[:2]}-{date[2:4]}-{date[4:]}T12:00", "symbol")
        hour = self.delivery(symbol, noon).hour_utc if self.facts.delivery else 8
        return noon + (hour - 12) * _HOUR_NS

    def with_instrument(self, instrument: Instrument) -> Self:
        """Return rules that also know an instrument of the user.

        It replaces the venue's own records of that symbol from its `valid_from` on, its tiers (if any) the venue's
        tables.
        """
        if not isinstance(instrument, Instrument):
            raise VenueError(f"with_instrument takes a venues.Instrument, got {type(instrument).__name__}")
        kept = tuple(
            row for row in self.own if (row.symbol, row.valid_from) != (instrument.symbol, instrument.valid_from)
        )
        return replace(self, own=(*kept, instrument))

    def of(self, facts: Mapping[str, Dated[T]], symbol: str) -> Dated[T]:
        """Return a symbol's facts as `of_symbol`, or those that hold for all markets that stand alone."""
        if symbol not in facts and ALONE in facts and any(row.is_alone for row in self.instruments(symbol)):
            return facts[ALONE]
        return of_symbol(facts, symbol)

    def tier_tables(self, symbol: str) -> tuple[TierTable, ...]:
        """Return the dated tier tables of a symbol, ascending; empty where none is known."""
        given = sorted((row for row in self.own if row.symbol == symbol and row.tiers), key=lambda row: row.valid_from)
        shipped = [
            TierTable(fact.since, complete_tiers(fact.value, symbol), fact.source, fact.is_unverified)
            for fact in self.of(self.facts.tiers, symbol)
        ]
        if given:
            shipped = [table for table in shipped if table.valid_from < given[0].valid_from]
        return (*shipped, *(TierTable(row.valid_from, tuple(row.tiers), row.source, False) for row in given))

    def tiers(self, symbol: str, at: Time | None = None) -> tuple[Tier, ...]:
        """Return the rows of the table in force.

        Raises
        ------
        VenueError
            If the venue has no table of the symbol, or none that early.
        """
        tables = self.tier_tables(symbol)
        now = self.moment(at)
        found = [table for table in tables if table.valid_from <= now]
        if found:
            return found[-1].tiers
        if tables:
            raise VenueError(
                f"{self.name}: the first tiers of {symbol} are of {day(tables[0].valid_from)}, "
                f"asked for {day(now)}; give missing_tiers=[Tier(...)] or 'nearest'"
            )
        known = (*self.facts.tiers, *(row.symbol for row in self.own))
        raise VenueError(
            f"{self.name}: no tiers of {symbol}{did_you_mean(symbol, known)}; "
            "give them with with_instrument(Instrument(..., tiers=[...])) or missing_tiers=[Tier(...)]"
        )

    def nearest_tiers(self, symbol: str, at: Time | None = None) -> tuple[Tier, ...]:
        """Return a cautious table for a symbol without one: at each notional the highest rate of comparable tables.

        Comparable are tables whose notional is in the same money: any stablecoin for linear contracts, the same coin
        for inverse ones. Before the first of them the earliest is taken.

        Raises
        ------
        VenueError
            If the venue ships no comparable table.
        """
        now = self.moment(at)
        if self.margin(at).tier_unit == "quantity":
            raise VenueError(
                f"{self.name}: tiers count contracts, which are not comparable over symbols; "
                f"give missing_tiers=[Tier(...)] for {symbol}"
            )
        asked = self.default_instrument(symbol)
        chosen = []
        for other in self.facts.tiers:
            if other == ALONE:
                continue
            parts = parse_symbol(other.removesuffix("-*"))
            is_inverse = parts["settle"] == parts["base"]
            tables = self.tier_tables(other)
            if (
                tables
                and is_inverse == (asked.contract == "inverse")
                and (not is_inverse or asked.settle == parts["settle"])
            ):
                chosen.append(next((t for t in reversed(tables) if t.valid_from <= now), tables[0]).tiers)
        if any(row.size_rate for table in chosen for row in table):
            raise VenueError(
                f"{self.name}: rates grow with the coins of a position, of each coin differently, so no other table "
                f"stands in for that of {symbol}; give missing_tiers=[Tier(..., size_rate=...)]"
            )
        if not chosen:
            raise VenueError(
                f"{self.name} ships no tier table settled in {asked.settle}; "
                f"give missing_tiers=[Tier(...)] for {symbol}"
            )
        rows: list[Tier] = []
        for floor in sorted({row.floor for table in chosen for row in table}):
            here = [next(row for row in reversed(table) if row.floor <= floor) for table in chosen]
            rate, leverage = max(row.maintenance_rate for row in here), min(row.max_leverage for row in here)
            if not rows or (rate, leverage) != (rows[-1].maintenance_rate, rows[-1].max_leverage):
                rows.append(Tier(floor=floor, maintenance_rate=rate, max_leverage=leverage))
        return complete_tiers(rows, symbol)

    # ---- dated rules

    def fees(
        self, level: str | tuple[Number, Number] = "regular", at: Time | None = None, *, symbol: str | None = None
    ) -> Fees:
        """Return (maker, taker) as rates of notional.

        Parameters
        ----------
        level : str or (maker, taker)
            Level of the venue's schedule, or the rates themselves.
        at : ns or time, optional
        symbol : str, optional
            Contracts of some settle assets have a schedule of their own; an instrument's own fees win over a level.
        """
        if not isinstance(level, str):
            return Fees(
                number(level[0], "maker fee", low=-0.01, high=0.1), number(level[1], "taker fee", low=-0.01, high=0.1)
            )
        levels = self.level_names()
        if level not in levels:
            raise VenueError(
                f"{self.name}: fees must be one of {levels} or (maker, taker), "
                f"got {level!r}{did_you_mean(level, levels)}"
            )
        instrument = None if symbol is None else self.instrument(symbol, at)
        if instrument is not None and instrument.maker_fee is not None and instrument.taker_fee is not None:
            return Fees(instrument.maker_fee, instrument.taker_fee)
        settle = "" if symbol is None else parse_symbol(symbol)["settle"]
        if (level, "") in self.facts.fees:
            dated = self.facts.fees.get((level, settle), self.facts.fees[level, ""])
            return self.need(dated, at, f"fees of level {level!r}")
        found = self.need(self._levels(settle), at, f"fees of level {level!r}")
        return next(Fees(row.maker, row.taker) for row in found if row.name == level)

    def level_names(self) -> list[str]:
        """Return the levels of the venue's fee schedule."""
        by_volume = {row.name for fact in self._levels("") for row in fact.value}
        return sorted({key[0] for key in self.facts.fees} | by_volume)

    def level_of_volume(self, volume: Number, at: Time | None = None) -> str:
        """Return the level of a volume traded in the last `VenueFacts.fee_days` days, US dollars.

        Raises
        ------
        VenueError
            Without a schedule by volume.
        """
        if not self.facts.fee_levels:
            raise VenueError(
                f"{self.name}: the schedule by volume is not known here; fees must be one of {self.level_names()} or "
                "(maker, taker)"
            )
        traded = number(volume, "volume", low=0.0)
        found = self.need(self._levels(""), at, "fees by volume")
        return next((row.name for row in reversed(found) if traded >= row.volume), "regular")

    def _levels(self, settle: str) -> Dated[tuple[FeeLevel, ...]]:
        return self.facts.fee_levels.get(settle, self.facts.fee_levels.get("", ()))

    def fee_changes(self, level: str = "regular", *, symbol: str) -> tuple[Fact[Fees], ...]:
        """Return the dated fees of a level for a symbol, ascending."""
        settle = parse_symbol(symbol)["settle"]
        if (level, "") in self.facts.fees:
            return tuple(self.facts.fees.get((level, settle), self.facts.fees[level, ""]))
        return tuple(
            Fact(
                next(Fees(row.maker, row.taker) for row in fact.value if row.name == level),
                fact.source,
                fact.since,
                is_unverified=fact.is_unverified,
            )
            for fact in self._levels(settle)
        )

    def margin(self, at: Time | None = None) -> MarginRules:
        """Return what the venue puts into margins; a venue without such facts values everything at the mark."""
        return self.need(self.facts.margin, at, "margin rules") if self.facts.margin else MarginRules()

    def rounding(self, at: Time | None = None) -> RoundingRules:
        """Return how the venue keeps entries and rounds money."""
        return self.need(self.facts.rounding, at, "rounding rules")

    def order_rules(self, at: Time | None = None) -> OrderRules:
        """Return limits on orders and the markups of assuming prices."""
        return self.need(self.facts.orders, at, "order rules")

    def funding_rules(self, symbol: str, at: Time | None = None) -> FundingRules:
        """Return how a symbol's funding rate is made; an instrument's own interval wins."""
        found = self.need(self.of(self.facts.funding, symbol), at, f"funding rules of {symbol}")
        instrument = self.instrument(symbol, at)
        if instrument is not None and instrument.funding_interval_hours is not None:
            return replace(found, interval_hours=instrument.funding_interval_hours)
        return found

    def delivery(self, symbol: str, at: Time | None = None) -> DeliveryRules:
        """Return how a dated contract settles."""
        return self.need(self.of(self.facts.delivery, symbol), at, f"delivery of {symbol}")

    def is_funding_continuous(self, symbol: str, at: Time | None = None) -> bool:
        """Return whether funding accrues every moment; a venue without funding rules charges it at its times."""
        fact = in_force(self.of(self.facts.funding, symbol), self.moment(at))
        return fact is not None and fact.value.is_continuous

    def mark_rules(self, at: Time | None = None) -> MarkRules:
        """Return the moving average inside the venue's mark price formula."""
        return self.need(self.facts.mark, at, "mark price formula")

    def liquidation(self, at: Time | None = None) -> LiquidationRules:
        """Return how positions are closed by force."""
        return self.need(self.facts.liquidation, at, "liquidation rules")

    def interest_caps(self, symbol: str, at: Time | None = None) -> InterestCaps:
        """Return the open interest between which a symbol's initial rate rises to 1; (0, 0) = it does not."""
        facts = self.of(self.facts.interest_caps, symbol)
        found = in_force(facts, self.moment(at))
        return InterestCaps(0.0, 0.0) if found is None else found.value

    def clearance_fee(self, symbol: str, at: Time | None = None) -> float:
        """Return the rate on notional closed by force; an instrument's own wins."""
        instrument = self.instrument(symbol, at)
        if instrument is not None and instrument.clearance_fee is not None:
            return instrument.clearance_fee
        return self.need(self.of(self.facts.clearance_fees, symbol), at, f"clearance fee of {symbol}")

    def moment(self, at: Time | None) -> int:
        """Return the ns that an `at` means: a date alone its end, None the time of these rules."""
        return self.as_of if at is None else time_ns(at, "at", end_of_day=True)

    def need(self, facts: Dated[T], at: Time | None, what: str) -> T:
        """Return the value in force; an error says whether the rule is missing or not known that early."""
        fact = in_force(facts, self.moment(at))
        if fact is not None:
            return fact.value
        if facts:
            raise VenueError(
                f"{self.name}: {what} are known from {day(facts[0].since)} on, asked for {day(self.moment(at))}"
            )
        raise VenueError(f"{self.name} has no {what}")


def of_symbol(facts: Mapping[str, Dated[T]], symbol: str) -> Dated[T]:
    """Return a symbol's facts: its own, else those of its family of dated contracts, else those of all symbols."""
    family = f"{symbol.rsplit('-', 1)[0]}-*" if "-" in symbol else symbol
    for key in (symbol, family, ""):
        if key in facts:
            return facts[key]
    return ()
