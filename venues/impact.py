"""Own impact where the data have no book: what an order costs beside the spread, and how long that is remembered."""

from dataclasses import KW_ONLY, dataclass, field
from typing import Final

from venues.checks import Number, choice, duration_ns, number, suggest_arguments
from venues.errors import VenueError

LAWS: Final = ("linear", "square_root", "recorded")
MEMORIES: Final = ("none", "exponential", "power")
DAY_NS: Final = 86_400 * 10**9


@suggest_arguments
@dataclass(frozen=True, slots=True)
class Impact:
    """The depth of markets without a book, and the trace that own orders leave in them.

    An order that takes fills when and as far as it would without impact; its price is worse by half the spread and by
    the average way that it moves the market, which begins where earlier own orders have left it (of all accounts at the
    venue, forced ones included). A limit order takes only up to the quantity whose last unit costs its limit, and the
    rest waits at it. Resting orders move nothing. While what a law rests on is not known yet (nothing measured, no rows
    of depth so far), orders that take wait. Formulas and sources: `venues.footprint`.

    Parameters
    ----------
    law : {"square_root", "linear", "recorded"}
        How far an order moves the price. "square_root": factor x daily volatility x sqrt(quantity / daily volume), a
        straight line below `knee` of that volume. "linear": 1 % for every `depth`. "recorded": rows of kind `depth`
        (Binance's bookDepth), as of their time.
    depth : float, optional
        Of "linear": quantity that moves the price by 1 %, in the instrument's unit.
    factor : float
        Of "square_root"; published estimates lie around 1.
    volatility, volume : "measured" or float
        Of a day: of log returns as a fraction, and quantity in the instrument's unit. "measured": over windows of five
        minutes, or bars, that have ended, with weights that halve every `half_life`.
    knee : float
        Of "square_root", share of a day's volume, in (0, 1].
    half_life : duration
        Of measured averages.
    memory : {"exponential", "power", "none"}
        How what an order took comes back: half of what is missing every `recovery`; so that
        ``(1 + t / recovery)^-exponent`` is missing; at once.
    recovery : duration
    exponent : float
        Of "power", in (0, 2].
    permanent : float
        Share of every order that never comes back and moves both sides of the market, in [0, 1].
    spread : float
        Half-spread as a share of the daily volatility, on top of `slippage`; spreads follow the volatility between
        trades (M. Wyart et al., "Relation between bid-ask spread, impact and volatility in order-driven markets",
        2008).

    Notes
    -----
    Obizhaeva and Wang's model is "linear" with "exponential" memory: q = depth / (1 % of the price), rho = ln 2 /
    recovery, lambda = permanent / q. Almgren and Chriss's is "linear" without memory: with steps of length tau,
    temporary impact eta / tau = 1 % of the price / (2 depth), permanent impact gamma = 1 % of the price x permanent /
    depth, and `slippage` for their fixed cost. A linear propagator is "linear" with "power" memory.

    Raises
    ------
    VenueError
        If an argument cannot be used, or has no effect with the others.

    Examples
    --------
    >>> import venues
    >>> venues.Impact(law="linear", depth=500, memory="exponential", recovery="5m").describe()
    'linear, 1 % for 500; half of what is missing comes back every 5 min, 0 % never'
    """

    _: KW_ONLY
    law: str = "square_root"
    depth: Number | None = None
    factor: Number = 1.0
    volatility: str | Number = "measured"
    volume: str | Number = "measured"
    knee: Number = 0.001
    half_life: int | str = "1d"
    memory: str = "exponential"
    recovery: int | str | None = None
    exponent: Number | None = None
    permanent: Number = 0.0
    spread: Number = 0.0
    recovery_ns: int = field(init=False)
    half_life_ns: int = field(init=False)

    def __post_init__(self) -> None:
        """Read and check every field."""
        choice(self.law, "Impact: law", LAWS)
        choice(self.memory, "Impact: memory", MEMORIES)
        for name, low, high in (("factor", 0.0, 100.0), ("permanent", 0.0, 1.0), ("spread", 0.0, 1.0)):
            self._set(name, number(getattr(self, name), f"Impact: {name}", low=low, high=high))
        self._set("knee", number(self.knee, "Impact: knee", above=0.0, high=1.0))
        for name in ("volatility", "volume"):
            given = getattr(self, name)
            if given != "measured":
                if isinstance(given, str):
                    raise VenueError(f"Impact: {name} must be 'measured' or a number, got {given!r}")
                self._set(name, number(given, f"Impact: {name}", above=0.0))
        if self.law == "linear":
            if self.depth is None:
                raise VenueError("Impact: law='linear' needs depth=, the quantity that moves the price by 1 %")
            self._set("depth", number(self.depth, "Impact: depth", above=0.0))
        self._set("half_life_ns", duration_ns(self.half_life, "Impact: half_life"))
        if self.half_life_ns <= 0:
            raise VenueError(f"Impact: half_life must be longer than zero, got {self.half_life!r}")
        recovery = duration_ns("10m" if self.recovery is None else self.recovery, "Impact: recovery")
        if recovery <= 0:
            raise VenueError(
                f"Impact: recovery must be longer than zero, got {self.recovery!r}; memory='none' has none"
            )
        self._set("recovery_ns", recovery)
        if self.memory == "power":
            self._set(
                "exponent",
                number(0.5 if self.exponent is None else self.exponent, "Impact: exponent", above=0.0, high=2.0),
            )
        self._refuse_idle()

    def _refuse_idle(self) -> None:
        """Refuse what has no effect with the other arguments."""
        idle = {
            "depth": self.law != "linear" and self.depth is not None,
            "factor": self.law != "square_root" and self.factor != 1.0,
            "knee": self.law != "square_root" and self.knee != 0.001,
            "volume": self.law != "square_root" and self.volume != "measured",
            "volatility": self.law != "square_root" and not self.spread and self.volatility != "measured",
            "recovery": self.memory == "none" and self.recovery is not None,
            "exponent": self.memory != "power" and self.exponent is not None,
            "half_life": not self.is_measured and self.half_life != "1d",
        }
        given = [name for name, is_idle in idle.items() if is_idle]
        if given:
            raise VenueError(
                f"Impact: {', '.join(given)} would have no effect with law={self.law!r}, memory={self.memory!r}; "
                "leave it out"
            )

    @property
    def is_measured(self) -> bool:
        """Whether volatility or volume comes from the data so far."""
        if self.law == "square_root" and "measured" in (self.volatility, self.volume):
            return True
        return bool(self.spread) and self.volatility == "measured"

    def nodes(self) -> list[tuple[float, float]]:
        """Return (rate in 1/s, share of an order) of the exponentials of the memory, without what is permanent."""
        import math

        from venues.footprint import power_nodes

        left = 1.0 - float(self.permanent)
        seconds = self.recovery_ns * 1e-9
        if self.memory == "none":
            return []
        if self.memory == "exponential":
            return [(math.log(2.0) / seconds, left)]
        return [(rate, left * share) for rate, share in power_nodes(seconds, float(self.exponent or 0.5))]

    def describe(self) -> str:
        """Return the model in words."""
        shown = {
            name: "measured" if value == "measured" else f"{float(value):g}"
            for name, value in (("volatility", self.volatility), ("volume", self.volume))
        }
        law = {
            "linear": f"linear, 1 % for {float(self.depth or 0.0):g}",
            "recorded": "recorded depth, straight lines between its points",
            "square_root": f"{float(self.factor):g} x daily volatility ({shown['volatility']}) x sqrt(quantity / daily "
            f"volume ({shown['volume']})), a straight line below {float(self.knee):.3g} of it",
        }[self.law]
        time = _words(self.recovery_ns)
        memory = {
            "none": "the rest comes back at once",
            "exponential": f"half of what is missing comes back every {time}",
            "power": f"what is missing falls as (1 + t / {time})^-{float(self.exponent or 0.0):g}",
        }[self.memory]
        spread = f"; half-spread {float(self.spread):g} of the daily volatility ({shown['volatility']})"
        return f"{law}; {memory}, {100 * float(self.permanent):g} % never{spread if self.spread else ''}"

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


def _words(ns: int) -> str:
    """Return a duration in the largest unit that gives a number of at least 1."""
    for unit, size in (("d", DAY_NS), ("h", 3_600 * 10**9), ("min", 60 * 10**9), ("s", 10**9), ("ms", 10**6)):
        if ns >= size:
            return f"{ns / size:g} {unit}"
    return f"{ns} ns"
