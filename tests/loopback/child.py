"""A process of its own that downloads from the loopback exchange, to be killed at any moment."""

import json
import sys

from loopback.use import client_of

import feeds

KINDS = ["trades", "bars:1m", "mark", "funding", "open_interest", "instruments"]


def main(root, bases, now):
    """Download a few days of everything and return the exit code."""
    client = client_of(json.loads(bases), int(now))
    print("begun", flush=True)
    report = feeds.download(
        "binance_usdm", "BTC/USDT:USDT", kinds=KINDS, start="2026-11-06", catalog=root, client=client
    )
    client.close()
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
