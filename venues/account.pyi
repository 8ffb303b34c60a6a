"""One account at a venue: fills, fees and funding become postings, records and messages here."""

from venues.margin_watch import MarginWatch

class Account(MarginWatch):
    """One account at one venue, on the venue's clock; `Wallet` lists its arguments."""

    ...
