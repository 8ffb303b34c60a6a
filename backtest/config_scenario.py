"""What [[scenario]] tables of a configuration say, as steps."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backtest.config_problems import Problems
from backtest.errors import ConfigError
from backtest.scenario import Step
from venues.checks import did_you_mean

if TYPE_CHECKING:
    from feeds.dataset import Dataset


def scenario(rows: Sequence[Mapping[str, Any]], data: "Dataset | None", problems: Problems) -> tuple[Step, ...]:
    """Return the steps of all tables, those that could be made; what is wrong is noted.

    A table has `what` and the arguments of that step, or `day`, the name of a day and whom it happens to.
    """
    made: list[Step] = []
    for number, row in enumerate(rows):
        place = "scenario" if len(rows) == 1 else f"scenario[{number}]"
        found = problems.attempt(place, _of_row, dict(row), data)
        made += found or ()
    return tuple(made)


def _of_row(row: dict[str, Any], data: "Dataset | None") -> tuple[Step, ...]:
    from backtest.scenario_days import check_covers, named_day
    from backtest.scenarios import STEPS

    if ("what" in row) == ("day" in row):
        raise ConfigError(f"needs what = one of {', '.join(STEPS)}, or day = a named day, and not both")
    if "day" in row:
        name = row.pop("day")
        unknown = sorted(set(row) - {"venue", "symbol", "asset", "at"})
        if unknown:
            raise ConfigError(f"a named day takes venue, symbol, asset and at, not {', '.join(unknown)}")
        found = named_day(name, **row)
        if data is not None and "at" not in row:
            check_covers(name, data)
        return found
    what = row.pop("what")
    if what not in STEPS:
        raise ConfigError(f"what = {what!r} is unknown{did_you_mean(str(what), STEPS)}; allowed are {', '.join(STEPS)}")
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    try:
        return (STEPS[what](**values),)
    except TypeError as error:
        raise ConfigError(f"{what}: {error}") from None
