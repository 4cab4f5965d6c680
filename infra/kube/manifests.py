"""What an overlay renders to, dressed for one deployment: image, marks, and the canary made from the same."""

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from infra.kube import kubectl
from infra.kube.kubectl import Object
from validation.script import Refusal, digest_of

CONTAINER = "service"
OURS = "app.kubernetes.io/managed-by=gatehouse"
TRACK, SERVES, USERS = "gatehouse.track", "gatehouse.serves", "users"
TEMPLATE = "gatehouse.template"
RUN = "gatehouse.run"
NEEDED = ("ConfigMap", "NetworkPolicy", "ServiceAccount")


class Overlay:
    """An overlay's objects, and what of them a deployment has to know.

    Raises Refusal when it does not render, or is none that a deployment could bring about.
    """

    def __init__(self, folder: Path) -> None:
        self.objects: list[Object] = [one for one in yaml.safe_load_all(kubectl.render(folder)) if one]
        if any(one["kind"] == "Secret" for one in self.objects):
            raise Refusal(f"{folder} holds a Secret; make it in the cluster, and let the overlay name it only")
        found = [one for one in self.objects if one["kind"] == "Deployment"]
        if len(found) > 1:
            names = " and ".join(sorted(str(one["metadata"]["name"]) for one in found))
            raise Refusal(f"{folder} has {len(found)} Deployments, {names}, and one is deployed: leave the others out")
        if not found or not _containers(found[0]):
            raise Refusal(
                f"{folder} has no Deployment with a container named {CONTAINER}: where Argo, Knative or KServe brings"
                " the service up, the manifests are theirs to apply"
            )
        spaces = {one["metadata"].get("namespace", "") for one in self.objects}
        if len(spaces) != 1 or "" in spaces:
            raise Refusal(f"{folder}/kustomization.yaml does not say one namespace")
        self.name = str(found[0]["metadata"]["name"])
        self.namespace = str(spaces.pop())

    @property
    def host(self) -> str:
        """The name by which users come, by Ingress or route; empty where the overlay says none."""
        for one in self.objects:
            told = one.get("spec", {})
            if one["kind"] == "Ingress":
                names = [rule["host"] for rule in told.get("rules", ()) if rule.get("host")]
            else:
                names = told.get("hostnames", []) if one["kind"] == "HTTPRoute" else []
            if names:
                return str(names[0])
        return ""

    def must_be_alone(self, deployments: Iterable[Object], model: str) -> None:
        """Raise Refusal when one of a namespace's Deployments is another service's, by its name or its model.

        They all bear one label, and a Service or a budget looks for no other: two services would mix their pods.
        """
        for one in deployments:
            name, serves = one["metadata"]["name"], marks_of(one).get("gatehouse.model", model)
            if name not in (self.name, f"{self.name}-canary") or serves != model:
                raise Refusal(
                    f"namespace {self.namespace} holds the Deployment {name}, which serves {serves}, beside {self.name}"
                    f" of this overlay, which serves {model}: give each service a namespace of its own"
                )

    def dressed(self, image: str, marks: Mapping[str, str]) -> list[Object]:
        """Return the objects with the image in place and the marks on the Deployment.

        The ledger's head is no mark of a pod: another head alone is no reason to restart one. The digest of the pods'
        template is one, by which the newest pods are told from those of another image or size.
        """
        objects = copy.deepcopy(self.objects)
        deployment = deployment_of(objects)
        _containers(deployment)[0]["image"] = image
        _annotations(deployment).update(marks)
        within = {name: text for name, text in marks.items() if name != "gatehouse.ledger"}
        template = deployment["spec"]["template"]
        _annotations(template).update(within)
        told = {TEMPLATE: digest_of(template)}
        for one in (deployment, template):
            _annotations(one).update(told)
        return objects


def deployment_of(objects: Iterable[Object]) -> Object:
    """Return the one Deployment."""
    return next(one for one in objects if one["kind"] == "Deployment")


def canary_of(objects: Iterable[Object], replicas: int, run: str) -> Object:
    """Make the canary of a run: the stable Deployment under another name and track, and asked by no user at first."""
    canary = copy.deepcopy(deployment_of(objects))
    canary["metadata"]["name"] += "-canary"
    canary["spec"]["replicas"] = replicas
    _annotations(canary)[RUN] = run
    canary["spec"]["selector"]["matchLabels"][TRACK] = "canary"
    labels = canary["spec"]["template"]["metadata"]["labels"]
    labels[TRACK] = "canary"
    labels.pop(SERVES, None)
    return canary


def weighed(objects: Iterable[Object], name: str, part: float) -> list[Object]:
    """Return the routes that lead to the canary's Service, its part of their weights changed, a hundredth at least."""
    canary = max(1, round(100 * part)) if part else 0
    weights = {f"{name}-canary": canary, f"{name}-stable": 100 - canary}
    found = [copy.deepcopy(one) for one in objects if one["kind"] == "HTTPRoute"]
    routes = [route for route in found if any(one["name"] == f"{name}-canary" for one in _backends(route))]
    for backend in [one for route in routes for one in _backends(route) if one["name"] in weights]:
        backend["weight"] = weights[backend["name"]]
    return routes


def weight_of(route: Object, service: str) -> int:
    """Return the largest weight that a route has for a Service."""
    return max((int(one.get("weight", 1)) for one in _backends(route) if one["name"] == service), default=0)


def image_of(deployment: Object) -> str:
    """Return the image of the service's container."""
    return str(_containers(deployment)[0]["image"])


def marks_of(one: Object) -> dict[str, str]:
    """Return the marks that a deployment left on an object."""
    return {name: text for name, text in _annotations(one).items() if name.startswith("gatehouse.")}


def key(one: Object) -> str:
    """Name an object within its namespace, for kubectl too: kind and group, then its name; no version."""
    return f"{kind(one)}/{one['metadata']['name']}"


def kind(one: Object) -> str:
    """Name an object's kind so that no other group's kind of the same name is meant, in whatever version it is told."""
    group = str(one["apiVersion"]).rpartition("/")[0]
    return f"{one['kind']}.{group}" if group else str(one["kind"])


def needed(objects: Iterable[Object]) -> list[Object]:
    """Return what a pod needs before it starts."""
    return [one for one in objects if one["kind"] in NEEDED]


def _backends(route: Object) -> list[Object]:
    return [one for rule in route["spec"].get("rules", ()) for one in rule.get("backendRefs", ())]


def _containers(deployment: Object) -> list[Object]:
    return [one for one in deployment["spec"]["template"]["spec"]["containers"] if one["name"] == CONTAINER]


def _annotations(one: Object) -> dict[str, str]:
    found: dict[str, str] = one["metadata"].setdefault("annotations", {})
    return found
