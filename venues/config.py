"""The user's description of one account in a run, and of moving money between venues."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Final

from venues.checks import Number, choice, duration_ns, number, suggest_arguments
from venues.errors import VenueError
from venues.impact import Impact
from venues.instrument import Tier, complete_tiers
from venues.latency import Latency
from venues.rulebook import VenueRules, get

Delays = int | str | tuple[int | str, int | str, int | str] | Latency

FILLS: Final = ("auto", "next_trade", "same_trade", "touch", "book", "bar")
PLAIN_QUEUES: Final = ("risk_averse", "log", "log_total", "fifo")
MATCHINGS: Final = ("default", "no_partial_fill", "partial_fill")
SELF_TRADES: Final = ("allow", "cancel_taker", "cancel_maker", "cancel_both")  # as SelfTrade numbers them
POWER_QUEUES: Final = ("power", "power_total", "front_power")


@suggest_arguments
@dataclass(frozen=True, slots=True)
class Venue:
    """One account at one venue.

    Parameters
    ----------
    rules : str or VenueRules
        Name of the venue, or its rules from `venues.get(...)`.
    account : str
        Name of the account; several accounts of one venue need different names.
    balances : mapping of asset to float
        Deposits at the start.
    leverage : float or mapping of symbol to float, optional
        Margin leverage set at the start. None: the largest that the tiers allow, at most 20.
    margin_mode : {"cross", "isolated"}
    position_mode : {"one_way", "hedge"}
    collateral : {"single", "multi"}
        "single": a margin pool for each settle asset. "multi": all assets, after haircuts, are one (cross only).
    auto_borrow : bool
        With "multi" at OKX; False: an order needs its margin in its own settle asset, no loan is taken for it.
    fees : str or (maker, taker)
        A level of the venue's schedule ("regular"), rates of notional, or "by_volume": each day at 00:00 UTC the level
        of what this account has traded in the days that the venue counts (30, at Hyperliquid 14).
    volume : float
        With "by_volume": what it had traded in those days before the start, US dollars, the same each day.
    discount : float
        Share by which positive fees are lowered, in [0, 1).
    latency : None, duration, (order, response, feed) or Latency
        None: zero. One duration ("5ms") holds for all three; an int is ns.
    fills : {"auto", "next_trade", "same_trade", "touch", "book", "bar"}
        "auto": by the book where the data have one, else by trades, else by bars. "book" takes quotes too.
    queue : str
        With a book, how the queue ahead of a resting order shrinks when its level gets smaller without a trade:
        "risk_averse", "log", "log_total", "power:3", "power_total:3", "front_power:3" (`venues.queue`). "fifo" where
        the data tell order by order (kind `book_orders`): the queue is known.
    matching : {"default", "no_partial_fill", "partial_fill"}
        With a book, whose rules say when an order fills: ours (`venues.book_market`), or those of the two exchange
        models of hftbacktest (`venues.peer_market`), for comparison. All accounts at a venue have the same.
    self_trade : {"default", "allow", "cancel_taker", "cancel_maker", "cancel_both"}
        What happens when an order that takes would meet a resting one of this account: that one or this one is
        cancelled (`SELF_TRADE`), both are, or it trades past it. "default" is the venue's rule.
    slippage : "default" or float
        Basis points, half-spread included; with a book on top of its levels, where the default is none.
    impact : Impact, optional
        Where the data have no book: what the size of own orders costs, and how long the market remembers them. None:
        nothing. All accounts at a venue have the same.
    participation : float, optional
        Share of the traded volume, in (0, 1], that own orders of all accounts at a venue take at most: of each trade,
        or of each bar. None: of bars a tenth, of trades all.
    leftovers : {"carry", "cancel"}
        What the cap leaves of an order that takes: it waits for the next trade or bar, or expires
        (`VOLUME_EXHAUSTED`).
    missing_tiers : "error", "nearest" or sequence of Tier
        For symbols without a tier table.
    margin_call : float
        Ratio of maintenance to equity at which `on_margin_call` comes, in (0, 1].
    adl : {"off", "recorded", "population"}
    forced_close : {"matching", "mark_slippage"}
    insurance_fund : mapping of asset to float, optional
        None: unlimited. A market that stands alone in its account has a fund of its own: its symbol in the place of
        the asset; what is not named has nothing.

    Raises
    ------
    VenueError
        If an argument cannot be used; the message says what was given and what is allowed.

    Examples
    --------
    >>> import venues
    >>> venues.Venue("binance_usdm", balances={"USDT": 10_000}, latency="5ms").latency_ns
    (5000000, 5000000, 5000000)
    """

    rules: VenueRules | str
    _: KW_ONLY
    account: str = "main"
    balances: Mapping[str, Number]
    leverage: Number | Mapping[str, Number] | None = None
    margin_mode: str = "cross"
    position_mode: str = "one_way"
    collateral: str = "single"
    auto_borrow: bool = True
    fees: str | tuple[Number, Number] = "regular"
    volume: Number = 0.0
    discount: float = 0.0
    latency: Delays | None = None
    fills: str = "auto"
    queue: str = "risk_averse"
    matching: str = "default"
    self_trade: str = "default"
    slippage: str | float = "default"
    impact: Impact | None = None
    participation: Number | None = None
    leftovers: str = "carry"
    missing_tiers: str | Sequence[Tier] = "error"
    margin_call: float = 0.8
    adl: str = "off"
    forced_close: str = "matching"
    insurance_fund: Mapping[str, Number] | None = None
    latency_ns: tuple[int, int, int] = field(init=False)
    queue_model: tuple[str, float] = field(init=False)

    def __post_init__(self) -> None:
        """Read and check every field."""
        rules = get(self.rules) if isinstance(self.rules, str) else self.rules
        if not isinstance(rules, VenueRules):
            raise VenueError(f"the venue must be a name or venues.get(...), got {type(rules).__name__}")
        _set(self, "rules", rules)
        if not isinstance(self.account, str) or not self.account or any(c in self.account for c in "@/ "):
            raise VenueError(f"account must be a name without '@', '/' or blanks, got {self.account!r}")
        where = f"Venue({rules.name!r}, account={self.account!r})"
        _set(self, "balances", _amounts(self.balances, f"{where}: balances"))
        choice(self.margin_mode, f"{where}: margin_mode", ("cross", "isolated"))
        choice(self.position_mode, f"{where}: position_mode", ("one_way", "hedge"))
        choice(self.collateral, f"{where}: collateral", ("single", "multi"))
        choice(self.fills, f"{where}: fills", FILLS)
        _set(self, "queue_model", queue_model(self.queue, f"{where}: queue"))
        choice(self.matching, f"{where}: matching", MATCHINGS)
        choice(self.self_trade, f"{where}: self_trade", ("default", *SELF_TRADES))
        choice(self.adl, f"{where}: adl", ("off", "recorded", "population"))
        choice(self.forced_close, f"{where}: forced_close", ("matching", "mark_slippage"))
        self._read_leverage(where)
        self._read_costs(where, rules)
        self._read_impact(where)
        _set(self, "latency_ns", _latency(self.latency, f"{where}: latency"))
        if isinstance(self.missing_tiers, str):
            choice(self.missing_tiers, f"{where}: missing_tiers", ("error", "nearest"))
        else:
            _set(self, "missing_tiers", complete_tiers(self.missing_tiers, f"{where}: missing_tiers"))
        _set(self, "margin_call", number(self.margin_call, f"{where}: margin_call", above=0.0, high=1.0))
        if self.insurance_fund is not None:
            _set(self, "insurance_fund", _amounts(self.insurance_fund, f"{where}: insurance_fund", symbols=True))
        self._check_modes(where, rules)

    @property
    def name(self) -> str:
        """Name of the venue."""
        return self.book.name

    @property
    def book(self) -> VenueRules:
        """Rules of the venue."""
        if isinstance(self.rules, str):
            raise VenueError(f"rules of {self.rules!r} were not read")
        return self.rules

    @property
    def no_loans(self) -> str:
        """Why the account can take no loan; empty where it can."""
        if not self.book.facts.lends:
            why = ": other assets cover a balance below zero" if self.book.facts.exchange else ""
            return f"{self.name} lends nothing{why}; bybit and okx lend, with collateral='multi'"
        if self.collateral != "multi":
            return f"{self.name} lends against all assets together: give Venue(..., collateral='multi')"
        return ""

    @property
    def feed_latency(self) -> tuple[int, float]:
        """Latency of market data, ns, and the standard deviation of its logarithm."""
        return self.latency_ns[2], self.latency.feed_sigma if isinstance(self.latency, Latency) else 0.0

    def leverage_of(self, symbol: str) -> float | None:
        """Return the margin leverage given for a symbol; None where the user gave none."""
        if isinstance(self.leverage, Mapping):
            given = self.leverage.get(symbol)
            return None if given is None else float(given)
        return None if self.leverage is None else float(self.leverage)

    def _read_leverage(self, where: str) -> None:
        if isinstance(self.leverage, Mapping):
            read = {s: number(x, f"{where}: leverage[{s!r}]", low=1.0) for s, x in self.leverage.items()}
            _set(self, "leverage", read)
        elif self.leverage is not None:
            _set(self, "leverage", number(self.leverage, f"{where}: leverage", low=1.0))

    def _read_costs(self, where: str, rules: VenueRules) -> None:
        _set(self, "volume", number(self.volume, f"{where}: volume", low=0.0))
        if self.volume and self.fees != "by_volume":
            raise VenueError(f"{where}: volume={self.volume:g} has no effect without fees='by_volume'")
        if self.fees == "by_volume":
            rules.level_of_volume(self.volume)
        elif not isinstance(self.fees, str):
            if len(self.fees) != 2:
                raise VenueError(f"{where}: fees must be a level or (maker, taker), got {self.fees!r}")
            _set(self, "fees", tuple(rules.fees(self.fees)))
        else:
            rules.fees(self.fees)
        discount = number(self.discount, f"{where}: discount", low=0.0)
        if discount >= 1.0:
            raise VenueError(f"{where}: discount must be in [0, 1), got {self.discount!r}")
        _set(self, "discount", discount)
        if self.slippage != "default":
            if isinstance(self.slippage, str) and not self.slippage.replace(".", "", 1).isdigit():
                raise VenueError(f"{where}: slippage must be 'default' or basis points, got {self.slippage!r}")
            _set(self, "slippage", number(self.slippage, f"{where}: slippage", low=0.0, high=10_000.0))

    def _read_impact(self, where: str) -> None:
        if self.impact is not None and not isinstance(self.impact, Impact):
            raise VenueError(f"{where}: impact must be venues.Impact(...), got {self.impact!r}")
        choice(self.leftovers, f"{where}: leftovers", ("carry", "cancel"))
        if self.participation is not None:
            share = number(self.participation, f"{where}: participation", above=0.0, high=1.0)
            _set(self, "participation", share)
            if self.fills in ("same_trade", "touch", "book"):
                raise VenueError(
                    f"{where}: participation= would have no effect with fills={self.fills!r}; use fills='auto'"
                )

    def _check_modes(self, where: str, rules: VenueRules) -> None:
        if self.collateral == "multi":
            if not rules.facts.collateral:
                raise VenueError(f"{where}: {rules.name} has no multi-assets mode; collateral must be 'single'")
            if self.margin_mode == "isolated":
                raise VenueError(f"{where}: multi-assets mode is cross only; margin_mode must be 'cross'")
        if not isinstance(self.auto_borrow, bool):
            raise VenueError(f"{where}: auto_borrow must be True or False, got {self.auto_borrow!r}")
        if not self.auto_borrow and not (rules.facts.may_refuse_loans and self.collateral == "multi"):
            raise VenueError(
                f"{where}: auto_borrow=False has no effect: it is a setting of multi-currency margin at OKX "
                "(collateral='multi'); leave it out"
            )
        for name in ("margin_mode", "position_mode"):
            allowed = getattr(rules.facts, f"{name}s")
            if getattr(self, name) not in allowed:
                raise VenueError(f"{where}: {rules.name} has {name} {' or '.join(allowed)} only")
        if self.leverage is not None and not rules.facts.has_leverage:
            raise VenueError(
                f"{where}: {rules.name} has no leverage setting, initial margin follows from the size of a position; "
                "leave leverage= out"
            )
        if rules.contracts != ("spot",):
            return
        # what has no effect on a spot account is refused, not ignored
        idle = {
            "leverage": self.leverage is not None,
            "margin_mode": self.margin_mode != "cross",
            "position_mode": self.position_mode != "one_way",
            "missing_tiers": self.missing_tiers != "error",
            "margin_call": self.margin_call != 0.8,
            "adl": self.adl != "off",
            "forced_close": self.forced_close != "matching",
            "insurance_fund": self.insurance_fund is not None,
        }
        given = [name for name, is_given in idle.items() if is_given]
        if given:
            raise VenueError(
                f"{where}: a spot account has no margin; {', '.join(given)} would have no effect, leave it out"
            )


@suggest_arguments
@dataclass(frozen=True, slots=True, kw_only=True)
class Transfers:
    """Moving money between venues; between accounts of one venue it is immediate and free.

    Parameters
    ----------
    delay : duration, or mapping of (source venue, target venue) to duration
        "20m", ns as int. Pairs that a mapping does not name take 20 minutes.
    fees : mapping of asset to float
        Taken from the amount sent, units of the asset.
    minimum : mapping of asset to float
        Smallest amount sent, units of the asset.
    """

    delay: int | str | Mapping[tuple[str, str], int | str] = "20m"
    fees: Mapping[str, Number] = field(default_factory=dict)
    minimum: Mapping[str, Number] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read and check every field."""
        if isinstance(self.delay, Mapping):
            for pair in self.delay:
                if not isinstance(pair, tuple) or len(pair) != 2:
                    raise VenueError(f"Transfers: delay is keyed by (source venue, target venue), got {pair!r}")
            read = {pair: duration_ns(value, f"Transfers: delay[{pair!r}]") for pair, value in self.delay.items()}
            _set(self, "delay", read)
        else:
            _set(self, "delay", duration_ns(self.delay, "Transfers: delay"))
        _set(self, "fees", _amounts(self.fees, "Transfers: fees"))
        _set(self, "minimum", _amounts(self.minimum, "Transfers: minimum"))

    def delay_ns(self, source: str, target: str) -> int:
        """Return the ns that money is in transit between two venues; 0 within one."""
        if source == target:
            return 0
        if isinstance(self.delay, Mapping):
            return int(self.delay.get((source, target), duration_ns("20m", "delay")))
        return int(self.delay)


def _latency(latency: Delays | None, name: str) -> tuple[int, int, int]:
    """Read (order, response, feed) as ns."""
    if latency is None:
        return (0, 0, 0)
    if isinstance(latency, Latency):
        return latency.medians
    if isinstance(latency, int | str):
        one = duration_ns(latency, name)
        return (one, one, one)
    parts = tuple(latency)
    if len(parts) != 3:
        allowed = "one duration, (order, response, feed) or venues.Latency(...)"
        raise VenueError(f"{name} must be {allowed}, got {latency!r}")
    order, response, feed = (duration_ns(part, name) for part in parts)
    return (order, response, feed)


def queue_model(text: str, name: str) -> tuple[str, float]:
    """Read a queue model and its power (0 where it has none)."""
    word, colon, rest = str(text).partition(":")
    if word in PLAIN_QUEUES and not colon:
        return word, 0.0
    try:
        power = float(rest) if word in POWER_QUEUES else 0.0
    except ValueError:
        power = 0.0
    if not 0.0 < power <= 100.0:
        known = ", ".join([*PLAIN_QUEUES, *(f"{each}:N" for each in POWER_QUEUES)])
        raise VenueError(f"{name} must be one of {known} with N in (0, 100], got {text!r}")
    return word, power


def _amounts(amounts: Mapping[str, Number], name: str, *, symbols: bool = False) -> Mapping[str, float]:
    """Read a mapping of asset (or symbol) to an amount >= 0."""
    if not isinstance(amounts, Mapping):
        raise VenueError(f"{name} must be a mapping of asset to amount such as {{'USDT': 10_000}}, got {amounts!r}")
    for asset in amounts:
        if not isinstance(asset, str) or not asset or ("/" in asset and not symbols):
            raise VenueError(f"{name}: an asset is a name such as 'USDT', got {asset!r}")
    return {asset: number(x, f"{name}[{asset!r}]", low=0.0) for asset, x in amounts.items()}


def _set(target: object, name: str, value: object) -> None:
    object.__setattr__(target, name, value)
