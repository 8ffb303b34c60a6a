"""Run both compiled templates on the sample; print the number of fills and a digest of them, one line each."""

import hashlib

import cdef_class
import plain_class

import feeds
import venues
from backtest import Backtest

data = feeds.sample(days=2)
for Cross in (plain_class.Cross, cdef_class.Cross):
    venue = venues.Venue("binance_usdm", balances={"USDT": 100_000})
    fills = Backtest(data, Cross(fast=50, slow=500, pause=100), venues=[venue]).run().fills
    columns = fills[["time", "side", "price", "quantity", "fee", "realized_pnl"]]
    print(len(fills), hashlib.sha256(columns.to_csv(index=False).encode()).hexdigest())
