"""Where shipped files go: a folder, or a URL of fsspec."""

import os
from typing import Any

from serve.remembered.settings import is_local, local
from serve.stores import found


class StoreError(Exception):
    """The store failed: one sentence."""


class NoStore(Exception):
    """Nobody knows such a store, or the library for it is not here: one sentence."""


class Store:
    """A folder or URL that files are put into, each whole or not at all, again and again under the same name."""

    def __init__(self, name: str) -> None:
        self._name = name.rstrip("/")
        self._elsewhere: tuple[Any, str] | None = None

    def put(self, name: str, content: bytes) -> None:
        """Write a file. Raises StoreError, and NoStore."""
        try:
            if is_local(self._name):
                self._put_here(name, content)
            else:
                store, path = self._elsewhere = self._elsewhere or _found(self._name)
                # object stores show a file once it is whole; others may show a half one until the next try is through
                store.pipe_file(f"{path.rstrip('/')}/{name}", content)
        except NoStore:
            raise
        except Exception as error:  # each store has errors of its own
            raise StoreError(f"{self._name} does not take {name}: {type(error).__name__}: {error}") from error

    def _put_here(self, name: str, content: bytes) -> None:
        path = local(self._name) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.partial")  # a dot: readers of the folder pass it by
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)


def _found(name: str) -> tuple[Any, str]:
    try:
        return found(name)
    except (ImportError, ValueError) as error:
        raise NoStore(f"{name}: {error}") from None
