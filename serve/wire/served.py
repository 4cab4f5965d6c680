"""All that answers for one bundle. A reload puts another in its place; a request keeps to the one it began with."""

import os
from typing import TYPE_CHECKING

from serve.guard.around import Guard
from serve.loaded import Bundle
from serve.pages import Pages
from serve.remembered.settings import remembering
from serve.wire import clouds, mlflow, own, v2
from serve.wire.batching import Batcher
from serve.wire.feedback import Feedback
from serve.wire.probes import Probes
from serve.wire.protocol import Protocol
from serve.wire.routes import table
from serve.wire.scored import Templates

if TYPE_CHECKING:
    from serve.remembered.spool import Spool


class Served:
    """A bundle with its routes: `posts` take rows or feedback, `gets` are the probes, `pages` answers the rest.

    `log` keeps its predictions, `under_way` counts the requests that began with it and have not ended.
    """

    def __init__(self, bundle: Bundle, pages: Pages, log: "Spool | None" = None) -> None:
        self.bundle, self.pages, self.counts, self.log = bundle, pages, bundle.counts, log
        self.limit = int(bundle.limits["max_body_bytes"])
        self.under_way = 0
        self.batcher = Batcher(bundle, log.later if log else None)
        templates = Templates(bundle.model.target)
        numbers = [spec["name"] for spec in bundle.model.inputs if spec["type"] == "number"]
        takers: dict[str, Protocol | Feedback] = {
            "predict": own.predict(bundle.rows, templates, bundle.version),
            "mlflow": mlflow.invocations(bundle.rows, templates, numbers),
            "vertex": clouds.vertex(bundle.rows, templates),
            "azure": clouds.azure(bundle.rows, templates),
            "v2": v2.infer(bundle.rows, templates, bundle.model, bundle.name, bundle.version),
            "feedback": Feedback(bundle.model.target, bundle.rows.max_rows, log.tell if log else None),
        }
        self.routes = table(bundle.name, bundle.version)
        self.posts = {route.path: takers[route.what] for route in self.routes if route.method == "POST"}
        probes = Probes(bundle)
        self.gets = {
            route.path: probes.answers[route.what]
            for route in self.routes
            if route.method == "GET" and route.what in probes.answers
        }


def serving(bundle: Bundle, guard: Guard) -> Served:
    """Make all that answers for a bundle, with the log that the environment asks for; it begins to write later.

    Raises SettingError when such a log cannot be kept.
    """
    remembered = remembering(os.environ, bundle.limits, bundle.rows.names)
    if remembered is None:
        return Served(bundle, Pages(bundle, guard))
    from serve.remembered.spool import Spool  # what starts processes is loaded where one keeps a log

    return Served(bundle, Pages(bundle, guard), Spool(remembered, bundle))
