"""From the engine's journal to a Result: tables, meta data, and the assumptions that the first screen prints."""

import math
import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.assembly import BAR_SHARE, Assembly
from backtest.collateral_rows import asset_rules, collateral_rows
from backtest.population_build import crowd_meta, crowd_table, describe_crowd
from backtest.result import Result
from backtest.run_decisions import DEFAULT_SLIPPAGE_BPS
from backtest.tables import TABLES, empty_meta
from feeds.schema import join_kind
from feeds.times import iso
from venues.latency import Latency

if TYPE_CHECKING:
    from backtest.run_instruments import RunInstrument
    from venues.config import Venue


# What the words of a column of liquidations mean.
COVERAGE_WORDS = {
    "full": "all of them",
    "sampled": "a part of them: venues throttle what they send",
    "cm_proxy": "snapshots of coin-margined contracts, not all orders",
    "unknown": "how many of them is not known",
}


def outcome(assembly: Assembly, *, config: dict[str, Any], cash_rate: float) -> Result:
    """Return the result of a run that has ended."""
    journal, postings = assembly.exchange.journal, assembly.exchange.ledger.postings
    tables: dict[str, Any] = {blocks.name: assembly.spill.table(blocks) for blocks in journal.tables()}
    tables["ledger"] = assembly.spill.table(postings)
    tables["holdings"] = np.array(assembly.loop.snapshots, dtype=TABLES["holdings"].dtype)
    tables["population"] = crowd_table(assembly)
    meta = empty_meta()
    meta.update(
        population=crowd_meta(assembly),
        config=config,
        assumptions=assumptions(assembly),
        warnings=warnings(assembly),
        findings=findings(assembly),
        fingerprint=assembly.dataset.fingerprint,
        seed=assembly.settings.seed,
        versions=versions(),
        start_ns=assembly.settings.start,
        end_ns=min(assembly.settings.end, assembly.loop.now) if assembly.loop.stopped else assembly.settings.end,
        reporting=assembly.reporting,
        cash_rate=cash_rate,
        assets=[{"name": name, "scale": scale} for name, scale in zip(assembly.assets, assembly.scales, strict=True)],
        accounts=_accounts(assembly),
        instruments=[
            {
                "symbol": run.symbol,
                "venue": run.venue,
                "base": run.instrument.base,
                "quote": run.instrument.quote,
                "settle": run.instrument.settle,
                "contract": run.instrument.contract,
                "size": assembly.boxes[run.index].size[0],
                "size_scale": assembly.boxes[run.index].size[1],
                "price_scale": run.price_scale,
                "quantity_scale": run.quantity_scale,
            }
            for run in assembly.instruments
        ],
        strategies=[strategy.name for strategy in assembly.strategies],
        tags=list(assembly.context.tags),
        series=list(assembly.context.names),
        texts=list(assembly.context.texts),
        margin_bounds=[
            {"account": name, "ratio": bound if math.isfinite(bound) else None}
            for name, bound in zip(assembly.account_names, assembly.loop.margin_bounds(), strict=True)
            if bound
        ],
        rules=_rules(assembly),
        data=_data(assembly),
    )
    result = Result(meta, tables, owner=(journal, postings, assembly.spill))
    told = _capacity(assembly, result)
    if told:
        meta.update(warnings=[*warnings(assembly), told])
        result = Result(meta, tables, owner=(journal, postings, assembly.spill))
    return result


def _data(assembly: Assembly) -> list[dict[str, Any]]:
    return [
        {
            "name": f"{s.symbol}@{s.venue} {join_kind(s.kind, s.timeframe_ns)}",
            "rows": s.rows,
            "from": s.ts_min,
            "to": s.ts_max,
            "note": f"{len(s.gaps)} gaps" if s.gaps else "",
        }
        for s in assembly.dataset.streams
    ]


def _capacity(assembly: Assembly, result: Result) -> str:
    """Return what to say of orders that the market did not fill whole, where own orders meet a limit of capacity."""
    if all(venue.impact is None and venue.participation is None for venue in assembly.venues):
        return ""
    left = len(result.leftovers)
    what = "an order that takes was" if left == 1 else f"{left} orders that take were"
    return f"{what} not filled whole; result.leftovers lists what is left" if left else ""


def _accounts(assembly: Assembly) -> list[dict[str, str]]:
    rows = [
        {"name": name, "venue": venue.name, "account": venue.account, "role": "user", "margin_mode": venue.margin_mode}
        for name, venue in zip(assembly.account_names, assembly.venues, strict=True)
    ]
    places = [
        (venue, role)
        for venue in assembly.venue_names
        for role in ("venue_fees", "insurance_fund", "counterparties", "population")
    ]
    places += [("", role) for role in ("in_transit", "outside", "unfunded")]
    named = [(f"{venue} {role}".strip(), venue, role) for venue, role in places]
    # those of markets that stand alone, in the order of the ledger
    named += [
        (f"{run.venue} insurance_fund {run.symbol}", run.venue, "insurance_fund")
        for run in assembly.instruments
        if run.instrument.is_alone
    ]
    return rows + [
        {"name": name, "venue": venue, "account": role, "role": role, "margin_mode": ""} for name, venue, role in named
    ]


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    out = {"python": platform.python_version()}
    for name in ("levdyn", "numpy", "pyarrow"):
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            out[name] = "source tree"
    return out


def assumptions(assembly: Assembly) -> list[dict[str, Any]]:
    """Return what the run rests on, in the order in which it is printed; choices of the user are marked."""
    rows: list[dict[str, Any]] = []

    def add(name: str, value: str, note: str = "", choice: bool = False) -> None:
        rows.append({"name": name, "value": value, "note": note, "is_choice": choice})

    several = len(assembly.venues) > 1
    for label, venue in zip(assembly.account_names, assembly.venues, strict=True):
        _account_rows(assembly, venue, f" ({label})" if several else "", add)
    bars = any(run.stream("bars") and not run.stream("trades") for run in assembly.instruments)
    if bars:
        add("path inside a bar", assembly.settings.bar_path, "worst: the extreme that is nearer to liquidation first")
    _market_rows(assembly, add)
    if assembly.exchange.crowd is not None:
        add("population", *describe_crowd(assembly), True)
    for number, step in enumerate(assembly.settings.scenario):
        add(f"scenario {number + 1}", step.describe(), "the data are not as recorded", True)
    if assembly.settings.on_gap != "error":
        add("gaps accepted", str(len(assembly.gaps)), f"on_gap={assembly.settings.on_gap!r}", True)
    return rows


def _meets(assembly: Assembly, run: "RunInstrument") -> str:
    """Return what the orders of an instrument meet."""
    return "book" if run.index in assembly.by_book else "trades" if run.stream("trades") else "bars"


def _fills(venue: "Venue") -> dict[str, str]:
    """Return how orders fill on a book, on trades and on bars, in words."""
    return {
        "book": {
            "default": f"takers walk the book, limits wait in the queue of their level ({venue.queue})",
            "no_partial_fill": f"by hftbacktest's exchange without partial fills ({venue.queue})",
            "partial_fill": f"by hftbacktest's exchange with partial fills ({venue.queue})",
        }[venue.matching],
        "trades": {
            "same_trade": "market orders at the last trade",
            "touch": "market orders at the touch of the last trade",
        }.get(venue.fills, "market orders at the next trade, limits when traded through or after the estimated queue"),
        "bars": f"along the path of each bar, at most {_cap(venue)} of its volume",
    }


def _account_rows(assembly: Assembly, venue: "Venue", suffix: str, add: Any) -> None:
    mine = [run for run in assembly.instruments if run.venue == venue.name]
    kinds = {_meets(assembly, run) for run in mine}
    add(
        f"fills{suffix}",
        "; ".join(_fills(venue)[kind] for kind in sorted(kinds)),
        "",
        venue.fills not in ("auto", "next_trade", "bar") or venue.matching != "default",
    )
    if venue.self_trade != "default":
        add(f"own orders that meet{suffix}", venue.self_trade.replace("_", " "), "", True)
    order, response, feed = venue.latency_ns
    text = (
        "zero"
        if not (order or response or feed)
        else f"order {order / 1e6:g} ms, response {response / 1e6:g} ms, feed {feed / 1e6:g} ms"
    )
    model = venue.latency.describe() if isinstance(venue.latency, Latency) else ""
    add(f"latency{suffix}", text, model, venue.latency is not None)
    bps = DEFAULT_SLIPPAGE_BPS if venue.slippage == "default" else float(venue.slippage)
    add(
        f"slippage{suffix}",
        f"{bps:g} bp against every taker fill",
        "half-spread included" if venue.impact is None else "half-spread; impact comes on top",
        venue.slippage != "default",
    ) if kinds != {"book"} else add(
        f"slippage{suffix}",
        f"{assembly.book_slippage(venue) * 1e4:g} bp on top of the book",
        "spread and depth are in the data",
        venue.slippage != "default",
    )
    _impact_rows(assembly, venue, mine, suffix, add)
    fees = sorted({assembly.boxes[run.index].fees for run in assembly.instruments if run.venue == venue.name})
    shown = "; ".join(f"maker {maker / 1e8:g} %, taker {taker / 1e8:g} %" for maker, taker in fees)
    add(f"fees{suffix}", f"{venue.fees if isinstance(venue.fees, str) else 'given'}: {shown}",
        f"discount {venue.discount:.0%}" if venue.discount else "", not isinstance(venue.fees, str))  # fmt: skip
    if venue.collateral == "multi":
        collateral_rows(assembly, venue, add, suffix)
    if venue.book.contracts != ("spot",):
        fund = (
            "unlimited"
            if venue.insurance_fund is None
            else ", ".join(f"{x:g} {'of ' if '/' in a else ''}{a}" for a, x in venue.insurance_fund.items())
        )
        close = "through the market" if venue.forced_close == "matching" else "at the mark and its slippage"
        add(
            f"forced close{suffix}",
            f"{close}, insurance fund {fund}, ADL {venue.adl}",
            "",
            venue.forced_close != "matching",
        )


def _cap(venue: "Venue") -> str:
    """Return the share of the volume that own orders take at most."""
    return f"{100.0 * (BAR_SHARE if venue.participation is None else float(venue.participation)):g}%"


def _impact_rows(assembly: Assembly, venue: "Venue", mine: "list[RunInstrument]", suffix: str, add: Any) -> None:
    """Add what own orders do to the markets, and how much of these they may take."""
    on_book = [run.symbol for run in mine if run.index in assembly.by_book]
    note = f"not in {_some(on_book)}: a book" if on_book else ""
    if venue.impact is not None:
        add(f"own impact{suffix}", venue.impact.describe(), note, True)
    rest = "what is left expires" if venue.leftovers == "cancel" else "what is left waits"
    if venue.participation is not None or venue.leftovers != "carry":
        share = f"at most {_cap(venue)} of the volume"
        add(f"capacity{suffix}", f"{share}; {rest}", note, True)


def _market_rows(assembly: Assembly, add: Any) -> None:
    by_mark: dict[str, list[str]] = {}
    by_tiers: dict[str, list[str]] = {}
    assumed = []
    for run in assembly.instruments:
        if run.is_derivative:
            mark = assembly.marks[run.index]
            book = next(venue.book for venue in assembly.venues if venue.name == run.venue)
            if run.index in assembly.moved_marks:
                mark = "feed+impact"
            by_mark.setdefault("own index" if mark == "index" and book.facts.index_is_mark else mark, []).append(
                run.symbol
            )
            by_tiers.setdefault(run.tier_source, []).append(run.symbol)
        if run.assumed:
            assumed.append(run.address)
    for mark, symbols in by_mark.items():
        words = {
            "feed": "the venue's own rows",
            "feed+impact": "the venue's own rows, moved as own orders move the middle",
            "last": "the last traded price",
            "index": "the index",
            "own index": "the index, which is the venue's mark",
            "formula": "the venue's formula, last trade for mid",
        }[mark]
        add("mark", words, _some(symbols), mark not in ("feed", "own index"))
    unfunded = [run.symbol for run in assembly.instruments if run.is_perpetual and not run.stream("funding")]
    if unfunded:
        add("funding", "none is paid: the data have no rates", _some(unfunded))
    for coverage, symbols in _forced_orders(assembly).items():
        add("liquidations of others", f"{COVERAGE_WORDS[coverage]} (coverage {coverage})", _some(symbols), False)
    oracle = [run.symbol for run in assembly.instruments if _lacks_oracle(assembly, run)]
    if oracle:
        add("funding price", "the mark: the data have no index rows of what is paid on the oracle", _some(oracle))
    forced, paid = assembly.exchange.journal.liquidations.rows, assembly.exchange.journal.funding.rows
    for source, symbols in by_tiers.items():
        rests = (
            f"; {forced} forced closes and {paid} payments in this run"
            if source in ("nearest", "missing_tiers")
            else ""
        )
        known = {"nearest": "strictest comparable table of the venue", "missing_tiers": "given by missing_tiers"}
        is_choice = source in ("nearest", "missing_tiers", "data", "user")
        add("tiers", known.get(source, source), _some(symbols) + rests, is_choice)
    if assumed:
        add("instrument facts", "tick and lot from the data, no minimum, no price band", _some(assumed))
    for asset, note in assembly.price_notes.items():
        add(f"price of {asset}", note, "", asset in assembly.settings.prices)
    unverified = sorted({fact for venue in assembly.venues for fact in venue.book.unverified})
    if unverified:
        add("unverified rules", f"{len(unverified)} of the venues used", "levdyn venues NAME lists them")


def _forced_orders(assembly: Assembly) -> dict[str, list[str]]:
    """Return the symbols of the streams of forced orders by how many of these they hold (feeds.md section 2.9)."""
    ours = {(run.venue, run.symbol) for run in assembly.instruments}
    found: dict[str, list[str]] = {}
    for stream in assembly.dataset.streams:
        if stream.kind == "liquidations" and (stream.venue, stream.symbol) in ours:
            for coverage in stream.words("coverage"):
                found.setdefault(coverage, []).append(stream.symbol)
    return found


def _lacks_oracle(assembly: Assembly, run: "RunInstrument") -> bool:
    """Return whether funding that is paid on the index has no index in the data."""
    book = next(venue.book for venue in assembly.venues if venue.name == run.venue)
    is_paid = run.is_derivative and run.stream("funding") and not run.stream("index")
    return bool(is_paid) and book.margin(assembly.first).funding_price == "index"


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def warnings(assembly: Assembly) -> list[str]:
    """Return what a reader should know that is not an assumption."""
    out = [f"{iso(time)}: {text}" for time, _, text in assembly.verbs.refusals]
    out += [
        f"{run.address}: the last known tier table is of {iso(run.tables[-1].valid_from)[:10]}; it was used to the end"
        for run in assembly.instruments
        if run.tables
        and run.tables[-1].valid_from
        and assembly.settings.end - run.tables[-1].valid_from > 366 * 86_400 * 10**9
    ]
    out += [
        f"{assembly.account_names[account]} was ruined at {iso(time)} (on_ruin={assembly.settings.on_ruin!r})"
        for account, time in assembly.loop.ruins
    ]
    out += [
        f"{assembly.venue_names[venue]} failed at {iso(time)}: {float(assembly.failures.shares[venue]):.4g} of every "
        "balance there was kept, the rest is the line of failed venues"
        for time, venue in assembly.failures.events
    ]
    out += [
        f"{assembly.instruments[number].address}: a predicted funding rate was asked for and there never was one; it "
        "comes from rows of kind premium, or from funding rows with kind 'predicted'"
        for number, was_there in sorted(assembly.context.predictions.items())
        if not was_there
    ]
    return out


def findings(assembly: Assembly) -> list[str]:
    """Return what makes a run end with exit code 1."""
    out = [f"{gap}" for gap in assembly.gaps]
    if assembly.loop.interrupted:
        settings = assembly.settings
        share = (assembly.loop.now - settings.start) / (settings.end - settings.start)
        out.append(f"stopped at {iso(assembly.loop.now)}, after {max(0.0, share):.1%} of the time asked for")
    for found in assembly.loop.findings:
        times = f" ({found['count']} times)" if found["count"] > 1 else ""
        out.append(f"{found['symbol']}: {found['what']} at {iso(found['time'])}: {found['text']}{times}")
    ledger = assembly.exchange.ledger
    for row, asset in enumerate(assembly.assets):
        lost = -ledger.balance_of(ledger.unfunded, row)
        if lost:
            out.append(
                f"{lost / 10 ** assembly.scales[row]:g} {asset} of losses were paid by nobody: "
                "the insurance fund was exhausted"
            )
    return out


def _rules(assembly: Assembly) -> list[dict[str, Any]]:
    tables = [
        {
            "name": f"tiers of {run.address}",
            "value": f"{len(table.tiers)} tiers",
            "source": table.source,
            "from": table.valid_from,
            "verified": not table.is_unverified,
        }
        for run in assembly.instruments
        for table in run.tables
    ]
    return [*tables, *asset_rules(assembly)]
