"""A process of its own that records from the loopback exchange and stores often, to be killed at any moment."""

import sys

import feeds
from feeds.downloads.live.connection import Persistence


def main(root):
    """Record until the end of this process."""
    often = Persistence(ping_s=0.5, first_s=0.02, longest_s=0.1, flush_s=0.05)
    feeds.record("binance_usdm", "BTC/USDT:USDT", kinds="trades", catalog=root, persistence=often)


if __name__ == "__main__":
    main(sys.argv[1])
