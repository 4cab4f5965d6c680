"""OpenTelemetry: a span for each request, sent by OTLP over HTTP, where OTEL_EXPORTER_OTLP_ENDPOINT says so.

The standard variables hold: OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS and the like. A caller's
`traceparent` is the span's parent, and the log's `trace` is the span's. Spans tell method, route and status, nothing of
a body, a query, a header or an address. What the collector does not take is dropped.
"""

import os
from collections.abc import Callable, Collection, Mapping
from typing import Any

from serve.guard.exchange import Application, Receive, Scope, Send

SWITCHES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
VERSION = "model.version"
KEPT = frozenset(
    {VERSION, "http.method", "http.status_code", "http.request.method", "http.response.status_code", "http.route"}
)
LIMIT_MS = 3_000  # for what still waits when the service ends


def is_on(environment: Mapping[str, str]) -> bool:
    """Tell whether a collector is named, and OTEL_SDK_DISABLED does not say no."""
    off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not off and any(environment.get(name) for name in SWITCHES)


def around(
    app: Application, name: str, version: Callable[[], str], known: Callable[[str], bool], unseen: Collection[str]
) -> tuple[Application, Callable[[], None]]:
    """Put tracing around an application of a model; return it, and what sends the last spans.

    A span is named by its route if that is `known`, and tells the model's version; `unseen` are routes that get none.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
    from opentelemetry.propagate import inject
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    class Processor(BatchSpanProcessor):
        """Send a span with the attributes that are ours to tell."""

        def on_end(self, span: ReadableSpan) -> None:
            told = {key: value for key, value in (span.attributes or {}).items() if key in KEPT}
            super().on_end(
                ReadableSpan(
                    span.name, span.context, span.parent, span.resource, told, (), (), span.kind,
                    status=span.status, start_time=span.start_time, end_time=span.end_time,
                    instrumentation_scope=span.instrumentation_scope,
                )
            )  # fmt: skip

    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: name}
    # Not the global one: FastAPI and others would add spans of their own, with more in them
    provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    provider.add_span_processor(Processor(OTLPSpanExporter()))

    async def told(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            carrier: dict[str, str] = {}
            inject(carrier)
            others = [pair for pair in scope["headers"] if pair[0] != b"traceparent"]
            scope = {**scope, "headers": others + [(key.encode(), value.encode()) for key, value in carrier.items()]}
        await app(scope, receive, send)

    def details(scope: Scope) -> tuple[str, dict[str, Any]]:
        route = scope.get("path", "")
        return f"{scope.get('method', '')} {route if known(route) else 'other'}", {VERSION: version()}

    traced = OpenTelemetryMiddleware(
        told, default_span_details=details, tracer_provider=provider, exclude_spans=["receive", "send"],
        meter_provider=_no_meters(),
    )  # fmt: skip

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in unseen:
            await app(scope, receive, send)
        else:
            await traced(scope, receive, send)

    def end() -> None:
        provider.force_flush(LIMIT_MS)
        provider.shutdown()

    return application, end


def _no_meters() -> Any:
    from opentelemetry.metrics import NoOpMeterProvider  # /metrics counts already

    return NoOpMeterProvider()
