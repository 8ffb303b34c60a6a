"""What a run leaves behind: packed records in fixed blocks that are never moved (design.md section 5, journal)."""

from cpython.buffer cimport PyBUF_READ
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy

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
    """Append-only rows of one size in blocks of 64 Ki rows.

    A row never moves; blocks older than the newest full one may be written to disk, and come back when a row is asked
    for. So a pointer to a row stays good until 64 Ki more rows have been appended.
    """

    def __cinit__(self, str table):
        self.name = table
        self.dtype = DTYPES[table]
        self.itemsize = SIZES[table]
        self.rows = 0
        self.written = 0
        self.capacity = 0
        self.blocks = NULL
        self.n_blocks = 0
        self.n_held = 0
        self.spill = None

    def __dealloc__(self):
        cdef Py_ssize_t i
        for i in range(self.n_blocks):
            free(self.blocks[i])
        free(self.blocks)

    cdef void *append(self) except NULL nogil:
        cdef Py_ssize_t row = self.rows
        if row == self.capacity:
            with gil:
                self.grow()
        self.rows = row + 1
        return <char *> self.blocks[row >> 16] + (row & (BLOCK - 1)) * self.itemsize

    cdef int grow(self) except -1:
        """Add an empty block."""
        cdef void **grown
        cdef void *block
        if self.spill is not None:
            self.spill.make_room(self)
        grown = <void **> realloc(self.blocks, (self.n_blocks + 1) * sizeof(void *))
        if grown == NULL:
            raise MemoryError("journal: no memory for another block")
        self.blocks = grown
        block = calloc(BLOCK, self.itemsize)
        if block == NULL:
            raise MemoryError("journal: no memory for another block")
        self.blocks[self.n_blocks] = block
        self.n_blocks += 1
        self.n_held += 1
        self.capacity += BLOCK
        return 0

    cdef void *at(self, Py_ssize_t row) except NULL nogil:
        if self.blocks[row >> 16] == NULL:
            with gil:
                self.restore(row >> 16)
        return <char *> self.blocks[row >> 16] + (row & (BLOCK - 1)) * self.itemsize

    cdef int restore(self, Py_ssize_t block) except -1:
        """Bring a block back from disk; it may leave memory again, without being written, when room is made next."""
        cdef bytes rows = self.spill.read(self, block).tobytes()
        cdef void *memory = calloc(BLOCK, self.itemsize)
        if memory == NULL:
            raise MemoryError("journal: no memory for a block that was on disk")
        memcpy(memory, <const char *> rows, min(len(rows), BLOCK * self.itemsize))
        self.blocks[block] = memory
        self.n_held += 1
        return 0

    def connect(self, spill):
        """Set who is asked to make room before each new block, and gives back blocks that it wrote."""
        self.spill = spill

    @property
    def bytes_held(self):
        """The memory of the blocks, in bytes."""
        return self.n_held * BLOCK * self.itemsize

    @property
    def block_bytes(self):
        """The memory of one block, in bytes."""
        return BLOCK * self.itemsize

    def release(self, Py_ssize_t keep):
        """Write all blocks but the last `keep` to the spill and give their memory back."""
        cdef Py_ssize_t i
        for i in range(max(self.n_blocks - keep, 0)):
            if self.blocks[i] == NULL:
                continue
            if i >= self.written:
                self.spill.write(self, self.view(i))
                self.written = i + 1
            free(self.blocks[i])
            self.blocks[i] = NULL
            self.n_held -= 1

    def view(self, Py_ssize_t block):
        """Return one block in memory as a read-only structured array without a copy."""
        if not 0 <= block < self.n_blocks or self.blocks[block] == NULL:
            raise IndexError(f"journal: block {block} of table {self.name} is not in memory")
        view = PyMemoryView_FromMemory(
            <char *> self.blocks[block], min(self.rows - block * BLOCK, BLOCK) * self.itemsize, PyBUF_READ)
        return np.frombuffer(view, dtype=self.dtype)

    def row(self, Py_ssize_t row):
        """Return one row, read from disk when it is there."""
        if not 0 <= row < self.rows:
            raise IndexError(f"journal: row {row} of {self.rows} of table {self.name}")
        self.at(row)
        return self.view(row >> 16)[row & (BLOCK - 1)].copy()

    def arrays(self):
        """Return the blocks as read-only structured arrays without a copy, good for as long as this object lives."""
        return [self.view(i) for i in range(self.n_blocks)]

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

    def tables(self):
        """Return the tables."""
        return [self.fills, self.funding, self.margin, self.equity, self.exposure, self.orders, self.liquidations,
                self.margin_calls, self.transfers, self.series, self.log]
