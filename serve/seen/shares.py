"""Predictions by request: each counts one in all, whatever its rows, since they may be alike."""

import numpy as np
import numpy.typing as npt

PARTS = 2.0**20  # a share is a whole number of such parts: sums of them are exact, in any order, and never fall


def add_shares(cells: npt.NDArray[np.float64], places: npt.NDArray[np.intp], sizes: npt.NDArray[np.int64]) -> None:
    """Add the rows at each place to the first half of the cells, and to the other what each request counts there.

    A request counts one in all: the share of its rows at each place.
    """
    width = len(cells) // 2
    of = np.repeat(np.arange(len(sizes)), sizes) * width + places
    rows = np.bincount(of, minlength=len(sizes) * width).reshape(-1, width)
    up_to = np.round(rows.cumsum(axis=1) / sizes[:, None] * PARTS) / PARTS
    cells[:width] += rows.sum(axis=0)
    cells[width:] += np.diff(up_to, axis=1, prepend=0.0).sum(axis=0)
