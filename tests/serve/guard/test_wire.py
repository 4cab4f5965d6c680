"""Slow, large and broken clients by raw sockets: each is answered and closed, and the others are served.

What is awaited is the closing of a connection, with bounds far above the patience that is set; no time is measured.
"""

import asyncio
import contextlib
import json
import socket
import threading
import time

import pytest

from tests.serve.guard.conftest import echo

PATIENCE = 0.3  # seconds that the server waits in these tests
GET = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"


def all_of(connection) -> bytes:
    """Read until the server closes; the socket's own timeout, half a minute, would fail the test."""
    parts = []
    with contextlib.suppress(ConnectionResetError):  # closed while we still sent
        while part := connection.recv(65536):
            parts.append(part)
    connection.close()
    return b"".join(parts)


def refusal(answer: bytes) -> tuple[int, str]:
    """Take the status and the sentence of the last answer of a connection."""
    head, _, body = answer[answer.rindex(b"HTTP/1.1 ") :].partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert b"connection: close" in lines
    assert b"x-content-type-options: nosniff" in lines
    assert b"content-length: %d" % len(body) in lines
    return int(lines[0].split()[1]), json.loads(body)["detail"]


def drip(connection, content: bytes, again: bytes) -> None:
    """Send something, then a byte after the other for as long as the server takes them."""

    def run() -> None:
        with contextlib.suppress(OSError):
            connection.sendall(content)
            while True:
                connection.sendall(again)
                time.sleep(PATIENCE / 10)

    threading.Thread(target=run, daemon=True).start()


def lives(connect) -> bool:
    """Whether somebody else is served."""
    with connect() as other:
        other.sendall(GET)
        return other.recv(65536).startswith(b"HTTP/1.1 200")


POST = b"POST /predict HTTP/1.1\r\nhost: localhost\r\n"
HEAD, BODY = "the headers took too long to arrive", "the body took too long to arrive"


@pytest.mark.parametrize(
    ("content", "again", "said"),
    [
        (b"", b"", "no request came"),
        (b"", b"\r\n", "no request came"),
        (b"GET /healthz HT", b"", HEAD),
        (b"GET /", b"a", HEAD),
        (b"GET /healthz HTTP/1.1\r\n", b"x: y\r\n", HEAD),
        (b"GET /healthz HTTP/1.1\r\nx: ", b"y", HEAD),
        (POST + b"content-length: 900\r\n\r\n", b"", BODY),
        (POST + b"content-length: 900\r\n\r\n", b" ", BODY),
        (POST + b"transfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n", BODY),
        (POST + b"transfer-encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n", BODY),
        (GET + b"GET /healthz HT", b"", HEAD),
    ],
)
def test_who_takes_too_long_is_told_and_closed(listening, content, again, said) -> None:
    """Nothing, line ends, headers or a body, dripping or silent, after a request or not: 408."""
    connect = listening(header_seconds=PATIENCE, body_seconds=PATIENCE)
    connection = connect()
    drip(connection, content, again or b"") if again else connection.sendall(content)
    assert (408, said) == refusal(all_of(connection))
    assert lives(connect)


def test_a_body_in_pieces_is_taken(listening) -> None:
    """Slowness itself is no fault; within its time a request may come as it likes."""
    connection = listening()()
    for byte in POST + b"content-length: 3\r\nconnection: close\r\n\r\nabc":
        connection.sendall(bytes([byte]))
    answer = all_of(connection)
    assert (True, True) == (answer.startswith(b"HTTP/1.1 200"), answer.endswith(b"abc"))


@pytest.mark.parametrize("path", [b"/feedback", b"/predict"])
def test_a_body_that_drips_on_after_its_refusal_is_closed(listening, path) -> None:
    """An answer that did not wait for the body holds no connection for ever."""

    async def at_once(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    connect = listening(at_once, header_seconds=PATIENCE, body_seconds=PATIENCE)
    connection = connect()
    drip(connection, b"POST " + path + b" HTTP/1.1\r\nhost: localhost\r\ncontent-length: 900\r\n\r\n", b" ")
    answer = all_of(connection)
    assert (1, True) == (answer.count(b"HTTP/1.1 "), answer.startswith(b"HTTP/1.1 200"))
    assert lives(connect)


def test_who_does_not_take_the_answer_is_closed(listening) -> None:
    """A reader that sleeps holds neither memory nor a place among those under way."""
    done = threading.Event()

    async def much(scope, receive, send):
        if scope["path"] == "/healthz":
            await echo(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await _peek(receive))["type"] != "http.disconnect":
            await send({"type": "http.response.body", "body": b" " * 1_000_000, "more_body": True})
        done.set()

    async def _peek(receive):
        try:
            return await asyncio.wait_for(receive(), 0.01)
        except TimeoutError:
            return {"type": "nothing"}

    connect = listening(much, header_seconds=PATIENCE, body_seconds=PATIENCE)
    connection = connect()
    connection.sendall(POST + b"content-length: 0\r\n\r\n")
    assert done.wait(30)
    assert lives(connect)
    connection.close()


NAMELESS = "the header Host has to be there, once"
LARGE = "the headers are larger than 2000 bytes"


@pytest.mark.parametrize(
    "content",
    [
        b"GET /" + b"a" * 2000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nx: " + b"a" * 2000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + b"x: y\r\n" * 500 + b"\r\n",
        b"GET /healthz HTTP/1.1\r\n" + b"a" * 2000 + b": y\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nx: " + b"a" * 1_000_000,
        b"G" * 100_000,
        GET + b"GET /healthz HTTP/1.1\r\nx: " + b"a" * 2000 + b"\r\n\r\n",
        POST + b"transfer-encoding: chunked\r\n\r\n0\r\nx: " + b"a" * 2000 + b"\r\n\r\n",
    ],
)
def test_too_large_headers_are_refused(listening, content) -> None:
    """In the address, a value, a name, their number, trailers; ended or not: 431, or 400 where the parser was first."""
    connect = listening()
    connection = connect()
    with contextlib.suppress(OSError):  # closed while we still send
        connection.sendall(content)
    answer = all_of(connection)
    if answer:  # a peer that sends on after the close may lose it
        assert refusal(answer) in ((431, LARGE), (400, "this is no HTTP request"))
    assert lives(connect)


def test_headers_up_to_the_limit_are_taken(listening) -> None:
    """A long token fits."""
    connection = listening()()
    connection.sendall(
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx: " + b"a" * 1900 + b"\r\n\r\n"
    )
    assert all_of(connection).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "content",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\nhost: localhost\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: localhost\r\n\r\n",
        POST + b"content-length: -1\r\n\r\n",
        POST + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
        POST + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        GET + b"garbage after it\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused(listening, content, capsys) -> None:
    """TLS hellos, smuggled lengths, garbage behind a request: 400 and closed; strangers write no log."""
    connect = listening()
    connection = connect()
    connection.sendall(content)
    answer = all_of(connection)
    assert "" == capsys.readouterr().err
    if answer:  # garbage while another answer is under way is closed without a word
        assert (400, "this is no HTTP request") == refusal(answer)
    assert lives(connect)


@pytest.mark.parametrize(
    ("codings", "status"),
    [
        ([b"gzip, chunked"], 501), ([b"gzip", b"chunked"], 501), ([b"x, chunked"], 501), ([b"identity, chunked"], 501),
        ([b"chunked, chunked"], 400), ([b"gzip,\tchunked "], 501), ([b"chunked;q=1"], 501),
        ([b"chunked"], 200), ([b"Chunked"], 200), ([b"chunked "], 200),
    ],
)  # fmt: skip
def test_a_body_that_is_coded_otherwise_is_not_taken_as_plain(listening, codings, status) -> None:
    """501 and closed, for what follows cannot be told from its body; chunks are as ever."""
    connect = listening()
    connection = connect()
    lines = b"".join(b"transfer-encoding: " + coding + b"\r\n" for coding in codings)
    connection.sendall(POST + lines + b"connection: close\r\n\r\n2\r\nab\r\n0\r\n\r\n")
    answer = all_of(connection)
    if status == 200:
        assert (True, True) == (answer.startswith(b"HTTP/1.1 200"), answer.endswith(b"ab"))
    else:
        said = {501: "a body may be chunked, and coded in no other way", 400: "this is no HTTP request"}[status]
        assert (status, said) == refusal(answer)
    assert lives(connect)


@pytest.mark.parametrize("spaces", [b" ", b"\t", b" \t  "])
def test_spaces_behind_a_value_are_none_of_it(listening, spaces) -> None:
    """Nor before it; those within stay."""
    seen = {}

    async def app(scope, receive, send):
        seen.update(scope["headers"])
        await echo(scope, receive, send)

    connection = listening(app)()
    lines = [b"x-api-key: key", b"x-more: \t a  b", b"x-nothing: ", b"content-length: 2", b"connection: close"]
    connection.sendall(POST + b"".join(line + spaces + b"\r\n" for line in lines) + b"\r\nab")
    assert all_of(connection).endswith(b"ab")
    told = [seen[name] for name in (b"x-api-key", b"x-more", b"x-nothing", b"content-length")]
    assert [b"key", b"a  b", b"", b"2"] == told


TWICE = b"host: localhost\r\nHOST: elsewhere\r\n"


@pytest.mark.parametrize("method", [b"GET /healthz", b"POST /predict"])
@pytest.mark.parametrize(
    ("version", "hosts", "taken"),
    [(b"1.1", b"", False), (b"1.1", TWICE, False), (b"1.1", b"Host: localhost\r\n", True), (b"1.0", b"", True)],
)
def test_a_request_names_one_host(listening, method, version, hosts, taken) -> None:
    """None, or two of which a proxy before us may have believed the other: 400, as RFC 9112 has it."""
    connect = listening()
    connection = connect()
    more = b"connection: close\r\ncontent-length: 2\r\n\r\n12"
    connection.sendall(method + b" HTTP/" + version + b"\r\n" + hosts + more)
    answer = all_of(connection)
    assert answer.startswith(b"HTTP/1.1 200") if taken else (400, NAMELESS) == refusal(answer)
    assert lives(connect)


@pytest.mark.parametrize("name", [b"Upgrade", b"upgrade", b"UPGRADE"])
@pytest.mark.parametrize("pieces", [1, 2, 3])
def test_who_asks_for_http_2_is_served_by_http_1(listening, name, pieces) -> None:
    """As Java's client and `curl --http2` do. The body is a body, whatever it looks like, in however many pieces."""
    body = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nUpgrade: h2c\r\n\r\n"
    asked = b"connection: Upgrade, HTTP2-Settings\r\n" + name + b": h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
    head = POST + asked + b"content-length: %d\r\n\r\n" % len(body)
    cuts = {1: [], 2: [len(head)], 3: [len(head) - 3, len(head) + 7]}[pieces]
    connection, whole = listening()(), head + body
    for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        connection.sendall(whole[begin:end])
        time.sleep(0.05)
    connection.sendall(POST + b"connection: close\r\ncontent-length: 4\r\n\r\nlast")
    answer = all_of(connection)
    assert 2 == answer.count(b"HTTP/1.1 200 ") == answer.count(b"HTTP/1.1 ")
    assert body in answer
    assert answer.endswith(b"last")


def test_an_upgrade_that_would_lose_a_body_is_refused(listening) -> None:
    """Its name came in two pieces, or in the second request of one: the connection ends, and the body is no request."""
    asked = b"connection: Upgrade\r\nupgrade: h2c\r\ncontent-length: %d\r\n\r\n" % len(GET) + GET
    connection = listening()()
    connection.sendall(POST + asked[:24])
    time.sleep(0.05)
    connection.sendall(asked[24:])
    assert (400, "the header Upgrade goes with no body here") == refusal(all_of(connection))
    connection = listening()()
    connection.sendall(POST + b"content-length: 1\r\n\r\n1" + POST + asked)
    assert all_of(connection).count(b"HTTP/1.1 200 ") < 2


def test_a_body_that_looks_like_an_upgrade_is_left_as_it_is(listening) -> None:
    """The end of its head came with it: nothing of a body is ever renamed."""
    body = b"a,b\r\nUpgrade: h2c\r\n\r\n"
    connection = listening()()
    connection.sendall(POST + b"connection: close\r\ncontent-length: %d\r\n" % len(body))
    time.sleep(0.05)
    connection.sendall(b"\r\n" + body)
    assert all_of(connection).endswith(body)


def test_requests_in_a_row_are_answered_in_order(listening) -> None:
    """Pipelining is no garbage."""
    connection = listening()()
    bodies = [b"%d" % number for number in range(50)]
    for body in bodies[:-1]:
        connection.sendall(POST + b"content-length: %d\r\n\r\n" % len(body) + body)
    connection.sendall(POST + b"connection: close\r\ncontent-length: 2\r\n\r\n" + bodies[-1])
    answers = all_of(connection).split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert bodies == [answer.partition(b"\r\n\r\n")[2] for answer in answers]


def test_a_body_without_end_is_cut_off(listening) -> None:
    """413 once it is beyond the limit, and no more than twice the limit is read and thrown away."""
    connect = listening()
    connection = connect()
    with contextlib.suppress(OSError):
        connection.sendall(POST + b"transfer-encoding: chunked\r\n\r\n")
        for _ in range(1000):
            connection.sendall(b"400\r\n" + b" " * 1024 + b"\r\n")
    assert b"HTTP/1.1 413" in all_of(connection)
    assert lives(connect)


def test_too_many_connections_are_refused(listening) -> None:
    """503 with Retry-After, closed at once; those that are open are served, and who leaves makes room."""
    connect = listening(connections=3)
    open_ones = [connect() for _ in range(3)]
    for connection in open_ones:
        connection.sendall(GET)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    answer = all_of(connect())
    assert (503, "too many connections are open") == refusal(answer)
    assert b"retry-after: 1\r\n" in answer
    open_ones[0].sendall(GET)
    assert open_ones[0].recv(65536).startswith(b"HTTP/1.1 200")
    for connection in open_ones:
        connection.shutdown(socket.SHUT_WR)
        all_of(connection)
    for _ in range(1000):  # until the server has seen them leave
        if lives(connect):
            return
        time.sleep(0.01)
    raise AssertionError("those who left still count")


def test_who_hangs_up_while_it_is_answered_does_no_harm(listening, capsys) -> None:
    """Nothing crashed, by the log, and others are served."""
    connect = listening()
    for _ in range(20):
        connection = connect()
        connection.sendall(POST + b"content-length: 900\r\n\r\nab")
        connection.close()
    assert lives(connect)
    assert "crashed" not in capsys.readouterr().err
