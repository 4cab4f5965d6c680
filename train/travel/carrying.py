"""Carry the store between the jobs of one run as a folder that proves itself."""

import shutil
from pathlib import Path

from train import embedded, following, registry, tables
from train.embedded import ARTIFACTS, DATABASE, STORE
from train.travel import book, content
from train.travel.content import BASE, CORE
from validation.contract import Config
from validation.script import Refusal, replaceable, writing_folder


def save(config: Config, folder: Path) -> str:
    """Write the store here to a folder, with the files of versions that are here; return what it holds, in words."""
    replaceable(folder)
    view = following.follow(config)
    local = embedded.embedded()
    if local and not (STORE / DATABASE).is_file():
        raise Refusal("there is no store in .mlflow/ to save; `make fit` begins one")
    with writing_folder(folder) as fresh:
        if local:
            content.snapshot(STORE / DATABASE, fresh / DATABASE)
            content.without_place(fresh / DATABASE)
            for version in view.versions.values():
                if (here := embedded.inside(version.files)).is_dir():
                    shutil.copytree(here, fresh / version.files)
        if (STORE / BASE).is_file():
            shutil.copyfile(STORE / BASE, fresh / BASE)
        content.pack(fresh, config, view, book.lines(), content.repository(None))
    return _words(len(view.versions), local)


def restore(config: Config, folder: Path, replace: bool) -> str:
    """Check a saved folder and put it in the place of the store; return what it holds, in words.

    Raises Refusal when the folder is missing, damaged or of another model, or a store is in the way.
    """
    if not folder.is_dir():
        raise Refusal(f"{folder} does not exist; `python -m train.store save --to {folder}` makes it")
    saved = content.check(folder, config, "the saved store")
    local = embedded.embedded()
    if (saved.database is None) is local:
        raise Refusal("the store was saved beside a tracking server, or is restored beside one; set both alike")
    if STORE.exists() and not replace:
        raise Refusal(".mlflow/ holds a store already; move it away, or give --replace")
    with writing_folder(STORE) as fresh:
        shutil.copytree(folder, fresh, dirs_exist_ok=True)
        for name in set(CORE) - {DATABASE, book.BOOK.name}:
            (fresh / name).unlink()
        if local:
            (fresh / ARTIFACTS).mkdir(exist_ok=True)
            embedded.rebase(fresh / DATABASE, embedded.artifacts_uri())
            tables.upgraded(fresh / DATABASE, "the saved store")
    return _words(len(registry.view(config).versions), local)


def _words(versions: int, local: bool) -> str:
    return f"{versions} version(s)" if local else "the ledger; the tracking server keeps the registry"
