"""What a venue does its own way, in exact numbers. The base is Binance's way (binance.md sections 3 to 8)."""

from fractions import Fraction


def bracket(table, measure):
    """Return the bracket of a notional (or of a quantity, where tiers count that): floor < measure <= cap."""
    below = [row for row in table if row.floor < measure]
    return below[-1] if below else table[0]


def shrinks(leg, sign):
    """Return +1 where a leg's notional falls while it loses (linear longs, inverse shorts), else -1."""
    return 1 if (sign > 0) != (leg.contract.kind == "inverse") else -1


class House:
    """Rules of one account's venue.

    Parameters
    ----------
    taker : Fraction
        Taker rate of the account: some venues keep the fee of closing inside their margins.
    """

    buy_markup = Fraction(5, 10_000)  # price that a market order is margined at, over last
    sell_markup = Fraction(15, 10_000)
    keeps_average = True  # profit from an average entry at 13 decimals and digits; else from the exact entry value
    loss_in = "margin"  # what open orders would lose at once is margin | equity of a cross pool | not reserved (none)
    refuses_above_bracket = True  # the leverage set must be allowed for position and orders
    whole_leverage = False
    forced_fee = "clearance"  # of a forced fill, to the fund | "trading", to the venue
    holds_fee = False  # margins hold the taker fee of closing ...
    fee_moves = False  # ... at the price of the close
    is_sliced = False  # closed by force block by block
    curved = False  # maintenance grows with the square of the position
    charges_takeover = False  # whether a takeover pays it too
    order_values = ()  # (leverage, largest value of a market order of contracts that allow so much); x 10: of a limit
    is_limited = True  # forced orders stop at the bankruptcy price
    cancels = "pool"  # whose orders a liquidation cancels first | "contract"
    cancels_early = False  # orders go once a cross pool lacks the margin that admits them
    target = Fraction(1)  # maintenance / equity below which reducing aims
    time_limit = 60  # seconds until the rest is taken over; None = never
    backstop = Fraction(0)  # share of maintenance down to which equity may fall before all is taken over
    pays_funding_at = "mark"
    funding_is_capped = False  # a cross pool's equity never falls to its maintenance by funding
    funding_from = "position"  # | "available": the cross wallet pays an isolated position's funding first
    accrues = False  # funding is that of the mean quantity of the interval
    stays = Fraction(0)  # share of notional that stays as equity when money leaves
    lends_profit = False  # what is available may leave, open profit included
    self_trade = "allow"  # | "taker" | "maker": what ends when a taker would meet a resting order of its account
    has_sessions = False  # profit leaves only after the settlement of its day

    def __init__(self, taker):
        self.taker = taker

    def course(self, isolated):
        """Return the course of a liquidation: stepwise | by_tier | in_parts | down_tiers | rounds."""
        return "stepwise"

    def is_triggered(self, ratio):
        """Return whether a ratio of maintenance to equity begins a liquidation."""
        return ratio >= 1

    def fee(self, value):
        """Return a fee as it is booked, before the ledger cuts it to atoms."""
        return value

    def funding(self, value):
        """Return a funding payment, from the holder's side, as it is booked."""
        return value

    # ------------------------------------------------------------------ margins

    def value(self, leg):
        """Return the value that margins are taken of."""
        return leg.notional

    def measure(self, leg, value):
        """Return what the floors of tiers count, of a value of a leg's contract."""
        return value

    def tier(self, leg, value):
        """Return the tier of a position of a leg's contract."""
        return bracket(leg.contract.tiers, self.measure(leg, value))

    def tier_maintenance(self, leg, value):
        """Return what the tier asks for a value: value x rate - amount."""
        if value == 0:
            return Fraction(0)
        row = self.tier(leg, value)
        return value * row.rate - row.amount

    def maintenance(self, leg):
        """Return the maintenance margin of a leg."""
        return self.tier_maintenance(leg, self.value(leg))

    def initial(self, leg):
        """Return the initial margin of a leg."""
        return self.value(leg) / leg.leverage

    def opening(self, leg, value):
        """Return the margin that an isolated leg gets for a value that was opened."""
        return value / leg.leverage

    def order_margin(self, leg):
        """Return what open orders need beyond the position's own initial margin, without their loss."""
        if leg.side != 0:
            bids, asks = (leg.bids, Fraction(0)) if leg.side > 0 else (Fraction(0), leg.asks)
            return (bids + asks) / leg.leverage + self.order_fees(leg, bids, asks)
        here = leg.notional * (1 if leg.position.quantity >= 0 else -1)
        bids, asks = abs(here + leg.bids) - abs(here), abs(here - leg.asks) - abs(here)
        return self.growth(leg, max(bids, asks)) + self.order_fees(leg, bids, asks)

    def growth(self, leg, value):
        """Return the initial margin that orders add which let a position grow by a value."""
        return value / leg.leverage

    def order_fees(self, leg, bids, asks):
        """Return the fees that orders reserve, whose sides add these values to the position."""
        return Fraction(0)

    def close_fee(self, leg):
        """Return the fee of closing a leg now, where it is held back."""
        return Fraction(0)

    def leverage_allowed(self, leg, value):
        """Return the largest leverage of a value of a leg's contract."""
        return self.tier(leg, value).leverage
