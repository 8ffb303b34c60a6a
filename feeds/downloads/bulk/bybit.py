"""Bybit's archive (public.bybit.com): trades, one gzip a day, no checksums (feeds.md 2.2)."""

from feeds.downloads.bulk.archive import Archive, Files
from feeds.downloads.bulk.cutting import hauled
from feeds.downloads.context import Context
from feeds.downloads.windows import Haul, Wanted, Window
from feeds.schema import DAY_NS

VENDOR = "public.bybit.com"
_READY_NS = 2 * DAY_NS


class Bybit(Archive):
    """Trades of one contract."""

    def __init__(self, context: Context, wanted: Wanted) -> None:
        super().__init__(context, wanted, Files(context, wanted, VENDOR))

    def fetch(self, window: Window) -> Haul:
        """Return the rows of a window; a gzip that was received whole is all that the vendor lets one show."""
        found = [self._files.contents(path) for path in self.paths(window)]
        return hauled(self._wanted, window, found, self._context.now - window.end < _READY_NS, needs_proof=False)

    def paths(self, window: Window) -> list[str]:
        """Return the file of a day."""
        native = self._wanted.native
        return [f"trading/{native}/{native}{window.name}.csv.gz"]
