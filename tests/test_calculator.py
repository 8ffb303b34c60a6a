"""The account calculator: published cases, pools, modes, forced closing step by step, populations."""

import math
import pickle
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worked.binance import with_tiers

import venues
from venues.errors import VenueError
from venues.position import ExactPosition

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
USDM = venues.get("binance_usdm", as_of="2024-10-24")
COINM = venues.get("binance_coinm")


def btc(quantity=1.0, entry_price=60_000.0, **more):
    return venues.Position(BTC, quantity=quantity, entry_price=entry_price, **more)


# Worked cases


def test_an_isolated_ten_times_long_by_hand():
    """From 100 at 0.5 %: (100 - 10) / 0.995 = 90.452."""
    rules = with_tiers(USDM, "X/USDT:USDT", [(0, 0.005, 100, 0)])
    one = venues.Position("X/USDT:USDT", quantity=1, entry_price=100, leverage=10, isolated_wallet=10)
    risk = venues.Account(rules, margin_mode="isolated", positions=[one]).risk(marks={"X/USDT:USDT": 100})
    assert risk.positions["X/USDT:USDT"].liquidation_price == pytest.approx(90.452, abs=5e-4)
    assert risk.positions["X/USDT:USDT"].bankruptcy_price == pytest.approx(90.0)


# Pools


def test_cross_positions_of_one_asset_share_a_pool_and_isolated_ones_do_not():
    account = venues.Account(
        USDM,
        balances={"USDT": 10_000},
        positions=[
            btc(quantity=0.5, leverage=20),
            venues.Position(
                ETH, quantity=-1, entry_price=3000, margin_mode="isolated", isolated_wallet=300, leverage=10
            ),
        ],
    )
    risk = account.risk(marks={BTC: 62_000, ETH: 2900})
    cross, isolated = risk.pools["USDT"], risk.pools[ETH]
    assert (cross.equity, isolated.equity) == pytest.approx((11_000, 400))
    assert (cross.initial_margin, isolated.initial_margin) == pytest.approx((31_000 / 20, 300))
    assert risk.equity == pytest.approx(11_400)
    assert risk.available == pytest.approx(11_000 - 31_000 / 20)
    assert risk.margin_ratio == max(cross.margin_ratio, isolated.margin_ratio)
    assert risk.maintenance_margin == pytest.approx(31_000 * 0.004 + 2900 * 0.004)
    assert risk.asset == "USDT"


def test_isolated_margin_does_not_switch_liquidation_off_b11():
    """B11: the isolated leg has prices of its own, whatever the cross wallet holds."""
    one = btc(margin_mode="isolated", isolated_wallet=3000)
    prices = [
        venues.Account(USDM, balances={"USDT": cross}, positions=[one]).risk(marks={BTC: 60_000}).positions[BTC]
        for cross in (0, 1_000_000)
    ]
    assert prices[0] == prices[1]
    assert 57_000 < prices[0].liquidation_price < 60_000


def test_totals_over_several_coins_are_in_usd_and_need_an_index():
    positions = [venues.Position("BTC/USD:BTC", quantity=100, entry_price=50_000)]
    account = venues.Account(COINM, balances={"BTC": 1, "ETH": 10}, positions=positions)
    risk = account.risk(marks={"BTC/USD:BTC": 50_000}, index={"BTC": 50_000, "ETH": 2000})
    assert (risk.asset, risk.equity) == ("USD", pytest.approx(70_000))
    assert risk.pools["BTC"].maintenance_margin == pytest.approx(0.2 * 0.004)
    with pytest.raises(VenueError, match=r"no US dollar price of BTC; give index=\{'BTC'"):
        account.risk(marks={"BTC/USD:BTC": 50_000})


def test_multi_assets_equity_is_counted_once_b23():
    """B23: 1 BTC at 95 %, 1000 USDT at 99.99 %, profit of both contracts in one pool, once."""
    rules = venues.get("binance_usdm", as_of="2021-12-01").with_instrument(
        venues.Instrument(
            ETH, contract="linear", tiers=[venues.Tier(floor=0, maintenance_rate=0.005, max_leverage=100)]
        )
    )
    account = venues.Account(
        rules,
        collateral="multi",
        balances={"BTC": 1, "USDT": 1000},
        positions=[btc(quantity=1, entry_price=49_000), venues.Position(ETH, quantity=-2, entry_price=4000)],
    )
    risk = account.risk(marks={BTC: 50_000, ETH: 4100}, index={"BTC": 50_000, "USDT": 1.0})
    assert risk.equity == pytest.approx(47_500 + 999.9 + 1000 - 200)
    assert list(risk.pools) == [""]
    assert risk.pools[""].equity == risk.equity


def test_negative_collateral_counts_whole():
    account = venues.Account(USDM, collateral="multi", balances={"USDT": -1000, "BTC": 1})
    assert account.risk(marks={}, index={"USDT": 1.0, "BTC": 50_000}).equity == pytest.approx(50_000 * 0.975 - 1000)


def test_hedge_legs_have_keys_with_their_side_and_one_price():
    account = venues.Account(
        USDM,
        position_mode="hedge",
        balances={"USDT": 5000},
        positions=[btc(side="long"), btc(quantity=-0.4, side="short")],
    )
    risk = account.risk(marks={BTC: 60_000})
    long_leg, short_leg = risk.positions[BTC, "long"], risk.positions[BTC, "short"]
    assert long_leg.liquidation_price == short_leg.liquidation_price
    assert risk.maintenance_margin == pytest.approx(long_leg.maintenance_margin + short_leg.maintenance_margin)


def test_available_is_never_negative_and_ratio_is_infinite_without_equity():
    risk = venues.Account(USDM, balances={"USDT": 1000}, positions=[btc()]).risk(marks={BTC: 55_000})
    assert (risk.available, risk.margin_ratio) == (0.0, math.inf)


def test_an_account_without_positions_has_no_ratio():
    risk = venues.Account(USDM, balances={"USDT": 7}).risk(marks={})
    assert (risk.equity, risk.available, risk.margin_ratio) == (7, 7, 0)


# History of a position


def slices(rows, notional):
    tops = [following.floor for _, following in pairwise(rows)] + [math.inf]
    return sum(
        row.maintenance_rate * max(0.0, min(notional, top) - row.floor) for row, top in zip(rows, tops, strict=True)
    )


@given(
    st.sampled_from([1, -1]),
    st.lists(st.tuples(st.integers(1, 3000), st.integers(3000, 5000), st.booleans()), min_size=2, max_size=8),
    st.floats(0.02, 0.5),
    st.floats(0.0, 5e4),
)
def test_the_price_after_adds_partial_exits_and_added_margin_solves_the_equity_equation_b27(sign, fills, share, added):
    """B27: equity from the cash that each fill moved, requirement from the slices of the table, root by bisection."""
    position = ExactPosition(price_scale=1, quantity_scale=3, entry_rule="exact_value")
    cash, wallet = 0.0, 0.0
    for lots, price, is_exit in fills:
        held = abs(int(position.quantity * 1000))
        lots = min(lots, held - 1) if is_exit and held > 1 else lots
        signed = Decimal(lots * (-sign if is_exit and held > 1 else sign)).scaleb(-3)
        wallet += float(position.fill(signed, price)[0])
        cash -= float(signed) * price
    quantity, mark = float(position.quantity), 4000.0
    deposit = share * abs(quantity) * mark + added - min(0.0, cash + quantity * mark)
    one = venues.Position(
        ETH,
        quantity=quantity,
        entry_price=position.entry_price,
        margin_mode="isolated",
        isolated_wallet=deposit + wallet,
    )
    found = venues.Account(USDM, positions=[one]).risk(marks={ETH: mark}).positions[ETH].liquidation_price

    def left(price):
        return deposit + cash + quantity * price - slices(USDM.tiers(ETH), abs(quantity) * price)

    if left(mark) <= 0.0:
        return
    low, high = (1e-3, mark) if sign > 0 else (mark, 1e8)
    if (left(low) > 0.0) == (left(high) > 0.0):
        assert found is None or found < low
        return
    for _ in range(100):
        middle = 0.5 * (low + high)
        if (left(middle) > 0.0) == (sign < 0):
            low = middle
        else:
            high = middle
    assert found == pytest.approx(low, rel=1e-7)


# Forced closing


def test_a_sound_position_has_no_steps():
    account = venues.Account(USDM, balances={"USDT": 10_000}, positions=[btc()])
    assert USDM.liquidation_steps(account=account, symbol=BTC, marks={BTC: 60_000}) == ()


def test_a_small_account_loses_everything_because_the_fee_exceeds_the_rate():
    """Binance FAQ 360033525271: in low brackets the clearance fee is above the maintenance rate."""
    account = venues.Account(USDM, balances={"USDT": 230}, positions=[btc(quantity=1)])
    cancel, close = USDM.liquidation_steps(account=account, symbol=BTC, marks={BTC: 60_000})
    assert (cancel.kind, close.kind, close.quantity) == ("cancel_orders", "reduce", 1.0)
    assert close.fee == pytest.approx(230.0)
    assert close.price == pytest.approx(59_770.0)


def test_a_large_account_is_reduced_just_enough():
    """Rates above the fee: closing on the lot leaves equity above maintenance, one lot less does not."""
    wallet = 290_000.0
    position = venues.Position(ETH, quantity=10_000, entry_price=1456.84)
    marks = {ETH: 1442.0}
    account = venues.Account(USDM, balances={"USDT": wallet}, positions=[position])
    steps = USDM.liquidation_steps(account=account, symbol=ETH, marks=marks)
    assert [step.kind for step in steps] == ["cancel_orders", "reduce"]

    def ratio(closed):
        paid = closed * 1442.0 * 0.0125 + closed * (1456.84 - 1442.0)
        rest = venues.Position(ETH, quantity=10_000 - closed, entry_price=1456.84)
        return venues.Account(USDM, balances={"USDT": wallet - paid}, positions=[rest]).risk(marks=marks).margin_ratio

    assert ratio(steps[1].quantity) < 1.0 <= ratio(steps[1].quantity - 0.001)


def test_a_position_without_equity_is_taken_over_where_the_account_is_worth_nothing():
    account = venues.Account(USDM, balances={"USDT": 1000}, positions=[btc()])
    steps = USDM.liquidation_steps(account=account, symbol=BTC, marks={BTC: 58_000})
    assert [step.kind for step in steps] == ["cancel_orders", "takeover"]
    assert steps[1].price == pytest.approx(59_000.0)
    with pytest.raises(VenueError, match="no position in ETH"):
        USDM.liquidation_steps(account=account, symbol=ETH, marks={BTC: 58_000})


# Populations


def test_many_accounts_at_once_have_the_figures_of_each_alone():
    random = np.random.default_rng(5)
    owner = np.sort(random.integers(0, 40, 90))
    symbol = random.integers(0, 2, 90)
    keep = np.unique(owner * 2 + symbol, return_index=True)[1]
    owner, symbol = owner[keep], symbol[keep]
    order = np.argsort(owner, kind="stable")
    owner, symbol = owner[order], symbol[order]
    count = len(owner)
    quantity = random.normal(0.0, 3.0, count)
    entry, mark = random.uniform(1e3, 1e5, (2, count))
    wallet = random.uniform(0.0, 1e5, 40)
    symbols = [BTC, ETH]
    many = USDM.risk_many(
        symbols=symbols,
        symbol=symbol,
        account=owner,
        quantity=quantity,
        entry_price=entry,
        mark=mark,
        leverage=np.full(count, 5.0),
        wallet=wallet,
    )
    for account in range(40):
        rows = np.flatnonzero(owner == account)
        positions = [
            venues.Position(symbols[symbol[r]], quantity=quantity[r], entry_price=entry[r], leverage=5) for r in rows
        ]
        alone = venues.Account(USDM, balances={"USDT": wallet[account]}, positions=positions).risk(
            marks={symbols[symbol[r]]: mark[r] for r in rows}
        )
        for name in ("equity", "initial_margin", "maintenance_margin", "unrealized_pnl", "margin_ratio"):
            assert getattr(many, name)[account] == pytest.approx(getattr(alone, name), rel=1e-12)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"account": [1, 0]}, "ascend"),
        ({"symbol": [0, 7]}, "rows of symbols"),
        ({"mark": [1.0, 0.0]}, "above 0"),
        ({"quantity": [1.0]}, "one length"),
    ],
)
def test_bad_populations_are_refused(changed, message):
    columns = {
        "symbol": [0, 0],
        "account": [0, 1],
        "quantity": [1.0, 1.0],
        "entry_price": [1.0, 1.0],
        "mark": [1.0, 1.0],
        "leverage": [1.0, 1.0],
        "wallet": [1.0, 1.0],
    }
    with pytest.raises(VenueError, match=message):
        USDM.risk_many(symbols=[BTC], **(columns | changed))


# Refusals


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: venues.Position(BTC, quantiy=1, entry_price=1), "no argument 'quantiy' .did you mean 'quantity'"),
        (lambda: venues.Position("BTCUSDT", quantity=1, entry_price=1), "ccxt's unified name"),
        (lambda: btc(entry_price=0), "entry_price must be"),
        (lambda: btc(leverage=0.5), "leverage must be in"),
        (lambda: btc(quantity=-1, side="long"), "a long leg has a signed quantity, got -1"),
        (lambda: venues.Account(USDM, positions=[btc(side="long")]), "one_way mode has no sides"),
        (lambda: venues.Account(USDM, position_mode="hedge", positions=[btc()]), "needs side='long' or side='short'"),
        (lambda: venues.Account(USDM, positions=[btc(), btc()]), "given twice"),
        (lambda: venues.Account(USDM, margin_mode="isolated", positions=[btc()]), "needs isolated_wallet"),
        (lambda: venues.Account(USDM, positions=[btc(isolated_wallet=5)]), "cross margin has no isolated_wallet"),
        (lambda: venues.Account(USDM, margin_mode="crossed"), "got 'crossed' .did you mean 'cross'"),
        (lambda: venues.Account(COINM, collateral="multi", balances={"BTC": 1}), "no multi-assets mode"),
        (lambda: venues.Account(USDM, collateral="multi", balances={"DOGE": 1}), "DOGE is no collateral"),
        (lambda: venues.Account("binance_usdm"), "rules must come from venues.get"),
        (lambda: venues.Account(USDM, balances={"USDT": "much"}), "must be a number, got 'much'"),
    ],
)
def test_accounts_that_contradict_themselves_are_refused(build, message):
    with pytest.raises(VenueError, match=message):
        build()


def test_a_missing_mark_is_named():
    account = venues.Account(USDM, balances={"USDT": 1}, positions=[btc()])
    with pytest.raises(VenueError, match=r"no price of BTC/USDT:USDT .did you mean 'BTC/USDT'"):
        account.risk(marks={"BTC/USDT": 1})


def test_a_position_without_tiers_is_refused_by_name():
    account = venues.Account(USDM, positions=[venues.Position("DOGE/USDT:USDT", quantity=1, entry_price=1)])
    with pytest.raises(VenueError, match="no tiers of DOGE/USDT:USDT"):
        account.risk(marks={"DOGE/USDT:USDT": 1})


def test_accounts_travel_between_processes():
    account = venues.Account(USDM, balances={"USDT": 1}, positions=[btc()])
    assert pickle.loads(pickle.dumps(account)).risk(marks={BTC: 6e4}) == account.risk(marks={BTC: 6e4})
