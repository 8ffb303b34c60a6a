"""One strategy on the same days through several venues or modes: who is closed when, and what each would have cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backtest.backtest import Backtest
from backtest.errors import ConfigError
from backtest.result_summary import committed
from backtest.stand_ins import Readdressed, StandIn, base_of, readdress, renamed
from feeds.dataset import Dataset
from feeds.errors import LevdynError
from venues.config import Venue

if TYPE_CHECKING:
    import pandas as pd

    from backtest.result import Result
    from backtest.strategy import Strategy

COLUMNS = {
    "reporting": "asset in which the row is counted",
    "end_equity": "reporting asset",
    "return": "fraction, time-weighted",
    "max_drawdown": "fraction, negative",
    "funding": "reporting asset, received",
    "fees": "reporting asset, received",
    "slippage": "reporting asset, against the price at the decision",
    "liquidation_costs": "reporting asset, received",
    "liquidations": "count of episodes",
    "first_liquidation": "time",
    "liquidation_mark": "quote per base, of the first one",
    "shortfall": "reporting asset, what the account could not pay",
    "min_distance": "fraction of the mark, inf without a liquidation price",
    "max_margin_ratio": "1 = liquidation",
    "max_leverage": "notional / equity",
    "capital": "reporting asset, largest initial margin",
    "efficiency": "change of equity / capital",
    "rejected_orders": "count",
    "rejected_for": "the most frequent reason",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """What runs came to, side by side: one strategy in several accounts, or results of any kind.

    Attributes
    ----------
    results : mapping of str to Result
        By label, in the order given.
    stand_ins : mapping of str to tuple of StandIn
        By label: rows of one venue that stood in for those of another.
    base : str
        Venue whose data stood in; "" for results that were put side by side.
    """

    results: "Mapping[str, Result]"
    stand_ins: Mapping[str, tuple[StandIn, ...]]
    base: str

    @property
    def table(self) -> "pd.DataFrame":
        """Return one row per label with the columns of `COLUMNS`; ``attrs["units"]`` names their units."""
        import pandas as pd

        made = pd.DataFrame.from_dict(
            {label: figures(result) for label, result in self.results.items()}, orient="index", columns=list(COLUMNS)
        )
        made.index.name = "venue" if self.base else "run"
        made.attrs["units"] = dict(COLUMNS)
        return made

    @property
    def findings(self) -> list[str]:
        """Return the findings of all runs, each with its label."""
        return [f"{label}: {text}" for label, result in self.results.items() for text in result.findings]

    def page(self, path: str | Path) -> Path:
        """Write table and pictures as one HTML file that needs nothing else, and return its path."""
        from backtest.comparison_page import write

        return write(self, path)

    def save(self, folder: str | Path) -> list[Path]:
        """Write the page, the table as CSV and each result in a folder of its own; return what was written."""
        root = Path(folder)
        root.mkdir(parents=True, exist_ok=True)
        table = root / "comparison.csv"
        self.table.to_csv(table)
        return [
            self.page(root / "comparison.html"),
            table,
            *(result.save(root / _folder(label)) for label, result in self.results.items()),
        ]

    def __str__(self) -> str:
        """Return the table and what stood in for what."""
        return "\n".join([self.table.T.to_string(), "", *self.notes()])

    def notes(self) -> list[str]:
        """Return a line for each venue that read rows of another, once for all its labels, and what differs else."""
        out: dict[str, None] = {}
        if not self.base:
            differing: dict[str, set[Any]] = {
                "data": {result.fingerprint for result in self.results.values()},
                "spans": {(result.meta["start_ns"], result.meta["end_ns"]) for result in self.results.values()},
                "currencies": {result.meta["reporting"] for result in self.results.values()},
            }
            out |= {f"The runs have different {what}.": None for what, values in differing.items() if len(values) > 1}
        for rows in self.stand_ins.values():
            by_symbol: dict[tuple[str, str, str], list[str]] = {}
            for row in rows:
                by_symbol.setdefault((row.venue, row.symbol, row.source), []).append(row.kind)
            for (venue, symbol, source), kinds in by_symbol.items():
                out[f"{venue}: {symbol} reads {', '.join(kinds)} of {source}"] = None
        return list(out)


def side_by_side(results: "Mapping[str, Result]") -> Comparison:
    """Return results of any kind, of strategies, venues or leverages, to be looked at together.

    Parameters
    ----------
    results : mapping of str to Result
        By label, at least two.

    Raises
    ------
    ConfigError
        For fewer than two.

    Examples
    --------
    >>> from backtest import Result, side_by_side
    >>> found = side_by_side({"slow": Result.load("slow"), "fast": Result.load("fast")})  # doctest: +SKIP
    >>> found.page("both.html")  # doctest: +SKIP
    """
    if len(results) < 2:
        raise ConfigError(f"side_by_side takes at least two results, got {len(results)}")
    return Comparison(dict(results), {}, "")


def compare(
    data: Dataset | Sequence[Dataset],
    strategy: "Strategy | Sequence[Strategy]",
    venues: "Mapping[str, Venue | Sequence[Venue]] | Sequence[Venue]",
    *,
    base: str | None = None,
    symbols: Mapping[str, Mapping[str, str]] | None = None,
    **settings: Any,
) -> Comparison:
    """Run one strategy on the same data through several accounts, one after the other.

    Each account gets the streams of its own venue where the data have them; the rest are those of the base venue, and
    `Comparison.stand_ins` lists them. Tiers, fees and rules are each venue's own.

    Parameters
    ----------
    data : Dataset or sequence of Dataset
    strategy : Strategy or sequence of Strategy
        Symbols in its parameters (and in `mark`) are exchanged for those of each venue; symbols in its code are not.
    venues : mapping of label to Venue or Venues, or sequence of Venue
        The accounts to compare. Of several Venues under one label the first takes the place of the base venue, the
        others stay as they are.
    base : str, optional
        Venue whose data stand in for those of the others; by default that of the first account, or the only one with
        contracts in the data.
    symbols : mapping of venue to mapping of symbol to symbol, optional
        Contracts that are not of the same name, kind and base asset: ``{"bitmex": {"BTC/USDT:USDT": "BTC/USD:BTC"}}``.
    **settings
        Of `Backtest`: start, end, mark, reporting ...

    Returns
    -------
    Comparison

    Raises
    ------
    ConfigError
        With the reason for each account that cannot run it.

    Examples
    --------
    >>> import feeds, venues
    >>> from backtest import compare
    >>> from backtest.demo import BuyAndHold
    >>> accounts = [venues.Venue(name, balances={"USDT": 10_000}) for name in ("binance_usdm", "bybit")]
    >>> comparison = compare(feeds.sample(), BuyAndHold(leverage=5), accounts)
    >>> list(comparison.table.index)
    ['binance_usdm', 'bybit']
    """
    whole = data if isinstance(data, Dataset) else sum(data, Dataset([]))
    accounts = _labelled(venues)
    given = symbols or {}
    _check_venues(given, accounts)
    source = base if base is not None else base_of(whole, next(iter(accounts.values()))[0].name)
    if source not in whole.venues:
        raise ConfigError(f"base={source!r} is not in the data; they are of {', '.join(whole.venues)}")
    results: dict[str, Result] = {}
    stand_ins: dict[str, tuple[StandIn, ...]] = {}
    problems: list[str] = []
    for label, members in accounts.items():
        first, others = members[0], [each.name for each in members[1:]]
        try:
            moved = readdress(whole, source, first.book, others, given.get(first.name))
            results[label] = _run(moved, strategy, members, source, settings)
        except LevdynError as error:
            problems.append(f"{label}: {error}")
            continue
        stand_ins[label] = moved.stand_ins
    if problems:
        raise ConfigError("\n".join(["the comparison cannot be made of all of them", *(f"  {p}" for p in problems)]))
    return Comparison(results, stand_ins, source)


def figures(result: "Result") -> dict[str, Any]:
    """Return the figures of a result that a comparison shows, keys as in `COLUMNS`."""
    import pandas as pd

    summary, forced = result.summary, result.liquidations
    first = forced[forced["what"] != "adl"].head(1)
    capital = committed(result.store)
    refused = result.orders.loc[lambda orders: orders["status"] == "rejected", "reason"]
    own = {
        "rejected_for": "" if refused.empty else str(refused.mode().iloc[0]),
        "reporting": result.meta["reporting"],
        "first_liquidation": first["time"].iloc[0] if len(first) else pd.NaT,
        "liquidation_mark": float(first["trigger_mark"].iloc[0]) if len(first) else float("nan"),
        "capital": capital,
        "efficiency": summary["change"] / capital if capital > 0.0 else float("nan"),
    }
    return {name: own[name] if name in own else summary[name] for name in COLUMNS}


def _run(
    moved: Readdressed,
    strategy: "Strategy | Sequence[Strategy]",
    members: Sequence[Venue],
    base: str,
    settings: Mapping[str, Any],
) -> "Result":
    """Return the result of one candidate."""
    given: list[Any] = list(strategy) if isinstance(strategy, list | tuple) else [strategy]
    venue = members[0].name
    copies = [
        each.fresh_copy(
            {name: renamed(value, base, venue, moved.symbols) for name, value in each.parameter_values().items()}
        )
        for each in given
    ]
    mark = settings.get("mark")
    if isinstance(mark, Mapping):
        settings = {**settings, "mark": {renamed(name, base, venue, moved.symbols): how for name, how in mark.items()}}
    return Backtest(moved.data, copies, venues=list(members), **settings).run()


def _labelled(venues: "Mapping[str, Venue | Sequence[Venue]] | Sequence[Venue]") -> dict[str, list[Venue]]:
    """Return the accounts by label; a sequence is labelled by venue, mode where one venue comes several times."""
    if isinstance(venues, Mapping):
        made = {label: [each] if isinstance(each, Venue) else list(each) for label, each in venues.items()}
    else:
        accounts = [venues] if isinstance(venues, Venue) else list(venues)
        bad = [each for each in accounts if not isinstance(each, Venue)]
        if bad:
            raise ConfigError(f"compare takes venues.Venue(...), got {type(bad[0]).__name__}")
        made = {}
        for each in accounts:
            several = sum(other.name == each.name for other in accounts) > 1
            label = f"{each.name} {each.margin_mode}" if several else each.name
            if label in made:
                raise ConfigError(f"two accounts are {label!r}; give a mapping of label to Venue")
            made[label] = [each]
    if not made or not all(made.values()):
        raise ConfigError("compare needs at least one account: [venues.Venue('binance_usdm', balances={...}), ...]")
    return made


def _check_venues(symbols: Mapping[str, Mapping[str, str]], accounts: Mapping[str, Sequence[Venue]]) -> None:
    first = {members[0].name for members in accounts.values()}
    unknown = sorted(set(symbols) - first)
    if unknown:
        raise ConfigError(f"symbols names {unknown[0]!r}, which is not compared ({', '.join(sorted(first))})")


def _folder(label: str) -> str:
    """Return a label as the name of a folder."""
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in label)
