"""Which route serves whom, and who may call it: the one table of paths.

`predict` routes take rows, `feedback` the true outcomes of predictions, `admin` routes tell how the service fares,
`public` ones say that it lives and whether it is ready. What no line names is `admin`: closed until somebody says
otherwise.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from serve.browser.files import FILES

Scope = Literal["predict", "feedback", "admin", "public"]


@dataclass(frozen=True, slots=True)
class Route:
    """One path of one method: its protocol (POST) or its page (GET), and who may call it."""

    method: str
    path: str
    what: str
    scope: Scope


def table(name: str, version: int, environment: Mapping[str, str] | None = None) -> list[Route]:
    """List every route of a model; those of Vertex AI and Azure ML where their platform's variables are set."""
    place = os.environ if environment is None else environment
    model = f"/v2/models/{name}"
    versioned = f"{model}/versions/{version}"
    routes = [
        Route("POST", "/predict", "predict", "predict"),
        Route("POST", "/invocations", "mlflow", "predict"),
        Route("POST", f"{model}/infer", "v2", "predict"),
        Route("POST", f"{versioned}/infer", "v2", "predict"),
        Route("POST", "/score", "azure", "predict"),
        Route("POST", "/feedback", "feedback", "feedback"),
        Route("GET", "/healthz", "lives", "public"),
        Route("GET", "/readyz", "ready", "public"),
        Route("GET", "/ping", "ping", "public"),
        Route("GET", "/health", "ping", "public"),
        Route("GET", "/v2", "v2 server", "public"),
        Route("GET", "/v2/health/live", "v2 live", "public"),
        Route("GET", "/v2/health/ready", "v2 ready", "public"),
        *(Route("GET", path, "v2 model", "predict") for path in (model, versioned)),
        *(Route("GET", f"{path}/ready", "v2 model ready", "public") for path in (model, versioned)),
        Route("GET", "/version", "page", "public"),
        *(Route("GET", path, "page", "public") for path in FILES),
        Route("GET", "/page.json", "page", "predict"),
        Route("GET", "/openapi.json", "page", "predict"),
        Route("GET", "/metrics", "page", "admin"),
    ]
    taken = {(route.method, route.path) for route in routes}
    more = [
        Route("POST", place.get("AIP_PREDICT_ROUTE", ""), "vertex", "predict"),
        Route("GET", place.get("AIP_HEALTH_ROUTE", ""), "ping", "public"),
    ]
    if any(variable.startswith("AZUREML_") for variable in place):
        more.append(Route("GET", "/", "azure lives", "public"))
    for route in more:
        if route.path and (route.method, route.path) in taken:
            routes = [old for old in routes if (old.method, old.path) != (route.method, route.path)]
        routes += [route] if route.path else []
    return routes


def scopes(routes: Sequence[Route]) -> dict[str, str | None]:
    """Tell the scope that a caller needs by path, None where nobody needs one; of several the strictest."""
    order: list[Scope] = ["public", "predict", "feedback", "admin"]
    found: dict[str, Scope] = {}
    for route in routes:
        found[route.path] = max(route.scope, found.get(route.path, "public"), key=order.index)
    return {path: None if scope == "public" else scope for path, scope in found.items()}
