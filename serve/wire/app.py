"""The raw ASGI application in front: predictions and probes are answered here, every other path by `pages`.

`Wire(served)` makes one ASGI callable. What guards it (who may call, how often) wraps that callable. FastAPI's own way
costs three times what a prediction does, so it keeps to the pages.
"""

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import Any

from serve.guard.exchange import FAILED
from serve.guard.refused import Refused
from serve.refusal import BadRequest, Gone
from serve.wire.body import Receive, whole
from serve.wire.feedback import Feedback
from serve.wire.protocol import JSON, TEXT, Asked, Protocol, detail
from serve.wire.served import Served
from serve.wire.turns import Turns

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

TICK = 0.1  # seconds between two looks whether a bundle's last request has ended
INLINE_BYTES = 64_000  # about 200 rows, a millisecond; a larger body is worked on in a thread, others go on
BROKEN = BadRequest(500, "the model failed on this request; the log of the service says why")
log = logging.getLogger("serve.wire")


class Wire:
    """The application; `ready` says whether it answers predictions. With a log it needs the guard's request ids."""

    def __init__(self, served: Served, started: Callable[[], None] = lambda: None) -> None:
        self.served, self._started = served, started
        self.ready = False
        self._settling = False
        self._turns = Turns()
        self._leaving: set[asyncio.Task[None]] = set()

    def take(self, served: Served) -> None:
        """Answer by another bundle from now on; what is under way ends with the old one. Called on the event loop."""
        old, self.served = self.served, served
        old.counts.settle()
        if served.log:
            served.log.start()
        if old.log:
            leaving = asyncio.get_running_loop().create_task(_see_off(old))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or the server's start and end."""
        if scope["type"] != "http":
            return await self._lifespan(receive, send) if scope["type"] == "lifespan" else None
        path, method, served = scope["path"], scope["method"], self.served
        if method == "POST":
            taker = served.posts.get(path)
            if taker is not None:
                served.under_way += 1
                try:
                    if isinstance(taker, Feedback):
                        return await self._take_feedback(served, taker, scope, receive, send)
                    return await self._predict(served, taker, scope, receive, send)
                finally:
                    served.under_way -= 1
        elif method in ("GET", "HEAD"):
            probe = served.gets.get(path)
            if probe is not None:
                return await _reply(send, *probe(self.ready))
        if path in served.posts or path in served.gets:
            allow = (b"allow", b"POST" if path in served.posts else b"GET, HEAD")
            return await _reply(send, 405, b'{"detail":"Method Not Allowed"}', JSON, allow)
        if path.startswith("/v2/"):
            return await _reply(send, 404, b'{"error":"this server has no such model, version or route"}')
        return await served.pages(scope, receive, send)

    async def _predict(self, served: Served, protocol: Protocol, scope: Scope, receive: Receive, send: Send) -> None:
        began, counts = perf_counter(), served.counts
        counts.began()
        status, form = 200, JSON
        try:
            failed: Exception | None = scope.get("state", {}).get(FAILED)
            if failed is not None:
                raise failed
            body = await whole(scope, receive, served.limit)
            request = scope["state"]["request_id"] if served.log else ""
            if len(body) > INLINE_BYTES:
                kind = media(scope["headers"])
                asked = await self._turns.read(protocol.decode, body, kind, receive=receive)
                content = await asyncio.to_thread(_large, served, protocol, asked, request)
            else:
                asked = protocol.decode(body, media(scope["headers"]) if protocol.typed else b"")
                scored, start = await served.batcher.scored_soon(asked.values, asked.one, request)
                content = protocol.answer(scored, start, asked)
        except BadRequest as error:
            counts.failed(error.kind)
            status, content = protocol.refuse(error)
            form = TEXT if status == 415 and protocol.name == "mlflow" else JSON
        except Refused:  # while the body was read; the guard answers
            counts.left()
            raise
        except (Gone, asyncio.CancelledError):
            counts.failed("gone")
            counts.left()
            return
        except (
            Exception
        ):  # whatever the runtime raised: the log has it, the caller a sentence, the others their answers
            log.exception("a request failed")
            counts.failed("internal")
            status, content = protocol.refuse(BROKEN)
        await _reply(send, status, content, form)
        self.counted(served, protocol.name, status, began)

    async def _take_feedback(
        self, served: Served, feedback: Feedback, scope: Scope, receive: Receive, send: Send
    ) -> None:
        try:
            body = await whole(scope, receive, served.limit)
            status, content, more = await feedback.answer(body, partial(self._turns.read, receive=receive))
        except BadRequest as error:
            status, content, more = *detail(error), ()
        except Gone:
            return
        await _reply(send, status, content, JSON, *more)

    def counted(self, served: Served, protocol: str, status: int, began: float) -> None:
        """Count a request out that is answered; called on the event loop."""
        counts = served.counts
        counts.ended(protocol, status, perf_counter() - began)
        if served is not self.served:  # nobody else will ask the old one to count
            counts.settle()
        elif counts.due and not self._settling:
            self._settling = True
            asyncio.get_running_loop().call_soon(self._settle)

    def turned_away(self, scope: Scope, status: int) -> None:
        """Count an answer that the guard gave in this application's place to a request for a prediction."""
        taker = self.served.posts.get(scope["path"]) if scope["method"] == "POST" else None
        if isinstance(taker, Protocol):
            self.served.counts.turned_away(taker.name, status)

    def _settle(self) -> None:
        self._settling = False
        self.served.counts.settle()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self.ready = True
        gc.collect()
        gc.freeze()  # what start-up made lives as long as the process; the collector need not walk it again
        if self.served.log:
            self.served.log.start()
        self._started()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.ready = False
        self.served.counts.settle()
        await asyncio.gather(_close(self.served), *self._leaving)
        await send({"type": "lifespan.shutdown.complete"})


async def _see_off(old: Served) -> None:
    """Close the log of a bundle that was replaced, once the last request that began with it has ended."""
    while old.under_way:
        await asyncio.sleep(TICK)
    await _close(old)


async def _close(served: Served) -> None:
    if served.log:
        own = ThreadPoolExecutor(1)  # where requests are stuck, no thread of theirs comes free
        await asyncio.get_running_loop().run_in_executor(own, served.log.close)
        own.shutdown(wait=False)


def _large(served: Served, protocol: Protocol, asked: Asked, request: str) -> bytes:
    """Score and write a large request, on a thread."""
    columns = [[value] for value in asked.values] if asked.one else asked.values
    return protocol.answer(served.batcher.scored(columns, [(request, asked.count)]), 0, asked)


def media(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Find the content type among headers."""
    return next((value for name, value in headers if name == b"content-type"), b"")


async def _reply(send: Send, status: int, content: bytes, kind: bytes = JSON, *more: tuple[bytes, bytes]) -> None:
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(content)), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
