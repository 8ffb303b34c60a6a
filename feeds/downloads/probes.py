"""Files that an archive did not have: absent only when asked twice with some time between (rule A1)."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from feeds.downloads.windows import Source, Wanted, Window
from feeds.locks import write_atomic

APART_NS = 600 * 10**9


@dataclass
class Probes:
    """When each missing file was first asked for; survives the process.

    Parameters
    ----------
    path : Path
    now : int
        ns.
    """

    path: Path
    now: int
    _first: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            found = json.loads(self.path.read_text())
            self._first = {str(name): int(ts) for name, ts in found.items()}
        except (OSError, ValueError, AttributeError):
            self._first = {}  # what is lost is one probe: the next run asks twice again

    def absence(self, wanted: Wanted, window: Window, source: Source, word: str) -> str:
        """Return ``absent`` when a source's absence is confirmed, else why it is not."""
        if word != "absent":
            return word
        name = f"{source.name} {wanted} {window.name}"
        first = self._first.get(name)
        if first is not None and self.now - first >= APART_NS:
            return "absent"
        if first is None:
            self._first[name] = self.now
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self.path, json.dumps(self._first, sort_keys=True).encode())
        return "unconfirmed"
