"""Studies of design, and of what it means for one trader: fund, margin, auction, funding, engines."""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from backtest.errors import ConfigError
from backtest.lab.adl import POLICIES, fairness, winners
from backtest.lab.auction import best_decay, dutch_auction, simulate_dutch
from backtest.lab.cascade import cascade
from backtest.lab.curves import StepLiquidations
from backtest.lab.draws import Draws
from backtest.lab.figures import Curve, Figure
from backtest.lab.first_passage import passage_probability
from backtest.lab.fund import fund_curve, sweep_shortfall
from backtest.lab.funding import CLAMP, INTEREST, censored_share, clamped_funding, dead_zone, parity_ratio
from backtest.lab.given import Array, column, count, number
from backtest.lab.kou import KouJumps, kou_passage_probability
from backtest.lab.margin import Procyclicality, margin_versions, position_tiers, procyclicality, rolling_margin
from backtest.lab.passage_paths import simulate_passage
from backtest.lab.positions import leverage_prices
from backtest.lab.protocols import Engine, Score, scoreboard
from backtest.lab.stress import Market
from backtest.lab.study import Reader, Study
from backtest.lab.study_inputs import BOOK, make_book, read_rows
from backtest.lab.study_market import LIMITS, estimate_text

DAY: Final = 1.0 / 365.0

FUND_EXAMPLE: Final = f"""# levdyn lab fund: how large an insurance fund must be
reference = 100_000.0
maintenance_rate = 0.005
leverages = [5.0, 10.0, 20.0, 50.0]     # one account group each
quantities = [6_000.0, 6_000.0, 4_000.0, 1_000.0]   # base units
volatility = 0.8        # per sqrt(year): shocks are the adverse part of a Student move
window_days = 1.0
degrees = 3.0
depth_error = 0.4       # lognormal, of the book in each scenario
backstop_share = 0.0
scenarios = 4_000
winner_profits = [5e6, 3e6, 2e6, 1e6]   # quote; who pays the worst scenario by ADL without a fund
{BOOK}"""

MARGIN_EXAMPLE: Final = f"""# levdyn lab margin: a trader's chance of being closed, a venue's best maintenance margin
volatility = 0.676182509  # per sqrt(year), for the models without jumps
maintenance_rate = 0.005
leverages = [3.0, 5.0, 10.0, 20.0, 50.0, 100.0]
horizon_days = 1.0
cost = 0.01             # k: cost of margin over the window, relative to a unit of shortfall
window_days = 1.0       # close-out window
degrees = 3.0
paths = 100_000         # of the simulation beside the formula
bars = ""               # CSV or Parquet with a column close, one row per window: adverse moves from history
rolling = 60            # windows after whose volatility a margin would follow
floor = 0.02            # of that margin
quantities = [10.0, 100.0, 1_000.0, 10_000.0]   # position sizes for tiers
execution_per_day = 20_000.0
fee = 0.0005
[jumps]
volatility = 0.6
intensity = 25.0        # a year
up_probability = 0.4
mean_up = 0.033333333
mean_down = 0.05
{BOOK}"""

AUCTION_EXAMPLE: Final = """# levdyn lab auction: a Dutch auction of collateral
daily_volatility = 0.05
block_time = 12.0       # seconds
start = 0.182321557     # ln(first ask / fair price)
holding_cost = 1e-6     # per second: expected growth of the shortfall
decays = [5e-5, 1e-4, 2e-4, 5e-4, 1e-3]     # per second
runs = 50_000           # of the simulation beside the formula
"""

FUNDING_EXAMPLE: Final = """# levdyn lab funding: what funding says and what it hides
quote_rate = 0.05       # per year
base_rate = 0.0
rates = ""              # CSV or Parquet with a column rate (8 h): how many settlements are censored
"""

COMPARE_EXAMPLE: Final = f"""# levdyn lab compare: margin engines on the same shocks
reference = 100_000.0
leverages = [4.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0, 50.0]
quantities = [500.0, 800.0, 1_000.0, 1_500.0, 1_000.0, 800.0, 300.0, 100.0]
volatility = 0.8
window_days = 1.0
degrees = 3.0
paths = 40
refill_rate = 0.01      # per second
execution_rate = 0.2    # per second
fund = 5e6              # quote
backstop = 5e7
backstop_share = 0.6
[engines]
isolated = {{ kind = "isolated" }}
cross = {{ kind = "cross" }}
portfolio = {{ kind = "portfolio" }}
inverse = {{ kind = "inverse" }}
loan = {{ kind = "cdp_fixed_spread" }}
clipper = {{ kind = "cdp_dutch" }}
soft = {{ kind = "soft" }}
vault = {{ kind = "backstop_vault" }}
{BOOK}"""


def _percent(x: float) -> str:
    return f"{100 * x:.4g} %"


def _known(x: float | None) -> str:
    return "–" if x is None else _percent(x)


def _shocks(values: Mapping[str, Any], how_many: int, seed: int, purpose: str) -> Array:
    """Return falls of a price: the adverse part of a Student move of the given volatility, below 0.99."""
    nu = number(values["degrees"], "degrees", above=2.0)
    spread = number(values["volatility"], "volatility", above=0.0) * math.sqrt(
        number(values["window_days"], "window_days", above=0.0) * DAY * (nu - 2.0) / nu
    )
    moves = spread * Draws(seed, purpose).student(nu, how_many)
    made: Array = np.minimum(-np.expm1(-np.abs(moves)), 0.99)
    return made


def study_fund(values: Mapping[str, Any], seed: int) -> Study:
    """Answer how large a fund must be, and who would pay without one."""
    losses = fund_losses(values, seed)
    sizes = fund_curve(losses)
    worst = float(losses.sum(axis=1).max())
    profit = column(values["winner_profits"], "winner_profits", low=0.0)
    shared = {name: fairness(policy(winners(profit), worst), worst) for name, policy in POLICIES.items()}
    level = np.array([size.confidence for size in sizes])
    return Study(
        name="fund", question="How large must the insurance fund be?", inputs=values, seed=seed,
        results={"sizes": sizes, "adl_of_the_worst_scenario": shared, "worst": worst,
                 "share_of_scenarios_with_loss": float(np.mean(losses.sum(axis=1) > 0.0))},
        units={"sizes": "quote; contributions by leverage, in order", "adl_of_the_worst_scenario": "quote; Gini: 1",
               "worst": "quote", "share_of_scenarios_with_loss": "1"},
        headline=tuple((f"fund at {_percent(size.confidence)}", estimate_text(size.value_at_risk, ",.0f"))
                       for size in sizes),
        notes=(*LIMITS[:2], "Shocks are falls only: each scenario is an adverse window. Standard errors of quantiles "
               "are from order statistics."),
        figures=(Figure(
            "Fund against confidence",
            [Curve("not exceeded", level, np.array([s.value_at_risk.value for s in sizes])),
             Curve("mean beyond", level, np.array([s.expected_shortfall.value for s in sizes]))],
            x_name="confidence", y_name="quote", x_form=_percent, y_form=lambda y: f"{y:,.4g}",
        ),),
    )  # fmt: skip


def fund_losses(values: Mapping[str, Any], seed: int) -> Array:
    """Return losses beyond margin of each account group in each scenario, quote, shape (scenarios, groups)."""
    book, n = make_book(values["book"]), count(values["scenarios"], "scenarios", low=100)
    leverage = column(values["leverages"], "leverages", low=1.0)
    size = column(values["quantities"], "quantities", len(leverage), above=0.0)
    price = number(values["reference"], "reference", above=0.0)
    at, broke = leverage_prices(price, leverage, values["maintenance_rate"], side=1)
    share = 1.0 - number(values["backstop_share"], "backstop_share", low=0.0, high=1.0)
    shocks = _shocks(values, n, seed, "fund shocks")
    thins = np.exp(number(values["depth_error"], "depth_error", low=0.0) * Draws(seed, "fund depth").normal(n))
    pieces = 20  # of each group, so that fills are spread along the sweep
    curve = StepLiquidations(np.repeat(1.0 - at / price, pieces), np.repeat(size / pieces, pieces))
    group = np.repeat(np.arange(len(size)), pieces)[curve.rows]
    limits = np.repeat(1.0 - broke / price, pieces)
    out = np.zeros((n, len(size)))
    for row, (shock, thin) in enumerate(zip(shocks.tolist(), thins.tolist(), strict=True)):
        scaled = book.thinned(thin)
        drop = float(cascade(curve, scaled, shock, share=share).drop)
        found = sweep_shortfall(curve, limits, scaled, shock=shock, drop=drop, reference=price, share=share)
        np.add.at(out[row], group[: len(found.results)], -np.minimum(found.results, 0.0))
    return out


def study_margin(values: Mapping[str, Any], seed: int) -> Study:
    """Answer what one trader's chance of being closed is, and how much maintenance margin a venue should ask."""
    horizon = number(values["horizon_days"], "horizon_days", above=0.0) * DAY
    jumps = KouJumps(**Reader(values["jumps"], "[jumps]").all(
        "volatility", "intensity", "up_probability", "mean_up", "mean_down"))  # fmt: skip
    leverage = column(values["leverages"], "leverages", low=1.0)
    barriers = leverage_prices(1.0, leverage, values["maintenance_rate"], side=1)[0]
    brownian = passage_probability(1.0, barriers, values["volatility"], horizon)
    kou = np.array([kou_passage_probability(1.0, barrier, jumps, horizon) for barrier in barriers.tolist()])
    middle = len(leverage) // 2
    drawn = simulate_passage(1.0, float(barriers[middle]), jumps, horizon, seed=seed, paths=values["paths"])
    if not np.all(barriers < 1.0):
        raise ConfigError("leverages: a position is due at once where 1 / leverage is not above maintenance_rate")
    moves, swing = _history(values)
    window = number(values["window_days"], "window_days", above=0.0) * DAY
    versions = margin_versions(values["volatility"], window, values["cost"], degrees=values["degrees"], moves=moves)
    sizes = column(values["quantities"], "quantities", above=0.0)
    tiers = position_tiers(
        sizes, make_book(values["book"]), volatility=values["volatility"], cost=values["cost"],
        execution_rate=values["execution_per_day"] * 365.0, fee=values["fee"],
    )  # fmt: skip
    return Study(
        name="margin", question="What is the chance of being closed, and how much margin is enough?", inputs=values,
        seed=seed,
        results={
            "leverage": leverage, "chance_brownian": brownian, "chance_jumps": kou, "jump_volatility":
            jumps.total_volatility, "simulated_leverage": float(leverage[middle]), "simulated": drawn,
            "versions": versions, "procyclicality": swing, "tier_quantity": sizes, "tier_margin": tiers,
        },
        units={
            "leverage": "1", "chance_brownian": "probability", "chance_jumps": "probability",
            "jump_volatility": "per sqrt(year)", "simulated_leverage": "1",
            "simulated": "probability, with jumps; by_jump and beyond: of all paths",
            "versions": "fraction of notional", "procyclicality": "ratios of peak to trough; held: part of the time",
            "tier_quantity": "base units", "tier_margin": "fraction of notional",
        },
        headline=(
            *((f"closed within the horizon at {lev:g}x", f"{_percent(a)} without jumps, {_percent(b)} with")
              for lev, a, b in zip(leverage.tolist(), brownian.tolist(), kou.tolist(), strict=True)),
            ("simulated with jumps", f"{leverage[middle]:g}x: {estimate_text(drawn.probability)}"),
            ("best margin, normal / path / Student", " / ".join(map(_percent, (
                versions.gaussian, versions.path_drop, versions.student)))),
            ("from history / its tail", f"{_known(versions.historical)} / {_known(versions.tail)}"),
            *(() if swing is None else ((
                "a margin that follows volatility", f"peaks at {swing.peak_to_trough:.3g} times its trough, "
                f"{swing.floored:.3g} with the floor"),)),
        ),
        notes=("Jumps raise the risk of a short horizon and lower that of a long one at equal variance: both lines are "
               "shown.", "Maintenance margin hardly helps against jumps: the buffer it buys is -ln(1 - m)."),
        figures=(Figure(
            "Chance of being closed within the horizon",
            [Curve("without jumps", leverage, brownian), Curve("with jumps", leverage, kou)],
            x_name="leverage", y_name="probability", x_form=lambda x: f"{x:g}x", y_form=_percent,
        ),),
    )  # fmt: skip


def _history(values: Mapping[str, Any]) -> tuple[Array | None, Procyclicality | None]:
    """Return adverse moves of the windows in the file of bars, and how a margin after their volatility swings."""
    if not values["bars"]:
        return None, None
    rows = read_rows(values["bars"])
    if "close" not in rows:
        raise ConfigError(f"{values['bars']}: column close is missing; it has {', '.join(map(str, rows))}")
    returns = np.diff(np.log(column(rows["close"].to_numpy(dtype=float), "close", above=0.0)))
    followed = rolling_margin(returns, values["cost"], periods=values["rolling"])
    return np.maximum(-returns, 0.0), procyclicality(followed, values["floor"])


def study_auction(values: Mapping[str, Any], seed: int) -> Study:
    """Answer how fast a Dutch auction should fall."""
    sigma = number(values["daily_volatility"], "daily_volatility", low=0.0) / math.sqrt(86_400.0)
    common = {"volatility": sigma, "block_time": values["block_time"], "start": values["start"]}
    decays = column(values["decays"], "decays", above=0.0)
    found = [dutch_auction(decay, **common) for decay in decays.tolist()]
    drawn = [simulate_dutch(decay, seed=seed, runs=values["runs"], **common) for decay in decays.tolist()]
    best = best_decay(values["holding_cost"], **common)
    line = np.geomspace(float(decays.min()), float(decays.max()), 200)
    costs = np.array([_cost(decay, values["holding_cost"], common) for decay in line.tolist()])
    return Study(
        name="auction", question="How fast should a Dutch auction fall?", inputs=values, seed=seed,
        results={
            "decay": decays, "loss": [f.loss for f in found], "seconds": [f.seconds for f in found], "simulated": drawn,
            "cost": [_cost(decay, values["holding_cost"], common) for decay in decays.tolist()],
            "best_decay": best.decay, "best_cost": best.cost,
        },
        units={
            "decay": "per second", "loss": "fraction of the fair price", "seconds": "seconds",
            "simulated": "loss: fraction, seconds", "cost": "fraction", "best_decay": "per second",
            "best_cost": "fraction",
        },
        headline=(
            ("best decay", f"{best.decay:.6g} per second"), ("its cost", _percent(best.cost)),
            *((f"decay {decay:.3g}", f"loss {1e4 * f.loss:.3f} bp (simulated {1e4 * d.loss.value:.3f} ± "
               f"{1e4 * d.loss.error:.2g}), {f.seconds:,.1f} s")
              for decay, f, d in zip(decays.tolist(), found, drawn, strict=True)),
        ),
        notes=("The loss does not depend on the start: decay is set by holding cost and block time, the starting price "
               "by the error of the oracle.", "The holding cost is the expected growth of the shortfall per second."),
        figures=(Figure(
            "Cost against decay", [Curve("loss + holding cost", np.log10(line), costs)],
            x_name="log10 of the decay per second", y_name="cost", x_form=lambda x: f"{x:.3g}", y_form=_percent,
            lines=((math.log10(best.decay), "best"),),
        ),),
    )  # fmt: skip


def _cost(decay: float, holding_cost: float, common: dict[str, float]) -> float:
    found = dutch_auction(decay, **common)
    return found.loss + holding_cost * found.seconds


def study_funding(values: Mapping[str, Any], seed: int) -> Study:
    """Answer what funding says about a market and what it hides."""
    premium = np.linspace(-0.002, 0.002, 161)
    funding = clamped_funding(premium)
    low, high = dead_zone()
    parity = parity_ratio(quote_rate=values["quote_rate"], base_rate=values["base_rate"])
    share = None
    if values["rates"]:
        rows = read_rows(values["rates"])
        if "rate" not in rows:
            raise ConfigError(f"{values['rates']}: column rate is missing; it has {', '.join(map(str, rows))}")
        share = censored_share(rows["rate"].to_numpy(dtype=float))
    return Study(
        name="funding", question="What does funding say, and what does it hide?", inputs=values, seed=seed,
        results={"premium": premium, "funding": funding, "dead_zone": (low, high), "parity": parity,
                 "interest": INTEREST, "clamp": CLAMP, "censored_share": share},
        units={"premium": "fraction", "funding": "fraction per 8 hours", "dead_zone": "premium", "parity":
               "future / spot", "interest": "per 8 hours", "clamp": "per 8 hours", "censored_share": "1"},
        headline=(
            ("says nothing between premiums of", f"{_percent(low)} and {_percent(high)}"),
            ("future / spot at constant rates", f"{1e4 * (parity - 1.0):+.3f} bp"),
            ("settlements that are exactly the interest rate", "–" if share is None else _percent(share)),
        ),
        notes=("Raw funding is a censored signal: use the premium index where there is one.",
               "Forward returns are hardly explained by funding, and early-warning signals are specific to an event."),
        figures=(Figure(
            "Funding against premium", [Curve("funding", premium, funding)], x_name="premium", y_name="rate of 8 hours",
            x_form=_percent, y_form=_percent, lines=((low, "dead zone"), (high, "")),
        ),),
    )  # fmt: skip


def study_compare(values: Mapping[str, Any], seed: int) -> Study:
    """Answer which margin engine loses what on the same shocks."""
    names = ("refill_rate", "execution_rate", "fund", "backstop", "backstop_share", "reference")
    market = Market(book=make_book(values["book"]), **{name: values[name] for name in names})
    engines = {name: _engine(name, table) for name, table in values["engines"].items()}
    shocks = _shocks(values, count(values["paths"], "paths", low=10), seed, "compare shocks")
    found = scoreboard(engines, market, quantities=values["quantities"], leverages=values["leverages"], shocks=shocks)
    ratios = np.array([score.ratio for score in found.values()])
    refills = np.array([score.refill for score in found.values()])
    line = np.linspace(0.0, max(1.0, 1.2 * float(refills.max())), 100)
    drawn = Figure(
        "Engines on the phase diagram",
        [Curve("frontier", line, (1.0 + np.sqrt(line)) ** 2), Curve("engines", refills, ratios, True, list(found))],
        x_name="r = refill rate / execution rate", y_name="largest branching ratio within 10 %",
        x_form=lambda v: f"{v:.3g}", y_form=lambda v: f"{v:.3g}",
    )  # fmt: skip
    return Study(
        name="compare", question="Which margin engine loses what?", inputs=values, seed=seed,
        results={"scores": found, "shocks": shocks},
        units={"scores": "bad_debt, liquidated, fund_used, adl, to_liquidators, late_oracle, slow_blocks: of open "
               "interest; peak_velocity: quote "
               "per second; seconds; fund_999: quote; the rest: 1", "shocks": "fraction"},
        headline=tuple((name, _score_text(score)) for name, score in found.items()),
        notes=(*LIMITS, "Each figure has mean, 95 % interval of the mean and worst path over the same shocks."),
        figures=(drawn,),
    )  # fmt: skip


def _engine(name: str, table: Mapping[str, Any]) -> Engine:
    known = ("kind", "maintenance_rate", "free_collateral", "offset", "bonus", "bands")
    unknown = sorted(set(table) - set(known))
    if unknown or "kind" not in table:
        raise ConfigError(f"[engines]: {name} needs kind and may have {', '.join(known[1:])}, got {', '.join(table)}")
    return Engine(**table)


def _score_text(score: Score) -> str:
    debt, closed = score.figures["bad_debt"], score.figures["liquidated"]
    critical = "none" if score.critical_shock is None else _percent(score.critical_shock)
    return (
        f"bad debt {_percent(debt.mean)} (worst {_percent(debt.worst)}), closed {_percent(closed.mean)}, "
        f"critical shock {critical}, {score.capital_efficiency:.3g} of open interest per unit of margin"
    )
