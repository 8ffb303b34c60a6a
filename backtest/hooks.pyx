"""Calls the Python hooks of strategies, and the C ones of fills and timers."""

from libc.stdint cimport int32_t, int64_t
from backtest.agenda cimport TIMER
from backtest.context cimport Context
from backtest.strategy cimport HOOK_FILL, HOOK_TIMER, Strategy
from backtest.views cimport InstrumentInfo, OrderView
from venues.outbox cimport (
    DELEVERAGED, FILLED_PART, FUNDING_PAID, LIQUIDATED, MARGIN_CALL, ORDER_STATE, SETTLED, STATE_ONLY, TRANSFERRED,
    Message,
)
from venues.records cimport FillRow, FundingRow, LiquidationRow, TransferRow

from backtest.messages import Fill, FundingPayment, Liquidated, MarginCall, Settlement, Timer, TransferEvent
from backtest.state_views import PositionView

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
            if moved.status == 0:
                self.context.transit[moved.id] = (moved.receive_asset, moved.received)
            elif moved.status == 1:
                self.context.transit.pop(moved.id, None)
            self.call_all("on_transfer", TransferEvent(
                moved.id, moved.time, TRANSFER_STATUS[moved.status], reason_text(moved.reason),
                self.context.assets[moved.asset], world.amount_value(moved.asset, moved.amount),
                self.context.assets[moved.receive_asset], world.amount_value(moved.receive_asset, moved.received),
                None if moved.source < 0 else self.context.accounts[moved.source],
                None if moved.target < 0 else self.context.accounts[moved.target]))
            return 0
        if kind == MARGIN_CALL:
            self.call_all("on_margin_call", MarginCall(
                account, m.time, m.ratio, m.distance, bool(m.active),
                None if m.instrument < 0 else self.context.infos[m.instrument].symbol))
            return 0
        info = self.context.infos[m.instrument]
        if kind == FUNDING_PAID:
            paid = <FundingRow *> self.context.journal.funding.at(m.row)
            self.call_all("on_funding_payment", FundingPayment(
                info.symbol, info.venue, account, paid.time, self.context.world.amount_value(paid.asset, paid.amount),
                self.context.assets[paid.asset], paid.rate / 10.0 ** paid.rate_scale, paid.mark / info.price_divisor,
                paid.quantity / info.quantity_divisor))
        elif kind == SETTLED:
            closed = <FillRow *> self.context.journal.fills.at(m.row)
            self.call_all("on_settlement", Settlement(
                account, info.symbol, info.venue, closed.time, closed.price / info.price_divisor,
                -closed.side * closed.quantity / info.quantity_divisor,
                self.context.world.amount_value(closed.fee_asset, closed.realized_pnl)))
        else:
            step = <LiquidationRow *> self.context.journal.liquidations.at(m.row)
            self.call_all("on_adl" if kind == DELEVERAGED else "on_liquidated", Liquidated(
                account, info.symbol, info.venue, step.time, step.step, step.trigger_mark / info.price_divisor,
                step.price / info.price_divisor, step.quantity / info.quantity_divisor,
                self.context.world.amount_value(step.asset, step.fee),
                self.context.world.amount_value(step.asset, step.shortfall), PAID_BY[step.paid_by]))
        return 0

    def call_all(self, name, event):
        """Call a hook of every strategy that has it."""
        for strategy, hooks in zip(self.strategies, self.names):
            if name in hooks:
                getattr(strategy, name)(event)

    cdef int order_message(self, const Message *m, bint filled) except -1:
        cdef Strategy strategy = <Strategy> self.strategies[m.strategy]
        cdef OrderView view
        cdef FillRow *row
        cdef InstrumentInfo info = self.context.infos[m.order.instrument]
        cdef set names = <set> self.names[m.strategy]
        if not names and not strategy.c_hooks and not strategy._orders:
            return 0
        view = strategy.view(m.order.id)
        canceling = view.order.canceling
        view.order = m.order
        view.order.canceling = canceling
        if filled:
            row = <FillRow *> self.context.journal.fills.at(m.row)
            if strategy.c_hooks & HOOK_FILL:
                strategy._on_fill(m.order.instrument, row.side * row.quantity, row.price)
            if "on_fill" in names:
                strategy.on_fill(Fill(
                    view, info.symbol, info.venue, row.time, row.price / info.price_divisor,
                    row.quantity / info.quantity_divisor, row.side, self.context.world.amount_value(row.fee_asset, row.fee),
                    self.context.assets[row.fee_asset],
                    self.context.world.amount_value(self.context.world.contracts[m.order.instrument].settle, row.realized_pnl),
                    bool(row.is_maker), bool(row.increases)))
            return 0
        if "on_order" in names:
            strategy.on_order(view)
        if not view.is_open:
            strategy.order_answered(view)
        return 0

    # ------------------------------------------------------------------ bars

    cdef int bar(self, object event, int64_t timeframe) except -1:
        cdef Py_ssize_t i
        key = (event.instrument.index, timeframe)
        entry = self.context.series.get(key)
        if entry is not None:
            entry[0].append(event.ts_open, event.ts_close, event.open, event.high, event.low, event.close, event.volume)
        if self.context.warming:
            return 0
        for i in range(len(self.strategies)):
            strategy = self.strategies[i]
            series = self.own_series(i)
            if series:
                if entry is None or i not in entry[1]:
                    continue
                if not self.ready[i]:
                    self.ready[i] = all(each.ready for each in series)
                    if not self.ready[i]:
                        continue
            if "on_bar" in self.names[i]:
                strategy.on_bar(event)
            if "on_bars" in self.names[i]:
                self.arrived.setdefault(i, {})[event.instrument.symbol] = event
        return 0

    def own_series(self, int i):
        """The series that a strategy has subscribed to; kept after the first look, for subscriptions end with on_start."""
        if self.series_of is None:
            self.series_of = [strategy.bar_series() for strategy in self.strategies]
        return self.series_of[i]

    cdef int bars(self, int64_t time) except -1:
        if not self.arrived:
            return 0
        arrived, self.arrived = self.arrived, {}
        for i in sorted(arrived):
            self.strategies[i].on_bars(time, arrived[i])
        return 0

    # ------------------------------------------------------------------ time

    cdef int timer(self, int64_t number, int64_t time) except -1:
        owner, period, name = self.context.timers[number]
        if period > 0:
            self.context.local_agenda.push(time + <int64_t> period, TIMER, number)
        if self.context.warming:
            return 0
        cdef Strategy strategy = <Strategy> self.strategies[owner]
        if callable(name):
            name()
        elif strategy.c_hooks & HOOK_TIMER:
            strategy._on_timer(number)
        elif "on_timer" in self.names[owner]:
            strategy.on_timer(Timer(time, name))
        return 0

    cdef int alerts(self, int64_t time) except -1:
        for alert in self.context.alerts:
            owner, instrument, account, distance, ratio, raised = alert
            if "on_margin_call" not in self.names[owner]:
                continue
            position = PositionView(self.context, account, instrument, 0, None)
            worst = account_ratio_of(self.context, account)
            active = (distance is not None and position.distance < distance) or (ratio is not None and worst > ratio)
            if active != raised:
                alert[5] = active
                self.strategies[owner].on_margin_call(MarginCall(
                    self.context.accounts[account], time, worst, position.distance, active,
                    self.context.infos[instrument].symbol))
        return 0


def reason_text(int reason):
    """The word of a Reason."""
    from venues.orders import REASONS
    return REASONS[reason]


def account_ratio_of(Context context, int account):
    """The largest ratio of an account on the strategy's clock."""
    from backtest.state_views import AccountView
    return AccountView(context, account).margin_ratio
