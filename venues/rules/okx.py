"""OKX: linear and inverse perpetuals, isolated or cross in one coin, or cross in several (multi-currency margin).

Maintenance contains the taker fee, so that the ratio is the venue's, turned over. In multi-currency margin a coin
counts at its discount tiers of balance and profit together; what is owed is borrowed, at margin of its own. Not built,
and refused or left to the user: isolated positions beside multi-currency margin, forced repayment above an
interest-free quota, portfolio margin, options, tiers that count all expiries of a family together, the lag of one
interval of the older funding scheme (settled rates hold it). Tiers are shipped only where a document shows them.
"""

from typing import Final

from venues.errors import VenueError
from venues.facts import (
    CollateralBracket,
    CollateralShare,
    Dated,
    Fact,
    Fees,
    FundingRules,
    LiquidationRules,
    MarkRules,
    OrderRules,
    VenueFacts,
)
from venues.instrument import MarginRules, RoundingRules, Tier

_SOURCES: Final = {
    "stp": "OKX help, OKX to implement mandatory Self-Trade Prevention, 2024-02-27",
    "contracts": "Instrument rows of OKX in the test data of nautilus_trader, and OKX's contract pages",
    "margin": "OKX help, Isolated margin and Cross margin (third-party copies); position rows of 2023-10 and 2025-01",
    "rows": "Real positions quoted in ccxt's parser, OKX's API docs and nautilus_trader, 2023-10 to 2025-01",
    "tiers-2021": "OKX notice 4402607424781, position tiers, 2021-06-11",
    "tiers-2023": "OKX notice of 2023-05-15 on position tiers, in force from 2023-05-19",
    "liquidation": "OKX help, Liquidation, and 360020411711 (third-party copies); the lots of its orders are inferred",
    "discounts-2021": "OKX help, Multi-currency margin (third-party copies of 2021 to 2022)",
    "discounts-2024": "OKX help 360054690531, Multi-currency margin, 2024-09: BTC up to 20",
    "loans": "OKX notice of 2025-03 on position tiers of margins (in force from 2025-03-06): the first tier of its "
    "tables; those of larger debts differ by coin and are not known here",
    "mark": "OKX learn, Mark price and index price; the window of the average is not stated",
    "funding": "OKX help 360053909272, Funding fee mechanism, and notice of 2024-01-25",
    "funding-2025": "Fields of OKX's funding API (formulaType withRate); the formula's figures are remembered",
    "adl": "OKX help, Auto-deleveraging, 2025-03-06 (in part)",
    "none": "No document seen",
}

_FACES: Final = {"BTC": 0.01, "ETH": 0.1, "SUSHI": 1.0}
_LAST_INITIAL_RATE: Final = 0.5  # the documents give the step from tier to tier, not the number of tiers


_FEES: Final = (
    Fact(Fees(0.0002, 0.0005), "none", is_unverified=True),
    Fact(Fees(0.0002, 0.0005), "rows", "2023-01-01"),
)
_SELF_TRADE: Final = (Fact("allow", "stp"), Fact("cancel_maker", "stp", "2024-03-14T10:00"))


def facts() -> VenueFacts:
    """Return all records of OKX."""
    return VenueFacts(
        name="okx",
        title="OKX perpetuals",
        contracts=("inverse", "linear"),
        sources=_SOURCES,
        self_trade=_SELF_TRADE,
        describe=_describe,
        fees={("regular", ""): _FEES},
        tiers=_tiers(),
        rounding=(Fact(RoundingRules(), "none", is_unverified=True),),
        margin=(
            Fact(
                MarginRules(
                    reserves_fee_to_close=True,
                    fee_to_close="mark",
                    isolated="initial",
                    order_loss="none",
                    tier_unit="quantity",
                    funding_is_capped=True,
                ),
                "margin",
            ),
        ),
        # assuming price of a market order and the limits: no document seen
        orders=(
            Fact(
                OrderRules(max_open_orders=500, max_conditional_orders=500, sell_markup=0.0, buy_markup=0.0),
                "none",
                is_unverified=True,
            ),
        ),
        funding=_funding(),
        mark=(Fact(MarkRules(points=60, spacing_seconds=1.0, formula="basis"), "mark", is_unverified=True),),
        liquidation=_liquidation(),
        clearance_fees={"": (Fact(0.0, "liquidation"),)},
        collateral=_collateral(),
        lends=True,
        discounts_profit=True,
        may_refuse_loans=True,
        loans={"": (Fact((Tier(floor=0, maintenance_rate=0.03, max_leverage=10),), "loans", is_unverified=True),)},
        ranks_adl=(Fact(True, "adl", is_unverified=True),),
        adl_ranks_by="gain_or_loss_on_margin",
    )


def _liquidation() -> Dated[LiquidationRules]:
    return (
        # before 2021 a position went straight to the first tier; the day of the change is not known
        Fact(
            LiquidationRules(
                cancels_orders=True,
                course="down_tiers",
                multi_assets_course="stepwise",
                time_limit_seconds=float("inf"),
                first="largest_maintenance",
                charges_trading_fee=True,
                tiers_down=2,
                pace_seconds=60.0,
                cancels_early=True,
            ),
            "liquidation",
            "2021-01-01",
            is_unverified=True,
        ),
    )


def _funding() -> dict[str, Dated[FundingRules]]:
    def rules(bound: float, interest_rate: float, clamp: float) -> FundingRules:
        return FundingRules(
            interval_hours=8.0,
            interest_rate=interest_rate,
            clamp=clamp,
            cap=bound,
            floor=-bound,
            is_weighted=False,
            sample_seconds=60.0,
        )

    def dated(bound: float) -> Dated[FundingRules]:
        return (
            Fact(rules(bound, 0.0, 0.0), "funding"),
            # the change came symbol by symbol
            Fact(rules(bound, 0.0001, 0.0005), "funding-2025", "2025-01-01", is_unverified=True),
        )

    found = {"": dated(0.015)}
    for names, bound in (("BTC", 0.00375), ("ETH LTC XRP", 0.0075), ("DOGE", 0.03)):
        for name in names.split():
            found[f"{name}/USDT:USDT"] = dated(bound)
            found[f"{name}/USD:{name}"] = dated(bound)
    return found


def _collateral() -> dict[str, Dated[CollateralShare]]:
    tether = (CollateralBracket(0.0, 1.0), CollateralBracket(5e6, 0.975), CollateralBracket(10e6, 0.95))
    bitcoin = (CollateralBracket(0.0, 0.98), CollateralBracket(20.0, float("nan")))
    return {
        # what the table of USDT is today was not seen
        "USDT": (Fact(tether, "discounts-2021"), Fact(tether, "discounts-2021", "2023-01-01", is_unverified=True)),
        "BTC": (Fact(bitcoin, "discounts-2024", "2024-01-01"),),
    }


def _tiers() -> dict[str, Dated[tuple[Tier, ...]]]:
    def table(first: tuple[tuple[float, float, float], ...], step: float) -> tuple[Tier, ...]:
        """Return rows of (upper end, maintenance rate, leverage) and those that follow, each 0.5 % dearer."""
        rows = [
            Tier(floor=floor, maintenance_rate=rate, max_leverage=leverage, amount=0.0)
            for floor, (_, rate, leverage) in zip((0.0, *(row[0] for row in first)), first, strict=False)
        ]
        end, rate, leverage = first[-1]
        initial = round(1.0 / leverage, 4)
        number = 1
        while initial + 0.005 * number <= _LAST_INITIAL_RATE + 1e-9:
            rows.append(
                Tier(
                    floor=end + step * (number - 1),
                    maintenance_rate=round(rate + 0.005 * number, 6),
                    max_leverage=1.0 / round(initial + 0.005 * number, 6),
                    amount=0.0,
                )
            )
            number += 1
        return tuple(rows)

    ether = table(((3_000, 0.004, 125.0), (6_000, 0.005, 100.0), (12_000, 0.01, 66.66)), 12_000)
    cardano = table(((1_500, 0.005, 75.0), (3_000, 0.0075, 50.0), (6_000, 0.01, 40.0)), 6_000)
    aave = table(((1_000, 0.0065, 50.0), (3_000, 0.01, 40.0), (8_000, 0.015, 20.0)), 8_000)
    return {
        "ETH/USDT:USDT": (Fact(ether, "tiers-2021", "2021-06-11"),),
        "ADA/USDT:USDT": (Fact(cardano, "tiers-2023", "2023-05-19"),),
        "AAVE/USDT:USDT": (Fact(aave, "tiers-2023", "2023-05-19"),),
    }


def _describe(base: str, quote: str, settle: str) -> tuple[str, float]:
    if settle == base:
        return "inverse", 100.0 if base == "BTC" else 10.0
    if base not in _FACES:
        known = ", ".join(_FACES)
        raise VenueError(
            f"okx: the contract size of {base}/{quote}:{settle} is not known here (known: {known}); give "
            f"with_instrument(Instrument({base + '/' + quote + ':' + settle!r}, contract='linear', contract_size=...))"
        )
    return "linear", _FACES[base]
