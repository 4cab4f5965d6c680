"""What people and monitors look at: /, /docs, /openapi.json, /version, /metrics; FastAPI, loaded once it is ready.

Importing FastAPI takes as long as all the rest of a start, so predictions do not wait for it: the first page may.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from serve.guard.around import Guard
from serve.loaded import Bundle

App = Callable[..., Awaitable[None]]

VERSION_RESPONSES: dict[int | str, Any] = {
    200: {
        "description": "Which model answers; where JSON is not asked for, the version of MLflow that registered it",
        "content": {"application/json": {"schema": {"type": "object"}}, "text/plain": {"schema": {"type": "string"}}},
    }
}


class Pages:
    """An ASGI application that makes the real one when it is first needed, on a thread."""

    def __init__(self, bundle: Bundle, guard: Guard | None = None) -> None:
        self._bundle, self._guard = bundle, guard
        self._app: App | None = None
        self._loading: asyncio.Future[App] | None = None

    def load(self) -> App:
        """Make the application now."""
        if self._app is None:
            self._app = make(self._bundle, self._guard)
            gc.freeze()  # its modules live as long as the process
        return self._app

    def load_soon(self) -> None:
        """Begin to make it on a thread; called on the event loop."""
        if self._loading is None:
            self._loading = asyncio.get_running_loop().run_in_executor(None, self.load)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Answer a request, when the pages are there."""
        if self._app is None:
            self.load_soon()
            if self._loading is not None:
                await self._loading
        await self.load()(scope, receive, send)


def make(bundle: Bundle, guard: Guard | None) -> App:
    """Make the FastAPI application of a bundle; its schema tells what the guard around it asks for."""
    from fastapi import FastAPI, Request
    from starlette.responses import JSONResponse, PlainTextResponse, Response

    from serve.browser.facts import facts, identity
    from serve.browser.files import contents
    from serve.guard.described import describe_guard
    from serve.openapi import describe
    from serve.seen.exposition import CONTENT_TYPE_LATEST, exposition
    from serve.wire.accept import wants_json

    app = FastAPI(title=bundle.name, version=str(bundle.version), docs_url=None, redoc_url=None)
    app.state.bundle = bundle  # FastAPI remembers functions for ever, so none of them may hold what a reload replaces

    def show(route: str, content: bytes, kind: str) -> None:
        app.add_route(route, lambda _: Response(content, media_type=kind), include_in_schema=False)

    for route, (content, kind) in contents().items():
        show(route, content, kind)
    show("/page.json", facts(bundle), "application/json")

    # FastAPI, unlike what it stands on, gives HEAD no answer of its own
    @app.head("/version", include_in_schema=False)
    @app.get("/version", summary="Which model answers, as JSON; else MLflow's version", responses=VERSION_RESPONSES)
    async def version(request: Request) -> Response:
        bundle = request.app.state.bundle
        headers = {"vary": "Accept", "model-version": str(bundle.version)}
        if wants_json(",".join(request.headers.getlist("accept"))):
            return JSONResponse({**identity(bundle), "loaded": bundle.loaded}, headers=headers)
        return PlainTextResponse(str(bundle.release.get("mlflow_version", "unknown")), headers=headers)

    @app.head("/metrics", include_in_schema=False)
    @app.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def metrics(request: Request) -> Response:
        bundle = request.app.state.bundle
        return Response(exposition(bundle.counts, bundle.release), media_type=CONTENT_TYPE_LATEST)

    describe(app, bundle)
    if guard:
        describe_guard(app, guard.settings, guard.scopes)
    return app
