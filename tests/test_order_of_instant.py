"""Every pair of kinds at one nanosecond on the venue's clock; the expected order is in tests/golden.

Each kind has a contract and an account of its own and does there, at the instant, what posts money: the order of the
postings is the order in which the kinds came. Others' liquidations and books, which the file also names, change nothing
at the venue yet, so nothing shows their place.
"""

import itertools
import json
from pathlib import Path

import pandas as pd
import pytest
from engine_data import (
    MINUTE,
    SECOND,
    USDM,
    Script,
    account,
    bars,
    constant,
    funding,
    marks,
    ns,
    points,
    run,
    trades,
    user_coin,
)

import feeds
import venues

ORDER = json.loads((Path(__file__).parent / "golden" / "order_of_ties.json").read_text())["venue_clock"]
T = ns("10:07:20")  # a third of the minute: the first extreme of its bar
SILENT = {"liquidation", "book"}
KINDS = [kind for kind in ORDER if kind not in SILENT]


def coin(kind):
    """Return the contract of a kind."""
    return f"K{KINDS.index(kind)}/USDT:USDT"


def venue_event(what, value, symbol):
    """Return a row of venue events at the instant."""
    row = pd.DataFrame([{"ts": T, "until": T, "what": what, "value": value, "source": "test"}])
    return feeds.from_pandas(row, kind="venue_events", venue=USDM, symbol=symbol)


def stricter(symbol):
    """Return a tier from the instant on that no account here can meet."""
    row = pd.DataFrame([{"ts": T, "floor": 0, "maintenance_rate": 0.5, "max_leverage": 1, "amount": 0}])
    return feeds.from_pandas(row, kind="tiers", venue=USDM, symbol=symbol)


ROWS = {
    "rule change": stricter,
    "index": lambda symbol: points("index", [(T - 30 * MINUTE, 100), (T, 94)], symbol),
    "mark": lambda symbol: marks([(T, 94)], symbol),
    "funding": lambda symbol: funding([(T, 0.01)], symbol),
    "settlement": lambda symbol: venue_event("delisting", 103, symbol),
    "trade": lambda symbol: trades([(T, 98, 50)], symbol),
    "part of a bar": lambda symbol: bars(
        [
            *((T - 20 * SECOND - i * MINUTE, 100, 100, 100, 100) for i in range(30, 0, -1)),
            (T - 20 * SECOND, 100, 110, 90, 95),
        ],
        symbol,
        timeframe="1m",
    ),
}


def step(kind):
    """Return what the strategy does before the instant, so that the kind has something to do at it."""
    place = f"{coin(kind)}@{USDM}/k{KINDS.index(kind)}"
    if kind in ("index", "mark"):
        return T - 10 * MINUTE, lambda s: s.protect(place, stop=95, trigger=kind)
    if kind == "trade":
        return T - 10 * MINUTE, lambda s: s.buy(place, quantity=1, limit=99)
    if kind == "part of a bar":
        return T - 10 * MINUTE, lambda s: s.sell(place, quantity=1, limit=105)
    if kind == "arrival of an order or request":
        return T - 10 * SECOND, lambda s: s.buy(place, quantity=1)
    if kind == "arrival of a transfer":
        target = f"{USDM}/k{KINDS.index(kind)}"
        return T - 10 * SECOND, lambda s: s.transfer("USDT", 5, source=f"{USDM}/sender", target=target)
    return T - 10 * MINUTE, lambda s: s.buy(place, quantity=1)


def owner(kind, rules):
    """Return the account of a kind: 40 USDT behind the 100 USDT that it may hold."""
    late = kind in ("arrival of an order or request",)
    return account(
        rules,
        {"USDT": 40},
        account=f"k{KINDS.index(kind)}",
        leverage=10,
        fees=(0.001, 0.001),
        fills="touch",
        forced_close="mark_slippage",
        latency=("10s", "0s", "0s") if late else None,
    )


def order_at_the_instant(kinds):
    """Return the kinds in the order in which they post money at the instant."""
    rules = venues.get(USDM)
    data, steps = constant(100, start=T - 5 * MINUTE, end=T + MINUTE, step=90 * SECOND), []
    for kind in kinds:
        symbol = coin(kind)
        rules = user_coin(symbol, rules=rules, clearance_fee=0.01)
        before = [(T - i * MINUTE, 100) for i in range(31, 1, -1)]
        data += marks(before, symbol)
        if kind != "part of a bar":  # beside trades nothing of a bar would reach the market
            data += trades([(*row, 1000) for row in before], symbol)
        data += ROWS[kind](symbol) if kind in ROWS else marks([(T + MINUTE, 100)], symbol)
        steps.append(step(kind))
        if kind in ("index", "mark"):
            place = f"{symbol}@{USDM}/k{KINDS.index(kind)}"
            steps.append((T - 11 * MINUTE, lambda s, place=place: s.buy(place, quantity=1)))
    sender = account(rules, account="sender", latency=("10s", "0s", "0s"))
    result = run(
        data,
        Script(*sorted(steps, key=lambda s: s[0])),
        sender,
        *(owner(k, rules) for k in kinds),
        on_gap="skip",
        bar_path="ohlc",
    )
    ledger = result.ledger[result.ledger["time"] == pd.Timestamp(T, unit="ns", tz="UTC")]
    names = {f"{USDM}/k{KINDS.index(kind)}": kind for kind in kinds}
    return list(dict.fromkeys(names[name] for name in ledger["account"] if name in names))


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(KINDS, 2)))
def test_every_pair_of_kinds_at_one_nanosecond_reaches_the_venue_in_the_written_order(first, second):
    assert order_at_the_instant([first, second]) == [first, second]
    assert order_at_the_instant([second, first]) == [first, second]


def test_all_kinds_at_one_nanosecond_reach_the_venue_in_the_written_order():
    assert order_at_the_instant(KINDS[::-1]) == KINDS
