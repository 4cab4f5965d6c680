"""What the guard answers itself: JSON of the form that the service's own refusals have."""

import http
from typing import Any

import msgspec

Header = tuple[bytes, bytes]

CLOSED = b"default-src 'none'; frame-ancestors 'none'"
POLICY: Header = (b"content-security-policy", CLOSED)
# Pages load and ask from here alone; no text becomes HTML or a script, and pictures are data, whose scripts never run
SHOWN: Header = (
    POLICY[0],
    CLOSED + b"; base-uri 'none'; form-action 'none'; connect-src 'self'; img-src data:; script-src 'self';"
    b" style-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'",
)
POLICIES = {"/": SHOWN, "/docs": SHOWN}  # by route
SECURITY: tuple[Header, ...] = (  # on every answer; an answer with a policy of its own keeps it
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
STRICT: Header = (b"strict-transport-security", b"max-age=31536000")  # a year; only where TLS ends here
REALM = b'Bearer realm="gatehouse"'


class Refused(Exception):
    """A request that is not let in: HTTP status, one sentence, headers."""

    def __init__(self, status: int, sentence: str, *headers: Header) -> None:
        super().__init__(sentence)
        self.status, self.headers = status, headers


def unknown(sentence: str) -> Refused:
    """Refuse who shows no valid credential."""
    return Refused(401, sentence, (b"www-authenticate", REALM))


def forbidden(scope: str) -> Refused:
    """Refuse who is known and may not do this."""
    how = REALM + b', error="insufficient_scope", scope="' + scope.encode() + b'"'
    return Refused(403, f"this credential lacks the scope {scope}", (b"www-authenticate", how))


def later(status: int, sentence: str, seconds: float) -> Refused:
    """Refuse for now; `seconds` are until it is worth asking again."""
    return Refused(status, sentence, (b"retry-after", b"%d" % max(1, -int(-seconds // 1))))


def on_the_wire(refused: Refused) -> bytes:
    """Write a refusal as bytes of HTTP, after which the connection is closed."""
    start, body = messages(refused)
    headers = [*start["headers"], *SECURITY, POLICY, (b"connection", b"close")]
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (
        refused.status,
        http.HTTPStatus(refused.status).phrase.encode(),
        lines,
        body["body"],
    )


def messages(refused: Refused) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write a refusal as the two ASGI messages of an answer."""
    body = msgspec.json.encode({"detail": str(refused), "field": None, "row": None})
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *refused.headers]
    return (
        {"type": "http.response.start", "status": refused.status, "headers": headers},
        {"type": "http.response.body", "body": body},
    )
