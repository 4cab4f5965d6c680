"""The short way: a request that is let in at once, small and plain is answered without an ASGI task of its own.

A task, its messages and their headers cost more than the prediction of a row. What goes the short way is known by its
headers; whatever turns out otherwise later (a body that breaks the contract, a model that fails) is handed over to the
usual way, with all that is known of it, so that every refusal has one place.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from serve.guard.exchange import ADMITTED, FAILED, Exchange
from serve.guard.refused import Header

if TYPE_CHECKING:
    from serve.guard.connection import Connection

OK = 200


class ShortWay(Protocol):
    """What works on requests of the short way: `most_bytes` of body, and the `heads` of its answers."""

    most_bytes: int
    heads: "Heads"

    def admit(self, url: bytes, client: Any, headers: Mapping[bytes, bytes], pairs: list[Header]) -> Exchange | None:
        """Let a request in; None when it is none of this way, or not let in."""

    def work(self, errand: "Errand") -> None:
        """Begin to work on a request whose body is there; ends with `answer` or `hand_over`, now or later."""

    def gone(self, errand: "Errand") -> None:
        """Forget a request whose client left before its body was there."""


class Heads:
    """Heads of answers with status 200: what is common to all is written once, when the server's own headers change.

    `always` are the headers behind those of the answer itself.
    """

    def __init__(self, content_type: bytes, always: Sequence[Header]) -> None:
        self._own = b"content-type: %b\r\ncontent-length: %%d\r\nx-request-id: %%b\r\n" % _escaped(content_type)
        self._always = _lines(always)
        self._seen: tuple[int, Sequence[Header]] = (-1, ())
        self._made = b""
        self.last = False  # whether the server wants each answer to be the last one of its connection

    def head(self, defaults: Sequence[Header], length: int, request_id: bytes, more: bytes = b"") -> bytes:
        """Write the head of an answer; `defaults` are the headers that the server gives to all answers."""
        if self._seen[1] is not defaults or self._seen[0] != len(defaults):
            self._seen = len(defaults), defaults
            self._made = STATUS_LINE[OK] + _lines(defaults) + self._own + self._always
            self.last = (b"connection", b"close") in defaults
        return self._made % (length, request_id) + more + b"\r\n"


class Errand(RequestResponseCycle):
    """A request on the short way, as uvicorn's protocol sees the one that it is busy with."""

    disconnected = response_started = response_complete = False
    keep_alive = True
    message_event = asyncio.Event()  # uvicorn sets it, nobody waits for it

    def __init__(self, wire: "Connection", exchange: Exchange, short: ShortWay) -> None:
        # Without uvicorn's own: of what that makes, nothing is needed before it is handed over
        self.wire, self.exchange, self._short = wire, exchange, short
        self.path, self.pairs, self._scope = wire.url, wire.headers, wire.scope
        self.content = b""

    def answer(self, content: bytes) -> None:
        """Send the answer."""
        self.response_started = self.response_complete = True
        self.exchange.status = OK
        wire, heads = self.wire, self._short.heads
        if not self.disconnected:
            close = b"" if self.keep_alive else b"connection: close\r\n"
            head = heads.head(wire.server_state.default_headers, len(content), self.exchange.id, close)
            wire.transport.write(head + content)
        wire.answered(self.keep_alive and not heads.last)

    def hand_over(self, error: Exception | None = None) -> None:
        """Let the usual way work on this request from its beginning, but that it is let in already.

        With an error, the work has failed by it, and all that is left to do is to say so.
        """
        wire, path = self.wire, self.path.decode("ascii")
        scope: Any = self._scope
        scope |= {"method": "POST", "path": path, "raw_path": self.path, "query_string": b""}
        scope["state"] |= {ADMITTED: self.exchange, FAILED: error}
        cycle = RequestResponseCycle(
            scope=scope, transport=wire.transport, flow=wire.flow, logger=wire.logger,
            access_logger=wire.access_logger, access_log=wire.access_log,
            default_headers=wire.server_state.default_headers, message_event=asyncio.Event(),
            expect_100_continue=False, keep_alive=self.keep_alive, on_response=wire.on_response_complete,
        )  # fmt: skip
        cycle.body, cycle.more_body, cycle.disconnected = bytearray(self.content), False, self.disconnected
        cycle.message_event.set()
        if wire.cycle is self:
            wire.cycle = cycle
        wire._start_asgi_task(cycle, wire.app)


def _lines(headers: Sequence[Header]) -> bytes:
    return b"".join(b"%b: %b\r\n" % (name, _escaped(value)) for name, value in headers)


def _escaped(text: bytes) -> bytes:
    return text.replace(b"%", b"%%")
