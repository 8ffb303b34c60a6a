"""What a recording did, stream by stream; read by a display while it runs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from feeds.downloads.live.tape import RESTARTED, Tape
from feeds.downloads.report import CANNOT, DONE, FINDINGS
from feeds.times import iso


@dataclass
class Recording:
    """One recording.

    Attributes
    ----------
    catalog : str
    tapes : sequence of Tape
    stored : dict of str to int
        Rows in the catalog, by stream.
    begun, ended : int
        ns.
    flushes : int
    state : str
        In a word, for a display.
    unreadable : int
        Messages that had not the form they should have.
    problems : list of str
        That concern no single stream.
    """

    catalog: str = ""
    tapes: Sequence[Tape] = ()
    stored: dict[str, int] = field(default_factory=dict)
    begun: int = 0
    ended: int = 0
    flushes: int = 0
    state: str = "starting"
    unreadable: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Return the rows stored."""
        return sum(self.stored.values())

    @property
    def exit_code(self) -> int:
        """Return 0 when nothing was missed, 1 when something was, 2 when nothing at all was heard."""
        if not any(tape.since for tape in self.tapes):
            return CANNOT
        missed = any(gap.detail != RESTARTED for tape in self.tapes for gap in tape.lost)
        told = any(tape.problems or tape.dropped or not tape.since for tape in self.tapes)
        return FINDINGS if missed or told or self.problems or self.unreadable else DONE

    def to_dict(self) -> dict[str, Any]:
        """Return the recording as plain values."""
        return {
            "catalog": self.catalog,
            "exit_code": self.exit_code,
            "begun": iso(self.begun),
            "ended": iso(self.ended),
            "rows": self.rows,
            "flushes": self.flushes,
            "unreadable": self.unreadable,
            "problems": self.problems,
            "streams": [self._stream(tape) for tape in self.tapes],
        }

    def __str__(self) -> str:
        """Return a line per stream and its problems."""
        lines = [f"{self.rows:,} rows recorded in {self.catalog}"]
        for tape in self.tapes:
            stored = self.stored.get(str(tape.wanted), 0)
            part = f" (coverage {tape.channel.coverage})" if tape.channel.coverage else ""
            lines.append(
                f"  {tape.wanted}{part}: {stored:,} rows, {tape.reconnects} reconnections, {len(tape.lost)} gaps"
            )
            lines += [f"    {text}" for text in (*map(str, tape.lost), *tape.problems)]
        return "\n".join([*lines, *(f"  {text}" for text in self.problems)])

    def _stream(self, tape: Tape) -> dict[str, Any]:
        """Return a stream as plain values."""
        return {
            "venue": tape.wanted.venue,
            "symbol": tape.wanted.symbol,
            "kind": tape.wanted.label,
            "coverage": tape.channel.coverage,
            "rows": self.stored.get(str(tape.wanted), 0),
            "repeats": tape.repeats,
            "dropped": tape.dropped,
            "reconnects": tape.reconnects,
            "last": iso(tape.last_ts) if tape.last_ts else None,
            "gaps": [gap.to_dict() for gap in tape.lost],
            "problems": tape.problems,
        }
