"""The registry on its branch: what one run saves the next one finds, and nobody overwrites anybody."""

import json
import shutil
import sqlite3
import subprocess
import sys

import pytest

from train.travel import ledger
from train.travel.ledger import PROMOTION, REGISTRATION, VERDICTS


def test_what_one_tree_saves_another_finds(tree) -> None:
    """Versions, aliases, verdicts and ledger arrive; the champion's files with them, and MLflow loads it there."""
    here, there = tree("here", store=True), tree("there")
    assert (
        "restored: nothing: the branch ml-registry does not exist yet; the first save begins it\n" == there.restored()
    )
    assert here.saved().startswith("saved: version 1, ")
    assert "restored: 1 version(s), " in there.restored()
    assert here.place.view() == there.place.view()
    assert here.place.lines() == there.place.lines()
    assert ["beginning", REGISTRATION, VERDICTS, PROMOTION] == [line.event for line in there.place.lines()]
    assert "verified: 4 line(s)" in there.store("verify").out
    shutil.rmtree(here.place.root)  # nothing may lead back to the old place
    (there.place.root / "ask.py").write_text(
        "import mlflow\nmlflow.set_tracking_uri('sqlite:///.mlflow/mlflow.db')\n"
        "print(len(mlflow.onnx.load_model('models:/income@champion').graph.input))\n"
    )
    asked = there.place.run("ask")
    assert (0, "10\n") == (asked.code, asked.out), asked.err


def test_nothing_of_rows_or_of_the_place_is_on_the_branch(tree) -> None:
    """Outputs recorded at training stay where they were made, and no file names the folder of the working tree."""
    here = tree("here", store=True)
    here.saved()
    names = here.git("ls-tree", "-r", "--name-only", "ml-registry").split()
    assert {"README.md", "aliases.json", "ledger.jsonl", "manifest.json", "mlflow.db", "store.json"} <= set(names)
    assert [] == [name for name in names if "parquet" in name]
    for name in names:
        command = ["git", "--git-dir", here.remote, "cat-file", "blob", f"ml-registry:{name}"]
        content = subprocess.run(command, check=True, capture_output=True).stdout
        assert str(here.place.root).encode() not in content, name


def test_saving_twice_changes_nothing(tree) -> None:
    """What the branch holds already makes no commit."""
    here = tree("here", store=True)
    here.saved()
    before = here.git("rev-parse", "ml-registry")
    assert "saved: nothing: the branch holds all of it\n" == here.saved()
    assert before == here.git("rev-parse", "ml-registry")


def test_two_that_register_at_once_get_two_numbers(tree) -> None:
    """The later one's version gets the next number, its line and alias too; both histories are one chain."""
    first, second = tree("first", store=True), tree("second")
    first.saved()
    second.restored()
    digests = [first.register(), second.register()]
    assert "saved: version 2, 1 line(s) of the ledger\n" == first.saved()
    assert "saved: version 3, 1 line(s) of the ledger\n" == second.saved()
    assert digests == [second.numbers()[2], second.numbers()[3]]
    assert 3 == second.place.view().aliases["challenger"]
    assert "restored: 3 version(s), 6 line(s)" in first.restored()
    assert first.place.view() == second.place.view()
    assert [2, 3] == [line.facts["version"] for line in first.place.lines()[-2:]]
    assert 0 == first.store("verify").code


def test_runs_that_are_nobodys_version_stay_here(tree) -> None:
    """A run that was never registered does not travel, and saving does not lose it."""
    first, second = tree("first", store=True), tree("second")
    first.saved()
    second.restored()
    first.register()
    first.saved()
    second.register()
    with sqlite3.connect(second.place.root / ".mlflow/mlflow.db") as database:
        database.execute("INSERT INTO runs (run_uuid, name, experiment_id) VALUES ('own', 'mine', 1)")
    second.saved()
    with sqlite3.connect(second.place.root / ".mlflow/mlflow.db") as database:
        assert [("mine",)] == database.execute("SELECT name FROM runs WHERE run_uuid = 'own'").fetchall()
    first.restored()
    with sqlite3.connect(first.place.root / ".mlflow/mlflow.db") as database:
        assert [] == database.execute("SELECT name FROM runs WHERE run_uuid = 'own'").fetchall()


def promoted(tree, number: int, instead_of: str) -> None:
    """Write a promotion down, as train.promote does."""
    version = tree.place.view().version(number)
    facts = {"version": number, "model": version.digest, "instead_of": instead_of, "champion": 0, "begins": False}
    line = ledger.new(PROMOTION, facts | {"evidence": {}})
    ledger.write(tree.place.root / ".mlflow/ledger.jsonl", ledger.follow(tree.place.lines(), [line]))


def test_a_champion_that_moved_meanwhile_is_not_replaced(tree) -> None:
    """Two promotions judged against the same champion: the second is told to judge again, exit 1, nothing pushed."""
    first, second = tree("first", store=True), tree("second")
    first.saved()
    second.restored()
    champion = first.numbers()[1]
    for one in (first, second):
        one.register()
        assert 0 == one.store("verify").code
        promoted(one, 2, champion)
    first.saved()
    before = second.git("rev-parse", "ml-registry")
    ran = second.store("save")
    assert (1, "") == (ran.code, ran.out)
    assert "judged against the champion" in ran.err
    assert "judge again" in ran.err
    assert before == second.git("rev-parse", "ml-registry")
    assert 2 == len(second.numbers()), "what was here is still here"


def test_a_store_with_something_unsaved_is_not_replaced(tree) -> None:
    """Restoring asks for a save first, or for --replace."""
    first, second = tree("first", store=True), tree("second")
    first.saved()
    second.restored()
    second.register()
    ran = second.store("restore")
    assert (2, "") == (ran.code, ran.out)
    assert "holds 2 version(s) and 1 line(s) of the ledger that are not on the branch" in ran.err
    second.restored("--replace")
    assert [1] == list(second.numbers())


@pytest.mark.parametrize("event", ["pull_request", "pull_request_target", "merge_group"])
def test_what_is_proposed_never_saves(tree, event) -> None:
    """It reads the champion, and that is all; the same save of a push goes through."""
    here = tree("here", store=True)

    def save(event):
        return subprocess.run(
            [sys.executable, "-m", "train.store", "save"], cwd=here.place.root, text=True, capture_output=True,
            env=here.place.environment() | {"GITHUB_EVENT_NAME": event},
        )  # fmt: skip

    ran = save(event)
    assert (2, "") == (ran.returncode, ran.stdout)
    assert "never saves" in ran.stderr
    assert "" == here.git("branch")
    assert 0 == save("push").returncode


@pytest.mark.parametrize(
    ("ref", "code"), [("refs/heads/main", 0), ("refs/heads/topic", 2), ("refs/tags/main", 2), ("", 2)]
)
def test_a_job_saves_for_main_alone(tree, ref, code) -> None:
    """A button can be pressed on any branch, and what it wrote would be main's."""
    here = tree("here", store=True)
    environment = here.place.environment() | {"GITHUB_ACTIONS": "true", "GITHUB_REF": ref}
    command = [sys.executable, "-m", "train.store", "save"]
    ran = subprocess.run(command, cwd=here.place.root, env=environment, capture_output=True, text=True)
    assert code == ran.returncode, ran.stderr
    assert (f"this run is of {ref or 'no branch'}, and only those of refs/heads/main save" in ran.stderr) == bool(code)


def test_files_come_when_somebody_asks_for_them(tree) -> None:
    """Restoring brings the champion's files alone; a gate that judges another version fetches those."""
    first, second = tree("first", store=True), tree("second")
    first.register()
    first.saved()
    second.restored()
    files = [second.place.root / ".mlflow" / version.files for version in second.place.view().versions.values()]
    assert [True, False] == [(folder / "manifest.json").is_file() for folder in files]
    assert "the files of 1 are on the branch, not here" in second.store("verify").out
    ran = second.place.run("validation.parity", "--model-version", "2")
    assert (2, "") == (ran.code, ran.out)
    assert "do not travel on the branch; `make fit` makes the same version again" in ran.err
    assert (files[1] / "model.onnx").is_file()


def test_a_file_above_the_limit_is_refused(tree) -> None:
    """It says which, how large, and where to instead; nothing was pushed."""
    here = tree("here", store=True)
    here.place.change("config.py", "max_file_bytes=20_000_000", "max_file_bytes=1_000_000")
    [graph] = (here.place.root / ".mlflow").rglob("model.onnx")
    graph.write_bytes(b"0" * 1_000_001)
    ran = here.store("save")
    assert (2, "") == (ran.code, ran.out)
    assert "model.onnx has 1,000,001 bytes" in ran.err
    assert "MLFLOW_TRACKING_URI" in ran.err
    assert "" == here.git("branch")


def test_another_repositorys_store_is_set_aside(tree) -> None:
    """A template copied with all its branches: theirs is kept under another name, ours begins, nothing is forced."""
    here, copy = tree("here", store=True), tree("copy", store=True)
    here.saved()
    theirs = here.git("rev-parse", "ml-registry").strip()
    renamed = here.remote.rename(here.remote.with_name("copied.git"))
    subprocess.run(["git", "remote", "set-url", "origin", str(renamed)], cwd=copy.place.root, check=True)
    told = copy.store("restore", "--replace")
    assert "is the store of" in told.err
    assert "is set aside" in told.out
    ran = copy.store("save")
    assert 0 == ran.code, ran.err
    git = ["git", "--git-dir", str(renamed)]
    kept = subprocess.check_output([*git, "rev-parse", f"ml-registry-before-{theirs[:12]}", "ml-registry^"], text=True)
    assert [theirs, theirs] == kept.split()
    facts = json.loads(subprocess.check_output([*git, "show", "ml-registry:store.json"]))
    assert facts["repository"]["name"].endswith("/copied")
    assert copy.place.lines()[0].facts["set-aside"] == theirs


def test_no_remote_and_no_git_are_sentences(workspace) -> None:
    """A tree without a remote: exit 2 and how to give one; a remote that is not there: exit 3."""
    for words, code, said in (
        (["restore"], 2, "git remote add"),
        (["restore", "--remote", "/nowhere/at/all"], 3, "git"),
    ):
        ran = workspace.run("train.store", *words)
        assert (code, "") == (ran.code, ran.out)
        assert said in ran.err
        assert "Traceback" not in ran.err


@pytest.mark.parametrize("value", ["main", "a b", "../x", ""])
def test_the_branch_is_one_of_its_own(workspace, value) -> None:
    """A name that is the code's branch, or none, is refused."""
    workspace.change("config.py", 'branch="ml-registry"', f'branch="{value}"')
    ran = workspace.run("train.store", "show")
    assert (2, "") == (ran.code, ran.out)
    assert "config.py, line" in ran.err
