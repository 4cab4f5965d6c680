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
    bundle = app.bundle
    inner: Application = app
    last: list[Callable[[], None]] = []
    if crashes.is_on(os.environ):  # inside the guard, which turns what breaks into an answer
        inner, flush = crashes.around(inner, f"{bundle.name}@{bundle.version}")
        last.append(flush)
    guarded = guard.around(inner)
    if traces.is_on(os.environ):
        guarded, end = traces.around(guarded, bundle.name, str(bundle.version), frozenset(guard.scopes), PROBES)
        last.append(end)
    return guarded, last
