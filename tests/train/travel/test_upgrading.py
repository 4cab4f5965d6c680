"""A store that an older MLflow wrote is upgraded wherever it arrives; one of a newer MLflow is refused."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _get_alembic_config
from sqlalchemy import create_engine

from serve.bundle import sha256
from tests.conftest import Ran
from tests.train.travel.test_damage import rewrite
from train import tables

A_LITTLE, FAR = 3, 19  # revisions back: tables of jobs and traces; before the column `workspace` of versions and tags


def aged(database: Path, steps: int) -> None:
    """Take a database back to the tables that MLflow had some revisions ago."""
    engine = create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        config = _get_alembic_config(f"sqlite:///{database}")
        config.attributes["connection"] = connection
        for _ in range(steps):
            command.downgrade(config, "-1")
    engine.dispose()


def age(folder: Path, steps: int = A_LITTLE, more: str = "") -> None:
    """Let a saved store be what an older MLflow saved; `more` is some more SQL."""
    aged(folder / "mlflow.db", steps)
    with sqlite3.connect(folder / "mlflow.db") as database:
        database.executescript(more)
    told = json.loads((folder / "store.json").read_text()) | {"mlflow": "3.0.1"}
    (folder / "store.json").write_text(json.dumps(told))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = {name: sha256(folder / name) for name in manifest["files"]}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def newer(folder: Path) -> None:
    """Let a saved store be what an MLflow of tomorrow saved."""
    age(folder, 0, "UPDATE alembic_version SET version_num = 'f00dfeedf00d'")


def refused(ran: Ran, *parts: str) -> None:
    """Ask for exit 2, nothing on stdout, and one sentence at the end."""
    assert (2, "") == (ran.code, ran.out), ran.err
    assert [] == [part for part in parts if part not in ran.err.splitlines()[-1]], ran.err
    assert "Traceback" not in ran.err


def test_the_newest_tables_are_known_without_mlflow(chain) -> None:
    """As MLflow's own migrations say, and as a database that it made has them."""
    place = ScriptDirectory.from_config(_get_alembic_config("sqlite://"))
    assert place.get_current_head() == tables.newest() == tables.revision(chain.root / ".mlflow/mlflow.db")


@pytest.mark.parametrize("steps", [A_LITTLE, FAR])
def test_a_branch_of_an_older_mlflow_is_upgraded(tree, tmp_path, steps) -> None:
    """At another place it says so once; what it holds is the same, it is added to, and the next finds it upgraded."""
    here, there, next_one = tree("here", store=True), tree("there"), tree("next")
    here.saved()
    before = here.place.view(), here.place.lines()
    rewrite(here, tmp_path, lambda folder: age(folder, steps))
    shutil.rmtree(here.place.root)
    ran = there.store("restore")
    assert 0 == ran.code, ran.err
    assert "the branch ml-registry was written by another MLflow than the one installed" in ran.err
    assert before == (there.place.view(), there.place.lines())
    assert tables.newest() == tables.revision(there.place.root / ".mlflow/mlflow.db")
    digest = there.register()
    assert "saved: version 2, 1 line(s) of the ledger\n" == there.saved()
    assert "verified: 5 line(s)" in there.store("verify").out
    ran = next_one.store("restore")
    assert (0, "restored: 2 version(s), 5 line(s) of the ledger\n") == (ran.code, ran.out)
    assert "another MLflow" not in ran.err
    assert digest == next_one.numbers()[2]


def test_models_are_fitted_and_judged_on_top_of_an_older_mlflows_store(tree, tmp_path) -> None:
    """MLflow itself registers in what was upgraded, and the gate compares with the champion that came along."""
    here, there = tree("here", store=True), tree("there")
    here.saved()
    rewrite(here, tmp_path, age)
    there.restored()
    there.place.change("config.py", '"max_iter": 100', '"max_iter": 20')
    ran = there.place.run("train.fit")
    assert (0, "model-version=2\n") == (ran.code, ran.out), ran.err
    ran = there.place.run("validation.performance", "--model-version", "2")
    assert ran.code in (0, 1), ran.err
    assert "version 1" in ran.out
    assert there.saved().startswith("saved: version 2, ")
    assert 0 == there.store("verify").code


def test_a_folder_of_an_older_mlflow_is_upgraded(chain_copy, workspace) -> None:
    """What one job saved for the next is upgraded as a branch is."""
    assert 0 == chain_copy.run("train.store", "save", "--to", "build/store").code
    age(chain_copy.root / "build/store")
    ran = workspace.run("train.store", "restore", "--from", str(chain_copy.root / "build/store"))
    assert (0, "restored: 1 version(s)\n") == (ran.code, ran.out), ran.err
    assert "the saved store was written by another MLflow" in ran.err
    assert tables.newest() == tables.revision(workspace.root / ".mlflow/mlflow.db")
    assert chain_copy.view() == workspace.view()


@pytest.mark.parametrize("steps", [A_LITTLE, FAR])
def test_the_store_here_is_upgraded_when_mlflow_is(tree, steps) -> None:
    """A new lock beside a store that is not saved yet: whoever looks upgrades it, and what is saved is upgraded."""
    here, there = tree("here", store=True), tree("there")
    here.register()
    aged(here.place.root / ".mlflow/mlflow.db", steps)
    assert here.saved().startswith("saved: version 1, 2, ")
    assert tables.newest() == tables.revision(here.place.root / ".mlflow/mlflow.db")
    ran = there.store("restore")
    assert "another MLflow" not in ran.err
    assert here.place.view() == there.place.view()


def test_an_older_store_here_loses_nothing_to_a_newer_branch(tree) -> None:
    """A version registered before the upgrade is saved behind one that the branch got after it, with its run."""
    first, second = tree("first", store=True), tree("second")
    first.saved()
    second.restored()
    first.register()
    first.saved()
    digest = second.register()
    aged(second.place.root / ".mlflow/mlflow.db", FAR)
    second.saved()
    assert digest == second.numbers()[3]
    told = second.store("show", "--model-version", "3")
    assert "parameter estimator" in told.out, told.err


def test_a_branch_of_a_newer_mlflow_is_refused(tree, tmp_path) -> None:
    """Neither restored nor saved behind; the sentence says what to install, and nothing here changes."""
    here, there = tree("here", store=True), tree("there")
    here.saved()
    rewrite(here, tmp_path, newer)
    here.register()
    assert 0 == here.store("show").code  # its line is written
    database = here.place.root / ".mlflow/mlflow.db"
    before = here.place.view(), here.place.lines(), here.git("rev-parse", "ml-registry")
    for one in (here, there):
        refused(one.store("restore"), "written by a newer MLflow than the one installed", "f00dfeedf00d", "install")
    refused(here.store("save"), "the branch ml-registry was written by a newer MLflow")
    assert before == (here.place.view(), here.place.lines(), here.git("rev-parse", "ml-registry"))
    assert tables.newest() == tables.revision(database)
    assert not (there.place.root / ".mlflow/mlflow.db").exists()


def test_a_folder_of_a_newer_mlflow_is_refused(chain_copy, workspace) -> None:
    """One sentence, and no store appears."""
    assert 0 == chain_copy.run("train.store", "save", "--to", "build/store").code
    newer(chain_copy.root / "build/store")
    ran = workspace.run("train.store", "restore", "--from", str(chain_copy.root / "build/store"))
    refused(ran, "the saved store was written by a newer MLflow")
    assert not (workspace.root / ".mlflow").exists()


def test_a_store_here_of_a_newer_mlflow_is_refused(chain_copy) -> None:
    """An older lock beside it: whoever looks says what to install, and the database stays as it is."""
    database = chain_copy.root / ".mlflow/mlflow.db"
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'f00dfeedf00d'")
    before = database.read_bytes()
    for words in (("train.store", "show"), ("train.fit",)):
        refused(chain_copy.run(*words), "the store in .mlflow/ was written by a newer MLflow", "install")
    assert before == database.read_bytes()


@pytest.mark.parametrize("more", ["DROP TABLE jobs", "DROP TABLE trace_info; CREATE TABLE trace_info (x)"])
def test_an_upgrade_that_dies_is_a_sentence(tree, tmp_path, more) -> None:
    """A table that is missing, or is none of MLflow's: the sentence names the branch, and no store appears."""
    here, there = tree("here", store=True), tree("there")
    here.saved()
    rewrite(here, tmp_path, lambda folder: age(folder, A_LITTLE, more))
    refused(there.store("restore"), "the branch ml-registry is damaged: its database cannot be upgraded: ")
    assert not (there.place.root / ".mlflow/mlflow.db").exists()


def test_an_upgrade_here_that_dies_leaves_the_old_store(chain_copy) -> None:
    """The copy is given up, whole; with the table back it is upgraded."""
    database = chain_copy.root / ".mlflow/mlflow.db"
    aged(database, A_LITTLE)
    with sqlite3.connect(database) as connection:
        connection.execute("ALTER TABLE jobs RENAME TO hidden")
    before = database.read_bytes()
    refused(chain_copy.run("train.store", "show"), "the store in .mlflow/ is damaged: its database cannot be upgraded")
    assert before == database.read_bytes()
    assert [] == list((chain_copy.root / ".mlflow").glob(".arriving*"))
    with sqlite3.connect(database) as connection:
        connection.execute("ALTER TABLE hidden RENAME TO jobs")
    ran = chain_copy.run("train.store", "show")
    assert 0 == ran.code, ran.err
    assert "a copy of its database is upgraded" in ran.err
