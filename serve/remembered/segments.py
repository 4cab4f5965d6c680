"""The files of the spool. One that is written to ends in .open and is locked by its writer; a finished one is .jsonl.

Whose lock is gone is dead: its file is finished by whoever starts next. Every file has a name that no other ever has.
"""

import contextlib
import datetime
import fcntl
import os
import time
from pathlib import Path

OPEN, DONE, BROKEN = ".open", ".jsonl", ".broken"


class Segment:
    """A file that this process appends to. Raises OSError where it cannot be made."""

    def __init__(self, folder: Path, header: bytes) -> None:
        self.began = time.monotonic()
        self._file, self._path = _claimed(folder)
        self.size = 0  # up to here every line is whole
        try:
            self.append(header)
            _sync_folder(folder)
        except OSError:
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            raise
        self._empty = self.size

    def append(self, lines: bytes) -> None:
        """Add lines: all of them, or none. Raises OSError."""
        rest = memoryview(lines)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            with contextlib.suppress(OSError):  # a half line that stays is skipped by its reader
                os.ftruncate(self._file, self.size)
            raise
        self.size += len(lines)

    def sync(self) -> None:
        """Have it all on disk. Raises OSError."""
        os.fsync(self._file)

    def finish(self) -> None:
        """Hand it over to shipping; one without a record is removed. Raises OSError."""
        try:
            if self.size == self._empty:
                self._path.unlink()
                return
            self.sync()
            self._path.replace(self._path.with_suffix(DONE))
            _sync_folder(self._path.parent)
        finally:
            os.close(self._file)


def _claimed(folder: Path) -> tuple[int, Path]:
    """Make and lock a file; who looks for files of the dead may be quicker, then another one is made."""
    while True:
        now = datetime.datetime.now(datetime.UTC)
        path = folder / f"{now:%Y%m%dT%H%M%S}-{os.urandom(8).hex()}{OPEN}"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        if _locked(file, path):
            return file, path
        os.close(file)


def _locked(file: int, path: Path) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return path.stat().st_ino == os.fstat(file).st_ino
    except (BlockingIOError, FileNotFoundError):
        return False


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def take_over(folder: Path) -> int:
    """Finish the files that dead processes left; return how many there were."""
    taken = 0
    for path in folder.glob(f"*{OPEN}"):
        try:
            file = os.open(path, os.O_WRONLY)
        except FileNotFoundError:
            continue
        try:
            if _locked(file, path):
                os.fsync(file)
                path.replace(path.with_suffix(DONE))
                taken += 1
        finally:
            os.close(file)
    return taken


def finished(folder: Path) -> list[Path]:
    """List the files that may be shipped, the oldest first."""
    return sorted(folder.glob(f"*{DONE}"))


def used(folder: Path) -> int:
    """Count the bytes of all files that wait."""
    total = 0
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # shipped since
            total += path.stat().st_size
    return total
