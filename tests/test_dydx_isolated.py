"""Isolated markets of dYdX: their tier and default funding, a subaccount and an insurance fund of their own."""

from collections import Counter
from decimal import Decimal

import pytest
from engine_data import Script, account, amounts, balance, postings, run, totals
from test_bands import Examiner, journal
from test_dydx_runs import COIN, DYDX, OTHER, coin, forced, path, walk
from venue_storms import Drawn

import venues
from backtest import Backtest
from backtest.errors import ConfigError
from venues.errors import VenueError

COMMON, OWN = f"{DYDX} insurance_fund", f"{DYDX} insurance_fund {OTHER}"
SUB = f"{DYDX}/alone"


def rules(**fields):
    """Return dYdX with a market of its common pool (maintenance 3 %) and one that stands alone."""
    alone = venues.Instrument(OTHER, contract="linear", tick_size=0.001, lot_size=0.001, is_alone=True, **fields)
    return coin().with_instrument(alone)


def owners(deposit=1_000, **options):
    """Return two subaccounts."""
    chosen = {"leverage": 20} | options
    return (
        account(rules(), {"USDC": deposit}, **chosen),
        account(rules(), {"USDC": deposit}, account="alone", **chosen),
    )


def both(coin_path, alone_path, **traded):
    return path(coin_path, traded.get("coin")) + path(alone_path, traded.get("alone"), symbol=OTHER)


def audited(data, script, *accounts, **options):
    result = run(data, script, *accounts, reporting="USDC", **options)
    assert all(total == 0 for total in totals(result)[0].values())
    return result


def fund(result, name):
    return Decimal(totals(result)[1].get(("USDC", name), 0)) / 10**8


def buy(quantity, symbol=OTHER, place=SUB, when="00:00"):
    return (when, lambda s: s.buy(f"{symbol}@{place}", quantity=quantity))


# Facts


def test_a_market_that_stands_alone_has_the_isolated_tier():
    """5 % and 60 % of it; the initial rate rises from half a million to one (venues/dydx_v4.md, margin)."""
    known = rules()
    (tier,) = known.tiers(OTHER)
    assert (tier.maintenance_rate, tier.max_leverage) == (pytest.approx(0.03), 20)
    assert known.interest_caps(OTHER) == (0.5e6, 1e6)
    with pytest.raises(VenueError, match="no tiers of Q/USDC:USDC"):
        known.with_instrument(venues.Instrument("Q/USDC:USDC", contract="linear")).tiers("Q/USDC:USDC")
    own = [venues.Tier(floor=0, maintenance_rate=0.1, max_leverage=5)]
    assert rules(tiers=own).tiers(OTHER)[0].maintenance_rate == 0.1
    assert known.nearest_tiers("Q/USDC:USDC")


def test_its_funding_adds_a_default_to_the_premium_and_is_cut_to_12_percent():
    """0.01 % for 8 hours; bounds 6 x (5 % - 3 %) for 8 hours, an eighth of it each hour (funding)."""
    known = rules()
    assert known.funding_rate(premium=0.0, symbol=OTHER) == pytest.approx(0.0001 / 8)
    assert known.funding_rate(premium=[0.0008, 0.0004], symbol=OTHER) == pytest.approx(0.0007 / 8)
    assert known.funding_rate(premium=0.5, symbol=OTHER) == pytest.approx(0.12 / 8)
    assert known.funding_rate(premium=-0.5, symbol=OTHER) == pytest.approx(-0.12 / 8)
    assert known.funding_rate(premium=0.0, symbol="BTC/USDC:USDC") == 0.0


# Its own fund


def test_the_penalty_goes_to_its_own_fund():
    """100 at 92.7 with 270 of 278.1: of a slice of 10.787 the cap takes 14.999323, as in the common pool."""
    fallen = [100, 100, 92.7, 92.7, 92.7]
    result = audited(both([100] * 5, fallen), Script(buy(100)), *owners())
    assert amounts(result, "liquidation_fee", name=SUB) == [Decimal("-14.999323")]
    assert (fund(result, OWN), fund(result, COMMON)) == (Decimal("14.999323"), 0)


def test_below_zero_its_own_fund_pays_and_the_common_one_does_not():
    """Both at 89 with -100: bankruptcy at 90, sold at 88: each fund adds 2 a coin for its own market."""
    fallen, traded = [100, 100] + [89] * 40, [100, 100] + [88] * 40
    steps = [buy(100), buy(50, COIN, DYDX)]
    data = both([100, 100] + [89] * 40, fallen, coin=[100, 100] + [88] * 40, alone=traded)
    result = audited(data, Script(*steps), *owners(1_000))
    assert fund(result, OWN) == pytest.approx(Decimal(-200), abs=Decimal("0.001"))
    assert postings(result, "insurance", name=SUB) == -fund(result, OWN)
    # 50 at 89 with 450: sound all the time
    assert fund(result, COMMON) == 0
    assert result.liquidations["account"].unique().tolist() == [SUB]


def test_a_fund_of_its_own_that_is_empty_is_not_helped_by_the_common_one():
    """At 88 the fund would owe 22.47: with 10 of its own the fill is refused, however much the common fund has."""
    data = both([100] * 4, [100, 100, 89, 89], alone=[100, 100, 88, 88])
    for own, rows in (
        ({"USDC": 1_000, OTHER: 10}, [("takeover", 90.0, 100.0, 0, 100, "adl")]),
        ({"USDC": 1_000}, [("takeover", 90.0, 100.0, 0, 100, "adl")]),
    ):
        result = audited(data, Script(buy(100)), *owners(1_000, insurance_fund=own))
        assert forced(result) == rows
        # two accounts give to the funds of their venue
        assert fund(result, COMMON) == 2_000
        assert fund(result, OWN) == 2 * own.get(OTHER, 0)
        assert balance(result, "USDC", name=SUB) == 0


def test_with_enough_of_its_own_it_pays():
    data = both([100] * 4, [100, 100, 89, 89], alone=[100, 100, 88, 88])
    result = audited(data, Script(buy(100)), *owners(1_000, insurance_fund={OTHER: 20}))
    first = forced(result)[0]
    assert first == ("liquidation", 88.0, 11.235, 0, 22.47, "insurance_fund")
    assert fund(result, COMMON) == 0


def test_a_loss_of_an_own_order_below_zero_is_its_funds():
    """Bought at 100 with 100 for 20: an own order at 94 closes it for -120; 20 are missing."""
    data = both([100] * 5, [100, 100, 100, 100, 100], alone=[100, 94, 94, 94, 94])
    steps = [buy(20, when="00:00:10"), ("00:01:10", lambda s: s.close(f"{OTHER}@{SUB}"))]
    result = audited(data, Script(*steps), *owners(100))
    assert balance(result, "USDC", name=SUB) == 0
    assert fund(result, OWN) == -20
    assert fund(result, COMMON) == 0


def test_the_other_subaccount_is_left_alone():
    """Its money, its positions and its orders: a default is of one collateral pool."""
    calm, fallen = [100] * 42, [100, 100] + [80] * 40
    steps = [buy(100), buy(10, COIN, DYDX), ("00:00:20", lambda s: s.buy(f"{COIN}@{DYDX}", quantity=1, limit=90))]
    result = audited(both(calm, fallen), Script(*steps), *owners())
    assert balance(result, "USDC", name=SUB) == 0
    assert balance(result, "USDC", name=DYDX) == 1_000
    open_ones = result.positions[result.positions["is_open"]]
    assert open_ones["symbol"].tolist() == [COIN]
    assert result.orders["status"].tolist().count("working") == 1


def test_withdrawals_are_gated_while_an_account_of_the_pool_is_below_zero():
    """One subaccount of the common pool is at -100 until a minute without a buyer is over; the isolated one is free."""
    paths = both([100, 100, 89, 89, 89, 89], [100] * 6, coin=[100, 100, None, None, None, None])
    main, alone = owners()
    other = account(rules(), {"USDC": 1_000}, account="other", leverage=20)
    steps = [
        buy(100, COIN, DYDX),
        buy(1),
        ("00:02:20", lambda s: s.withdraw(f"{DYDX}/other", "USDC", 10)),
        ("00:02:20", lambda s: s.transfer("USDC", 10, source=f"{DYDX}/other", target=SUB)),
        ("00:02:20", lambda s: s.withdraw(SUB, "USDC", 10)),
        ("00:04:20", lambda s: s.withdraw(f"{DYDX}/other", "USDC", 20)),
    ]
    result = audited(paths, Script(*steps), main, alone, other, on_ruin="continue")
    assert amounts(result, "withdrawal", name=SUB) == [-10]
    assert amounts(result, "withdrawal", name=f"{DYDX}/other") == [-20]
    assert result.transfers[["status", "reason"]].values.tolist() == [["refused", "VENUE_UNAVAILABLE"]]
    (refused,) = [text for text in result.warnings if "refused" in text]
    assert "withdraw('USDC', 10) at dydx/other refused: VENUE_UNAVAILABLE" in refused


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({COIN: 5}, f"names '{COIN}', which has no fund of its own in this run; markets of dydx that have: {OTHER}"),
        ({"Q/USDC:USDC": 5}, "has no fund of its own"),
        ({"DOGE": 5}, "names 'DOGE', which is no asset of the run"),
    ],
)
def test_a_fund_that_does_not_exist_is_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        run(both([100] * 3, [100] * 3), Script(), *owners(insurance_fund=given), reporting="USDC")


def test_the_first_screen_names_the_fund_of_a_market():
    result = audited(both([100] * 3, [100] * 3), Script(), *owners(insurance_fund={"USDC": 7, OTHER: 5}))
    assert f"insurance fund 7 USDC, 5 of {OTHER}" in " ".join(str(result).split())


# Whatever happens


class Gambler(Drawn):
    """Takes random positions in both subaccounts."""

    def on_timer(self, timer):
        address = self.random.choice([f"{COIN}@{DYDX}", f"{OTHER}@{SUB}", f"{OTHER}@{DYDX}"])
        if self.random.random() < 0.8:
            self.target(address, leverage=self.random.uniform(-15, 15))
        else:
            self.close(address)


def gamble(seed, *more, limited=False):
    funds = {"USDC": 20, OTHER: 10} if limited else None
    accounts = owners(2_000, fees=(0, 0.0005), slippage=2, insurance_fund=funds)
    return Backtest(
        walk(seed, COIN) + walk(seed, OTHER), [Gambler(seed), *more], venues=list(accounts), on_ruin="continue",
        seed=seed,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("limited", [False, True])
def test_whatever_happens_money_is_conserved_and_each_fund_bears_its_own_market(limited):
    kinds = Counter()
    for seed in range(15):
        result = gamble(seed, limited=limited).run()
        assert all(total == 0 for total in totals(result)[0].values())
        assert result.margin[result.margin["flags"] != "extreme"]["ratio"].iloc[-1] <= 1
        ledger = result.ledger[result.ledger["kind"].isin(["liquidation_fee", "insurance"])]
        for symbol, name in ((COIN, COMMON), (OTHER, OWN)):
            rows = ledger[ledger["symbol"] == symbol]
            assert set(rows["contra"]) <= {name}
            kinds[name] += len(rows)
        if limited:
            assert fund(result, OWN) >= 0
            assert fund(result, COMMON) >= 0
    assert min(kinds.values()) > 40


@pytest.mark.parametrize("seed", [3, 4])
def test_bands_decide_like_full_looks_in_both_subaccounts(seed):
    found = []
    for looks in (False, True):
        examiner = Examiner(looks)
        found.append(journal(gamble(seed, examiner), examiner))
        assert (examiner.asked > 1_000) == looks
    assert found[0] == found[1]
