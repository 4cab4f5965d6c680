"""What the guard adds to the OpenAPI schema: its refusals, and the credentials that a route asks for."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from serve.guard.settings import Settings

EVERYWHERE = {  # on public routes too: the connection is looked at before anybody knows which route is asked for
    "400": "The request is no HTTP, or names no host",
    "408": "The headers or the body took too long to arrive",
    "413": "The body is too large",
    "431": "The headers are too large",
    "500": "The service failed; its log has more under the request id",
    "501": "The body is coded in another way than by chunks",
    "503": "Too many connections are open; Retry-After tells when to ask again",
}
GUARDED = {
    **EVERYWHERE,
    "401": "No valid credential was sent",
    "403": "The credential lacks the scope, or another origin's page asks",
    "429": "The caller asks too often; Retry-After tells when to ask again",
    "503": "Too much is under way, or the issuer of tokens is out; Retry-After tells when to ask again",
}
SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, or a token of the issuer"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
REFUSAL = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}


def describe_guard(app: FastAPI, settings: Settings, scopes_by_route: Mapping[str, str | None]) -> None:
    """Add the guard's part to an app's OpenAPI schema."""
    base = app.openapi

    def openapi() -> dict[str, Any]:
        schema = base()
        if not settings.open:
            schema.setdefault("components", {})["securitySchemes"] = SCHEMES
        for path, operations in schema["paths"].items():
            scope = scopes_by_route.get(path, "admin")
            for operation in operations.values():
                for status, description in (EVERYWHERE if scope is None else GUARDED).items():
                    operation["responses"].setdefault(status, {"description": description, "content": REFUSAL})
                if scope is not None and not settings.open:
                    operation["security"] = [{"bearer": []}, {"key": []}]
        return schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend its schema
