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
        fee_levels={
            "": binance.fee_levels(
                (0.09, 0.08, 0.042, 0.042, 0.036, 0.03, 0.024, 0.018, 0.012),
                (0.1, 0.1, 0.06, 0.054, 0.048, 0.042, 0.036, 0.03, 0.024),
                "vip",
                (1e6, 5e6, 20e6, 100e6, 150e6, 400e6, 800e6, 2e9, 4e9),
            )
        },
        rounding=(Fact(RoundingRules(), "none", is_unverified=True),),
        orders=(Fact(binance.ORDERS, "exchange-info", is_unverified=True),),
        self_trade=binance.SELF_TRADE,
        icebergs=(Fact(True, "iceberg"),),
        order_rates=binance.SPOT_ORDER_RATES,
    )


def _describe(base: str, quote: str, settle: str) -> tuple[str, float]:
    return "spot", 1.0
