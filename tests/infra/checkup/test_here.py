"""Where the doctor is, and whom it can ask: remotes, tokens, and what the tree says."""

import pytest

from infra.checkup import here as place
from tests.infra.checkup.programs import lend

REMOTES = {
    "https://github.com/owner/name.git": "owner/name",
    "https://github.com/owner/name": "owner/name",
    "https://github.com/Owner/My_Repo.js/": "Owner/My_Repo.js",
    "https://x-access-token:secret@github.com/owner/name.git": "owner/name",
    "git@github.com:owner/name.git": "owner/name",
    "ssh://git@github.com/owner/name.git": "owner/name",
    "ssh://git@ssh.github.com:443/owner/name.git": "owner/name",
    "https://gitlab.com/owner/name.git": "",
    "https://github.com.evil.example/owner/name.git": "",
    "https://evil.example/github.com/owner/name.git": "",
    "git@evil.example:github.com/owner/name.git": "",
    "/srv/git/owner/name.git": "",
    "../owner/name": "",
    "": "",
}


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """An environment that names nothing, and a PATH with nothing on it."""
    for name in ("GITHUB_TOKEN", "GITHUB_REPOSITORY", "GITHUB_API_URL", "GITHUB_ACTIONS", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


@pytest.mark.parametrize(("address", "name"), REMOTES.items())
def test_the_repository_is_that_of_the_remote(address, name, tmp_path) -> None:
    """On the platform's own host alone: nobody else is sent a token, or asked."""
    lend(tmp_path, git=f"echo '{address}'")
    assert name == place.remote()


def test_an_enterprise_server_is_named_by_its_api(tmp_path, monkeypatch) -> None:
    """Then a remote of that host counts, and one of github.com does not."""
    monkeypatch.setenv("GITHUB_API_URL", "https://git.example.org/api/v3")
    lend(tmp_path, git="echo git@git.example.org:owner/name.git", gh='echo "$*"')
    assert ("owner/name", "auth token --hostname git.example.org") == (place.remote(), place.token())
    lend(tmp_path, git="echo git@github.com:owner/name.git")
    assert "" == place.remote()


def test_the_jobs_token_comes_first(tmp_path, monkeypatch) -> None:
    """Else the one that gh is logged in with, for the platform's host."""
    lend(tmp_path, gh='echo "$*"')
    assert "auth token --hostname github.com" == place.token()
    monkeypatch.setenv("GITHUB_TOKEN", " of-the-job ")
    assert "of-the-job" == place.token()


@pytest.mark.parametrize("gh", ["echo no oauth token >&2; exit 1", "echo half; exit 1", None])
def test_without_a_login_there_is_no_token(gh, tmp_path) -> None:
    """Not logged in, or not here."""
    if gh:
        lend(tmp_path, gh=gh)
    assert "" == place.token()


def test_a_program_that_hangs_is_not_waited_for(tmp_path) -> None:
    """It has said nothing."""
    lend(tmp_path, gh="exec /bin/sleep 600")
    assert "" == place.said(["gh"], seconds=0.2)


def test_nobody_is_asked_without_a_repository_or_a_token(tmp_path) -> None:
    """Each reason has its own fix."""
    told = place.gather()
    assert ("no repository at github.com", "git remote add") == (told.silent[0][-27:], told.silent[1][1:15])
    lend(tmp_path, git="echo git@github.com:owner/name.git")
    told = place.gather()
    assert ("there is no token", True) == (told.silent[0], "gh auth login" in told.silent[1])
    assert {} == told.replies


def test_the_tree_tells_its_workflows_actions_and_owners(tmp_path) -> None:
    """Actions with the commit that they are pinned to; local ones are not others'."""
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / ".github/actions/setup").mkdir(parents=True)
    (tmp_path / ".github/workflows/a.yml").write_text(
        "    steps:\n      - uses: a/b@c0ffee # v1\n    uses: ./.github/x.yml\n"
    )
    (tmp_path / ".github/actions/setup/action.yml").write_text("    - uses: c/d/e@beef # v2\n    # uses: f/g@1\n")
    found = place.here("branch", tmp_path)
    assert (("a/b@c0ffee", "c/d/e@beef"), ["a.yml"], None) == (found.actions, list(found.workflows), found.owners)
    (tmp_path / ".github/CODEOWNERS").write_text("/x @ann\n")
    assert "/x @ann\n" == place.here("branch", tmp_path).owners


def test_only_whether_a_server_is_set_is_kept(monkeypatch) -> None:
    """No value of a login leaves the environment."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", " ")
    monkeypatch.delenv("MLFLOW_TRACKING_PASSWORD", raising=False)
    assert (True, False, False) == place.server()
