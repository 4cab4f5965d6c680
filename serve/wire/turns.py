"""Large bodies are parsed one after the other: what parsing makes of a body of small objects is 30 times its size.

It is done on a thread, and small requests go on. Nothing is lost by it: parsing holds the interpreter's lock, so that
two at a time are no quicker than two in turn.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from serve.refusal import Gone
from serve.wire.body import Receive

Read = TypeVar("Read")
AT_ONCE = 1


class Turns:
    """The turns of one process; used on its event loop."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AT_ONCE)

    async def read(self, decode: Callable[..., Read], *told: object, receive: Receive) -> Read:
        """Parse on a thread by `decode(*told)`, when it is this request's turn.

        Raises what `decode` raises, and Gone when the client leaves while it waits.
        """
        if self._free.locked():
            await self._wait(receive)
        else:
            await self._free.acquire()
        work = asyncio.get_running_loop().run_in_executor(None, partial(decode, *told))
        work.add_done_callback(lambda _: self._free.release())
        try:
            return await asyncio.shield(work)  # who is cancelled does not end the thread, and another may not join it
        finally:
            del work  # or an error, and all that was parsed before it, would live on in a circle

    async def _wait(self, receive: Receive) -> None:
        turn = asyncio.ensure_future(self._free.acquire())
        left = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait((turn, left), return_when=asyncio.FIRST_COMPLETED)
            if left.done():
                raise Gone
        except BaseException:
            if turn.done() and not turn.cancelled():
                self._free.release()
            raise
        finally:
            turn.cancel()
            left.cancel()


async def _left(receive: Receive) -> None:
    """Return when the client has left; its body is there already."""
    while (await receive())["type"] == "http.request":
        pass
