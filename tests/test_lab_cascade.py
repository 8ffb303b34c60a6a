"""Cascades, criticality and contagion: leverage_lab.md sections 4 to 6, LL-04 (depth) to LL-19."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest import ConfigError
from backtest.lab.branching import bookkeeping_ratio, branching, ratio_from_counts, without_backstop
from backtest.lab.cascade import cascade, step_thresholds
from backtest.lab.critical import branching_ratio, critical_shock, criticality_gauge, marginal_amplification
from backtest.lab.curves import (
    GridLiquidations,
    SmoothLiquidations,
    StepLiquidations,
    gaussian_liquidations,
    uniform_liquidations,
)
from backtest.lab.depth import (
    BookDepth,
    EmpiricalDepth,
    NoImpact,
    PoolDepth,
    PowerDepth,
    knee_depth,
    linear_depth,
    loss_versus_rebalancing,
    square_root_depth,
)
from backtest.lab.draws import Draws
from backtest.lab.network import (
    branching_matrix,
    contagion,
    coupled_cascade,
    loop_drop,
    looped_leverage,
    pooled_ratio,
)
from backtest.lab.velocity import (
    fastest_execution,
    frontier,
    least_backstop,
    peak_drop,
    simulate_peak,
    velocity,
)

CLOSED = 1e-6  # tolerance of closed forms
DEPTH = 100_000.0


def test_ll_04_impact_of_square_root_and_pool():
    assert square_root_depth(volume=1.0, volatility=0.03).impact(0.01) == pytest.approx(0.0030, rel=CLOSED)
    pool = PoolDepth(1000.0)
    assert 2000 * (1 - pool.swept(50.0) / 50.0) == pytest.approx(1904.7619047619, rel=1e-12)
    assert 2000 * (1 - pool.impact(50.0)) == pytest.approx(1814.0589569161, rel=1e-12)
    assert pool.depth(0.01) == pytest.approx(5.0378152592, rel=1e-9)
    assert loss_versus_rebalancing(0.05) == pytest.approx(3.125e-4, rel=1e-12)


CURVES = [
    linear_depth(500.0),
    PowerDepth(800.0, 0.5),
    PoolDepth(300.0),
    EmpiricalDepth([0.01, 0.05, 0.4], [5.0, 60.0, 200.0]),
    knee_depth(density=1000.0, knee=0.02),
    BookDepth([0.0, 0.01, 0.03, 0.2], [5.0, 10.0, 20.0, 30.0]),
]


@pytest.mark.parametrize("book", CURVES, ids=lambda book: type(book).__name__)
def test_depth_impact_and_sweep_are_of_one_curve(book):
    q = np.linspace(0.0, 60.0, 6001)
    impact = book.impact(q)
    assert impact[0] == 0.0
    assert np.all(np.diff(impact) >= 0.0)
    area = np.concatenate([[0.0], np.cumsum(0.5 * (impact[1:] + impact[:-1]) * 0.01)])
    assert book.swept(q) == pytest.approx(area, abs=2e-3)
    thin = book.thinned(0.5)
    assert thin.impact(q / 2) == pytest.approx(impact)
    if not isinstance(book, BookDepth):
        assert book.depth(impact) == pytest.approx(q, rel=1e-9)
        middle = 0.5 * (q[1000:-1] + q[1001:])
        assert book.slope(middle) == pytest.approx(np.diff(impact[1000:]) / 0.01, rel=2e-2)


def test_ll_05_uniform_map_and_linear_book():
    found = cascade(uniform_liquidations(60_000.0), linear_depth(DEPTH), 0.02)
    assert float(found.drop) == pytest.approx(0.05, rel=CLOSED)
    assert float(found.triggered) == pytest.approx(3000.0, rel=CLOSED)
    assert float(found.amplification) == pytest.approx(2.5, rel=CLOSED)
    assert float(found.average_drop) == pytest.approx(0.035, rel=CLOSED)
    assert bool(found.is_settled)


def test_ll_05_structural_and_bookkeeping_ratio_coincide():
    found = branching(uniform_liquidations(60_000.0), linear_depth(DEPTH), 0.02)
    assert (found.structural, found.bookkeeping) == pytest.approx((0.6, 0.6), rel=CLOSED)
    assert found.spread == pytest.approx(0.0, abs=1e-12)


BIDS = np.arange(99.0, 84.0, -1.0)
BOOK = BookDepth(1.0 - BIDS / 99.0, np.full(15, 10.0))
LONGS = StepLiquidations(1.0 - np.array([98.5, 96.2, 94.6, 90.0]) / 99.0, [15.0, 12.0, 25.0, 30.0])


def test_ll_06_discrete_book():
    found = cascade(LONGS, BOOK, 0.0, sold=[9.0, 10.0, 15.0, 23.0, 38.0])
    assert np.round(99.0 * (1.0 - found.drop), 9).tolist() == [99, 97, 95, 92, 87]
    assert found.triggered.tolist() == [0, 15, 27, 52, 82]


def test_ll_06_those_four_sizes_are_the_ones_that_change_the_liquidated_quantity():
    triggered = cascade(LONGS, BOOK, 0.0, sold=np.arange(60.0)).triggered
    assert (np.flatnonzero(np.diff(triggered)) + 1).tolist() == [10, 15, 23, 38]


def test_ll_07_ramp():
    ramp = SmoothLiquidations(lambda x: 0.5 * 10.0 * x**2, lambda x: 10.0 * x, np.zeros(0))
    book = linear_depth(1.0)
    found = cascade(ramp, book, [0.042, 0.0501])
    assert found.drop == pytest.approx([0.06, 1.0], rel=CLOSED)
    ratio = branching_ratio(ramp, book, found.drop[0])
    assert float(ratio) == pytest.approx(0.6, rel=CLOSED)
    assert float(marginal_amplification(ratio)) == pytest.approx(2.5, rel=CLOSED)
    critical = critical_shock(ramp, book)
    assert (critical.shock, critical.drop) == pytest.approx((0.05, 0.10), rel=CLOSED)
    assert critical.landing == 1.0


def box(impact):
    return GridLiquidations([0.04, 0.09], [0.0, impact])


def test_ll_08_box():
    found = cascade(box(0.03), linear_depth(1.0), [0.05, 0.08])
    assert found.drop == pytest.approx([0.065, 0.11], rel=CLOSED)
    assert critical_shock(box(0.03), linear_depth(1.0)).shock is None
    critical = critical_shock(box(0.06), linear_depth(1.0))
    assert (critical.shock, critical.drop, critical.landing) == pytest.approx((0.04, 0.04, 0.10), rel=CLOSED)


def test_ll_09_gaussian_cluster():
    cluster = gaussian_liquidations(0.05, centre=0.08, deviation=0.01)
    book = linear_depth(1.0)
    critical = critical_shock(cluster, book)
    assert critical.max_ratio == pytest.approx(1.9947114, rel=CLOSED)
    assert critical.max_at == pytest.approx(0.08, rel=CLOSED)
    assert critical.drop == pytest.approx(0.068248410, rel=CLOSED)
    assert critical.shock == pytest.approx(0.062250132, rel=CLOSED)
    assert critical.landing == pytest.approx(0.112218288, rel=CLOSED)
    found = cascade(cluster, book, 0.06)
    ratio = branching_ratio(cluster, book, found.drop)
    assert float(found.drop) == pytest.approx(0.061670102, rel=CLOSED)
    assert float(ratio) == pytest.approx(0.3717899, rel=CLOSED)
    assert float(marginal_amplification(ratio)) == pytest.approx(1.5918241, rel=CLOSED)


def test_ll_09_smaller_cluster_has_no_critical_shock_and_says_how_far_it_is():
    critical = critical_shock(gaussian_liquidations(0.02, centre=0.08, deviation=0.01), linear_depth(1.0))
    assert critical.shock is None
    assert critical.safety_margin(0.1) is None
    assert critical.max_ratio == pytest.approx(0.7978846, rel=CLOSED)


def test_ll_10_square_root_impact_jumps_at_the_gap():
    positions = uniform_liquidations(1.0, start=0.03)
    book = PowerDepth(100.0, 0.5)  # k = sqrt(density / coefficient) = 0.1
    found = cascade(positions, book, [0.0375, 0.03, 0.03 + 1e-9])
    assert found.drop == pytest.approx([0.0525, 0.03, 0.04], rel=CLOSED)
    critical = critical_shock(positions, book)
    assert (critical.shock, critical.landing) == pytest.approx((0.03, 0.04), rel=CLOSED)


def test_ll_11_dominoes():
    def chain(impact):
        return StepLiquidations(0.05 + 0.01 * np.arange(20), np.full(20, impact))

    found = cascade(chain(0.008), linear_depth(1.0), [0.0499, 0.05, 0.054, 0.0559])
    assert (found.triggered / 0.008).tolist() == pytest.approx([0, 1, 3, 3])
    assert float(cascade(chain(0.01), linear_depth(1.0), 0.05).triggered) == pytest.approx(0.2)
    assert critical_shock(chain(0.01), linear_depth(1.0)).shock == pytest.approx(0.05, rel=CLOSED)


def test_ll_12_no_positions():
    nobody = StepLiquidations([], [])
    found = cascade(nobody, linear_depth(1.0), [0.01, 0.3])
    assert found.drop.tolist() == [0.01, 0.3]
    assert found.amplification.tolist() == [1.0, 1.0]
    assert float(branching_ratio(nobody, linear_depth(1.0), 0.1)) == 0.0
    assert critical_shock(nobody, linear_depth(1.0)).shock is None


def test_ll_13_infinite_depth():
    found = cascade(uniform_liquidations(1e9), NoImpact(), [0.01, 0.3])
    assert found.drop.tolist() == [0.01, 0.3]
    assert critical_shock(uniform_liquidations(1e9), NoImpact()).shock is None


@pytest.mark.parametrize(
    ("ratio", "refill", "peak"),
    [
        (1.0, 1.0, math.exp(-math.pi / (3 * math.sqrt(3)))),
        (0.5, 0.25, 0.4406503),
        (0.5, 1.0, 0.2203252),
        (1.5, 0.5, 1.5 * math.sqrt(2)),
        (2.0, 0.25, 62.117142),
        (2.3, 0.25, math.inf),
    ],
)
def test_ll_14_peak_drop_and_event_simulation(ratio, refill, peak):
    assert peak_drop(ratio, refill) == pytest.approx(peak, rel=CLOSED)
    assert simulate_peak(ratio, refill, step=5e-4) == pytest.approx(peak, rel=3e-3)


def test_ll_14_without_refill_the_peak_is_that_of_the_fixed_point():
    assert peak_drop(0.6, 0.0) == pytest.approx(1.5)
    assert peak_drop(0.6, 1e-12) == pytest.approx(1.5, rel=1e-4)
    assert peak_drop(0.0, 1.0) == 0.0
    assert peak_drop(1.0, 4.0) == pytest.approx(0.5 / math.e)  # both eigenvalues -2


def test_ll_15_least_backstop():
    assert least_backstop(3.0, 0.25) == pytest.approx(0.25, rel=CLOSED)
    assert least_backstop(2.0, 0.25) == 0.0


def test_frontier_and_fastest_execution_are_one_line():
    assert frontier([0.0, 0.25, 1.0]).tolist() == [1.0, 2.25, 4.0]
    beta = fastest_execution(2.25, 0.05)
    assert frontier(0.05 / beta) == pytest.approx(2.25)
    assert fastest_execution(0.9, 0.05) == math.inf


def test_ll_16_linear_response():
    found = contagion([[0.3, 0.2], [0.1, 0.4]])
    assert found.ratio == pytest.approx(0.5, rel=CLOSED)
    assert np.sort(np.linalg.eigvals(found.matrix)) == pytest.approx([0.2, 0.5], rel=CLOSED)
    assert found.resolvent.ravel() == pytest.approx([1.5, 0.5, 0.25, 1.75], rel=CLOSED)
    assert found.response([0.02, 0.0]) == pytest.approx([0.03, 0.005], rel=CLOSED)
    assert found.importance == pytest.approx([1.75, 2.25], rel=CLOSED)


def test_ll_17_pooling_stabilises_one_venue_and_drags_another():
    shares = np.array([1.0, 2.0]) / 3.0
    weights = np.vstack([shares, shares])
    for ratios, pooled in (((0.9, 0.3), 0.5), ((1.4, 0.3), 2.0 / 3.0), ((3.0, 0.3), 1.2)):
        assert pooled_ratio(ratios, [1.0, 2.0]) == pytest.approx(pooled, rel=CLOSED)
        assert contagion(branching_matrix(ratios, weights)).ratio == pytest.approx(pooled, rel=CLOSED)


def test_ll_18_venues_with_marks_of_their_own_do_not_meet():
    found = contagion(branching_matrix([0.5, 0.2], np.eye(2)))
    assert found.response([0.02, 0.03]) == pytest.approx([0.04, 0.0375], rel=CLOSED)
    curves = [uniform_liquidations(0.5), uniform_liquidations(0.2)]
    drops = coupled_cascade(curves, [linear_depth(1.0)] * 2, np.eye(2), [0.02, 0.03])
    assert drops == pytest.approx([0.04, 0.0375], rel=CLOSED)


def test_coupled_cascade_of_uniform_maps_is_the_linear_response():
    weights = [[0.7, 0.3], [0.4, 0.6]]
    ratios = [0.5, 0.8]
    drops = coupled_cascade([uniform_liquidations(r) for r in ratios], [linear_depth(1.0)] * 2, weights, [0.02, 0.01])
    assert drops == pytest.approx(contagion(branching_matrix(ratios, weights)).response([0.02, 0.01]), rel=CLOSED)


def test_shared_collateral_couples_venues_with_marks_of_their_own():
    found = contagion(branching_matrix([0.3, 0.4], np.eye(2), collateral=[[0.0, 0.2], [0.1, 0.0]]))
    assert found.response([0.02, 0.0]) == pytest.approx([0.03, 0.005], rel=CLOSED)


def test_a_critical_system_has_no_linear_response():
    found = contagion([[1.2]])
    with pytest.raises(ConfigError, match="no linear response"):
        found.response([0.01])


def test_ll_19_loops():
    assert [looped_leverage(0.75, n) for n in (1, 2, 3)] == pytest.approx([1.75, 2.3125, 2.734375], rel=1e-12)
    assert looped_leverage(0.75, 400) == pytest.approx(4.0, rel=1e-12)
    assert loop_drop(0.75, 0.8) == pytest.approx(0.0625, rel=1e-12)


POSITIONS = st.lists(st.tuples(st.floats(1e-3, 0.9), st.floats(0.0, 10.0)), min_size=1, max_size=25)


@given(rows=POSITIONS, depth=st.floats(5.0, 500.0), shock=st.floats(0.0, 0.6), more=st.floats(0.0, 0.2))
def test_the_drop_grows_with_the_shock_the_positions_and_the_share_and_shrinks_with_depth(rows, depth, shock, more):
    x, q = np.array(rows).T
    base = cascade(StepLiquidations(x, q), linear_depth(depth), shock)
    drop = float(base.drop)
    assert drop >= shock
    assert float(cascade(StepLiquidations(x, q), linear_depth(depth), shock + more).drop) >= drop
    grown = q.copy()
    grown[0] += 10 * more
    assert float(cascade(StepLiquidations(x, grown), linear_depth(depth), shock).drop) >= drop
    assert float(cascade(StepLiquidations(x, q), linear_depth(depth), shock, share=1.0 - more).drop) <= drop
    assert float(cascade(StepLiquidations(x, q), linear_depth(depth * (1 + more)), shock).drop) <= drop


@given(
    rows=POSITIONS, depths=st.tuples(st.floats(5.0, 500.0), st.floats(5.0, 500.0)), own=st.floats(0.0, 1.0),
    shocks=st.tuples(st.floats(0.0, 0.5), st.floats(0.0, 0.5)), more=st.floats(0.0, 0.2),
)  # fmt: skip
def test_a_larger_shock_at_one_venue_lowers_no_drop_anywhere(rows, depths, own, shocks, more):
    curves = [StepLiquidations(*np.array(rows).T)] * 2
    books = [linear_depth(depth) for depth in depths]
    weights = [[own, 1.0 - own], [0.5, 0.5]]
    less = coupled_cascade(curves, books, weights, shocks)
    greater = coupled_cascade(curves, books, weights, [shocks[0] + more, shocks[1]])
    assert np.all(greater >= less)


@given(rows=POSITIONS, depth=st.floats(5.0, 500.0), shock=st.floats(0.0, 0.6), parts=st.integers(2, 8))
def test_splitting_positions_changes_nothing(rows, depth, shock, parts):
    x, q = np.array(rows).T
    whole = cascade(StepLiquidations(x, q), linear_depth(depth), shock)
    split = cascade(StepLiquidations(np.repeat(x, parts), np.repeat(q / parts, parts)), linear_depth(depth), shock)
    assert float(split.drop) == pytest.approx(float(whole.drop), rel=1e-9)


@given(rows=POSITIONS, depth=st.floats(5.0, 500.0), share=st.floats(0.0, 1.0), sold=st.floats(0.0, 20.0))
def test_thresholds_of_single_positions_are_what_iteration_finds(rows, depth, share, sold):
    positions = StepLiquidations(*np.array(rows).T)
    shocks = np.linspace(0.0, 0.8, 33)
    found = step_thresholds(positions, linear_depth(depth), share=share, sold=sold)
    assert found.triggered(shocks) == pytest.approx(
        cascade(positions, linear_depth(depth), shocks, share=share, sold=sold).triggered
    )


def test_gauge_is_the_largest_ratio_within_ten_percent():
    assert criticality_gauge(uniform_liquidations(60_000.0), linear_depth(DEPTH)) == pytest.approx(0.6)
    assert criticality_gauge(uniform_liquidations(60_000.0, start=0.2), linear_depth(DEPTH)) == 0.0


def test_the_measured_cascade_without_its_backstop_would_have_had_half_a_descendant():
    assert without_backstop(0.195, 0.63) == pytest.approx(0.53, abs=0.005)
    assert float(bookkeeping_ratio(2.5)) == pytest.approx(0.6)


def test_times_of_a_poisson_process_have_no_branching():
    times = np.cumsum(Draws(7, "poisson").exponential(50_000))
    found = ratio_from_counts(times, window=100.0)
    assert found.value <= 3.0 * found.error
    assert found.count == int((times[-1] - times[0]) / 100.0)


def test_velocity_names_its_peak_and_its_coverage():
    found = velocity([0, 10, 20, 700, 710], [1, 1, 1, 30, 40], coverage="made up", refill_rate=0.1, depth_notional=100)
    assert (found.peak, found.peak_at, found.mean) == pytest.approx((70 / 60, 700.0, 73 / 710))
    assert found.refill_ratio == pytest.approx(70 / 60 / 10.0)
    with pytest.raises(ConfigError, match="coverage"):
        velocity([0, 1], [1, 1], coverage="")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cascade(LONGS, BOOK, -0.1), "shocks must be"),
        (lambda: cascade(LONGS, BOOK, 0.1, share=1.1), "share must be"),
        (lambda: StepLiquidations([0.0], [1.0]), "drops must be above 0"),
        (lambda: GridLiquidations([0.1, 0.2], [2.0, 1.0]), "must not decrease"),
        (lambda: PowerDepth(-1.0), "coefficient must be"),
        (lambda: branching_matrix([0.5], [[0.5]]), "rows that sum to 1"),
        (lambda: loop_drop(0.9, 0.8), "loan_to_value must be"),
        (lambda: looped_leverage(0.5, -1), "loops must be"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(ConfigError, match=message):
        call()
