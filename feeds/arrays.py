"""Integer columns of Arrow as NumPy arrays over the same memory, and back.

pyarrow's own `to_numpy` and `fill_null` import its compute module, and pandas wherever that is installed, the first
time; that costs more than reading a million rows.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa


def plain(array: "pa.Array") -> NDArray[Any]:
    """Return an integer array as NumPy has it, nulls as 0; without nulls a read-only view of its buffer."""
    kind = np.dtype(array.type.to_pandas_dtype())
    if len(array) == array.null_count:
        return np.zeros(len(array), kind)
    values = np.frombuffer(array.buffers()[1], kind, count=len(array), offset=array.offset * kind.itemsize)
    if not array.null_count:
        return values
    return np.where(nulls(array), kind.type(0), values)


def nulls(array: "pa.Array") -> NDArray[np.bool_]:
    """Return which rows of an array are null."""
    if not array.null_count:
        return np.zeros(len(array), bool)
    # Arrow columnar format, "Validity bitmaps": one bit a slot, the lowest first, 0 = null.
    bitmap = np.frombuffer(array.buffers()[0], np.uint8)
    bits = np.unpackbits(bitmap, count=array.offset + len(array), bitorder="little")
    empty: NDArray[np.bool_] = bits[array.offset :] == 0
    return empty


def without_nulls(array: "pa.Array") -> "pa.Array":
    """Return an integer array with its nulls as 0."""
    if not array.null_count:
        return array
    import pyarrow as pa

    values = plain(array)
    return pa.Array.from_buffers(array.type, len(values), [None, pa.py_buffer(values)])
