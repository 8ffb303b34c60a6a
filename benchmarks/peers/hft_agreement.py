"""hftbacktest: the market maker of T3, and what each of its looks finds filled, for `benchmarks.agreement`."""

import sys
from pathlib import Path
from typing import Any

import hftbacktest as hbt
import numpy as np
from hft import LATENCY_NS
from numba import njit

SECOND = 1_000_000_000


def engine(root: Path, model: str, power: float) -> Any:
    """Return a backtest of one linear contract under one of its exchange models."""
    asset = (
        hbt.BacktestAsset()
        .data(str(root / "hft_t3.npz"))
        .initial_snapshot(str(root / "hft_snapshot.npz"))
        .linear_asset(1.0)
        .constant_order_latency(LATENCY_NS, LATENCY_NS)
        .trading_value_fee_model(0.0002, 0.0005)
        .tick_size(0.1)
        .lot_size(0.001)
        .roi_lb(9000.0)
        .roi_ub(11000.0)
    )
    asset = asset.power_prob_queue_model(power) if power > 0 else asset.risk_adverse_queue_model()
    asset = asset.no_partial_fill_exchange() if model == "no_partial_fill" else asset.partial_fill_exchange()
    return hbt.ROIVectorMarketDepthBacktest([asset])


@njit
def watch(h: Any, rows: Any) -> tuple[int, int]:
    """Quote once a second, write (time, order, units filled) of what a look finds new; return how many, and the end."""
    number, count = 1, 0
    bid_id, ask_id, bid_at, ask_at = 0, 0, 0, 0
    h.elapse(1)
    step = SECOND - h.current_timestamp % SECOND
    known = np.zeros(2_000_000, np.int64)
    held = 0  # by what has been seen: their position misses parts of orders (issue 316)
    while True:
        code = h.elapse(step)
        if code != 0:
            return count, code
        step = SECOND
        orders = h.orders(0)
        values = orders.values()
        first = count
        while values.has_next():
            order = values.get()
            filled = round((order.qty - order.leaves_qty) * 1000)
            if filled != known[order.order_id]:
                held += (filled - known[order.order_id]) * (1 if order.side == hbt.BUY else -1)
                known[order.order_id] = filled
                rows[count, 0], rows[count, 1], rows[count, 2] = h.current_timestamp, order.order_id, filled
                count += 1
        if count - first > 1:
            part = rows[first:count].copy()
            rows[first:count] = part[np.argsort(part[:, 1])]
        h.clear_inactive_orders(0)
        depth = h.depth(0)
        bid = depth.best_bid_tick if held < 10_000 else 0
        ask = depth.best_ask_tick if held > -10_000 else 0
        if bid_id and bid_id not in orders:
            bid_id = 0
        if ask_id and ask_id not in orders:
            ask_id = 0
        if bid_id and bid != bid_at:
            h.cancel(0, bid_id, False)
            bid_id = 0
        if not bid_id and bid:
            h.submit_buy_order(0, number, bid * 0.1, 1.0, hbt.GTX, hbt.LIMIT, False)
            bid_id, bid_at, number = number, bid, number + 1
        if ask_id and ask != ask_at:
            h.cancel(0, ask_id, False)
            ask_id = 0
        if not ask_id and ask:
            h.submit_sell_order(0, number, ask * 0.1, 1.0, hbt.GTX, hbt.LIMIT, False)
            ask_id, ask_at, number = number, ask, number + 1


def main() -> None:
    """Run and save the rows: FOLDER MODEL POWER OUT."""
    root, model, power, out = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4]
    rows = np.zeros((2_000_000, 3), np.int64)
    h = engine(root, model, power)
    count, code = watch(h, rows)
    rows[count] = h.current_timestamp, -1, code  # 1: end of the data
    h.close()
    np.save(out, rows[: count + 1])


if __name__ == "__main__":
    main()
