"""What is read from a Deployment or a pod, on both sides."""

import pytest

from infra.kube import pods


def pod(state=None, last=None, *, ready="False", image="r/s@sha256:" + "1" * 64, ran="", **metadata):
    """Make a pod of the service."""
    container = {"name": "service", "state": state or {}, "lastState": last or {}, "imageID": ran}
    status = {"conditions": [{"type": "Ready", "status": ready}], "containerStatuses": [container]}
    spec = {"containers": [{"name": "service", "image": image}]}
    return {"metadata": {"name": "p", "uid": "7", **metadata}, "spec": spec, "status": status}


def deployment(replicas=2, generation=3, observed=3, updated=2, all_of_them=2, available=2, **condition):
    """Make a Deployment with its counts."""
    status = {"observedGeneration": observed, "updatedReplicas": updated, "replicas": all_of_them}
    status |= {"availableReplicas": available, "conditions": [condition] if condition else []}
    return {"metadata": {"generation": generation}, "spec": {"replicas": replicas}, "status": status}


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, True),
        ({"observed": 2}, False),  # the counts are of an older template
        ({"updated": 1}, False),
        ({"all_of_them": 3}, False),  # an old pod is there still
        ({"available": 1}, False),
    ],
)
def test_a_rollout_is_complete_when_all_pods_are_new_and_available(counts, expected):
    """And when the counts are of this very template."""
    assert expected == pods.complete(deployment(**counts))


def test_a_deployment_without_a_status_is_not_complete():
    """The cluster has not looked at it yet."""
    assert not pods.complete({"metadata": {"generation": 1}, "spec": {}})


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"type": "ReplicaFailure", "status": "True", "message": "exceeded quota:\n cpu."}, "exceeded quota: cpu"),
        ({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}, "ProgressDeadlineExceeded"),
        ({"type": "Progressing", "status": "True", "message": "goes on"}, None),
    ],
)
def test_a_deployment_that_is_stuck_says_why(condition, expected):
    """What is said of an older template counts no more."""
    assert expected == pods.stuck(deployment(**condition))
    assert pods.stuck(deployment(observed=2, **condition)) is None


@pytest.mark.parametrize(
    ("why", "expected"),
    [
        ('pods "g-1" is forbidden: exceeded quota: q, requested: pods=1, used: pods=4, limited: pods=4', False),
        ("Internal error occurred: failed calling webhook: connection refused", False),
        ('ReplicaSet "g-1" has timed out progressing', False),
        ('pods "g-1" is forbidden: violates PodSecurity "restricted:latest"', True),
        ('pods "g-1" is forbidden: maximum memory usage per Container is 512Mi, but limit is 1Gi', True),
        ('admission webhook "w" denied the request: no team', True),
    ],
)
def test_a_rule_that_forbids_pods_is_told_from_what_passes(why, expected):
    """A quota counts the pods that drain, and what is said may be about an older template."""
    assert expected == pods.lasting(why)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"replicas": 2}, None),
        ({}, None),
        ({"replicas": 2, "paused": True}, "somebody paused it; `kubectl rollout resume deployment/g` lets it go on"),
        ({"replicas": 0}, "somebody scaled it to nothing; `kubectl scale deployment/g --replicas=1` starts it"),
    ],
)
def test_a_deployment_that_somebody_halted_says_how_to_go_on(spec, expected):
    """No rollout of it would ever end."""
    assert expected == pods.halted({"metadata": {"name": "g"}, "spec": spec})


def test_a_pod_that_leaves_is_not_ready():
    """Its condition says so only later."""
    assert pods.ready(pod(ready="True"))
    assert not pods.ready(pod(ready="False"))
    assert not pods.ready(pod(ready="True", deletionTimestamp="2026-11-22T00:00:00Z"))


@pytest.mark.parametrize(
    ("state", "last", "expected"),
    [
        ({"running": {}}, {}, None),
        ({"waiting": {"reason": "ContainerCreating"}}, {}, None),
        ({"terminated": {"exitCode": 2}}, {}, "it ended with exit code 2"),
        ({"running": {}}, {"terminated": {"exitCode": 1}}, "it ended with exit code 1"),
        (
            {"waiting": {"reason": "CrashLoopBackOff"}},
            {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
            "it ended with exit code 137 (it used more memory than its limit)",
        ),
    ],
)
def test_how_a_container_ended_is_told(state, last, expected):
    """Also of one that runs again."""
    assert expected == pods.ended(pod(state, last))


@pytest.mark.parametrize(
    ("phase", "expected"),
    [("Failed", "it ended: The node was low on resource: memory"), ("Running", None), ("Pending", None)],
)
def test_a_pod_that_its_node_evicted_is_over(phase, expected):
    """No container of it may be left to tell."""
    evicted = {"metadata": {}, "status": {"phase": phase, "message": "The node was low on resource: memory."}}
    assert ((phase == "Failed"), expected) == (pods.over(evicted), pods.ended(evicted))
    assert pods.over({"metadata": {}, "status": {"phase": "Succeeded"}})
    assert not pods.over({"metadata": {}})


def test_what_hinders_a_pod_is_told_when_waiting_will_not_help():
    """The first moments of every pod hinder nobody."""
    assert pods.hindrance(pod({"waiting": {"reason": "ContainerCreating"}})) is None
    assert pods.hindrance({"metadata": {"name": "p", "uid": "7"}, "spec": {}}) is None
    assert "its image cannot be pulled: InvalidImageName" == pods.hindrance(
        pod({"waiting": {"reason": "InvalidImageName"}})
    )
    mount = {"reason": "FailedMount", "message": 'secret "k" not found', "involvedObject": {"uid": "7"}}
    waiting = pod({"waiting": {"reason": "ContainerCreating"}})
    assert 'what it mounts is not in the namespace: secret "k" not found' == pods.hindrance(waiting, [mount])
    pulled = pod({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}})
    why = {"reason": "Failed", "message": "Failed to pull image: denied", "involvedObject": {"uid": "7"}}
    assert "its image cannot be pulled: Failed to pull image: denied" == pods.hindrance(pulled, [mount, why])
    another = mount | {"involvedObject": {"uid": "8"}}
    slow = mount | {"message": "timed out waiting for the condition"}
    assert pods.hindrance(waiting, [another, slow]) is None


@pytest.mark.parametrize(
    ("told", "ran", "expected"),
    [
        ("r/s@sha256:" + "1" * 64, "", None),  # nothing is known of what runs yet
        ("r/s@sha256:" + "1" * 64, "docker-pullable://mirror/s@sha256:" + "1" * 64, None),
        ("r/s@sha256:" + "1" * 64, "docker://sha256:" + "9" * 64, None),  # the image's id, not its digest
        ("r/s@sha256:" + "1" * 64, "r/s@sha256:" + "2" * 64, "r/s@sha256:" + "2" * 64),
        ("r/s@sha256:" + "2" * 64, "", "r/s@sha256:" + "2" * 64),  # somebody changed the pod on its way
    ],
)
def test_another_image_than_the_ordered_one_is_seen(told, ran, expected):
    """By its digest; a mirror of the same one is the same."""
    assert expected == pods.other_image(pod(image=told, ran=ran), "r/s@sha256:" + "1" * 64)
