"""The tables and keys of a configuration file, as pydantic models; the values are judged by what they are passed to."""

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

Moment = int | str | datetime | date
Duration = int | str


class Section(BaseModel):
    """A table of the file: unknown keys and other types than those named are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    def given(self, *without: str) -> dict[str, Any]:
        """Return the keys that the file has, but those named."""
        return {
            name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set - {*without}
        }


class SampleTable(Section):
    """Arguments of `feeds.sample`."""

    seed: int = 0
    days: int = 10
    trades_per_day: int = 20_000
    symbols: str | list[str] = []
    book: bool = False


class FileTable(Section):
    """Arguments of `feeds.import_file`; `path` is relative to the configuration."""

    path: str
    format: str = "auto"
    symbol: str | None = None
    venue: str | None = None
    timeframe: str | None = None
    kind: str | None = None
    columns: dict[str, str] | None = None
    valid_from: Moment | None = None


class DataTable(Section):
    """[data]: what is read. Several sources are joined.

    `symbols` and `kinds` choose from the catalog; `venue`, and a single symbol, also hold for files that name none.
    """

    sample: bool | SampleTable = False
    catalog: str | None = None
    venue: str | None = None
    symbols: str | list[str] = []
    kinds: str | list[str] | None = None
    start: Moment | None = None
    end: Moment | None = None
    files: str | list[str | FileTable] = []


class StrategyTable(Section):
    """[strategy] or [[strategy]]: a class, as ``module:Class`` or ``file.py:Class``, and its parameters."""

    class_: str = Field(alias="class")
    parameters: dict[str, Any] = {}


class TierTable(Section):
    """Arguments of `venues.Tier`."""

    floor: float
    maintenance_rate: float
    max_leverage: float
    amount: float | None = None
    size_rate: float = 0.0


class LatencyTable(Section):
    """Arguments of `venues.Latency`; `record` is a file, relative to the configuration."""

    order: Duration = 0
    response: Duration = 0
    feed: Duration = 0
    sigma: float = 0.0
    feed_sigma: float = 0.0
    record: str | None = None


class ImpactTable(Section):
    """Arguments of `venues.Impact`."""

    law: str = "square_root"
    depth: float | None = None
    factor: float = 1.0
    volatility: str | float = "measured"
    volume: str | float = "measured"
    knee: float = 0.001
    half_life: Duration = "1d"
    memory: str = "exponential"
    recovery: Duration | None = None
    exponent: float | None = None
    permanent: float = 0.0
    spread: float = 0.0


class VenueTable(Section):
    """[venue] or [[venue]]: one account; arguments of `venues.Venue`, and what `with_collateral`, `with_loans` take."""

    name: str
    as_of: Moment | None = None
    account: str = "main"
    balances: dict[str, float]
    leverage: float | dict[str, float] | None = None
    margin_mode: str = "cross"
    position_mode: str = "one_way"
    collateral: str = "single"
    auto_borrow: bool = True
    collateral_ratios: dict[str, float | list[list[float]]] = {}
    loan_tiers: dict[str, list[TierTable]] = {}
    fees: str | list[float] = "regular"
    discount: float = 0.0
    volume: float = 0.0
    latency: Duration | list[Duration] | LatencyTable | None = None
    fills: str = "auto"
    queue: str = "risk_averse"
    matching: str = "default"
    self_trade: str = "default"
    slippage: str | float = "default"
    impact: ImpactTable | None = None
    participation: float | None = None
    leftovers: str = "carry"
    missing_tiers: str | list[TierTable] = "error"
    margin_call: float = 0.8
    adl: str = "off"
    forced_close: str = "matching"
    insurance_fund: dict[str, float] | None = None


class InstrumentTable(Section):
    """[[instrument]]: arguments of `venues.Instrument`; `venue` may be left out where there is one."""

    symbol: str
    venue: str | None = None
    contract: str
    contract_size: float = 1.0
    tick_size: float | None = None
    lot_size: float | None = None
    tiers: list[TierTable] = []
    maker_fee: float | None = None
    taker_fee: float | None = None
    min_notional: float = 0.0
    market_lot: float = 0.0
    min_quantity: float = 0.0
    max_quantity: float = 0.0
    max_market_quantity: float = 0.0
    band_up: float = 0.0
    band_down: float = 0.0
    expiry: Moment | None = None
    quantity_unit: str | None = None
    clearance_fee: float | None = None
    funding_interval_hours: float | None = None
    funding_decimals: int | None = None
    is_alone: bool = False
    valid_from: Moment = 0


class RunTable(Section):
    """[run]: the other arguments of `backtest.Backtest`."""

    start: Moment | None = None
    end: Moment | None = None
    warmup: Duration | None = None
    reporting: str | None = None
    prices: dict[str, float] = {}
    mark: str | dict[str, str] = "feed"
    bar_path: str = "worst"
    seed: int = 0
    on_gap: str = "error"
    on_ruin: str = "stop"
    cash_rate: float = 0.0
    limits: bool = True


class TransfersTable(Section):
    """[transfers]: arguments of `venues.Transfers`; a pair of venues is written ``"source -> target"``."""

    delay: Duration | dict[str, Duration] = "20m"
    fees: dict[str, float] = {}
    minimum: dict[str, float] = {}


class PopulationTable(Section):
    """[population]: other accounts in the run; arguments of `backtest.Crowd`, and where its positions come from.

    Either `positions`, a file with the columns of a population, or `open_interest`, a file with columns open_interest,
    close, low and high, out of which a leverage map is made.
    """

    positions: str | None = None
    open_interest: str | None = None
    mixture: dict[str, float] = {}
    removal: str = "pro_rata"
    maintenance_rate: float = 0.005
    venue: str | None = None
    symbol: str | None = None
    reference: float | None = None
    size: float | None = None
    margin_mode: str = "isolated"
    mark_depth: dict[str, float] = {}
    refill: float = 0.0


class ReportTable(Section):
    """[report]: what is written and printed; paths are relative to the configuration."""

    out: str | None = None
    tear_sheet: str | None = None
    attribution: str | list[str] = []


class Tables(Section):
    """The whole file; `strategy`, `venue`, `instrument` and `scenario` are lists here; of the latter the
    keys are those of its step (`backtest.scenarios`)."""

    data: DataTable
    strategy: list[StrategyTable]
    venue: list[VenueTable]
    instrument: list[InstrumentTable] = []
    run: RunTable = RunTable()
    transfers: TransfersTable | None = None
    population: PopulationTable | None = None
    scenario: list[dict[str, Any]] = []
    report: ReportTable = ReportTable()


# Keys by place, list positions left out.
KEYS: dict[tuple[str, ...], type[Section]] = {
    (): Tables,
    ("data",): DataTable,
    ("data", "sample"): SampleTable,
    ("data", "files"): FileTable,
    ("strategy",): StrategyTable,
    ("venue",): VenueTable,
    ("venue", "missing_tiers"): TierTable,
    ("venue", "latency"): LatencyTable,
    ("venue", "impact"): ImpactTable,
    ("instrument",): InstrumentTable,
    ("instrument", "tiers"): TierTable,
    ("run",): RunTable,
    ("transfers",): TransfersTable,
    ("population",): PopulationTable,
    ("report",): ReportTable,
}
LISTS = ("strategy", "venue", "instrument", "scenario")


def keys(place: tuple[str, ...]) -> list[str]:
    """Return the keys that a table may have, as they are written; nothing where any key may stand."""
    model = KEYS.get(place)
    return [] if model is None else [field.alias or name for name, field in model.model_fields.items()]
