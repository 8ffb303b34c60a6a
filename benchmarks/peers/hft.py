"""hftbacktest: T1 on trades alone, T2, T3 and the book alone on book and trades. `prepare` converts its files once.

It reads its file inside the first step, so reading is in its engine seconds; compiling by numba is not.
"""

from pathlib import Path
from typing import Any

import hftbacktest as hbt
import numpy as np
from common import AVERAGES, PAUSE, WARM, Clock, arguments, columns, report
from numba import njit

LATENCY_NS = 5_000_000
FAR_NS = 9_000_000_000_000_000
NAMES = ("book_snapshot", "book", "trades")


def events(root: Path, name: str, flag: int, delay: int = LATENCY_NS) -> np.ndarray:
    """Return a stream as rows of the library, heard so much later."""
    ts, price, size, side = columns(root, name, "ts", "price", "size", "side")
    rows = np.zeros(len(ts), hbt.event_dtype)
    rows["ev"] = flag | hbt.EXCH_EVENT | hbt.LOCAL_EVENT | np.where(side > 0, hbt.BUY_EVENT, hbt.SELL_EVENT)
    rows["exch_ts"], rows["local_ts"], rows["px"], rows["qty"] = ts, ts + delay, price, size
    return rows


def prepare(root: Path) -> None:
    """Write the library's files."""
    flags = (hbt.DEPTH_SNAPSHOT_EVENT, hbt.DEPTH_EVENT, hbt.TRADE_EVENT)
    snapshot, book, trades = (events(root, name, flag) for name, flag in zip(NAMES, flags, strict=True))
    both = np.concatenate([book, trades])
    both = both[np.argsort(both["exch_ts"], kind="stable")]
    at_once = both.copy()
    at_once["local_ts"] = at_once["exch_ts"]
    for name, rows in (("snapshot", snapshot), ("t1", trades), ("t2", both), ("t3", at_once)):
        np.savez(root / f"hft_{name}.npz", data=rows)


def engine(root: Path, data: Any) -> Any:
    """Return a backtest of one linear contract."""
    asset = (
        hbt.BacktestAsset()
        .data(data)
        .initial_snapshot(str(root / "hft_snapshot.npz"))
        .linear_asset(1.0)
        .constant_order_latency(LATENCY_NS, LATENCY_NS)
        .power_prob_queue_model(2.0)
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0002, 0.0005)
        .tick_size(0.1)
        .lot_size(0.001)
        .last_trades_capacity(64)
        .roi_lb(9000.0)
        .roi_ub(11000.0)
    )
    return hbt.ROIVectorMarketDepthBacktest([asset])


@njit
def count(h: Any, most: int) -> tuple[int, int, int]:
    """T1."""
    seen, steps = 0, 0
    while steps < most and h.wait_next_feed(False, FAR_NS) != 1:
        steps += 1
        seen += len(h.last_trades(0))
        h.clear_last_trades(0)
    return seen + len(h.last_trades(0)), 0, 0


@njit
def cross(h: Any, most: int) -> tuple[int, int, int]:
    """T2."""
    seen, orders, signature, side, last, steps = 0, 0, 0, 0, 0, 0
    fast, slow = 0.0, 0.0
    while steps < most and h.wait_next_feed(False, FAR_NS) != 1:
        steps += 1
        trades = h.last_trades(0)
        for i in range(len(trades)):
            price = trades[i].px
            if seen == 0:
                fast, slow = price, price
            fast += AVERAGES[0] * (price - fast)
            slow += AVERAGES[1] * (price - slow)
            seen += 1
            now = 1 if fast > slow else -1
            if now != side and seen > WARM and seen - last >= PAUSE:
                size = float(abs(now - side))
                orders += 1
                if now > 0:
                    h.submit_buy_order(0, orders, price, size, hbt.GTC, hbt.MARKET, False)
                else:
                    h.submit_sell_order(0, orders, price, size, hbt.GTC, hbt.MARKET, False)
                signature += seen * now
                side, last = now, seen
        if len(trades):
            h.clear_last_trades(0)
        if seen & 0xFFFF == 0:
            h.clear_inactive_orders(0)
    return seen, orders, signature


@njit
def watch(h: Any, most: int) -> tuple[int, int, int]:
    """Book and trades, nobody trading."""
    hours = 0
    while hours < most and h.elapse(3_600_000_000_000) == 0:
        hours += 1
    return hours, 0, 0


@njit
def make(h: Any, most: int) -> tuple[int, int, int]:
    """T3."""
    number, requests, looks = 1, 0, 0
    bid_id, ask_id, bid_at, ask_at = 0, 0, 0, 0
    while looks < most and h.elapse(1_000_000_000) == 0:
        looks += 1
        h.clear_inactive_orders(0)
        depth, orders, held = h.depth(0), h.orders(0), h.position(0)
        bid = depth.best_bid_tick if held < 10 else 0
        ask = depth.best_ask_tick if held > -10 else 0
        if bid_id and bid_id not in orders:
            bid_id = 0
        if ask_id and ask_id not in orders:
            ask_id = 0
        if bid_id and bid != bid_at:
            h.cancel(0, bid_id, False)
            bid_id, requests = 0, requests + 1
        if ask_id and ask != ask_at:
            h.cancel(0, ask_id, False)
            ask_id, requests = 0, requests + 1
        if not bid_id and bid:
            h.submit_buy_order(0, number, bid * 0.1, 1.0, hbt.GTX, hbt.LIMIT, False)
            bid_id, bid_at, number, requests = number, bid, number + 1, requests + 1
        if not ask_id and ask:
            h.submit_sell_order(0, number, ask * 0.1, 1.0, hbt.GTX, hbt.LIMIT, False)
            ask_id, ask_at, number, requests = number, ask, number + 1, requests + 1
    return looks, requests, 0


def main() -> None:
    """Run one task."""
    task, root = arguments()
    if task == "prepare":
        prepare(root)
        return
    function = {"t1": count, "t2": cross, "t3": make, "book": watch}[task]
    clock = Clock()
    warm = engine(root, np.load(root / "hft_snapshot.npz")["data"].copy())
    function(warm, 5)
    warm.close()
    compiling = clock()
    clock = Clock()
    h = engine(root, str(root / f"hft_{'t3' if task == 'book' else task}.npz"))
    load = clock()
    clock = Clock()
    seen, orders, signature = function(h, 1 << 62)
    seconds = clock()
    position, fills = float(h.state_values(0).position), int(h.state_values(0).num_trades)
    h.close()
    rows = len(columns(root, "trades", "ts")[0]) + (len(columns(root, "book", "ts")[0]) if task != "t1" else 0)
    answer = {"calls": int(seen)} if task == "t1" else {"orders": int(orders), "signature": int(signature)}
    if task == "book":
        answer = {}
    if task == "t3":
        answer = {"their_requests": int(orders), "their_fills": fills}
    report(rows, seconds, load, answer, compiling=compiling, position=position)


if __name__ == "__main__":
    main()
