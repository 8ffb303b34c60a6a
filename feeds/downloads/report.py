"""What a download did, stream by stream, and while it runs how far it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from feeds.findings import Finding, Gap

DONE, FINDINGS, CANNOT = 0, 1, 2  # exit codes


@dataclass
class StreamReport:
    """One stream of a download.

    Attributes
    ----------
    venue, symbol, kind : str
        The kind with its timeframe.
    partitions : dict of str to int
        Of those that were asked for: by status, ``failed`` where a host did not answer, ``missing`` where no source
        has anything (yet).
    kept : int
        Partitions that were complete before.
    rows : int
        Stored by this download.
    gaps : list of Gap
        That are left.
    findings : list of Finding
    problems : list of str
        In words, the first of each kind.
    notes : list of str
        What to know, without being a problem.
    """

    venue: str
    symbol: str
    kind: str
    partitions: dict[str, int] = field(default_factory=dict)
    kept: int = 0
    rows: int = 0
    gaps: list[Gap] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def count(self, status: str) -> None:
        """Count a partition."""
        self.partitions[status] = self.partitions.get(status, 0) + 1

    def say(self, text: str) -> None:
        """Add a problem once."""
        if text not in self.problems:
            self.problems.append(text)

    @property
    def is_clean(self) -> bool:
        """Tell whether nothing is missing: partitions are complete, or partial because their time is not over."""
        return not self.problems and set(self.partitions) <= {"complete", "partial"}

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {
            "venue": self.venue,
            "symbol": self.symbol,
            "kind": self.kind,
            "partitions": dict(sorted(self.partitions.items())),
            "kept": self.kept,
            "rows": self.rows,
            "gaps": [gap.to_dict() for gap in self.gaps],
            "findings": [finding.to_dict() for finding in self.findings],
            "problems": self.problems,
            "notes": self.notes,
        }


@dataclass
class DownloadReport:
    """What a download did.

    Attributes
    ----------
    streams : list of StreamReport
    requests, bytes, retries : int
    waited_s : mapping of str to float
        By host.
    catalog : str
    """

    streams: list[StreamReport]
    catalog: str
    requests: int = 0
    bytes: int = 0
    retries: int = 0
    waited_s: Mapping[str, float] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """Return 0 when nothing is missing, 1 when something is, 2 when nothing at all could be had."""
        if all(stream.is_clean for stream in self.streams):
            return DONE
        usable = ("complete", "partial", "suspect", "conflict", "absent")
        has_any = any(stream.kept or any(stream.partitions.get(word) for word in usable) for stream in self.streams)
        return FINDINGS if has_any else CANNOT

    @property
    def rows(self) -> int:
        """Return the rows stored."""
        return sum(stream.rows for stream in self.streams)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {
            "catalog": self.catalog,
            "exit_code": self.exit_code,
            "rows": self.rows,
            "requests": self.requests,
            "bytes": self.bytes,
            "retries": self.retries,
            "waited_s": {host: round(seconds, 1) for host, seconds in sorted(self.waited_s.items())},
            "streams": [stream.to_dict() for stream in self.streams],
        }

    def __str__(self) -> str:
        """Return a line per stream and its problems."""
        lines = [f"{self.rows:,} rows stored in {self.catalog} ({self.requests:,} requests, {self.bytes:,} bytes)"]
        for stream in self.streams:
            counts = ", ".join(f"{count} {word}" for word, count in sorted(stream.partitions.items()))
            kept = f", {stream.kept} there before" if stream.kept else ""
            lines.append(f"  {stream.symbol}@{stream.venue} {stream.kind}: {stream.rows:,} rows, {counts or '-'}{kept}")
            lines += [f"    {text}" for text in (*stream.problems, *stream.notes)]
        return "\n".join(lines)


@dataclass
class Progress:
    """How far a download is; read by a display in another thread.

    Attributes
    ----------
    what : str
        The stream and partition being worked on.
    done, total : int
        Partitions.
    rows : int
    bytes : callable
        Returns the bytes received so far.
    waiting : mapping of str to str
        Hosts that are being waited for, and why.
    """

    what: str = ""
    done: int = 0
    total: int = 0
    rows: int = 0
    bytes: Any = int
    waiting: Mapping[str, str] = field(default_factory=dict)
