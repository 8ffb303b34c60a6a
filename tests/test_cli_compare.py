"""`levdyn compare`: the same run in several accounts, what it prints and writes, what it refuses."""

import pytest

from backtest import Result

CONFIG = """
[data]
sample = { days = 2, trades_per_day = 500, symbols = ["BTC/USDT:USDT"] }

[strategy]
class = "backtest.demo:BuyAndHold"
parameters = { leverage = 3 }

[venue]
name = "binance_usdm"
balances = { USDT = 10_000 }
leverage = { "BTC/USDT:USDT" = 5 }
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "both.toml"
    path.write_text(CONFIG)
    return path


def test_venues_and_modes_stand_side_by_side(levdyn, config):
    done = levdyn("compare", config, "--venues", "binance_usdm,bybit", "--margin-modes", "cross,isolated")
    assert done.code == 0, done.err
    head = next(line for line in done.out.splitlines() if "bybit cross" in line)
    assert [head.index(name) for name in ("binance_usdm cross", "binance_usdm isolated", "bybit isolated")]
    for said in ("equity at the end", "forced closes", "nearest to liquidation", "capital"):
        assert said.split()[0] in done.out
    assert "bybit: BTC/USDT:USDT reads trades, mark, index, premium, funding" in done.out
    assert "nothing is written without --out" in done.out


def test_figures_are_those_of_levdyn_run(levdyn, config, tmp_path):
    done = levdyn("compare", config, "--venues", "bybit,binance_usdm", "--json", "--out", tmp_path / "out")
    alone = levdyn("run", config, "--json")
    assert done.code == alone.code == 0
    for name in ("end_equity", "funding", "fees", "min_distance"):
        assert done.json["comparison"]["binance_usdm"][name] == alone.json["summary"][name]
    assert done.json["comparison"]["bybit"]["fees"] < alone.json["summary"]["fees"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "binance_usdm", "bybit", "comparison.csv", "comparison.html",
    ]  # fmt: skip
    assert levdyn("compare", config, "--venues", "bybit", "--out", tmp_path / "out").code == 0
    saved = Result.load(tmp_path / "out" / "bybit")
    assert saved.config["venues"][0]["leverage"] == {"BTC/USDT:USDT": 5}


def test_balances_follow_the_settle_asset(levdyn, config):
    done = levdyn(
        "compare", config, "--venues", "bybit", "--symbol", "bybit:BTC/USDT:USDT=BTC/USDC:USDC",
        "--set", "venue.missing_tiers=nearest",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "bybit: 10,000 USDC in place of USDT" in done.out
    assert "BTC/USDC:USDC reads trades" in done.out


def test_an_instrument_may_be_of_a_venue_that_is_compared(levdyn, config):
    row = """
[[instrument]]
symbol = "BTC/USDT:USDT"
venue = "bybit"
contract = "linear"
tick_size = 0.1
lot_size = 1.0
tiers = [{ floor = 0, maintenance_rate = 0.1, max_leverage = 5 }]
"""
    config.write_text(CONFIG + row)
    done = levdyn("compare", config, "--venues", "binance_usdm,bybit", "--json")
    assert done.code == 0, done.err
    assert done.json["comparison"]["bybit"]["capital"] == 0.0  # no lot of 1 BTC for 30,000 USDT
    assert done.json["comparison"]["binance_usdm"]["capital"] > 0.0
    assert "is no venue of the run" in levdyn("run", config).err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--venues", ""], "--venues is empty"),
        (["--venues", "bybit,bybit"], "bybit is named twice"),
        (["--venues", "bybitt,okxx"], "no venue 'bybitt'"),
        (["--venues", "binance_coinm"], "lists no linear contract that is BTC/USDT:USDT"),
        (["--venues", "bybit", "--margin-modes", "crossed"], "did you mean 'cross'"),
        (["--venues", "bybit", "--symbol", "bybit"], "--symbol takes VENUE:OLD=NEW"),
        (["--venues", "bybit", "--symbol", "okx:BTC/USDT:USDT=BTC/USDC:USDC"], "symbols names 'okx'"),
        (["--venues", "bybit", "--symbol", "bybit:ETH/USDT:USDT=BTC/USDC:USDC"], "'ETH/USDT:USDT', which is not in"),
        (["--venues", "bybit", "--out", "."], "is not a comparison of levdyn"),
    ],
)
def test_what_cannot_be_compared_ends_with_2_and_writes_nothing(levdyn, config, tmp_path, words, message):
    before = sorted(tmp_path.iterdir())
    done = levdyn("compare", config, *words)
    assert done.code == 2
    assert message in " ".join(done.err.split())
    assert sorted(tmp_path.iterdir()) == before


def test_unknown_venues_are_all_named(levdyn, config):
    said = levdyn("compare", config, "--venues", "bybitt,okxx,bybit").err
    assert "'bybitt'" in said
    assert "'okxx'" in said


def test_a_configuration_without_an_account_with_margin_has_nothing_to_exchange(levdyn, config):
    config.write_text(CONFIG.replace("binance_usdm", "binance_spot").replace('leverage = { "BTC/USDT:USDT" = 5 }', ""))
    assert "exchanges the one account with margin of a configuration; this one has none" in " ".join(
        levdyn("compare", config, "--venues", "bybit").err.split()
    )


SCENARIO = """
[[scenario]]
what = "gap_price"
symbol = "BTC/USDT:USDT"
at = 2024-11-02T12:00:00Z
by = -0.1
"""


def test_a_scenario_is_carried_out_once(levdyn, config):
    config.write_text(CONFIG + SCENARIO)
    done = levdyn("compare", config, "--venues", "binance_usdm", "--json")
    alone = levdyn("run", config, "--json")
    assert done.code == alone.code == 0, done.err
    assert done.json["comparison"]["binance_usdm"]["end_equity"] == alone.json["summary"]["end_equity"]


@pytest.mark.parametrize(
    "more",
    [
        '[[scenario]]\nwhat = "lag_engine"\nvenue = "binance_usdm"\ndelay = "1s"\n',
        '[population]\npositions = "positions.csv"\n',
    ],
)
def test_what_is_of_one_venue_cannot_be_compared(levdyn, config, more):
    (config.parent / "positions.csv").write_text("side,quantity,entry,collateral,mmr\n1,1,50000,5000,0.004\n")
    config.write_text(CONFIG + more)
    done = levdyn("compare", config, "--venues", "bybit")
    assert done.code == 2
    assert "is of one venue only; leave it out" in " ".join(done.err.split())


SEVERAL = """
[data]
sample = { days = 2, trades_per_day = 500, symbols = ["ETH/USDT:USDT"] }

[strategy]
class = "backtest.demo:BuyAndHold"
parameters = { symbol = "ETH/USDT:USDT", leverage = 2 }

[venue]
name = "binance_usdm"
collateral = "multi"
balances = { BTC = 0.1, USDT = 500 }
missing_tiers = [{ floor = 0, maintenance_rate = 0.005, max_leverage = 50 }]
collateral_ratios = { BTC = [[0, 0.95], [20, 0.9]], USDT = 1.0 }

[run]
prices = { BTC = 60_000, USDT = 1 }
"""


def test_accounts_of_several_coins_stand_side_by_side(levdyn, config):
    config.write_text(SEVERAL)
    done = levdyn("compare", config, "--venues", "binance_usdm,bybit,okx", "--json")
    assert done.code == 0, done.err
    found = done.json["comparison"]
    assert set(found) == {"binance_usdm", "bybit", "okx"}
    for row in found.values():
        assert row["reporting"] == "USD"
        assert row["max_leverage"] > 1.5
    # the same losses are owed by all; the fee to close and what a debt asks for differ
    assert found["binance_usdm"]["max_margin_ratio"] < found["okx"]["max_margin_ratio"]
    alone = levdyn("run", config, "--json")
    assert alone.code == 0, alone.err
    assert alone.json["summary"]["end_equity"] == found["binance_usdm"]["end_equity"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("BTC = [[0, 0.95], [20, 0.9]]", "BTC = [[0, 0.5], [20, 0.9]]", "ratios of collateral must not grow"),
        ('collateral = "multi"', 'collateral = "multi"\nauto_borrow = 3', "auto_borrow"),
        ('collateral = "multi"', "auto_borrow = false", "auto_borrow=False has no effect"),
        (
            "[run]",
            "[venue.loan_tiers]\nUSDT = [{ floor = 0, maintenance_rate = 0.1, max_leverage = 5, amount = 1 }]\n[run]",
            "leave amount= of their tiers out",
        ),
        ("[run]", "[venue.loan_tiers]\nUSDT = [{ flor = 0 }]\n[run]", "flor"),
    ],
)
def test_what_is_wrong_with_several_coins_is_said(levdyn, config, old, new, message):
    config.write_text(SEVERAL.replace('"binance_usdm"', '"okx"').replace(old, new))
    done = levdyn("run", config)
    assert done.code == 2
    assert message in " ".join(done.err.split())
