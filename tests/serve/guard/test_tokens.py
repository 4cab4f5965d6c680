"""Tokens: what the issuer signed for us is taken, whatever else is forged, stale or for others is not."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as some

from serve.guard import tokens
from serve.guard.issuer import ALIKE, PAUSE
from serve.guard.keys import Caller
from serve.guard.refused import Refused
from serve.guard.settings import Oidc
from serve.guard.tokens import LEEWAY, Tokens
from tests.serve.guard.conftest import PRIVATE

STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def timed(claims):
    """Turn complex numbers into times, that many seconds from now: a whole test run may lie behind the import."""
    return {name: int(time.time() + at.imag) if isinstance(at, complex) else at for name, at in claims.items()}


@pytest.fixture
def check(issuer):
    """Verify a token; give the caller, or the status and sentence of the refusal."""
    made = Tokens(issuer.oidc, print)

    def run(token):
        try:
            return asyncio.run(made.check(token.encode() if isinstance(token, str) else token))
        except Refused as refused:
            return refused.status, str(refused)

    return run


@pytest.mark.parametrize(
    ("kid", "algorithm"),
    [("rsa", "RS256"), ("rsa", "RS512"), ("rsa", "PS256"), ("ec", "ES256"), ("ed", "EdDSA")],
)
def test_a_token_of_the_issuer_is_taken(check, issuer, kid, algorithm) -> None:
    """Each kind of key by its algorithms."""
    caller = check(issuer.token(kid, algorithm))
    assert ({"predict"}, "token") == (caller.scopes, caller.shown)


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "openid predict admin"}, {"predict", "admin"}),
        ({"scope": None, "scp": ["predict", "feedback"]}, {"predict", "feedback"}),
        ({"scope": None, "scp": "predict"}, {"predict"}),
        ({"scope": ["predict"]}, {"predict"}),
        ({"scope": "predictor root"}, set()),
        ({"scope": {"predict": True}}, set()),
        ({"scope": None}, set()),
    ],
)
def test_scopes_come_from_scope_and_scp(check, issuer, claims, scopes) -> None:
    """As a text or a list; what we do not know is nothing."""
    assert scopes == check(issuer.token(**claims)).scopes


def test_the_caller_is_the_subject_and_the_name_does_not_tell_it(check, issuer) -> None:
    """A subject may be a person's address: two tokens of one are one caller, and logs show neither."""
    mine, again = check(issuer.token(sub="ann@example.org")), check(issuer.token(sub="ann@example.org", jti="2"))
    assert mine.name == again.name != check(issuer.token(sub="bob@example.org")).name
    assert "ann" not in mine.name + mine.shown


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": (-LEEWAY + 30) * 1j},
        {"nbf": (LEEWAY - 30) * 1j},
        {"iat": (LEEWAY - 30) * 1j},
        {"aud": ["somebody", "gatehouse"]},
        {"exp": 4e9 + 0.5},
    ],
)
def test_a_clock_that_is_a_little_off_does_no_harm(check, issuer, claims) -> None:
    """Within the leeway, either way."""
    assert {"predict"} == check(issuer.token(**timed(claims))).scopes


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"exp": (-LEEWAY - 30) * 1j}, "the token has expired"),
        ({"nbf": (LEEWAY + 300) * 1j}, "the token is not valid yet"),
        ({"iat": (LEEWAY + 300) * 1j}, "the token is not valid yet"),
        ({"iss": "https://evil.example"}, "the token is of another issuer"),
        ({"aud": "somebody"}, "the token is for another audience"),
        ({"aud": []}, "the token lacks one of exp, iss and aud"),
        ({"exp": None}, "the token lacks one of exp, iss and aud"),
        ({"iss": None}, "the token lacks one of exp, iss and aud"),
        ({"aud": None}, "the token lacks one of exp, iss and aud"),
        ({"exp": "soon"}, "the token is not valid"),
        ({"exp": float("inf")}, "the token is not valid"),
        ({"exp": 10**400}, "the token is not valid"),
        ({"sub": 7}, "the token is not valid"),
    ],
)
def test_a_token_for_others_or_another_time_is_not_taken(check, issuer, claims, said) -> None:
    """401 with the reason."""
    assert (401, said) == check(issuer.token(**timed(claims)))


def part(content) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def by_hmac(issuer, secret: bytes, kid: str = "rsa") -> str:
    """Sign with a public key as if it were a secret; the library would refuse, so by hand."""
    signed = part({"alg": "HS256", "typ": "JWT", "kid": kid}) + "." + part(issuer.claims())
    return f"{signed}.{part(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def pem(issuer) -> bytes:
    public = issuer.private["rsa"].public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def altered(token: str, claims) -> str:
    head, _, signature = token.split(".")
    return f"{head}.{part(claims)}.{signature}"


ANY = some.recursive(
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats()
    | some.text("aé. 9")
    | some.sampled_from(["EdDSA", 9e9]),
    lambda deeper: some.lists(deeper) | some.dictionaries(some.text("aé. 9"), deeper),
    max_leaves=4,
)


class Known:
    """An issuer whose key is at hand."""

    async def keys(self, *_):
        """Give it."""
        return [jwt.PyJWK.from_json(jwt.algorithms.OKPAlgorithm.to_jwk(PRIVATE["ed"].public_key()))]


READ, WAY = "the token cannot be read", "the token is signed by an algorithm that is not taken"
KEY, SIGNATURE = "the token is signed by a key that its issuer does not have", "the token's signature is wrong"
STRANGE = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(STRANGER.public_key()))


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (lambda its: f"{part({'alg': 'none', 'kid': 'rsa'})}.{part(its.claims())}.", WAY),
        (lambda its: f"{part({'alg': 'NonE', 'kid': 'rsa'})}.{part(its.claims())}.", WAY),
        (lambda its: f"{part({'kid': 'rsa'})}.{part(its.claims())}.", WAY),
        (lambda its: f"{part({'alg': ['RS256'], 'kid': 'rsa'})}.{part(its.claims())}.", WAY),
        (lambda its: by_hmac(its, pem(its)), WAY),
        (lambda its: by_hmac(its, json.dumps(its.keys[0]).encode()), WAY),
        (lambda its: by_hmac(its, b""), WAY),
        (lambda its: jwt.encode(its.claims(), STRANGER, "RS256", {"kid": "rsa"}), SIGNATURE),
        (lambda its: jwt.encode(its.claims(), STRANGER, "RS256", {"kid": "rsa", "jwk": STRANGE}), SIGNATURE),
        (lambda its: jwt.encode(its.claims(), STRANGER, "RS256", {"kid": "new", "jku": "https://evil.example"}), KEY),
        (lambda its: jwt.encode(its.claims(), STRANGER, "RS256", {"kid": "new", "x5u": "https://evil.example"}), KEY),
        (lambda its: jwt.encode(its.claims(), STRANGER, "RS256", {"kid": "../../etc/passwd"}), KEY),
        (lambda its: jwt.encode(its.claims(), its.private["rsa"], "RS256", {"kid": "ec"}), KEY),
        (lambda its: jwt.encode(its.claims(), its.private["ec"], "ES256", {"kid": "rsa"}), KEY),
        (lambda its: its.token(headers={"crit": ["exp2"], "exp2": 1}), READ),
        (lambda its: its.token()[:-4] + "AAAA", SIGNATURE),
        (lambda its: its.token().rpartition(".")[0] + ".", SIGNATURE),
        (lambda its: altered(its.token(), its.claims(scope="admin")), SIGNATURE),
        (lambda its: "abc", READ),
        (lambda its: "..", READ),
        (lambda its: b"\xff.\xff.\xff", READ),
        (lambda its: f"{part(b'[' * 9000)}.{part({})}.{part(b'x')}", READ),
        (lambda its: f"{part({'alg': 'RS256', 'kid': 7})}.{part(its.claims())}.{part(b'x')}", READ),
    ],
)  # fmt: skip
def test_a_forged_token_is_not_taken(check, issuer, forge, said) -> None:
    """No algorithm, a public key as secret, another key, a key of its own: 401 with the reason."""
    assert (401, said) == check(forge(issuer))


@settings(deadline=None)
@given(
    header=some.dictionaries(some.sampled_from(["alg", "kid", "typ", "crit", "b64"]), ANY),
    claims=some.dictionaries(some.sampled_from(["iss", "aud", "exp", "nbf", "iat", "sub", "scope", "scp"]), ANY),
    raw=some.binary(),
)
def test_no_token_breaks_anything(header, claims, raw) -> None:
    """Signed by the issuer's own key or no token at all: each is taken or refused, by a sentence."""
    made = Tokens(Oidc("https://login.example", "gatehouse"), print)
    made._issuer = Known()
    signed = f"{part({'alg': 'EdDSA'} | header)}.{part({'iss': 'https://login.example', 'aud': 'gatehouse'} | claims)}"
    token = f"{signed}.{part(PRIVATE['ed'].sign(signed.encode()))}".encode()
    for each in (token, raw, token + raw):
        with contextlib.suppress(Refused):
            assert asyncio.run(made.check(each)).shown == "token"


def test_a_token_that_names_no_key_is_held_against_the_only_one(check, issuer) -> None:
    """As some issuers with one key do; with several nobody guesses."""
    alone = jwt.encode(issuer.claims(), issuer.private["ec"], "ES256")
    assert {"predict"} == check(alone).scopes
    issuer.keys.append(issuer.keys[1] | {"kid": "second"})
    other = Tokens(issuer.oidc, print)
    with pytest.raises(Refused, match="a key that its issuer does not have"):
        asyncio.run(other.check(alone.encode()))


def nameless(issuer, count: int) -> list:
    """Let the issuer have so many RSA keys, and one of another kind, none of which has a name."""
    private = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(count)]
    public = [jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) for key in private]
    other = {name: value for name, value in issuer.keys[1].items() if name != "kid"}
    issuer.keys = [*public, other | {"kid": None}]
    return private


def test_keys_without_a_name_are_tried_in_turn(check, issuer) -> None:
    """Either of two of one algorithm is taken, as is one of another; a stranger's is not."""
    first, second = nameless(issuer, 2)
    for key, algorithm in ((first, "RS256"), (second, "RS256"), (second, "PS256"), (issuer.private["ec"], "ES256")):
        assert {"predict"} == check(jwt.encode(issuer.claims(), key, algorithm)).scopes
    assert (401, SIGNATURE) == check(jwt.encode(issuer.claims(), STRANGER, "RS256"))
    assert (401, KEY) == check(jwt.encode(issuer.claims(), first, "RS256", {"kid": "first"}))
    assert (401, KEY) == check(jwt.encode(issuer.claims(), issuer.private["ed"], "EdDSA"))
    assert (401, "the token has expired") == check(jwt.encode(issuer.claims(exp=1), second, "RS256"))


def test_two_keys_of_one_name_are_tried_in_turn(check, issuer) -> None:
    """And no third."""
    first, second = nameless(issuer, 2)
    issuer.keys = [key | {"kid": "same"} for key in issuer.keys[:2]]
    for key in (first, second):
        assert {"predict"} == check(jwt.encode(issuer.claims(), key, "RS256", {"kid": "same"})).scopes
    assert (401, SIGNATURE) == check(jwt.encode(issuer.claims(), STRANGER, "RS256", {"kid": "same"}))


def test_a_forged_token_is_held_against_few_keys(check, issuer) -> None:
    """However many the issuer has of one name."""
    private = nameless(issuer, ALIKE + 1)
    assert [True] * ALIKE + [False] == [
        isinstance(check(jwt.encode(issuer.claims(), key, "RS256")), Caller) for key in private
    ]


def test_a_token_is_verified_once_and_remembered_until_it_expires(issuer) -> None:
    """The hot path does not verify; a remembered token ends with its time."""
    now = int(time.time())
    wall = [float(now)]
    made = Tokens(issuer.oidc, print, wall=lambda: wall[0])
    token = issuer.token(exp=now + 600).encode()
    assert made.known(token) is None
    caller = asyncio.run(made.check(token))
    assert caller is made.known(token)
    assert made.known(token + b"x") is None
    wall[0] = now + 600 + LEEWAY
    assert made.known(token) is None


def test_a_token_is_forgotten_when_the_issuers_keys_change(issuer, clock) -> None:
    """A key that leaked is taken back, and what it signed goes with it."""
    made, token = Tokens(issuer.oidc, print, clock), issuer.token().encode()
    asyncio.run(made.check(token))
    issuer.keys = issuer.keys[1:]
    clock.now += PAUSE
    with pytest.raises(Refused, match="a key that its issuer does not have"):
        asyncio.run(made.check(issuer.token(headers={"kid": "new"}).encode()))
    assert made.known(token) is None


def test_many_tokens_take_bounded_memory(issuer, monkeypatch) -> None:
    """The oldest is forgotten, and would be verified again."""
    monkeypatch.setattr(tokens, "REMEMBERED", 5)
    made = Tokens(issuer.oidc, print)
    all_of_them = [issuer.token("ed", "EdDSA", jti=str(number)).encode() for number in range(20)]

    async def check_all() -> None:
        for token in all_of_them:
            await made.check(token)

    asyncio.run(check_all())
    assert 5 == len(made)
    assert [False, True] == [made.known(all_of_them[place]) is not None for place in (14, 15)]
