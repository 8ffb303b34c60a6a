"""What a strategy asks for and the data can never give is told, or refused at the start."""

import pytest
from engine_data import CASH, LINEAR, SPOT, USDM, Script, account, constant, funding, marks, points, run

from backtest import ConfigError
from feeds.errors import FeedError


def flat():
    return constant(60_000, start="00:00", end="06:00")


def ask(strategy):
    strategy.record(rate=strategy.funding(LINEAR).predicted_annual or 0.0)


def told(result):
    return [text for text in result.warnings if "predicted" in text]


def test_a_predicted_rate_that_never_was_is_told_with_what_would_give_it():
    (text,) = told(run(flat() + funding([("04:00", 0.0001)]), Script(("01:00", ask), ("05:00", ask))))
    assert text.startswith(f"{LINEAR}@{USDM}")
    assert "premium" in text
    assert "kind 'predicted'" in text


def test_a_predicted_rate_that_was_there_once_is_not_told():
    premium = points("premium", [(f"0{hour}:00", 0.0002) for hour in range(2, 6)])
    settled = funding([("04:00", 0.0001)])
    assert told(run(flat() + settled + premium, Script(("01:00", ask), ("03:30", ask)))) == []
    assert told(run(flat() + settled + premium, Script(("01:00", ask)))) != []


def test_the_last_rate_needs_no_prediction():
    result = run(flat() + funding([("04:00", 0.0001)]), Script(("05:00", lambda s: s.funding(LINEAR).last_annual)))
    assert told(result) == []


class Subscriber(Script):
    """Wants hourly bars."""

    def on_start(self):
        """Subscribe."""
        self.subscribe_bars(LINEAR, "1h")


def points_only():
    """Return marks and the trades of another venue."""
    return marks([("00:00", 60_000), ("03:00", 60_000)]) + constant(
        60_000, start="00:00", end="03:00", symbol=SPOT, venue=CASH
    )


def test_bars_of_a_symbol_without_trades_or_bars_are_refused():
    with pytest.raises(ConfigError, match=r"bars of BTC/USDT:USDT@binance_usdm.*the data have mark, they need trades"):
        run(points_only(), Subscriber(), account(), account(CASH))


def test_history_of_a_field_that_the_data_lack_is_refused():
    def look(field):
        return Script(("02:30", lambda s: s.history([LINEAR], "1h", 2, field=field)))

    run(points_only(), look("close"), account(), account(CASH))
    with pytest.raises(FeedError, match="has no volume"):
        run(points_only(), look("volume"), account(), account(CASH))


def test_a_perpetual_without_funding_rows_is_told():
    """No rates in the data are no funding: the first screen says so, of perpetuals alone."""

    def said(result):
        return [(row["value"], row["note"]) for row in result.assumptions if row["name"] == "funding"]

    paid = constant(60_000, start="00:00", end="01:00") + funding([("00:30", 0.0001)])
    assert said(run(paid, Script(("00:10", lambda s: s.buy(LINEAR, quantity=1))))) == []
    free = constant(60_000, start="00:00", end="01:00")
    assert said(run(free, Script(("00:10", lambda s: s.buy(LINEAR, quantity=1))))) == [
        ("none is paid: the data have no rates", LINEAR)
    ]
