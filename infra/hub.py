"""The one door to a registry of images (the OCI distribution API): what an image is, and a tag that keeps it.

Every byte is held against the digest that named it, so that no registry and no proxy can hand out another image. The
login is that of `docker login` (DOCKER_CONFIG, else ~/.docker/config.json, and the store or helper that it names).
Registries on loopback are asked by HTTP.
"""

import base64
import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from infra.connection import first_line
from validation.script import OutsideError, Refusal, digest

REFERENCE = re.compile(r"([\w.-]+(?::\d+)?)/([a-z0-9._/-]+)@(sha256:[0-9a-f]{64})", re.ASCII)
LOCAL = re.compile(r"(127\.0\.0\.1|localhost)(:\d+)?")
KINDS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
HUB = dict.fromkeys(("docker.io", "index.docker.io"), "registry-1.docker.io")  # where the one of Docker's name is asked
SECONDS = 30.0

Read = Callable[[str, tuple[str, ...]], bytes]  # what a path like blobs/sha256:... has, in one of these media types
_elsewhere: dict[str, Read] = {}  # by host: what is asked instead of a registry


@dataclass(frozen=True)
class Image:
    """An image as its registry has it: its labels, and the digests of its unpacked layers, the lowest first."""

    reference: str
    labels: dict[str, str]
    layers: tuple[str, ...]

    @property
    def content(self) -> str:
        """Name what is in the image, whatever it is labelled: SHA-256 of the layers' digests."""
        return content_of(self.layers)


class NoSuchImageError(Exception):
    """The registry has no such image, or another one under that digest: one sentence."""


def content_of(layers: tuple[str, ...] | list[str]) -> str:
    """SHA-256 over the digests of unpacked layers; the same in a registry and in an engine."""
    return digest("\n".join(layers).encode())


def parts(reference: str) -> tuple[str, str, str]:
    """Split host/name@sha256:... into host, name and digest.

    Raises Refusal when an image is not named by its digest.
    """
    found = REFERENCE.fullmatch(reference)
    if not found:
        raise Refusal(f"{reference!r} does not name an image by its digest, as ghcr.io/owner/name@sha256:...")
    return found.group(1), found.group(2), found.group(3)


@contextlib.contextmanager
def elsewhere(host: str, read: Read) -> Iterator[None]:
    """Let the images of a host that is no registry be read by a function, while the block runs."""
    _elsewhere[host] = read
    try:
        yield
    finally:
        del _elsewhere[host]


def look(reference: str) -> Image:
    """Read what an image is.

    Raises NoSuchImageError when it is not there or not what its digest says, OutsideError when the registry fails.
    """
    host, name, wanted = parts(reference)
    read = _elsewhere.get(host) or _Asked(host, name).read
    manifest = _object(_checked(read(f"manifests/{wanted}", KINDS), wanted, reference), reference)
    config = manifest.get("config")
    inner = str(config.get("digest")) if isinstance(config, dict) else ""
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", inner):
        raise NoSuchImageError(f"{reference} is no image for one platform, as ours are")
    told = _object(_checked(read(f"blobs/{inner}", ("*/*",)), inner, reference), reference)
    labels, layers = (told.get("config") or {}).get("Labels"), (told.get("rootfs") or {}).get("diff_ids")
    if not isinstance(layers, list) or not layers:
        raise NoSuchImageError(f"{reference} lists no layers")
    return Image(reference, {str(key): str(value) for key, value in (labels or {}).items()}, tuple(map(str, layers)))


def tag(reference: str, word: str) -> None:
    """Give an image a tag, so that a clean-up of what has none spares it."""
    host, name, wanted = parts(reference)
    asked = _Asked(host, name, "pull,push")
    told = asked.get(f"manifests/{wanted}", KINDS)
    content = _checked(told.content, wanted, reference)
    kind = str(_object(content, reference).get("mediaType") or told.headers.get("content-type") or KINDS[0])
    asked.put(f"manifests/{word}", content, kind)


class _Asked:
    """A repository of a registry, and the token that it asked us to bring."""

    def __init__(self, host: str, name: str, actions: str = "pull") -> None:
        scheme = "http" if LOCAL.fullmatch(host) else "https"
        name = f"library/{name}" if host in HUB and "/" not in name else name
        self._top, self._host = f"{scheme}://{HUB.get(host, host)}/v2/{name}", host
        self._scope = f"repository:{name}:{actions}"
        # a registry sends a reader on to its store: httpx leaves the token behind there
        self._client = httpx.Client(timeout=SECONDS, follow_redirects=True, trust_env=scheme == "https")
        self._token: dict[str, str] = {}

    def get(self, path: str, kinds: tuple[str, ...]) -> httpx.Response:
        return self._ask("GET", path, headers={"Accept": ", ".join(kinds)})

    def read(self, path: str, kinds: tuple[str, ...]) -> bytes:
        return self.get(path, kinds).content

    def put(self, path: str, content: bytes, kind: str) -> None:
        self._ask("PUT", path, headers={"Content-Type": kind}, content=content)

    def _ask(self, method: str, path: str, headers: dict[str, str], content: bytes | None = None) -> httpx.Response:
        url = f"{self._top}/{path}"
        answer = self._send(method, url, headers | self._token, content)
        if answer.status_code == 401 and not self._token:
            self._token = self._login(answer.headers.get("www-authenticate", ""))
            answer = self._send(method, url, headers | self._token, content)
        if answer.status_code == 404:
            raise NoSuchImageError(f"{self._host} has no {path} in {self._top.partition('/v2/')[2]}")
        if answer.status_code in (401, 403):
            raise Refusal(f"{self._host} lets nobody with this login {method} {path}: `docker login {self._host}`")
        if answer.request.method != method:  # a redirect can make a PUT a GET, which writes nothing
            raise OutsideError(f"{self._host} sent {method} {path} on to where it is only read")
        if not answer.is_success:
            raise OutsideError(f"{self._host} answered {method} {path} by status {answer.status_code}")
        return answer

    def _send(self, method: str, url: str, headers: dict[str, str], content: bytes | None) -> httpx.Response:
        try:
            return self._client.request(method, url, headers=headers, content=content)
        except httpx.HTTPError as error:
            raise OutsideError(f"{self._host} does not answer: {type(error).__name__}") from error

    def _login(self, challenge: str) -> dict[str, str]:
        """Get the token that a registry asks for, or bring the login itself where it asks for that."""
        known = _known(self._host)
        basic = {"Authorization": f"Basic {known}"} if known else {}
        told = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        realm = told.get("realm", "")
        if not challenge.lower().startswith("bearer "):
            return basic
        if not realm.startswith("https://") and not LOCAL.fullmatch(realm.partition("://")[2].partition("/")[0]):
            raise OutsideError(f"{self._host} asks for a login at {realm or 'no place'}, which is not encrypted")
        query = {"scope": self._scope} | ({"service": told["service"]} if told.get("service") else {})
        answer = self._send("GET", str(httpx.URL(realm).copy_merge_params(query)), basic, None)
        try:
            content = answer.json()
            return {"Authorization": f"Bearer {content.get('token') or content['access_token']}"}
        except (ValueError, KeyError, AttributeError):
            raise Refusal(f"{self._host} gives no token for {self._scope}: `docker login {self._host}`") from None


def _known(host: str) -> str:
    """Return the login that `docker login` left for a registry, in its file or its store; empty without one.

    Raises Refusal when the store fails.
    """
    from docker import auth, errors

    try:
        found = auth.load_config().resolve_authconfig(host) or {}
    except errors.DockerException as error:
        raise Refusal(f"the login of {host} cannot be read: {first_line(error)}; `docker login {host}`") from error
    user, password = (found.get(name) or found.get(name.title()) for name in ("username", "password"))
    return base64.b64encode(f"{user}:{password}".encode()).decode() if user and password else ""


def _checked(content: bytes, wanted: str, reference: str) -> bytes:
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != wanted:
        raise NoSuchImageError(f"{reference}: the registry gave something that has not the digest {wanted[:19]}")
    return content


def _object(content: bytes, reference: str) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise NoSuchImageError(f"{reference}: the registry gave no description of an image")
    return value
