"""The HTTP protocol of the server with its patience bounded: slow or too large headers, bodies, readers.

uvicorn waits for ever for the rest of a request, and httptools takes headers of any size, and any number of hosts. All
that shows only here, below ASGI. A request that comes in one piece, as nearly all do, costs a look at the names of its
headers and two comparisons more, and starts no timer.
"""

import asyncio
import re
from typing import Any, NoReturn

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serve.guard.refused import Header, Refused, on_the_wire
from serve.guard.settings import Limits

SPACES = b" \t"  # around a value they are none of it (RFC 9110, section 5.5); the parser leaves those behind it
IDLE, HEAD, BODY = 0, 1, 2  # the part of a request that is arriving

UPGRADE = re.compile(rb"(\r\n)upgrade(?=[ \t]*:)", re.IGNORECASE)

SLOW = {IDLE: "no request came", HEAD: "the headers took too long to arrive", BODY: "the body took too long to arrive"}


class Wire(HttpToolsProtocol):
    """One connection."""

    limits: Limits

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._parts = 0  # begun so far; modulo 3 it is the one that arrives
        self._bytes = 0  # of it, as far as they came in pieces
        self._field_bytes = 0  # of its headers, as far as they are read
        self._refusal = 400, "this is no HTTP request"
        self._timer: asyncio.TimerHandle | None = None
        self._reader: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for a request."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._answer(503, "too many connections are open", (b"retry-after", b"1"))
        else:
            self._wait(self.limits.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        self._stop()
        self._hear_reader()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes, then see which part of a request is unfinished."""
        if self.transport.is_closing():
            return
        before = self._parts
        if before % 3 == IDLE and (b"pgrade" in data or b"PGRADE" in data):
            data = without_upgrade(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        part, moved = self._parts % 3, self._parts - before
        if part == IDLE:
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop()
            elif self._timer is None:
                self._wait(self.limits.header_seconds)  # line ends and no request
            return
        if moved:
            self._bytes = len(data) if moved == 1 else 0
            self._wait(self.limits.header_seconds if part == HEAD else self.limits.body_seconds)
        else:
            self._bytes += len(data)
        if part == HEAD and self._bytes > self.limits.max_header_bytes:
            self._answer(431, self._too_large())
        if part == BODY and self._bytes > 2 * self.limits.max_body_bytes + self.limits.max_header_bytes:
            self._answer(413, "the body is larger than twice what is taken")  # framing of chunks included

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._parts += 1
        self._field_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Take a piece of the address."""
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer."""
        super().on_header(name, value.rstrip(SPACES))
        self._count(len(name) + len(value) + 4)  # colon, space, line end

    def on_headers_complete(self) -> None:
        """Begin the body."""
        if self.parser.get_http_version() == "1.1" and not self.names_host_once():
            self._stop_for(400, "the header Host has to be there, once")  # RFC 9112, section 3.2
        codings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
        if codings and codings != [b"chunked"]:
            self._stop_for(501, "a body may be chunked, and coded in no other way")  # RFC 9112, section 6.1
        if self.parser.should_upgrade() and self._has_body():
            self._stop_for(400, "the header Upgrade goes with no body here")  # the parser would leave the body out
        self._parts += 1
        super().on_headers_complete()

    def names_host_once(self) -> bool:
        """Whether the header Host is there, and once."""
        return [name for name, _ in self.headers].count(b"host") == 1

    def _has_body(self) -> bool:
        return any(name in (b"content-length", b"transfer-encoding") and value != b"0" for name, value in self.headers)

    def on_message_complete(self) -> None:
        """End the request."""
        self._parts += 1
        super().on_message_complete()

    def _count(self, size: int) -> None:
        self._field_bytes += size
        if self._field_bytes > self.limits.max_header_bytes:
            self._stop_for(431, self._too_large())

    def _stop_for(self, status: int, sentence: str) -> NoReturn:
        """Stop the parser; uvicorn comes back by send_400_response."""
        self._refusal = status, sentence
        raise httptools.HttpParserError

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  uvicorn's sentence, and its place to override
        """Refuse what the parser stopped at."""
        self._answer(*self._refusal)

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not take its answer."""
        super().pause_writing()
        self._reader = self.loop.call_later(self.limits.body_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The client takes its answer."""
        self._hear_reader()
        super().resume_writing()

    def _hear_reader(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None

    def _too_large(self) -> str:
        return f"the headers are larger than {self.limits.max_header_bytes} bytes"

    def _wait(self, seconds: float) -> None:
        self._stop()
        self._timer = self.loop.call_later(seconds, self._give_up)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self._answer(408, SLOW[self._parts % 3])

    def _answer(self, status: int, sentence: str, *headers: Header) -> None:
        """Refuse and close; say nothing into the midst of an answer, or after one that did not await the body."""
        self._stop()
        cycle, part = self.cycle, self._parts % 3
        silent = cycle is not None and (cycle.response_started if part == BODY else not cycle.response_complete)
        if not silent and not self.pipeline:
            self.transport.write(on_the_wire(Refused(status, sentence, *headers)))
        if cycle is not None:
            cycle.disconnected = True  # the application hears that nobody waits any more
            cycle.message_event.set()
        self.transport.close()


def without_upgrade(data: bytes) -> bytes:
    """Rename the header Upgrade in the head that some bytes begin with: who asks for HTTP/2 is served by HTTP/1.1.

    A server may ignore it (RFC 9110, section 7.8); the parser does not, and takes what follows for another protocol.
    Bytes that begin within a request are none for this: where its head ends cannot be told by them.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    return UPGRADE.sub(rb"\1ignored", head) + end + rest
