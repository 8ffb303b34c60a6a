"""One task with our engine in a process of its own.

usage: child.py TASK FOLDER_OF_DATA FOLDER_OF_STRATEGIES; prints one line of JSON.

The packages come from where the interpreter finds them; only without an installation from the checkout.
"""

import importlib.util
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(task: str, root: str, strategies: str) -> None:
    sys.path[0] = strategies
    if importlib.util.find_spec("backtest") is None:
        sys.path.insert(1, str(HERE.parent))
    # By its place, so that the checkout with its uncompiled packages need not be on the path.
    spec = importlib.util.spec_from_file_location(
        "benchmarks", HERE / "__init__.py", submodule_search_locations=[str(HERE)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{HERE} is not a package")
    sys.modules["benchmarks"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["benchmarks"])
    from benchmarks import tasks

    print(json.dumps(tasks.run(task, Path(root))))


if __name__ == "__main__":
    main(*sys.argv[1:])
