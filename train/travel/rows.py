"""The rows of MLflow's database that our registry lives in, read and written by SQL (stdlib only).

MLflow's own client takes three seconds to import, gives each copied run a new id, and moves tags and aliases one by
one. Here all effects of a line of the ledger are one transaction, and a version is copied with the ids it has.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from train import embedded
from train.travel.effects import MARK, effects_of
from train.travel.ledger import Line, head
from train.view import DIGEST, FINGERPRINT, Version, View
from validation.script import OutsideError, Refusal

SOURCE = "models:/"  # what a version's source begins with; the model's id follows
DELETED = "Deleted_Internal"  # the stage of a version that MLflow deleted: its row stays, so that no number comes twice


@contextlib.contextmanager
def opened(database: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for one transaction; its failures become sentences."""
    try:
        with contextlib.closing(sqlite3.connect(database, timeout=20)) as connection, connection:
            yield connection
    except sqlite3.Error as error:
        raise OutsideError(f"the registry's database {database.name} failed: {error}") from None


def read_view(connection: sqlite3.Connection, model: str) -> View:
    """Look at the versions and aliases of a model; a version without a digest of ours nothing here can judge."""
    tags: dict[int, dict[str, str]] = {}
    for version, key, value in connection.execute(
        "SELECT version, key, value FROM model_version_tags WHERE name = ?", (model,)
    ):
        tags.setdefault(version, {})[key] = value
    root = embedded.root_of(connection) or ""
    places = dict(connection.execute("SELECT model_id, artifact_location FROM logged_models").fetchall())
    versions = {}
    for number, source, run, created in connection.execute(
        "SELECT version, source, run_id, creation_time FROM model_versions"
        " WHERE name = ? AND current_stage <> ? ORDER BY version",
        (model, DELETED),
    ):
        own, model_id = tags.get(number, {}), str(source).removeprefix(SOURCE)
        if own.get(DIGEST):
            files = str(places.get(model_id, "")).replace(root, embedded.ARTIFACTS, 1)
            known = (own[DIGEST], own.get(FINGERPRINT, ""), run or "", model_id)
            versions[number] = Version(number, *known, files, own, created or 0)
    aliases = connection.execute("SELECT alias, version FROM registered_model_aliases WHERE name = ?", (model,))
    return View(versions, {alias: version for alias, version in aliases if version in versions})


def run_facts(connection: sqlite3.Connection, run: str) -> list[tuple[str, str]]:
    """Return parameters, metrics and tags of a run, by name."""
    found = []
    for kind, table in (("parameter", "params"), ("metric", "latest_metrics"), ("tag", "tags")):
        asked = f"SELECT key, value FROM {table} WHERE run_uuid = ? ORDER BY key"  # noqa: S608  words of this module
        found += [(f"{kind} {key}", str(value)) for key, value in connection.execute(asked, (run,))]
    return found


def followed(connection: sqlite3.Connection, model: str) -> str | None:
    """Return the hash of the last line that the registry has followed; None where it has not followed any."""
    found = connection.execute("SELECT value FROM registered_model_tags WHERE name = ? AND key = ?", (model, MARK))
    return next((str(row[0]) for row in found), None)


def unfollowed(connection: sqlite3.Connection, model: str, lines: Sequence[Line]) -> list[Line]:
    """Return the lines that the registry has yet to follow.

    Raises Refusal when it followed one that is not in the ledger: one of the two was rewritten.
    """
    mark = followed(connection, model)
    if mark is None:
        return list(lines)
    for place, line in enumerate(lines):
        if line.hash == mark:
            return list(lines[place + 1 :])
    raise Refusal(
        f"the registry has followed the line {mark[:12]} that the ledger of {len(lines)} line(s) does not hold:"
        " one of them was rewritten; restore both from the branch"
    )


def follow(connection: sqlite3.Connection, model: str, lines: Sequence[Line]) -> None:
    """Apply the effects of the lines that the registry has yet to follow, all in this transaction."""
    new = unfollowed(connection, model, lines)
    if not new or not exists(connection, "registered_models", "name = ?", model):
        return
    put, five, four = "INSERT OR REPLACE INTO", "VALUES (?, ?, ?, ?, ?)", "VALUES (?, ?, ?, ?)"
    [workspace] = connection.execute("SELECT workspace FROM registered_models WHERE name = ?", (model,)).fetchone()
    for line in new:
        effects = effects_of(line)
        named: tuple[object, ...]
        for version in [*effects.tags, *effects.aliases.values()]:
            if not exists(connection, "model_versions", "name = ? AND version = ?", model, version):
                raise Refusal(f"line {line.number} of the ledger is about version {version}, which the registry lacks")
        for version, tags in effects.tags.items():
            for key, value in tags.items():
                named = (key, value, model, version, workspace)
                connection.execute(f"{put} model_version_tags (key, value, name, version, workspace) {five}", named)
        for alias, version in effects.aliases.items():
            named = (alias, version, model, workspace)
            connection.execute(f"{put} registered_model_aliases (alias, version, name, workspace) {four}", named)
    mark = (MARK, head(lines), model, workspace)
    connection.execute(f"{put} registered_model_tags (key, value, name, workspace) {four}", mark)


def exists(connection: sqlite3.Connection, table: str, where: str, *values: object) -> bool:
    """Tell whether a table has such a row."""
    found = connection.execute(f"SELECT 1 FROM {table} WHERE {where}", values)  # noqa: S608  words of this module
    return found.fetchone() is not None


def forget(connection: sqlite3.Connection, model: str) -> None:
    """Let the registry follow its ledger from the first line again: its lines have got new places."""
    connection.execute("DELETE FROM registered_model_tags WHERE name = ? AND key = ?", (model, MARK))
