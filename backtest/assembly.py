"""Builds a run: from data, strategies and accounts as the user gave them to the engine's own objects."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backtest.errors import ConfigError
from backtest.run_instruments import RunInstrument, box, fee_units, resolve
from backtest.run_streams import check_funding, cursors, mark_age, plans
from feeds.dataset import Dataset
from venues.config import Transfers, Venue

if TYPE_CHECKING:
    from backtest.strategy import Strategy

ATOM_SCALE = 8  # decimals of one atom, unless an asset's spot quantities need more
DEFAULT_SLIPPAGE_BPS = 2.0  # half-spread included; never zero by default (design.md section 6)
DEFAULT_LEVERAGE = 20.0
BAR_SHARE = 0.1  # of a bar's volume that own orders may take
FILL_RULES = {"auto": 0, "next_trade": 0, "bar": 0, "same_trade": 1, "touch": 2}
PATHS = {"worst": 0, "ohlc": 1, "olhc": 2}
ON_RUIN = {"stop": 0, "continue": 1, "refill": 2}
ON_GAP = {"error": 0, "skip": 1, "warn": 2}


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
    batch_rows: int | None = None


@dataclass
class Assembly:
    """A run that is ready to start, and what was decided on the way."""

    dataset: Dataset
    venues: Sequence[Venue]
    settings: Settings
    instruments: list[RunInstrument] = field(default_factory=list)
    assets: list[str] = field(default_factory=list)
    scales: list[int] = field(default_factory=list)
    marks: dict[int, str] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)
    price_notes: dict[str, str] = field(default_factory=dict)
    venue_names: list[str] = field(default_factory=list)
    account_names: list[str] = field(default_factory=list)
    reporting: str = ""
    exchange: Any = None
    context: Any = None
    verbs: Any = None
    loop: Any = None
    hooks: Any = None
    strategies: list[Any] = field(default_factory=list)

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
        if given is None:
            return min(DEFAULT_LEVERAGE, most)
        if given > most:
            raise ConfigError(
                f"Venue({venue.name!r}): leverage {given:g} of {run.symbol} exceeds the {most:g} that its first tier allows"
            )
        return given

    # ------------------------------------------------------------------ names and prices

    def decide(self) -> None:
        """Settle instruments, assets, reporting currency, marks and collateral prices, or say what is missing."""
        self.venue_names = list(dict.fromkeys(venue.name for venue in self.venues))
        self.account_names = [v.name if v.account == "main" else f"{v.name}/{v.account}" for v in self.venues]
        twice = {name for name in self.account_names if self.account_names.count(name) > 1}
        if twice:
            raise ConfigError(f"account {sorted(twice)[0]!r} is given twice in venues=; name one with account='...'")
        self.instruments = resolve(self.dataset, self.venues, self.first, self.settings.end)
        self._assets()
        self._marks()
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
            if mark not in ("feed", "last", "index", "formula"):
                raise ConfigError(f"mark of {run.address} must be feed, last, index or formula, got {mark!r}")
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

    def pricing(self) -> tuple[list[int], dict[str, float], dict[str, float]]:
        """Return the asset that each instrument's mark prices (-1 = none), reporting prices and US dollar prices at the start.

        An asset is valued by its `index` rows of ASSET/USD, by `prices=`, or by the mark of an instrument that quotes it in
        the reporting currency; a held or settled asset without any of these is an error.
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
                        f"{asset} has no price in {self.reporting}: give index rows of {asset}/USD and {self.reporting}/USD, or "
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
        order = {"spot": 0, "linear": 1, "inverse": 2}
        found.sort(
            key=lambda run: (run.instrument.quote != self.reporting, order.get(run.instrument.contract, 3), run.index)
        )
        return found[0] if found else None

    # ------------------------------------------------------------------ engine

    def build(self, strategies: "Sequence[Strategy]") -> None:
        """Make the engine's objects and call `on_start`."""
        from backtest.agenda import Agenda
        from backtest.context import Context
        from backtest.history import History
        from backtest.hooks import Hooks
        from backtest.universe import Universe
        from backtest.verbs import Verbs
        from backtest.views import InstrumentInfo
        from venues.account import Account
        from venues.auto_exchange import AutoExchange
        from venues.engine import MarginEngine
        from venues.ledger import Ledger
        from venues.liquidation import Liquidator
        from venues.matching import Market
        from venues.orders import OrderStore
        from venues.outbox import Outbox
        from venues.records import Journal
        from venues.state import AccountState
        from venues.venue import Exchange
        from venues.world import World

        rows = self.asset_rows
        books = {venue.name: venue for venue in reversed(self.venues)}
        start = self.first
        self.boxes = [
            box(run, books[run.venue], rows, self.scales[rows[run.instrument.settle]], start)
            for run in self.instruments
        ]
        world, local = World(self.boxes, self.scales), World(self.boxes, self.scales)
        self.priced, reporting, usd = self.pricing()
        nan = float("nan")
        ledger = Ledger(len(self.venues), len(self.venue_names), len(self.assets))
        for row, asset in enumerate(self.assets):
            for each in (world, local):
                each.set_asset_price(row, reporting.get(asset, nan), usd.get(asset, nan))
            ledger.set_price(row, reporting.get(asset, nan))
        journal, outbox, store = Journal(), Outbox(), OrderStore()
        states = []
        accounts = []
        for number, venue in enumerate(self.venues):
            pair = []
            for side in (world, local):
                state = AccountState(
                    side, MarginEngine(), multi_assets=venue.collateral == "multi", hedge=venue.position_mode == "hedge"
                )
                for run in self.instruments:
                    if run.is_derivative and run.venue == venue.name:
                        state.configure(run.index, self.leverage(venue, run), venue.margin_mode == "isolated")
                if venue.collateral == "multi":
                    for row, asset in enumerate(self.assets):
                        if asset in venue.book.facts.collateral:
                            state.set_collateral(row, venue.book.collateral_ratio(asset, start))
                pair.append(state)
            states.append(pair[1])
            fees = [fee_units(venue, run, start) if run.venue == venue.name else (0, 0) for run in self.instruments]
            account = Account(
                index=number,
                venue=self.venue_names.index(venue.name),
                state=pair[0],
                ledger=ledger,
                outbox=outbox,
                journal=journal,
                fees=fees,
                margin_call=venue.margin_call,
                limits=self.settings.limits,
                fee_in_received=venue.book.contracts == ("spot",),
                slippage=self.slippage(venue),
                fill_rule=FILL_RULES[venue.fills],
            )
            if venue.forced_close == "mark_slippage":
                account.close_at_mark()
            accounts.append(account)
        liquidator = Liquidator(
            time_limit=self._time_limit(), limited_fund=any(venue.insurance_fund is not None for venue in self.venues)
        )
        self.exchange = Exchange(
            world=world,
            ledger=ledger,
            journal=journal,
            outbox=outbox,
            store=store,
            accounts=accounts,
            markets=[Market(world, store, run.index, share=BAR_SHARE) for run in self.instruments],
            venue_of=[self.venue_names.index(run.venue) for run in self.instruments],
            liquidator=liquidator,
            auto_exchange=AutoExchange(world, ledger, thresholds=[self._exchange_thresholds(name) for name in self.venue_names]),
            limits=self.settings.limits,
            seed=self.settings.seed,
            order_limits=[self._order_limits(name) for name in self.venue_names],
        )
        for index, mark in self.marks.items():
            self.exchange.mark_source(index, mark)
        infos = [
            InstrumentInfo(
                index=run.index,
                symbol=run.symbol,
                venue=run.venue,
                contract=run.instrument.contract,
                base=run.instrument.base,
                quote=run.instrument.quote,
                settle=run.instrument.settle,
                price_scale=run.price_scale,
                quantity_scale=run.quantity_scale,
                rate_scale=run.rate_scale,
                premium_scale=run.premium_scale,
            )
            for run in self.instruments
        ]
        self.context = Context(
            world=local,
            states=states,
            store=store,
            venue_agenda=Agenda(),
            local_agenda=Agenda(),
            journal=journal,
            infos=infos,
            assets=self.assets,
            accounts=self.account_names,
            account_venues=[venue.name for venue in self.venues],
            account_assets=[next(iter(venue.balances), self.reporting) for venue in self.venues],
            order_latency=[venue.latency_ns[0] for venue in self.venues],
            taker_fees=[
                [fee_units(venue, run, start)[1] if run.venue == venue.name else 0 for run in self.instruments]
                for venue in self.venues
            ],
            slippage=[self.slippage(venue) for venue in self.venues],
            reporting=rows[self.reporting],
            history=History(
                self.dataset,
                contract_sizes={(run.venue, run.symbol): run.instrument.contract_size for run in self.instruments},
                feed_latency={venue.name: venue.latency_ns[2] for venue in self.venues},
            ),
            universe=Universe(self.dataset),
        )
        self.suspensions: list[tuple[str, int, int]] = []
        balances = [
            {rows[asset]: round(float(x) * 10 ** self.scales[rows[asset]]) for asset, x in venue.balances.items() if x}
            for venue in self.venues
        ]
        self.verbs = Verbs(
            self.exchange,
            self.context,
            delays=self.settings.transfers.delay_ns,
            fees=dict(self.settings.transfers.fees),
            minimums=dict(self.settings.transfers.minimum),
            start_balances=balances,
            suspended=self._suspended,
        )
        for number, venue in enumerate(self.venues):
            for asset, atoms in balances[number].items():
                self.verbs.pay_in(number, asset, atoms, start)
            for asset, amount in (venue.insurance_fund or {}).items():
                row = rows.get(asset)
                if row is None:
                    raise ConfigError(
                        f"insurance_fund names {asset!r}, which is no asset of the run ({', '.join(self.assets)})"
                    )
                ledger.endow(
                    self.venue_names.index(venue.name), row, round(float(amount) * 10 ** self.scales[row]), start
                )
        self.verbs.open_books()
        self.context.begin(start, self.settings.warmup > 0)
        self.strategies = list(strategies)
        for number, strategy in enumerate(self.strategies):
            strategy.bind(self.context, number, strategy_name(self.strategies, number))
        self.hooks = Hooks(self.context, self.strategies)
        for strategy in self.strategies:
            strategy.start()
        self._loop(start)

    def _exchange_thresholds(self, name: str) -> list[int]:
        """Return the balance of each asset below which multi-assets mode covers it, atoms; 0 where the venue has no such rule."""
        book = next(venue.book for venue in self.venues if venue.name == name)
        if not book.facts.exchange:
            return [0] * len(self.assets)
        rules = book.auto_exchange_rules(self.settings.start)
        return [round(rules.thresholds.get(asset, 0.0) * 10**scale) for asset, scale in zip(self.assets, self.scales, strict=True)]

    def _order_limits(self, name: str) -> tuple[int, int]:
        """Return how many open and conditional orders an account may have in a contract at a venue; 0 = not known."""
        book = next(venue.book for venue in self.venues if venue.name == name)
        if not book.facts.orders:
            return 0, 0
        rules = book.order_rules(self.settings.start)
        return rules.max_open_orders, rules.max_conditional_orders

    def _time_limit(self) -> int:
        """Return the longest time limit of a liquidation among the venues, ns; a minute where none has one."""
        found = []
        for venue in self.venues:
            if venue.book.facts.liquidation:
                found.append(int(venue.book.liquidation(self.settings.start).time_limit_seconds * 1_000_000_000))
        return max(found, default=60_000_000_000)

    def _suspended(self, venue: str, time: int) -> bool:
        return any(name == venue and since <= time < until for name, since, until in self.suspensions)

    def _loop(self, start: int) -> None:
        from backtest.loop import Loop
        from backtest.rule_changes import rule_changes
        from backtest.wiring import aggregators, hooks_by_kind, wanted_kinds

        settings = self.settings
        bound = [hooks_by_kind(strategy) for strategy in self.strategies]
        found = plans(
            self.dataset,
            self.instruments,
            self.asset_rows,
            self.marks,
            {venue.name: venue.latency_ns[2] for venue in self.venues},
            wanted_kinds(self.strategies, bound),
        )
        opened = cursors(
            found,
            self.instruments,
            start,
            settings.end,
            batch_rows=settings.batch_rows,
            flags_wanted=any(
                "on_trade" in strategy.python_hooks() or strategy.c_hooks & 1 for strategy in self.strategies
            ),
        )
        ages = [mark_age(run, self.marks[run.index]) if run.is_derivative else 0 for run in self.instruments]
        self.loop = Loop(
            exchange=self.exchange,
            context=self.context,
            hooks=self.hooks,
            cursors=opened,
            strategies=self.strategies,
            verbs=self.verbs,
            rules=rule_changes(self),
            assets_of_streams=[plan.asset for plan in found],
            passive=[plan.passive for plan in found],
            response_latency=[venue.latency_ns[1] for venue in self.venues],
            priced_asset=self.priced,
            reporting=self.asset_rows[self.reporting],
            start=start,
            end=settings.end,
            formulas=[self._formula(run) for run in self.instruments],
            max_mark_age=ages,
            premium_scales=[run.premium_scale for run in self.instruments],
            rate_scales=[run.rate_scale for run in self.instruments],
            mark_formulas=[self._mark_formula(run) for run in self.instruments],
            path_rule=PATHS[settings.bar_path],
            on_ruin=ON_RUIN[settings.on_ruin],
            on_gap=ON_GAP[settings.on_gap],
        )
        wants_bars = bool(self.context.series) or any(
            {"on_bar", "on_bars"} & set(strategy.python_hooks()) for strategy in self.strategies
        )
        self.loop.connect(bound, bars_due=wants_bars)
        for made in aggregators(self, found):
            self.loop.add_aggregator(*made)

    def _mark_formula(self, run: RunInstrument) -> tuple[int, int] | None:
        """Return samples and spacing (ns) of the basis in the venue's mark formula, None where the mark comes from elsewhere."""
        if self.marks.get(run.index) != "formula":
            return None
        book = next(venue.book for venue in self.venues if venue.name == run.venue)
        if not run.stream("index")[0].timeframe_ns == 0:
            raise ConfigError(f"mark='formula' of {run.address} needs index points, the data have index bars; use mark='index'")
        rules = book.mark_rules(self.settings.start)
        return rules.points, int(rules.spacing_seconds * 1_000_000_000)

    def _formula(self, run: RunInstrument) -> tuple[float, float, float, float, bool] | None:
        """Return interest, clamp, cap, floor and weighting of the venue's funding formula, None without one."""
        book = next(venue.book for venue in self.venues if venue.name == run.venue)
        if not run.is_derivative or not run.stream("premium"):
            return None
        rules = book.funding_rules(run.symbol, self.settings.start)
        cap = float("inf") if rules.cap is None else rules.cap
        floor = float("-inf") if rules.floor is None else rules.floor
        return rules.interest_rate, rules.clamp, cap, floor, rules.is_weighted


def strategy_name(strategies: "Sequence[Strategy]", number: int) -> str:
    """Return the class name of a strategy, numbered when several of a class run together."""
    name = type(strategies[number]).__name__
    same = [i for i, strategy in enumerate(strategies) if type(strategy).__name__ == name]
    return name if len(same) == 1 else f"{name} {same.index(number) + 1}"


Change = Callable[[int], None]
