"""Export: only a judged version, whole or not at all."""

import json
import resource

from serve.bundle import files_below, verify

EXPORT = ("serve.export", "--model-version", "1", "--to")


def test_the_bundle_holds_what_serves_and_nothing_of_the_rows(chain) -> None:
    """The recorded outputs stay in the registry; the digest of the sealed model is the release's."""
    bundle = chain.root / "build/model"
    verify(bundle)
    assert files_below(bundle) == [
        "card.md",
        "manifest.json",
        *(f"model/{name}" for name in ("contract.json", "drift.json", "golden.json", "manifest.json", "model.onnx")),
        "page.json",
        "release.json",
        "service.json",
        "verdicts.json",
    ]
    release = json.loads((bundle / "release.json").read_text())
    assert verify(bundle / "model", may_lack=["outputs.parquet"]) == release["model_digest"]


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
