"""The service: one bundle behind HTTP. Started by `python -m serve.app [--insecure]`.

Environment: BUNDLE the bundle's folder (/bundle), HOST (127.0.0.1) and PORT (8000) to listen on, LISTEN_FD a listening
socket inherited instead, READY_FILE a file written once it answers, WORKERS (1) processes that share the socket.
Vertex AI's AIP_HTTP_PORT goes before PORT; its routes, and Azure ML's, see serve/wire/routes.py.

Credentials: API_KEYS or API_KEYS_FILE (lines of `python -m serve.key`), OIDC_ISSUER and OIDC_AUDIENCE (OIDC_JWKS_URL
where discovery does not tell). TLS_CERT_FILE and TLS_KEY_FILE for TLS. INSECURE=1 is --insecure: whoever reaches it may
ask. ACCESS_LOG: the share of answers to log. FORWARDED_ALLOW_IPS: the proxies whose word on an address is taken.

OTEL_EXPORTER_OTLP_ENDPOINT sends a span a request to a collector (serve/seen/traces.py), SENTRY_DSN what breaks inside
(serve/seen/crashes.py).
PREDICTION_LOG: a folder or URL that predictions and feedback are shipped to. PREDICTION_SPOOL: the folder where they
wait for it. docs/predictions.md tells what is kept.

docs/protocols.md lists the routes. It refuses to start on a bundle whose digests differ, or whose golden rows give
other outputs than at training; and, without a credential, where others reach it. SIGHUP loads the bundle anew and fails
no request; the log and /version tell. Exits: 0 drained after SIGTERM, 1 requests were given up when 20 seconds were
over, 2 not fit to serve, 3 it cannot listen.
"""

import argparse
import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from serve.bundle import BundleError
from serve.guard.around import Guard
from serve.guard.settings import SettingError, read, says
from serve.loaded import load
from serve.renewal import Renewal, Wish
from serve.running import BACKLOG, DRAIN_SECONDS, Running, leave
from serve.sharing import Share
from serve.wire.app import Wire
from serve.wire.routes import scopes, table
from serve.wire.served import serving
from serve.workers import RETIRE, TOLD, Workers

PATIENCE = DRAIN_SECONDS + 8  # of the supervisor, for workers that drain, and then close the log in 5 at most
MOST_WORKERS = 64


def _number(name: str, usual: str, most: int = 65535) -> int:
    text = os.environ.get(name) or usual
    if not text.lstrip("-").isdigit() or int(text) > most:
        raise BundleError(f"{name}={text} is no number from 0 to {most}")
    return int(text)


def _refuse(sentence: str, code: int = 2) -> int:
    print(f"serve.app: refuses to start: {sentence}", file=sys.stderr)  # noqa: T201  the log of the service
    return code


def _address() -> tuple[socket.socket | None, str, int]:
    """Return the inherited socket, if there is one, and host and port that it or we listen on."""
    inherited = _number("LISTEN_FD", "-1")
    if inherited < 0:
        port = _number("AIP_HTTP_PORT", "") if os.environ.get("AIP_HTTP_PORT") else _number("PORT", "8000")
        return None, os.environ.get("HOST") or "127.0.0.1", port
    try:
        listener = socket.socket(fileno=inherited)
        name = listener.getsockname()
    except OSError as error:
        raise SettingError(f"LISTEN_FD={inherited} is no socket: {error.strerror}") from None
    return (listener, name[0], name[1]) if isinstance(name, tuple) else (listener, "localhost", 0)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def _ready_file() -> None:
    if os.environ.get("READY_FILE"):
        Path(os.environ["READY_FILE"]).write_text(str(os.getpid()), encoding="ascii")


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; return 2 when the bundle or the settings are not fit to serve."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--insecure", action="store_true", help="ask for no credential, whoever may reach it")
    given = options.parse_args(argv)
    wish = Wish()
    try:
        listener, host, port = _address()
        count = max(_number("WORKERS", "1", MOST_WORKERS), 1)
        folder, rows = Path(os.environ.get("BUNDLE", "/bundle")), 1 if count == 1 else 2 * count
        bundle = load(folder, rows)
        settings = read(os.environ, bundle.limits, host, given.insecure)
        guard = Guard(settings, scopes(table(bundle.name, bundle.version)))
        served = serving(bundle, guard)
    except (BundleError, SettingError) as error:
        return _refuse(str(error))
    try:
        listener = listener or _listen(host, port)
    except OSError as error:
        return _refuse(f"it cannot listen on HOST and PORT: {error.strerror or error}", 3)
    print(f"serve.app: {says(settings, f'{host}:{port}')}", file=sys.stderr)  # noqa: T201
    if bundle.note:
        print(f"serve.app: runtime {bundle.model.runtime}: {bundle.note}", file=sys.stderr)  # noqa: T201
    renewal = Renewal(folder, served, guard, rows, wish)
    del bundle, served  # or the first one would outlive its service
    code = _run(renewal, guard, listener, count)
    return leave(code) if renewal.under_way or threading.active_count() > 1 else code


def _run(renewal: Renewal, guard: Guard, listener: socket.socket, count: int) -> int:
    """Serve by one process, or by several behind a supervisor."""

    def one() -> int:
        def started() -> None:
            running.follow(renewal)
            _ready_file()
            renewal.served.pages.load_soon()

        app = Wire(renewal.served, started)
        running = Running(app, guard, listener)
        return running.serve()

    def worker(share: Share, leash: int, teller: int) -> int:
        served = renewal.served
        served.counts.own(share.row)

        def started() -> None:
            # the supervisor's end of the pipe closes when it dies, however it dies
            asyncio.get_running_loop().add_reader(leash, os.kill, os.getpid(), signal.SIGTERM)
            running.retire_on(RETIRE)
            os.write(teller, TOLD.pack(os.getpid()))

        running = Running(Wire(served, started), guard, listener, share)
        return running.serve()

    if count == 1:
        return one()
    renewal.served.pages.load()  # before the fork: every worker has the one copy
    return Workers(count, worker, _ready_file, PATIENCE, renewal).run()


if __name__ == "__main__":
    raise SystemExit(main())
