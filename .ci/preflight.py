"""Say what this machine lacks before anything is installed or compiled; runs on any Python 3."""

import os
import shutil
import sys
import sysconfig


def lacking():
    """Return one line for each thing that the set-up needs and this Python or machine has not."""
    missing = []
    if sys.version_info < (3, 11):  # noqa: UP036
        found = f"{sys.version_info[0]}.{sys.version_info[1]} ({sys.executable})"
        missing.append(f"Python 3.11 or newer; found {found}. Name another one: make PYTHON=/path/to/python3.11")
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        missing.append(f"the modules venv and ensurepip of {sys.executable} (Debian: apt-get install python3-venv)")
    if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
        missing.append(f"the C headers of {sys.executable} (Debian: apt-get install python3-dev)")
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        missing.append(f"the C compiler {compiler!r} (Debian: apt-get install gcc libc6-dev), or another one in CC")
    return missing


if __name__ == "__main__":
    lines = lacking()
    if "--quiet" not in sys.argv:
        for line in lines:
            sys.stderr.write("levdyn needs " + line + "\n")
    sys.exit(bool(lines))
