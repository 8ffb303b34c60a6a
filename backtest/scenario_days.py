"""Named days: what venues did then, as steps of a scenario on recorded data of that time, or moved onto other data.

A day says which data it needs. What recorded prices already show (the fall itself) is not done to them a second time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from backtest.errors import ConfigError
from backtest.scenario import Step
from backtest.scenarios import STEPS
from feeds.dataset import Dataset
from feeds.times import iso, time_ns
from venues.checks import did_you_mean


@dataclass(frozen=True, slots=True)
class NamedDay:
    """A day that is remembered.

    Attributes
    ----------
    title : str
    start, until : str
        UTC; the data must cover it, or `at` moves its beginning.
    needs : str
        Data that it has to be run on.
    steps : tuple of (what, arguments)
        ``{venue}``, ``{symbol}`` and ``{asset}`` stand for what the user names; times are seconds from its beginning.
    source : str
    is_unverified : bool
        Times and figures are remembered, no source seen in full.
    """

    title: str
    start: str
    until: str
    needs: str
    steps: tuple[tuple[str, Mapping[str, Any]], ...]
    source: str
    is_unverified: bool = True

    @property
    def takes(self) -> tuple[str, ...]:
        """Names that the user gives."""
        found = {value[1:-1] for _, given in self.steps for value in given.values() if _is_name(value)}
        return tuple(name for name in ("venue", "symbol", "asset") if name in found)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("{")


MINUTE, HOUR = 60, 3_600

NAMED_DAYS: Final[Mapping[str, NamedDay]] = {
    "bitmex_2020_03_13": NamedDay(
        "BitMEX cannot be reached at the low of its crash",
        "2020-03-13T02:16", "2020-03-13T02:40",
        "trades or bars, mark or index, and funding of XBTUSD at bitmex",
        (("freeze", {"venue": "{venue}", "start": 0, "until": 24 * MINUTE}),),
        "BitMEX blog, How we are responding to last week's DDoS attacks, 2020-03-17: 02:16 to 02:40 UTC; minutes "
        "without a trade from 02:22 in its own bars",
    ),
    "crash_2021_05_19": NamedDay(
        "Venues refuse most orders while everything falls by a third",
        "2021-05-19T12:30", "2021-05-19T14:30",
        "trades or bars, marks and funding of the contract",
        (("overload", {"venue": "{venue}", "start": 30 * MINUTE, "until": 90 * MINUTE, "refused": 0.5}),
         ("thin_depth", {"symbol": "{symbol}", "start": 0, "until": 120 * MINUTE, "share": 0.3})),
        "remembered; the shares are assumed",
    ),
    "venue_fails_2022_11": NamedDay(
        "A venue stops withdrawals, and three days later itself",
        "2022-11-08T12:00", "2022-11-11T15:00",
        "data of the contracts at the venue, and of the venues that a strategy would flee to",
        (("suspend_transfers", {"venue": "{venue}", "start": 0, "until": 75 * HOUR}),
         ("fail_venue", {"venue": "{venue}", "at": 74 * HOUR, "kept": 0.0})),
        "remembered: FTX halted withdrawals on 2022-11-08 and filed on 2022-11-11; what was paid back is assumed 0",
    ),
    "usdc_2023_03_11": NamedDay(
        "A dollar coin is worth 88 cents for a night",
        "2023-03-11T02:00", "2023-03-11T14:00",
        "contracts that are settled in the coin or accept it as collateral",
        (("depeg", {"asset": "{asset}", "start": 0, "until": 4 * HOUR, "price": 0.93}),
         ("depeg", {"asset": "{asset}", "start": 4 * HOUR, "until": 8 * HOUR, "price": 0.88}),
         ("depeg", {"asset": "{asset}", "start": 8 * HOUR, "until": 12 * HOUR, "price": 0.95})),
        "remembered: USDC after Circle named its deposits at a failed bank; levels rounded",
    ),
    "cascade_2025_10_10": NamedDay(
        "Books near the mid are gone for minutes, orders are refused, winners are deleveraged",
        "2025-10-10T21:10", "2025-10-10T21:50",
        "trades or bars, marks and funding of the contract on 2025-10-10",
        (("thin_depth", {"symbol": "{symbol}", "start": 4 * MINUTE, "until": 20 * MINUTE, "share": 0.1}),
         ("overload", {"venue": "{venue}", "start": 6 * MINUTE, "until": 26 * MINUTE, "refused": 0.3}),
         ("deleverage", {"venue": "{venue}", "symbol": "{symbol}", "at": 7 * MINUTE, "share": 0.5})),
        "depth near the mid vanished for minutes (Kaiko); deleveraging of Hyperliquid from 21:16 (HyperReplay); the "
        "shares are assumed",
    ),
}  # fmt: skip


def named_day(
    name: str, *, venue: str | None = None, symbol: str | None = None, asset: str | None = None, at: Any = None
) -> tuple[Step, ...]:
    """Return the steps of a named day.

    Parameters
    ----------
    name : str
        Of `NAMED_DAYS`.
    venue, symbol, asset : str
        To whom it happens; those that the day has (`NamedDay.takes`).
    at : time, optional
        When it begins; None: as it was, and the data must be of that time (`check_covers`).

    Raises
    ------
    ConfigError
        For an unknown day, or a name that it lacks or has no use for.
    """
    if name not in NAMED_DAYS:
        raise ConfigError(f"no day {name!r}{did_you_mean(name, NAMED_DAYS)}; there are {', '.join(NAMED_DAYS)}")
    day = NAMED_DAYS[name]
    given = {"venue": venue, "symbol": symbol, "asset": asset}
    missing = [each for each in day.takes if given[each] is None]
    idle = [each for each, value in given.items() if value is not None and each not in day.takes]
    if missing or idle:
        wrong = f"needs {', '.join(missing)}" if missing else f"has no use for {', '.join(idle)}"
        raise ConfigError(f"{name}: {wrong}; it takes {', '.join(day.takes)}")
    begin = time_ns(day.start if at is None else at, name=f"{name}: at")
    made = []
    for what, arguments in day.steps:
        values: dict[str, Any] = {
            key: given[value[1:-1]] if _is_name(value) else value for key, value in arguments.items()
        }
        for key in ("start", "until", "at"):
            if key in values:
                values[key] = begin + int(values[key]) * 10**9
        made.append(STEPS[what](**values))
    return tuple(made)


def check_covers(name: str, data: Dataset) -> None:
    """Refuse data that are not of a named day.

    Raises
    ------
    ConfigError
        Naming what the day needs, and `at` as the way to move it.
    """
    day = NAMED_DAYS[name]
    low, high = time_ns(day.start), time_ns(day.until)
    filled = [s for s in data.streams if s.rows]
    first, last = min(s.ts_min for s in filled), max(s.ts_max + s.timeframe_ns for s in filled)
    if first > low or last < high:
        raise ConfigError(
            f"{name} was from {day.start} to {day.until} and needs {day.needs}; the data go from {iso(first)} to "
            f"{iso(last)}: give such data, or at= to let it begin elsewhere"
        )
