"""What is made of an overlay: dressed for a deployment, its canary, its route with weights."""

import pytest

from infra.kube import manifests
from tests.infra.kube.faked import STAGING

IMAGE = "registry.example.org/service@sha256:" + "1" * 64
MARKS = {"gatehouse.bundle": "b" * 64, "gatehouse.version": "3", "gatehouse.ledger": "f" * 64}


@pytest.fixture(scope="module")
def overlay():
    return manifests.Overlay(STAGING)


def test_image_and_marks_are_on_the_deployment_and_the_ledgers_head_not_on_its_pods(overlay):
    """Another head alone restarts no pod; the overlay itself stays as it was."""
    deployment = manifests.deployment_of(overlay.dressed(IMAGE, MARKS))
    assert IMAGE == manifests.image_of(deployment)
    within = manifests.marks_of(deployment["spec"]["template"])
    told = {"gatehouse.template": within["gatehouse.template"]}
    assert MARKS | told == manifests.marks_of(deployment)
    assert {"gatehouse.bundle": "b" * 64, "gatehouse.version": "3"} | told == within
    assert "gatehouse" == manifests.image_of(manifests.deployment_of(overlay.objects))


def test_the_pods_of_another_image_or_size_bear_another_digest(overlay):
    """And those of another ledger's head the same one: whatever restarts pods is told by it, and nothing else."""

    def told(image=IMAGE, memory=None, **more):
        other = manifests.Overlay(STAGING)
        if memory:
            (container,) = manifests.deployment_of(other.objects)["spec"]["template"]["spec"]["containers"]
            container["resources"]["limits"]["memory"] = memory
        marks = MARKS | {f"gatehouse.{name}": text for name, text in more.items()}
        return manifests.marks_of(manifests.deployment_of(other.dressed(image, marks))["spec"]["template"])

    assert told() == told(ledger="e" * 64)
    others = [told(IMAGE[:-1] + "2"), told(memory="2Gi"), told(bundle="c" * 64)]
    assert 4 == len({one["gatehouse.template"] for one in (told(), *others)})


def test_a_canary_is_the_same_but_for_name_track_number_and_that_no_user_asks_it(overlay):
    """Whatever the overlay says of the stable pods holds for it."""
    stable = manifests.deployment_of(overlay.dressed(IMAGE, MARKS))
    canary = manifests.canary_of([stable], 2, "a1")
    assert ("gatehouse-canary", 2) == (canary["metadata"].pop("name"), canary["spec"].pop("replicas"))
    labels = canary["spec"]["template"]["metadata"]["labels"]
    assert "gatehouse.serves" not in labels
    assert "canary" == labels["gatehouse.track"] == canary["spec"]["selector"]["matchLabels"]["gatehouse.track"]
    labels.update({"gatehouse.serves": "users", "gatehouse.track": "stable"})
    canary["spec"]["selector"]["matchLabels"]["gatehouse.track"] = "stable"
    assert "a1" == canary["metadata"]["annotations"].pop("gatehouse.run")
    del stable["metadata"]["name"]
    assert stable == canary


@pytest.mark.parametrize(("part", "expected"), [(0, [100, 0]), (0.1, [90, 10]), (0.001, [99, 1]), (0.5, [50, 50])])
def test_weights_add_up_to_a_hundred(part, expected):
    """A part above nothing is one in a hundred at least; a backend of somebody else's is left alone."""
    names = ("gatehouse-stable", "gatehouse-canary", "another")
    backends = [{"name": name, "weight": 50} for name in names]
    redirect = {"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}]}  # leads to no backend
    route = {"kind": "HTTPRoute", "spec": {"rules": [{"backendRefs": backends}, redirect]}}
    (weighed,) = manifests.weighed([route], "gatehouse", part)
    made = weighed["spec"]["rules"][0]["backendRefs"]
    assert (expected[1], 50, 0) == tuple(manifests.weight_of(weighed, one) for one in (*names[1:], "nobody"))
    assert [*expected, 50] == [backend["weight"] for backend in made]
    assert [50, 50, 50] == [backend["weight"] for backend in backends]


def test_without_a_route_nothing_is_weighed(overlay):
    """The share is then one of pods."""
    assert [] == manifests.weighed(overlay.objects, "gatehouse", 0.1)


def test_routes_that_lead_to_no_canary_are_left_alone():
    """One from HTTP to HTTPS stands beside the service's; one of the user's own leads to the Service of all pods."""

    def route(*names):
        return {"kind": "HTTPRoute", "spec": {"rules": [{"backendRefs": [{"name": name} for name in names]}]}}

    redirect, own = {"kind": "HTTPRoute", "spec": {"rules": [{"filters": []}]}}, route("gatehouse")
    ours = route("gatehouse-stable", "gatehouse-canary")
    assert [] == manifests.weighed([redirect, own], "gatehouse", 0.1)
    weighed = manifests.weighed([redirect, own, ours, ours], "gatehouse", 0.1)
    assert [10, 10] == [manifests.weight_of(one, "gatehouse-canary") for one in weighed]


def test_what_a_pod_needs_is_little(overlay):
    """Before it starts; all else waits until it is proven."""
    assert ["ConfigMap", "NetworkPolicy", "ServiceAccount"] == sorted(
        one["kind"] for one in manifests.needed(overlay.objects)
    )


def test_kinds_are_named_with_their_group():
    """Knative has a Service too; another version of it is the same object."""
    core = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}
    theirs = [core | {"apiVersion": f"serving.knative.dev/{version}"} for version in ("v1", "v1beta1")]
    assert ["Service/s", *["Service.serving.knative.dev/s"] * 2] == [manifests.key(one) for one in (core, *theirs)]
