"""Deribit: inverse and linear perpetuals and futures in segregated standard margin, where size sets both rates.

Not built, and refused: options, portfolio margin, cross collateral, isolated margin (there it is a subaccount), spot.
"""

from typing import Final

from venues.facts import Dated, DeliveryRules, Fact, Fees, FundingRules, LiquidationRules, MarkRules, VenueFacts
from venues.instrument import Instrument, MarginRules, RoundingRules, Tier

_SOURCES: Final = {
    "stp": "Deribit support 25944750590109, System Architecture: Self Trading, read 2026-11",
    "iceberg": "Deribit API, display_amount and refresh_amount of an order, read 2026-11; since when is not known",
    "margin": "Deribit support 25944738177565, Linear Perpetual; real positions of 2026-02 at sizes near zero",
    "margin-old": "deribit.com/docs/contract-specifications of 2017 and 2018 and cryptoninjas, 2017-05-18",
    "size-eth": "m_inc of the portfolio margin parameters, responses of 2026-02-15; its use here is inferred",
    "index": "Deribit support 25944739377309, Index Prices",
    "mark": "deribit.com/docs/mark-price, 2017, and translated contract specifications; today's bounds are remembered",
    "delivery": "Deribit support 25954416110877, settlement and delivery",
    "session": "Real position of 2026-02 and deribit.com/docs/contract-specifications, 2017",
    "liquidation": "Deribit support 25944769313309, Liquidations; deribit.com/docs/auto-liquidation",
    "liquidation-fee": "deribit.com/information/fees, 2018 and 2019; max_liquidation_commission of instruments, 2025",
    "fees": "Deribit support 25944746248989, Fees",
    "fees-old": "deribit.com/pages/docs and deribit.com/information/fees, 2018-2019",
    "funding": "Deribit support 31424939178397 and 25944756807069, funding",
    "none": "No document seen",
}


def facts() -> VenueFacts:
    """Return all records of Deribit."""
    return VenueFacts(
        name="deribit",
        title="Deribit perpetuals and futures",
        contracts=("inverse", "linear"),
        sources=_SOURCES,
        # one of the two is cancelled; which, by default, is not said
        self_trade=(Fact("cancel_taker", "stp", is_unverified=True),),
        icebergs=(Fact(True, "iceberg", is_unverified=True),),
        describe=_describe,
        # the days of the changes are not known; weekly futures have a rebate of 0.01 % that is left out
        fees={
            ("regular", ""): (
                Fact(Fees(-0.00025, 0.00075), "fees-old", is_unverified=True),
                Fact(Fees(0.0, 0.0005), "fees", "2020-01-01", is_unverified=True),
            ),
        },
        tiers=_tiers(),
        instruments=_instruments(),
        rounding=(Fact(RoundingRules(), "none", is_unverified=True),),
        margin=(Fact(MarginRules(initial="tier", linear="index"), "margin", is_unverified=True),),
        funding={"": (Fact(_FUNDING, "funding", is_unverified=True),)},  # the cap is that of BTC in an old text
        mark=(Fact(MarkRules(points=1, spacing_seconds=30.0, formula="ema", bound=0.01), "mark", is_unverified=True),),
        liquidation=_liquidation(),
        clearance_fees=_liquidation_fees(),
        delivery={"": (Fact(DeliveryRules(window_minutes=30.0, fee=0.00025), "delivery", is_unverified=True),)},
        session_hour=(Fact(8, "session"),),
        index_cap=(Fact(0.005, "index"),),
        margin_modes=("cross",),
        position_modes=("one_way",),
        has_leverage=False,
    )


# Rate for 8 hours: premium beyond +-0.025 %, no interest (venues/deribit.md section 8)
_FUNDING: Final = FundingRules(
    interval_hours=8.0,
    interest_rate=0.0,
    clamp=0.00025,
    cap=0.005,
    floor=-0.005,
    is_weighted=False,
    sample_seconds=1.0,
    impact_margin=0.0,
    is_continuous=True,
)


def _liquidation() -> Dated[LiquidationRules]:
    return (
        Fact(
            LiquidationRules(
                cancels_orders=True,
                course="stepwise",
                multi_assets_course="stepwise",
                # neither how large a part is closed each second is known, nor that it ends
                time_limit_seconds=600.0,
                round_seconds=1.0,
                round_share=0.1,
                first="largest_maintenance",
                charges_trading_fee=False,
                is_limited=False,
            ),
            "liquidation",
            is_unverified=True,
        ),
    )


def _liquidation_fees() -> dict[str, Dated[float]]:
    def dated(second: float) -> Dated[float]:
        return (
            Fact(0.00375, "liquidation-fee", is_unverified=True),
            Fact(second, "liquidation-fee", "2019-01-01", is_unverified=True),
            Fact(0.0075, "liquidation-fee", "2025-01-01", is_unverified=True),
        )

    return {"": dated(0.005), "ETH/USD:ETH": dated(0.009), "ETH/USD:ETH-*": dated(0.009)}


def _tiers() -> dict[str, Dated[tuple[Tier, ...]]]:
    def row(initial: float, maintenance: float, size_rate: float) -> tuple[Tier, ...]:
        return (Tier(floor=0, maintenance_rate=maintenance, max_leverage=1 / initial, size_rate=size_rate),)

    bitcoin = (
        Fact(row(0.1, 0.05, 0.0), "margin-old", is_unverified=True),
        Fact(row(0.01, 0.00575, 0.00005), "margin-old", "2018-01-01", is_unverified=True),
        Fact(row(0.02, 0.01, 0.00005), "margin", "2024-01-01"),
    )
    ether = (
        Fact(row(0.1, 0.05, 0.0), "margin-old", is_unverified=True),
        Fact(row(0.02, 0.01, 0.000004), "size-eth", "2024-01-01", is_unverified=True),
    )
    solana = (Fact(row(0.04, 0.02, 0.000005), "margin", is_unverified=True),)  # the page is of 2024
    found: dict[str, Dated[tuple[Tier, ...]]] = {}
    for base, dated in (("BTC", bitcoin), ("ETH", ether)):
        for symbol in (f"{base}/USD:{base}", f"{base}/USDC:USDC", f"{base}/USDT:USDT"):
            found |= {symbol: dated, f"{symbol}-*": dated}
    for symbol in ("SOL/USDC:USDC", "SOL/USDT:USDT"):
        found |= {symbol: solana, f"{symbol}-*": solana}
    return found


def _instruments() -> dict[str, tuple[Instrument, ...]]:
    def row(symbol: str, tick: float, lot: float) -> tuple[Instrument, ...]:
        return (
            Instrument(
                symbol,
                contract="inverse",
                tick_size=tick,
                lot_size=lot,
                min_quantity=lot,
                source="none",
                unverified=("tick_size",),
            ),
        )

    # quantities are US dollars, in contracts of 10 (BTC) or 1 (ETH)
    return {"BTC/USD:BTC": row("BTC/USD:BTC", 0.5, 10.0), "ETH/USD:ETH": row("ETH/USD:ETH", 0.05, 1.0)}


def _describe(base: str, quote: str, settle: str) -> tuple[str, float]:
    return ("inverse" if settle == base else "linear"), 1.0
