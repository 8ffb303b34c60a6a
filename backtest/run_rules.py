"""What the rule books of the venues say for one run, in the engine's units."""

from math import isinf
from typing import TYPE_CHECKING

from backtest.errors import ConfigError
from backtest.run_decisions import Decisions
from backtest.run_instruments import RunInstrument
from venues.config import SELF_TRADES, Venue

if TYPE_CHECKING:
    from venues.facts import Dated, InterestCaps

MINUTE_NS = 60_000_000_000


class VenueFigures(Decisions):
    """Figures of the venues as of the start of a run."""

    def _exchange_thresholds(self, name: str) -> list[int | None]:
        """Return the balance of each asset, atoms, below which multi-assets mode covers it; None: as other assets.

        Without a rule no balance is.
        """
        book = self._book(name)
        if not book.facts.exchange:
            return [-(2**63)] * len(self.assets)
        rules = book.auto_exchange_rules(self.settings.start)
        return [
            round(rules.thresholds[asset] * 10**scale) if asset in rules.thresholds else None
            for asset, scale in zip(self.assets, self.scales, strict=True)
        ]

    def _other_threshold(self, name: str) -> float:
        """Return that of other assets, US dollars."""
        book = self._book(name)
        return book.auto_exchange_rules(self.settings.start).other_threshold_usd if book.facts.exchange else 0.0

    def _order_limits(self, name: str) -> tuple[int, int]:
        """Return how many open and conditional orders an account may have in a contract at a venue; 0 = not known."""
        book = self._book(name)
        if not book.facts.orders:
            return 0, 0
        rules = book.order_rules(self.settings.start)
        return rules.max_open_orders, rules.max_conditional_orders

    def _order_rates(self, name: str) -> list[tuple[int, int]]:
        """Return how many orders an account may send in each window (ns) at a venue."""
        book = self._book(name)
        if not book.facts.order_rates:
            return []
        rates = book.need(book.facts.order_rates, self.settings.start, "order rates")
        return [(most, round(seconds * 1e9)) for most, seconds in rates]

    def _amend_keeps_place(self, name: str) -> bool:
        """Return whether an order whose quantity is lowered keeps its place at a venue."""
        book = self._book(name)
        return bool(book.facts.amend_keeps_place) and bool(
            book.need(book.facts.amend_keeps_place, self.settings.start, "amending of orders")
        )

    def _self_trade(self, venue: Venue) -> int:
        """Return what happens when an order of an account would meet another of it, as `SelfTrade` numbers it."""
        facts = venue.book.facts.self_trade
        default = venue.book.need(facts, self.settings.start, "self-trade rule") if facts else "allow"
        return SELF_TRADES.index(default if venue.self_trade == "default" else venue.self_trade)

    def _icebergs(self, name: str) -> bool:
        """Return whether a venue has iceberg orders."""
        book = self._book(name)
        return bool(book.facts.icebergs) and bool(book.need(book.facts.icebergs, self.settings.start, "icebergs"))

    def value_limits(self, run: RunInstrument, at: int, max_leverage: float) -> tuple[float, float]:
        """Return the largest value of a market and of a limit order, quote currency; 0 = none."""
        book = self._book(run.venue)
        if not book.facts.orders or not run.is_derivative:
            return 0.0, 0.0
        return book.order_rules(at).largest_values(max_leverage)

    def liquidation_course(self, name: str, at: int) -> dict[str, int | float | bool]:
        """Return how a venue closes by force at a time, as `Liquidator` takes it."""
        book = self._book(name)
        if not book.facts.liquidation:
            return {}
        rules = book.liquidation(at)
        return {
            "time_limit": 0 if isinf(rules.time_limit_seconds) else int(rules.time_limit_seconds * 1_000_000_000),
            "is_at_once": rules.course == "at_once",
            "is_joint_at_once": rules.multi_assets_course == "at_once",
            "is_tiered": rules.isolated_course == "by_tier",
            "is_cross_tiered": rules.course == "by_tier",
            "cancels_contract": rules.cancels == "contract",
            "has_no_limit": not rules.is_limited,
            "target": rules.target_ratio,
            "round_time": int(rules.round_seconds * 1_000_000_000),
            "round_share": rules.round_share,
            "is_in_parts": rules.course == "in_parts",
            "backstop": rules.backstop_share,
            "whole_up_to": rules.whole_up_to,
            "part": rules.part,
            "tiers_down": rules.tiers_down,
            "pace": int(rules.pace_seconds * 1_000_000_000),
            "cooldown": int(rules.cooldown_seconds * 1_000_000_000),
            "lag": self.settings.engine_lag.get(name, 0),
            "has_limited_fund": any(venue.name == name and venue.insurance_fund is not None for venue in self.venues),
        }

    def _slices(self, name: str) -> dict[str, int | float]:
        """Return how a venue closes by force in slices, as `SlicedLiquidator` takes it; empty for other courses."""
        book = self._book(name)
        rules = book.liquidation(self.settings.start).slices if book.facts.liquidation else None
        if rules is None:
            return {}
        return {
            "block": int(rules.block_seconds * 1_000_000_000),
            "least": rules.min_notional,
            "share": rules.max_portion,
            "most_closed": rules.block_notional,
            "most_lost": rules.block_loss,
            "adjustment": rules.bankruptcy_adjustment,
            "spread": rules.spread_to_maintenance,
        }

    def _by_interest(self) -> set[int]:
        """Return the instruments whose margin follows their open interest."""
        return {run.index for run in self.instruments if run.is_derivative and self._interest_caps(run)}

    def _interest_caps(self, run: RunInstrument) -> "Dated[InterestCaps]":
        book = self._book(run.venue)
        return book.of(book.facts.interest_caps, run.symbol)

    def _mark_formula(self, run: RunInstrument) -> tuple[int, int, int, float] | None:
        """Return samples and spacing (ns) of the basis, kind and bound of the mark formula, None for other marks."""
        if self.marks.get(run.index) != "formula":
            return None
        book = self._book(run.venue)
        if not run.stream("index")[0].timeframe_ns == 0:
            raise ConfigError(
                f"mark='formula' of {run.address} needs index points, the data have index bars; use mark='index'"
            )
        rules = book.mark_rules(self.settings.start)
        if rules.formula == "outside_median":
            raise ConfigError(
                f"mark='formula' of {run.address}: the formula of {run.venue} needs prices that a run does not have "
                "(mids of other venues); use mark='feed', 'last' or 'index'"
            )
        kind = ("median", "fair", "ema", "basis").index(rules.formula)
        return rules.points, int(rules.spacing_seconds * 1_000_000_000), kind, rules.bound

    def _is_announced(self, run: RunInstrument) -> bool:
        """Return whether the venue publishes the rate of a settlement at the one before it."""
        book = self._book(run.venue)
        if not run.is_derivative or not run.stream("funding") or not book.facts.funding:
            return False
        return book.funding_rules(run.symbol, self.settings.start).is_announced

    def _formula(self, run: RunInstrument) -> tuple[float, float, float, float, bool, bool] | None:
        """Return interest, clamp, cap, floor, weighting and whether interest is added; None without a formula."""
        book = self._book(run.venue)
        if not run.is_derivative or not run.stream("premium"):
            return None
        rules = book.funding_rules(run.symbol, self.settings.start)
        cap = float("inf") if rules.cap is None else rules.cap
        floor = float("-inf") if rules.floor is None else rules.floor
        if rules.is_continuous:
            # the bounds are of 8 hours, the published rates of one hour
            cap, floor = cap / rules.interval_hours, floor / rules.interval_hours
        return rules.interest_rate, rules.clamp, cap, floor, rules.is_weighted, rules.interest_is_added
