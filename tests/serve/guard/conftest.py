"""A guard to ask without a network, an issuer of tokens, and a server on loopback to ask by raw sockets."""

import asyncio
import datetime
import ipaddress
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from serve.guard.around import Guard
from serve.guard.server import configure
from serve.guard.settings import Limits, Oidc, Settings

LIMITS = Limits(
    max_body_bytes=1000, max_header_bytes=2000, header_seconds=5, body_seconds=5, requests_per_second=10, burst=3,
    concurrent=2, connections=20,
)  # fmt: skip
ROUTES = {"/predict": "predict", "/healthz": None, "/v2/*": "predict", "/feedback": "feedback"}
AUDIENCE = "gatehouse"


class Clock:
    """A clock that is set by hand, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def detail(self) -> str:
        """The sentence of a refusal; it has the form that all have."""
        content = json.loads(self.body)
        assert {"detail", "field", "row"} == set(content)
        return content["detail"]


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer 200 with the body that came."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message["body"], message.get("more_body", False)
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def ask(
    application: Any, path: str = "/predict", body: bytes = b"{}", client: str = "127.0.0.1", **headers: str
) -> Answer:
    """Ask an ASGI application; headers by their names with _ for -."""
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "headers": lines, "client": (client, 1)}
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await application(scope, receive, send)
    told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], told, b"".join(message["body"] for message in sent[1:]))


@pytest.fixture
def asks() -> Callable[..., Answer]:
    """Ask once, outside of any loop."""
    return lambda *arguments, **more: asyncio.run(ask(*arguments, **more))


PRIVATE = {
    "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ec": ec.generate_private_key(ec.SECP256R1()),
    "ed": ed25519.Ed25519PrivateKey.generate(),
}


class Issuer:
    """An issuer of tokens on loopback: its keys, how often it was asked, and whether it is out."""

    def __init__(self) -> None:
        self.fetched = 0
        self.out = False
        self.raw = b""  # bytes that it answers instead of HTTP of its own
        self.moved = ""  # an address that it redirects to
        self.private = PRIVATE
        makers = {
            "rsa": jwt.algorithms.RSAAlgorithm,
            "ec": jwt.algorithms.ECAlgorithm,
            "ed": jwt.algorithms.OKPAlgorithm,
        }
        self.keys = [
            {**json.loads(makers[kid].to_jwk(key.public_key())), "kid": kid, "use": "sig"}
            for kid, key in self.private.items()
        ]
        self.discovery: dict[str, str] = {}
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.fetched += self.path == "/jwks"
                content = json.dumps(issuer.discovery if "openid" in self.path else {"keys": issuer.keys}).encode()
                if issuer.raw:
                    self.wfile.write(issuer.raw)
                    return
                self.send_response(500 if issuer.out else 302 if issuer.moved else 200)
                if issuer.moved:
                    self.send_header("Location", issuer.moved)
                self.end_headers()
                self.wfile.write(b"" if issuer.out or issuer.moved else content)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.discovery = {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"}
        self.oidc = Oidc(self.url, AUDIENCE)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def claims(self, **claims: Any) -> dict[str, Any]:
        """Claims that hold; None takes one away."""
        now = int(time.time())
        usual = {"iss": self.url, "aud": AUDIENCE, "sub": "batch", "iat": now, "exp": now + 600, "scope": "predict"}
        return {name: value for name, value in (usual | claims).items() if value is not None}

    def token(
        self, kid: str = "rsa", algorithm: str = "RS256", headers: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """A token signed by one of the keys."""
        return jwt.encode(self.claims(**claims), self.private[kid], algorithm, {"kid": kid} | (headers or {}))


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def listening() -> Iterator[Callable[..., Callable[[], socket.socket]]]:
    """Serve an application on loopback behind the guard, open; give what connects to it."""
    servers = []

    def serve(app: Any = echo, **limits: Any) -> Callable[[], socket.socket]:
        settings = Settings(replace(LIMITS, **limits), open="loopback")
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(configure(Guard(settings, ROUTES).around(app), settings, lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        servers.append((server, thread))
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)

        def connect() -> socket.socket:
            return socket.create_connection(listener.getsockname(), timeout=30)  # generous: nothing waits for it

        return connect

    yield serve
    for server, thread in servers:
        server.should_exit = True
        thread.join()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gatehouse")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "tls.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "tls.key").write_bytes(pem)
    return tmp_path / "tls.crt", tmp_path / "tls.key"
