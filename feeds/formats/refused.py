"""Files that are known and not imported: what they are, and why nothing of them fits a kind."""

from feeds.formats.heads import Head

# Words of the header, what the file is, why it is not imported.
_KNOWN: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("symbol", "Margin Mode", "Position Side", "Entry Price", "Max Open Interest", "Closing PNL", "Opened"),
        "the closed positions of a Binance account's export",
        "they follow from its fills, orders and ledger, which `levdyn import DIR --account binance-export` takes",
    ),
    (
        ("time", "user", "coin", "side", "px", "sz", "crossed"),
        "fills of many accounts of Hyperliquid",
        "some of the accounts only: neither a tape of the market nor the history of one account",
    ),
    (
        ("time", "user", "delta_usd"),
        "deposits and withdrawals of many accounts of Hyperliquid",
        "kind account_ledger is the history of one account",
    ),
    (
        ("time", "user", "liquidated_ntl_pos", "liquidated_account_value", "leverage_type"),
        "liquidations of accounts of Hyperliquid by their notional",
        "without coin, price or side they are no forced orders",
    ),
    (
        ("tx_hash", "liquidatee", "collateral_asset_symbol", "collateral_amount_usd", "market_name"),
        "liquidations of collateral on a lending market (Aave)",
        "that has no contracts, so the rows belong to no instrument of a venue",
    ),
    (
        ("timestamp", "venue", "coin", "oi_usd"),
        "open interest of several venues in US dollars",
        "kind open_interest holds the venue's own quantity, and the price that the dollars were counted at is not here",
    ),
    (
        ("user_address", "asset", "position_size", "entry_price", "was_liquidated", "was_adl"),
        "what became of accounts in a cascade on Hyperliquid",
        "results after the fact (most sizes are 0, no collateral, no entry): no positions that could be replayed",
    ),
    (
        ("user", "adl_notional", "closed_pnl", "num_adl_events"),
        "auto-deleveraging on Hyperliquid summed by account",
        "sums without times or prices are no events",
    ),
    (
        ("coin", "adl_notional", "closed_pnl", "num_users", "num_events"),
        "auto-deleveraging on Hyperliquid summed by coin",
        "sums without times or prices are no events",
    ),
    (
        ("ticker", "net_volume", "net_notional_usd", "num_adl_events", "avg_price"),
        "auto-deleveraging on Hyperliquid summed by coin",
        "sums without times are no events",
    ),
    (
        ("user", "coin", "time", "adl_price", "adl_size", "liquidated_user"),
        "single auto-deleveragings of accounts of high leverage on Hyperliquid",
        "chosen outliers: as trades they would look like a tape; the venue's node fills hold all of them",
    ),
    (
        ("coin", "cluster_id", "t_start", "t_end", "deficit_usd", "budget_queue_usd"),
        "waves of auto-deleveraging, as a paper models them",
        "estimates of a model, no events",
    ),
)


def reason(head: Head) -> str | None:
    """Return what a file is and why it is not imported, None when it is not known."""
    have = set(head.columns)
    for words, what, why in _KNOWN:
        if have >= set(words):
            return f"this is {what}; it is not imported: {why}"
    return None
