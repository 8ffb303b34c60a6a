"""What a run leaves behind: packed records in fixed blocks that are never moved (design.md section 5, journal)."""

from cpython.buffer cimport PyBUF_READ
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdlib cimport calloc, free, realloc

import numpy as np

cdef enum:
    BLOCK = 1 << 16

I4, I8, F8, I1, U1 = "<i4", "<i8", "<f8", "i1", "u1"

DTYPES = {
    "postings": np.dtype(
        [("time", I8), ("amount", I8), ("balance", I8), ("ref", I8), ("value_price", F8), ("account", I4),
         ("asset", I4), ("instrument", I4), ("strategy", I4), ("tag", I4), ("kind", I4), ("contra", I4)]),
    "fills": np.dtype(
        [("time", I8), ("order", I8), ("price", I8), ("quantity", I8), ("fee", I8), ("realized_pnl", I8),
         ("decision_price", I8), ("account", I4), ("instrument", I4), ("strategy", I4), ("tag", I4),
         ("fee_asset", I4), ("side", I1), ("leg", I1), ("is_maker", U1), ("forced", U1), ("increases", U1)]),
    "funding": np.dtype(
        [("time", I8), ("quantity", I8), ("mark", I8), ("rate", I8), ("amount", I8), ("account", I4),
         ("instrument", I4), ("asset", I4), ("rate_scale", I4), ("leg", I4)]),
    "margin": np.dtype(
        [("time", I8), ("equity", F8), ("initial", F8), ("maintenance", F8), ("ratio", F8), ("leverage", F8),
         ("distance", F8), ("account", I4), ("asset", I4), ("instrument", I4), ("flags", I4)]),
    "equity": np.dtype([("time", I8), ("equity", F8), ("cash", F8), ("unrealized", F8)]),
    "exposure": np.dtype(
        [("time", I8), ("notional", F8), ("quantity", F8), ("mark", F8), ("account", I4), ("instrument", I4)]),
    "orders": np.dtype(
        [("time", I8), ("order", I8), ("price", I8), ("trigger", I8), ("quantity", I8), ("filled", I8),
         ("submitted", I8), ("filled_value", F8), ("requested_quantity", F8), ("requested_price", F8),
         ("account", I4), ("instrument", I4), ("strategy", I4), ("tag", I4), ("side", I1), ("leg", I1), ("type", U1),
         ("tif", U1), ("flags", U1), ("status", U1), ("reason", U1)]),
    "liquidations": np.dtype(
        [("time", I8), ("trigger_mark", I8), ("price", I8), ("quantity", I8), ("fee", I8), ("shortfall", I8),
         ("bankruptcy", I8), ("ratio", F8), ("account", I4), ("instrument", I4), ("step", I4), ("asset", I4),
         ("what", I4), ("paid_by", I4), ("episode", I4)]),
    "margin_calls": np.dtype(
        [("time", I8), ("ratio", F8), ("distance", F8), ("account", I4), ("asset", I4), ("instrument", I4),
         ("strategy", I4), ("active", I4)]),
    "transfers": np.dtype(
        [("time", I8), ("id", I8), ("amount", I8), ("received", I8), ("fee", I8), ("source", I4), ("target", I4),
         ("asset", I4), ("receive_asset", I4), ("status", I4), ("reason", I4)]),
    "series": np.dtype([("time", I8), ("value", F8), ("name", I4), ("strategy", I4)]),
    "log": np.dtype([("time", I8), ("text", I4), ("strategy", I4)]),
}

# The C side of each dtype, for the test that compares sizes.
SIZES = {
    "postings": sizeof(PostingRow), "fills": sizeof(FillRow), "funding": sizeof(FundingRow),
    "margin": sizeof(MarginRow), "equity": sizeof(EquityRow), "exposure": sizeof(ExposureRow),
    "orders": sizeof(OrderRow), "liquidations": sizeof(LiquidationRow), "margin_calls": sizeof(MarginCallRow),
    "transfers": sizeof(TransferRow),
    "series": sizeof(SeriesRow), "log": sizeof(LogRow),
}


cdef class RecordBlocks:
    """Append-only rows of one size in blocks of 64 Ki rows; a row never moves, so pointers to it stay good."""

    def __cinit__(self, str table):
        self.dtype = DTYPES[table]
        self.itemsize = SIZES[table]
        self.rows = 0
        self.capacity = 0
        self.blocks = NULL
        self.n_blocks = 0

    def __dealloc__(self):
        cdef Py_ssize_t i
        for i in range(self.n_blocks):
            free(self.blocks[i])
        free(self.blocks)

    cdef void *append(self) except NULL nogil:
        cdef void **grown
        cdef void *block
        cdef Py_ssize_t row = self.rows
        if row == self.capacity:
            grown = <void **> realloc(self.blocks, (self.n_blocks + 1) * sizeof(void *))
            if grown == NULL:
                with gil:
                    raise MemoryError("journal: no memory for another block")
            self.blocks = grown
            block = calloc(BLOCK, self.itemsize)
            if block == NULL:
                with gil:
                    raise MemoryError("journal: no memory for another block")
            self.blocks[self.n_blocks] = block
            self.n_blocks += 1
            self.capacity += BLOCK
        self.rows = row + 1
        return <char *> self.blocks[row >> 16] + (row & (BLOCK - 1)) * self.itemsize

    cdef void *at(self, Py_ssize_t row) noexcept nogil:
        return <char *> self.blocks[row >> 16] + (row & (BLOCK - 1)) * self.itemsize

    def arrays(self):
        """Return the blocks as read-only structured arrays without a copy, good for as long as this object lives."""
        cdef Py_ssize_t i, n, left = self.rows
        views = []
        for i in range(self.n_blocks):
            n = min(left, BLOCK)
            view = PyMemoryView_FromMemory(<char *> self.blocks[i], n * self.itemsize, PyBUF_READ)
            views.append(np.frombuffer(view, dtype=self.dtype))
            left -= n
        return views

    def table(self):
        """Return all rows as one structured array (a copy)."""
        blocks = self.arrays()
        if not blocks:
            return np.empty(0, dtype=self.dtype)
        return np.concatenate(blocks)


cdef class Journal:
    """All tables of a run, postings excepted (the ledger has them)."""

    def __cinit__(self):
        self.fills = RecordBlocks("fills")
        self.funding = RecordBlocks("funding")
        self.margin = RecordBlocks("margin")
        self.equity = RecordBlocks("equity")
        self.exposure = RecordBlocks("exposure")
        self.orders = RecordBlocks("orders")
        self.liquidations = RecordBlocks("liquidations")
        self.margin_calls = RecordBlocks("margin_calls")
        self.transfers = RecordBlocks("transfers")
        self.series = RecordBlocks("series")
        self.log = RecordBlocks("log")
