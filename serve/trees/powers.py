"""Powers of e as the C library rounds them, which is what onnxruntime calls: numpy's float32 way rounds otherwise."""

from typing import Any

import numpy as np
import numpy.typing as npt

HALF = 1 << 28  # what a float64 holds beyond a float32, 29 bits, when it lies in the middle of two of them
NEAR = HALF // 64  # the C library is off by less than a hundredth of that; float64's own error is a millionth
LEAST = -87.0  # below, a float32 holds fewer bits


def exp(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Raise e to float32 powers that are at most 0; any shape.

    What float64 gives is rounded, which is right wherever it lies clear of the middle between two float32. The few
    others are asked of the C library's expf, which numpy calls for a complex number and for nothing else.
    """
    wide = np.exp(values, dtype="float64")
    powers: npt.NDArray[np.float32] = wide.astype("float32")
    beyond = (wide.view("int64") & (2 * HALF - 1)) - HALF
    asked: npt.NDArray[Any] = (np.abs(beyond) < NEAR) | (values < LEAST)
    if asked.any():
        powers[asked] = np.exp(values[asked].astype("complex64")).real
    return powers
