"""OKX's archive (static.okx.com): files of a day that begins at 16:00 UTC the day before (feeds.md 2.3)."""

from feeds.downloads.bulk.archive import Archive, Files
from feeds.downloads.bulk.cutting import hauled
from feeds.downloads.context import Context
from feeds.downloads.windows import Haul, Wanted, Window
from feeds.schema import DAY_NS
from feeds.times import day_text

VENDOR = "static.okx.com"
_READY_NS = 2 * DAY_NS


class Okx(Archive):
    """Trades or funding of one instrument. A UTC day lies in the files of that day and of the next."""

    def __init__(self, context: Context, wanted: Wanted) -> None:
        super().__init__(context, wanted, Files(context, wanted, VENDOR))

    def fetch(self, window: Window) -> Haul:
        """Return the rows of a window."""
        contents = [self._files.contents(path) for path in self.paths(window)]
        # Without a numbering that is known to have no holes, what shows a whole day is that both files are there.
        return hauled(self._wanted, window, contents, self._context.now - window.end < _READY_NS, needs_proof=False)

    def paths(self, window: Window) -> list[str]:
        """Return the files of the window's days and of the day after."""
        names = [day_text(ts) for ts in range(window.start, window.end + 1, DAY_NS)]
        return [self._path(name) for name in names if name <= day_text(window.high - 1 + DAY_NS)]

    def _path(self, name: str) -> str:
        """Return the path of a file."""
        folder = name.replace("-", "")
        if self._wanted.kind == "funding":
            return f"cdn/okex/traderecords/swaprates/daily/{folder}/allswap-fundingrates-{name}.zip"
        return f"cdn/okex/traderecords/trades/daily/{folder}/{self._wanted.native}-trades-{name}.zip"
