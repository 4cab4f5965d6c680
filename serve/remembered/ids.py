"""A prediction's id, and whether the log keeps it: every replica answers that alike, from the id alone.

The id is `REQUEST:ROW`: the X-Request-Id of the answer, and the row's place in the request, from 0.
"""

import hashlib
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Mark = tuple[str, int]  # a request's id, and how many rows it had
GOLDEN, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # of SplitMix64
ID = re.compile(r"([A-Za-z0-9._-]{1,64})(?::(0|[1-9][0-9]{0,6}))?", re.ASCII)


def whole(text: str) -> str | None:
    """Write an id with its row, which may be left out for row 0; None for what is no id."""
    found = ID.fullmatch(text)
    return None if found is None else f"{found[1]}:{found[2] or 0}"


def sample(marks: Sequence[Mark], rate: float) -> tuple[npt.NDArray[np.intp], list[str]]:
    """Choose rows of a batch; return their places, and their ids."""
    counts = np.array([count for _, count in marks], dtype="int64")
    ends = np.cumsum(counts)
    hashes = np.array([_hash(request) for request, _ in marks], dtype="uint64")
    rows = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
    # SplitMix64: one hash a request, then a few operations on all rows at once
    mixed = np.repeat(hashes, counts) + (rows.astype("uint64") + np.uint64(1)) * np.uint64(GOLDEN)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(FIRST)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(SECOND)
    mixed ^= mixed >> np.uint64(31)
    places = np.flatnonzero((mixed >> np.uint64(11)).astype("float64") * 2.0**-53 < rate)
    owners = np.searchsorted(ends, places, side="right").tolist()
    return places, [f"{marks[owner][0]}:{row}" for owner, row in zip(owners, rows[places].tolist(), strict=True)]


def _hash(request: str) -> int:
    return int.from_bytes(hashlib.blake2b(request.encode(), digest_size=8).digest(), "big")
