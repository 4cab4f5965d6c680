"""Zero-wait micro-batching: what arrived in one turn of the event loop is scored in one call of the model.

Nobody waits for a timer: the first row of a turn asks the loop to score after this turn, when every row of it is in.
Rows are decoded before they come here, so that a bad body fails alone.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy.typing as npt

from serve.loaded import Bundle
from serve.rows import Values
from serve.wire.scored import Scored

Place = tuple[Scored, int]  # where the rows of a request begin in their batch
Tell = Callable[[Scored | Exception, int], None]  # hears the batch and its place in it, or why there is none
Waiting = list[tuple[Any, str, Tell]]  # the row or rows, the request's id, who is told
# A batch, its outputs, and whose rows they are: each request's id, and how many it had
Log = Callable[[Values, "npt.NDArray[Any]", Sequence[tuple[str, int]]], None]
log = logging.getLogger("serve.wire")


class Batcher:
    """Scores rows on the event loop that it is used from."""

    def __init__(self, bundle: Bundle, log: Log | None = None) -> None:
        self._model, self._ways, self._counts, self._log = bundle.model, bundle.ways, bundle.counts, log
        self._ones: Waiting = []
        self._many: Waiting = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def one(self, values: Sequence[Any], request: str, tell: Tell) -> None:
        """Score one row, its values in the order of the inputs."""
        self._soon()
        self._ones.append((values, request, tell))

    def many(self, columns: Values, request: str, tell: Tell) -> None:
        """Score rows, column by column."""
        self._soon()
        self._many.append((columns, request, tell))

    async def scored_soon(self, values: Values, one: bool, request: str) -> Place:
        """Score one row or columns of rows, for who can wait for it. Raises whatever the runtime raised."""
        future: asyncio.Future[Place] = asyncio.get_running_loop().create_future()

        def tell(scored: Scored | Exception, start: int) -> None:
            if future.done():  # a client that left has cancelled it
                return
            if isinstance(scored, Exception):
                future.set_exception(scored)
            else:
                future.set_result((scored, start))

        (self.one if one else self.many)(values, request, tell)
        return await future

    def _soon(self) -> None:
        if not self._ones and not self._many:
            self._loop = self._loop or asyncio.get_running_loop()
            self._loop.call_soon(self._score)

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
            scored = self.scored(columns, marks, [len(item[0]) for item, _, _ in many] if many else ())
        except Exception as error:  # every caller of the batch is told, whatever the runtime raised
            for _, _, tell in (*ones, *many):
                _told(tell, error, 0)
            return
        for start, (_, _, tell) in enumerate(ones):
            _told(tell, scored, start)
        start = len(ones)
        for item, _, tell in many:
            _told(tell, scored, start)
            start += len(item[0])

    def scored(self, columns: Values, marks: Sequence[tuple[str, int]], sizes: Sequence[int] | None = None) -> Scored:
        """Score columns at once, on whatever thread this is; `marks` tells the requests that they are of, in order.

        `sizes` are the rows of those of several, which come last; without it those that `marks` tells.
        """
        numbers = self._model.numbers(columns)
        outputs, codes = self._ways.outputs(numbers, columns)
        several = [count for _, count in marks] if sizes is None else sizes
        self._counts.later(numbers, columns, outputs, codes, several)
        if self._log is not None:
            self._log(columns, outputs, marks)
        return Scored(self._model, outputs)


def _told(tell: Tell, scored: Scored | Exception, start: int) -> None:
    try:
        tell(scored, start)
    except Exception:  # one that cannot be told is no reason for the others of its batch not to be
        log.exception("an answer could not be given")
