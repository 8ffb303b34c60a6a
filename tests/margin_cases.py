"""Contracts, tables and pools for the tests of margin arithmetic, by hand and by Hypothesis."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from venues.contract import ContractBox
from venues.instrument import Instrument, MarginRules, Tier
from venues.pool import PoolBox, PoolRisk

COINS = "ABCDEF"
ASSETS = {asset: row for row, asset in enumerate((*COINS, "USD", "USDT"))}
RATES = (0.004, 0.005, 0.01, 0.02, 0.025, 0.05, 0.1, 0.125, 0.15, 0.25, 0.5)


def table(rows: Iterable[tuple[float, float]]) -> list[Tier]:
    """Rows of (floor, rate); each allows the leverage whose initial rate is twice the maintenance rate."""
    return [Tier(floor=floor, maintenance_rate=rate, max_leverage=max(1.0, 0.5 / rate)) for floor, rate in rows]


@dataclass(frozen=True)
class House:
    """What a venue puts into margins: its rules and the taker fee that they may reserve."""

    margin: MarginRules | None = None
    taker_fee: float = 0.0


PLAIN = House()


def box(contract: str, tiers: list[Tier], *, coin: str = "A", size: float = 1.0, house: House = PLAIN) -> ContractBox:
    symbol = f"{coin}/USD:{coin}" if contract == "inverse" else f"{coin}/USDT:USDT"
    fees = {"maker_fee": 0, "taker_fee": house.taker_fee}
    instrument = Instrument(symbol, contract=contract, contract_size=size, tiers=tiers, **fees)
    return ContractBox(instrument, index=0, assets=ASSETS, price_scale=4, quantity_scale=4, margin=house.margin)


FLAT = table([(0, 0.005)])


@dataclass
class Leg:
    """One leg of a drawn account."""

    box: ContractBox
    quantity: float
    entry_price: float
    mark: float
    leverage: float
    side: int
    conversion: float = 1.0


@dataclass
class Drawn:
    """A drawn account: its wallet and legs, and a fresh pool of them."""

    wallet: float
    legs: list[Leg]

    def pool(self, **changed: float) -> PoolBox:
        pool = PoolBox(changed.get("wallet", self.wallet))
        for leg in self.legs:
            pool.add(
                leg.box,
                quantity=leg.quantity,
                entry_price=leg.entry_price,
                mark=leg.mark,
                leverage=changed.get("leverage", leg.leverage),
                side=leg.side,
                conversion=leg.conversion,
            )
        return pool


def surplus(risk: PoolRisk, threshold: float = 1.0) -> float:
    """What keeps a pool from its threshold: liquidation, at 1, is maintenance >= equity (Binance FAQ 360033525271)."""
    return threshold * risk.equity - risk.maintenance


def gross(drawn: Drawn) -> float:
    """Scale of the amounts inside a pool, for tolerances."""
    risk = drawn.pool().risk()
    return abs(drawn.wallet) + abs(risk.unrealized) + risk.notional


@st.composite
def tables(draw: st.DrawFn, *, first: float, may_jump: bool = False) -> list[Tier]:
    """Draw a table of one to six rows whose second floor is near `first`.

    With `may_jump` its rates may hold for the whole position (amounts of zero), so that the requirement leaps.
    """
    rates = sorted(draw(st.lists(st.sampled_from(RATES), min_size=1, max_size=6)))
    floor, rows = 0.0, []
    for rate in rates:
        rows.append((floor, rate))
        floor = (floor or first) * draw(st.one_of(st.floats(1.5, 6.0), st.floats(1.01, 1.1)))
    if may_jump and draw(st.booleans()):
        return [replace(row, amount=0.0) for row in table(rows)]
    return table(rows)


@st.composite
def drawn_legs(draw: st.DrawFn, contract: str, coin: str, may_jump: bool, house: House) -> tuple[list[Leg], float]:
    """Draw one position, or the two legs of hedge mode; with it the notional of one leg."""
    mark = 10 ** draw(st.floats(-2.0, 4.5))
    value = 10 ** (draw(st.floats(1.0, 6.0)) if contract == "linear" else draw(st.floats(-1.5, 3.0)))
    size = draw(st.sampled_from([1.0, 10.0, 100.0] if contract == "inverse" else [1.0, 0.01]))
    quantity = value / mark / size if contract == "linear" else value * mark / size
    counted = quantity if house.margin is not None and house.margin.tier_unit == "quantity" else value
    # floors close to what they count too: bands must cross them
    first = counted * draw(st.one_of(st.floats(0.01, 10.0), st.floats(0.85, 1.15), st.just(1.0)))
    one = box(contract, draw(tables(first=first, may_jump=may_jump)), coin=coin, size=size, house=house)
    moves = st.floats(-0.4, 0.4)
    leverage = draw(st.sampled_from([1.0, 2.0, 10.0, 50.0]))
    conversion = draw(st.sampled_from([1.0, 1.0, 0.5, 1.3]))

    def leg(signed: float, side: int) -> Leg:
        return Leg(one, signed, mark * math.exp(draw(moves)), mark, leverage, side, conversion)

    if draw(st.booleans()):
        return [leg(quantity * draw(st.sampled_from([1.0, -1.0])), 0)], value * conversion
    short = -quantity * draw(st.sampled_from([1.0, 0.3, 0.98, 1.7]))
    return [leg(quantity, 1), leg(short, -1)], value * conversion


@st.composite
def accounts(draw: st.DrawFn, *, contracts: int = 4, may_jump: bool = False, house: House = PLAIN) -> Drawn:
    """Draw a pool of one to `contracts` contracts, linear or inverse, one-way or hedge, sound or near its end."""
    contract = draw(st.sampled_from(["linear", "inverse"]))
    legs: list[Leg] = []
    total = 0.0
    for coin in COINS[: draw(st.integers(1, contracts))]:
        more, value = draw(drawn_legs(contract, coin, may_jump, house))
        legs += more
        total += value
    return Drawn(total * draw(st.one_of(st.just(1.0), st.floats(0.01, 0.5), st.floats(0.5, 3.0))), legs)
