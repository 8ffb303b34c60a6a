"""History from the network into a catalog; `feeds.download(...)` is the function of that name."""

import sys
from types import ModuleType
from typing import Any

__all__ = ["download"]


def download(*args: Any, **kwargs: Any) -> Any:
    """Download history into a catalog: see `feeds.download.run.download`."""
    from feeds.download import run

    return run.download(*args, **kwargs)


class _CallableModule(ModuleType):
    """This package under the name of its one function: `feeds.download` is both, whichever is imported first."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Download history into a catalog."""
        return download(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule
