"""Reproduction: the recorded commit and data give the bytes of the version again, or a sentence says what does not."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import REPOSITORY, Workspace, copy_of
from validation.script import NO, digest

AGAIN = ("train.fit", "--reproduce")
IGNORED = ".mlflow/\nbuild/\n__pycache__/\n"
KEPT = {"__pycache__", ".git", "models"}
ELSEWHERE = "Plan 9, mips, Python 3.11.0, another processor"
DATA = "data/census.parquet"
FINGERPRINT = """
from train.fit import fingerprint
from train.source import data_digest
from validation import contract
config = contract.load()
print(fingerprint(config, data_digest(config)))
"""


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody; return what it says."""
    command = ["git", "-c", "user.name=tests", "-c", "user.email=tests@example.invalid", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def commit(workspace: Workspace, message: str) -> str:
    """Commit everything; return the commit."""
    git(workspace.root, "add", "-A")
    git(workspace.root, "commit", "-qm", message)
    return git(workspace.root, "rev-parse", "HEAD")


@pytest.fixture(scope="module")
def fitted(config, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A clone with two versions, each with its commit: the second learns faster by 1e-9, which shows in the last bits.

    After both comes one more commit: another recipe, and the data are no longer in git.
    """
    workspace = copy_of(REPOSITORY, tmp_path_factory.mktemp("fitted") / "clone")
    (workspace.root / ".gitignore").write_text(IGNORED)
    git(workspace.root, "init", "-qb", "main")
    rows = pd.read_parquet(workspace.root / DATA).iloc[::10].reset_index(drop=True)
    rows.to_parquet(workspace.root / DATA)
    workspace.change("config.py", '"max_iter": 100', '"max_iter": 5, "learning_rate": 0.1')
    assert 0 == workspace.run("train.init", "freeze").code
    for number in (1, 2):
        commit(workspace, f"Fit version {number}")
        ran = workspace.run("train.fit")
        assert (0, f"model-version={number}\n") == (ran.code, ran.out), ran.err
        workspace.change("config.py", '"learning_rate": 0.1', '"learning_rate": 0.1000000001')
    workspace.change("config.py", '"max_iter": 5', '"max_iter": 6')
    git(workspace.root, "rm", "-q", "--cached", DATA)
    (workspace.root / ".gitignore").write_text(IGNORED + DATA)
    commit(workspace, "Learn longer, from data kept elsewhere")
    return workspace


@pytest.fixture
def clone(fitted: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy of the clone, and an empty folder for what is temporary."""
    shutil.copytree(fitted.root, tmp_path / "clone")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    return Workspace(tmp_path / "clone")


def tags(workspace: Workspace, number: int = 1) -> dict[str, str]:
    """Read the tags of a version, as the registry's door sees them."""
    return dict(workspace.view().version(number).tags)


def tamper(workspace: Workspace, **changed: str) -> None:
    """Change tags of version 1."""
    with sqlite3.connect(workspace.root / ".mlflow/mlflow.db") as database:
        for key, value in changed.items():
            columns = "(name, version, key, value, workspace) VALUES ('income', 1, ?, ?, 'default')"
            database.execute(f"INSERT OR REPLACE INTO model_version_tags {columns}", (key, value))


def state(workspace: Workspace) -> tuple[str, ...]:
    """Name all that must not change: files, branches, worktrees, registry, and what is temporary.

    Models that were fetched are only copies of what the registry holds.
    """
    root = workspace.root
    files = {
        path.relative_to(root).as_posix(): digest(path.read_bytes())
        for path in root.rglob("*")
        if path.is_file() and not KEPT & {path.name, *path.parts}
    }
    told = [("status", "--porcelain"), ("worktree", "list"), ("for-each-ref",), ("rev-parse", "HEAD")]
    return (
        str(files),
        *(git(root, *words) for words in told),
        str(sorted((root.parent / "temporary").glob("gatehouse-*"))),
    )


def test_a_version_is_had_again_to_the_byte(clone) -> None:
    """From its commit, on this platform, though the tree has moved on; and nothing of the caller's has changed."""
    (clone.root / "config.py").write_text((clone.root / "config.py").read_text() + "\n# not committed\n")
    before = state(clone)
    ran = clone.run(*AGAIN, "1")
    assert 0 == ran.code, ran.err
    recorded = tags(clone)["model-digest"][:12]
    row = ran.out.splitlines()[2]
    assert f"| `{recorded}` | `{recorded}` | identical |" in row
    assert f"| 1 | `{tags(clone)['commit'][:12]}` | `{tags(clone)['data-digest'][:12]}` |" in row
    assert before == state(clone)


def test_without_a_champion_there_is_nothing_to_do(clone) -> None:
    """A schedule with nothing configured says so and is green; another alias that names nothing is a mistake."""
    ran = clone.run(*AGAIN, "champion")
    assert (0, "No version is the champion yet: there is nothing to reproduce.\n") == (ran.code, ran.out)
    ran = clone.run(*AGAIN, "staging")
    assert (2, "") == (ran.code, ran.out)
    assert "no version has the alias staging" in ran.err


def test_another_recipe_under_the_recorded_digest_is_found(clone) -> None:
    """A commit that is not what the version was fitted from: exit 1, the files that differ, and by how much."""
    tamper(clone, commit=git(clone.root, "rev-parse", "HEAD"), platform=ELSEWHERE)
    before = state(clone)
    ran = clone.run(*AGAIN, "1")
    assert NO == ran.code, ran.err
    for told in (ran.out, ran.err):
        assert "model.onnx" in told
        assert "another fingerprint" in told
    assert before == state(clone)


def test_on_the_recorded_platform_the_bytes_have_to_be_the_same(clone) -> None:
    """The outputs differ by less than 1e-6, and on the same platform that is red."""
    tamper(clone, commit=tags(clone, 2)["commit"], fingerprint=tags(clone, 2)["fingerprint"])
    ran = clone.run(*AGAIN, "1")
    assert NO == ran.code, ran.err
    assert "outputs.parquet" in ran.out
    assert "labels flipped: 0; on the platform that it recorded" in ran.err


def test_on_another_platform_like_outputs_are_enough(clone) -> None:
    """Byte identity is not demanded where the platform is another: 1e-6 and no flipped label are."""
    other = tags(clone, 2)
    tamper(clone, commit=other["commit"], fingerprint=other["fingerprint"], platform=ELSEWHERE)
    ran = clone.run(*AGAIN, "1")
    assert 0 == ran.code, ran.err
    assert "| equal within 1e-6 on another platform |" in ran.out
    assert ELSEWHERE in ran.err


def test_on_another_platform_other_outputs_are_not_enough(clone) -> None:
    """Another platform excuses no other model. The commit's data, not in git, are read from the caller's tree."""
    told = subprocess.run([sys.executable, "-c", FINGERPRINT], cwd=clone.root, capture_output=True, text=True)
    tamper(clone, commit=git(clone.root, "rev-parse", "HEAD"), fingerprint=told.stdout.strip(), platform=ELSEWHERE)
    ran = clone.run(*AGAIN, "1")
    assert NO == ran.code, ran.err
    assert "more than 1e-6 allows on another platform" in ran.out


def test_data_that_have_changed_outside_git_are_named(clone) -> None:
    """The data are no longer what the version was trained on: exit 1, before anything is trained."""
    tamper(clone, commit=git(clone.root, "rev-parse", "HEAD"))
    rows = pd.read_parquet(clone.root / DATA)
    rows.iloc[1:].to_parquet(clone.root / DATA)
    before = state(clone)
    ran = clone.run(*AGAIN, "1")
    assert NO == ran.code, ran.err
    assert "is no longer what it was trained on" in ran.out
    assert "fitting" not in ran.err
    assert before == state(clone)


@pytest.mark.parametrize("made_from", ["dirty", "unknown"])
def test_a_version_of_no_commit_is_refused(clone, made_from) -> None:
    """What no commit holds cannot be had again: one sentence, exit 2."""
    tamper(clone, commit=tags(clone)["commit"] + "-dirty" if made_from == "dirty" else made_from)
    ran = clone.run(*AGAIN, "1")
    assert (2, "", 1) == (ran.code, ran.out, len(ran.err.splitlines()))
    assert "which is no whole commit" in ran.err


def test_a_commit_that_cannot_be_had_is_refused(clone) -> None:
    """Neither here nor at the origin: exit 2, and how to clone."""
    tamper(clone, commit="0" * 40)
    ran = clone.run(*AGAIN, "1")
    assert (2, "") == (ran.code, ran.out)
    assert "fetch-depth: 0" in ran.err.splitlines()[-1]


def test_outside_a_clone_it_is_refused(clone) -> None:
    """Without git there is no commit to go back to."""
    shutil.rmtree(clone.root / ".git")
    ran = clone.run(*AGAIN, "1")
    assert (2, "", 1) == (ran.code, ran.out, len(ran.err.splitlines()))
    assert "run this in a git clone" in ran.err


def test_a_shallow_clone_fetches_the_commit(clone, tmp_path) -> None:
    """What the clone lacks it gets, and stays as shallow as it was."""
    shallow = Workspace(tmp_path / "shallow")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{clone.root}", str(shallow.root))
    shutil.copytree(clone.root / ".mlflow", shallow.root / ".mlflow")
    ran = shallow.run(*AGAIN, "1")
    assert 0 == ran.code, ran.err
    assert "it is fetched" in ran.err
    assert "| identical |" in ran.out
    assert "1" == git(shallow.root, "rev-list", "--count", "HEAD")


def test_another_lock_gets_an_environment_of_its_own(clone) -> None:
    """It is made by the old tree's `make setup`, in that tree, and fits there."""
    git(clone.root, "checkout", "-q", tags(clone)["commit"])
    (clone.root / "python").write_text(f'#!/bin/sh\necho "runs from $0" >&2\nexec {sys.executable} "$@"\n')
    (clone.root / "python").chmod(0o755)
    (clone.root / "Makefile").write_text('setup:\n\t@mkdir -p "$(VENV)/bin" && cp python "$(VENV)/bin"\n')
    tamper(clone, commit=commit(clone, "Make an environment that is this one"))
    (clone.root / "requirements.txt").write_text("# moved on\n")
    before = state(clone)
    ran = clone.run(*AGAIN, "1")
    assert 0 == ran.code, ran.err
    assert "| identical |" in ran.out
    assert f"{tags(clone)['commit'][:12]}/.venv/bin/python" in ran.err
    assert before == state(clone)


def test_an_environment_that_cannot_be_made_is_a_sentence(clone) -> None:
    """Without a package index, or the other Python: exit 3, and what it needs."""
    (clone.root / "Makefile").write_text("setup:\n\t@exit 7\n")
    tamper(clone, commit=commit(clone, "Make nothing"))
    (clone.root / "requirements.txt").write_text("# moved on\n")
    before = state(clone)
    ran = clone.run(*AGAIN, "1")
    assert (3, "") == (ran.code, ran.out)
    assert "cannot be made: `make setup` ended with 2; it needs the package index" in ran.err.splitlines()[-1]
    assert before == state(clone)


def test_a_lock_that_was_not_recorded_is_found(clone) -> None:
    """The commit's lock is not the version's: exit 1, before anything is installed."""
    (clone.root / "requirements.txt").write_text("nothing\n")
    tamper(clone, commit=commit(clone, "Lock nothing"))
    ran = clone.run(*AGAIN, "1")
    assert NO == ran.code, ran.err
    assert "which is not the one that it recorded" in ran.err


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_an_interruption_leaves_nothing(clone, how) -> None:
    """A cancelled job ends the fit as well: no worktree, no folder, no process, exit 130."""
    before = state(clone)
    process = clone.start(*AGAIN, "1")
    seen = ""
    while "fitting on" not in seen:
        line = process.stderr.readline()
        assert line, f"it ended before it fitted: {seen}"
        seen += line
    process.send_signal(how)
    out, err = process.communicate(timeout=60)  # the fit holds stderr too: its end is waited for
    assert (130, "") == (process.returncode, out), err
    assert "Traceback" not in err
    assert before == state(clone)
