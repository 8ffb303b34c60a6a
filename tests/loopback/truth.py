"""What happened on the exchanges of the tests: pure functions of time, so that every answer can be checked."""

from dataclasses import dataclass, field

MS_DAY = 86_400_000
MS_HOUR = 3_600_000
MS_MINUTE = 60_000
PER_DAY = 2_400  # trades
QUIET_HOUR = 5  # without trades


def ms(text):
    """Return ISO text as ms UTC."""
    from feeds.times import time_ns

    return time_ns(text) // 1_000_000


@dataclass(frozen=True)
class Trade:
    """One trade: contiguous id, ms, price and quantity as text, +1 for a buyer who took."""

    id: int
    ts: int
    price: str
    quantity: str
    side: int
    liquidation: str = ""


@dataclass
class World:
    """One instrument's past.

    Attributes
    ----------
    listed : int
        ms; nothing before it.
    now : int
        ms; nothing after it.
    intervals : list of (ms, hours)
        Since when funding is settled how often.
    """

    listed: int = field(default_factory=lambda: ms("2026-10-01"))
    now: int = field(default_factory=lambda: ms("2026-11-10T12:00"))
    intervals: list = field(default_factory=lambda: [(0, 8)])
    absent: set = field(default_factory=set)  # ms of slots that the venue does not have
    _days: dict = field(default_factory=dict)

    def trades(self, low, high):
        """Return the trades with ``low <= ts < high``, by id."""
        found = []
        for day in range(max(low, self.listed) // MS_DAY, min(high, self.now) // MS_DAY + 1):
            found += [each for each in self._day(day) if low <= each.ts < high and self.listed <= each.ts < self.now]
        return found

    def trades_from(self, number, count):
        """Return `count` trades from an id on."""
        day, found = (number - 1) // PER_DAY, []
        while len(found) < count and day * MS_DAY < self.now:
            inside = [each for each in self._day(day) if self.listed <= each.ts < self.now]
            found += [each for each in inside if each.id >= number]
            day += 1
        return found[:count]

    def _day(self, day):
        if day not in self._days:
            self._days[day] = [self._trade(day, place) for place in range(PER_DAY)]
        return self._days[day]

    def _trade(self, day, place):
        """Return the trade at a place in a day: bursts of three share a millisecond, one hour is quiet."""
        burst = place // 3 * 3
        open_ms = MS_DAY - MS_HOUR
        at = burst * open_ms // PER_DAY + (burst * 7919) % 700
        if at >= QUIET_HOUR * MS_HOUR:
            at += MS_HOUR
        number = day * PER_DAY + place + 1
        price = 30_000 + (number * 7919) % 2_000 / 10
        side = 1 if number % 3 else -1
        liquidation = "T" if number % 97 == 0 else ""
        return Trade(number, day * MS_DAY + at, f"{price:.1f}", f"0.{number % 997 + 1:03d}", side, liquidation)

    def slots(self, low, high, step):
        """Return the slots of a grid inside ``low <= slot < high`` that the venue has, those still open included."""
        first = -(-max(low, self.listed) // step) * step
        return [at for at in range(first, min(high, self.now), step) if at not in self.absent]

    def candle(self, at, series="trade"):
        """Return open, high, low, close and volume of a bar as text."""
        shift = {"trade": 0, "mark": 3, "index": 5, "premium": 0}[series]
        place = at // MS_MINUTE
        base = 300_000 + (place * 7919) % 1_000 + shift
        if series == "premium":
            values = ((place * 7919) % 100 - 50, 60, -60, (place * 31) % 100 - 50)
            return [f"{value / 100_000:.8f}" for value in values]
        prices = [f"{(base + move) / 10:.1f}" for move in (0, 9, -7, (place * 31) % 7)]
        return [*prices, f"{place % 89 + 1}.25"] if series == "trade" else prices

    def settlements(self, low, high):
        """Return (ms, rate as text) of funding with ``low <= ts < high``."""
        found = []
        for place, (since, hours) in enumerate(self.intervals):
            until = self.intervals[place + 1][0] if place + 1 < len(self.intervals) else high
            step = hours * MS_HOUR
            begin = -(-max(since, low, self.listed) // step) * step
            times = range(begin, min(until, high, self.now + 1), step)
            found += [
                (at, f"{((at // MS_HOUR * 7919) % 300 - 100) / 1e6:.8f}") for at in times if at not in self.absent
            ]
        return found

    def interest(self, low, high):
        """Return (ms, amount as text) of open interest each five minutes."""
        return [(at, f"{1_000 + (at // MS_MINUTE * 31) % 500}.5") for at in self.slots(low, high, 5 * MS_MINUTE)]
