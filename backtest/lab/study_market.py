"""Studies of where a market breaks: leverage map, shock, critical shock, phase diagram, contagion."""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from backtest.errors import ConfigError
from backtest.lab.branching import MEASURED, REALITY, branching
from backtest.lab.cascade import cascade
from backtest.lab.critical import branching_ratio, critical_shock, criticality_gauge
from backtest.lab.draws import Draws
from backtest.lab.figures import Curve, Figure, Shaded
from backtest.lab.given import Array, Estimate, column, count, mean_of, number
from backtest.lab.network import branching_matrix, contagion
from backtest.lab.study import Reader, Study
from backtest.lab.study_inputs import BOOK, POSITIONS, ledger_concentration, make_book, make_map, read_rows
from backtest.lab.velocity import fastest_execution, frontier, least_backstop, peak_drop

MAP_EXAMPLE: Final = f"""# levdyn lab map: how much would be closed by force at which move
reference = 100_000.0   # present price, quote
reach = 0.30            # largest move shown
points = 300
{POSITIONS}"""

SHOCK_EXAMPLE: Final = f"""# levdyn lab shock: what an outside fall becomes
reference = 100_000.0
shock = 0.05            # outside drop
backstop_share = 0.0    # part of forced sales that never reaches the book
reach = 0.20            # largest shock of the curve
{POSITIONS}{BOOK}"""

CRITICAL_EXAMPLE: Final = f"""# levdyn lab critical: the outside fall at which forced sales feed themselves
reference = 100_000.0
backstop_share = 0.0
shock = 0.05            # at which the estimators of the branching ratio are compared
scale = 0.08            # shock of today, as the one-day 99 % move: the safety margin is counted from it
map_error = 0.3         # lognormal error of the map's quantities
depth_error = 0.3       # and of the book's
draws = 200
times = ""              # CSV or Parquet with a column time (seconds) of liquidations: the third estimator
window = 600.0          # seconds of its counts
{POSITIONS}{BOOK}"""

PHASE_EXAMPLE: Final = """# levdyn lab phase: who stands where, branching ratio against refill over execution
[venues.measured_2025_10_10]
ratio = 0.195           # branching ratio
refill_rate = 0.02      # rho per second (assumed)
execution_rate = 0.2    # beta per second (assumed)
date = "2025-10-10"

[venues.without_backstop]
ratio = 0.53
refill_rate = 0.02
execution_rate = 0.2
date = "2025-10-10"
"""

CONTAGION_EXAMPLE: Final = """# levdyn lab contagion: venues that see each other's prices
names = ["A", "B"]
ratios = [0.9, 0.3]                     # branching ratio of each by itself
weights = [[0.6, 0.4], [0.2, 0.8]]      # mark of a row's venue: weights of all prices
shocks = [0.02, 0.0]                    # outside drops
"""

LIMITS: Final = (
    "Amplification above 1 is not criticality: it exceeds 1 as soon as one position is closed.",
    "A square-root impact has an infinite slope at zero and makes false cascades of small liquidations: use a book "
    "that is linear near the mid.",
    REALITY,
)


def _percent(x: float) -> str:
    return f"{100 * x:.4g} %"


def study_map(values: Mapping[str, Any], seed: int) -> Study:
    """Answer how much would be closed by force at which move."""
    found = make_map(values["positions"], reference=values["reference"], reach=values["reach"], points=values["points"])
    whales = None
    if values["positions"]["source"] == "file":
        whales = ledger_concentration(values["positions"]["path"], found.reference)
    reaches = [r for r in (0.01, 0.03, 0.05, 0.10) if r <= found.grid[-1]]
    within = {
        _percent(r): {side: float(np.interp(r, found.grid, getattr(found, side))) for side in ("longs", "shorts")}
        for r in reaches
    }
    drawn = Figure(
        "Closed by force up to each move",
        [Curve("longs, at a fall", found.grid, found.longs), Curve("shorts, at a rise", found.grid, found.shorts)],
        x_name="move from the present price", y_name="base units, cumulated", x_form=_percent,
        y_form=lambda y: f"{y:,.4g}",
    )  # fmt: skip
    return Study(
        name="map", question="How much would be closed by force at which move?", inputs=values, seed=seed,
        results={
            "grid": found.grid, "longs": found.longs, "shorts": found.shorts, "within": within,
            "asymmetry": found.asymmetry(), "confidence": found.confidence, "source": found.source,
            "concentration": whales,
        },
        units={
            "grid": "fraction of the reference price", "longs": "base units", "shorts": "base units",
            "within": "base units", "asymmetry": "1, within 10 %, above 0: longs", "confidence": "", "source": "",
            "concentration": "1; of positions, a ledger only",
        },
        headline=(
            ("the map is", found.confidence),
            *((f"within {r}", f"longs {sides['longs']:,.4g}, shorts {sides['shorts']:,.4g}")
              for r, sides in within.items()),
        ),
        notes=("A map from open interest or from a prior assumes leverages; only a ledger shows them.",),
        figures=(drawn,),
    )  # fmt: skip


def study_shock(values: Mapping[str, Any], seed: int) -> Study:
    """Answer what an outside fall becomes."""
    book, share = make_book(values["book"]), 1.0 - number(values["backstop_share"], "backstop_share", low=0.0, high=1.0)
    curve = make_map(values["positions"], reference=values["reference"]).falling
    shock = number(values["shock"], "shock", above=0.0, below=1.0)
    grid = np.linspace(0.0, number(values["reach"], "reach", above=0.0, below=1.0), 201)
    # the curve jumps at the critical shock; just below it the iteration needs too many rounds to be worth them
    found, sweep = (cascade(curve, book, s, share=share, limit=20_000) for s in (shock, grid))
    drop, triggered = float(found.drop), float(found.triggered)
    ratios = branching(curve, book, shock, share=share)
    results = {
        "drop": drop, "amplification": float(found.amplification), "triggered": triggered, "sold": float(found.sold),
        "average_price": values["reference"] * (1.0 - float(found.average_drop)), "rounds": int(found.rounds),
        "structural_ratio": ratios.structural, "bookkeeping_ratio": ratios.bookkeeping,
        "curve_shock": grid, "curve_drop": sweep.drop,
    }  # fmt: skip
    findings = () if bool(found.is_settled) else ("the shock lies within rounding of a critical one: drop is a bound",)
    return Study(
        name="shock", question="What does an outside fall become?", inputs=values, seed=seed, results=results,
        units={
            "drop": "fraction", "amplification": "1", "triggered": "base units", "sold": "base units",
            "average_price": "quote", "rounds": "rounds of liquidations", "structural_ratio": "1",
            "bookkeeping_ratio": "1", "curve_shock": "fraction", "curve_drop": "fraction",
        },
        headline=(
            ("outside drop", _percent(shock)), ("total drop", _percent(drop)),
            ("closed by force", f"{triggered:,.4g} base units"),
            ("branching ratio, structural / bookkeeping", f"{ratios.structural:.3f} / {ratios.bookkeeping:.3f}"),
        ),
        notes=LIMITS, findings=findings,
        figures=(Figure(
            "Amplification curve", [Curve("total drop", grid, sweep.drop), Curve("no cascade", grid, grid)],
            x_name="outside drop", y_name="total drop", x_form=_percent, y_form=_percent, lines=((shock, "shock"),),
        ),),
    )  # fmt: skip


def study_critical(values: Mapping[str, Any], seed: int) -> Study:
    """Answer at which outside fall forced sales feed themselves, with the error that map and book bring."""
    book, share = make_book(values["book"]), 1.0 - number(values["backstop_share"], "backstop_share", low=0.0, high=1.0)
    curve = make_map(values["positions"], reference=values["reference"]).falling
    found = critical_shock(curve, book, share=share)
    times = read_rows(values["times"])["time"].to_numpy(dtype=float) if values["times"] else None
    ratios = branching(curve, book, values["shock"], share=share, times=times, window=values["window"])
    grid = np.linspace(0.0, 0.3, 301)
    profile = branching_ratio(curve, book, grid, share=share)
    shocks, gauges = _uncertain(values, curve, book, share, seed)
    broke = shocks[np.isfinite(shocks)]
    chance = mean_of(np.isfinite(shocks).astype(float))
    margin = found.safety_margin(values["scale"])
    low, high = np.quantile(gauges, [0.025, 0.975]).tolist()
    results = {
        "critical_shock": found.shock, "critical_drop": found.drop, "landing": found.landing,
        "max_ratio": found.max_ratio, "max_at": found.max_at, "safety_margin": margin,
        "gauge": criticality_gauge(curve, book, share=share), "gauge_uncertain": mean_of(gauges),
        "gauge_interval": (low, high),
        "chance_of_a_critical_shock": chance,
        "critical_shock_uncertain": mean_of(broke) if len(broke) > 1 else None,
        "structural_ratio": ratios.structural, "bookkeeping_ratio": ratios.bookkeeping,
        "point_process_ratio": ratios.point_process, "measured": MEASURED,
        "profile_drop": grid, "profile_ratio": profile,
    }  # fmt: skip
    lines = () if found.drop is None else ((found.drop, "R = 1"),)
    return Study(
        name="critical", question="At which fall do forced sales feed themselves?", inputs=values, seed=seed,
        results=results,
        units=dict.fromkeys(results, "1") | dict.fromkeys(
            ("critical_shock", "critical_drop", "landing", "max_at", "safety_margin", "critical_shock_uncertain",
             "profile_drop"), "fraction"),
        headline=(
            ("critical shock", "none: the ratio stays below 1" if found.shock is None else _percent(found.shock)),
            ("it lands at", "–" if found.landing is None else _percent(found.landing)),
            ("largest branching ratio", f"{found.max_ratio:.3f} at {_percent(found.max_at)}"),
            ("gauge (within 10 %), 95 %", f"{low:.3f} to {high:.3f}"),
            ("has a critical shock in", f"{100 * chance.value:.0f} % of the draws"),
            ("safety margin", "–" if margin is None else _percent(margin)),
        ),
        notes=LIMITS,
        findings=("the critical shock lies within a shock of today",) if margin is not None and margin < 0.0 else (),
        figures=(Figure(
            "Branching ratio", [Curve("R", grid, np.minimum(profile, 5.0)), Curve("1", grid, np.ones_like(grid))],
            x_name="drop", y_name="branching ratio (drawn up to 5)", x_form=_percent, y_form=lambda y: f"{y:.3g}",
            lines=lines,
        ),),
    )  # fmt: skip


def _uncertain(values: Mapping[str, Any], curve: Any, book: Any, share: float, seed: int) -> tuple[Array, Array]:
    """Return critical shocks (nan: none) and gauges with lognormal errors on map and book."""
    from backtest.lab.curves import GridLiquidations

    n = count(values["draws"], "draws", low=20)
    noise = Draws(seed, "critical").normal((n, 2))
    sizes = np.exp(number(values["map_error"], "map_error", low=0.0) * noise[:, 0]).tolist()
    thins = np.exp(number(values["depth_error"], "depth_error", low=0.0) * noise[:, 1]).tolist()
    shocks, gauges = [], []
    for size, thin in zip(sizes, thins, strict=True):
        scaled, other = GridLiquidations(curve.grid, curve.totals * size), book.thinned(thin)
        found = critical_shock(scaled, other, share=share, points=500)
        shocks.append(math.nan if found.shock is None else found.shock)
        gauges.append(criticality_gauge(scaled, other, share=share))
    return np.array(shocks), np.array(gauges)


def study_phase(values: Mapping[str, Any], seed: int) -> Study:
    """Answer which venues could sustain a cascade, given how fast their books refill and their engines sell."""
    rows: dict[str, dict[str, Any]] = {}
    if not values["venues"]:
        raise ConfigError("[venues]: at least one table [venues.NAME] is needed")
    for name, table in values["venues"].items():
        given = Reader(table, f"[venues.{name}]").all("ratio", "refill_rate", "execution_rate", "date")
        refill = number(given["refill_rate"], "refill_rate", low=0.0) / number(
            given["execution_rate"], "execution_rate", above=0.0
        )
        ratio = number(given["ratio"], "ratio", low=0.0)
        rows[name] = {
            "date": given["date"], "ratio": ratio, "refill": refill, "frontier": float(frontier(refill)),
            "is_self_sustaining": bool(ratio >= frontier(refill)), "peak_drop_per_shock": peak_drop(ratio, refill),
            "fastest_execution": fastest_execution(ratio, given["refill_rate"]),
            "least_backstop": least_backstop(ratio, refill),
        }  # fmt: skip
    x = np.array([row["refill"] for row in rows.values()])
    y = np.array([row["ratio"] for row in rows.values()])
    line = np.linspace(0.0, max(1.0, 1.2 * float(x.max(initial=0.0))), 200)
    labels = [f"{name} {row['date']}" for name, row in rows.items()]
    drawn = Figure(
        "Phase diagram",
        [Curve("frontier (1 + sqrt r)^2", line, frontier(line)), Curve("venues", x, y, True, labels)],
        x_name="r = refill rate / execution rate", y_name="branching ratio R", x_form=lambda v: f"{v:.3g}",
        y_form=lambda v: f"{v:.3g}",
    )  # fmt: skip
    over = tuple(f"{name}: above the frontier, a cascade sustains itself" for name, row in rows.items()
                 if row["is_self_sustaining"])  # fmt: skip
    return Study(
        name="phase", question="Which venues could sustain a cascade?", inputs=values, seed=seed,
        results={"venues": rows},
        units={"venues": "ratio, refill, frontier, shares: 1; peak drop: per unit of shock; execution: per second"},
        headline=tuple(
            (label, f"R {row['ratio']:.3g} against {row['frontier']:.3g}") for label, row in zip(
                labels, rows.values(), strict=True)
        ),
        notes=LIMITS, findings=over, figures=(drawn,),
    )  # fmt: skip


def study_contagion(values: Mapping[str, Any], seed: int) -> Study:
    """Answer how a fall at one venue becomes falls elsewhere."""
    names = [str(name) for name in values["names"]]
    found = contagion(branching_matrix(values["ratios"], values["weights"]))
    shocks = column(values["shocks"], "shocks", len(names))
    drops = None if found.resolvent is None else found.response(shocks)
    results = {
        "matrix": found.matrix, "ratio": found.ratio, "direction": found.direction, "resolvent": found.resolvent,
        "importance": found.importance, "drops": drops,
    }  # fmt: skip
    rows = (
        ()
        if drops is None
        else tuple(
            (f"{name}: shock, total drop", f"{_percent(s)}, {_percent(x)}")
            for name, s, x in zip(names, shocks.tolist(), drops.tolist(), strict=True)
        )
    )
    return Study(
        name="contagion", question="How does a fall at one venue spread?", inputs=values, seed=seed, results=results,
        units={
            "matrix": "drop at row per unit drop at column, one generation", "ratio": "1", "direction": "1",
            "resolvent": "total drop at row per unit shock at column", "importance": "1", "drops": "fraction",
        },
        headline=(("branching ratio of the system", f"{found.ratio:.4g}"), *rows),
        notes=("A venue above 1 by itself can be stable when pooled, and a stable one can be dragged along.",),
        findings=("the system's branching ratio is at or above 1",) if found.ratio >= 1.0 else (),
        figures=(Shaded(
            "Who moves whom", names, found.matrix if found.resolvent is None else found.resolvent,
            lambda v: f"{v:.3f}", "Row: venue that falls. Column: venue of the shock. Total drop per unit of shock"
            if found.resolvent is not None else "Row: venue that falls. Column: where from. One generation.",
        ),),
    )  # fmt: skip


def estimate_text(found: Estimate, form: str = ".4g") -> str:
    """Return value and error as text."""
    return f"{found.value:{form}} ± {found.error:.2g}"
