"""mark='formula': the venue's own mark price made from index, funding rate and basis."""

import pytest
from engine_data import LINEAR, Listener, funding, points, run, trades

from backtest import ConfigError


def test_worked_case_11_of_binance_inside_a_run():
    """binance.md section 9 case 11: index 50,000, rate 0.0001, four of eight hours left, basis 12, contract 50,030."""
    # Samples of the basis are taken at index points: one in which the last trade lies 12 above the index.
    data = (
        points("index", [("08:00", 50_000), ("12:00", 50_000)], LINEAR)
        + trades([("07:59", 50_012, 1000), ("11:59", 50_030, 1000), ("12:01", 50_030, 1000), ("13:30", 50_030, 1000)])
        + funding([("08:00", 0.0001)])
    )
    result = run(data, Listener(("11:59:30", lambda s: s.buy(LINEAR, quantity=1))), mark="formula")
    # P1 = 50,002.5; P2 = 50,000 + mean(12, 30) = 50,021; contract 50,030: the median is P2.
    held = result.exposure
    assert held.iloc[-1]["mark"] == pytest.approx(50_021)


def test_the_formula_needs_index_points():
    data = trades([("00:00", 60_000, 1)])
    with pytest.raises(ConfigError, match="index"):
        run(data, Listener(), mark="formula")
