"""The earliest of many streams: line and tree agree, ties go to the lower number."""

from hypothesis import given
from hypothesis import strategies as st

from backtest.tournament import Tournament

END = (1 << 63) - 1


def games():
    return st.integers(1, 70).flatmap(
        lambda n: st.tuples(
            st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.sampled_from([*range(12), END])), max_size=60)
        )
    )


@given(games())
def test_line_and_tree_name_the_earliest_and_the_time_of_the_second(game):
    n, changes = game
    line, tree = Tournament(n, few=n), Tournament(n, few=0)
    times = [END] * n
    for (stream, time), seen, other in zip(changes, line.play(changes), tree.play(changes), strict=True):
        times[stream] = time
        first = min(times)
        rest = sorted(times)
        for best, best_time, second in (seen, other):
            assert best_time == first
            assert second == (rest[1] if n > 1 else END)
            if first < END:
                assert best == times.index(first)
