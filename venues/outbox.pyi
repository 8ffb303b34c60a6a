"""What a venue tells the owner of an account. The loop delivers each message one response latency later."""

class Outbox:
    """Messages in the order in which they were written; the loop empties it after every event of the venue clock."""
    def __init__(self) -> None: ...
    @property
    def count(self) -> int: ...
