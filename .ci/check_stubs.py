"""Compare every .pyi with the compiled module that the environment imports (mypy.stubtest)."""

import ast
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("feeds", "venues", "backtest", "strategies")
# What Cython adds to every module or class and no stub should list; __init__ because the arguments of a cdef class
# belong to __cinit__, which Python cannot look into.
GENERATED = (
    r".*\.__pyx_.*",
    r".*\.__test__",
    r".*\.__init__",
    r".*\.__reduce__",
    r".*\.__reduce_cython__",
    r".*\.__setstate__",
    r".*\.__setstate_cython__",
)
OPTIONS = ("--ignore-unused-allowlist", "--ignore-missing-stub", "--ignore-disjoint-bases", "--concise")


def aliases(stub: Path, module: str) -> list[str]:
    """Return the type aliases of a stub: they need not exist at run time. Constants are annotated and must exist."""
    body = ast.parse(stub.read_text()).body
    names = [
        node.targets[0].id for node in body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    ]
    return [re.escape(f"{module}.{name}") for name in names]


def main() -> int:
    """Return the exit code of stubtest, 0 when there is no stub yet."""
    stubs = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.pyi"))]
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in stubs]
    if not modules:
        return 0
    allowed = [*GENERATED, *(name for pair in zip(stubs, modules, strict=True) for name in aliases(*pair))]
    with tempfile.TemporaryDirectory() as folder:
        allowlist = Path(folder, "allowlist")
        allowlist.write_text("\n".join(allowed) + "\n")
        settings = ["--allowlist", str(allowlist), "--mypy-config-file", str(ROOT / "pyproject.toml")]
        command = [sys.executable, "-m", "mypy.stubtest", *OPTIONS, *settings, *modules]
        return subprocess.run(command, cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
