"""Dated contracts in a run: the average that they settle at, the mark before it, fees, funds, errors, sessions."""

from decimal import Decimal

import pytest
from engine_data import (
    MINUTE,
    Notes,
    Script,
    account,
    amounts,
    balance,
    bars,
    constant,
    marks,
    ns,
    points,
    postings,
    reasons,
    run,
    totals,
    trades,
    user_coin,
)

import venues
from backtest import Strategy
from backtest.deliveries import time_average
from backtest.errors import ConfigError
from feeds.dataset import Dataset

DATED, DATED_INVERSE = "X/USDT:USDT-250102", "X/USD:X-250102"
EXPIRY = "2025-01-02T08:00"
USDM = "binance_usdm"


def late(minutes):
    """Return ns of so many minutes before the expiry (negative: after it)."""
    return ns(EXPIRY) - minutes * MINUTE


def index(rows, symbol=DATED, venue=USDM):
    return points("index", rows, symbol, venue)


def flat(price=100, until=-5, symbol=DATED, venue=USDM):
    """Return marks and trades of one price from 90 minutes before the expiry on."""
    return constant(price, start=late(90), end=late(until), symbol=symbol, venue=venue)


def rules(symbol=DATED, venue=USDM, **fields):
    return user_coin(symbol, rules=venue, **fields)


class Witness(Script):
    """A script that notes what it hears of settlements."""

    def on_settlement(self, event):
        self.note(event)


def long(quantity=10, *more, kind=Witness, notes=None, symbol=DATED):
    return kind((late(80), lambda s: s.buy(symbol, quantity=quantity)), *more, notes=notes)


def test_a_dated_contract_settles_at_the_time_average_of_its_last_hour():
    """Index 100 for half of the hour, 110 for a quarter, 130 for a quarter: 110; before the hour 90 does not count."""
    data = flat() + index([(late(90), 90), (late(60), 100), (late(30), 110), (late(15), 130)])
    seen = Notes()
    result = run(data, long(notes=seen), account(rules()))
    assert postings(result, "settlement") == 100
    assert balance(result) == 10_100
    ((when, event),) = seen
    assert when == ns(EXPIRY) == event.time
    assert (event.price, event.quantity, event.realized_pnl) == (110.0, 10.0, 100.0)
    assert result.fills["forced"].tolist() == ["own", "settlement"]
    assert result.trades["exit_reason"].tolist() == ["settlement"]
    assert all(total == 0 for total in totals(result)[0].values())


def test_an_inverse_contract_settles_in_coin():
    """1,000 USD from 100 to 125: 10 - 8 coins."""
    symbol = DATED_INVERSE
    data = flat(symbol=symbol, venue="binance_coinm") + index([(late(90), 125)], symbol, "binance_coinm")
    own = account(rules(symbol, "binance_coinm", contract="inverse", lot_size=1), {"X": 20})
    result = run(data, long(1000, symbol=symbol), own)
    assert amounts(result, "settlement", name="binance_coinm") == [Decimal(2)]


def test_the_index_may_be_that_of_another_contract_of_the_pair():
    other = "X/USDT:USDT"
    data = flat() + constant(1, start=late(90), end=late(-5), symbol=other) + index([(late(90), 107)], other)
    own = account(rules(), missing_tiers=[venues.Tier(floor=0, maintenance_rate=0.005, max_leverage=100)])
    assert postings(run(data, long(), own), "settlement") == 70


def test_index_bars_count_with_the_mean_of_their_four_prices():
    rows = [(late(60) + i * MINUTE, 100, 108, 96, 104) for i in range(60)]
    made = bars(rows, DATED, USDM, timeframe="1m", kind="index")
    assert time_average(made.streams[0], late(60), late(0)) == pytest.approx(
        102 * 10 ** made.streams[0].scales["price"]
    )
    assert postings(run(flat() + made, long(), account(rules())), "settlement") == 20
    less = bars(rows[:30] + rows[31:], DATED, USDM, timeframe="1m", kind="index")
    assert time_average(less.streams[0], late(60), late(0)) is None


def test_after_its_expiry_a_contract_takes_no_orders_and_pays_no_funding():
    data = flat(until=-5) + index([(late(90), 100)])
    script = long(10, (late(-2), lambda s: s.buy(DATED, quantity=1)))
    result = run(data, script, account(rules()))
    assert reasons(result) == ["filled", "rejected DELISTED"]
    assert balance(result) == 10_000


def test_orders_that_rest_at_the_expiry_are_cancelled():
    data = flat() + index([(late(90), 100)])
    script = long(10, (late(70), lambda s: s.buy(DATED, quantity=1, limit=50)))
    assert "canceled BY_VENUE" in reasons(run(data, script, account(rules())))


def test_a_mark_from_the_index_walks_to_the_average():
    """100 until half of the hour, then 120: half-way through the rest it is (100 x 30 + 120 x 30) / 60 = 110."""
    seen = Notes()
    data = trades([(late(90) + i * MINUTE, 100, 1000) for i in range(90)], DATED, USDM)
    data += index([(late(m), 100 if m > 30 else 120) for m in range(90, -1, -1)])
    look = [(late(m) + MINUTE // 2, lambda s: s.note(s.position(DATED).unrealized_pnl)) for m in (65, 45, 30, 15, 1)]
    result = run(data, long(10, *look, kind=Script, notes=seen), account(rules()), mark="index")
    # at 30 minutes left: 100 for 30 and 120 for 30
    assert [pnl for _, pnl in seen] == [0, 0, 100, 100, 100]
    assert postings(result, "settlement") == 100


def test_a_loss_at_the_settlement_beyond_the_account_is_the_funds():
    """1,000 long at 10x: the mark stands at 100 while the index says 80."""
    data = flat() + index([(late(90), 80)])
    own = account(rules(), {"USDT": 10_000}, leverage=20, insurance_fund={"USDT": 50_000})
    result = run(data, long(1_000), own)
    assert postings(result, "settlement") == -20_000
    assert balance(result) == 0
    assert totals(result)[1]["USDT", f"{USDM} insurance_fund"] == 40_000 * 10**8


def test_a_venue_charges_its_fee_of_delivery():
    """Bybit, 0.05 % of 10 x 110."""
    data = flat(venue="bybit") + index([(late(90), 110)], DATED, "bybit")
    result = run(data, long(), account(rules(venue="bybit")))
    assert amounts(result, "fee", name="bybit")[-1] == Decimal("-0.55")
    assert balance(result, name="bybit") == Decimal("10099.45")


def test_a_recorded_settlement_wins():
    data = flat() + index([(late(90), 110)])
    row = {"ts": ns(EXPIRY), "venue": USDM, "symbol": DATED, "what": "delisting", "value": 107}
    data += Dataset([], venue_events=[row])
    assert postings(run(data, long(), account(rules())), "settlement") == 70


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (None, "settles at the average of its index, of which the data have none; add index rows of X/USDT"),
        ([(late(20), 100)], "which the data do not cover"),
    ],
)
def test_without_the_index_of_the_window_the_run_does_not_start(rows, message):
    data = flat() if rows is None else flat() + index(rows)
    with pytest.raises(ConfigError, match=message):
        run(data, long(), account(rules()))


def test_a_run_that_ends_before_the_expiry_needs_no_index():
    result = run(flat(until=10), long(), account(rules()))
    assert result.fills["forced"].tolist() == ["own"]


class Nosy(Strategy):
    """Notes all prices it can see before the expiry."""

    def on_start(self):
        self.every("1m", name="look")

    def on_timer(self, timer):
        self.buy(DATED, quantity=1)


def test_nothing_of_the_settlement_price_is_known_before_it():
    """Another index after the last look changes no order before it."""
    frames = []
    for last in (100, 300):
        data = flat() + index([(late(90), 100), (late(2), last)])
        made = run(data, Nosy(), account(rules()))
        before = made.fills[made.fills["time"].astype("int64") < late(2)]
        frames.append(before.drop(columns=["order"]).to_csv())
    assert frames[0] == frames[1]


def test_marks_of_the_feed_are_taken_as_they_come():
    data = marks([(late(90), 100), (late(10), 130)], DATED, USDM) + index([(late(90), 100)])
    data += trades([(late(79), 100, 1000), (late(5), 130, 1000)], DATED, USDM)
    seen = Notes()
    look = (late(5), lambda s: s.note(s.position(DATED).unrealized_pnl))
    run(data, long(10, look, kind=Script, notes=seen), account(rules()))
    assert [pnl for _, pnl in seen] == [300]


def test_a_contract_ends_at_the_hour_of_its_venue_also_when_its_row_has_none():
    """BitMEX at noon: 1,000 USD from 100 to 125 by the average of 30 minutes; its fee is 0.05 % of 8 coins."""
    symbol, venue, noon = "BTC/USD:BTC-250328", "bitmex", ns("2025-03-28T12:00")
    row = {"ts": 0, "venue": venue, "symbol": symbol, "valid_from": 0, "contract": "inverse", "contract_size": 1}
    data = constant(100, start=noon - 90 * MINUTE, end=noon + 5 * MINUTE, symbol=symbol, venue=venue)
    data += points("index", [(noon - 90 * MINUTE, 100), (noon - 30 * MINUTE, 125)], symbol, venue)
    data += Dataset([], instruments=[row])
    script = Witness((noon - 80 * MINUTE, lambda s: s.buy(symbol, quantity=1000)))
    result = run(data, script, account(venue, {"BTC": 20}))
    assert [t.hour for t in result.fills["time"]] == [10, 12]
    assert amounts(result, "settlement", name=venue) == [Decimal(2)]
    assert amounts(result, "fee", name=venue)[-1] == Decimal("-0.004")
