"""What the splits of one column leave of the trees, worked out ahead: a line of a table for each place of a value."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

LEAVES = {32: "int32", 64: "int64"}  # bits of a number by the leaves a tree has at most, one more; the sign stays out
ALL = {bits: (1 << (bits - 1)) - 1 for bits in LEAVES}
SHARED = 700  # lines of a table that columns share; with more of them it leaves the cache
COUNTED = 1 << 17  # whole numbers that a table of places may hold; a wider range is searched
Places = npt.NDArray[np.intp]


class Column(ABC):
    """A column of the contract: `table` has a line for each place, `at` is its own place among the columns."""

    def __init__(self, at: int, table: npt.NDArray[Any], splits: int) -> None:
        self.at, self.asked = at, splits > 0
        # each line once: where no tree asks for a category, it has the line of those never seen
        self.table, lines = np.unique(table, axis=0, return_inverse=True)
        self._lines: Places = lines.astype("intp").reshape(-1)

    @abstractmethod
    def places(self, values: npt.NDArray[Any]) -> Places:
        """Find the line of each value, shape (rows,)."""


class Category(Column):
    """A column of texts; `known` are those that the trees may ask for, the last line is of all others."""

    def __init__(self, at: int, known: Sequence[str], splits: "Splits") -> None:
        self._known = {value: number for number, value in enumerate(known)}
        table = splits.table(len(known) + 1)
        np.bitwise_and.at(table, (splits.bound.astype("intp"), splits.tree), splits.mask)
        super().__init__(at, table, len(splits.tree))

    def places(self, values: npt.NDArray[Any]) -> Places:
        """Find the lines of texts."""
        numbers = np.array([self._known.get(value, len(self._known)) for value in values], dtype="intp")
        return np.asarray(self._lines[numbers])


class Number(Column):
    """A column of float32: a line for each gap between the bounds that trees ask for, the last for a missing value.

    `whole` is the range of a column of whole numbers, None for another one: a table then takes the place of the search.
    """

    def __init__(self, at: int, whole: range | None, splits: "Splits") -> None:
        self._bounds = np.unique(splits.bound)
        table = splits.table(len(self._bounds) + 2)
        np.bitwise_and.at(table, (np.searchsorted(self._bounds, splits.bound) + 1, splits.tree), splits.mask)
        np.bitwise_and.accumulate(table[:-1], axis=0, out=table[:-1])
        right = ~splits.missing
        table[-1] = ALL[splits.bits]
        np.bitwise_and.at(table[-1], splits.tree[right], splits.mask[right])
        super().__init__(at, table, len(splits.tree))
        self._whole = whole if whole and len(whole) <= COUNTED else None
        if self._whole:
            self._counted = self._found(np.array(self._whole, dtype="float64").astype("float32"))

    def places(self, values: npt.NDArray[Any]) -> Places:
        """Find the lines of float32, NaN where missing; whole numbers lie in the contract's range."""
        absent = np.isnan(values)
        if self._whole:
            counted = np.where(absent, self._whole.start, values).astype("int64") - self._whole.start
            places: Places = self._counted.take(counted, mode="clip")
        else:
            places = self._found(values)
        places[absent] = self._lines[-1]
        return places

    def _found(self, values: npt.NDArray[Any]) -> Places:
        return np.asarray(self._lines[np.searchsorted(self._bounds, values)])


@dataclass(frozen=True)
class Splits:
    """The splits that ask for one column: the `tree` of each, and the leaves that stay in it where its answer is no.

    `bound` is a number's bound, yes is at most that; or a category's place, yes is another one. `missing` tells
    whether a missing number is a yes. `trees` and `bits` are the size of a line.
    """

    tree: npt.NDArray[np.intp]
    mask: npt.NDArray[Any]
    bound: npt.NDArray[np.float32]
    missing: npt.NDArray[np.bool_]
    trees: int
    bits: int

    def table(self, lines: int) -> npt.NDArray[Any]:
        """Make a table in which every tree has all its leaves."""
        return np.full((lines, self.trees), ALL[self.bits], LEAVES[self.bits])


def column_of(at: int, spec: Mapping[str, Any], parts: Mapping[str, Any], known: Sequence[str]) -> Column:
    """Make the column at a place of the contract out of what the file of the trees holds.

    Raises KeyError, ValueError or IndexError where that is no such file.
    """
    trees, bits = parts["leaves"].shape
    tree, mask, bound, missing = (parts[name][parts["column"] == at] for name in ("tree", "mask", "bound", "missing"))
    splits = Splits(tree.astype("intp"), mask.astype(LEAVES[bits]), bound, missing, trees, bits)
    if spec["type"] != "number":
        return Category(at, known, splits)
    whole = range(math.ceil(spec["low"]), math.floor(spec["high"]) + 1) if spec["integer"] else None
    return Number(at, whole, splits)


def shared(columns: Sequence[Column]) -> list[tuple[list[tuple[int, int]], npt.NDArray[Any]]]:
    """Join the tables of columns while they stay small, the largest first: for each the columns and their lines."""
    made: list[tuple[list[tuple[int, int]], npt.NDArray[Any]]] = []
    for column in sorted(columns, key=lambda one: -len(one.table)):
        lines = len(column.table)
        for number, (joined, table) in enumerate(made):
            if len(table) * lines <= SHARED:
                both = (table[:, np.newaxis] & column.table[np.newaxis]).reshape(-1, table.shape[1])
                made[number] = ([*joined, (column.at, lines)], both)
                break
        else:
            made.append(([(column.at, lines)], column.table))
    return made


def together(places: Sequence[Places], columns: Sequence[tuple[int, int]]) -> Places:
    """Find the lines of rows in a table that columns share; takes the places of all columns, and those that share."""
    joined = places[columns[0][0]]
    for at, lines in columns[1:]:
        joined = joined * lines + places[at]
    return joined
