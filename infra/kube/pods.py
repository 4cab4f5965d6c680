"""What Deployments and pods say of themselves, read: whether they are there, and what keeps them from it."""

import re
from collections.abc import Iterable

from infra.kube.kubectl import Object
from infra.kube.manifests import CONTAINER

NO_PULL = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")
NO_CONTAINER = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})")


def complete(deployment: Object) -> bool:
    """Whether every pod is of the newest template, and available."""
    return _seen(deployment) and counts(deployment) == (deployment["spec"].get("replicas", 1),) * 3


def halted(deployment: Object) -> str | None:
    """Say why a Deployment will have no new pods whatever it is told, and what ends that; None when it will."""
    name = deployment["metadata"]["name"]
    if deployment["spec"].get("paused"):
        return f"somebody paused it; `kubectl rollout resume deployment/{name}` lets it go on"
    if deployment["spec"].get("replicas", 1) == 0:  # an autoscaler lets it be, then
        return f"somebody scaled it to nothing; `kubectl scale deployment/{name} --replicas=1` starts it"
    return None


def stuck(deployment: Object) -> str | None:
    """Say why a Deployment makes no pods, or no progress; None while it does. It may pass, see `lasting`."""
    for one in _conditions(deployment):
        failed = (one["type"], one["status"]) == ("ReplicaFailure", "True")
        late = (one["type"], one["status"]) == ("Progressing", "False")
        if _seen(deployment) and (failed or late):
            return _plain(one.get("message") or one["reason"])
    return None


def counts(deployment: Object) -> tuple[int, ...]:
    """Return how many pods are of the newest template, how many there are, and how many of them are available."""
    status = deployment.get("status", {})
    return tuple(status.get(name, 0) for name in ("updatedReplicas", "replicas", "availableReplicas"))


def lasting(why: str) -> bool:
    """Whether waiting will not mend what `stuck` says: a rule forbids the pods. A quota counts those that leave too."""
    return re.search("forbidden|denied the request", why) is not None and "exceeded quota" not in why


def ready(pod: Object) -> bool:
    """Whether a pod is ready, and not about to leave."""
    told = any((one["type"], one["status"]) == ("Ready", "True") for one in _conditions(pod))
    return told and not leaving(pod)


def leaving(pod: Object) -> bool:
    """Whether a pod is on its way out."""
    return "deletionTimestamp" in pod["metadata"]


def over(pod: Object) -> bool:
    """Whether a pod will never run again, as one that its node evicted: it is kept only to be looked at."""
    return pod.get("status", {}).get("phase") in ("Failed", "Succeeded")


def runs(pod: Object) -> bool:
    """Whether the service's container runs in a pod."""
    return "running" in _container(pod).get("state", {})


def ended(pod: Object) -> str | None:
    """Say how the service's container ended, also if it was started again since; None when it never did."""
    container = _container(pod)
    for state in (container.get("state", {}), container.get("lastState", {})):
        if found := state.get("terminated"):
            killed = " (it used more memory than its limit)" if found.get("reason") == "OOMKilled" else ""
            return f"it ended with exit code {found['exitCode']}{killed}"
    if over(pod):
        return f"it ended: {_plain(pod['status'].get('message') or pod['status'].get('reason') or 'nobody says why')}"
    return None


def started_again(pod: Object) -> bool:
    """Whether the service's container was started again after it had ended."""
    return bool(_container(pod).get("restartCount", 0))


def hindrance(pod: Object, events: Iterable[Object] = ()) -> str | None:
    """Say what keeps a pod from starting that waiting will not mend; None when nothing is known to."""
    waiting = _container(pod).get("state", {}).get("waiting", {})
    mine = [one for one in events if one.get("involvedObject", {}).get("uid") == pod["metadata"]["uid"]]
    if (
        waiting.get("reason") in NO_PULL
    ):  # while it holds back the next try, only the events say why the last one failed
        why = [one["message"] for one in mine if one.get("message", "").startswith("Failed to pull image")]
        return f"its image cannot be pulled: {_plain((why or [waiting.get('message') or waiting['reason']])[-1])}"
    if waiting.get("reason") in NO_CONTAINER:
        return f"its container cannot be made: {_plain(waiting.get('message') or waiting['reason'])}"
    for event in mine:
        missing = re.search(r'(secret|configmap) "?[^"]*?"? ?not found', event.get("message", ""), re.IGNORECASE)
        if event.get("reason") == "FailedMount" and missing:
            return f"what it mounts is not in the namespace: {_plain(missing[0])}"
    return None


def unscheduled(pod: Object) -> str | None:
    """Say why no node takes a pod; None when one does. Another node may come, so it is waited for."""
    for one in _conditions(pod):
        if (one["type"], one["status"]) == ("PodScheduled", "False"):
            return _plain(one.get("message") or one["reason"])
    return None


def waits(pod: Object) -> str | None:
    """Say what a pod's container waits for, as the cluster calls it; None when it does not say."""
    reason = _container(pod).get("state", {}).get("waiting", {}).get("reason")
    return f"its container waits, as for its image ({reason})" if reason else None


def other_image(pod: Object, ordered: str) -> str | None:
    """Say which image a pod runs when it is not the one that was ordered by digest."""
    wanted = DIGEST.search(ordered)
    told = next((one["image"] for one in pod["spec"]["containers"] if one["name"] == CONTAINER), "")
    for name in (told, _container(pod).get("imageID", "")):
        found = DIGEST.search(name)
        if wanted and found and found[1] != wanted[1]:
            return name
    return None


def _container(pod: Object) -> Object:
    found = pod.get("status", {}).get("containerStatuses", ())
    return next((dict(one) for one in found if one["name"] == CONTAINER), {})


def _seen(deployment: Object) -> bool:
    """Whether the cluster has looked at a Deployment as it is now."""
    return bool(deployment.get("status", {}).get("observedGeneration", 0) >= deployment["metadata"]["generation"])


def _conditions(one: Object) -> list[Object]:
    return list(one.get("status", {}).get("conditions", ()))


def _plain(text: str) -> str:
    return " ".join(text.split()).rstrip(".")
