"""What a run has left: tables, figures, where the money came from; to be read, saved, loaded and reported."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest import result_summary, statistics
from backtest.attribution import BY, Attribution, asset_table, attribute
from backtest.errors import ConfigError
from backtest.result_frames import frame
from backtest.result_leftovers import leftovers
from backtest.result_storage import Store, load, save
from backtest.result_text import screen
from backtest.result_trades import round_trips, time_in_market

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from backtest.resampled import Resampled
    from backtest.survival import Survival
    from backtest.what_if import WhatIf


class Result:
    """The outcome of one run.

    Tables are DataFrames made when first asked for and kept: copy one before changing it. ``attrs["units"]`` names the
    unit of each column. Times are UTC; numbers are the float64 nearest to the exact mantissas on disk.

    Parameters
    ----------
    meta : mapping
        Keys of `backtest.tables.META_KEYS`.
    tables : mapping of str to structured ndarray, sequence of structured ndarrays, or pyarrow.Table
        By the names of `backtest.tables.TABLES`; a missing one is empty.
    owner : object, optional
        Kept alive as long as the result, for arrays that look into its memory.
    """

    def __init__(self, meta: Mapping[str, Any], tables: Mapping[str, Any], *, owner: object = None) -> None:
        self._set(Store(meta, tables, owner=owner))

    def _set(self, store: Store) -> None:
        self._store = store
        self._made: dict[str, Any] = {}

    @classmethod
    def load(cls, path: str | Path) -> "Result":
        """Open a saved result; its columns are read when they are first needed.

        Raises
        ------
        ConfigError
            If the directory is not a result, is incomplete, or was written by a newer major version.
        """
        made = cls.__new__(cls)
        made._set(load(path))
        return made

    def save(self, path: str | Path) -> Path:
        """Write the result to a directory, whole or not at all, replacing an earlier result there.

        Returns
        -------
        Path
            The directory: ``meta.json`` and one Arrow IPC file per table; the same run gives the same bytes.

        Raises
        ------
        ConfigError
            If the path exists and is not a result.
        """
        return save(self.store, path)

    def tear_sheet(
        self,
        path: str | Path,
        *,
        what_if: "WhatIf | None" = None,
        survival: "Survival | None" = None,
        trials: int | None = None,
        variance: float | None = None,
        interactive: bool = True,
    ) -> Path:
        """Write the report as one HTML file that needs nothing else, and return its path.

        Parameters
        ----------
        path : path
        what_if, survival : optional
            What `Backtest.what_if()` and `Backtest.survival()` found of the same run; each becomes a section.
        trials, variance : optional
            As in `track_record`: with `trials` (1 = this was the only one) the page says what the Sharpe ratio is
            worth.
        interactive : bool
            With charts that zoom and tell values, which take 2 MB; without them the page has pictures only.
        """
        from backtest.report import write

        return write(
            self, path, what_if=what_if, survival=survival, trials=trials, variance=variance, interactive=interactive
        )

    # What is known about the run

    @property
    def store(self) -> Store:
        """Return the stored columns, for code that adds them up."""
        return self._store

    @property
    def meta(self) -> dict[str, Any]:
        """Return everything that is not a table, as it is saved."""
        return self._store.meta

    @property
    def config(self) -> dict[str, Any]:
        """Return the configuration of the run."""
        return dict(self.meta["config"])

    @property
    def assumptions(self) -> list[dict[str, Any]]:
        """Return what the run assumed: name, value, note, is_choice (made by the user), in the order of the screen."""
        return list(self.meta["assumptions"])

    @property
    def warnings(self) -> list[str]:
        """Return what a reader of the numbers should know."""
        return list(self.meta["warnings"])

    @property
    def findings(self) -> list[str]:
        """Return what makes the run end with exit code 1."""
        return list(self.meta["findings"])

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint of the data."""
        return str(self.meta["fingerprint"])

    # Tables

    @property
    def fills(self) -> "pd.DataFrame":
        """Return executions, forced ones included."""
        return self._frame("fills")

    @property
    def funding(self) -> "pd.DataFrame":
        """Return funding payments; `amount` received."""
        return self._frame("funding")

    @property
    def ledger(self) -> "pd.DataFrame":
        """Return postings: `amount` enters `account` and leaves `contra`."""
        return self._frame("ledger")

    @property
    def margin(self) -> "pd.DataFrame":
        """Return samples of the margin pools."""
        return self._frame("margin")

    @property
    def equity(self) -> "pd.DataFrame":
        """Return samples of time, equity, cash and unrealized of the whole run, reporting asset."""
        return self._frame("equity")

    @property
    def exposure(self) -> "pd.DataFrame":
        """Return samples of the open positions."""
        return self._frame("exposure")

    @property
    def liquidations(self) -> "pd.DataFrame":
        """Return steps of forced closes, own deleveraging (`what` = adl) included."""
        return self._frame("liquidations")

    @property
    def population(self) -> "pd.DataFrame":
        """Return steps of forced closes of the population that lived in the run (``meta["population"]`` counts)."""
        return self._frame("population")

    @property
    def margin_calls(self) -> "pd.DataFrame":
        """Return margin calls and alerts, raised and over."""
        return self._frame("margin_calls")

    @property
    def transfers(self) -> "pd.DataFrame":
        """Return transfers, one row per state."""
        return self._frame("transfers")

    @property
    def order_events(self) -> "pd.DataFrame":
        """Return every state change of every order."""
        return self._frame("orders")

    @property
    def log(self) -> "pd.DataFrame":
        """Return what strategies wrote."""
        return self._frame("log")

    @property
    def series(self) -> "pd.DataFrame":
        """Return what strategies recorded: time, name, value, strategy."""
        return self._frame("series")

    @property
    def holdings(self) -> "pd.DataFrame":
        """Return balances and unrealised profit at the start, at month boundaries and at the end."""
        return self._frame("holdings")

    @property
    def orders(self) -> "pd.DataFrame":
        """Return one row per order in its final state, rejected ones too; with `average_price` (nan without a fill)."""
        if "orders_final" not in self._made:
            self._made["orders_final"] = self._orders()
        made: pd.DataFrame = self._made["orders_final"]
        return made

    @property
    def leftovers(self) -> "pd.DataFrame":
        """Return what the market did not fill of orders that take: columns of `orders` and `left`.

        Market orders, triggered stops and take-profits, and immediate-or-cancel limits, filled in part or not at all
        when they ended or when the run did; refused ones are not among them.
        """
        if "leftovers" not in self._made:
            self._made["leftovers"] = leftovers(self.orders, self.fills)
        made: pd.DataFrame = self._made["leftovers"]
        return made

    @property
    def positions(self) -> "pd.DataFrame":
        """Return round trips, the open ones too (`is_open`, `held`); columns as in `result_trades.round_trips`."""
        if "positions" not in self._made:
            self._made["positions"] = round_trips(self._store)
        made: pd.DataFrame = self._made["positions"]
        return made

    @property
    def trades(self) -> "pd.DataFrame":
        """Return the closed round trips."""
        trips = self.positions
        closed = trips.drop(columns=["is_open", "held"])
        made = closed[~trips["is_open"]].reset_index(drop=True) if trips["is_open"].any() else closed
        made.attrs["units"] = {name: unit for name, unit in trips.attrs["units"].items() if name in made}
        return made

    def _frame(self, name: str) -> "pd.DataFrame":
        if name not in self._made:
            self._made[name] = frame(self.store, name)
        made: pd.DataFrame = self._made[name]
        return made

    def _orders(self) -> "pd.DataFrame":
        stored = self._store.columns("orders")
        rows = self._store.final_orders()
        made = frame(self.store, "orders", rows)
        filled = stored["filled"][rows]
        with np.errstate(divide="ignore", invalid="ignore"):
            units = stored["filled_value"][rows] / filled
        scale = self._store.price_scales[stored["instrument"][rows]]
        average = np.where(filled > 0, units / 10.0**scale, np.nan)
        made.insert(list(made.columns).index("filled") + 1, "average_price", average)
        made.attrs["units"]["average_price"] = "quote per base"
        return made

    # Figures

    @property
    def curve(self) -> result_summary.Curve:
        """Return the samples of the run as arrays, with the time-weighted worth of one unit."""
        if "curve" not in self._made:
            self._made["curve"] = result_summary.curve(self._store)
        made: result_summary.Curve = self._made["curve"]
        return made

    @property
    def summary(self) -> dict[str, float | int]:
        """Return the headline figures; keys and units in `result_summary.summary`."""
        if "summary" not in self._made:
            trips = self.positions
            share = time_in_market(trips, self.meta["start_ns"], self.meta["end_ns"])
            self._made["summary"] = result_summary.summary(self.store, self.curve, self.explained(), share)
        return dict(self._made["summary"])

    def returns(self, freq: str = "1D") -> "pd.Series[float]":
        """Return time-weighted simple returns per period (UTC; ``"MS"`` for months), labelled with its beginning."""
        run = self.curve
        return statistics.returns(run.times, run.worth, freq)

    def statistics(self) -> dict[str, float]:
        """Return the figures of `statistics.plain` and, through quantstats, of `statistics.library`."""
        daily = self.returns("1D")
        return statistics.plain(daily, float(self.meta["cash_rate"])) | statistics.library(daily)

    def track_record(
        self, *, trials: int = 1, variance: float | None = None, benchmark: float = 0.0, confidence: float = 0.95
    ) -> dict[str, float]:
        """Return what the Sharpe ratio of this run is worth, from its daily returns above cash.

        Parameters and keys are those of `sharpe_ratio.track_record`; all ratios are per day.
        """
        from backtest.sharpe_ratio import track_record

        cash = statistics.daily_cash(float(self.meta["cash_rate"]))
        excess = np.asarray(self.returns("1D") - cash, dtype=np.float64)
        return track_record(excess, trials=trials, variance=variance, benchmark=benchmark, confidence=confidence)

    def resampled(self, *, paths: int = 1000, mean_block: float | None = None, seed: int = 0) -> "Resampled":
        """Return how deep the drawdown might have been had the run's periods come in other orders.

        By the stationary bootstrap; a path that touches the liquidation price stays at its residual equity. Parameters
        and fields are those of `resampled.resample` and `resampled.Resampled`.

        Raises
        ------
        ConfigError
            For a run that is too short, or whose equity never changes.
        """
        from backtest.resampled import resample

        return resample(self._store, self.curve, paths=paths, mean_block=mean_block, seed=seed)

    def explained(self, by: str = "symbol") -> Attribution:
        """Return the attribution in exact fractions."""
        name = f"attribution by {by}"
        if name not in self._made:
            self._made[name] = attribute(self.store, by)
        made: Attribution = self._made[name]
        return made

    def attribution(self, by: str = "symbol") -> "pd.DataFrame":
        """Return where the change of equity came from.

        Parameters
        ----------
        by : str
            symbol, venue, tag, month, strategy or account: one row per group and a last row ``total``, reporting asset;
            the lines of a row add up to its ``change``, deposits, withdrawals and transfers stand apart. Or asset: one
            row per asset in its own units, opening + postings = closing to the atom.

        Raises
        ------
        ConfigError
            If `by` is unknown.
        """
        if by not in BY:
            raise ConfigError(f"attribution(by={by!r}): allowed are {', '.join(repr(name) for name in BY)}")
        return asset_table(self._store) if by == "asset" else self.explained(by).frame()

    def plot(self) -> "Figure":
        """Return an interactive plotly figure: equity, drawdown, leverage, distance to liquidation, what happened."""
        from backtest.result_plot import figure

        return figure(self)

    def picture(self, path: str | Path, *, width: float = 9.0, dpi: int = 144) -> Path:
        """Write equity, drawdown, leverage and distance to liquidation as one PNG file, and return its path.

        `width` is in inches. The file must end in ``.png``.
        """
        from backtest.result_picture import picture

        return picture(self, path, width=width, dpi=dpi)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the first sections of the tear sheet in a frame of their own."""
        from backtest.report import framed

        return framed(self)

    def __str__(self) -> str:
        """Return one screen that begins with the assumptions."""
        return screen(self.meta, self.summary, self.explained())

    def __repr__(self) -> str:
        """Return one line."""
        figures = self.summary
        return (
            f"<Result {figures['return']:+.2%}, {figures['liquidations']} liquidations, {figures['fills']} fills, "
            f"print() it for the assumptions>"
        )
