"""The keys of an OIDC issuer: fetched from its JWKS, kept, fetched again when they are old or one is unknown.

However many forged tokens name unknown keys, the issuer is asked once in PAUSE seconds. While it does not answer, the
keys at hand go on until they are STALE seconds old.
"""

import asyncio
import http.client
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jwt
import msgspec

from serve.guard.address import is_safe
from serve.guard.refused import later
from serve.guard.settings import Oidc

FRESH = 600.0  # seconds; after that keys are fetched again beside the answers
STALE = 6 * 3600.0  # seconds; how long a key that the issuer took back may go on while the issuer cannot be reached
PAUSE = 30.0  # seconds between two fetches: what a key new to us waits at most
RETRY = 5.0  # seconds after a fetch that failed
FETCH_SECONDS = 5.0  # for the issuer to answer
MOST_BYTES = 1_000_000  # of its answer
WEAKEST_RSA = 2048  # bits
ALIKE = 4  # keys of one name, and of none, that a token is held against: while one replaces another there are two

# Each algorithm with the one kind of key it is for; symmetric ones and `none` are not there
ALGORITHMS: Mapping[str, tuple[str, str | None]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}

# What reading a JSON of any form may raise, and PyJWT over one of its own form
STRANGE = (jwt.PyJWTError, ValueError, TypeError, AttributeError, OverflowError, RecursionError)

Keys = dict[tuple[str, str], list[jwt.PyJWK]]


def usable(keys: Any) -> Keys:
    """Take the keys that verify signatures, by key id ("" where it has none) and algorithm; others are left aside.

    Several may have one name, or none: then the first ALIKE of them are kept.
    """
    found: Keys = {}
    for key in keys if isinstance(keys, list) else []:
        if not isinstance(key, dict) or key.get("use", "sig") != "sig":
            continue
        for algorithm, (kind, curve) in ALGORITHMS.items():
            suits = key.get("kty") == kind and (curve is None or key.get("crv") == curve)
            if not suits or key.get("alg", algorithm) != algorithm:
                continue
            try:
                made = jwt.PyJWK(key, algorithm)
            except STRANGE:
                continue
            if kind != "RSA" or made.key.key_size >= WEAKEST_RSA:
                alike = found.setdefault((str(key.get("kid") or ""), algorithm), [])
                alike += [made][: ALIKE - len(alike)]
    return found


class _Stays(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nobody: keys come from where the setting says."""


def fetch(url: str) -> Any:
    """Fetch JSON. Raises OSError, HTTPException, MsgspecError, or ValueError when it is too large."""
    with urllib.request.build_opener(_Stays).open(url, timeout=FETCH_SECONDS) as answer:
        content = answer.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError("the answer is too large")
    return msgspec.json.decode(content)


class Issuer:
    """Keys of one issuer; `changed` is called when they are others than before, `tell` when they cannot be had."""

    def __init__(
        self,
        oidc: Oidc,
        clock: Callable[[], float],
        changed: Callable[[], None],
        tell: Callable[[str], None],
    ) -> None:
        self._oidc, self._clock, self._changed, self._tell = oidc, clock, changed, tell
        self._keys: Keys = {}
        self._raw: Any = None
        self._fetched = self._next = float("-inf")
        self._failed = False
        self._fetching: asyncio.Task[None] | None = None

    async def keys(self, kid: str | None, algorithm: str) -> Sequence[jwt.PyJWK]:
        """Find the keys of the issuer that may have signed a token: mostly one, none when it has no such key.

        Raises Refused (503) when that cannot be known.
        """
        age = self._clock() - self._fetched
        if age > STALE:
            await self._refresh()
            if self._clock() - self._fetched > STALE:
                raise self._out()
        elif age > FRESH:
            self._begin()
        found = self._find(kid, algorithm)
        if not found:
            await self._refresh()
            found = self._find(kid, algorithm)
            if not found and self._failed:
                raise self._out()
        return found

    def _out(self) -> Exception:
        return later(503, "the issuer of tokens cannot be reached, and its keys are not known here", RETRY)

    def _find(self, kid: str | None, algorithm: str) -> Sequence[jwt.PyJWK]:
        named = self._keys.get((kid or "", algorithm), ())
        if kid is not None or named:
            return named
        fit = [key for (_, known), keys in self._keys.items() if known == algorithm for key in keys]
        return fit if len(fit) == 1 else ()  # a token that names no key, and there is but one

    async def _refresh(self) -> None:
        self._begin()
        if self._fetching is not None:
            await asyncio.shield(self._fetching)  # a caller that goes away does not end it for the others

    def _begin(self) -> None:
        if self._fetching is None and self._clock() >= self._next:
            self._next = self._clock() + PAUSE
            self._fetching = asyncio.get_running_loop().create_task(self._fetch())

    async def _fetch(self) -> None:
        try:
            raw = await asyncio.to_thread(_keys_of, self._oidc)
        except (OSError, http.client.HTTPException, msgspec.MsgspecError, KeyError, *STRANGE) as error:
            self._failed, self._next = True, self._clock() + RETRY
            self._tell(f"the keys of {self._oidc.issuer} cannot be had: {type(error).__name__}: {error}")
        else:
            self._failed, self._fetched = False, self._clock()
            if raw != self._raw:
                self._raw, self._keys = raw, usable(raw)
                self._changed()
        finally:
            self._fetching = None


def _keys_of(oidc: Oidc) -> Any:
    url = oidc.jwks_url
    if not url:
        told = fetch(f"{oidc.issuer.rstrip('/')}/.well-known/openid-configuration")
        if told["issuer"] != oidc.issuer:
            raise ValueError(f"discovery names another issuer, {told['issuer']}")
        url = told["jwks_uri"]
        if not is_safe(url):
            raise ValueError("discovery names a place for keys that is not safe")
    return fetch(url)["keys"]
