"""A branch that somebody changed is named and refused; nothing of it takes the place of what is here."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.train.travel.conftest import Tree

GIT = ["-c", "user.name=x", "-c", "user.email=x@example.invalid", "-c", "commit.gpgsign=false"]


def rewrite(tree: Tree, tmp_path: Path, change, force: bool = False) -> None:
    """Check the branch out, change its files, and push that."""
    folder = tmp_path / "rewriting"
    subprocess.run(["git", "clone", "-qb", "ml-registry", tree.remote, folder], check=True)
    change(folder)
    for command in (["add", "-A"], ["commit", "-qm", "x"], ["push", "-q", *(["-f"] if force else [])]):
        subprocess.run(["git", *GIT, *command], cwd=folder, check=True)
    shutil.rmtree(folder)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["mlflow.db", "ledger.jsonl", "aliases.json", "store.json", "manifest.json"])
def test_a_flipped_byte_on_the_branch_is_named(tree, tmp_path, name) -> None:
    """Database, ledger or any file beside them: the sentence names it, exit 2, and no store appears."""
    here, there = tree("here", store=True), tree("there")
    here.saved()
    rewrite(here, tmp_path, lambda folder: flip(folder / name))
    ran = there.store("restore")
    assert (2, "") == (ran.code, ran.out), ran.err
    assert "the branch ml-registry is" in ran.err
    assert ("manifest.json" if name == "manifest.json" else name) in ran.err or "manifest" in ran.err
    assert not (there.place.root / ".mlflow/mlflow.db").exists()
    before = here.place.lines()
    here.register()
    assert 2 == here.store("save").code, "nobody saves behind a damaged store either"
    assert before == here.place.lines()[: len(before)]


def test_a_flipped_byte_of_a_model_is_named(tree, tmp_path) -> None:
    """The champion's graph is checked by its digest before anybody is compared with it."""
    here, there = tree("here", store=True), tree("there")
    here.saved()
    rewrite(here, tmp_path, lambda folder: flip(next(folder.rglob("model.onnx"))))
    there.restored()
    ran = there.store("verify")
    assert (2, "") == (ran.code, ran.out)
    assert "model version 1 is damaged in the registry: " in ran.err
    assert "model.onnx" in ran.err


def resealed(folder: Path, drop: int) -> None:
    """Drop the last lines of the ledger and make every digest fit again, as an insider would."""
    lines = (folder / "ledger.jsonl").read_text().splitlines(keepends=True)[:-drop]
    (folder / "ledger.jsonl").write_text("".join(lines))
    facts = json.loads((folder / "store.json").read_text())
    facts["ledger"] = {"lines": len(lines), "head": json.loads(lines[-1])["hash"]}
    (folder / "store.json").write_text(json.dumps(facts))
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in manifest["files"]:
        manifest["files"][name] = subprocess.check_output(["sha256sum", folder / name], text=True).split()[0]
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_shortened_ledger_is_found(tree, tmp_path) -> None:
    """However well it is sealed: the database has followed lines that it lacks, and who restored it before knows."""
    here, there = tree("here", store=True), tree("there")
    here.saved()
    head = here.place.lines()[-1].hash
    rewrite(here, tmp_path, lambda folder: resealed(folder, drop=1))
    ran = there.store("restore")
    assert (2, "") == (ran.code, ran.out)
    assert "has followed the line" in ran.err
    assert head[:12] in ran.err
    assert "was rewritten: it lacks line 4" in here.store("restore").err or "has followed" in here.store("restore").err


def test_a_branch_that_was_forced_back_is_found(tree, tmp_path) -> None:
    """An older state of the branch, whole in itself, is refused by whoever has seen the newer one."""
    here, there = tree("here", store=True), tree("there")
    here.saved()
    old = here.git("rev-parse", "ml-registry").strip()
    here.register()
    here.saved()
    there.restored()
    here.git("update-ref", "refs/heads/ml-registry", old)
    for words in (["restore"], ["save"]):
        ran = there.store(*words)
        assert (2, "") == (ran.code, ran.out)
        assert "the branch ml-registry was rewritten: it lacks line 5" in ran.err
    head = there.place.lines()[-1].hash
    there.restored("--replace")
    ran = there.store("verify", "--head", head)
    assert (2, "") == (ran.code, ran.out)
    assert "was rewritten since" in ran.err


def test_a_branch_that_is_gone_is_found(tree) -> None:
    """It was there when this store was restored: nobody begins a new one in its place."""
    here = tree("here", store=True)
    here.saved()
    here.git("update-ref", "-d", "refs/heads/ml-registry")
    here.register()
    for words in (["restore"], ["save"]):
        ran = here.store(*words)
        assert (2, "") == (ran.code, ran.out)
        assert "the branch ml-registry is gone" in ran.err


@pytest.mark.parametrize("name", ["store.json", "manifest.json", "mlflow.db", "ledger.jsonl"])
def test_a_truncated_branch_is_named(tree, tmp_path, name) -> None:
    """A file that is missing is named."""
    here, there = tree("here", store=True), tree("there")
    here.saved()
    rewrite(here, tmp_path, lambda folder: (folder / name).unlink())
    ran = there.store("restore")
    assert (2, "") == (ran.code, ran.out)
    assert name in ran.err


def test_a_broken_object_is_a_sentence(tree) -> None:
    """The remote's own files are damaged: git says so, exit 3, no traceback and no store."""
    here, there = tree("here", store=True), tree("there")
    here.saved()
    for path in (here.remote / "objects").rglob("*"):
        if path.is_file() and path.stat().st_size > 20_000:
            path.chmod(0o644)
            path.write_bytes(path.read_bytes()[:-5000])
    ran = there.store("restore")
    assert (3, "") == (ran.code, ran.out)
    assert "git fetch failed" in ran.err
    assert "Traceback" not in ran.err
    assert not (there.place.root / ".mlflow/mlflow.db").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_leaves_what_was(tree, tmp_path) -> None:
    """No room for the store: exit 3 with a sentence; the store here is the old one, and with room it is saved."""
    here, there = tree("here", store=True), tree("there")
    here.saved()
    (there.place.root / ".mlflow").mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", there.place.root / ".mlflow"])
    if mounted.returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        ran = there.store("restore")
        assert (3, "") == (ran.code, ran.out), ran.err
        assert "No space left" in ran.err
        assert "Traceback" not in ran.err
        assert [] == [path for path in (there.place.root / ".mlflow").iterdir() if not path.name.endswith(".lock")]
    finally:
        subprocess.run(["umount", there.place.root / ".mlflow"], check=True)
    assert "1 version(s)" in there.restored()
