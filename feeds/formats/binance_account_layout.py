"""What the files of a Binance futures account export look like, and what its ledger words mean."""

import re

# Target column -> (shape of the value, spellings of the header seen in exports), compared without case, spaces,
# punctuation and the "(UTC)" of time columns. "Pirce" is the venue's own spelling.
LAYOUTS: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "fills": {
        "ts": ("time", ("time", "date")),
        "native": ("text", ("symbol",)),
        "side": ("side", ("side",)),
        "position_side": ("position", ("positionside",)),
        "price": ("decimal", ("price",)),
        "quantity": ("decimal", ("quantity",)),
        "quote": ("decimal", ("amount",)),
        "fee": ("fee", ("fee",)),
        "realized_pnl": ("decimal", ("realizedprofit", "realizedpnl")),
        "is_maker": ("flag", ("maker",)),
        "is_buyer": ("flag", ("buyer",)),
        "id": ("text", ("tradeid",)),
        "order_id": ("text", ("orderid", "orderno")),
    },
    "orders": {
        "ts": ("time", ("time", "date")),
        "ts_update": ("time", ("updatetime",)),
        "native": ("text", ("symbol",)),
        "id": ("text", ("orderno", "orderid")),
        "type": ("word", ("type",)),
        "side": ("side", ("side",)),
        "position_side": ("position", ("positionside",)),
        "price": ("decimal", ("price",)),
        "average_price": ("decimal", ("averageprice", "avgprice")),
        "quantity": ("decimal", ("amount", "quantity")),
        "filled": ("decimal", ("executed", "executedamount")),
        "quote": ("decimal", ("tradingtotal", "executedquoteamount")),
        "stop_price": ("decimal", ("stopprice",)),
        "status": ("word", ("status",)),
        "client_order_id": ("text", ("clientorderid",)),
        "tif": ("word", ("timeinforce",)),
        "working_type": ("text", ("workingtype",)),
    },
    "ledger": {
        "ts": ("time", ("date", "time")),
        "type": ("word", ("type",)),
        "amount": ("decimal", ("amount",)),
        "asset": ("word", ("asset",)),
        "native": ("text", ("symbol",)),
        "id": ("text", ("transactionid",)),
    },
    "positions": {
        "native": ("text", ("symbol",)),
        "margin_mode": ("lower", ("marginmode",)),
        "position_side": ("position", ("positionside",)),
        "entry_price": ("decimal", ("entryprice",)),
        "average_close_price": ("decimal", ("avgclosepirce", "avgcloseprice")),
        "max_quantity": ("decimal", ("maxopeninterest",)),
        "closed_quantity": ("decimal", ("closedvol",)),
        "realized_pnl": ("decimal", ("closingpnl",)),
        "ts_open": ("time", ("opened",)),
        "ts_close": ("time", ("closed",)),
        "status": ("lower", ("status",)),
    },
}
# Columns without which a file is not that export; the others become nulls when the export has no such column.
REQUIRED = {
    "fills": ("ts", "native", "side", "price", "quantity", "fee", "realized_pnl", "id", "order_id"),
    "orders": ("ts", "native", "id", "type", "side", "price", "quantity", "filled", "status"),
    "ledger": ("ts", "type", "amount", "asset", "native"),
    "positions": ("native", "margin_mode", "entry_price", "closed_quantity", "ts_open", "ts_close"),
}
# Income types of the USD-M and COIN-M income endpoints (Binance derivatives API documents, "Get Income History"), and
# the wallet words that exports add; the misspelt settlement is the venue's.
LEDGER_KINDS = {
    "COMMISSION": "fee",
    "REALIZED_PNL": "realized_pnl",
    "FUNDING_FEE": "funding",
    "INSURANCE_CLEAR": "insurance",
    "DELIVERED_SETTELMENT": "settlement",
    "TRANSFER": "transfer",
    "DEPOSIT": "transfer",
    "WITHDRAW": "transfer",
    "INTERNAL_TRANSFER": "transfer",
    "CROSS_COLLATERAL_TRANSFER": "transfer",
    "POSITION_CLAIM_TRANSFER": "transfer",
    "STRATEGY_UMFUTURES_TRANSFER": "transfer",
    "AUTO_EXCHANGE": "conversion",
    "COIN_SWAP_DEPOSIT": "conversion",
    "COIN_SWAP_WITHDRAW": "conversion",
    "COMMISSION_REBATE": "rebate",
    "API_REBATE": "rebate",
    "REFERRAL_KICKBACK": "rebate",
    "FEE_RETURN": "rebate",
    "WELCOME_BONUS": "bonus",
    "CONTEST_REWARD": "bonus",
    "BFUSD_REWARD": "bonus",
    "POSITION_LIMIT_INCREASE_FEE": "fee",
}
POSITION_SIDES = {"long": 1, "short": -1, "both": 0, "": 0}
OPTIONAL_CELLS = {("ledger", "native"), ("positions", "ts_close")}
SYMBOLS = {
    "binance_coinm": re.compile(r"^[A-Z0-9]+USD_(PERP|\d{6})$"),
    "binance_usdm": re.compile(r"^[A-Z0-9]+(USDT|USDC|BUSD|BTC|USD1|U)(_\d{6})?$"),
}
