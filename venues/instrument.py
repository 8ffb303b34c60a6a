"""What is traded: an instrument, its risk tiers, the rounding rules of its venue."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Final, Literal

from venues.checks import choice, exact, number, time_ns
from venues.errors import VenueError

ContractName = Literal["spot", "linear", "inverse", "quanto", "option"]
CONTRACTS: Final = ("spot", "linear", "inverse", "quanto", "option")
ROUNDINGS: Final = ("toward_zero", "half_up", "floor", "ceiling")
ENTRY_RULES: Final = ("exact_value", "average_price", "average_digits")
_SYMBOL: Final = re.compile(
    r"(?P<base>[^/:\s]+)/(?P<quote>[^/:\s-]+)"
    r"(:(?P<settle>[^/:\s-]+)(-(?P<date>\d{6})(-(?P<strike>[0-9.]+)-(?P<right>[CP]))?)?)?$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """One risk tier: maintenance margin = notional x maintenance_rate - amount, for notionals from `floor` on.

    Parameters
    ----------
    floor : float
        Notional at which the tier begins, in the settle asset; the quantity where the venue's tiers count that.
    maintenance_rate : float
        In (0, 1].
    max_leverage : float
        Largest margin leverage that may be set for a position in this tier, >= 1.
    amount : float, optional
        Maintenance amount, settle asset. None: the amount that keeps maintenance continuous, from the rows before it.
    size_rate : float
        Added to the maintenance rate, and to the initial rate where tiers give it, for each base coin of the position:
        the requirement grows with the square of the size. Only of a table of one row.
    """

    floor: float
    maintenance_rate: float
    max_leverage: float
    amount: float | None = None
    size_rate: float = 0.0

    def __post_init__(self) -> None:
        """Read and check every field."""
        _set(self, "floor", number(self.floor, "floor", low=0.0))
        _set(self, "maintenance_rate", number(self.maintenance_rate, "maintenance_rate", above=0.0, high=1.0))
        _set(self, "max_leverage", number(self.max_leverage, "max_leverage", low=1.0))
        if self.amount is not None:
            _set(self, "amount", number(self.amount, "amount"))
        _set(self, "size_rate", number(self.size_rate, "size_rate", low=0.0))


def complete_tiers(tiers: Iterable[Tier], where: str = "tiers") -> tuple[Tier, ...]:
    """Return the rows of one table with every amount filled in, ascending and checked.

    amount_n = floor_n x (rate_n - rate_{n-1}) + amount_{n-1}, amount_1 = 0 (Binance FAQ b3c689c1, the same at Bybit
    and Hyperliquid): maintenance is then continuous, each rate charged on its own slice of the notional.

    Raises
    ------
    VenueError
        If the table is empty, does not begin at 0, is not ascending, or a rate exceeds the initial rate of its tier.
    """
    rows = tuple(tiers)
    if not rows:
        raise VenueError(
            f"{where}: a table needs at least one row, for example Tier(floor=0, maintenance_rate=0.004, ...)"
        )
    done: list[Tier] = []
    amounts: list[float] = []
    for index, row in enumerate(rows):
        if not isinstance(row, Tier):
            raise VenueError(f"{where}: row {index} must be a Tier, got {type(row).__name__}")
        if not done and row.floor != 0.0:
            raise VenueError(f"{where}: the first floor must be 0, got {row.floor:g}")
        if row.maintenance_rate > 1.0 / row.max_leverage:
            raise VenueError(
                f"{where}: maintenance_rate must be in (0, 1/max_leverage={1.0 / row.max_leverage:g}], "
                f"got {row.maintenance_rate:g} (tier {index})"
            )
        amount = row.amount
        if done:
            last = done[-1]
            if row.floor <= last.floor:
                raise VenueError(f"{where}: floors must ascend, got {row.floor:g} after {last.floor:g} (tier {index})")
            if row.max_leverage > last.max_leverage:
                raise VenueError(
                    f"{where}: max_leverage must not grow, got {row.max_leverage:g} "
                    f"after {last.max_leverage:g} (tier {index})"
                )
            if amount is None:
                step = exact(row.maintenance_rate) - exact(last.maintenance_rate)
                amount = float(exact(row.floor) * step + exact(amounts[-1]))
        amounts.append(0.0 if amount is None else amount)
        done.append(replace(row, amount=amounts[-1]))
    if len(done) > 1 and any(row.size_rate for row in done):
        raise VenueError(f"{where}: size_rate needs a table of one row, got {len(done)} rows")
    return tuple(done)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundingRules:
    """How a venue keeps entries and rounds money to its ledger unit.

    Parameters
    ----------
    entry : str
        "exact_value": profit from the exact entry value. "average_price": from an average entry price that the venue
        keeps at `entry_decimals` decimals, rounded half-up after each add. "average_digits": the same, but the average
        and the profit also keep at most that many significant digits.
    entry_decimals : int
        Not used by "exact_value".
    profit, fee, funding : str
        "toward_zero", "half_up", "floor" or "ceiling".
    money_decimals : int, optional
        Decimals at which fees, funding and penalties are rounded; None: those of the settle asset's atoms.
    """

    entry: str = "exact_value"
    entry_decimals: int = 0
    profit: str = "toward_zero"
    fee: str = "toward_zero"
    funding: str = "toward_zero"
    money_decimals: int | None = None

    def __post_init__(self) -> None:
        """Read and check every field."""
        choice(self.entry, "entry", ENTRY_RULES)
        for name in ("profit", "fee", "funding"):
            choice(getattr(self, name), name, ROUNDINGS)
        if not 0 <= self.entry_decimals <= 18:
            raise VenueError(f"entry_decimals must be in [0, 18], got {self.entry_decimals!r}")
        if self.money_decimals is not None and not 0 <= self.money_decimals <= 8:
            raise VenueError(f"money_decimals must be in [0, 8], got {self.money_decimals!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginRules:
    """What a venue puts into the margins of its contracts.

    Parameters
    ----------
    reserves_fee_to_close : bool
        Initial and maintenance margin contain the taker fee of closing at the bankruptcy price, orders also that of
        opening.
    isolated : {"mark", "entry", "price", "initial"}
        How an isolated position is valued. "mark": like a cross one. "entry": all margins at the entry value. "price":
        initial margin at the entry value, maintenance at the mark, the fee to close fixed by the position's wallet.
        "initial": initial margin at the entry value, everything else at the mark.
    cross : {"mark", "entry"}
        The same of a cross position: margins at the mark, or all of them at the entry value.
    linear : {"mark", "index"}
        Which price values the margins of linear contracts; profit is always that of the mark.
    order_loss : {"margin", "equity", "none"}
        The loss that an order worse than the mark would start with is added to order margin, taken from the equity of a
        cross pool, or not reserved.
    isolated_funding : {"position", "available"}
        Whose wallet pays and receives the funding of an isolated position first.
    initial : {"leverage", "tier", "larger"}
        Initial rate: 1 / leverage set, what the tier of the whole position asks (1 / its max_leverage, and size_rate),
        or the larger of both. Where the tier has a say, orders reserve the growth of that margin and none is refused
        for its tier alone.
    fee_to_close : {"bankruptcy", "conservative", "mark"}
        The fee to close is that at the bankruptcy price, that of the value and the initial margin together, or that at
        the mark, and then inside maintenance only.
    tier_unit : {"notional", "quantity"}
        What the floors of tiers count. "quantity": units of quantity, and a tier's rate is of the whole position, so
        that its amount does not count.
    funding_is_capped : bool
        Funding that a cross pool pays never takes its equity down to its maintenance.
    funding_price : {"mark", "index"}
        Price at which funding is paid.
    whole_leverage : bool
        Margin leverage is a whole number.
    transfer_share : float
        What stays when money leaves is, profit included, at least the initial margin and this share of the notional.
        0: no such rule; the initial margin stays, and profit that is not realised.
    trigger : {"reached", "exceeded"}
        A pool is liquidated when maintenance reaches its equity, or only when it exceeds it.
    withdrawable : {"wallet", "equity"}
        What may leave: the wallet's own money without profit that is not realised, or all equity above the initial
        margin, for which the wallet may go below zero while the positions stand.
    """

    reserves_fee_to_close: bool = False
    isolated: str = "mark"
    cross: str = "mark"
    linear: str = "mark"
    order_loss: str = "margin"
    isolated_funding: str = "position"
    initial: str = "leverage"
    fee_to_close: str = "bankruptcy"
    tier_unit: str = "notional"
    funding_is_capped: bool = False
    funding_price: str = "mark"
    whole_leverage: bool = False
    transfer_share: float = 0.0
    trigger: str = "reached"
    withdrawable: str = "wallet"

    def __post_init__(self) -> None:
        """Check every field."""
        choice(self.isolated, "isolated", ("mark", "entry", "price", "initial"))
        choice(self.cross, "cross", ("mark", "entry"))
        choice(self.linear, "linear", ("mark", "index"))
        choice(self.order_loss, "order_loss", ("margin", "equity", "none"))
        choice(self.isolated_funding, "isolated_funding", ("position", "available"))
        choice(self.initial, "initial", ("leverage", "tier", "larger"))
        choice(self.fee_to_close, "fee_to_close", ("bankruptcy", "conservative", "mark"))
        choice(self.tier_unit, "tier_unit", ("notional", "quantity"))
        choice(self.funding_price, "funding_price", ("mark", "index"))
        choice(self.trigger, "trigger", ("reached", "exceeded"))
        choice(self.withdrawable, "withdrawable", ("wallet", "equity"))
        _set(self, "transfer_share", number(self.transfer_share, "transfer_share", low=0.0, high=1.0))


@dataclass(frozen=True, slots=True)
class Instrument:
    """One contract or spot pair as of a date.

    Parameters
    ----------
    symbol : str
        ccxt's unified name: "BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC-251226". Base, quote, settle and expiry are read
        from it.
    contract : {"spot", "linear", "inverse", "quanto", "option"}
    contract_size : float
        What one unit of quantity is worth: base coins (linear), USD (inverse), settle coins per point (quanto).
    tick_size, lot_size : float, optional
        None: not known; a run then takes the finest decimals of its data.
    tiers : sequence of Tier
        Empty: the venue's own tables.
    maker_fee, taker_fee : float, optional
        Rates of notional; a rebate is negative. None: the venue's schedule.
    min_notional : float
        Quote currency; 0 = none.
    market_lot, min_quantity, max_quantity, max_market_quantity : float
        In units of quantity; 0 = none.
    band_up, band_down : float
        Highest buy limit and lowest sell limit as multiples of mark; 0 = none.
    expiry : ns or time, optional
        None: read from the symbol (08:00 UTC of its date), a perpetual without one.
    quantity_unit : {"base", "contracts"}, optional
        None: "contracts" for inverse and for sizes other than 1, else "base".
    clearance_fee : float, optional
        Rate of the notional closed by force. None: the venue's.
    funding_interval_hours : float, optional
        None: the venue's.
    funding_decimals : int, optional
        Decimals to which the payment of one unit of quantity is cut toward zero; None: only the payment is rounded.
    is_alone : bool
        An account that holds it, or an order for it, holds nothing else.
    strike, right : float, {"call", "put"}, optional
        Options only.
    valid_from : ns or time
        The record is in force from here until the next one of the symbol; 0 = always.
    source : str
    unverified : sequence of str
        Names of the fields (or "all", or "valid_from") that no source seen confirms.

    Raises
    ------
    VenueError
        If a field cannot be used; the message says what was given and what is allowed.
    """

    symbol: str
    _: KW_ONLY
    contract: str
    contract_size: float = 1.0
    tick_size: float | None = None
    lot_size: float | None = None
    tiers: Sequence[Tier] = ()
    maker_fee: float | None = None
    taker_fee: float | None = None
    min_notional: float = 0.0
    market_lot: float = 0.0
    min_quantity: float = 0.0
    max_quantity: float = 0.0
    max_market_quantity: float = 0.0
    band_up: float = 0.0
    band_down: float = 0.0
    expiry: int | None = None
    quantity_unit: str | None = None
    clearance_fee: float | None = None
    funding_interval_hours: float | None = None
    funding_decimals: int | None = None
    is_alone: bool = False
    strike: float | None = None
    right: str | None = None
    valid_from: int = 0
    source: str = "user"
    unverified: Sequence[str] = ()
    base: str = field(init=False)
    quote: str = field(init=False)
    settle: str = field(init=False)

    def __post_init__(self) -> None:
        """Read and check every field."""
        where = f"Instrument({self.symbol!r})"
        choice(self.contract, f"{where}: contract", CONTRACTS)
        parts = parse_symbol(self.symbol)
        for name in ("base", "quote", "settle"):
            _set(self, name, parts[name])
        self._check_kind(where, parts["settle_given"] != "")
        _set(self, "contract_size", number(self.contract_size, f"{where}: contract_size", above=0.0))
        for name in ("tick_size", "lot_size", "funding_interval_hours", "strike"):
            self._optional(name, where, above=0.0)
        for name in ("maker_fee", "taker_fee"):
            self._optional(name, where, low=-0.01, high=0.1)
        self._optional("clearance_fee", where, low=0.0, high=0.2)
        for name in ("min_notional", "market_lot", "min_quantity", "max_quantity", "max_market_quantity"):
            _set(self, name, number(getattr(self, name), f"{where}: {name}", low=0.0))
        if self.funding_decimals is not None and not 0 <= self.funding_decimals <= 18:
            raise VenueError(f"{where}: funding_decimals must be in [0, 18], got {self.funding_decimals!r}")
        if self.band_up != 0.0:
            _set(self, "band_up", number(self.band_up, f"{where}: band_up", low=1.0))
        if self.band_down != 0.0:
            _set(self, "band_down", number(self.band_down, f"{where}: band_down", above=0.0, high=1.0))
        _set(self, "tiers", complete_tiers(self.tiers, where) if self.tiers else ())
        self._check_dates(where, parts)
        unit = self.quantity_unit
        if unit is None:
            is_counted = self.contract in ("inverse", "quanto") or self.contract_size != 1.0
            unit = "contracts" if is_counted else "base"
        _set(self, "quantity_unit", choice(unit, f"{where}: quantity_unit", ("base", "contracts")))
        _set(self, "unverified", tuple(self.unverified))

    def _optional(
        self, name: str, where: str, *, low: float = -math.inf, high: float = math.inf, above: float = -math.inf
    ) -> None:
        value = getattr(self, name)
        if value is not None:
            _set(self, name, number(value, f"{where}: {name}", low=low, high=high, above=above))

    def _check_kind(self, where: str, has_settle: bool) -> None:
        expected = {"linear": self.quote, "inverse": self.base}
        if self.contract == "spot" and has_settle:
            raise VenueError(
                f"{where}: a spot pair has no ':{self.settle}'; write {self.base}/{self.quote} or another contract"
            )
        if self.contract != "spot" and not has_settle:
            settle = expected.get(self.contract, self.quote)
            raise VenueError(
                f"{where}: {self.contract} contracts name their settle asset; write {self.symbol}:{settle}"
            )
        if self.contract in expected and self.settle != expected[self.contract]:
            raise VenueError(
                f"{where}: {self.contract} contracts settle in {expected[self.contract]}, got {self.settle}"
            )
        if self.contract == "quanto" and self.settle in (self.base, self.quote):
            raise VenueError(f"{where}: quanto contracts settle in a third asset, got {self.settle}")

    def _check_dates(self, where: str, parts: dict[str, str]) -> None:
        _set(self, "valid_from", time_ns(self.valid_from, f"{where}: valid_from"))
        if self.expiry is not None:
            _set(self, "expiry", time_ns(self.expiry, f"{where}: expiry"))
        elif parts["date"]:
            date = parts["date"]
            _set(self, "expiry", time_ns(f"20{date[:2]}-{date[2:4]}-{date[4:]}T08:00", f"{where}: symbol"))
        if self.contract == "spot" and self.expiry is not None:
            raise VenueError(f"{where}: a spot pair has no expiry, got {self.expiry!r}")
        if self.contract != "option":
            if self.strike is not None or self.right is not None:
                raise VenueError(f"{where}: strike and right belong to options, contract is {self.contract!r}")
            return
        if self.strike is None and parts["strike"]:
            _set(self, "strike", float(parts["strike"]))
        if self.right is None and parts["right"]:
            _set(self, "right", {"C": "call", "P": "put"}[parts["right"]])
        if self.strike is None or self.expiry is None:
            raise VenueError(f"{where}: an option needs strike, right and expiry")
        choice(self.right, f"{where}: right", ("call", "put"))


def parse_symbol(symbol: str) -> dict[str, str]:
    """Split a unified symbol.

    Returns
    -------
    dict
        base, quote, settle (the quote for spot), settle_given, date (YYMMDD), strike, right; "" for what it lacks.

    Raises
    ------
    VenueError
        If it is not of the form BASE/QUOTE[:SETTLE[-YYMMDD[-STRIKE-C|P]]].
    """
    match = _SYMBOL.match(symbol) if isinstance(symbol, str) else None
    if match is None:
        raise VenueError(
            f"symbol must be ccxt's unified name such as 'BTC/USDT:USDT', 'BTC/USD:BTC' or 'BTC/USDT', got {symbol!r}"
        )
    parts = {name: text or "" for name, text in match.groupdict().items()}
    parts["settle_given"] = parts["settle"]
    parts["settle"] = parts["settle"] or parts["quote"]
    return parts


def _set(target: object, name: str, value: object) -> None:
    object.__setattr__(target, name, value)
