"""Images in the nodes of a cluster: taken in by a real containerd, and found there by their digest."""

import contextlib
import os

import pytest

from infra import bundle as bundles
from infra import hub, rehearse, verified
from infra.hub import NoSuchImageError
from infra.program import packed
from infra.rehearsal import kind, loaded
from tests.infra import oci
from train.travel import book
from validation.script import OutsideError, Refusal


def test_an_image_in_a_node_is_read_by_its_digest(engine, node, small, make_bundle, tmp_path):
    """Labels and layers are those that were built, and nothing of the way it went is left."""
    sealed = make_bundle(7)
    built = small(engine, sealed)
    with loaded.in_nodes(engine, built, sealed.slug, tmp_path / "rehearsal") as reference:
        assert reference.startswith(f"kind.local/{sealed.slug}@sha256:")
        found = hub.look(reference)
        assert oci.labels_of(sealed).items() <= found.labels.items()
        assert engine.images.get(built).attrs["RootFS"]["Layers"] == list(found.layers)
        with pytest.raises(
            OutsideError, match=r"control-plane: ctr --namespace=k8s.io content get failed: .*not found"
        ):
            hub.look(f"kind.local/{sealed.slug}@sha256:{'0' * 64}")
    assert [] == list((tmp_path / "rehearsal").iterdir())
    assert 2 == node.exec_run(["ls", f"/{loaded.ARCHIVE}"]).exit_code
    assert "kind.local" not in hub._elsewhere


def test_a_node_that_gives_other_bytes_is_not_believed(engine, node, small, make_bundle, tmp_path, monkeypatch):
    """As no registry is."""
    sealed, read = make_bundle(7), loaded._content
    monkeypatch.setattr(loaded, "_content", lambda *asked: read(*asked).replace(b"schemaVersion", b"SchemaVersion"))
    with (
        loaded.in_nodes(engine, small(engine, sealed), sealed.slug, tmp_path) as reference,
        pytest.raises(NoSuchImageError, match="has not the digest"),
    ):
        hub.look(reference)


def test_what_a_node_cannot_take_in_is_one_sentence(engine, node, small, make_bundle, tmp_path, monkeypatch):
    """By the last line of what it says; and its file is deleted there."""
    sealed = make_bundle(7)
    built, path = small(engine, sealed), tmp_path / "packed"
    path.write_bytes(packed({loaded.ARCHIVE: b"no image"}).read())
    monkeypatch.setattr(loaded, "_packed", lambda *_: contextlib.nullcontext(path))
    with (
        pytest.raises(OutsideError, match=r"control-plane: ctr --namespace=k8s.io images import failed: ctr: "),
        loaded.in_nodes(engine, built, sealed.slug, tmp_path),
    ):
        pass
    assert 2 == node.exec_run(["ls", f"/{loaded.ARCHIVE}"]).exit_code


def test_nodes_of_another_engine_are_refused(engine, make_bundle, tmp_path, monkeypatch):
    """Kind may go by another one than builds the image."""
    monkeypatch.setattr(kind, "nodes", lambda: ["gatehouse-elsewhere"])
    with (
        pytest.raises(Refusal, match="has no container gatehouse-elsewhere, the node of kind: let both use the same"),
        loaded.in_nodes(engine, "income:1", "income", tmp_path),
    ):
        pass


def test_a_rehearsal_without_a_registry(rehearsal, fake_kind, node, small, store, monkeypatch):
    """The image is built, put into the node, noted, and is what the deployment asks for: no other one passes there."""
    fake_kind()
    seen = {}

    def deploy(argv):
        seen["image"] = argv[argv.index("--image") + 1]
        verified.must_be_published(seen["image"], bundles.unit(rehearsal.sealed, seen["image"]), book.lines())
        seen["how"] = os.environ["ATTESTATION"]
        return 1

    monkeypatch.setattr(rehearse.deploy, "main", deploy)
    store.add(rehearsal.sealed)
    code, _, err = rehearsal.run(image="")
    assert code == 1, err
    assert seen["image"].startswith(f"kind.local/{rehearsal.sealed.slug}@sha256:")
    assert seen["how"] == "none"
    assert f"brought {seen['image']}" in err
