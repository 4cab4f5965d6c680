"""Export: only a judged version, whole or not at all."""

import json
import resource

from serve.bundle import files_below, verify
from serve.model import Model
from serve.seen.counts import Counts
from serve.seen.layout import Layout
from tests import kept
from train.data import as_columns, model_inputs

EXPORT = ("serve.export", "--model-version", "1", "--to")


def test_the_bundle_holds_what_serves_and_nothing_of_the_rows(chain) -> None:
    """The recorded outputs stay in the registry; the digest of the sealed model is the release's."""
    bundle = chain.root / "build/model"
    verify(bundle)
    assert files_below(bundle) == [
        "card.md",
        "expected.json",
        "manifest.json",
        *(
            f"model/{name}"
            for name in ("contract.json", "drift.json", "golden.json", "manifest.json", "model.onnx", "trees.npz")
        ),
        "page.json",
        "release.json",
        "service.json",
        "verdicts.json",
    ]
    release = json.loads((bundle / "release.json").read_text())
    assert verify(bundle / "model", may_lack=["outputs.parquet"]) == release["model_digest"]


def test_the_bundle_says_how_its_outputs_lie_on_the_test_part(chain) -> None:
    """Counts by the service's own bins and labels, and nothing else of any row."""
    told = json.loads((chain.root / "build/model/expected.json").read_text())
    parts = kept.parts()
    edges = json.loads((chain.root / "build/model/model/drift.json").read_text())["outputs"]["edges"]
    assert ({"rows", "outputs", "labels", "chosen"}, edges) == (set(told), told["outputs"]["edges"])
    assert [len(parts.test)] * 3 == [told["rows"], sum(told["outputs"]["counts"]), sum(told["chosen"])]
    model = Model(chain.root / "build/model/model")
    outputs = model.outputs(as_columns(model_inputs(parts.test, kept.config().inputs)))
    layout = Layout(
        model.inputs, model.target, json.loads((chain.root / "build/model/model/drift.json").read_text()), ()
    )
    served = Counts(layout)
    nothing = [[None] * len(outputs)] * len(model.inputs)
    served.later(model.numbers(nothing), nothing, outputs)
    cells = served.total()
    assert told["outputs"]["counts"] == cells[layout.outputs : layout.outputs_sum].tolist()
    assert told["chosen"] == cells[layout.chosen : layout.outputs].tolist()


def test_without_the_recorded_outputs_a_bundle_is_exported_all_the_same(chain_copy) -> None:
    """They do not travel on the branch; the log says what is missing then, and the service does not need it."""
    for recorded in chain_copy.root.rglob("outputs.parquet"):
        recorded.unlink()
    ran = chain_copy.run(*EXPORT, "build/again")
    assert (0, True) == (ran.code, "outputs.parquet of version 1 is not here" in ran.err)
    assert "expected.json" not in files_below(chain_copy.root / "build/again")


def test_exporting_twice_gives_the_same_bundle(chain_copy) -> None:
    """No time, no place: the bundle's digest is that of its content."""
    before = verify(chain_copy.root / "build/model")
    assert 0 == chain_copy.run(*EXPORT, "build/again").code
    assert verify(chain_copy.root / "build/again") == before


def test_a_red_version_is_not_exported(chain_copy) -> None:
    """Without all verdicts there is nothing to serve, and the bundle that was there stays."""
    before = verify(chain_copy.root / "build/model")
    (chain_copy.root / "build/verdicts/fairness.json").unlink()
    ran = chain_copy.run(*EXPORT, "build/model")
    assert (1, True) == (ran.code, "not exported: fairness" in ran.err)
    assert verify(chain_copy.root / "build/model") == before


def test_a_full_disk_leaves_nothing_half_written(chain_copy) -> None:
    """Where writing fails, exit 3 with a sentence; no new folder, no temporary one."""

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    ran = chain_copy.run(*EXPORT, "build/full", preexec_fn=full)
    assert (3, "") == (ran.code, ran.out)
    assert "the system refused" in ran.err
    assert not [path.name for path in (chain_copy.root / "build").iterdir() if "full" in path.name]


def test_a_model_in_the_registry_whose_bytes_changed_is_not_exported(chain_copy) -> None:
    """The fetched copy is checked each time; a changed one is fetched again."""
    [graph] = (chain_copy.root / "build/models").rglob("model.onnx")
    graph.write_bytes(graph.read_bytes()[:-1])
    ran = chain_copy.run(*EXPORT, "build/again")
    assert (0, True) == (ran.code, "it is fetched again" in ran.err)
