"""The lab on real markets: ADL of 2025-10-10, BitMEX crashes, Aave liquidations, open interest of Bybit.

Every figure is worked out here a second time, by sorting and counting, without the lab's functions.
"""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backtest.lab.adl import POLICIES, fairness, winners
from backtest.lab.auction import loan_to_value_after, spiral_bound
from backtest.lab.branching import ratio_from_counts
from backtest.lab.first_passage import passage_probability
from backtest.lab.funding import censored_share, clamped_funding, predictive_power
from backtest.lab.leaving import deleveraging, leaving_response
from backtest.lab.leverage_map import InferredMap
from backtest.lab.margin import as_drop, fit_tail, gaussian_margin, historical_margin, path_margin
from backtest.lab.positions import leverage_prices
from backtest.lab.velocity import velocity

COVERAGE = "Hyperliquid, ADL waves of all coins, 2025-10-10 21:16-21:27 UTC"
MINUTES_A_YEAR = 525_600


@pytest.fixture(scope="module")
def adl(real_data: Path) -> pd.DataFrame:
    """Accounts that ADL closed with a profit, whole cents."""
    rows = pd.read_parquet(real_data / "liquidations" / "hyperliquid_2025-10-10_adl_by_user.parquet")
    rows = rows[rows["closed_pnl"] > 0.0].copy()
    rows["cents"] = (100 * rows["closed_pnl"]).round().astype("int64")
    return rows


@pytest.fixture(scope="module")
def waves(real_data: Path) -> pd.DataFrame:
    rows = pd.read_csv(real_data / "liquidations" / "hyperliquid_2025-10-10_adl_waves_per_coin.csv")
    rows["seconds"] = pd.to_datetime(rows["t_start"]).map(lambda at: at.timestamp())
    return rows.sort_values("seconds", kind="stable")


def test_every_policy_pays_the_deficit_of_the_day_to_the_cent(adl, waves):
    needed = round(100 * waves["deficit_usd"].sum())
    found = winners(adl["cents"], size=adl["adl_notional"], leverage=adl["leverage_realtime"].clip(lower=0.0))
    shared = {}
    for name, policy in POLICIES.items():
        taken = policy(found, needed)
        assert int(taken.sum()) == needed
        assert np.all(taken <= adl["cents"].to_numpy())
        shared[name] = fairness(taken, needed), int((taken > 0).sum())
    # the queue and the water level fall on a few accounts, the pro-rata rules on nearly all
    assert shared["water_filling"][1] < 10
    assert shared["queue"][1] < 2000
    assert min(shared[name][1] for name in ("by_size", "by_profit", "by_leverage")) > 0.95 * len(adl)
    assert shared["by_profit"][0].top_share == pytest.approx(
        adl["closed_pnl"].max() / adl["closed_pnl"].sum(), rel=1e-6
    )
    for other in ("by_size", "by_profit", "by_leverage"):
        assert shared[other][0].gini < shared["queue"][0].gini


def test_water_filling_leaves_the_richest_at_one_level(adl, waves):
    needed = round(100 * waves["deficit_usd"].sum())
    taken = POLICIES["water_filling"](winners(adl["cents"]), needed)
    left = np.sort(adl["cents"].to_numpy() - taken)[::-1]
    hit = int((taken > 0).sum())
    assert left[0] - left[hit - 1] <= 1  # to the cent
    falling = np.sort(adl["cents"].to_numpy())[::-1]
    assert falling[:hit].sum() - needed == pytest.approx(hit * left[0], abs=hit)


def test_what_the_queue_closed_beyond_the_deficits_of_its_waves_is_notional_not_haircuts(waves):
    # the published overshoot of haircuts is far smaller (leverage_lab.md section 8.3): these are positions closed
    taken = waves["budget_queue_usd"].to_numpy()
    needed = waves[["budget_queue_usd", "deficit_usd"]].min(axis=1)
    found = fairness(taken, float(needed.sum()))
    assert found.overshoot == pytest.approx(waves["overshoot_queue_usd"].sum(), rel=1e-9)
    assert found.needed <= waves["deficit_usd"].sum()


def test_longs_were_liquidated_and_shorts_deleveraged(real_data):
    rows = pd.read_parquet(real_data / "liquidations" / "hyperliquid_2025-10-10_positions_BTC.parquet")
    liquidated, closed = rows[rows["was_liquidated"]], rows[rows["was_adl"] & ~rows["was_liquidated"]]
    assert (len(liquidated), len(closed)) == (1575, 1695)
    assert (liquidated["side"] == "LONG").mean() > 0.9
    assert (closed["side"] == "SHORT").mean() > 0.95
    won = closed.loc[closed["absolute_pnl"] > 0.0, "absolute_pnl"]
    shares = np.sort(won / won.sum())
    assert fairness(won, won.sum()).top_share == pytest.approx(shares[-1])
    ranks = np.arange(1, len(shares) + 1)
    expected = 1.0 - 2.0 * float((shares * (len(shares) - ranks + 0.5)).sum()) / len(shares)
    assert fairness(won, won.sum()).gini == pytest.approx(expected, rel=1e-9)


def test_the_peak_of_the_waves_is_the_minute_with_most_notional(waves):
    found = velocity(waves["seconds"], waves["budget_queue_usd"], coverage=COVERAGE)
    seconds, value = waves["seconds"].to_numpy(), waves["budget_queue_usd"].to_numpy()
    best = max(value[(seconds >= at) & (seconds < at + 60.0)].sum() for at in seconds)
    assert found.peak == pytest.approx(best / 60.0, rel=1e-12)
    assert found.mean == pytest.approx(value.sum() / (seconds[-1] - seconds[0]), rel=1e-12)
    assert found.coverage == COVERAGE


FILES = ["2020-03-01_2020-03-20", "2021-05-10_2021-05-31"]


def falls(real_data: Path, span: str, minutes: int) -> tuple[np.ndarray, float]:
    """Largest fall of XBTUSD within so many minutes from each hour on, and the volatility of the minutes."""
    bars = pd.read_parquet(real_data / "ohlcv" / f"bitmex_XBTUSD_1m_{span}.parquet")
    close, low = bars["close"].to_numpy(), bars["low"].to_numpy()
    starts = range(0, len(close) - minutes, 60)
    moves = [max(0.0, 1.0 - low[at + 1 : at + 1 + minutes].min() / close[at]) for at in starts]
    return np.array(moves), float(np.diff(np.log(close)).std()) * math.sqrt(MINUTES_A_YEAR)


@pytest.mark.parametrize("span", FILES)
@pytest.mark.parametrize("minutes", [60, 1440])
def test_history_asks_for_more_margin_than_a_normal_law_of_the_same_volatility(real_data, span, minutes):
    moves, sigma = falls(real_data, span, minutes)
    window = minutes / MINUTES_A_YEAR
    history = historical_margin(moves, 0.01)
    assert history == pytest.approx(float(np.sort(moves)[round(0.99 * (len(moves) - 1))]), rel=0.15)
    assert history > 1.3 * gaussian_margin(sigma, window, 0.01)
    assert history > 1.3 * as_drop(path_margin(sigma, window, 0.01))


@pytest.mark.parametrize("span", FILES)
def test_the_tail_of_hourly_falls_is_heavy_and_beyond_its_threshold(real_data, span):
    moves, _ = falls(real_data, span, 60)
    tail = fit_tail(moves, share=0.1)
    assert tail.shape > 0.0
    assert tail.value_at_risk(0.01) == pytest.approx(historical_margin(moves, 0.01), rel=0.35)


def test_one_hour_crashes_close_what_brownian_motion_says_is_safe(real_data):
    for span in FILES:
        moves, sigma = falls(real_data, span, 60)
        barrier = float(leverage_prices(1.0, 10.0, 0.005, side=1, contract="inverse")[0])
        seen = float(np.mean(moves >= 1.0 - barrier))
        formula = float(passage_probability(1.0, barrier, sigma, 60 / MINUTES_A_YEAR))
        assert seen > 5.0 * formula  # short horizon: jumps
        near = float(leverage_prices(1.0, 50.0, 0.005, side=1, contract="inverse")[0])
        assert np.mean(moves >= 1.0 - near) < passage_probability(1.0, near, sigma, 60 / MINUTES_A_YEAR)


def test_aave_liquidations_come_in_clusters(real_data):
    rows = pd.read_parquet(real_data / "liquidations" / "aave_WBTC_liquidations.parquet")
    times = np.sort(rows["timestamp"].to_numpy(dtype=float))
    found = ratio_from_counts(times, window=86_400.0)
    days = pd.Series((times - times[0]) // 86_400).value_counts()
    whole = int((times[-1] - times[0]) // 86_400)
    counts = days.reindex(range(whole), fill_value=0)
    assert found.count == whole
    assert found.value == pytest.approx(1.0 - 1.0 / math.sqrt(counts.var() / counts.mean()), rel=1e-9)
    assert found.value > 0.5 + 3.0 * found.error  # news closes many at once too: an upper bound of branching


def test_aave_liquidations_rarely_repeat_and_never_near_the_bound_of_a_spiral(real_data):
    """The file has no debt side, so bonus and close factor cannot be read from it; what it can say is this.

    A liquidation with a bonus raises the loan to value only above 1 / (1 + bonus) (LL-30), and would be followed by the
    next at once. WBTC is liquidated from a loan to value of 0.78 on with a bonus of 5 % (venues/lending_and_auctions.md
    A: governance data, U): the price would have to fall by 18 % between two looks.
    """
    rows = pd.read_parquet(real_data / "liquidations" / "aave_WBTC_liquidations.parquet")
    rows = rows.sort_values(["timestamp", "block_number"], kind="stable")
    since = rows.groupby(["version", "market_name", "liquidatee"])["timestamp"].diff()
    repeated = rows[since <= 3600]
    assert (len(repeated), len(rows)) == (175, 4619)  # 3.8 %: an upper bound of spirals
    before = rows.groupby(["version", "market_name", "liquidatee"])["collateral_amount_wbtc"].shift()[since <= 3600]
    ratio = repeated["collateral_amount_wbtc"] / before
    # calls that each repay half of what is left halve what is seized: a minority, so the close factor did not bind
    assert ((ratio > 0.47) & (ratio < 0.53)).mean() < 0.15
    bound, threshold = spiral_bound(0.05), 0.78
    assert bound == pytest.approx(1.0 / 1.05)
    needed = 1.0 - threshold / bound
    price = (rows["collateral_amount_usd"] / rows["collateral_amount_wbtc"]).to_numpy()
    step = np.diff(rows["timestamp"].to_numpy())
    fall = 1.0 - price[1:] / price[:-1]
    assert fall[step <= 600].max() < needed
    # below the bound every liquidation of half the debt helps, at whatever size
    for ltv in (threshold, 0.9, bound - 1e-6):
        assert loan_to_value_after(1.0, ltv, 0.5 * ltv, 0.05) < ltv
    assert loan_to_value_after(1.0, bound + 0.01, 0.2, 0.05) > bound + 0.01


def test_open_interest_does_not_leave_of_its_own_will_when_funding_rises(real_data, bybit):
    """Open interest of Bybit's BTC that leaves without being forced, against the rise of funding before it."""
    funding = pd.read_parquet(real_data / "funding" / "multi_venue_funding_BTC_SOL_2025-03_2026-03.parquet")
    funding = funding[(funding["venue"] == "bybit") & (funding["coin"] == "BTC")].sort_values("timestamp")
    market = InferredMap({5: 0.25, 10: 0.35, 25: 0.25, 50: 0.15})
    low, high, close = (bybit[name].to_numpy() for name in ("l", "h", "c"))
    found = deleveraging(market, bybit["interest"], close, np.minimum(low, close), np.maximum(high, close))
    rise = funding.set_index("timestamp")["funding_rate"].diff().dropna()
    opened = bybit.index.get_indexer(rise.index, method="bfill")
    pairs = [(at, up) for at, up in zip(opened, rise, strict=True) if 720 <= at < len(bybit) - 8]
    left, up = np.array([(found.voluntary[at : at + 8].sum(), up) for at, up in pairs]).T
    answer = leaving_response(left, up, mean_block=21, seed=1, samples=300)
    assert answer.slope.value == pytest.approx(np.polyfit(up, left, 1)[0], rel=1e-9)
    assert answer.low < answer.slope.value < answer.high
    # against what one expects: less leaves in the eight hours after a rise, and docs/leverage_lab.md says so
    assert (round(answer.slope.value, 1), round(answer.low), round(answer.high, 1)) == (-27.2, -54, -0.8)
    assert answer.share(1e-4) == 0.0
    assert found.voluntary.sum() > 0.5 * found.forced.sum()


def test_hyperliquid_funding_follows_the_clamp_of_the_engine_and_is_often_censored(real_data):
    rows = pd.read_parquet(real_data / "funding" / "hyperliquid_BTC_funding_premium_1h.parquet")
    rate = next(name for name in rows.columns if "rate" in name.lower())
    premium = next(name for name in rows.columns if "premium" in name.lower())
    eight = clamped_funding(rows[premium])
    assert np.max(np.abs(eight / 8.0 - rows[rate])) < 1e-9
    share = censored_share(eight)
    inside = ((rows[premium] >= -0.0004 - 1e-12) & (rows[premium] <= 0.0006 + 1e-12)).mean()
    assert share == pytest.approx(float(inside), abs=1e-3)
    assert share > 0.3


@pytest.fixture(scope="module")
def bybit(real_data: Path) -> pd.DataFrame:
    """Hourly bars of Bybit's BTC perpetual with the open interest at the end of each."""
    interest = pd.read_parquet(real_data / "open_interest" / "bybit_oi_1h_BTC_SOL.parquet")
    interest = interest[interest["symbol"] == "BTCUSDT"].set_index("datetime")["open_interest"]
    bars = pd.read_parquet(real_data / "ohlcv" / "multi_venue_1h_BTC_SOL_2025-03_2026-03.parquet")
    bars = bars[(bars["venue"] == "bybit") & (bars["coin"] == "BTC")]
    bars = bars.set_index(pd.to_datetime(bars["timestamp"], utc=True)).sort_index()
    bars["interest"] = interest.reindex(bars.index + pd.Timedelta("1h")).to_numpy()
    return bars.dropna(subset=["interest"])


@pytest.fixture(scope="module")
def inferred(bybit: pd.DataFrame) -> pd.DataFrame:
    """The map of each sixth hour, and what followed in the next 24: nothing of the later hours is in the map."""
    market = InferredMap({5: 0.25, 10: 0.35, 25: 0.25, 50: 0.15})
    low, high, close, held = (bybit[name].to_numpy() for name in ("l", "h", "c", "interest"))
    rows = []
    for at in range(len(bybit)):
        flows = market.update(held[at], close[at], low=min(low[at], close[at]), high=max(high[at], close[at]))
        sums = [held[at]] * 2 if at % 24 else [market.bins(side)[1].sum() for side in (1, -1)]
        assert sums == pytest.approx([held[at]] * 2, rel=1e-9)
        if bybit.index[at] == pd.Timestamp("2025-10-10 21:00", tz="UTC"):
            rows.append((at, flows.forced_long, flows.forced_short, 0.0, 0.0))
        elif at >= 720 and at % 6 == 0 and at + 24 < len(bybit):
            (longs, sizes), (shorts, others) = market.bins(1), market.bins(-1)
            bottom, top = low[at + 1 : at + 25].min(), high[at + 1 : at + 25].max()
            forced = (sizes[longs >= bottom].sum() + others[shorts <= top].sum()) / held[at]
            left = 1.0 - held[at + 1 : at + 25].min() / held[at]
            near = sizes[longs >= 0.95 * close[at]].sum() - others[shorts <= 1.05 * close[at]].sum()
            rows.append((at, forced, left, near, close[at + 24] / close[at] - 1.0))
    return pd.DataFrame(rows, columns=["at", "forced", "left", "crowding", "return"]).set_index("at")


def test_the_map_closes_longs_in_the_hour_of_the_crash(bybit, inferred):
    at = int(np.flatnonzero(bybit.index == pd.Timestamp("2025-10-10 21:00", tz="UTC"))[0])
    forced_long, forced_short = inferred.loc[at, ["forced", "left"]]
    before, after = bybit["interest"].iloc[[at - 1, at]]
    assert forced_long > before - after > 0.0
    assert forced_short < 0.05 * forced_long


def test_what_the_map_says_out_of_sample_is_reported_with_its_interval(inferred, bybit):
    # With these assumed leverages neither interval leaves zero: null results, and docs/leverage_lab.md says so.
    crash = int(np.flatnonzero(bybit.index == pd.Timestamp("2025-10-10 21:00", tz="UTC"))[0])
    rows = inferred.drop(index=crash)
    forced = predictive_power(rows["forced"], rows["left"], mean_block=28, seed=1, samples=300)
    crowding = predictive_power(rows["crowding"], rows["return"], mean_block=28, seed=1, samples=300)
    for found, columns in ((forced, ["forced", "left"]), (crowding, ["crowding", "return"])):
        ranks = rows[columns].rank()
        assert found.correlation.value == pytest.approx(float(ranks.corr().iloc[0, 1]), rel=1e-9)
        assert found.low < found.correlation.value < found.high
        assert found.is_null == (found.low <= 0.0 <= found.high)
        assert found.correlation.error < 0.1
    assert crowding.is_null
    assert forced.is_null
    assert round(forced.correlation.value, 2) == 0.05
