"""The questions of `levdyn lab`, by name: the study that answers each, and the configuration to begin with."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from backtest.errors import ConfigError
from backtest.lab import study_design as design
from backtest.lab import study_market as market
from backtest.lab.study import Study, configuration
from backtest.report_html import document
from venues.checks import did_you_mean


class Question(NamedTuple):
    """A study and its example configuration as TOML."""

    answer: Callable[[Mapping[str, Any], int], Study]
    example: str


QUESTIONS: Final[dict[str, Question]] = {
    "map": Question(market.study_map, market.MAP_EXAMPLE),
    "shock": Question(market.study_shock, market.SHOCK_EXAMPLE),
    "critical": Question(market.study_critical, market.CRITICAL_EXAMPLE),
    "phase": Question(market.study_phase, market.PHASE_EXAMPLE),
    "contagion": Question(market.study_contagion, market.CONTAGION_EXAMPLE),
    "fund": Question(design.study_fund, design.FUND_EXAMPLE),
    "margin": Question(design.study_margin, design.MARGIN_EXAMPLE),
    "auction": Question(design.study_auction, design.AUCTION_EXAMPLE),
    "funding": Question(design.study_funding, design.FUNDING_EXAMPLE),
    "compare": Question(design.study_compare, design.COMPARE_EXAMPLE),
}


def ask(name: str, config: str | Path | None = None, *, seed: int = 0) -> Study:
    """Return the answer to a question.

    Parameters
    ----------
    name : str
        One of `QUESTIONS`.
    config : path, optional
        TOML; what it does not say is as in the example of the question.
    seed : int
        Of everything random in it.
    """
    if name not in QUESTIONS:
        raise ConfigError(f"no question {name!r}{did_you_mean(name, QUESTIONS)}; there are {', '.join(QUESTIONS)}")
    question = QUESTIONS[name]
    values = configuration(question.example, None if config is None else Path(config), name)
    return question.answer(values, seed)


def report(studies: Mapping[str, Study], path: str | Path) -> Path:
    """Write one page that joins studies, in the order given; the folder is made when missing."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    sections = [part for study in studies.values() for part in study.sections()]
    target.write_text(document("Leverage lab", ", ".join(studies), sections), encoding="utf-8")
    return target
