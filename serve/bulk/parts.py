"""The parts of a job, each whole on disk or not there, so that a killed run goes on where it was."""

import contextlib
import datetime
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc

from serve.bulk.errors import InputError

JOB = "job.json"
LOCK = "lock"


@dataclass(frozen=True)
class Parts:
    """The parts of one job, in a folder of their own; `begun` is when its first run began."""

    folder: Path
    begun: datetime.datetime

    def has(self, number: int) -> bool:
        """Is the part whole on disk?"""
        return self._path(number).exists()

    def keep(self, number: int, scored: pa.Table, rejected: pa.Table) -> tuple[pa.Table, pa.Table]:
        """Write a part, whole or not at all; return what `read` will return."""
        tables = scored.combine_chunks(), rejected.combine_chunks()
        path = self._path(number)
        fresh = path.with_suffix(".partial")
        options = pyarrow.ipc.IpcWriteOptions(compression="lz4")
        with fresh.open("wb") as file:
            for table in tables:
                with pyarrow.ipc.new_stream(file, table.schema, options=options) as writer:
                    writer.write_table(table)
            lasting(file)
        fresh.replace(path)
        return tables

    def read(self, number: int) -> tuple[pa.Table, pa.Table]:
        """Read the scored and the rejected rows of a part."""
        with self._path(number).open("rb") as file:
            scored, rejected = (pyarrow.ipc.open_stream(file).read_all() for _ in range(2))
        return scored, rejected

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:08}.part"


def now() -> datetime.datetime:
    """Read the clock, to the second."""
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


@contextlib.contextmanager
def opened(folder: Path, job: dict[str, Any]) -> Iterator[Parts]:
    """Open the parts of a job: those of a killed run of the very same job, else none; one process at a time.

    Raises InputError when another process is at it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{folder}: another run writes the same output; wait for it, or stop it") from None
        path = folder / JOB
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            known = {}
        if known.get("job") != job:
            for old in folder.iterdir():
                if old.name != LOCK:
                    old.unlink()
            known = {"job": job, "begun": now().isoformat()}
            with path.with_suffix(".partial").open("w", encoding="utf-8") as file:
                json.dump(known, file, indent=1, sort_keys=True)
                lasting(file)
            path.with_suffix(".partial").replace(path)
        yield Parts(folder, datetime.datetime.fromisoformat(known["begun"]))


def finished(parts: Parts) -> None:
    """Remove the parts of a job that is done; the job's own file first, so that what is left belongs to none."""
    (parts.folder / JOB).unlink()
    shutil.rmtree(parts.folder)


def lasting(file: Any) -> None:
    """Have a file's bytes on disk before its name says that they are there."""
    file.flush()
    os.fsync(file.fileno())
