"""Other accounts that live in a run: who of them is closed, what it costs, what the user's strategy feels of it."""

import numpy as np
import pandas as pd
import pytest
from crowds import Idle, both_sides, crash, steps, tape, triggers
from engine_data import (
    LINEAR,
    MINUTE,
    SECOND,
    USDM,
    USER_COIN,
    Notes,
    Script,
    account,
    ns,
    points,
    run,
    totals,
    trades,
    user_coin,
)  # fmt: skip

import venues
from backtest import Crowd
from backtest.lab.positions import population


def mine(**options):
    return account(user_coin(), **options)


def lived(found, path, *accounts, strategy=None, **options):
    """Run a population over a path of marks."""
    given = found if isinstance(found, Crowd) else Crowd(found)
    return run(tape(path), strategy or Idle(), *(accounts or (mine(),)), population=given, **options)


# ---------------------------------------------------------------- who is closed


@pytest.mark.parametrize("count", [4_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_without_own_impact_the_static_count_of_triggers_crossed_is_closed(count):
    found, path = both_sides(count), crash()
    result = lived(found, path)
    price, marks_seen = triggers(found), np.array([p for _, p in path])
    crossed = np.where(found.side > 0, price >= marks_seen.min(), price <= marks_seen.max())
    assert 0.2 * count < crossed.sum() < 0.8 * count
    assert result.meta["population"]["liquidated"] == crossed.sum()
    assert set(steps(result)["member"]) == set(np.flatnonzero(crossed))
    assert result.meta["population"]["largest_shift"] == {f"{USER_COIN}@{USDM}": 0.0}


def test_each_is_closed_at_the_first_mark_beyond_its_trigger_and_fills_at_the_next_trade():
    found, path = both_sides(2_000), crash()
    closed = steps(lived(found, path)).groupby("member")[["time", "trigger_mark", "price", "what"]].first()
    price = triggers(found)
    assert set(closed["what"]) == {"liquidation", "takeover"}  # some marks leap over a bankruptcy price
    for member, row in closed.sample(100, random_state=1).iterrows():
        at = next(i for i, (_, p) in enumerate(path) if found.side[member] * (p - price[member]) <= 0.0)
        assert row["trigger_mark"] == path[at][1]
        if row["what"] == "liquidation":
            assert row["price"] == path[at][1]
            assert row["time"].value == path[at][0] + SECOND


def test_what_is_liquidated_adds_up_with_the_ledger_to_the_atom():
    found = both_sides(3_000)
    fall = [(t, p if t < ns("01:00") else round(0.9 * p, 3)) for t, p in crash()]  # a gap beyond many bankruptcies
    given = account(user_coin(clearance_fee=0.01), insurance_fund={"USDT": 1e6})
    result = lived(found, fall, given)
    assert result.findings == []
    sums, of = totals(result)
    assert sums == {"USDT": 0}
    shown, scale = steps(result), 10**8
    raw = result.store.columns("population")
    fees = int(raw["fee"].sum())
    lost = int(raw["shortfall"].sum())
    assert fees > 0 < lost
    assert set(shown.loc[shown["shortfall"] > 0, "paid_by"]) == {"insurance_fund"}
    ledger = result.ledger
    insured = ledger[ledger["kind"] == "insurance"]
    fund = round(insured.loc[insured["account"] == f"{USDM} insurance_fund", "amount"].sum() * scale)
    rests = round(insured.loc[insured["account"] == f"{USDM} population", "amount"].sum() * scale)
    taken = shown[shown["what"] == "takeover"]
    times, levels = [t for t, _ in fall], [p for _, p in fall]
    at = [levels[np.searchsorted(times, time.value, side="right") - 1] for time in taken["time"]]
    gains = [round(scale * q * (m - p)) for q, m, p in zip(taken["quantity"], at, taken["price"], strict=True)]
    assert fund == sum(gains)
    assert lost == -sum(min(0, gain) for gain in gains)
    profit = round(ledger.loc[ledger["kind"] == "trade_profit", "amount"].sum() * scale)
    by_hand = sum(round(scale * q * (p - 100.0)) for q, p in zip(shown["quantity"], shown["price"], strict=True))
    assert profit == by_hand
    deposit = round(
        ledger.loc[ledger["account"] == f"{USDM} population", :].query("kind == 'deposit'")["amount"].sum() * scale
    )
    left = of["USDT", f"{USDM} population"]
    assert left == deposit + profit - fees + rests
    assert of["USDT", f"{USDM} insurance_fund"] == round(1e6 * scale) + fees + fund - rests
    found = result.meta["population"]
    assert found["wallets"] == {"USDT": left}
    assert found["bad_debt"] == {"USDT": {"insurance_fund": lost}}
    closed = found["closed"][f"{USER_COIN}@{USDM}"]
    assert closed["long"] + closed["short"] == pytest.approx(shown["quantity"].abs().sum())
    assert closed["notional"] == pytest.approx((shown["quantity"].abs() * shown["price"]).sum())


def test_accounts_that_are_never_met_cost_no_look(monkeypatch):
    result = lived(both_sides(1_000), [(t, 100.0 + 0.01 * (i % 2)) for i, (t, _) in enumerate(crash())])
    assert result.meta["population"]["liquidated"] == 0
    assert result.population.empty


def test_a_run_with_a_population_gives_the_same_bytes_twice_and_in_small_batches(tmp_path):
    found = Crowd(both_sides(2_000), mark_depth={USER_COIN: 40_000.0}, refill=0.001)
    made = [lived(found, crash()) for _ in range(2)]
    for number, result in enumerate(made):
        result.save(tmp_path / str(number))
    for path in (tmp_path / "0").iterdir():
        assert path.read_bytes() == (tmp_path / "1" / path.name).read_bytes()


def test_what_comes_later_changes_nothing_that_was_before():
    path, notes, short = crash(), Notes(), Notes()
    found = Crowd(both_sides(2_000), mark_depth={USER_COIN: 40_000.0}, refill=0.001)
    whole = lived(found, path, mine(latency="5ms"), strategy=Idle(notes=notes))
    part = lived(found, path[:80], mine(latency="5ms"), strategy=Idle(notes=short))
    until = pd.Timestamp(path[79][0], tz="UTC")
    for each in ("population", "ledger", "margin"):
        one, other = (getattr(r, each) for r in (whole, part))
        pd.testing.assert_frame_equal(
            one[one["time"] < until].reset_index(drop=True), other[other["time"] < until].reset_index(drop=True)
        )
    heard = [note for note in notes if note[0] < until.value]
    assert heard == [note for note in short if note[0] < until.value]
    assert len(heard) > 100


# ---------------------------------------------------------------- a member is an account like any other


# symbol, multiplier of the contract where it counts US dollars, whether the index is the mark
VENUES = {
    "binance_usdm": (LINEAR, 0), "bybit": (LINEAR, 0), "okx": (LINEAR, 0), "hyperliquid": ("BTC/USDC:USDC", 0),
    "deribit": ("BTC/USDC:USDC", 0), "dydx": ("X/USDC:USDC", 0), "binance_coinm": ("BTC/USD:BTC", 100),
    "bitmex": ("BTC/USD:BTC", 1),
}  # fmt: skip


def own_rules(name, symbol, size):
    """A contract of the venue with three tiers."""
    floors = [0.0, 1.0, 3.0] if size else [0.0, 50_000.0, 150_000.0]
    tiers = [
        venues.Tier(floor=floor, maintenance_rate=rate, max_leverage=most)
        for floor, rate, most in zip(floors, (0.005, 0.01, 0.02), (50, 40, 20), strict=True)
    ]
    facts = {"tick_size": 0.1, "lot_size": 1 if size else 0.001}
    if name != "dydx":
        facts["clearance_fee"] = 0.01
    made = venues.Instrument(
        symbol, contract="inverse" if size else "linear", contract_size=size or 1.0, tiers=tiers, **facts
    )
    return venues.get(name).with_instrument(made)


MODES = [(name, mode) for name in VENUES for mode in venues.get(name).facts.margin_modes]


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("name", "margin_mode"), MODES)
def test_a_member_is_closed_step_by_step_like_a_users_account_with_the_same_position(name, side, margin_mode):
    symbol, size = VENUES[name]
    rules = own_rules(name, symbol, size)
    asset, entry = symbol.partition(":")[2], 50_000.0
    quantity = 200_000.0 / size if size else 4.0
    value = quantity * size / entry if size else quantity * entry
    stake = value / 19 if margin_mode == "cross" else value
    way = np.concatenate([np.zeros(3), np.linspace(0.0, 0.09, 120), np.linspace(0.09, 0.02, 30)])
    path = [(ns("00:00") + i * MINUTE, round(entry * (1 - side * x), 1)) for i, x in enumerate(way)]
    kind = "index" if rules.facts.index_is_mark else "mark"
    data = points(kind, path, symbol, name) + trades([(t + SECOND, p, 1e6) for t, p in path], symbol, name)
    if name == "deribit":
        data += points("index", path, symbol, name)
    opened = ("00:00:30", lambda s: (s.buy if side > 0 else s.sell)(symbol, quantity=quantity))
    options = {"margin_mode": margin_mode, "insurance_fund": {asset: 1e9}}
    if rules.facts.has_leverage:
        options["leverage"] = 20
    given = account(rules, {asset: stake}, **options)
    alone = run(data, Script(opened), given, on_ruin="continue", reporting=asset)
    collateral = stake if margin_mode == "cross" else _first_wallet(alone)
    rows = {
        "venue": name, "symbol": symbol, "side": [side], "quantity": [quantity * (size or 1.0)], "entry": [entry],
        "mmr": [0.0], "collateral": [collateral], "margin_mode": margin_mode, "account": "one",
        "contract": "inverse" if size else "linear",
    }  # fmt: skip
    among = run(data, Idle(), given, population=Crowd(population(rows, is_partial=True)), reporting=asset)
    columns = ["time", "trigger_mark", "price", "quantity", "fee", "shortfall", "what", "step"]
    expected = alone.liquidations[columns].reset_index(drop=True)
    assert len(expected) > 0
    pd.testing.assert_frame_equal(among.population[columns].reset_index(drop=True), expected)


def _first_wallet(result):
    """What an isolated position was given: its equity at the first sample, at the price at which it was opened."""
    rows = result.margin[result.margin["maintenance"] > 0.0]
    return float(rows["equity"].iloc[0])
