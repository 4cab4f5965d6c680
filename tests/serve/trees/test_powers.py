"""Powers of e have the C library's bits, which onnxruntime's outputs have."""

import numpy as np
import pyarrow.compute

from serve.trees.powers import LEAST, exp

DRAWN = 2_000_000


def by_the_c_library(values: np.ndarray) -> np.ndarray:
    """Raise e to powers by expf: Arrow's compiled code calls it."""
    return pyarrow.compute.exp(pyarrow.array(values)).to_numpy()


def test_every_power_has_the_c_librarys_bits() -> None:
    """On numbers of every size, many of which lie where rounding is close."""
    draw = np.random.default_rng(1)
    sizes = 10.0 ** draw.integers(-8, 2, DRAWN)
    values = np.concatenate([-np.abs(draw.normal(size=DRAWN)) * sizes, draw.uniform(-20, 0, DRAWN)]).astype("float32")
    expected = by_the_c_library(values)
    assert np.array_equal(expected.view("int32"), exp(values).view("int32"))
    clear = values > LEAST
    rounded = np.exp(values[clear], dtype="float64").astype("float32")
    assert (rounded != expected[clear]).any(), "none of them lay where float64 alone is wrong"


def test_the_smallest_and_what_is_none() -> None:
    """Below what a float32 holds whole, at nought, and beyond all."""
    values = np.concatenate([
        np.linspace(-104.5, -86.5, 200_001), [0.0, -0.0, -np.inf, np.nan, -1e-45, np.finfo("float32").min],
    ]).astype("float32")  # fmt: skip
    expected, found = by_the_c_library(values), exp(values)
    assert np.array_equal(expected, found, equal_nan=True)
    assert (found[values < -104].max(), found[values == 0].min()) == (0, 1)


def test_any_shape_stays() -> None:
    """As classes have it: sums by rows."""
    values = -np.arange(12, dtype="float32").reshape(3, 4)
    assert np.array_equal(by_the_c_library(values.ravel()).reshape(3, 4), exp(values))
    assert (3, 0) == exp(values[:, :0]).shape
