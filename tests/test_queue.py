"""Queue positions: worked figures of leverage_lab.md section 10.3, and what holds for every model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venues.queue import NAMES, ahead, fill_before_loss


@pytest.mark.parametrize(
    ("model", "power", "front", "after", "want"),
    [
        ("power", 1, 40, 80, 32),
        ("power", 2, 40, 80, 33.8461538),
        ("log", 0, 40, 80, 30.5077699),
        ("log_total", 0, 40, 80, 37.8148061),
        ("power_total", 2, 40, 80, 27.2),
        ("front_power", 3, 40, 80, 38.72),
        ("power", 1, 90, 50, 45),
    ],
)
def test_the_queue_after_a_loss_without_trades_is_the_worked_one(model, power, front, after, want):
    """LL-43 (leverage_lab.md section 10.3): the rule of hftbacktest, a level of 100."""
    assert ahead(model, power, front, 100, after) == pytest.approx(want, abs=5e-8)


def test_the_race_between_fill_and_loss_is_the_worked_one():
    """LL-44 (leverage_lab.md section 10.3)."""
    assert fill_before_loss(10, 2, 0.1) == pytest.approx(0.5846793, abs=5e-8)
    assert fill_before_loss(10, 2, 0.1, 0.1) == pytest.approx(0.6451613, abs=5e-8)


def test_a_risk_averse_queue_shrinks_only_to_the_level():
    assert ahead("risk_averse", 0, 40, 100, 80) == 40
    assert ahead("risk_averse", 0, 40, 100, 30) == 30


AMOUNTS = st.floats(0, 1e9)


@given(st.sampled_from(sorted(NAMES)), st.floats(0.5, 5), AMOUNTS, AMOUNTS, AMOUNTS)
def test_no_model_lets_the_queue_grow_or_leave_its_level(model, power, front, before, after):
    found = ahead(model, power, min(front, before), before, after)
    assert 0 <= found <= min(front, before, after)


@given(st.integers(0, 40), st.floats(0.01, 9), st.floats(0, 9), st.floats(0, 9))
def test_more_orders_ahead_never_make_a_fill_more_likely(queue, trades, loss, cancels):
    assert fill_before_loss(queue + 1, trades, loss, cancels) <= fill_before_loss(queue, trades, loss, cancels)


def test_rates_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="trade_rate above 0"):
        fill_before_loss(1, 0, 0.1)
