"""The bundle proves itself: whatever was changed is named."""

import shutil

import pytest

from serve.bundle import MANIFEST, BundleError, files_below, seal, verify


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "bundle/model").mkdir(parents=True)
    (tmp_path / "bundle/card.md").write_text("card")
    (tmp_path / "bundle/model/graph").write_bytes(bytes(range(256)))
    seal(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_a_sealed_folder_verifies(folder) -> None:
    """The digest is that of the manifest, and the same content has the same one."""
    assert verify(folder) == verify(folder) == seal(folder)
    assert files_below(folder) == ["card.md", MANIFEST, "model/graph"]


DAMAGE = {
    "a changed byte": (lambda folder: (folder / "card.md").write_text("cord"), "card.md is not what"),
    "a lost file": (lambda folder: (folder / "model/graph").unlink(), "model/graph is missing"),
    "an added file": (lambda folder: (folder / "model/more").write_text(""), "model/more is not listed"),
    "no manifest": (lambda folder: (folder / MANIFEST).unlink(), "is missing"),
    "a manifest that is none": (lambda folder: (folder / MANIFEST).write_text("[]"), "holds no JSON object"),
    "an empty manifest": (lambda folder: (folder / MANIFEST).write_text('{"format": 1, "files": {}}'), "not of format"),
    "a manifest of tomorrow": (lambda folder: (folder / MANIFEST).write_text('{"format": 9}'), "not of format 1"),
    "a way out of the folder": (
        lambda folder: (folder / MANIFEST).write_text('{"format": 1, "files": {"../secret": "00"}}'),
        "lies outside",
    ),
    "a manifest that is no text": (lambda folder: (folder / MANIFEST).write_bytes(b"\xff\xfe"), "cannot be read"),
}


@pytest.mark.parametrize(("damage", "said"), DAMAGE.values(), ids=DAMAGE.keys())
def test_damage_is_named(folder, damage, said) -> None:
    """Each kind of damage is refused with its own sentence."""
    damage(folder)
    with pytest.raises(BundleError, match=said):
        verify(folder)


def test_what_is_kept_back_may_lack_but_not_differ(folder) -> None:
    """A file that is never shipped may be absent; if it is there, it must be right."""
    (folder / "card.md").unlink()
    verify(folder, may_lack=["card.md"])
    (folder / "card.md").write_text("another")
    with pytest.raises(BundleError, match="is not what"):
        verify(folder, may_lack=["card.md"])


def test_a_link_out_of_the_folder_is_refused(folder, tmp_path) -> None:
    """A symbolic link cannot stand for a listed file."""
    shutil.copy(folder / "card.md", tmp_path / "outside.md")
    (folder / "card.md").unlink()
    (folder / "card.md").symlink_to(tmp_path / "outside.md")
    with pytest.raises(BundleError, match="lies outside"):
        verify(folder)
