"""The service: one bundle behind HTTP. Started by `python -m serve.app`.

Environment: BUNDLE the bundle's folder (/bundle), HOST (127.0.0.1) and PORT (8000) to listen on, LISTEN_FD a listening
socket inherited instead, READY_FILE a file written once it answers.

Routes: POST /predict, GET /healthz, /readyz, /version, /metrics, /docs. It refuses to start on a bundle whose digests
differ, or whose golden rows give other outputs than at training.
"""

import contextlib
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
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
from serve.loaded import Bundle
from serve.openapi import describe
from serve.rows import BadRequest

INLINE_ROWS = 64  # more are scored in a thread, so that other callers are answered meanwhile
DRAIN_SECONDS = 20


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


def main() -> int:
    """Serve until SIGTERM; return 2 when the bundle is not fit to serve."""
    try:
        host, port = os.environ.get("HOST", "127.0.0.1"), _number("PORT", "8000")
        inherited = _number("LISTEN_FD", "-1")
        app = create_app(Path(os.environ.get("BUNDLE", "/bundle")))
    except BundleError as error:
        return _refuse(str(error))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        return _refuse(f"the bundle is not of this service's format: {type(error).__name__}: {error}")
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    try:
        sockets = [socket.socket(fileno=inherited)] if inherited >= 0 else None
    except OSError as error:
        return _refuse(f"LISTEN_FD={inherited} is no socket: {error.strerror}")
    server = uvicorn.Server(config)

    def end(*_: object) -> None:
        server.should_exit = True

    # uvicorn drains by its own handler, then raises the signal anew: without ours the process would end by it, not by 0
    signal.signal(signal.SIGTERM, end)
    server.run(sockets=sockets)
    return 0 if server.started else 3


if __name__ == "__main__":
    raise SystemExit(main())
