"""What a replay found: rows beside rows, forced closes, margin over time, and why some rows differ."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from backtest.replay_compare import COMPARED, Row, Wallet, compare, wallets
from backtest.replay_forced import ForcedStep
from backtest.replay_inputs import SETTLE_SCALE, Inputs
from backtest.replay_margin import Timeline
from backtest.replay_positions import Cause, explain
from backtest.replay_walk import Funded, Walk

if TYPE_CHECKING:
    import pandas as pd

_WORDS = {"realized": "realised profits", "fee": "fees", "funding": "funding", "clearance": "clearance fees"}


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """The comparison of a replay with its export.

    Attributes
    ----------
    venue : str
    scale : Decimal
        On quantities; other than 1 there is nothing to compare rows with and `rows`, `wallets` are empty.
    rows : dict of str to list of Row
        realized, fee, funding, clearance: our postings beside ledger rows, in atoms.
    wallets : list of Wallet
    steps : list of ForcedStep
        The export's forced orders in order, closed again.
    funded : list of Funded
    timeline : Timeline
        Margin over the whole history, and where it would have triggered at the stated proxies.
    forced_at : dict of asset to int
        ns of the first forced fill of each settle asset in the export.
    causes : list of Cause
        Why rows differ, or were taken as recorded, with counts.
    """

    venue: str
    scale: Decimal
    rows: dict[str, list[Row]]
    wallets: list[Wallet]
    steps: list[ForcedStep]
    funded: list[Funded]
    timeline: Timeline
    forced_at: dict[str, int]
    causes: list[Cause]

    def counts(self, what: str) -> tuple[int, int]:
        """Return how many rows of realized, fee, funding or clearance are equal to the atom, and how many there are."""
        rows = self.rows.get(what, [])
        return sum(row.is_exact for row in rows), len(rows)

    @property
    def survived(self) -> bool:
        """Whether no pool reached liquidation at the proxies of the timeline."""
        return not self.timeline.triggers

    def table(self, what: str) -> "pd.DataFrame":
        """Return realized, fee, funding or clearance as time, symbol, asset, ours, export, difference (units)."""
        import pandas as pd

        rows = self.rows.get(what, [])
        ours, theirs = ([_units(getattr(row, side)) for row in rows] for side in ("ours", "theirs"))
        made = pd.DataFrame(
            {
                "time": pd.to_datetime([row.ts for row in rows], utc=True),
                "symbol": [row.symbol for row in rows],
                "asset": [row.asset for row in rows],
                "ours": ours,
                "export": theirs,
            }
        )
        made["difference"] = made["ours"] - made["export"]
        return made

    def funding_check(self) -> "pd.DataFrame":
        """Return rows with a published rate: what position, rate and mark give, the export, and their ratio."""
        import pandas as pd

        rows = [row for row in self.funded if row.computed is not None]
        return pd.DataFrame(
            {
                "time": pd.to_datetime([row.at for row in rows], utc=True),
                "symbol": [row.symbol for row in rows],
                "quantity": [float(row.quantity) for row in rows],
                "rate": [float(row.rate or 0) for row in rows],
                "mark": [float(row.mark or 0) for row in rows],
                "mark_source": [row.mark_source for row in rows],
                "computed": [_units(row.computed) for row in rows],
                "export": [_units(row.recorded) for row in rows],
                "ratio": [(row.computed or 0) / row.recorded if row.recorded else float("nan") for row in rows],
            }
        )

    def forced(self) -> "pd.DataFrame":
        """Return the steps of forced closes: fee by rate, what the margin held, the fee and the export's."""
        import pandas as pd

        money = ("realized", "by_rate", "margin_left", "fee", "fee_recorded", "wallet")
        made = pd.DataFrame(
            [
                {
                    name: _units(getattr(step, name)) if name in money else _plain(getattr(step, name))
                    for name in ForcedStep.__slots__
                }
                for step in self.steps
            ]
        )
        return made.rename(columns={"ts": "time"}).assign(
            time=lambda frame: pd.to_datetime(frame["time"], utc=True) if len(frame) else frame.get("time")
        )

    def margin(self) -> "pd.DataFrame":
        """Return the worst moment of every bar and pool, money in the asset of the pool."""
        import pandas as pd

        points = self.timeline.points
        names = ("asset", "equity", "maintenance", "ratio", "notional", "distance", "moment")
        made = pd.DataFrame({name: [getattr(point, name) for point in points] for name in names})
        made.insert(0, "time", pd.to_datetime([point.ts for point in points], utc=True))
        return made

    def __str__(self) -> str:
        """Return one screen: rows that agree, wallet, forced closes, margin, causes."""
        out = [f"REPLAY of {self.venue}" + ("" if self.scale == 1 else f", every quantity x {self.scale}")]
        for what in ("realized", "fee", "clearance"):
            exact, rows = self.counts(what)
            if rows:
                out.append(f"  {_WORDS[what]:<18} {exact} of {rows} rows equal the export to the last digit")
        if self.scale == 1:
            out += self._funding_lines()
        for wallet in self.wallets:
            out.append(
                f"  wallet {wallet.asset:<11} ends at {_units(wallet.ours):.8f}, export {_units(wallet.theirs):.8f}, "
                f"largest difference on the way {_units(wallet.largest_difference):.8f}"
            )
        out += [_step(step) for step in self.steps]
        out += self._margin_lines()
        if self.causes:
            out.append("  of these rows")
        return "\n".join(out + [f"  {cause.count:>6} {cause.text}" for cause in self.causes])

    def _funding_lines(self) -> list[str]:
        """Say how near the rows with a published rate come."""
        out = []
        for source in sorted({row.mark_source for row in self.funded if row.computed is not None}):
            rows = [r for r in self.funded if r.mark_source == source and r.computed is not None and r.recorded]
            off = sorted(abs((row.computed or 0) / row.recorded - 1.0) for row in rows)
            same = sum((row.computed or 0) * row.recorded > 0 for row in rows)
            ours, theirs = sum(row.computed or 0 for row in rows), sum(row.recorded for row in rows)
            out.append(
                f"  funding            {len(rows)} rows at the {source}: {same} of the same sign, 95th percentile "
                f"{off[(len(off) - 1) * 95 // 100]:.4%} off, sum {_units(ours):.2f}, export {_units(theirs):.2f}"
            )
        return out

    def _margin_lines(self) -> list[str]:
        line = self.timeline
        if not line.points:
            return ["  margin             not drawn: no price series given"]
        out = []
        for asset in sorted({point.asset for point in line.points}):
            worst, trigger, real = line.worst(asset), line.triggers.get(asset), self.forced_at.get(asset)
            if worst is None:
                continue
            said = f"  margin {asset:<11} maintenance / equity at most {worst.ratio:.3f}, bar of {_time(worst.ts)}"
            said += f"; simulated trigger in the bar of {_time(trigger.ts)}" if trigger else "; no simulated trigger"
            if real is not None and self.scale == 1:
                said += f"; first forced fill of the export {_time(real)}"
            out.append(said)
        used = {note for symbol, note in line.marks.items() if symbol not in line.unpriced}
        return out + [f"    at {note}" for note in sorted(used)]


def make_report(inputs: Inputs, walk: Walk, line: Timeline, scale: Decimal) -> ReplayReport:
    """Put a walk beside its export."""
    is_whole = scale == 1
    rows = {what: compare(inputs, walk, what) for what in COMPARED} if is_whole else {}
    forced_at: dict[str, int] = {}
    for order in sorted(inputs.forced.values(), key=lambda order: order.ts):
        forced_at.setdefault(inputs.specs[order.symbol].settle, order.ts)
    return ReplayReport(
        venue=inputs.venue,
        scale=scale,
        rows=rows,
        wallets=wallets(inputs, walk) if is_whole else [],
        steps=walk.steps,
        funded=walk.funded,
        timeline=line,
        forced_at=forced_at,
        causes=_causes(inputs, walk, rows) if is_whole else [],
    )


def _causes(inputs: Inputs, walk: Walk, rows: dict[str, list[Row]]) -> list[Cause]:
    """Why rows differ or were taken over."""
    found = [
        cause for (symbol, leg), closed in walk.closed.items() for cause in explain(closed, inputs.specs[symbol], leg)
    ]
    capped = sum(step.rule == "margin left" and step.fee != step.fee_recorded for step in walk.steps)
    if capped:
        text = "clearance fees: the exact prices behind rounded limits are taken to lie a common factor from them"
        found.append(Cause(capped, text))
    isolated = sum(step.rule == "as recorded" for step in walk.steps)
    if isolated:
        found.append(Cause(isolated, "clearance fees taken as recorded: the wallet of an isolated leg is not exported"))
    foreign = Counter(done.fill.fee_asset for done in walk.executed if done.fill.fee and done.fee_rate is None)
    found += [Cause(count, f"fees in {asset} taken as recorded") for asset, count in sorted(foreign.items())]
    no_rate = sum(row.rate is None for row in walk.funded)
    if no_rate:
        found.append(Cause(no_rate, "funding rows have no published rate in the data"))
    if walk.funded:
        found.append(
            Cause(len(walk.funded), "funding rows posted as recorded: the venue's own mark is not in the data")
        )
    if walk.findings:
        found.append(Cause(len(walk.findings), "funding rows without a position of ours"))
    return found


def findings(report: ReplayReport) -> list[str]:
    """Return what makes a replay end with exit code 1: rows that one side does not have."""
    out = []
    for what, rows in report.rows.items():
        missing = sum(row.ours is None for row in rows)
        extra = sum(row.theirs is None for row in rows)
        if missing or extra:
            out.append(f"{_WORDS[what]}: {missing} rows of the export have no posting of ours, {extra} have no row")
    return out


def assumptions(
    inputs: Inputs, line: Timeline, scale: Decimal, levels: dict[tuple[str, bool], tuple[Decimal, str]]
) -> list[dict[str, Any]]:
    """Return what the replay rests on, in the order of the screen."""
    rounding = next(iter(inputs.specs.values())).rounding
    rows = [("fills", "of the export", "one add per order and price; a taker order walks its prices in order")]
    rows.append(("entry and rounding", rounding.entry, f"profit {rounding.profit}, fee {rounding.fee}"))
    for (asset, is_maker), (rate, origin) in sorted(levels.items()):
        rows.append((f"fee in {asset}, {'maker' if is_maker else 'taker'}", f"{rate.normalize():f}", origin))
    if scale != 1:
        rows.append(("scale", str(scale), "quantities toward zero on the lot, no forced fills, deposits unchanged"))
        rows.append(("withdrawals", "at most the wallet", "what was lacking is kept back from the next deposits"))
    for word, notes in (("mark", line.marks), ("tiers", line.tiers)):
        for note in sorted(set(notes.values())):
            symbols = ", ".join(symbol for symbol in sorted(notes) if notes[symbol] == note)
            rows.append((f"{word}, margin only", note, symbols))
    rows.append(("isolated legs", "in the pool of their asset", "their wallets are not in the export; margin only"))
    return [{"name": name, "value": value, "note": note, "is_choice": name == "scale"} for name, value, note in rows]


def _units(atoms: int | None) -> float:
    """Return atoms in units of the asset; nan for none."""
    return float("nan") if atoms is None else atoms / 10**SETTLE_SCALE


def _plain(value: object) -> object:
    """Return a Decimal as a float, else the value."""
    return float(value) if isinstance(value, Decimal) else value


def _time(ns: int) -> str:
    """Return a time to the second, UTC."""
    return datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _step(step: ForcedStep) -> str:
    """Return one line of a forced order."""
    what = "takeover" if step.is_takeover else "forced"
    return (
        f"  {what:<8} {_time(step.ts)} {step.symbol} {step.filled} of {step.requested} at limit {step.limit}: "
        f"profit {_units(step.realized):.8f}, fee {_units(step.fee):.8f} ({step.rule}), "
        f"export {_units(step.fee_recorded):.8f}"
    )
