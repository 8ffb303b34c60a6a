"""What the assets of an account count as margin together, and what they ask for when they are owed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from math import isnan
from typing import Self

from venues.checks import Number, Time, number
from venues.collateral import counted_amount
from venues.dated_rules import DatedRules
from venues.errors import VenueError
from venues.facts import AutoExchange, CollateralBracket, Fact, in_force
from venues.instrument import Tier, complete_tiers

Brackets = tuple[CollateralBracket, ...]


@dataclass(frozen=True, slots=True)
class AssetRules(DatedRules):
    """Rules of multi-assets mode; `DatedRules` lists the fields."""

    def collateral_brackets(self, asset: str, at: Time | None = None) -> Brackets:
        """Return the shares of a positive balance that count as margin in multi-assets mode, ascending in quantity.

        A ratio of nan is not known.
        """
        if not self.facts.collateral:
            raise VenueError(f"{self.name} has no multi-assets mode; collateral must be 'single'")
        if asset not in self.facts.collateral:
            known = ", ".join(sorted(self.facts.collateral))
            raise VenueError(
                f"{self.name}: {asset} is no collateral in multi-assets mode; known: {known}; "
                f"with_collateral({asset!r}, [(0, ...)]) gives the ratios of others"
            )
        found = self.need(self.facts.collateral[asset], at, f"collateral ratios of {asset}")
        return found if isinstance(found, tuple) else (CollateralBracket(0.0, found),)

    def counted_brackets(self, asset: str, at: Time | None = None) -> Brackets:
        """Return the same with nothing in the place of what is not known."""
        rows = self.collateral_brackets(asset, at)
        return tuple(CollateralBracket(row.floor, 0.0 if isnan(row.ratio) else row.ratio) for row in rows)

    def known_up_to(self, asset: str, at: Time | None = None) -> float:
        """Return the quantity above which it is not known how an asset counts; infinite where all of it is known."""
        rows = self.collateral_brackets(asset, at)
        return next((row.floor for row in rows if isnan(row.ratio)), float("inf"))

    def with_collateral(self, asset: str, brackets: Number | Sequence[Sequence[Number]]) -> Self:
        """Return rules in which an asset counts as the user says, at all times.

        Parameters
        ----------
        asset : str
        brackets : float or sequence of (floor, ratio)
            One share of a positive balance, or shares of what lies above each quantity: floors ascend from 0, ratios
            are in [0, 1] and do not grow.

        Raises
        ------
        VenueError
            If the brackets are none, or the venue has no multi-assets mode.
        """
        if not self.facts.collateral:
            raise VenueError(f"{self.name} has no multi-assets mode; collateral ratios would have no effect")
        pairs: list[Sequence[Number]]
        pairs = [(0.0, brackets)] if isinstance(brackets, int | float | str | Decimal) else list(brackets)
        if any(len(pair) != 2 for pair in pairs):
            raise VenueError(f"{self.name}: brackets of {asset} are rows of (floor, ratio), got {pairs!r}")
        rows = tuple(
            CollateralBracket(number(floor, f"{asset}: floor"), number(ratio, f"{asset}: ratio"))
            for floor, ratio in pairs
        )
        counted_amount(0.0, rows)
        return replace(
            self, facts=replace(self.facts, collateral={**self.facts.collateral, asset: (Fact(rows, "user"),)})
        )

    def loan_tiers(self, asset: str, at: Time | None = None) -> tuple[Tier, ...]:
        """Return the tiers, in quantity, at which what is owed of an asset asks for margin; empty: it asks for none."""
        dated = self.facts.loans.get(asset, self.facts.loans.get("", ()))
        fact = in_force(dated, self.moment(at))
        return () if fact is None else complete_tiers(fact.value, f"{self.name}: loans of {asset}")

    def with_loans(self, asset: str, tiers: Sequence[Tier]) -> Self:
        """Return rules in which what is owed of an asset asks for margin by the user's tiers, at all times.

        Parameters
        ----------
        asset : str
            "" for all that have no tiers of their own.
        tiers : sequence of Tier
            Floors in quantity of the asset; amounts are left to None.
        """
        if not self.facts.lends:
            raise VenueError(f"{self.name} lends nothing; tiers of loans would have no effect")
        if any(row.amount is not None for row in tiers):
            raise VenueError(f"{self.name}: maintenance of loans is marginal; leave amount= of their tiers out")
        complete_tiers(tiers, f"{self.name}: loans of {asset}")
        return replace(
            self, facts=replace(self.facts, loans={**self.facts.loans, asset: (Fact(tuple(tiers), "user"),)})
        )

    def auto_exchange_rules(self, at: Time | None = None) -> AutoExchange:
        """Return the balances below which other collateral is sold."""
        return self.need(self.facts.exchange, at, "auto-exchange")
