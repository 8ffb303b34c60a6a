"""The rule book: venues by name, and their rules that can be called by themselves."""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from venues import rules as records
from venues.asset_rules import AssetRules
from venues.checks import Number, Time, decimals, did_you_mean, exact, number, time_ns
from venues.contract import ContractBox
from venues.errors import VenueError
from venues.facts import LATEST
from venues.instrument import Tier

if TYPE_CHECKING:
    from venues.calculator import Account
    from venues.order_cost import OrderCost
    from venues.rule_calls import LiquidationStep, RiskArrays

_PRICE_DECIMALS: Final = 8  # of boxes that serve single calculations


def names() -> tuple[str, ...]:
    """Return the names of the venues whose rules are shipped."""
    found = (module.name for module in pkgutil.iter_modules(records.__path__))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def get(name: str, as_of: Time | None = None) -> "VenueRules":
    """Return the rules of a venue.

    Parameters
    ----------
    name : str
        One of `names()`.
    as_of : ns or time, optional
        A date alone means the end of that day. None: the latest rules known.

    Raises
    ------
    VenueError
        If no rules of that name are shipped.
    """
    if not isinstance(name, str) or name not in names():
        raise VenueError(f"no venue {name!r}; known: {', '.join(names())}{did_you_mean(name, names())}")
    facts = importlib.import_module(f"venues.rules.{name}").facts()
    return VenueRules(facts, LATEST if as_of is None else time_ns(as_of, "as_of", end_of_day=True))


@dataclass(frozen=True, slots=True)
class VenueRules(AssetRules):
    """What one venue does as of a time, with its rules as functions: keyword-only, in the terms of the field.

    Notes
    -----
    These are the engine's own functions. A rule that the venue does not have raises a `VenueError` which names it.
    """

    def box(self, symbol: str, at: Time | None = None, *, tiers: Sequence[Tier] | None = None) -> ContractBox:
        """Return one contract in C memory for single calculations, with at least 8 decimals of price and quantity."""
        instrument = self.instrument(symbol, at)
        if instrument is None:
            instrument = self.default_instrument(symbol)
        needed = [x for x in (instrument.tick_size, instrument.lot_size, instrument.min_quantity) if x is not None]
        scale = max(_PRICE_DECIMALS, *(decimals(x) for x in needed)) if needed else _PRICE_DECIMALS
        if tiers is None and instrument.contract != "spot":
            tiers = self.tiers(symbol, at)
        return ContractBox(
            instrument,
            index=0,
            assets={
                asset: row for row, asset in enumerate({instrument.base: 0, instrument.quote: 0, instrument.settle: 0})
            },
            price_scale=scale,
            quantity_scale=scale,
            rounding=self.rounding(at),
            fees=self.fees(symbol=symbol, at=at),
            tiers=tiers,
            margin=self.margin(at),
            delivery_fee=self.delivery(symbol, at).fee if instrument.expiry is not None else 0,
            funding_accrues=instrument.contract != "spot" and self.is_funding_continuous(symbol, at),
            interest_caps=self.interest_caps(symbol, at),
        )

    def order_cost(
        self,
        *,
        symbol: str,
        side: str,
        quantity: Number,
        leverage: Number,
        mark: Number,
        price: Number | None = None,
        takes: bool = False,
        last: Number | None = None,
        ask: Number | None = None,
        at: Time | None = None,
    ) -> "OrderCost":
        """Return what an order costs: initial margin plus the loss at mark that it would start with, settle asset.

        Parameters
        ----------
        symbol : str
        side : {"buy", "sell"}
        quantity, leverage, mark : float
            Above 0.
        price : float, optional
            Limit; None = market order.
        takes : bool
            A limit that takes at once: the assuming price stands in for its own.
        last, ask : float, optional
            Last price and best ask, for orders that take.
        """
        from venues.order_cost import order_cost

        if side not in ("buy", "sell"):
            raise VenueError(f"side must be 'buy' or 'sell', got {side!r}")
        rules = self.order_rules(at)
        return order_cost(
            self.box(symbol, at, tiers=()),
            side=1 if side == "buy" else -1,
            quantity=number(quantity, "quantity", above=0.0),
            leverage=number(leverage, "leverage", low=1.0),
            mark=number(mark, "mark", above=0.0),
            price=0.0 if price is None else number(price, "price", above=0.0),
            takes=takes,
            last=0.0 if last is None else number(last, "last", above=0.0),
            ask=0.0 if ask is None else number(ask, "ask", above=0.0),
            buy_markup=rules.buy_markup,
            sell_markup=rules.sell_markup,
        )

    def mark_price(
        self,
        *,
        index: Number,
        basis: Number = 0.0,
        contract_price: Number | None = None,
        last_rate: Number | None = None,
        hours_left: Number | None = None,
        interval_hours: Number = 8.0,
        outside: Number | None = None,
        short_average: Number | None = None,
        at: Time | None = None,
    ) -> float:
        """Return the formula mark of a perpetual, quote currency; `MarkRules.formula` says which one.

        Parameters
        ----------
        index, basis : float
            Index or oracle; average of price - index (see `average_basis`).
        contract_price : float, optional
            "median": last price. "outside_median": median of best bid, best ask and last price.
        last_rate, hours_left, interval_hours : float, optional
            "median": rate settled last; "fair": rate that will be paid; and the hours until the next funding.
        outside : float, optional
            "outside_median": weighted median of other venues' mids.
        short_average : float, optional
            "outside_median" without `outside`: average of `contract_price` over 30 s.
        """
        from venues.formula_prices import formula_price

        given = {
            "contract_price": contract_price,
            "last_rate": last_rate,
            "hours_left": hours_left,
            "outside": outside,
            "short_average": short_average,
        }
        return formula_price(
            self,
            self.mark_rules(at),
            index=number(index, "index", above=0.0),
            basis=number(basis, "basis"),
            interval_hours=number(interval_hours, "interval_hours", above=0.0),
            given={name: number(value, name) for name, value in given.items() if value is not None},
        )

    def average_basis(
        self, *, samples: Sequence[float], spacing_seconds: Number | None = None, at: Time | None = None
    ) -> float:
        """Return the venue's average of mid - index over samples in time order, quote currency.

        Parameters
        ----------
        samples : sequence of float
        spacing_seconds : float, optional
            Time that a sample stands for; None: the venue's. It matters where the average decays.
        """
        from venues.funding import BasisWindow, decayed_average

        rules = self.mark_rules(at)
        spacing = rules.spacing_seconds if spacing_seconds is None else number(spacing_seconds, "spacing", above=0.0)
        if not len(samples):
            raise VenueError("samples must hold at least one value, got none")
        if rules.decay_seconds > 0.0:
            return decayed_average([number(x, "samples") for x in samples], spacing, rules.decay_seconds)
        window = BasisWindow(rules.points)
        for sample in samples:
            window.add(number(sample, "samples"))
        return window.mean

    def premium(self, *, impact_bid: Number, impact_ask: Number, index: Number) -> float:
        """Return the premium index: (max(0, impact bid - index) - max(0, index - impact ask)) / index.

        Impact prices are the average fills of the impact notional (`FundingRules`), quote currency.
        """
        from venues.funding import impact_premium

        return impact_premium(
            number(impact_bid, "impact_bid", above=0.0),
            number(impact_ask, "impact_ask", above=0.0),
            number(index, "index", above=0.0),
        )

    def funding_rate(
        self,
        *,
        premium: Number | Sequence[float],
        symbol: str = "",
        interval_hours: Number | None = None,
        interest_rate: Number | None = None,
        cap: Number | None = None,
        floor: Number | None = None,
        at: Time | None = None,
    ) -> float:
        """Return the funding rate of one interval; positive: longs pay.

        Parameters
        ----------
        premium : float or sequence of float
            Average premium index of the interval, or its samples in time order.
        symbol : str, optional
            Whose interval, interest and bounds stand in for those not given; "" = the venue's defaults.
        interval_hours, interest_rate, cap, floor : float, optional
            interest_rate is for 8 hours; cap and floor bound the result.
        """
        from venues.funding import FundingEstimator, interval_rate

        rules = self.need(self.of(self.facts.funding, symbol), at, "funding rules")
        if symbol:
            rules = self.funding_rules(symbol, at)
        hours = rules.interval_hours if interval_hours is None else number(interval_hours, "interval_hours", above=0.0)
        interest = rules.interest_rate if interest_rate is None else number(interest_rate, "interest_rate")
        high = rules.cap if cap is None else number(cap, "cap")
        low = rules.floor if floor is None else number(floor, "floor")
        if isinstance(premium, int | float | str | Decimal):
            average = number(premium, "premium")
            return interval_rate(
                average,
                interval_hours=hours,
                interest_rate=interest,
                clamp=rules.clamp,
                cap=high,
                floor=low,
                is_added=rules.interest_is_added,
            )
        samples = FundingEstimator(
            interval_hours=hours,
            interest_rate=interest,
            clamp=rules.clamp,
            cap=high,
            floor=low,
            is_weighted=rules.is_weighted,
            is_added=rules.interest_is_added,
        )
        for sample in premium:
            samples.add(number(sample, "premium"))
        if samples.rate is None:
            raise VenueError("premium must hold at least one sample, got none")
        return samples.rate

    def collateral_value(self, *, asset: str, amount: Number, price: Number, at: Time | None = None) -> float:
        """Return what a balance counts as margin in multi-assets mode: amount x price, positive ones x their ratios."""
        from venues.collateral import counted_amount

        held, most = number(amount, "amount"), self.known_up_to(asset, at)
        if held > most:
            raise VenueError(
                f"{self.name}: how {asset} counts above {most:g} is not known here, got {held:g}; "
                f"with_collateral({asset!r}, [(0, ...), ({most:g}, ...)]) says so"
            )
        return counted_amount(held, self.counted_brackets(asset, at)) * number(price, "price", above=0.0)

    def auto_exchange(self, *, deficit: Number, ratio: Number, at: Time | None = None) -> float:
        """Return the value of other collateral sold to cover a deficit: deficit / haircut ratio, same unit."""
        from venues.order_cost import auto_exchange

        self.auto_exchange_rules(at)
        return auto_exchange(number(deficit, "deficit", low=0.0), ratio=number(ratio, "ratio", above=0.0, high=1.0))

    def fee(
        self,
        *,
        symbol: str,
        quantity: Number,
        price: Number,
        is_maker: bool = False,
        level: str | tuple[Number, Number] = "regular",
        at: Time | None = None,
    ) -> Decimal:
        """Return the fee of a fill in the settle asset, rounded as the venue rounds; a rebate is negative."""
        from venues.rule_calls import exact_fee

        rates = self.fees(level, at, symbol=symbol)
        rate = exact(rates.maker if is_maker else rates.taker)
        return exact_fee(self, symbol=symbol, quantity=exact(quantity), price=exact(price), rate=rate, at=at)

    def adl_score(
        self,
        *,
        symbol: str,
        quantity: Number,
        entry_price: Number,
        mark: Number,
        bankruptcy_price: Number,
        at: Time | None = None,
    ) -> float:
        """Return what ranks a position for auto-deleveraging: profit x effective leverage, the highest first.

        Parameters
        ----------
        symbol : str
        quantity : float
            Signed.
        entry_price, mark, bankruptcy_price : float
            Above 0.
        """
        from venues.rule_calls import effective_score

        self.need(self.facts.scores_adl, at, "score for auto-deleveraging")
        return effective_score(
            self.box(symbol, at, tiers=()),
            number(quantity, "quantity"),
            entry=number(entry_price, "entry_price", above=0.0),
            mark=number(mark, "mark", above=0.0),
            bankruptcy=number(bankruptcy_price, "bankruptcy_price", above=0.0),
        )

    def index_price(
        self, *, prices: Sequence[Number], weights: Sequence[Number] | None = None, at: Time | None = None
    ) -> float:
        """Return the index of several venues' prices: each is cut to a share around their median, then the mean.

        Parameters
        ----------
        prices : sequence of float
        weights : sequence of float, optional
            None: all the same.
        """
        from venues.rule_calls import capped_mean

        cap = self.need(self.facts.index_cap, at, "cap of index prices")
        read = [number(price, "prices", above=0.0) for price in prices]
        shares = [1.0] * len(read) if weights is None else [number(w, "weights", low=0.0) for w in weights]
        return capped_mean(read, shares, cap)

    def adl_ranking(
        self,
        *,
        side: Sequence[int],
        unrealized_pnl: Sequence[float] | None = None,
        collateral: Sequence[float] | None = None,
        margin_ratio: Sequence[float] | None = None,
        mark: Sequence[float] | None = None,
        entry_price: Sequence[float] | None = None,
        notional: Sequence[float] | None = None,
        account_value: Sequence[float] | None = None,
        at: Time | None = None,
    ) -> tuple[int, ...]:
        """Return each position's place in the queue of its side for auto-deleveraging; 0 is closed first.

        Highest score first, longs and shorts apart; ties keep order. Of most venues the score is unrealized profit /
        collateral x margin ratio, of some losses are divided by the ratio; where `VenueFacts.adl_ranks_by` is
        "price_on_leverage" it is mark / entry (shorts: entry / mark) x notional / account value.

        Parameters
        ----------
        side : sequence of int
            +1 long, -1 short.
        unrealized_pnl, collateral, margin_ratio : sequence of float
            collateral above 0.
        mark, entry_price, notional, account_value : sequence of float
            Above 0.
        """
        from venues.rule_calls import adl_ranks

        self.need(self.facts.ranks_adl, at, "ranking for auto-deleveraging")
        profit = {"unrealized_pnl": unrealized_pnl, "collateral": collateral, "margin_ratio": margin_ratio}
        price = {"mark": mark, "entry_price": entry_price, "notional": notional, "account_value": account_value}
        is_price = self.facts.adl_ranks_by == "price_on_leverage"
        asked, idle = (price, profit) if is_price else (profit, price)
        if any(values is None for values in asked.values()) or any(values is not None for values in idle.values()):
            raise VenueError(f"the ranking of {self.name} takes {', '.join(asked)}, and no other figures")
        figures = {name: values for name, values in asked.items() if values is not None}
        return adl_ranks(side, figures, score=self.facts.adl_ranks_by)

    def liquidation_steps(
        self,
        *,
        account: "Account",
        symbol: str,
        marks: Mapping[str, Number],
        index: Mapping[str, Number] | None = None,
        is_cooling: bool = False,
    ) -> "tuple[LiquidationStep, ...]":
        """Return the forced closing of one position as planned at these marks; empty while its pool is sound.

        Where large positions are closed in parts, `is_cooling` says that the account had such a part closed within the
        venue's cooldown.
        """
        from venues.rule_calls import plan_liquidation

        return plan_liquidation(self, account, symbol=symbol, marks=marks, index=index, is_cooling=is_cooling)

    def risk_many(
        self,
        *,
        symbols: Sequence[str],
        symbol: Sequence[int],
        account: Sequence[int],
        quantity: Sequence[float],
        entry_price: Sequence[float],
        mark: Sequence[float],
        leverage: Sequence[float],
        wallet: Sequence[float],
        at: Time | None = None,
    ) -> "RiskArrays":
        """Return the risk of many cross accounts at once.

        Parameters
        ----------
        symbols : sequence of str
        symbol, account : sequence of int, shape (positions,)
            Row in `symbols`, and account of each position; positions of one account are neighbours, accounts ascend.
        quantity, entry_price, mark, leverage : sequence of float, shape (positions,)
        wallet : sequence of float, shape (accounts,)
        """
        from venues.rule_calls import risk_many

        return risk_many(
            [self.box(name, at) for name in symbols], symbol, account, quantity, entry_price, mark, leverage, wallet
        )
