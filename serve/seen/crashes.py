"""Sentry: what breaks inside the service, sent where SENTRY_DSN says so; SENTRY_ENVIRONMENT and the like hold.

A report has the error's type and its frames. Its message, local variables, headers, body, query and address stay here,
for any of them may quote a request.
"""

from collections.abc import Callable, Mapping
from typing import Any

from serve.guard.exchange import Application
from serve.guard.refused import Refused

LIMIT_SECONDS = 2.0  # for what still waits when the service ends
KEPT = frozenset({
    "contexts", "environment", "event_id", "exception", "level", "logger", "platform", "release", "sdk", "timestamp",
    "transaction",
})  # fmt: skip


def is_on(environment: Mapping[str, str]) -> bool:
    """Tell whether there is an address to report to."""
    return bool(environment.get("SENTRY_DSN"))


def around(app: Application, release: Callable[[], str]) -> tuple[Application, Callable[[], None]]:
    """Put reports around an application; return it, and what sends the last ones."""
    import sentry_sdk
    from sentry_sdk.integrations.asgi import SentryAsgiMiddleware

    def ours(event: Any, _: Any) -> Any:
        """Keep what is known not to quote a request."""
        for error in event.get("exception", {}).get("values", []):
            error.pop("value", None)
        contexts = {name: facts for name, facts in event.get("contexts", {}).items() if name in ("runtime", "trace")}
        kept = {name: value for name, value in event.items() if name in KEPT}
        return kept | {"contexts": contexts, "release": release()}

    sentry_sdk.init(
        release=release(), send_default_pii=False, include_local_variables=False, max_request_body_size="never",
        max_breadcrumbs=0, auto_enabling_integrations=False, before_send=ours, server_name="", ignore_errors=[Refused],
    )  # fmt: skip
    return SentryAsgiMiddleware(app), lambda: sentry_sdk.flush(LIMIT_SECONDS)
