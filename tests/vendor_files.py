"""A small good file of every format that the importer reads, for tests that damage them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

S = 1_704_067_200  # 2024-01-01 UTC
MS, US = S * 1000, S * 10**6
HOUR_MS = 3_600_000
USER = "0x" + "ab" * 20


@dataclass(frozen=True)
class Sample:
    """One file: its name, its text, and what a user has to say about it."""

    name: str
    text: str
    options: dict[str, Any] = field(default_factory=dict)


def table(name: str, header: str, row: Callable[[int], str], rows: int = 12, **options: Any) -> Sample:
    lines = [header] * bool(header) + [row(i) for i in range(rows)]
    return Sample(name, "".join(f"{line}\n" for line in lines), options)


def lines(name: str, row: Callable[[int], Any], rows: int = 6, **options: Any) -> Sample:
    return Sample(name, "".join(json.dumps(row(i)) + "\n" for i in range(rows)), options)


def whole(name: str, value: Any, **options: Any) -> Sample:
    return Sample(name, json.dumps(value), options)


_BYBIT = "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,foreignNotional"
_KLINES = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)
_TARDIS = "exchange,symbol,timestamp,local_timestamp"
_KEYS = f"binance-futures,BTCUSDT,{US}"
_CHAIN = (
    f"{_TARDIS},type,strike_price,expiration,open_interest,last_price,bid_price,bid_amount,bid_iv,ask_price,ask_amount,"
    "ask_iv,mark_price,mark_iv,underlying_index,underlying_price,delta,gamma,vega,theta,rho"
)
_CONTEXTS = (
    "time,coin,funding,open_interest,prev_day_px,day_ntl_vlm,premium,oracle_px,mark_px,mid_px,impact_bid_px,"
    "impact_ask_px"
)
_SNAPSHOT = f"{_TARDIS},asks[0].price,asks[0].amount,bids[0].price,bids[0].amount"
_STATE = {
    "assetPositions": [
        {
            "type": "oneWay",
            "position": {
                "coin": "BTC",
                "szi": "-0.5",
                "entryPx": "42000",
                "leverage": {"type": "cross", "value": 10},
                "positionValue": "21500",
                "marginUsed": "2150",
                "maxLeverage": 50,
            },
        }
    ],
    "crossMarginSummary": {"accountValue": "4300", "totalNtlPos": "43000"},
    "time": MS,
}
_SUBACCOUNT = {
    "address": "dydx1abc",
    "subaccountNumber": 0,
    "equity": "1000",
    "openPerpetualPositions": {
        "BTC-USD": {
            "market": "BTC-USD",
            "status": "OPEN",
            "side": "SHORT",
            "size": "-0.1",
            "entryPrice": "42000",
            "createdAt": "2024-01-01T00:00:00.000Z",
        }
    },
}


def _stream(event: str, i: int, **body: Any) -> str:
    data = {"e": event, "E": MS + i, "T": MS + i, "s": "BTCUSDT"} | body
    return f"{(MS + i) * 10**6} {json.dumps({'stream': 'btcusdt@x', 'data': data})}\n"


def _capture(i: int) -> str:
    levels = [["42000.1", "0.5"]]
    return (
        _stream("depthUpdate", 10 * i, U=i, u=i + 1, pu=i, b=levels, a=[["42000.2", "0"]])
        + _stream("bookTicker", 10 * i + 1, u=i, b="1.5", B="2", a="1.6", A="3")
        + _stream("trade", 10 * i + 2, t=i, p="42000.1", q="0.5", X="MARKET", m=bool(i % 2))
    )


SAMPLES: dict[str, Sample] = {
    "binance-trades": table(
        "BTCUSDT-trades-2024-01-01.csv",
        "id,price,qty,quote_qty,time,is_buyer_maker",
        lambda i: f"{i},42000.{i},0.5,21000,{MS + i},true",
    ),
    "binance-aggtrades": table(
        "BTCUSDT-aggTrades-2024-01-01.csv",
        "",
        lambda i: f"{i},42000.{i},0.5,{i},{i},{MS + i},true",
    ),
    "binance-klines": table(
        "BTCUSDT-1m-2024-01-01.csv",
        _KLINES,
        lambda i: f"{MS + i * 60_000},100,110,90,105,5,{MS + i * 60_000 + 59_999},500,7,2,200,0",
    ),
    "binance-mark-klines": table(
        "BTCUSD_PERP-1m-2024-01-01.csv",
        _KLINES,
        lambda i: f"{MS + i * 60_000},100,110,90,105,0,{MS + i * 60_000 + 59_999},0,60,0,0,0",
    ),
    "binance-funding": table(
        "BTCUSDT-fundingRate-2024-01.csv",
        "calc_time,funding_interval_hours,last_funding_rate",
        lambda i: f"{MS + i * 8 * HOUR_MS + i},8,0.0001",
    ),
    "binance-metrics": table(
        "BTCUSDT-metrics-2024-01-01.csv",
        "create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,"
        "sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio",
        lambda i: f"2024-01-01 00:{5 * i:02d}:00,BTCUSDT,1000.5,42000000,1,1,1,1",
        11,
    ),
    "binance-liquidations": table(
        "BTCUSD_PERP-liquidationSnapshot-2024-01-01.csv",
        "time,side,order_type,time_in_force,original_quantity,price,average_price,order_status,last_fill_quantity,"
        "accumulated_fill_quantity",
        lambda i: f"{MS + i // 2},SELL,LIMIT,IOC,5,42000,42001,FILLED,5,5",
    ),
    "binance-bookticker": table(
        "BTCUSDT-bookTicker-2024-01-01.csv",
        "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time",
        lambda i: f"{i},42000.1,2,42000.2,3,{MS + i},{MS + i + 4}",
    ),
    "binance-bookdepth": table(
        "BTCUSDT-bookDepth-2024-01-01.csv",
        "timestamp,percentage,depth,notional",
        lambda i: f"2024-01-01 00:00:{i // 2:02d},{(-5, '5.00')[i % 2]},100.5,4200000.25",
    ),
    "binance-premium-index": whole(
        "premium.json",
        [
            {
                "symbol": name,
                "markPrice": "1.5",
                "indexPrice": "1.4",
                "lastFundingRate": "0.0001",
                "nextFundingTime": MS + HOUR_MS,
                "time": MS,
            }
            for name in ("BTCUSDT", "ETHUSDT")
        ],
    ),
    "binance-capture": Sample("btcusdt_20240101.jsonl", "".join(map(_capture, range(5)))),
    "binance-account-ledger": table(
        "ledger.csv",
        "Date(UTC),type,Amount,Asset,Symbol,Transaction ID",
        lambda i: f"2024-01-01 00:00:{i:02d},FUNDING_FEE,0.5,USDT,BTCUSDT,{i}",
    ),
    "bybit-trades": table(
        "BTCUSDT2024-01-01.csv",
        _BYBIT,
        lambda i: f"{S + i}.25,BTCUSDT,Buy,0.5,42000.5,PlusTick,a-{i},1,1,1",
    ),
    "bybit-spot-trades": table(
        "BTCUSDT_2024-01-01.csv", "id,timestamp,price,volume,side,rpi", lambda i: f"{i},{MS + i},42000,0.5,buy,0"
    ),
    "bybit-mt4-klines": table(
        "BTCUSDT_1_2024-01-01_2024-01-31.csv", "", lambda i: f"2024.01.01 03:{i:02d},100,110,90,105,5"
    ),
    "bybit-book": lines(
        "ob.jsonl",
        lambda i: {
            "topic": "orderbook.500.XRPUSDT",
            "type": "delta" if i else "snapshot",
            "ts": MS + i,
            "data": {"s": "XRPUSDT", "b": [["0.5", "10"]], "a": [["0.6", "0"]], "u": i, "seq": i},
            "cts": MS + i,
        },
        venue="bybit",
    ),
    "okx-trades": table(
        "BTC-USDT-SWAP-trades-2024-01-01.csv",
        "instrument_name,trade_id,side,price,size,created_time",
        lambda i: f"BTC-USDT-SWAP,{i},buy,42000.5,3,{MS + i}",
    ),
    "okx-funding": table(
        "allswap-fundingrates-2024-01-01.csv",
        "instrument_name,funding_rate,funding_time",
        lambda i: f"BTC-USDT-SWAP,0.0001,{MS + i * 8 * HOUR_MS}",
        3,
    ),
    "okx-candles": table(
        "BTC-USDT-SWAP-candlesticks-2024-01-01.csv",
        "instrument_name,open,high,low,close,vol,vol_ccy,vol_quote,open_time,confirm",
        lambda i: f"BTC-USDT-SWAP,100,110,90,105,5,5,525,{MS + i * 60_000},1",
    ),
    "okx-book": lines(
        "l2.jsonl",
        lambda i: {
            "instId": "BTC-USDT-SWAP",
            "action": "update" if i else "snapshot",
            "ts": str(MS + i),
            "asks": [["2", "5", "1"]],
            "bids": [["1", "4", "2"]],
        },
    ),
    "bitmex-trades": table(
        "20240101.csv",
        _BYBIT,
        lambda i: f"2024-01-01D00:00:{i:02d}.948313000,XBTUSD,Sell,100,42000.5,MinusTick,a-{i},1,1,1",
    ),
    "bitmex-quotes": table(
        "20240101.csv",
        "timestamp,symbol,bidSize,bidPrice,askPrice,askSize",
        lambda i: f"2024-01-01D00:00:{i:02d}.000000000,XBTUSD,10,41999.5,42000,20",
    ),
    "bitmex-buckets": whole(
        "buckets.json",
        [
            {
                "timestamp": f"2024-01-01T00:{i:02d}:00.000Z",
                "symbol": "XBTUSD",
                "open": 10,
                "high": 12,
                "low": 9,
                "close": 11,
                "trades": 3,
                "volume": 100,
                "vwap": 10.5,
                "lastSize": 1,
                "turnover": 5,
            }
            for i in range(6)
        ],
    ),
    "deribit-trades": whole(
        "trades.json",
        {
            "result": {
                "trades": [
                    {
                        "trade_seq": i,
                        "trade_id": f"ETH-{i}",
                        "timestamp": MS + i,
                        "price": 2000.5,
                        "amount": 10.0,
                        "direction": "buy",
                        "instrument_name": "ETH-PERPETUAL",
                        "liquidation": "T" if i == 2 else "none",
                    }
                    for i in range(6)
                ],
                "has_more": False,
            }
        },
    ),
    "deribit-funding": whole(
        "funding.json",
        {
            "result": [
                {
                    "timestamp": MS + i * HOUR_MS,
                    "index_price": 1.5,
                    "prev_index_price": 1.5,
                    "interest_8h": 0.0008,
                    "interest_1h": 0.0001,
                }
                for i in range(6)
            ]
        },
        symbol="BTC-PERPETUAL",
    ),
    "hyperliquid-fills": lines(
        "fills.jsonl",
        lambda i: {
            "local_time": f"2024-01-01T00:00:0{i}.5",
            "block_time": f"2024-01-01T00:00:0{i}",
            "block_number": i,
            "events": [
                [
                    USER,
                    {
                        "coin": "BTC",
                        "px": "42000",
                        "sz": "0.5",
                        "side": side,
                        "time": MS + i,
                        "crossed": side == "A",
                        "dir": "Open Long",
                        "tid": i,
                        "startPosition": "0",
                    },
                ]
                for side in "AB"
            ],
        },
    ),
    "hyperliquid-book": lines(
        "BTC.jsonl",
        lambda i: {
            "time": f"2024-01-01T00:00:0{i}",
            "ver_num": 1,
            "raw": {
                "channel": "l2Book",
                "data": {
                    "coin": "BTC",
                    "time": MS + i,
                    "levels": [[{"px": "10", "sz": "1", "n": 1}], [{"px": "11", "sz": "1", "n": 1}]],
                },
            },
        },
    ),
    "hyperliquid-contexts": table(
        "20240101.csv",
        _CONTEXTS,
        lambda i: f"2024-01-01T00:{i:02d}:00Z,BTC,0.0000125,100.5,1,2,-0.0001,42000,42001.5,,,",
    ),
    "hyperliquid-funding": whole(
        "funding.json",
        [{"coin": "BTC", "fundingRate": "0.0000125", "premium": "0.0003", "time": MS + i * HOUR_MS} for i in range(6)],
    ),
    "hyperliquid-positions": whole("states.json", {USER: _STATE}),
    "dydx-positions": whole(
        "subaccount.json",
        {"subaccount": _SUBACCOUNT, "markets": {"BTC-USD": {"maintenanceMarginFraction": "0.03"}}},
        valid_from="2024-01-01",
    ),
    "dydx-trades": whole(
        "trades.json",
        {
            "trades": [
                {
                    "id": str(i),
                    "side": "BUY",
                    "size": "0.5",
                    "price": "42000",
                    "type": "LIQUIDATED" if i == 3 else "LIMIT",
                    "createdAt": f"2024-01-01T00:00:0{i}.500Z",
                    "createdAtHeight": str(i),
                }
                for i in range(6)
            ]
        },
        symbol="BTC-USD",
    ),
    "dydx-candles": whole(
        "candles.json",
        {
            "candles": [
                {
                    "startedAt": f"2024-01-01T00:0{i}:00.000Z",
                    "ticker": "BTC-USD",
                    "resolution": "1MIN",
                    "low": "1",
                    "high": "4",
                    "open": "2",
                    "close": "3",
                    "baseTokenVolume": "5",
                    "usdVolume": "10",
                    "trades": 2,
                    "startingOpenInterest": "77.5",
                }
                for i in range(6)
            ]
        },
    ),
    "dydx-funding": whole(
        "funding.json",
        {
            "historicalFunding": [
                {
                    "ticker": "BTC-USD",
                    "rate": "0.00001",
                    "price": "42000.5",
                    "effectiveAt": f"2024-01-01T0{i}:00:00.219Z",
                    "effectiveAtHeight": str(i),
                }
                for i in range(6)
            ]
        },
    ),
    "gate-trades": table("BTC_USDT-202401.csv", "", lambda i: f"{S + i}.234567,{i},42000.1,-50"),
    "gate-candles": table("BTC_USDT-202401.csv", "", lambda i: f"{S + i * 60},5,100.5,101,99,100"),
    "gate-mark": table("BTC_USDT-202401.csv", "", lambda i: f"{S + i * 60},42000.25"),
    "tardis-trades": table(
        "trades.csv", f"{_TARDIS},id,side,price,amount", lambda i: f"{_KEYS},{US + i},{i},buy,42000.1,0.5"
    ),
    "tardis-derivative-ticker": table(
        "ticker.csv",
        f"{_TARDIS},funding_timestamp,funding_rate,predicted_funding_rate,open_interest,last_price,index_price,"
        "mark_price",
        lambda i: f"{_KEYS},{US + i},{US},0.0001,,{1000 + i},42000,42000,42000.5",
        1,
    ),
    "tardis-quotes": table(
        "quotes.csv", f"{_TARDIS},ask_amount,ask_price,bid_price,bid_amount", lambda i: f"{_KEYS},{US + i},1,2.5,2.4,3"
    ),
    "tardis-book-updates": table(
        "updates.csv",
        f"{_TARDIS},is_snapshot,side,price,amount",
        lambda i: f"{_KEYS},{US + i},{'false' if i else 'true'},bid,42000.1,{i}",
    ),
    "tardis-book-snapshots": table("snapshots.csv", _SNAPSHOT, lambda i: f"{_KEYS},{US + i},2.5,1,2.4,3"),
    "tardis-options-chain": table(
        "chain.csv",
        _CHAIN,
        lambda i: (
            f"deribit,BTC-26JAN24-40000-C,{US},{US + i},call,40000,{US},10,0.05,0.049,3,0.6,,,,0.0501,0.61,BTC,42000.5,"
            "0.5,0.00001,20,-10,5"
        ),
    ),
    "freqtrade-trades": whole(
        "BTC_USDT_USDT-trades.json",
        [
            {"timestamp": MS + i, "id": str(i), "type": "", "side": "buy", "price": 42000.5, "amount": 0.5, "cost": 1}
            for i in range(6)
        ],
        venue="binance_usdm",
        symbol="BTC/USDT:USDT",
    ),
    "ccxt-ohlcv": whole(
        "BTC_USDT_USDT-1m-futures.json",
        [[MS + i * 60_000, 100, 110, 90, 105, 5] for i in range(6)],
        venue="binance_usdm",
    ),
    "csv": table(
        "mine.csv",
        "date,open,high,low,close,volume",
        lambda i: f"2024-01-01T00:{i:02d}:00Z,100,110,90,105,5",
        venue="binance_usdm",
        symbol="BTC/USDT:USDT",
    ),
    "eight-hour-table": table(
        "all.csv",
        "exchange,pair,contract,open,high,low,close,volume,funding_rate,time_utc",
        lambda i: f"binance,BTCUSDT,perpetual,100,110,90,105,5,0.0001,2024-01-0{1 + i // 3} {i % 3 * 8:02d}:00:00",
    ),
    "instruments-table": table(
        "instruments.csv",
        "symbol,kind,base,quote,settle,contract,contract_size,quantity_unit,tick_size,lot_size,valid_from",
        lambda i: f"BTCUSDT,perpetual,BTC,USDT,USDT,linear,1,base,0.{i + 1},0.001,2024-01-{i + 1:02d}",
        venue="binance_usdm",
    ),
    "tiers-table": table(
        "tiers.csv",
        "symbol,valid_from,floor,maintenance_rate,max_leverage,amount",
        lambda i: f"BTCUSDT,2024-01-{i + 1:02d},0,0.00{i + 1},50,0",
        rows=9,
        venue="binance_usdm",
    ),
}
