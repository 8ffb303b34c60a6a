"""Calls the Python hooks of strategies, and the C one of fills."""

from feeds.events cimport BAR, INDEX, INDEX_BAR, TRADE, Event
from libc.stdint cimport int64_t
from backtest.agenda cimport TIMER
from backtest.context cimport Context, TimerRow
from backtest.strategy cimport Strategy
from backtest.strategy_core cimport HOOK_FILL
from backtest.views cimport InstrumentInfo, OrderView, market_event
from venues.orders cimport ON_INDEX, ON_LAST, ON_MARK, TRAILING_STOP
from venues.orders cimport follow as follow_price
from venues.outbox cimport (
    DELEVERAGED, FILLED_PART, FUNDING_PAID, MARGIN_CALL, ORDER_STATE, SETTLED, STATE_ONLY, TRANSFERRED,
    Message,
)
from venues.records cimport FillRow, FundingRow, LiquidationRow, MarginCallRow, TransferRow

from backtest.messages import Fill, FundingPayment, Liquidated, MarginCall, Settlement, Timer, TransferEvent
from backtest.state_views import PositionView
from venues.orders import REASONS

PAID_BY = ("nobody", "insurance_fund", "adl", "unfunded")
TRANSFER_STATUS = ("sent", "arrived", "refused")


cdef class Hooks:
    """The hooks of all strategies of a run.

    Parameters
    ----------
    context : Context
    strategies : list of Strategy
    """

    def __init__(self, Context context, list strategies):
        self.context = context
        self.strategies = strategies
        self.names = [set(strategy.python_hooks()) for strategy in strategies]
        self.bar_hooks = bytes(("on_bar" in names) + 2 * ("on_bars" in names) for names in self.names)
        self.ready = [False] * len(strategies)
        self.arrived = {}

    # ------------------------------------------------------------------ own account

    cdef int message(self, const Message *m) except -1:
        cdef int kind = m.kind
        cdef LiquidationRow *step
        cdef FundingRow *paid
        cdef FillRow *closed
        cdef TransferRow *moved
        cdef InstrumentInfo info
        if kind == ORDER_STATE:
            return self.order_message(m, False)
        if kind == FILLED_PART:
            return self.order_message(m, True) if m.strategy >= 0 else 0
        if kind == STATE_ONLY:
            return 0
        account = self.context.accounts[m.account]
        if kind == TRANSFERRED:
            moved = <TransferRow *> self.context.journal.transfers.at(m.row)
            world = self.context.world
            for strategy, _ in self.listeners("on_transfer", m.account, -1):
                strategy.on_transfer(TransferEvent(
                    moved.id, moved.time, TRANSFER_STATUS[moved.status], REASONS[moved.reason],
                    self.context.assets[moved.asset], world.amount_value(moved.asset, moved.amount),
                    self.context.assets[moved.receive_asset], world.amount_value(moved.receive_asset, moved.received),
                    None if moved.source < 0 else self.context.accounts[moved.source],
                    None if moved.target < 0 else self.context.accounts[moved.target]))
            return 0
        if kind == MARGIN_CALL:
            for strategy, name in self.listeners("on_margin_call", m.account, m.instrument):
                strategy.on_margin_call(MarginCall(account, m.time, m.ratio, m.distance, bool(m.active), name))
            return 0
        info = self.context.infos[m.instrument]
        if kind == FUNDING_PAID:
            paid = <FundingRow *> self.context.journal.funding.at(m.row)
            for strategy, name in self.listeners("on_funding_payment", m.account, m.instrument):
                strategy.on_funding_payment(FundingPayment(
                    name, info.venue, account, paid.time, self.context.world.amount_value(paid.asset, paid.amount),
                    self.context.assets[paid.asset], paid.rate / 10.0 ** paid.rate_scale,
                    paid.mark / info.price_divisor, paid.quantity / info.quantity_divisor))
        elif kind == SETTLED:
            closed = <FillRow *> self.context.journal.fills.at(m.row)
            for strategy, name in self.listeners("on_settlement", m.account, m.instrument):
                strategy.on_settlement(Settlement(
                    account, name, info.venue, closed.time, closed.price / info.price_divisor,
                    -closed.side * closed.quantity / info.quantity_divisor,
                    self.context.world.amount_value(closed.fee_asset, closed.realized_pnl)))
        else:
            step = <LiquidationRow *> self.context.journal.liquidations.at(m.row)
            hook = "on_adl" if kind == DELEVERAGED else "on_liquidated"
            for strategy, name in self.listeners(hook, m.account, m.instrument):
                getattr(strategy, hook)(Liquidated(
                    account, name, info.venue, step.time, step.step, step.trigger_mark / info.price_divisor,
                    step.price / info.price_divisor, step.quantity / info.quantity_divisor,
                    self.context.world.amount_value(step.asset, step.fee),
                    self.context.world.amount_value(step.asset, step.shortfall), PAID_BY[step.paid_by]))
        return 0

    def listeners(self, hook, int account, int instrument):
        """Return the strategies that have a hook and use an account, each with its own name of the instrument."""
        out = []
        for strategy, hooks in zip(self.strategies, self.names):
            if hook in hooks and (len(self.strategies) == 1 or strategy.hears(account)):
                name = None if instrument < 0 else (<Strategy> strategy).told(instrument, account).symbol
                out.append((strategy, name))
        return out

    cdef int order_message(self, const Message *m, bint filled) except -1:
        cdef Strategy strategy = <Strategy> self.strategies[m.strategy]
        cdef OrderView view
        cdef FillRow *row
        cdef InstrumentInfo info = strategy.told(m.order.instrument, m.order.account)
        cdef set names = <set> self.names[m.strategy]
        if not names and not strategy.c_hooks and not strategy._orders:
            return 0
        strategy._follow_order(&m.order)
        view = strategy.view(m.order.id)
        canceling = view.order.canceling
        view.order = m.order
        view.order.canceling = canceling
        if m.order.type == TRAILING_STOP and not filled:
            strategy.follow_stop(view)
        if filled:
            row = <FillRow *> self.context.journal.fills.at(m.row)
            if strategy.c_hooks & HOOK_FILL:
                strategy._on_fill(m.order.instrument, row.side * row.quantity, row.price)
            if "on_fill" in names:
                strategy.on_fill(Fill(
                    view, info.symbol, info.venue, row.time, row.price / info.price_divisor,
                    row.quantity / info.quantity_divisor, row.side,
                    self.context.world.amount_value(row.fee_asset, row.fee), self.context.assets[row.fee_asset],
                    self.context.world.amount_value(
                        self.context.world.contracts[m.order.instrument].settle, row.realized_pnl),
                    bool(row.is_maker), bool(row.increases)))
            return 0
        if "on_order" in names:
            strategy.on_order(view)
        if not view.is_open:
            strategy.order_answered(view)
        return 0

    # ------------------------------------------------------------------ bars

    cdef int bar(self, const Event *event, int64_t timeframe) except -1:
        cdef Py_ssize_t i
        if not self.context.series:
            return self.plain_bar(event, timeframe)
        key = (event.instrument, timeframe)
        entry = self.context.series.get(key)
        if entry is not None:
            bar = market_event(<InstrumentInfo> self.context.infos[event.instrument], event, timeframe)
            entry[0].append(bar.ts_open, bar.ts_close, bar.open, bar.high, bar.low, bar.close, bar.volume)
        if self.context.warming:
            return 0
        for i in range(len(self.strategies)):
            series = self.own_series(i)
            if series:
                if entry is None or i not in entry[1]:
                    continue
                if not self.ready[i]:
                    self.ready[i] = all(each.ready for each in series)
                    if not self.ready[i]:
                        continue
            self.tell_bar(i, event, timeframe)
        return 0

    cdef int plain_bar(self, const Event *event, int64_t timeframe) except -1:
        """Nobody has subscribed to a series: most runs on bars."""
        cdef Py_ssize_t i
        if not self.context.warming:
            for i in range(len(self.strategies)):
                self.tell_bar(i, event, timeframe)
        return 0

    cdef int tell_bar(self, Py_ssize_t i, const Event *event, int64_t timeframe) except -1:
        cdef char hooks = self.bar_hooks[i]
        cdef Strategy strategy
        if hooks != 0:
            strategy = <Strategy> self.strategies[i]
            bar = market_event(<InstrumentInfo> strategy.infos[event.instrument], event, timeframe)
            if hooks & 2:
                self.arrived.setdefault(i, {})[bar.symbol] = bar
                self.n_arrived += 1
            if hooks & 1:
                strategy.on_bar(bar)
        return 0

    def own_series(self, int i):
        """The series that a strategy has subscribed to; kept after the first look: subscriptions end with on_start."""
        if self.series_of is None:
            self.series_of = [strategy.bar_series() for strategy in self.strategies]
        return self.series_of[i]

    cdef int bars(self, int64_t time) except -1:
        arrived, self.arrived = self.arrived, {}
        self.n_arrived = 0
        for i in sorted(arrived):
            self.strategies[i].on_bars(time, arrived[i])
        return 0

    # ------------------------------------------------------------------ prices

    cdef int first_prices(self) except -1:
        for strategy in self.strategies:
            strategy.first_prices()
        return 0

    cdef int follow(self, const Event *event, bint is_mark) except -1:
        """Move the triggers of own trailing stops as the venue does, by the prices that were delivered."""
        cdef Strategy strategy
        cdef int64_t low = event.a, high = event.a
        if event.kind >= BAR:
            high = event.b
            low = event.c
        for strategy in self.strategies:
            for view in strategy._trailing:
                if (<OrderView> view).order.instrument != event.instrument:
                    continue
                source = (<OrderView> view).order.trigger_source
                if ((source == ON_MARK and is_mark)
                        or (source == ON_LAST and (event.kind == TRADE or event.kind == BAR))
                        or (source == ON_INDEX and (event.kind == INDEX or event.kind == INDEX_BAR))):
                    follow_price(&(<OrderView> view).order, low if (<OrderView> view).order.side > 0 else high)
        return 0

    # ------------------------------------------------------------------ time

    cdef int timer(self, int64_t number, int64_t time) except -1:
        cdef TimerRow row = self.context.timer_rows[number]
        cdef Strategy strategy = <Strategy> self.strategies[row.owner]
        name = self.context.timers[number]
        if row.period > 0:
            self.context.local_agenda.push(time + row.period, TIMER, number)
        if self.context.warming:
            if row.period == 0:
                self.context.postponed.append(number)
            return 0
        if row.is_call:
            name()
        elif "on_timer" in self.names[row.owner]:
            strategy.on_timer(Timer(time, name))
        return 0

    cdef int alerts(self, int64_t time) except -1:
        cdef MarginCallRow *row
        for alert in self.context.alerts:
            owner, instrument, account, distance, ratio, raised = alert
            strategy = <Strategy> self.strategies[owner]
            position = PositionView(self.context, account, instrument, 0, None)
            worst = account_ratio_of(self.context, account)
            active = (distance is not None and position.distance < distance) or (ratio is not None and worst > ratio)
            if active != raised:
                alert[5] = active
                row = <MarginCallRow *> self.context.journal.margin_calls.append()
                row.time = time
                row.ratio = worst
                row.distance = position.distance
                row.account = account
                row.asset = -1
                row.instrument = instrument
                row.strategy = owner
                row.active = active
                if "on_margin_call" in self.names[owner]:
                    strategy.on_margin_call(MarginCall(
                        self.context.accounts[account], time, worst, position.distance, active,
                        (<Strategy> strategy).told(instrument, account).symbol))
        self.context.marks_moved = False
        return 0


def account_ratio_of(Context context, int account):
    """The largest ratio of an account on the strategy's clock."""
    from backtest.state_views import AccountView
    return AccountView(context, account).margin_ratio
