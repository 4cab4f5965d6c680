"""The short way answers, byte for byte, what the usual way answers, and takes over none of its refusals."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from dataclasses import replace

import pytest
import uvicorn

from serve.guard.around import Guard
from serve.guard.keys import line_of, make
from serve.guard.server import configure
from serve.guard.settings import Settings, limits_of
from serve.loaded import Bundle
from serve.pages import Pages
from serve.wire.app import Wire
from serve.wire.routes import scopes
from serve.wire.served import Served
from serve.wire.short import Short

KEY = make()
END = b"0\r\n\r\n"


class Asked:
    """A service in this process; `usual` lists the paths that came the usual way, `app` is what answers."""

    def __init__(self, folder, more: dict, **limits) -> None:
        self.bundle = Bundle(folder)
        known = replace(limits_of(self.bundle.limits), **limits)
        settings = Settings(known, api_keys=line_of(KEY, "tests", "predict,admin"))
        self.guard = Guard(settings, {})
        served = Served(self.bundle, Pages(self.bundle, self.guard))
        self.guard.follow(known, scopes(served.routes))
        self.app, self.usual = Wire(served), []
        around = self.guard.around(self.app)

        async def application(scope, receive, send) -> None:
            self.loop = asyncio.get_running_loop()
            if scope["type"] == "http":
                self.usual.append(scope["path"])
            await around(scope, receive, send)

        self.listener = socket.create_server(("127.0.0.1", 0))
        config = configure(application, settings, Short(self.app, self.guard), lifespan="on", loop="uvloop", **more)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([self.listener],))
        self.thread.start()
        while not self.server.started:
            assert self.thread.is_alive()
            time.sleep(0.01)

    def connect(self) -> socket.socket:
        """Open a connection; the patience is for tests that fail."""
        return socket.create_connection(self.listener.getsockname(), timeout=30)

    @property
    def connections(self) -> list:
        """The connections that are open, each as the protocol knows it."""
        return list(self.server.server_state.connections)

    @staticmethod
    def until(holds) -> None:
        """Wait until something holds; the patience is for tests that fail."""
        end = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < end
            time.sleep(0.005)

    def counted(self, *cells: int) -> list[float]:
        """Read cells of the counts."""
        return self.bundle.counts.total()[list(cells)].tolist()


def request(path: str, body: bytes, *more: str, method: str = "POST", key: str = KEY, chunked: bool = False) -> bytes:
    """Write a request; a chunked one goes the usual way."""
    length = "transfer-encoding: chunked" if chunked else f"content-length: {len(body)}"
    head = [f"{method} {path} HTTP/1.1", "host: localhost", f"authorization: Bearer {key}", length, *more]
    framed = b"%x\r\n%b\r\n" % (len(body), body) + END if chunked else body
    return "\r\n".join(head).encode() + b"\r\n\r\n" + framed


def answer(connection: socket.socket, held: bytes = b"") -> tuple[int, list[bytes], bytes, bytes]:
    """Read one answer: status, headers but date and id, body, and what came behind it."""
    while b"\r\n\r\n" not in held:
        part = connection.recv(65536)
        assert part, held
        held += part
    head, _, held = held.partition(b"\r\n\r\n")
    first, *headers = head.split(b"\r\n")
    length = next(int(line[16:]) for line in headers if line.startswith(b"content-length: "))
    while len(held) < length:
        held += connection.recv(65536)
    kept = [line for line in headers if not line.startswith((b"date: ", b"x-request-id: "))]
    assert len(kept) == len(headers) - 2
    return int(first.split()[1]), kept, held[:length], held[length:]


@pytest.fixture
def ask(chain):
    """Start a service with limits of one's own."""
    started = []

    def start(more=None, **limits) -> Asked:
        started.append(Asked(chain.root / "build/model", more or {}, **limits))
        return started[-1]

    yield start
    for one in started:
        one.server.should_exit = True
        one.thread.join()


@pytest.fixture
def row(golden) -> dict:
    return golden["rows"][-1]


def bodies(row: dict, numbers: set[str]) -> list[tuple[str, bytes]]:
    """Every protocol of the bundle, by one row and by several."""
    rows = [row, row]
    columns = {name: [value, value] for name, value in row.items()}
    tensors = [
        {"name": name, "shape": [1], "datatype": "FP64" if name in numbers else "BYTES", "data": [value]}
        for name, value in row.items()
    ]
    told = [
        ("/predict", row), ("/predict", {"records": rows}), ("/predict", {"columns": columns}),
        ("/invocations", {"dataframe_records": rows}), ("/score", {"input_data": rows}), ("v2", {"inputs": tensors}),
    ]  # fmt: skip
    return [(path, json.dumps(body).encode()) for path, body in told]


def test_both_ways_give_the_same_bytes(ask, row) -> None:
    """Every protocol: status, headers, body; and the plain form comes by the short way alone."""
    asked = ask()
    numbers = {spec["name"] for spec in asked.bundle.model.inputs if spec["type"] == "number"}
    statuses = []
    with asked.connect() as connection:
        for path, body in bodies(row, numbers):
            path = path if path != "v2" else f"/v2/models/{asked.bundle.name}/infer"
            connection.sendall(request(path, body, "content-type: application/json"))
            short = answer(connection)
            assert asked.usual == [], path
            connection.sendall(request(path, body, "content-type: application/json", chunked=True))
            assert short == answer(connection)
            assert asked.usual == [path]
            asked.usual.clear()
            statuses.append(short[0])
    assert set(statuses) == {200}
    answers = [asked.bundle.counts.layout.answer(name, 200) for name in ("predict", "mlflow", "azure", "v2")]
    assert asked.counted(*answers) == [6, 2, 2, 2]


@pytest.mark.parametrize(
    ("what", "more", "status"),
    [
        ("no key", {"key": "gatehouse_" + "x" * 43}, 401),
        ("no row", {"body": b'{"records":[]}'}, 422),
        ("no JSON", {"body": b"{"}, 400),
        ("a column is missing", {"body": b"{}"}, 422),
        ("another path", {"path": "/nothing"}, 404),
        ("a query", {"path": "/predict?a=1"}, 200),
        ("an escaped path", {"path": "/pr%65dict"}, 200),
        ("feedback", {"path": "/feedback"}, 403),
        ("the last of its connection", {"heads": ["connection: close"]}, 200),
        ("expects to be told to go on", {"heads": ["expect: 100-continue"]}, 200),
    ],
)
def test_what_is_not_plain_goes_the_usual_way(ask, row, what, more, status) -> None:
    """Each refusal and each unusual request is answered as by chunks, which never come the short way."""
    asked = ask()
    given = {"path": "/predict", "body": json.dumps(row).encode(), "key": KEY, "heads": []} | more
    found = []
    for chunked in (False, True):
        with asked.connect() as connection:
            sent = request(given["path"], given["body"], *given["heads"], key=given["key"], chunked=chunked)
            connection.sendall(sent)
            if what.startswith("expects"):
                assert connection.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
            found.append(answer(connection))
    assert found[0] == found[1]
    assert status == found[0][0]
    assert len(asked.usual) == 2


@pytest.mark.parametrize("hosts", [b"", b"host: localhost\r\nhost: elsewhere\r\n"])
def test_a_request_without_one_host_comes_neither_way(ask, row, hosts) -> None:
    """Plain as it is otherwise, it is no request."""
    asked = ask()
    with asked.connect() as connection:
        connection.sendall(request("/predict", json.dumps(row).encode()).replace(b"host: localhost\r\n", hosts))
        told = b"".join(iter(lambda: connection.recv(65536), b""))
    assert told.startswith(b"HTTP/1.1 400 ")
    assert b"the header Host has to be there, once" in told
    assert asked.usual == []


def test_a_body_that_is_refused_costs_one_request_of_the_caller(ask, row) -> None:
    """It is let in once, though two ways look at it; so are the metrics and the limits by it."""
    asked = ask(requests_per_second=0.001, burst=2, concurrent=1)
    good = json.dumps(row).encode()
    with asked.connect() as connection:
        for body, status in ((b"{}", 422), (good, 200), (good, 429)):
            connection.sendall(request("/predict", body))
            assert status == answer(connection)[0]
    assert asked.counted(asked.bundle.counts.layout.in_flight) == [0]


@pytest.mark.parametrize("first", ["short", "usual"])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_pipelined_requests_are_answered_in_their_order(ask, golden, first, size) -> None:
    """Both ways mixed on one connection, whatever the pieces that they come in."""
    asked, rows = ask(), golden["rows"][-6:]
    wanted = asked.bundle.model.outputs({name: [row[name] for row in rows] for name in asked.bundle.rows.names})
    sent = b"".join(
        request("/predict", json.dumps(row).encode(), chunked=(place % 2 == 0) == (first == "usual"))
        for place, row in enumerate(rows)
    )
    with asked.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(sent), size):
            connection.sendall(sent[start : start + size])
        held, found = b"", []
        for _ in rows:
            status, _, body, held = answer(connection, held)
            assert status == 200
            found.append(json.loads(body)["prediction"]["probability"])
    assert wanted[:, 1].tolist() == found
    assert len(asked.usual) >= 3


def test_who_leaves_amid_a_body_is_forgotten(ask, row) -> None:
    """It held no place, and /metrics knows that it went."""
    asked, body = ask(concurrent=1), json.dumps(row).encode()
    layout = asked.bundle.counts.layout
    gone = layout.errors + layout.kinds.index("gone")
    with asked.connect() as connection:
        connection.sendall(request("/predict", body)[:-5])
        asked.until(lambda: any(one.cycle for one in asked.connections))
    asked.until(lambda: asked.counted(layout.in_flight, gone) == [0, 1])
    with asked.connect() as other:
        other.sendall(request("/predict", body))
        assert answer(other)[0] == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_slow_bodies_of_one_caller_hold_up_no_other(ask, row, chunked) -> None:
    """More of them than there are places, by either way; each is answered once its body is whole."""
    asked, body = ask(concurrent=2), json.dumps(row).encode()
    sent = request("/predict", body, chunked=chunked)
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(asked.connect()) for _ in range(6)]
        for connection in slow:
            connection.sendall(sent[:-20])
        asked.until(lambda: sum(bool(one.cycle) for one in asked.connections) == len(slow))
        with asked.connect() as other:
            for way in (False, True):
                other.sendall(request("/predict", body, chunked=way))
                assert answer(other)[0] == 200
        for connection in slow:
            connection.sendall(sent[-20:])
            assert answer(connection)[0] == 200


def test_a_whole_body_without_a_place_is_told_to_wait(ask, row, monkeypatch) -> None:
    """By either way 503 with Retry-After, and a place that is free again is taken."""
    asked, body = ask(concurrent=1), json.dumps(row).encode()
    score, waiting = asked.app.served.batcher.one, []
    monkeypatch.setattr(asked.app.served.batcher, "one", lambda *more: waiting.append(more))
    with asked.connect() as first, asked.connect() as other:
        first.sendall(request("/predict", body))
        asked.until(lambda: waiting)
        for chunked in (False, True):
            other.sendall(request("/predict", body, chunked=chunked))
            status, headers, said, _ = answer(other)
            assert (503, "too many requests are under way") == (status, json.loads(said)["detail"])
            assert b"retry-after: 1" in headers
        monkeypatch.setattr(asked.app.served.batcher, "one", score)
        asked.loop.call_soon_threadsafe(score, *waiting[0])
        assert answer(first)[0] == 200
        other.sendall(request("/predict", body))
        assert answer(other)[0] == 200
    assert asked.counted(asked.bundle.counts.layout.in_flight) == [0]


def test_a_body_in_chunks_beyond_the_limit_is_a_413(ask) -> None:
    """In the guard's words, as one that is announced; nobody counts it as a failure of the service."""
    asked = ask(max_body_bytes=1000)
    layout = asked.bundle.counts.layout
    with asked.connect() as connection:
        connection.sendall(request("/predict", b" " * 1001, chunked=True))
        status, _, said, _ = answer(connection)
    assert (413, True) == (status, "larger than 1000 bytes" in json.loads(said)["detail"])
    assert asked.counted(layout.in_flight, layout.errors + layout.kinds.index("internal")) == [0, 0]


def test_a_model_that_fails_is_told_as_by_the_usual_way(ask, row, monkeypatch) -> None:
    """500 with the guard's sentence, and the next request is answered."""
    asked, body = ask(), json.dumps(row).encode()
    run = asked.bundle.model.run
    with asked.connect() as connection:
        failed = []
        monkeypatch.setattr(asked.bundle.model, "run", lambda feeds: failed.append(feeds) or 1 / 0)
        connection.sendall(request("/predict", body))
        status, _, said, _ = answer(connection)
        assert status == 500
        assert "its log has more under the request id" in json.loads(said)["detail"]
        assert len(failed) == 1  # a model that fails now and then is seen to, since nothing is tried again
        monkeypatch.setattr(asked.bundle.model, "run", run)
        connection.sendall(request("/predict", body))
        assert answer(connection)[0] == 200
    assert asked.counted(asked.bundle.counts.layout.in_flight) == [0]
    assert asked.usual == ["/predict"]


def test_a_connection_that_stays_silent_is_closed(ask, row) -> None:
    """After an answer of the short way as after one of the usual way."""
    asked, body = ask({"timeout_keep_alive": 1}), json.dumps(row).encode()
    with asked.connect() as connection:
        for chunked in (False, True, False):
            connection.sendall(request("/predict", body, chunked=chunked))
            assert answer(connection)[0] == 200
        assert connection.recv(1) == b""


def test_the_last_answer_of_a_service_says_so(ask, row) -> None:
    """A request whose body was on its way when the service was told to end is answered, and closed."""
    asked, body = ask(), json.dumps(row).encode()
    sent = request("/predict", body)
    with asked.connect() as connection, asked.connect() as other:
        connection.sendall(sent[:-5])
        other.sendall(sent)
        assert answer(other)[0] == 200
        asked.server.should_exit = True
        assert other.recv(1) == b""
        connection.sendall(sent[-5:])
        status, headers, _, _ = answer(connection)
        assert status == 200
        assert b"connection: close" in headers
        assert connection.recv(1) == b""
    assert asked.usual == []
