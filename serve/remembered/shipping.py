"""Shipping beside the service: `python -m serve.ship`, a process of its own, run when a file of the spool is finished.

Arrow takes 80 MB and half a second to load: the service never loads it, and between two files nobody holds it. Of
several workers the one that sees a file first runs it; the others see the lock.
"""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable

from serve.remembered.segments import finished
from serve.remembered.settings import LOCK, Settings

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds before it is tried again while the store is away
NICE = 10  # what ships yields to what answers
TICK = 0.02  # seconds between two looks at the end

Told = Callable[[dict[str, int]], None]


class Shipping:
    """Runs serve.ship, one at a time; `told` hears what each run shipped, `failed` of each that could not."""

    def __init__(self, settings: Settings, told: Told, failed: Callable[[], None]) -> None:
        self._settings, self._told, self._failed = settings, told, failed
        self._process: subprocess.Popen[str] | None = None
        self._pause, self._next = FIRST_PAUSE, 0.0

    def tend(self) -> None:
        """Look after a run, or begin one where a file waits; never waits itself."""
        if not self._settings.store:
            return
        if self._process is None:
            if time.monotonic() >= self._next and finished(self._settings.spool):
                self._begin()
        elif self._process.poll() is not None:
            self._end_run()

    def end(self, deadline: float) -> None:
        """Ship what is there until the deadline on the monotonic clock; what is left is shipped by the next start."""
        self._next = 0.0
        while self._settings.store and time.monotonic() < deadline:
            self.tend()
            if self._process is None and (self._next or not finished(self._settings.spool)):
                return
            time.sleep(TICK)
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def _begin(self) -> None:
        if not self._is_free():
            return
        command = [
            sys.executable,
            "-m",
            "serve.ship",
            "--spool",
            str(self._settings.spool),
            "--to",
            self._settings.store,
        ]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
            os.setpriority(os.PRIO_PROCESS, self._process.pid, NICE)
        except OSError:  # no memory, or no process more; the files wait
            self._later()

    def _end_run(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        out, _ = process.communicate()
        pairs = [line.partition("=") for line in out.splitlines()]
        self._told({name: int(count) for name, _, count in pairs if count.isdigit()})
        if process.returncode:
            self._later()
        else:
            self._pause, self._next = FIRST_PAUSE, 0.0

    def _later(self) -> None:
        self._failed()
        self._next = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _is_free(self) -> bool:
        file = os.open(self._settings.spool / LOCK, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(file)
        return True
