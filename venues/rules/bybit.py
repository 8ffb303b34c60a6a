"""Bybit: linear contracts on USDT and USDC and inverse contracts of 1 USD, in isolated or cross margin.

Cross margin of one coin, or (collateral="multi") of several at their value ratios; a negative balance is then borrowed,
at margin of its own. Not built, and refused: options, portfolio margin, spot. Debts are repaid at the index.
"""

from typing import Final

from venues.facts import (
    CollateralBracket,
    CollateralShare,
    Dated,
    DeliveryRules,
    Fact,
    Fees,
    FundingRules,
    LiquidationRules,
    MarkRules,
    OrderRules,
    VenueFacts,
)
from venues.instrument import Instrument, MarginRules, RoundingRules, Tier

_SOURCES: Final = {
    "smp": "Bybit API v5, Self Match Prevention (smpType None), read 2026-11",
    "mark": "Bybit help, Mark Price Calculation (Perpetual Contract), 2024-10-16",
    "isolated-2026": "Bybit help, Liquidation Price under Isolated Mode (Unified Trading Account), 2026-05-27",
    "isolated": "Bybit help, Liquidation Price (USDT Contract), the testnet edition of the page on isolated mode, and "
    "Trading Terms and Formulas in Unified Trading Account, 2024-08 to 2026-03-13 (loss of orders)",
    "liquidation": "Bybit help, Trading Rules: Liquidation Process (Unified Trading Account), 2024, with articles "
    "900000167723 and 000001381; aims of 90 % and, of repayment, 85 %: third-party copy of Margin Calculations under "
    "Portfolio Margin",
    "tiers-inverse": "Bybit help, Maintenance Margin (Inverse Contract); the initial rates are remembered",
    "tiers-2021": "Third-party copy (mobie.io) of Bybit's Risk limit adjustment, 2021",
    "tiers-2025-06": "Bybit announcement of 2025-06-19, risk limits of small coins; leverages between those printed "
    "are half of 1 / maintenance rate",
    "adl": "Bybit help, Auto-Deleveraging (ADL) Mechanism, 2025-11-05, and article 900000031623",
    "funding": "Bybit help, Introduction to Funding Rate, 2024-05-12",
    "positions": "Real positions quoted in the sources of ccxt and nautilus_trader, 2022 to 2025",
    "collateral": "Bybit help, Understanding Collateral Value Ratios, 2025-09-18: the example of the page",
    "loans": "Bybit help, Trading Terms and Formulas in Unified Trading Account, 2026-03-13: margins add those of "
    "borrowed assets; rates of the response example in the API documents, spot-margin-trade/position-tiers, 2025-08-27",
    "none": "No document seen",
}

_MILLION: Final = 1e6


def facts() -> VenueFacts:
    """Return all records of Bybit."""
    return VenueFacts(
        name="bybit",
        title="Bybit derivatives",
        contracts=("inverse", "linear"),
        sources=_SOURCES,
        self_trade=(Fact("allow", "smp"),),
        describe=_describe,
        fees={
            # the days of the two changes are not known
            ("regular", ""): (
                Fact(Fees(-0.00025, 0.00075), "none", is_unverified=True),
                Fact(Fees(0.0001, 0.0006), "positions", "2022-01-01", is_unverified=True),
                Fact(Fees(0.0002, 0.00055), "positions", "2023-01-01", is_unverified=True),
            ),
        },
        tiers=_tiers(),
        instruments=_instruments(),
        rounding=(Fact(RoundingRules(), "none", is_unverified=True),),
        margin=_margin(),
        # assuming price of a market order: no document seen
        orders=(
            Fact(
                OrderRules(max_open_orders=500, max_conditional_orders=10, sell_markup=0.0005, buy_markup=0.0005),
                "none",
                is_unverified=True,
            ),
        ),
        funding={
            "": (Fact(_funding(20, 0.025), "funding", is_unverified=True),),
            "BTC/USDT:USDT": (Fact(_funding(100, 0.005), "funding", is_unverified=True),),
            "BTC/USD:BTC": (Fact(_funding(100, 0.005), "funding", is_unverified=True),),
        },
        # before that the mark was index x (1 + decaying funding) alone; the day of the change is not known
        mark=(
            Fact(MarkRules(points=300, spacing_seconds=1.0), "mark", "2022-01-01", is_unverified=True),
            Fact(MarkRules(points=300, spacing_seconds=1.0), "mark", "2024-10-16"),
        ),
        liquidation=_liquidation(),
        collateral=_collateral(),
        lends=True,
        loans=_loans(),
        clearance_fees={"": (Fact(0.0, "liquidation", is_unverified=True),)},
        ranks_adl=(Fact(True, "adl", is_unverified=True),),
        # the fee is a field of the instrument record; that the index is averaged over 30 minutes is inferred
        delivery={"": (Fact(DeliveryRules(window_minutes=30.0, fee=0.0005), "positions", is_unverified=True),)},
    )


def _collateral() -> dict[str, Dated[CollateralShare]]:
    # by brackets since March 2025; what is above the last one does not count
    ratios = (0.98, 0.95, 0.9, 0.85, 0.8, 0.0)
    bitcoin = tuple(CollateralBracket(10.0 * n, ratio) for n, ratio in enumerate(ratios))
    return {"BTC": (Fact(bitcoin, "collateral", "2025-03-01"),), "USDT": (Fact(1.0, "collateral"),)}


def _loans() -> dict[str, Dated[tuple[Tier, ...]]]:
    """Return the tiers of bitcoin in the example of the documents, and the first of them for all other coins."""
    tiers = tuple(
        Tier(floor=floor, maintenance_rate=0.04, max_leverage=leverage)
        for floor, leverage in ((0, 5), (390, 4), (391, 3), (392, 2))
    )
    return {
        "BTC": (Fact(tiers, "loans", is_unverified=True),),
        "": (Fact(tiers[:1], "loans", is_unverified=True),),
    }


def _margin() -> Dated[MarginRules]:
    def rules(isolated: str) -> MarginRules:
        return MarginRules(
            reserves_fee_to_close=True, isolated=isolated, order_loss="equity", isolated_funding="available"
        )

    # whose wallet pays an isolated position's funding is inferred; so is the linear formula of 2026, by the inverse one
    return (
        Fact(rules("entry"), "isolated", is_unverified=True),
        Fact(rules("price"), "isolated-2026", "2026-05-27", is_unverified=True),
    )


def _liquidation() -> Dated[LiquidationRules]:
    return (
        Fact(
            LiquidationRules(
                cancels_orders=True,
                course="stepwise",
                multi_assets_course="stepwise",
                isolated_course="by_tier",
                # how long the engine works an order of a cross pool is not known
                time_limit_seconds=60.0,
                first="largest_maintenance",
                charges_trading_fee=True,
                target_ratio=0.9,
                repays_first=True,
                repay_target=0.85,
            ),
            "liquidation",
            is_unverified=True,
        ),
    )


def _funding(max_leverage: float, maintenance_rate: float) -> FundingRules:
    bound = min((1.0 / max_leverage - maintenance_rate) * 0.75, maintenance_rate)  # of the first tier (remembered)
    return FundingRules(
        interval_hours=8.0,
        interest_rate=0.0001,
        clamp=0.0005,
        cap=bound,
        floor=-bound,
        is_weighted=True,
        sample_seconds=60.0,
        impact_margin=200.0,
    )


def _tiers() -> dict[str, Dated[tuple[Tier, ...]]]:
    def row(floor: float, rate: float, leverage: float, amount: float | None = None) -> Tier:
        return Tier(floor=floor, maintenance_rate=rate, max_leverage=leverage, amount=amount)

    small = (
        (0, 0.025, 20), (5e3, 0.0263, 19), (9e3, 0.0278, 18), (13e3, 0.0294, 17), (17e3, 0.0313, 16),
        (21e3, 0.0333, 15), (25e3, 0.0357, 14), (40e3, 0.0385, 13), (55e3, 0.0417, 12),
        (70e3, 0.0455, 11), (85e3, 0.05, 10), (100e3, 0.0526, 9.5), (110e3, 0.0556, 9), (120e3, 0.0588, 8.5),
    )  # fmt: skip
    return {
        "BTC/USDT:USDT": (
            # the rate of a tier on the whole value: amounts of 0 (remembered); no more than two tiers are known
            Fact((row(0, 0.005, 100, 0.0), row(2 * _MILLION, 0.01, 1 / 0.0175, 0.0)), "tiers-2021", is_unverified=True),
            Fact(
                (row(0, 0.005, 100), row(2 * _MILLION, 0.01, 1 / 0.0175)),
                "tiers-2021",
                "2023-01-01",
                is_unverified=True,
            ),
        ),
        "SUNDOG/USDT:USDT": (
            Fact(tuple(row(*values) for values in small), "tiers-2025-06", "2025-06-20", is_unverified=True),
        ),
        "BTC/USD:BTC": (
            Fact(
                tuple(row(150.0 * n, 0.005 * (n + 1), 1 / (0.01 + 0.005 * n)) for n in range(10)),
                "tiers-inverse",
                is_unverified=True,
            ),
        ),
    }


def _instruments() -> dict[str, tuple[Instrument, ...]]:
    def row(symbol: str, contract: str, tick: float, lot: float, minimum: float) -> tuple[Instrument, ...]:
        return (
            Instrument(
                symbol,
                contract=contract,
                tick_size=tick,
                lot_size=lot,
                min_quantity=lot,
                min_notional=minimum,
                source="none",
                unverified=("all",),
            ),
        )

    return {
        "BTC/USDT:USDT": row("BTC/USDT:USDT", "linear", 0.1, 0.001, 5.0),
        "BTC/USD:BTC": row("BTC/USD:BTC", "inverse", 0.5, 1.0, 0.0),
    }


def _describe(base: str, quote: str, settle: str) -> tuple[str, float]:
    return ("inverse" if settle == base else "linear"), 1.0
