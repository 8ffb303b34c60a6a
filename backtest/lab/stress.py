"""One stress run in rounds: shock, marks, triggers, routing, execution, waterfall, again until nothing is left to do.

A population of isolated longs (the mirror image for shorts) meets one book that refills. Every round is recorded, and
the invariants are checked in every run: money is conserved, prices stay above 0, nobody is closed for more than they
hold, who was triggered stays triggered.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from backtest.errors import ConfigError, InvariantError
from backtest.lab.adl import POLICIES, fairness, winners
from backtest.lab.depth import DepthCurve
from backtest.lab.given import Array, array, column, count, number

ROUNDS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What a stress run happens in.

    Parameters
    ----------
    book : DepthCurve
        Bid side.
    reference : float
        Price before the shock, quote per base.
    refill_rate : float
        rho per second: own drop decays by exp(-rho t).
    execution_rate : float
        beta per second: part of the backlog sold; infinite: at once.
    backstop_share : float
        Part of each position that a backstop takes at the price of the moment, in [0, 1].
    backstop : float
        Quote that the backstop can lose.
    fund : float
        Quote.
    fee : float
        Liquidation fee, fraction of notional, paid from what margin is left into the fund.
    discount : float
        Part of every forced sale's price that goes to who liquidates (a bonus), in [0, 1).
    oracle_lag : int
        Rounds by which the mark is late.
    round_seconds : float
        Length of a round where the book refills or sales take time.
    adl_policy : str
        One of `backtest.lab.adl.POLICIES`.
    """

    book: DepthCurve
    reference: float
    refill_rate: float = 0.0
    execution_rate: float = math.inf
    backstop_share: float = 0.0
    backstop: float = 0.0
    fund: float = 0.0
    fee: float = 0.0
    discount: float = 0.0
    oracle_lag: int = 0
    round_seconds: float = 1.0
    adl_policy: str = "queue"

    def __post_init__(self) -> None:
        """Check every field."""
        number(self.reference, "reference", above=0.0)
        number(self.refill_rate, "refill_rate", low=0.0)
        number(self.backstop_share, "backstop_share", low=0.0, high=1.0)
        for name in ("backstop", "fund", "fee"):
            number(getattr(self, name), name, low=0.0)
        number(self.discount, "discount", low=0.0, below=1.0)
        number(self.round_seconds, "round_seconds", above=0.0)
        count(self.oracle_lag, "oracle_lag", low=0)
        if not self.execution_rate > 0.0:
            raise ConfigError(f"execution_rate must be above 0 (infinity: at once), got {self.execution_rate!r}")
        if self.adl_policy not in POLICIES:
            raise ConfigError(f"adl_policy must be one of {', '.join(POLICIES)}, got {self.adl_policy!r}")


@dataclass(frozen=True, slots=True)
class StressRun:
    """What happened, by round and in all; quote unless said otherwise.

    Attributes
    ----------
    drop : ndarray of float64, shape (rounds,)
        Of the last price, after each round.
    triggered, sold : ndarray of float64, shape (rounds,)
        Base units newly triggered, and sold into the book.
    notional : ndarray of float64, shape (rounds,)
        Sold into the book and to the backstop.
    peak_drop : float
    liquidated : float
        Base units.
    bad_debt : float
        What was lost beyond margins, before anybody paid it.
    paid_by_fund, paid_by_backstop, paid_by_adl, socialised : float
        Who paid it.
    fund : float
        Balance at the end.
    liquidator_profit : float
        Of the book's buyers and the backstop, marked at the last price.
    haircut_gini : float
        Of ADL.
    seconds : float
        From the shock to the last sale.
    """

    drop: Array
    triggered: Array
    sold: Array
    notional: Array
    peak_drop: float
    liquidated: float
    bad_debt: float
    paid_by_fund: float
    paid_by_backstop: float
    paid_by_adl: float
    socialised: float
    fund: float
    liquidator_profit: float
    haircut_gini: float
    seconds: float


class _State:
    """Positions, cash and price of a run."""

    def __init__(self, market: Market, quantities: Array, drops: Array, collateral: Array, entries: Array) -> None:
        order = np.argsort(np.where(np.isfinite(drops), drops, np.inf), kind="stable")
        self.market, self.order = market, order
        self.size, self.at = quantities[order], np.where(np.isfinite(drops), drops, np.inf)[order]
        self.entry = entries[order]
        self.cash = collateral[order] - self.size * self.entry  # what each would owe if its coins were worth nothing
        self.left = self.size.copy()
        self.reached = 0
        self.backlog = np.zeros(len(order))
        self.coins = np.zeros(len(order))
        self.own = self.used = self.shock = 0.0  # own drop; base units gone from the book
        self.book_cash = self.book_coins = self.backstop_cash = self.backstop_coins = 0.0

    @property
    def drop(self) -> float:
        return min(1.0 - 1e-12, self.shock + self.own)

    @property
    def price(self) -> float:
        return self.market.reference * (1.0 - self.drop)

    def trigger(self, mark: float) -> float:
        """Put newly triggered positions into the backlog, the backstop's part sold to it now; return their quantity."""
        last = int(np.searchsorted(self.at, mark * (1.0 + 1e-12), side="right"))
        if last <= self.reached:
            return 0.0
        rows = slice(self.reached, last)
        taken = self.market.backstop_share * self.left[rows]
        paid = self.price * (1.0 - self.market.discount)
        self.cash[rows] += taken * paid
        self.backstop_cash -= float(taken.sum()) * paid
        self.backstop_coins += float(taken.sum())
        self.left[rows] -= taken
        self.backlog[rows] = self.left[rows]
        self.reached = last
        return float(self.size[rows].sum())

    def refill(self, keep: float) -> None:
        """Let the own drop decay to a part of itself."""
        self.own *= keep
        self.used = float(self.market.book.depth(self.own))

    def sell(self, part: float) -> tuple[float, float]:
        """Sell a part of the backlog into the book; return base units and quote."""
        asked = self.backlog[: self.reached] * part
        total = float(asked.sum())
        if total <= 0.0:
            return 0.0, 0.0
        book, reference = self.market.book, self.market.reference
        before, after = self.used, self.used + total
        cost = float(book.swept(after)) - float(book.swept(before))
        average = max(0.0, reference * (1.0 - min(1.0, self.shock + cost / total)))
        paid = average * (1.0 - self.market.discount)
        self.cash[: self.reached] += asked * paid
        self.left[: self.reached] -= asked
        self.backlog[: self.reached] -= asked
        self.book_cash -= total * paid
        self.book_coins += total
        self.own, self.used = float(book.impact(after)), after
        return total, total * average


def stress_run(
    market: Market,
    *,
    quantities: ArrayLike,
    liquidation_drops: ArrayLike,
    collateral: ArrayLike,
    entries: ArrayLike,
    shock: float,
    profits: ArrayLike = (),
    coins: ArrayLike = 0.0,
) -> StressRun:
    """Return one run.

    Parameters
    ----------
    market : Market
    quantities : array_like, shape (positions,)
        Base units, above 0.
    liquidation_drops : array_like, shape (positions,)
        From the reference; infinite or nan: never.
    collateral, entries : array_like, shape (positions,)
        Quote; quote per base.
    shock : float
        Outside drop, in [0, 1).
    coins : array_like
        Base units of collateral that each holds besides (inverse contracts): never sold, worth the price.
    profits : array_like, shape (winners,)
        Unrealized profit of the other side at the end, as far as ADL may take it.
    """
    q = column(quantities, "quantities", above=0.0)
    drops = np.asarray(liquidation_drops, dtype=np.float64)
    if drops.shape != q.shape:
        raise ConfigError(f"liquidation_drops must have shape {q.shape}, got {drops.shape}")
    state = _State(market, q, drops, column(collateral, "collateral", len(q), low=0.0),
                   column(entries, "entries", len(q), above=0.0))  # fmt: skip
    state.coins = np.broadcast_to(array(coins, "coins", low=0.0), q.shape)[state.order]
    state.shock = number(shock, "shock", low=0.0, below=1.0)
    start_cash, start_coins = float(state.cash.sum()), float(q.sum())
    part = -math.expm1(-market.execution_rate * market.round_seconds)
    keep = math.exp(-market.refill_rate * market.round_seconds)
    marks = [0.0] * market.oracle_lag + [state.drop]
    rows: list[tuple[float, float, float, float]] = []
    lowest, quiet = state.drop, 0
    for _ in range(ROUNDS):
        caught = state.trigger(marks[len(marks) - 1 - market.oracle_lag])
        bought = market.backstop_share * caught * state.price
        sold, value = state.sell(part if float(state.backlog.sum()) > 1e-9 * start_coins else 1.0)
        lowest = max(lowest, state.drop)
        rows.append((state.drop, caught, sold, value + bought))
        if market.refill_rate:
            state.refill(keep)
        marks.append(state.drop)
        quiet = quiet + 1 if caught == 0.0 and sold == 0.0 else 0
        if quiet > market.oracle_lag:
            break
    else:
        raise InvariantError(f"a stress run did not end within {ROUNDS} rounds")
    _check(state, start_cash, start_coins)
    return _settle(state, np.array(rows), lowest, array(profits, "profits", low=0.0).ravel())


def _check(state: _State, cash: float, coins: float) -> None:
    """Check what must hold in every run."""
    held = float(state.left.sum()) + state.book_coins + state.backstop_coins
    money = float(state.cash.sum()) + state.book_cash + state.backstop_cash
    scale = max(abs(cash), float(np.abs(state.cash).sum()), 1.0)
    if abs(held - coins) > 1e-9 * coins or abs(money - cash) > 1e-9 * scale:
        raise InvariantError(f"a stress run lost coins or money: {held} of {coins}, {money} of {cash}")
    if not state.price > 0.0 or np.any(state.left < -1e-9 * state.size):
        raise InvariantError("a stress run closed more than was held, or reached a price of 0")


def _settle(state: _State, rows: Array, lowest: float, profits: Array) -> StressRun:
    """Run the losses down the waterfall: margin, fee, fund, backstop, ADL, all."""
    market = state.market
    closed = slice(0, state.reached)
    equity = state.cash[closed] + (state.left[closed] + state.coins[closed]) * state.price
    fees = np.minimum(np.maximum(equity, 0.0), market.fee * state.size[closed] * market.reference)
    debt = float(np.maximum(-equity, 0.0).sum())
    fund = market.fund + float(fees.sum())
    by_fund = min(debt, fund)
    by_backstop = min(debt - by_fund, market.backstop)
    left = debt - by_fund - by_backstop
    by_adl, gini = 0.0, 0.0
    if left > 0.0 and len(profits):
        taken = POLICIES[market.adl_policy](winners(profits), left)
        by_adl, gini = float(taken.sum()), fairness(taken, left).gini
    value = state.book_coins + state.backstop_coins
    active = np.flatnonzero(rows[:, 3] > 0.0)
    return StressRun(
        drop=rows[:, 0], triggered=rows[:, 1], sold=rows[:, 2], notional=rows[:, 3],
        peak_drop=lowest, liquidated=float(state.size[closed].sum()), bad_debt=debt,
        paid_by_fund=by_fund, paid_by_backstop=by_backstop, paid_by_adl=by_adl,
        socialised=max(0.0, left - by_adl), fund=fund - by_fund,
        liquidator_profit=value * state.price + state.book_cash + state.backstop_cash,
        haircut_gini=gini, seconds=float(active[-1] + 1 if len(active) else 0) * market.round_seconds,
    )  # fmt: skip
