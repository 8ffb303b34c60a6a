"""One account's money of a replay: the engine's own ledger behind a few Python calls."""

from libc.stdint cimport int32_t, int64_t

from venues.ledger cimport COUNTERPARTIES, INSURANCE_FUND_ACCOUNT, VENUE_FEES, Ledger, PostingContext
from venues.records cimport (
    CONVERSION, DEPOSIT, FEE, FUNDING_PAYMENT, INSURANCE, LIQUIDATION_FEE, SETTLEMENT_PROFIT, TRADE_PROFIT, TRANSFER,
    WITHDRAWAL, PostingKind,
)

# kind -> (posting, the other side)
_KINDS = {
    "trade_profit": (TRADE_PROFIT, COUNTERPARTIES),
    "settlement": (SETTLEMENT_PROFIT, COUNTERPARTIES),
    "funding": (FUNDING_PAYMENT, COUNTERPARTIES),
    "fee": (FEE, VENUE_FEES),
    "liquidation_fee": (LIQUIDATION_FEE, INSURANCE_FUND_ACCOUNT),
    "insurance": (INSURANCE, INSURANCE_FUND_ACCOUNT),
    "conversion": (CONVERSION, COUNTERPARTIES),
    "other": (TRANSFER, COUNTERPARTIES),
}


cdef class Books:
    """Balances of one account at one venue, and the postings that made them.

    Parameters
    ----------
    assets : sequence of str
        All assets that may be posted; amounts are in atoms of 10^-8.
    """

    cdef readonly Ledger ledger
    cdef readonly tuple assets
    cdef dict _rows

    def __init__(self, assets):
        self.assets = tuple(assets)
        self._rows = {asset: row for row, asset in enumerate(self.assets)}
        self.ledger = Ledger(1, 1, len(self.assets))

    def post(self, *, int64_t time, str asset, str kind, int64_t amount, int64_t ref=0, int32_t instrument=-1):
        """Book what the account received (negative: paid).

        Parameters
        ----------
        time : int
            ns.
        asset : str
        kind : str
            trade_profit, settlement, funding, fee, liquidation_fee, insurance, conversion, transfer or other. A
            transfer comes from, or goes to, the outside.
        amount : int
            Atoms.
        ref, instrument : int
            Order id (0 = none) and row in the table of instruments (-1 = none).

        Raises
        ------
        OverflowError
            If a balance exceeds 64 bits; nothing is booked.
        """
        cdef PostingContext context
        cdef int32_t contra, row = self._rows[asset]
        cdef int what, side
        context.time = time
        context.ref = ref
        context.instrument = instrument
        context.strategy = -1
        context.tag = -1
        if kind == "transfer":
            what = DEPOSIT if amount > 0 else WITHDRAWAL
            contra = self.ledger.outside
        else:
            what, side = _KINDS[kind]
            contra = self.ledger.n_users + side
        self.ledger.post(&context, 0, contra, row, <PostingKind>what, amount)

    def balance(self, str asset) -> int:
        """Return the account's balance in atoms."""
        return self.ledger.balance(0, self._rows[asset])

    def totals(self) -> list:
        """Return the sum over both sides of all postings for each asset, in atoms: zeros."""
        return self.ledger.totals()

    def postings(self):
        """Return all postings as a structured array."""
        return self.ledger.postings.table()
