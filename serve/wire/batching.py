"""Zero-wait micro-batching: what arrived in one turn of the event loop is scored in one call of the model.

Nobody waits for a timer: the first row of a turn asks the loop to score after this turn, when every row of it is in.
Rows are decoded before they come here, so that a bad body fails alone.
"""

import asyncio
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy.typing as npt

from serve.model import Model
from serve.rows import Values
from serve.seen.counts import Counts
from serve.wire.scored import Scored

Place = tuple[Scored, int]  # where the rows of a request begin in their batch
Waiting = list[tuple[Any, str, "asyncio.Future[Place]"]]  # the row or rows, the request's id, who waits
# A batch, its outputs, and whose rows they are: each request's id, and how many it had
Log = Callable[[Values, "npt.NDArray[Any]", Sequence[tuple[str, int]]], None]


class Batcher:
    """Scores rows on the event loop that it is used from."""

    def __init__(self, model: Model, counts: Counts, log: Log | None = None) -> None:
        self._model, self._counts, self._log = model, counts, log
        self._ones: Waiting = []
        self._many: Waiting = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def one(self, values: Sequence[Any], request: str = "") -> "asyncio.Future[Place]":
        """Score one row, its values in the order of the inputs."""
        return self._wait(self._ones, values, request)

    def many(self, columns: Values, request: str = "") -> "asyncio.Future[Place]":
        """Score rows, column by column."""
        return self._wait(self._many, columns, request)

    def _wait(self, queue: Waiting, item: Any, request: str) -> "asyncio.Future[Place]":
        loop = self._loop = self._loop or asyncio.get_running_loop()
        if not self._ones and not self._many:
            loop.call_soon(self._score)
        future: asyncio.Future[Place] = loop.create_future()
        queue.append((item, request, future))
        return future

    def _score(self) -> None:
        ones, many = self._ones, self._many
        self._ones, self._many = [], []
        try:
            columns: Values = list(zip(*[item for item, _, _ in ones], strict=True))
            if many:
                parts = ([columns] if ones else []) + [item for item, _, _ in many]
                columns = parts[0] if len(parts) == 1 else [list(chain(*column)) for column in zip(*parts, strict=True)]
            marks = [(request, 1) for _, request, _ in ones] if self._log else []
            marks += [(request, len(item[0])) for item, request, _ in many] if self._log else []
            scored = self.scored(columns, marks)
        except Exception as error:  # every caller of the batch is told, whatever the runtime raised
            for _, _, future in (*ones, *many):
                if not future.done():
                    future.set_exception(error)
            return
        start = 0
        for _, _, future in ones:
            if not future.done():  # a client that left has cancelled it
                future.set_result((scored, start))
            start += 1
        for item, _, future in many:
            if not future.done():
                future.set_result((scored, start))
            start += len(item[0])

    def scored(self, columns: Values, marks: Sequence[tuple[str, int]]) -> Scored:
        """Score columns at once, on whatever thread this is; `marks` tells the requests that they are of, in order."""
        numbers = self._model.numbers(columns)
        outputs = self._model.run(self._model.tensors(numbers, columns))
        self._counts.later(numbers, columns, outputs)
        if self._log is not None:
            self._log(columns, outputs, marks)
        return Scored(self._model, outputs)
