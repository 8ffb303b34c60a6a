"""Keys of the user: from the environment or a key file, never printed, never stored."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from feeds.errors import FeedError

KEY_FILE = "LEVDYN_KEY_FILE"
_NAMES = {"key": "apiKey", "secret": "secret", "password": "password"}


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key of one venue or vendor; its text form shows nothing of it."""

    key: str = field(repr=False)
    secret: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def for_ccxt(self) -> dict[str, str]:
        """Return the key under ccxt's names."""
        return {theirs: getattr(self, ours) for ours, theirs in _NAMES.items() if getattr(self, ours)}


def variables(owner: str) -> str:
    """Return the names of the environment variables that hold a key, for messages."""
    return f"LEVDYN_{owner.upper()}_KEY (and _SECRET)"


def credentials(owner: str, key_file: Path | None = None) -> Credentials | None:
    """Return the user's key of a venue or vendor, None when there is none.

    The environment (``LEVDYN_BINANCE_USDM_KEY``, ``..._SECRET``, ``..._PASSWORD``) wins over the key file: a JSON
    object ``{"binance_usdm": {"key": ..., "secret": ...}}``, named by `key_file` or ``LEVDYN_KEY_FILE``.

    Raises
    ------
    FeedError
        If the key file cannot be read; the message shows nothing of its content.
    """
    found = {name: os.environ.get(f"LEVDYN_{owner.upper()}_{name.upper()}", "") for name in _NAMES}
    if found["key"]:
        return Credentials(**found)
    named = key_file if key_file is not None else os.environ.get(KEY_FILE)
    if not named:
        return None
    path = Path(named)
    try:
        entry = json.loads(path.read_text()).get(owner)
        return None if entry is None else Credentials(**{name: str(entry.get(name, "")) for name in _NAMES})
    except OSError as error:
        raise FeedError(f"key file {path}: {error.strerror}") from None
    except (ValueError, AttributeError):
        raise FeedError(f'key file {path}: must be a JSON object as {{"binance_usdm": {{"key": ..., ...}}}}') from None
