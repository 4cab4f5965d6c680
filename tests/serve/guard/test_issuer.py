"""The issuer's keys: fetched seldom, kept for a while when it is out, and only from where they should come."""

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as some
from jwt.algorithms import RSAAlgorithm

from serve.guard.issuer import FRESH, PAUSE, RETRY, STALE, Issuer, usable
from serve.guard.refused import Refused


@pytest.fixture
def its(issuer, clock):
    """The issuer as the service sees it, with a way to ask for keys: found or not, or the refusal's status."""

    class Seen:
        told: list[str] = []  # noqa: RUF012
        changes = 0

        def __init__(self) -> None:
            self.keys = Issuer(issuer.oidc, clock, self.change, self.told.append)

        def change(self) -> None:
            self.changes += 1

        async def ask(self, *kids: str):
            return [await self.one(kid) for kid in kids]

        async def one(self, kid: str):
            try:
                return bool(await self.keys.keys(kid, "RS256"))
            except Refused as refused:
                return refused.status, dict(refused.headers)[b"retry-after"]

        def finds(self, *kids: str):
            async def run():
                answers = await self.ask(*kids)
                while self.keys._fetching is not None:  # what was begun beside the answers
                    await asyncio.sleep(0.01)
                return answers

            return asyncio.run(run())

    Seen.told = []
    return Seen()


def test_keys_are_fetched_once(its, issuer) -> None:
    """By discovery, at the first token."""
    assert [True, True, True] == its.finds("rsa", "rsa", "rsa")
    assert issuer.fetched == 1


def test_many_at_once_fetch_once(its, issuer) -> None:
    """Whoever comes while keys are fetched waits for the same."""

    async def together():
        return await asyncio.gather(*(its.one("rsa") for _ in range(50)))

    assert [True] * 50 == asyncio.run(together())
    assert issuer.fetched == 1


def test_forged_key_ids_cannot_hammer_the_issuer(its, issuer, clock) -> None:
    """A thousand unknown keys, one fetch; after the pause another one."""
    its.finds("rsa")
    clock.now += PAUSE
    assert [False] * 1000 == its.finds(*(f"forged {number}" for number in range(1000)))
    assert 2 == issuer.fetched
    clock.now += PAUSE
    its.finds("forged")
    assert 3 == issuer.fetched


def test_a_new_key_of_the_issuer_is_found(its, issuer, clock) -> None:
    """A token that is signed by it fetches it; what was remembered of others is forgotten."""
    its.finds("rsa")
    issuer.keys.append(issuer.keys[0] | {"kid": "new"})
    clock.now += PAUSE
    assert [True] == its.finds("new")
    assert 2 == its.changes


def test_a_key_that_was_taken_back_goes(its, issuer, clock) -> None:
    """When keys are no longer fresh they are fetched beside the answers."""
    its.finds("rsa")
    issuer.keys = issuer.keys[1:]
    clock.now += FRESH + 1
    assert [True] == its.finds("rsa")
    assert [False] == its.finds("rsa")


def test_an_outage_is_bridged_for_a_while(its, issuer, clock) -> None:
    """Known keys go on, unknown ones are 503 and not 401; in the end all are 503, and then all is well again."""
    its.finds("rsa")
    issuer.out = True
    clock.now += STALE - 1
    assert [True, (503, b"5")] == its.finds("rsa", "new")
    assert "cannot be had: HTTPError" in its.told[0]
    clock.now += RETRY + 2
    assert [(503, b"5")] == its.finds("rsa")
    issuer.out = False
    clock.now += RETRY
    assert [True, False] == its.finds("rsa", "new")


def test_while_it_is_out_it_is_asked_seldom(its, issuer, clock) -> None:
    """However many ask."""
    issuer.out = True
    assert [(503, b"5")] * 100 == its.finds(*["rsa"] * 100)
    assert len(its.told) == 1


@pytest.mark.parametrize(
    ("discovery", "said"),
    [
        ({"issuer": "https://evil.example"}, "discovery names another issuer"),
        ({"jwks_uri": "http://evil.example/jwks"}, "a place for keys that is not safe"),
        ({"jwks_uri": "file:///etc/passwd"}, "a place for keys that is not safe"),
    ],
)
def test_discovery_does_not_lead_elsewhere(its, issuer, discovery, said) -> None:
    """Another issuer, or a place that somebody between could change: no key, and 503."""
    issuer.discovery |= discovery
    assert [(503, b"5")] == its.finds("rsa")
    assert said in its.told[0]


OK = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{",
        OK + b"no json",
        OK + b"\xff",
        OK + b"[]",
        OK + b"null",
        OK + b'{"issuer": 7}',
        OK + b"[" * 100_000,
        OK + b" " * 1_000_001,
        OK,
    ],
)
def test_an_issuer_that_answers_nonsense_is_out(its, issuer, raw) -> None:
    """503 and a line of the log, whatever it says."""
    issuer.raw = raw
    assert [(503, b"5")] == its.finds("rsa")
    assert ["cannot be had" in sentence for sentence in its.told] == [True]


@settings(deadline=None)
@given(
    some.lists(
        some.dictionaries(
            some.sampled_from(["kty", "crv", "n", "e", "x", "y", "kid", "alg", "use"]),
            some.sampled_from(["RSA", "EC", "OKP", "P-256", "Ed25519", "RS256", "AQAB", "sig", ""])
            | some.integers() | some.none() | some.lists(some.integers()) | some.text("aé. 9"),
        )
    )
)  # fmt: skip
def test_keys_of_any_form_break_nothing(keys) -> None:
    """What cannot be used is left aside."""
    assert all(isinstance(key, tuple) for key in usable(keys))


def test_redirects_are_not_followed(its, issuer) -> None:
    """Keys come from where the setting says."""
    issuer.moved = "http://127.0.0.1:9/"
    assert [(503, b"5")] == its.finds("rsa")
    assert "HTTP Error 302" in its.told[0]


def test_keys_that_verify_nothing_are_left_aside(issuer) -> None:
    """Symmetric, weak, for encryption, for another algorithm, of no kind, no object: none is used."""
    good = issuer.keys[0]
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505  to be refused
    weak = RSAAlgorithm.to_jwk(small.public_key(), as_dict=True)
    bad = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"},
        weak | {"kid": "weak"},
        good | {"use": "enc"},
        good | {"alg": "HS256"},
        good | {"kty": "EC", "crv": "P-256"},
        good | {"n": "!"},
        {"kid": "none"},
        "text",
    ]
    assert {} == usable(bad) == usable(None) == usable({})
    assert {("rsa", "RS256")} == set(usable([good | {"alg": "RS256"}]))
