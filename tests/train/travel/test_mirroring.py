"""The copy of champion and anchor that lies on the branch beside a server; here the embedded store plays the server."""

import sqlite3

from mlflow import MlflowClient

from train.travel import rows

MIRROR = """
import json
from pathlib import Path
from train import registry
from train.travel import book, mirroring
from validation import contract
config, folder = contract.load(), Path("build/copy")
folder.mkdir(parents=True)
print(json.dumps(sorted(mirroring.mirror(config, folder, None, registry.view(config), book.lines()))))
"""


def mirrored(place) -> tuple[str, str]:
    """Make a copy in build/copy; return the names of its files, and the log."""
    (place.root / "mirror.py").write_text(MIRROR)
    ran = place.run("mirror")
    assert 0 == ran.code, ran.err
    return ran.out, ran.err


def test_the_next_number_comes_after_the_servers_last(tree) -> None:
    """Version 2 is no champion and is not copied; what is registered beside the copy is version 3 all the same."""
    here = tree("here", store=True)
    here.register()
    names, _ = mirrored(here.place)
    assert "model.onnx" in names
    copy = here.place.root / "build/copy/mlflow.db"
    with rows.opened(copy) as connection:
        view = rows.read_view(connection, "income")
    assert ({1}, {"champion": 1, "anchor": 1}) == (set(view.versions), dict(view.aliases))
    assert here.place.view().versions[1].tags == view.versions[1].tags
    client = MlflowClient(f"sqlite:///{copy}", f"sqlite:///{copy}")
    kept = client.get_model_version_by_alias("income", "champion")
    assert client.get_run(kept.run_id).data.metrics
    assert 3 == int(client.create_model_version("income", "file:///elsewhere").version)


def test_a_model_too_large_for_the_branch_is_left_out_aloud(tree) -> None:
    """The log names the file and what it means; no database without its files is left."""
    here = tree("here", store=True)
    here.place.change("config.py", "max_file_bytes=20_000_000", "max_file_bytes=1_000_000")
    here.register({"golden.json": b" " * 1_000_001})
    with sqlite3.connect(here.place.root / ".mlflow/mlflow.db") as database:
        database.execute("UPDATE registered_model_aliases SET version = 2 WHERE alias = 'champion'")
    names, said = mirrored(here.place)
    assert "[]\n" == names
    assert "golden.json exceeds REGISTRY.max_file_bytes: pull requests are judged without the champion" in said
    assert not (here.place.root / "build/copy/mlflow.db").exists()


def test_before_a_version_is_the_champion_there_is_no_copy(tree) -> None:
    """A server whose versions are all challengers leaves the ledger alone on the branch."""
    here = tree("here", store=True)
    (here.place.root / ".mlflow/ledger.jsonl").unlink()
    with sqlite3.connect(here.place.root / ".mlflow/mlflow.db") as database:
        for table in ("registered_model_aliases", "registered_model_tags"):
            database.execute(f"DELETE FROM {table}")  # noqa: S608
    names, _ = mirrored(here.place)
    assert "[]\n" == names
    assert not (here.place.root / "build/copy/mlflow.db").exists()
