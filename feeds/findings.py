"""What was found about data: findings by rule, and gaps in time."""

from dataclasses import dataclass
from typing import Any, Literal

from feeds.times import iso

Severity = Literal["reject", "repair", "flag", "fatal"]

STATUSES = ("complete", "partial", "absent", "suspect", "conflict")
REFUSED_STATUSES = ("suspect", "absent", "conflict")


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule of feeds.md section 5 that fired.

    Attributes
    ----------
    rule : str
        Its id, such as ``"D1"``.
    severity : str
        ``repair`` (done, counted), ``flag`` (kept, listed), ``reject`` (not stored), ``fatal`` (unusable).
    count : int
        Rows, or slots, concerned.
    message : str
        What was found and what was done.
    examples : tuple of str
        The first few, for a reader.
    days : tuple of str
        UTC days concerned, when only some are; a catalog files the finding (and a conflict) under these.
    """

    rule: str
    severity: Severity
    count: int
    message: str
    examples: tuple[str, ...] = ()
    days: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain values for a ledger or JSON."""
        return {
            "rule": self.rule,
            "severity": self.severity,
            "count": self.count,
            "message": self.message,
            "examples": list(self.examples),
            "days": list(self.days),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Finding":
        """Return the finding that `to_dict` wrote."""
        lists = {name: tuple(values.get(name, ())) for name in ("examples", "days")}
        return cls(values["rule"], values["severity"], values["count"], values["message"], **lists)


@dataclass(frozen=True, slots=True, order=True)
class Gap:
    """A stretch of time without (usable) data: ``start <= t < end`` in ns UTC, and why.

    `reason` is ``missing`` (rows or partitions are not there), or the status of a partition that must not be used
    without a choice: ``suspect``, ``absent``, ``conflict``.
    """

    start: int
    end: int
    reason: str = "missing"
    detail: str = ""

    def __str__(self) -> str:
        """Return the gap for a message."""
        tail = f" ({self.detail})" if self.detail else ""
        return f"{iso(self.start)} to {iso(self.end)}: {self.reason}{tail}"

    def to_dict(self) -> dict[str, Any]:
        """Return the gap as plain values for a ledger or JSON."""
        return {"start": self.start, "end": self.end, "reason": self.reason, "detail": self.detail}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Gap":
        """Return the gap that `to_dict` wrote."""
        return cls(values["start"], values["end"], values["reason"], values["detail"])


def clip_gaps(gaps: tuple[Gap, ...], start: int | None, end: int | None) -> tuple[Gap, ...]:
    """Return the parts of the gaps inside ``start <= t < end``, sorted."""
    found = set()
    for gap in gaps:
        low = gap.start if start is None else max(gap.start, start)
        high = gap.end if end is None else min(gap.end, end)
        if low < high:
            found.add(Gap(low, high, gap.reason, gap.detail))
    return tuple(sorted(found))
