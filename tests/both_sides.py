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

    def __init__(self, scenario, probe=None):
        super().__init__()
        self.operations = scenario.operations
        self.probe = probe
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

    def do_order(self, account, key, contract, side, quantity, leg, kind="market", price=None, trigger=None, source="mark", **more):
        self.sent[key] = self.submit(
            self.name_of(account, contract), side="buy" if side > 0 else "sell", quantity=text(quantity),
            limit=None if price is None else text(price), stop=None if trigger is None else text(trigger), trigger=source,
            position=LEGS.get(leg), **more,
        )  # fmt: skip

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
            rules.append({"ts": event.time, "until": 0, "venue": event.venue, "symbol": event.symbol, "what": what, "value": text(value), "source": ""})  # fmt: skip
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
            margin = {} if contract.kind == "spot" else {
                "clearance_fee": float(contract.clearance),
                "tiers": [
                    venues.Tier(floor=float(row.floor), maintenance_rate=float(row.rate), max_leverage=float(row.leverage))
                    for row in contract.tiers
                ],
            }  # fmt: skip
            rules = rules.with_instrument(
                venues.Instrument(
                    contract.symbol, contract=contract.kind, contract_size=float(contract.size),
                    tick_size=float(contract.tick), lot_size=float(contract.lot), **margin,
                )
            )  # fmt: skip
    return rules


def account(scenario, owner, **changed):
    """Return an owner's account for the engine."""
    margin = {}
    if owner.venue != "binance_spot":
        margin = {
            "leverage": float(owner.leverage),
            "margin_mode": "isolated" if owner.isolated else "cross",
            "position_mode": "hedge" if owner.hedge else "one_way",
            "margin_call": float(owner.margin_call),
            "forced_close": "mark_slippage" if owner.at_mark else "matching",
            "adl": "recorded" if owner.adl else "off",
            "insurance_fund": None if owner.fund is None else {asset: float(x) for asset, x in owner.fund.items()},
        } | changed
    return venues.Venue(
        rules_of(scenario, owner.venue), account=owner.name.partition("/")[2] or "main",
        balances={asset: float(x) for asset, x in owner.balances.items()}, fees=(float(owner.maker), float(owner.taker)),
        slippage=float(owner.slippage * 10_000), **margin,
    )  # fmt: skip


def engine(scenario, trader=None, **changed):
    """Run a scenario in the engine and return what it was built of; `changed` are other words for each `Venue`."""
    transfers = scenario.transfers
    test = Backtest(
        dataset(scenario),
        trader or Trader(scenario),
        venues=[account(scenario, owner, **changed) for owner in scenario.owners],
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


def seen(made, trader, scenario):
    """Return what happened in the engine, in the words of the reference model."""
    exchange = made.exchange
    names = account_names(made)
    addresses = [run.address for run in made.instruments]
    price = [Fraction(1, 10**run.price_scale) for run in made.instruments]
    unit = [Fraction(1, 10**run.quantity_scale) for run in made.instruments]

    postings = [
        (r["time"], names[r["account"]], names[r["contra"]], made.assets[r["asset"]], LEDGER_KINDS[r["kind"]], r["amount"])
        for r in rows(exchange.ledger.postings)
    ]
    fills = [
        (
            r["time"], names[r["account"]], addresses[r["instrument"]], r["leg"], r["side"], r["price"] * price[r["instrument"]],
            r["quantity"] * unit[r["instrument"]], r["fee"], r["realized_pnl"], bool(r["is_maker"]), FORCED[r["forced"]],
        )
        for r in rows(exchange.journal.fills)
    ]  # fmt: skip
    payments = [
        (
            r["time"], names[r["account"]], addresses[r["instrument"]], r["leg"], r["quantity"] * unit[r["instrument"]],
            r["mark"] * price[r["instrument"]], r["amount"],
        )
        for r in rows(exchange.journal.funding)
    ]  # fmt: skip
    steps = [
        (
            r["time"], names[r["account"]], addresses[r["instrument"]], r["quantity"] * unit[r["instrument"]],
            r["price"] * price[r["instrument"]], r["fee"], FORCED[r["what"]], r["step"], r["shortfall"], PAID_BY[r["paid_by"]],
        )
        for r in rows(exchange.journal.liquidations)
    ]  # fmt: skip
    calls = [
        (r["time"], names[r["account"]], addresses[r["instrument"]] if r["instrument"] >= 0 else made.assets[r["asset"]], bool(r["active"]))
        for r in rows(exchange.journal.margin_calls)
    ]  # fmt: skip
    filled = Counter()
    for r in rows(exchange.journal.fills):
        filled[r["order"]] += r["quantity"] * unit[r["instrument"]]
    final = {}
    for r in rows(exchange.journal.orders):
        final[r["order"]] = (ORDER_STATUS[r["status"]], REASONS[r["reason"]].upper(), filled[r["order"]])
    transfers = [
        (
            r["time"], names[r["source"]], names[r["target"]], made.assets[r["asset"]], r["amount"], r["received"], r["fee"],
            TRANSFER_STATUS[r["status"]], REASONS[r["reason"]].upper(),
        )
        for r in rows(exchange.journal.transfers)
    ]  # fmt: skip
    orders = [final[n] for n in sorted({view.id for view in trader.sent.values()})]
    assets = range(len(made.assets))
    balances = {
        (name, made.assets[asset]): exchange.ledger.balance_of(number, asset)
        for number, name in enumerate(names)
        for asset in assets
        if exchange.ledger.balance_of(number, asset)
    }
    refusals = [(time, words.partition("refused: ")[2]) for time, _, words in made.verbs.refusals]
    return {
        "postings": by_instant(postings), "fills": by_instant(fills), "funding": by_instant(payments), "steps": by_instant(steps),
        "margin calls": by_instant(calls), "orders": orders, "balances": balances, "refusals": refusals,
        "transfers": by_instant(transfers),
    }  # fmt: skip


def rows(blocks):
    """Return the rows of a table as dicts of plain numbers."""
    table = blocks.table()
    return [dict(zip(table.dtype.names, row, strict=True)) for row in table.tolist()]


def account_names(made):
    """Return the names of all accounts of the ledger, in its order."""
    pseudo = ("venue_fees", "insurance_fund", "counterparties")
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
        (s.time, s.account, s.contract, s.quantity, s.price, s.fee, s.what, s.step, s.shortfall, s.paid_by) for s in run.steps
    ]
    calls = [(time, name, pool[0] if isinstance(pool, tuple) else pool, active) for time, name, pool, active in run.calls]
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
