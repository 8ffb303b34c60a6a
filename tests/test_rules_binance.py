"""The rule book of Binance: dates, sources, lookups, rules by themselves, refusals."""

import pickle
from decimal import Decimal

import pytest

import venues
from venues.checks import time_ns
from venues.errors import VenueError
from venues.facts import LATEST, Fact, in_force

BTC, ETH, XRP = "BTC/USDT:USDT", "ETH/USDT:USDT", "XRP/USDT:USDT"
USDM, COINM, SPOT = (venues.get(name) for name in ("binance_usdm", "binance_coinm", "binance_spot"))
ALL = pytest.mark.parametrize("rules", [USDM, COINM, SPOT], ids=lambda rules: rules.name)


# The book as a whole


def test_unverified_facts_are_listed_with_their_day():
    assert "tiers BTC/USD:BTC (from the beginning)" in COINM.unverified
    assert "collateral BTC (from 2024-01-01)" in USDM.unverified
    assert not any("tiers" in line for line in USDM.unverified)


def test_names_are_those_of_the_venues():
    assert {"binance_usdm", "binance_coinm", "binance_spot"} <= set(venues.names())


@ALL
def test_rules_travel_between_processes(rules):
    assert pickle.loads(pickle.dumps(rules)) == rules


@pytest.mark.parametrize("name", ["binance_usdn", "Binance", "_binance", "", None])
def test_an_unknown_venue_is_refused(name):
    with pytest.raises(VenueError, match=r"no venue .*; known: binance_coinm, binance_spot, binance_usdm"):
        venues.get(name)


# Tiers by date


@pytest.mark.parametrize(
    ("day", "floor_of_five_per_cent"),
    [
        ("2021-03-18", 10_000_000),
        ("2021-06-21", 10_000_000),
        ("2021-06-22", 5_000_000),
        ("2024-10-23", 5_000_000),
        ("2024-10-24", 100_000_000),
        (None, 100_000_000),
    ],
)
def test_tiers_are_those_in_force_at_the_end_of_the_day(day, floor_of_five_per_cent):
    floors = [row.floor for row in venues.get("binance_usdm", as_of=day).tiers(BTC) if row.maintenance_rate == 0.05]
    assert floors == [floor_of_five_per_cent]


def test_tables_carry_their_dates():
    dates = [table.valid_from for table in USDM.tier_tables(BTC)]
    assert dates == [time_ns(day, "day") for day in ("2021-03-18T09:00", "2021-06-22T03:30", "2024-10-24")]
    assert [table.is_unverified for table in COINM.tier_tables("BTC/USD:BTC")] == [True]
    assert USDM.tier_tables("DOGE/USDT:USDT") == ()


def test_a_time_before_the_first_table_is_refused():
    with pytest.raises(VenueError, match="first tiers of BTC/USDT:USDT are of 2021-03-18, asked for 2020-05-01"):
        venues.get("binance_usdm", as_of="2020-05-01").tiers(BTC)


def test_an_unknown_symbol_is_refused_with_the_nearest():
    with pytest.raises(VenueError, match=r"no tiers of BTC/USDT:USDC .did you mean .*missing_tiers="):
        USDM.tiers("BTC/USDT:USDC")


def test_the_nearest_table_has_the_highest_rate_at_each_notional():
    nearest = USDM.nearest_tiers("DOGE/USDT:USDT")
    tables = [USDM.tiers(symbol) for symbol in (BTC, ETH, XRP)]
    for notional in (1.0, 9_999.0, 15_000.0, 500_000.0, 1.2e6, 7e6, 3e7, 5e8):
        at = [next(row for row in reversed(table) if row.floor <= notional) for table in (nearest, *tables)]
        assert at[0].maintenance_rate == max(row.maintenance_rate for row in at[1:])
        assert at[0].max_leverage == min(row.max_leverage for row in at[1:])


def test_the_nearest_table_of_a_coin_without_one_is_refused():
    with pytest.raises(VenueError, match=r"no tier table settled in AVAX; give missing_tiers=\[Tier"):
        COINM.nearest_tiers("AVAX/USD:AVAX")
    assert COINM.nearest_tiers("BTC/USD:BTC-251226") == COINM.tiers("BTC/USD:BTC")


# Instruments


@pytest.mark.parametrize(
    ("symbol", "day", "minimum"),
    [
        (BTC, "2021-01-24", 0),
        (BTC, "2021-01-25", 1),
        (BTC, "2021-02-24", 5),
        (BTC, "2023-11-01", 5),
        (BTC, "2023-11-02", 100),
        (ETH, "2023-11-02", 20),
        (XRP, "2024-01-01", 5),
    ],
)
def test_minimum_notional_by_date(symbol, day, minimum):
    assert USDM.instrument(symbol, at=day).min_notional == minimum


def test_a_symbol_without_facts_has_the_kind_and_size_of_the_venue():
    assert USDM.instrument("DOGE/USDT:USDT") is None
    plain = USDM.default_instrument("DOGE/USDT:USDT")
    assert (plain.contract, plain.contract_size, plain.quantity_unit, plain.tick_size) == ("linear", 1, "base", None)
    sizes = {coin: COINM.default_instrument(f"{coin}/USD:{coin}").contract_size for coin in ("BTC", "ETH", "AAVE")}
    assert sizes == {"BTC": 100, "ETH": 10, "AAVE": 10}
    assert COINM.default_instrument("BTC/USD:BTC-251226").expiry == time_ns("2025-12-26T08:00", "expiry")
    assert SPOT.default_instrument("BTC/USDT").contract == "spot"


@pytest.mark.parametrize(
    ("rules", "symbol", "message"),
    [
        (USDM, "BTC/USD:BTC", "linear contracts settle in USD, got BTC"),
        (COINM, BTC, "inverse contracts settle in BTC, got USDT"),
        (SPOT, BTC, "a spot pair has no ':USDT'"),
        (USDM, "BTC/USDT", "write BTC/USDT:USDT"),
    ],
)
def test_a_symbol_of_another_kind_is_refused(rules, symbol, message):
    with pytest.raises(VenueError, match=message):
        rules.default_instrument(symbol)


def test_an_own_instrument_wins_from_its_date_on():
    mine = venues.Instrument(
        BTC,
        contract="linear",
        tick_size=0.5,
        tiers=[venues.Tier(floor=0, maintenance_rate=0.01, max_leverage=50)],
        maker_fee=-0.0001,
        taker_fee=0.0003,
        clearance_fee=0.02,
        funding_interval_hours=4,
        valid_from="2023-01-01",
    )
    rules = USDM.with_instrument(mine)
    assert rules.instrument(BTC) is mine
    assert rules.instrument(BTC, at="2022-06-01").tick_size == 0.1
    assert len(rules.tiers(BTC)) == 1
    assert len(rules.tiers(BTC, at="2022-06-01")) == 10
    assert rules.fees(symbol=BTC) == (-0.0001, 0.0003)
    assert rules.clearance_fee(BTC) == 0.02
    assert rules.funding_rules(BTC).interval_hours == 4
    assert USDM.instrument(BTC).tick_size == 0.1
    assert rules.with_instrument(mine).own == rules.own


def test_an_own_instrument_without_tiers_keeps_those_of_the_venue():
    rules = USDM.with_instrument(venues.Instrument(BTC, contract="linear", tick_size=0.5))
    assert rules.tiers(BTC) == USDM.tiers(BTC)


# Dated rules


def test_facts_are_in_force_from_their_first_ns():
    facts = (Fact(1, "none", 10), Fact(2, "none", 20))
    assert [getattr(in_force(facts, at), "value", None) for at in (9, 10, 19, 20, LATEST)] == [None, 1, 1, 2, 2]


def test_fees_by_level_date_and_settle_asset():
    assert USDM.fees() == (0.0002, 0.0005)
    assert USDM.fees(at="2023-06-01") == (0.0002, 0.0004)
    assert USDM.fees(symbol="BTC/USDC:USDC") == (0, 0.0004)
    assert COINM.fees(at="2025-05-01") == (0.0001, 0.0005)
    assert COINM.fees() == (0.0002, 0.0005)
    assert USDM.fees(("0.0001", 0)) == (0.0001, 0)
    assert [fact.value.taker for fact in USDM.fee_changes(symbol=BTC)] == [0.0004, 0.0005, 0.0005]
    with pytest.raises(
        VenueError, match=r"fees must be one of \['regular', 'vip1', .*\] or \(maker, taker\), got 'regulr'"
    ):
        USDM.fees("regulr")


def test_fee_of_a_fill_is_truncated_to_the_atom():
    """0.123 x 61,234.5 x 0.05 % = 3.76592175 exactly; 1 contract of 100 USD at 33,333 x 0.05 % = 0.0000015000150..."""
    assert USDM.fee(symbol=BTC, quantity=0.123, price=61_234.5) == Decimal("3.76592175")
    assert COINM.fee(symbol="BTC/USD:BTC", quantity=1, price=33_333) == Decimal("0.00000150")
    assert USDM.fee(symbol=BTC, quantity=1, price=100, is_maker=True, level=(-0.0001, 0)) == Decimal("-0.01")


def test_rounding_of_entries():
    assert USDM.rounding().entry == "average_digits"
    assert USDM.rounding().entry_decimals == 13
    assert COINM.rounding().entry == "exact_value"
    assert {rules.rounding().profit for rules in (USDM, COINM)} == {"toward_zero"}


def test_clearance_fees_by_symbol_and_date():
    assert COINM.clearance_fee("BTC/USD:BTC-251226", at="2025-10-10") == 0.01
    assert USDM.clearance_fee(BTC, at="2025-10-10") == 0.0125
    assert USDM.clearance_fee(BTC, at="2021-06-01") == 0.012
    assert USDM.clearance_fee("DOGE/USDT:USDT") == 0.0125


def test_liquidation_cancels_orders_and_ends_after_a_minute():
    rules = USDM.liquidation()
    assert (rules.cancels_orders, rules.time_limit_seconds, rules.charges_trading_fee) == (True, 60.0, False)
    assert (rules.course, rules.multi_assets_course) == ("stepwise", "at_once")


def test_mark_window_by_date():
    assert COINM.mark_rules(at="2022-12-31").spacing_seconds == 60.0
    assert COINM.mark_rules(at="2023-01-01").spacing_seconds == 5.0


def test_collateral_ratios_by_date():
    assert USDM.collateral_value(asset="BTC", amount=2, price=50_000, at="2021-12-01") == pytest.approx(95_000)
    assert USDM.collateral_value(asset="BTC", amount=2, price=50_000) == pytest.approx(97_500)
    assert USDM.collateral_value(asset="USDT", amount=-100, price=1) == -100
    assert USDM.auto_exchange_rules().thresholds == {"USDT": -5000, "USDC": -5000, "BTC": -0.1}


def test_order_limits():
    assert (USDM.order_rules().max_open_orders, USDM.order_rules().max_conditional_orders) == (200, 10)


# Rules by themselves


@pytest.mark.parametrize(
    ("order", "price", "loss"),
    [
        ({"side": "buy", "price": 110}, 110, 10),
        ({"side": "sell", "price": 90}, 90, 10),
        ({"side": "buy", "price": 90}, 90, 0),
        ({"side": "sell", "price": 110}, 110, 0),
        ({"side": "sell", "price": 90, "takes": True, "last": 100}, 100.15, 0),
        ({"side": "buy", "price": 90, "takes": True, "last": 100}, 90, 0),
        ({"side": "buy", "ask": 100}, 100.05, 0.05),
        ({"side": "buy", "last": 104}, 104.052, 4.052),
    ],
)
def test_an_order_worse_than_mark_starts_with_a_loss(order, price, loss):
    cost = USDM.order_cost(symbol=BTC, quantity=1, mark=100, leverage=10, **order)
    assert (cost.price, cost.open_loss) == pytest.approx((price, loss))
    assert cost.cost == pytest.approx(price / 10 + loss)


def test_an_inverse_order_costs_coin():
    """100 contracts of 100 USD bought at 50,000 with mark 40,000, 10x: 0.02 coin, and 0.25 - 0.2 of loss."""
    cost = COINM.order_cost(symbol="BTC/USD:BTC", side="buy", quantity=100, price=50_000, mark=40_000, leverage=10)
    assert (cost.initial_margin, cost.open_loss) == pytest.approx((0.02, 0.05))


def test_adl_ranks_longs_and_shorts_apart_by_leveraged_profit():
    ranks = USDM.adl_ranking(
        side=[1, 1, -1, 1, -1],
        unrealized_pnl=[50, 100, 10, -5, 30],
        collateral=[100, 100, 100, 100, 100],
        margin_ratio=[0.5, 0.1, 0.2, 0.9, 0.2],
    )
    assert ranks == (0, 1, 1, 2, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: USDM.order_cost(symbol=BTC, side="long", quantity=1, leverage=1, mark=1),
            "side must be 'buy' or 'sell'",
        ),
        (lambda: USDM.order_cost(symbol=BTC, side="buy", quantity=1, leverage=1, mark=1), "give last= or ask="),
        (lambda: USDM.order_cost(symbol=BTC, side="buy", quantity=0, leverage=1, mark=1), "quantity must be"),
        (lambda: USDM.auto_exchange(deficit=1, ratio=0), "ratio must be"),
        (lambda: USDM.adl_ranking(side=[0], unrealized_pnl=[1], collateral=[1], margin_ratio=[1]), r"\+1 or -1"),
        (lambda: USDM.adl_ranking(side=[1], unrealized_pnl=[], collateral=[1], margin_ratio=[1]), "one length"),
        (lambda: SPOT.liquidation(), "binance_spot has no liquidation rules"),
        (lambda: SPOT.clearance_fee("BTC/USDT"), "has no clearance fee"),
        (lambda: SPOT.collateral_brackets("BTC"), "has no multi-assets mode"),
        (lambda: SPOT.adl_ranking(side=[], unrealized_pnl=[], collateral=[], margin_ratio=[]), "has no ranking"),
        (lambda: COINM.auto_exchange(deficit=1, ratio=0.9), "binance_coinm has no auto-exchange"),
        (lambda: USDM.collateral_brackets("FDUSD", at="2022-01-01"), "known from 2024-01-01 on, asked for 2022-01-01"),
        (lambda: USDM.with_instrument("BTC"), "takes a venues.Instrument"),
        (lambda: venues.get("binance_usdm", as_of="yesterday"), "as_of must be a time"),
    ],
)
def test_a_rule_that_is_not_there_or_cannot_be_asked_so_says_it(call, message):
    with pytest.raises(VenueError, match=message):
        call()
