"""Stop-limit, take-profit, trailing stops, one-cancels-the-other, good-till-date, amending, order rates."""

import pytest
from engine_data import USER_COIN, Listener, Notes, Script, account, bars, book, marks, reasons, run, trades, user_coin

import venues
from backtest import OrderError

COIN = {"tick_size": 1, "lot_size": 1}


def tape(*rows, symbol=USER_COIN):
    """Return trades at whole prices, and a mark of the same value at each."""
    points = [(row[0], row[1]) for row in rows]
    return trades([(when, price, 1000, -1) for when, price in points], symbol) + marks(points, symbol)


def deep(*rows):
    """Return a book of one unit's spread around each price, with trades and marks at it."""
    levels = []
    for number, (when, price) in enumerate(rows):
        levels.append((when, {price - 1: 1000}, {price + 1: 1000}, number >= 0))
    return book(levels, USER_COIN) + tape(*rows)


def coin(**fields):
    return account(user_coin(**COIN), balances={"USDT": 100_000}, **fields)


def filled(result):
    rows = result.fills
    return list(zip(rows["order"], rows["price"], rows["quantity"], strict=True))


def submit(side, quantity, **given):
    return lambda s: s.submit(USER_COIN, side=side, quantity=quantity, **given)


FALL = (("00:00", 100), ("00:01", 100), ("00:02", 95), ("00:03", 90), ("00:04", 92), ("00:05", 93), ("00:06", 93))


@pytest.mark.parametrize("market", [tape, deep])
def test_a_stop_limit_rests_at_its_limit_when_the_market_is_beyond_it(market):
    """Triggered by the trade of 95: on a tape the next trade is beyond its limit and it waits; a book fills it."""
    result = run(market(*FALL), Listener(("00:00:30", submit("sell", 5, stop=95, limit=92, trigger="last"))), coin())
    ((_, price, quantity),) = filled(result)
    assert (price, quantity) == (92, 5) if market is tape else (94, 5)
    assert list(result.orders["type"]) == ["stop_limit"]


def test_a_stop_limit_beyond_its_limit_at_the_trigger_waits_in_the_book():
    result = run(deep(*FALL), Script(("00:00:30", submit("sell", 5, stop=91, limit=98, trigger="last"))), coin())
    assert filled(result) == []
    assert reasons(result) == ["working"]


def test_a_take_profit_limit_is_triggered_by_the_other_way():
    rise = (("00:00", 100), ("00:02", 105), ("00:03", 107), ("00:04", 109))
    result = run(deep(*rise), Script(("00:00:30", submit("sell", 5, take=105, limit=106, trigger="last"))), coin())
    ((_, price, _),) = filled(result)
    assert price == 106
    assert str(result.fills["time"].iloc[0])[11:16] in ("00:03", "00:02")


def test_a_take_profit_market_sells_at_the_touch():
    rise = (("00:00", 100), ("00:02", 105), ("00:03", 107))
    result = run(deep(*rise), Script(("00:00:30", submit("sell", 5, take=105, trigger="mark"))), coin())
    assert [row[2] for row in filled(result)] == [5]


def test_a_trigger_that_would_fire_at_once_is_refused():
    given = [submit("sell", 5, stop=101, limit=99), submit("sell", 5, take=99, limit=99)]
    result = run(deep(*FALL), Script(*(("00:00:30", step) for step in given)), coin())
    assert reasons(result) == ["rejected WOULD_TRIGGER"] * 2


WAVE = (("00:00", 100), ("00:01", 100), ("00:02", 108), ("00:03", 104), ("00:04", 112), ("00:05", 107), ("00:06", 106))


def test_a_trailing_stop_by_share_follows_the_best_price():
    """5 % below the best trade: 102.6 after 108, 106.4 after 112, which 106 meets."""
    result = run(deep(*WAVE), Script(("00:00:30", submit("sell", 5, trailing="5%", trigger="last"))), coin())
    assert str(result.fills["time"].iloc[0])[11:16] == "00:06"


def test_a_trailing_stop_waits_for_its_activation():
    """A distance of 3 would be met at 104; active from 110 on it is met at 107 (112 - 3 = 109)."""
    early = run(deep(*WAVE), Script(("00:00:30", submit("sell", 5, trailing=3, trigger="last"))), coin())
    late = run(deep(*WAVE), Script(("00:00:30", submit("sell", 5, trailing=3, activation=110, trigger="last"))), coin())
    assert [str(each.fills["time"].iloc[0])[11:16] for each in (early, late)] == ["00:03", "00:05"]


def test_a_trailing_stop_with_activation_meets_the_path_of_bars():
    rows = [("00:00", 100, 104, 99, 103), ("01:00", 103, 112, 103, 111), ("02:00", 111, 111, 100, 101)]
    data = bars(rows, USER_COIN) + marks([("00:00", 100), ("03:00", 100)], USER_COIN)
    step = ("00:30", submit("sell", 5, trailing=5, activation=110, trigger="last"))
    result = run(data, Script(step), coin(), bar_path="ohlc")
    ((_, price, _),) = filled(result)
    assert price == 107


OCO = {"side": "sell", "quantity": 5, "limit": 106, "stop": 95}


def test_of_two_orders_the_fill_of_one_cancels_the_other():
    rise = (("00:00", 100), ("00:02", 104), ("00:03", 109), ("00:04", 94))
    result = run(deep(*rise), Script(("00:01", lambda s: s.oco(USER_COIN, **OCO))), coin())
    assert [row[:2] for row in filled(result)] == [(1, 106)]
    assert reasons(result) == ["filled", "canceled SIBLING_MET"]


def test_of_two_orders_the_trigger_of_the_stop_cancels_the_limit():
    result = run(deep(*FALL), Script(("00:00:30", lambda s: s.oco(USER_COIN, **OCO))), coin())
    assert [row[0] for row in filled(result)] == [2]
    assert reasons(result) == ["canceled SIBLING_MET", "filled"]


def test_cancelling_or_refusing_one_of_two_orders_ends_the_other():
    def cancel(strategy):
        strategy.cancel(strategy.orders(USER_COIN)[0])

    result = run(deep(*FALL), Script(("00:00:30", lambda s: s.oco(USER_COIN, **OCO)), ("00:00:40", cancel)), coin())
    assert reasons(result) == ["canceled BY_USER", "canceled SIBLING_MET"]
    taking = OCO | {"limit": 98, "post_only": True}
    result = run(deep(*FALL), Script(("00:00:30", lambda s: s.oco(USER_COIN, **taking))), coin())
    assert reasons(result) == ["rejected WOULD_TAKE", "rejected SIBLING_MET"]


def test_both_orders_are_on_the_right_sides_of_the_market_or_it_is_an_error():
    with pytest.raises(OrderError, match="a sell has its limit above its stop"):
        run(deep(*FALL), Script(("00:00:30", lambda s: s.oco(USER_COIN, **(OCO | {"stop": 110})))), coin())


def test_good_till_date_ends_at_its_time():
    notes = Notes()
    step = ("00:00:30", lambda s: s.buy(USER_COIN, quantity=5, limit=80, until="2m"))
    result = run(deep(*FALL), Listener(step, notes=notes), coin(latency=("100ms", "100ms", "0s")))
    assert reasons(result) == ["expired TIME_OVER"]
    assert list(result.orders["tif"]) == ["GTD"]
    assert str(result.orders["time"].iloc[-1])[11:19] == "00:02:30"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tif": "GTD"}, "needs until="),
        ({"tif": "IOC", "until": "1m"}, "until= is for tif='GTD'"),
        ({"until": "-1m"}, "later than now"),
        ({"until": "soon"}, "until"),
    ],
)
def test_a_time_that_cannot_be_is_refused(given, message):
    with pytest.raises(OrderError, match=message):
        run(deep(*FALL), Script(("00:01", lambda s: s.buy(USER_COIN, quantity=5, limit=80, **given))), coin())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"stop": 90, "take": 110}, "one of stop=, take=, trailing=, got stop and take"),
        ({"trailing": 2, "limit": 90}, "takes no limit="),
        ({"activation": 90}, "give trailing="),
        ({"trailing": "5"}, "a share such as '0.5%'"),
        ({"trailing": 0.01}, "at least one tick"),
    ],
)
def test_an_order_that_cannot_be_is_refused(given, message):
    with pytest.raises(OrderError, match=message):
        run(deep(*FALL), Script(("00:01", submit("sell", 5, **given))), coin())


def amended(**change):
    """Two bids at 99; the first is amended; then 8 of 1000 + 8 ... trade there."""

    def amend(strategy):
        first = min(strategy.orders(USER_COIN), key=lambda order: order.id)
        strategy.amend(first, **change)

    levels = book([("00:00", {98: 1000}, {101: 1000})], USER_COIN)
    data = levels + marks([("00:00", 100), ("01:00", 100)], USER_COIN) + trades([("00:05", 99, 6, -1)], USER_COIN)
    steps = [
        ("00:01", lambda s: s.buy(USER_COIN, quantity=8, limit=99)),
        ("00:02", lambda s: s.buy(USER_COIN, quantity=8, limit=99)),
    ]
    return filled(run(data, Script(*steps, ("00:03", amend)), coin()))


def test_an_amended_order_goes_to_the_back_of_the_queue():
    assert amended(quantity=7) == [(2, 99, 6)]


def test_an_order_made_smaller_keeps_its_place_where_the_venue_says_so(monkeypatch):
    from backtest.run_rules import VenueFigures

    monkeypatch.setattr(VenueFigures, "_amend_keeps_place", lambda self, name: True)
    assert amended(quantity=7) == [(1, 99, 6)]
    assert amended(quantity=9) == [(2, 99, 6)]


def test_orders_beyond_the_rate_of_the_venue_are_refused():
    """Binance exchangeInfo, rateLimits: 300 orders in 10 seconds."""

    def many(strategy):
        for _ in range(305):
            strategy.buy(USER_COIN, quantity=1, limit=50, tif="IOC")

    result = run(deep(*FALL), Script(("00:00:30", many), ("00:00:41", many)), coin())
    why = reasons(result)
    assert why[:300] == ["expired NOT_FILLABLE"] * 300
    assert why[300:305] == ["rejected TOO_MANY_REQUESTS"] * 5
    assert why[305] == "expired NOT_FILLABLE"
    assert list(venues.get("binance_usdm").facts.order_rates[0].value) == [(300, 10.0), (1200, 60.0)]
