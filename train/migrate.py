"""Move a team from the embedded store to a tracking server, in the order in which the versions were registered.

A version keeps its number (one that was deleted leaves its gap), its tags and aliases, its run with parameters,
metrics, tags, data set and times, and its files byte for byte. The server gives ids of its own to runs and models; the
old ones, and the time of registration, stay as tags. Whatever ends half-way is found by those tags and completed by
the next time; nothing is written to the embedded store.
"""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from serve.bundle import files_below, sha256
from train import embedded, registry, server
from train.travel.effects import REMOVED
from train.view import MOVED_MODEL, MOVED_RUN, Version, View
from validation.contract import Config
from validation.script import OutsideError, Refusal, log

# Tags by which what has been moved is known again, on runs, models and versions of the server
RUN, MODEL, CREATED, LAST = MOVED_RUN, MOVED_MODEL, "migrated-created-at", "migrated-last-number"


@dataclass(frozen=True)
class Move:
    """The two ends of a move, and the experiment at the far one."""

    source: Any
    target: Any
    uri: str
    experiment: str
    name: str


def migrate(config: Config, uri: str) -> str:
    """Move every registered version to the server at `uri`; return what was moved, in words.

    Raises Refusal when there is nothing to move, or the server holds versions that did not come from this store,
    OutsideError when one of them fails. Either way the same call again goes on where it ended.
    """
    uri = server.checked(uri, "--to")
    with _at_home():
        view = registry.view(config)
        kept = {number: version for number, version in view.versions.items() if REMOVED not in version.tags}
        view = View(kept, view.aliases)  # one whose files a compaction removed leaves its gap, like a deleted one
        if not view.versions:
            raise Refusal(
                "there is no version in .mlflow/ to move; with MLFLOW_TRACKING_URI set, `make fit` begins there"
            )
        with registry.opened() as mlflow:
            source = mlflow.MlflowClient(tracking_uri=embedded.uri(), registry_uri=embedded.uri())
            target = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
            with server.failing(uri):
                found = target.get_experiment_by_name(embedded.EXPERIMENT)
                experiment = found.experiment_id if found else target.create_experiment(embedded.EXPERIMENT)
                return _move(Move(source, target, uri, str(experiment), config.model.name), view)


@contextmanager
def _at_home() -> Iterator[None]:
    """Read from the embedded store, whatever MLFLOW_TRACKING_URI says: it may name the server already."""
    named = os.environ.pop(server.URI, None)
    try:
        yield
    finally:
        os.environ.pop(server.URI, None)  # MLflow sets it
        if named is not None:
            os.environ[server.URI] = named


def _move(move: Move, view: View) -> str:
    ours = {version.run_id for version in view.versions.values()}
    there: dict[int, Any] = {}
    for one in move.target.search_model_versions(f"name = '{move.name}'"):
        number, run = int(one.version), one.tags.get(RUN)
        if run not in ours:
            raise Refusal(
                f"the server holds version {number} of {move.name}, which did not come from this store; name another"
                " server, or delete that model there"
            )
        if number in view.versions and view.versions[number].run_id == run:
            there[number] = one
        else:  # made to leave a gap, by a move that ended before it was taken away again
            move.target.delete_model_version(move.name, str(number))
    if not move.target.search_registered_models(f"name = '{move.name}'"):
        model = move.source.get_registered_model(move.name)
        move.target.create_registered_model(move.name, tags=dict(model.tags), description=model.description)
    for number, version in sorted(view.versions.items()):
        if number not in there:
            given = _claim(move, version, _model(move, version, _run(move, version)), number)
            if given != number:
                raise Refusal(
                    f"the server numbers {move.name} from {given}: the name was used before; name another server"
                )
            log(f"version {number} of {max(view.versions)} is moved")
    _end(move, version)
    names = dict(move.target.get_registered_model(move.name).aliases)
    for alias, number in view.aliases.items():
        if alias not in names:  # one that the team has moved on since stays where it is
            move.target.set_registered_model_alias(move.name, alias, str(number))
    return f"{len(view.versions) - len(there)} version(s) of {move.name} moved, {len(there)} were there already"


def _run(move: Move, version: Version) -> str:
    """Move the run of a version; return its id on the server."""
    from mlflow.entities import Param, RunTag

    run = move.source.get_run(version.run_id)
    found = move.target.search_runs([move.experiment], f"tags.`{RUN}` = '{version.run_id}'")
    if found and found[0].info.status == run.info.status and found[0].info.end_time == run.info.end_time:
        return str(found[0].info.run_id)
    marks = {**run.data.tags, RUN: version.run_id}
    made = (
        found[0]
        if found
        else move.target.create_run(
            move.experiment, start_time=run.info.start_time, tags={RUN: version.run_id}, run_name=run.info.run_name
        )
    )
    there = str(made.info.run_id)
    metrics = [one for key in run.data.metrics for one in move.source.get_metric_history(version.run_id, key)]
    parameters = [Param(key, value) for key, value in run.data.params.items()]
    move.target.log_batch(there, metrics, parameters, [RunTag(key, value) for key, value in marks.items()])
    move.target.log_inputs(there, run.inputs.dataset_inputs)
    move.target.set_terminated(there, run.info.status, run.info.end_time)
    return there


def _model(move: Move, version: Version, run: str) -> str:
    """Move the files of a version and compare each of them; return the model's id on the server."""
    import mlflow
    from mlflow.entities import LoggedModelOutput

    registry.model_folder(version)  # refuses what is not the model that was registered
    files = embedded.inside(version.files)
    mark = f"tags.`{MODEL}` = '{version.model_id}'"
    found = move.target.search_logged_models([move.experiment], mark)
    if found and str(found[0].status) == "READY":
        return str(found[0].model_id)
    model = move.source.get_logged_model(version.model_id)
    if not found:
        tags = {**model.tags, MODEL: version.model_id}
        found = [move.target.create_logged_model(move.experiment, model.name, run, tags, dict(model.params))]
    there, place = str(found[0].model_id), str(found[0].artifact_location)
    move.target.log_model_artifacts(there, str(files))
    with tempfile.TemporaryDirectory() as temporary:
        back = Path(mlflow.artifacts.download_artifacts(place, dst_path=temporary, tracking_uri=move.uri))
        kept = files_below(back)
        if kept != files_below(files) or any(sha256(back / name) != sha256(files / name) for name in kept):
            raise OutsideError(
                f"the server keeps other files of version {version.number} than it was given; move again"
            )
    move.target.log_outputs(run, [LoggedModelOutput(there, 0)])
    move.target.finalize_logged_model(there, "READY")
    return there


def _claim(move: Move, version: Version, model: str, number: int) -> int:
    """Register a moved model under a number, each one below it staying free; return a later one if it was used before.

    Nothing is left registered then.
    """
    before = move.source.get_model_version(move.name, str(version.number))
    run = move.target.get_logged_model(model).source_run_id
    moment = datetime.fromtimestamp(before.creation_timestamp / 1000, UTC).isoformat(timespec="milliseconds")
    tags = {**version.tags, RUN: version.run_id, MODEL: version.model_id, CREATED: moment}
    given = 0
    while given < number:
        made = move.target.create_model_version(
            move.name, f"models:/{model}", run, tags, description=before.description, model_id=model
        )
        given = int(made.version)
        if given != number:
            move.target.delete_model_version(move.name, str(given))
    # which versions a model has, MLflow keeps in a tag of it, those that were deleted too
    move.target.set_logged_model_tags(model, dict(move.source.get_logged_model(version.model_id).tags))
    return given


def _end(move: Move, version: Version) -> None:
    """Let the next number be the one that the embedded store would give; MLflow keeps the rows of deleted versions."""
    with closing(sqlite3.connect(embedded.STORE / embedded.DATABASE, timeout=20)) as connection:
        [(last,)] = connection.execute("SELECT max(version) FROM model_versions WHERE name = ?", (move.name,))
    tags = move.target.get_registered_model(move.name).tags
    if last > version.number and tags.get(LAST) != str(last):
        model = move.target.get_model_version(move.name, str(version.number)).source.removeprefix("models:/")
        if _claim(move, version, model, int(last)) == last:  # else a move that was cut short here has used it up
            move.target.delete_model_version(move.name, str(last))
        move.target.set_registered_model_tag(move.name, LAST, str(last))
