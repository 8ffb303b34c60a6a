"""Random scenarios for the reference model and the engine: markets that move, traders that ask for everything."""

from dataclasses import dataclass, field
from fractions import Fraction
from random import Random

from hypothesis import strategies as st
from reference.inputs import SECOND, Contract, Event, Operation, Owner, Scenario, Transfers, by_size, steps, tiers

START = (
    1_735_689_720 * SECOND
)  # 2025-01-01 00:02 UTC: no stamp comes within a minute of an hour, onto which it would move
BYBIT, OKX, BITMEX, DERIBIT, HYPERLIQUID = "bybit", "okx", "bitmex", "deribit", "hyperliquid"
DYDX = "dydx"
ONE_WAY, CROSS = (BITMEX, DERIBIT, HYPERLIQUID, DYDX), (DERIBIT, DYDX)
ONE_TIER = tiers((0, "0.01", 50))
USDM, COINM, CASH = "binance_usdm", "binance_coinm", "binance_spot"
USDT_TIERS = tiers((0, "0.01", 50), (1000, "0.02", 25), (5000, "0.05", 10), (20_000, "0.1", 5))
LARGE_TIERS = tiers((0, "0.01", 50), (200_000, "0.02", 25), (600_000, "0.05", 10))
STEP_TIERS = steps((0, "0.01", 50), (1000, "0.02", 25), (5000, "0.05", 10), (20_000, "0.1", 5))
COIN_STEPS = steps((0, "0.01", 50), (10, "0.025", 20), (40, "0.05", 10), (200, "0.125", 4))
QUANTITY_TIERS = steps((0, "0.01", 50), (2, "0.0125", 50), (6, "0.015", 25), (20, "0.02", 20), (60, "0.03", 10))
CONTRACT_TIERS = steps((0, "0.01", 50), (20, "0.0125", 50), (60, "0.015", 25), (200, "0.02", 20), (600, "0.03", 10))
SIZE_RATES = by_size("0.01", 50, "0.0005")
COIN_TIERS = tiers((0, "0.01", 50), (10, "0.025", 20), (40, "0.05", 10), (200, "0.125", 4))

WAITS = (0, 0, 1, 1, 7, 30, 61)  # seconds between two steps; a minute is the time limit of a liquidation
MOVES = (0, 1, -1, 2, -2, 5, -5, 8, -8, 12, -12, 20, -20, 35, -35, 60, -60, 120, -120)  # ticks of about a thousandth
SHARES = tuple(
    Fraction(x) for x in ("0.03", "0.1", "0.2", "0.3", "0.45", "0.6", "0.9", "1.1")
)  # of what leverage allows
QUANTITIES = tuple(Fraction(q) for q in ("0.1", "0.5", "1", "2.5", "5", "7.31", "10", "20", "33.3", "60"))
AMOUNTS = tuple(Fraction(q) for q in ("0.01", "1", "7.77", "20", "55.5", "100", "300"))
RATES = tuple(Fraction(q) for q in ("0", "0.0001", "-0.0001", "0.00375", "-0.0075", "0.02", "-0.03"))
LEVERAGES = tuple(Fraction(q) for q in (1, 2, 3, 5, 10, 20, 25, 50))


def linear(coin, venue=USDM, quote="USDT", table=USDT_TIERS, clearance="0.0125"):
    """Return a linear contract of a coin."""
    return Contract(
        f"{coin}/{quote}:{quote}", venue, "linear", coin, quote, Fraction(1, 10), Fraction(1, 100), tiers=table,
        clearance=Fraction(clearance),
    )  # fmt: skip


def inverse(coin, date="", venue=COINM, table=COIN_TIERS, clearance="0.01"):
    """Return an inverse contract of 10 USD."""
    return Contract(
        f"{coin}/USD:{coin}{date}", venue, "inverse", coin, "USD", Fraction(1, 10), Fraction(1), size=Fraction(10),
        tiers=table, clearance=Fraction(clearance),
    )  # fmt: skip


def spot(coin):
    """Return a spot pair."""
    return Contract(f"{coin}/USDT", CASH, "spot", coin, "USDT", Fraction(1, 10), Fraction(1, 100))


@dataclass
class Market:
    """The state that a scenario is told from: present prices in ticks, time, what has been said."""

    contracts: tuple
    owners: tuple
    own_mark: bool  # funding rows carry their own mark
    now: int = START
    last: dict = field(default_factory=dict)
    marks: dict = field(default_factory=dict)  # hundredths of the tick's ten
    events: list = field(default_factory=list)
    operations: list = field(default_factory=list)
    taken: set = field(default_factory=set)
    closed: set = field(default_factory=set)
    keys: list = field(default_factory=list)

    def say(self, what, contract, **facts):
        """Write one row of data; a second one of its stream at this instant comes a second later."""
        while (self.now, what, contract.address) in self.taken:
            self.now += SECOND
        self.taken.add((self.now, what, contract.address))
        self.events.append(Event(self.now, what, contract.venue, contract.symbol, **facts))

    def ask(self, what, owner, **words):
        """Write one operation."""
        self.operations.append(Operation(self.now, what, owner.name, words))

    def trade(self, contract, move, size):
        """Let the market trade."""
        ticks = self.last[contract.address] = max(20, self.last[contract.address] + move)
        side = 1 if move > 0 else -1 if move < 0 else (size % 3) - 1
        quantity = QUANTITIES[size % len(QUANTITIES)] if contract.kind != "inverse" else Fraction(1 + size * 3)
        self.say("trade", contract, price=ticks * contract.tick, quantity=quantity, side=side)

    def mark(self, contract, move):
        """Let the mark follow the last price, a little off it."""
        value = self.marks[contract.address] = self.last[contract.address] * 10 + move
        self.say("mark", contract, price=max(1, value) * contract.tick / 10)


def owner(choose, contracts, name, venue):
    """Return one account; `choose` takes one of several."""
    kinds = {contract.kind for contract in contracts}
    asset = contracts[0].settle
    balance = Fraction(choose([1, 2, 5, 10, 30] if "inverse" in kinds else [20, 50, 100, 200, 1000]))
    if venue in (HYPERLIQUID, DYDX):
        balance *= 100  # large positions are closed in parts
    maker, taker = (Fraction(x) for x in choose([(0, 0), ("0.0002", "0.0005"), ("-0.00015", "0.000375")]))
    slippage = Fraction(choose([0, 0, 2, 10]), 10_000)
    if "spot" in kinds:
        held = {"USDT": 10 * balance, "X": Fraction(choose([0, 1, 5]))}
        return Owner(name, venue, held, maker=maker, taker=taker, slippage=slippage)
    return Owner(
        name,
        venue,
        {asset: balance},
        leverage=choose(LEVERAGES[2:] if choose([0, 1, 1]) else LEVERAGES),
        isolated=venue not in CROSS and choose([False, True]),
        hedge=venue not in ONE_WAY and choose([False, True]),
        maker=maker,
        taker=taker,
        slippage=slippage,
        margin_call=Fraction(choose(["0.8", "0.5", "1"])),
        at_mark=choose([False, False, True]),
        adl=choose([False, True]),
        fund=choose([None, None, {asset: Fraction(0)}, {asset: Fraction(3)}]),
    )


WORLDS = {
    "linear": ((linear("X"),), (USDM,)),
    "linear basket": ((linear("X"), linear("Y"), linear("Z")), (USDM,)),
    "two accounts": ((linear("X"), linear("Y")), (USDM, USDM)),
    "inverse": ((inverse("X"),), (COINM,)),
    "inverse curve": ((inverse("X"), inverse("X", "-260327")), (COINM,)),
    "spot": ((spot("X"),), (CASH,)),
    "carry": ((linear("X"), spot("X")), (USDM, CASH)),
    "two coins of margin": ((linear("X"), inverse("X")), (USDM, COINM)),
}

MARGINED = tuple(world for world in WORLDS if world != "spot")
# one account each at the other venues, in all modes that they have
ELSEWHERE = {
    "bybit linear": (
        (linear("X", BYBIT, table=STEP_TIERS, clearance="0"), linear("Y", BYBIT, clearance="0")), (BYBIT,),
    ),
    "two at bybit": ((linear("X", BYBIT, table=STEP_TIERS, clearance="0"),), (BYBIT, BYBIT)),
    "bybit inverse": ((inverse("X", venue=BYBIT, clearance="0"),), (BYBIT,)),
    "okx linear": (tuple(linear(coin, OKX, table=QUANTITY_TIERS, clearance="0") for coin in "XY"), (OKX,)),
    "okx inverse": ((inverse("X", venue=OKX, table=CONTRACT_TIERS, clearance="0"),), (OKX,)),
    "bitmex inverse": (
        tuple(inverse("BTC", date, BITMEX, COIN_STEPS, "0") for date in ("", "-260327")), (BITMEX,),
    ),
    "bitmex linear": ((linear("X", BITMEX, table=STEP_TIERS, clearance="0"),), (BITMEX,)),
    "deribit": (tuple(inverse("X", date, DERIBIT, SIZE_RATES) for date in ("", "-260327")), (DERIBIT,)),
    "hyperliquid": (tuple(linear(coin, HYPERLIQUID, "USDC", LARGE_TIERS, "0") for coin in "XY"), (HYPERLIQUID,)),
    "dydx": ((linear("X", DYDX, "USDC", ONE_TIER, "0"),), (DYDX,)),
}  # fmt: skip
WORLDS_OF_ALL = WORLDS | ELSEWHERE


@st.composite
def scenarios(draw, worlds=tuple(WORLDS), steps=40):
    """Draw a scenario: a world, its accounts, and what happens in it; small ones first."""
    codes = st.tuples(*(st.integers(0, 29) for _ in range(5)))
    world = draw(st.sampled_from(worlds))
    return told(
        world, lambda options: draw(st.sampled_from(options)), draw(st.lists(codes, min_size=15, max_size=steps))
    )


def storm(seed, worlds=tuple(WORLDS), steps=120):
    """Return the long scenario of a seed, in which every step is as likely as any other."""
    random = Random(seed)
    codes = [[random.randrange(30) for _ in range(5)] for _ in range(steps)]
    return told(random.choice(worlds), random.choice, codes)


def slide(seed, worlds=MARGINED, steps=120):
    """Return a scenario of full positions in a market that slides one way for long: margin calls, closing in steps."""
    random = Random(seed)
    codes = []
    for step in range(steps):
        code = [random.randrange(30) for _ in range(5)]
        if step % 40 < 8:
            code[1] = 16  # a market order
        elif random.random() < 0.9:
            code[1] = 10  # a trade and a mark; odd numbers of moves are those upwards
            code[2] = random.choice((1, 3, 5) if (seed + step // 40) % 2 else (2, 4, 6))
        codes.append(code)
    return told(random.choice(worlds), random.choice, codes)


def told(world, choose, codes):
    """Return the scenario that a list of codes tells in a world."""
    contracts, venues = WORLDS_OF_ALL[world]
    names = [venue if venues.index(venue) == i else f"{venue}/other" for i, venue in enumerate(venues)]
    people = tuple(
        owner(choose, tuple(c for c in contracts if c.venue == venue), name, venue)
        for name, venue in zip(names, venues, strict=True)
    )
    market = Market(contracts, people, choose([False, True]))
    for contract in contracts:
        market.last[contract.address] = 1000
        market.trade(contract, 0, 3)
        market.mark(contract, 0)
    for wait, what, *numbers in codes:
        market.now += WAITS[wait % len(WAITS)] * SECOND
        happen(market, what, numbers)
    market.now += SECOND
    for contract in contracts:
        market.mark(contract, 0)
        market.trade(contract, 0, 3)
    fees = choose([{}, {"USDT": Fraction("0.5")}])
    transfers = Transfers(choose([0, 1, 45, 600]) * SECOND, fees=fees, minimum={"USDT": Fraction(1)})
    return Scenario(contracts, people, tuple(market.events), tuple(market.operations), transfers)


def happen(market, what, numbers):
    """Turn one drawn step into data or into an operation."""
    a, b, c = numbers
    contract = market.contracts[c % len(market.contracts)]
    move = MOVES[a % len(MOVES)]
    if contract.address in market.closed:
        return
    if what <= 5:
        market.trade(contract, move, b)
    elif what <= 9 and contract.kind != "spot":
        market.mark(contract, move)
    elif what <= 13:
        market.trade(contract, move, b)
        if contract.kind != "spot":
            market.mark(contract, b % 3 - 1)
    elif what <= 15 and contract.kind != "spot":
        rest_of_data(market, contract, a, b)
    else:
        owner = [o for o in market.owners if o.venue == contract.venue][c % 2 - 1]
        request(market, contract, owner, what, a, b)


def rest_of_data(market, contract, a, b):
    """Say what is rarer than trades and marks."""
    if a <= 17:
        own = market.marks[contract.address] * contract.tick / 10
        market.say("funding", contract, rate=RATES[b % len(RATES)], price=own if market.own_mark else Fraction(0))
    elif a <= 21:
        market.say(
            "index", contract, price=max(20, market.last[contract.address] + MOVES[b % len(MOVES)]) * contract.tick
        )
    elif a <= 27:
        market.say("adl", contract, rate=Fraction(1 + b % 4, 4))
    elif b >= 15:
        price = max(20, market.last[contract.address] + MOVES[b % len(MOVES)])
        market.say("settlement", contract, price=price * contract.tick)
        market.closed.add(contract.address)


def size(market, contract, owner, number):
    """Return a quantity: a share of what the account's first balance could carry, or a round one."""
    if number >= 24:
        return QUANTITIES[number % len(QUANTITIES)] if contract.kind != "inverse" else Fraction(1 + number)
    share = SHARES[number % len(SHARES)]
    price = market.last[contract.address] * contract.tick
    if contract.kind == "spot":
        most = owner.balances["USDT"] / price
    elif contract.kind == "inverse":
        most = owner.balances[contract.base] * owner.leverage * price / contract.size
    else:
        most = owner.balances[contract.settle] * owner.leverage / price
    return max(1, most * share // contract.lot) * contract.lot


def request(market, contract, owner, what, a, b):
    """Ask for something."""
    is_spot = contract.kind == "spot"
    leg = (1 if a % 2 else -1) if owner.hedge and not is_spot else 0
    side = 1 if b % 2 else -1
    if leg and b % 8:
        side = leg  # against its leg an order only reduces
    if what <= 26 or is_spot:
        send(market, contract, owner, leg, side, what, a, b)
    elif what == 27 and contract.venue == DERIBIT:
        return  # has no leverage and no margin mode to set
    elif what == 27:
        if b <= 20:
            market.ask("leverage", owner, contract=contract, leverage=LEVERAGES[a % len(LEVERAGES)])
        elif contract.venue not in CROSS:
            market.ask("margin_mode", owner, contract=contract, isolated=bool(a % 2))
    elif what == 28 and owner.isolated:
        sign = 1 if b % 3 else -1
        market.ask("margin", owner, contract=contract, leg=leg, amount=sign * AMOUNTS[a % len(AMOUNTS)])
    else:
        move_money(market, owner, a, b)


def move_money(market, owner, a, b):
    """Pay in, take out, or send to the other account."""
    asset = next(iter(owner.balances))
    amount = AMOUNTS[a % len(AMOUNTS)]
    others = [o for o in market.owners if o is not owner]
    if others and b >= 10:
        market.ask("transfer", owner, asset=asset, amount=amount, target=others[0].name)
    else:
        market.ask("deposit" if b % 3 else "withdraw", owner, asset=asset, amount=amount)


def send(market, contract, owner, leg, side, what, a, b):
    """Send an order, or cancel one."""
    key = len(market.keys)
    facts = {"contract": contract, "side": side, "quantity": size(market, contract, owner, a), "leg": leg}
    tick, last = contract.tick, market.last[contract.address]
    is_spot = contract.kind == "spot"
    distance = MOVES[b % len(MOVES)]
    if what <= 20:
        facts |= {"reduce_only": not is_spot and b >= 28}
    elif what <= 23:
        price = max(10, last + distance // 3 * (1 if a % 3 else -1)) * tick
        facts |= {"kind": "limit", "price": price, "tif": ("GTC", "GTC", "GTC", "IOC", "FOK")[a % 5]}
        facts |= {"post_only": facts["tif"] == "GTC" and a % 4 == 0, "reduce_only": not is_spot and a >= 25}
    elif what == 24 and not is_spot:
        source = ("mark", "last", "index")[a % 3]
        facts |= {"kind": "stop", "trigger": max(10, last + side * (1 + abs(distance))) * tick, "source": source}
        facts |= {"reduce_only": b % 3 == 0}
    elif what == 25 and not is_spot:
        protect(market, contract, owner, leg, a, b)
        return
    elif market.keys:
        market.ask("cancel", owner, key=market.keys[-1 - b % len(market.keys)])
        return
    market.keys.append(key)
    market.ask("order", owner, key=key, **facts)


def protect(market, contract, owner, leg, a, b):
    """Ask for a resident stop of a whole position."""
    last, tick = market.last[contract.address], contract.tick
    kind = ("stop", "take", "trailing")[b % 3]
    distance = (2 + abs(MOVES[b % len(MOVES)])) * tick * (1 if a % 2 else -1)
    level = {"stop": last * tick - distance, "take": last * tick + distance, "trailing": abs(distance)}[kind]
    key = len(market.keys)
    market.keys.append(key)
    market.now += SECOND  # not in one instant with another: the trader must have heard of that one
    words = {
        "contract": contract,
        "leg": leg,
        "kind": kind,
        "level": max(tick, level),
        "source": ("mark", "last")[a % 2],
    }
    market.ask("protect", owner, key=key, **words)
