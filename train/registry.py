"""The one door to MLflow: versions, aliases, tags, and the sealed folder of each version.

`MLFLOW_TRACKING_URI` unset: the embedded store, SQLite and artifacts under `.mlflow/` of the working tree. Set: that
server. Reading the embedded store does not import MLflow, which takes three seconds: its rows are read as they are.

What happens to a version is written into the ledger first, and the registry follows it: `view` and `follow` apply the
lines that are new.
"""

import contextlib
import os
import shutil
import sqlite3
import tempfile
import uuid
import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from serve.bundle import KEPT_BACK, MANIFEST, BundleError, read_manifest, verify
from train import embedded
from train.embedded import EXPERIMENT, STORE
from train.logged import data_set, log_model
from train.travel import book, ledger, rows
from train.travel.effects import MARK, REMOVED, effects_of
from train.travel.ledger import REGISTRATION, Line
from train.view import DIGEST, FINGERPRINT, Run, Version, View
from validation.contract import Config
from validation.script import BUILD, OutsideError, Refusal, log, writing_folder
from validation.steps import step

ACTOR, RUN_URL = "registered-by", "run-url"  # tags of a version: who and where, for its line in the ledger


@contextlib.contextmanager
def _mlflow() -> Iterator[Any]:
    """Open MLflow; its failures become sentences.

    Raises OutsideError when the store or server fails.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    # Where the script lies on this machine is nobody's business
    os.environ["MLFLOW_RUN_CONTEXT"] = '{"mlflow.source.name": "python -m train.fit"}'
    warnings.filterwarnings("ignore", module="mlflow")
    import logging

    import mlflow
    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException
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
    except (MlflowException, CommandError, SQLAlchemyError, sqlite3.Error) as error:
        where = "the embedded store .mlflow/" if embedded.embedded() else "the tracking server (MLFLOW_TRACKING_URI)"
        first = str(error).strip().splitlines()[0]
        raise OutsideError(f"{where} failed: {first}") from error


def view(config: Config) -> View:
    """Look at the registry, after it has followed the ledger."""
    if not embedded.embedded():
        return _ask(config)
    embedded.settle()
    if not (STORE / embedded.DATABASE).is_file():
        return View({}, {})
    with rows.opened(STORE / embedded.DATABASE) as connection:
        rows.follow(connection, config.model.name, book.lines())
        return rows.read_view(connection, config.model.name)


def follow(config: Config) -> View:
    """Give every version its line in the ledger, let the registry follow all lines, and look at it.

    A version's registration is claimed before its line is written: who dies between leaves a version without a line,
    and its tags say all that the line does.
    """
    seen = view(config)
    have = {line.facts.get("model_id") for line in book.lines() if line.event == REGISTRATION}
    new = [_registration(version) for version in seen.versions.values() if version.model_id not in have]
    book.note_all(new)
    if not embedded.embedded():
        _follow_on_server(config)
    return view(config)


def _registration(version: Version, again: str = "") -> Line:
    """Make the line of a version's registration from its tags; it has one id, whoever makes it."""
    moment = datetime.fromtimestamp(version.created / 1000, UTC).isoformat(timespec="milliseconds")
    facts = {"version": version.number, "model": version.digest, "model_id": version.model_id, "run": version.run_id}
    kept = {name: version.tags.get(name, "") for name in ("data-digest", "lock-digest", "test-part", FINGERPRINT)}
    known = {
        "id": again or f"registration-{version.model_id}",
        "time": ledger.now() if again else moment,
        "actor": ledger.actor() if again else version.tags.get(ACTOR, "unknown"),
        "commit": ledger.commit() if again else version.tags.get("commit", "unknown"),
        "run_url": ledger.run_url() if again else version.tags.get(RUN_URL, ""),
    }
    return ledger.new(REGISTRATION, facts | kept | ({"again": True} if again else {}), **known)


def challenge(config: Config, number: int) -> None:
    """Let an earlier version be the challenger again."""
    version = view(config).version(number)
    book.note_all([_registration(version, again=uuid.uuid4().hex)])
    follow(config)


def _follow_on_server(config: Config) -> None:
    """Apply the lines that the server has yet to follow; every effect sets a value, so twice is once."""
    name = config.model.name
    with _mlflow() as mlflow:
        client = mlflow.MlflowClient()
        lines = book.lines()
        mark = client.get_registered_model(name).tags.get(MARK) if lines else None
        for line in lines[next((place for place, line in enumerate(lines, 1) if line.hash == mark), 0) :]:
            effects = effects_of(line)
            for version, tags in effects.tags.items():
                for key, value in tags.items():
                    client.set_model_version_tag(name, str(version), key, value)
            for alias, version in effects.aliases.items():
                client.set_registered_model_alias(name, alias, str(version))
        if lines and mark != ledger.head(lines):
            client.set_registered_model_tag(name, MARK, ledger.head(lines))


def _ask(config: Config) -> View:
    with _mlflow() as mlflow:
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
    try:
        if folder.is_dir() and verify(folder, KEPT_BACK) == version.digest:
            lacking = [name for name in KEPT_BACK if not (folder / name).is_file()]
            if not any((embedded.inside(version.files) / name).is_file() for name in lacking):
                return folder
    except BundleError as error:
        log(f"{error}; it is fetched again")
    with writing_folder(folder) as fresh, tempfile.TemporaryDirectory() as temporary:
        logged = _here(version) if version.files else _download(version, temporary)
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
    if when := version.tags.get(REMOVED):
        raise Refusal(f"the files of model version {version.number} were removed by the compaction of {when}")
    folder = embedded.inside(version.files)
    if not (folder / MANIFEST).is_file():
        from train.travel.restoring import bring_files

        bring_files([version])
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
            step("logged")
            told = dict(version_tags) | {ACTOR: ledger.actor(), RUN_URL: ledger.run_url()}
            version = mlflow.register_model(f"models:/{model_id}", config.model.name, tags=told)
            step("registered")
            log(f"run {active.info.run_id} registered as {config.model.name}, version {version.version}")
    follow(config)
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
    if version.files:
        with writing_folder(embedded.inside(version.files) / "report") as fresh:
            for name, path in files.items():
                shutil.copyfile(path, fresh / name)
        return
    with _mlflow() as mlflow, tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "report"
        folder.mkdir()
        for name, path in files.items():
            shutil.copyfile(path, folder / name)
        mlflow.MlflowClient().log_model_artifacts(version.model_id, temporary)


def complete(version: Version, folder: Path) -> None:
    """Put back, from a sealed folder of the same digest, the files of a version that do not travel on the branch."""
    with writing_folder(BUILD / "models" / version.digest) as fresh:
        shutil.copytree(folder, fresh, dirs_exist_ok=True)
    for name in KEPT_BACK if version.files else ():
        target = embedded.inside(version.files) / name
        shutil.copyfile(folder / name, target.with_name(f".{name}.coming"))
        target.with_name(f".{name}.coming").replace(target)


def run_facts(version: Version) -> list[tuple[str, str]]:
    """Return parameters, metrics and tags of the run that made a version, by name."""
    if embedded.embedded():
        with rows.opened(STORE / embedded.DATABASE) as connection:
            return rows.run_facts(connection, version.run_id)
    with _mlflow() as mlflow:
        told = mlflow.MlflowClient().get_run(version.run_id).data
    kinds = (("parameter", told.params), ("metric", told.metrics), ("tag", told.tags))
    return [(f"{kind} {name}", str(value)) for kind, found in kinds for name, value in sorted(found.items())]


def upgrade(database: Path) -> None:
    """Bring a copy of a database to the tables of the MLflow that is installed.

    Raises Refusal when it was written by a newer one.
    """
    from mlflow.store.db.utils import _upgrade_db
    from sqlalchemy import create_engine

    engine = create_engine(f"sqlite:///{database}")
    try:
        _upgrade_db(engine)
    except Exception as error:  # alembic raises whatever it meets
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise Refusal(f"the registry's database cannot be upgraded ({first}); is the lock older than it?") from None
    finally:
        engine.dispose()
