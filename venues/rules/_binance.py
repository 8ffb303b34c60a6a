"""What the three Binance venues share: documents, order rules, mark window, liquidation procedure."""

from typing import Final

from venues.facts import Dated, DeliveryRules, Fact, FeeLevel, LiquidationRules, MarkRules, OrderRules
from venues.instrument import Tier

SOURCES: Final = {
    "faq-leverage": "Binance FAQ b3c689c1f50a44cabb3a84e663b81d93, USD-M leverage and margin, editions 2020 to 2026",
    "faq-leverage-coin": "Binance FAQ ceccfcfb4e3a45e3b48b0b1bb1a8ae46, COIN-M liquidation price",
    "faq-index": "Binance FAQ 360033525071, price index and mark price",
    "faq-liquidation": "Binance FAQ 360033525271, liquidation protocols, 2024-05-29",
    "faq-cost": "Binance FAQ 87fa7ee33b574f7084d42bd2ce2e463b, cost of an order",
    "faq-mark-coin": "Binance FAQ fff6ec1b3f5845d19f1fb924644a0877, COIN-M mark price, editions 2020 to 2026",
    "faq-adl": "Binance FAQ 360033525471, auto-deleveraging",
    "faq-multi": "Binance FAQ 29b45c485d664028b9ca1cdf90b24f6f, multi-assets mode, 2021",
    "multi-rules": "Binance trading rules, Multi-Asset Info page",
    "faq-funding": "Binance FAQ 360033525031, funding rates, partial copies",
    "faq-contracts": "Binance FAQ a4470430e3164c13932be8967961aede, COIN-M contract specifications, 2020-06-11",
    "tiers-2021-03": "Binance announcement 86cf9aa472574b8cb2e05bb751c2a9a6, leverage and margin tiers, 2021-03-18",
    "tiers-2021-06": "Binance announcement f55d25695ca8453ab4c132c1fd4dc36a, leverage and margin tiers, 2021-06-22",
    "tiers-2024-10": "Binance leverage brackets in the freqtrade repository, commit c9ae5e1, snapshot of 2024-10-24",
    "tiers-coin": "COIN-M leverage brackets in a ccxt test fixture, undated",
    "notional-2021": "Binance announcement 1d762daf60dd417f9d8a05d44b06a25c, USD-M trading rules, 2021-02-23",
    "notional-2021-01": "Binance announcement 76719bbaeeb847bbac4daa2906fcdcc0, minimum order notional, 2021-01-21",
    "notional-2023": "Binance announcement of minimum notionals from 2023-11-02 10:00 UTC, third-party copy",
    "exchange-info": "Binance exchangeInfo records quoted in public repositories, undated",
    "ccxt": "ccxt 4.5.90, default fees of the venue",
    "accounts": "Real account exports of 2025: fills, ledger rows and forced orders",
    "vip": "ccxt 4.5 defaults (tiers of binance.py) and third-party copies of the fee schedule, 2024-2026; of the "
    "volumes VIP 5 = 1,000,000,000 US dollars (Binance Square post 18592313590570), the others remembered",
    "stp": "binance/binance-spot-api-docs, faqs/stp_faq.md, read 2026-11",
    "iceberg": "binance/binance-spot-api-docs, icebergQty of an order, read 2026-11",
    "none": "No document seen",
}

# Modes exist; which is the default is said per symbol.
SELF_TRADE: Final[Dated[str]] = (Fact("allow", "stp", is_unverified=True),)
# rateLimits of exchangeInfo: ORDERS 300 in 10 s and 1200 a minute for futures, 100 in 10 s for spot.
ORDER_RATES: Final[Dated[tuple[tuple[int, float], ...]]] = (
    Fact(((300, 10.0), (1200, 60.0)), "exchange-info", is_unverified=True),
)
SPOT_ORDER_RATES: Final[Dated[tuple[tuple[int, float], ...]]] = (
    Fact(((100, 10.0),), "exchange-info", is_unverified=True),
)

# The assuming price of a market sell: last x (1 + 0.15%); of a market buy: ask x (1 + 0.05%), older editions only.
ORDERS: Final = OrderRules(max_open_orders=200, max_conditional_orders=10, sell_markup=0.0015, buy_markup=0.0005)

LIQUIDATION: Final[Dated[LiquidationRules]] = (
    Fact(
        LiquidationRules(
            cancels_orders=True,
            course="stepwise",
            multi_assets_course="at_once",
            time_limit_seconds=60.0,
            first="largest_maintenance",
            charges_trading_fee=False,
        ),
        "faq-liquidation",
        is_unverified=True,
    ),
)

# The average of the last hour; no document seen. No fee of it is known.
DELIVERY: Final[Dated[DeliveryRules]] = (Fact(DeliveryRules(window_minutes=60.0), "none", is_unverified=True),)

# Traded in the last 30 days, US dollars; a second condition, BNB held, is taken as met.
VOLUMES: Final = (15e6, 50e6, 100e6, 600e6, 1e9, 2.5e9, 5e9, 12.5e9, 25e9)


def fee_levels(
    makers: tuple[float, ...], takers: tuple[float, ...], source: str, volumes: tuple[float, ...] = VOLUMES
) -> Dated[tuple[FeeLevel, ...]]:
    """Return VIP 1 to 9 from rates in percent."""
    rows = zip(volumes, makers, takers, strict=True)
    levels = tuple(FeeLevel(f"vip{i}", v, m / 100, t / 100) for i, (v, m, t) in enumerate(rows, start=1))
    return (Fact(levels, source, is_unverified=True),)


ADL: Final = (Fact(True, "faq-adl"),)

OLD_MARK: Final = MarkRules(points=30, spacing_seconds=60.0)
NEW_MARK: Final = MarkRules(points=30, spacing_seconds=5.0)

RATES_2021: Final = (0.004, 0.005, 0.01, 0.025, 0.05, 0.1, 0.125, 0.15, 0.25, 0.5)
LEVERAGES_2021: Final = (125, 100, 50, 20, 10, 5, 4, 3, 2, 1)


def table(floors: tuple[float, ...], rates: tuple[float, ...], leverages: tuple[float, ...]) -> tuple[Tier, ...]:
    """Return rows of one table; amounts follow by continuity."""
    return tuple(
        Tier(floor=floor, maintenance_rate=rate, max_leverage=leverage)
        for floor, rate, leverage in zip(floors, rates, leverages, strict=True)
    )
