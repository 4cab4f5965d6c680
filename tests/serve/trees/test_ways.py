"""Few rows go by the graph, many by trees, to the same bits; trees that are not the model's serve nobody."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from serve.bundle import BundleError
from serve.loaded import Bundle, load
from serve.trees import ensemble
from serve.trees.ensemble import Trees
from tests.serve.bundles import sealed


@pytest.fixture
def copied(chain, tmp_path) -> Callable[..., Path]:
    """Copy the chain's bundle with other parts in its trees, or without them."""

    def copied(**changes: Callable[[np.ndarray], np.ndarray] | None) -> Path:
        bundle = Path(shutil.copytree(chain.root / "build/model", tmp_path / "bundle"))
        file = bundle / "model/trees.npz"
        with np.load(file) as held:
            parts = {name: held[name] for name in held.files}
        file.unlink()
        if changes:
            np.savez(file, **{name: changes.get(name, np.array)(part) for name, part in parts.items()})
        return sealed(bundle)

    return copied


def columns(bundle: Bundle, rows: int) -> list[list]:
    """Take golden rows again and again: missing values and unseen ones are among them."""
    golden = bundle.model.golden_rows
    return [[golden[row % len(golden)][name] for row in range(rows)] for name in bundle.rows.names]


def outputs(bundle: Bundle, told: list[list]) -> tuple[np.ndarray, list | None]:
    """Score columns as the service does."""
    return bundle.ways.outputs(bundle.model.numbers(told), told)


@pytest.mark.parametrize(("rows", "way"), [(1, "graph"), (31, "graph"), (32, "trees"), (700, "trees")])
def test_few_rows_go_by_the_graph_and_many_by_trees(chain, monkeypatch, rows, way) -> None:
    """To the same bits, and with the codes of the categories where they were found; of more trees fewer are many."""
    bundle, gone = Bundle(chain.root / "build/model"), []
    assert 32 == bundle.ways.many  # of the example's hundred trees
    run, coded = bundle.model.run, Trees.coded
    monkeypatch.setattr(bundle.model, "run", lambda feeds: [gone.append("graph"), run(feeds)][1])
    monkeypatch.setattr(Trees, "coded", lambda self, *given: [gone.append("trees"), coded(self, *given)][1])
    told = columns(bundle, rows)
    found, codes = outputs(bundle, told)
    assert [way] == gone
    assert np.array_equal(bundle.model.outputs(dict(zip(bundle.rows.names, told, strict=True))), found)
    texts = [column for column, spec in zip(told, bundle.model.inputs, strict=True) if spec["type"] != "number"]
    if way == "graph":
        assert codes is None
    else:
        each = zip(bundle.ways.texts, texts, codes, strict=True)
        assert all(np.array_equal(known.codes(column, rows), code) for known, column, code in each)


def test_a_model_without_trees_goes_by_what_runs_it(copied) -> None:
    """However many rows there are."""
    bundle = Bundle(copied())
    told = columns(bundle, 500)
    found, codes = outputs(bundle, told)
    assert (codes, bundle.ways.many) == (None, None)
    assert np.array_equal(bundle.model.outputs(dict(zip(bundle.rows.names, told, strict=True))), found)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"leaves": lambda leaves: leaves + np.float32(0.5)}, "gives a golden row another output than at training"),
        ({"leaves": lambda leaves: leaves * np.float32(np.nan)}, "gives a golden row another output than at training"),
        ({"turn": lambda _: np.array("NONE")}, "gives a golden row another output than at training"),
        ({"turn": lambda _: np.array("PROBIT")}, "cannot be read as trees"),
    ],
    ids=["other leaves", "no numbers", "another kind of output", "an unknown turn"],
)
def test_trees_of_another_model_keep_it_from_serving(copied, changes, reason) -> None:
    """Though somebody sealed them."""
    bundle = copied(**changes)
    with pytest.raises(BundleError, match=f"trees.npz {reason}"):
        load(bundle)


def test_where_trees_round_otherwise_the_graph_alone_is_asked(chain, monkeypatch, caplog) -> None:
    """As with a C library of another kind: one row must get one answer, alone and among many. The log says so."""

    def one_bit_off(values: np.ndarray) -> np.ndarray:
        return np.nextafter(ensemble.np.exp(values), np.float32(2))

    monkeypatch.setattr(ensemble, "exp", one_bit_off)
    with caplog.at_level(logging.WARNING, "serve.trees"):
        bundle = Bundle(chain.root / "build/model")
    assert caplog.messages == ["rows are not scored by trees.npz: here it rounds otherwise than onnxruntime"]
    told = columns(bundle, 500)
    found, codes = outputs(bundle, told)
    assert codes is None
    assert np.array_equal(bundle.model.outputs(dict(zip(bundle.rows.names, told, strict=True))), found)
