"""Fees by volume: the level of the last thirty days, renewed each day."""

import pytest
from engine_data import DAY, LINEAR, Listener, account, constant, ns, run

import venues

NOON = 12 * 3600 * 10**9


def days(number):
    """Return noon of a day, counted from 2025-01-01."""
    return ns("00:00") + number * DAY + NOON


def market(last):
    return constant(100_000, start="00:00", end=ns("00:00") + last * DAY, step=6 * 3600 * 10**9)


def rates(result):
    """Return the fee rate of every fill, in percent."""
    fills = result.fills
    return [
        round(100 * fee / (price * size), 4)
        for fee, price, size in zip(fills.fee, fills.price, fills.quantity, strict=True)
    ]


def rich(**options):
    options = {"fees": "by_volume", "balances": {"USDT": 10_000_000_000}} | options
    return account(**options)


def trades(*steps):
    return Listener(*((days(day), lambda s, q=quantity: s.buy(LINEAR, quantity=q)) for day, quantity in steps))


def test_a_level_begins_the_day_after_its_volume_was_traded_and_ends_after_thirty_days():
    # 160 x 100,000 = 16 million on day 0: VIP 1 (15 million) from day 1 to day 30, regular from day 31 on
    strategy = trades((0, 80), (0, 80), (1, 1), (30, 1), (31, 1), (32, 1))
    result = run(market(33), strategy, rich(), limits=False)
    assert rates(result) == [0.05, 0.05, 0.04, 0.04, 0.05, 0.05]


def test_a_volume_from_before_the_start_fades_evenly():
    # 30 million are 1 million a day: VIP 1 as long as at least 15 of those days count
    strategy = trades((0, 0.001), (14, 0.001), (15, 0.001), (16, 0.001))
    result = run(market(18), strategy, rich(volume=30_000_000), limits=False)
    assert rates(result) == [0.04, 0.04, 0.04, 0.05]


def test_the_level_of_a_volume_is_the_highest_that_it_reaches():
    rules = venues.get("binance_usdm")
    assert rules.level_of_volume(0) == "regular"
    assert rules.level_of_volume(15_000_000) == "vip1"
    assert rules.level_of_volume(14_999_999.99) == "regular"
    assert rules.level_of_volume(1e12) == "vip9"


def test_a_level_can_be_named():
    result = run(market(1), trades((0, 1)), rich(fees="vip9"), limits=False)
    assert rates(result) == [0.017]


def test_levels_of_volume_are_refused_where_they_have_no_effect():
    with pytest.raises(venues.VenueError, match="volume=5 has no effect without fees='by_volume'"):
        account(fees="regular", volume=5)
    with pytest.raises(venues.VenueError, match="did you mean 'vip3'"):
        account(fees="vip 3")


def test_a_result_says_from_which_volume_its_fees_began():
    result = run(market(1), trades((0, 1)), rich(volume=30_000_000), limits=False)
    (said,) = result.config["venues"]
    assert (said["fees"], said["volume"]) == ("by_volume", 30_000_000)
