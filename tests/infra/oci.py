"""Images without an engine: made of a few bytes, and pushed by the distribution API; and a registry in this process."""

import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen

from infra import bundle as bundles
from infra import labels
from infra.bundle import Bundle

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"


def labels_of(sealed: Bundle) -> dict[str, str]:
    """Label an image of a bundle as serve/Dockerfile does, as far as a deployment looks."""
    unit = bundles.unit(sealed)
    return {labels.VERSION: str(unit.version), labels.MODEL_DIGEST: unit.model, labels.BUNDLE: unit.bundle}


def digest(content: bytes) -> str:
    """Name content as registries do."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def layer(text: str) -> bytes:
    """Make a layer that holds one file."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("file")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def push(host: str, name: str, labels: Mapping[str, str], text: str = "service") -> str:
    """Push an image of one layer to a registry on loopback; return its reference by digest."""
    content = layer(text)
    config = {"architecture": "amd64", "os": "linux", "config": {"Labels": dict(labels)}}
    packed = json.dumps(config | {"rootfs": {"type": "layers", "diff_ids": [digest(content)]}}).encode()
    parts = [
        {"mediaType": kind, "digest": digest(blob), "size": len(blob)}
        for kind, blob in ((CONFIG, packed), ("application/vnd.oci.image.layer.v1.tar", content))
    ]
    for blob in (packed, content):
        place = _ask(f"http://{host}/v2/{name}/blobs/uploads/", "POST")
        _ask(f"{place}{'&' if '?' in place else '?'}digest={digest(blob)}", "PUT", blob, "application/octet-stream")
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": parts[0], "layers": parts[1:]}
    content = json.dumps(manifest).encode()
    _ask(f"http://{host}/v2/{name}/manifests/{digest(content)}", "PUT", content, MANIFEST)
    return f"{host}/{name}@{digest(content)}"


def _ask(url: str, method: str, content: bytes = b"", kind: str = "") -> str:
    headers = {"Content-Type": kind, "Content-Length": str(len(content))}
    request = Request(url, content, {key: value for key, value in headers.items() if value}, method=method)  # noqa: S310
    with urlopen(request, timeout=20) as answer:  # noqa: S310  loopback
        place: str = answer.headers.get("location") or ""
        return place if place.startswith("http") else "/".join(url.split("/")[:3]) + place


@dataclass
class FakeHub:
    """What a registry holds, by path below /v2/, and how it misbehaves."""

    held: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, authorization
    token: str = ""  # that it wants, got at /token
    status: int = 0  # of every answer
    realm: str = ""  # where it sends who has no token
    login: str = ""  # that /token wants
    busy: list[tuple[int, str]] = field(default_factory=list)  # status and Retry-After of /token's next answers
    asks: str = ""  # its challenge, where it is not the usual one; PLACE is where tokens are
    moved: int = 0  # the status by which it sends a PUT on to /elsewhere
    host: str = ""

    def answer(self, method: str, path: str, authorization: str, content: bytes) -> tuple[int, dict[str, str], bytes]:
        """Do what is asked."""
        self.asked.append((method, path, authorization))
        if path.startswith("/token"):
            if self.busy:
                status, after = self.busy.pop(0)
                return status, {"Retry-After": after} if after else {}, b""
            if self.login and authorization != f"Basic {self.login}":
                return 401, {}, b"{}"
            return 200, {}, json.dumps({"token": self.token}).encode()
        if self.status:
            return self.status, {}, b""
        if self.token and authorization != f"Bearer {self.token}":
            realm = self.realm or f"http://{self.host}/token"
            if self.asks:
                return 401, {"WWW-Authenticate": self.asks.replace("PLACE", realm)}, b""
            return 401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="hub",scope="repository:x:pull"'}, b""
        path, _, query = path.partition("?")
        if method == "POST":
            return 202, {"Location": f"{path}1"}, b""
        if method == "PUT" and self.moved:
            return self.moved, {"Location": "/elsewhere"}, b""
        if path == "/elsewhere":
            return 200, {}, b"a page"
        if method == "PUT":
            key = path.rpartition("uploads/")[0] + query.removeprefix("digest=") if query else path
            self.held[key] = content
            return 201, {}, b""
        found = self.held.get(path)
        return (404, {}, b"") if found is None else (200, {}, found)


@contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    """Serve a registry on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
            told: Any = hub.answer(self.command, self.path, self.headers.get("authorization", ""), content)
            status, headers, body = told
            self.send_response(status)
            for name, value in headers.items():
                for line in value.split("\n"):
                    self.send_header(name, line)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = _do  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.host = f"127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
