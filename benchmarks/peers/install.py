"""Environments of the peers: one folder each, made by pip when asked for; a peer that cannot be installed is absent."""

import os
import subprocess
import sys
from pathlib import Path

PACKAGES = {
    "hftbacktest": ("hftbacktest", "pyarrow"),
    "nautilus_trader": ("nautilus_trader==1.221.0", "pyarrow"),
    "backtesting": ("backtesting", "pyarrow"),
    "vectorbt": ("vectorbt", "pyarrow"),
}


def python(cache: Path, peer: str) -> Path:
    """Return the interpreter of a peer, there or not."""
    folder = "Scripts" if os.name == "nt" else "bin"
    return cache / "venvs" / peer / folder / "python"


def installed(cache: Path) -> dict[str, str]:
    """Return the version of each peer that is there."""
    found = {}
    for peer in PACKAGES:
        if (cache / "venvs" / peer / "done").exists():
            found[peer] = (cache / "venvs" / peer / "done").read_text().strip()
    return found


def install(cache: Path, peer: str) -> bool:
    """Install a peer unless it is there; return whether it is."""
    place = cache / "venvs" / peer
    if (place / "done").exists():
        return True
    print(f"installing {peer} into {place}", flush=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        pip = [str(python(cache, peer)), "-m", "pip", "install", "-q", "--prefer-binary", *PACKAGES[peer]]
        subprocess.run(pip, check=True)
        shown = [str(python(cache, peer)), "-c", f"from importlib.metadata import version; print(version({peer!r}))"]
        version = subprocess.run(shown, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{peer} cannot be installed here: {error}", flush=True)
        return False
    (place / "done").write_text(version)
    return True
