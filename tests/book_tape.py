"""A random book with trades at its touch, drawn by the second, so that its future can be drawn anew from a time on."""

from random import Random

from engine_data import SECOND, USDM, USER_COIN, frame, marks, ns, trades

import feeds
from backtest import Strategy

START = ns("00:00")
LEVELS = 6


def draw(seed, seconds, future=None):
    """Return rows of book, trades and marks: `future` is (a time, another seed) from which on everything is another."""
    random, book, tape, points = Random(seed), [], [], []
    middle, state, seq = 1_000, {1: {}, -1: {}}, 0
    for second in range(seconds):
        now = START + second * SECOND
        if future is not None and now >= future[0]:
            random, future = Random(future[1]), None
        if random.random() < 0.35:
            middle += random.choice((-2, -1, 1, 2))
        if random.random() < 0.6:
            side = random.choice((1, -1))
            best = max(state[1], default=0) if side < 0 else min(state[-1], default=0)
            if best:
                tape.append((now, best, random.randrange(1, 12), side))
        wanted = {
            side: {middle - side * (k + 1): random.randrange(1, 30) for k in range(LEVELS) if random.random() < 0.9}
            for side in (1, -1)
        }
        is_whole = second % 60 == 0
        changes = []
        for side in (1, -1):
            if is_whole:
                changes += [(side, price, size) for price, size in wanted[side].items()]
                continue
            gone = [price for price in state[side] if price not in wanted[side]]
            moved = [price for price in wanted[side] if price not in state[side] or random.random() < 0.3]
            changes += [(side, price, 0) for price in gone]
            changes += [(side, price, wanted[side][price]) for price in moved]
        for side, price, size in changes:
            state[side] = {} if is_whole and (side, price, size) == changes[0] else state[side]
            book.append((now, seq, seq - 1, int(is_whole), side, price, size))
        if is_whole:
            state = {side: dict(wanted[side]) for side in (1, -1)}
        else:
            for side, price, size in changes:
                state[side].pop(price, None)
                if size:
                    state[side][price] = size
        seq += 1 if changes else 0
        points.append((now, middle))
    return book, tape, points


def market(seed, seconds, future=None):
    """Return the dataset of `draw`."""
    book, tape, points = draw(seed, seconds, future)
    rows = frame(book, "seq prev_seq is_snapshot side price quantity")
    levels = feeds.from_pandas(rows, kind="book", venue=USDM, symbol=USER_COIN)
    return levels + trades(tape, USER_COIN) + marks(points, USER_COIN)


class Quoter(Strategy):
    """Quotes at and behind the touch, takes now and then, and writes down what it sees."""

    seed: int = 0

    def on_start(self):
        """Wake every few seconds."""
        self.random = Random(self.seed)
        self.every("3s")

    def on_book(self, event):
        """Note the touch."""
        self.record(bid=event.bid, ask=event.ask, depth=event.bid_quantity)

    def on_timer(self, timer):
        """Cancel, quote, take or protect."""
        state = self.book(USER_COIN)
        choice = self.random.random()
        if choice < 0.2:
            self.cancel_all(USER_COIN)
        if state.bid is None or state.ask is None:
            return
        held = self.position(USER_COIN).quantity
        size = self.random.randrange(1, 15)
        if choice < 0.75:
            back = self.random.randrange(0, 3)
            if held < 40:
                self.buy(USER_COIN, quantity=size, limit=state.bid - back, post_only=choice < 0.5)
            if held > -40:
                self.sell(USER_COIN, quantity=size, limit=state.ask + back, post_only=choice < 0.5)
        elif choice < 0.85:
            self.target(USER_COIN, quantity=self.random.randrange(-20, 21))
        elif choice < 0.92:
            self.buy(USER_COIN, quantity=size, limit=state.ask + 1, tif=self.random.choice(("IOC", "FOK")))
        elif held:
            self.protect(USER_COIN, stop=state.mid * (0.99 if held > 0 else 1.01))
