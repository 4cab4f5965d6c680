"""The table of routes: who may call what, and what a platform's variables add."""

from serve.wire.routes import table

TAKES_ROWS = {"predict", "mlflow", "vertex", "azure", "v2"}


def by_path(**environment: str) -> dict:
    return {(route.method, route.path): route for route in table("m", 3, environment)}


def test_rows_are_never_public() -> None:
    """What takes rows needs the scope predict, outcomes need feedback, counts admin; no path is there twice."""
    routes = table("m", 3, {"AIP_PREDICT_ROUTE": "/p", "AIP_HEALTH_ROUTE": "/h", "AZUREML_MODEL_DIR": "/x"})
    posts = {route.what: route.scope for route in routes if route.method == "POST"}
    assert dict.fromkeys(TAKES_ROWS, "predict") | {"feedback": "feedback"} == posts
    assert ["admin"] == [route.scope for route in routes if route.path == "/metrics"]
    assert len(routes) == len({(route.method, route.path) for route in routes})


def test_a_platform_adds_its_own_routes_and_no_other_has_them() -> None:
    """Vertex AI names its routes, Azure ML's liveness takes the page's `/`; else neither is there."""
    assert "page" == by_path()["GET", "/"].what
    assert "azure lives" == by_path(AZUREML_MODEL_DIR="/x")["GET", "/"].what
    assert "vertex" not in {route.what for route in by_path().values()}
    assert "vertex" == by_path(AIP_PREDICT_ROUTE="/go")["POST", "/go"].what


def test_vertex_may_name_a_route_that_is_taken() -> None:
    """A platform that asks on /predict is answered in its own words there."""
    routes = by_path(AIP_PREDICT_ROUTE="/predict", AIP_HEALTH_ROUTE="/healthz")
    assert ("vertex", "ping") == (routes["POST", "/predict"].what, routes["GET", "/healthz"].what)
