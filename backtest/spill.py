"""Full blocks of a journal that has outgrown its memory: one Arrow IPC file per table in a temporary directory."""

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backtest.errors import SpillError

if TYPE_CHECKING:
    import pyarrow as pa

    from venues.records import RecordBlocks

KEEP = 2  # blocks of a table that stay in memory: the new one, and the full one before it, whose rows are still written


class _File:
    """One table on disk: record batch i is block i of the journal."""

    def __init__(self, path: Path, blocks: "RecordBlocks") -> None:
        import pyarrow as pa

        self.path = path
        # The columns as the journal has them; times are int64 ns, as `result_storage.Store` reads them.
        self.schema = pa.schema([(name, pa.from_numpy_dtype(blocks.dtype[name])) for name in blocks.dtype.names])
        self.sink = pa.OSFile(str(path), "wb")
        self.writer = pa.ipc.new_file(self.sink, self.schema)
        self.starts: list[int] = []

    def write(self, rows: Any) -> None:
        """Append a block."""
        import numpy as np
        import pyarrow as pa

        # The writer puts magic (8 bytes) and schema before the first batch when that comes, not when it is made.
        self.starts.append(self.sink.tell() or 8 + self.schema.serialize().size)
        columns = [pa.array(np.ascontiguousarray(rows[name])) for name in self.schema.names]
        self.writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self.schema))

    def read(self, block: int, dtype: Any) -> Any:
        """Return a block as it was; the file may still be written to, so it has no index yet."""
        import numpy as np
        import pyarrow as pa

        with pa.OSFile(str(self.path), "rb") as source:
            source.seek(self.starts[block])
            batch = pa.ipc.read_record_batch(pa.ipc.read_message(source), self.schema)
        rows = np.empty(batch.num_rows, dtype=dtype)
        for name in dtype.names:
            rows[name] = batch.column(name).to_numpy()
        return rows

    def close(self) -> "pa.Table":
        """Finish the file and return its rows, mapped."""
        import pyarrow as pa

        self.writer.close()
        self.sink.close()
        return pa.ipc.open_file(pa.memory_map(str(self.path))).read_all()


class Spill:
    """Takes blocks of a run's journal out of memory when they are more than a limit, and gives the tables back.

    Its directory exists from the first block written until this object is collected.

    Parameters
    ----------
    tables : sequence of RecordBlocks
    limit : int
        Bytes of all blocks in memory; each table keeps its last two beside it.
    """

    def __init__(self, tables: "Sequence[RecordBlocks]", limit: int) -> None:
        self.limit = limit
        self.directory: Path | None = None
        self._tables = list(tables)
        self._files: dict[str, _File] = {}
        for blocks in tables:
            blocks.connect(self)

    def make_room(self, growing: "RecordBlocks") -> None:
        """Write full blocks away if the limit is reached, before a table gets another block.

        Raises
        ------
        SpillError
            If the disk does not take them.
        """
        if sum(blocks.bytes_held for blocks in self._tables) < self.limit:
            return
        for blocks in self._tables:
            blocks.release(KEEP - (blocks is growing))

    def write(self, blocks: "RecordBlocks", rows: Any) -> None:
        """Append a block of a table to its file."""
        try:
            if self.directory is None:
                self.directory = Path(tempfile.mkdtemp(prefix="levdyn-journal-"))
                weakref.finalize(self, shutil.rmtree, self.directory, ignore_errors=True)
            if blocks.name not in self._files:
                self._files[blocks.name] = _File(self.directory / f"{blocks.name}.arrow", blocks)
            self._files[blocks.name].write(rows)
        except OSError as error:
            raise self._failed(blocks, error) from error

    def read(self, blocks: "RecordBlocks", block: int) -> Any:
        """Return a block that was written."""
        return self._files[blocks.name].read(block, blocks.dtype)

    def table(self, blocks: "RecordBlocks") -> Any:
        """Return all rows of a table when the run has ended: blocks in memory without a copy, or the mapped file."""
        if not blocks.written:
            blocks.connect(None)
            return blocks.arrays()
        blocks.release(0)
        blocks.connect(None)
        try:
            return self._files[blocks.name].close()
        except OSError as error:
            raise self._failed(blocks, error) from error

    def _failed(self, blocks: "RecordBlocks", error: OSError) -> SpillError:
        where = self.directory or tempfile.gettempdir()
        return SpillError(
            f"the journal of the run exceeds {self.limit / 2**20:g} MB of memory and table {blocks.name!r} could not "
            f"be written to {where}: {error}; free space there, or set TMPDIR to a directory that has some"
        )
