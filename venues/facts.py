"""Records of what a venue does: every fact with its date, its source, and a mark when no source seen confirms it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple, TypeVar

from venues.checks import Time, time_ns
from venues.errors import VenueError
from venues.instrument import Instrument, MarginRules, RoundingRules, Tier

T = TypeVar("T")
LATEST: Final = (1 << 63) - 1
# fields of VenueFacts that hold dated rules, by themselves and by key
SINGLE: Final = (
    "rounding", "margin", "orders", "mark", "liquidation", "exchange", "ranks_adl", "session_hour", "scores_adl",
    "index_cap", "order_rates", "amend_keeps_place", "self_trade", "icebergs",
)  # fmt: skip
KEYED: Final = (
    "fees", "fee_levels", "funding", "clearance_fees", "collateral", "loans", "delivery", "interest_caps", "tiers",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fact(Generic[T]):
    """One fact, in force from `valid_from` (ns or time; 0 = as far back as is known) until the next one of its kind.

    Parameters
    ----------
    value : T
    source : str
        Key of `VenueFacts.sources`.
    valid_from : ns or time
    is_unverified : bool
        No source seen states it: remembered or inferred.
    """

    value: T
    source: str
    valid_from: Time = 0
    is_unverified: bool = False

    def __post_init__(self) -> None:
        """Read the date."""
        object.__setattr__(self, "valid_from", time_ns(self.valid_from, "valid_from"))

    @property
    def since(self) -> int:
        """First ns at which it is in force."""
        return int(self.valid_from)  # type: ignore[arg-type]


Dated = tuple[Fact[T], ...]


def in_force(facts: Dated[T], at: int) -> Fact[T] | None:
    """Return the latest of dated facts (ascending) that begins at or before `at`; None before the first."""
    found = None
    for fact in facts:
        if fact.since <= at:
            found = fact
    return found


class Fees(NamedTuple):
    """Trading fees as rates of notional; a rebate is negative."""

    maker: float
    taker: float


class FeeLevel(NamedTuple):
    """Trading fees above a traded volume of the venue's window (`VenueFacts.fee_days`), US dollars."""

    name: str
    volume: float
    maker: float
    taker: float


class TierTable(NamedTuple):
    """Risk tiers of one symbol from a date on."""

    valid_from: int
    tiers: tuple[Tier, ...]
    source: str
    is_unverified: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRules:
    """Limits and prices of orders.

    Parameters
    ----------
    max_open_orders, max_conditional_orders : int
        Per symbol.
    sell_markup, buy_markup : float
        Relative additions of the assuming price of an order that takes.
    market_values : tuple of (leverage, value)
        Largest value of a market order, quote currency, of contracts whose largest leverage is at least so much;
        leverages ascend. Empty: no such limit.
    limit_factor : float
        The largest value of a limit order is so many times that.
    """

    max_open_orders: int
    max_conditional_orders: int
    sell_markup: float
    buy_markup: float
    market_values: tuple[tuple[float, float], ...] = ()
    limit_factor: float = 1.0

    def largest_values(self, max_leverage: float) -> tuple[float, float]:
        """Return the largest value of a market and of a limit order of a contract; 0 = no limit."""
        fitting = [value for leverage, value in self.market_values if max_leverage >= leverage]
        market = fitting[-1] if fitting else 0.0
        return market, market * self.limit_factor


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingRules:
    """How the rate of an interval is made.

    Parameters
    ----------
    interval_hours : float
        Default of the venue; an instrument may differ.
    interest_rate : float
        For 8 hours.
    clamp : float
        Bound of interest - premium.
    cap, floor : float
        Bounds of the rate of one interval.
    is_weighted : bool
        The i-th premium sample of an interval weighs i.
    sample_seconds : float
        Spacing of premium samples.
    impact_margin : float
        Quote currency; impact notional = impact_margin x largest leverage.
    impact_notional : float
        The impact notional itself where it does not depend on leverage; 0 = it does.
    is_continuous : bool
        Funding accrues every moment: who held a position for a part of an interval pays that part of its rate.
    interest_is_added : bool
        The interest rate is added to the premium; the clamp has no part in it.
    is_announced : bool
        The rate of the next settlement is published at the one before it.
    """

    interval_hours: float
    interest_rate: float
    clamp: float
    cap: float
    floor: float
    is_weighted: bool
    sample_seconds: float
    impact_margin: float = 0.0
    impact_notional: float = 0.0
    is_continuous: bool = False
    is_announced: bool = False
    interest_is_added: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkRules:
    """How the mark price is made.

    Parameters
    ----------
    points : int
        Samples of the moving average of price - index; 0 where it decays.
    spacing_seconds : float
        Between two samples.
    formula : {"median", "fair", "ema", "outside_median", "basis"}
        "median": of the index with the funding left, the index with the average, and the price. "fair": the index with
        the funding left, taken anew every `spacing_seconds`. "ema": index + exponential average of price - index, whose
        time constant is `spacing_seconds`. "outside_median": of the index with the average, the median of best bid,
        best ask and last price, and other venues' mids. "basis": the index with the average.
    bound : float
        "ema": the mark stays within +-bound of the index, as a fraction; 0 = none.
    decay_seconds : float
        Time in which the weight of a sample falls to 1/e; 0 where the average is a moving one.
    """

    points: int
    spacing_seconds: float
    formula: str = "median"
    bound: float = 0.0
    decay_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRules:
    """How a dated contract ends.

    Parameters
    ----------
    window_minutes : float
        It settles at the time average of the index over so many minutes before its expiry.
    fee : float
        Rate of the settled notional.
    hour_utc : int
        Hour of the day of a symbol's date.
    """

    window_minutes: float
    fee: float = 0.0
    hour_utc: int = 8


class CollateralBracket(NamedTuple):
    """Share of a positive balance above a quantity of the asset that counts as margin."""

    floor: float
    ratio: float


CollateralShare = float | tuple[CollateralBracket, ...]


class InterestCaps(NamedTuple):
    """Open interest, quote currency, between which the initial rate rises from its base to 1; upper 0 = never."""

    lower: float
    upper: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceRules:
    """Closing by force in slices, block by block.

    Parameters
    ----------
    block_seconds : float
        Time between two blocks; in one block each position is closed once at most.
    min_notional, max_portion : float
        A slice is that share of a position's notional, at least min_notional (quote currency).
    block_notional, block_loss : float
        Notional closed, and paid by the insurance fund, of one account in one block, quote currency.
    max_fee : float
        Of the notional closed: most of what lies above the bankruptcy price that goes to the insurance fund.
    bankruptcy_adjustment, spread_to_maintenance : float
        Limit of a slice: mark less clamp(adjustment x (1 - equity / maintenance), 0, 1) x spread x its maintenance.
    """

    block_seconds: float
    min_notional: float
    max_portion: float
    block_notional: float
    block_loss: float
    max_fee: float
    bankruptcy_adjustment: float
    spread_to_maintenance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidationRules:
    """How a position is closed by force.

    Parameters
    ----------
    cancels_orders : bool
        All open orders of the pool are cancelled first and the ratio is looked at again.
    course, multi_assets_course : {"stepwise", "by_tier", "at_once", "in_parts", "down_tiers"}
        "stepwise": one immediate-or-cancel order reduces a position as far as needed, then the test is repeated.
        "at_once": every position is offered at joint zero-equity prices. "in_parts" (not of multi-assets mode): an
        order for a whole position, or for `part` of one with a notional above `whole_up_to`; for `cooldown_seconds`
        after such an order all orders of the account are for whole positions.
        "down_tiers" (of every pool): the long and the short of a contract are offset; every `pace_seconds` an order
        moves a position `tiers_down` tiers down; what has not so many below it, or a pool below the requirement of the
        first tier, is taken over.
    isolated_course : {"stepwise", "by_tier"}
        "by_tier": one fill-or-kill order down to a lower tier that suffices, else the position is taken over.
    target_ratio : float
        Maintenance / equity below which stepwise closing aims.
    time_limit_seconds : float
        After that what has not filled is taken over at the bankruptcy price; infinite = never.
    first : {"largest_maintenance", "drawn"}
        Which position of a cross pool is closed first.
    charges_trading_fee : bool
        Whether forced fills pay the trading fee instead of the clearance fee.
    cancels : {"pool", "contract"}
        Whose open orders are cancelled: of all contracts of the pool, or of the one that is closed.
    round_seconds : float
        Stepwise closing offers one part of a position and waits so long before the next; 0: all that is needed at once.
    round_share : float
        With rounds: that part, as a share of the position.
    is_limited : bool
        Orders of stepwise closing are limited by the bankruptcy price; else they take any price.
    takeover_is_free : bool
        Whether a takeover pays no fee where forced fills pay the trading fee.
    backstop_share : float
        The pool is taken over once equity is at most that share of maintenance; 0 = only without equity.
    whole_up_to, part, cooldown_seconds : float
        See "in_parts".
    tiers_down, pace_seconds : int, float
        See "down_tiers".
    repays_first : bool
        Other assets are sold for the debts of a multi-assets account before its orders go and positions are closed.
    repay_target : float
        With `repays_first`: maintenance / equity at which that ends; 0 = when all debts are repaid.
    cancels_early : bool
        Orders of a cross pool that add to its margin are cancelled once its equity is below the initial margin of
        positions and orders.
    slices : SliceRules, optional
        Positions are closed in slices, whatever the course; what finds no buyer while equity is below zero goes to
        others at the bankruptcy price.
    """

    cancels_orders: bool
    course: str
    multi_assets_course: str
    time_limit_seconds: float
    first: str
    charges_trading_fee: bool
    isolated_course: str = "stepwise"
    target_ratio: float = 1.0
    cancels: str = "pool"
    round_seconds: float = 0.0
    round_share: float = 1.0
    is_limited: bool = True
    takeover_is_free: bool = False
    backstop_share: float = 0.0
    whole_up_to: float = 0.0
    part: float = 1.0
    cooldown_seconds: float = 0.0
    tiers_down: int = 0
    pace_seconds: float = 0.0
    repays_first: bool = False
    repay_target: float = 0.0
    cancels_early: bool = False
    slices: SliceRules | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoExchange:
    """When a negative balance of multi-assets mode is covered by selling other assets.

    Parameters
    ----------
    thresholds : mapping of str to float
        Balance of an asset below which it happens (negative amounts).
    other_threshold_usd : float
        The same for assets not named, US dollars.
    """

    thresholds: Mapping[str, float]
    other_threshold_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueFacts:
    """All records of one venue; what it has no rule for stays empty.

    Parameters
    ----------
    name, title : str
    contracts : tuple of str
        Kinds of contract it lists.
    sources : mapping of str to str
        Key to document.
    describe : callable
        (base, quote, settle) -> (contract, contract size) of a symbol without facts of its own.
    fees : mapping of (level, settle asset or "") to dated Fees
    fee_levels : mapping of settle asset or "" to dated levels above the regular one, ascending in volume
    tiers : mapping of symbol to dated tables
        "BTC/USD:BTC-*" holds for every dated contract of BTC/USD:BTC; "isolated", here as in every mapping of symbols,
        for markets that stand alone in their account (`Instrument.is_alone`) and have no record of their own.
    instruments : mapping of symbol to Instruments, ascending in valid_from
    rounding, margin, orders, mark, liquidation, exchange : dated rules
    funding, clearance_fees : mapping of symbol to dated rules; "" holds for all others
    collateral : mapping of asset to dated ratios, or brackets of quantity with their ratios
        Share of a positive balance, or of what of it lies above each amount, that counts in multi-assets mode; a ratio
        of nan is not known.
    lends : bool
        A negative balance of multi-assets mode is borrowed at interest: kind `borrow_rates` has its rates. Loans may be
        asked for too.
    loans : mapping of asset to dated tiers, in quantity of the asset; "" holds for all others
        Margin of what is owed in multi-assets mode: marginal maintenance, initial 1 / max_leverage of the tier of all.
    discounts_profit : bool
        In multi-assets mode the ratio of an asset is that of its balance and of the profit in it together, not of the
        balance alone. Needs a course of liquidation "down_tiers".
    gates_withdrawals : bool
        No money leaves accounts, nor moves between them, while one of their collateral pool is below zero.
    may_refuse_loans : bool
        An account may be set to take no loan for its orders (`Venue(auto_borrow=False)`).
    ranks_adl : bool
        The venue publishes a ranking for auto-deleveraging.
    order_rates : tuple of (orders, seconds)
        At most two: how many orders an account may send in each window of so many seconds since the epoch.
    amend_keeps_place : bool
        An order whose quantity is lowered at the same price keeps its place in the queue.
    self_trade : {"allow", "cancel_taker", "cancel_maker", "cancel_both"}
        What happens by default when an order that takes would meet a resting one of its own account.
    icebergs : bool
        Orders may show a part of their quantity.
    delivery : mapping of symbol to dated rules
        Of dated contracts; "" holds for all others.
    session_hour : dated hour of the day, UTC
        When unrealised profit is paid out each day and positions are valued anew; empty: never.
    scores_adl : dated bool
        Its ranking for auto-deleveraging is profit x effective leverage, by bankruptcy values.
    index_cap : dated float
        Prices inside the index are cut to +-that share of their median.
    adl_ranks_by : {"profit_on_margin", "gain_or_loss_on_margin", "price_on_leverage"}
        With `ranks_adl`: profit / collateral x margin ratio; the same, but losses divided by that ratio; mark / entry x
        notional / account value.
    fee_days : int
        Days of traded volume that choose a fee level.
    margin_modes, position_modes : tuple of str
        What an account may choose.
    has_leverage : bool
        An account may set its margin leverage.
    closed : ns or time
        When the venue closed for good; 0 = it is open.
    interest_caps : mapping of symbol to dated caps
        Where the initial rate rises with open interest.
    index_is_mark : bool
        It has no mark price of its own: the index (oracle) price stands for it everywhere.
    """

    name: str
    title: str
    contracts: tuple[str, ...]
    sources: Mapping[str, str]
    describe: Callable[[str, str, str], tuple[str, float]]
    fees: Mapping[tuple[str, str], Dated[Fees]]
    tiers: Mapping[str, Dated[tuple[Tier, ...]]] = field(default_factory=dict)
    instruments: Mapping[str, tuple[Instrument, ...]] = field(default_factory=dict)
    rounding: Dated[RoundingRules] = ()
    margin: Dated[MarginRules] = ()
    orders: Dated[OrderRules] = ()
    funding: Mapping[str, Dated[FundingRules]] = field(default_factory=dict)
    mark: Dated[MarkRules] = ()
    liquidation: Dated[LiquidationRules] = ()
    clearance_fees: Mapping[str, Dated[float]] = field(default_factory=dict)
    collateral: Mapping[str, Dated[CollateralShare]] = field(default_factory=dict)
    exchange: Dated[AutoExchange] = ()
    ranks_adl: Dated[bool] = ()
    adl_ranks_by: str = "profit_on_margin"
    fee_levels: Mapping[str, Dated[tuple[FeeLevel, ...]]] = field(default_factory=dict)
    order_rates: Dated[tuple[tuple[int, float], ...]] = ()
    amend_keeps_place: Dated[bool] = ()
    self_trade: Dated[str] = ()
    icebergs: Dated[bool] = ()
    fee_days: int = 30
    delivery: Mapping[str, Dated[DeliveryRules]] = field(default_factory=dict)
    session_hour: Dated[int] = ()
    scores_adl: Dated[bool] = ()
    index_cap: Dated[float] = ()
    margin_modes: tuple[str, ...] = ("cross", "isolated")
    position_modes: tuple[str, ...] = ("one_way", "hedge")
    has_leverage: bool = True
    closed: Time = 0

    def __post_init__(self) -> None:
        """Read the date of closing, and check that positions are closed in a way that fits their margin."""
        object.__setattr__(self, "closed", time_ns(self.closed, "closed"))
        courses = {fact.value.course for fact in self.liquidation}
        if self.discounts_profit and courses != {"down_tiers"}:
            raise VenueError(
                f"{self.name}: discounts_profit needs liquidation down the tiers, got {', '.join(sorted(courses))}"
            )

    @property
    def closed_at(self) -> int:
        """Ns at which it closed for good; 0 = it is open."""
        return int(self.closed)  # type: ignore[arg-type]

    interest_caps: Mapping[str, Dated[InterestCaps]] = field(default_factory=dict)
    index_is_mark: bool = False
    lends: bool = False
    loans: Mapping[str, Dated[tuple[Tier, ...]]] = field(default_factory=dict)
    discounts_profit: bool = False
    may_refuse_loans: bool = False
    gates_withdrawals: bool = False

    def unverified(self) -> Iterator[tuple[str, int]]:
        """Yield the name and first ns of every fact that no source seen confirms."""
        for name in SINGLE:
            yield from ((name, fact.since) for fact in getattr(self, name) if fact.is_unverified)
        for name in KEYED:
            for key, facts in getattr(self, name).items():
                text = " ".join(key).strip() if isinstance(key, tuple) else key or "by default"
                yield from ((f"{name} {text}", fact.since) for fact in facts if fact.is_unverified)
        for symbol, rows in self.instruments.items():
            for row in rows:
                if row.unverified:
                    yield f"instrument {symbol}: {', '.join(row.unverified)}", row.valid_from
