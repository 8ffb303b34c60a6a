"""Runs at Hyperliquid against figures by hand: parts, the backstop, funding on the oracle, withdrawals."""

from collections import Counter
from decimal import Decimal
from random import Random

import pytest
from engine_data import (
    MINUTE,
    SECOND,
    Notes,
    Script,
    account,
    amounts,
    balance,
    constant,
    forced,
    funding,
    marks,
    ns,
    points,
    postings,
    reasons,
    run,
    totals,
    trades,
    user_coin,
)
from test_bands import Examiner, journal
from venue_storms import Drawn

from backtest import Backtest
from backtest.errors import ConfigError

VENUE = "hyperliquid"
COIN, OTHER = "X/USDC:USDC", "Y/USDC:USDC"
FUND = f"{VENUE} insurance_fund"


def path(prices, traded=None, *, symbol=COIN, step=MINUTE, start="00:00"):
    """Return marks and trades of a path, a step apart, trades half a step after their marks."""
    times = [ns(start) + i * step for i in range(len(prices))]
    own = marks(list(zip(times, prices, strict=True)), symbol, VENUE)
    rows = [(t + step // 2, p, 1_000_000) for t, p in zip(times, traded or prices, strict=True)]
    return own + trades(rows, symbol, VENUE)


def owner(deposit, *, rate=0.05, mode="cross", leverage=10, others=(), **options):
    """Return an account that pays a taker fee of 0.1 %; maintenance is 5 % of the notional."""
    rules = user_coin(COIN, rules=VENUE, rate=rate, max_leverage=0.5 / rate, clearance_fee=None)
    for symbol in others:
        rules = user_coin(symbol, rules=rules, rate=rate, max_leverage=0.5 / rate, clearance_fee=None)
    chosen = {"leverage": leverage, "margin_mode": mode, "fees": (0, 0.001)} | options
    return account(rules, {"USDC": deposit}, **chosen)


def buy(quantity, symbol=COIN):
    return ("00:00", lambda s: s.buy(symbol, quantity=quantity))


def audited(data, strategy, *accounts, **options):
    """Return a run whose postings of each asset sum to zero and which leaves nobody below zero."""
    result = run(data, strategy, *accounts, **options)
    assert all(total == 0 for total in totals(result)[0].values())
    assert balance(result, "USDC", name=VENUE) >= 0
    assert result.findings == []
    return result


# The book stage


@pytest.mark.parametrize("mode", ["cross", "isolated"])
def test_a_small_position_is_closed_whole_and_what_is_left_stays(mode):
    """10 at 100 with 100 of margin: at 94 the equity is 40 of a requirement of 47; sold at 94, fee 0.94."""
    result = audited(path([100, 100, 94, 94]), Script(buy(10)), owner(101, mode=mode))
    assert forced(result, "fee") == [("liquidation", 94.0, 10.0, pytest.approx(0.94))]
    assert balance(result, "USDC", name=VENUE) == Decimal("39.06")
    assert totals(result)[1].get(("USDC", FUND), 0) == 0


@pytest.mark.parametrize("mode", ["cross", "isolated"])
def test_of_a_large_position_a_fifth_is_closed_and_the_rest_goes_on(mode):
    """2,000 at 100: at 94.5 equity 9,000 of 9,450; 400 sold leave a requirement of 7,560 of 8,962.2."""
    result = audited(path([100, 100, 94.5, 94.5, 94.5]), Script(buy(2_000)), owner(20_200, mode=mode))
    assert forced(result, "fee") == [("liquidation", 94.5, 400.0, pytest.approx(37.8))]
    assert postings(result, "trade_profit", name=VENUE) == -2_200
    assert result.margin["ratio"].iloc[-1] == pytest.approx(7_560 / 8_962.2)


def test_when_a_fifth_does_not_help_the_whole_is_closed():
    """At 93.3 the equity is 6,600 of 9,330; 400 sold leave 6,562.68 of 7,464: the other 1,600 go next."""
    result = audited(path([100, 100, 93.3, 93.3, 93.3]), Script(buy(2_000)), owner(20_200))
    assert forced(result) == [("liquidation", 93.3, 400.0), ("liquidation", 93.3, 1_600.0)]
    assert result.liquidations["step"].tolist() == [1, 2]
    assert balance(result, "USDC", name=VENUE) == Decimal("6413.4")  # 6,600 - 2,000 x 93.3 x 0.1 %


@pytest.mark.parametrize(("pause", "second"), [(20, 1_600.0), (40, 320.0)])
def test_for_thirty_seconds_after_a_fifth_orders_are_for_the_whole(pause, second):
    """At 94.5 a fifth goes at once; later, at 93.5, what is left asks 7,480 of 7,362.2."""
    start = ns("00:01:00")
    prices = [("00:00", 100), (start, 94.5), (start + pause * SECOND, 93.5), (start + 120 * SECOND, 93.5)]
    data = marks(prices, COIN, VENUE) + trades(
        [(ns(t) + SECOND, p, 1_000_000) for t, p in prices if t != start + 120 * SECOND], COIN, VENUE
    )
    account_ = owner(20_200, forced_close="mark_slippage")
    result = audited(data, Script(buy(2_000)), account_)
    assert forced(result) == [("liquidation", 94.5, 400.0), ("liquidation", 93.5, second)]


def test_the_cooldown_is_the_accounts_not_the_positions():
    """Wallet 33,610 and 4 %: at 90.5 a fifth of Y, the larger, is closed; ten seconds later X is, and goes whole."""
    start = ns("00:01:00")
    own = [("00:00", 100), (start, 90.5), (start + 60 * SECOND, 90.5)]
    other = [("00:00", 100), (start, 100), (start + 10 * SECOND, 99), (start + 60 * SECOND, 99)]
    data = marks(own, COIN, VENUE) + trades([(ns(t) + SECOND, p, 1_000_000) for t, p in own], COIN, VENUE)
    data += marks(other, OTHER, VENUE) + trades([(ns(t) + SECOND, p, 1_000_000) for t, p in other], OTHER, VENUE)
    mine = owner(34_000, others=[OTHER], rate=0.04, leverage=12, forced_close="mark_slippage")
    result = audited(data, Script(buy(2_000), buy(1_900, OTHER)), mine)
    table = result.liquidations
    assert list(zip(table["symbol"], table["quantity"].abs(), strict=True)) == [(OTHER, 380.0), (COIN, 2_000.0)]


# The backstop


@pytest.mark.parametrize("mode", ["cross", "isolated"])
def test_below_two_thirds_of_maintenance_the_vault_takes_position_and_margin(mode):
    """10 at 100 with 100: at 92 the equity is 20 of 46, less than 30.67; taken over at 90 without a fee."""
    result = audited(path([100, 100, 92, 92]), Script(buy(10)), owner(106 if mode == "isolated" else 101, mode=mode))
    assert forced(result, "fee") == [("takeover", 90.0, 10.0, 0.0)]
    assert balance(result, "USDC", name=VENUE) == (5 if mode == "isolated" else 0)
    assert totals(result)[1]["USDC", FUND] == 20 * 10**8


def test_an_order_that_waits_for_a_trade_is_withdrawn_when_the_mark_reaches_the_backstop():
    own = marks([("00:00", 100), ("00:01", 94), ("00:01:20", 92.5), ("00:02", 94)], COIN, VENUE)
    data = own + trades([("00:00:30", 100, 1000), ("00:02:30", 94, 1000)], COIN, VENUE)
    result = audited(data, Script(buy(10)), owner(101))
    assert forced(result) == [("takeover", 90.0, 10.0)]
    assert result.liquidations["time"].astype(str).tolist() == ["2025-01-01 00:01:20+00:00"]


def test_in_cross_the_backstop_takes_every_position_and_all_the_margin():
    """10 X and 10 Y at 100 with 200: at 83 and 99 the equity is 20 of 91; both lose it in proportion."""
    data = path([100, 100, 83, 83]) + path([100, 100, 99, 99], symbol=OTHER)
    result = audited(data, Script(buy(10), buy(10, OTHER)), owner(202, others=[OTHER]))
    assert Counter(result.liquidations["what"]) == {"takeover": 2}
    assert balance(result, "USDC", name=VENUE) == 0
    assert totals(result)[1]["USDC", FUND] == 20 * 10**8


def test_a_gap_beyond_bankruptcy_is_the_vaults_loss_and_nobodys_when_it_is_empty():
    """At 80 the position is worth -100: 30 of a vault of 30, 70 of nobody."""
    data = path([100, 100, 80, 80])
    result = audited(data, Script(buy(10)), owner(101))
    assert totals(result)[1]["USDC", FUND] == -100 * 10**8
    poor = run(data, Script(buy(10)), owner(101, insurance_fund={"USDC": 30}))
    assert balance(poor, "USDC", name=VENUE) == 0
    assert totals(poor)[1]["USDC", FUND] == 0
    assert [text for text in poor.findings if "70 USDC of losses were paid by nobody" in text]


def test_before_2024_the_whole_is_taken_at_the_price_of_no_equity():
    """The rule changes inside a run: at the end of 2023 a takeover, a minute later a sale in the book."""
    for start, expected in (("2023-12-31T23:57", ("takeover", 90.0, 10.0, 0.0)), ("2023-12-31T23:58", None)):
        data = path([100, 100, 94, 94], start=start)
        script = Script((start, lambda s: s.buy(COIN, quantity=10)))
        (found,) = forced(audited(data, script, owner(101)), "fee")
        assert found == (expected or ("liquidation", 94.0, 10.0, pytest.approx(0.94)))


# Funding, withdrawals, leverage


def test_funding_is_paid_on_the_oracle_each_hour():
    """10 at a mark of 100 and an oracle of 90: 0.01 % of 900, not of 1,000."""
    symbol_data = constant(100, start="00:00", end="02:10", symbol=COIN, venue=VENUE)
    oracle = points("index", [("00:00", 90), ("00:59:30", 90), ("01:59:30", 80)], COIN, VENUE)
    rates = funding([("01:00", 0.0001), ("02:00", 0.0001)], COIN, VENUE, hours=1)
    result = audited(symbol_data + oracle + rates, Script(buy(10)), owner(1_000))
    assert amounts(result, "funding", name=VENUE) == [Decimal("-0.09"), Decimal("-0.08")]
    assert "funding price" not in str(result)
    plain = audited(symbol_data + rates, Script(buy(10)), owner(1_000))
    assert amounts(plain, "funding", name=VENUE) == [Decimal("-0.1"), Decimal("-0.1")]
    assert "the data have no index rows of what is paid on the oracle" in str(plain)


@pytest.mark.parametrize(("leverage", "stays"), [(5, 220), (10, 110), (25, 110)])
def test_the_initial_margin_or_a_tenth_of_the_notional_stays_profit_included(leverage, stays):
    """10 bought at 100, at a mark of 110: 409 and a profit of 100, initial margin 1,100 / leverage."""
    script = Script(buy(10), ("00:02:45", lambda s: s.withdraw(VENUE, "USDC", "all")))
    result = audited(path([100, 110, 110, 110]), script, owner(410, leverage=leverage, rate=0.02))
    assert -postings(result, "withdrawal", name=VENUE) == min(409, 509 - stays)


def test_of_an_isolated_position_as_much_stays():
    """25x: 1,100 of notional ask 44, but 110 stay of 140 with the profit; 31 may not be taken out, 29 may."""
    script = Script(
        buy(10),
        ("00:02:40", lambda s: s.remove_margin(COIN, 31)),
        ("00:02:45", lambda s: s.remove_margin(COIN, 29)),
    )
    result = audited(path([100, 110, 110, 110]), script, owner(410, leverage=25, rate=0.02, mode="isolated"))
    assert [text.partition("refused")[0].split("Z")[0] for text in result.warnings] == ["2025-01-01T00:02:40"]
    assert result.margin["equity"].iloc[-1] == pytest.approx(111)


def test_leverage_is_a_whole_number():
    seen = Notes()
    script = Script(
        ("00:01:45", lambda s: s.set_leverage(COIN, 4.5)),
        ("00:02:45", lambda s: seen.append(s.set_leverage(COIN, 4))),
    )
    result = audited(path([100] * 4), script, owner(1_000))
    assert [text for text in result.warnings if "LEVERAGE_NOT_WHOLE" in text]
    with pytest.raises(ConfigError, match=r"must be a whole number there, got 4.5"):
        run(path([100, 100]), Script(), owner(1_000, leverage=4.5))


def test_the_value_of_an_order_is_bounded_by_the_leverage_of_its_coin():
    """10x: 500,000 for a market order and ten times that for a limit; 25x: a million."""
    script = Script(
        ("00:00", lambda s: s.buy(COIN, quantity=5_001)),
        ("00:00", lambda s: s.buy(COIN, quantity=5_000)),
        ("00:01", lambda s: s.buy(COIN, quantity=50_051, limit=99.9)),
        ("00:01", lambda s: s.buy(COIN, quantity=50_050, limit=99.9)),
        ("00:00", lambda s: s.buy(OTHER, quantity=5_001)),
    )
    rules = user_coin(COIN, rules=VENUE, rate=0.05, max_leverage=10, clearance_fee=None)
    rules = user_coin(OTHER, rules=rules, rate=0.02, max_leverage=25, clearance_fee=None)
    data = path([100] * 4) + path([100] * 4, symbol=OTHER)
    result = audited(data, script, account(rules, {"USDC": 10**8}, leverage=10))
    assert sorted(reasons(result)) == [
        "filled",
        "filled",
        "rejected ABOVE_MAXIMUM",
        "rejected ABOVE_MAXIMUM",
        "working",
    ]


# Whatever happens


class Gambler(Drawn):
    """Takes random positions in two coins, large ones too, every three minutes."""

    def on_timer(self, timer):
        for symbol in (COIN, OTHER):
            if self.random.random() < 0.6:
                self.target(symbol, leverage=self.random.uniform(-9, 9))
            elif self.random.random() < 0.3:
                self.close(symbol)


def walk(seed, symbol):
    """Return half a day of a market with leaps, an oracle beside it, and funding each hour."""
    random = Random(f"{seed} {symbol}")
    prices = [100.0]
    while len(prices) < 720:
        leap = random.choice([0.03, 0.1]) if random.random() < 0.01 else 0.005
        prices.append(round(max(20.0, prices[-1] * (1 + random.gauss(0, leap))), 3))
    times = [ns("00:00") + i * MINUTE for i in range(len(prices))]
    data = path(prices, symbol=symbol)
    data += points("index", [(t, round(p * 0.999, 3)) for t, p in zip(times, prices, strict=True)], symbol, VENUE)
    rates = [(times[i], random.choice([0.002, -0.002])) for i in range(60, 720, 60)]
    return data + funding(rates, symbol, VENUE, hours=1)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["cross", "isolated"])
@pytest.mark.parametrize("deposit", [2_000, 60_000])
def test_whatever_happens_money_is_conserved_and_nothing_is_left_that_the_venue_would_have_closed(mode, deposit):
    kinds = Counter()
    for seed in range(15):
        mine = owner(deposit, mode=mode, others=[OTHER], slippage=5)
        result = audited(walk(seed, COIN) + walk(seed, OTHER), Gambler(seed), mine)
        last = result.margin[result.margin["flags"] != "extreme"].groupby("symbol", dropna=False).tail(1)
        assert (last["ratio"] < 1).all()
        kinds.update(result.liquidations["what"])
    assert kinds["takeover"] > 0
    assert kinds["liquidation"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["cross", "isolated"])
def test_looking_at_every_account_after_every_event_changes_no_byte(mode):
    for seed in (11, 14):
        found = []
        for looks in (False, True):
            examiner = Examiner(looks)
            mine = owner(60_000, mode=mode, others=[OTHER], slippage=5)
            data = walk(seed, COIN) + walk(seed, OTHER)
            test = Backtest(data, [Gambler(seed), examiner], venues=[mine], on_ruin="continue")
            found.append(journal(test, examiner))
            assert (examiner.asked > 2_000) == looks
        assert found[0] == found[1]
        assert found[0]["liquidations"]
