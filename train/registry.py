"""The one door to MLflow: versions, aliases, tags, and the sealed folder of each version.

`MLFLOW_TRACKING_URI` unset: the embedded store, SQLite and artifacts under `.mlflow/` of the working tree. Set: that
server. Reading the embedded store does not import MLflow, which takes three seconds: its rows are read as they are.

What happens to a version is written into the ledger first, see train.following.
"""

import contextlib
import os
import shutil
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from serve.bundle import KEPT_BACK, MANIFEST, BundleError, read_manifest, verify
from train import embedded, server, tables
from train.embedded import EXPERIMENT, STORE
from train.logged import data_set, log_model
from train.travel import book, ledger, rows
from train.travel.effects import REMOVED
from train.view import ACTOR, DIGEST, FINGERPRINT, RUN_URL, Run, Version, View
from validation.contract import Config
from validation.script import BUILD, OutsideError, Refusal, log, writing_folder
from validation.steps import step
from validation.unbroken import unbroken


@contextlib.contextmanager
def opened() -> Iterator[Any]:
    """Open MLflow; its failures become sentences.

    Raises OutsideError when the store or server fails, Refusal when the server is not named or not used rightly.
    """
    if not embedded.embedded():
        os.environ[server.URI] = server.checked(os.environ[server.URI])
    for name, value in server.SETTINGS.items():
        os.environ.setdefault(name, value)
    # Where the script lies on this machine is nobody's business
    os.environ["MLFLOW_RUN_CONTEXT"] = '{"mlflow.source.name": "python -m train.fit"}'
    warnings.filterwarnings("ignore", module="mlflow")
    import logging

    import mlflow
    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        if not embedded.embedded():
            yield mlflow
            return
        with unbroken():  # Ctrl-C within a query leaves the database locked, and is told by a traceback
            STORE.mkdir(parents=True, exist_ok=True)
            mlflow.set_tracking_uri(embedded.uri())
            with FileLock(STORE / "begin.lock"):  # two that make the tables of a new database at once break it
                mlflow.MlflowClient().search_experiments(max_results=1)
            embedded.follow_the_folder()
            yield mlflow
    except (MlflowException, RequestException, CommandError, SQLAlchemyError, sqlite3.Error) as error:
        if not embedded.embedded():
            raise server.failure(error, f"the tracking server {os.environ[server.URI]}") from error
        first = str(error).strip().splitlines()[0]
        raise OutsideError(f"the embedded store .mlflow/ failed: {first}") from error


def view(config: Config) -> View:
    """Look at the registry, after it has followed the ledger; a store that an older MLflow wrote is upgraded first."""
    if not embedded.embedded():
        return _ask(config)
    embedded.settle()
    if not (STORE / embedded.DATABASE).is_file():
        return View({}, {})
    tables.upgrade_store()
    with rows.opened(STORE / embedded.DATABASE) as connection:
        rows.follow(connection, config.model.name, book.lines())
        return rows.read_view(connection, config.model.name)


def _ask(config: Config) -> View:
    with opened() as mlflow:
        client = mlflow.MlflowClient()
        name = config.model.name
        # A version that somebody registered by other means has no digest of ours: nothing here can judge it
        found = [one for one in client.search_model_versions(f"name = '{name}'") if one.tags.get(DIGEST)]
        aliases = dict(client.get_registered_model(name).aliases) if found else {}
    versions = {
        int(version.version): Version(
            number=int(version.version),
            digest=version.tags.get(DIGEST, ""),
            fingerprint=version.tags.get(FINGERPRINT, ""),
            run_id=version.run_id or "",
            model_id=version.source.removeprefix("models:/"),
            files="",
            tags=dict(version.tags),
            created=version.creation_timestamp or 0,
        )
        for version in found
    }
    return View(versions, {alias: int(number) for alias, number in aliases.items()})


def model_folder(version: Version) -> Path:
    """Bring the sealed folder of a version to `build/models/<digest>` and check every byte of it.

    The files of KEPT_BACK do not travel on the branch: they may be absent. Raises Refusal when the files are not those
    that were registered, or a compaction removed them.
    """
    folder = BUILD / "models" / version.digest
    if version.files and (when := version.tags.get(REMOVED)):
        raise Refusal(f"the files of model version {version.number} were removed by the compaction of {when}")
    try:
        if folder.is_dir() and verify(folder, KEPT_BACK) == version.digest:
            lacking = [name for name in KEPT_BACK if not (folder / name).is_file()]
            if not any((embedded.inside(version.files) / name).is_file() for name in lacking):
                return folder
    except BundleError as error:
        log(f"{error}; it is fetched again")
    with writing_folder(folder) as fresh, tempfile.TemporaryDirectory() as temporary:
        logged = _here(version) if version.files else download(version, temporary)
        try:
            for name in [*read_manifest(logged), MANIFEST]:
                if Path(name).name != name:
                    raise BundleError(f"the manifest names {name}, which is no plain file name")
                if name not in KEPT_BACK or (logged / name).is_file():
                    shutil.copyfile(logged / name, fresh / name)
            found = verify(fresh, KEPT_BACK)
        except (BundleError, FileNotFoundError) as error:
            raise Refusal(f"model version {version.number} is damaged in the registry: {error}") from None
        if found != version.digest:
            raise Refusal(f"model version {version.number} is not the model that was registered: its digest differs")
    return folder


def _here(version: Version) -> Path:
    """Return where the embedded store keeps a version's files, fetched from the branch if they are only there."""
    folder = embedded.inside(version.files)
    if not (folder / MANIFEST).is_file():
        from train.travel.restoring import bring_files

        bring_files([version])
    return folder


def download(version: Version, folder: str) -> Path:
    """Fetch a version's files from the server into a folder; return where they lie."""
    with opened() as mlflow:
        return Path(mlflow.artifacts.download_artifacts(f"models:/{version.model_id}", dst_path=folder))


def register(config: Config, folder: Path, run: Run, version_tags: Mapping[str, str]) -> int:
    """Log a sealed folder and register it; return the version's number.

    The version is claimed by one call, after all its files are stored: whatever is interrupted before leaves none.
    """
    with opened() as mlflow:
        client = mlflow.MlflowClient()
        experiment_id = _experiment(client)
        with mlflow.start_run(experiment_id=experiment_id, log_system_metrics=False) as active:
            mlflow.set_tags(dict(run.tags))
            mlflow.log_params(dict(run.parameters))
            mlflow.log_metrics(dict(run.metrics))
            mlflow.log_input(data_set(run), context="training", tags={"sha256": run.data_digest})
            model_id = log_model(mlflow, folder)
    step("logged")
    told = dict(version_tags) | {ACTOR: ledger.actor(), RUN_URL: ledger.run_url()}
    with opened() as mlflow:
        version = mlflow.register_model(f"models:/{model_id}", config.model.name, tags=told)
    step("registered")
    log(f"run {active.info.run_id} registered as {config.model.name}, version {version.version}")
    return int(version.version)


def _experiment(client: Any) -> str:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is not None:
        return str(experiment.experiment_id)
    if not embedded.embedded():
        return str(client.create_experiment(EXPERIMENT))
    root = embedded.artifacts_uri()
    made = str(client.create_experiment(EXPERIMENT, artifact_location=f"{root}/{EXPERIMENT}"))
    embedded.rebase(STORE / embedded.DATABASE, root)  # MLflow's own default experiment would keep the caller's folder
    return made
