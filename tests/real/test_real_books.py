"""Captured books of Binance rebuild without a break and agree with its best prices; a market maker trades on one.

Data: book/ of the shared folder; its README names the sources.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import venues
from backtest import Backtest
from feeds.importing import import_file
from strategies.market_maker import MarketMaker
from venues.book import Book

VALID = 1


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("binance_cm_btcusd_perp_20240808", 1124),
        ("binance_spot_btcusdt_20240808", 564),
        ("binance_usdm_btcusdt_20240808", 629),
    ],
)
def test_a_captured_book_is_that_of_the_best_prices_at_every_shared_update(
    real_data: Path, name: str, same: int
) -> None:
    """Where a message of the book ends with the update that a best price was sent for, both sides agree to the lot."""
    found = {stream.kind: stream for stream in import_file(real_data / f"book/{name}.gz").dataset.streams}
    rows, quotes = found["book"].table().to_pandas(), found["quotes"].table().to_pandas()
    names = ["ts", "seq", "is_snapshot"]
    starts = np.flatnonzero((rows[names] != rows[names].shift()).any(axis=1)).tolist()
    columns = {each: rows[each].tolist() for each in (*names, "prev_seq", "side", "price", "quantity")}
    book, touch = Book(int(np.gcd.reduce(rows["price"].to_numpy()))), {}
    for first, last in pairwise([*starts, len(rows)]):
        message = list(zip(*(columns[each][first:last] for each in ("side", "price", "quantity")), strict=True))
        counted = book.apply(
            columns["ts"][first], message, sequence=columns["seq"][first], previous=columns["prev_seq"][first],
            is_snapshot=bool(columns["is_snapshot"][first]),
        )  # fmt: skip
        if counted and book.condition == VALID:
            touch[columns["seq"][first]] = (*book.levels(1, 1), *book.levels(-1, 1))
    assert (book.breaks, book.crossings, book.condition) == (0, 0, VALID)
    finer = [10 ** (found["book"].scales[each] - found["quotes"].scales[each]) for each in ("price", "quantity")]
    compared = 0
    for update, *best in quotes[["update_id", "bid_price", "bid_quantity", "ask_price", "ask_quantity"]].itertuples(
        index=False
    ):
        if update in touch:
            compared += 1
            told = [value * finer[place % 2] for place, value in enumerate(best)]
            assert ((told[0], told[1]), (told[2], told[3])) == touch[update]
    assert compared == same


def test_a_market_maker_trades_on_real_snapshots_and_trades(real_data: Path) -> None:
    """Five minutes of BTCUSDT: 2,559 books of 200 levels a side, 11,947 trades."""
    name = "binance_um_BTCUSDT_{}_2026-02-16_04h.parquet"
    data = (
        import_file(real_data / "book" / name.format("l2_snapshots"), venue="binance_usdm").dataset
        + import_file(real_data / "trades" / name.format("trades"), venue="binance_usdm").dataset
    )
    account = venues.Venue("binance_usdm", balances={"USDT": 100_000}, latency="5ms", queue="power:2")
    maker = MarketMaker(size=0.01, most=0.05, half_spread=0.5)
    result = Backtest(data, maker, venues=account, mark="last", prices={"USDT": 1}).run()
    fills = result.fills
    assert len(fills) > 10
    assert fills["is_maker"].all()
    assert {1, -1} == set(fills["side"])
    assert (fills["side"] * fills["quantity"]).cumsum().abs().max() <= 0.05 + 1e-9
    traded = data.streams[-1] if data.streams[-1].kind == "trades" else data.streams[0]
    prices = traded.table().to_pandas()["price"] / 10 ** traded.scales["price"]
    assert fills["price"].between(prices.min() - 5, prices.max() + 5).all()
