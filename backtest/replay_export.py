"""A user's own exported history through our accounts, compared row by row with the export's ledger."""

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backtest import replay_tables
from backtest.errors import ConfigError
from backtest.replay_inputs import SETTLE_SCALE, read_inputs
from backtest.replay_margin import timeline
from backtest.replay_prices import Market
from backtest.replay_report import ReplayReport, assumptions, findings, make_report
from backtest.replay_walk import fee_levels, walk
from backtest.result import Result

if TYPE_CHECKING:
    from feeds.dataset import Dataset


class ReplayResult(Result):
    """The outcome of a replay: a result like that of any run, and `report`, what agrees with the export."""

    report: ReplayReport

    def __str__(self) -> str:
        """Return the comparison, then the screen of the result."""
        return f"{self.report}\n\n{super().__str__()}"


def replay(
    export_dir: str | Path | Iterable[str | Path],
    *,
    venue: str,
    data: "Dataset | None" = None,
    scale: float | str | Decimal = 1.0,
    basis: float | None = None,
) -> ReplayResult:
    """Replay an account export: orders and fills are inputs; profits, fees, funding and wallet are outputs.

    Parameters
    ----------
    export_dir : path or iterable of paths
        The CSV files of the venue's account export: trades and ledger, with orders and closed positions if there are.
    venue : {"binance_usdm", "binance_coinm"}
    data : Dataset, optional
        Funding rates and marks or bars, to compute funding and margin with; tiers win over the rule book's. Without
        it funding is posted as recorded and the margin is not drawn.
    scale : float, str or Decimal
        On every quantity, toward zero on the lot; deposits stay. Other than 1, the export's forced fills are left out:
        whether the smaller account would have been closed is an outcome.
    basis : float, optional
        Price of dated contracts over that of their perpetual, for margin only: such contracts seldom have a series of
        their own. None: the median over own fills, by contract.

    Returns
    -------
    ReplayResult
        A `Result` with `.report`: comparisons, forced closes, margin timeline, causes of differences. Findings (exit
        code 1) are differences of the wallet beyond what listed rows explain.

    Raises
    ------
    FeedError
        If the export cannot be read.
    ConfigError
        If it has no fills, or scale or basis is not above zero.
    """
    factor = scale if isinstance(scale, Decimal) else Decimal(repr(scale) if isinstance(scale, float) else scale)
    if not factor.is_finite() or factor <= 0:
        raise ConfigError(f"replay: scale must be above zero, got {scale!r}")
    if basis is not None and not 0.0 < basis < float("inf"):
        raise ConfigError(f"replay: basis must be above zero (1.02 = 2 % over the perpetual), got {basis!r}")
    inputs = read_inputs(export_dir, venue)
    market = Market(data, inputs, basis)
    course = walk(inputs, market, factor)
    line = timeline(inputs, market, course.snapshots)
    report = make_report(inputs, course, line, factor)
    values = replay_tables.Valuation(inputs)
    unpriced = [f"{asset}: no price in {values.reporting} in the export; valued at 0" for asset in values.unpriced]
    meta: dict[str, Any] = {
        "config": {"kind": "replay", "venue": venue, "scale": str(factor), "basis": basis},
        "assumptions": assumptions(inputs, line, factor, fee_levels(inputs)),
        "warnings": [*inputs.notes, *unpriced],
        "findings": findings(report),
        "fingerprint": "" if data is None else data.fingerprint,
        "start_ns": course.snapshots[0].ts,
        "end_ns": max(course.snapshots[-1].ts, *(ts for ts, *_ in line.samples[-1:])),
        "reporting": values.reporting,
        "assets": [{"name": asset, "scale": SETTLE_SCALE} for asset in inputs.assets],
        "accounts": replay_tables.accounts(inputs),
        "instruments": replay_tables.instruments(inputs),
    }
    result = ReplayResult(meta, replay_tables.tables(inputs, course, line, market))
    result.report = report
    return result
