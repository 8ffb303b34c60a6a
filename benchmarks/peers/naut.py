"""nautilus_trader 1.x: T1, T2 on trade ticks, T3 on deltas and ticks, T4 on bars.

Loading makes its Python objects by its quickest way. Of T3 it has no queue ahead of an order: a limit at the touch
fills when a trade meets it.
"""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from common import AVERAGES, BAR_FEE, FAST, PAUSE, SLOW, UNITS, WARM, Clock, arguments, columns, report
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.config import LoggingConfig, RiskEngineConfig
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import Bar, BarType, BookOrder, OrderBookDelta, TradeTick
from nautilus_trader.model.enums import AccountType, BookAction, BookType, OmsType, OrderSide, RecordFlag
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CryptoPerpetual
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

VENUE = Venue("SIM")
MINUTE_NS = 60_000_000_000
LATENCY_NS, MOST = 5_000_000, 10  # T3


def contract(price_decimals: int, taker_fee: str) -> CryptoPerpetual:
    """Return a linear perpetual."""
    name = Symbol("BTCUSDT-PERP")
    tick = Price(10**-price_decimals, price_decimals)
    return CryptoPerpetual(
        InstrumentId(name, VENUE), name, BTC, USDT, USDT, False, price_decimals, 3, tick, Quantity(0.001, 3), 0, 0,
        max_quantity=Quantity(1e6, 3), min_quantity=Quantity(0.001, 3), margin_init=Decimal("0.05"),
        margin_maint=Decimal("0.025"), maker_fee=Decimal("0.0002"), taker_fee=Decimal(taker_fee),
    )  # fmt: skip


class Base(Strategy):
    """Sends market orders and counts them."""

    def __init__(self, instrument: CryptoPerpetual) -> None:
        super().__init__()
        self.instrument = instrument
        self.seen = self.orders = self.signature = self.side = self.last = 0
        self.fast = self.slow = 0.0

    def send(self, side: int, units: int) -> None:
        """Send an order."""
        order = self.order_factory.market(
            self.instrument.id, OrderSide.BUY if side > 0 else OrderSide.SELL, self.instrument.make_qty(units)
        )
        self.submit_order(order)
        self.orders += 1
        self.signature += self.seen * side


class Count(Base):
    """T1."""

    def on_start(self) -> None:
        self.subscribe_trade_ticks(self.instrument.id)

    def on_trade_tick(self, tick: TradeTick) -> None:
        self.seen += 1


class TickCross(Base):
    """T2."""

    def on_start(self) -> None:
        self.subscribe_trade_ticks(self.instrument.id)

    def on_trade_tick(self, tick: TradeTick) -> None:
        price = tick.price.as_double()
        seen = self.seen
        if seen == 0:
            self.fast = self.slow = price
        fast = self.fast = self.fast + AVERAGES[0] * (price - self.fast)
        slow = self.slow = self.slow + AVERAGES[1] * (price - self.slow)
        self.seen = seen = seen + 1
        side = 1 if fast > slow else -1
        if side != self.side and seen > WARM and seen - self.last >= PAUSE:
            self.send(side, abs(side - self.side))
            self.side, self.last = side, seen


class BarCross(Base):
    """T4."""

    def __init__(self, instrument: CryptoPerpetual, bar_type: BarType) -> None:
        super().__init__(instrument)
        self.bar_type = bar_type
        self.held = 0

    def on_start(self) -> None:
        self.subscribe_bars(self.bar_type)

    def on_bar(self, bar: Bar) -> None:
        price = bar.close.as_double()
        if self.seen == 0:
            self.fast = self.slow = price
        fast = self.fast = self.fast + 2 / (FAST + 1) * (price - self.fast)
        slow = self.slow = self.slow + 2 / (SLOW + 1) * (price - self.slow)
        self.seen += 1
        side = 1 if fast > slow else -1
        if side == self.side or self.seen <= SLOW:
            return
        if self.side:
            self.send(side, abs(UNITS * side - self.held))
            self.held = UNITS * side
        self.side = side


class TouchMaker(Base):
    """T3."""

    def on_start(self) -> None:
        self.working: dict[OrderSide, Any] = {}
        self.subscribe_order_book_deltas(self.instrument.id, BookType.L2_MBP)
        self.clock.set_timer("look", timedelta(seconds=1), callback=self.look)

    def look(self, event: Any) -> None:
        """Move what no longer stands at the touch."""
        book = self.cache.order_book(self.instrument.id)
        if book is None or book.best_bid_price() is None or book.best_ask_price() is None:
            return
        held = float(self.portfolio.net_position(self.instrument.id))
        wanted = {
            OrderSide.BUY: book.best_bid_price() if held < MOST else None,
            OrderSide.SELL: book.best_ask_price() if held > -MOST else None,
        }
        for side, price in wanted.items():
            order = self.working.get(side)
            if order is not None and order.is_closed:
                order = None
            if order is not None and order.price != price:
                self.cancel_order(order)
                self.orders += 1
                order = None
            if order is None and price is not None:
                size = self.instrument.make_qty(1)
                order = self.order_factory.limit(self.instrument.id, side, size, price, post_only=True)
                self.submit_order(order)
                self.orders += 1
            self.working[side] = order


def deltas(root: Path, instrument: CryptoPerpetual) -> list[Any]:
    """Return the book's first levels and its updates as its objects."""
    made = []
    for name in ("book_snapshot", "book"):
        ts, price, size, side = (each.tolist() for each in columns(root, name, "ts", "price", "size", "side"))
        last = [True] * len(ts) if name == "book_snapshot" else columns(root, name, "last")[0].tolist()
        for row, when in enumerate(ts):
            action = BookAction.UPDATE if size[row] > 0 else BookAction.DELETE
            level = BookOrder(
                OrderSide.BUY if side[row] > 0 else OrderSide.SELL, Price(price[row], 1), Quantity(size[row], 3), 0
            )
            flags = RecordFlag.F_LAST if last[row] else 0
            made.append(OrderBookDelta(instrument.id, action, level, flags, row, when, when))
    return made


def ticks(root: Path, instrument: CryptoPerpetual) -> list[Any]:
    """Return trades as its objects."""
    ts, price, size, side = columns(root, "trades", "ts", "price", "size", "side")
    stamps = ts.astype(np.uint64)
    sides = np.where(side > 0, 1, 2).astype(np.uint8)
    names = [str(number) for number in range(len(ts))]
    made = TradeTick.from_raw_arrays_to_list(
        instrument.id, 1, 3, price.copy(), size.copy(), sides, names, stamps, stamps
    )
    return list(made)


def bars(root: Path, bar_type: BarType) -> list[Any]:
    """Return bars as its objects, stamped by their close."""
    ts, *values = columns(root, "bars_00", "ts", "open", "high", "low", "close", "volume")
    stamps = ts.astype(np.uint64) + np.uint64(MINUTE_NS)
    made = Bar.from_raw_arrays_to_list(bar_type, 2, 3, *(value.copy() for value in values), stamps, stamps)
    return list(made)


def main() -> None:
    """Run one task."""
    task, root = arguments()
    clock = Clock()
    bypass = RiskEngineConfig(bypass=True)
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), risk_engine=bypass))
    engine.add_venue(
        VENUE, OmsType.NETTING, AccountType.MARGIN, [Money(10_000_000, USDT)], base_currency=USDT,
        default_leverage=Decimal(5), book_type=BookType.L2_MBP if task in ("t3", "book") else BookType.L1_MBP,
        trade_execution=True, latency_model=LatencyModel(LATENCY_NS) if task == "t3" else None,
    )  # fmt: skip
    instrument = contract(2, str(BAR_FEE)) if task == "t4" else contract(1, "0.0005")
    engine.add_instrument(instrument)
    if task == "t4":
        bar_type = BarType.from_str(f"{instrument.id}-1-MINUTE-LAST-EXTERNAL")
        rows = bars(root, bar_type)
        strategy: Base = BarCross(instrument, bar_type)
    elif task in ("t3", "book"):
        rows = [*deltas(root, instrument), *ticks(root, instrument)]
        strategy = TouchMaker(instrument) if task == "t3" else Base(instrument)
    else:
        rows = ticks(root, instrument)
        strategy = (Count if task == "t1" else TickCross)(instrument)
    engine.add_data(rows, sort=True)
    engine.add_strategy(strategy)
    load = clock()
    clock = Clock()
    engine.run()
    seconds = clock()
    filled = int(engine.get_result().total_orders)
    if task == "book":
        report(len(rows), seconds, load, {})
        return
    if task == "t3":
        held = float(strategy.portfolio.net_position(instrument.id))
        report(len(rows), seconds, load, {"nautilus_requests": strategy.orders, "nautilus_position": held})
        return
    counts = {"orders": strategy.orders, "signature": strategy.signature}
    answer = {"calls": strategy.seen} if task == "t1" else counts
    report(len(rows), seconds, load, answer, filled=filled)


if __name__ == "__main__":
    main()
