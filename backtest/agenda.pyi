"""What is still to come: a heap of future events of one clock."""

class Agenda:
    """Binary heap by time, then rank of the kind, then order of insertion."""
    def __init__(self) -> None: ...
    @property
    def count(self) -> int: ...
