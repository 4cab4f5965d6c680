"""A proxy before a server that goes wrong where a test says: it is slow, is silent, answers 500, loses an answer."""

import contextlib
import http.client
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

# Told the number of a request, from 1, and "METHOD /path"; says what shall go wrong with it, or "" for nothing
Fault = Callable[[int, str], str]


@dataclass
class Proxy:
    """Where it listens, and what it was asked; `fault` may be changed at any time."""

    url: str
    fault: Fault
    asked: list[str] = field(default_factory=list)

    def heal(self) -> None:
        """Let everything pass from now on."""
        self.fault = nothing


def nothing(number: int, what: str) -> str:
    """Let a request pass."""
    return ""


def slow(number: int, what: str) -> str:
    """Let each answer take a tenth of a second more."""
    time.sleep(0.1)
    return ""


def fails(number: int, what: str) -> str:
    """Fail with 500, every time."""
    return "500"


def from_request(first: int) -> Fault:
    """Fail with 500 from one request on."""
    return lambda number, what: "500" if number >= first else ""


@contextlib.contextmanager
def proxy(target: str, fault: Fault = nothing) -> Iterator[Proxy]:
    """Put a proxy before `target`."""
    far, ended = urlsplit(target), threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            what = f"{self.command} {urlsplit(self.path).path}"
            here.asked.append(what)
            wrong = here.fault(len(here.asked), what)
            if wrong == "silence":
                ended.wait(600)
                self.close_connection = True
                return None
            if wrong == "500":
                return self.say(500, [], b"Internal Server Error")
            connection = http.client.HTTPConnection(str(far.hostname), far.port, timeout=120)
            with contextlib.closing(connection):
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                content = answer.read()
            if wrong == "lost":  # the server did it, and the client never hears of it
                self.close_connection = True
                return None
            unfit = ("transfer-encoding", "content-length", "connection")
            return self.say(answer.status, [h for h in answer.getheaders() if h[0].lower() not in unfit], content)

        def say(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
            with contextlib.suppress(ConnectionError):  # a client that was killed
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815  named by http.server

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    class Quiet(http.server.ThreadingHTTPServer):
        def handle_error(self, *arguments: object) -> None:
            """Say nothing of a client that was killed."""

    listening = Quiet(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    here = Proxy(f"http://127.0.0.1:{listening.server_address[1]}", fault)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    try:
        yield here
    finally:
        ended.set()
        listening.shutdown()
        listening.server_close()
