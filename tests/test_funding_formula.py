"""Funding rate and mark price formulas, and the estimate inside an interval."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import venues
from venues.errors import VenueError
from venues.funding import BasisWindow, FundingEstimator, formula_mark, interval_rate

USDM = venues.get("binance_usdm")
RULES = {"interval_hours": 8.0, "interest_rate": 0.0001, "clamp": 0.0005}
premiums = st.floats(-0.02, 0.02)


def test_a_long_of_two_coins_pays_84():
    """Case 10: 2 BTC at mark 60,000 and a rate of 0.0007."""
    rate = USDM.funding_rate(premium=0.0012, symbol="BTC/USDT:USDT")
    assert 2 * 60_000 * rate == pytest.approx(84.0)


def test_hyperliquid_uses_the_same_formula_with_an_hourly_interval():
    """A published premium of -0.0005591732 settled at -7.3966e-06 an hour."""
    rate = interval_rate(-0.0005591732, interval_hours=1.0, interest_rate=0.0001, clamp=0.0005, cap=0.04, floor=-0.04)
    assert rate == pytest.approx(-7.3966e-06, abs=1e-10)


@given(premiums)
def test_inside_the_band_the_rate_is_the_interest(premium):
    rate = interval_rate(premium, **RULES)
    if abs(premium - 0.0001) < 0.0005:
        assert rate == pytest.approx(0.0001, abs=1e-15)
    else:
        assert abs(rate - premium) == pytest.approx(0.0005, abs=1e-12)


@given(premiums, premiums)
def test_a_higher_premium_never_gives_a_lower_rate(one, other):
    low, high = sorted((one, other))
    assert interval_rate(low, **RULES) <= interval_rate(high, **RULES) + 1e-18


@given(premiums, st.sampled_from([1.0, 2.0, 4.0]))
def test_a_shorter_interval_pays_its_share(premium, hours):
    short = interval_rate(premium, **(RULES | {"interval_hours": hours}))
    assert short == pytest.approx(interval_rate(premium, **RULES) * hours / 8.0)


def test_cap_and_floor_bound_the_rate_of_the_interval():
    assert interval_rate(0.05, **RULES, cap=0.003, floor=-0.003) == 0.003
    assert interval_rate(-0.05, **RULES, cap=0.003, floor=-0.003) == -0.003
    assert USDM.funding_rate(premium=0.05, symbol="BTC/USDT:USDT") == 0.003
    assert USDM.funding_rate(premium=0.05, symbol="BTC/USDT:USDT", cap=0.02) == 0.02


def test_later_samples_weigh_more():
    """Samples 0 and 0.003 weigh 1 and 2: 0.002, less the clamp; the other way round 0.001."""
    assert USDM.funding_rate(premium=[0.0, 0.003]) == pytest.approx(0.0015)
    assert USDM.funding_rate(premium=[0.003, 0.0]) == pytest.approx(0.0005)


def test_equal_weights_where_the_venue_has_them():
    estimator = FundingEstimator(**RULES, is_weighted=False)
    for premium in (0.003, 0.0):
        estimator.add(premium)
    assert estimator.premium == pytest.approx(0.0015)


@given(st.lists(premiums, min_size=1, max_size=200))
def test_the_estimate_after_the_last_sample_is_the_settled_rate(samples):
    estimator = FundingEstimator(**RULES)
    seen = []
    for sample in samples:
        estimator.add(sample)
        seen.append(estimator.rate)
    settled = USDM.funding_rate(premium=samples, cap=1.0, floor=-1.0)
    assert seen[-1] == pytest.approx(settled, abs=1e-15)
    assert min(samples) - 1e-12 <= estimator.premium <= max(samples) + 1e-12


def test_an_interval_starts_without_an_estimate():
    estimator = FundingEstimator(**RULES)
    assert (estimator.rate, estimator.premium) == (None, None)
    estimator.add(0.01)
    estimator.reset()
    assert estimator.rate is None


@given(st.floats(1.0, 1e5), st.floats(-0.01, 0.01), st.floats(0.0, 8.0), st.floats(-50.0, 50.0), st.floats(0.9, 1.1))
def test_mark_lies_between_the_other_two_prices(index, rate, left, basis, ratio):
    prices = (index * (1.0 + rate * left / 8.0), index + basis, index * ratio)
    mark = formula_mark(
        index=index, last_rate=rate, hours_left=left, interval_hours=8.0, basis=basis, contract_price=prices[2]
    )
    assert mark == pytest.approx(sorted(prices)[1])


@given(st.lists(st.floats(-100.0, 100.0), min_size=1, max_size=90), st.integers(1, 64))
def test_the_basis_window_holds_the_latest_samples(samples, points):
    window = BasisWindow(points)
    for sample in samples:
        window.add(sample)
    latest = samples[-points:]
    assert window.mean == pytest.approx(math.fsum(latest) / len(latest), abs=1e-9)


def test_an_empty_basis_window_adds_nothing():
    assert BasisWindow(30).mean == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: interval_rate(0.0, **(RULES | {"interval_hours": 0.0})), r"interval_hours must be in \(0, 24\]"),
        (lambda: interval_rate(0.0, **(RULES | {"clamp": -1.0})), "clamp must be at least 0"),
        (lambda: interval_rate(0.0, **RULES, cap=-1.0, floor=1.0), "floor must not be above cap"),
        (lambda: USDM.funding_rate(premium=[]), "at least one sample"),
        (lambda: USDM.funding_rate(premium=float("nan")), "premium must be finite"),
        (lambda: FundingEstimator(**RULES).add(float("nan")), "got nan"),
        (lambda: BasisWindow(0), r"points must be in \[1, 512\]"),
        (
            lambda: USDM.mark_price(index=1, last_rate=0, hours_left=9, basis=0, contract_price=1),
            r"hours_left must be in \[0, interval_hours=8\]",
        ),
        (lambda: venues.get("binance_spot").funding_rate(premium=0.0), "binance_spot has no funding rules"),
        (
            lambda: venues.get("binance_spot").mark_price(
                index=1, last_rate=0, hours_left=1, basis=0, contract_price=1
            ),
            "binance_spot has no mark price formula",
        ),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(VenueError, match=message):
        call()
