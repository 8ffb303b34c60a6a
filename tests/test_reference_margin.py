"""Liquidation prices of the engine against equity less maintenance in exact fractions: a root, and none nearer."""

from fractions import Fraction
from random import Random

import margin_cases
import pytest
from generators import COIN_TIERS, USDT_TIERS, inverse, linear
from reference.house import House
from reference.margin import Leg, Pool
from reference.position import Position

from venues.instrument import Tier
from venues.pool import PoolBox

LADDER = [Fraction(round(1.07**n * 1_000), 1_000) for n in range(1, 102)]  # up to a thousand times a price


def pool_of(random):
    """Return a random pool in fractions: one to three contracts, one-way or hedge, sound or near its end."""
    kind, table = random.choice(((linear, USDT_TIERS), (inverse, COIN_TIERS)))
    legs = []
    for coin in "XYZ"[: random.randint(1, 3)]:
        contract = kind(coin)
        mark = Fraction(random.randint(200, 20_000), 10)
        largest = table[-1].floor * 2
        worth = Fraction(random.randint(1, 400), 400) ** random.choice((1, 2, 3)) * largest
        for side in (1, -1) if random.random() < 0.3 else (0,):
            per_lot = contract.notional(contract.lot, mark)
            lots = max(1, worth * Fraction(random.randint(30, 100), 100) // per_lot)
            position = Position(contract)
            entry = max(1, mark * Fraction(random.randint(80, 125), 100) // contract.tick) * contract.tick
            position.fill((side or random.choice((1, -1))) * lots * contract.lot, entry)
            legs.append(Leg(position, mark, House(Fraction(0)), side=side))
    gross = sum(leg.notional for leg in legs)
    wallet = gross * Fraction(random.randint(20, 1_500), 1_000) ** random.choice((1, 2))
    return Pool(Fraction(wallet * 10**8 // 1, 10**8), legs)


def engine_pool(pool):
    """Return the same pool in the engine."""
    made, boxes = PoolBox(float(pool.wallet)), {}
    for leg in pool.legs:
        contract = leg.contract
        if contract.base not in boxes:
            rows = [
                Tier(floor=float(row.floor), maintenance_rate=float(row.rate), max_leverage=float(row.leverage))
                for row in contract.tiers
            ]
            boxes[contract.base] = margin_cases.box(
                contract.kind, rows, coin="ABC"["XYZ".index(contract.base)], size=float(contract.size)
            )
        position = leg.position
        entry = contract.notional(position.quantity, 1) / abs(position.entry_value)
        if contract.kind == "linear":
            entry = 1 / entry
        made.add(
            boxes[contract.base],
            quantity=float(position.quantity),
            entry_price=float(entry),
            mark=float(leg.mark),
            side=leg.side,
        )
    return made


def surplus(pool):
    """Return what keeps a pool from its liquidation."""
    return pool.equity - pool.maintenance


def check(seed, ladder=LADDER):
    """Compare the prices of one random account; return how many of its legs have one."""
    pool = pool_of(Random(seed))
    if surplus(pool) <= 0:
        return 0
    box, found = engine_pool(pool), 0
    gross = pool.notional + abs(pool.wallet)
    for row, leg in enumerate(pool.legs):
        price = box.leg(row).liquidation_price
        distance = None
        if price is not None:
            found += 1
            at = pool.at(leg.contract, Fraction(price))
            assert abs(surplus(at)) <= Fraction(1, 10**10) * (gross + at.notional), (seed, row)
            distance = abs(Fraction(price) - leg.mark) * (1 - Fraction(1, 10**6))
        for step in ladder:
            for other in (leg.mark * step, leg.mark / step):
                if distance is None or abs(other - leg.mark) < distance:
                    assert surplus(pool.at(leg.contract, other)) > 0, (seed, row, float(other), price)
    return found


@pytest.mark.parametrize("block", range(2))
def test_the_liquidation_price_is_the_exact_root_and_none_is_nearer(block):
    assert sum(check(seed) for seed in range(100 * block, 100 * block + 40)) > 30


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_the_liquidation_price_of_thousands_of_accounts_is_the_exact_root(block):
    assert sum(check(seed, LADDER[::5]) for seed in range(1_000 * (block + 1), 1_000 * (block + 1) + 400)) > 300
