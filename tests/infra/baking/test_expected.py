"""What a bundle expects of its predictions: counts on the test part, else on the rows it was trained on."""

import json

import numpy as np
import pytest

from infra.baking.expected import of_bundle
from serve.bundle import BundleError

OUTPUTS = {"edges": [0.0, 0.25, 0.5, 1.0], "counts": [6, 3, 1]}
TOLD = {"rows": 10, "outputs": OUTPUTS, "labels": [0, 1], "chosen": [9, 1]}


@pytest.fixture
def bundle(tmp_path):
    """Write a bundle of these two files."""

    def write(told=None, outputs=OUTPUTS):
        (tmp_path / "model").mkdir(exist_ok=True)
        (tmp_path / "model/drift.json").write_text(json.dumps({"outputs": outputs}))
        (tmp_path / "expected.json").unlink(missing_ok=True)
        if told is not None:
            (tmp_path / "expected.json").write_text(json.dumps(told))
        return tmp_path

    return write


def test_shares_above_each_edge_and_of_each_label(bundle) -> None:
    """Labels are texts, as /metrics tells them."""
    found = of_bundle(bundle(TOLD))
    assert ((0.25, 0.5), ("0", "1"), "the test part") == (found.edges, found.labels, found.told)
    assert np.allclose(found.above, [0.4, 0.1])
    assert np.allclose(found.chosen, [0.9, 0.1])


def test_an_older_bundle_tells_its_training_rows(bundle, counts) -> None:
    """It fits a service of the same bins, whatever its labels."""
    found = of_bundle(bundle())
    assert ((), "its training rows") == (found.labels, found.told)
    assert np.allclose(found.above, [0.4, 0.1])
    assert found.fits(counts(edges=(0.25, 0.5)))
    assert not found.fits(counts(edges=(0.3, 0.5)))


@pytest.mark.parametrize(
    "broken",
    [{}, TOLD | {"labels": [0]}, TOLD | {"chosen": [0, 0]}, TOLD | {"outputs": {"edges": [0, 1], "counts": [0]}},
     TOLD | {"outputs": OUTPUTS | {"counts": [6, 5, -1]}}, TOLD | {"outputs": OUTPUTS | {"counts": [1]}}],
)  # fmt: skip
def test_what_does_not_add_up_is_a_sentence(bundle, broken) -> None:
    """Nothing is expected of nothing."""
    with pytest.raises(BundleError, match="does not say what its predictions look like"):
        of_bundle(bundle(broken))


def test_without_either_file_nothing_is_expected(tmp_path) -> None:
    """A bundle has at least drift.json."""
    with pytest.raises(BundleError, match=r"drift\.json is missing"):
        of_bundle(tmp_path)
