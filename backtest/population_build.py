"""Puts a population into a run, and takes out of it what happened to it."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backtest.errors import ConfigError
from backtest.population_rows import crowd_rows
from backtest.run_streams import LIQUIDATION
from backtest.tables import PAID_BY, TABLES
from backtest.wiring import hooks_by_kind, wanted_kinds

if TYPE_CHECKING:
    from backtest.assembly import Assembly
    from backtest.population import Crowd


def check_deleveraging(assembly: "Assembly") -> None:
    """Refuse adl='population' where nobody could be deleveraged, or never would be.

    Raises
    ------
    ConfigError
    """
    crowd = assembly.settings.population
    for venue in assembly.venues:
        if venue.adl != "population":
            continue
        where = f"Venue({venue.name!r}, account={venue.account!r})"
        facts = venue.book.facts
        if crowd is None:
            raise ConfigError(f"{where}: adl='population' needs other accounts; give Backtest(..., population=...)")
        if not _limited(assembly, venue.name):
            raise ConfigError(
                f"{where}: adl='population' would have no effect: the insurance fund is unlimited; give insurance_fund="
            )
        if not facts.ranks_adl and not facts.scores_adl:
            raise ConfigError(f"{where}: adl='population' needs a ranking, {venue.name} publishes none")


def _limited(assembly: "Assembly", name: str) -> bool:
    return any(v.insurance_fund is not None for v in assembly.venues if v.name == name)


def build_crowd(assembly: "Assembly", crowd: "Crowd") -> Any:
    """Make the engine's population of a run and let it in; its money is paid in at the start."""
    from backtest.spill import Spill
    from venues.adl_queue import queue_order
    from venues.crowd_queue import CrowdQueue
    from venues.engine import MarginEngine
    from venues.outbox import Outbox
    from venues.records import Journal

    exchange = assembly.exchange
    rows = crowd_rows(assembly, crowd.positions)
    if not len(rows.quantity):
        raise ConfigError("population: no position is as large as a lot")
    journal, outbox = Journal(), Outbox()
    templates = [_template(assembly, name) for name in assembly.venue_names]
    where: dict[str, Any] = {
        "venue": rows.venue, "asset": rows.asset, "first": rows.first, "wallet": rows.wallet,
        "isolated": rows.isolated, "instrument": rows.instrument, "quantity": rows.quantity, "price": rows.price,
        "leverage": rows.leverage,
    }  # fmt: skip

    def make(venue: int, index: int) -> Any:
        return assembly.host(templates[venue], index, ledger=exchange.ledger, outbox=outbox, journal=journal)

    def rank(venue: int, instrument: int, side: int, figures: dict[str, NDArray[np.float64]]) -> NDArray[np.intp]:
        rules = assembly.venues[templates[venue]].book
        return queue_order(rules, assembly.boxes[instrument], side, figures, at=assembly.loop.now)

    made = CrowdQueue(
        exchange.world,
        MarginEngine(),
        ledger=exchange.ledger,
        liquidator=exchange.liquidator,
        journal=journal,
        outbox=outbox,
        make=make,
        templates=templates,
        depths=_depths(assembly, crowd),
        refill=float(crowd.refill),
        trigger=[
            float(np.nextafter(1.0, 2.0)) if _book(assembly, name).margin(assembly.first).trigger == "exceeded" else 1.0
            for name in assembly.venue_names
        ],
        start=assembly.settings.start,
        rank=rank,
        joins=[venue.adl == "population" for venue in assembly.venues],
        **where,
    )
    exchange.admit_crowd(made)
    for number, name in enumerate(assembly.venue_names):
        if any(v.name == name and v.adl == "population" for v in assembly.venues):
            exchange.liquidator.deleverage_others(number)
    made.pay_in(assembly.first)
    assembly.crowd_left_out = rows.left_out
    # its forced closes are read at the end, the rest may go to disk
    rest = [each for each in journal.tables() if each is not journal.liquidations]
    assembly.crowd_spill = Spill(rest, assembly.settings.journal_limit)
    return made


def connect_crowd(assembly: "Assembly") -> None:
    """Let strategies hear of a population's forced orders, and unfold all bars where its sales move marks."""
    crowd = assembly.exchange.crowd
    if crowd is None:
        return
    assembly.loop.unfolds_all = crowd.moves_marks
    bound = [hooks_by_kind(strategy) for strategy in assembly.strategies]
    if LIQUIDATION in wanted_kinds(assembly.strategies, bound):
        feed = {venue.name: venue.latency_ns[2] for venue in reversed(assembly.venues)}
        assembly.loop.hear_sales([feed[run.venue] for run in assembly.instruments])


def _book(assembly: "Assembly", name: str) -> Any:
    return next(venue.book for venue in assembly.venues if venue.name == name)


def _template(assembly: "Assembly", name: str) -> int:
    """Return the row of the user's first account at a venue."""
    return next(row for row, venue in enumerate(assembly.venues) if venue.name == name)


def _depths(assembly: "Assembly", crowd: "Crowd") -> list[float]:
    """Return the quantity that moves each instrument's mark by its whole reference price; 0 = none."""
    found = [0.0] * len(assembly.instruments)
    for symbol, depth in crowd.mark_depth.items():
        fitting = [run for run in assembly.instruments if run.is_derivative and symbol in (run.symbol, run.address)]
        if len(fitting) != 1:
            has = ", ".join(run.address for run in assembly.instruments if run.is_derivative)
            raise ConfigError(
                f"Crowd: mark_depth[{symbol!r}] is {'no' if not fitting else 'more than one'} derivative of the run; "
                f"it has {has}"
            )
        run = fitting[0]
        if run.index in assembly.moved_marks:
            raise ConfigError(
                f"Crowd: mark_depth[{symbol!r}]: the mark of {run.address} follows the impact of its venue already, "
                "which forced sales of the population have too; leave mark_depth out"
            )
        # of contracts: a linear one counts coins
        found[run.index] = float(depth) / (
            1.0 if run.instrument.contract == "inverse" else run.instrument.contract_size
        )
    return found


def crowd_meta(assembly: "Assembly") -> dict[str, Any]:
    """Return what happened to the population, for the meta data of the result; nothing without one."""
    crowd = assembly.exchange.crowd
    if crowd is None:
        return {}
    closes = np.array(crowd.closes())
    steps = crowd.journal.liquidations.table()
    forced = steps[np.isin(steps["what"], (1, 2))]
    return {
        "accounts": int(crowd.n_members),
        "positions": int(crowd.n_positions),
        "left_out": int(assembly.crowd_left_out),
        "liquidated": int(np.count_nonzero(closes)),
        "liquidations": int(closes.sum()),
        "deleveraged": int(np.unique(steps["account"][steps["what"] == 3]).size),
        "steps": len(forced),
        "closed": {
            run.address: _closed(assembly, run.index, forced[forced["instrument"] == run.index])
            for run in assembly.instruments
            if run.is_derivative
        },
        "bad_debt": _bad_debt(assembly, steps),
        "wallets": {assembly.assets[row]: atoms for row, atoms in crowd.wealth().items()},
        "most_at_once": int(crowd.most_active),
        "largest_shift": {
            run.address: max((abs(shift) for _, shift in crowd.shifts_of(run.index)), default=0.0) / 10**run.price_scale
            for run in assembly.instruments
            if run.is_derivative
        },
    }


def _closed(assembly: "Assembly", instrument: int, rows: NDArray[np.void]) -> dict[str, float]:
    """Return the quantities of longs and shorts closed by force, and their notional in the settle asset."""
    run, box = assembly.instruments[instrument], assembly.boxes[instrument]
    size = rows["quantity"] / 10**run.quantity_scale
    price = rows["price"] / 10**run.price_scale
    value = np.abs(size) / price if run.instrument.contract == "inverse" else np.abs(size) * price
    return {
        "long": float(size[size > 0.0].sum()),
        "short": float(np.abs(size[size < 0.0]).sum()),
        "notional": float(value.sum()) * box.notional(1.0, 1.0),
    }


def _bad_debt(assembly: "Assembly", rows: NDArray[np.void]) -> dict[str, dict[str, int]]:
    """Return what accounts could not pay, atoms by asset and by who paid it."""
    found: dict[str, dict[str, int]] = {}
    for row in rows[rows["shortfall"] > 0]:
        of_asset = found.setdefault(assembly.assets[row["asset"]], {})
        payer = PAID_BY[row["paid_by"]]
        of_asset[payer] = of_asset.get(payer, 0) + int(row["shortfall"])
    return found


def crowd_table(assembly: "Assembly") -> Any:
    """Return the steps of all forced closes of the population, rows of `population`; none without one."""
    crowd = assembly.exchange.crowd
    rows = TABLES["population"].empty()
    if crowd is not None:
        rows = crowd.journal.liquidations.table()
        rows.dtype = TABLES["population"].dtype  # the account of a row is a member here
    return rows


def describe_crowd(assembly: "Assembly") -> tuple[str, str]:
    """Return what the first screen says of the population."""
    given, crowd = assembly.settings.population, assembly.exchange.crowd
    if given is None:
        raise ConfigError("a run without a population has nothing to say of one")
    text = f"{crowd.n_members} accounts with {crowd.n_positions} positions"
    if assembly.crowd_left_out:
        text += f", {assembly.crowd_left_out} smaller than a lot left out"
    marks = [
        f"{symbol}: forced sales of {depth:g} move the mark by all of it" for symbol, depth in given.mark_depth.items()
    ]
    if given.refill:
        marks.append(f"it comes back at {given.refill:g} per second")
    return text, "; ".join(marks) or "their sales do not move marks"
