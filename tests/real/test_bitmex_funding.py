"""BitMEX on real rows: every published funding of XBTUSD from 2016 to 2024 paid by a position; a crash of 2020."""

from decimal import ROUND_DOWN, Decimal
from pathlib import Path

import pandas as pd
import pytest
from engine_data import Notes, Script, account, amounts, balance, marks, run, trades
from test_pitfalls_liquidation import totals

import feeds
import venues

SYMBOL, VENUE = "BTC/USD:BTC", "bitmex"
FUNDING = "funding/bitmex_XBTUSD_funding.parquet"
CRASH = "ohlcv/bitmex_XBTUSD_1m_2020-03-01_2020-03-20.parquet"
ATOM = Decimal("1e-8")
CONTRACTS = 10_000


@pytest.fixture(scope="module")
def rows(real_data: Path) -> pd.DataFrame:
    """The published rates with the price of their stamp."""
    return pd.read_parquet(real_data / FUNDING)


@pytest.mark.parametrize("side", [1, -1])
def test_a_position_pays_every_published_rate_of_eight_years(rows, side):
    """Payment = contracts / price x rate, truncated to satoshis; the price of the file's row stands for the mark."""
    stamps = [int(t.value) for t in rows["time_utc"]]
    # one row has no price: the mark before it counts
    prices = rows["close"].where(rows["close"] > 0).ffill().tolist()
    known = (rows["close"] > 0).tolist()
    data = marks([row[:2] for row in zip(stamps, prices, known, strict=True) if row[2]], SYMBOL, VENUE)
    data += trades([(stamps[0] + 10**9, prices[0], 1e6)], SYMBOL, VENUE)
    frame = pd.DataFrame({"ts": stamps[1:], "rate": rows["funding_rate"].round(8).tolist()[1:], "interval_hours": 8.0})
    data += feeds.from_pandas(frame, kind="funding", venue=VENUE, symbol=SYMBOL)
    script = Script((stamps[0], lambda s: s.target(SYMBOL, quantity=side * CONTRACTS)))
    rules = venues.get(VENUE)
    result = run(data, script, account(rules, {"BTC": 100_000}, leverage=1), on_gap="skip")
    expected = [
        (-side * Decimal(CONTRACTS) * Decimal(repr(rate)) / Decimal(repr(price))).quantize(ATOM, ROUND_DOWN)
        for rate, price in zip(frame["rate"], prices[1:], strict=True)
    ]
    paid = [amount for amount in amounts(result, "funding", name=VENUE) if amount]
    assert len(result.funding) == len(expected) > 8_000
    assert paid == [amount for amount in expected if amount]
    assert all(total == 0 for total in totals(result)[0].values())


def test_rates_never_leave_their_bounds(rows):
    """0.375 % = 75 % of (1 % - 0.5 %); before 2017 the venue had a wider one."""
    rules = venues.get(VENUE).funding_rules(SYMBOL)
    later = rows[rows["time_utc"] >= "2017-09-01"]["funding_rate"]
    assert later.between(rules.floor - 1e-9, rules.cap + 1e-9).mean() > 0.999


def test_a_long_of_10x_through_march_2020_is_taken_over_and_the_fund_pays_or_gains(real_data):
    """The fall of 2020-03-12: 10x from the first minute of the 12th is closed at its bankruptcy price."""
    data = feeds.import_file(real_data / CRASH, symbol=SYMBOL).dataset.between("2020-03-12", "2020-03-14")
    seen = Notes()
    script = Script(
        (int(pd.Timestamp("2020-03-12T00:01", tz="UTC").value), lambda s: s.buy(SYMBOL, quantity=100_000)),
        (int(pd.Timestamp("2020-03-12T00:05", tz="UTC").value), lambda s: s.note(s.position(SYMBOL).liquidation_price)),
        notes=seen,
    )
    own = account(venues.get(VENUE), {"BTC": 20}, leverage=10, margin_mode="isolated", fees=(0, 0.00075))
    result = run(data, script, own, mark="last")
    entry = result.fills["price"].iloc[0]
    value = 100_000 / entry
    # n / LP = n / entry + posInit - maintenance of the entry value
    assert seen[0][1] == pytest.approx(100_000 / (value + value / 10 - value * 0.005), rel=1e-6)
    (step,) = result.liquidations.to_dict("records")
    assert step["what"] == "takeover"
    assert step["price"] == pytest.approx(100_000 / (1.1 * value), abs=0.51)
    lost = 20 - float(balance(result, "BTC", name=VENUE))
    # the margin, the fee of opening, the fee to close of value and margin together
    assert lost == pytest.approx(value / 10 + 0.00075 * value + 0.00075 * 1.1 * value, rel=1e-4)
    assert all(total == 0 for total in totals(result)[0].values())
