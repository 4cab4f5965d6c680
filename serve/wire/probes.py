"""What machines ask before they send traffic: does it live, is it ready, which model is it."""

from collections.abc import Callable
from typing import Any

import msgspec

from serve.loaded import Bundle
from serve.wire.protocol import JSON, TEXT
from serve.wire.v2 import metadata

Probe = Callable[[bool], tuple[int, bytes, bytes]]  # whether it is ready to status, content and type
_encode = msgspec.json.encode


class Probes:
    """The answers of GET routes that need no page: what of `routes.table` to status, content and type."""

    def __init__(self, bundle: Bundle) -> None:
        name, version = bundle.name, bundle.version
        server = {"name": "gatehouse", "version": bundle.digest[:12], "extensions": []}
        self.answers: dict[str, Probe] = {
            "lives": _fixed(_encode({"status": "ok"})),
            "ready": _either(b'{"status":"ready"}', b'{"status":"not ready"}'),
            "ping": _either(b"\n", b"\n"),  # MLflow's scoring server answers an empty line, as JSON
            "v2 server": _fixed(_encode(server)),
            "v2 live": _fixed(b'{"live":true}'),
            "v2 ready": _either(b'{"ready":true}', b'{"ready":false}'),
            "v2 model": _fixed(_encode(metadata(name, version, bundle.model))),
            "v2 model ready": _either(_named(name, True), _named(name, False)),
            "azure lives": _fixed(b"Healthy", TEXT),
        }


def _either(yes: bytes, no: bytes) -> Probe:
    return lambda ready: (200, yes, JSON) if ready else (503, no, JSON)


def _fixed(content: bytes, kind: bytes = JSON) -> Probe:
    return lambda _: (200, content, kind)


def _named(name: str, ready: bool) -> bytes:
    known: dict[str, Any] = {"name": name, "ready": ready}
    return _encode(known)
