"""Publishing: what was pushed is what was judged, or it is not published."""

import json

import pytest

from infra import hub, labels, publish
from tests.infra import oci
from train.travel import book


@pytest.fixture
def pushed(make_bundle, store, tmp_path, monkeypatch):
    """A bundle, its image in a registry in this process, and what was measured of it."""
    monkeypatch.setenv("ATTESTATION", "none")
    sealed = store.add(make_bundle(7))
    with oci.serving(oci.FakeHub()) as fake:
        commits = {labels.REVISION: "b", labels.MODEL_COMMIT: "t"}
        reference = oci.push(fake.host, "org/my_repo", oci.labels_of(sealed) | commits)
        measured = tmp_path / "measured.json"
        measured.write_text(json.dumps({"content": hub.look(reference).content, "faults": []}))
        yield sealed, reference, measured, fake


def ask(sealed, reference, measured):
    return publish.main(["--image", reference, "--bundle", str(sealed.folder), "--measured", str(measured)])


def test_what_was_judged_is_published(pushed, capsys):
    """A line in the ledger, a tag that a clean-up spares, and a table that says how it is attested."""
    sealed, reference, measured, fake = pushed
    assert 0 == ask(sealed, reference, measured)
    [line] = book.lines()
    assert ("publication", 7, reference) == (line.event, line.facts["version"], line.facts["image"])
    own = f"/v2/org/my_repo/manifests/model-7-{reference.partition('@sha256:')[2][:12]}"
    assert fake.held[own] == fake.held["/v2/org/my_repo/manifests/model-7"]
    told = capsys.readouterr().out
    assert f"| image | `{reference}` |" in told
    assert "| built from | `b` |\n| trained at | `t` |" in told
    assert "| attested | not attested: the platform does it for public repositories alone" in told


def test_other_layers_than_the_measured_ones_are_not_published(pushed, capsys):
    """A build that came out otherwise is not what was scanned; no line, no tag."""
    sealed, reference, measured, fake = pushed
    measured.write_text(json.dumps({"content": "another", "faults": []}))
    assert ask(sealed, reference, measured) == 1
    assert "its layers are not those that were measured and scanned" in capsys.readouterr().err
    assert [] == book.lines()
    assert [] == [path for path in fake.held if "/manifests/model-" in path]


def test_the_next_image_of_a_version_leaves_the_live_one_its_tag(pushed):
    """A push without a new version builds another image of it: `model-7` goes on, each digest is tagged."""
    sealed, live, measured, fake = pushed
    assert 0 == ask(sealed, live, measured)
    following = oci.push(fake.host, "org/my_repo", oci.labels_of(sealed) | {"built": "again"})
    assert 0 == ask(sealed, following, measured)
    tagged = {oci.digest(held): path for path, held in fake.held.items() if "/manifests/model-7-" in path}
    assert {live.partition("@")[2], following.partition("@")[2]} == tagged.keys()
    assert following.partition("@")[2] == oci.digest(fake.held["/v2/org/my_repo/manifests/model-7"])


def test_an_image_of_another_bundle_is_not_published(pushed, make_bundle, capsys):
    """Its label says which it is of."""
    _, reference, measured, _ = pushed
    assert ask(make_bundle(7, stall=0), reference, measured) == 1
    assert "its label gatehouse.bundle says" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", ["{}", "no", '{"content": "x", "faults": ["too large"]}', '{"content": "", "faults": []}']
)
def test_what_was_not_measured_within_its_bounds_is_not_published(pushed, capsys, content):
    """Exit 2: the step before was left out, or red."""
    sealed, reference, measured, _ = pushed
    measured.write_text(content)
    assert 2 == ask(sealed, reference, measured)
    assert "measured" in capsys.readouterr().err


def test_without_a_word_on_attestations_nothing_is_published(pushed, capsys, monkeypatch):
    """Exit 2, before the registry is asked."""
    monkeypatch.delenv("ATTESTATION")
    sealed, reference, measured, _ = pushed
    assert 2 == ask(sealed, reference, measured)
    assert "ATTESTATION is not set" in capsys.readouterr().err
