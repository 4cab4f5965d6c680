"""The service: one bundle behind HTTP. Started by `python -m serve.app [--insecure]`.

Environment: BUNDLE the bundle's folder (/bundle), HOST (127.0.0.1) and PORT (8000) to listen on, LISTEN_FD a listening
socket inherited instead, READY_FILE a file written once it answers. Credentials: API_KEYS or API_KEYS_FILE (lines of
`python -m serve.key`), OIDC_ISSUER and OIDC_AUDIENCE (OIDC_JWKS_URL where discovery does not tell). TLS_CERT_FILE and
TLS_KEY_FILE for TLS. INSECURE=1 is --insecure: whoever reaches it may ask. ACCESS_LOG: the share of answers to log.
FORWARDED_ALLOW_IPS: the proxies whose word on a caller's address is taken.

Routes: POST /predict, GET /healthz, /readyz, /version, /metrics, /docs. It refuses to start on a bundle whose digests
differ, or whose golden rows give other outputs than at training; and, without a credential, where others reach it.
"""

import argparse
import contextlib
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from serve.bundle import BundleError
from serve.guard.around import Guard
from serve.guard.described import describe_guard
from serve.guard.server import configure
from serve.guard.settings import SettingError, read, says
from serve.loaded import Bundle
from serve.openapi import describe
from serve.rows import BadRequest

INLINE_ROWS = 64  # more are scored in a thread, so that other callers are answered meanwhile
DRAIN_SECONDS = 20
SCOPES = {  # that a caller needs, by route; None: anybody. What is not named needs `admin`
    "/healthz": None,
    "/readyz": None,
    "/version": None,
    "/predict": "predict",
    "/docs": "predict",
    "/openapi.json": "predict",
    "/metrics": "admin",
}


def create_app(folder: Path) -> FastAPI:
    """Make the service of a bundle.

    Raises BundleError when the bundle is damaged.
    """
    bundle = Bundle(folder)
    metrics = CollectorRegistry()
    seconds = Histogram("predict_seconds", "Time to answer /predict, in seconds", registry=metrics)
    answers = Counter("predict_answers", "Answers of /predict by HTTP status", ["status"], registry=metrics)
    scored = Counter("predict_rows", "Rows scored", registry=metrics)
    info = Gauge("model_info", "The model in service", ["model", "version", "digest"], registry=metrics)
    info.labels(bundle.release["model"], str(bundle.release["model_version"]), bundle.release["model_digest"]).set(1)
    state = {"ready": False}

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        state["ready"] = True
        gc.collect()
        gc.freeze()  # what start-up made lives as long as the process; the collector need not walk it again
        if os.environ.get("READY_FILE"):
            Path(os.environ["READY_FILE"]).write_text(str(os.getpid()), encoding="ascii")
        yield
        state["ready"] = False

    app = FastAPI(title=bundle.release["model"], version=str(bundle.release["model_version"]), lifespan=lifespan)

    async def predict(request: Request) -> Response:
        started = time.perf_counter()
        try:
            body = await _body(request, bundle.limits["max_body_bytes"])
            columns, many = bundle.rows.decode(body)
            n = len(next(iter(columns.values())))
            predictions = (
                bundle.predict(columns) if n <= INLINE_ROWS else await run_in_threadpool(bundle.predict, columns)
            )
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except BadRequest as error:
            answers.labels(str(error.status)).inc()
            detail = {"detail": str(error), "field": error.field, "row": error.row}
            return JSONResponse(detail, status_code=error.status)
        answer: dict[str, Any] = {"predictions": predictions} if many else {"prediction": predictions[0]}
        answer["model_version"] = bundle.release["model_version"]
        scored.inc(n)
        answers.labels("200").inc()
        seconds.observe(time.perf_counter() - started)
        return Response(msgspec.json.encode(answer), media_type="application/json")

    app.add_route("/predict", predict, methods=["POST"])

    @app.get("/healthz", summary="The process lives")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", summary="It answers predictions", responses={503: {"description": "Not ready"}})
    async def readyz() -> JSONResponse:
        ready = state["ready"]
        return JSONResponse({"status": "ready" if ready else "not ready"}, status_code=200 if ready else 503)

    @app.get("/version", summary="Which model answers")
    async def version() -> dict[str, Any]:
        return {**bundle.release, "bundle_digest": bundle.digest}

    @app.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def prometheus() -> Response:
        return Response(generate_latest(metrics), media_type=CONTENT_TYPE_LATEST)

    app.state.limits = bundle.limits
    describe(app, bundle.rows.row_type, bundle.model.target, bundle.model.golden_rows[-1])
    return app


async def _body(request: Request, limit: int) -> bytes:
    """Read the body, but no more than `limit` bytes of it."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise BadRequest(413, f"the body is larger than {limit} bytes; send fewer rows a request")
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise BadRequest(413, f"the body is larger than {limit} bytes; send fewer rows a request")
        chunks.append(chunk)
    return b"".join(chunks)


def _number(name: str, usual: str) -> int:
    text = os.environ.get(name) or usual
    if not text.lstrip("-").isdigit() or int(text) > 65535:
        raise BundleError(f"{name}={text} is no number from 0 to 65535")
    return int(text)


def _refuse(sentence: str) -> int:
    print(f"serve.app: refuses to start: {sentence}", file=sys.stderr)  # noqa: T201  the log of the service
    return 2


def _where(inherited: int, host: str, port: int) -> tuple[list[socket.socket] | None, str, str]:
    """Return the inherited socket, the address that it or we listen on, and both as one reads them."""
    if inherited < 0:
        return None, host, f"{host}:{port}"
    try:
        listener = socket.socket(fileno=inherited)
        name = listener.getsockname()
    except OSError as error:
        raise SettingError(f"LISTEN_FD={inherited} is no socket: {error.strerror}") from None
    return ([listener], name[0], f"{name[0]}:{name[1]}") if isinstance(name, tuple) else ([listener], "localhost", name)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; return 2 when the bundle or the settings are not fit to serve."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--insecure", action="store_true", help="ask for no credential, whoever may reach it")
    given = options.parse_args(argv)
    try:
        host, port = os.environ.get("HOST") or "127.0.0.1", _number("PORT", "8000")
        sockets, address, where = _where(_number("LISTEN_FD", "-1"), host, port)
        app = create_app(Path(os.environ.get("BUNDLE", "/bundle")))
        settings = read(os.environ, app.state.limits, address, given.insecure)
        guard = Guard(settings, SCOPES)
    except (BundleError, SettingError) as error:
        return _refuse(str(error))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        return _refuse(f"the bundle is not of this service's format: {type(error).__name__}: {error}")
    describe_guard(app, settings, SCOPES)
    print(f"serve.app: {says(settings, where)}", file=sys.stderr)  # noqa: T201
    drain = {"timeout_graceful_shutdown": DRAIN_SECONDS}
    server = uvicorn.Server(configure(guard.around(app), settings, host=host, port=port, **drain))

    def end(*_: object) -> None:
        server.should_exit = True

    # uvicorn drains by its own handler, then raises the signal anew: without ours the process would end by it, not by 0
    signal.signal(signal.SIGTERM, end)
    server.run(sockets=sockets)
    return 0 if server.started else 3


if __name__ == "__main__":
    raise SystemExit(main())
