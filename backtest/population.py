"""Other leveraged accounts that live in a run: what the user says of them."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING

from backtest.errors import ConfigError
from venues.checks import Number, number, suggesting

if TYPE_CHECKING:
    from backtest.lab.positions import Population


@suggesting(ConfigError)
@dataclass(frozen=True, slots=True)
class Crowd:
    """Accounts of other traders beside those of the run, from a leverage map.

    They neither trade nor pay in: they hold, pay and receive funding, are liquidated by their venue's own procedure
    and deleveraged. Their forced orders meet the market that the user's orders meet, and come to `on_liquidation`.
    Settings of a venue (slippage, fills, forced closes, fee level, insurance fund) are those of the user's first
    account there.

    Parameters
    ----------
    positions : backtest.lab.positions.Population
        Rows of weight w are w accounts of their own; rows of cross margin with one venue and account name are one
        account. Maintenance is by the venue's tiers (the `mmr` and `mm_base` of the rows are not asked). Quantities are
        cut to the lot, collateral is in the settle asset, `venue` and `symbol` may be empty where the run has one.
    mark_depth : mapping of symbol to float
        Quantity (base coins; inverse contracts: contracts) whose forced sale moves the mark by the whole of the
        contract's first mark in the run, in proportion: the linear book of the lab. A symbol left out: forced sales do
        not move its mark. Fills are the market's own all the same.
    refill : float
        Rate per second at which a moved mark comes back; 0 = it stays.

    Raises
    ------
    ConfigError
        If an argument cannot be used; the message says what was given and what is allowed.
    """

    positions: "Population"
    _: KW_ONLY
    mark_depth: Mapping[str, Number] = field(default_factory=dict)
    refill: Number = 0.0

    def __post_init__(self) -> None:
        """Check every field."""
        from backtest.lab.positions import Population

        if not isinstance(self.positions, Population):
            raise ConfigError(
                f"Crowd: positions must be a backtest.lab.positions.Population, got {type(self.positions).__name__}; "
                "population(rows) makes one of columns, accounts_of_map one of a leverage map"
            )
        if not isinstance(self.mark_depth, Mapping):
            raise ConfigError(
                f"Crowd: mark_depth must be a mapping of symbol to quantity, as {{'BTC/USDT:USDT': 100_000}}, "
                f"got {self.mark_depth!r}"
            )
        try:
            depths = {s: number(x, f"Crowd: mark_depth[{s!r}]", above=0.0) for s, x in self.mark_depth.items()}
            refill = number(self.refill, "Crowd: refill", low=0.0)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        if refill and not depths:
            raise ConfigError(f"Crowd: refill={refill:g} has no effect without mark_depth")
        object.__setattr__(self, "mark_depth", depths)
        object.__setattr__(self, "refill", refill)
