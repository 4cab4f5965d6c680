"""One request and its answer as the guard sees them: an id, the headers of every answer, a line of the log."""

import os
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

from serve.guard import logs
from serve.guard.refused import POLICIES, POLICY, Header, Refused, messages

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

ADMITTED = "gatehouse.admitted"  # in the state of a scope: the exchange of a request that is let in already
FAILED = "gatehouse.failed"  # there too: the error by which the work on it has failed, if it has
ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
TRACE = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")  # W3C trace context, version 00


class Exchange:
    """What is known of a request while it is under way."""

    __slots__ = (
        "_headers", "_more", "_send", "_started", "broken", "caller", "held", "holder", "id", "placed", "route",
        "status",
    )  # fmt: skip

    def __init__(self, headers: Mapping[bytes, bytes], more: Sequence[Header]) -> None:
        given = headers.get(b"x-request-id")
        self.id = given if given and ID.fullmatch(given) else os.urandom(8).hex().encode()
        self.route = self.caller = self.holder = ""
        self.status = 0  # of the answer, once it has begun
        self.broken = False
        self.placed, self.held = False, 0  # see serve/guard/room.py: whether it has a place, and the bytes of its body
        self._headers, self._more = headers, more
        self._started = time.perf_counter()

    def answer_by(self, send: Send) -> None:
        """Send the answer by this."""
        self._send = send

    async def send(self, message: Message) -> None:
        """Send an answer of the application; a 500 of its own is held back, for ours tells less."""
        if message["type"] == "http.response.start":
            if message["status"] == 500:
                self.broken = True
                return
            message = self._with_ours(message)
        if not self.broken:
            await self._send(message)

    async def refuse(self, refused: Refused) -> None:
        """Send a refusal."""
        start, body = messages(refused)
        await self._send(self._with_ours(start))
        await self._send(body)

    async def apologise(self, error: BaseException | None) -> None:
        """Log what broke, and answer 500 with the id; an answer that had begun stays unfinished, and is closed."""
        self.log("error", "crashed", 500, **(logs.crash(error) if error is not None else {}))
        if not self.status:
            sentence = f"the service failed; its log has more under the request id {self.id.decode()}"
            await self.refuse(Refused(500, sentence))

    def _with_ours(self, start: Message) -> Message:
        self.status = start["status"]
        given = start.get("headers", ())
        headers = [*given, (b"x-request-id", self.id), *self._more]
        for name, _ in given:
            if name == b"content-security-policy":
                break
        else:
            headers.append(POLICIES.get(self.route, POLICY))
        return {**start, "headers": headers}

    def answered(self, share: float) -> None:
        """Log the answer, if chance picks it: `share` of them."""
        if share and random.random() < share:
            self.log("info", "answered", self.status)

    def log(self, level: str, event: str, status: int, **more: Any) -> None:
        """Log what happened to this request."""
        trace = TRACE.fullmatch(self._headers.get(b"traceparent", b""))
        facts = {"id": self.id.decode(), "route": self.route, "caller": self.caller, "status": status}
        facts |= {"trace": trace[1].decode()} if trace else {}
        logs.write(level, event, ms=round((time.perf_counter() - self._started) * 1000, 3), **facts, **more)
