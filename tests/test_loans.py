"""Loans that a strategy asks for, and what debts ask for: margin, interest, repayment, liquidation."""

from collections import Counter
from decimal import Decimal
from random import Random

import pytest
from engine_data import (
    CASH,
    MINUTE,
    USER_COIN,
    Notes,
    Script,
    account,
    amounts,
    balance,
    constant,
    frame,
    marks,
    ns,
    points,
    postings,
    run,
    totals,
    trades,
    user_coin,
)
from test_bands import Examiner, journal

import feeds
import venues
from backtest import Backtest, Result, Strategy
from backtest.errors import OrderError
from venues.instrument import Tier

LENDERS = ("bybit", "okx")
# what 1 USDT of debt asks for at each: initial, maintenance
RATES = {"bybit": (0.2, 0.04), "okx": (0.1, 0.03)}
COUNTS = 0.98  # of a bitcoin, at both


def market(venue, bitcoin, coin=None, minutes=None):
    """Return a coin at 100 (or a path), and the dollar price of bitcoin, a minute apart."""
    path = coin or [100] * len(bitcoin)
    times = [ns("00:00") + i * MINUTE for i in range(len(bitcoin))]
    data = marks(list(zip(times, path, strict=True)), USER_COIN, venue)
    data += trades([(t + MINUTE // 2, p, 1e6) for t, p in zip(times, path, strict=True)], USER_COIN, venue)
    data += points("index", list(zip(times, bitcoin, strict=True)), "BTC/USD", venue)
    return data + points("index", [(times[0], 1)], "USDT/USD", venue)


def lender(venue, **options):
    balances = {name: x for name, x in options.items() if name in ("USDT", "BTC")}
    chosen = {name: x for name, x in options.items() if name not in balances}
    known = venues.get(venue).with_collateral("BTC", [(0, COUNTS)])
    tier = [Tier(floor=0, maintenance_rate=0.01, max_leverage=50, amount=0)]
    rules = user_coin(rules=known, tiers=tier, clearance_fee=None)
    return account(rules, balances, collateral="multi", **({"leverage": 10} | chosen))


def audited(data, script, *accounts, **options):
    result = run(data, script, *accounts, reporting="USD", **options)
    assert all(total == 0 for total in totals(result)[0].values())
    assert result.findings == []
    return result


def rates(venue, rate, asset="USDT"):
    made = frame([("00:00", rate)], "rate")
    made["asset"] = asset
    made["interval_hours"] = 1
    return feeds.from_pandas(made, kind="borrow_rates", venue=venue, symbol=f"{asset}/USD")


def borrow(amount, when="00:01", asset="USDT"):
    return (when, lambda s: s.borrow(asset, amount))


def repay(amount, when, asset="USDT"):
    return (when, lambda s: s.repay(asset, amount))


def note(seen, venue, when):
    """Return a step that notes (equity, USDT balance, owed, withdrawable, free) of the account."""

    def look(strategy):
        own = strategy.account(venue)
        seen.append(
            (own.equity, own.balance("USDT"), own.owed("USDT"), own.withdrawable("USDT"), round(own.free("USDT"), 6))
        )

    return (when, look)


# The verbs


@pytest.mark.parametrize("venue", LENDERS)
def test_a_loan_changes_no_equity_and_may_leave_with_its_margin_kept(venue):
    """1 BTC at 10,000; 4,000 USDT: they may leave; their initial margin is no longer free for orders."""
    seen = Notes()
    script = Script(note(seen, venue, "00:00:50"), borrow(4_000), note(seen, venue, "00:01:30"))
    result = audited(market(venue, [10_000] * 4), script, lender(venue, BTC=1))
    (before, after) = seen
    assert before == (10_000, 0, 0, 0, before[4])
    assert after[:4] == (10_000, 0, 4_000, 4_000)
    assert after[4] == pytest.approx(9_800 - RATES[venue][0] * 4_000)
    assert amounts(result, "borrow", name=venue) == [4_000]
    assert amounts(result, "debt", name=venue) == [-4_000]
    assert result.equity["equity"].iloc[-1] == 10_000
    assert result.attribution()["interest"].sum() == 0


@pytest.mark.parametrize("venue", LENDERS)
def test_the_margin_of_a_loan_stands_without_a_position_and_grows_with_the_debt(venue):
    maintenance = RATES[venue][1]
    steps = [borrow(4_000), ("00:02", lambda s: s.withdraw(venue, "USDT", 4_000))]
    seen = Notes()
    look = ("00:03", lambda s: seen.append((s.account(venue).margin_ratio, s.account(venue).maintenance)))
    audited(market(venue, [10_000] * 5), Script(*steps, look), lender(venue, BTC=1))
    ((ratio, asked),) = seen
    assert asked == pytest.approx(maintenance * 4_000)
    assert ratio == pytest.approx(maintenance * 4_000 / (9_800 - 4_000))


@pytest.mark.parametrize("venue", LENDERS)
def test_no_more_is_lent_than_there_is_margin_for(venue):
    """With 9,800 of margin: exactly 9,800 / initial rate, and not a dollar more."""
    most = round(9_800 / RATES[venue][0])
    for amount, is_lent in ((most, True), (most + 1, False)):
        result = audited(market(venue, [10_000] * 4), Script(borrow(amount)), lender(venue, BTC=1))
        assert bool(amounts(result, "borrow", name=venue)) == is_lent
        refused = [text for text in result.warnings if "refused: INSUFFICIENT_MARGIN" in text]
        assert bool(refused) != is_lent
        if refused:
            assert f"borrow('USDT', {most + 1}) at {venue}" in refused[0]


@pytest.mark.parametrize("venue", LENDERS)
def test_a_loan_costs_interest_each_hour_until_it_is_repaid(venue):
    """0.1 % an hour of 1,000, rounded up; repaid in the third hour, what was charged stays owed and costs on."""
    steps = [borrow(1_000), repay("all", "02:30")]
    bitcoin = [10_000] * 240
    result = audited(market(venue, bitcoin) + rates(venue, 0.001), Script(*steps), lender(venue, BTC=1))
    first, second, third = amounts(result, "interest", name=venue)
    assert (first, second) == (-1, -1)
    # the balance pays the interest: of 1,000 there are 998 left to repay with, 2 are owed by the balance
    assert amounts(result, "repay", name=venue) == [-998]
    assert third == -Decimal("0.002")
    assert balance(result, name=venue) == -Decimal("2.002")


def test_interest_is_of_the_debt_once_it_exceeds_the_loan():
    """1,000 borrowed and withdrawn, 500 more lost: 1,500 are owed."""
    steps = [
        borrow(1_000),
        ("00:02", lambda s: s.withdraw("bybit", "USDT", 1_000)),
        ("00:03", lambda s: s.buy(USER_COIN, quantity=50)),
        ("00:06", lambda s: s.close(USER_COIN)),
    ]
    coin = [100] * 5 + [90] * 85
    data = market("bybit", [10_000] * 90, coin) + rates("bybit", 0.001)
    result = audited(data, Script(*steps), lender("bybit", BTC=1))
    assert amounts(result, "interest", name="bybit") == [Decimal("-1.5")]


@pytest.mark.parametrize("venue", LENDERS)
def test_more_than_was_borrowed_cannot_be_repaid_and_the_refusal_says_how_much_can(venue):
    seen = Notes()
    steps = [
        borrow(1_000), repay(1_500, "00:02"), repay(400, "00:03"), note(seen, venue, "00:04"),
        repay("all", "00:05"), note(seen, venue, "00:06"), repay("all", "00:07"),
    ]  # fmt: skip
    result = audited(market(venue, [10_000] * 10), Script(*steps), lender(venue, BTC=1, USDT=50))
    more, none = [text for text in result.warnings if "refused" in text]
    assert f"repay('USDT', 1500) at {venue} refused: MORE_THAN_BORROWED, 1000 USDT borrowed" in more
    assert "repay('USDT', 'all')" in none
    assert "0 USDT borrowed" in none
    assert amounts(result, "repay", name=venue) == [-400, -600]
    assert amounts(result, "debt", name=venue) == [-1_000, 400, 600]
    assert [row[1:3] for row in seen] == [(50, 600), (50, 0)]


def test_what_has_left_cannot_be_repaid_from():
    steps = [
        borrow(1_000),
        ("00:02", lambda s: s.withdraw("bybit", "USDT", 800)),
        repay(300, "00:03"),
        repay(200, "00:04"),
    ]
    result = audited(market("bybit", [10_000] * 10), Script(*steps), lender("bybit", BTC=1))
    (refused,) = [text for text in result.warnings if "refused" in text]
    assert "INSUFFICIENT_BALANCE, 1000 USDT borrowed, 200 of it can be paid back" in refused
    assert postings(result, "debt", name="bybit") == -800


@pytest.mark.parametrize("venue", LENDERS)
def test_borrowed_money_is_converted_and_comes_back_as_the_other_coin(venue):
    """4,000 USDT borrowed buy 0.4 BTC at the index without costs: 1.4 BTC at 0.98 and 4,000 owed."""
    steps = [borrow(4_000), ("00:02", lambda s: s.convert(venue, "USDT", "BTC", 4_000))]
    result = audited(market(venue, [10_000] * 5), Script(*steps), lender(venue, BTC=1))
    assert balance(result, "BTC", name=venue) == Decimal("1.4")
    assert balance(result, name=venue) == -4_000
    assert result.equity["equity"].iloc[-1] == pytest.approx(10_000)


@pytest.mark.parametrize("venue", LENDERS)
def test_a_loan_can_cause_the_liquidation_and_is_repaid_by_it(venue):
    """6,000 owed: sound while 0.98 x price exceeds 6,000 and its maintenance; then BTC is sold at the index.

    At OKX all of it is repaid; at Bybit as much as brings maintenance to 85 % of equity.
    """
    edge = 6_000 * (1 + RATES[venue][1]) / COUNTS
    steps = [borrow(6_000), ("00:01:30", lambda s: s.withdraw(venue, "USDT", 6_000))]
    for price, is_sold in ((round(edge + 1, 2), False), (round(edge - 1, 2), True)):
        result = audited(market(venue, [10_000, 10_000, 10_000, price, price]), Script(*steps), lender(venue, BTC=1))
        assert bool(amounts(result, "conversion", name=venue)) == is_sold
        if is_sold:
            sold, received = amounts(result, "conversion", name=venue)
            paid = 6_000.0
            if venue == "bybit":
                paid = (240 - 0.85 * (COUNTS * price - 6_000)) / (0.04 + 0.85 * (1 - COUNTS))
            assert float(received) == pytest.approx(paid, abs=0.001)
            assert float(-sold) == pytest.approx(paid / price, abs=1e-7)
            assert balance(result, name=venue) == received - 6_000
            assert amounts(result, "repay", name=venue) == [-received]


@pytest.mark.parametrize("venue", LENDERS)
def test_what_a_debtor_cannot_pay_is_the_funds_loss(venue):
    steps = [borrow(6_000), ("00:01:30", lambda s: s.withdraw(venue, "USDT", 6_000))]
    result = audited(market(venue, [10_000, 10_000, 10_000, 5_000, 5_000]), Script(*steps), lender(venue, BTC=1))
    assert postings(result, "insurance", name=venue) == 1_000
    assert balance(result, name=venue) == balance(result, "BTC", name=venue) == 0
    assert postings(result, "debt", name=venue) == 0


def test_a_small_position_is_not_taken_over_for_a_large_debt():
    """8,800 owed and one coin of 10 US dollars at OKX: BTC is sold for the debt, the position stays."""
    steps = [
        borrow(8_800),
        ("00:01:10", lambda s: s.withdraw("okx", "USDT", 8_800)),
        ("00:01:20", lambda s: s.buy(USER_COIN, quantity=0.1)),
    ]
    data = market("okx", [10_000, 10_000, 10_000, 9_240, 9_240, 9_240])
    result = audited(data, Script(*steps), lender("okx", BTC=1))
    assert result.liquidations.empty
    sold, received = amounts(result, "conversion", name="okx")
    assert received == 8_800
    assert float(-sold) == pytest.approx(8_800 / 9_240, abs=1e-8)
    assert result.positions["is_open"].all()


@pytest.mark.parametrize("venue", LENDERS)
def test_an_account_in_debt_without_a_position_has_samples_of_its_margin(venue):
    steps = [borrow(4_000), ("00:02", lambda s: s.withdraw(venue, "USDT", 4_000))]
    result = audited(market(venue, [10_000] * 6), Script(*steps), lender(venue, BTC=1))
    last = result.margin[result.margin["flags"] == "periodic"].iloc[-1]
    initial, maintenance = RATES[venue]
    found = (last["equity"], last["initial"], last["maintenance"])
    assert found == pytest.approx((9_800 - 4_000, initial * 4_000, maintenance * 4_000))
    assert result.summary["max_margin_ratio"] == pytest.approx(maintenance * 4_000 / 5_800)


def test_while_an_account_is_liquidated_it_borrows_nothing():
    """350 coins down the tiers: an order waits for its trade, and a loan is refused."""
    rules = user_coin(
        rules="okx", clearance_fee=None, lot_size=1, contract_size=0.1,
        tiers=[Tier(floor=f, maintenance_rate=r, max_leverage=m, amount=0)
               for f, r, m in ((0, 0.01, 50), (1_000, 0.02, 25), (2_000, 0.03, 16), (3_000, 0.04, 12.5))],
    )  # fmt: skip
    own = account(rules, {"BTC": 1}, collateral="multi", leverage=12)
    path = marks([("00:00", 100), ("00:02", 94), ("00:03", 94)], USER_COIN, "okx")
    path += trades([("00:00:30", 100, 1e6), ("00:03:30", 94, 1e6)], USER_COIN, "okx")
    path += points("index", [("00:00", 3_500)], "BTC/USD", "okx") + points("index", [("00:00", 1)], "USDT/USD", "okx")
    steps = [("00:00", lambda s: s.buy(USER_COIN, quantity=3_500)), borrow(1, when="00:02:30")]
    result = audited(path, Script(*steps), own)
    assert [text for text in result.warnings if "refused: IN_LIQUIDATION" in text]


# Who lends


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (lambda: account(), "binance_usdm lends nothing: other assets cover a balance below zero"),
        (lambda: account(balances={"USDT": 1}, collateral="multi"), "binance_usdm lends nothing"),
        (lambda: account("bybit", {"USDT": 1}), r"bybit lends against all assets together: give Venue\(..., "),
        (lambda: account("okx", {"USDT": 1}, missing_tiers=[Tier(floor=0, maintenance_rate=0.01, max_leverage=9)]),
         "okx lends against all assets together"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["borrow", "repay"])
def test_an_account_that_has_no_loans_says_why(own, message, verb):
    made = own()
    data = constant(100, start="00:00", end="00:03", venue=made.name)
    data += points("index", [("00:00", 1)], "USDT/USD", made.name)
    with pytest.raises(OrderError, match=message):
        run(data, Script(("00:01", lambda s: getattr(s, verb)("USDT", 1))), made)


def test_a_spot_account_lends_nothing():
    data = trades([("00:00", 100, 1), ("00:03", 100, 1)], "BTC/USDT", CASH)
    with pytest.raises(OrderError, match="binance_spot lends nothing; bybit and okx lend"):
        run(data, Script(borrow(1)), account(CASH))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (borrow(0), "amount must be positive, got 0"),
        (borrow(-1), "amount must be positive, got -1"),
        (repay(-1, "00:01"), "amount must be positive or 'all', got -1"),
        (borrow(1, asset="DOGE"), "asset 'DOGE' is unknown; the run has BTC"),
        (("00:01", lambda s: s.borrow("USDT", 1, account="okx")), "account 'okx' is unknown"),
    ],
)
def test_what_makes_no_sense_is_an_error(step, message):
    with pytest.raises(OrderError, match=message):
        run(market("bybit", [10_000] * 4), Script(step), lender("bybit", BTC=1), reporting="USD")


def test_with_several_lenders_the_account_is_named():
    two = [lender("bybit", BTC=1), lender("bybit", BTC=1, account="other")]
    with pytest.raises(OrderError, match=r"needs account= one of bybit, bybit/other"):
        run(market("bybit", [10_000] * 4), Script(borrow(1)), *two, reporting="USD")
    named = Script(("00:01", lambda s: s.borrow("USDT", 10, account="bybit/other")))
    result = audited(market("bybit", [10_000] * 4), named, *two)
    assert amounts(result, "borrow", name="bybit/other") == [10]


# Whatever happens


class Borrower(Strategy):
    """Borrows, repays, withdraws, deposits, converts and trades at random."""

    def __init__(self, seed: int, venue: str) -> None:
        super().__init__()
        self.seed, self.venue = seed, venue

    def on_start(self):
        self.random = Random(self.seed)
        self.every("2m", name="act")

    def on_timer(self, timer):
        asset = self.random.choice(["USDT", "BTC"])
        size = self.random.choice([1.0, 0.2]) * (3_000 if asset == "USDT" else 0.3)
        act = self.random.randrange(7)
        if act < 2:
            self.borrow(asset, size)
        elif act == 2:
            self.repay(asset, self.random.choice([size, "all"]))
        elif act == 3:
            self.withdraw(self.venue, asset, size / 3)
        elif act == 4:
            self.convert(self.venue, *self.random.choice([("USDT", "BTC", 500), ("BTC", "USDT", 0.05)]))
        else:
            self.target(USER_COIN, leverage=self.random.uniform(-6, 6))


def storm(venue, seed):
    """Return market and account of a borrower."""
    random = Random(f"{venue} {seed}")
    paths = {}
    for name, start in (("bitcoin", 10_000), ("coin", 100)):
        prices = [float(start)]
        while len(prices) < 300:
            leap = random.choice([0.05, 0.15]) if random.random() < 0.02 else 0.004
            prices.append(round(max(start / 5, prices[-1] * (1 + random.gauss(0, leap))), 3))
        paths[name] = prices
    data = market(venue, paths["bitcoin"], paths["coin"]) + rates(venue, 0.001) + rates(venue, 0.002, "BTC")
    return data, lender(venue, BTC=1, USDT=500, slippage=5, fees=(0, 0.0005))


def stormed(venue, seed) -> Result:
    """Return a run in which loans and what is owed for them sum to zero and nobody ends below zero."""
    data, own = storm(venue, seed)
    test = Backtest(data, Borrower(seed, venue), venues=[own], reporting="USD", on_ruin="continue")
    result = test.run()
    assert all(total == 0 for total in totals(result)[0].values())
    assert result.findings == []
    for asset in ("USDT", "BTC"):
        borrowed, repaid, owed = (
            postings(result, kind, asset=asset, name=venue) for kind in ("borrow", "repay", "debt")
        )
        assert borrowed >= -repaid
        assert borrowed + repaid + owed == 0
    assert result.equity["equity"].iloc[-1] >= -1e-6
    return result


@pytest.mark.parametrize("venue", LENDERS)
def test_loans_sum_to_zero_and_nobody_ends_below_it(venue):
    kinds = Counter()
    for seed in range(4):
        kinds.update(stormed(venue, seed).ledger["kind"])
    assert min(kinds[name] for name in ("borrow", "repay", "interest", "conversion")) > 0


@pytest.mark.slow
@pytest.mark.parametrize("venue", LENDERS)
def test_loans_sum_to_zero_in_many_storms(venue):
    kinds = Counter()
    for seed in range(4, 40):
        result = stormed(venue, seed)
        kinds.update(result.ledger["kind"])
        kinds.update(result.liquidations["what"])
    assert min(kinds[name] for name in ("borrow", "repay", "interest", "conversion", "insurance")) > 0


@pytest.mark.parametrize("venue", LENDERS)
@pytest.mark.parametrize("seed", [1, 2])
def test_bands_decide_like_full_looks_with_loans(venue, seed):
    found = []
    for looks in (False, True):
        examiner = Examiner(looks)
        data, own = storm(venue, seed)
        test = Backtest(data, [Borrower(seed, venue), examiner], venues=[own], reporting="USD", on_ruin="continue")
        found.append(journal(test, examiner))
        assert (examiner.asked > 100) == looks
    assert found[0] == found[1]
