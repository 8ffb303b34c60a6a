"""The C struct of a journal table and its numpy dtype agree in size, and in name, type and offset of every field."""

import re
from pathlib import Path

import numpy as np
import pytest

from venues.records import DTYPES, SIZES

RECORDS = Path(__file__).resolve().parent.parent / "venues" / "records"
C_TYPES = {"int64_t": "<i8", "int32_t": "<i4", "double": "<f8", "int8_t": "|i1", "uint8_t": "|u1"}
STRUCT = re.compile(r"^cdef packed struct (\w+):[^\n]*\n((?:[ \t]+[^\n]*\n|\n)+)", re.MULTILINE)
FIELD = re.compile(r"^\s+(\w+) (\w+)\s*(?:#.*)?$", re.MULTILINE)


def structs() -> dict[str, list[tuple[str, str]]]:
    """Return the fields (name, type) of every packed struct of records.pxd."""
    text = RECORDS.with_suffix(".pxd").read_text()
    return {
        name: [(field, C_TYPES[kind]) for kind, field in FIELD.findall(body)] for name, body in STRUCT.findall(text)
    }


def struct_of_table() -> dict[str, str]:
    """Return which struct records.pyx measures for each table."""
    return dict(re.findall(r'"(\w+)": sizeof\((\w+)\)', RECORDS.with_suffix(".pyx").read_text()))


def test_every_struct_has_a_table_and_every_table_a_struct():
    assert set(struct_of_table().values()) == set(structs())
    assert set(struct_of_table()) == set(DTYPES) == set(SIZES)


@pytest.mark.parametrize("table", sorted(DTYPES))
def test_struct_and_dtype_agree_in_size_and_every_offset(table):
    dtype = DTYPES[table]
    fields = structs()[struct_of_table()[table]]
    offsets = np.cumsum([0, *(np.dtype(kind).itemsize for _, kind in fields)])
    expected = [(name, kind, int(offset)) for (name, kind), offset in zip(fields, offsets, strict=False)]
    assert [(name, dtype.fields[name][0].str, dtype.fields[name][1]) for name in dtype.names] == expected
    assert dtype.itemsize == offsets[-1] == SIZES[table]
