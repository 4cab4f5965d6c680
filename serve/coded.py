"""A category column as small numbers: what is declared, what a model knows besides, what is missing, all others."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from serve.words import MISSING, folded, spellings

Codes = npt.NDArray[np.intp]


class Texts:
    """The texts of an input, a category: the code of each of `values` is its place among them.

    Behind those are two codes more, `missing` and `others`. `more` are texts to tell apart that are not declared.
    """

    def __init__(self, spec: Mapping[str, Any], more: Iterable[str] = ()) -> None:
        declared = spellings(spec["values"]) if spec.get("fold") else {}
        told = {text: declared.get(folded(text), text) if declared else text for text in (*spec["values"], *more)}
        told.pop(MISSING, None)
        self.values = tuple(dict.fromkeys(told.values()))
        self.missing, self.others = len(self.values), len(self.values) + 1
        places = {text: place for place, text in enumerate(self.values)}
        known = {text: places[spelled] for text, spelled in told.items()}
        self._code = _Code(known | {MISSING: self.missing}, self.others, declared)
        self._code[None] = self.missing

    def codes(self, values: Iterable[str | None], rows: int) -> Codes:
        """Find the codes of texts as they come, in any spelling that the contract allows; None and NaN are missing."""
        return np.fromiter(map(self._code.__getitem__, values), "intp", rows)


class _Code(dict[Any, int]):
    def __init__(self, known: Mapping[Any, int], others: int, declared: Mapping[str, str]) -> None:
        super().__init__(known)
        self._others, self._declared = others, declared

    def __missing__(self, text: Any) -> int:
        # nothing is kept of it: callers may send any number of texts
        if text != text:  # NaN, as pandas writes what is missing
            return self[None]
        return self.get(self._declared.get(folded(text), text), self._others) if self._declared else self._others


def texts_of(inputs: Sequence[Mapping[str, Any]]) -> list[Texts]:
    """Make the texts of each input that is a category, in their order."""
    return [Texts(spec) for spec in inputs if spec["type"] != "number"]
