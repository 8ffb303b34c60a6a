"""Exact decimals as int64 mantissas with one power of ten, and back."""

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from feeds.errors import FeedError
from feeds.schema import DECIMAL_PRECISION, MAX_SCALE

if TYPE_CHECKING:
    import pyarrow as pa

Int64s = npt.NDArray[np.int64]

INT64_MAX = 2**63 - 1
# A decimal of at most 15 significant digits comes back unchanged from the nearest double (IEEE 754), so below this
# mantissa "the quotient equals the float" is the same as "these are the digits of its repr".
_FLOAT_EXACT = 10**15


def encode(values: Any, *, name: str = "value") -> tuple[Int64s, int]:
    """Turn decimals into int64 mantissas and the scale they share.

    Parameters
    ----------
    values : pa.Array, pa.ChunkedArray, ndarray or sequence, shape (n,)
        Text, Decimal, integers, or floats; a float stands for the decimal that its repr shows. No nulls.
    name : str
        For messages.

    Returns
    -------
    mantissas : ndarray of int64, shape (n,)
        value x 10^scale, exact.
    scale : int
        The largest number of decimals seen, trailing zeros not counted; 0 to 18.

    Raises
    ------
    FeedError
        If a value is null, not a finite number, has more than 18 decimals, or does not fit 64 bits at the scale.
    """
    import pyarrow as pa

    array = as_arrow(values, name)
    if not len(array):
        return np.empty(0, dtype=np.int64), 0
    if array.null_count:
        row = int(np.flatnonzero(np.asarray(array.is_null()))[0])
        raise FeedError(f"{name}: row {row} is empty; a number is required")
    if pa.types.is_floating(array.type):
        return _encode_floats(array.cast(pa.float64()).to_numpy(zero_copy_only=False), name)
    if pa.types.is_integer(array.type):
        return _integers(array, name), 0
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return _encode_text(array, name)
    if pa.types.is_decimal(array.type):
        return _encode_decimals(array, name)
    raise FeedError(f"{name}: type {array.type} is not a number (allowed: text, decimal, integer, float)")


def encode_together(columns: dict[str, Any]) -> tuple[dict[str, Int64s], int]:
    """Encode several columns with one common scale (arguments and errors as `encode`)."""
    parts = {name: encode(values, name=name) for name, values in columns.items()}
    scale = max((each for _, each in parts.values()), default=0)
    return {name: rescale(mantissas, each, scale, name=name) for name, (mantissas, each) in parts.items()}, scale


def rescale(mantissas: Int64s, source: int, target: int, *, name: str = "value") -> Int64s:
    """Move mantissas from one scale to another, exactly.

    Raises
    ------
    FeedError
        If a product does not fit 64 bits, or a smaller target scale would lose digits.
    """
    if target == source:
        return mantissas
    if target < source:
        factor = 10 ** (source - target)
        if np.any(mantissas % factor):
            raise FeedError(f"{name}: {target} decimals would lose digits of values stored with {source}")
        quotients: Int64s = mantissas // factor
        return quotients
    factor = 10 ** (target - source)
    limit = INT64_MAX // factor
    if mantissas.size and (int(mantissas.max()) > limit or int(mantissas.min()) < -limit):
        worst = int(mantissas[np.argmax(np.abs(mantissas))])
        raise FeedError(f"{name}: {to_text(worst, source)} with {target} decimals does not fit 64 bits")
    return mantissas * np.int64(factor)


def smallest_scale(columns: list[Int64s], scale: int) -> int:
    """Return the least scale at which mantissas of `scale` keep all digits (trailing zeros stripped)."""
    while scale > 0 and not any(bool(np.any(column % 10)) for column in columns):
        columns = [column // 10 for column in columns]
        scale -= 1
    return scale


def decode(mantissas: Int64s, scale: int) -> "pa.Array":
    """Return the mantissas as a decimal128(38, scale) array without going through Python objects."""
    import pyarrow as pa

    words = np.empty((mantissas.size, 2), dtype="<i8")
    words[:, 0] = mantissas
    words[:, 1] = mantissas >> 63
    return pa.Array.from_buffers(
        pa.decimal128(DECIMAL_PRECISION, scale), mantissas.size, [None, pa.py_buffer(words)], null_count=0
    )


def to_floats(mantissas: Int64s, scale: int) -> npt.NDArray[np.float64]:
    """Return the mantissas as the nearest doubles, a view for display and statistics."""
    return mantissas / np.float64(10**scale)


def to_text(mantissa: int, scale: int) -> str:
    """Return one mantissa as plain decimal text, trailing zeros kept: (5, 2) is ``0.05``."""
    return f"{Decimal(mantissa).scaleb(-scale):f}"


def to_decimal(value: Any, *, name: str = "value") -> Decimal:
    """Return a user's number as the Decimal it shows (a float through its repr), or raise FeedError."""
    try:
        found = Decimal(repr(float(value))) if isinstance(value, (float, np.floating)) else Decimal(str(value))
    except (InvalidOperation, ValueError):
        raise FeedError(f"{name}: {value!r} is not a number") from None
    if not found.is_finite():
        raise FeedError(f"{name}: {value!r} is not a finite number")
    return found


def as_arrow(values: Any, name: str) -> "pa.Array":
    """Return any accepted sequence as one Arrow array."""
    import pyarrow as pa

    if isinstance(values, pa.ChunkedArray):
        return values.combine_chunks()
    if isinstance(values, pa.Array):
        return values
    try:
        if isinstance(values, np.ndarray) and values.dtype != object:
            return pa.array(values)
        items = list(values)
        kinds = {type(item) for item in items if item is not None}
        if Decimal in kinds or (str in kinds and len(kinds) > 1):
            items = [
                item if item is None or isinstance(item, str) else f"{to_decimal(item, name=name):f}" for item in items
            ]
        return pa.array(items, from_pandas=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise FeedError(f"{name}: {error}") from None


def _integers(array: "pa.Array", name: str) -> Int64s:
    """Return an integer array as int64, refusing what does not fit."""
    import pyarrow as pa

    try:
        found: Int64s = array.cast(pa.int64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        raise FeedError(f"{name}: an integer does not fit 64 bits") from None
    return found


def _encode_text(array: "pa.Array", name: str) -> tuple[Int64s, int]:
    """Encode decimal text; the scale is read from the text itself."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = array.cast(pa.string())
    # Arrow wraps around silently on exponents and on more than 38 digits, so such text is written out first.
    odd = pc.match_substring_regex(array, r"[eE]|^[+-]?\d{20}")
    if pc.any(odd).as_py():
        array = pc.replace_with_mask(array, odd, pa.array([_plain_text(each, name) for each in array.filter(odd)]))
    stripped = pc.utf8_rtrim(array, characters="0")
    point = pc.find_substring(array, ".")
    decimals = pc.if_else(pc.less(point, 0), 0, pc.subtract(pc.subtract(pc.utf8_length(stripped), point), 1))
    scale = pc.max(decimals).as_py()
    if scale > MAX_SCALE:
        row = pc.index(decimals, scale).as_py()
        raise FeedError(
            f"{name}: {array[row].as_py()!r} (row {row}) has {scale} decimals; at most {MAX_SCALE} are kept"
        )
    # The text may end in more zeros than the scale has places: cut them, they carry nothing.
    cut = pc.if_else(pc.less(point, 0), array, pc.utf8_rtrim(stripped, characters="."))
    cut = pc.if_else(pc.equal(cut, ""), array, cut)
    return _words(_text_to_decimal(cut, scale, name), name), scale


def _plain_text(cell: "pa.Scalar", name: str) -> str:
    """Return decimal text without exponent or leading zeros, refusing what cannot fit."""
    found = to_decimal(cell.as_py(), name=name)
    if found and not -40 < found.adjusted() < 19:
        raise FeedError(f"{name}: {cell.as_py()!r} does not fit 64 bits")
    return f"{found:f}"


def _text_to_decimal(array: "pa.Array", scale: int, name: str) -> "pa.Array":
    """Cast text to decimal128, naming the first row that is not a number."""
    import pyarrow as pa

    try:
        return array.cast(pa.decimal128(DECIMAL_PRECISION, scale))
    except pa.ArrowInvalid:
        for row, text in enumerate(array.to_pylist()):
            try:
                pa.array([text]).cast(pa.decimal128(DECIMAL_PRECISION, scale))
            except pa.ArrowInvalid:
                raise FeedError(
                    f"{name}: {text!r} (row {row}) is not a decimal number of at most "
                    f"{DECIMAL_PRECISION - scale} digits before and {scale} after the point"
                ) from None
        raise


def _encode_decimals(array: "pa.Array", name: str) -> tuple[Int64s, int]:
    """Encode a decimal array at the least scale that keeps all digits."""
    import pyarrow as pa

    if pa.types.is_decimal256(array.type) or not pa.types.is_decimal128(array.type):
        array = array.cast(pa.decimal128(DECIMAL_PRECISION, array.type.scale))
    low, high = 0, array.type.scale
    if high < 0:
        array, high = array.cast(pa.decimal128(DECIMAL_PRECISION, 0)), 0
    while low < high:
        middle = (low + high) // 2
        try:
            array.cast(pa.decimal128(DECIMAL_PRECISION, middle))
        except pa.ArrowInvalid:
            low = middle + 1
        else:
            high = middle
    if low > MAX_SCALE:
        raise FeedError(f"{name}: values have {low} decimals; at most {MAX_SCALE} are kept")
    return _words(array.cast(pa.decimal128(DECIMAL_PRECISION, low)), name), low


def _words(array: "pa.Array", name: str) -> Int64s:
    """Return the unscaled values of a decimal128 array when they fit 64 bits."""
    if not len(array):
        return np.empty(0, dtype=np.int64)
    words = np.frombuffer(array.buffers()[1], dtype="<i8").reshape(-1, 2)[array.offset : array.offset + len(array)]
    low = np.ascontiguousarray(words[:, 0]).astype(np.int64)
    wide = np.flatnonzero(words[:, 1] != low >> 63)
    if wide.size:
        row = int(wide[0])
        raise FeedError(
            f"{name}: {array[row].as_py()} (row {row}) with {array.type.scale} decimals does not fit 64 bits"
        )
    return low


def _encode_floats(values: npt.NDArray[np.float64], name: str) -> tuple[Int64s, int]:
    """Encode doubles as the decimals that their repr shows."""
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise FeedError(f"{name}: row {int(bad[0])} is {values[bad[0]]}; a finite number is required")
    rest, scale = values, 0
    while rest.size and scale <= 15:
        mantissas = np.rint(rest * 10.0**scale)
        rest = rest[~((mantissas / 10.0**scale == rest) & (np.abs(mantissas) < _FLOAT_EXACT))]
        if not rest.size:
            break
        scale += 1
    found = np.rint(values * 10.0**scale)
    if not rest.size and np.all((found / 10.0**scale == values) & (np.abs(found) < _FLOAT_EXACT)):
        return found.astype(np.int64), scale
    return _encode_text(as_arrow([f"{Decimal(repr(value)):f}" for value in values.tolist()], name), name)
