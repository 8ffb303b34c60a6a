"""Binance COIN-M futures: inverse contracts of 100 USD (BTC) or 10 USD, margined in the coin."""

from collections.abc import Mapping

from venues.facts import Dated, Fact, FeeLevel, Fees, FundingRules, VenueFacts
from venues.instrument import Instrument, RoundingRules
from venues.rules import _binance as binance


def facts() -> VenueFacts:
    """Return all records of Binance COIN-M futures."""
    return VenueFacts(
        name="binance_coinm",
        title="Binance COIN-M futures",
        contracts=("inverse",),
        sources=binance.SOURCES,
        describe=_describe,
        fees={
            # 236 maker fills of a real account paid 0.02 %; the first is of that day, that of the change is not known
            ("regular", ""): (
                Fact(Fees(0.0001, 0.0005), "ccxt"),
                Fact(Fees(0.0002, 0.0005), "accounts", "2025-05-28"),
            )
        },
        fee_levels=_fee_levels(),
        tiers={
            "BTC/USD:BTC": (
                Fact(
                    binance.table(
                        (0, 5, 10, 20, 50, 100, 200, 400, 1000, 1500), binance.RATES_2021, binance.LEVERAGES_2021
                    ),
                    "tiers-coin",
                    is_unverified=True,
                ),
            )
        },
        instruments=_instruments(),
        # 207 of 207 closing rows and 589 of 589 fees of a real account
        rounding=(Fact(RoundingRules(), "accounts"),),
        orders=(Fact(binance.ORDERS, "exchange-info", is_unverified=True),),
        funding={
            "": (Fact(_funding(0.03), "faq-funding", is_unverified=True),),
            "BTC/USD:BTC": (Fact(_funding(0.003), "faq-funding", is_unverified=True),),
            "ETH/USD:ETH": (Fact(_funding(0.003), "faq-funding", is_unverified=True),),
        },
        mark=(
            Fact(binance.OLD_MARK, "faq-mark-coin"),
            Fact(binance.NEW_MARK, "faq-mark-coin", "2023-01-01", is_unverified=True),
        ),
        liquidation=binance.LIQUIDATION,
        clearance_fees={
            "": (Fact(0.015, "none", is_unverified=True),),
            "BTC/USD:BTC": (Fact(0.015, "exchange-info", is_unverified=True),),
            "BTC/USD:BTC-*": (
                Fact(0.01, "accounts", is_unverified=True),
                Fact(0.01, "accounts", "2025-10-10"),
            ),
        },
        ranks_adl=binance.ADL,
        self_trade=binance.SELF_TRADE,
        order_rates=binance.ORDER_RATES,
        delivery={"": binance.DELIVERY},
    )


def _instruments() -> Mapping[str, tuple[Instrument, ...]]:
    return {
        "BTC/USD:BTC": (
            Instrument(
                "BTC/USD:BTC",
                contract="inverse",
                contract_size=100.0,
                tick_size=0.1,
                lot_size=1.0,
                min_quantity=1.0,
                source="exchange-info",
                unverified=("valid_from",),
            ),
        )
    }


def _fee_levels() -> Mapping[str, Dated[tuple[FeeLevel, ...]]]:
    return {
        "": binance.fee_levels(
            (0.008, 0.005, 0.003, 0.0, -0.005, -0.006, -0.007, -0.008, -0.009),
            (0.045, 0.04, 0.03, 0.025, 0.024, 0.024, 0.024, 0.024, 0.024),
            "vip",
        )
    }


def _funding(bound: float) -> FundingRules:
    return FundingRules(
        interval_hours=8.0,
        interest_rate=0.0001,
        clamp=0.0005,
        cap=bound,
        floor=-bound,
        is_weighted=True,
        sample_seconds=5.0,
        impact_margin=200.0,
    )


def _describe(base: str, quote: str, settle: str) -> tuple[str, float]:
    return "inverse", 100.0 if base == "BTC" else 10.0
