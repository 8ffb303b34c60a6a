"""`levdyn margin`, `venues` and `replay`: what they print."""

from pathlib import Path

import pytest

import venues

# ---------------------------------------------------------------- margin, venues


def test_margin_gives_the_figures_of_the_calculator(levdyn) -> None:
    words = ["margin", "binance_usdm", "--as-of", "2024-10-24", "--balance", "USDT=10000", "--mark", "58000"]
    done = levdyn(*words, "--position", "BTC/USDT:USDT 1@60000 20x", "--json")
    account = venues.Account(
        venues.get("binance_usdm", as_of="2024-10-24"),
        balances={"USDT": 10_000},
        positions=[venues.Position("BTC/USDT:USDT", quantity=1, entry_price=60_000, leverage=20)],
    )
    risk = account.risk(marks={"BTC/USDT:USDT": 58_000})
    assert done.code == 0
    assert done.json["equity"] == risk.equity
    position = done.json["positions"]["BTC/USDT:USDT"]
    assert position["liquidation_price"] == risk.positions["BTC/USDT:USDT"].liquidation_price
    assert position["initial_margin"] == 2_900


def test_margin_prints_a_table_that_fits_and_the_end_of_a_position(levdyn) -> None:
    words = ["margin", "binance_usdm", "--balance", "USDT=10000", "--position", "BTC/USDT:USDT 1@60000"]
    safe = levdyn(*words, "--mark", "58000")
    assert "50,201.01" in safe.out
    assert "FORCED CLOSE" not in safe.out
    lost = levdyn(*words, "--mark", "BTC/USDT:USDT=50100")
    assert "FORCED CLOSE of BTC/USDT:USDT" in lost.out
    assert "reduce" in lost.out
    assert max(map(len, (safe.out + lost.out).splitlines())) <= 80


def test_margin_of_an_inverse_short_that_is_fully_covered_has_no_liquidation_price(levdyn) -> None:
    position = "BTC/USD:BTC -600@60000"
    done = levdyn("margin", "binance_coinm", "--balance", "BTC=1", "--mark", "60000", "--position", position, "--json")
    assert done.json["positions"]["BTC/USD:BTC"]["liquidation_price"] is None


def test_margin_of_isolated_and_hedged_positions(levdyn) -> None:
    isolated = "ETH/USDT:USDT -5@2500 10x isolated wallet=1300"
    done = levdyn("margin", "binance_usdm", "--mark", "2600", "--position", isolated, "--json")
    assert done.json["positions"]["ETH/USDT:USDT"]["initial_margin"] == 1300
    legs = ["--position", "BTC/USDT:USDT 1@60000 long", "--position", "BTC/USDT:USDT -1@61000 short"]
    words = ["margin", "binance_usdm", "--position-mode", "hedge", "--balance", "USDT=9000", "--mark", "60000"]
    hedged = levdyn(*words, *legs, "--json").json
    assert {*hedged["positions"]} == {"BTC/USDT:USDT long", "BTC/USDT:USDT short"}
    assert hedged["unrealized_pnl"] == 1000


def test_margin_takes_tiers_of_the_user(levdyn) -> None:
    words = ["margin", "binance_usdm", "--balance", "USDT=100", "--mark", "1", "--position", "NEW/USDT:USDT 1000@1"]
    refused = levdyn(*words)
    assert refused.code == 2
    assert "--missing-tiers nearest" in refused.err
    own = levdyn(*words, "--tier", "0,0.01,50", "--tier", "5000,0.05,10", "--json").json
    assert own["maintenance_margin"] == pytest.approx(10)
    assert levdyn(*words, "--missing-tiers", "nearest", "--json").json["maintenance_margin"] > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--position", "BTC/USDT:USDT"], "quantity and entry are missing"),
        (["--position", "BTC/USDT:USDT what"], "'what' is not understood"),
        (["--position", "BTC/USDT:USDT 1@60000 walet=3"], "'walet' is unknown"),
        (["--position", "BTC/USDT:USDT x@60000"], "must be a number, got 'x'"),
        (["--position", "BTC/USDT:USDT 1@60000", "--mark", "BTC/USDT=1"], "did you mean 'BTC/USDT:USDT'"),
        (["--position", "BTC/USDT:USDT 1@60000", "--balance", "USDT"], "--balance takes NAME=VALUE"),
        (["--position", "BTC/USDT:USDT 1@60000", "--position", "ETH/USDT:USDT 1@2000"], "there are 2 symbols"),
        (["--position", "BTC/USDT:USDT 1@60000", "--tier", "1"], "--tier 1: write FLOOR,RATE,MAX_LEVERAGE"),
        (["--position", "BTC/USDT:USDT 1@60000", "--missing-tiers", "near"], "did you mean 'nearest'"),
    ],
)
def test_margin_says_what_it_does_not_understand(levdyn, words: list[str], message: str) -> None:
    done = levdyn("margin", "binance_usdm", "--mark", "60000", *words)
    assert done.code == 2
    assert message in " ".join(done.err.split())


def test_venues_are_listed(levdyn) -> None:
    done = levdyn("venues")
    assert done.code == 0
    assert all(name in done.out for name in venues.names())
    assert {row["venue"] for row in levdyn("venues", "--json").json} == set(venues.names())


@pytest.mark.parametrize("name", venues.names())
def test_rules_of_a_venue_come_with_sources_dates_and_marks(levdyn, name: str) -> None:
    shown = levdyn("venues", name)
    assert shown.code == 0
    assert max(map(len, shown.out.splitlines())) <= 80
    found = levdyn("venues", name, "--history", "--json").json
    assert all(row["source"] in found["sources"] for row in found["rules"])
    unsure = [row for row in found["rules"] if not row["verified"]]
    assert len(unsure) == len(venues.get(name).unverified)
    assert any(row["since"] is not None for row in found["rules"]) or name != "binance_usdm"


def test_rules_as_of_a_date_are_those_in_force_then(levdyn) -> None:
    def taker(*words: str) -> str:
        rules = levdyn("venues", "binance_usdm", *words, "--json").json["rules"]
        return next(row["value"] for row in rules if row["rule"] == "fees regular")

    assert "taker 0.0400%" in taker("--as-of", "2023-06-01")
    assert "taker 0.0500%" in taker("--as-of", "2025-06-01")


def test_tiers_of_a_symbol_are_those_of_the_date(levdyn) -> None:
    def tiers(date: str) -> list[dict]:
        return levdyn("venues", "binance_usdm", "--symbol", "BTC/USDT:USDT", "--as-of", date, "--json").json["tiers"]

    book = venues.get("binance_usdm")
    for date in ("2021-07-01", "2024-11-01"):
        expected = book.tiers("BTC/USDT:USDT", date)
        assert [row["maintenance_rate"] for row in tiers(date)] == [row.maintenance_rate for row in expected]
    assert tiers("2021-07-01") != tiers("2024-11-01")


def test_a_symbol_without_tiers_says_so(levdyn) -> None:
    done = levdyn("venues", "binance_usdm", "--symbol", "NEW/USDT:USDT")
    assert done.code == 0
    assert "no tiers of NEW/USDT:USDT" in done.out


def test_an_unknown_venue_is_answered_with_those_that_exist(levdyn) -> None:
    done = levdyn("venues", "binance_usd")
    assert done.code == 2
    assert "did you mean 'binance_usdm'" in " ".join(done.err.split())


# ---------------------------------------------------------------- replay


def test_replay_of_a_folder_without_an_export_says_what_is_missing(levdyn, tmp_path: Path) -> None:
    done = levdyn("replay", tmp_path, "--venue", "binance_usdm")
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err


def test_rates_that_grow_with_the_position_say_by_how_much(levdyn):
    assert "0.005000% for each coin of the position" in " ".join(levdyn("venues", "deribit").out.split())
    shown = levdyn("venues", "deribit", "--symbol", "BTC/USD:BTC").out
    assert "and 0.005000% for each coin of the position, of initial margin too" in shown
