"""Compare every .pyi with the compiled module that the environment imports (mypy.stubtest)."""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("feeds", "venues", "backtest", "strategies")
# What Cython adds to every module or class and no stub should list.
GENERATED = r""".*\.__pyx_.*
.*\.__test__
.*\.__reduce__
.*\.__reduce_cython__
.*\.__setstate__
.*\.__setstate_cython__
"""


def main() -> int:
    """Return the exit code of stubtest, 0 when there is no stub yet."""
    stubs = [path.relative_to(ROOT) for package in PACKAGES for path in sorted((ROOT / package).rglob("*.pyi"))]
    modules = [".".join(path.with_suffix("").parts) for path in stubs]
    if not modules:
        return 0
    with tempfile.TemporaryDirectory() as folder:
        allowed = Path(folder, "allowed")
        allowed.write_text(GENERATED)
        options = ["--allowlist", str(allowed), "--ignore-unused-allowlist", "--ignore-missing-stub", "--concise"]
        command = [sys.executable, "-m", "mypy.stubtest", *options, "--mypy-config-file", str(ROOT / "pyproject.toml")]
        return subprocess.run([*command, *modules], cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
