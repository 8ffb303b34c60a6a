"""What changes inside a run by its date: tiers, instruments, fees, rounding, and the recorded events of venues."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

from backtest.borrowing import interest_events
from backtest.deliveries import deliveries, sessions
from backtest.errors import ConfigError
from backtest.fee_levels import fees_by_volume, set_fees
from backtest.rule_events import Event, RuleEvents
from backtest.run_instruments import RunInstrument, fee_units
from feeds.times import iso
from venues.config import Venue
from venues.facts import InterestCaps
from venues.tiers import TierBox

if TYPE_CHECKING:
    from backtest.assembly import Assembly

WHAT = ("outage", "cancel_only", "overload", "adl", "transfer_suspended", "delisting", "failure")
LASTING = ("outage", "cancel_only", "overload", "transfer_suspended")  # have an end, `until`


def rule_changes(assembly: "Assembly") -> RuleEvents:
    """Return all dated changes of a run in time order."""
    events: list[Event] = []
    books = {venue.name: venue for venue in reversed(assembly.venues)}
    for run in assembly.instruments:
        events += _tiers(assembly, run)
        events += _instruments(assembly, run)
        events += _interest_caps(assembly, run)
        for number, venue in enumerate(assembly.venues):
            if venue.name == run.venue:
                events += _fees(assembly, run, number, venue)
    events += fees_by_volume(assembly)
    for name, venue in books.items():
        events += _rounding(assembly, name, venue)
        events += _margin(assembly, name, venue)
        events += _liquidation(assembly, name, venue)
    for number, venue in enumerate(assembly.venues):
        if venue.collateral == "multi":
            events += _assets(assembly, number, venue)
    events += interest_events(assembly)
    recorded, settlements, ended = _venue_events(assembly)
    events += recorded
    # The profit of the session is paid out before a contract ends with it.
    settlements = [*sessions(assembly), *settlements, *deliveries(assembly, ended)]
    if assembly.settings.warmup:
        events.append((assembly.settings.start, lambda _: assembly.context.end_warmup()))
    return RuleEvents(events, settlements)


def _tiers(assembly: "Assembly", run: RunInstrument) -> list[Event]:
    box = assembly.boxes[run.index]

    def change(tiers: TierBox) -> Callable[[int], None]:
        def apply(time: int) -> None:
            box.set_value_limits(*assembly.value_limits(run, time, tiers.rows[0].max_leverage))
            _with_check(assembly, time, lambda: box.swap_tiers(tiers))

        return apply

    return [(t.valid_from, change(TierBox(t.tiers, valid_from=t.valid_from))) for t in run.tables[1:]]


def _instruments(assembly: "Assembly", run: RunInstrument) -> list[Event]:
    box = assembly.boxes[run.index]

    def change(record: Any) -> Callable[[int], None]:
        return lambda time: _with_check(assembly, time, lambda: box.swap_instrument(record))

    return [(record.valid_from, change(record)) for record in run.changes]


def _interest_caps(assembly: "Assembly", run: RunInstrument) -> list[Event]:
    box = assembly.boxes[run.index]
    book = next(venue.book for venue in assembly.venues if venue.name == run.venue)

    def change(caps: InterestCaps) -> Callable[[int], None]:
        return lambda _: box.set_interest_caps(caps.lower, caps.upper)

    return [
        (fact.since, change(fact.value))
        for fact in book.of(book.facts.interest_caps, run.symbol)
        if assembly.first < fact.since < assembly.settings.end
    ]


def _fees(assembly: "Assembly", run: RunInstrument, number: int, venue: Venue) -> list[Event]:
    if not isinstance(venue.fees, str) or venue.fees == "by_volume":
        return []

    def change(at: int) -> Callable[[int], None]:
        return lambda _: set_fees(assembly, number, run.index, *fee_units(venue, run, at))

    changes = venue.book.fee_changes(venue.fees, symbol=run.symbol)
    return [(fact.since, change(fact.since)) for fact in changes if assembly.first < fact.since < assembly.settings.end]


def _rounding(assembly: "Assembly", name: str, venue: Venue) -> list[Event]:
    def change(rounding: Any) -> Callable[[int], None]:
        def apply(_: int) -> None:
            for run in assembly.instruments:
                if run.venue == name:
                    assembly.boxes[run.index].set_rounding(rounding)

        return apply

    return [
        (fact.since, change(fact.value))
        for fact in venue.book.facts.rounding
        if assembly.first < fact.since < assembly.settings.end
    ]


def _margin(assembly: "Assembly", name: str, venue: Venue) -> list[Event]:
    boxes = [assembly.boxes[run.index] for run in assembly.instruments if run.venue == name]

    def change(margin: Any) -> Callable[[int], None]:
        return lambda time: _with_check(assembly, time, lambda: [box.set_margin(margin) for box in boxes])

    return [
        (fact.since, change(fact.value))
        for fact in venue.book.facts.margin
        if assembly.first < fact.since < assembly.settings.end
    ]


def _liquidation(assembly: "Assembly", name: str, venue: Venue) -> list[Event]:
    def change(time: int) -> None:
        liquidator = assembly.exchange.liquidator
        liquidator.set_course(assembly.venue_names.index(name), assembly.liquidation_course(name, time))
        for number, account in enumerate(assembly.venues):
            if account.name == name:
                assembly.rules_of_orders(assembly.exchange.account_list[number], account, time)

    return [
        (fact.since, change)
        for fact in venue.book.facts.liquidation
        if assembly.first < fact.since < assembly.settings.end
    ]


def _assets(assembly: "Assembly", number: int, venue: Venue) -> list[Event]:
    """Return the dates from which assets count, or ask for margin when they are owed, at other rates."""
    facts = venue.book.facts

    def change(row: int) -> Callable[[int], None]:
        def apply(time: int) -> None:
            for state in (assembly.exchange.account_list[number].state, assembly.context.states[number]):
                assembly.value_asset(state, venue, row, time)
                state.value_assets()
            assembly.exchange.examine_all(time)

        return apply

    events: list[Event] = []
    for row, asset in enumerate(assembly.assets):
        dates = {fact.since for fact in facts.collateral.get(asset, ())}
        dates |= {fact.since for fact in facts.loans.get(asset, facts.loans.get("", ()))}
        events += [(at, change(row)) for at in sorted(dates) if assembly.first < at < assembly.settings.end]
    return events


def _with_check(assembly: "Assembly", time: int, change: Callable[[], object]) -> None:
    """Carry out a change and look at every account again: a tier change can itself liquidate."""
    change()
    assembly.exchange.examine_all(time)


def _venue_events(assembly: "Assembly") -> tuple[list[Event], list[Event], set[int]]:
    """Return the recorded events of venues as changes, settlements apart, and the instruments that are settled.

    Raises
    ------
    ConfigError
        For an unknown kind, or one without what it needs.
    """
    events: list[Event] = []
    settlements: list[Event] = []
    ended: set[int] = set()
    for row in assembly.dataset.venue_events:
        what, venue, symbol = row["what"], row["venue"], row["symbol"]
        if what not in WHAT:
            raise ConfigError(f"venue event {what!r} of {venue} is unknown; known are {', '.join(WHAT)}")
        if venue not in assembly.venue_names:
            continue
        number = assembly.venue_names.index(venue)
        runs = [run for run in assembly.instruments if run.venue == venue and symbol in ("*", "", run.symbol)]
        ts, until = int(row["ts"]), int(row.get("until") or 0)
        value = row.get("value")
        if what in LASTING and until <= ts:
            raise ConfigError(f"venue event {what!r} of {venue} at {iso(ts)} needs until= its end, after that time")
        if what == "outage":
            events.append((ts, lambda _, number=number, until=until: assembly.exchange.outage(number, until)))  # type: ignore[misc]
        elif what == "cancel_only":
            events.append((ts, lambda _, number=number, until=until: assembly.exchange.cancel_only(number, until)))  # type: ignore[misc]
        elif what == "overload":
            share = float(_share(row, "the share of orders refused"))
            events.append((ts, partial(_overload, assembly, number, until, share)))
        elif what == "transfer_suspended":
            assembly.suspensions.append((venue, ts, until))
        elif what == "delisting":
            is_final = next(v for v in assembly.venues if v.name == venue).book.facts.index_is_mark
            if value is None and not is_final:
                raise ConfigError(f"venue event 'delisting' of {symbol}@{venue} needs value= its settlement price")
            for run in runs:
                # final settlement is at the oracle price (venues/dydx_v4.md, liquidation)
                price = -1 if value is None else _units(value, run)
                ended.add(run.index)
                settlements.append(
                    (ts, lambda time, run=run, price=price: assembly.exchange.settle_at(run.index, price, time))  # type: ignore[misc]
                )
        elif what == "failure":
            settlements.append((ts, _failure(assembly, number, row)))
        elif what == "adl":
            events += [(ts, _adl(assembly, run, value)) for run in runs]
    return events, settlements, ended


def _overload(assembly: "Assembly", number: int, until: int, share: float, _: int) -> None:
    assembly.exchange.overload(number, until, share)


def _failure(assembly: "Assembly", number: int, row: Mapping[str, Any]) -> Callable[[int], None]:
    """Stop a venue for good, after the marks and the funding of the instant."""
    if row["symbol"] not in ("*", ""):
        raise ConfigError(
            f"venue event 'failure' of {row['venue']} is of all symbols ('*'), got {row['symbol']!r}; one contract "
            "that ends is a 'delisting'"
        )
    share = _share(row, "the share of every balance that is kept")

    def apply(time: int) -> None:
        if not assembly.failures.has_failed(number):
            assembly.failures.fail(number, share, time)

    return apply


def _share(row: Mapping[str, Any], meaning: str) -> Fraction:
    value = row.get("value")
    if value is None or not 0 <= float(value) <= 1:
        raise ConfigError(
            f"venue event {row['what']!r} of {row['venue']} needs value= {meaning}, in [0, 1]; got {value!r}"
        )
    return Fraction(repr(float(value)))


def _units(value: Any, run: RunInstrument) -> int:
    return int((Decimal(str(value)) * 10**run.price_scale).to_integral_value())


def _adl(assembly: "Assembly", run: RunInstrument, value: Any) -> Callable[[int], None]:
    """Reduce winning positions of accounts with adl='recorded' by the recorded share, at the mark."""

    def apply(time: int) -> None:
        share = 1.0 if value is None else min(1.0, float(value))
        for number, venue in enumerate(assembly.venues):
            if venue.name == run.venue and venue.adl == "recorded" and assembly.exchange.profits(number, run.index):
                assembly.exchange.reduce(number, run.index, share, 0, time)

    return apply
