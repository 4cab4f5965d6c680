"""Carry the embedded registry between jobs and machines: a folder that proves itself.

Usage: python -m train.store save --to FOLDER
       python -m train.store restore --from FOLDER [--replace]

Reads   `.mlflow/`, or the folder.
Writes  the folder, or `.mlflow/`; whole or not at all.
Prints  what it holds.
Exits   0 done, 2 used or set up wrongly (a damaged folder, a store in the way), 3 the outside failed.

The folder holds a consistent snapshot of the database, without the place where it was made, and the files of every
registered version. With MLFLOW_TRACKING_URI set there is nothing to carry: the server keeps it.
"""

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from serve.bundle import MANIFEST, BundleError, seal, verify
from train import embedded, registry
from train.embedded import ARTIFACTS, DATABASE, STORE, VIEW
from validation import contract
from validation.contract import Config
from validation.script import OutsideError, Refusal, door, parser, replaceable, result, to_json, writing_folder

NOWHERE = "file:///registry"  # stands for the place of the artifacts while the store travels
FACTS = "store.json"


def save(config: Config, folder: Path) -> str:
    """Write the store to a folder, sealed; return what it holds, in words."""
    server = not embedded.embedded()
    view = registry.view(config)
    replaceable(folder)
    with writing_folder(folder) as fresh:
        if not server:
            before = embedded.state(config.model.name) if (STORE / DATABASE).is_file() else ""
            _snapshot(fresh / DATABASE)
            for version in view.versions.values():
                shutil.copytree(embedded.inside(version.files), fresh / version.files)
            content = embedded.kept_view(config.model.name)
            if content is None or content["of"] != before:
                raise OutsideError("the store was written to while it was saved; save it again")
            (fresh / VIEW).write_text(to_json(content))
        (fresh / FACTS).write_text(to_json({"kept-by": "server" if server else "folder", "model": config.model.name}))
        seal(fresh)
    return _words(len(view.versions), server)


def _snapshot(target: Path) -> None:
    """Copy the database as it is at one moment, whoever writes to it, and take the place out of it."""
    source = STORE / DATABASE
    if not source.is_file():
        raise Refusal("there is no store in .mlflow/ to save; `make fit` begins one")
    with contextlib.closing(sqlite3.connect(source, timeout=20)) as connection:
        connection.execute("VACUUM INTO ?", (str(target),))
    embedded.rebase(target, NOWHERE)
    with contextlib.closing(sqlite3.connect(target)) as connection:
        connection.execute("VACUUM")  # what was rewritten must not linger in free pages


def restore(config: Config, folder: Path, replace: bool) -> str:
    """Check a saved folder and put it in the place of the store; return what it holds, in words.

    Raises Refusal when the folder is missing, damaged or of another model, or a store is in the way.
    """
    if not folder.is_dir():
        raise Refusal(f"{folder} does not exist; `python -m train.store save --to {folder}` makes it")
    try:
        verify(folder)
        facts = json.loads((folder / FACTS).read_text())
        server = facts["kept-by"] == "server"
    except (BundleError, OSError, ValueError, KeyError) as error:
        raise Refusal(f"the saved store is damaged: {error}") from None
    if facts["model"] != config.model.name:
        raise Refusal(f"{folder} holds the model {facts['model']!r}, config.py names {config.model.name!r}")
    if server or not embedded.embedded():
        return _words(0, True)
    if STORE.exists() and not replace:
        raise Refusal(".mlflow/ holds a store already; move it away, or give --replace")
    content = json.loads((folder / VIEW).read_text())
    with writing_folder(STORE) as fresh:
        shutil.copytree(folder, fresh, dirs_exist_ok=True)
        for name in (MANIFEST, FACTS, VIEW):
            (fresh / name).unlink()
        (fresh / ARTIFACTS).mkdir(exist_ok=True)
        embedded.rebase(fresh / DATABASE, embedded.artifacts_uri())
    embedded.keep_view(content, embedded.state(config.model.name))
    return _words(len(content["versions"]), False)


def _words(versions: int, server: bool) -> str:
    return "the tracking server keeps the registry; nothing to carry" if server else f"{versions} version(s)"


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    manual = parser(__doc__)
    commands = manual.add_subparsers(dest="command", required=True)
    saving = commands.add_parser("save", help="write the store to a folder")
    saving.add_argument("--to", type=Path, required=True, help="the folder; replaced if it exists")
    restoring = commands.add_parser("restore", help="read the store from a folder")
    restoring.add_argument("--from", dest="source", type=Path, required=True, help="the folder")
    restoring.add_argument("--replace", action="store_true", help="take the place of a store that is there")
    options = manual.parse_args(argv)
    config = contract.load()
    if options.command == "save":
        result(f"saved: {save(config, options.to)}")
    else:
        result(f"restored: {restore(config, options.source, options.replace)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
