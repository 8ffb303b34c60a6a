"""Archives: zips with checksums (Binance Vision), gzips (Bybit), zips cut at 16:00 UTC (OKX)."""

import gzip
import hashlib
import io
import re
import zipfile
from datetime import UTC, datetime

from loopback.page import step_ms
from loopback.truth import MS_DAY, MS_MINUTE, ms

AGGREGATES = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
KLINES = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)
METRICS = (
    "create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,"
    "sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio"
)
SERIES = {"klines": "trade", "markPriceKlines": "mark", "indexPriceKlines": "index", "premiumIndexKlines": "premium"}


def zipped(name, lines):
    """Return a zip of one CSV, the same bytes each time."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), "\n".join(lines) + "\n")
    return held.getvalue()


def binance_vision(world, path, params):
    """Return a file of the archive, None when it is not there (yet)."""
    if path.endswith(".CHECKSUM"):
        data = binance_vision(world, path.removesuffix(".CHECKSUM"), params)
        name = path.rsplit("/", 1)[-1].removesuffix(".CHECKSUM")
        return None if data is None else f"{hashlib.sha256(data).hexdigest()}  {name}\n".encode()
    match = re.fullmatch(
        r"/data/futures/(um|cm)/(daily|monthly)/(\w+)/(\w+)/(?:(\w+)/)?\w+?-\w+-(\d{4}-\d\d(?:-\d\d)?)\.zip", path
    )
    if match is None:
        return None
    _, span, kind, symbol, length, name = match.groups()
    low, high = _bounds(name)
    if high + MS_DAY // 2 > world.now or high <= world.listed or (span == "monthly") != (len(name) == 7):
        return None
    lines = _lines(world, kind, symbol, length, low, high)
    return None if lines is None else zipped(f"{path.rsplit('/', 1)[-1][:-4]}.csv", lines)


def _lines(world, kind, symbol, length, low, high):
    if kind == "aggTrades":
        return [AGGREGATES] + [
            f"{t.id},{t.price},{t.quantity},{t.id * 2},{t.id * 2 + 1},{t.ts},{str(t.side < 0).lower()}"
            for t in world.trades(low, high)
        ]
    if kind in SERIES:
        step = step_ms(length)
        return [KLINES] + [_kline(world, at, step, SERIES[kind]) for at in world.slots(low, high, step)]
    if kind == "fundingRate":
        rows = world.settlements(low, high)
        hours = [_hours(world, at) for at, _ in rows]
        return ["calc_time,funding_interval_hours,last_funding_rate"] + [
            f"{at + 3},{hour},{rate}" for (at, rate), hour in zip(rows, hours, strict=True)
        ]
    if kind == "metrics":  # a row stands five minutes before its snapshot
        return [METRICS] + [
            f"{_text(at - 5 * MS_MINUTE)},{symbol},{amount},30000000.5,1,1,1,1"
            for at, amount in world.interest(low + 5 * MS_MINUTE, high + 5 * MS_MINUTE)
        ]
    return None


def bybit(world, path, params):
    """Return a day of trades, None when it is not there (yet)."""
    match = re.fullmatch(r"/trading/(\w+)/\w+?(\d{4}-\d\d-\d\d)\.csv\.gz", path)
    if match is None:
        return None
    symbol, name = match.groups()
    low, high = _bounds(name)
    if high + MS_DAY // 2 > world.now or high <= world.listed:
        return None
    head = "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,foreignNotional"
    lines = [head]
    for t in world.trades(low, high):
        side = "Buy" if t.side > 0 else "Sell"
        lines.append(
            f"{t.ts / 1000:.4f},{symbol},{side},{t.quantity},{t.price},ZeroPlusTick,"
            f"{t.id:08x}-0000-5000-8000-{t.id:012x},1e+9,{t.quantity},10"
        )
    return gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0)


def okx(world, path, params):
    """Return a file of a day that began at 16:00 UTC the day before, None when it is not there (yet)."""
    match = re.fullmatch(r"/cdn/okex/traderecords/(trades|swaprates)/daily/\d{8}/([\w-]+)-(\d{4}-\d\d-\d\d)\.zip", path)
    if match is None:
        return None
    kind, _, name = match.groups()
    low, high = (each - MS_DAY // 3 for each in _bounds(name))
    if high + MS_DAY // 2 > world.now or high <= world.listed:
        return None
    if kind == "trades":
        lines = ["instrument_name,trade_id,side,price,size,created_time"] + [
            f"BTC-USDT-SWAP,{t.id},{'buy' if t.side > 0 else 'sell'},{t.price},{t.quantity},{t.ts}"
            for t in world.trades(low, high)
        ]
    else:
        lines = ["instrument_name,funding_rate,funding_time"]
        for at, rate in world.settlements(low, high):
            lines += [f"BTC-USDT-SWAP,{rate},{at}", f"ETH-USDT-SWAP,0.0002,{at}"]
    return zipped(f"{path.rsplit('/', 1)[-1][:-4]}.csv", lines)


def _bounds(name):
    low = ms(name if len(name) == 10 else f"{name}-01")
    if len(name) == 10:
        return low, low + MS_DAY
    year, month = int(name[:4]), int(name[5:7])
    return low, ms(f"{year + month // 12}-{month % 12 + 1:02d}-01")


def _hours(world, at):
    return [hours for since, hours in world.intervals if since <= at][-1]


def _text(at):
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _kline(world, at, step, series):
    cells = world.candle(at, series)
    volume, quote = (cells[4], "1000.5") if series == "trade" else ("0", "0")
    return ",".join([str(at), *cells[:4], volume, str(at + step - 1), quote, "10", "0", "0", "0"])
