"""OKX (its worked cases: tests/worked): tiers by contracts, the fee inside the ratio, refusals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from margin_cases import House, accounts, gross
from test_margin import decisions, find_the_nearest_root

import venues
from venues.contract import ContractBox
from venues.errors import VenueError
from venues.instrument import Instrument, Tier
from venues.pool import PoolBox

BTC, ETH, COIN = "BTC/USDT:USDT", "ETH/USDT:USDT", "X/USDT:USDT"
OKX = venues.get("okx")


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: OKX.default_instrument("BTC/USD:BTC-251226-105000-C"), "is an option; options are not built"),
        (lambda: OKX.collateral_value(asset="BTC", amount=35, price=1), "how BTC counts above 20 is not known here"),
        (lambda: OKX.collateral_value(asset="ETH", amount=35, price=1), "ETH is no collateral"),
        (lambda: OKX.auto_exchange(deficit=1, ratio=0.9), "okx has no auto-exchange"),
        (lambda: OKX.default_instrument(COIN), "the contract size of X/USDT:USDT is not known here"),
        (lambda: OKX.nearest_tiers(BTC), "tiers count contracts, which are not comparable"),
        (lambda: OKX.tiers(BTC), "no tiers of BTC/USDT:USDT"),
        (lambda: OKX.tiers(ETH, at="2021-06-10"), "first tiers of ETH/USDT:USDT are of 2021-06-11"),
        (lambda: OKX.liquidation(at="2020-06-01"), "known from 2021-01-01 on"),
        (lambda: OKX.mark_price(index=1, basis=0, contract_price=1), "does not depend on contract_price"),
        (lambda: OKX.level_of_volume(1e9), "the schedule by volume is not known"),
    ],
    ids=[
        "3-to-5",
        "discount",
        "no-discount",
        "borrowing",
        "size",
        "nearest",
        "tiers",
        "old-tiers",
        "old-rule",
        "mark",
        "fees",
    ],
)
def test_what_is_not_built_or_not_known_is_refused(ask, message):
    """Cases 3 to 7 (options, portfolio margin) and the rest of what the rule book lacks."""
    with pytest.raises(VenueError, match=message):
        ask()


# Facts


def test_tiers_follow_their_notices():
    rows = OKX.tiers(ETH)
    shown = [(row.floor, row.maintenance_rate, round(1 / row.max_leverage, 4)) for row in rows[:6]]
    assert shown == [
        (0, 0.004, 0.008),
        (3_000, 0.005, 0.01),
        (6_000, 0.01, 0.015),
        (12_000, 0.015, 0.02),
        (24_000, 0.02, 0.025),
        (36_000, 0.025, 0.03),
    ]
    cardano = OKX.tiers("ADA/USDT:USDT")
    assert [(row.floor, row.maintenance_rate) for row in cardano[2:5]] == [
        (3_000, 0.01),
        (6_000, 0.015),
        (12_000, 0.02),
    ]
    for symbol in (ETH, "ADA/USDT:USDT", "AAVE/USDT:USDT"):
        assert all(row.amount == 0 for row in OKX.tiers(symbol))
        assert OKX.tiers(symbol)[-1].max_leverage == pytest.approx(2, rel=0.02)


def test_the_mark_is_the_index_and_the_average_basis():
    assert OKX.mark_price(index=100, basis=OKX.average_basis(samples=[1, 3])) == 102


def test_losers_rank_after_winners_and_the_safest_of_them_last():
    """Profits 50 % x 0.5 and 20 % x 0.9; losses -20 % / 0.5 and -20 % / 0.1."""
    order = OKX.adl_ranking(
        side=[1] * 4, unrealized_pnl=[20, 50, -20, -20], collateral=[100] * 4, margin_ratio=[0.9, 0.5, 0.5, 0.1]
    )
    assert order == (1, 0, 2, 3)


def test_discounts_are_of_what_lies_above_each_amount():
    """12 million USDT: 5 whole, 5 at 0.975, 2 at 0.95; 10 BTC at 0.98; what is owed counts whole."""
    assert OKX.collateral_value(asset="USDT", amount=12e6, price=1) == pytest.approx(5e6 + 4.875e6 + 1.9e6)
    assert OKX.collateral_value(asset="BTC", amount=10, price=60_000) == pytest.approx(588_000)
    assert OKX.collateral_value(asset="USDT", amount=-100, price=1) == -100


def test_coins_back_a_position_after_their_discount():
    """1 BTC at 60,000 and -10,000 USDT: 48,800; 5,000 contracts of 0.1 at 2,000 ask 0.55 % of a million, the debt 3 %.

    In between the USDT equity crosses zero: above it the debt asks for nothing.
    """
    position = venues.Position(ETH, quantity=5_000, entry_price=2_000, leverage=50)
    account = venues.Account(OKX, collateral="multi", balances={"BTC": 1, "USDT": -10_000}, positions=[position])
    risk = account.risk(marks={ETH: 2_000}, index={"BTC": 60_000, "USDT": 1})
    assert (risk.equity, risk.maintenance_margin) == (pytest.approx(48_800), pytest.approx(5_800))
    price = risk.positions[ETH].liquidation_price
    owed = 10_000 - 500 * (price - 2_000)
    assert owed > 0
    assert 58_800 - owed == pytest.approx(500 * price * 0.0055 + 0.03 * owed)


# Arithmetic


ROWS = [(0, 0.004, 125), (3_000, 0.005, 100), (6_000, 0.01, 66.66), (12_000, 0.015, 50), (24_000, 0.02, 40)]
TABLE = [Tier(floor=f, maintenance_rate=r, max_leverage=m, amount=0) for f, r, m in ROWS]


def plain(contract="linear", *, rows=TABLE, fee=0.0005):
    """Return a contract that follows OKX's margin rules: 0.1 coins, or 10 USD."""
    symbol = "X/USD:X" if contract == "inverse" else COIN
    own = Instrument(
        symbol, contract=contract, contract_size=10 if contract == "inverse" else 0.1, tiers=rows, maker_fee=0,
        taker_fee=fee,
    )  # fmt: skip
    assets = {"X": 0, "USD": 1, "USDT": 2}
    return ContractBox(own, index=0, assets=assets, price_scale=4, quantity_scale=4, margin=OKX.margin())


def test_amounts_of_a_table_by_contracts_do_not_count():
    """Left to themselves, rows get amounts that keep maintenance continuous in contracts: they mean nothing here."""
    rows = [Tier(floor=f, maintenance_rate=r, max_leverage=m) for f, r, m in ROWS]
    for table in (TABLE, rows):
        pool = PoolBox(1e6)
        pool.add(plain(rows=table, fee=0), quantity=7_000, entry_price=100, mark=100, leverage=10)
        assert pool.risk().maintenance == pytest.approx(700)


HOUSE = House(OKX.margin(), taker_fee=0.0005)


@given(accounts(contracts=3, house=HOUSE), st.data())
def test_the_liquidation_price_is_the_nearest_bisection_root(drawn, data):
    find_the_nearest_root(drawn, data.draw(st.integers(0, len(drawn.legs) - 1)))


@given(accounts(house=HOUSE), st.sampled_from([1.0, 0.8, 0.5, 0.2]), st.integers(0, 2**32))
def test_inside_the_bands_the_threshold_is_never_met(drawn, threshold, seed):
    _, wrong = decisions(drawn, threshold, seed, 150)
    assert wrong == 0


@given(accounts(contracts=1, house=HOUSE))
def test_a_pool_taken_over_at_its_bankruptcy_price_leaves_just_the_fee(drawn):
    pool = drawn.pool()
    price = pool.leg(0).bankruptcy_price
    if price is None:
        return
    scale = gross(drawn)
    pool.set_mark(0, price)
    risk = pool.risk()
    assert risk.equity == pytest.approx(risk.close_fees, abs=1e-9 * max(scale, risk.notional))


@given(
    st.sampled_from(["linear", "inverse"]), st.sampled_from([1, -1]), st.floats(100, 40_000), st.floats(1, 20),
    st.floats(0.5, 3), st.floats(0.9, 1.1),
)  # fmt: skip
def test_an_isolated_position_is_liquidated_where_its_wallet_meets_maintenance(
    contract, sign, quantity, leverage, share, entry
):
    value = quantity * 10 if contract == "linear" else quantity / 10
    pool = PoolBox(value / leverage * share, isolated=True)
    pool.add(plain(contract), quantity=sign * quantity, entry_price=100 * entry, mark=100, leverage=leverage)
    face = quantity * 0.1 * 100 * entry if contract == "linear" else quantity * 10 / (100 * entry)
    assert pool.leg(0).initial == pytest.approx(face / leverage)
    price = pool.leg(0).liquidation_price
    if price is None:
        return
    scale = pool.risk().notional
    pool.set_mark(0, price)
    risk = pool.risk()
    assert risk.equity == pytest.approx(risk.maintenance, abs=1e-9 * max(scale, risk.notional))
    assert pool.leg(0).initial == pytest.approx(face / leverage)


@given(st.floats(1, 40_000), st.floats(1, 40_000))
def test_a_larger_position_never_asks_for_less(one, other):
    asked = []
    for quantity in sorted((one, other)):
        pool = PoolBox(1e6)
        pool.add(plain(), quantity=quantity, entry_price=100, mark=100, leverage=10)
        asked.append(pool.risk().maintenance)
    assert asked[0] <= asked[1]


@pytest.mark.parametrize(("quantity", "closed"), [(7_000, 4_000), (13_000, 7_000), (30_000, 18_000), (6_000, 6_000)])
def test_an_order_moves_a_position_two_tiers_down(quantity, closed):
    """To the upper end of that tier; in the lowest two there is no such order."""
    pool = PoolBox(1e6)
    pool.add(plain(), quantity=quantity, entry_price=100, mark=100, leverage=10)
    assert pool.tiers_down(0, tiers=2) == closed


def test_orders_hold_the_fee_to_open_and_no_loss():
    """1,000 contracts of 0.1 at 110 with the mark at 100: 11,000 / 10 and 0.05 %."""
    rules = OKX.with_instrument(Instrument(COIN, contract="linear", contract_size=0.1, tiers=TABLE))
    cost = rules.order_cost(symbol=COIN, side="buy", quantity=1_000, price=110, leverage=10, mark=100)
    assert (cost.initial_margin, cost.open_loss) == (pytest.approx(1_105.5), 0)


@pytest.mark.parametrize(
    ("balance", "kinds"),
    [(1_100, []), (1_000, ["cancel_orders", "reduce"]), (620, ["cancel_orders", "takeover"])],
)
def test_the_calculator_plans_the_way_down(balance, kinds):
    """7,000 of 0.1 at 100: 1 % and 0.05 % ask 735 of a balance less the loss; the first tier asks 315."""
    rules = OKX.with_instrument(
        Instrument(COIN, contract="linear", contract_size=0.1, tiers=TABLE, lot_size=1, maker_fee=0, taker_fee=0.0005)
    )
    position = venues.Position(COIN, quantity=7_000, entry_price=100.5, leverage=10)
    account = venues.Account(rules, balances={"USDT": balance}, positions=[position])
    steps = rules.liquidation_steps(account=account, symbol=COIN, marks={COIN: 100})
    assert [step.kind for step in steps] == kinds
