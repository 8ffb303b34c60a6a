"""Multi-currency margin of OKX in runs, against figures by hand: discounts, debts, orders first, falling collateral."""

from decimal import Decimal

import pytest
import worked
from engine_data import (
    MINUTE,
    USER_COIN,
    Listener,
    Notes,
    Script,
    account,
    amounts,
    balance,
    forced,
    frame,
    funding,
    marks,
    ns,
    points,
    reasons,
    run,
    totals,
    trades,
    user_coin,
)
from test_okx_runs import ROWS, tiers

import feeds
import venues
from backtest.errors import ConfigError
from venues.errors import VenueError

OKX, INVERSE = "okx", "X/USD:X"
BTC = "BTC/USD"


def rules(known=OKX):
    """Return OKX with a linear coin of 0.1 and an inverse one of 10 USD, tiers of 1 to 4 %, and X at 0.9, then 0.5."""
    linear = user_coin(rules=known, tiers=tiers(ROWS), clearance_fee=None, lot_size=1, contract_size=0.1)
    both = user_coin(
        INVERSE, rules=linear, tiers=tiers(ROWS), clearance_fee=None, lot_size=1, contract_size=10, contract="inverse"
    )
    return both.with_collateral("X", [(0, 0.9), (50, 0.5)])


def multi(given=None, **options):
    """Return a multi-currency account that pays no fee."""
    balances = {name: x for name, x in options.items() if name in ("USDT", "BTC", "X")}
    chosen = {"leverage": 10} | {name: x for name, x in options.items() if name not in balances}
    return account(given or rules(), balances, collateral="multi", **chosen)


def path(prices, symbol=USER_COIN):
    """Return marks of a path a minute apart, trades half a minute after them."""
    times = [ns("00:00") + i * MINUTE for i in range(len(prices))]
    own = marks(list(zip(times, prices, strict=True)), symbol, OKX)
    return own + trades([(t + MINUTE // 2, p, 1_000_000) for t, p in zip(times, prices, strict=True)], symbol, OKX)


def worth(prices, symbol=BTC):
    """Return US dollar prices of an asset a minute apart."""
    times = [ns("00:00") + i * MINUTE for i in range(len(prices))]
    return points("index", list(zip(times, prices, strict=True)), symbol, OKX)


def dollars():
    return worth([1], "USDT/USD")


def audited(data, strategy, *accounts, **options):
    result = run(data, strategy, *accounts, reporting="USD", **options)
    assert all(total == 0 for total in totals(result)[0].values())
    assert result.findings == []
    return result


def buy(quantity, symbol=USER_COIN, when="00:00"):
    return (when, lambda s: s.buy(symbol, quantity=quantity))


def sell(quantity, symbol=USER_COIN, when="00:00"):
    return (when, lambda s: s.sell(symbol, quantity=quantity))


def margin(result, when):
    """Return (equity, initial, maintenance) of the first sample at or after a time."""
    table = result.margin
    row = table[table["time"].map(lambda t: t.value) >= ns(when)].iloc[0]
    return row["equity"], row["initial"], row["maintenance"]


# What counts


def test_profit_counts_at_the_discount_of_its_coin():
    """40 X at 100; 5,000 contracts of 10 USD long from 100 at 125: 100 X of profit: 50 at 0.9 and 90 at 0.5."""
    data = path([100, 100, 125, 125, 125], INVERSE) + worth([100, 100, 125, 125, 125], "X/USD")
    result = audited(data, Script(buy(5_000, INVERSE)), multi(X=60))
    equity, initial, maintenance = margin(result, "00:03")
    assert equity == pytest.approx((50 * 0.9 + 110 * 0.5) * 125)
    assert initial == pytest.approx(5_000)
    assert maintenance == pytest.approx(0.04 * 50_000)
    assert result.equity["equity"].iloc[-1] == pytest.approx(160 * 125)


def test_a_loss_counts_in_full_once_the_coin_is_gone_and_asks_for_margin_of_the_debt():
    """1 BTC; 100 of 0.1 bought at 100 and at 90: the USDT equity is -100: 9,800 - 100, 90 x 1 % + 100 x 3 %."""
    data = path([100, 100, 90, 90, 90]) + worth([10_000]) + dollars()
    result = audited(data, Script(buy(100)), multi(BTC=1))
    equity, initial, maintenance = margin(result, "00:03")
    assert equity == pytest.approx(9_800 - 100)
    assert initial == pytest.approx(90 + 10)
    assert maintenance == pytest.approx(9 + 3)


def test_a_gain_repays_the_debt_before_it_counts_at_all():
    """-100 USDT realised, then 60 of profit in an open position: 40 are owed."""
    steps = [buy(100), sell(100, when="00:02:10"), buy(100, when="00:02:20")]
    data = path([100, 100, 90, 96, 96, 96]) + worth([10_000]) + dollars()
    result = audited(data, Script(*steps), multi(BTC=1))
    equity, _, maintenance = margin(result, "00:04")
    assert balance(result, name=OKX) == -100
    assert equity == pytest.approx(9_800 - 40)
    assert maintenance == pytest.approx(9.6 + 40 * 0.03)


def test_the_calculator_says_the_same_as_the_run():
    data = path([100, 100, 90, 90, 90]) + path([100, 100, 125, 125, 125], INVERSE) + worth([10_000]) + dollars()
    data += worth([100, 100, 125, 125, 125], "X/USD")
    result = audited(data, Script(buy(1_500), buy(3_000, INVERSE)), multi(BTC=1, X=60))
    own = venues.Account(
        rules(),
        collateral="multi",
        balances={"BTC": 1, "X": 60},
        positions=[
            venues.Position(USER_COIN, quantity=1_500, entry_price=100, leverage=10),
            venues.Position(INVERSE, quantity=3_000, entry_price=100, leverage=10),
        ],
    )
    given = own.rules.with_instrument(
        venues.Instrument(
            USER_COIN, contract="linear", contract_size=0.1, tiers=tiers(ROWS), maker_fee=0, taker_fee=0
        )
    ).with_instrument(
        venues.Instrument(
            INVERSE, contract="inverse", contract_size=10, tiers=tiers(ROWS), maker_fee=0, taker_fee=0
        )
    )  # fmt: skip
    own = venues.Account(given, collateral="multi", balances=own.balances, positions=own.positions)
    risk = own.risk(marks={USER_COIN: 90, INVERSE: 125}, index={"BTC": 10_000, "X": 125, "USDT": 1})
    found = (risk.equity, risk.initial_margin, risk.maintenance_margin)
    assert margin(result, "00:03") == pytest.approx(found)


# The end


def test_a_coin_that_falls_is_alone_enough_for_a_liquidation():
    """The mark stands at 100; 1 BTC at 0.98 backs 150 coins, which ask 300: sound at 310 US dollars, not at 300."""
    for price, is_closed in ((310, False), (300, True)):
        data = path([100] * 6) + worth([10_000, 10_000, 10_000, price]) + dollars()
        result = audited(data, Script(buy(1_500)), multi(BTC=1, leverage=20))
        assert (not result.liquidations.empty) == is_closed
        if is_closed:
            # two tiers down are not there: all goes at the price where 294 of BTC are owed in USDT
            assert forced(result) == [("takeover", pytest.approx(98.04), 1_500.0)]
            assert result.liquidations["time"].iloc[0].strftime("%H:%M") == "00:03"


def test_after_a_takeover_the_debt_is_repaid_from_the_coin_and_nobody_is_below_zero():
    """2,940 of 10,000 x 0.98 owed: sold at the index, 0.98 BTC go and 0.02 stay."""
    data = path([100] * 6) + worth([10_000, 10_000, 10_000, 300, 300]) + dollars()
    result = audited(data, Script(buy(1_500)), multi(BTC=1, leverage=20))
    sold, received = amounts(result, "conversion", name=OKX)
    assert received == pytest.approx(Decimal(294), abs=Decimal("0.1"))
    assert float(-sold) == pytest.approx(float(received) / 300, abs=1e-8)
    assert balance(result, name=OKX) == 0
    assert balance(result, "BTC", name=OKX) > 0


def test_a_takeover_of_several_positions_leaves_them_worth_nothing_together():
    """150 coins and 900 contracts of 10 USD, both long from 100: every leg gives up the same share of its notional.

    At those prices the account counts nothing: 30 X and 1 BTC of 1,300 back what is lost in USDT and in X.
    """
    data = path([100, 100, 86, 86], USER_COIN) + path([100, 100, 86, 86], INVERSE) + worth([1_300]) + dollars()
    data += worth([100, 100, 86, 86], "X/USD")
    steps = [buy(1_500), buy(900, INVERSE)]
    result = audited(data, Script(*steps), multi(BTC=1, X=30, leverage=20))
    rows = {symbol: (price, size) for (_, price, size), symbol in
            zip(forced(result), result.liquidations["symbol"], strict=True)}  # fmt: skip
    assert [row[0] for row in forced(result)] == ["takeover"] * 2
    one, other = rows[USER_COIN], rows[INVERSE]
    assert (one[1], other[1]) == (1_500, 900)
    # the same share: linear mark x (1 - share), inverse mark / (1 + share)
    share = 1 - one[0] / 86
    assert other[0] == pytest.approx(86 / (1 + share), abs=1e-3)
    lost, coins = 150 * (one[0] - 100), 9_000 * (1 / 100 - 1 / other[0])
    counted = 0.9 * (30 + coins) * 86 if coins > -30 else (30 + coins) * 86
    assert 0.98 * 1_300 + lost + counted == pytest.approx(0, abs=0.3)


def test_a_position_in_a_high_tier_goes_two_tiers_down_first():
    """350 coins from 100 at 94: -2,100 USDT, 63 of it asked, and 4 % of 32,900; 0.98 x 3,500 - 2,100 = 1,330."""
    data = path([100, 100, 94, 94, 94]) + worth([3_500]) + dollars()
    result = audited(data, Script(buy(3_500)), multi(BTC=1, leverage=12))
    assert forced(result)[0] == ("liquidation", 94.0, 1_500.0)


def test_orders_go_before_positions_and_before_the_requirement_is_met():
    """50 coins from 100 with 1,000 USDT, an order for 44 at 90: 10 % of 8,860 at 98.4, where 920 are left; at 97.5 875.

    Maintenance is under 50 all the time.
    """
    steps = [buy(500), ("00:01", lambda s: s.buy(USER_COIN, quantity=440, limit=90))]
    for price, orders in ((98.4, ["filled", "working"]), (97.5, ["filled", "canceled BY_VENUE"])):
        data = path([100, 100, price, price, price]) + dollars()
        result = audited(data, Script(*steps), multi(USDT=1_000))
        assert reasons(result) == orders
        assert result.liquidations.empty
        assert result.positions["is_open"].all()


def test_that_holds_for_one_coin_too_and_spares_orders_that_only_reduce():
    steps = [
        buy(500),
        ("00:01", lambda s: s.buy(USER_COIN, quantity=440, limit=90)),
        ("00:01", lambda s: s.sell(USER_COIN, quantity=100, limit=120, reduce_only=True)),
    ]
    own = account(rules(), {"USDT": 1_000}, leverage=10)
    result = run(path([100, 100, 97.5, 97.5, 97.5]), Script(*steps), own)
    assert reasons(result) == ["filled", "canceled BY_VENUE", "working"]


def test_funding_takes_no_multi_currency_account_to_its_requirement():
    """10 coins, 1 BTC at 0.98 x 150 = 147; a payment of 200 ends where 1.03 x owed + 10 is 147: 133.009708."""
    data = path([100] * 6) + funding([("00:03", 0.2)], USER_COIN, OKX) + worth([150]) + dollars()
    result = audited(data, Script(buy(100)), multi(BTC=1, leverage=10))
    (paid,) = amounts(result, "funding", name=OKX)
    assert float(paid) == pytest.approx(-(147 - 10) / 1.03, abs=1e-6)
    assert result.liquidations.empty


# Loans


def rates(rows, asset="USDT"):
    made = frame(rows, "rate")
    made["asset"] = asset
    made["interval_hours"] = 1
    return feeds.from_pandas(made, kind="borrow_rates", venue=OKX, symbol=f"{asset}/USD")


def test_a_debt_costs_interest_at_the_end_of_each_hour():
    data = path([100, 100, 90, 90]) + marks([("02:30", 90)], USER_COIN, OKX) + worth([10_000]) + dollars()
    steps = [buy(100), sell(100, when="00:02:10")]
    result = audited(data + rates([("00:00", 0.0001)]), Script(*steps), multi(BTC=1))
    first = Decimal("-0.01")
    assert amounts(result, "interest", name=OKX) == [first, Decimal("-0.01000100")]


@pytest.mark.parametrize(("auto", "found"), [(True, "filled"), (False, "rejected INSUFFICIENT_MARGIN")])
def test_without_loans_an_order_needs_its_margin_in_its_own_coin(auto, found):
    data = path([100] * 4) + worth([10_000]) + dollars()
    result = audited(data, Script(buy(100)), multi(BTC=1, USDT=99, auto_borrow=auto))
    assert reasons(result) == [found]
    enough = audited(data, Script(buy(100)), multi(BTC=1, USDT=100, auto_borrow=auto))
    assert reasons(enough) == ["filled"]
    assert ("none is taken" in str(result)) != auto


# Configuration


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: multi(BTC=1, margin_mode="isolated"), "multi-assets mode is cross only"),
        (lambda: account(OKX, {"BTC": 1}, auto_borrow=False), "has no effect"),
        (lambda: account("bybit", {"BTC": 1}, collateral="multi", auto_borrow=False), "has no effect"),
        (lambda: multi(BTC=1, auto_borrow="no"), "must be True or False, got 'no'"),
        (lambda: venues.get(OKX).with_collateral("ETH", [(0, 0.9), (5, 0.95)]), "must not grow, got 0.95"),
        (lambda: venues.get(OKX).with_collateral("ETH", [(1, 0.9)]), "must ascend from 0"),
        (lambda: venues.get("deribit").with_collateral("ETH", 0.9), "no multi-assets mode"),
        (lambda: venues.get("binance_usdm").with_loans("", tiers(ROWS)), "lends nothing"),
        (lambda: venues.get(OKX).with_loans("", tiers(ROWS)), "leave amount= of their tiers out"),
        (lambda: venues.get(OKX).collateral_brackets("ETH"), r"with_collateral\('ETH'"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(VenueError, match=message):
        make()


def test_a_deposit_of_which_a_part_counts_for_nobody_knows_what_is_refused():
    data = path([100] * 4) + worth([10_000]) + dollars()
    with pytest.raises(ConfigError, match="how BTC counts above 20 is not known here, balances= has 21"):
        run(data, Script(), multi(BTC=21), reporting="USD")
    known = rules().with_collateral("BTC", [(0, 0.98), (20, 0.97)])
    assert "BTC above 20" not in str(audited(data, Script(), multi(known, BTC=21)))
    assert "BTC above 20 counts nothing" in str(audited(data, Script(), multi(BTC=20)))


def test_the_user_says_what_a_debt_asks_for():
    given = rules().with_loans("USDT", [venues.Tier(floor=0, maintenance_rate=0.5, max_leverage=1)])
    data = path([100, 100, 90, 90, 90]) + worth([10_000]) + dollars()
    result = audited(data, Script(buy(100)), multi(given, BTC=1))
    assert margin(result, "00:03")[1:] == pytest.approx((90 + 100, 9 + 50))
    said = {row["name"]: (row["value"], row["is_choice"]) for row in result.assumptions}
    assert said["loans of USDT"] == ("from 0: 50.00%, at most 1x", True)
    assert said["collateral of X"] == ("from 0: 0.9; from 50: 0.5", True)
    known = {row["name"]: (row["source"], row["verified"]) for row in result.meta["rules"]}
    assert known["loans of USDT at okx"] == ("user", True)
    assert known["loans of BTC at okx"] == ("loans", False)
    assert known["collateral of BTC at okx"] == ("discounts-2024", True)


# Worked cases, through a run


def case(name):
    return next(row for row in worked.cases("okx") if row["id"] == name)


def test_worked_case_1_in_a_multi_currency_account():
    """The real position of 2023-10 (okx.md section 10, case 1): USDT counts whole below 5 million."""
    row = case("1")
    symbol, tier = row["symbol"], venues.Tier(floor=0, maintenance_rate=row["maintenance_rate"], max_leverage=100)
    own = venues.Instrument(
        symbol, contract="linear", contract_size=0.01, tick_size=0.01, lot_size=1, tiers=[tier], maker_fee=0,
        taker_fee=row["taker_fee"],
    )  # fmt: skip
    # what the account has left after the fee of 0.05 % of 239.661
    deposit = row["equity"] - row["expected"]["unrealized"] + 0.0005 * 0.15 * row["entry_price"]
    rows = [(f"2023-10-15T00:0{n}", row["entry_price"] if n < 2 else row["mark"]) for n in range(5)]
    data = marks(rows, symbol, OKX) + trades([(when, price, 1000) for when, price in rows], symbol, OKX)
    data += points("index", [(rows[0][0], 1)], "USDT/USD", OKX)
    seen = Notes()

    def look(strategy):
        held = strategy.position(symbol)
        seen.append((held.liquidation_price, strategy.account(OKX).margin_ratio))

    script = Script(("2023-10-15T00:00:30", lambda s: s.buy(symbol, quantity=15)), ("2023-10-15T00:03:30", look))
    chosen = account(
        venues.get(OKX).with_instrument(own), {"USDT": deposit}, collateral="multi", leverage=10, fees="regular"
    )
    result = audited(data, script, chosen)
    table = result.margin[result.margin["time"].map(lambda t: t.value) >= ns("2023-10-15T00:03")].iloc[0]
    allowed = row["tolerance"]
    assert table["initial"] == pytest.approx(row["expected"]["initial"], abs=allowed["initial"])
    assert 1 / table["ratio"] == pytest.approx(row["expected"]["ratio"], abs=allowed["ratio"])
    ((price, ratio),) = seen
    assert price == pytest.approx(row["expected"]["liquidation_price"], abs=allowed["liquidation_price"])
    assert 1 / ratio == pytest.approx(row["expected"]["ratio"], abs=allowed["ratio"])


def test_worked_case_8_in_a_multi_currency_account():
    """6,001 contracts of 0.1 ETH at 2,000 ask 1 % of all, 6,000 ask 0.5 % (okx.md section 10, case 8)."""
    row = case("8")
    known = venues.get(OKX, as_of=row["date"])
    day = f"{row['date']}T"
    rows = [(f"{day}00:0{n}", row["mark"]) for n in range(4)]
    for quantity, asked in zip(row["quantities"], row["expected"], strict=True):
        data = marks(rows, row["symbol"], OKX)
        data += trades([(when, price, 1e6) for when, price in rows], row["symbol"], OKX)
        data += points("index", [(rows[0][0], 1)], "USDT/USD", OKX)
        script = Script((f"{day}00:00:30", lambda s, q=quantity: s.buy(row["symbol"], quantity=q)))
        result = audited(data, script, account(known, {"USDT": 1e6}, collateral="multi", leverage=10))
        assert result.margin["maintenance"].iloc[-1] == pytest.approx(asked, abs=row["tolerance"])


def test_the_published_example_of_discounts_counts_the_same_in_a_run():
    """11 million USDT count 10.825 million (case discount); free for 1x: what one may buy of 1 USD."""
    row = case("discount")
    data = path([100] * 3) + dollars()
    seen = Notes()
    script = Listener(buy(1), ("00:01", lambda s: seen.append(s.account(OKX).free("USDT"))))
    own = multi(rules(), USDT=row["amount"])
    result = audited(data, script, own)
    assert result.margin["equity"].iloc[-1] == pytest.approx(row["expected"], abs=row["tolerance"])
    assert seen[0] <= row["amount"]
