"""All that answers for one bundle. A reload puts another in its place; a request keeps to the one it began with."""

from serve.loaded import Bundle
from serve.pages import Pages
from serve.wire import clouds, mlflow, own, v2
from serve.wire.batching import Batcher
from serve.wire.probes import Probes
from serve.wire.routes import table
from serve.wire.scored import Templates


class Served:
    """A bundle with its routes: `posts` take rows, `gets` are the probes, `pages` answers the rest."""

    def __init__(self, bundle: Bundle, pages: Pages) -> None:
        self.bundle, self.pages, self.counts = bundle, pages, bundle.counts
        self.limit = int(bundle.limits["max_body_bytes"])
        self.batcher = Batcher(bundle.model, bundle.counts)
        templates = Templates(bundle.model.target)
        numbers = [spec["name"] for spec in bundle.model.inputs if spec["type"] == "number"]
        protocols = {
            "predict": own.predict(bundle.rows, templates, bundle.version),
            "mlflow": mlflow.invocations(bundle.rows, templates, numbers),
            "vertex": clouds.vertex(bundle.rows, templates),
            "azure": clouds.azure(bundle.rows, templates),
            "v2": v2.infer(bundle.rows, templates, bundle.model, bundle.name, bundle.version),
        }
        self.routes = table(bundle.name, bundle.version)
        self.posts = {route.path: protocols[route.what] for route in self.routes if route.method == "POST"}
        probes = Probes(bundle)
        self.gets = {
            route.path: probes.answers[route.what]
            for route in self.routes
            if route.method == "GET" and route.what in probes.answers
        }
