"""Rows of a reply and the envelope they come in."""

from dataclasses import dataclass


@dataclass
class Page:
    """Rows of a reply; `wrap` puts them into the venue's envelope."""

    rows: list
    wrap: object = None

    def body(self, rows):
        """Return the reply with these rows."""
        return rows if self.wrap is None else self.wrap(rows)


STEPS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}


def step_ms(text):
    """Return the ms of a timeframe such as 5m."""
    return int(text[:-1]) * STEPS[text[-1].lower()]
