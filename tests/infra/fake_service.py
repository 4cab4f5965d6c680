# ruff: noqa: D101, D102, T201
"""A stand-in for serve.app that obeys the same environment; service.json of its bundle says how it misbehaves."""

import hashlib
import http.server
import json
import os
import pathlib
import signal
import socket
import sys
import threading
import time

bundle = pathlib.Path(os.environ["BUNDLE"])
settings = json.loads((bundle / "service.json").read_text())
release = json.loads((bundle / "release.json").read_text())
digest = hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest()
if settings.get("dies"):
    raise SystemExit("fake service: the model is broken")
time.sleep(settings.get("comes_after", 0))
ready = not settings.get("never_ready")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print("fake service: asked for", self.path, flush=True)
        body = {"bundle_digest": digest, "pid": os.getpid(), **release}
        if self.path == "/predict":
            time.sleep(settings.get("slow", 0))
            body = {"output": settings.get("output", 1)}
        elif self.path == "/echo":
            body = {"client": self.client_address[0], **self.headers}
        elif self.path == "/eat":
            body = {"ate": len(bytes(bytearray(os.urandom(2**20) * 512)))}
        elif self.path == "/version" and "application/json" not in self.headers.get("accept", ""):
            body = "3.0.0"
        content = json.dumps(body).encode()
        self.send_response(200 if ready or self.path != "/readyz" else 503)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if settings.get("fails_posts"):
            self.send_error(500)
        else:
            self.do_GET()

    def log_message(self, *_):
        return


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False  # server_close waits for requests under way


server = Server(("127.0.0.1", 0), Handler, bind_and_activate=False)
server.socket.close()
if "LISTEN_FD" in os.environ:
    server.socket = socket.socket(fileno=int(os.environ["LISTEN_FD"]))
else:
    server.socket = socket.create_server((os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"])))
server.socket.setblocking(False)  # two processes accept on one socket: the slower one must not hang
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
if ready and "READY_FILE" in os.environ and not settings.get("never_ready_file"):
    pathlib.Path(os.environ["READY_FILE"]).touch()
server.serve_forever(poll_interval=0.02)
server.server_close()
print("fake service: drained", file=sys.stderr)
