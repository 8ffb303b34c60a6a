"""Hyperliquid: linear perpetuals on USDC, isolated or cross, whose mark, funding and liquidation follow an oracle.

Not built: maker rebates by share and staking discounts (give fees=), strict isolated
coins, builder-deployed markets, pre-launch contracts. The trigger here is equity at or below maintenance; the venue
says below.
"""

from typing import Final

from venues.facts import Dated, Fact, FeeLevel, Fees, FundingRules, LiquidationRules, MarkRules, OrderRules, VenueFacts
from venues.instrument import Instrument, MarginRules, RoundingRules, Tier

_SOURCES: Final = {
    "stp": "Hyperliquid docs, Trading: Self-trade prevention, read 2026-11",
    "contracts": "Hyperliquid docs, Trading: Contract specifications, 2025 to 2026",
    "margin": "Hyperliquid docs, Trading: Margining, 2025 to 2026",
    "tiers": "Hyperliquid docs, Trading: Margin tiers, mainnet tables of 2025",
    "tiers-2023": "Maximum leverage 50 in a clearinghouseState example of the API docs (ETH); BTC and dates remembered",
    "liquidation": "Hyperliquid docs, Trading: Liquidations, 2025 to 2026",
    "liquidation-2023": "Liquidations of February to May 2023 published by the venue (hyperliquid-dex/historical_data):"
    " whole positions at the zero-equity price, nothing left",
    "mark": "Hyperliquid docs, Trading: Robust price indices, and Oracle, 2025 to 2026",
    "funding": "Hyperliquid docs, Trading: Funding; settled rates of 2025 to 2026 follow it to 1e-10",
    "fees": "Hyperliquid docs, Trading: Fees, 2025 to 2026; the rates of June 2023 to March 2024 in its history",
    "adl": "Hyperliquid docs, Trading: Auto-deleveraging, 2025 to 2026; the mirrored score of shorts is inferred",
    "none": "No document seen",
}

_MILLION: Final = 1e6
# what the documentation of 2025 says held before it too, since an unknown day
_DOCS: Final = "2025-01-01"
_MAJOR: Final = (
    "DOGE kPEPE SUI WLD TRUMP LTC ENA POPCAT WIF AAVE kBONK LINK CRV AVAX ADA UNI NEAR TIA APT BCH HYPE FARTCOIN"
)
_MINOR: Final = "OP ARB LDO TON MKR ONDO JUP INJ kSHIB SEI TRX BNB DOT"


def facts() -> VenueFacts:
    """Return all records of Hyperliquid."""
    return VenueFacts(
        name="hyperliquid",
        title="Hyperliquid perpetuals",
        contracts=("linear",),
        sources=_SOURCES,
        self_trade=(Fact("cancel_maker", "stp"),),
        describe=_describe,
        fees=_fees(),
        fee_levels={"": (Fact(_levels(), "fees", _DOCS, is_unverified=True), Fact(_levels(), "fees", "2026-01-01"))},
        fee_days=14,
        tiers=_tiers(),
        instruments=_instruments(),
        rounding=(Fact(RoundingRules(), "none", is_unverified=True),),
        margin=(Fact(MarginRules(funding_price="index", whole_leverage=True, transfer_share=0.1), "margin"),),
        orders=(
            Fact(
                # the numbers of orders are remembered, the values are the documentation's
                OrderRules(
                    max_open_orders=1000,
                    max_conditional_orders=1000,
                    sell_markup=0.0,
                    buy_markup=0.0,
                    market_values=((1, 250_000.0), (10, 500_000.0), (20, 1_000_000.0), (50, 4_000_000.0)),
                    limit_factor=10.0,
                ),
                "contracts",
                is_unverified=True,
            ),
        ),
        funding={
            "": (Fact(_funding(6_000.0), "funding"),),
            "BTC/USDC:USDC": (Fact(_funding(20_000.0), "funding"),),
            "ETH/USDC:USDC": (Fact(_funding(20_000.0), "funding"),),
        },
        mark=(Fact(MarkRules(points=0, spacing_seconds=3.0, formula="outside_median", decay_seconds=150.0), "mark"),),
        liquidation=_liquidation(),
        clearance_fees={"": (Fact(0.0, "liquidation"),)},
        ranks_adl=(Fact(True, "adl", is_unverified=True),),
        adl_ranks_by="price_on_leverage",
        position_modes=("one_way",),
    )


def _fees() -> dict[tuple[str, str], Dated[Fees]]:
    return {
        ("regular", ""): (
            Fact(Fees(0.0, 0.0), "none", is_unverified=True),
            Fact(Fees(-0.00002, 0.00025), "fees", "2023-06-01"),
            # between the two published schedules: remembered, as is the day on which the second began
            Fact(Fees(0.0001, 0.00035), "none", "2024-03-01", is_unverified=True),
            Fact(Fees(0.00015, 0.00045), "fees", _DOCS, is_unverified=True),
            Fact(Fees(0.00015, 0.00045), "fees", "2026-01-01"),
        ),
    }


def _levels() -> tuple[FeeLevel, ...]:
    rows = (
        (5.0, 0.00012, 0.0004), (25.0, 0.00008, 0.00035), (100.0, 0.00004, 0.0003),
        (500.0, 0.0, 0.00028), (2000.0, 0.0, 0.00026), (7000.0, 0.0, 0.00024),
    )  # fmt: skip
    return tuple(
        FeeLevel(f"tier{number}", volume * _MILLION, maker, taker)
        for number, (volume, maker, taker) in enumerate(rows, start=1)
    )


def _funding(impact: float) -> FundingRules:
    return FundingRules(
        interval_hours=1.0,
        interest_rate=0.0001,
        clamp=0.0005,
        cap=0.04,
        floor=-0.04,
        is_weighted=False,
        sample_seconds=5.0,
        impact_notional=impact,
    )


def _liquidation() -> Dated[LiquidationRules]:
    def rules(backstop_share: float, *, charges_trading_fee: bool) -> LiquidationRules:
        return LiquidationRules(
            cancels_orders=True,
            course="in_parts",
            multi_assets_course="stepwise",
            time_limit_seconds=float("inf"),
            first="largest_maintenance",
            charges_trading_fee=charges_trading_fee,
            takeover_is_free=True,
            backstop_share=backstop_share,
            whole_up_to=100_000.0,
            part=0.2,
            cooldown_seconds=30.0,
        )

    # the day on which the book stage began, its trading fee, the order over positions, the limit of its orders and
    # that open orders are cancelled are not documented
    return (
        Fact(rules(1.0, charges_trading_fee=False), "liquidation-2023", is_unverified=True),
        Fact(rules(2.0 / 3.0, charges_trading_fee=True), "liquidation", "2024-01-01", is_unverified=True),
    )


def _tiers() -> dict[str, Dated[tuple[Tier, ...]]]:
    def row(floor: float, leverage: float) -> Tier:
        return Tier(floor=floor * _MILLION, maintenance_rate=1.0 / (2.0 * leverage), max_leverage=leverage)

    def table(first: float, border: float, second: float) -> tuple[Tier, ...]:
        return (row(0.0, first), row(border, second))

    def since(rows: tuple[Tier, ...]) -> Dated[tuple[Tier, ...]]:
        return (Fact(rows, "tiers", _DOCS),)

    def symbols(names: str) -> list[str]:
        return [f"{name}/USDC:USDC" for name in names.split()]

    old: Dated[tuple[Tier, ...]] = (Fact((row(0.0, 50.0),), "tiers-2023", is_unverified=True),)
    found: dict[str, Dated[tuple[Tier, ...]]] = {
        "BTC/USDC:USDC": (*old, *since(table(40.0, 150.0, 20.0))),
        "ETH/USDC:USDC": (*old, *since(table(25.0, 100.0, 15.0))),
        "SOL/USDC:USDC": since(table(20.0, 70.0, 10.0)),
        "XRP/USDC:USDC": since(table(20.0, 40.0, 10.0)),
    }
    found |= {symbol: since(table(10.0, 20.0, 5.0)) for symbol in symbols(_MAJOR)}
    return found | {symbol: since(table(10.0, 3.0, 5.0)) for symbol in symbols(_MINOR)}


def _instruments() -> dict[str, tuple[Instrument, ...]]:
    def row(symbol: str, lot: float) -> tuple[Instrument, ...]:
        # prices have five significant digits: the tick follows the price and is left to the data
        return (
            Instrument(
                symbol, contract="linear", lot_size=lot, min_quantity=lot, min_notional=10.0, source="none",
                unverified=("all",),
            ),
        )  # fmt: skip

    lots = {"BTC": 0.00001, "ETH": 0.0001, "SOL": 0.01, "XRP": 1.0, "DOGE": 1.0, "HYPE": 0.01}
    return {f"{name}/USDC:USDC": row(f"{name}/USDC:USDC", lot) for name, lot in lots.items()}


def _describe(base: str, quote: str, settle: str) -> tuple[str, float]:
    return "linear", 1.0
