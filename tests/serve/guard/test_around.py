"""The guard around an application: who is let in, who is not, with the exact status and sentence."""

import asyncio
import json
from dataclasses import replace

import pytest

from serve.guard.around import Guard
from serve.guard.keys import line_of, make
from serve.guard.settings import Settings
from tests.serve.guard.conftest import LIMITS, ROUTES, ask, echo

PREDICT, FEEDBACK, ADMIN = make(), make(), make()
LINES = "\n".join(
    line_of(key, name, name) for key, name in ((PREDICT, "predict"), (FEEDBACK, "feedback"), (ADMIN, "admin"))
)
KEYED = Settings(LIMITS, api_keys=LINES)
LOCAL, INSECURE = Settings(LIMITS, open="loopback"), Settings(LIMITS, open="insecure")


@pytest.fixture
def guarded(clock):
    """Put a guard around an application."""
    return lambda settings=KEYED, app=echo: Guard(settings, ROUTES, clock).around(app)


def test_a_key_opens_what_it_is_for(asks, guarded) -> None:
    """By either header, the scheme in whatever case."""
    for headers in (
        {"authorization": f"Bearer {PREDICT}"},
        {"authorization": f"bearer {PREDICT}"},
        {"x_api_key": PREDICT},
    ):
        for path in ("/predict", "/v2/models/income/infer"):
            assert (200, b"{}") == (asks(guarded(), path, **headers).status, asks(guarded(), path, **headers).body)


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "a credential is missing: send Authorization: Bearer, or X-API-Key"),
        ({"authorization": "Bearer nonsense"}, "the key is not known"),
        ({"authorization": f"Bearer {make()}"}, "the key is not known"),
        ({"authorization": "Bearer"}, "the key is not known"),
        ({"authorization": ""}, "Authorization has another scheme than Bearer"),
        ({"authorization": f"Basic {PREDICT}"}, "Authorization has another scheme than Bearer"),
        ({"authorization": PREDICT}, "Authorization has another scheme than Bearer"),
        ({"x_api_key": ""}, "the key is not known"),
        ({"x_api_key": f"Bearer {PREDICT}"}, "the key is not known"),
        ({"x_api_key": PREDICT, "authorization": f"Bearer {PREDICT}"}, "several credentials were sent; send one"),
        ({"x_api_key": PREDICT, "X_API_KEY": PREDICT}, None),
    ],
)
def test_without_a_valid_credential_nobody_is_let_in(asks, guarded, headers, said) -> None:
    """401, and how to do better."""
    if said is None:  # the server lowers names; two of one name reach us so
        headers, said = {"x_api_key": PREDICT}, "several credentials were sent; send one"
        twice = asyncio.run(ask(_doubling(guarded()), **headers))
        assert (401, said) == (twice.status, twice.detail)
        return
    answer = asks(guarded(), **headers)
    assert (401, said) == (answer.status, answer.detail)
    assert 'Bearer realm="gatehouse"' == answer.headers["www-authenticate"]


def _doubling(application):
    async def doubled(scope, receive, send):
        await application({**scope, "headers": scope["headers"] * 2}, receive, send)

    return doubled


@pytest.mark.parametrize(
    ("key", "path", "scope"),
    [
        (FEEDBACK, "/predict", "predict"),
        (PREDICT, "/feedback", "feedback"),
        (ADMIN, "/predict", "predict"),
        (PREDICT, "/metrics", "admin"),
        (PREDICT, "/predict/", "admin"),
        (PREDICT, "//predict", "admin"),
        (PREDICT, "/v2", "admin"),
        (PREDICT, "/healthz/../metrics", "admin"),
    ],
    ids=lambda value: {FEEDBACK: "feedback", PREDICT: "predict", ADMIN: "admin"}.get(value, value),
)
def test_a_scope_opens_nothing_else(asks, guarded, key, path, scope) -> None:
    """403 with the scope that lacks; a route that nobody named wants admin."""
    answer = asks(guarded(), path, authorization=f"Bearer {key}")
    assert (403, f"this credential lacks the scope {scope}") == (answer.status, answer.detail)
    assert f'error="insufficient_scope", scope="{scope}"' in answer.headers["www-authenticate"]


def test_health_is_public_and_the_rest_is_not(asks, guarded) -> None:
    """Without any credential."""
    assert [200, 401, 401] == [asks(guarded(), path).status for path in ("/healthz", "/metrics", "/nowhere")]


def test_a_token_opens_as_a_key_does(asks, issuer, clock) -> None:
    """Beside keys; without the scope it is 403, and it is no X-API-Key."""
    guard = Guard(replace(KEYED, oidc=issuer.oidc), ROUTES, clock).around(echo)
    assert 200 == asks(guard, authorization=f"Bearer {issuer.token()}").status
    assert 200 == asks(guard, authorization=f"Bearer {PREDICT}").status
    assert 403 == asks(guard, authorization=f"Bearer {issuer.token(scope='openid')}").status
    assert 401 == asks(guard, x_api_key=issuer.token()).status
    assert (401, "the token has expired") == (
        (late := asks(guard, authorization=f"Bearer {issuer.token(exp=1)}")).status,
        late.detail,
    )


def test_an_issuer_that_is_out_is_a_503(asks, issuer, clock) -> None:
    """With Retry-After; keys go on."""
    issuer.out = True
    guard = Guard(replace(KEYED, oidc=issuer.oidc), ROUTES, clock).around(echo)
    answer = asks(guard, authorization=f"Bearer {issuer.token()}")
    assert (503, "5") == (answer.status, answer.headers["retry-after"])
    assert 200 == asks(guard, authorization=f"Bearer {PREDICT}").status


@pytest.mark.parametrize("settings", [KEYED, INSECURE])
def test_who_asks_too_often_is_told_to_wait(asks, guarded, clock, settings) -> None:
    """429 after the burst, with Retry-After; another caller is not touched, and time heals."""
    guard = guarded(settings)
    more = {"authorization": f"Bearer {PREDICT}"} if settings is KEYED else {}
    assert [200, 200, 200, 429] == [asks(guard, **more).status for _ in range(4)]
    answer = asks(guard, **more)
    assert ("more than 10 requests a second", "1") == (answer.detail, answer.headers["retry-after"])
    other = {"authorization": f"Bearer {FEEDBACK}", "path": "/feedback"} if more else {"client": "10.0.0.2"}
    assert [200, 200] == [asks(guard, **other).status, asks(guard, "/healthz").status]
    clock.now += 0.11
    assert 200 == asks(guard, **more).status


def test_on_loopback_nobody_is_counted(asks, guarded) -> None:
    """All callers of this machine have one address."""
    guard = guarded(LOCAL)
    assert {200} == {asks(guard).status for _ in range(10)}


def test_too_many_at_once_are_told_to_wait(guarded) -> None:
    """503 with Retry-After beyond two under way; health answers on, and who has left makes room."""
    go = asyncio.Event()

    async def slow(scope, receive, send):
        if scope["path"] == "/predict":
            await go.wait()
        await echo(scope, receive, send)

    async def run():
        guard = guarded(LOCAL, slow)
        under_way = [asyncio.create_task(ask(guard)) for _ in range(2)]
        await asyncio.sleep(0)
        refused, health = await ask(guard), await ask(guard, "/healthz")
        go.set()
        return refused, health, [answer.status for answer in await asyncio.gather(*under_way)], await ask(guard)

    refused, health, done, after = asyncio.run(run())
    assert (503, "too many requests are under way", "1") == (
        refused.status, refused.detail, refused.headers["retry-after"],
    )  # fmt: skip
    assert [200, [200, 200], 200] == [health.status, done, after.status]


@pytest.mark.parametrize(
    ("size", "headers", "status"),
    [
        (1000, {"content_length": "1000"}, 200),
        (1001, {"content_length": "1001"}, 413),
        (1000, {"transfer_encoding": "chunked"}, 200),
        (1001, {"transfer_encoding": "chunked"}, 413),
        (1001, {"transfer_encoding": "chunked", "content_length": "1"}, 413),
    ],
)
def test_a_body_beyond_the_limit_is_refused(asks, guarded, size, headers, status) -> None:
    """Announced or not."""
    answer = asks(guarded(LOCAL), body=b" " * size, **headers)
    assert status == answer.status
    assert 200 == status or "the body is larger than 1000 bytes; send fewer rows a request" == answer.detail


async def broken(scope, receive, send):
    """Fail as an application may, with a value of the request in the message."""
    raise ValueError("age 39 of Ann")


async def own_500(scope, receive, send):
    """Answer a failure with what nobody should see, then fail."""
    await send({"type": "http.response.start", "status": 500, "headers": []})
    await send({"type": "http.response.body", "body": b"Traceback (most recent call last)"})
    raise ValueError("age 39 of Ann")


@pytest.mark.parametrize("app", [broken, own_500])
def test_what_breaks_is_a_500_with_an_id_and_a_line_in_the_log(asks, guarded, capsys, app) -> None:
    """Neither answer nor log quote the request; the log says where it broke."""
    answer = asks(guarded(LOCAL, app), x_request_id="abc-1")
    assert (500, "abc-1") == (answer.status, answer.headers["x-request-id"])
    assert "the service failed; its log has more under the request id abc-1" == answer.detail
    [line] = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert ("error", "crashed", "abc-1", "ValueError") == (told["level"], told["event"], told["id"], told["error"])
    assert told["where"][0].startswith("test_around.py:")
    assert "Ann" not in line + answer.body.decode()


def test_each_answer_of_its_own_is_told_once(asks) -> None:
    """A refusal, and a crash of what it guards; an answer of the application is the application's to count."""
    key = {"x_api_key": PREDICT}
    for app, headers, status in ((echo, {}, 401), (broken, key, 500), (own_500, key, None), (echo, key, None)):
        guard, told = Guard(KEYED, ROUTES), []
        guard.counted = lambda scope, status, told=told: told.append((scope["path"], status))
        asks(guard.around(app), "/predict", **headers)
        assert told == ([("/predict", status)] if status else [])


def test_an_answer_that_breaks_half_way_stays_unfinished(guarded, capsys) -> None:
    """Nothing is sent into its midst; the server closes the connection."""
    sent = []

    async def half(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError

    async def send(message):
        sent.append(message["type"])

    scope = {"type": "http", "path": "/predict", "headers": []}
    asyncio.run(guarded(LOCAL, half)(scope, None, send))
    assert ["http.response.start"] == sent
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("given", "kept"),
    [("abc-1", True), ("a" * 64, True), ("a" * 65, False), ("a b", False), ("a\r\nset-cookie: x", False), ("", False)],
)
def test_an_id_is_taken_if_it_is_well_formed_else_made(asks, guarded, given, kept) -> None:
    """On every answer, refusals too."""
    for settings in (LOCAL, KEYED):
        told = asks(guarded(settings), x_request_id=given).headers["x-request-id"]
        assert kept == (told == given)
        assert kept or 16 == len(told)


@pytest.mark.parametrize(("settings", "path"), [(LOCAL, "/predict"), (KEYED, "/predict"), (KEYED, "/healthz")])
def test_every_answer_has_the_security_headers_and_none_of_cors(asks, guarded, settings, path) -> None:
    """Answers and refusals; strict transport only where TLS ends here."""
    headers = asks(guarded(settings), path, origin="http://localhost", host="localhost").headers
    named = ("x-content-type-options", "x-frame-options", "cache-control", "referrer-policy")
    assert ["nosniff", "DENY", "no-store", "no-referrer"] == [headers[name] for name in named]
    assert "default-src 'none'; frame-ancestors 'none'" == headers["content-security-policy"]
    assert not [name for name in headers if name.startswith(("access-control", "strict", "server"))]
    tls = asks(guarded(replace(settings, tls_cert="tls.crt")), path).headers
    assert "max-age=31536000" == tls["strict-transport-security"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "localhost:8000"}, 200),
        ({"host": "127.0.0.1"}, 200),
        ({"host": "[::1]:8000"}, 200),
        ({}, 200),
        ({"host": "localhost:8000", "origin": "http://localhost:8000"}, 200),
        ({"host": "localhost:8000", "origin": "http://localhost:3000"}, 403),
        ({"host": "localhost:8000", "origin": "https://evil.example"}, 403),
        ({"host": "localhost:8000", "origin": "null"}, 403),
        ({"host": "evil.example:8000"}, 403),
        ({"host": "127.evil.example"}, 403),
        ({"host": "localhost.evil.example"}, 403),
        ({"host": ""}, 403),
    ],
)
def test_a_strangers_page_in_a_browser_here_is_refused(asks, guarded, headers, status) -> None:
    """Where no credential is asked for, the browser's headers tell who made the request."""
    answer = asks(guarded(LOCAL), **headers)
    assert status == answer.status
    assert 200 == status or "a page of another origin asks" in answer.detail


def test_answers_are_logged_if_asked_for_without_what_was_asked(asks, guarded, capsys) -> None:
    """By route, not by address, with the caller's name, the id and the trace; off, nothing is written."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    key = {"authorization": f"Bearer {PREDICT}", "traceparent": trace}
    asks(guarded(), **key)
    assert "" == capsys.readouterr().err
    asks(guarded(replace(KEYED, access_log=1.0)), "/v2/models/Ann", **key)
    told = json.loads(capsys.readouterr().err)
    assert {"answered", "/v2/*", "predict", 200, "0af7651916cd43dd8448eb211c80319c"} == {
        told[name] for name in ("event", "route", "caller", "status", "trace")
    }


def test_lifespan_passes_and_websockets_do_not(guarded) -> None:
    """The application starts and stops as ever."""
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["type"])

    for kind in ("lifespan", "websocket"):
        asyncio.run(guarded(LOCAL, app)({"type": kind}, None, None))
    assert ["lifespan"] == seen


def test_a_reload_brings_other_limits_and_routes_and_keeps_the_callers(asks, clock) -> None:
    """What a caller has spent stays spent; routes that are gone need admin, new ones what they say."""
    guard = Guard(KEYED, ROUTES, clock)
    application = guard.around(echo)
    assert [200, 200, 200, 429] == [asks(application, x_api_key=PREDICT).status for _ in range(4)]
    guard.follow(replace(LIMITS, requests_per_second=1000, max_body_bytes=3), {"/rows": "predict"})
    assert 429 == asks(application, "/rows", x_api_key=PREDICT).status
    clock.now += 0.0025  # two requests, at the new rate
    assert [200, 403] == [asks(application, path, x_api_key=PREDICT).status for path in ("/rows", "/predict")]
    assert 413 == asks(application, "/rows", b"1234", x_api_key=PREDICT, content_length="4").status
    assert 3 == guard.settings.limits.max_body_bytes
