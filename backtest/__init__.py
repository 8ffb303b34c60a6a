"""The run: strategies on data through the accounts of venues, and its result."""

from pathlib import Path as _Path
from typing import TYPE_CHECKING, Any

from backtest.siblings import require_siblings

require_siblings(_Path(__file__).parent)

if TYPE_CHECKING:
    from backtest.backtest import Backtest
    from backtest.comparison import compare, side_by_side
    from backtest.errors import ConfigError, InvariantError, OrderError
    from backtest.population import Crowd
    from backtest.replay_export import replay
    from backtest.result import Result
    from backtest.strategy import Strategy

__version__ = "0.1.0"
__all__ = [
    "Backtest",
    "ConfigError",
    "Crowd",
    "InvariantError",
    "OrderError",
    "Result",
    "Strategy",
    "__version__",
    "compare",
    "replay",
    "side_by_side",
]

_PLACES = {
    "Crowd": "backtest.population",
    "Backtest": "backtest.backtest",
    "Result": "backtest.result",
    "Strategy": "backtest.strategy",
    "compare": "backtest.comparison",
    "side_by_side": "backtest.comparison",
    "replay": "backtest.replay_export",
    "ConfigError": "backtest.errors",
    "InvariantError": "backtest.errors",
    "OrderError": "backtest.errors",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import backtest` stays light."""
    import importlib

    if name not in _PLACES:
        raise AttributeError(f"module 'backtest' has no attribute {name!r}")
    value = getattr(importlib.import_module(_PLACES[name]), name)
    globals()[name] = value
    return value
