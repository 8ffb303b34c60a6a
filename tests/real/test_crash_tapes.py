"""Longs bought at 20:00 on the crash day, coin-margined: when they are closed by force, at what price, who pays.

Everything expected here is worked out from the CSV files with decimals and the formulas of `venues/binance.md` sections
1 and 5, none of it with the engine's own functions.
"""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from pathlib import Path

import pandas as pd
import pytest
from crash_tapes import (
    ATOM,
    CLEARANCE,
    COINS,
    FEE,
    FIRST_TIER,
    RATE,
    SIZE,
    SLIPPAGE,
    STAKE,
    TICK,
    Tape,
    down,
    hold,
    load,
    ns,
    rules,
    stamp,
    stated_funding,
    worsened,
)
from engine_data import COINM, Notes, balance, postings

import venues
from backtest import Backtest, ConfigError, Result


@pytest.fixture(scope="module")
def tapes(real_data: Path) -> dict[str, Tape]:
    return load(real_data)


def long_at_20(tape: Tape, leverage: Decimal, mode: str) -> tuple[Result, Notes]:
    """Buy leverage x 7,500 USD at 20:00; isolated posts a leverage-th of it, cross stands on the whole stake."""
    notes = Notes()
    contracts = int(leverage * 750)
    deposit = STAKE[tape.coin] * (Decimal("1.1") if mode == "isolated" else 1)
    account = venues.Venue(
        rules(tape.coin),
        balances={tape.coin: deposit},
        margin_mode=mode,
        leverage=float(leverage) if mode == "isolated" else 25,
    )
    look = (ns("20:01"), lambda s: s.note(s.position(tape.symbol).liquidation_price))
    strategy = hold(tape.symbol, contracts, "20:00", look, notes=notes)
    data = tape.trades + stated_funding(tape.symbol)
    return Backtest(data, strategy, venues=account, mark="last", start="2025-10-10T19:59").run(), notes


@dataclass
class ByHand:
    """What pencil and paper make of one long on a tape whose last trade is the mark."""

    entered: int
    entry: Decimal
    fee: Decimal
    wallet: Decimal
    liquidation: Decimal
    bankruptcy: Decimal
    trigger: int | None


def by_hand(tape: Tape, contracts: int, leverage: Decimal, mode: str) -> ByHand:
    """Inverse long (binance.md sections 1 and 5): wallet + n (1/entry - 1/p) = rate n/p at the liquidation price p."""
    usd = Decimal(contracts * SIZE)
    entered = tape.first_after(ns("20:00") - 1)
    entry = worsened(tape.price(entered), 1)
    fee = down(usd / entry * FEE)
    posted = (usd / entry / leverage).quantize(ATOM, ROUND_CEILING)
    wallet = posted if mode == "isolated" else STAKE[tape.coin] - fee
    liquidation = usd * (1 + RATE) / (wallet + usd / entry)
    bankruptcy = usd / (wallet + usd / entry)
    return ByHand(
        entered, entry, fee, wallet, liquidation, bankruptcy, tape.first_at_or_below(liquidation, entered + 1)
    )


# What was seen: time and price of the trade that triggers, time and price of the forced close, coins left of the
# stake. None: the long lives through the day; BCH never fell below 461.92.
SEEN: dict[tuple[str, int, str], tuple[str, str, str, str, str] | None] = {
    ("AAVE", 3, "isolated"): ("21:17:06.153", "195.37", "21:17:06.153", "195.33", "2.87237088"),
    ("AAVE", 3, "cross"): ("21:17:06.153", "195.37", "21:17:06.153", "195.33", "0.00000000"),
    ("AAVE", 5, "isolated"): ("21:14:36.019", "217.13", "21:14:36.019", "217.08", "2.84329886"),
    ("AAVE", 5, "cross"): ("21:14:34.153", "217.19", "21:14:34.153", "217.14", "0.00000000"),
    ("AAVE", 20, "isolated"): ("20:56:25.765", "248.15", "20:56:25.765", "248.06", "2.62525870"),
    ("AAVE", 20, "cross"): ("20:56:25.639", "248.24", "20:56:25.639", "248.17", "0.00000000"),
    ("AVAX", 3, "isolated"): ("21:17:04.078", "20.02", "21:17:04.078", "20.01", "28.06038881"),
    ("AVAX", 3, "cross"): ("21:17:04.078", "20.03", "21:17:04.078", "20.02", "0.00000000"),
    ("AVAX", 5, "isolated"): ("21:14:36.719", "22.25", "21:14:36.719", "22.24", "27.77672769"),
    ("AVAX", 5, "cross"): ("21:14:36.702", "22.26", "21:14:36.702", "22.25", "0.00000000"),
    ("AVAX", 20, "isolated"): ("20:56:26.057", "25.43", "20:56:26.057", "25.42", "25.64926929"),
    ("AVAX", 20, "cross"): ("20:56:25.800", "25.44", "20:56:25.800", "25.43", "0.00000000"),
    ("BCH", 3, "isolated"): None,
    ("BCH", 3, "cross"): None,
    ("BCH", 5, "isolated"): ("21:19:16.032", "471.49", "21:19:16.032", "471.34", "1.30721454"),
    ("BCH", 5, "cross"): ("21:19:16.032", "471.64", "21:19:16.032", "471.50", "0.00000000"),
    ("BCH", 20, "isolated"): ("20:59:32.984", "538.84", "20:59:32.984", "538.70", "1.20680218"),
    ("BCH", 20, "cross"): ("20:59:32.983", "539.10", "20:59:32.983", "538.97", "0.00000000"),
}


@pytest.mark.parametrize("mode", ["isolated", "cross"])
@pytest.mark.parametrize("leverage", [3, 5, 20])
@pytest.mark.parametrize("coin", COINS)
def test_a_long_bought_at_20_is_closed_by_the_trade_after_the_one_that_crosses_its_price(
    tapes: dict[str, Tape], coin: str, leverage: int, mode: str
) -> None:
    tape, contracts = tapes[coin], leverage * 750
    result, notes = long_at_20(tape, Decimal(leverage), mode)
    hand = by_hand(tape, contracts, Decimal(leverage), mode)
    fills = result.fills
    assert (fills["time"].iloc[0].value, Decimal(str(fills["price"].iloc[0]))) == (tape.time(hand.entered), hand.entry)
    assert notes[0][1] == pytest.approx(float(hand.liquidation), rel=1e-12)
    steps = result.liquidations
    if hand.trigger is None:
        assert SEEN[coin, leverage, mode] is None
        assert steps.empty
        return
    usd, closed = Decimal(contracts * SIZE), hand.trigger + 1
    price = worsened(tape.price(closed), -1)
    assert price > hand.bankruptcy
    profit = down(usd / hand.entry - usd / price)
    clearance = min(down(usd / price * CLEARANCE), hand.wallet + profit)
    (step,) = steps.itertuples()
    assert (step.time.value, step.what, step.quantity) == (tape.time(closed), "liquidation", contracts)
    assert Decimal(str(step.trigger_mark)) == tape.price(hand.trigger)
    assert Decimal(str(step.price)) == price
    assert (step.shortfall, step.paid_by) == (0, "nobody")
    assert postings(result, "liquidation_fee", name=COINM) == -clearance
    ledger = result.ledger
    assert ledger.loc[ledger["kind"] == "liquidation_fee", "contra"].tolist() == [f"{COINM} insurance_fund"]
    deposit = STAKE[coin] * (Decimal("1.1") if mode == "isolated" else 1)
    left = deposit - hand.fee + profit - clearance
    assert balance(result, coin, name=COINM) == left
    triggered = pd.Timestamp(tape.time(hand.trigger), tz="UTC")
    assert SEEN[coin, leverage, mode] == (
        stamp(triggered),
        f"{tape.price(hand.trigger):.2f}",
        stamp(step.time),
        f"{price:.2f}",
        f"{left:.8f}",
    )


def test_a_leap_over_the_bankruptcy_price_leaves_a_shortfall_that_the_fund_pays(tapes: dict[str, Tape]) -> None:
    """AVAX printed 7.19, then 6.90: a long of 0.36 times its stake, safe until then, owed more than it had.

    Its liquidation price is 7.07, its bankruptcy price 7.00. The fund takes it over there and values it at the mark.
    """
    tape, contracts = tapes["AVAX"], 270
    result, _ = long_at_20(tape, Decimal(contracts) / 750, "cross")
    hand = by_hand(tape, contracts, Decimal(1), "cross")
    assert hand.trigger is not None
    assert (tape.price(hand.trigger - 1), tape.price(hand.trigger)) == (Decimal("7.19"), Decimal("6.90"))
    assert Decimal("7.19") > hand.liquidation > hand.bankruptcy > Decimal("6.90")
    usd, price = Decimal(contracts * SIZE), hand.bankruptcy.quantize(TICK)
    (step,) = result.liquidations.itertuples()
    assert (step.time.value, step.what, step.quantity, step.fee) == (tape.time(hand.trigger), "takeover", contracts, 0)
    assert (stamp(step.time), step.trigger_mark, step.price) == ("21:20:55.622", 6.90, float(price))
    shortfall = -down(usd / price - usd / Decimal("6.90"))
    assert (Decimal(str(step.shortfall)), step.paid_by) == (shortfall, "insurance_fund")
    assert shortfall == Decimal("5.59006211")
    # What the rounding of the price to its tick left of the wallet is the fund's as well.
    rest = hand.wallet + down(usd / hand.entry - usd / price)
    assert postings(result, "insurance", name=f"{COINM} insurance_fund") == -shortfall
    assert postings(result, "insurance", name=COINM) == -rest
    assert balance(result, "AVAX", name=COINM) == 0
    assert result.summary["min_distance"] == 0
    assert result.warnings[-1].startswith("binance_coinm was ruined at 2025-10-10T21:20:55.622Z")


@pytest.mark.parametrize("mode", ["isolated", "cross"])
def test_a_long_above_its_first_tier_is_cut_back_only_as_far_as_each_mark_asks(
    tapes: dict[str, Tape], mode: str
) -> None:
    """400,000 USD of AAVE: more than 1,000 coins, so at 2.5 %, which a clearance fee of 1.5 % leaves room to save.

    Every order closes the fewest contracts that bring the leg back to its requirement at the mark at which it is sent,
    its own slippage and fee included; nothing of an isolated wallet goes back to its owner meanwhile.
    """
    tape, contracts = tapes["AAVE"], 40_000
    account = venues.Venue(rules("AAVE"), balances={"AAVE": 90}, margin_mode=mode, leverage=20)
    data = tape.trades + stated_funding(tape.symbol)
    strategy = hold(tape.symbol, contracts, "20:00")
    result = Backtest(data, strategy, venues=account, mark="last", start="2025-10-10T19:59").run()
    fills = result.fills
    entry, forced = Decimal(str(fills["price"].iloc[0])), fills[fills["forced"] == "liquidation"]
    posted = (Decimal(contracts * SIZE) / entry / 20).quantize(ATOM, ROUND_CEILING)
    wallet = posted if mode == "isolated" else 90 - Decimal(str(fills["fee"].iloc[0]))
    held = contracts
    assert len(forced) == 69
    assert forced["quantity"].sum() == contracts
    for step in forced.itertuples():
        mark, closed = Decimal(str(step.decision_price)), int(step.quantity)
        assert is_short(wallet, held, 0, entry, mark)
        assert is_short(wallet, held, closed - 2, entry, mark)
        assert closed == held or not is_short(wallet, held, closed, entry, mark)
        price, usd = Decimal(str(step.price)), Decimal(closed * SIZE)
        fee = down(usd / price * CLEARANCE)
        wallet += down(usd / entry - usd / price)
        wallet -= min(fee, wallet + Decimal((held - closed) * SIZE) * (1 / entry - 1 / price))
        held -= closed
    assert abs(wallet) <= ATOM
    assert (result.liquidations["shortfall"] == 0).all()
    spare = 90 - posted - Decimal(str(fills["fee"].iloc[0])) if mode == "isolated" else 0
    assert abs(balance(result, "AAVE", name=COINM) - spare) <= ATOM


def is_short(wallet: Decimal, held: int, closed: int, entry: Decimal, mark: Decimal) -> bool:
    """Whether a leg does not meet its requirement after closing some contracts at the mark less slippage."""
    usd, rest = Decimal(closed * SIZE), Decimal((held - closed) * SIZE)
    sold = mark * (1 - SLIPPAGE)
    equity = wallet + usd * (1 / entry - 1 / sold) - usd / sold * CLEARANCE + rest * (1 / entry - 1 / mark)
    notional, edge = rest / mark, FIRST_TIER["AAVE"]
    needed = notional * RATE if notional <= edge else notional * Decimal("0.025") - edge * Decimal("0.015")
    return equity <= needed


def test_without_marks_the_run_refuses_and_names_the_argument_that_would_take_the_last_price(
    tapes: dict[str, Tape],
) -> None:
    tape = tapes["AVAX"]
    account = venues.Venue(rules("AVAX"), balances={"AVAX": STAKE["AVAX"]})
    run = Backtest(tape.trades + stated_funding(tape.symbol), hold(tape.symbol, 750, "20:00"), venues=account)
    with pytest.raises(ConfigError, match=r"AVAX/USD:AVAX@binance_coinm: mark='feed' needs mark rows.*mark='last'"):
        run.run()
