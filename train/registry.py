"""The one door to MLflow: versions, aliases, tags, and the sealed folder of each version.

`MLFLOW_TRACKING_URI` unset: the embedded store, SQLite and artifacts under `.mlflow/` of the working tree. Set: that
server. Reading the embedded store does not import MLflow (three seconds) while `view.json` beside the database was made
from the very same bytes.
"""

import contextlib
import dataclasses
import os
import shutil
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from serve.bundle import MANIFEST, BundleError, read_manifest, verify
from train import embedded, server
from train.embedded import EXPERIMENT, STORE
from train.logged import data_set, log_model
from train.view import Run, Version, View
from validation.contract import Config
from validation.script import BUILD, OutsideError, Refusal, log, writing_folder

DIGEST, FINGERPRINT = "model-digest", "fingerprint"  # tags of a version


@contextlib.contextmanager
def _mlflow() -> Iterator[Any]:
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
        if embedded.embedded():
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
    """Look at the registry."""
    if not embedded.embedded():
        return _ask(config)
    if not (STORE / embedded.DATABASE).is_file():
        return View({}, {})
    before = embedded.state(config.model.name)
    kept = embedded.kept_view(config.model.name)
    if kept is not None:
        with contextlib.suppress(TypeError, KeyError, ValueError, AttributeError):  # made by another version of us
            return View(
                {int(number): Version(**fields) for number, fields in kept["versions"].items()}, kept["aliases"]
            )
    found = _ask(config)
    if embedded.state(config.model.name) == before:  # else somebody wrote meanwhile: true once, not to be kept
        versions = {str(number): dataclasses.asdict(version) for number, version in found.versions.items()}
        embedded.keep_view({"versions": versions, "aliases": dict(found.aliases)}, before)
    return found


def _ask(config: Config) -> View:
    with _mlflow() as mlflow:
        client = mlflow.MlflowClient()
        name = config.model.name
        # A version that somebody registered by other means has no digest of ours: nothing here can judge it
        found = [one for one in client.search_model_versions(f"name = '{name}'") if one.tags.get(DIGEST)]
        aliases = dict(client.get_registered_model(name).aliases) if found else {}
        places = {version.source: _place(client, version.source) for version in found}
    versions = {
        int(version.version): Version(
            number=int(version.version),
            digest=version.tags.get(DIGEST, ""),
            fingerprint=version.tags.get(FINGERPRINT, ""),
            run_id=version.run_id or "",
            model_id=version.source.removeprefix("models:/"),
            files=places[version.source],
            tags=dict(version.tags),
        )
        for version in found
    }
    return View(versions, {alias: int(number) for alias, number in aliases.items()})


def _place(client: Any, source: str) -> str:
    """Return where the embedded store keeps a logged model, relative to the store."""
    if not embedded.embedded():
        return ""
    location = client.get_logged_model(source.removeprefix("models:/")).artifact_location
    return str(location).replace(embedded.artifacts_uri(), embedded.ARTIFACTS, 1)


def model_folder(version: Version) -> Path:
    """Bring the sealed folder of a version to `build/models/<digest>` and check every byte of it.

    Raises Refusal when the files are not those that were registered.
    """
    folder = BUILD / "models" / version.digest
    try:
        if folder.is_dir() and verify(folder) == version.digest:
            return folder
    except BundleError as error:
        log(f"{error}; it is fetched again")
    with writing_folder(folder) as fresh, tempfile.TemporaryDirectory() as temporary:
        logged = embedded.inside(version.files) if version.files else _download(version, temporary)
        try:
            for name in [*read_manifest(logged), MANIFEST]:
                if Path(name).name != name:
                    raise BundleError(f"the manifest names {name}, which is no plain file name")
                shutil.copyfile(logged / name, fresh / name)
            found = verify(fresh)
        except (BundleError, FileNotFoundError) as error:
            raise Refusal(f"model version {version.number} is damaged in the registry: {error}") from None
        if found != version.digest:
            raise Refusal(f"model version {version.number} is not the model that was registered: its digest differs")
    return folder


def _download(version: Version, folder: str) -> Path:
    with _mlflow() as mlflow:
        return Path(mlflow.artifacts.download_artifacts(f"models:/{version.model_id}", dst_path=folder))


def register(config: Config, folder: Path, run: Run, version_tags: Mapping[str, str]) -> int:
    """Log a sealed folder and register it; return the version's number.

    The version is claimed by one call, after all its files are stored: whatever is interrupted before leaves none.
    """
    with _mlflow() as mlflow:
        client = mlflow.MlflowClient()
        experiment_id = _experiment(client)
        with mlflow.start_run(experiment_id=experiment_id, log_system_metrics=False) as active:
            mlflow.set_tags(dict(run.tags))
            mlflow.log_params(dict(run.parameters))
            mlflow.log_metrics(dict(run.metrics))
            mlflow.log_input(data_set(run), context="training", tags={"sha256": run.data_digest})
            model_id = log_model(mlflow, folder)
            version = mlflow.register_model(f"models:/{model_id}", config.model.name, tags=dict(version_tags))
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


def keep_report(version: Version, files: Mapping[str, Path]) -> None:
    """Store files beside the sealed ones of a version, below `report/`, under the names given."""
    with _mlflow() as mlflow, tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "report"
        folder.mkdir()
        for name, path in files.items():
            shutil.copyfile(path, folder / name)
        mlflow.MlflowClient().log_model_artifacts(version.model_id, temporary)


def set_alias(config: Config, alias: str, number: int, tags: Mapping[str, str] | None = None) -> None:
    """Set tags of a version, then let the alias name it."""
    with _mlflow() as mlflow:
        client = mlflow.MlflowClient()
        for tag, value in (tags or {}).items():
            client.set_model_version_tag(config.model.name, str(number), tag, value)
        client.set_registered_model_alias(config.model.name, alias, str(number))
    view(config)  # kept while MLflow is at hand
