"""A file on this machine, or at a URL that fsspec knows."""

import contextlib
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serve.bulk.errors import InputError, OutsideError
from serve.stores import found


@dataclass(frozen=True)
class Place:
    """Where a file lies: a path, or a URL."""

    name: str

    def __str__(self) -> str:
        """Return the name as it was given."""
        return self.name

    @property
    def is_url(self) -> bool:
        """Does it lie elsewhere?"""
        return "://" in self.name and not self.name.startswith("file://")

    @property
    def path(self) -> Path:
        """The path of a file on this machine."""
        return Path(self.name.removeprefix("file://"))

    @property
    def suffix(self) -> str:
        """What kind of file it is, by its name."""
        return Path(self.name.partition("?")[0]).suffix.lower()

    def beside(self, word: str) -> "Place":
        """Name a file beside it: OUTPUT.WORD.KIND, what follows a question mark kept."""
        path, mark, asked = self.name.partition("?")
        stem, _, kind = path.rpartition(".")
        return Place(f"{stem}.{word}.{kind}{mark}{asked}")

    @contextlib.contextmanager
    def opened(self) -> Iterator[Any]:
        """Open the file to read its bytes.

        Raises InputError when there is none, OutsideError when the store behind a URL fails.
        """
        with contextlib.ExitStack() as stack:
            if self.is_url:
                with self._answering():
                    file = stack.enter_context(self._store()[0].open(self._store()[1], "rb"))
            else:
                try:
                    file = stack.enter_context(self.path.open("rb"))
                except (FileNotFoundError, IsADirectoryError):
                    raise InputError(f"{self} is no file; name one that exists") from None
            yield file

    def identity(self) -> list[str | int]:
        """Tell whether the file is still the same one, without reading it.

        Raises InputError when there is none, OutsideError when the store behind a URL fails.
        """
        if self.is_url:
            with self._answering():
                store, path = self._store()
                return [self.name, str(store.ukey(path))]
        try:
            known = self.path.stat()
        except FileNotFoundError:
            raise InputError(f"{self} is no file; name one that exists") from None
        return [str(self.path.resolve()), known.st_size, known.st_mtime_ns]

    def receive(self, local: Path) -> None:
        """Put a whole file here, under its name only once all of it is there; the local one is gone then.

        Raises OutsideError when the store behind a URL fails.
        """
        if not self.is_url:
            local.replace(self.path)
            return
        with self._answering():
            store, path = self._store()
            store.put_file(os.fspath(local), f"{path}.partial")
            store.mv(f"{path}.partial", path)
        local.unlink()

    def _store(self) -> tuple[Any, str]:
        if importlib.util.find_spec("fsspec") is None:
            raise InputError(f"{self} is a URL, and fsspec is not installed; install it, or name a file")
        return found(self.name)

    @contextlib.contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (InputError, KeyboardInterrupt):
            raise
        except FileNotFoundError:
            raise InputError(f"{self} is no file; name one that exists") from None
        except (ImportError, ValueError) as error:  # no library for this scheme, or no such scheme
            raise InputError(f"{self}: {error}") from None
        except Exception as error:  # each store has errors of its own
            raise OutsideError(f"{self} does not answer: {type(error).__name__}: {error}") from error
