"""What the predictions of a bundle should look like: their counts on the test part, which `serve.export` put into it.

A bundle that was exported before it held them is expected to predict as on the rows it was trained on (drift.json).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from infra.baking.counts import Array, Counts
from serve.bundle import EXPECTED, BundleError, read_json

TEST_PART = "the test part"


@dataclass(frozen=True, eq=False)
class Expected:
    """Shares of the predictions: above each of `edges`, and of each of `labels` (none where nobody counted them).

    `told` says on which rows.
    """

    edges: tuple[float, ...]
    above: Array
    labels: tuple[str, ...]
    chosen: Array
    told: str

    def fits(self, counts: Counts) -> bool:
        """Tell whether a service counts by the same bins and labels."""
        return self.edges == counts.edges and self.labels in ((), counts.labels)


def of_bundle(folder: Path) -> Expected:
    """Read what is expected of a bundle. Raises BundleError when neither file says it."""
    try:
        if (folder / EXPECTED).is_file():
            return _read(read_json(folder / EXPECTED), TEST_PART)
        return _read(read_json(folder / "model" / "drift.json") | {"labels": [], "chosen": []}, "its training rows")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"{folder} does not say what its predictions look like: {error}") from None


def _read(content: dict[str, Any], told: str) -> Expected:
    edges, counts = content["outputs"]["edges"], np.array(content["outputs"]["counts"], dtype="float64")
    labels, chosen = content["labels"], np.array(content["chosen"], dtype="float64")
    if (len(counts), len(chosen)) != (len(edges) - 1, len(labels)):
        raise ValueError("it has other counts than bins or labels")
    if not all((some >= 0).all() and some.sum() > 0 for some in (counts, *([chosen] if labels else []))):
        raise ValueError("its counts of outputs do not add up")
    above = counts[::-1].cumsum()[::-1][1:] / counts.sum()
    chosen = chosen / max(chosen.sum(), 1)
    return Expected(as_ends(edges), above, tuple(map(str, labels)), chosen, told)


def as_ends(edges: Sequence[float]) -> tuple[float, ...]:
    """Return the inner edges as `/metrics` writes them."""
    return tuple(float(f"{edge:.9g}") for edge in edges[1:-1])
