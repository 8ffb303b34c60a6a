"""What a run is about: instruments, assets, reporting currency, marks and prices, decided before anything is built."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backtest.errors import ConfigError
from backtest.run_instruments import RunInstrument, resolve
from backtest.run_streams import check_funding, check_gaps
from feeds.dataset import Dataset
from feeds.times import iso
from venues.config import Transfers, Venue
from venues.impact import Impact
from venues.rulebook import VenueRules

if TYPE_CHECKING:
    from backtest.population import Crowd
    from backtest.scenario import Step

ATOM_SCALE = 8  # decimals of one atom, unless an asset's spot quantities need more
DEFAULT_SLIPPAGE_BPS = 2.0  # half-spread included; never zero by default (design.md section 6)
DEFAULT_LEVERAGE = 20.0
JOURNAL_LIMIT = 256 * 2**20  # bytes of the journal that stay in memory; full blocks above it go to disk


@dataclass
class Settings:
    """Arguments of a Backtest that the engine needs as they are."""

    start: int
    end: int
    warmup: int
    reporting: str | None
    prices: Mapping[str, float]
    mark: str | Mapping[str, str]
    bar_path: str
    seed: int
    transfers: Transfers
    on_gap: str
    on_ruin: str
    limits: bool
    population: "Crowd | None" = None
    scenario: "Sequence[Step]" = ()
    engine_lag: Mapping[str, int] = field(default_factory=dict)  # ns by venue, of liquidation engines
    batch_rows: int | None = None
    prefetch: bool | None = None  # a thread decodes ahead: of what lies in files (None), of everything, of nothing
    journal_limit: int = JOURNAL_LIMIT


@dataclass
class Decisions:
    """What follows from data, accounts and settings alone."""

    dataset: Dataset
    venues: Sequence[Venue]
    settings: Settings
    instruments: list[RunInstrument] = field(default_factory=list)
    assets: list[str] = field(default_factory=list)
    scales: list[int] = field(default_factory=list)
    marks: dict[int, str] = field(default_factory=dict)
    by_book: set[int] = field(default_factory=set)  # instruments whose orders meet a book
    moved_marks: set[int] = field(default_factory=set)  # instruments whose mark follows own orders
    gaps: list[str] = field(default_factory=list)
    price_notes: dict[str, str] = field(default_factory=dict)
    venue_names: list[str] = field(default_factory=list)
    account_names: list[str] = field(default_factory=list)
    reporting: str = ""

    @property
    def first(self) -> int:
        """Return the time at which the data begin to be read, ns."""
        return self.settings.start - self.settings.warmup

    @property
    def asset_rows(self) -> dict[str, int]:
        """Return the row of each asset."""
        return {asset: row for row, asset in enumerate(self.assets)}

    def slippage(self, venue: Venue) -> float:
        """Return the slippage of an account as a fraction of the price."""
        bps = DEFAULT_SLIPPAGE_BPS if venue.slippage == "default" else float(venue.slippage)
        return bps * 1e-4

    def leverage(self, venue: Venue, run: RunInstrument) -> float:
        """Return the margin leverage that a contract starts with."""
        given = venue.leverage_of(run.symbol)
        most = run.tables[0].tiers[0].max_leverage if run.tables else DEFAULT_LEVERAGE
        if not venue.book.facts.has_leverage:
            return most
        if given is None:
            return min(DEFAULT_LEVERAGE, most)
        if given > most:
            raise ConfigError(
                f"Venue({venue.name!r}): leverage {given:g} of {run.symbol} exceeds the {most:g} "
                "that its first tier allows"
            )
        if given % 1.0 and venue.book.margin(self.first).whole_leverage:
            raise ConfigError(
                f"Venue({venue.name!r}): leverage of {run.symbol} must be a whole number there, got {given:g}"
            )
        return given

    def decide(self) -> None:
        """Settle instruments, assets, reporting currency, marks and collateral prices, or say what is missing."""
        self.venue_names = list(dict.fromkeys(venue.name for venue in self.venues))
        self.account_names = [v.name if v.account == "main" else f"{v.name}/{v.account}" for v in self.venues]
        twice = {name for name in self.account_names if self.account_names.count(name) > 1}
        if twice:
            raise ConfigError(f"account {sorted(twice)[0]!r} is given twice in venues=; name one with account='...'")
        for venue in self.venues:
            closed = venue.book.facts.closed_at
            if closed and self.settings.start >= closed:
                raise ConfigError(f"{venue.name} closed at {iso(closed)}; the run starts at {iso(self.settings.start)}")
        self.instruments = resolve(self.dataset, self.venues, self.first, self.settings.end)
        self._assets()
        self._books()
        self._impact()
        self._marks()
        self.gaps = check_gaps(self.dataset.streams, self.settings.on_gap)
        for run in self.instruments:
            self.gaps += check_funding(run, self.settings.start, self.settings.end, self.settings.on_gap)

    def _assets(self) -> None:
        held = list(dict.fromkeys(asset for venue in self.venues for asset, x in venue.balances.items() if x))
        if not held:
            raise ConfigError("every balance is zero; give venues.Venue(..., balances={'USDT': 10_000}) some money")
        self.reporting = self.settings.reporting or (held[0] if len(held) == 1 else "USD")
        names = {self.reporting, *held}
        for venue in self.venues:
            names |= set(venue.balances)
        for run in self.instruments:
            names |= {run.instrument.base, run.instrument.quote, run.instrument.settle}
        self.assets = sorted(names)
        known = {
            asset
            for run in self.instruments
            for asset in (run.instrument.base, run.instrument.quote, run.instrument.settle)
        }
        for venue in self.venues:
            self._check_known(venue)
            mine = [run for run in self.instruments if run.venue == venue.name]
            usable = {
                a
                for run in mine
                for a in (
                    run.instrument.settle,
                    *((run.instrument.base, run.instrument.quote) if not run.is_derivative else ()),
                )
            }
            for asset in venue.balances:
                if (
                    asset not in usable
                    and venue.collateral != "multi"
                    and not (asset in known and len(self.venues) > 1)
                ):
                    raise ConfigError(
                        f"Venue({venue.name!r}): balance in {asset!r}, which nothing in the data settles in "
                        f"({', '.join(sorted(usable))})"
                    )
        self.scales = [
            max([ATOM_SCALE, *(run.quantity_scale for run in self.instruments
                               if not run.is_derivative and run.instrument.base == asset)])
            for asset in self.assets
        ]  # fmt: skip

    def _check_known(self, venue: Venue) -> None:
        """Refuse a deposit of which a part would count for nothing because the venue's ratio is not known."""
        for asset, amount in venue.balances.items():
            if venue.collateral != "multi" or asset not in venue.book.facts.collateral:
                continue
            most = venue.book.known_up_to(asset, self.first)
            if float(amount) > most:
                raise ConfigError(
                    f"Venue({venue.name!r}): how {asset} counts above {most:g} is not known here, balances= has "
                    f"{float(amount):g}; give venues.get({venue.name!r}).with_collateral({asset!r}, [(0, ...), "
                    f"({most:g}, ...)])"
                )

    def _book(self, name: str) -> VenueRules:
        return next(venue.book for venue in self.venues if venue.name == name)

    def _known(self, names: Iterable[str], where: str, venue: str | None = None) -> None:
        """Refuse a name that no derivative of the run has: what is said of it would have no effect."""
        runs = [run for run in self.instruments if run.is_derivative and venue in (None, run.venue)]
        for name in names:
            if not any(name == run.symbol or (venue is None and name == run.address) for run in runs):
                have = ", ".join(run.address for run in runs) or "no derivative"
                raise ConfigError(f"{where} names {name!r}, which is no derivative in the data; they have {have}")

    def _marks(self) -> None:
        if not isinstance(self.settings.mark, str):
            self._known(self.settings.mark, "mark=")
        for venue in self.venues:
            if isinstance(venue.leverage, Mapping):
                self._known(venue.leverage, f"Venue({venue.name!r}): leverage=", venue.name)
        for run in self.instruments:
            if not run.is_derivative:
                continue
            mark = self.settings.mark
            if not isinstance(mark, str):
                mark = mark.get(run.address, mark.get(run.symbol, "feed"))
            if mark not in ("feed", "last", "index", "formula", "feed+impact"):
                raise ConfigError(
                    f"mark of {run.address} must be feed, last, index, formula or feed+impact, got {mark!r}"
                )
            if mark == "feed+impact":
                self._check_moved_mark(run)
                self.moved_marks.add(run.index)
                mark = "feed"
            if mark == "feed" and self._book(run.venue).facts.index_is_mark and not run.stream("mark"):
                mark = "index"
            need = {"feed": ("mark",), "last": ("trades", "bars"), "index": ("index",), "formula": ("index",)}[mark]
            if not any(run.stream(kind) for kind in need):
                have = ", ".join(sorted({s.kind for s in run.streams}))
                hint = (
                    "mark='last' accepts its traded price as the mark"
                    if run.stream("trades") or run.stream("bars")
                    else ("give rows of kind mark")
                )
                raise ConfigError(
                    f"{run.address}: mark={mark!r} needs {' or '.join(need)} rows, the data have {have}; "
                    f"{hint} (or mark={{{run.symbol!r}: ...}} for one symbol)"
                )
            self.marks[run.index] = mark

    def _check_moved_mark(self, run: RunInstrument) -> None:
        """Refuse a mark that should follow own orders and cannot."""
        where = f"{run.address}: mark='feed+impact'"
        if self.impact(run) is None:
            raise ConfigError(f"{where} needs venues.Venue({run.venue!r}, impact=venues.Impact(...))")
        marks = run.stream("mark")
        if not marks or marks[0].timeframe_ns:
            raise ConfigError(
                f"{where} needs mark rows that are points; a bar of marks has happened without the own orders in it"
            )

    def shared(self, name: str, field_name: str) -> Any:
        """Return what all accounts at a venue must have alike, because its markets are one for all."""
        values = [getattr(venue, field_name) for venue in self.venues if venue.name == name]
        if any(value != values[0] for value in values):
            raise ConfigError(
                f"accounts at {name} have different {field_name}= ({', '.join(repr(value) for value in values)}); its "
                "markets are one for all of them, so give all the same"
            )
        return values[0]

    def impact(self, run: RunInstrument) -> Impact | None:
        """Return the impact model of an instrument's market; None on a book, which holds its own depth."""
        found: Impact | None = self.shared(run.venue, "impact")
        return None if run.index in self.by_book else found

    def by_depth(self) -> list[int]:
        """Return the instruments whose recorded depth says what own orders cost."""
        return [run.index for run in self.instruments if (model := self.impact(run)) and model.law == "recorded"]

    def _impact(self) -> None:
        """Refuse what would move or cap nothing."""
        for name in self.venue_names:
            mine = [run for run in self.instruments if run.venue == name]
            for field_name in ("impact", "participation", "leftovers"):
                given = self.shared(name, field_name)
                if given not in (None, "carry") and all(run.index in self.by_book for run in mine):
                    raise ConfigError(
                        f"Venue({name!r}): {field_name}= would have no effect: all its orders meet a book, whose depth "
                        "is in the data; leave it out, or take fills='next_trade'"
                    )
            if self.shared(name, "matching") != "default":
                self._check_matching(name, mine)
            model = self.shared(name, "impact")
            for run in mine:
                if model is not None and model.law == "recorded" and self.impact(run) and not run.stream("depth"):
                    raise ConfigError(
                        f"{run.address}: impact law 'recorded' needs rows of kind depth, the data have "
                        f"{', '.join(sorted({s.kind for s in run.streams}))}; use law='square_root' or 'linear'"
                    )

    def _books(self) -> None:
        """Find the instruments whose orders meet a book: asked for, or what ``auto`` takes as the best there is."""
        for run in self.instruments:
            stream = run.book_stream
            rules = {venue.fills for venue in self.venues if venue.name == run.venue}
            if "book" in rules and rules - {"book", "auto"}:
                raise ConfigError(
                    f"accounts at {run.venue} have fills={', '.join(sorted(repr(rule) for rule in rules))}; "
                    "the orders of one market meet a book or they do not, so give them all 'book' or none"
                )
            if "book" in rules and stream is None:
                have = ", ".join(sorted({s.kind for s in run.streams}))
                raise ConfigError(
                    f"{run.address}: fills='book' needs book or quotes rows, the data have {have}; use fills='auto'"
                )
            is_best = stream is not None and (
                stream.kind != "quotes" or not (run.stream("trades") or run.stream("bars"))
            )
            if "book" in rules or (is_best and rules == {"auto"}):
                self.by_book.add(run.index)
                self._check_queue(run)

    def _check_matching(self, name: str, mine: Sequence[RunInstrument]) -> None:
        """Refuse the rules of another backtester where they would match nothing."""
        given = f"Venue({name!r}): matching={self.shared(name, 'matching')!r}"
        if not any(run.index in self.by_book for run in mine):
            raise ConfigError(f"{given} needs book or quotes rows; leave it out")
        if any(venue.queue_model[0] == "fifo" for venue in self.venues if venue.name == name):
            raise ConfigError(f"{given} has no queue that is known order by order; use another queue=")

    def _check_queue(self, run: RunInstrument) -> None:
        """Refuse a known queue where the data do not tell order by order."""
        stream = run.book_stream
        for venue in self.venues:
            is_known = stream is not None and stream.kind == "book_orders"
            if venue.name == run.venue and venue.queue_model[0] == "fifo" and not is_known:
                raise ConfigError(
                    f"{run.address}: queue='fifo' needs rows of kind book_orders, the data have "
                    f"{', '.join(sorted({s.kind for s in run.streams}))}; use queue='risk_averse' or 'power:3'"
                )

    def book_slippage(self, venue: Venue) -> float:
        """Return the slippage of an account on top of a book: none by default, spread and depth are in the data."""
        return 0.0 if venue.slippage == "default" else self.slippage(venue)

    def pricing(self) -> tuple[list[int], dict[str, float], dict[str, float]]:
        """Return the asset that each instrument's mark prices (-1 = none), reporting and dollar prices at the start.

        An asset is valued by its `index` rows of ASSET/USD, by `prices=`, or by the mark of an instrument that quotes
        it in the reporting currency; a held or settled asset without any of these is an error.
        """
        rows = {
            s.symbol.partition("/")[0] for s in self.dataset.streams if s.kind == "index" and s.symbol.endswith("/USD")
        }
        usd = {asset: float(price) for asset, price in self.settings.prices.items()}
        unknown = [asset for asset in usd if asset not in self.assets]
        if unknown:
            raise ConfigError(f"prices= names {unknown[0]!r}, which is no asset of the run ({', '.join(self.assets)})")
        usd.setdefault("USD", 1.0)
        priced = [-1] * len(self.instruments)
        reporting = {self.reporting: 1.0}
        needed = {asset for venue in self.venues for asset in venue.balances}
        needed |= {run.instrument.settle for run in self.instruments if run.is_derivative}
        needed |= {run.instrument.base for run in self.instruments if not run.is_derivative}
        needed |= {run.instrument.quote for run in self.instruments if not run.is_derivative}
        for asset in sorted(needed - {self.reporting}):
            if asset in usd and self.reporting in usd:
                reporting[asset] = usd[asset] / usd[self.reporting]
                self.price_notes[asset] = f"fixed at {reporting[asset]:g} {self.reporting}"
            elif (asset in rows or asset in usd) and (self.reporting in rows or self.reporting in usd):
                self.price_notes[asset] = "index rows"
            else:
                source = self._source(asset)
                if source is None:
                    raise ConfigError(
                        f"{asset} has no price in {self.reporting}: give index rows of {asset}/USD and "
                        f"{self.reporting}/USD, or "
                        f"prices={{{asset!r}: ..., {self.reporting!r}: ...}} in US dollars"
                    )
                priced[source.index] = self.assets.index(asset)
                self.price_notes[asset] = f"mark of {source.address}"
        return priced, reporting, usd

    def _source(self, asset: str) -> RunInstrument | None:
        """Return the instrument whose price values an asset in the reporting currency."""

        def fits(run: RunInstrument) -> bool:
            return (
                run.instrument.base == asset
                and run.instrument.contract_size > 0
                and (
                    run.instrument.quote == self.reporting
                    or {run.instrument.quote, self.reporting} <= {"USD", "USDT", "USDC"}
                )
            )

        found = [run for run in self.instruments if fits(run)]
        order = {"spot": 0, "linear": 1, "inverse": 2, "quanto": 3}
        found.sort(
            key=lambda run: (run.instrument.quote != self.reporting, order.get(run.instrument.contract, 4), run.index)
        )
        return found[0] if found else None
