"""Stretches of bars that touch nothing: no order rests, no margin band is left, so only their prices move on."""

from backtest.samples import Samples

class QuietBars(Samples):
    """Finds stretches of bars in which nothing happens, and passes over them."""

    unfolds_all: bool
