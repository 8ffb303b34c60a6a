"""What a result says of accounts whose assets all back one pool: what counts, what debts cost, by which rules."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from venues.config import Venue
from venues.facts import Dated, Fact, in_force
from venues.instrument import Tier

if TYPE_CHECKING:
    from backtest.assembly import Assembly


def collateral_rows(assembly: "Assembly", venue: Venue, add: Any, suffix: str) -> None:
    """Tell what debts cost and what does not count as margin."""
    book, at = venue.book, assembly.first
    if book.facts.lends:
        is_known = any(s.kind == "borrow_rates" and s.venue == venue.name for s in assembly.dataset.streams)
        add(f"interest on debts{suffix}", "borrow_rates" if is_known else "none: no borrow_rates in the data")
    if not venue.auto_borrow:
        add(f"loans for orders{suffix}", "none is taken: margin comes from the settle asset's own equity", "", True)
    for asset in assembly.assets:
        for what, fact in _asset_facts(assembly, venue, asset):
            if fact.source == "user":
                add(f"{what} of {asset}{suffix}", _in_words(fact.value), "given", True)
        if asset not in book.facts.collateral:
            if venue.balances.get(asset):
                add(f"collateral{suffix}", f"{asset} counts nothing: the venue's ratio is not known here")
        elif book.known_up_to(asset, at) < float("inf"):
            add(f"collateral{suffix}", f"{asset} above {book.known_up_to(asset, at):g} counts nothing: not known here")


def asset_rules(assembly: "Assembly") -> list[dict[str, Any]]:
    """Return the rules of collateral and of loans at the start of a run, with their sources, each once."""
    found = {
        (f"{what} of {asset} at {venue.name}", _in_words(fact.value)): fact
        for venue in assembly.venues
        if venue.collateral == "multi"
        for asset in assembly.assets
        for what, fact in _asset_facts(assembly, venue, asset)
    }
    return [
        {
            "name": name,
            "value": value,
            "source": fact.source,
            "from": fact.since,
            "verified": not fact.is_unverified,
        }
        for (name, value), fact in found.items()
    ]


def _asset_facts(assembly: "Assembly", venue: Venue, asset: str) -> Iterator[tuple[str, Fact[Any]]]:
    """Yield what an asset counts as and what a debt in it asks for at the start of a run."""
    facts = venue.book.facts
    kinds: dict[str, Dated[Any]]
    kinds = {"collateral": facts.collateral.get(asset, ()), "loans": facts.loans.get(asset, facts.loans.get("", ()))}
    for what, dated in kinds.items():
        fact = in_force(dated, assembly.first)
        if fact is not None:
            yield what, fact


def _in_words(value: Any) -> str:
    """Return brackets of collateral or tiers of loans for a reader."""
    if isinstance(value, float):
        return f"{value:g}"
    return "; ".join(
        f"from {row.floor:g}: {row.maintenance_rate:.2%}, at most {row.max_leverage:g}x"
        if isinstance(row, Tier)
        else f"from {row.floor:g}: {row.ratio:g}"
        for row in value
    )
