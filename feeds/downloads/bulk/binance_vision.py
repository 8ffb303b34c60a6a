"""Binance Vision (data.binance.vision): daily and monthly zips with checksums (feeds.md 2.1)."""

from feeds.downloads.bulk.archive import Archive, Files
from feeds.downloads.bulk.cutting import hauled
from feeds.downloads.context import Context
from feeds.downloads.windows import Haul, Wanted, Window
from feeds.schema import DAY_NS, timeframe_text
from feeds.times import day_text, month_bounds

VENDOR = "data.binance.vision"
VENUES = {"binance_usdm": "um", "binance_coinm": "cm"}
_MONTH_READY_NS = 8 * DAY_NS  # the file of a month appears on the first Monday after it
_DAY_READY_NS = 2 * DAY_NS
# kind: folder, format, whether there are monthly files
_TYPES = {
    "trades": ("aggTrades", "binance-aggtrades", False),
    "bars": ("klines", "binance-klines", True),
    "mark": ("markPriceKlines", "binance-mark-klines", True),
    "index": ("indexPriceKlines", "binance-index-klines", True),
    "premium": ("premiumIndexKlines", "binance-premium-klines", True),
    "funding": ("fundingRate", "binance-funding", True),
    "open_interest": ("metrics", "binance-metrics", False),
    "liquidations": ("liquidationSnapshot", "binance-liquidations", False),
}


class Vision(Archive):
    """One stream of the archive. Days whose month is over and wholly asked for come from the file of the month."""

    def __init__(self, context: Context, wanted: Wanted) -> None:
        self._folder, form, self._has_months = _TYPES[wanted.kind]
        super().__init__(context, wanted, Files(context, wanted, VENDOR, form, checksum_suffix=".CHECKSUM"))

    def fetch(self, window: Window) -> Haul:
        """Return the rows of a window."""
        if self._wanted.kind == "funding":
            age = self._context.now - window.end
            return hauled(self._wanted, window, [self._files.contents(self._month(window.name))], age < _MONTH_READY_NS)
        whole = self._files.contents(self._month(window.name[:7])) if self._is_by_month(window) else None
        if whole is not None:
            found = hauled(self._wanted, window, [whole], is_young=False)
            # Monthly files have been seen cut short where the daily ones are whole (feeds.md 2.1).
            if found.table is not None and found.table.num_rows * self._wanted.step_ns >= window.high - window.low:
                return found
        contents = [self._files.contents(path) for path in self._days(window)]
        if contents[-1] is None and whole is not None:
            contents = [whole]
        elif contents[-1] is None:
            contents = [None]
        return hauled(self._wanted, window, contents, self._context.now - window.end < _DAY_READY_NS)

    def paths(self, window: Window) -> list[str]:
        """Return the file of the month, or those of the day where there is none."""
        month = self._month(window.name[:7])
        is_month = self._wanted.kind == "funding" or (self._is_by_month(window) and not self._files.lacks(month))
        return [month] if is_month else self._days(window)

    def _is_by_month(self, window: Window) -> bool:
        """Tell whether a day's rows are looked for in the file of its month."""
        first, after = month_bounds(window.name[:7])
        return (
            self._has_months
            and self._context.now > after + _MONTH_READY_NS
            and self._context.start < first + DAY_NS
            and self._context.end > after - DAY_NS
        )

    def _days(self, window: Window) -> list[str]:
        """Return the daily files that a day's rows stand in."""
        names = [window.name]
        if self._wanted.kind == "open_interest":
            # From 2024-03-04 on a row stands at the end of its five minutes: the first is in the file before.
            names.insert(0, day_text(window.start - DAY_NS))
        return [self._day(name) for name in names]

    def _month(self, name: str) -> str:
        return self._path("monthly", name)

    def _day(self, name: str) -> str:
        return self._path("daily", name)

    def _path(self, span: str, name: str) -> str:
        """Return the path of a file."""
        wanted = self._wanted
        native = wanted.native.partition("_")[0] if wanted.kind == "index" else wanted.native
        length = timeframe_text(wanted.timeframe_ns) if wanted.timeframe_ns else ""
        folder = f"data/futures/{VENUES[wanted.venue]}/{span}/{self._folder}/{native}"
        return (
            f"{folder}/{length}/{native}-{length}-{name}.zip"
            if length
            else (f"{folder}/{native}-{self._folder}-{name}.zip")
        )
