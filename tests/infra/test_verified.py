"""An image is deployed when it is the one that was published for this very bundle, and no other."""

import dataclasses
import os

import pytest

from infra import bundle as bundles
from infra import hub, labels, publish, verified
from infra.hub import Image
from infra.verified import UnverifiedError
from tests.infra import oci
from train.travel import book
from validation.script import OutsideError, Refusal

REFERENCE = f"ghcr.io/owner/name@sha256:{'a' * 64}"


@pytest.fixture
def published(make_bundle, store, monkeypatch):
    """A bundle, its unit, and an image of it that was published."""
    monkeypatch.setenv("ATTESTATION", "none")
    sealed = store.add(make_bundle(7))
    image = Image(REFERENCE, oci.labels_of(sealed), ("l",))
    monkeypatch.setattr(hub, "look", lambda _: image)
    publish.publish(sealed, image, image.content)
    return sealed, bundles.unit(sealed, REFERENCE), image


def refused(unit, image, monkeypatch):
    monkeypatch.setattr(hub, "look", lambda _: image)
    with pytest.raises(UnverifiedError) as caught:
        verified.must_be_published(image.reference, unit, book.lines())
    return str(caught.value)


def test_the_published_image_of_a_bundle_is_taken(published):
    """Nothing is raised, and publishing it twice writes one line."""
    sealed, unit, image = published
    verified.must_be_published(REFERENCE, unit, book.lines())
    publish.publish(sealed, image, image.content)
    assert ["publication"] == [line.event for line in book.lines()]


@pytest.mark.parametrize(
    ("label", "sentence"),
    [
        (labels.VERSION, "its label gatehouse.model-version says 8, not 7"),
        (labels.MODEL_DIGEST, "its label gatehouse.model-digest says 8, not "),
        (labels.BUNDLE, "its label gatehouse.bundle says 8, not "),
    ],
)
def test_an_image_that_says_otherwise_is_refused(published, monkeypatch, label, sentence):
    """Another version, model or bundle in the image than in the registry; a label that is missing too."""
    _, unit, image = published
    assert sentence in refused(unit, dataclasses.replace(image, labels=image.labels | {label: "8"}), monkeypatch)
    left = {name: value for name, value in image.labels.items() if name != label}
    assert f"its label {label} says nothing" in refused(unit, dataclasses.replace(image, labels=left), monkeypatch)


def test_an_image_by_another_digest_is_refused(published, monkeypatch):
    """However well it is labelled: the ledger has one for this version, and it is named."""
    _, unit, image = published
    other = dataclasses.replace(image, reference=REFERENCE.replace("a" * 64, "b" * 64))
    assert "the ledger has sha256:aaaaaaaaaaaa for version 7 and not this image" in refused(unit, other, monkeypatch)
    elsewhere = dataclasses.replace(image, reference=REFERENCE.replace("owner", "stranger"))
    assert "not this image with this bundle" in refused(unit, elsewhere, monkeypatch)


def test_other_layers_under_the_same_name_are_refused(published, monkeypatch):
    """What the ledger has of its content is held against what the registry gives."""
    _, unit, image = published
    assert "not this image" in refused(unit, dataclasses.replace(image, layers=("m",)), monkeypatch)


def test_an_image_that_was_never_published_is_refused(published, make_bundle, store, monkeypatch):
    """A version without a line of publication; the same version with another bundle around it as well."""
    _, _, image = published
    for version, sentence in ((8, "the ledger has no image of version 8"), (7, "and not this image with this bundle")):
        sealed = store.add(make_bundle(version, stall=0))
        other = dataclasses.replace(image, labels=oci.labels_of(sealed))
        assert sentence in refused(bundles.unit(sealed, REFERENCE), other, monkeypatch)


def test_how_it_is_attested_has_to_be_said(published, monkeypatch):
    """No silent way around: unset, or a key that is not there, is exit 2."""
    _, unit, _ = published
    monkeypatch.delenv("ATTESTATION")
    with pytest.raises(Refusal, match="ATTESTATION is not set"):
        verified.must_be_published(REFERENCE, unit, book.lines())
    monkeypatch.setenv("ATTESTATION", "no/cosign.pub")
    with pytest.raises(Refusal, match="nor a file that is there"):
        verified.must_be_published(REFERENCE, unit, book.lines())


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Stand in for a program: what it is called with is kept, and it ends with a code."""

    def make(name, code=0, said="it says no"):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/{name}.txt\necho "{said}" >&2\nexit {code}\n')
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}/usr/bin:/bin")
        return tmp_path / f"{name}.txt"

    return make


def test_where_the_platform_attests_it_is_asked(published, program, monkeypatch):
    """For this repository, and for its publishing workflow alone."""
    _, unit, _ = published
    monkeypatch.setenv("ATTESTATION", "platform")
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")
    called = program("gh")
    verified.must_be_published(REFERENCE, unit, book.lines())
    assert called.read_text() == (
        f"attestation verify oci://{REFERENCE} --repo owner/name --signer-workflow"
        " owner/name/.github/workflows/publish.yml --source-ref refs/heads/main --deny-self-hosted-runners\n"
    )


def test_an_attestation_that_is_missing_where_it_is_required_refuses(published, program, monkeypatch):
    """The program's own sentence is told; without the program it is exit 2 and no pass."""
    _, unit, _ = published
    monkeypatch.setenv("ATTESTATION", "platform")
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")
    program("gh", 1)
    with pytest.raises(UnverifiedError, match="gh attestation verify: it says no"):
        verified.must_be_published(REFERENCE, unit, book.lines())
    program("another")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Refusal, match="gh is not on this machine"):
        verified.must_be_published(REFERENCE, unit, book.lines())


@pytest.mark.parametrize(
    "said",
    [
        "error connecting to api.github.com",
        "Error: Get https://ghcr.io/v2/: dial tcp: lookup ghcr.io: no such host",
        "HTTP 503: Service Unavailable (https://api.github.com/repos/owner/name/attestations)",
    ],
)
def test_a_platform_that_cannot_be_asked_is_an_outside_failure(published, program, monkeypatch, said):
    """Exit 3, and no pass: nobody has refused the image; what says neither is a refusal."""
    _, unit, _ = published
    monkeypatch.setenv("ATTESTATION", "platform")
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")
    program("gh", 1, said)
    with pytest.raises(OutsideError, match="is not verified: gh attestation verify: "):
        verified.must_be_published(REFERENCE, unit, book.lines())
    for refusal in ("HTTP 404: Not Found", "verifying with issuer GitHub", ""):
        program("gh", 1, refusal)
        with pytest.raises(UnverifiedError):
            verified.must_be_published(REFERENCE, unit, book.lines())


def test_the_label_that_names_the_bundle_is_the_one_the_image_bears():
    """Labels here and in the Dockerfile are the same words."""
    text = (verified.Path(labels.__file__).parent.parent / "serve/Dockerfile").read_text()
    words = (labels.MODEL, labels.VERSION, labels.MODEL_COMMIT, labels.MODEL_DIGEST, labels.DATA_DIGEST, labels.BUNDLE)
    for word in (*words, labels.REVISION):
        assert f'{word}="' in text
