"""Arrow arrays and numpy by their buffers: pyarrow's own ways import pandas where it is installed, a second, 60 MB."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def from_numpy(values: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    """View numbers as an Arrow array of a type of the same width; nothing is copied, none is null."""
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def to_numpy(array: pa.Array, kind: str, null: float) -> npt.NDArray[Any]:
    """Turn an Arrow array into numpy's numbers of the same width, with `null` where none is; else nothing is copied."""
    if not len(array):
        return np.empty(0, kind)
    values = np.frombuffer(array.buffers()[1], kind, len(array), array.offset * np.dtype(kind).itemsize)
    if array.null_count:
        values = np.where(to_numpy(array.is_null().cast(pa.uint8()), "uint8", 0) == 1, values.dtype.type(null), values)
    return values


def texts(values: Sequence[str]) -> pa.Array:
    """Make an array of texts."""
    encoded = [value.encode() for value in values]
    offsets = np.cumsum([0, *map(len, encoded)], dtype="int32")
    return pa.Array.from_buffers(
        pa.string(), len(encoded), [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    )


def chosen(places: npt.NDArray[np.integer[Any]], values: Sequence[str]) -> pa.Array:
    """Make a dictionary array: for each place the text there."""
    return pa.DictionaryArray.from_arrays(from_numpy(places.astype("int32"), pa.int32()), texts(values))


def decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Write a dictionary column out as its values; another one stays what it is."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
