"""The limit on bodies, for any application behind the guard."""

from serve.guard.exchange import Message, Receive
from serve.guard.refused import Refused


def limited(receive: Receive, headers: dict[bytes, bytes], limit: int) -> Receive:
    """Return a `receive` that refuses a body beyond `limit` bytes; an announced one is refused before it is read.

    Raises Refused with 413, here or when the body is read.
    """
    if b"transfer-encoding" not in headers:
        announced = headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced) > limit:
            raise _too_large(limit)
        return receive  # the server takes no more than was announced
    size = 0

    async def counting() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise _too_large(limit)
        return message

    return counting


def has_body(headers: dict[bytes, bytes]) -> bool:
    """Tell whether a request has a body, by its headers."""
    return headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers


def _too_large(limit: int) -> Refused:
    return Refused(413, f"the body is larger than {limit} bytes; send fewer rows a request")
