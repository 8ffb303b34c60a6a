"""Orders against a replayed book: when they fill, at what price, how much; what the strategy is told of it."""

import pytest
from engine_data import (
    USDM,
    USER_COIN,
    Listener,
    Notes,
    Script,
    account,
    bars,
    book,
    frame,
    marks,
    reasons,
    run,
    trades,
    user_coin,
)

import feeds
import venues
from backtest import ConfigError, Strategy
from feeds.errors import FeedError

LADDER = ({99: 40, 98: 60}, {101: 30, 102: 50, 105: 100})


def coin(**fields):
    return user_coin(tick_size=1, lot_size=1, **fields)


def rules(**fields):
    return account(coin(), balances={"USDT": 1_000_000}, **fields)


def market(*messages, tape=(), last="01:00"):
    """Return a book that begins at 00:00 with LADDER, trades and a mark of 100."""
    levels = book([("00:00", *LADDER), *messages], USER_COIN)
    found = levels + marks([("00:00", 100), (last, 100)], USER_COIN)
    return found + trades(tape, USER_COIN) if tape else found


def fills(result):
    """Return (price, quantity, is_maker) of each fill."""
    rows = result.fills
    return list(zip(rows["price"], rows["quantity"], rows["is_maker"], strict=True))


def buy(quantity, **more):
    return lambda s: s.buy(USER_COIN, quantity=quantity, **more)


def sell(quantity, **more):
    return lambda s: s.sell(USER_COIN, quantity=quantity, **more)


def outcome(data, *steps, **options):
    result = run(data, Script(*steps), rules(**options))
    return fills(result), reasons(result)


def test_a_market_order_walks_the_book_from_the_best_level_on():
    found = outcome(market(), ("00:01", buy(70)))
    assert found == ([(101, 30, False), (102, 40, False)], ["filled"])


def test_what_a_market_order_took_stays_taken_until_the_feed_changes_the_level():
    """B21."""
    data = market(("00:03", {}, {102: 50}), ("00:05", {}, {101: 20}))
    found, _ = outcome(data, ("00:01", buy(70)), ("00:02", buy(5)), ("00:04", buy(5)), ("00:06", buy(5)))
    assert found[2:] == [(102, 5, False), (102, 5, False), (101, 5, False)]


def test_what_the_book_does_not_hold_expires():
    found, why = outcome(market(), ("00:01", sell(101)))
    assert (sum(row[1] for row in found), why) == (100, ["expired NOT_FILLABLE"])


def test_a_limit_takes_up_to_its_price_and_the_rest_waits_at_it():
    data = market(tape=[("00:02", 102, 20, 1)])
    found, why = outcome(data, ("00:01", buy(100, limit=102)))
    assert found == [(101, 30, False), (102, 50, False)]
    assert why == ["working"]


def test_immediate_or_cancel_takes_what_there_is_and_fill_or_kill_all_or_nothing():
    steps = (
        ("00:01", buy(40, limit=101, tif="IOC")),
        ("00:02", buy(60, limit=102, tif="FOK")),
        ("00:03", buy(50, limit=102, tif="FOK")),
    )
    found, why = outcome(market(), *steps)
    assert found == [(101, 30, False), (102, 50, False)]
    assert why == ["expired NOT_FILLABLE", "expired NOT_FILLABLE", "filled"]


def test_a_post_only_order_that_would_take_is_refused():
    found, why = outcome(
        market(), ("00:01", buy(1, limit=101, post_only=True)), ("00:02", buy(1, limit=100, post_only=True))
    )
    assert (found, why) == ([], ["rejected WOULD_TAKE", "working"])


def test_a_resting_order_fills_with_what_a_trade_has_left_after_the_queue_ahead():
    data = market(tape=[("00:02", 99, 25, -1), ("00:03", 99, 25, -1)])
    assert outcome(data, ("00:01", buy(50, limit=99)))[0] == [(99, 10, True)]


def test_a_trade_by_ones_own_side_does_not_fill():
    data = market(tape=[("00:02", 99, 100, 1)])
    assert outcome(data, ("00:01", buy(50, limit=99)))[0] == []


def test_a_trade_through_the_price_fills_with_at_most_its_quantity():
    data = market(tape=[("00:02", 98, 7, -1)])
    assert outcome(data, ("00:01", buy(50, limit=99)))[0] == [(99, 7, True)]


def test_two_own_orders_share_one_trade_the_better_price_first():
    """B21: they do not both eat it."""
    data = market(tape=[("00:02", 97, 12, -1)])
    found, _ = outcome(data, ("00:01", buy(10, limit=98)), ("00:01:30", buy(10, limit=99)))
    assert found == [(99, 10, True), (98, 2, True)]


def test_two_own_orders_of_one_price_keep_their_order():
    data = market(("00:02", {99: 0}, {}), tape=[("00:03", 99, 12, -1)])
    found = run(data, Script(("00:01", buy(10, limit=99)), ("00:01:30", buy(5, limit=99))), rules()).fills
    assert list(zip(found["order"], found["quantity"], strict=True)) == [(1, 10), (2, 2)]


def test_a_trade_and_the_book_at_one_stamp_shorten_the_queue_once():
    """B37: the book of 00:02 shows the trade of 00:02; 20 of 40 are left ahead, not none."""
    data = market(("00:02", {99: 20}, {}), tape=[("00:02", 99, 20, -1), ("00:03", 99, 25, -1)])
    assert outcome(data, ("00:01", buy(50, limit=99)), queue="front_power:1")[0] == [(99, 5, True)]


def test_the_queue_position_of_the_worked_case_decides_the_fill():
    """LL-43 (leverage_lab.md section 10.3): 40 ahead, the level goes from 100 to 80 without trades, f = x: 32 ahead."""
    data = market(("00:02", {99: 100}, {}), ("00:03", {99: 80}, {}), tape=[("00:04", 99, 33, -1)])
    assert outcome(data, ("00:01", buy(50, limit=99)), queue="power:1")[0] == [(99, 1, True)]
    assert outcome(data, ("00:01", buy(50, limit=99)), queue="risk_averse")[0] == []


def test_the_other_side_reaching_the_price_fills_with_what_it_shows():
    data = market(("00:02", {99: 0}, {99: 12, 101: 0}), ("00:03", {}, {99: 12}), ("00:04", {}, {99: 14}))
    assert outcome(data, ("00:01", buy(50, limit=99)))[0] == [(99, 12, True), (99, 14, True)]


def test_a_level_beyond_what_the_feed_shows_has_an_unknown_queue_until_it_comes_into_sight():
    data = market(("00:02", {90: 8}, {}), tape=[("00:03", 90, 9, -1)])
    assert outcome(data, ("00:01", buy(5, limit=90)))[0] == [(90, 1, True)]
    blind = market(tape=[("00:03", 90, 9, -1)])
    assert outcome(blind, ("00:01", buy(5, limit=90)))[0] == []


def test_a_stop_walks_the_book_when_it_is_triggered():
    data = market(tape=[("00:02", 97, 1, -1)])
    steps = (("00:01", buy(10)), ("00:01:30", lambda s: s.protect(USER_COIN, stop=97, trigger="last")))
    assert outcome(data, *steps)[0] == [(101, 10, False), (99, 10, False)]


def broken():
    messages = [("00:00", *LADDER), ("00:10", {99: 1}, {}), ("00:20", {90: 30}, {110: 30}, True)]
    rows = book(messages, USER_COIN).streams[0].table().to_pandas()
    rows.loc[rows["seq"] == 1, "prev_seq"] = 7
    rows.loc[rows["seq"] == 1, "seq"] = 9
    levels = feeds.from_pandas(
        rows[["ts", "seq", "prev_seq", "is_snapshot", "side", "price", "quantity"]],
        kind="book",
        venue=USDM,
        symbol=USER_COIN,
    )
    return levels + marks([("00:00", 100), ("01:00", 100)], USER_COIN)


def test_a_sequence_break_is_an_error_unless_it_is_accepted():
    """feeds.md B2."""
    with pytest.raises(FeedError, match=r"an update does not follow.*on_gap='warn'"):
        run(broken(), Script(), rules())


def test_takers_wait_for_the_snapshot_after_a_sequence_break():
    result = run(
        broken(),
        Script(("00:15", buy(5)), ("00:16", buy(5, limit=120)), ("00:17", buy(5, limit=95))),
        rules(),
        on_gap="warn",
    )
    assert fills(result) == [(110, 5, False), (110, 5, False)]
    assert str(result.fills["time"].iloc[0]).startswith("2025-01-01 00:20")
    assert any("unknown book" in text for text in result.findings)


def test_a_forced_close_in_a_thin_book_pays_for_its_depth():
    """Five are bid above the bankruptcy price of a long of 100; the fund takes over the rest at it.

    2,000 USDT less 5 x 15 back 95 at 100: (100 x 95 - 1,925) / 95 = 79.74, on the price unit below.
    """
    levels = book([("00:00", {99: 200}, {100: 200}), ("00:02", {99: 0, 85: 5, 60: 200}, {})], USER_COIN)
    data = levels + marks([("00:00", 100), ("00:03", 80.3), ("00:30", 80.3)], USER_COIN)
    owner = account(coin(), balances={"USDT": 2_000}, leverage=20)
    result = run(data, Script(("00:01", buy(100))), owner, on_ruin="continue")
    steps = result.liquidations
    assert list(zip(steps["what"], steps["price"], steps["quantity"], strict=True)) == [
        ("liquidation", 85, 5),
        ("takeover", 79.7, 95),
    ]
    assert float(result.equity["equity"].iloc[-1]) == 0


class Reader(Strategy):
    """Notes what on_book and on_quote are told and what book() says then."""

    def __init__(self, notes):
        super().__init__()
        self.notes = notes

    def on_book(self, event):
        """Note the touch."""
        state = self.book(USER_COIN)
        self.notes.append((event.bid, event.bid_quantity, event.ask, event.ask_quantity, event.is_valid))
        assert (state.bid, state.ask, state.age) == (event.bid, event.ask, 0)

    def on_stop(self):
        """Note the view at the end."""
        state = self.book(USER_COIN)
        self.notes.append((state.mid, state.spread, state.microprice, state.tick, state.levels("ask", 1)))


def test_the_strategy_hears_one_event_for_each_message():
    notes = Notes()
    run(market(("00:02", {100: 10}, {101: 40, 102: 0})), Reader(notes), rules())
    assert notes == [(99, 40, 101, 30, True), (100, 10, 101, 40, True), (100.5, 1, 100 + 10 / 50, 1, [(101, 40)])]


def test_the_strategy_sees_the_book_one_feed_latency_late():
    notes = Notes()
    steps = (
        ("00:02:01", lambda s: s.note(s.book(USER_COIN).bid)),
        ("00:02:03", lambda s: s.note(s.book(USER_COIN).bid)),
    )
    run(market(("00:02", {100: 10}, {})), Script(*steps, notes=notes), rules(latency=("0s", "0s", "2s")))
    assert [row[1] for row in notes] == [99, 100]


def quotes():
    rows = [("00:00", 99, 40, 101, 30), ("00:02", 99, 40, 102, 5), ("00:30", 99, 40, 103, 50)]
    made = frame(rows, "bid_price bid_quantity ask_price ask_quantity")
    return feeds.from_pandas(made, kind="quotes", venue=USDM, symbol=USER_COIN) + marks(
        [("00:00", 100), ("01:00", 100)], USER_COIN
    )


def test_with_quotes_a_market_order_goes_on_with_the_next_quote():
    assert outcome(quotes(), ("00:01", buy(40)), fills="book")[0] == [
        (101, 30, False),
        (102, 5, False),
        (103, 5, False),
    ]


def test_on_quote_is_told_of_quotes():
    heard = Notes()

    class Quoted(Strategy):
        def on_quote(self, event):
            heard.append((event.bid, event.ask))

    run(quotes(), Quoted(), rules())
    assert heard == [(99, 101), (99, 102), (99, 103)]


def test_bars_beside_a_book_are_told_and_do_not_fill():
    data = market() + bars([("00:00", 100, 140, 60, 100)], USER_COIN)
    assert outcome(data, ("00:01", buy(5, limit=90)))[0] == []


def test_fills_by_book_need_a_book():
    tape = marks([("00:00", 100)], USER_COIN) + trades([("00:00", 100, 1)], USER_COIN)
    with pytest.raises(ConfigError, match=r"fills='book' needs book or quotes rows, the data have mark, trades"):
        run(tape, Script(), rules(fills="book"))


def test_accounts_of_one_venue_cannot_mix_book_and_tape():
    pair = [rules(fills="book"), rules(fills="next_trade", account="other")]
    with pytest.raises(ConfigError, match=r"fills='book', 'next_trade'; the orders of one market meet a book"):
        run(market(tape=[("00:01", 100, 1)]), Script(), *pair)


def test_accounts_without_fills_by_book_ignore_it():
    data = market(tape=[("00:02", 103, 100, 1)])
    assert outcome(data, ("00:01", buy(5)), fills="next_trade")[0] == [(103, 5, False)]


@pytest.mark.parametrize("queue", ["power", "power:0", "power:x", "log:2", "risk_averse:1"])
def test_a_queue_model_that_is_none_is_refused(queue):
    with pytest.raises(venues.VenueError, match=r"queue must be one of risk_averse, log, log_total, fifo, power:N"):
        rules(queue=queue)


def test_slippage_given_comes_on_top_of_the_levels():
    assert outcome(market(), ("00:01", buy(5)), slippage=100)[0] == [(103, 5, False)]


def test_the_first_screen_says_how_orders_fill():
    text = str(run(market(), Listener(), rules(queue="power:3")))
    assert "takers walk the book, limits wait in the queue of their level (power:3)" in text
    assert "0 bp on top of the book" in text
