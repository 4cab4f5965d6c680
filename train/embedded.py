"""The embedded store: SQLite and artifacts below `.mlflow/`, without importing MLflow (stdlib only)."""

import contextlib
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

from validation.script import ROOT, Refusal, digest, to_json, writing

STORE = ROOT / ".mlflow"
DATABASE, ARTIFACTS, VIEW = "mlflow.db", "artifacts", "view.json"
EXPERIMENT = "gatehouse"
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


def kept_view(model: str) -> dict[str, Any] | None:
    """Return the view that was made from the very bytes of the database as it is; None when there is none."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        content: dict[str, Any] = json.loads((STORE / VIEW).read_text())
        if content["of"] == state(model):
            return content
    return None


def keep_view(content: dict[str, Any], of: str) -> None:
    """Keep a view beside the database, with the state that it was made from."""
    with writing(STORE / VIEW) as file:
        file.write(to_json(content | {"of": of}))


def inside(files: str) -> Path:
    """Return the place of a version's files; a database or a view that names one outside the store is not believed."""
    path = (STORE / files).resolve()
    if not path.is_relative_to(STORE.resolve()):
        raise Refusal(f"the registry names {files}, which lies outside the store; restore it from where it was saved")
    return path


def state(model: str) -> str:
    """Name the state of the database by its bytes."""
    return f"{digest((STORE / DATABASE).read_bytes())} {model}"
