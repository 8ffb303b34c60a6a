"""Rules of a venue as functions over whole positions: exact fees, forced closing by steps, rankings, populations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Final

import numpy as np
from numpy.typing import NDArray

from venues.calculator import Account, Work, margin_ratio
from venues.checks import Number, Time, decimals, exact
from venues.contract import ContractBox
from venues.dated_rules import DatedRules
from venues.errors import VenueError
from venues.pool import PoolBox, risk_arrays
from venues.position import ExactPosition
from venues.sliced_plan import plan_slices

_FREE_DECIMALS: Final = 8  # of quantities where the lot is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidationStep:
    """One step of closing a position by force.

    Attributes
    ----------
    kind : {"cancel_orders", "reduce", "takeover"}
    quantity : float
        Closed in this step, >= 0; 0 for cancel_orders.
    price : float or None
        Limit of the order, or the price of the takeover; None where there is none.
    fee : float
        Clearance fee, or the taker fee where the venue charges that, if all of it fills at the mark; settle asset.
        Negative: what the insurance fund pays.
    """

    kind: str
    quantity: float = 0.0
    price: float | None = None
    fee: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskArrays:
    """Figures of many accounts, float64 of shape (accounts,), settle asset; margin_ratio = maintenance / equity."""

    equity: NDArray[np.float64]
    initial_margin: NDArray[np.float64]
    maintenance_margin: NDArray[np.float64]
    unrealized_pnl: NDArray[np.float64]
    notional: NDArray[np.float64]
    margin_ratio: NDArray[np.float64]


def exact_fee(
    rules: DatedRules, *, symbol: str, quantity: Decimal, price: Decimal, rate: Decimal, at: Time | None
) -> Decimal:
    """Return the fee of a fill in the settle asset, rounded to its atom by the venue's rule."""
    instrument = rules.instrument(symbol, at)
    if instrument is None:
        instrument = rules.default_instrument(symbol)
    if instrument.contract not in ("spot", "linear", "inverse", "quanto"):
        raise VenueError(f"{symbol}: {instrument.contract} contracts have no arithmetic here yet")
    position = ExactPosition(
        kind=instrument.contract,  # type: ignore[arg-type]
        price_scale=decimals(price),
        quantity_scale=decimals(quantity),
        size=exact(instrument.contract_size),
        rounding=rules.rounding(at).fee,  # type: ignore[arg-type]
        money_decimals=rules.rounding(at).money_decimals,
    )
    return position.fee(quantity, price, rate)


def plan_liquidation(
    rules: DatedRules,
    account: Account,
    *,
    symbol: str,
    marks: Mapping[str, Number],
    index: Mapping[str, Number] | None,
    is_cooling: bool,
) -> tuple[LiquidationStep, ...]:
    """Return the steps of closing a position by force if every order fills whole at the mark.

    Stepwise course (Binance FAQ 360033525271): orders are cancelled; one order reduces the position as far as needed,
    with the price where the pool is worth zero as its limit; what then remains below the requirement is taken over.
    By tiers (Bybit help, Liquidation Process): the order is the difference to a lower tier that suffices, else none.
    In parts (venues/hyperliquid.md): an order for a part of a large position, then for the whole. Down the tiers
    (venues/okx.md section 7): an order for so many tiers, repeated, else the position is taken over; pairs of hedge
    mode are not planned.
    In slices (venues/dydx_v4.md): those of this position alone, one a block, with what goes to the fund as their fee.
    """
    facts = rules.liquidation()
    work = Work(account, marks, {} if index is None else index)
    keys = [p.key for p in account.positions if p.symbol == symbol]
    if not keys:
        raise VenueError(f"the account has no position in {symbol}")
    # of the two legs of hedge mode the one that asks more comes first
    pool_key, row = work.rows[max(keys, key=lambda key: work.position(key).maintenance_margin)]
    pool = work.pools[pool_key][1]
    risk = pool.risk()
    ratio = margin_ratio(risk.maintenance, risk.equity)
    if ratio < 1.0 or (ratio == 1.0 and rules.margin().trigger == "exceeded"):
        return ()
    steps = [LiquidationStep(kind="cancel_orders")] if facts.cancels_orders else []
    if facts.slices is not None:
        decimals = rules.rounding().money_decimals
        planned = plan_slices(
            facts.slices,
            pool,
            row,
            work.boxes[symbol],
            mark=work.marks[symbol],
            decimals=_FREE_DECIMALS if decimals is None else decimals,
        )
        steps += [LiquidationStep(kind="reduce", quantity=q, price=p, fee=fee) for q, p, fee in planned]
        return tuple(steps)
    by_tier = (facts.isolated_course if work.pools[pool_key][2] else facts.course) == "by_tier"
    if facts.course == "down_tiers":
        steps += _down_tiers(rules, pool, row, work.boxes[symbol], mark=work.marks[symbol])
        return tuple(steps)
    if facts.course == "in_parts":
        steps += _parts(rules, pool, row, work.boxes[symbol], mark=work.marks[symbol], is_cooling=is_cooling)
        return tuple(steps)
    if is_cooling:
        raise VenueError(f"{rules.name} has no cooldown; is_cooling would have no effect, leave it out")
    steps += _close(rules, pool, row, work.boxes[symbol], mark=work.marks[symbol], by_tier=by_tier)
    return tuple(steps)


def _close(
    rules: DatedRules, pool: PoolBox, row: int, box: ContractBox, *, mark: float, by_tier: bool
) -> list[LiquidationStep]:
    """Return the reducing order and, when that is not enough, the takeover of the rest."""
    instrument = box.instrument
    facts = rules.liquidation()
    rate = rules.clearance_fee(instrument.symbol)
    if facts.charges_trading_fee:
        rate += rules.fees(symbol=instrument.symbol).taker
    size = abs(pool.quantity(row))
    price = pool.leg(row).bankruptcy_price
    risk = pool.risk()
    equity = risk.equity
    if equity <= risk.close_fees:
        return [LiquidationStep(kind="takeover", quantity=size, price=pool.joint_bankruptcy_price(row))]
    if by_tier:
        needed = pool.step_down(row, price=mark, fee_rate=rate)
        if needed >= size:
            return [LiquidationStep(kind="takeover", quantity=size, price=pool.joint_bankruptcy_price(row))]
        wanted = exact(needed * (1.0 - 1e-12))
    else:
        wanted = exact(pool.reduction(row, price=mark, fee_rate=rate, target=facts.target_ratio))
    lot = exact(instrument.lot_size if instrument.lot_size is not None else Decimal(1).scaleb(-_FREE_DECIMALS))
    wanted = (wanted / lot).to_integral_value(rounding=ROUND_CEILING) * lot
    closed = min(float(wanted), size)
    # the fee never takes more than what the margin still holds above zero
    fee = min(rate * box.notional(closed, mark), equity)
    steps = [LiquidationStep(kind="reduce", quantity=closed, price=price, fee=fee)]
    pool.close(row, quantity=closed, price=mark, fee=fee)
    risk = pool.risk()
    if margin_ratio(risk.maintenance, risk.equity) >= 1.0 and closed < size:
        steps.append(LiquidationStep(kind="takeover", quantity=size - closed, price=pool.joint_bankruptcy_price(row)))
    return steps


def _parts(
    rules: DatedRules, pool: PoolBox, row: int, box: ContractBox, *, mark: float, is_cooling: bool
) -> list[LiquidationStep]:
    """Return the orders of a position that is closed in parts, or its takeover by the backstop."""
    instrument = box.instrument
    facts = rules.liquidation()
    rate = rules.clearance_fee(instrument.symbol)
    if facts.charges_trading_fee:
        rate += rules.fees(symbol=instrument.symbol).taker
    steps: list[LiquidationStep] = []
    while size := abs(pool.quantity(row)):
        risk = pool.risk()
        if risk.equity <= max(0.0, facts.backstop_share * risk.maintenance):
            return [*steps, LiquidationStep(kind="takeover", quantity=size, price=pool.joint_bankruptcy_price(row))]
        if margin_ratio(risk.maintenance, risk.equity) < 1.0:
            return steps
        closed = size if is_cooling else pool.part(row, whole_up_to=facts.whole_up_to, part=facts.part)
        if instrument.lot_size is not None:
            closed = _lots_up(closed, instrument.lot_size, size)
        fee = min(rate * box.notional(closed, mark), risk.equity)
        steps.append(LiquidationStep(kind="reduce", quantity=closed, price=pool.leg(row).bankruptcy_price, fee=fee))
        pool.close(row, quantity=closed, price=mark, fee=fee)
        is_cooling = True
    return steps


def _down_tiers(rules: DatedRules, pool: PoolBox, row: int, box: ContractBox, *, mark: float) -> list[LiquidationStep]:
    """Return the orders that move a position down its tiers, a pace apart, and the takeover of what they leave."""
    instrument = box.instrument
    facts = rules.liquidation()
    rate = rules.clearance_fee(instrument.symbol)
    if facts.charges_trading_fee:
        rate += rules.fees(symbol=instrument.symbol).taker
    steps: list[LiquidationStep] = []
    while size := abs(pool.quantity(row)):
        risk = pool.risk()
        if margin_ratio(risk.maintenance, risk.equity) < 1.0:
            return steps
        closed = pool.tiers_down(row, tiers=facts.tiers_down)
        is_lost = risk.equity <= max(risk.close_fees, pool.first_tier_requirement())
        if is_lost or closed >= size:
            return [*steps, LiquidationStep(kind="takeover", quantity=size, price=pool.joint_bankruptcy_price(row))]
        if instrument.lot_size is not None:
            closed = _lots_up(closed, instrument.lot_size, size)
        fee = min(rate * box.notional(closed, mark), risk.equity)
        steps.append(LiquidationStep(kind="reduce", quantity=closed, price=pool.leg(row).bankruptcy_price, fee=fee))
        pool.close(row, quantity=closed, price=mark, fee=fee)
    return steps


def _lots_up(quantity: float, lot: float, most: float) -> float:
    """Return a quantity on the next lot, at most `most`; floats must not cost a lot."""
    step = exact(lot)
    whole = (exact(quantity * (1.0 - 1e-12)) / step).to_integral_value(rounding=ROUND_CEILING) * step
    return min(float(whole), most)


def adl_ranks(side: Sequence[int], figures: Mapping[str, Sequence[float]], *, score: str) -> tuple[int, ...]:
    """Return each position's place in the queue of its side; ties keep their order.

    Score: unrealized profit / collateral x margin ratio (Binance FAQ 360033525471), of losses / margin ratio (OKX help,
    auto-deleveraging), or mark / entry x notional / account value (venues/hyperliquid.md, liquidation 5; shorts with
    entry / mark).
    """
    if any(len(values) != len(side) for values in figures.values()):
        raise VenueError(f"side, {', '.join(figures)} must be of one length")
    free = {"unrealized_pnl"} if score == "gain_or_loss_on_margin" else {"unrealized_pnl", "margin_ratio"}
    if any(s not in (1, -1) for s in side) or any(
        not x > 0.0 for name, values in figures.items() if name not in free for x in values
    ):
        raise VenueError(f"side must hold +1 or -1, {', '.join(n for n in figures if n not in free)} must be above 0")
    scores = adl_scores(side, figures, score=score).tolist()
    ranks = [0] * len(scores)
    for one in (1, -1):
        queue = sorted((row for row, s in enumerate(side) if s == one), key=lambda row: -scores[row])
        for place, row in enumerate(queue):
            ranks[row] = place
    return tuple(ranks)


def adl_scores(
    side: Sequence[int] | NDArray[np.int64], figures: Mapping[str, Sequence[float] | NDArray[np.float64]], *, score: str
) -> NDArray[np.float64]:
    """Return the score of each position by which `adl_ranks` orders them; figures are not checked."""
    sign = np.asarray(side, dtype=np.float64)
    row = {name: np.asarray(values, dtype=np.float64) for name, values in figures.items()}
    if score == "price_on_leverage":
        moved = np.where(sign > 0.0, row["mark"] / row["entry_price"], row["entry_price"] / row["mark"])
        made: NDArray[np.float64] = moved * row["notional"] / row["account_value"]
        return made
    earned = row["unrealized_pnl"] / row["collateral"]
    if score == "gain_or_loss_on_margin":
        # a loss on no requirement at all is the last of all
        ratio = np.where(row["margin_ratio"] > 0.0, row["margin_ratio"], 1e-290)
        return np.where(earned < 0.0, earned / ratio, earned * row["margin_ratio"])
    return earned * row["margin_ratio"]


def effective_score(box: ContractBox, quantity: float, *, entry: float, mark: float, bankruptcy: float) -> float:
    """Return BitMEX's score (Auto Deleveraging): profit share x leverage in profit, / leverage in loss.

    Values are signed, negative for longs of an inverse contract: leverage = |mark value| / (mark - bankrupt value),
    profit share = (mark - entry value) / |entry value|.
    """
    sign = (1.0 if quantity > 0.0 else -1.0) * (-1.0 if box.instrument.contract == "inverse" else 1.0)
    entered, marked, broken = (sign * box.notional(quantity, price) for price in (entry, mark, bankruptcy))
    if quantity == 0.0 or marked <= broken:
        raise VenueError(f"quantity must not be 0 and its equity at the mark above 0, got {quantity} at {mark}")
    leverage = abs(marked) / (marked - broken)
    profit = (marked - entered) / abs(entered)
    return profit * leverage if profit > 0.0 else profit / leverage


def capped_mean(prices: Sequence[float], weights: Sequence[float], cap: float) -> float:
    """Return the weighted mean of prices, each cut to +-cap of their median (Deribit, Index Prices)."""
    if not prices or len(prices) != len(weights) or sum(weights) <= 0.0:
        raise VenueError("prices and weights must be of one length, with a sum of weights above 0")
    middle = float(np.median(prices))
    cut = np.clip(prices, middle * (1.0 - cap), middle * (1.0 + cap))
    return float(np.average(cut, weights=weights))


def risk_many(
    boxes: list[ContractBox],
    symbol: Sequence[int],
    account: Sequence[int],
    quantity: Sequence[float],
    entry_price: Sequence[float],
    mark: Sequence[float],
    leverage: Sequence[float],
    wallet: Sequence[float],
) -> RiskArrays:
    """Return the risk of many cross accounts; see `VenueRules.risk_many`."""
    rows = np.ascontiguousarray(symbol, dtype=np.int32)
    owner = np.ascontiguousarray(account, dtype=np.int64)
    sizes, entries, marks, leverages = (
        np.ascontiguousarray(values, dtype=np.float64) for values in (quantity, entry_price, mark, leverage)
    )
    wallets = np.ascontiguousarray(wallet, dtype=np.float64)
    if rows.ndim != 1 or any(len(array) != len(rows) for array in (owner, sizes, entries, marks, leverages)):
        raise VenueError("symbol, account, quantity, entry_price, mark and leverage must be of one length")
    if np.any(rows < 0) or np.any(rows >= len(boxes)):
        raise VenueError(f"symbol must hold rows of symbols, 0 to {len(boxes) - 1}")
    if np.any(np.diff(owner) < 0) or np.any(owner < 0) or np.any(owner >= len(wallets)):
        raise VenueError(f"account must ascend and be in [0, {len(wallets) - 1}], the rows of wallet")
    if not (np.all(entries > 0.0) and np.all(marks > 0.0) and np.all(leverages >= 1.0)):
        raise VenueError("entry_price and mark must be above 0 and leverage at least 1 everywhere")
    first = np.searchsorted(owner, np.arange(len(wallets) + 1)).astype(np.int64)
    out = np.empty((len(wallets), 5), dtype=np.float64)
    risk_arrays(boxes, rows, first, sizes, entries, marks, leverages, wallets, out)
    equity, initial, maintenance, unrealized, notional = (np.ascontiguousarray(column) for column in out.T)
    ratio = np.zeros(len(wallets))
    asks = maintenance > 0.0
    ratio[asks] = np.inf
    solvent = asks & (equity > 0.0)
    ratio[solvent] = maintenance[solvent] / equity[solvent]
    return RiskArrays(
        equity=equity,
        initial_margin=initial,
        maintenance_margin=maintenance,
        unrealized_pnl=unrealized,
        notional=notional,
        margin_ratio=ratio,
    )
