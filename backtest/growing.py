"""Columns that grow at the end and forget their oldest rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

_FIRST_ROOM = 64


class GrowingColumns:
    """Columns of numbers with a common end; memory stays below twice the rows kept, twice that while moving.

    The rows live in plain arrays. When an array is full its last `keep` rows move to a new one, so that a view given
    out earlier never changes. A move copies at most as many rows as were added since the one before: O(1) a row.

    Attributes
    ----------
    cells : list of memoryview
        Where the owner writes row `end`, a column each, after making sure that `end` < `room`; then it adds 1 to `end`.
        (Storing through a memoryview takes half the time of storing into the array.)
    end : int
        One past the last row.
    room : int
        Rows that the arrays can hold.
    keep : int
        Rows that stay readable; may be raised, never lowered.
    """

    __slots__ = ("_arrays", "_views", "cells", "end", "keep", "room")

    def __init__(self, dtypes: Sequence[type[np.generic]], keep: int) -> None:
        self.keep = keep
        self.end = 0
        self._place([np.empty(_FIRST_ROOM, dtype) for dtype in dtypes])

    def __len__(self) -> int:
        """Return the number of rows that can be read."""
        return min(self.end, self.keep)

    def make_room(self) -> int:
        """Move the rows kept to larger arrays and return the new end."""
        kept = len(self)
        arrays = []
        for old in self._arrays:
            new = np.empty(max(2 * kept, _FIRST_ROOM), old.dtype)
            new[:kept] = old[self.end - kept : self.end]
            arrays.append(new)
        self.end = kept
        self._place(arrays)
        return kept

    def view(self, column: int) -> npt.NDArray[Any]:
        """Return the rows kept of a column, oldest first, read-only."""
        return self._views[column][self.end - len(self) : self.end]

    def _place(self, arrays: list[npt.NDArray[Any]]) -> None:
        """Take arrays into use."""
        self._arrays = arrays
        self._views = [array.view() for array in arrays]
        for view in self._views:
            view.flags.writeable = False
        self.cells: list[Any] = [array.data for array in arrays]
        self.room = len(arrays[0])
