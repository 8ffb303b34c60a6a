"""Small results built by hand: a plain-Python exchange in exact fractions that writes the tables of a run.

It knows nothing of the package under test but the column names of its tables.
"""

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from backtest.result import Result
from backtest.tables import FORCED, LEDGER_KINDS, ORDER_STATUS, PAID_BY, REASONS, TABLES

DAY = 86_400_000_000_000
HOUR = 3_600_000_000_000
START = 1_738_368_000_000_000_000  # 2025-02-01 00:00 UTC

ASSETS = [{"name": "USDT", "scale": 8}, {"name": "BTC", "scale": 8}]
USDT, BTC = 0, 1
FRAMES = (
    "fills", "funding", "ledger", "margin", "equity", "exposure", "liquidations", "margin_calls", "transfers",
    "order_events", "orders", "log", "series", "holdings", "positions", "trades",
)  # fmt: skip


def instrument(symbol, venue, contract, price_scale, quantity_scale, size=1, size_scale=0, **names):
    base, quote = symbol.split(":")[0].split("/")
    row = {"base": base, "quote": quote, "settle": base if contract == "inverse" else quote} | names
    return row | {
        "symbol": symbol, "venue": venue, "contract": contract, "size": size, "size_scale": size_scale,
        "price_scale": price_scale, "quantity_scale": quantity_scale,
    }  # fmt: skip


LINEAR, INVERSE, SPOT = 0, 1, 2
INSTRUMENTS = [
    instrument("BTC/USDT:USDT", "binance_usdm", "linear", 2, 3),
    instrument("BTC/USD:BTC", "binance_coinm", "inverse", 1, 0, size=100),
    instrument("BTC/USDT", "binance_spot", "spot", 2, 5),
]
VENUES = ["binance_usdm", "binance_coinm", "binance_spot"]
USDM, COINM, SPOT_ACCOUNT = 0, 1, 2
FEES, FUND, OTHERS = 0, 1, 2
TRANSIT, OUTSIDE, UNFUNDED = 12, 13, 14


def accounts():
    rows = [{"name": v, "venue": v, "account": "main", "role": "user", "margin_mode": "cross"} for v in VENUES]
    for venue in VENUES:
        rows += [
            {"name": f"{role} {venue}", "venue": venue, "account": "", "role": role, "margin_mode": ""}
            for role in ("venue_fees", "insurance_fund", "counterparties")
        ]
    return rows + [
        {"name": role.replace("_", " "), "venue": None, "account": "", "role": role, "margin_mode": ""}
        for role in ("in_transit", "outside", "unfunded")
    ]


@dataclass
class Position:
    quantity: int = 0
    value: Fraction = Fraction(0)  # linear: quantity x price; inverse: quantity / price; signed like quantity
    tag: int = -1


@dataclass
class Run:
    """One run being written down. Times are ns after START."""

    reporting: str = "USDT"
    price: dict = field(default_factory=lambda: {USDT: 1.0, BTC: 60_000.0})
    marks: dict = field(default_factory=lambda: {LINEAR: 6_000_000, INVERSE: 600_000})
    rows: dict = field(default_factory=lambda: {name: [] for name in TABLES})
    balances: dict = field(default_factory=dict)
    positions: dict = field(default_factory=dict)
    tags: list = field(default_factory=lambda: ["carry", "hedge"])
    meta: dict = field(default_factory=dict)
    now: int = START
    snapshots: int = 0
    orders: int = 0

    def at(self, offset):
        assert START + offset >= self.now, "time runs backwards"
        self.now = START + offset
        return self

    def row(self, table, **values):
        definition = TABLES[table]
        row = dict.fromkeys(definition.names, 0) | {"time": self.now} | values
        assert set(row) == set(definition.names), set(row) ^ set(definition.names)
        self.rows[table].append(tuple(row[name] for name in definition.names))

    def post(self, account, contra, asset, kind, amount, *, instrument=-1, strategy=-1, tag=-1, ref=0):
        if amount == 0:
            return
        for owner, signed in ((account, amount), (contra, -amount)):
            self.balances[owner, asset] = self.balances.get((owner, asset), 0) + signed
        self.row(
            "ledger", amount=amount, balance=self.balances[account, asset], ref=ref, value_price=self.price[asset],
            account=account, asset=asset, instrument=instrument, strategy=strategy, tag=tag,
            kind=LEDGER_KINDS.index(kind), contra=contra,
        )  # fmt: skip

    def pseudo(self, account, which):
        return 3 + 3 * account + which

    def deposit(self, account, asset, amount):
        self.post(account, OUTSIDE, asset, "deposit" if amount > 0 else "withdrawal", amount)

    def fill(self, which, quantity, price, *, decision=0, fee=0, tag=0, forced="own", strategy=0, maker=False):
        """One execution of a signed quantity at a price, both in units."""
        self.orders += 1
        account, kind = which, INSTRUMENTS[which]["contract"]
        position = self.positions.setdefault(which, Position())
        owner = {"instrument": which, "strategy": strategy, "tag": tag, "ref": self.orders}
        realized, before = 0, position.quantity
        if kind == "spot":
            # price 10^-2, quantity 10^-5: product 10^-7 of USDT, 10^-8 is one atom
            self.post(account, self.pseudo(account, OTHERS), USDT, "spot_trade", -quantity * price * 10, **owner)
            self.post(account, self.pseudo(account, OTHERS), BTC, "spot_trade", quantity * 1000, **owner)
        else:
            closed = 0
            if before * quantity < 0:
                closed = min(abs(before), abs(quantity)) * (1 if before > 0 else -1)
                entry = position.value * closed / before
                position.value -= entry
                realized = self.profit(which, closed, entry, price)
                name = {"adl": "adl", "settlement": "settlement"}.get(forced, "trade_profit")
                self.post(account, self.pseudo(account, OTHERS), self.asset(which), name, realized, **owner)
            opened = quantity + closed
            position.quantity += quantity
            if opened:
                position.value += Fraction(opened * price) if kind == "linear" else Fraction(opened, price)
                position.tag = tag
        if fee:
            kind_of_fee = "liquidation_fee" if forced in ("liquidation", "takeover") else "fee"
            self.post(account, self.pseudo(account, FEES), self.asset(which), kind_of_fee, -fee, **owner)
        self.row(
            "fills", order=self.orders, price=price, quantity=abs(quantity), fee=fee, realized_pnl=realized,
            decision_price=decision, account=account, instrument=which, strategy=strategy, tag=tag,
            fee_asset=self.asset(which), side=1 if quantity > 0 else -1, leg=0, is_maker=maker,
            forced=FORCED.index(forced), increases=abs(position.quantity) > abs(before),
        )  # fmt: skip
        self.order(self.orders, which, quantity, price, "filled", strategy=strategy, tag=tag)

    def order(self, number, which, quantity, price, status, *, reason="", strategy=0, tag=-1):
        filled = abs(quantity) if status == "filled" else 0
        for state in ("sent", status):
            self.row(
                "orders", order=number, price=price, trigger=0, quantity=abs(quantity),
                filled=filled if state == "filled" else 0, submitted=self.now,
                filled_value=float(filled * price) if state == "filled" else 0.0, requested_quantity=0.0,
                requested_price=0.0, account=which, instrument=which, strategy=strategy, tag=tag,
                side=1 if quantity > 0 else -1, leg=0, type=1, tif=0, flags=0, status=ORDER_STATUS.index(state),
                reason=REASONS.index(reason) if state == status else 0,
            )  # fmt: skip

    def reject(self, which, quantity, price, reason):
        self.orders += 1
        self.order(self.orders, which, quantity, price, "rejected", reason=reason)

    def asset(self, which):
        return BTC if INSTRUMENTS[which]["contract"] == "inverse" else USDT

    def profit(self, which, quantity, entry, price):
        """Atoms of profit of a signed quantity with an entry value, at a price, rounded toward zero."""
        if INSTRUMENTS[which]["contract"] == "linear":
            exact = (quantity * price - entry) * 1000  # 10^-5 to 10^-8
        else:
            exact = (entry - Fraction(quantity, price)) * 100 * 10 * 10**8
        return int(exact)

    def fund(self, which, rate, *, tag=0, strategy=0):
        """Pay funding at a rate in 10^-8, on the position at its mark."""
        position = self.positions[which]
        notional = Fraction(abs(position.quantity) * self.marks[which]) * 1000  # atoms of USDT
        if INSTRUMENTS[which]["contract"] == "inverse":
            notional = Fraction(abs(position.quantity) * 100 * 10 * 10**8, self.marks[which])
        sign = -1 if position.quantity > 0 else 1
        amount = int(sign * notional * rate / 10**8)
        self.post(
            which, self.pseudo(which, OTHERS), self.asset(which), "funding", amount,
            instrument=which, tag=tag, strategy=strategy,
        )  # fmt: skip
        self.row(
            "funding", quantity=position.quantity, mark=self.marks[which], rate=rate, amount=amount, account=which,
            instrument=which, asset=self.asset(which), rate_scale=8, leg=0,
        )  # fmt: skip
        return amount

    def transfer(self, source, target, asset, amount, fee=0):
        """Send now, arrive now; call `at` between `send` and `arrive` for a delay."""
        self.send(source, target, asset, amount, fee)
        self.arrive(source, target, asset, amount, fee)

    def send(self, source, target, asset, amount, fee=0):
        self.post(source, TRANSIT, asset, "transfer", -amount)
        self._transfer(source, target, asset, amount, 0, fee, 0)

    def arrive(self, source, target, asset, amount, fee=0):
        self.post(TRANSIT, self.pseudo(source, FEES), asset, "transfer", -fee)
        self.post(target, TRANSIT, asset, "transfer", amount - fee)
        self._transfer(source, target, asset, amount, amount - fee, fee, 1)

    def _transfer(self, source, target, asset, amount, received, fee, status):
        self.row(
            "transfers", id=1, amount=amount, received=received, fee=fee, source=source, target=target, asset=asset,
            receive_asset=asset, status=status, reason=0,
        )  # fmt: skip

    def liquidation(self, which, *, price, quantity, fee=0, shortfall=0, paid_by="nobody", step=1, episode=1,
                    what="liquidation", ratio=1.0):  # fmt: skip
        self.row(
            "liquidations", trigger_mark=self.marks[which], price=price, quantity=quantity, fee=fee,
            shortfall=shortfall, bankruptcy=0, ratio=ratio, account=which, instrument=which, step=step,
            asset=self.asset(which), what=FORCED.index(what), paid_by=PAID_BY.index(paid_by), episode=episode,
        )  # fmt: skip

    def margin_call(self, which, ratio, distance, active=1):
        self.row("margin_calls", ratio=ratio, distance=distance, account=which, asset=self.asset(which),
                 instrument=-1, strategy=-1, active=active)  # fmt: skip

    def unrealized(self, which):
        position = self.positions[which]
        return self.profit(which, position.quantity, position.value, self.marks[which])

    def worth(self):
        """Cash and unrealised profit in the reporting asset."""
        cash = sum(
            amount / 1e8 * self.price[asset]
            for (owner, asset), amount in self.balances.items()
            if owner <= SPOT_ACCOUNT or owner == TRANSIT
        )
        open_profit = sum(
            self.unrealized(which) / 1e8 * self.price[self.asset(which)]
            for which, position in self.positions.items()
            if position.quantity
        )
        return cash, open_profit

    def sample(self, flags=1):
        """Write down equity, exposure and margin (cross, 0.5 % maintenance)."""
        cash, open_profit = self.worth()
        self.row("equity", equity=cash + open_profit, cash=cash, unrealized=open_profit)
        for which, position in self.positions.items():
            if which == SPOT:
                continue
            asset = self.asset(which)
            unit = 10 ** INSTRUMENTS[which]["quantity_scale"]
            mark = self.marks[which] / 10 ** INSTRUMENTS[which]["price_scale"]
            quantity = position.quantity / unit
            notional = quantity * 100 / mark if asset == BTC else quantity * mark
            equity = (self.balances.get((which, asset), 0) + self.unrealized(which)) / 1e8
            self.row("exposure", notional=notional * self.price[asset], quantity=quantity, mark=mark, account=which,
                     instrument=which)  # fmt: skip
            maintenance = 0.005 * abs(notional)
            slack = max(0.0, equity - maintenance) / abs(notional) if notional else np.inf
            self.row(
                "margin", equity=equity, initial=abs(notional) / 20, maintenance=maintenance,
                ratio=min(1.0, maintenance / equity) if equity > 0 else float(notional != 0),
                leverage=abs(notional) / equity if equity > 0 else 0.0, distance=slack, account=which, asset=asset,
                instrument=-1, flags=flags,
            )  # fmt: skip

    def snapshot(self):
        """Write down what is owned: at the start, at a month boundary, at the end."""
        counts = {
            "ledger_rows": len(self.rows["ledger"]), "fill_rows": len(self.rows["fills"]),
            "snapshot": self.snapshots, "leg": 0,
        }  # fmt: skip
        for owner in (USDM, COINM, SPOT_ACCOUNT, TRANSIT):
            for asset in self.price:
                self.row(
                    "holdings", amount=self.balances.get((owner, asset), 0), quantity=0, mark=0, account=owner,
                    value_price=self.price[asset], asset=asset, instrument=-1, strategy=-1, tag=-1, **counts,
                )  # fmt: skip
        for which, position in self.positions.items():
            if position.quantity:
                self.row(
                    "holdings", amount=self.unrealized(which), quantity=position.quantity, mark=self.marks[which],
                    value_price=self.price[self.asset(which)], account=which, asset=self.asset(which),
                    instrument=which, strategy=0, tag=position.tag, **counts,
                )  # fmt: skip
        self.snapshots += 1

    def begin(self, **deposits):
        """Opening deposits, in units of 10^-8, by account_asset, then the first snapshot and sample."""
        for name, amount in deposits.items():
            account, asset = name.split("_")
            self.deposit({"usdm": USDM, "coinm": COINM, "spot": SPOT_ACCOUNT}[account],
                         {"usdt": USDT, "btc": BTC}[asset], amount)  # fmt: skip
        self.snapshot()
        self.sample()
        return self

    def arrays(self):
        return {name: np.array(rows, dtype=TABLES[name].dtype) for name, rows in self.rows.items()}

    def description(self):
        base = {
            "config": {"strategy": "Carry", "seed": 7},
            "assumptions": [
                {"name": "fills", "value": "next trade plus slippage", "note": "", "is_choice": False},
                {"name": "mark", "value": "last", "note": "no mark in the data", "is_choice": True},
            ],
            "fingerprint": "f00d",
            "seed": 7,
            "versions": {"levdyn": "0.1.0"},
            "start_ns": START,
            "end_ns": self.now,
            "reporting": self.reporting,
            "assets": ASSETS,
            "accounts": accounts(),
            "instruments": INSTRUMENTS,
            "strategies": ["Carry"],
            "tags": self.tags,
        }
        return base | self.meta

    def finish(self):
        self.sample()
        self.snapshot()
        return Result(self.description(), self.arrays())


def carry(reporting="USDT"):
    """Ten days across a month boundary: a hedged linear short, an inverse short, spot, funding, a transfer, a flow."""
    run = Run(reporting=reporting).begin(usdm_usdt=10_000 * 10**8, coinm_btc=10**8, spot_usdt=70_000 * 10**8)
    run.at(20 * DAY).fill(LINEAR, -500, 6_000_100, decision=6_000_200, fee=15 * 10**8, tag=0)
    run.fill(SPOT, 100_000, 6_000_300, decision=6_000_200, fee=60 * 10**8, tag=1)
    run.fill(INVERSE, -600, 600_000, decision=600_010, fee=50_000, tag=0)
    run.sample()
    for day in range(21, 28):
        run.at(day * DAY)
        level = 60_000 + 500 * (day - 20)
        run.price[BTC], run.marks[LINEAR], run.marks[INVERSE] = float(level), level * 100, level * 10
        run.fund(LINEAR, 10_000)
        run.fund(INVERSE, -5_000)
        run.sample()
    run.at(28 * DAY).snapshot()  # 2025-03-01 00:00
    run.fund(LINEAR, 20_000)
    run.send(SPOT_ACCOUNT, COINM, BTC, 50_000_000, fee=20_000)
    run.at(28 * DAY + HOUR).arrive(SPOT_ACCOUNT, COINM, BTC, 50_000_000, fee=20_000)
    run.deposit(USDM, USDT, 5_000 * 10**8)
    run.sample(flags=2)
    run.price[BTC], run.marks[LINEAR], run.marks[INVERSE] = 61_234.5, 6_123_450, 612_345
    run.at(29 * DAY).fill(LINEAR, 700, 6_123_500, decision=6_123_450, fee=2 * 10**8, tag=1)
    run.deposit(USDM, USDT, -1_000 * 10**8)
    run.reject(LINEAR, 10_000, 6_100_000, "INSUFFICIENT_MARGIN")
    run.at(30 * DAY)
    return run


def ruin():
    """A long that is closed by force at a loss above its margin; the fund pays."""
    run = Run().begin(usdm_usdt=3_000 * 10**8)
    run.at(HOUR).fill(LINEAR, 1_000, 6_000_000, decision=6_000_000, fee=0)
    run.sample()
    run.at(2 * HOUR).marks[LINEAR] = 5_720_000
    run.margin_call(LINEAR, 0.9, 0.004)
    run.sample(flags=4)
    run.at(3 * HOUR).marks[LINEAR] = 5_650_000
    run.fill(LINEAR, -1_000, 5_640_000, decision=5_650_000, forced="liquidation", strategy=-1, tag=-1)
    run.liquidation(LINEAR, price=5_640_000, quantity=1_000, shortfall=600 * 10**8, paid_by="insurance_fund")
    run.post(USDM, run.pseudo(USDM, FUND), USDT, "insurance", 600 * 10**8, instrument=LINEAR)
    run.sample(flags=4)
    run.at(DAY)
    return run


def empty():
    """A run in which nothing happens."""
    run = Run().begin(usdm_usdt=10**8)
    run.at(2 * DAY)
    return run


def long_run(days=120, seed=3):
    """Months of a levered long with funding, hedges, a crash with a liquidation, records and logs; hourly samples."""
    rng = np.random.default_rng(seed)
    run = Run().begin(usdm_usdt=20_000 * 10**8, coinm_btc=2 * 10**7)
    series, logs = ["funding_apr"], ["entered <b>long</b> & happy", "stopped"]
    level, episode = 60_000.0, 0
    for hour in range(1, days * 24 + 1):
        run.at(hour * HOUR)
        shock = -0.28 if hour == 70 * 24 else 0.0
        level *= np.exp(rng.normal(0.00004, 0.006) + shock)
        run.price[BTC] = round(level, 2)
        run.marks[LINEAR], run.marks[INVERSE] = round(level * 100), round(level * 10)
        boundary = (np.int64(START) + hour * HOUR).astype("datetime64[ns]")
        if boundary.astype("datetime64[M]").astype("datetime64[ns]") == boundary:
            run.snapshot()
        position = run.positions.setdefault(LINEAR, Position())
        mark = run.marks[LINEAR]
        if hour % 8 == 0:
            for which in (LINEAR, INVERSE):
                if run.positions.get(which, Position()).quantity:
                    run.fund(which, int(rng.normal(8_000, 12_000)))
            run.row("series", value=float(rng.normal(0.1, 0.05)), name=0, strategy=0)
        equity = run.balances[USDM, USDT] / 1e8 + (run.unrealized(LINEAR) / 1e8 if position.quantity else 0)
        if position.quantity and equity < 0.005 * position.quantity * mark / 1e5 + 1:
            run.margin_call(LINEAR, 0.85, 0.002)
            episode += 1
            if sum(run.worth()) > 0:
                run.sample(flags=4)
            half = position.quantity // 2
            for step, part in ((1, half), (2, position.quantity - half)):
                price = round(mark * (1 - 0.002 * step))
                run.liquidation(
                    LINEAR, price=price, quantity=part, fee=part * 10**5, step=step, episode=episode,
                    shortfall=900 * 10**8 * (step - 1), paid_by="insurance_fund",
                )  # fmt: skip
                run.fill(LINEAR, -part, price, decision=mark, fee=part * 10**5, forced="liquidation", strategy=-1,
                         tag=-1)  # fmt: skip
            rest = -run.balances[USDM, USDT]
            if rest > 0:
                run.post(USDM, run.pseudo(USDM, FUND), USDT, "insurance", rest, instrument=LINEAR)
            run.deposit(USDM, USDT, 8_000 * 10**8)
            run.row("log", text=1, strategy=0)
        elif (hour % 60 == 0 and position.quantity < 2_000) or hour == 70 * 24 - 5:
            size = 300 + 100 * int(rng.integers(0, 3)) + (1_500 if hour == 70 * 24 - 5 else 0)
            run.fill(LINEAR, size, mark + 150, decision=mark, fee=size * mark // 2_000 * 1_000, tag=0)
            run.row("log", text=0, strategy=0)
        elif hour % 60 == 30 and position.quantity > 0 and rng.random() < 0.7:
            size = position.quantity if rng.random() < 0.5 else position.quantity // 2
            run.fill(LINEAR, -size, mark - 120, decision=mark, fee=size * mark // 2_000 * 1_000, tag=1)
        if hour % 240 == 12:
            run.fill(INVERSE, -20 if hour % 480 == 12 else 20, run.marks[INVERSE] - 3, decision=run.marks[INVERSE],
                     fee=1_000, tag=1)  # fmt: skip
        if hour % 90 == 0:
            run.reject(LINEAR, 50_000, mark, "INSUFFICIENT_MARGIN")
        run.sample()
    run.meta = {
        "series": series, "texts": logs, "strategies": ["TrendPyramid"], "cash_rate": 0.04,
        "assumptions": [
            {"name": "fill model", "value": "next trade, half-spread and slippage 2 bp", "note": "trades only: no book",
             "is_choice": False},
            {"name": "latency", "value": "none", "note": "orders reach the venue at once, but never match what they "
             "were decided on", "is_choice": False},
            {"name": "fees", "value": "regular: maker 0.02 %, taker 0.05 %", "note": "", "is_choice": False},
            {"name": "mark", "value": "last", "note": "no mark in the data: 360 funding payments and 1 forced close "
             "rest on it", "is_choice": True},
            {"name": "tiers", "value": "nearest", "note": "BTC/USDT:USDT, 2024-10 table; share of the run 100 %",
             "is_choice": True},
            {"name": "forced close", "value": "matching", "note": "", "is_choice": False},
            {"name": "ADL", "value": "off", "note": "", "is_choice": False},
        ],
        "warnings": ["Mark gap of 12 minutes on 2025-03-04 was skipped (on_gap='skip')."],
        "findings": [],
        "config": {"strategy": {"name": "TrendPyramid", "units": 4, "stop": "</pre><script>x</script>"}},
        "data": [{"name": "binance_usdm BTC/USDT:USDT trades", "rows": 12_345_678, "from": "2025-02-01",
                  "to": "2025-06-01", "note": ""}],
        "rules": [{"name": "tiers BTC/USDT:USDT", "value": "10 tiers, 125x", "from": "2024-10-24",
                   "source": "venue notice", "verified": True},
                  {"name": "insurance clearance fee", "value": "0.0125 rate", "from": "2023-01-01",
                   "source": "fee page", "verified": False}],
    }  # fmt: skip
    return run


def parts(run):
    """Return description and arrays of a run that has ended."""
    run.finish()
    return run.description(), run.arrays()
