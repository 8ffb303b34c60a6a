"""Builds a run: from what was decided to the engine's own objects."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backtest.errors import ConfigError
from backtest.population_build import build_crowd, check_deleveraging, connect_crowd
from backtest.run_instruments import RunInstrument, box, fee_units
from backtest.run_rules import VenueFigures
from backtest.run_streams import cursors, mark_age, plans
from venues.checks import Number
from venues.config import Venue
from venues.impact import DAY_NS, Impact
from venues.latency import Latency

if TYPE_CHECKING:
    from backtest.script import Script
    from backtest.strategy import Strategy
    from venues.account import Account
    from venues.book import Book
    from venues.delay import Delay
    from venues.footprint import Footprint
    from venues.matching import Market
    from venues.orders import OrderStore
    from venues.state import AccountState
    from venues.world import World

BAR_SHARE = 0.1  # of a bar's volume that own orders may take
FILL_RULES = {"auto": 0, "next_trade": 0, "bar": 0, "book": 0, "same_trade": 1, "touch": 2}
PATHS = {"worst": 0, "ohlc": 1, "olhc": 2}
ON_RUIN = {"stop": 0, "continue": 1, "refill": 2}
ON_GAP = {"error": 0, "skip": 1, "warn": 2}


@dataclass
class Assembly(VenueFigures):
    """A run that is ready to start, and what was decided on the way."""

    exchange: Any = None
    failures: Any = None
    spill: Any = None
    context: Any = None
    verbs: Any = None
    loop: Any = None
    hooks: Any = None
    boxes: list[Any] = field(default_factory=list)
    priced: list[int] = field(default_factory=list)
    strategies: list[Any] = field(default_factory=list)
    script: "Script | None" = None  # what strategies ask for is noted there
    suspensions: list[tuple[str, int, int]] = field(default_factory=list)
    crowd_left_out: int = 0
    crowd_spill: Any = None

    def build(self, strategies: "Sequence[Strategy]") -> None:
        """Make the engine's objects and call `on_start`."""
        from backtest.hooks import Hooks

        check_deleveraging(self)
        world, local = self._worlds()
        states = self._venues(world, local)
        self._context(local, states)
        self._money()
        self.context.begin(self.first, self.settings.warmup > 0)
        if self.script is not None:
            self.context.note_in(self.script)
        self.strategies = list(strategies)
        for number, strategy in enumerate(self.strategies):
            strategy.bind(self.context, number, strategy_name(self.strategies, number))
        self.hooks = Hooks(self.context, self.strategies)
        for strategy in self.strategies:
            strategy.start()
        self._loop(self.first)
        connect_crowd(self)

    def _worlds(self) -> "tuple[World, World]":
        """Return contracts and prices, once for each clock."""
        from venues.world import World

        rows = self.asset_rows
        books = {venue.name: venue for venue in reversed(self.venues)}
        self.boxes = [
            box(run, books[run.venue], rows, self.scales[rows[run.instrument.settle]], self.first)
            for run in self.instruments
        ]
        for run, made in zip(self.instruments, self.boxes, strict=True):
            if run.tables:
                made.set_value_limits(*self.value_limits(run, self.first, run.tables[0].tiers[0].max_leverage))
        return World(self.boxes, self.scales), World(self.boxes, self.scales)

    def _venues(self, world: "World", local: "World") -> "list[AccountState]":
        """Make ledger, accounts, markets and exchange; return the accounts as the strategies will know them."""
        from backtest.spill import Spill
        from venues.auto_exchange import AutoExchange
        from venues.failure import VenueFailures
        from venues.ledger import Ledger
        from venues.orders import OrderStore
        from venues.outbox import Outbox
        from venues.records import Journal
        from venues.sliced import SlicedLiquidator
        from venues.venue import Exchange

        self.priced, reporting, usd = self.pricing()
        nan = float("nan")
        own_funds = [run.instrument.is_alone for run in self.instruments]
        ledger = Ledger(len(self.venues), len(self.venue_names), len(self.assets), own_funds)
        for row, asset in enumerate(self.assets):
            for each in (world, local):
                each.set_asset_price(row, reporting.get(asset, nan), usd.get(asset, nan))
            ledger.set_price(row, reporting.get(asset, nan))
        books: dict[str, Any] = {"ledger": ledger, "outbox": Outbox(), "journal": Journal()}
        self.spill = Spill([*books["journal"].tables(), ledger.postings], self.settings.journal_limit)
        store = OrderStore()
        accounts = [
            self._account(number, self._state(venue, world), **books) for number, venue in enumerate(self.venues)
        ]
        liquidator = SlicedLiquidator(courses=[self.liquidation_course(name, self.first) for name in self.venue_names])
        for number, name in enumerate(self.venue_names):
            book = self._book(name)
            if book.facts.liquidation and book.liquidation(self.first).repays_first:
                liquidator.repay_first(number, book.liquidation(self.first).repay_target)
        liquidator.set_slices([self._slices(name) for name in self.venue_names], self.settings.seed)
        self.exchange = Exchange(
            world=world,
            **books,
            store=store,
            accounts=accounts,
            markets=[self._market(world, store, run) for run in self.instruments],
            venue_of=[self.venue_names.index(run.venue) for run in self.instruments],
            liquidator=liquidator,
            auto_exchange=AutoExchange(
                world,
                ledger,
                thresholds=[self._exchange_thresholds(name) for name in self.venue_names],
                other_thresholds=[self._other_threshold(name) for name in self.venue_names],
                at_haircut=[bool(self._book(name).facts.exchange) for name in self.venue_names],
            ),
            limits=self.settings.limits,
            seed=self.settings.seed,
            order_limits=[self._order_limits(name) for name in self.venue_names],
            order_rates=[self._order_rates(name) for name in self.venue_names],
            keeps_place=[self._amend_keeps_place(name) for name in self.venue_names],
            icebergs=[self._icebergs(name) for name in self.venue_names],
        )
        self.failures = VenueFailures(self.exchange)
        for index, mark in self.marks.items():
            self.exchange.mark_source(index, mark)
        if self.settings.population is not None:
            build_crowd(self, self.settings.population)
        return [self._state(venue, local) for venue in self.venues]

    def _market(self, world: "World", store: "OrderStore", run: RunInstrument) -> "Market":
        """Return the market of an instrument: on its book, or on its trades or bars."""
        from venues.book_market import BookMarket
        from venues.peer_market import PeerMarket

        stream = run.book_stream
        if run.index not in self.by_book or stream is None:
            return self._plain_market(world, store, run)
        rules = self.shared(run.venue, "matching")
        market: BookMarket
        if rules == "default":
            market = BookMarket(world, store, run.index, share=BAR_SHARE)
        else:
            market = peer = PeerMarket(world, store, run.index, share=BAR_SHARE)
            if rules == "no_partial_fill":
                peer.fill_whole()
        market.replay(
            self._empty_book(run),
            is_touch=stream.kind == "quotes",
            sets_last=not (run.stream("trades") or run.stream("bars")),
        )
        return market

    def _plain_market(self, world: "World", store: "OrderStore", run: RunInstrument) -> "Market":
        """Return the market of an instrument on its trades or bars, with the cap and the trace of own orders."""
        from venues.matching import Market

        share = self.shared(run.venue, "participation")
        market = Market(world, store, run.index, share=BAR_SHARE if share is None else share)
        market.cap(
            trades=share is not None and bool(run.stream("trades")),
            drops_rest=self.shared(run.venue, "leftovers") == "cancel",
        )
        model = self.impact(run)
        if model is not None:
            market.leave_footprint(footprint(model, moves_mark=run.index in self.moved_marks))
            for stream in run.stream("depth"):
                market.read_depth(
                    distance_unit=100.0 * 10 ** stream.scales["rate"], quantity_unit=10.0 ** stream.scales["quantity"]
                )
        return market

    def _empty_book(self, run: RunInstrument) -> "Book":
        from venues.book import Book
        from venues.order_book import OrderBook

        stream = run.book_stream
        kind = OrderBook if stream is not None and stream.kind == "book_orders" else Book
        return kind(max(1, round((run.instrument.tick_size or 0) * 10**run.price_scale)))

    def _state(self, venue: Venue, world: "World") -> "AccountState":
        """Return an account's state on the clock of a world."""
        from venues.engine import MarginEngine
        from venues.state import AccountState

        is_multi = venue.collateral == "multi"
        state = AccountState(
            world,
            MarginEngine(),
            multi_assets=is_multi,
            hedge=venue.position_mode == "hedge",
            discounts_profit=is_multi and venue.book.facts.discounts_profit,
        )
        state.withdraws_profit = venue.book.margin(self.first).withdrawable == "equity"
        for run in self.instruments:
            if run.is_derivative and run.venue == venue.name:
                state.configure(run.index, self.leverage(venue, run), venue.margin_mode == "isolated")
        if venue.book.facts.session_hour:
            state.keep_sessions()
        if is_multi:
            for row in range(len(self.assets)):
                self.value_asset(state, venue, row, self.first)
        return state

    def value_asset(self, state: "AccountState", venue: Venue, row: int, at: int) -> None:
        """Give an account the ratios of an asset as collateral and the margin of what is owed of it, as of a time."""
        from venues.tiers import TierBox

        asset = self.assets[row]
        if asset in venue.book.facts.collateral:
            state.set_collateral(row, venue.book.counted_brackets(asset, at))
        tiers = venue.book.loan_tiers(asset, at)
        if tiers:
            state.set_loans(row, TierBox(tiers))

    def _fees(self, venue: Venue) -> list[tuple[int, int]]:
        """Return maker and taker rate of each instrument, 1e-10; zero at other venues."""
        return [fee_units(venue, run, self.first) if run.venue == venue.name else (0, 0) for run in self.instruments]

    def host(self, number: int, index: int, **books: Any) -> "Account":
        """Return an account in which members of a population act, with the settings of a user's account."""
        from venues.engine import MarginEngine
        from venues.state import AccountState

        return self._account(number, AccountState(self.exchange.world, MarginEngine()), index=index, **books)

    def _account(self, number: int, state: "AccountState", *, index: int | None = None, **books: Any) -> "Account":
        from venues.account import Account
        from venues.queue import code_of

        venue = self.venues[number]
        account = Account(
            index=number if index is None else index,
            venue=self.venue_names.index(venue.name),
            state=state,
            **books,
            fees=self._fees(venue),
            margin_call=venue.margin_call,
            limits=self.settings.limits,
            fee_in_received=venue.book.contracts == ("spot",),
            slippage=self.slippage(venue),
            fill_rule=FILL_RULES[venue.fills],
        )
        model, power = venue.queue_model
        account.meet_books(code_of(model), power, self.book_slippage(venue))
        account.takes_no_loan = not venue.auto_borrow
        account.meet_own_orders(self._self_trade(venue))
        self.rules_of_orders(account, venue, self.first)
        if venue.forced_close == "mark_slippage":
            account.close_at_mark()
        return account

    def rules_of_orders(self, account: "Account", venue: Venue, at: int) -> None:
        """Give an account what its venue at a time assumes of market orders and charges on forced ones."""
        book = venue.book
        if book.facts.orders:
            rules = book.order_rules(at)
            account.assume_prices(rules.buy_markup, rules.sell_markup)
        if book.facts.liquidation:
            forced = book.liquidation(at)
            account.charge_forced_fills(
                fills=forced.charges_trading_fee,
                takeovers=forced.charges_trading_fee and not forced.takeover_is_free,
            )
            account.cancels_early = forced.cancels_early
            if forced.slices is not None:
                account.cap_penalty(forced.slices.max_fee)
        if book.margin(at).trigger == "exceeded":
            account.spare_at_equality()

    def _mark_age(self, run: RunInstrument) -> int:
        """Return how old the price that funding is paid on may become with a position open, ns."""
        age = mark_age(run, self.marks[run.index])
        at_index = self._book(run.venue).margin(self.first).funding_price == "index"
        return max(age, mark_age(run, "index")) if at_index else age

    def _context(self, local: "World", states: "list[AccountState]") -> None:
        """Make the strategies' side."""
        from backtest.agenda import Agenda
        from backtest.context import Context
        from backtest.history import History
        from backtest.universe import Universe
        from backtest.views import InstrumentInfo

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
            store=self.exchange.store,
            venue_agenda=Agenda(),
            local_agenda=Agenda(),
            journal=self.exchange.journal,
            infos=infos,
            books=[self._empty_book(run) if run.book_stream is not None else None for run in self.instruments],
            assets=self.assets,
            accounts=self.account_names,
            account_venues=[venue.name for venue in self.venues],
            margin_modes=[venue.book.facts.margin_modes for venue in self.venues],
            account_assets=[next(iter(venue.balances), self.reporting) for venue in self.venues],
            lending=[venue.no_loans for venue in self.venues],
            delays=[self._delay(number, venue) for number, venue in enumerate(self.venues)],
            taker_fees=[[taker for _, taker in self._fees(venue)] for venue in self.venues],
            slippage=[self.slippage(venue) for venue in self.venues],
            reporting=self.asset_rows[self.reporting],
            history=History(
                self.dataset,
                contract_sizes={(run.venue, run.symbol): run.instrument.contract_size for run in self.instruments},
                feed_latency={venue.name: venue.latency_ns[2] for venue in self.venues},
            ),
            universe=Universe(self.dataset),
        )

    def _delay(self, number: int, venue: Venue) -> "Delay":
        """Return how long an account's requests and answers are on their way."""
        from venues.delay import Delay

        model = venue.latency if isinstance(venue.latency, Latency) else None
        order, response, _ = venue.latency_ns
        return Delay(
            order,
            response,
            sigma=model.sigma if model else 0.0,
            seed=self.settings.seed,
            account=number,
            record=model.rows if model else None,
        )

    def _money(self) -> None:
        """Make the requests other than orders, and pay in what accounts and insurance funds start with."""
        from backtest.verbs import Verbs

        rows = self.asset_rows
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
            failures=self.failures,
            gated=[venue.book.facts.gates_withdrawals for venue in self.venues],
        )
        for number, venue in enumerate(self.venues):
            for row, atoms in balances[number].items():
                self.verbs.pay_in(number, row, atoms, self.first)
            for name, amount in (venue.insurance_fund or {}).items():
                self._endow(venue.name, name, amount)
        self.verbs.open_books()

    def _endow(self, venue: str, name: str, amount: Any) -> None:
        """Pay into a venue's insurance fund an amount of an asset, or into that of a market with its own."""
        rows, instrument, asset = self.asset_rows, -1, name
        if "/" in name:
            alone = {r.symbol: r for r in self.instruments if r.venue == venue and r.instrument.is_alone}
            if name not in alone:
                raise ConfigError(
                    f"insurance_fund names {name!r}, which has no fund of its own in this run; markets of {venue} that "
                    f"have: {', '.join(alone) or 'none'} (Instrument(..., is_alone=True))"
                )
            instrument, asset = alone[name].index, alone[name].instrument.settle
        if asset not in rows:
            raise ConfigError(f"insurance_fund names {name!r}, which is no asset of the run ({', '.join(self.assets)})")
        atoms = round(float(amount) * 10 ** self.scales[rows[asset]])
        self.exchange.ledger.endow(self.venue_names.index(venue), rows[asset], atoms, self.first, instrument)

    def _suspended(self, venue: str, time: int) -> bool:
        return any(name == venue and since <= time < until for name, since, until in self.suspensions)

    def _loop(self, start: int) -> None:
        from backtest.loop import Loop
        from backtest.rule_changes import rule_changes
        from backtest.wiring import aggregators, hooks_by_kind, wanted_kinds

        settings, bound = self.settings, [hooks_by_kind(strategy) for strategy in self.strategies]
        found = plans(
            self.dataset,
            self.instruments,
            self.asset_rows,
            self.marks,
            {venue.name: venue.feed_latency for venue in self.venues},
            wanted_kinds(self.strategies, bound),
            self.by_book,
            self._by_interest(),
            self.by_depth(),
        )
        opened = cursors(
            found,
            self.instruments,
            start,
            settings.end,
            batch_rows=settings.batch_rows,
            prefetch=settings.prefetch,
            seed=settings.seed,
            flags_wanted=any("on_trade" in each.python_hooks() or each.c_hooks & 1 for each in self.strategies),
        )
        ages = [self._mark_age(run) if run.is_derivative else 0 for run in self.instruments]
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
            feeds_book=[plan.feeds_book for plan in found],
            mid_is_last=[not (run.stream("trades") or run.stream("bars")) for run in self.instruments],
            priced_asset=self.priced,
            reporting=self.asset_rows[self.reporting],
            start=start,
            end=settings.end,
            formulas=[self._formula(run) for run in self.instruments],
            max_mark_age=ages,
            premium_scales=[run.premium_scale for run in self.instruments],
            rate_scales=[run.rate_scale for run in self.instruments],
            mark_formulas=[self._mark_formula(run) for run in self.instruments],
            announced=[self._is_announced(run) for run in self.instruments],
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


def footprint(model: Impact, *, moves_mark: bool) -> "Footprint":
    """Return the engine's object of an impact model."""
    from venues.footprint import Footprint

    def known(value: str | Number) -> float:
        return -1.0 if value == "measured" else float(value)

    return Footprint(
        law=("linear", "square_root", "recorded").index(model.law),
        depth=float(model.depth or 0.0),
        factor=float(model.factor),
        knee=float(model.knee),
        volatility=known(model.volatility),
        daily_volume=known(model.volume),
        spread=float(model.spread),
        half_life=model.half_life_ns / DAY_NS,
        permanent=float(model.permanent),
        nodes=model.nodes(),
        moves_mark=moves_mark,
    )


def strategy_name(strategies: "Sequence[Strategy]", number: int) -> str:
    """Return the class name of a strategy, numbered when several of a class run together."""
    name = type(strategies[number]).__name__
    same = [i for i, strategy in enumerate(strategies) if type(strategy).__name__ == name]
    return name if len(same) == 1 else f"{name} {same.index(number) + 1}"
