"""The demonstration: a leveraged position that pays funding, comes near liquidation and is closed by force."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.attribution_sums import round_to_sum
from backtest.result_text import percent
from backtest.strategy import Strategy

if TYPE_CHECKING:
    import pandas as pd

    from backtest.result import Result

SYMBOL = "BTC/USDT:USDT"
VENUE = "binance_usdm"
DEPOSIT = 10_000
LEVERAGE = 5.0
OTHERS = (2.0, 3.0, 4.0, 5.0, 10.0)


class BuyAndHold(Strategy):
    """Buys a perpetual for a multiple of the equity an hour after the start, holds it, and notes how near it comes."""

    symbol: str = SYMBOL
    leverage: float = LEVERAGE
    warning: float = 0.05

    def on_start(self) -> None:
        """Ask for a timer and for an alert well before the venue's margin call."""
        self.once("1h")
        self.alert(self.symbol, distance=self.warning)

    def on_timer(self, timer: Any) -> None:
        """Buy."""
        self.target(self.symbol, leverage=self.leverage)


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened, and what it cost.

    Attributes
    ----------
    when : str
        UTC, to the second; a day for what is summed over one.
    what : str
    amount : Fraction or None
        Reporting asset; received is positive. None where no money moved.
    distance : float or None
        To liquidation, as a fraction of the mark; of a day the smallest.
    is_forced : bool
        Whether the venue did it.
    """

    when: str
    what: str
    amount: Fraction | None = None
    distance: float | None = None
    is_forced: bool = False


@dataclass(frozen=True, slots=True)
class Rung:
    """What the same strategy came to at another leverage; `closed` is the time of the forced close."""

    leverage: float
    end: float
    change: float
    funding: float
    distance: float
    closed: str


def run(leverage: float = LEVERAGE) -> "Result":
    """Return the result of holding the built-in sample's perpetual at a leverage.

    Parameters
    ----------
    leverage : float
        Of the position bought, notional / equity.
    """
    import feeds
    import venues
    from backtest.backtest import Backtest

    account = venues.Venue(VENUE, balances={"USDT": DEPOSIT})
    return Backtest(feeds.sample(), BuyAndHold(leverage=leverage), venues=account).run()


def ladder(leverages: Sequence[float] = OTHERS) -> list[Rung]:
    """Return the outcome of the same strategy at several leverages."""
    rungs = []
    for leverage in leverages:
        result = run(leverage)
        summary, forced = result.summary, result.liquidations
        closed = "" if forced.empty else f"{forced['time'].iloc[-1]:%m-%d %H:%M}"
        rungs.append(
            Rung(
                leverage=leverage,
                end=summary["end_equity"],
                change=summary["return"],
                funding=summary["funding"],
                distance=summary["min_distance"],
                closed=closed,
            )
        )
    return rungs


def story(result: "Result") -> list[Moment]:
    """Return what happened in the demonstration, in order of time.

    The amounts are cents that add up to the change of equity: fees, slippage, funding, profit at decision prices,
    cost of the forced close.
    """
    found = [
        *_own_fills(result),
        *_funding_days(result),
        *_warnings(result),
        *_forced(result),
    ]
    found.sort(key=lambda row: row.time)
    cents = iter(round_to_sum([row.amount for row in found if row.amount is not None], 2))
    return [
        Moment(
            when=f"{row.time:%m-%d}" if row.is_day else f"{row.time:%m-%d %H:%M:%S}",
            what=row.what,
            amount=None if row.amount is None else next(cents),
            distance=row.distance,
            is_forced=row.is_forced,
        )
        for row in found
    ]


@dataclass(frozen=True, slots=True)
class _Row:
    """A moment before its amount is rounded."""

    time: "pd.Timestamp"
    what: str
    amount: Fraction | None = None
    distance: float | None = None
    is_day: bool = False
    is_forced: bool = False


def _own_fills(result: "Result") -> list[_Row]:
    """Return what orders of the strategy cost, fee and distance from the decision price apart."""
    rows = []
    for at in np.flatnonzero(result.fills["forced"] == "own").tolist():
        fill = result.fills.iloc[at]
        slippage, fee = _costs(result, at)
        verb = "buys" if fill["side"] > 0 else "sells"
        coin = SYMBOL.partition("/")[0]
        rows.append(_Row(fill["time"], f"{verb} {fill['quantity']:g} {coin}, decided at {fill['decision_price']:,.2f}"))
        rows.append(_Row(fill["time"], f"filled at {fill['price']:,.2f}: slippage", slippage))
        rows.append(_Row(fill["time"], f"taker fee, {fill['fee'] / fill['quantity'] / fill['price']:.2%} of that", fee))
    return rows


def _costs(result: "Result", row: int) -> tuple[Fraction, Fraction]:
    """Return exactly what a fill gained against the price at the decision, and its fee as a cost."""
    columns = result.store.columns("fills")
    which = int(columns["instrument"][row])
    unit = Fraction(1, 10 ** int(result.store.price_scales[which] + result.store.quantity_scales[which]))
    gained = int(columns["decision_price"][row]) - int(columns["price"][row])
    fee = Fraction(int(columns["fee"][row]), 10 ** int(result.store.asset_scales[columns["fee_asset"][row]]))
    return gained * int(columns["side"][row]) * int(columns["quantity"][row]) * unit, -fee


def _funding_days(result: "Result") -> list[_Row]:
    """Return the funding payments, one row per day."""
    columns, margin = result.store.columns("funding"), result.margin
    smallest = margin["distance"].groupby(margin["time"].dt.floor("D")).min()
    rows = []
    for day, part in result.funding.groupby(result.funding["time"].dt.floor("D")):
        low, high = (f"{100 * rate:.3f}" for rate in (part["rate"].min(), part["rate"].max()))
        rates = f"{low} %" if low == high else f"{low} to {high} %"
        atoms = sum(int(columns["amount"][row]) for row in part.index)
        unit = Fraction(1, 10 ** int(result.store.asset_scales[columns["asset"][part.index[0]]]))
        text = f"funding x {len(part)}, rate {rates}"
        rows.append(_Row(part["time"].iloc[-1], text, atoms * unit, distance=float(smallest[day]), is_day=True))
    return rows


def _warnings(result: "Result") -> list[_Row]:
    """Return the alerts of the strategy and the venue's calls."""
    calls = result.margin_calls
    raised = calls[calls["active"]]
    rows = []
    for row, is_own in zip(raised.to_dict("records"), raised["strategy"].notna(), strict=True):
        if is_own:
            rows.append(_Row(row["time"], f"own alert: {percent(row['distance'], 1)} from liquidation"))
        else:
            said = f"MARGIN CALL: maintenance is {percent(row['ratio'], 0)} of equity"
            rows.append(_Row(row["time"], said, distance=row["distance"], is_forced=True))
    return rows


def _forced(result: "Result") -> list[_Row]:
    """Return the end of the position: profit up to the trigger, what the forced close itself cost, and who paid."""
    import pandas as pd

    price = result.explained().total("price")
    if result.liquidations.empty:
        end = pd.Timestamp(result.meta["end_ns"], unit="ns", tz="UTC")
        return [_Row(end, "the end: position, decision to last mark", price)]
    rows = []
    by_force = np.flatnonzero(result.fills["forced"].isin(["liquidation", "takeover"])).tolist()
    for step, (row, at) in enumerate(zip(result.liquidations.to_dict("records"), by_force, strict=True)):
        slippage, fee = _costs(result, at)
        mark, close, size = f"{row['trigger_mark']:,.2f}", f"{row['price']:,.2f}", f"{abs(row['quantity']):g}"
        said: list[tuple[str, Fraction | None]] = [
            (f"FORCED CLOSE: maintenance is {percent(row['ratio'], 1)} of equity at mark {mark}", None),
            ("position, from the decision to that mark", price if step == 0 else None),
            (f"{size} {SYMBOL.partition('/')[0]} closed at {close}, not at the mark", slippage),
            (f"fee to the insurance fund: {_fee_words(result.fills.iloc[at])}", fee),
            (f"shortfall {row['shortfall']:,.2f}: {_payer(row)}", None),
        ]
        rows += [_Row(row["time"], text, amount, is_forced=True) for text, amount in said]
    return rows


def _payer(row: Mapping[Any, Any]) -> str:
    return f"paid by the {row['paid_by'].replace('_', ' ')}" if row["shortfall"] else "nobody has to pay"


def _fee_words(fill: Any) -> str:
    """Say why a liquidation fee is what it is: the venue's rate, or all that was left."""
    import venues

    rate = venues.get(VENUE).clearance_fee(SYMBOL, int(fill["time"].value))
    full = rate * fill["quantity"] * fill["price"]
    said = f"{percent(rate)} of the notional"
    return f"{said} is {full:,.2f}, this is all that is left" if fill["fee"] < 0.999 * full else said


def bill(result: "Result") -> list[tuple[str, Fraction, str]]:
    """Return the lines of the exact attribution, as name, amount and what the line is; they add up to the change."""
    words = {
        "price": "position, from the price at the decision to the last mark",
        "slippage": "own orders, from the price at the decision to the fill",
        "funding": f"{len(result.funding)} payments of quantity x mark x rate",
        "fees": "of own orders",
        "liquidation": "the forced close: from the mark to the fill, and its fee",
    }
    explained = result.explained()
    return [(name, explained.total(name), text) for name, text in words.items()]
