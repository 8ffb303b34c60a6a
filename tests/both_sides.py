"""One scenario through the engine and through the reference model, and what happened in each in the same words."""

from collections import Counter
from fractions import Fraction

import pandas as pd
from reference.run import Run

import feeds
import venues
from backtest import Backtest, Strategy
from backtest.assembly import Assembly
from backtest.tables import FORCED, LEDGER_KINDS, ORDER_STATUS, PAID_BY, REASONS, TRANSFER_STATUS
from feeds.dataset import Dataset

LEGS = {1: "long", -1: "short"}
COLUMNS = {"trade": "trades", "mark": "mark", "index": "index", "funding": "funding"}


class Trader(Strategy):
    """Carries out the operations of a scenario at their times, after the market data of each instant."""

    def __init__(self, scenario):
        super().__init__()
        self.operations = scenario.operations
        self.sent = {}

    def on_start(self):
        for number, operation in enumerate(self.operations):
            self.once(operation.time - self.now, name=str(number))

    def on_timer(self, timer):
        operation = self.operations[int(timer.name)]
        getattr(self, f"do_{operation.what}")(operation.account, **operation.words)

    def name_of(self, account, contract):
        """Return the address of a contract in an account."""
        return f"{contract.symbol}@{account}"

    def do_order(
        self,
        account,
        key,
        contract,
        side,
        quantity,
        leg,
        kind="market",
        price=None,
        trigger=None,
        source="mark",
        **more,
    ):
        self.sent[key] = self.submit(
            self.name_of(account, contract),
            side="buy" if side > 0 else "sell",
            quantity=text(quantity),
            limit=None if price is None else text(price),
            stop=None if trigger is None else text(trigger),
            trigger=source,
            position=LEGS.get(leg),
            **more,
        )

    def do_protect(self, account, key, contract, leg, kind, level, source):
        made = self.protect(
            self.name_of(account, contract), **{kind: float(level)}, trigger=source, position=LEGS.get(leg)
        )
        if made:
            self.sent[key] = made[0]

    def do_cancel(self, account, key):
        if key in self.sent:
            self.cancel(self.sent[key])

    def do_leverage(self, account, contract, leverage):
        self.set_leverage(self.name_of(account, contract), float(leverage))

    def do_margin_mode(self, account, contract, isolated):
        self.set_margin_mode(self.name_of(account, contract), "isolated" if isolated else "cross")

    def do_margin(self, account, contract, leg, amount):
        self.add_margin(self.name_of(account, contract), float(amount), position=LEGS.get(leg))

    def do_deposit(self, account, asset, amount):
        self.deposit(account, asset, float(amount))

    def do_withdraw(self, account, asset, amount):
        self.withdraw(account, asset, float(amount))

    def do_transfer(self, account, asset, amount, target):
        self.transfer(asset, float(amount), source=account, target=target)


def text(number):
    """Return an exact decimal of a fraction."""
    whole = number * 10**8
    assert whole.denominator == 1
    digits = f"{abs(int(whole)):09d}"
    return ("-" if number < 0 else "") + f"{digits[:-8]}.{digits[-8:]}"


# ---------------------------------------------------------------------------------------------------------------------
# The engine


def dataset(scenario):
    """Return the data of a scenario."""
    streams, rules = {}, []
    for event in scenario.events:
        if event.what in COLUMNS:
            streams.setdefault((COLUMNS[event.what], event.venue, event.symbol), []).append(event)
        else:
            value = event.price if event.what == "settlement" else event.rate
            what = {"settlement": "delisting", "adl": "adl"}[event.what]
            place = {"venue": event.venue, "symbol": event.symbol}
            rules.append({"ts": event.time, "until": 0, "what": what, "value": text(value), "source": "", **place})
    found = Dataset((), venue_events=rules)
    for (kind, venue, symbol), rows in streams.items():
        columns = {"ts": [row.time for row in rows]}
        if kind == "funding":
            columns |= {"rate": [float(row.rate) for row in rows], "interval_hours": [8.0] * len(rows)}
            if any(row.price for row in rows):
                columns["mark"] = [float(row.price) for row in rows]
        else:
            columns["price"] = [float(row.price) for row in rows]
        if kind == "trades":
            columns |= {"quantity": [float(row.quantity) for row in rows], "side": [row.side for row in rows]}
        found = found + feeds.from_pandas(pd.DataFrame(columns), kind=kind, venue=venue, symbol=symbol)
    return found


def rules_of(scenario, venue):
    """Return a venue's rules with the contracts of a scenario."""
    rules = venues.get(venue)
    for contract in scenario.contracts:
        if contract.venue == venue:
            rules = rules.with_instrument(instrument(contract))
    return rules


def instrument(contract):
    """Return a contract in the engine's words."""
    margin = {}
    if contract.kind != "spot":
        margin["clearance_fee"] = float(contract.clearance)
        margin["tiers"] = [
            venues.Tier(
                floor=float(row.floor),
                maintenance_rate=float(row.rate),
                max_leverage=float(row.leverage),
                amount=float(row.amount),
                size_rate=float(row.by_size),
            )
            for row in contract.tiers
        ]
    return venues.Instrument(
        contract.symbol,
        contract=contract.kind,
        contract_size=float(contract.size),
        tick_size=float(contract.tick),
        lot_size=float(contract.lot),
        **margin,
    )


def account(scenario, owner):
    """Return an owner's account for the engine."""
    margin = {}
    if owner.venue != "binance_spot":
        margin = {
            "leverage": None if owner.venue == "deribit" else float(owner.leverage),
            "margin_mode": "isolated" if owner.isolated else "cross",
            "position_mode": "hedge" if owner.hedge else "one_way",
            "margin_call": float(owner.margin_call),
            "forced_close": "mark_slippage" if owner.at_mark else "matching",
            "adl": "recorded" if owner.adl else "off",
            "insurance_fund": None if owner.fund is None else {asset: float(x) for asset, x in owner.fund.items()},
        }
    return venues.Venue(
        rules_of(scenario, owner.venue),
        account=owner.name.partition("/")[2] or "main",
        balances={asset: float(x) for asset, x in owner.balances.items()},
        fees=(float(owner.maker), float(owner.taker)),
        slippage=float(owner.slippage * 10_000),
        **margin,
    )


def engine(scenario, trader):
    """Return a scenario in the engine, ready to run."""
    transfers = scenario.transfers
    test = Backtest(
        dataset(scenario),
        trader,
        venues=[account(scenario, owner) for owner in scenario.owners],
        reporting="USDT",
        prices=known_prices(scenario),
        transfers=venues.Transfers(
            delay=transfers.delay,
            fees={asset: float(x) for asset, x in transfers.fees.items()},
            minimum={asset: float(x) for asset, x in transfers.minimum.items()},
        ),
        on_gap="skip",
        on_ruin="continue",
    )
    made = Assembly(test.data, test.venues, test.settings)
    made.decide()
    made.build(test.strategies)
    return made


def known_prices(scenario):
    """Return US dollar prices of the assets that a scenario needs."""
    assets = {asset for owner in scenario.owners for asset in owner.balances}
    assets |= {contract.settle for contract in scenario.contracts} | {"USDT"}
    assets |= {c.base for c in scenario.contracts if c.kind == "spot"}
    return {asset: 1.0 if asset in ("USDT", "USD") else 100.0 for asset in sorted(assets)}


WORDS = {  # columns of a table, and the words behind the numbers of one
    "postings": (("time", "account", "contra", "asset", "kind", "amount"), {"kind": LEDGER_KINDS}),
    "fills": (
        (
            "time",
            "account",
            "instrument",
            "leg",
            "side",
            "price",
            "quantity",
            "fee",
            "realized_pnl",
            "is_maker",
            "forced",
        ),
        {"forced": FORCED},
    ),
    "funding": (("time", "account", "instrument", "leg", "quantity", "mark", "amount"), {}),
    "liquidations": (
        ("time", "account", "instrument", "quantity", "price", "fee", "what", "step", "shortfall", "paid_by"),
        {"what": FORCED, "paid_by": PAID_BY},
    ),
    "margin_calls": (("time", "account", "pool", "active"), {}),
    "transfers": (
        ("time", "source", "target", "asset", "amount", "received", "fee", "status", "reason"),
        {"status": TRANSFER_STATUS, "reason": [reason.upper() for reason in REASONS]},
    ),
    "orders": (("order", "status", "reason"), {"status": ORDER_STATUS, "reason": [r.upper() for r in REASONS]}),
}


def seen(made, trader):
    """Return what happened in the engine, in the words of the reference model."""
    exchange, journal = made.exchange, made.exchange.journal
    filled = Counter()
    for row in rows(journal.fills, made):
        filled[row["order"]] += row["quantity"]
    final = {row[0]: (*row[1:], filled[row[0]]) for row in table(made, journal.orders, "orders")}
    names = account_names(made)
    held = {
        (name, asset): exchange.ledger.balance_of(account, number)
        for account, name in enumerate(names)
        for number, asset in enumerate(made.assets)
    }
    return {
        "postings": by_instant(table(made, exchange.ledger.postings, "postings")),
        "fills": by_instant(table(made, journal.fills, "fills")),
        "funding": by_instant(table(made, journal.funding, "funding")),
        "steps": by_instant(table(made, journal.liquidations, "liquidations")),
        "margin calls": by_instant(table(made, journal.margin_calls, "margin_calls")),
        "orders": [final[number] for number in sorted({view.id for view in trader.sent.values()})],
        "balances": {key: amount for key, amount in held.items() if amount},
        "refusals": [(time, words.partition("refused: ")[2]) for time, _, words in made.verbs.refusals],
        "transfers": by_instant(table(made, journal.transfers, "transfers")),
    }


def table(made, blocks, name):
    """Return the columns of a table that are compared, in words."""
    columns, words = WORDS[name]
    return [
        tuple(words[column][row[column]] if column in words else row[column] for column in columns)
        for row in rows(blocks, made)
    ]


def rows(blocks, made):
    """Return the rows of a table as dicts: names instead of numbers, fractions instead of units."""
    found = blocks.table()
    names = account_names(made)
    for values in found.tolist():
        row = dict(zip(found.dtype.names, values, strict=True))
        for column in row.keys() & {"account", "contra", "source", "target"}:
            row[column] = names[row[column]]
        if row.get("asset", -1) >= 0:
            row["asset"] = made.assets[row["asset"]]
        row["pool"] = row.get("asset")
        if row.get("instrument", -1) >= 0:
            run = made.instruments[row["instrument"]]
            row["instrument"] = row["pool"] = run.address
            for column in row.keys() & {"price", "mark"}:
                row[column] *= Fraction(1, 10**run.price_scale)
            if "quantity" in row:
                row["quantity"] *= Fraction(1, 10**run.quantity_scale)
        yield row


def account_names(made):
    """Return the names of all accounts of the ledger, in its order."""
    pseudo = ("venue_fees", "insurance_fund", "counterparties", "population")
    names = [*made.account_names, *(f"{venue} {role}" for venue in made.venue_names for role in pseudo)]
    return [*names, "in_transit", "outside", "unfunded"]


# ---------------------------------------------------------------------------------------------------------------------
# The reference


def reference(scenario, made):
    """Run a scenario in the reference model, on the decimals that the data of the engine have."""
    steps = {run.address: Fraction(1, 10**run.price_scale) for run in made.instruments}
    units = {run.address: Fraction(1, 10**run.quantity_scale) for run in made.instruments}
    return Run(scenario, price_steps=steps, quantity_steps=units).run()


def told(run):
    """Return what happened in the reference model."""
    postings = [(p.time, p.account, p.contra, p.asset, p.kind, p.amount) for p in run.ledger.postings]
    fills = [
        (f.time, f.account, f.contract, f.leg, f.side, f.price, f.quantity, f.fee, f.profit, f.is_maker, f.forced)
        for f in run.fills
    ]
    steps = [
        (s.time, s.account, s.contract, s.quantity, s.price, s.fee, s.what, s.step, s.shortfall, s.paid_by)
        for s in run.steps
    ]
    calls = [
        (time, name, pool[0] if isinstance(pool, tuple) else pool, active) for time, name, pool, active in run.calls
    ]
    return {
        "postings": by_instant(postings), "fills": by_instant(fills), "funding": by_instant(run.payments),
        "steps": by_instant(steps), "margin calls": by_instant(calls),
        "orders": [(o.status, o.reason, o.filled) for o in run.orders],
        "balances": {key: amount for key, amount in run.ledger.balances.items() if amount},
        "refusals": run.verbs.refusals, "transfers": by_instant(run.verbs.transfers),
    }  # fmt: skip


def by_instant(found):
    """Return rows grouped by time and account, in no order inside an instant."""
    groups = {}
    for row in found:
        groups.setdefault(row[:2], Counter())[row[2:]] += 1
    return groups


def differences(one, other):
    """Return the first difference of each table, as text."""
    out = []
    for name, mine in one.items():
        theirs = other[name]
        if mine == theirs:
            continue
        if isinstance(mine, dict):
            keys = sorted(key for key in {*mine, *theirs} if mine.get(key) != theirs.get(key))
            out.append(f"{name} at {keys[0]}: engine {mine.get(keys[0])}, reference {theirs.get(keys[0])}")
        else:
            out.append(f"{name}: engine {mine}, reference {theirs}")
    return out
