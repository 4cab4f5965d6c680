"""The one door to a registry of images (the OCI distribution API): what an image is, and a tag that keeps it.

Every byte is held against the digest that named it, so that no registry and no proxy can hand out another image. The
login is that of `docker login` (DOCKER_CONFIG, else ~/.docker/config.json, and the store or helper that it names).
Registries on loopback are asked by HTTP.
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from infra import challenge, exchange
from infra.exchange import Answer
from validation.script import OutsideError, Refusal, digest

REFERENCE = re.compile(r"([\w.-]+(?::\d+)?)/([a-z0-9._/-]+)@(sha256:[0-9a-f]{64})", re.ASCII)
TOKEN = re.compile(r"[\x21-\x7e]+")  # what a header can carry
LOCAL = re.compile(r"(127\.0\.0\.1|localhost)(:\d+)?")
KINDS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
HUB = dict.fromkeys(("docker.io", "index.docker.io"), "registry-1.docker.io")  # where the one of Docker's name is asked
SECONDS = 30.0  # between two pieces of an answer

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
    labels, layers = _inner(told, "config").get("Labels") or {}, _inner(told, "rootfs").get("diff_ids")
    if not isinstance(layers, list) or not layers:
        raise NoSuchImageError(f"{reference} lists no layers")
    if not isinstance(labels, dict):
        raise NoSuchImageError(f"{reference} has labels that are none")
    return Image(reference, {str(key): str(value) for key, value in labels.items()}, tuple(map(str, layers)))


def _inner(told: dict[str, Any], name: str) -> dict[str, Any]:
    found = told.get(name)
    return found if isinstance(found, dict) else {}


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
        self._client = exchange.client(timeout=SECONDS, proxies=scheme == "https")
        self._token: dict[str, str] = {}

    def get(self, path: str, kinds: tuple[str, ...]) -> Answer:
        return self._ask("GET", path, headers={"Accept": ", ".join(kinds)})

    def read(self, path: str, kinds: tuple[str, ...]) -> bytes:
        return self.get(path, kinds).content

    def put(self, path: str, content: bytes, kind: str) -> None:
        self._ask("PUT", path, headers={"Content-Type": kind}, content=content)

    def _ask(self, method: str, path: str, headers: dict[str, str], content: bytes | None = None) -> Answer:
        url = f"{self._top}/{path}"
        answer = exchange.ask(self._client, self._host, method, url, headers | self._token, content)
        if answer.status == 401 and not self._token:
            self._token = self._login(challenge.schemes(answer.headers.get_list("www-authenticate")))
            answer = exchange.ask(self._client, self._host, method, url, headers | self._token, content)
        if answer.status == 404:
            raise NoSuchImageError(f"{self._host} has no {path} in {self._top.partition('/v2/')[2]}")
        if answer.status in (401, 403):
            raise Refusal(f"{self._host} lets nobody with this login {method} {path}: `docker login {self._host}`")
        if answer.method != method:  # a redirect can make a PUT a GET, which writes nothing
            raise OutsideError(f"{self._host} sent {method} {path} on to where it is only read")
        if not 200 <= answer.status < 300:
            raise OutsideError(f"{self._host} answered {method} {path} by status {answer.status}")
        return answer

    def _login(self, asked: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        """Get the token that a registry asks for, or bring the login itself where it asks for that alone."""
        known = challenge.known(self._host)
        basic = {"Authorization": f"Basic {known}"} if known else {}
        if "bearer" not in asked:
            return basic
        realm, service = (asked["bearer"].get(name, "") for name in ("realm", "service"))
        if not realm.startswith("https://") and not LOCAL.fullmatch(realm.partition("://")[2].partition("/")[0]):
            raise OutsideError(f"{self._host} asks for a login at {realm or 'no place'}, which is not encrypted")
        query = {"scope": self._scope} | ({"service": service} if service else {})
        try:
            place = str(httpx.URL(realm).copy_merge_params(query))
        except httpx.InvalidURL:
            raise OutsideError(f"{self._host} asks for a login at {realm}, which is no place") from None
        answer = exchange.ask(self._client, self._host, "GET", place, basic)
        if answer.status in (401, 403):
            raise Refusal(f"{self._host} gives no token for {self._scope}: `docker login {self._host}`")
        return {"Authorization": f"Bearer {self._token_in(answer)}"}

    def _token_in(self, answer: Answer) -> str:
        try:
            told = json.loads(answer.content)
            token = str(told.get("token") or told["access_token"])
        except (ValueError, KeyError, TypeError, AttributeError):
            token = ""
        if answer.status != 200 or not TOKEN.fullmatch(token):
            raise OutsideError(f"{self._host} was asked for a token and answered by status {answer.status} without one")
        return token


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
