"""A market of random walks at three venues, and a strategy that does everything at random."""

import hashlib
from collections.abc import Iterable
from random import Random
from typing import Any

import pandas as pd
from engine_data import (
    CASH,
    COINM,
    INVERSE,
    LINEAR,
    MINUTE,
    SECOND,
    SPOT,
    USDM,
    bars,
    funding,
    marks,
    ns,
    points,
    trades,
)

import feeds
import venues
from backtest import Backtest, Result, Strategy
from feeds.dataset import Dataset

ETHER = "ETH/USDT:USDT"
START = ns("00:00")
SYMBOLS = (LINEAR, INVERSE, SPOT, ETHER)


def walk(random: Random, n: int, price: float, tick: float) -> list[float]:
    """Return prices on the tick: small steps, now and then a jump of some per cent."""
    out = []
    for _ in range(n):
        jump = random.gauss(0, 0.05) if random.random() < 0.006 else random.gauss(0, 0.0006)
        price = max(price * (1 + jump), 100 * tick)
        out.append(round(round(price / tick) * tick, 8))
    return out


Row = tuple[Any, ...]


class Future:
    """Changes what comes from a time on: prices by some per cent, sizes, sides and rates at random."""

    def __init__(self, after: int, seed: int) -> None:
        self.after, self._random = after, Random(seed)

    def prices(self, rows: Iterable[Row], tick: float, columns: int = 1) -> list[Row]:
        """Return rows of (time, prices ..., rest ...) with other prices, all of a row by one factor."""
        out = []
        for row in rows:
            if row[0] < self.after:
                out.append(row)
                continue
            factor = 1 + self._random.choice((-1, 1)) * self._random.uniform(0.002, 0.08)
            moved = (round(round(price * factor / tick) * tick, 8) for price in row[1 : 1 + columns])
            out.append((row[0], *moved, *row[1 + columns :]))
        return out

    def sizes(self, rows: Iterable[Row]) -> list[Row]:
        """Return rows of trades with other sizes and sides."""
        return [(t, p, round(2 * q, 3), -s) if t >= self.after else (t, p, q, s) for t, p, q, s in rows]

    def rates(self, rows: Iterable[Row]) -> list[Row]:
        """Return rows of funding with other rates."""
        return [(t, round(-3 * rate, 6)) if t >= self.after else (t, rate) for t, rate in rows]


def parts(seed: int, seconds: int, future: Future | None = None) -> list[Dataset]:
    """Return the streams of a market of so many seconds, one dataset each, from some time on with another future."""
    random, change = Random(seed), Future(1 << 62, 0) if future is None else future
    times = [START + i * SECOND + random.randrange(3) * 250_000_000 for i in range(seconds)]
    coin = walk(random, seconds, 60_000.0, 0.1)
    ether = walk(random, seconds // 60 + 1, 3_000.0, 0.01)
    size = [round(random.expovariate(2) + 0.001, 3) for _ in times]
    sides = [random.choice((1, -1)) for _ in times]
    near = [round(p + random.choice((-0.1, 0.0, 0.1, 0.2)), 1) for p in coin]
    stable = [(t, round(1 + random.gauss(0, 0.0003), 4)) for t in times[::30]]
    plain = list(zip(times, coin, strict=True))
    rows = change.sizes(change.prices(zip(times, near, size, sides, strict=True), 0.1))
    made = [
        trades(rows),
        marks(change.prices(plain, 0.1)),
        points("index", change.prices(plain, 0.1), "BTC/USD"),
        points("index", change.prices(stable, 0.0001), "USDT/USD"),
        trades([(t, p, 1 + int(100 * q), s) for t, p, q, s in rows], INVERSE, COINM),
        marks(change.prices(plain, 0.1), INVERSE, COINM),
        trades([(t + 1, p, q, s) for t, p, q, s in rows], SPOT, CASH),
    ]
    candles = []
    for i in range(seconds // 60):
        first, last = ether[i], ether[i + 1]
        high = round(max(first, last) * (1 + abs(random.gauss(0, 0.004))), 2)
        low = round(min(first, last) * (1 - abs(random.gauss(0, 0.004))), 2)
        candles.append((START + i * MINUTE, first, high, low, last, round(random.expovariate(0.02), 3) + 1))
    candles = change.prices(candles, 0.01, 4)
    made += [
        bars(candles, ETHER, timeframe="1m"),
        bars([row[:5] for row in candles], ETHER, timeframe="1m", kind="mark"),
    ]
    hours = [START + (i + 1) * 10 * MINUTE for i in range(max(seconds // 600, 1))]
    for symbol, venue in ((LINEAR, USDM), (INVERSE, COINM), (ETHER, USDM)):
        rates = [(t, round(random.gauss(0.0002, 0.001), 6)) for t in hours]
        made.append(funding(change.rates(rates), symbol, venue, hours=1 / 6))
    return made


def deleveraging(seconds: int) -> Dataset:
    """Return recorded deleveraging of BTC longs and shorts, a tenth of a winning position every two minutes."""
    times = range(START + 2 * MINUTE, START + seconds * SECOND, 2 * MINUTE)
    rows = [{"ts": t, "until": t, "what": "adl", "value": 0.1, "source": "test"} for t in times]
    return feeds.from_pandas(pd.DataFrame(rows), kind="venue_events", venue=USDM, symbol=LINEAR)


def market(seed: int, seconds: int = 1_500, future: Future | None = None) -> Dataset:
    """Return a whole market, from some time on with another future."""
    return sum(parts(seed, seconds, future), deleveraging(seconds))


def accounts(latency: Any = None, **options: Any) -> list[venues.Venue]:
    """Return five accounts: cross, isolated, all assets together, coin-margined, spot."""
    common = {"latency": latency, "fees": (-0.0001, 0.0005)} | options
    limited = common | {"insurance_fund": {"USDT": 2_000, "BTC": 0.05}}
    return [
        venues.Venue(USDM, balances={"USDT": 5_000}, adl="recorded", leverage=20, **limited),
        venues.Venue(USDM, account="iso", balances={"USDT": 5_000}, margin_mode="isolated", leverage=20, **limited),
        venues.Venue(
            USDM, account="multi", balances={"USDT": 500, "BTC": 0.1}, collateral="multi", leverage=20, **limited
        ),
        venues.Venue(COINM, balances={"BTC": 0.2}, leverage=20, **common),
        venues.Venue(CASH, balances={"USDT": 5_000, "BTC": 0.05}, **common),
    ]


ADDRESSES = (
    (f"{LINEAR}@{USDM}/main", 0.4, 3),
    (f"{LINEAR}@{USDM}/iso", 0.3, 3),
    (f"{LINEAR}@{USDM}/multi", 0.5, 3),
    (f"{ETHER}@{USDM}/main", 6.0, 3),
    (f"{ETHER}@{USDM}/iso", 6.0, 3),
    (f"{INVERSE}@{COINM}", 400.0, 0),
    (f"{SPOT}@{CASH}", 0.01, 3),
)
NAMES = (USDM, f"{USDM}/iso", f"{USDM}/multi", COINM, CASH)


class Restless(Strategy):
    """Sends orders, requests and notes at random; its choices depend on its own seed and on nothing else."""

    seed: int = 1
    eagerness: float = 0.05

    def on_start(self) -> None:
        """Begin."""
        self._random = Random(self.seed)
        self.every("37s")
        self.subscribe_bars(ETHER, "1m")

    def on_trade(self, event: Any) -> None:
        """Now and then do something."""
        if event.symbol in SYMBOLS and self._random.random() < self.eagerness:
            self.act(event.price)

    def on_bar(self, bar: Any) -> None:
        """The same on bars."""
        if self._random.random() < self.eagerness * 10:
            self.act(bar.close)

    def on_mark(self, event: Any) -> None:
        """Note what is seen."""
        if event.symbol in SYMBOLS and self._random.random() < 0.02:
            self.record(equity=self.equity, ratio=self.margin_ratio)

    def on_funding(self, event: Any) -> None:
        """Note the rate."""
        self.log(f"{event.symbol} {event.rate}")

    def on_fill(self, fill: Any) -> None:
        """Now and then protect what was bought."""
        if self._random.random() < 0.2 and ":" in fill.symbol:
            address = fill.order.account
            self.log(f"fill {fill.symbol} {fill.quantity} {address}")

    def on_liquidated(self, event: Any) -> None:
        """Note it."""
        self.log(f"liquidated {event.account} {event.symbol} {event.quantity}")

    def on_timer(self, timer: Any) -> None:
        """Move money and settings."""
        self.arrange()

    def act(self, price: float) -> None:
        """Send one order of a random kind to a random account."""
        random = self._random
        address, unit, decimals = random.choice(ADDRESSES)
        quantity = round(unit * random.choice((0.2, 0.5, 1, 2)) * (1 + random.random()), decimals)
        side = random.choice((self.buy, self.sell))
        kind = random.randrange(8)
        is_ether = ETHER in address
        reference = price if is_ether == (price < 10_000) else 3_000.0 if is_ether else 60_000.0
        if kind < 3:
            side(address, quantity=quantity, tag=random.choice(("a", "b", None)))
        elif kind == 3:
            offset = 1 + random.choice((-1, 1)) * random.random() * 0.003
            options = {"post_only": random.random() < 0.3, "tif": "GTC"}
            if not options["post_only"]:
                options["tif"] = random.choice(("GTC", "IOC", "FOK"))
            side(address, quantity=quantity, limit=reference * offset, **options)
        elif kind == 4:
            self.cancel_all()
        elif kind == 5:
            side(address, quantity=quantity, reduce_only=address != ADDRESSES[-1][0])
        elif kind == 6 and address != ADDRESSES[-1][0]:
            self.protect(address, stop=reference * random.choice((0.99, 1.01)), trigger=random.choice(("mark", "last")))
        else:
            self.close(address)

    def arrange(self) -> None:
        """Move money between accounts, change a setting, or ask for what will be refused."""
        random = self._random
        kind = random.randrange(9)
        if kind < 3:
            source, target = random.sample(NAMES, 2)
            asset = random.choice(("USDT", "BTC"))
            receive = random.choice((asset, "BTC", "USDT"))
            amount = random.choice(("all", 100, 0.01)) if asset == "BTC" else random.choice((50, 200, 1_000))
            self.transfer(asset, amount, source=source, target=target, receive=receive)
        elif kind == 3:
            self.set_leverage(random.choice(ADDRESSES[:5])[0], random.choice((5, 20, 50, 200)))
        elif kind == 4:
            self.add_margin(ADDRESSES[1][0], random.choice((5, 50, 5_000)))
        elif kind == 5:
            self.remove_margin(ADDRESSES[1][0], random.choice((5, 50, 5_000)))
        elif kind == 6:
            self.convert(random.choice(NAMES), "USDT", "BTC", random.choice((10, 500)))
        elif kind == 7:
            self.deposit(random.choice(NAMES[:3]), "USDT", random.choice((1, 300)))
        else:
            self.withdraw(random.choice(NAMES), "USDT", random.choice((10, 400)))


def prepared(
    seed: int,
    seconds: int = 1_500,
    *,
    data: Dataset | None = None,
    latency: Any = None,
    strategies: Any = None,
    **options: Any,
) -> Backtest:
    """Return a Backtest of a random market and a restless strategy."""
    own = [Restless(seed=seed)] if strategies is None else strategies
    chosen = {"reporting": "USD", "on_ruin": "continue", "transfers": venues.Transfers(delay="90s", fees={"USDT": 1})}
    return Backtest(
        market(seed, seconds) if data is None else data,
        own,
        venues=accounts(latency),
        **(chosen | options),
    )


def tables(result: Result) -> dict[str, bytes]:
    """Return the bytes of every table of a result."""
    names = (
        "ledger", "fills", "funding", "margin", "equity", "exposure", "orders", "liquidations", "margin_calls",
        "transfers", "series", "log", "holdings",
    )  # fmt: skip
    out = {}
    for name in names:
        columns = result.store.columns(name)
        out[name] = b"".join(column.tobytes() for _, column in sorted(columns.items()))
    return out


def digest(result: Result) -> str:
    """Return a hash of all tables and words of a result."""
    found = hashlib.sha256()
    for name, content in sorted(tables(result).items()):
        found.update(name.encode() + content)
    found.update(repr([result.meta[key] for key in ("tags", "series", "texts", "warnings", "findings")]).encode())
    return found.hexdigest()


def main() -> None:
    """Print the digest of one run: for processes with other hash seeds."""
    print(digest(prepared(3, 600).run()))


if __name__ == "__main__":
    main()
