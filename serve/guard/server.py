"""The settings of the HTTP server that belong to the guard: patience, TLS, logs, and what it must not believe."""

import os
from typing import Any

import uvicorn

from serve.guard import logs
from serve.guard.exchange import Application
from serve.guard.settings import Settings
from serve.guard.wire import patient


def configure(application: Application, settings: Settings, **more: Any) -> uvicorn.Config:
    """Make the server's configuration; `more` goes to it as it is."""
    logs.take_over()
    return uvicorn.Config(
        application,
        http=patient(settings.limits),
        ws="none",
        # an address or scheme told by headers is taken only from the proxies that this variable names
        proxy_headers=bool(os.environ.get("FORWARDED_ALLOW_IPS")),
        ssl_certfile=settings.tls_cert or None,
        ssl_keyfile=settings.tls_key or None,
        server_header=False,
        access_log=False,
        log_config=None,
        **more,
    )
