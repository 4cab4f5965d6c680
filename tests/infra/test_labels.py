"""What is printed of a bundle for the labels of its image."""

import subprocess

import pytest

from infra import labels
from train.travel import ledger


def told(capsys):
    return dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines())


def test_a_bundle_says_what_its_image_holds(make_real_bundle, monkeypatch, capsys):
    """Model, version, digests, commits of code and model, source; the name of the image has no capitals."""
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    monkeypatch.setenv("GITHUB_REPOSITORY", "Org/My_Repo")
    monkeypatch.setenv("GITHUB_SHA", "b" * 40)
    sealed = make_real_bundle(3)
    assert 0 == labels.main(["--bundle", str(sealed.folder), "--repository", "Org/My_Repo"])
    found = told(capsys)
    assert "ghcr.io/org/my_repo" == found.pop("name")
    assert labels.pinned_base() == found.pop("base")
    assert {
        "libraries": "serve/requirements.txt",
        "source": "https://github.com/Org/My_Repo",
        "revision": "b" * 40,
        "model-commit": "c" * 40,
        "model": "Same",
        "version": "3",
        "bundle-digest": sealed.digest,
        "data-digest": "",
    } == {name: value for name, value in found.items() if name != "model-digest"}
    assert 64 == len(found["model-digest"])


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A checkout with one commit of `serve/`, in the place of this one; what runs git there, and the commit."""
    monkeypatch.delenv("GITHUB_SHA", raising=False)
    for module in (labels, ledger):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "serve").mkdir()
    (tmp_path / "serve/app.py").write_text("")

    def git(*words):
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    return tmp_path, git("rev-parse", "HEAD")


def test_the_revision_is_the_commit_whose_code_is_in_the_image(tree, monkeypatch):
    """Not the one that trained; the platform's word counts before git's."""
    _, head = tree
    assert head == labels.revision()
    monkeypatch.setenv("GITHUB_SHA", "b" * 40)
    assert "b" * 40 == labels.revision()


@pytest.mark.parametrize("name", ["serve/app.py", "serve/added.py"])
def test_code_that_no_commit_has_makes_the_revision_dirty(tree, name):
    """A file that was changed, or one that was added to what the image takes."""
    folder, head = tree
    (folder / name).write_text("x = 1")
    assert f"{head}-dirty" == labels.revision()


def test_outside_git_the_revision_is_unknown_and_it_is_said(tmp_path, monkeypatch, capsys):
    """As in a folder that was unpacked from an archive."""
    monkeypatch.delenv("GITHUB_SHA", raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr(ledger, "ROOT", tmp_path)
    assert "unknown" == labels.revision()
    assert "the image's revision is unknown; GITHUB_SHA can say it" in capsys.readouterr().err


def test_a_broken_bundle_gets_no_labels(make_real_bundle, capsys):
    """Exit 1, the file is named, and nothing is printed."""
    folder = make_real_bundle().folder
    (folder / "service.json").write_text("{}")
    assert labels.main(["--bundle", str(folder), "--repository", "a/b"]) == 1
    said = capsys.readouterr()
    assert ("", True) == (said.out, "service.json" in said.err)


@pytest.mark.parametrize("repository", ["", "name", "a/b/c", "a/b\nname=x", "a b/c"])
def test_what_is_no_repository_is_refused(make_real_bundle, capsys, repository):
    """Exit 2; no second line can be smuggled into the outputs."""
    given = ["--bundle", str(make_real_bundle().folder), "--repository", repository]
    assert 2 == labels.main(given)
    assert "is no owner/name" in capsys.readouterr().err
