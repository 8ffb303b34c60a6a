"""dYdX Chain (v4): linear perpetuals on USDC at an oracle price, closed by force in slices.

An account is one subaccount: a cross pool of its own. Which markets are isolated is not among the facts: give such a
one by `with_instrument(Instrument(..., is_alone=True))`; its tier, its default funding and an insurance fund of its own
follow. Resting orders hold margin by netting, as at other venues (U: the chain checks each of them alone). Withdrawals
are gated while another account of the run is below zero, not while other people's are. Not built: MegaVault, affiliate
and staking discounts.
"""

from typing import Final, NamedTuple

from venues.facts import (
    Dated,
    Fact,
    FeeLevel,
    Fees,
    FundingRules,
    InterestCaps,
    LiquidationRules,
    OrderRules,
    SliceRules,
    VenueFacts,
)
from venues.instrument import Instrument, MarginRules, RoundingRules, Tier
from venues.premium_votes import MILLION, clamp_ppm

_SOURCES: Final = {
    "chain": "dydxprotocol/v4-chain, commit 84d4664 of 2026-03-04: x/clob/keeper, x/perpetuals, x/subaccounts",
    "genesis": "dydxprotocol/v4-chain, protocol/testing/mainnet/genesis.json: mainnet of October 2023",
    "genesis-later": "The same file: fees to be in force from block 6,912,000 on; the day is reckoned",
    "default": "dydxprotocol/v4-chain, protocol/testing/genesis.sh, 2026-03-04; Large-Cap also on the community's "
    "page of parameters. Which of it governance has put in force on mainnet, and when, is not known",
    "isolated": "The same file: liquidity tier Isolated; default funding of isolated markets as in dYdX's forum, 2025; "
    "the impact notional is remembered",
    "none": "No document seen",
}
_LATER: Final = "2026-03-04"
_FUNDING_FACTOR: Final = 6 * MILLION


class _Liquidity(NamedTuple):
    """A liquidity tier: initial rate and maintenance fraction in ppm, impact notional and caps in USDC."""

    initial: int
    fraction: int
    impact: float
    lower: float = 0.0
    upper: float = 0.0


_GENESIS: Final = {
    "large": _Liquidity(50_000, 600_000, 10_000),
    "mid": _Liquidity(100_000, 500_000, 5_000),
    "long": _Liquidity(200_000, 500_000, 2_500),
}
# impact notionals of the present tiers are those of 2023 (remembered)
_DEFAULT: Final = {
    "large": _Liquidity(20_000, 600_000, 10_000),
    "mid": _Liquidity(50_000, 600_000, 5_000, 40e6, 100e6),
    "long": _Liquidity(200_000, 500_000, 2_500, 5e6, 10e6),
}
_ALONE: Final = _Liquidity(50_000, 600_000, 2_500, 0.5e6, 1e6)
# atomic resolution (decimals of one base quantum) and liquidity tier of the markets of genesis
_MARKETS: Final = {
    "BTC": (10, "large"), "ETH": (9, "large"), "LINK": (6, "mid"), "POL": (5, "mid"), "CRV": (5, "mid"),
    "SOL": (7, "mid"), "ADA": (5, "mid"), "AVAX": (7, "mid"), "FIL": (6, "mid"), "LTC": (7, "mid"),
    "DOGE": (4, "mid"), "ATOM": (6, "mid"), "DOT": (6, "mid"), "UNI": (6, "mid"), "BCH": (8, "mid"),
    "TRX": (4, "mid"), "NEAR": (6, "mid"), "MKR": (9, "long"), "XLM": (5, "mid"), "ETC": (7, "mid"),
    "COMP": (7, "long"), "WLD": (6, "mid"), "APE": (6, "long"), "APT": (6, "mid"), "ARB": (6, "mid"),
    "BLUR": (5, "long"), "LDO": (6, "long"), "OP": (6, "mid"), "PEPE": (-1, "mid"), "SEI": (5, "long"),
    "SHIB": (0, "mid"), "SUI": (5, "mid"), "XRP": (5, "mid"),
}  # fmt: skip


def facts() -> VenueFacts:
    """Return all records of dYdX Chain."""
    return VenueFacts(
        name="dydx",
        title="dYdX Chain (v4) perpetuals",
        contracts=("linear",),
        sources=_SOURCES,
        self_trade=(Fact("cancel_maker", "chain", is_unverified=True),),
        describe=lambda base, quote, settle: ("linear", 1.0),
        fees=_fees(),
        fee_levels={"": _fee_levels()},
        tiers={
            **{_symbol(base): _tiers(name) for base, (_, name) in _MARKETS.items()},
            "isolated": (Fact(_table(_ALONE), "isolated", is_unverified=True),),
        },
        interest_caps={
            "isolated": (Fact(InterestCaps(_ALONE.lower, _ALONE.upper), "isolated", is_unverified=True),),
            **{
                _symbol(base): (Fact(InterestCaps(0.0, 0.0), "genesis"), _caps(name))
                for base, (_, name) in _MARKETS.items()
                if _DEFAULT[name].upper
            },
        },
        instruments={_symbol(base): (_instrument(base),) for base in _MARKETS},
        rounding=(Fact(RoundingRules(fee="ceiling", funding="floor", money_decimals=6), "chain"),),
        margin=(Fact(MarginRules(trigger="exceeded", withdrawable="equity"), "chain"),),
        # by equity, of the whole subaccount: the largest of each kind
        orders=(
            Fact(
                OrderRules(max_open_orders=1000, max_conditional_orders=200, sell_markup=0.0, buy_markup=0.0),
                "genesis",
                is_unverified=True,
            ),
        ),
        funding={
            "": (Fact(_funding(_GENESIS["long"]), "none", is_unverified=True),),
            # 100 ppm for 8 hours
            "isolated": (Fact(_funding(_ALONE, 0.0001), "isolated", is_unverified=True),),
            **{
                _symbol(base): (
                    Fact(_funding(_GENESIS[name]), "genesis"),
                    Fact(_funding(_DEFAULT[name]), "default", _LATER, is_unverified=True),
                )
                for base, (_, name) in _MARKETS.items()
            },
        },
        liquidation=_liquidation(),
        clearance_fees={"": (Fact(0.015, "genesis"),)},
        index_is_mark=True,
        gates_withdrawals=True,
        margin_modes=("cross",),
        position_modes=("one_way",),
    )


def _symbol(base: str) -> str:
    return f"{base}/USDC:USDC"


def _fees() -> dict[tuple[str, str], Dated[Fees]]:
    """Return the first level, and those that also ask for a share of the whole volume (0.5 %) and of the makers'."""
    found: dict[tuple[str, str], Dated[Fees]] = {
        ("regular", ""): (
            Fact(Fees(-0.00011, 0.0005), "genesis"),
            Fact(Fees(0.0001, 0.0005), "genesis-later", "2024-01-18", is_unverified=True),
        )
    }
    # tier 6: no share of the makers' volume; 7 to 9: 1 %, 2 %, 4 % of it
    for name, maker in (("tier6", -0.00005), ("tier7", -0.00007), ("tier8", -0.00009), ("tier9", -0.00011)):
        found[name, ""] = (
            Fact(Fees(-0.00011, 0.00025), "genesis"),
            Fact(Fees(maker, 0.00025), "genesis-later", "2024-01-18", is_unverified=True),
        )
    return found


def _fee_levels() -> Dated[tuple[FeeLevel, ...]]:
    volumes, takers = (1e6, 5e6, 25e6, 125e6), (0.00045, 0.0004, 0.00035, 0.0003)

    def levels(makers: tuple[float, ...]) -> tuple[FeeLevel, ...]:
        rows = zip(volumes, makers, takers, strict=True)
        return tuple(FeeLevel(f"tier{n + 2}", *row) for n, row in enumerate(rows))

    return (
        Fact(levels((-0.00011,) * 4), "genesis"),
        Fact(levels((0.0001, 0.00005, 0.0, 0.0)), "genesis-later", "2024-01-18", is_unverified=True),
    )


def _tiers(name: str) -> Dated[tuple[Tier, ...]]:
    return (
        Fact(_table(_GENESIS[name]), "genesis"),
        Fact(_table(_DEFAULT[name]), "default", _LATER, is_unverified=True),
    )


def _table(liquidity: _Liquidity) -> tuple[Tier, ...]:
    rate = liquidity.initial * liquidity.fraction / MILLION**2
    return (Tier(floor=0, maintenance_rate=rate, max_leverage=MILLION / liquidity.initial),)


def _caps(name: str) -> Fact[InterestCaps]:
    return Fact(InterestCaps(_DEFAULT[name].lower, _DEFAULT[name].upper), "default", _LATER, is_unverified=True)


def _instrument(base: str) -> Instrument:
    resolution = _MARKETS[base][0]
    subticks = 5 if base in ("BTC", "ETH") else 6
    return Instrument(
        _symbol(base),
        contract="linear",
        # subticks per tick x 10^quantum conversion exponent (-9), from USDC quantums per base quantum
        tick_size=float(f"1e{subticks - 9 - 6 + resolution}"),
        lot_size=float(f"1e{6 - resolution}"),
        min_quantity=float(f"1e{6 - resolution}"),
        # the funding index counts 1e-6 USDC for 1e6 base quantums
        funding_decimals=12 - resolution,
        source="genesis",
    )


def _funding(liquidity: _Liquidity, default: float = 0.0) -> FundingRules:
    bound = clamp_ppm(_FUNDING_FACTOR, initial=liquidity.initial, maintenance_fraction=liquidity.fraction) / MILLION / 8
    return FundingRules(
        interval_hours=1.0,
        interest_rate=default,
        clamp=0.0,
        interest_is_added=True,
        cap=bound,
        floor=-bound,
        is_weighted=False,
        sample_seconds=60.0,
        impact_margin=liquidity.impact * liquidity.initial / MILLION,
    )


def _liquidation() -> Dated[LiquidationRules]:
    return (
        Fact(
            LiquidationRules(
                cancels_orders=True,
                course="stepwise",
                multi_assets_course="stepwise",
                # a tape does not show the book: how long without a trade counts as without a buyer is ours
                time_limit_seconds=60.0,
                first="drawn",
                charges_trading_fee=False,
                slices=SliceRules(
                    block_seconds=1.1,  # remembered
                    min_notional=1_000.0,
                    max_portion=0.1,
                    block_notional=100_000.0,
                    block_loss=1_000_000.0,
                    max_fee=0.015,
                    bankruptcy_adjustment=1.0,
                    spread_to_maintenance=1.5,
                ),
            ),
            "genesis",
            is_unverified=True,
        ),
    )
