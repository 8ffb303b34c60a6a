"""REST adapters, one module per venue; every other exchange of ccxt through `generic`."""

from types import ModuleType

from feeds.downloads.rest import binance, bybit, deribit, generic, hyperliquid, okx

ADAPTERS: dict[str, ModuleType] = {
    "binance_usdm": binance,
    "binance_coinm": binance,
    "bybit": bybit,
    "okx": okx,
    "deribit": deribit,
    "hyperliquid": hyperliquid,
}


def adapter(venue: str) -> ModuleType:
    """Return the module of a venue: `listing`, `rest`, `instrument` and (where the venue has them) `tiers`."""
    return ADAPTERS.get(venue, generic)
