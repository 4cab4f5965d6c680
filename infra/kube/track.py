"""One of the two Deployments, stable or canary, and its pods: looked at until they are what they should be."""

import re
import time

from infra.kube import manifests, pods
from infra.kube.kubectl import Kubectl, Object
from infra.kube.manifests import TRACK
from validation.script import OutsideError, Refusal

START_SECONDS = 300.0  # until a container runs: a node is found, the image pulled
ROLL_SECONDS = 1800.0  # of a rollout that goes on; one that does not is given up sooner, by the Deployment itself
# without a pod more or less, until it counts: pods that leave use up a quota, webhooks come back, and the cluster tries
# to make a pod again after 41 and 82 seconds
STUCK_SECONDS = 90.0
SAID_SECONDS = 10.0  # the same where waiting will not mend it: until it is said of what the Deployment was told last
LOOK_SECONDS = 0.5  # between two looks at the cluster
LASTING = re.compile(  # what waiting will not mend; all else passes with the network, the registry or the node
    r"not found|(?:manifest|name)[ _]unknown|does not exist|denied|unauthorized|authorization failed|forbidden"
    r"|authentication required|no basic auth|no match for platform|no matching manifest|exec format error"
    r"|unsupported media|x509|http response to https|couldn't find key|couldn't parse|invalid reference"
    r"|InvalidImageName|ErrImageNeverPull|runAsNonRoot|non-numeric",
    re.IGNORECASE,
)


class _Patience:
    """How long a Deployment has been stuck: what is said of it may be over, or be about what it was told before."""

    def __init__(self) -> None:
        self._since = 0.0
        self._counts: tuple[int, ...] = ()

    def over(self, deployment: Object) -> str | None:
        """Say why a Deployment is stuck, once it has been for long."""
        why, counts = pods.stuck(deployment), pods.counts(deployment)
        if why is None or counts != self._counts:
            self._since, self._counts = time.monotonic(), counts
        if why is None or time.monotonic() - self._since < (SAID_SECONDS if pods.lasting(why) else STUCK_SECONDS):
            return None
        return why


class Track:
    """A Deployment by its name and track."""

    def __init__(self, kubectl: Kubectl, name: str, track: str) -> None:
        self._kubectl, self.name = kubectl, name
        self.labels = f"app.kubernetes.io/name=gatehouse,{TRACK}={track}"

    def deployment(self) -> Object | None:
        """Return the Deployment, if there is one."""
        return self._kubectl.find("Deployment.v1.apps", self.name)

    def pods(self) -> list[Object]:
        """Return the pods that run or are to run, and are not about to leave, by their names."""
        found = [one for one in self._kubectl.list("Pod", self.labels) if not (pods.leaving(one) or pods.over(one))]
        return sorted(found, key=lambda one: str(one["metadata"]["name"]))

    def ready(self) -> list[str]:
        """Return the names of the pods that are ready."""
        return [str(one["metadata"]["name"]) for one in self.pods() if pods.ready(one)]

    def wait_for_container(self) -> Object:
        """Wait until a container runs, or ran, and return its pod.

        Raises Refusal for what the set-up lacks, OutsideError for what the cluster does.
        """
        end, patience = time.monotonic() + START_SECONDS, _Patience()
        while True:
            found = self.pods()
            for pod in found:
                if pods.runs(pod) or pods.ended(pod):
                    return pod
            deployment = self.deployment() or {}
            events = self._events() if found else []
            told = [why for pod in found if (why := pods.hindrance(pod, events))]
            if lasting := [why for why in told if LASTING.search(why)]:
                raise Refusal(f"the candidate cannot start: {lasting[0]}")
            if not found and deployment and (why := patience.over(deployment)):
                raise Refusal(f"the cluster makes no pod for the candidate: {why}")
            if time.monotonic() > end:
                told += [why for pod in found if (why := _hint(pod))]
                why = told[0] if told else "no pod of it runs, and nothing says why"
                raise OutsideError(f"the candidate did not start within {START_SECONDS:g} s: {why}")
            time.sleep(LOOK_SECONDS)

    def wait_for_rollout(self) -> str | None:
        """Wait until every pod is of the newest template and available; return why they are not, or None."""
        end, patience = time.monotonic() + ROLL_SECONDS, _Patience()
        while True:
            deployment = self.deployment()
            if deployment is None:
                return f"somebody deleted the Deployment {self.name}"
            if pods.complete(deployment):
                return None
            if why := pods.halted(deployment) or self._failing(deployment):
                return f"the rollout of {self.name} goes no further: {why}"
            if why := patience.over(deployment):
                told = [f"; {hint}" for pod in self._lagging(deployment) if (hint := _hint(pod))]
                return f"the rollout of {self.name} goes no further: {why}{''.join(told[:1])}"
            if time.monotonic() > end:
                return f"the rollout of {self.name} did not end within {ROLL_SECONDS:g} s"
            time.sleep(LOOK_SECONDS)

    def _lagging(self, deployment: Object) -> list[Object]:
        """Return the pods of the newest template that are not ready; older ones had their troubles before."""
        newest = manifests.marks_of(deployment["spec"]["template"])
        return [one for one in self.pods() if newest == manifests.marks_of(one) and not pods.ready(one)]

    def _failing(self, deployment: Object) -> str | None:
        """Say what is wrong with a pod of the newest template."""
        for pod in self._lagging(deployment):
            hindered = pods.hindrance(pod) or ""
            if why := pods.ended(pod) or (hindered if LASTING.search(hindered) else None):
                return f"pod {pod['metadata']['name']}: {why}"
        return None

    def _events(self) -> list[Object]:
        return self._kubectl.list("Event", "", "--field-selector=involvedObject.kind=Pod,type=Warning")


def _hint(pod: Object) -> str | None:
    """Say what a pod waits for that may still come, a node or an image."""
    return pods.hindrance(pod) or pods.unscheduled(pod) or pods.waits(pod)
