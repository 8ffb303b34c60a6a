"""Archives of vendors, one module per vendor."""

from feeds.downloads.bulk import binance_vision, bybit, okx, tardis
from feeds.downloads.bulk.archive import Archive
from feeds.downloads.context import Context
from feeds.downloads.windows import Wanted


def archive_of(context: Context, wanted: Wanted, source: str) -> Archive:
    """Return what fills windows of a stream from the archive of its venue, or from Tardis."""
    if source == "tardis":
        return tardis.Tardis(context, wanted)
    if wanted.venue in binance_vision.VENUES:
        return binance_vision.Vision(context, wanted)
    return bybit.Bybit(context, wanted) if wanted.venue == "bybit" else okx.Okx(context, wanted)
