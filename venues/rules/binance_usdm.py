"""Binance USD-M futures: linear contracts on USDT and USDC."""

from collections.abc import Mapping

from venues.facts import AutoExchange, CollateralShare, Dated, Fact, FeeLevel, Fees, FundingRules, VenueFacts
from venues.instrument import Instrument, RoundingRules, Tier
from venues.rules import _binance as binance

_RATES_2024 = (0.004, 0.005, 0.0065, 0.01, 0.02, 0.025, 0.05, 0.1, 0.125, 0.15, 0.25, 0.5)
_LEVERAGES_2024 = (125, 100, 75, 50, 25, 20, 10, 5, 4, 3, 2, 1)
_MILLION = 1e6


def facts() -> VenueFacts:
    """Return all records of Binance USD-M futures."""
    return VenueFacts(
        name="binance_usdm",
        title="Binance USD-M futures",
        contracts=("linear",),
        sources=binance.SOURCES,
        describe=_describe,
        fees={
            # the month in which the taker fee rose is not known
            ("regular", ""): (
                Fact(Fees(0.0002, 0.0004), "ccxt", is_unverified=True),
                Fact(Fees(0.0002, 0.0005), "ccxt", "2024-01-01", is_unverified=True),
                Fact(Fees(0.0002, 0.0005), "ccxt", "2025-01-01"),
            ),
            ("regular", "USDC"): (
                Fact(Fees(0.0, 0.0004), "accounts", is_unverified=True),
                Fact(Fees(0.0, 0.0004), "accounts", "2025-09-01"),
            ),
        },
        fee_levels=_fee_levels(),
        tiers=_tiers(),
        instruments=_instruments(),
        # 805 of 821 closing rows of a real account; with 13 decimals but free digits 696, with an exact entry value 689
        rounding=(Fact(RoundingRules(entry="average_digits", entry_decimals=13), "accounts"),),
        orders=(
            Fact(binance.ORDERS, "exchange-info", is_unverified=True),
            Fact(binance.ORDERS, "notional-2021", "2021-02-24T03:00"),
        ),
        funding={
            "": (Fact(_funding(0.03), "faq-funding", is_unverified=True),),
            "BTC/USDT:USDT": (Fact(_funding(0.003), "faq-funding", is_unverified=True),),
            "ETH/USDT:USDT": (Fact(_funding(0.003), "faq-funding", is_unverified=True),),
            "BNB/USDT:USDT": (Fact(_funding(0.03, interest_rate=0.0), "faq-funding", is_unverified=True),),
        },
        mark=(
            Fact(binance.OLD_MARK, "faq-index", is_unverified=True),
            Fact(binance.NEW_MARK, "faq-index", "2023-01-01", is_unverified=True),
        ),
        liquidation=binance.LIQUIDATION,
        clearance_fees={
            "": (Fact(0.0125, "none", is_unverified=True),),
            "BTC/USDT:USDT": (
                Fact(0.012, "exchange-info", is_unverified=True),
                Fact(0.0125, "exchange-info", "2023-11-02T10:00", is_unverified=True),
                Fact(0.0125, "accounts", "2025-10-10"),
            ),
        },
        collateral=_collateral(),
        exchange=(
            Fact(
                AutoExchange(thresholds={"USDT": -5000.0, "USDC": -5000.0, "BTC": -0.1}, other_threshold_usd=-10000.0),
                "multi-rules",
            ),
        ),
        ranks_adl=binance.ADL,
        self_trade=binance.SELF_TRADE,
        order_rates=binance.ORDER_RATES,
        delivery={"": binance.DELIVERY},
    )


def _fee_levels() -> Mapping[str, Dated[tuple[FeeLevel, ...]]]:
    return {
        "": binance.fee_levels(
            (0.016, 0.014, 0.012, 0.01, 0.008, 0.006, 0.004, 0.002, 0.0),
            (0.04, 0.035, 0.032, 0.03, 0.027, 0.025, 0.022, 0.02, 0.017),
            "vip",
        ),
        "USDC": binance.fee_levels((0.0,) * 9, (0.04,) * 9, "none"),
    }


def _funding(bound: float, interest_rate: float = 0.0001) -> FundingRules:
    return FundingRules(
        interval_hours=8.0,
        interest_rate=interest_rate,
        clamp=0.0005,
        cap=bound,
        floor=-bound,
        is_weighted=True,
        sample_seconds=5.0,
        impact_margin=200.0,
    )


def _tiers() -> dict[str, Dated[tuple[Tier, ...]]]:
    m = _MILLION
    return {
        "BTC/USDT:USDT": (
            Fact(
                binance.table(
                    (0, 50e3, 250e3, 1 * m, 10 * m, 20 * m, 50 * m, 100 * m, 200 * m, 300 * m),
                    binance.RATES_2021,
                    binance.LEVERAGES_2021,
                ),
                "tiers-2021-03",
                "2021-03-18T09:00",
            ),
            Fact(
                binance.table(
                    (0, 50e3, 250e3, 1 * m, 5 * m, 20 * m, 50 * m, 100 * m, 200 * m, 300 * m),
                    binance.RATES_2021,
                    binance.LEVERAGES_2021,
                ),
                "tiers-2021-06",
                "2021-06-22T03:30",
            ),
            Fact(
                binance.table(
                    (0, 50e3, 600e3, 3 * m, 12 * m, 70 * m, 100 * m, 230 * m, 480 * m, 600 * m, 800 * m, 1200 * m),
                    _RATES_2024,
                    _LEVERAGES_2024,
                ),
                "tiers-2024-10",
                "2024-10-24",
            ),
        ),
        "ETH/USDT:USDT": (
            Fact(
                binance.table(
                    (0, 50e3, 600e3, 3 * m, 12 * m, 50 * m, 65 * m, 150 * m, 320 * m, 400 * m, 530 * m, 800 * m),
                    _RATES_2024,
                    _LEVERAGES_2024,
                ),
                "tiers-2024-10",
                "2024-10-24",
            ),
        ),
        "XRP/USDT:USDT": (
            Fact(
                binance.table(
                    (0, 10e3, 20e3, 160e3, 800e3, 1.6 * m, 8 * m, 16 * m, 20 * m, 40 * m),
                    (0.005, 0.0065, 0.01, 0.02, 0.025, 0.05, 0.1, 0.125, 0.25, 0.5),
                    (75, 50, 40, 25, 20, 10, 5, 4, 2, 1),
                ),
                "tiers-2024-10",
                "2024-10-24",
            ),
        ),
    }


def _instruments() -> dict[str, tuple[Instrument, ...]]:
    def row(symbol: str, tick: float, lot: float, minimum: float, since: str | int, source: str, *u: str) -> Instrument:
        return Instrument(
            symbol,
            contract="linear",
            tick_size=tick,
            lot_size=lot,
            min_quantity=lot,
            min_notional=minimum,
            valid_from=since,  # type: ignore[arg-type]
            source=source,
            unverified=u,
        )

    rows: dict[str, tuple[Instrument, ...]] = {}
    # symbol, tick, lot, minimum notional from 2023-11-02
    for symbol, tick, lot, minimum in (
        ("BTC/USDT:USDT", 0.1, 0.001, 100.0),
        ("ETH/USDT:USDT", 0.01, 0.001, 20.0),
        ("XRP/USDT:USDT", 0.0001, 0.1, 5.0),
    ):
        unsure = ("tick_size", "lot_size") if symbol.startswith("XRP") else ()
        early = 0.01 if symbol.startswith("BTC") else tick
        rows[symbol] = (
            row(symbol, early, lot, 0.0, 0, "exchange-info", "tick_size", "lot_size"),
            row(symbol, early, lot, 1.0, "2021-01-25T07:00", "notional-2021-01", *unsure),
            row(symbol, early, lot, 5.0, "2021-02-24T03:00", "notional-2021", *unsure),
            # the day on which the tick of BTC became 0.1 is not known
            *((row(symbol, tick, lot, 5.0, "2022-04-01", "exchange-info", "valid_from"),) if early != tick else ()),
            row(symbol, tick, lot, minimum, "2023-11-02T10:00", "notional-2023", *unsure),
        )
    return rows


def _collateral() -> dict[str, Dated[CollateralShare]]:
    ratios = {
        "BTC": 0.95,
        "ETH": 0.95,
        "BNB": 0.95,
        "XRP": 0.9,
        "ADA": 0.9,
        "DOT": 0.9,
        "SOL": 0.9,
        "USDT": 0.9999,
        "USDC": 0.9999,
        "BUSD": 1.0,
    }
    dated: dict[str, Dated[CollateralShare]] = {asset: (Fact(ratio, "faq-multi"),) for asset, ratio in ratios.items()}
    # examples of the page; the day of the change is not known
    dated["BTC"] += (Fact(0.975, "multi-rules", "2024-01-01", is_unverified=True),)
    dated["FDUSD"] = (Fact(0.989, "multi-rules", "2024-01-01", is_unverified=True),)
    return dated


def _describe(base: str, quote: str, settle: str) -> tuple[str, float]:
    return "linear", 1.0
