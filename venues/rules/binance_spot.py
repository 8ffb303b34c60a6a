"""Binance spot: swaps of two assets, no margin."""

from venues.facts import Fact, Fees, VenueFacts
from venues.instrument import RoundingRules
from venues.rules import _binance as binance


def facts() -> VenueFacts:
    """Return all records of Binance spot."""
    return VenueFacts(
        name="binance_spot",
        title="Binance spot",
        contracts=("spot",),
        sources=binance.SOURCES,
        describe=_describe,
        fees={("regular", ""): (Fact(Fees(0.001, 0.001), "ccxt"),)},
        rounding=(Fact(RoundingRules(), "none", is_unverified=True),),
        orders=(Fact(binance.ORDERS, "exchange-info", is_unverified=True),),
    )


def _describe(base: str, quote: str, settle: str) -> tuple[str, float]:
    return "spot", 1.0
