"""Spans and reports go out where that is configured, with nothing of a request in them; else their code stays away."""

import gzip
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.ports import free_port

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
BREAKS = """
import sys
from serve import app
from serve.model import Model
run = Model.run
def broken(self, feeds):
    if app.broken:
        raise RuntimeError("it quo" + "tes " + str(feeds))  # in parts: a report shows the line of code
    return run(self, feeds)
Model.run = broken
app.broken = False
class Wire(app.Wire):
    def __init__(self, *args):
        app.broken = True
        super().__init__(*args)
app.Wire = Wire
raise SystemExit(app.main([]))
"""


class Collector:
    """Whatever was posted to it, by path."""

    def __init__(self, status: int = 200) -> None:
        self.status, self.got = status, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                packed = self.headers.get("content-encoding") == "gzip"
                outer.got.append((self.path, gzip.decompress(body) if packed else body))
                self.send_response(outer.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def spans(self) -> list:
        """Return the spans, each with the attributes of its service."""
        told = [ExportTraceServiceRequest.FromString(body) for path, body in self.got if path == "/v1/traces"]
        return [
            (span, {pair.key: pair.value.string_value for pair in group.resource.attributes})
            for one in told
            for group in one.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def collector() -> Iterator[Collector]:
    one = Collector()
    yield one
    one.server.shutdown()


def texts_of(row: dict) -> list[bytes]:
    """What of a row would be known again."""
    return [value.encode() for value in row.values() if isinstance(value, str) and len(value) > 4]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_request_is_a_span_of_its_callers_trace(start, golden, collector, workers) -> None:
    """The caller's trace goes on, in the span and in the log; route and status are told, nothing of the request."""
    row = golden["rows"][0]
    asked = {"traceparent": f"00-{TRACE}-{PARENT}-01", "x-request-id": "mine"}
    at = f"http://127.0.0.1:{collector.port}"
    with start(OTEL_EXPORTER_OTLP_ENDPOINT=at, WORKERS=workers, ACCESS_LOG="1") as (url, process):
        assert 200 == httpx.post(f"{url}/predict?secret=1", json=row, headers=asked).status_code
        assert 422 == httpx.post(f"{url}/predict", json={}, headers={"user-agent": "secret"}).status_code
        assert 404 == httpx.get(f"{url}/secret").status_code
        process.terminate()
        _, log = process.communicate(timeout=30)
        assert 0 == process.returncode
    found = {span.name + str(len(span.parent_span_id)): (span, resource) for span, resource in collector.spans()}
    assert {"POST /predict8", "POST /predict0", "GET other0"} == set(found)
    span, resource = found["POST /predict8"]
    assert (TRACE, PARENT) == (span.trace_id.hex(), span.parent_span_id.hex())
    assert "income" == resource["service.name"]
    assert {"1"} == {pair.value.string_value for pair in span.attributes if pair.key == "model.version"}
    codes = {pair.value.int_value for pair in span.attributes if "status" in pair.key}
    assert {200} == codes
    line = next(json.loads(line) for line in log.splitlines() if '"mine"' in line)
    assert TRACE == line["trace"]
    everything = b"".join(body for _, body in collector.got)
    assert not [text for text in (b"secret", b"127.0.0.1", *texts_of(row)) if text in everything]


def test_a_collector_that_is_away_or_refuses_stops_nothing(start, golden) -> None:
    """Predictions go on, and SIGTERM ends the service in time."""
    refusing = Collector(503)
    for port in (refusing.port, 9):
        with start(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}") as (url, process):
            for _ in range(20):
                assert 200 == httpx.post(f"{url}/predict", json=golden["rows"][0]).status_code
            process.terminate()
            assert 0 == process.wait(timeout=30)
    refusing.server.shutdown()


def test_what_breaks_is_reported_without_what_was_asked(chain, golden, collector, tmp_path) -> None:
    """The report names error and place; its message, which quotes the rows, and all else of the request stay here."""
    row = golden["rows"][0]
    script = tmp_path / "broken.py"
    script.write_text(BREAKS)
    environment = {
        "SENTRY_DSN": f"http://key@127.0.0.1:{collector.port}/1", "BUNDLE": str(chain.root / "build/model"),
        "PORT": "0", "READY_FILE": str(tmp_path / "ready"), "PYTHONPATH": str(chain.root), "PATH": "",
    }  # fmt: skip
    environment["PORT"] = str(free_port())
    process = subprocess.Popen([sys.executable, script], env=environment, cwd=chain.root, stderr=subprocess.PIPE)
    try:
        for _ in range(600):
            if (tmp_path / "ready").exists():
                break
            time.sleep(0.05)
        asked = {"cookie": "secret", "user-agent": "secret"}
        answer = httpx.post(f"http://127.0.0.1:{environment['PORT']}/predict?secret=1", json=row, headers=asked)
        assert 500 == answer.status_code
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert 0 == process.returncode
    [report] = [json.loads(body.split(b"\n")[2]) for path, body in collector.got if b'"exception"' in body]
    [error] = report["exception"]["values"]
    assert ("RuntimeError", "broken") == (error["type"], error["stacktrace"]["frames"][-1]["function"])
    assert "income@1" == report["release"]
    everything = b"".join(body for _, body in collector.got)
    assert not [text for text in (b"secret", b"quotes", *texts_of(row)) if text in everything]


def test_without_an_address_nothing_of_it_is_imported(start, golden, chain) -> None:
    """A service that is told of no collector loads neither library."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom serve.guard.around import Guard\nfrom serve.wire.app import Wire\n"
        "from serve.guard.settings import read\nfrom serve.loaded import Bundle\nfrom serve.seen.watched import watch\n"
        "from serve.wire.served import serving\nbundle = Bundle(Path('build/model'))\n"
        "guard = Guard(read({}, bundle.limits, '127.0.0.1', False), {})\n"
        "_, last = watch(Wire(serving(bundle, guard)), guard)\n"
        "found = [name for name in sys.modules if name.startswith(('opentelemetry', 'sentry_sdk'))]\n"
        "print(found, last)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=chain.root, capture_output=True, text=True, check=True)
    assert "[] []\n" == ran.stdout
