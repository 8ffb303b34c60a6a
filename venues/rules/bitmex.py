"""BitMEX, closed on 2026-09-23: inverse, quanto and linear contracts, isolated or cross, for replays of its years.

Not built, and refused: margining in several assets, spot, options and prediction contracts. The risk limit follows the
position and its orders by itself; at the venue its owner had to raise it.
"""

from typing import Final

from venues.errors import VenueError
from venues.facts import Dated, DeliveryRules, Fact, Fees, FundingRules, LiquidationRules, MarkRules, VenueFacts
from venues.instrument import Instrument, MarginRules, RoundingRules, Tier

_SOURCES: Final = {
    "contracts": "BitMEX seriesGuide/ETHUSD, quantoPerpetualsGuide and quantoFuturesGuide",
    "isolated": "BitMEX isolatedMarginExamples; a real ETHUSDT position of 2022 quoted in ccxt's parser",
    "fair": "BitMEX fairPriceMarking; a real LTCUSDT instrument of 2022-01-14 quoted in ccxt's parser",
    "risk": "BitMEX riskLimitsExamples; how a value inside a step counts is inferred",
    "risk-2021": "BitMEX blog, notice of 2021-08 on the risk step; instrument record of 2024-11 in nautilus_trader",
    "risk-eth": "BitMEX blog, Quanto for speculators; base and step are remembered",
    "risk-usdt": "Instrument records of 2022 quoted in ccxt's parser; of ETHUSDT only the maintenance rate",
    "risk-futures": "BitMEX blog, maintenance margin change, 2024-03",
    "liquidation": "BitMEX app/liquidation and liquidationExamples; that its orders pay the taker fee is inferred",
    "adl": "BitMEX autoDeleveraging and autoDeleveragingExamples",
    "funding": "BitMEX perpetualContractsGuideExamples; staff answer on reddit, 2019-09",
    "funding-cap": "BitMEX blog, important changes to bitcoin/usd swap funding",
    "fees": "Copies of the fees page (settlement-faq.com); instrument record of 2024-11; days of changes remembered",
    "delivery": "BitMEX quantoFuturesGuide; settlement fee from a copy of the fees page",
    "none": "No document seen",
}

CLOSED: Final = "2026-09-23T04:00"


def facts() -> VenueFacts:
    """Return all records of BitMEX."""
    return VenueFacts(
        name="bitmex",
        title="BitMEX derivatives (closed 2026-09-23)",
        contracts=("inverse", "quanto", "linear"),
        sources=_SOURCES,
        self_trade=(Fact("allow", "none", is_unverified=True),),
        icebergs=(Fact(True, "none", is_unverified=True),),
        describe=_describe,
        fees={
            ("regular", ""): (
                Fact(Fees(-0.00025, 0.00075), "fees", is_unverified=True),
                Fact(Fees(-0.0001, 0.00075), "fees", "2021-01-01", is_unverified=True),
                Fact(Fees(-0.0001, 0.0005), "fees", "2022-01-01", is_unverified=True),
                Fact(Fees(0.0005, 0.0005), "fees", "2024-11-01", is_unverified=True),
            ),
            ("regular", "USDT"): (Fact(Fees(-0.0001, 0.0005), "fees", "2021-12-01", is_unverified=True),),
        },
        tiers=_tiers(),
        instruments=_instruments(),
        rounding=(Fact(RoundingRules(), "none", is_unverified=True),),
        # a public row has 1 % more maintenance than cost x rate + fee, another one has not
        margin=(
            Fact(
                MarginRules(
                    reserves_fee_to_close=True,
                    isolated="entry",
                    cross="entry",
                    initial="larger",
                    fee_to_close="conservative",
                ),
                "isolated",
            ),
        ),
        funding={
            "": (Fact(_funding(0.02, 0.01), "funding-cap", is_unverified=True),),
            "BTC/USD:BTC": (Fact(_funding(0.01, 0.005), "funding-cap"),),
        },
        mark=(Fact(MarkRules(points=1, spacing_seconds=60.0, formula="fair"), "fair"),),
        liquidation=_liquidation(),
        clearance_fees={"": (Fact(0.0, "liquidation", is_unverified=True),)},
        delivery={
            "": (Fact(DeliveryRules(window_minutes=30.0, fee=0.0005, hour_utc=12), "delivery", is_unverified=True),)
        },
        scores_adl=(Fact(True, "adl"),),
        position_modes=("one_way",),
        closed=CLOSED,
    )


def _liquidation() -> Dated[LiquidationRules]:
    return (
        Fact(
            LiquidationRules(
                cancels_orders=True,
                cancels="contract",
                course="by_tier",
                multi_assets_course="by_tier",
                isolated_course="by_tier",
                time_limit_seconds=60.0,
                first="largest_maintenance",
                charges_trading_fee=True,
            ),
            "liquidation",
            is_unverified=True,
        ),
    )


def _funding(initial: float, maintenance: float) -> FundingRules:
    bound = 0.75 * (initial - maintenance)
    return FundingRules(
        interval_hours=8.0,
        interest_rate=0.0001,
        clamp=0.0005,
        cap=bound,
        floor=-bound,
        is_weighted=False,
        sample_seconds=60.0,
        impact_margin=0.0,
        is_announced=True,
    )


def risk_limits(*, initial: float, maintenance: float, base: float, step: float, steps: int = 40) -> tuple[Tier, ...]:
    """Return the table of a risk limit: each step begun above the base adds the base maintenance rate to both rates.

    The rates of a step hold for the whole value (riskLimitsExamples), so that maintenance leaps at its border.
    """
    rows = []
    for k in range(steps + 1):
        floor = 0.0 if k == 0 else base + (k - 1) * step
        if initial + k * maintenance > 1.0:
            break
        rows.append(
            Tier(
                floor=floor,
                maintenance_rate=round((k + 1) * maintenance, 10),
                max_leverage=1.0 / round(initial + k * maintenance, 10),
                amount=0.0,
            )
        )
    return tuple(rows)


def _tiers() -> dict[str, Dated[tuple[Tier, ...]]]:
    old = risk_limits(initial=0.01, maintenance=0.005, base=200.0, step=100.0)
    new = risk_limits(initial=0.01, maintenance=0.005, base=200.0, step=150.0)
    litecoin = risk_limits(initial=0.03, maintenance=0.015, base=1e6, step=1e6)
    ether = risk_limits(initial=0.02, maintenance=0.01, base=1e6, step=1e6)
    quanto = risk_limits(initial=0.02, maintenance=0.01, base=50.0, step=50.0)
    return {
        "BTC/USD:BTC": (Fact(old, "risk", is_unverified=True), Fact(new, "risk-2021", "2021-08-31")),
        "BTC/USD:BTC-*": (
            Fact(old, "none", is_unverified=True),
            Fact(new, "none", "2021-08-31", is_unverified=True),
            Fact(new, "risk-futures", "2024-03-19", is_unverified=True),
        ),
        "ETH/USD:BTC": (Fact(quanto, "risk-eth", is_unverified=True),),
        "ETH/USDT:USDT": (Fact(ether, "risk-usdt", is_unverified=True),),
        "LTC/USDT:USDT": (Fact(litecoin, "risk-usdt", is_unverified=True),),
    }


def _instruments() -> dict[str, tuple[Instrument, ...]]:
    def row(symbol: str, contract: str, size: float, tick: float) -> tuple[Instrument, ...]:
        return (
            Instrument(
                symbol,
                contract=contract,
                contract_size=size,
                tick_size=tick,
                lot_size=1.0,
                min_quantity=1.0,
                source="contracts",
                unverified=("tick_size", "lot_size"),
            ),
        )

    return {
        "BTC/USD:BTC": row("BTC/USD:BTC", "inverse", 1.0, 0.5),
        "ETH/USD:BTC": row("ETH/USD:BTC", "quanto", 0.000001, 0.05),
        "ETH/USDT:USDT": row("ETH/USDT:USDT", "linear", 0.00001, 0.05),
    }


def _describe(base: str, quote: str, settle: str) -> tuple[str, float]:
    if settle == base:
        return "inverse", 1.0
    kind = "linear" if settle == quote else "quanto"
    raise VenueError(
        f"bitmex: the contract size of {base}/{quote}:{settle} is not known; give it with "
        f"with_instrument(Instrument('{base}/{quote}:{settle}', contract={kind!r}, contract_size=...))"
    )
