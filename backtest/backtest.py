"""The run as a user sees it: data, strategy, accounts; `run()` gives a Result."""

import copy
import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backtest.assembly import ON_GAP, ON_RUIN, PATHS, Assembly
from backtest.errors import ConfigError, InvariantError
from backtest.run_decisions import Settings
from backtest.scenario import Step, carried_out, steps
from backtest.scenarios import LagEngine
from backtest.timers import duration_ns
from feeds.dataset import Dataset
from feeds.times import iso, time_ns
from venues.checks import suggesting
from venues.config import Transfers, Venue

if TYPE_CHECKING:
    from backtest.population import Crowd
    from backtest.result import Result
    from backtest.script import Script
    from backtest.strategy import Strategy
    from backtest.survival import Survival
    from backtest.what_if import WhatIf

MINUTE_NS = 60_000_000_000


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes
    ----------
    share : float
        Of simulated time, 0 to 1.
    time : int
        Simulated, ns.
    events : int
        So far.
    equity : float
        At the latest sample, reporting asset.
    ratio : float
        Highest margin ratio of all pools then; 1 = liquidation.
    """

    share: float
    time: int
    events: int
    equity: float
    ratio: float


@suggesting(ConfigError)
class Backtest:
    """One or several strategies on data, through the accounts of venues.

    Parameters
    ----------
    data : Dataset or sequence of Dataset
    strategy : Strategy or sequence of Strategy
        Instances are templates: each run copies them.
    venues : Venue or sequence of Venue
        The accounts.
    start, end : time, optional
        Bounds of the run, ``start <= t < end``; default the data's own.
    warmup : str, optional
        So long before `start` data are replayed into bars and indicators while trading verbs are refused.
    reporting : str, optional
        Reporting currency. None: the one asset in which all balances are held, US dollars with several.
    prices : mapping of str to float
        US dollar prices of assets without index rows, printed in the report.
    mark : str or mapping of symbol to str
        Where marks come from: ``feed`` (rows of the venue), ``last`` (the traded price), ``index``, ``formula``
        (the venue's own, from index, trades and funding), or ``feed+impact`` (rows of the venue, moved as far as own
        orders have moved the middle of the market; needs `impact` of the venue and marks that are points).
    bar_path : str
        Which way prices go inside a bar: ``worst`` (the extreme that is nearer to liquidation first), ``ohlc`` (the
        high first), ``olhc`` (the low first).
    seed : int
    transfers : Transfers, optional
    on_gap : str
        What a hole in the data is: an ``error``, or accepted and listed (``skip``, ``warn``).
    on_ruin : str
        When an account has nothing left: ``stop`` the run, ``continue`` without it, or ``refill`` it with what it
        started with (counted as deposits).
    cash_rate : float
        Yearly rate that the Sharpe ratio is measured against.
    limits : bool
        Enforce the venue's tick, lot, minimum, maximum and price band.
    population : Crowd, optional
        Accounts of other traders that live in the run.
    scenario : Step or sequence of Step, optional
        What is done to the data, or happens at venues (`backtest.scenarios`), in that order.

    Raises
    ------
    ConfigError
        If an argument cannot be used; the message says what was given, what is allowed, and what would accept it.

    Examples
    --------
    >>> import feeds, venues
    >>> from backtest import Backtest, Strategy
    >>> class Hold(Strategy):
    ...     def on_start(self):
    ...         self.every("1d")
    ...     def on_timer(self, timer):
    ...         self.target("BTC/USDT:USDT", leverage=2)
    >>> account = venues.Venue("binance_usdm", balances={"USDT": 10_000})
    >>> result = Backtest(feeds.sample(), Hold(), venues=account).run()
    """

    def __init__(
        self,
        data: Dataset | Sequence[Dataset],
        strategy: "Strategy | Sequence[Strategy]",
        *,
        venues: Venue | Sequence[Venue],
        start: Any = None,
        end: Any = None,
        warmup: str | int | None = None,
        reporting: str | None = None,
        prices: Mapping[str, float] | None = None,
        mark: str | Mapping[str, str] = "feed",
        bar_path: str = "worst",
        seed: int = 0,
        transfers: Transfers | None = None,
        on_gap: str = "error",
        on_ruin: str = "stop",
        cash_rate: float = 0.0,
        limits: bool = True,
        population: "Crowd | None" = None,
        scenario: "Step | Sequence[Step] | None" = None,
    ) -> None:
        self.scenario = steps(scenario)
        self.data = carried_out(self.scenario, _dataset(data))
        self.strategies = _strategies(strategy)
        self.venues = _venues(venues)
        self.cash_rate = float(cash_rate)
        self._loop: Any = None
        self.was_stopped = False
        self.settings = self._settings(
            start,
            end,
            warmup,
            reporting,
            prices,
            mark,
            bar_path,
            seed,
            transfers,
            on_gap,
            on_ruin,
            limits,
            population,
        )
        self.settings.scenario = self.scenario
        self.settings.engine_lag = _engine_lags(self.scenario, self.venues)

    def _settings(
        self,
        start: Any,
        end: Any,
        warmup: str | int | None,
        reporting: str | None,
        prices: Mapping[str, float] | None,
        mark: str | Mapping[str, str],
        bar_path: str,
        seed: int,
        transfers: Transfers | None,
        on_gap: str,
        on_ruin: str,
        limits: bool,
        population: "Crowd | None",
    ) -> Settings:
        from backtest.population import Crowd

        if population is not None and not isinstance(population, Crowd):
            raise ConfigError(f"population must be a backtest.Crowd, got {type(population).__name__}")
        _choice("bar_path", bar_path, PATHS)
        _choice("on_gap", on_gap, ON_GAP)
        _choice("on_ruin", on_ruin, ON_RUIN)
        filled = [stream for stream in self.data.streams if stream.rows]
        if not filled:
            raise ConfigError("the data have no rows")
        warm = 0 if warmup is None else duration_ns(warmup)
        if warm < 0:
            raise ConfigError(f"warmup must not be negative, got {warmup!r}")
        first = min(stream.ts_min for stream in filled)
        last = max(stream.ts_max + stream.timeframe_ns for stream in filled) + 1
        low = first + warm if start is None else time_ns(start, name="start")
        high = last if end is None else time_ns(end, name="end")
        if low >= high:
            raise ConfigError(
                f"start {iso(low)} is not before end {iso(high)}; the data go from {iso(first)} to {iso(last)}"
            )
        if high <= first or low >= last:
            raise ConfigError(f"no data between {iso(low)} and {iso(high)}; they go from {iso(first)} to {iso(last)}")
        return Settings(
            start=low,
            end=min(high, last),
            warmup=warm,
            reporting=reporting,
            prices=dict(prices or {}),
            mark=mark if isinstance(mark, str) else dict(mark),
            bar_path=bar_path,
            seed=int(seed),
            transfers=transfers or Transfers(),
            on_gap=on_gap,
            on_ruin=on_ruin,
            limits=bool(limits),
            population=population,
        )

    def run(self, **params: Any) -> "Result":
        """Run and return the result; `params` override parameters of the strategy (of the only one).

        A second call gives the same bytes.

        Raises
        ------
        ConfigError
            For an unknown parameter, missing data, or a hook that nothing can fire.
        FeedError
            If the data cannot price an open position.
        """
        if params and len(self.strategies) != 1:
            raise ConfigError("run(**params) sets parameters of one strategy; this run has several")
        return self.carry_out([strategy.fresh_copy(params) for strategy in self.strategies])

    def carry_out(self, strategies: "list[Strategy]", script: "Script | None" = None) -> "Result":
        """Run strategies as they are, not copies of them; what they ask for is noted in a script if one is given."""
        from backtest.outcome import outcome
        from backtest.wiring import check_hooks

        assembly = self.decided()
        assembly.script = script
        assembly.build(strategies)
        check_hooks(assembly, strategies)
        self.was_stopped = False
        self._loop = assembly.loop
        try:
            assembly.loop.run()
        finally:
            self._loop = None
        for strategy in strategies:
            if hasattr(strategy, "on_stop"):
                strategy.on_stop()
        totals = assembly.exchange.ledger.totals()
        if any(totals):
            raise InvariantError(
                f"money is not conserved: the sums over all accounts are {totals} atoms of {assembly.assets}"
            )
        if script is not None:
            script.close(assembly.exchange.store, assembly.context.verbs, assembly.context.tags)
        return outcome(assembly, config=self._config(strategies), cash_rate=self.cash_rate)

    def decided(self) -> Assembly:
        """Return what follows from data, accounts and settings, before anything is built."""
        assembly = Assembly(self.data.between(self._first(), self.settings.end), self.venues, self.settings)
        assembly.decide()
        return assembly

    def changed(self, *, data: Dataset | None = None, venues: Sequence[Venue] | None = None) -> "Backtest":
        """Return the same run on other data or with other accounts."""
        made = copy.copy(self)
        made.data = self.data if data is None else data
        made.venues = list(self.venues) if venues is None else list(venues)
        return made

    def what_if(self) -> "WhatIf":
        """Run it as it is, and again with other fees, slippage, latency, funding and volume of bars.

        Returns
        -------
        WhatIf
            A result for each change, and a `table` of them all; for `Result.tear_sheet(path, what_if=...)` too.
        """
        from backtest.what_if import what_if

        return what_if(self)

    def survival(self, factors: Sequence[float] | None = None) -> "Survival":
        """Run it, and its trades again with half to five times the leverage: how much more it would have survived.

        The same orders at the same moments, in accounts with less or more capital, through the same engine; see
        `survival.survival`.

        Parameters
        ----------
        factors : sequence of float, optional
            What leverage is multiplied with; 0.5, 1, 1.5, 2, 3, 4, 5.

        Returns
        -------
        Survival
            A result for each factor, and a `table` of them all; for `Result.tear_sheet(path, survival=...)` too.
        """
        from backtest.survival import FACTORS, survival

        return survival(self, FACTORS if factors is None else factors)

    def stop(self) -> None:
        """End the run that goes on in another thread, or in this one below a signal handler, after its present instant.

        `run` then returns a result up to there; its findings say so. Without a run nothing happens.
        """
        if self._loop is not None:
            self.was_stopped = True
            self._loop.stop()

    def progress(self) -> "Progress":
        """Return how far the run in another thread is; all zero before it and after it."""
        loop, first = self._loop, self._first()
        if loop is None:
            return Progress(0.0, first, 0, 0.0, 0.0)
        share = (loop.now - first) / (self.settings.end - first)
        return Progress(max(0.0, min(1.0, share)), max(first, loop.now), loop.events, loop.equity, loop.ratio)

    def _first(self) -> int:
        return self.settings.start - self.settings.warmup

    def _config(self, strategies: "Sequence[Strategy]") -> dict[str, Any]:
        """Return the configuration as JSON would hold it."""
        settings = self.settings
        return {
            "start": iso(settings.start),
            "end": iso(settings.end),
            "warmup_ns": settings.warmup,
            "reporting": settings.reporting,
            "prices": dict(settings.prices),
            "mark": settings.mark,
            "bar_path": settings.bar_path,
            "seed": settings.seed,
            "on_gap": settings.on_gap,
            "on_ruin": settings.on_ruin,
            "limits": settings.limits,
            "cash_rate": self.cash_rate,
            "scenario": [step.arguments() for step in self.scenario],
            "population": None if settings.population is None else crowd_config(settings.population),
            "strategies": [
                {"class": type(s).__name__, "parameters": {k: _plain(v) for k, v in s.parameter_values().items()}}
                for s in strategies
            ],
            "venues": [
                {
                    "name": v.name,
                    "account": v.account,
                    "balances": dict(v.balances),
                    "leverage": _plain(v.leverage),
                    "margin_mode": v.margin_mode,
                    "position_mode": v.position_mode,
                    "collateral": v.collateral,
                    "auto_borrow": v.auto_borrow,
                    "fees": _plain(v.fees),
                    "volume": v.volume,
                    "discount": v.discount,
                    "latency_ns": list(v.latency_ns),
                    "fills": v.fills,
                    "queue": v.queue,
                    "matching": v.matching,
                    "self_trade": v.self_trade,
                    "slippage": v.slippage,
                    "impact": None if v.impact is None else v.impact.describe(),
                    "participation": v.participation,
                    "leftovers": v.leftovers,
                    "missing_tiers": v.missing_tiers
                    if isinstance(v.missing_tiers, str)
                    else f"{len(v.missing_tiers)} tiers",
                    "margin_call": v.margin_call,
                    "adl": v.adl,
                    "forced_close": v.forced_close,
                    "insurance_fund": None if v.insurance_fund is None else dict(v.insurance_fund),
                }
                for v in self.venues
            ],
        }


def _engine_lags(given: "Sequence[Step]", accounts: Sequence[Venue]) -> dict[str, int]:
    """Return by how much liquidation engines are late, ns by venue."""
    found: dict[str, int] = {}
    for step in given:
        if isinstance(step, LagEngine):
            if step.venue not in {each.name for each in accounts}:
                raise ConfigError(f"lag_engine: {step.venue} is no venue of the run")
            found[step.venue] = found.get(step.venue, 0) + duration_ns(step.delay)
    return found


def crowd_config(crowd: "Crowd") -> dict[str, Any]:
    """Return a population as JSON would hold it; its positions by their digest."""
    return {
        "accounts": len(crowd.positions),
        "positions": crowd.positions.digest,
        "mark_depth": dict(crowd.mark_depth),
        "refill": crowd.refill,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no word for it
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _choice(name: str, value: str, allowed: Iterable[str]) -> None:
    if value not in allowed:
        near = difflib.get_close_matches(str(value), list(allowed), n=1)
        hint = f", did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"{name} must be one of {', '.join(allowed)}, got {value!r}{hint}")


def _dataset(data: Dataset | Sequence[Dataset]) -> Dataset:
    if isinstance(data, Dataset):
        return data
    if isinstance(data, list | tuple) and data and all(isinstance(each, Dataset) for each in data):
        joined: Dataset = data[0]
        for more in data[1:]:
            joined = joined + more
        return joined
    raise ConfigError(
        f"data must be a feeds.Dataset or several, got {type(data).__name__}; "
        "feeds.from_pandas(...) makes one of a DataFrame"
    )


def _strategies(strategy: "Strategy | Sequence[Strategy]") -> "list[Strategy]":
    from backtest.strategy import Strategy

    given: list[Any] = list(strategy) if isinstance(strategy, list | tuple) else [strategy]
    for each in given:
        if isinstance(each, type) and issubclass(each, Strategy):
            raise ConfigError(f"strategy must be an instance: write {each.__name__}() with its parameters")
        if not isinstance(each, Strategy):
            raise ConfigError(f"strategy must be a backtest.Strategy, got {type(each).__name__}")
    if not given:
        raise ConfigError("at least one strategy is needed")
    return given


def _venues(venues: Venue | Sequence[Venue]) -> list[Venue]:
    given = [venues] if isinstance(venues, Venue) else list(venues)
    for each in given:
        if not isinstance(each, Venue):
            raise ConfigError(f"venues must be venues.Venue(...), got {type(each).__name__}")
    if not given:
        raise ConfigError("at least one venue is needed: venues.Venue('binance_usdm', balances={'USDT': 10_000})")
    return given
