"""The settings of the HTTP server that belong to the guard: patience, TLS, logs, and what it must not believe."""

import os
from typing import Any

import uvicorn

from serve.guard import logs
from serve.guard.connection import patient
from serve.guard.exchange import Application
from serve.guard.settings import Settings
from serve.guard.short import ShortWay


def configure(
    application: Application, settings: Settings, short: ShortWay | None = None, **more: Any
) -> uvicorn.Config:
    """Make the server's configuration; `more` goes to it as it is."""
    proxied = bool(os.environ.get("FORWARDED_ALLOW_IPS"))
    logs.take_over()
    return uvicorn.Config(
        application,
        # where the caller is known by address alone, and a proxy tells it, uvicorn's own reading of that is needed
        http=patient(settings.limits, None if proxied and settings.open else short),
        ws="none",
        # an address or scheme told by headers is taken only from the proxies that this variable names
        proxy_headers=proxied,
        ssl_certfile=settings.tls_cert or None,
        ssl_keyfile=settings.tls_key or None,
        server_header=False,
        access_log=False,
        log_config=None,
        **more,
    )
