"""A request's body, read whole, but no more of it than the limit."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from serve.refusal import BadRequest, Gone

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


async def whole(scope: MutableMapping[str, Any], receive: Receive, limit: int) -> bytes:
    """Read a body. Raises BadRequest with 413 beyond `limit` bytes, Gone when the client leaves."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body") and len(body) <= limit and message["type"] == "http.request":
        return body
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
