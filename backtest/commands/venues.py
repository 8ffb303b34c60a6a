"""`levdyn venues`: the dated rules of each venue with their sources."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backtest.commands import output

if TYPE_CHECKING:
    from venues import VenueRules
    from venues.facts import Dated

Row = dict[str, Any]


def venues(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Venue.", show_default=False)] = None,
    as_of: Annotated[str | None, typer.Option(help="Rules in force on this date; the latest by default.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Show facts and tiers of one symbol.")] = None,
    history: Annotated[bool, typer.Option("--history", help="Show every dated rule, not only those in force.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show the dated rules of a venue and their sources.

    Without a name the venues are listed. A question mark stands behind what no source seen confirms.

    \b
    Examples:
      levdyn venues
      levdyn venues binance_usdm --as-of 2021-06-01
      levdyn venues binance_usdm --symbol BTC/USDT:USDT
    """
    import venues as rulebook

    if name is None:
        _print_names(as_json)
        return
    rules = rulebook.get(name, as_of=as_of)
    if symbol is not None:
        _print_symbol(rules, symbol, as_json)
    else:
        _print_rules(rules, history, as_json)


def _print_names(as_json: bool) -> None:
    import venues as rulebook

    rows = []
    for name in rulebook.names():
        rules = rulebook.get(name)
        found = list(facts(rules, history=True))
        unsure = sum(not row["verified"] for row in found)
        rows.append((name, rules.facts.title, ", ".join(rules.contracts), len(found), unsure))
    heads = ("venue", "title", "contracts", "rules", "unverified")
    if as_json:
        output.print_json([dict(zip(heads, row, strict=True)) for row in rows])
    else:
        output.table(heads, rows, right=heads[3:])
        output.line("levdyn venues NAME lists the rules of one")


def facts(rules: "VenueRules", *, history: bool) -> Iterator[Row]:
    """Yield the dated rules of a venue: rule, since (ns), value, source, verified.

    Parameters
    ----------
    rules : VenueRules
    history : bool
        All of them, else those in force at the time of the rules.
    """
    from venues.facts import KEYED, SINGLE

    whole = rules.facts
    for name in SINGLE:
        yield from _dated(name.replace("_", " "), getattr(whole, name), rules, history)
    for name in KEYED:
        for key, dated in getattr(whole, name).items():
            place = " ".join(part for part in key if part) if isinstance(key, tuple) else key
            yield from _dated(f"{name.replace('_', ' ')} {place}".strip(), dated, rules, history)
    for symbol, records in whole.instruments.items():
        current = rules.instrument(symbol)
        for record in records:
            if history or record is current:
                known = ("tick_size", "lot_size", "min_notional", "market_lot")
                given = {name: getattr(record, name) for name in known if getattr(record, name)}
                yield {
                    "rule": f"instrument {symbol}",
                    "since": record.valid_from,
                    "value": ", ".join(f"{name.replace('_', ' ')} {in_words(value)}" for name, value in given.items()),
                    "source": record.source,
                    "verified": not record.unverified,
                }


def _dated(name: str, dated: "Dated[Any]", rules: "VenueRules", history: bool) -> Iterator[Row]:
    from venues.facts import in_force

    current = in_force(dated, rules.as_of)
    for fact in dated:
        if history or fact is current:
            yield {
                "rule": name,
                "since": fact.since,
                "value": in_words(fact.value),
                "source": fact.source,
                "verified": not fact.is_unverified,
            }


def in_words(value: Any) -> str:
    """Return the value of a rule for a reader."""
    from venues.facts import CollateralBracket, FeeLevel, InterestCaps

    if isinstance(value, InterestCaps):
        return f"from {value.lower:,.0f} to {value.upper:,.0f}" if value.upper else "none"
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return ", ".join(f"{name} {rate:.4%}" for name, rate in zip(value._fields, value, strict=True))
    if isinstance(value, tuple) and value and isinstance(value[0], FeeLevel):
        return "; ".join(
            f"{row.name} from {row.volume / 1e6:,g} million USD: {row.maker:.4%} / {row.taker:.4%}" for row in value
        )
    if isinstance(value, tuple) and value and isinstance(value[0], CollateralBracket):
        return "; ".join(f"from {row.floor:g}: {_share(row.ratio)}" for row in value)
    if isinstance(value, tuple) and not (value and hasattr(value[0], "maintenance_rate")):
        rows = (item if isinstance(item, tuple) else (item,) for item in value)
        return "; ".join(" ".join(in_words(part) for part in row) for row in rows) or "none"
    if isinstance(value, tuple):
        first, last = value[0], value[-1]
        rates = f"{first.maintenance_rate:.2%} to {last.maintenance_rate:.2%}"
        if first.size_rate:
            return f"maintenance {first.maintenance_rate:.2%}, initial {1 / first.max_leverage:.2%}, both + " + (
                f"{first.size_rate:.6%} for each coin of the position"
            )
        if len(value) == 1:
            return f"maintenance {first.maintenance_rate:.2%}, at most {first.max_leverage:g}x"
        return f"{len(value)} tiers, maintenance {rates}, at most {first.max_leverage:g}x"
    if is_dataclass(value):
        return ", ".join(
            f"{field.name.replace('_', ' ')} {in_words(getattr(value, field.name))}"
            for field in fields(value)
            if getattr(value, field.name) is not None
        )
    if isinstance(value, dict):
        return "; ".join(f"{key} {in_words(item)}" for key, item in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _share(ratio: float) -> str:
    return f"{ratio:g}" if ratio == ratio else "not known"  # nan


def modes(rules: "VenueRules") -> str:
    """Return what an account there may be set to."""
    known = rules.facts
    if rules.contracts == ("spot",):
        return "spot"
    out = [" or ".join(names).replace("_", "-") for names in (known.margin_modes, known.position_modes)]
    if known.collateral:
        kinds = ["all assets together"]
        kinds += ["at ratios of balance and profit"] if known.discounts_profit else ["at ratios of balances"]
        kinds += ["debts are borrowed"] if known.lends else []
        kinds += ["other assets cover debts"] if known.exchange else []
        out.append(", ".join(kinds))
    return "; ".join(out)


def _print_rules(rules: "VenueRules", history: bool, as_json: bool) -> None:
    found = list(facts(rules, history=history))
    used = {row["source"] for row in found}
    sources = {key: text for key, text in rules.sources.items() if key in used}
    if as_json:
        rows = [row | {"since": _date(row["since"])} for row in found]
        about = {"venue": rules.name, "title": rules.facts.title, "modes": modes(rules)}
        output.print_json({**about, "rules": rows, "sources": sources})
        return
    when = "of all dates" if history else f"in force {_moment(rules)}"
    output.line(f"{rules.facts.title} ({rules.name}), rules {when}", style="bold")
    output.line("? = remembered or inferred: no source seen states it", style="dim")
    output.paragraph("account modes  ", "", modes(rules))
    for row in found:
        note = f"{_since(row['since'])}, {row['source']}{'' if row['verified'] else ' ?'}"
        output.paragraph(f"{row['rule']}  ", note, row["value"])
    output.heading("SOURCES")
    output.table(("key", "document"), sources.items(), with_heads=False)
    output.line()
    output.line(f"{sum(not row['verified'] for row in found)} of {len(found)} rules are unverified")


def _moment(rules: "VenueRules") -> str:
    from venues.facts import LATEST

    return "now (the latest known)" if rules.as_of == LATEST else f"at the end of {_date(rules.as_of)}"


def _date(ns: int) -> str | None:
    from venues.checks import day

    return day(ns) if ns else None


def _since(ns: int) -> str:
    date = _date(ns)
    return "always" if date is None else f"since {date}"


def _print_symbol(rules: "VenueRules", symbol: str, as_json: bool) -> None:
    from venues.facts import in_force

    record = rules.instrument(symbol)
    shown = record if record is not None else rules.default_instrument(symbol)
    names = (
        "contract",
        "contract_size",
        "quantity_unit",
        "tick_size",
        "lot_size",
        "min_notional",
        "market_lot",
        "source",
    )
    known = {name: getattr(shown, name) for name in names}
    tables = [] if shown.contract == "spot" else [t for t in rules.tier_tables(symbol) if t.valid_from <= rules.as_of]
    table = tables[-1] if tables else None
    if as_json:
        tiers = [] if table is None else [{f.name: getattr(row, f.name) for f in fields(row)} for row in table.tiers]
        since = None if table is None else _date(table.valid_from)
        output.print_json(
            {"symbol": symbol, "venue": rules.name, "instrument": known, "tiers": tiers, "tiers_since": since}
        )
        return
    output.line(f"{symbol}@{rules.name}, rules in force {_moment(rules)}", style="bold")
    output.table(
        ("fact", "value"),
        [(key.replace("_", " "), in_words(value)) for key, value in known.items() if value],
        with_heads=False,
    )
    if shown.contract == "spot":
        return
    if table is None:
        output.line(str(_why_none(rules, symbol)))
        return
    mark = " ?" if table.is_unverified else ""
    output.heading(f"TIERS {_since(table.valid_from)}, source {table.source}{mark}, in {shown.settle}")
    rows: list[tuple[str, ...]] = [
        (_amount(row.floor), f"{row.maintenance_rate:.2%}", f"{row.max_leverage:g}x", _amount(row.amount))
        for row in table.tiers
    ]
    if rules.margin().tier_unit == "quantity":
        heads: tuple[str, ...] = ("contracts from", "maintenance rate", "largest leverage")
        rows = [row[:3] for row in rows]
    else:
        heads = ("notional from", "maintenance rate", "largest leverage", "maintenance amount")
    output.table(heads, rows, right=heads)
    if table.tiers[0].size_rate:
        output.line(f"and {table.tiers[0].size_rate:.6%} for each coin of the position, of initial margin too")
    fact = in_force(rules.facts.tiers.get(symbol, ()), rules.as_of)
    if fact is not None and fact.source in rules.sources:
        output.line()
        output.line(f"{fact.source}: {rules.sources[fact.source]}")


def _amount(value: float | None) -> str:
    """Return an amount of money, coins with their decimals."""
    number = 0.0 if value is None else value
    return f"{number:,.0f}" if number >= 1000 or number == int(number) else f"{number:,.6g}"


def _why_none(rules: "VenueRules", symbol: str) -> Exception:
    """Return the error that a run without tiers would end with."""
    from venues import VenueError

    try:
        rules.tiers(symbol)
    except VenueError as error:
        return error
    return VenueError(f"no tiers of {symbol}")
