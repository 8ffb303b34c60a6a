"""Archives of vendors, one module per vendor."""

from feeds.download.bulk import binance_vision, bybit, okx
from feeds.download.context import Context
from feeds.download.windows import Fetch, Wanted


def archive(context: Context, wanted: Wanted) -> Fetch:
    """Return what fills windows of a stream from the archive of its venue."""
    if wanted.venue in binance_vision.VENUES:
        return binance_vision.Vision(context, wanted).fetch
    return bybit.Bybit(context, wanted).fetch if wanted.venue == "bybit" else okx.Okx(context, wanted).fetch
