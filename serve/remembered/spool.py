"""The prediction log of one process: a bounded queue in memory, and a thread that writes it to the spool.

Whoever answers a prediction puts the batch into the queue, and that is all: choosing rows, writing, fsync and shipping
are the thread's. What does not fit is dropped and counted; feedback is answered when it is on the disk.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import numpy.typing as npt

from serve.guard import logs
from serve.loaded import Bundle
from serve.remembered import records
from serve.remembered.ids import Mark
from serve.remembered.segments import Segment, take_over, used
from serve.remembered.settings import Settings
from serve.remembered.shipping import Shipping
from serve.rows import Values

TICK = 0.1  # seconds between two turns of the thread: what a process that is killed may lose
BUSY = 0.02  # the same while predictions come in: a turn holds the interpreter for as long as there are rows in it
LOOK = 1.0  # seconds between two looks at the spool's size, and until a disk that failed is tried again
END = 4.0  # seconds at the end to write and ship; the supervisor's patience with a worker that drained is 5

Batch = tuple[Values, npt.NDArray[Any], Sequence[Mark], int]
Told = tuple[Sequence[str], Sequence[Any], int, "Future[str]"]


class Spool:
    """Keeps predictions and feedback; `start` it in the process that answers, and `close` it there."""

    def __init__(self, settings: Settings, bundle: Bundle) -> None:
        self._settings, self._counts = settings, bundle.counts
        self._header = records.header(bundle, settings.columns)
        self._columns = {name: bundle.rows.names.index(name) for name in settings.columns}
        self._lock = threading.Lock()  # large requests are scored on threads
        self._batches: list[Batch] = []
        self._told: list[Told] = []
        self._rows = 0
        self._wake, self._closing = threading.Event(), False
        self._busy = False  # whether predictions came in since the turn before
        self._segment: Segment | None = None
        self._synced = self._looked = self._failed = float("-inf")
        self._fresh = False  # whether something was written since the last fsync
        self._trouble = ""  # why records are dropped at present
        self._shipping = Shipping(settings, self._shipped, lambda: self._counts.logged("ship_failures"))
        self._thread = threading.Thread(target=self._run, name="prediction log", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def later(self, columns: Values, outputs: npt.NDArray[Any], marks: Sequence[Mark]) -> None:
        """Queue a scored batch; never waits."""
        count = len(outputs)
        with self._lock:
            if self._rows and self._rows + count > self._settings.queue_rows:
                self._counts.logged("dropped_queue", count)
                return
            self._batches.append((columns, outputs, marks, _now()))
            self._rows += count
            self._counts.logged_now("queued", self._rows)
            if 4 * self._rows > self._settings.queue_rows:
                self._wake.set()

    def tell(self, ids: Sequence[str], outcomes: Sequence[Any]) -> "Future[str]":
        """Queue feedback; the future gives the empty text once it is on the disk, else why it was dropped."""
        future: Future[str] = Future()
        with self._lock:
            if self._closing or (self._rows and self._rows + len(ids) > self._settings.queue_rows):
                self._counts.logged("dropped_queue", len(ids))
                future.set_result("queue")
            else:
                self._told.append((ids, outcomes, _now(), future))
                self._rows += len(ids)
                self._counts.logged_now("queued", self._rows)
                self._wake.set()
        return future

    def close(self) -> None:
        """Write and ship what is there, in bounded time."""
        with self._lock:
            self._closing = True
            self._wake.set()
        self._thread.join(END + 1)

    def _run(self) -> None:
        self._safely(lambda: take_over(self._settings.spool))
        while not self._closing:
            self._wake.wait(BUSY if self._busy else TICK)
            self._wake.clear()
            self._safely(self._turn)
        deadline = time.monotonic() + END
        self._safely(self._turn)  # what came in before the doors were closed
        self._safely(self._finish)
        self._safely(lambda: self._shipping.end(deadline))

    def _safely(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:  # whatever breaks here, predictions go on
            logs.write("error", "prediction log", **logs.crash(error))

    def _turn(self) -> None:
        with self._lock:
            batches, told, self._batches, self._told, self._rows = self._batches, self._told, [], [], 0
            self._counts.logged_now("queued", 0)
        self._busy = bool(batches)
        reason, kept = "internal", sum(len(outputs) for _, outputs, *_ in batches)
        try:
            lines, kept = records.predictions(batches, self._columns, self._settings.rate)
            lines += records.feedback([each[:3] for each in told])
            reason = self._written(lines, bool(told)) if lines else ""
        finally:
            self._count("predictions", kept, reason)
            self._count("feedback", sum(len(ids) for ids, *_ in told), reason)
            for *_, future in told:
                future.set_result(reason)
        self._look()
        self._shipping.tend()

    def _count(self, kind: str, rows: int, reason: str) -> None:
        self._counts.logged(f"dropped_{reason}" if reason else kind, rows)

    def _written(self, lines: bytes, at_once: bool) -> str:
        """Write lines, and sync them if it is time or `at_once`; return why they were dropped, or the empty text."""
        if self._trouble == "full" or time.monotonic() - self._failed < LOOK:
            return self._trouble
        try:
            self._segment = self._segment or Segment(self._settings.spool, self._header)
            self._segment.append(lines)
            self._fresh = True
            self._sync(at_once)
        except OSError as error:
            self._fails(error)
            return "disk"
        self._says("", "records are written again")
        return ""

    def _sync(self, at_once: bool) -> None:
        now = time.monotonic()
        if self._segment is not None and self._fresh and (at_once or now - self._synced >= self._settings.sync_seconds):
            self._synced = now
            self._segment.sync()
            self._fresh = False

    def _look(self) -> None:
        """Sync what is due, finish a file that is large or old enough, and see how much waits."""
        now, segment = time.monotonic(), self._segment
        try:
            self._sync(at_once=False)
            if segment is not None and (
                segment.size >= self._settings.segment_bytes or now - segment.began >= self._settings.segment_seconds
            ):
                self._finish()
            if now - self._looked >= LOOK:
                self._looked = now
                waiting = used(self._settings.spool)
                self._counts.spool_holds(waiting)
                if waiting >= self._settings.spool_bytes:
                    self._says("full", f"{self._settings.spool} holds {waiting} bytes; records are dropped")
                elif self._trouble == "full":
                    self._says("", "records are written again")
        except OSError as error:
            self._fails(error)

    def _fails(self, error: OSError) -> None:
        self._failed = time.monotonic()
        self._says("disk", f"{self._settings.spool}: {error.strerror}; records are dropped")

    def _says(self, trouble: str, sentence: str) -> None:
        """Log that trouble begins or ends, once."""
        if trouble != self._trouble:
            self._trouble = trouble
            logs.write("error" if trouble else "info", "prediction log", message=sentence)

    def _finish(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.finish()

    def _shipped(self, counts: dict[str, int]) -> None:
        for name, cell in (("predictions", "shipped_predictions"), ("feedback", "shipped_feedback"), ("torn", "torn")):
            self._counts.logged(cell, counts.get(name, 0))


def _now() -> int:
    return time.time_ns() // 1000  # microseconds
