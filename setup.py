"""Extension discovery and the one table of compiler directives."""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

PACKAGES = ["feeds", "venues", "backtest", "strategies"]
TRACE = os.environ.get("LINETRACE") == "1"
WERROR = os.environ.get("WERROR") == "1"  # not CFLAGS=-Werror, which would replace the interpreter's own flags
JOBS = max(2, os.cpu_count() or 1)
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": TRACE,
    "wraparound": TRACE,
    "initializedcheck": TRACE,
    "cdivision": True,
    "embedsignature": True,
    "binding": True,
    "linetrace": TRACE,
}
# No -march=native and no contraction: a run gives the same bytes on every machine of an architecture.
FLAGS = [*(["-O0", "-g"] if TRACE else ["-O3", "-g0"]), "-ffp-contract=off", "-Wall", *(["-Werror"] if WERROR else [])]
QUIET = ["-Wno-unused-function", "-Wno-unreachable-code"]  # what Cython's own code gives


def extensions() -> list[Extension]:
    """Return one extension for each .pyx of the packages, the templates for users apart."""
    sources = sorted(path for package in PACKAGES for path in Path(package).rglob("*.pyx"))
    return [
        Extension(
            ".".join(path.with_suffix("").parts),
            [path.as_posix()],
            extra_compile_args=FLAGS + QUIET,
            define_macros=[("CYTHON_TRACE_NOGIL", "1")] if TRACE else [],
        )
        for path in sources
        if "templates" not in path.parts
    ]


if __name__ == "__main__":
    setup(
        ext_modules=cythonize(
            extensions(), compiler_directives=DIRECTIVES, nthreads=JOBS, build_dir=None if TRACE else "build/cython"
        ),
        options={"build_ext": {"parallel": JOBS}},
    )
