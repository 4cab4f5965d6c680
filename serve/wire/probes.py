"""What machines ask before they send traffic: does it live, is it ready, which model is it."""

from collections.abc import Callable
from typing import Any

import msgspec

from serve.loaded import Bundle
from serve.wire.protocol import JSON, TEXT
from serve.wire.v2 import metadata

Probe = Callable[[], tuple[int, bytes, bytes]]
_encode = msgspec.json.encode


class Probes:
    """The answers of GET routes that need no page: what of `routes.table` to status, content and type."""

    def __init__(self, bundle: Bundle, is_ready: Callable[[], bool]) -> None:
        self._is_ready = is_ready
        name, version = bundle.name, bundle.version
        server = {"name": "gatehouse", "version": bundle.digest[:12], "extensions": []}
        self.answers: dict[str, Probe] = {
            "lives": _fixed(_encode({"status": "ok"})),
            "ready": self._either(b'{"status":"ready"}', b'{"status":"not ready"}'),
            "ping": self._either(b"\n", b"\n"),  # MLflow's scoring server answers an empty line, as JSON
            "v2 server": _fixed(_encode(server)),
            "v2 live": _fixed(b'{"live":true}'),
            "v2 ready": self._either(b'{"ready":true}', b'{"ready":false}'),
            "v2 model": _fixed(_encode(metadata(name, version, bundle.model))),
            "v2 model ready": self._either(_named(name, True), _named(name, False)),
            "azure lives": _fixed(b"Healthy", TEXT),
        }

    def _either(self, ready: bytes, not_ready: bytes) -> Probe:
        return lambda: (200, ready, JSON) if self._is_ready() else (503, not_ready, JSON)


def _fixed(content: bytes, kind: bytes = JSON) -> Probe:
    return lambda: (200, content, kind)


def _named(name: str, ready: bool) -> bytes:
    known: dict[str, Any] = {"name": name, "ready": ready}
    return _encode(known)
