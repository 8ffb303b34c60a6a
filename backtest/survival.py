"""The same trades at other leverages, each carried out by the engine: how much more a run would have survived."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.errors import ConfigError
from backtest.result_text import against_equity, money, percent
from backtest.tables import FORCED
from venues.config import Venue

if TYPE_CHECKING:
    import pandas as pd

    from backtest.assembly import Assembly
    from backtest.backtest import Backtest
    from backtest.result import Result
    from backtest.script import Script

FACTORS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0)
COLUMNS = {
    "start_equity": "reporting asset",
    "end_equity": "reporting asset",
    "return": "fraction, time-weighted",
    "max_drawdown": "fraction",
    "max_leverage": "notional / equity",
    "liquidations": "count of episodes",
    "first_liquidation": "UTC, NaT = never",
    "min_distance": "fraction of the mark, inf without a liquidation price",
    "max_margin_ratio": "1 = liquidation",
    "refused": "orders refused, those that the run itself had refused left out",
    "changed": "orders that could only reduce, because the position was another than in the run",
}
HEADS = (
    "leverage", "capital", "end", "return", "drawdown", "highest", "nearest", "forced", "first, UTC", "refused",
)  # fmt: skip
Watch = Callable[["Backtest", str], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Survival:
    """Results of the same trades by what leverage was multiplied with.

    Attributes
    ----------
    results : mapping of float to Result
        In order of the factors; at 1 the run itself.
    changed : mapping of float to int
        Orders that could only reduce; see `survival`.
    notes : list of str
        What must be known to read it.
    """

    results: "Mapping[float, Result]"
    changed: Mapping[float, int]
    notes: Sequence[str]

    @property
    def result(self) -> "Result":
        """Return the run itself."""
        return self.results[1.0]

    @property
    def table(self) -> "pd.DataFrame":
        """Return one row per factor with the columns of `COLUMNS`; ``attrs["units"]`` names their units."""
        import pandas as pd

        own = self.result.summary["rejected_orders"]
        rows = {}
        for factor, found in self.results.items():
            summary: dict[str, Any] = dict(found.summary)
            first = first_forced(found)
            summary["first_liquidation"] = pd.NaT if first is None else pd.Timestamp(first, unit="ns", tz="UTC")
            summary["refused"] = max(0, int(summary["rejected_orders"] - own))
            summary["changed"] = self.changed[factor]
            rows[factor] = {key: summary[key] for key in COLUMNS}
        made = pd.DataFrame.from_dict(rows, orient="index", columns=list(COLUMNS))
        made.index.name = "leverage"
        made.attrs["units"] = dict(COLUMNS)
        return made

    @property
    def limits(self) -> tuple[float, float]:
        """Return the largest factor up to which nothing was closed by force, and the smallest at which something was.

        nan where there is none.
        """
        closed = [factor for factor, found in self.results.items() if found.summary["liquidations"]]
        first = min(closed, default=math.nan)
        survived = [factor for factor in self.results if not closed or factor < first]
        return max(survived, default=math.nan), first


def first_forced(result: "Result") -> int | None:
    """Return the time of the first forced close (ns), None when there was none."""
    forced = result.store.columns("liquidations")
    codes = [FORCED.index("liquidation"), FORCED.index("takeover")]
    times = forced["time"][np.isin(forced["what"], codes)]
    return int(times.min()) if len(times) else None


def survival(backtest: "Backtest", factors: Sequence[float] = FACTORS, *, watch: Watch | None = None) -> Survival:
    """Run a backtest, and then its trades again with more and with less leverage.

    The orders of the run are sent again at their moments with their sizes and prices, by accounts that begin with their
    capital divided by the factor. Spot accounts keep theirs: their coins are bought, not leveraged. Deposits,
    withdrawals, margin added and transfers between the other accounts are divided too, what is borrowed and repaid is
    not; margin leverage that was set is multiplied, up to the venue's largest. An order goes out as it was where the
    position is what it was in the run; elsewhere (after a forced close, or where the venue refused an entry) it may
    only reduce, until both are flat again.

    Parameters
    ----------
    backtest : Backtest
    factors : sequence of float
        Positive; 1, the run itself, is always among the results.
    watch : callable, optional
        (backtest, text) -> context manager around each run.

    Raises
    ------
    ConfigError
        For a factor that is not positive, and when no account of the run has leverage.
    """
    from backtest.script import Script

    wrong = [factor for factor in factors if not 0.0 < factor < math.inf]
    if wrong:
        raise ConfigError(f"survival: factors must be positive, got {wrong[0]!r}")
    leveraged = [venue.book.contracts != ("spot",) for venue in backtest.venues]
    if not any(leveraged):
        raise ConfigError("survival: all accounts are spot accounts, which have no leverage")
    around: Watch = watch if watch is not None else lambda run, text: nullcontext()
    script = Script()
    with around(backtest, "running"):
        own = backtest.carry_out([strategy.fresh_copy({}) for strategy in backtest.strategies], script)
    results: dict[float, Result] = {1.0: own}
    changed = {1.0: 0}
    notes = []
    if backtest.was_stopped:
        return Survival(results, changed, ["Interrupted: the run was not repeated."])
    decided = backtest.decided()
    for factor in dict.fromkeys((1.0, *(float(factor) for factor in factors))):
        run, strategy = _repeated(backtest, script, decided, leveraged, factor)
        with around(run, f"running at {factor:g}x"):
            found = run.carry_out([strategy])
        if run.was_stopped:
            notes.append(f"Interrupted at {factor:g}x.")
            break
        if factor != 1.0:
            results[factor], changed[factor] = found, strategy.changed
        elif found.summary["end_equity"] != own.summary["end_equity"]:
            notes.append(
                f"At 1x the repeated orders end at {money(found.summary['end_equity'])}, the run at "
                f"{money(own.summary['end_equity'])}: read the others with that in mind."
            )
    if not all(leveraged):
        names = [name for name, is_one in zip(decided.account_names, leveraged, strict=True) if not is_one]
        notes.append(f"Spot accounts keep their capital: {', '.join(names)}.")
    return Survival(dict(sorted(results.items())), changed, notes)


def _repeated(
    backtest: "Backtest", script: "Script", decided: "Assembly", leveraged: Sequence[bool], factor: float
) -> "tuple[Backtest, Any]":
    """Return the run of the accounts with their capital divided, and the strategy that repeats the trades in it."""
    from backtest.repeat import Repeat

    shares = [1.0 / factor if is_one else 1.0 for is_one in leveraged]
    most = {
        (number, run.index): run.tables[0].tiers[0].max_leverage
        for number, venue in enumerate(decided.venues)
        for run in decided.instruments
        if run.is_derivative and run.venue == venue.name and run.tables
    }

    def setting(account: int, instrument: int, leverage: float) -> float:
        if factor == 1.0:
            return leverage
        wanted = max(1.0, leverage * factor)
        if decided.venues[account].book.margin(decided.first).whole_leverage:
            wanted = float(math.ceil(wanted - 1e-9))
        return min(wanted, most.get((account, instrument), wanted))

    def scaled(number: int, venue: Venue) -> Venue:
        if shares[number] == 1.0:
            return venue
        settings = {
            run.symbol: setting(number, run.index, decided.leverage(venue, run))
            for run in decided.instruments
            if (number, run.index) in most
        }
        balances = {asset: float(amount) / factor for asset, amount in venue.balances.items()}
        has_setting = venue.book.facts.has_leverage and settings
        return replace(venue, balances=balances, leverage=settings if has_setting else venue.leverage)

    run = backtest.changed(venues=[scaled(number, venue) for number, venue in enumerate(backtest.venues)])
    return run, Repeat(script, shares=shares, settings=setting)


def cells(found: Survival) -> list[tuple[str, ...]]:
    """Return the table as text, in the columns of `HEADS`."""
    frame = found.table
    return [
        (
            f"{factor:g}x",
            money(row["start_equity"]),
            money(row["end_equity"]),
            percent(row["return"], 1),
            percent(row["max_drawdown"], 1),
            against_equity(row["max_leverage"]),
            percent(row["min_distance"], 1),
            f"{row['liquidations']:d}",
            "–" if row["first_liquidation"] != row["first_liquidation"] else f"{row['first_liquidation']:%m-%d %H:%M}",
            f"{row['refused']:d}",
        )
        for factor, (_, row) in zip(found.results, frame.iterrows(), strict=True)
    ]


def said(found: Survival) -> list[str]:
    """Return sentences on what the table says and does not show."""
    survived, closed = found.limits
    if math.isnan(closed):
        out = [f"Nothing was closed by force up to {survived:g}x the leverage."]
    elif math.isnan(survived):
        out = [f"Something was closed by force even at {closed:g}x the leverage."]
    else:
        out = [f"Nothing was closed by force up to {survived:g}x the leverage; at {closed:g}x something was."]
    altered = {factor: count for factor, count in found.changed.items() if count}
    if altered:
        listed = ", ".join(f"{count:,d} at {factor:g}x" for factor, count in sorted(altered.items()))
        out.append(f"Orders that could only reduce, since the position was another than in the run: {listed}.")
    return [*out, *found.notes]
