"""Counts made by hand."""

import numpy as np
import pytest

from infra.baking.counts import Counts


@pytest.fixture
def counts():
    """Make counts; unless told otherwise all is well."""

    def make(asked=10_000.0, failed=10.0, refused=100.0, slow=(0.5, 0.1, 0.0), above=(0.7, 0.4, 0.1), **more):
        rows = more.pop("rows", asked - failed - refused)
        told = {
            "bounds": (0.005, 0.05, 0.5), "edges": (0.25, 0.5, 0.75), "labels": ("no", "yes"), "asked": asked,
            "failed": failed, "refused": refused, "timed": asked, "slow": np.array(slow) * asked, "rows": rows,
            "above": np.array(above) * rows, "chosen": np.array([1 - above[1], above[1]]) * rows,
        }  # fmt: skip
        return Counts(**(told | more))

    return make
