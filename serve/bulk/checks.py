"""Which rows of a chunk keep the contract: whole columns are looked at, and the service's own decoder judges the rest.

The checks of columns only suspect: they let no row pass that the service refuses. A suspected row is written as JSON
and given to `serve.rows`, so that what is refused, and in which words, is the service's for any contract.
"""

import contextlib
import math
import sys
from dataclasses import dataclass, field

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from serve.bulk.arrays import decoded, to_numpy
from serve.bulk.errors import InputError
from serve.bulk.source import Spec
from serve.cells import NUMBER
from serve.rows import BadRequest, Rows
from serve.words import LONGEST, folded, spellings

WHOLE = f"^{NUMBER}$"
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Numbers:
    """A number column: float64, missing is NaN; `texts` holds what is no number at all, by its row."""

    values: npt.NDArray[np.float64]
    texts: dict[int, str] = field(default_factory=dict)

    def suspects(self, spec: Spec) -> Mask:
        """Tell which rows may break the contract."""
        low, high = spec["low"], spec["high"]
        with np.errstate(invalid="ignore"):
            if spec["integer"]:
                fine = (self.values >= math.ceil(low)) & (self.values <= math.floor(high))
                fine &= self.values == np.floor(self.values)
            else:
                fine = (self.values >= low) & (self.values <= high)
        if spec["missing"]:
            fine |= np.isnan(self.values)
        fine[list(self.texts)] = False
        return np.asarray(~fine)

    def value(self, row: int) -> float | str | None:
        """Return a row's value as JSON takes it; an infinity becomes the largest number, no bound is above that."""
        number = float(self.values[row])
        if row in self.texts:
            return self.texts[row]
        return None if math.isnan(number) else min(max(number, -sys.float_info.max), sys.float_info.max)


@dataclass(frozen=True)
class Categories:
    """A category column: for each row the place of its value; the last of `values` is None, the missing one."""

    places: npt.NDArray[np.int32]
    values: list[str | None]

    def suspects(self, spec: Spec) -> Mask:
        """Tell which rows may break the contract; each value is looked at once."""
        declared = spellings(spec["values"]) if spec.get("fold") else dict.fromkeys(spec["values"])
        closed = spec["unseen"] == "reject"

        def suspect(value: str | None) -> bool:
            if value is None:
                return not spec["missing"]
            named = folded(value) if spec.get("fold") else value
            return not 0 < len(value) <= LONGEST or (closed and named not in declared)

        return np.array([suspect(value) for value in self.values])[self.places]

    def value(self, row: int) -> str | None:
        """Return a row's value as JSON takes it."""
        return self.values[int(self.places[row])]


Columns = dict[str, Numbers | Categories]


def columns_of(table: pa.Table, specs: list[Spec]) -> Columns:
    """Take the columns that the model takes out of a chunk.

    Raises InputError when a text is no UTF-8.
    """
    columns: Columns = {}
    for name, kind in ((spec["name"], spec["type"]) for spec in specs):
        column = table.column(name)
        columns[name] = _numbers(column) if kind == "number" else _categories(column, name)
    return columns


def reasons(columns: Columns, specs: list[Spec], rows: Rows) -> dict[int, tuple[str, str]]:
    """Find the rows that the service would refuse: for each its column and the service's sentence."""
    suspected = np.logical_or.reduce([columns[spec["name"]].suspects(spec) for spec in specs])
    found = {}
    for row in np.flatnonzero(suspected).tolist():
        body = msgspec.json.encode({name: column.value(row) for name, column in columns.items()})
        try:
            rows.decode(body)
        except BadRequest as refused:
            found[row] = (refused.field or "", str(refused))
    return found


def _numbers(column: pa.ChunkedArray) -> Numbers:
    if not len(column):
        return Numbers(np.empty(0))
    texts: dict[int, str] = {}
    column = decoded(column)
    if pa.types.is_string(column.type):
        column, texts = _parsed(column)
    if pa.types.is_decimal(column.type) or not pa.types.is_floating(column.type):
        column = column.cast(pa.float64(), safe=False)
    return Numbers(to_numpy(_whole(column.cast(pa.float64())), "float64", math.nan), texts)


def _parsed(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, dict[int, str]]:
    """Read the numbers of a CSV column; what is none stays a text.

    The library's own reading also takes nan and inf: a column that has one, or a text, is looked at by our grammar.
    Else the same cell would be missing or refused, as the others of its chunk happen to be.
    """
    with contextlib.suppress(pa.ArrowInvalid):
        read = column.cast(pa.float64())
        if pc.all(pc.is_finite(read), min_count=0).as_py():
            return read, {}
    column = pc.ascii_trim_whitespace(column)
    column = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
    written = pc.match_substring_regex(column, WHOLE)
    wrong = np.flatnonzero(to_numpy(_whole(written.cast(pa.uint8())), "uint8", 1) == 0)
    texts = {row: column[row].as_py() for row in wrong.tolist()}
    return pc.if_else(written, column, pa.scalar(None, pa.string())).cast(pa.float64()), texts


def _categories(column: pa.ChunkedArray, name: str) -> Categories:
    if not len(column):
        return Categories(np.empty(0, "int32"), [None])
    if pa.types.is_null(column.type):
        column = column.cast(pa.string())
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    whole = _whole(column)
    try:
        values = whole.dictionary.to_pylist()
    except UnicodeDecodeError:
        raise InputError(f"column {name} holds a text that is no UTF-8; write the file anew") from None
    return Categories(to_numpy(whole.indices.cast(pa.int32()), "int32", len(values)), [*values, None])


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """Make one array of a column; chunks that came with dictionaries of their own get one together."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
