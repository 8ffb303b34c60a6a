"""The synthetic market in columns: index, premium, funding, mark, trades, forced orders and open interest of a leg."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from feeds.synthetic.processes import (
    MINUTE_S,
    Crash,
    Floats,
    Ints,
    anchored_walk,
    arrivals,
    by_seconds,
    draws,
    flash_crash,
    heavy_sizes,
    mean_reverting,
    median_of_three,
    student_t4,
    uniform,
)

DAY_S, FUNDING_S, NS = 86_400, 28_800, 1_000_000_000
POINT_S, COLLATERAL_S, OPEN_INTEREST_S = 10, 60, 300  # spacing of index, mark and premium points; of the others
POINT_DECIMALS, RATE_DECIMALS, DOLLAR_DECIMALS = 4, 8, 6

VOLATILITY = 7.6e-4  # of BTC in one minute: 2.9 % a day, 55 % a year
PULL = 2.4e-4  # share of the deviation from the anchor undone in a minute: half-life 2 days
CRASH_TIME_S = 13 * 3600 + 20 * 60  # of the crash day
CRASH_LENGTH_S, CRASH_REBOUND_S, CRASH_FADE_S, CRASH_DENSE_S = 20 * 60, 40 * 60, 10 * 60, 2 * 3600
CRASH_DEPTH, CRASH_LASTING = 0.18, 0.07  # of BTC
CRASH_DISCOUNT = 0.012  # by which a perpetual trades below its index at the trough

PREMIUM_PULL, PREMIUM_STEP = 1.9e-3, 3.1e-5  # half-life 6 h; standard deviation of the minute's shock
PREMIUM_JITTER = 3e-5  # standard deviation of the second's own deviation
INTEREST, DAMPER, RATE_CAP = 10_000, 50_000, 300_000  # 0.01 %, 0.05 %, 0.3 % in units of 10^-8
MARK_BASIS_POINTS, MARK_BASIS_SPACING_S = 30, 5

HALF_SPREAD = 1e-5  # of the price, in calm
FORCED_CALM, FORCED_SLOPE, FORCED_MOVE, FORCED_MOST, FORCED_WINDOW_S = 3e-4, 10.0, 0.005, 0.5, 300
FORCED_LIMIT = 0.005  # distance of a forced order's limit from its fill

Columns = Mapping[str, npt.NDArray[np.integer[Any]]]


@dataclass(frozen=True, slots=True)
class Coin:
    """One underlying: its anchor in USDT, and its shocks and crash relative to BTC's."""

    anchor: float
    share_of_btc: float  # correlation of its shocks with those of BTC
    scale: float  # factor on volatility and on depth of the crash


@dataclass(frozen=True, slots=True)
class Leg:
    """One traded instrument of the synthetic market."""

    symbol: str
    venue: str
    coin: str
    premium: float | None  # long-run mean premium over the index; None for spot, which has no mark and no funding
    price_decimals: int  # the tick is 10^-price_decimals
    quantity_decimals: int  # the lot is 10^-quantity_decimals
    typical: int  # scale of trade sizes, in lots
    activity: float  # trades as a share of trades_per_day
    open_interest: int = 0  # lots
    in_dollars: bool = False  # quoted in USD, not USDT

    @property
    def name(self) -> str:
        """The full name, ``SYMBOL@venue``."""
        return f"{self.symbol}@{self.venue}"


COINS = {"BTC": Coin(60_000.0, 1.0, 1.0), "ETH": Coin(2_500.0, 0.8, 1.25)}
LEGS = (
    Leg("BTC/USDT:USDT", "binance_usdm", "BTC", 7e-4, 1, 3, 100, 1.0, 80_000_000),
    Leg("ETH/USDT:USDT", "binance_usdm", "ETH", 6e-4, 2, 3, 1_500, 0.5, 900_000_000),
    Leg("BTC/USD:BTC", "binance_coinm", "BTC", 4e-4, 1, 0, 40, 0.1, 6_000_000, in_dollars=True),
    Leg("BTC/USDT", "binance_spot", "BTC", None, 2, 5, 5_000, 0.25),
)


class Path(NamedTuple):
    """What happens to a coin, one value per second; ``ratio`` per minute."""

    price: Floats  # index, USDT
    ratio: Floats
    crash: Crash


class Market:
    """One seeded world of ``days`` whole days; legs and prices are computed on request and do not depend on each other.

    Parameters
    ----------
    seed : int
        Each purpose has its own stream of draws, so that a further leg moves no draw of another.
    days : int
        Length in days; the crash begins at 13:20 of day ``days // 2`` (counted from 0).
    start_ns : int
        First instant, on a UTC midnight.
    """

    def __init__(self, seed: int, *, days: int, start_ns: int) -> None:
        self.seed, self.seconds, self.start_ns = seed, days * DAY_S, start_ns
        self.crash_s = days // 2 * DAY_S + CRASH_TIME_S
        self._paths: dict[str, Path] = {}
        dense = np.arange(self.crash_s, min(self.crash_s + CRASH_DENSE_S, self.seconds))
        self.grid: Ints = np.union1d(np.arange(0, self.seconds, POINT_S), dense)

    def time(self, seconds: Ints) -> Ints:
        """Return the ns of seconds since the start."""
        return self.start_ns + seconds * NS

    def path(self, coin: str) -> Path:
        """Return the index path of a coin in USDT."""
        if coin not in self._paths:
            facts = COINS[coin]
            crash = flash_crash(
                self.seconds,
                begin=self.crash_s,
                length=CRASH_LENGTH_S,
                depth=CRASH_DEPTH * facts.scale,
                lasting=CRASH_LASTING * facts.scale,
                rebound=CRASH_REBOUND_S,
                fade=CRASH_FADE_S,
            )
            shocks = student_t4(draws(self.seed, "index", "BTC")(self.seconds))
            if coin != "BTC":
                own = student_t4(draws(self.seed, "index", coin)(self.seconds))
                shocks = facts.share_of_btc * shocks + math.sqrt(1.0 - facts.share_of_btc * facts.share_of_btc) * own
            walk = anchored_walk(
                shocks, volatility=VOLATILITY * facts.scale, speed=PULL, stress=1.0 + 2.0 * crash.panic[::MINUTE_S]
            )
            self._paths[coin] = Path(facts.anchor * (1.0 + walk.level) * crash.level, walk.ratio, crash)
        return self._paths[coin]

    def dollar(self) -> Floats:
        """Return USD per USDT for each second: 1 plus a mean-reverting deviation of about 0.02 %."""
        shocks = 1.2e-5 * student_t4(draws(self.seed, "dollar")(self.seconds // MINUTE_S))
        return 1.0 + by_seconds(mean_reverting(shocks, start=0.0, mean=0.0, speed=PREMIUM_PULL))

    def collateral(self) -> dict[str, tuple[Columns, int]]:
        """Return points of the index of ``ASSET/USD`` with their decimals, by symbol."""
        dollar = self.dollar()
        coin = self.path("BTC").price * dollar
        seconds = np.arange(0, self.seconds, COLLATERAL_S)
        usdt = {"ts": self.time(seconds), "price": _mantissa(dollar[seconds], DOLLAR_DECIMALS)}
        btc = {"ts": self.time(self.grid), "price": _mantissa(coin[self.grid], POINT_DECIMALS)}
        return {"USDT/USD": (usdt, DOLLAR_DECIMALS), "BTC/USD": (btc, POINT_DECIMALS)}

    def leg(self, leg: Leg, *, trades_per_day: int, book: bool = False) -> dict[str, Columns]:
        """Return the columns of one leg by kind: those that the market decides, not the constant ones."""
        path = self.path(leg.coin)
        index = path.price * self.dollar() if leg.in_dollars else path.price
        premium = self._premium(leg, path.crash)
        fair = index * (1.0 + premium)
        trades = self._trades(leg, path, fair, expected=trades_per_day * self.seconds / DAY_S * leg.activity)
        levels: dict[str, Columns] = {}
        if book:
            from feeds.synthetic.books import snapshots

            sizes = draws(self.seed, "book", leg.name)
            levels = {"book": snapshots(leg, path, fair, trades, start_ns=self.start_ns, draw=sizes)}
        if leg.premium is None:
            return {"trades": trades} | levels
        samples = np.arange(POINT_S, self.seconds, POINT_S)
        sampled = _mantissa(premium[samples], RATE_DECIMALS)
        rates = funding_rates(sampled)
        mark = self._mark(leg, index, fair, trades=trades, rates=rates)
        settled = np.arange(1, len(rates) + 1) * FUNDING_S
        return {
            "trades": trades,
            **levels,
            "index": {"ts": self.time(self.grid), "price": _mantissa(index[self.grid], POINT_DECIMALS)},
            "mark": {"ts": self.time(self.grid), "price": mark},
            "premium": {"ts": self.time(samples), "price": sampled},
            "funding": {
                "ts": self.time(settled),
                "rate": np.array(rates, dtype=np.int64),
                "mark": mark[np.searchsorted(self.grid, settled)],
            },
            "liquidations": _forced_orders(leg, trades),
            "open_interest": self._open_interest(leg, path.crash, fair),
        }

    def _premium(self, leg: Leg, crash: Crash) -> Floats:
        """Return the relative distance of the leg's fair price from its index, per second."""
        jitter = PREMIUM_JITTER * student_t4(draws(self.seed, "jitter", leg.name)(self.seconds))
        if leg.premium is None:
            return jitter
        shocks = PREMIUM_STEP * student_t4(draws(self.seed, "premium", leg.name)(self.seconds // MINUTE_S))
        slow = mean_reverting(shocks, start=leg.premium, mean=leg.premium, speed=PREMIUM_PULL)
        return by_seconds(slow) + jitter - CRASH_DISCOUNT * crash.panic

    def _trades(self, leg: Leg, path: Path, fair: Floats, *, expected: float) -> Columns:
        """Return trades with forced ones among them: times, sides, prices on the tick, quantities on the lot, flags."""
        stress = path.ratio * (1.0 + 2.0 * path.crash.panic[::MINUTE_S])
        opening = fair[::MINUTE_S]
        move = np.append(opening[1:] / opening[:-1] - 1.0, 0.0) / (VOLATILITY * stress)
        times, sides = arrivals(
            draws(self.seed, "arrivals", leg.name),
            expected=round(expected),
            weights=stress * (1.0 + 4.0 * path.crash.panic[::MINUTE_S]),
            buy_share=np.clip(0.5 + 0.15 * move, 0.1, 0.9),
        )
        second = times // 1000
        price = fair[second]
        ticks = (price + sides * half_spread(path, price, second)) * 10.0**leg.price_decimals
        lots = heavy_sizes(
            draws(self.seed, "sizes", leg.name)(len(times)), scale=leg.typical, largest=500 * leg.typical
        )
        run = sides * (price / fair[np.maximum(second - FORCED_WINDOW_S, 0)] - 1.0)
        odds = np.minimum(FORCED_CALM + FORCED_SLOPE * np.maximum(run - FORCED_MOVE, 0.0), FORCED_MOST)
        forced = uniform(draws(self.seed, "forced", leg.name)(len(times))) <= odds
        if leg.premium is None:
            forced[:] = False
        return {
            "ts": self.start_ns + times * (NS // 1000),
            "side": sides,
            "price": np.where(sides > 0, np.ceil(ticks), np.floor(ticks)).astype(np.int64),
            "quantity": lots,
            "flags": forced.astype(np.uint16),
        }

    def _mark(self, leg: Leg, index: Floats, fair: Floats, *, trades: Columns, rates: list[int]) -> Ints:
        """Return the mark at each instant of the grid: the median of three prices (venues/binance.md section 2)."""
        now = self.grid
        # price 1 = index (1 + last funding rate x time to funding / interval); before the first one, the interest rate
        last_rate = np.array([INTEREST, *rates])[now // FUNDING_S] / 10.0**RATE_DECIMALS
        to_funding = (FUNDING_S - now % FUNDING_S) / FUNDING_S
        first = _mantissa(index[now] * (1.0 + last_rate * to_funding), POINT_DECIMALS)
        # price 2 = index + mean of the last 30 values of (mid price - index), one each 5 s
        basis = _mantissa(fair[::MARK_BASIS_SPACING_S] - index[::MARK_BASIS_SPACING_S], POINT_DECIMALS)
        total = np.append(0, np.cumsum(basis))
        upto = now // MARK_BASIS_SPACING_S + 1
        since = np.maximum(upto - MARK_BASIS_POINTS, 0)
        second = _mantissa(index[now], POINT_DECIMALS) + (total[upto] - total[since]) // (upto - since)
        # price 3 = last trade; before the first one, the mid price
        row = np.searchsorted(trades["ts"], self.time(now), side="right") - 1
        last = trades["price"][row] * 10 ** (POINT_DECIMALS - leg.price_decimals)
        return median_of_three(first, second, np.where(row >= 0, last, _mantissa(fair[now], POINT_DECIMALS)))

    def _open_interest(self, leg: Leg, crash: Crash, fair: Floats) -> Columns:
        """Return open interest each 5 minutes: a slow walk, of which the crash takes 30 %."""
        seconds = np.arange(0, self.seconds, OPEN_INTEREST_S)
        shocks = 2e-3 * student_t4(draws(self.seed, "open_interest", leg.name)(len(seconds)))
        drift = mean_reverting(shocks, start=0.0, mean=0.0, speed=5e-3)
        closed = 0.3 * np.clip((seconds - self.crash_s) / CRASH_LENGTH_S, 0.0, 1.0)
        return {
            "ts": self.time(seconds),
            "native": (leg.open_interest * (1.0 + drift) * (1.0 - closed)).astype(np.int64),
        }


def half_spread(path: Path, price: Floats, second: Ints) -> Floats:
    """Return half the spread at seconds since the start, in the currency of the price."""
    spread: Floats = HALF_SPREAD * price * path.ratio[second // MINUTE_S] * (1.0 + 10.0 * path.crash.panic[second])
    return spread


def funding_rates(premium: Ints) -> list[int]:
    """Return the settled rate of each whole 8 h interval from its premium samples.

    Parameters
    ----------
    premium : ndarray of int64
        Premium samples in 10^-8, one each ``POINT_S`` seconds, the first ``POINT_S`` after an interval's start.

    Returns
    -------
    list of int
        Rates in 10^-8, nearest, ties upward; an interval that is cut off has none.

    References
    ----------
    venues/binance.md section 8: P = sum(i x premium[i]) / sum(i), i = 1 .. n; rate = P + clamp(0.01 % - P, -0.05 %,
    +0.05 %), then cut at -0.3 % and +0.3 %.
    """
    n = FUNDING_S // POINT_S
    weights = np.arange(1, n + 1)
    under = n * (n + 1) // 2
    rates = []
    for k in range(len(premium) // n):
        total = int((weights * premium[k * n : (k + 1) * n]).sum())  # exact: integers
        total += min(max(INTEREST * under - total, -DAMPER * under), DAMPER * under)
        rates.append(min(max((2 * total + under) // (2 * under), -RATE_CAP), RATE_CAP))
    return rates


def _forced_orders(leg: Leg, trades: Columns) -> Columns:
    """Return the forced orders behind the trades that carry the flag, one each."""
    rows = np.flatnonzero(trades["flags"])
    side, price = trades["side"][rows], trades["price"][rows]
    return {
        "ts": trades["ts"][rows],
        "side": side,
        "price": price + side * (price * FORCED_LIMIT).astype(np.int64),
        "average_price": price,
        "quantity": trades["quantity"][rows],
    }


def _mantissa(values: Floats, decimals: int) -> Ints:
    """Return values x 10^decimals, rounded to the nearest integer (ties to even); below 2^53 by construction."""
    return np.rint(values * 10.0**decimals).astype(np.int64)
