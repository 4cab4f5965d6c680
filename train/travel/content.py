"""What a saved store holds beside the files of its versions, and how it proves itself.

mlflow.db       a consistent snapshot, without the place where it was made; beside a server of champion and anchor alone
ledger.jsonl    what happened
aliases.json    which version each alias names, and its digest
store.json      whose store it is, of which model, by which MLflow
README.md       the same for people
manifest.json   the SHA-256 of each of these
"""

import contextlib
import json
import os
import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from serve.bundle import MANIFEST, BundleError, seal, verify
from train import embedded, tables
from train.embedded import DATABASE
from train.travel import copying, dashboard, ledger, rows
from train.travel.ledger import Line
from train.travel.origin import Origin
from train.view import View
from validation.contract import Config
from validation.script import OutsideError, Refusal, log, to_json

ALIASES, FACTS, README = "aliases.json", "store.json", "README.md"
CORE = (DATABASE, ledger.NAME, ALIASES, FACTS, README, MANIFEST)
NOWHERE = "file:///registry"  # stands for the place of the artifacts while the store travels
FORMAT = 1


@dataclass(frozen=True)
class Saved:
    """A saved store that was checked: its folder, its lines, and what store.json says."""

    folder: Path
    lines: Sequence[Line]
    facts: dict[str, Any]

    @property
    def database(self) -> Path | None:
        """The snapshot of the registry; None where a server keeps it and no version is the champion yet."""
        path = self.folder / DATABASE
        return path if path.is_file() else None

    @property
    def is_copy(self) -> bool:
        """Tell whether a server keeps the registry, and this is what may be read of it without a login."""
        return bool(self.facts["kept-by"] == "server")


def snapshot(source: Path, target: Path) -> None:
    """Copy a database as it is at one moment, whoever writes to it."""
    try:
        with contextlib.closing(sqlite3.connect(source, timeout=20)) as connection:
            connection.execute("VACUUM INTO ?", (str(target),))
    except sqlite3.Error as error:
        raise OutsideError(f"the registry's database {source.name} could not be copied: {error}") from None


def without_place(database: Path) -> None:
    """Take the place where it lies out of a database; what was rewritten must not linger in its free pages."""
    embedded.rebase(database, NOWHERE)
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("VACUUM")


def repository(origin: Origin | None) -> dict[str, str]:
    """Name the repository whose store this is: by the platform's id where it runs, and as owner/name."""
    name = os.environ.get("GITHUB_REPOSITORY") or (origin.name if origin else "")
    return {"id": os.environ.get("GITHUB_REPOSITORY_ID", ""), "name": name}


def is_foreign(facts: dict[str, Any], ours: dict[str, str]) -> bool:
    """Tell whether a store is another repository's: by id where both know theirs, else by name."""
    theirs = facts.get("repository", {})
    if theirs.get("id") and ours["id"]:
        return bool(theirs["id"] != ours["id"])
    return bool(theirs.get("name", "").casefold() != ours["name"].casefold())


def pack(folder: Path, config: Config, view: View, lines: Sequence[Line], whose: dict[str, str]) -> None:
    """Add what a saved store holds beside its database to a folder, and seal it."""
    ledger.write(folder / ledger.NAME, lines)
    named = {
        alias: {"version": number, "model": view.version(number).digest if number in view.versions else ""}
        for alias, number in view.aliases.items()
    }
    (folder / ALIASES).write_text(to_json(named), encoding="utf-8")
    facts = {
        "format": FORMAT,
        "kept-by": "folder" if embedded.embedded() else "server",
        "ledger": {"lines": len(lines), "head": ledger.head(lines)},
        "mlflow": version_of("mlflow"),
        "model": config.model.name,
        "repository": whose,
    }
    (folder / FACTS).write_text(to_json(facts), encoding="utf-8")
    (folder / README).write_text(dashboard.page(config, view, lines, folder / DATABASE), encoding="utf-8")
    seal(folder)


def check(folder: Path, config: Config, what: str) -> Saved:
    """Check a saved store byte by byte and line by line.

    Raises Refusal that names what is damaged, or says that it is of another model or a newer format.
    """
    try:
        verify(folder)
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        form, model, told = facts["format"], facts["model"], facts["ledger"]
        if facts["kept-by"] == "folder" and not (folder / DATABASE).is_file():
            raise BundleError(f"{DATABASE} is missing")
    except (BundleError, OSError, ValueError, KeyError, TypeError) as error:
        said = str(error).replace(f"{folder}: ", "").replace(f"{folder}/", "")
        raise Refusal(f"{what} is damaged: {said}") from None
    if form != FORMAT:
        raise Refusal(f"{what} is of format {form}, this code reads format {FORMAT}; update one of them")
    if model != config.model.name:
        raise Refusal(f"{what} holds the model {model!r}, config.py names {config.model.name!r}")
    lines = ledger.read(folder / ledger.NAME)
    if (told["lines"], told["head"]) != (len(lines), ledger.head(lines)):
        raise Refusal(
            f"{what} is damaged: {FACTS} tells of {told['lines']} lines of the ledger, which has {len(lines)}"
        )
    saved = Saved(folder, lines, facts)
    if saved.database:
        with rows.opened(saved.database) as connection:
            if rows.unfollowed(connection, model, lines) and rows.read_view(connection, model).versions:
                raise Refusal(f"{what} is damaged: {DATABASE} has not followed the ledger to its end")
    return saved


def fetch(origin: Origin, commit: str, folder: Path, config: Config) -> Saved | None:
    """Bring what a commit of the branch holds beside the versions' files, checked; None for another repository's.

    A database of an older MLflow is upgraded.
    """
    what = f"the branch {origin.branch}"
    there = origin.files(commit)
    for name in (FACTS, MANIFEST):
        if name not in there:
            raise Refusal(f"{what} lacks {name}; it was truncated, or is no registry of ours")
    origin.bring(commit, [name for name in CORE if name in there], folder)
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except ValueError:
        raise Refusal(f"{what} is damaged: {FACTS} is no JSON") from None
    ours = repository(origin)
    if is_foreign(facts, ours):
        log(f"{what} is the store of {facts['repository'].get('name') or 'another repository'}, not of {ours['name']}")
        return None
    saved = check(folder, config, what)
    if saved.database:
        tables.upgraded(saved.database, what)
    return saved


def install(saved: Saved, commit: str, others: Path | None = None) -> None:
    """Let a checked store take the place of the one here, whole; runs of another database are kept beside it."""
    with embedded.arriving() as fresh:
        if saved.database and embedded.embedded():
            shutil.copyfile(saved.database, fresh / DATABASE)
            embedded.rebase(fresh / DATABASE, embedded.artifacts_uri())
            if others:
                copying.keep_runs(others, fresh / DATABASE)
        ledger.write(fresh / ledger.NAME, saved.lines)
        remember(fresh / BASE, commit, saved.lines, saved.is_copy)


BASE = "base.json"  # of the store here: what the branch held when it was restored or saved


def remember(path: Path, commit: str, lines: Sequence[Line], copy: bool = False) -> None:
    """Write down which commit of the branch a store comes from, its ledger's head, and whether it is a copy."""
    known = {"commit": commit, "lines": len(lines), "head": ledger.head(lines), "copy": copy}
    path.write_text(to_json(known), encoding="utf-8")


def base() -> dict[str, Any]:
    """Read which commit of the branch the store here comes from; nothing where it comes from none."""
    none: dict[str, Any] = {"commit": "", "lines": 0, "head": ledger.START, "copy": False}
    try:
        known: dict[str, Any] = json.loads((embedded.STORE / BASE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return none
    except ValueError:
        raise Refusal(f".mlflow/{BASE} is no JSON; restore the store with --replace") from None
    return none | known
