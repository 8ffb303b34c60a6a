"""What our functions say of the worked cases of Bybit."""

import venues
from venues.instrument import Instrument, Tier
from venues.pool import PoolBox


def rules_of(case):
    """Return the venue on the day of a case, with the one tier that the case names."""
    rules = venues.get("bybit", as_of=case["date"])
    if "maintenance_rate" not in case:
        return rules
    tier = Tier(floor=0, maintenance_rate=case["maintenance_rate"], max_leverage=case["max_leverage"])
    return rules.with_instrument(Instrument(case["symbol"], contract=case["contract"], tiers=[tier]))


def isolated(rules, case, extra=0.0):
    """Return an isolated leg whose wallet is its initial margin and what was added."""
    box = rules.box(case["symbol"])
    position = {name: case[name] for name in ("quantity", "entry_price", "leverage")}
    mark = case.get("mark", case["entry_price"])
    bare = PoolBox(0.0, isolated=True)
    bare.add(box, mark=mark, **position)
    pool = PoolBox(bare.leg(0).initial + extra, isolated=True)
    pool.add(box, mark=mark, **position)
    return pool


def _isolated(case):
    leg = isolated(rules_of(case), case).leg(0)
    return {name: getattr(leg, name) for name in case["expected"]}


def _isolated_2026(case):
    return isolated(rules_of(case), case, case["extra"]).leg(0).liquidation_price


def _order_cost(case):
    return venues.get("bybit", as_of=case["date"]).order_cost(**case["order"]).cost


def _cross_bankruptcy(case):
    position = venues.Position(case["symbol"], quantity=case["quantity"], entry_price=case["entry_price"])
    account = venues.Account(rules_of(case), balances={"BTC": case["wallet"]}, positions=[position])
    return account.risk(marks={case["symbol"]: case["entry_price"]}).positions[case["symbol"]].bankruptcy_price


def _order_loss(case):
    """The loss of orders lowers what margin is measured against."""
    tier = Tier(floor=0, maintenance_rate=case["maintenance"] / 100_000, max_leverage=1)
    contract = Instrument("BTC/USDT:USDT", contract="linear", tiers=[tier], taker_fee=0, maker_fee=0)
    box = venues.get("bybit").with_instrument(contract).box("BTC/USDT:USDT")
    pool = PoolBox(case["balance"])
    pool.add(box, quantity=1, entry_price=100_000, mark=100_000, open_loss=case["order_loss"])
    risk = pool.risk()
    return risk.maintenance / risk.equity


def _collateral(case):
    rules = venues.get("bybit", as_of=case["date"])
    return [rules.collateral_value(asset=case["asset"], amount=x, price=case["price"]) for x in case["amounts"]]


FIGURES = {
    "collateral": _collateral,
    "isolated": _isolated,
    "isolated_2026": _isolated_2026,
    "order_cost": _order_cost,
    "cross_bankruptcy": _cross_bankruptcy,
    "order_loss": _order_loss,
}
