"""Several workers on one listening socket: forked once everything is loaded, so that they share what was loaded.

A worker that dies is started again in its place, and counts on in its cells. When one cannot even start, all end. When
the supervisor itself is killed, the workers see their leash (a pipe) break, and drain. When another bundle has been
loaded, a new generation comes: one by one each worker gets a successor, and retires once that one is ready.
"""

import contextlib
import os
import select
import signal
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from serve.renewal import Renewal, forget, tell
from serve.sharing import Held, Share

TICK = 0.05  # seconds between two looks
STEADY = 5.0  # seconds; a worker that lives as long did not die of its start
SLOWEST_RESTART = 10.0  # seconds between two starts of a worker that dies at once; the first comes after TICK
RETIRE = signal.SIGUSR1
RETIRED_SECONDS = 60.0  # for a retired worker to see its callers off; then it is told to drain
TOLD = struct.Struct("=i")  # a process id through a pipe

Serve = Callable[[Share, int, int], int]  # the worker's row, its end of the leash, where it writes that id


def say(sentence: str) -> None:
    """Write one line to the log."""
    sys.stderr.write(f"serve.workers: {sentence}\n")


@dataclass
class Worker:
    """A process in its place; `leaves` is when a retired one is spurred on, by the next of `spurs`."""

    place: int
    generation: int
    began: float = field(default_factory=time.monotonic)
    ready: bool = False
    leaves: float | None = None
    spurs: list[signal.Signals] = field(default_factory=lambda: [signal.SIGTERM, signal.SIGKILL])


class Workers:
    """Keep `count` workers alive until a signal says to end. What they count has two rows a place, by turns."""

    def __init__(self, count: int, serve: Serve, ready: Callable[[], None], patience: float, renewal: Renewal) -> None:
        self._count, self._serve, self._told_ready, self._patience = count, serve, ready, patience
        self._held = Held(2 * count)
        self._renewal = renewal
        self._leash, self._holder = os.pipe()
        self._heard, self._teller = os.pipe()
        self._living: dict[int, Worker] = {}  # by process
        self._again: dict[int, float] = {}  # place to the time of its next start
        self._pause = dict.fromkeys(range(count), TICK)
        self._generation = 0
        self._version: int | None = None  # of the bundle that the old generation serves, while one is there
        self._served = False  # whether all were ready once
        self._ending = False
        self._undone = 0

    def run(self) -> int:
        """Work until SIGTERM or SIGINT; return 0 when all drained, 1 when one gave requests up or was killed.

        Else the code of one that could not start.
        """
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._end)
        code = 0
        while not self._ending and not code:
            self._fill()
            self._hear()
            code = self._bury()
            self._renew()
        self._dismiss()
        return code or self._undone

    def _end(self, *_: object) -> None:
        self._ending = True

    def _fill(self) -> None:
        """Start who is missing: at once where a place is empty, one after the other where an old one still answers."""
        if self._renewal.under_way:  # a fork would copy what its thread holds
            return
        starting = not all(worker.ready for worker in self._living.values())
        for place in range(self._count):
            there = [worker for worker in self._living.values() if worker.place == place and worker.leaves is None]
            if any(worker.generation == self._generation for worker in there) or (there and starting):
                continue
            if self._again.get(place, 0) <= time.monotonic():
                self._start(place)
                starting = True

    def _start(self, place: int) -> None:
        self._again.pop(place, None)
        sys.stderr.flush()
        process = os.fork()
        if process:
            self._living[process] = Worker(place, self._generation)
            return
        code = 3
        try:
            os.close(self._holder)
            for name in (signal.SIGTERM, signal.SIGINT):
                signal.signal(name, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            code = self._serve(Share(self._held, self._row(place, self._generation)), self._leash, self._teller)
        finally:
            sys.stderr.flush()
            os._exit(code)  # what the supervisor would do at its end is not the worker's to do

    def _row(self, place: int, generation: int) -> int:
        return place + generation % 2 * self._count

    def _hear(self) -> None:
        if not select.select([self._heard], [], [], TICK)[0]:
            return
        for (process,) in TOLD.iter_unpack(os.read(self._heard, 64 * TOLD.size)):
            if process in self._living:
                self._living[process].ready = True
                self._retire_before(self._living[process])
        if not self._served and sum(worker.ready for worker in self._living.values()) == self._count:
            self._served = True
            self._told_ready()

    def _retire_before(self, successor: Worker) -> None:
        for process, worker in self._living.items():
            if worker.place == successor.place and worker is not successor:
                worker.leaves = time.monotonic() + RETIRED_SECONDS
                _send(process, RETIRE)

    def _renew(self) -> None:
        """Begin a generation when another bundle is loaded; end the change when the old generation is gone."""
        now = time.monotonic()
        for process, worker in self._living.items():
            if worker.leaves is not None and worker.leaves < now and worker.spurs:
                _send(process, worker.spurs.pop(0))
                worker.leaves = now + self._patience
        if not self._renewal.under_way:
            whole = len(self._living) == self._count and all(worker.ready for worker in self._living.values())
            if not whole or any(worker.generation != self._generation for worker in self._living.values()):
                return
            if self._version is not None:
                tell(self._version, self._renewal.served.bundle)
            self._version = None
        version = self._renewal.served.bundle.version
        if self._renewal.look():
            forget()
            self._generation += 1
            self._version = version

    def _bury(self) -> int:
        """Take note of workers that died; return the code of one that could not start at all."""
        while self._living:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                break
            worker = self._living.pop(process)
            self._held.away(self._row(worker.place, worker.generation))
            if self._ending or worker.leaves is not None:
                self._undone |= self._ending and os.waitstatus_to_exitcode(status) > 0
                continue
            code, place = os.waitstatus_to_exitcode(status), worker.place
            if not self._served and code > 0:
                return code
            lived = time.monotonic() - worker.began
            self._pause[place] = TICK if lived > STEADY else min(2 * self._pause[place], SLOWEST_RESTART)
            self._again[place] = time.monotonic() + self._pause[place]
            say(f"worker {place} died ({'signal' if code < 0 else 'code'} {abs(code)}); it is started again")
        return 0

    def _dismiss(self) -> None:
        """Let the workers drain; kill those that do not come to an end."""
        self._ending = True
        for process in self._living:
            _send(process, signal.SIGTERM)
        deadline = time.monotonic() + self._patience
        while self._living and time.monotonic() < deadline:
            self._bury()
            time.sleep(TICK)
        for process, worker in self._living.items():
            say(f"worker {worker.place} did not drain in {self._patience:g} s; it is killed")
            _send(process, signal.SIGKILL)
            os.waitpid(process, 0)
            self._undone = 1


def _send(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)
