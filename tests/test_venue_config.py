"""The user's description of an account in a run, and of transfers."""

import pickle

import pytest

import venues
from venues.errors import VenueError
from venues.instrument import Tier


def venue(name="binance_usdm", **changed):
    return venues.Venue(name, **({"balances": {"USDT": 10_000}} | changed))


def test_defaults_are_those_of_a_plain_cross_account():
    one = venue()
    assert (one.name, one.account, one.margin_mode, one.position_mode) == ("binance_usdm", "main", "cross", "one_way")
    assert (one.latency_ns, one.margin_call, one.adl, one.forced_close) == ((0, 0, 0), 0.8, "off", "matching")
    assert one.balances == {"USDT": 10_000.0}
    assert one.leverage_of("BTC/USDT:USDT") is None


def test_rules_may_be_given_themselves():
    rules = venues.get("binance_usdm", as_of="2021-06-01")
    assert venue(rules).book is rules


@pytest.mark.parametrize(
    ("latency", "expected"),
    [
        ("5ms", (5_000_000,) * 3),
        (1000, (1000,) * 3),
        (("1ms", "2ms", 0), (1_000_000, 2_000_000, 0)),
    ],
)
def test_latency_is_one_duration_or_three(latency, expected):
    assert venue(latency=latency).latency_ns == expected


def test_leverage_may_differ_by_symbol():
    one = venue(leverage={"BTC/USDT:USDT": "5"})
    assert (one.leverage_of("BTC/USDT:USDT"), one.leverage_of("ETH/USDT:USDT")) == (5.0, None)
    assert venue(leverage=3).leverage_of("ETH/USDT:USDT") == 3.0


def test_missing_tiers_are_completed():
    rows = venue(missing_tiers=[Tier(floor=0, maintenance_rate=0.01, max_leverage=50)]).missing_tiers
    assert rows[0].amount == 0.0


def test_rates_of_fees_may_be_text():
    assert venue(fees=("0.0001", "0.0003")).fees == (0.0001, 0.0003)
    assert venue(slippage="2.5").slippage == 2.5


def test_a_description_travels_between_processes():
    one = venue(leverage={"BTC/USDT:USDT": 5}, insurance_fund={"USDT": 1})
    assert pickle.loads(pickle.dumps(one)) == one


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": "binance_usd"}, "no venue 'binance_usd'.*did you mean 'binance_usdm'"),
        ({"name": 7}, "must be a name or venues.get"),
        ({"latensy": 1}, "no argument 'latensy' .did you mean 'latency'"),
        ({"account": "a/b"}, "account must be a name"),
        ({"balances": 5}, "balances must be a mapping of asset"),
        ({"balances": {"USDT": -5}}, r"balances\['USDT'\] must be in \[0, inf\), got -5"),
        ({"balances": {"BTC/USDT": 5}}, "an asset is a name"),
        ({"leverage": 0.5}, r"leverage must be in \[1, inf\)"),
        ({"margin_mode": "isolatd"}, "did you mean 'isolated'"),
        ({"position_mode": "both"}, "position_mode must be one of 'one_way', 'hedge'"),
        ({"collateral": "multi", "margin_mode": "isolated"}, "multi-assets mode is cross only"),
        ({"collateral": "multi", "name": "binance_coinm"}, "no multi-assets mode"),
        ({"fees": "vip10"}, "fees must be one of"),
        ({"fees": (1,)}, "fees must be a level or"),
        ({"fees": (0.5, 0)}, r"maker fee must be in \[-0.01, 0.1\]"),
        ({"discount": 1}, r"discount must be in \[0, 1\)"),
        ({"latency": "5"}, "latency must be a duration"),
        ({"latency": ("1ms", "2ms")}, r"one duration, \(order, response, feed\)"),
        ({"fills": "magic"}, "fills must be one of"),
        ({"slippage": "none"}, "slippage must be 'default' or basis points"),
        ({"slippage": -1}, "slippage must be in"),
        ({"missing_tiers": "neares"}, "did you mean 'nearest'"),
        ({"missing_tiers": []}, "at least one row"),
        ({"margin_call": 0}, "margin_call must be in"),
        ({"adl": "on"}, "adl must be one of"),
        ({"forced_close": "market"}, "forced_close must be one of"),
        ({"insurance_fund": {"USDT": -1}}, "insurance_fund"),
        ({"name": "binance_spot", "leverage": 3}, "a spot account has no margin; leverage would have no effect"),
        ({"name": "binance_spot", "adl": "recorded", "margin_call": 0.5}, "margin_call, adl would have no effect"),
    ],
)
def test_an_argument_that_cannot_be_is_refused_by_name(changed, message):
    with pytest.raises(VenueError, match=message):
        venue(**changed)


# Transfers


def test_money_is_under_way_between_venues_only():
    transfers = venues.Transfers(delay={("a", "b"): "5m"}, fees={"USDT": 1})
    minute = 60 * 10**9
    assert transfers.delay_ns("a", "b") == 5 * minute
    assert transfers.delay_ns("b", "a") == 20 * minute
    assert transfers.delay_ns("a", "a") == 0
    assert venues.Transfers(delay=0).delay_ns("a", "b") == 0
    assert transfers.fees == {"USDT": 1.0}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"delay": "soon"}, "delay must be a duration"),
        ({"delay": {"a": "5m"}}, "keyed by .source venue, target venue."),
        ({"fees": {"USDT": -1}}, "fees"),
        ({"minimun": {}}, "did you mean 'minimum'"),
    ],
)
def test_transfers_that_cannot_be_are_refused(changed, message):
    with pytest.raises(VenueError, match=message):
        venues.Transfers(**changed)
