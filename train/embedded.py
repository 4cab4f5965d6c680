"""The embedded store: SQLite and artifacts below `.mlflow/`, without importing MLflow (stdlib only)."""

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from validation.script import ROOT, Refusal
from validation.steps import step

STORE = ROOT / ".mlflow"
DATABASE, ARTIFACTS = "mlflow.db", "artifacts"
EXPERIMENT = "gatehouse"
ARRIVED = "arrived"  # files that are whole, and wait to take their places
# The columns in which MLflow keeps absolute locations of artifacts
LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)


def uri() -> str:
    """Return the tracking URI of the embedded store; absolute, for MLflow keeps one store a URI."""
    return f"sqlite:///{STORE / DATABASE}"


def artifacts_uri() -> str:
    """Return the URI of the folder below which its artifacts lie."""
    return (STORE / ARTIFACTS).as_uri()


def embedded() -> bool:
    """Tell whether the embedded store is used, not a tracking server."""
    return os.environ.get("MLFLOW_TRACKING_URI") in (None, "", uri())  # MLflow sets the variable itself


def artifact_root(database: Path) -> str | None:
    """Return the URI below which a database says its artifacts lie; None when no experiment is in it yet."""
    with contextlib.closing(sqlite3.connect(database, timeout=20)) as connection:
        return root_of(connection)


def root_of(connection: sqlite3.Connection) -> str | None:
    """Return the same of an open database."""
    rows = connection.execute("SELECT artifact_location FROM experiments WHERE name = ?", (EXPERIMENT,)).fetchall()
    return str(rows[0][0]).removesuffix(f"/{EXPERIMENT}") if rows else None


def rebase(database: Path, new: str) -> None:
    """Let every artifact location of a database lie below the URI `new`; MLflow stores absolute ones only."""
    old = artifact_root(database)
    with contextlib.closing(sqlite3.connect(database, timeout=20)) as connection, connection:
        for table, column in LOCATIONS:
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",  # noqa: S608  names above
                (new, len(old or "") + 1, len(old or "") + 1, f"{old}/"),
            )
        connection.execute("UPDATE experiments SET artifact_location = ? WHERE name = 'Default'", (f"{new}/default",))


def follow_the_folder() -> None:
    """Let the database's locations follow the store to where it lies now, if the folder was moved."""
    if (STORE / DATABASE).is_file() and artifact_root(STORE / DATABASE) not in (None, artifacts_uri()):
        rebase(STORE / DATABASE, artifacts_uri())


def inside(files: str) -> Path:
    """Return the place of a version's files; a database or a view that names one outside the store is not believed."""
    path = (STORE / files).resolve()
    if not path.is_relative_to(STORE.resolve()):
        raise Refusal(f"the registry names {files}, which lies outside the store; restore it from where it was saved")
    return path


@contextlib.contextmanager
def arriving() -> Iterator[Path]:
    """Give an empty folder; when the block ends well its files take their places in the store, all or none."""
    settle()
    STORE.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".arriving.", dir=STORE))
    try:
        yield folder
        folder.rename(STORE / ARRIVED)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    step("arrived")
    settle()


def settle() -> None:
    """Put into their places the files that a process has let arrive, if it died before it had done so."""
    folder = STORE / ARRIVED
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.name == DATABASE:  # a journal that a killed writer left is about the database that goes
            (STORE / f"{DATABASE}-journal").unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):  # another process settles as well
            path.replace(STORE / path.name)
        step("placed")
    with contextlib.suppress(OSError):
        folder.rmdir()
