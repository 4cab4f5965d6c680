"""Bearer tokens of an OIDC issuer (JWT), verified by PyJWT; imported only where an issuer is configured.

What a token says about how to verify it is not believed: the algorithm is one of a fixed list and belongs to the kind
of key, keys come from the issuer's JWKS alone (`jku`, `x5u` and `jwk` are not read). A token that held is remembered by
its hash until it expires, so that it is verified once.
"""

import contextlib
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import jwt

from serve.guard.issuer import ALGORITHMS, STRANGE, Issuer
from serve.guard.keys import SCOPES, Caller
from serve.guard.refused import Refused, unknown
from serve.guard.settings import Oidc

LEEWAY = 60  # seconds that the issuer's clock and ours may differ
REMEMBERED = 10_000  # tokens, some 3 MB

SAYS: tuple[tuple[type[Exception], str], ...] = (
    (jwt.ExpiredSignatureError, "the token has expired"),
    (jwt.ImmatureSignatureError, "the token is not valid yet"),
    (jwt.InvalidIssuerError, "the token is of another issuer"),
    (jwt.InvalidAudienceError, "the token is for another audience"),
    (jwt.MissingRequiredClaimError, "the token lacks one of exp, iss and aud"),
    (jwt.InvalidSignatureError, "the token's signature is wrong"),
)


class Tokens:
    """Tokens of one issuer for one audience."""

    def __init__(
        self,
        oidc: Oidc,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._oidc, self._wall = oidc, wall
        self._known: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()
        self._issuer = Issuer(oidc, clock, self._known.clear, tell)

    def __len__(self) -> int:
        return len(self._known)

    def known(self, token: bytes) -> Caller | None:
        """Say whose token it is when it was verified before and holds still."""
        found = self._known.get(hashlib.sha256(token).digest())
        return found[0] if found is not None and found[1] > self._wall() else None

    async def check(self, token: bytes) -> Caller:
        """Verify a token; say whose it is. Raises Refused with 401, or 503 when its keys cannot be had."""
        try:
            header = jwt.get_unverified_header(token)
            algorithm, kid = str(header.get("alg")), header.get("kid")
        except STRANGE:
            raise unknown("the token cannot be read") from None
        if algorithm not in ALGORITHMS or not isinstance(kid, str | None):
            raise unknown("the token is signed by an algorithm that is not taken")
        keys = await self._issuer.keys(kid, algorithm)
        if not keys:
            raise unknown("the token is signed by a key that its issuer does not have")
        try:
            claims = self._verified(token, keys, algorithm)
            until = float(claims["exp"]) + LEEWAY
        except STRANGE as error:
            raise _said(error) from None
        caller = _caller(claims)
        while len(self._known) >= REMEMBERED:
            self._known.popitem(last=False)
        self._known[hashlib.sha256(token).digest()] = (caller, until)
        return caller

    def _verified(self, token: bytes, keys: Sequence[jwt.PyJWK], algorithm: str) -> dict[str, Any]:
        """Return a token's claims, once one of the keys has signed it. Raises what PyJWT finds wrong with it."""
        for key in keys:
            with contextlib.suppress(jwt.InvalidSignatureError):
                claims: dict[str, Any] = jwt.decode(
                    token,
                    key,
                    algorithms=[algorithm],
                    audience=self._oidc.audience,
                    issuer=self._oidc.issuer,
                    leeway=LEEWAY,
                    options={"require": ["exp", "iss", "aud"]},
                )
                return claims
        raise jwt.InvalidSignatureError


def _said(error: Exception) -> Refused:
    return unknown(next((said for kind, said in SAYS if isinstance(error, kind)), "the token is not valid"))


def _caller(claims: dict[str, Any]) -> Caller:
    """Name the caller by a hash: a subject may be a person's address."""
    named = next((claims[name] for name in ("sub", "client_id", "azp") if claims.get(name)), "")
    told: set[str] = set()
    for name in ("scope", "scp"):
        value = claims.get(name, ())
        told.update(value.split() if isinstance(value, str) else map(str, value) if isinstance(value, list) else ())
    name = hashlib.sha256(str(named).encode()).hexdigest()[:16]
    return Caller(f"token {name}", "token", frozenset(told.intersection(SCOPES)))
