"""Bars on the venue's clock: each is a path of four points, and all bars of an instant move together."""

from backtest.bar_bounds import BarBounds

class BarPaths(BarBounds):
    """Unfolds bars (design.md section 4), and the prices that follow from marks and collateral."""

    ...
