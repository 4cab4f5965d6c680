"""The raw ASGI application in front: predictions and probes are answered here, every other path by `pages`.

`Wire(served)` makes one ASGI callable. What guards it (who may call, how often) wraps that callable. FastAPI's own way
costs three times what a prediction does, so it keeps to the pages.
"""

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any

from serve.refusal import BadRequest, Gone
from serve.wire.protocol import JSON, TEXT, Asked, Protocol
from serve.wire.served import Served

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

INLINE_BYTES = 64_000  # about 200 rows, a millisecond; a larger body is worked on in a thread, others go on
BROKEN = BadRequest(500, "the model failed on this request; the log of the service says why")
log = logging.getLogger("serve.wire")


class Wire:
    """The application; `ready` says whether it answers predictions."""

    def __init__(self, served: Served, started: Callable[[], None] = lambda: None) -> None:
        self._served, self._started = served, started
        self.ready = False
        self._settling = False

    def take(self, served: Served) -> None:
        """Answer by another bundle from now on; what is under way ends with the old one. Called on the event loop."""
        self._served.counts.settle()
        self._served = served

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or the server's start and end."""
        if scope["type"] != "http":
            return await self._lifespan(receive, send) if scope["type"] == "lifespan" else None
        path, method, served = scope["path"], scope["method"], self._served
        if method == "POST":
            protocol = served.posts.get(path)
            if protocol is not None:
                return await self._predict(served, protocol, scope, receive, send)
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
        status, kind = 200, JSON
        try:
            message = await receive()
            body = message.get("body", b"")
            if message.get("more_body") or len(body) > served.limit or message["type"] != "http.request":
                body = await _rest(served.limit, message, scope, receive)
            if len(body) > INLINE_BYTES:
                content = await asyncio.to_thread(_whole, served, protocol, body, scope)
            else:
                asked = protocol.decode(body, _media(scope) if protocol.typed else b"")
                batcher = served.batcher
                future = batcher.one(asked.values) if asked.one else batcher.many(asked.values)
                scored, start = await future
                content = protocol.answer(scored, start, asked)
        except BadRequest as error:
            counts.failed(error.kind)
            status, content = protocol.refuse(error)
            kind = TEXT if status == 415 and protocol.name == "mlflow" else JSON
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
        await _reply(send, status, content, kind)
        counts.ended(protocol.name, status, perf_counter() - began)
        if served is not self._served:  # nobody else will ask the old one to count
            counts.settle()
        elif counts.due and not self._settling:
            self._settling = True
            asyncio.get_running_loop().call_soon(self._settle)

    def _settle(self) -> None:
        self._settling = False
        self._served.counts.settle()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self.ready = True
        gc.collect()
        gc.freeze()  # what start-up made lives as long as the process; the collector need not walk it again
        self._started()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.ready = False
        self._served.counts.settle()
        await send({"type": "lifespan.shutdown.complete"})


def _whole(served: Served, protocol: Protocol, body: bytes, scope: Scope) -> bytes:
    """Decode, score and write a large request, on a thread."""
    asked: Asked = protocol.decode(body, _media(scope) if protocol.typed else b"")
    columns = [[value] for value in asked.values] if asked.one else asked.values
    return protocol.answer(served.batcher.scored(columns), 0, asked)


async def _rest(limit: int, message: MutableMapping[str, Any], scope: Scope, receive: Receive) -> bytes:
    """Read a body that did not come at once, but no more of it than the limit."""
    announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    too_large = BadRequest(413, f"the body is larger than {limit} bytes; send fewer rows a request")
    if announced.isdigit() and int(announced) > limit:
        raise too_large
    chunks, size = [], 0
    while True:
        if message["type"] != "http.request":
            raise Gone
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise too_large
        if not message.get("more_body"):
            return b"".join(chunks)
        message = await receive()


def _media(scope: Scope) -> bytes:
    return next((value for name, value in scope["headers"] if name == b"content-type"), b"")


async def _reply(send: Send, status: int, content: bytes, kind: bytes = JSON, *more: tuple[bytes, bytes]) -> None:
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(content)), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
