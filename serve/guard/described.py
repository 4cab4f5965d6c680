"""What the guard adds to the OpenAPI schema: its refusals, and the credentials that a route asks for."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from serve.guard.settings import Settings

REFUSALS = {
    "401": "No valid credential was sent",
    "403": "The credential lacks the scope, or another origin's page asks",
    "413": "The body is too large",
    "429": "The caller asks too often; Retry-After tells when to ask again",
    "500": "The service failed; its log has more under the request id",
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
            for operation in operations.values() if scope is not None else ():
                for status, description in REFUSALS.items():
                    operation["responses"].setdefault(status, {"description": description, "content": REFUSAL})
                if not settings.open:
                    operation["security"] = [{"bearer": []}, {"key": []}]
        return schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend its schema
