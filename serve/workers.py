"""Several workers on one listening socket: forked once everything is loaded, so that they share what was loaded.

A worker that dies is started again in its place, and counts on in its cells. When one cannot even start, all end. When
the supervisor itself is killed, the workers see their leash (a pipe) break, and drain.
"""

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable

TICK = 0.05  # seconds between two looks
STEADY = 5.0  # seconds; a worker that lives as long did not die of its start
SLOWEST_RESTART = 10.0  # seconds between two starts of a worker that dies at once; the first comes after TICK

Serve = Callable[[int, int, int], int]  # number of the worker, its end of the leash, where to say that it is ready


def say(sentence: str) -> None:
    """Write one line to the log."""
    sys.stderr.write(f"serve.workers: {sentence}\n")


class Workers:
    """Keep `count` workers alive until a signal says to end."""

    def __init__(self, count: int, serve: Serve, ready: Callable[[], None], patience: float) -> None:
        self._count, self._serve, self._told_ready, self._patience = count, serve, ready, patience
        self._leash, self._holder = os.pipe()
        self._heard, self._teller = os.pipe()
        self._place: dict[int, tuple[int, float]] = {}  # process to number of the worker, and when it began
        self._again: dict[int, float] = {}  # number of the worker to the time of its next start
        self._pause = dict.fromkeys(range(count), TICK)
        self._ready = 0
        self._ending = False

    def run(self) -> int:
        """Work until SIGTERM or SIGINT; return 0 when all drained, else the code of one that could not start."""
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._end)
        code = 0
        for worker in range(self._count):
            self._start(worker)
        while not self._ending:
            self._hear()
            code = self._bury()
            if code:
                break
            for worker in [worker for worker, when in self._again.items() if when <= time.monotonic()]:
                del self._again[worker]
                self._start(worker)
        self._dismiss()
        return code

    def _end(self, *_: object) -> None:
        self._ending = True

    def _start(self, worker: int) -> None:
        sys.stderr.flush()
        process = os.fork()
        if process:
            self._place[process] = (worker, time.monotonic())
            return
        code = 3
        try:
            os.close(self._holder)
            for name in (signal.SIGTERM, signal.SIGINT):
                signal.signal(name, signal.SIG_DFL)
            code = self._serve(worker, self._leash, self._teller)
        finally:
            sys.stderr.flush()
            os._exit(code)  # what the supervisor would do at its end is not the worker's to do

    def _hear(self) -> None:
        if select.select([self._heard], [], [], TICK)[0]:
            before = self._ready
            self._ready += len(os.read(self._heard, 64))
            if before < self._count <= self._ready:
                self._told_ready()

    def _bury(self) -> int:
        """Take note of workers that died; return the code of one that could not start at all."""
        while self._place:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                break
            worker, began = self._place.pop(process)
            if self._ending:
                continue
            code = os.waitstatus_to_exitcode(status)
            if self._ready < self._count and code > 0:
                return code
            lived = time.monotonic() - began
            self._pause[worker] = TICK if lived > STEADY else min(2 * self._pause[worker], SLOWEST_RESTART)
            self._again[worker] = time.monotonic() + self._pause[worker]
            say(f"worker {worker} died ({'signal' if code < 0 else 'code'} {abs(code)}); it is started again")
        return 0

    def _dismiss(self) -> None:
        """Let the workers drain; kill those that do not come to an end."""
        self._ending = True
        for process in self._place:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
        deadline = time.monotonic() + self._patience
        while self._place and time.monotonic() < deadline:
            self._bury()
            time.sleep(TICK)
        for process, (worker, _) in self._place.items():
            say(f"worker {worker} did not drain in {self._patience:g} s; it is killed")
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
