"""Counting off the reply's path: what was scored is kept for a moment, then counted at once with numpy.

Every worker adds to cells of its own in one shared block, so that any of them can add up all. Nothing is kept of a row
but its counts. Until they are counted, at most PENDING_ROWS rows (or one batch more) and PENDING_TIMES times wait.
"""

import mmap
import threading
import time
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from serve.coded import Codes
from serve.rows import Values
from serve.seen.layout import LOG, PROTOCOLS, RELOADS, SECONDS, STATUSES, Layout
from serve.seen.shares import add_shares

PENDING_TIMES = 512  # some 0.4 ms of counting between replies where each is of one row: more is felt by whoever waits
PENDING_ROWS = 2048  # about a millisecond, and fewer requests: to count fewer rows at once costs more a row

Cells = npt.NDArray[np.float64]
Batch = tuple[
    npt.NDArray[np.float32], Values, npt.NDArray[Any], Sequence[Codes] | None, Sequence[int]
]  # as `later` takes it


class Counts:
    """The counts of all workers of a service; `own` says which of them this process is.

    What `before` counted of requests goes on here, for a reload is no new service; what it counted of columns and
    outputs does not, for that is said about another model.
    """

    def __init__(self, layout: Layout, workers: int = 1, before: "Counts | None" = None) -> None:
        self.layout = layout
        self.since: float = before.since if before else time.time()  # one for all workers, which are forked later
        self._common: Cells = before._common if before else _shared(workers, layout.common)
        self._all = _shared(workers, layout.size)  # the common cells of this one are not used
        self._cells = self._common.data.cast("B").cast("d")
        self._lock = threading.Lock()  # large requests are scored, and kept for counting, on threads
        self._pending: list[Batch] = []
        self._rows = 0
        self._times: list[float] = []
        self._answers = {(name, status): layout.answer(name, status) for name in PROTOCOLS for status in STATUSES}
        self._own(before._worker if before else 0)

    def own(self, worker: int) -> None:
        """Count into this worker's cells; what a forerunner in its place had in flight has ended with it."""
        self._own(worker)
        self._ours[self.layout.in_flight] = 0
        self.logged_now("queued", 0)

    def _own(self, worker: int) -> None:
        self._worker, self._base = worker, worker * self.layout.common
        self._mine, self._ours = self._all[worker], self._common[worker]

    def began(self) -> None:
        """Count a request in."""
        self._cells[self._base] += 1

    def ended(self, protocol: str, status: int, seconds: float) -> None:
        """Count a request out, with its answer."""
        cells, base = self._cells, self._base
        cells[base] -= 1
        cells[base + self._answers[protocol, status]] += 1
        self._times.append(seconds)

    def turned_away(self, protocol: str, status: int) -> None:
        """Count an answer to a request that nobody worked on; it took no time that says anything of the model."""
        self._cells[self._base + self._answers[protocol, status]] += 1

    def failed(self, kind: str) -> None:
        """Count an error by its kind."""
        self._cells[self._base + self.layout.errors + self.layout.kinds.index(kind)] += 1

    def left(self) -> None:
        """Count a request out whose client did not wait."""
        self._cells[self._base] -= 1

    def logged(self, what: str, count: int = 1) -> None:
        """Count something of the prediction log; each cell is one thread's."""
        self._cells[self._base + self.layout.log + LOG.index(what)] += count

    def logged_now(self, what: str, value: float) -> None:
        """Tell how much of something there is now in this worker's part of the prediction log."""
        self._cells[self._base + self.layout.log + LOG.index(what)] = value

    def spool_holds(self, size: int) -> None:
        """Tell the bytes of the spool, which is one for all workers: the first one's cell says it."""
        self._cells[self.layout.log + LOG.index("waiting")] = size

    def reloaded(self, outcome: str) -> None:
        """Count a reload, `done` or `refused`: one process does it for all workers, in the first one's cell."""
        self._cells[self.layout.reloads + RELOADS.index(outcome)] += 1

    def later(
        self,
        numbers: npt.NDArray[np.float32],
        columns: Values,
        outputs: npt.NDArray[Any],
        codes: Sequence[Codes] | None = None,
        sizes: Sequence[int] = (),
    ) -> None:
        """Keep what was scored until it is counted: the block of `Model.numbers`, all columns, and the outputs.

        `codes` are those of the categories among the columns, where they are known already; `sizes` the rows of each
        request of several, which are the last ones of the batch: all others are of one row.
        """
        with self._lock:
            # what is not needed is not kept: its memory is taken again for the next request while it is still at hand
            self._pending.append((numbers, columns if codes is None else (), outputs, codes, sizes))
            self._rows += len(outputs)

    @property
    def due(self) -> bool:
        """Whether enough waits to be counted."""
        return self._rows >= PENDING_ROWS or len(self._times) >= PENDING_TIMES

    def settle(self) -> None:
        """Count all that waits."""
        with self._lock:
            pending, times = self._pending, self._times
            self._pending, self._times, self._rows = [], [], 0
            if times:
                self._add_times(np.array(times))
            if pending:
                self._add_rows(pending)

    def total(self) -> npt.NDArray[np.float64]:
        """Add up all workers' cells."""
        self.settle()
        found = np.asarray(self._all.sum(axis=0))
        found[: self.layout.common] = self._common.sum(axis=0)
        return found

    def _add_times(self, times: npt.NDArray[np.float64]) -> None:
        start = self.layout.seconds
        self._ours[start : start + len(SECONDS) + 1] += _binned(times, SECONDS, "left")
        self._ours[self.layout.seconds_sum] += times.sum()

    def _add_rows(self, pending: list[Batch]) -> None:
        layout, mine = self.layout, self._mine
        outputs = np.concatenate([each for _, _, each, *_ in pending])
        numbers = iter(np.concatenate([each for each, *_ in pending], axis=1))
        told = [(columns, len(each)) for _, columns, each, codes, _ in pending if codes is None]
        coded = zip(*[codes for *_, codes, _ in pending if codes is not None], strict=True)
        rows = sum(count for _, count in told)
        self._ours[layout.rows] += len(outputs)
        for place, column in enumerate(layout.columns):
            if column.number:
                values = next(numbers)
                present = values[~np.isnan(values)]
                mine[column.missing] += len(values) - len(present)
                mine[column.start : column.missing] += _binned(present, column.edges, "right")
            elif column.texts:
                values = chain.from_iterable(columns[place] for columns, _ in told)
                codes = np.concatenate([column.texts.codes(values, rows), *next(coded, ())])
                counted = np.bincount(codes, minlength=len(column.cells))
                np.add.at(mine, column.cells, counted)
                mine[column.unseen] += counted[column.unseen_codes].sum()
        scores = outputs[:, -1]
        inner = layout.output_edges[1:-1]
        bins = np.searchsorted(np.asarray(inner), scores, side="left")
        mine[layout.outputs : layout.outputs_sum] += np.bincount(bins, minlength=len(inner) + 1)
        mine[layout.outputs_sum] += float(scores.sum(dtype="float64"))
        if layout.labels:
            chosen = np.argmax(outputs, axis=1)
            mine[layout.chosen : layout.outputs] += np.bincount(chosen, minlength=len(layout.labels))
        sizes = np.array([size for *_, some in pending for size in some], dtype="int64")
        if len(sizes):
            ends = np.cumsum([len(each) for _, _, each, *_ in pending])
            several = [np.arange(end - sum(some), end) for end, (*_, some) in zip(ends, pending, strict=True)]
            at = np.concatenate(several)
            add_shares(mine[layout.many : layout.many_chosen], bins[at], sizes)
            if layout.labels:
                add_shares(mine[layout.many_chosen : layout.size], chosen[at], sizes)


def _shared(workers: int, cells: int) -> Cells:
    """Make a block of counts, a row a worker: anonymous and shared, so that forked workers see the one."""
    return np.frombuffer(mmap.mmap(-1, workers * cells * 8), dtype="float64").reshape(workers, cells)


def _binned(values: npt.NDArray[Any], edges: Sequence[float], side: Any) -> npt.NDArray[np.intp]:
    return np.bincount(np.searchsorted(np.asarray(edges), values, side=side), minlength=len(edges) + 1)
