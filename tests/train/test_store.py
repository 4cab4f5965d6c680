"""The store travels: it arrives whole at another place, or not at all."""

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

SAVE = ("train.store", "save", "--to", "build/store")
RESTORE = ("train.store", "restore", "--from")


def saved(chain_copy) -> Path:
    """Save the chain's store."""
    assert "saved: 1 version(s)\n" == chain_copy.run(*SAVE).out
    return chain_copy.root / "build/store"


def test_a_store_arrives_at_another_place(chain_copy, workspace) -> None:
    """Saved here, restored there: the gates judge the same model, and MLflow loads it by its alias."""
    folder = saved(chain_copy)
    assert "restored: 1 version(s)\n" == workspace.run(*RESTORE, str(folder)).out
    shutil.rmtree(chain_copy.root)  # nothing may lead back to the old place
    judged = workspace.run("validation.parity", "--model-version", "1")
    assert 0 == judged.code, judged.err
    (workspace.root / "ask.py").write_text(
        "import mlflow\nmlflow.set_tracking_uri('sqlite:///.mlflow/mlflow.db')\n"
        "print(len(mlflow.onnx.load_model('models:/income@champion').graph.input))\n"
    )
    asked = workspace.run("ask")
    assert (0, "10\n") == (asked.code, asked.out), asked.err


def test_no_place_travels_with_it(chain_copy) -> None:
    """The saved files do not name the folder, or the machine, they were made on."""
    folder = saved(chain_copy)
    where = str(chain_copy.root).encode()
    assert [] == [path.name for path in folder.rglob("*") if path.is_file() and where in path.read_bytes()]


def test_a_moved_working_tree_keeps_its_store(chain_copy, tmp_path) -> None:
    """Without save and restore, the folder may be moved."""
    moved = replace(chain_copy, root=chain_copy.root.rename(tmp_path / "elsewhere with spaces"))
    shutil.rmtree(moved.root / "build/models")
    assert 0 == moved.run("validation.parity", "--model-version", "1").code


@pytest.mark.parametrize("name", ["mlflow.db", "ledger.jsonl", "aliases.json", "store.json", "manifest.json"])
def test_a_flipped_byte_is_named_and_refused(chain_copy, workspace, name) -> None:
    """Whatever was changed on the way, nothing is restored."""
    folder = saved(chain_copy)
    [path] = [path for path in folder.rglob(name) if name != "manifest.json" or path.parent == folder]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    ran = workspace.run(*RESTORE, str(folder))
    assert (2, "") == (ran.code, ran.out)
    assert "damaged" in ran.err
    assert not (workspace.root / ".mlflow").exists()


def test_a_file_too_many_or_too_few_is_refused(chain_copy, workspace) -> None:
    """The manifest lists every file there is."""
    folder = saved(chain_copy)
    (folder / "more").write_text("more")
    assert "more is not listed" in workspace.run(*RESTORE, str(folder)).err
    (folder / "more").unlink()
    (folder / "mlflow.db").unlink()
    assert "mlflow.db is missing" in workspace.run(*RESTORE, str(folder)).err
    shutil.rmtree(folder)
    assert "does not exist" in workspace.run(*RESTORE, str(folder)).err


def test_a_store_in_the_way_is_kept(chain_copy) -> None:
    """Restoring takes the place of a store only when it is told to."""
    folder = saved(chain_copy)
    before = (chain_copy.root / ".mlflow/mlflow.db").read_bytes()
    assert "--replace" in chain_copy.run(*RESTORE, str(folder)).err
    assert (chain_copy.root / ".mlflow/mlflow.db").read_bytes() == before
    assert 0 == chain_copy.run(*RESTORE, str(folder), "--replace").code


def test_another_models_store_is_refused(chain_copy, workspace) -> None:
    """A store of another model is not taken for this one's."""
    folder = saved(chain_copy)
    workspace.change("config.py", 'name="income"', 'name="churn"')
    assert "holds the model 'income'" in workspace.run(*RESTORE, str(folder)).err


def test_nothing_to_save_is_said(workspace) -> None:
    """Without a store there is nothing to carry."""
    ran = workspace.run(*SAVE)
    assert (2, True) == (ran.code, "make fit" in ran.err)
    assert not (workspace.root / "build/store").exists()


def test_the_registry_itself_may_be_damaged(chain_copy) -> None:
    """A model file that changed inside the store is refused by whoever reads it."""
    shutil.rmtree(chain_copy.root / "build/models")
    [graph] = (chain_copy.root / ".mlflow").rglob("model.onnx")
    graph.write_bytes(graph.read_bytes()[:-1])
    ran = chain_copy.run("serve.export", "--model-version", "1", "--to", "build/again")
    assert (2, "") == (ran.code, ran.out)
    assert "damaged in the registry" in ran.err
    assert not (chain_copy.root / "build/again").exists()


def test_a_database_that_is_none_is_a_sentence(chain_copy) -> None:
    """Garbage in place of the database: exit 3, no traceback."""
    (chain_copy.root / ".mlflow/mlflow.db").write_bytes(b"garbage" * 100)
    ran = chain_copy.run("train.fit")
    assert (3, "") == (ran.code, ran.out)
    assert "mlflow.db failed" in ran.err
    assert "Traceback" not in ran.err


def test_a_folder_of_somebody_elses_is_not_replaced(chain_copy) -> None:
    """Neither save nor export deletes what no script of ours has written."""
    (chain_copy.root / "precious").mkdir()
    (chain_copy.root / "precious/thesis.txt").write_text("years")
    for command in (("train.store", "save"), ("serve.export", "--model-version", "1")):
        ran = chain_copy.run(*command, "--to", "precious")
        assert (2, "") == (ran.code, ran.out)
        assert "was not made by this script" in ran.err
    assert "years" == (chain_copy.root / "precious/thesis.txt").read_text()


def test_a_version_that_mlflow_deleted_is_gone(chain_copy) -> None:
    """Its row stays in the database, without its run, and nobody is shown it."""
    (chain_copy.root / "delete.py").write_text(
        "import mlflow\nmlflow.set_tracking_uri('sqlite:///.mlflow/mlflow.db')\n"
        "mlflow.MlflowClient().delete_model_version('income', '1')\n"
    )
    assert 0 == chain_copy.run("delete").code
    assert ({}, {}) == (chain_copy.view().versions, chain_copy.view().aliases)
    ran = chain_copy.run("validation.parity", "--model-version", "1")
    assert (2, "") == (ran.code, ran.out)
    assert "does not exist in the registry" in ran.err


def test_files_outside_the_store_are_not_believed(chain_copy) -> None:
    """A database that leads out of the store writes and reads nothing there."""
    with sqlite3.connect(chain_copy.root / ".mlflow/mlflow.db") as database:
        [root] = database.execute("SELECT artifact_location FROM experiments WHERE name = 'gatehouse'").fetchone()
        database.execute("UPDATE logged_models SET artifact_location = ?", (f"{root}/../../../data",))
    shutil.rmtree(chain_copy.root / "build/models")
    for command in (SAVE, ("validation.parity", "--model-version", "1")):
        if command != SAVE:
            (chain_copy.root / "build/verdicts/parity.json").unlink()
        ran = chain_copy.run(*command)
        assert (2, "") == (ran.code, ran.out)
        assert "outside the store" in ran.err
