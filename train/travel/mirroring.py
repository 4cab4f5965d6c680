"""The read-only copy of what a server keeps: the champion and the anchor, as a small store, for who may not log in.

A pull request never holds the server's credentials, and its gates compare with the champion all the same: they read
this copy from the branch. Numbers, ids, tags and aliases are the server's.
"""

import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from serve.bundle import KEPT_BACK, files_below
from train import registry, tables
from train.embedded import ARTIFACTS, DATABASE, EXPERIMENT
from train.travel import content, rows
from train.travel.content import NOWHERE, Saved
from train.travel.effects import ANCHOR, CHAMPION, MARK, effects_of
from train.travel.ledger import Line, head
from train.view import Version, View
from validation.contract import Config
from validation.script import log

READY = 2  # MLflow's number for a logged model that is whole


def mirror(config: Config, folder: Path, theirs: Saved | None, view: View, lines: Sequence[Line]) -> dict[str, Path]:
    """Write the copy's database into `folder`; return the copied versions' files by their names on the branch.

    There is no copy before a version is the champion, nor where one of its files is too large for the branch.
    """
    aliases = {alias: number for alias, number in view.aliases.items() if alias in (CHAMPION, ANCHOR)}
    copied = [view.versions[number] for number in sorted(set(aliases.values())) if number in view.versions]
    files = {name: path for version in copied for name, path in _files(version).items()}
    large = [name for name, path in files.items() if path.stat().st_size > config.registry.max_file_bytes]
    if large:
        log(f"{large[0]} exceeds REGISTRY.max_file_bytes: pull requests are judged without the champion")
    if large or not copied:
        return {}
    database = folder / DATABASE
    if theirs and theirs.database and _holds(theirs.database, config.model.name, copied):
        shutil.copyfile(theirs.database, database)
    else:
        tables.begin(database, NOWHERE)
        _copy(database, config.model.name, copied, max(view.versions))
    _reflect(database, config.model.name, copied, aliases, lines)
    content.without_place(database)
    return files


def _files(version: Version) -> dict[str, Path]:
    folder = registry.model_folder(version)
    return {
        f"{_place(ARTIFACTS, version)}/{name}": folder / name for name in files_below(folder) if name not in KEPT_BACK
    }


def _place(root: str, version: Version) -> str:
    return f"{root}/{EXPERIMENT}/models/{version.model_id}/artifacts"


def _holds(database: Path, model: str, copied: Sequence[Version]) -> bool:
    """Tell whether a copy is one of these versions already."""
    with rows.opened(database) as connection:
        there = rows.read_view(connection, model).versions.values()
    return {one.model_id for one in there} == {one.model_id for one in copied}


def _copy(database: Path, model: str, copied: Sequence[Version], last: int) -> None:
    """Write the versions and their runs; the number behind `last` is the next one that is given here."""
    with registry.opened() as mlflow:
        client = mlflow.MlflowClient()
        runs = [client.get_run(version.run_id) for version in copied]
    with rows.opened(database) as connection:
        experiment = {"name": EXPERIMENT, "artifact_location": f"{NOWHERE}/{EXPERIMENT}", "lifecycle_stage": "active"}
        [place] = _put(connection, "experiments", experiment, "RETURNING experiment_id")
        _put(connection, "registered_models", {"name": model})
        for version, run in zip(copied, runs, strict=True):
            info, of_run = run.info, {"run_uuid": version.run_id}
            told = {"status": info.status, "start_time": info.start_time, "end_time": info.end_time}
            told |= {"user_id": info.user_id or "unknown"}  # MLflow reads no run without one
            kept = {"name": info.run_name, "artifact_uri": f"{NOWHERE}/{EXPERIMENT}/{version.run_id}/artifacts"}
            _put(connection, "runs", of_run | told | kept | {"lifecycle_stage": "active", "experiment_id": place})
            for table, pairs in (("params", run.data.params), ("tags", run.data.tags)):
                for key, value in pairs.items():
                    _put(connection, table, of_run | {"key": key, "value": value})
            for key, value in run.data.metrics.items():
                measured = of_run | {"key": key, "value": value, "timestamp": info.end_time, "step": 0, "is_nan": False}
                _put(connection, "latest_metrics", measured)
            at = {"creation_timestamp_ms": version.created, "last_updated_timestamp_ms": version.created}
            logged = {
                "model_id": version.model_id,
                "experiment_id": place,
                "source_run_id": version.run_id,
                "name": "model",
            }
            where = {"artifact_location": _place(NOWHERE, version), "status": READY, "lifecycle_stage": "active"}
            _put(connection, "logged_models", logged | where | at)
            _version(connection, model, version.number, version, "None")
        if last not in {version.number for version in copied}:
            _version(connection, model, last, copied[-1], rows.DELETED)


def _version(connection: sqlite3.Connection, model: str, number: int, version: Version, stage: str) -> None:
    named = {"name": model, "version": number, "run_id": version.run_id, "source": f"{rows.SOURCE}{version.model_id}"}
    told = {"creation_time": version.created, "last_updated_time": version.created, "status": "READY"}
    _put(connection, "model_versions", named | told | {"current_stage": stage})


def _reflect(
    database: Path, model: str, copied: Sequence[Version], aliases: dict[str, int], lines: Sequence[Line]
) -> None:
    """Let aliases be the server's now, and tags too, with what the lines say; the copy has followed them to their end.

    Lines get other hashes behind what others have saved: the server's tags may still name the old ones.
    """
    tags = {version.number: dict(version.tags) for version in copied}
    for line in lines:
        for number, told in effects_of(line).tags.items():
            tags.get(number, {}).update(told)
    with rows.opened(database) as connection:
        for table in ("model_version_tags", "registered_model_aliases", "registered_model_tags"):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608  words of this module
        for number, told in tags.items():
            for key, value in told.items():
                tag = {"name": model, "version": number, "key": key, "value": value}
                _put(connection, "model_version_tags", tag)
        for alias, number in aliases.items():
            _put(connection, "registered_model_aliases", {"name": model, "alias": alias, "version": number})
        _put(connection, "registered_model_tags", {"name": model, "key": MARK, "value": head(lines)})


def _put(connection: sqlite3.Connection, table: str, values: Mapping[str, object], more: str = "") -> list[object]:
    marks = ", ".join("?" * len(values))
    text = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks}) {more}"  # noqa: S608  words of this module
    return [value for row in connection.execute(text, list(values.values())).fetchall() for value in row]
