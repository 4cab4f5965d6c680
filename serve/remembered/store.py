"""Where shipped files go: a folder, or a URL of fsspec."""

import os
from typing import Any

from serve.remembered.settings import is_local, local


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
    """Find the file system of a URL: fsspec's, or Arrow's own of S3, GCS and Azure where fsspec's is not installed."""
    from fsspec.core import url_to_fs

    try:
        found: tuple[Any, str] = url_to_fs(name)
    except ValueError as error:
        raise NoStore(f"{name}: {error}") from None
    except ImportError as lacking:
        from fsspec.implementations.arrow import ArrowFSWrapper
        from pyarrow.fs import FileSystem

        try:
            inner, path = FileSystem.from_uri(name)
        except ValueError:  # not one of Arrow's
            raise NoStore(f"{name}: {lacking}") from None
        found = ArrowFSWrapper(inner), path
    return found
