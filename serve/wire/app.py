"""The raw ASGI application in front: predictions and probes are answered here, every other path by `pages`.

`wire(bundle, pages)` makes one ASGI callable. What guards it (who may call, how often) wraps that callable and looks a
path's scope up in `Wire.routes`. FastAPI's own way costs three times what a prediction does, so it keeps to the pages.
"""

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

from serve.loaded import Bundle
from serve.refusal import BadRequest, Gone
from serve.wire import clouds, mlflow, own, v2
from serve.wire.batching import Batcher
from serve.wire.body import Receive, whole
from serve.wire.feedback import Feedback
from serve.wire.probes import Probes
from serve.wire.protocol import JSON, TEXT, Asked, Protocol, detail
from serve.wire.routes import table
from serve.wire.scored import Templates

if TYPE_CHECKING:
    from serve.remembered.spool import Spool

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

INLINE_BYTES = 64_000  # about 200 rows, a millisecond; a larger body is worked on in a thread, others go on
BROKEN = BadRequest(500, "the model failed on this request; the log of the service says why")
log = logging.getLogger("serve.wire")


class Wire:
    """The application; `ready` says whether it answers predictions. With a log it needs the guard's request ids."""

    def __init__(
        self, bundle: Bundle, pages: App, started: Callable[[], None] = lambda: None, log: "Spool | None" = None
    ) -> None:
        self.bundle, self._pages, self._started = bundle, pages, started
        self.ready = False
        self.counts = bundle.counts
        self._limit = int(bundle.limits["max_body_bytes"])
        self._log = log
        self._batcher = Batcher(bundle.model, bundle.counts, log.later if log else None)
        self._feedback = Feedback(bundle.model.target, bundle.rows.max_rows, log.tell if log else None)
        self._settling = False
        templates = Templates(bundle.model.target)
        numbers = [spec["name"] for spec in bundle.model.inputs if spec["type"] == "number"]
        protocols = {
            "predict": own.predict(bundle.rows, templates, bundle.version),
            "mlflow": mlflow.invocations(bundle.rows, templates, numbers),
            "vertex": clouds.vertex(bundle.rows, templates),
            "azure": clouds.azure(bundle.rows, templates),
            "v2": v2.infer(bundle.rows, templates, bundle.model, bundle.name, bundle.version),
        }
        self.routes = table(bundle.name, bundle.version)
        self._posts = {
            route.path: protocols.get(route.what, self._feedback) for route in self.routes if route.method == "POST"
        }
        probes = Probes(bundle, lambda: self.ready)
        self._gets = {
            route.path: probes.answers[route.what]
            for route in self.routes
            if route.method == "GET" and route.what in probes.answers
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or the server's start and end."""
        if scope["type"] != "http":
            return await self._lifespan(receive, send) if scope["type"] == "lifespan" else None
        path, method = scope["path"], scope["method"]
        if method == "POST":
            protocol = self._posts.get(path)
            if isinstance(protocol, Protocol):
                return await self._predict(protocol, scope, receive, send)
            if protocol is not None:
                return await self._take_feedback(scope, receive, send)
        elif method in ("GET", "HEAD"):
            probe = self._gets.get(path)
            if probe is not None:
                return await _reply(send, *probe())
        if path in self._posts or path in self._gets:
            allow = (b"allow", b"POST" if path in self._posts else b"GET, HEAD")
            return await _reply(send, 405, b'{"detail":"Method Not Allowed"}', JSON, allow)
        if path.startswith("/v2/"):
            return await _reply(send, 404, b'{"error":"this server has no such model, version or route"}')
        return await self._pages(scope, receive, send)

    async def _predict(self, protocol: Protocol, scope: Scope, receive: Receive, send: Send) -> None:
        began, counts = perf_counter(), self.counts
        counts.began()
        status, kind = 200, JSON
        try:
            body = await whole(scope, receive, self._limit)
            request = scope["state"]["request_id"] if self._log else ""
            if len(body) > INLINE_BYTES:
                content = await asyncio.to_thread(self._large, protocol, body, scope, request)
            else:
                asked = protocol.decode(body, _media(scope) if protocol.typed else b"")
                score = self._batcher.one if asked.one else self._batcher.many
                scored, start = await score(asked.values, request)
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
        if counts.due and not self._settling:
            self._settling = True
            asyncio.get_running_loop().call_soon(self._settle)

    async def _take_feedback(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            status, content, more = await self._feedback.answer(await whole(scope, receive, self._limit))
        except BadRequest as error:
            status, content, more = *detail(error), ()
        except Gone:
            return
        await _reply(send, status, content, JSON, *more)

    def _settle(self) -> None:
        self._settling = False
        self.counts.settle()

    def _large(self, protocol: Protocol, body: bytes, scope: Scope, request: str) -> bytes:
        """Decode, score and write a large request, on a thread."""
        asked: Asked = protocol.decode(body, _media(scope) if protocol.typed else b"")
        columns = [[value] for value in asked.values] if asked.one else asked.values
        return protocol.answer(self._batcher.scored(columns, [(request, asked.count)]), 0, asked)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self.ready = True
        gc.collect()
        gc.freeze()  # what start-up made lives as long as the process; the collector need not walk it again
        if self._log:
            self._log.start()
        self._started()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.ready = False
        self.counts.settle()
        if self._log:
            await asyncio.to_thread(self._log.close)
        await send({"type": "lifespan.shutdown.complete"})


def _media(scope: Scope) -> bytes:
    return next((value for name, value in scope["headers"] if name == b"content-type"), b"")


async def _reply(send: Send, status: int, content: bytes, kind: bytes = JSON, *more: tuple[bytes, bytes]) -> None:
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(content)), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
