"""What is printed of a bundle for the labels of its image."""

import pytest

from infra import labels


def told(capsys):
    return dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines())


def test_a_bundle_says_what_its_image_holds(make_real_bundle, monkeypatch, capsys):
    """Model, version, digests, commit and source; the name of the image has no capitals."""
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    monkeypatch.setenv("GITHUB_REPOSITORY", "Org/My_Repo")
    sealed = make_real_bundle(3)
    assert 0 == labels.main(["--bundle", str(sealed.folder), "--repository", "Org/My_Repo"])
    found = told(capsys)
    assert "ghcr.io/org/my_repo" == found.pop("name")
    assert labels.pinned_base() == found.pop("base")
    assert {
        "libraries": "serve/requirements.txt",
        "source": "https://github.com/Org/My_Repo",
        "revision": "c" * 40,
        "model": "Same",
        "version": "3",
        "bundle-digest": sealed.digest,
        "data-digest": "",
    } == {name: value for name, value in found.items() if name != "model-digest"}
    assert 64 == len(found["model-digest"])


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
