"""Copy versions from one of MLflow's databases to another, with the ids they have (SQL, stdlib only)."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from train.travel.rows import SOURCE, opened

# Tables whose rows belong to a run by `run_uuid`, and to a logged model by `model_id`
OF_A_RUN = ("runs", "params", "metrics", "latest_metrics", "tags")
OF_A_MODEL = ("logged_models", "logged_model_params", "logged_model_tags", "logged_model_metrics")


def copy_version(source: Path, target: Path, model: str, model_id: str) -> int:
    """Copy a version with its run, logged model and data set into another database; return the number it gets there.

    All ids stay. The number is the next one there; a version that is there already keeps the number it has.
    """
    with opened(target) as connection:
        connection.execute("ATTACH ? AS ours", (str(source),))
        held = "SELECT version FROM main.model_versions WHERE name = ? AND source = ?"
        if there := connection.execute(held, (model, SOURCE + model_id)).fetchone():
            return int(there[0])
        [run, own] = connection.execute(
            "SELECT run_id, version FROM ours.model_versions WHERE name = ? AND source = ?", (model, SOURCE + model_id)
        ).fetchone()
        places = _experiments(connection)
        for table in OF_A_RUN:
            _copy(connection, table, "run_uuid = ?", (run,), places)
        for table in OF_A_MODEL:
            _copy(connection, table, "model_id = ?", (model_id,), places)
        _copy_inputs(connection, run, model_id, places)
        _copy(connection, "registered_models", "name = ?", (model,), places)
        [last] = connection.execute(
            "SELECT coalesce(max(version), 0) FROM main.model_versions WHERE name = ?", (model,)
        ).fetchone()
        number = int(last) + 1
        for table in ("model_versions", "model_version_tags"):
            _copy(connection, table, "name = ? AND version = ?", (model, own), places, {"version": number})
    return number


def keep_runs(source: Path, target: Path) -> None:
    """Copy the runs and logged models that belong to no version of ours: only what is registered travels."""
    with opened(target) as connection:
        connection.execute("ATTACH ? AS ours", (str(source),))
        places = _experiments(connection)
        for table in (*OF_A_RUN, *OF_A_MODEL):
            _copy(connection, table, "1 = 1", (), places)


def _experiments(connection: sqlite3.Connection) -> dict[int, int]:
    """Map the ids of experiments here to those there, by name; one that is not there yet is copied."""
    mapped = {}
    for own, name in connection.execute("SELECT experiment_id, name FROM ours.experiments").fetchall():
        there = connection.execute("SELECT experiment_id FROM main.experiments WHERE name = ?", (name,)).fetchone()
        if there is None:
            [last] = connection.execute("SELECT max(experiment_id) FROM main.experiments").fetchone()
            _copy(connection, "experiments", "experiment_id = ?", (own,), {own: last + 1})
            there = (last + 1,)
        mapped[own] = there[0]
    return mapped


def _copy_inputs(connection: sqlite3.Connection, run: str, model_id: str, places: dict[int, int]) -> None:
    """Copy what a run read and made; a data set that is there under another id is named by that one."""
    datasets = {}
    of_ours = connection.execute("SELECT dataset_uuid, experiment_id, name, digest FROM ours.datasets").fetchall()
    for own, experiment, name, digest in of_ours:
        there = connection.execute(
            "SELECT dataset_uuid FROM main.datasets WHERE experiment_id = ? AND name = ? AND digest = ?",
            (places[experiment], name, digest),
        ).fetchone()
        datasets[own] = there[0] if there else own
    ours = "source_id = ? OR destination_id = ? OR destination_id = ?"
    rows = connection.execute(
        f"SELECT input_uuid, source_id FROM ours.inputs WHERE {ours}",  # noqa: S608  words of this module
        (run, run, model_id),
    ).fetchall()
    for uuid, source in rows:
        if source in datasets:
            _copy(connection, "datasets", "dataset_uuid = ?", (source,), places)
        _copy(connection, "inputs", "input_uuid = ?", (uuid,), places, {"source_id": datasets.get(source, source)})
        _copy(connection, "input_tags", "input_uuid = ?", (uuid,), places)


def _copy(
    connection: sqlite3.Connection,
    table: str,
    where: str,
    values: Sequence[object],
    places: dict[int, int],
    replaced: dict[str, object] | None = None,
) -> None:
    """Copy rows of one table, whatever columns it has; rows that are there already stay as they are."""
    found = connection.execute(f"SELECT * FROM ours.{table} WHERE {where}", values)  # noqa: S608  words of this module
    columns = [column[0] for column in found.description]
    for row in found.fetchall():
        named = dict(zip(columns, row, strict=True)) | (replaced or {})
        if "experiment_id" in named:
            named["experiment_id"] = places[named["experiment_id"]]
        marks = ", ".join("?" * len(columns))
        connection.execute(
            f"INSERT OR IGNORE INTO main.{table} ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608  as above
            list(named.values()),
        )
