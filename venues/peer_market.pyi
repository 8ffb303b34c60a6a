"""The two exchange models of hftbacktest, to compare order by order."""

from venues.book_market import BookMarket

class PeerMarket(BookMarket):
    """Orders of all accounts in one instrument, by the rules of another backtester."""
    def fill_whole(self) -> None: ...
