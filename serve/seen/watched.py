"""What watches the service from outside, each only where it is configured: its libraries are not even imported else."""

import os
from collections.abc import Callable

from serve.guard.around import Guard
from serve.guard.exchange import Application
from serve.seen import crashes, traces
from serve.wire.app import Wire

PROBES = ("/healthz", "/readyz", "/metrics", "/ping", "/health", "/v2/health/live", "/v2/health/ready")


def watch(app: Wire, guard: Guard) -> tuple[Application, list[Callable[[], None]]]:
    """Put the guard around an application, and what is configured around both; return all, and what to call last.

    To be called in the process that serves: threads that send do not outlive a fork.
    """

    def version() -> str:
        return str(app.served.bundle.version)  # a reload changes it

    guard.counted = app.turned_away
    name = app.served.bundle.name
    inner: Application = app
    last: list[Callable[[], None]] = []
    if crashes.is_on(os.environ):  # inside the guard, which turns what breaks into an answer
        inner, flush = crashes.around(inner, lambda: f"{name}@{version()}")
        last.append(flush)
    guarded = guard.around(inner)
    if traces.is_on(os.environ):
        guarded, end = traces.around(guarded, name, version, lambda path: path in guard.scopes, PROBES)
        last.append(end)
    return guarded, last
