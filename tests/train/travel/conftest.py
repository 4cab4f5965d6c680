"""Working trees that share a bare repository, each with a store; versions are made without fitting."""

import json
import shutil
import sqlite3
import subprocess
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from serve.bundle import seal
from tests.conftest import Ran, Workspace, copy_of
from train.view import DIGEST, FINGERPRINT

BRANCH = "ml-registry"
COPIED = {  # the rows of a version, by the column that names what they belong to
    "runs": "run_uuid", "params": "run_uuid", "latest_metrics": "run_uuid", "metrics": "run_uuid", "tags": "run_uuid",
    "logged_models": "model_id", "model_versions": "source", "model_version_tags": "version",
    "logged_model_params": "model_id", "logged_model_tags": "model_id", "logged_model_metrics": "model_id",
}  # fmt: skip


@dataclass(frozen=True)
class Tree:
    """A working tree with a remote."""

    place: Workspace
    remote: Path

    def store(self, *words: str, **more: object) -> Ran:
        """Run `python -m train.store`."""
        return self.place.run("train.store", *words, **more)

    def saved(self) -> str:
        """Save to the branch; it has to succeed."""
        ran = self.store("save")
        assert 0 == ran.code, ran.err
        return ran.out

    def restored(self, *words: str) -> str:
        """Restore from the branch; it has to succeed."""
        ran = self.store("restore", *words)
        assert 0 == ran.code, ran.err
        return ran.out

    def git(self, *words: str) -> str:
        """Ask the bare repository."""
        command = ["git", "--git-dir", str(self.remote), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def numbers(self) -> dict[int, str]:
        """The versions here: number and digest."""
        return {number: version.digest for number, version in self.place.view().versions.items()}

    def register(self, files: Mapping[str, bytes] | None = None) -> str:
        """Register another model, as a fit that died before it wrote a line would have; return its digest.

        `files` take the place of the first one's files.
        """
        view = self.place.view()
        first, number = view.versions[min(view.versions)], max(view.versions) + 1
        run, model_id = uuid.uuid4().hex, f"m-{uuid.uuid4().hex}"
        source = self.place.root / ".mlflow" / first.files
        target = self.place.root / ".mlflow" / first.files.replace(first.model_id, model_id)
        shutil.copytree(source, target)
        (target / "drift.json").write_text(json.dumps({"made": uuid.uuid4().hex}))
        for name, content in (files or {}).items():
            (target / name).write_bytes(content)
        for name in ("MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt", "manifest.json"):
            (target / name).unlink()
        shutil.rmtree(target / "report", ignore_errors=True)
        digest = seal(target)
        names = {"run_uuid": first.run_id, "model_id": first.model_id, "version": first.number}
        with sqlite3.connect(self.place.root / ".mlflow/mlflow.db") as database:
            for table, column in COPIED.items():
                value = f"models:/{first.model_id}" if column == "source" else names[column]
                found = database.execute(f"SELECT * FROM {table} WHERE {column} = ?", (value,))  # noqa: S608
                columns = [one[0] for one in found.description]
                for row in found.fetchall():
                    changed = dict(zip(columns, row, strict=True))
                    new = {
                        "run_uuid": run,
                        "run_id": run,
                        "source_run_id": run,
                        "model_id": model_id,
                        "version": number,
                    }
                    changed |= {name: new[name] for name in new.keys() & changed.keys()}
                    for name, text in changed.items():
                        if isinstance(text, str):
                            changed[name] = text.replace(first.model_id, model_id).replace(first.digest, digest)
                    if changed.get("key") == FINGERPRINT:
                        changed["value"] = digest
                    if changed.get("key", "").startswith(("verdict.", "promoted", "ledger")):
                        continue
                    marks = ", ".join("?" * len(columns))
                    database.execute(f"INSERT INTO {table} VALUES ({marks})", list(changed.values()))  # noqa: S608
        assert digest == self.place.view().version(number).tags[DIGEST]
        return digest


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """A bare repository."""
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "remote.git"], check=True)
    return tmp_path / "remote.git"


@pytest.fixture
def tree(chain: Workspace, remote: Path, tmp_path: Path) -> Callable[..., Tree]:
    """Make working trees of the remote, with the chain's store or with none."""

    def make(name: str, store: bool = False) -> Tree:
        place = copy_of(chain.root, tmp_path / name)
        if store:
            for folder in (".mlflow", "build/verdicts", "build/report"):
                shutil.copytree(chain.root / folder, place.root / folder)
        for command in (["init", "-qb", "main"], ["remote", "add", "origin", str(remote)]):
            subprocess.run(["git", *command], cwd=place.root, check=True)
        return Tree(place, remote)

    return make
