"""The other venues' ways in exact numbers, by their pages: Bybit, OKX, BitMEX, Deribit, Hyperliquid, dYdX."""

from fractions import Fraction

from reference.house import House, shrinks
from reference.rounding import ceiling, floor
from reference.slices import QUANTUM


class WithFee(House):
    """A venue whose margins hold the taker fee of closing, paid by forced fills and takeovers too."""

    keeps_average = False
    forced_fee = "trading"
    charges_takeover = True
    holds_fee = True
    fee_moves = True

    def order_fees(self, leg, bids, asks):
        """Return fee to open and fee to close of the dearer side."""
        sides = ((bids, 1), (asks, -1))
        fees = [value * self.taker + self.fee_to_close(leg, value, sign, 1 / leg.leverage) for value, sign in sides]
        return max(Fraction(0), *fees)

    def fee_to_close(self, leg, value, sign, rate):
        """Return the fee at the price where a share `rate` of a value is lost."""
        return value * (1 - shrinks(leg, sign) * rate) * self.taker

    def opening(self, leg, value):
        return value / leg.leverage + self.fee_to_close(leg, value, leg.position.quantity, 1 / leg.leverage)

    def close_fee(self, leg):
        return leg.notional * self.taker


class Bybit(WithFee):
    """Bybit, one coin (bybit.md sections 3, 4, 6 and 9; isolated margins at the entry value until 2026-05-27)."""

    buy_markup = sell_markup = Fraction(5, 10_000)
    loss_in = "equity"
    target = Fraction(9, 10)
    funding_from = "available"

    def course(self, isolated):
        return "by_tier" if isolated else "stepwise"

    def value(self, leg):
        return abs(leg.position.entry_value) if leg.isolated else leg.notional

    def own_fee(self, leg):
        """Return the fee to close inside both margins."""
        return self.fee_to_close(leg, self.value(leg), leg.position.quantity, 1 / leg.leverage)

    def maintenance(self, leg):
        return self.tier_maintenance(leg, self.value(leg)) + self.own_fee(leg)

    def initial(self, leg):
        return self.value(leg) / leg.leverage + self.own_fee(leg)


class Okx(WithFee):
    """OKX, one coin (okx.md sections 3, 7 and 9): the rate of a tier of contracts, and the fee at the mark."""

    buy_markup = sell_markup = Fraction(0)
    self_trade = "maker"
    loss_in = "none"
    funding_is_capped = True
    time_limit = None
    cancels_early = True

    def course(self, isolated):
        return "down_tiers"

    def fee_to_close(self, leg, value, sign, rate):
        return Fraction(0)  # none inside initial margin

    def measure(self, leg, value):
        return value / leg.contract.notional(1, leg.mark)

    def tier_maintenance(self, leg, value):
        return value * self.tier(leg, value).rate if value else Fraction(0)

    def maintenance(self, leg):
        return self.tier_maintenance(leg, leg.notional) + self.close_fee(leg)

    def initial(self, leg):
        return (abs(leg.position.entry_value) if leg.isolated else leg.notional) / leg.leverage

    def first_requirement(self, leg):
        """Return the requirement of the first tier."""
        return leg.notional * leg.contract.tiers[0].rate + self.close_fee(leg)


class Bitmex(WithFee):
    """BitMEX (bitmex.md sections 3 to 5): everything at the entry value, the rates of the risk limit on all of it."""

    buy_markup = sell_markup = Fraction(0)
    refuses_above_bracket = False
    cancels = "contract"
    fee_moves = False

    def course(self, isolated):
        return "by_tier"

    def value(self, leg):
        return abs(leg.position.entry_value)

    def rate(self, leg, value):
        """Return the initial rate: what the risk limit asks, at least what the leverage set does."""
        return max(1 / self.tier(leg, value).leverage, 1 / leg.leverage)

    def fee_to_close(self, leg, value, sign, rate):
        return value * (1 + rate) * self.taker

    def close_fee(self, leg):
        value = self.value(leg)
        return self.fee_to_close(leg, value, leg.position.quantity, self.rate(leg, value))

    def maintenance(self, leg):
        return self.tier_maintenance(leg, self.value(leg)) + self.close_fee(leg)

    def initial(self, leg):
        return self.value(leg) * self.rate(leg, self.value(leg)) + self.close_fee(leg)

    def growth(self, leg, value):
        before, after = leg.notional, leg.notional + max(value, 0)
        return after * self.rate(leg, after) - before * self.rate(leg, before)

    def opening(self, leg, value):
        rate = self.rate(leg, self.value(leg))  # that of the whole position
        return value * rate + self.fee_to_close(leg, value, leg.position.quantity, rate)


class Deribit(House):
    """Deribit, inverse contracts (deribit.md sections 2, 4, 6 and 8): both rates grow with the position in coins."""

    buy_markup = sell_markup = Fraction(0)
    self_trade = "taker"
    keeps_average = False
    refuses_above_bracket = False
    is_limited = False
    curved = True
    time_limit = 600
    accrues = True
    has_sessions = True
    round_seconds = 1
    round_share = Fraction(1, 10)

    def course(self, isolated):
        return "rounds"

    def maintenance(self, leg):
        row = leg.contract.tiers[0]
        return leg.notional * (row.rate + row.by_size * leg.notional)

    def rate(self, leg, value):
        """Return the initial rate of a value in coins."""
        row = leg.contract.tiers[0]
        return 1 / row.leverage + row.by_size * value

    def initial(self, leg):
        return leg.notional * self.rate(leg, leg.notional)

    def growth(self, leg, value):
        before, after = leg.notional, leg.notional + max(value, 0)
        return after * self.rate(leg, after) - before * self.rate(leg, before)


class Hyperliquid(House):
    """Hyperliquid (hyperliquid.md: margin, liquidations): two stages, whole leverage, funding at the oracle."""

    buy_markup = sell_markup = Fraction(0)
    self_trade = "maker"
    keeps_average = False
    whole_leverage = True
    forced_fee = "trading"
    time_limit = None
    backstop = Fraction(2, 3)
    pays_funding_at = "index"
    stays = Fraction(1, 10)
    order_values = ((1, 250_000), (10, 500_000), (20, 1_000_000), (50, 4_000_000))
    whole_up_to = 100_000
    part = Fraction(1, 5)
    cooldown = 30

    def course(self, isolated):
        return "in_parts"


class Dydx(House):
    """dYdX Chain v4 (dydx_v4.md, margin, liquidation, fees): a subaccount that is closed in slices."""

    buy_markup = sell_markup = Fraction(0)
    self_trade = "maker"
    keeps_average = False
    lends_profit = True
    is_sliced = True

    def is_triggered(self, ratio):
        return ratio > 1

    def fee(self, value):
        return ceiling(value / QUANTUM) * QUANTUM

    def funding(self, value):
        return floor(value / QUANTUM) * QUANTUM


HOUSES = {"dydx": Dydx, "bybit": Bybit, "okx": Okx, "bitmex": Bitmex, "deribit": Deribit, "hyperliquid": Hyperliquid}


def house_of(owner):
    """Return the rules of an owner's venue."""
    return HOUSES.get(owner.venue, House)(owner.taker)
