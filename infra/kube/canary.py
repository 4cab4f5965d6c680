"""The canary: the stable Deployment once more under another name, with the new image, and asked by nobody at first.

Its pods are asked by users while they bear the label that the Service looks for, or by the weight of a route. The label
is the pod's and not its template's: so the very process that has been proven is asked, and one that comes in a lost
one's place is not.

It bears the mark of the deployment that made it: one that settles later takes it for a killed run's and takes it away,
and the earlier one has to see that what stands there is not its own.
"""

import secrets
import time

from infra import process
from infra.baking.sides import OvertakenError
from infra.kube import manifests, pods
from infra.kube.forwards import Forwards
from infra.kube.kubectl import Kubectl, Object
from infra.kube.manifests import SERVES, USERS
from infra.kube.track import Track
from validation.script import OutsideError, Refusal, log

LEAVE_SECONDS = 60.0  # until pods have heard that they are to go
LOOK_SECONDS = 1.0  # between two looks at one that comes up


class Canary(Track):
    """The track `canary` beside a stable one."""

    def __init__(self, kubectl: Kubectl, stable: Track, forwards: Forwards) -> None:
        super().__init__(kubectl, f"{stable.name}-canary", "canary")
        self._stable, self._forwards = stable, forwards
        self._objects: list[Object] = []
        self._pod = ""
        self._mark = ""  # of this deployment, once it has made one
        self._looked = 0.0

    def start(self, objects: list[Object]) -> str:
        """Start one pod, and return the address that will answer for it.

        Raises Refusal for what the set-up lacks, OutsideError for what the cluster does not give.
        """
        self._objects, self._mark = objects, secrets.token_hex(8)
        # what is there is not changed before the new one is proven, and somebody may have deleted what the record has
        fresh = [one for one in manifests.needed(objects) if not self._kubectl.find(manifests.kind(one), _name(one))]
        self._kubectl.apply([*fresh, manifests.canary_of(objects, 1, self._mark)])
        pod = self.wait_for_container()
        ordered = manifests.image_of(manifests.deployment_of(objects))
        if other := pods.other_image(pod, ordered):
            raise Refusal(f"the cluster runs another image than {ordered}, which was ordered: {other}")
        self._pod = _name(pod)
        return self._forwards.address(self._pod)

    def ended(self) -> str | None:
        """Say how its pod ended, or None while it runs; as long as it does, the way to it is open.

        Raises OvertakenError, and OutsideError when the pod was taken away: that says nothing of the version.
        """
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return None
        pod = self._kubectl.find("Pod", self._pod)
        self._looked = time.monotonic()
        if pod is None or pods.leaving(pod):
            self.must_be_own()
            raise OutsideError(f"the canary's pod {self._pod} was deleted, by somebody or with its node; deploy again")
        why = pods.ended(pod)
        if why is None:
            way = self._forwards.sound if pods.ready(pod) else self._forwards.to
            way(self._pod)
        return why

    def log(self) -> list[str]:
        """Return the last lines of its log, those of its first end where it was started again."""
        try:
            pod = self._kubectl.find("Pod", self._pod) if self._pod else None
            if pod is None:
                return []
            earlier = ["--previous"] if pods.started_again(pod) else []
            command = ("logs", self._pod, f"--container={manifests.CONTAINER}", "--tail=12", *earlier)
            return self._kubectl.ask("show its log", *command).splitlines() + self._forwards.troubles(self._pod)
        except (OutsideError, Refusal) as error:  # it is shown beside a failure, and must not take its place
            return [str(error)]

    def share(self, part: float, live: list[Object]) -> None:
        """Hand it this part of the users' requests, by as many pods as are about that part of all.

        By the weights of the route that is `live`: what another one says is for nobody before it is proven. Raises
        OutsideError when the pods do not come up, OvertakenError.
        """
        self.must_be_own()
        beside = sum(map(pods.ready, self._stable.pods()))
        count = max(1, round(part * beside / (1 - part)))
        self._kubectl.apply([manifests.canary_of(self._objects, count, self._mark)])
        if why := self.wait_for_rollout():
            raise OutsideError(f"the canary cannot get its share: {why}")
        if self._weigh(live, part):
            log(f"infra.deploy: share: {part:.0%} of the requests, by weight")
        else:
            self._label(f"{SERVES}={USERS}")
            log(
                f"infra.deploy: share: {count / (count + beside):.0%} of the requests, {count} of {count + beside} pods"
            )

    def overtaken(self) -> bool:
        """Whether this deployment made one, and another deployment's stands there by now."""
        found = self.deployment() if self._mark else None
        return found is not None and manifests.marks_of(found).get(manifests.RUN) != self._mark

    def must_be_own(self) -> None:
        """Raise OvertakenError when the one that this deployment made is gone, or another one stands there."""
        if self._mark and (self.deployment() is None or self.overtaken()):
            raise OvertakenError(
                f"another deployment is under way in namespace {self._kubectl.namespace}, and took the canary of this"
                " one away; let it end, and deploy again"
            )

    def take_back(self, live: list[Object]) -> None:
        """Let no user ask it any more."""
        if not self._weigh(live, 0):
            self._label(f"{SERVES}-")

    def remove(self, live: list[Object]) -> None:
        """Take it away, if there is one: first from the users. Raises OutsideError when its pods stay."""
        self._mark = ""
        if self.deployment() is None:
            if self._is_weighed(live):  # somebody else deleted it, and its part of the requests leads nowhere
                self.take_back(live)
            return
        self.take_back(live)
        self._kubectl.delete("Deployment.v1.apps", self.name)
        if not process.wait(lambda: not self.pods(), LEAVE_SECONDS):
            raise OutsideError(f"the pods of {self.name} do not leave; see `kubectl get events`")

    def _weigh(self, objects: list[Object], part: float) -> bool:
        routes = manifests.weighed(objects, self._stable.name, part)
        if routes:
            self._kubectl.apply(routes)
        return bool(routes)

    def _is_weighed(self, live: list[Object]) -> bool:
        """Whether a route has a weight for it."""
        routes = manifests.weighed(live, self._stable.name, 0)
        found = [self._kubectl.find(manifests.kind(route), _name(route)) for route in routes]
        return any(manifests.weight_of(route, self.name) for route in found if route)

    def _label(self, label: str) -> None:
        self._kubectl.ask("label pods", "label", "pods", f"--selector={self.labels}", label, "--overwrite")


def _name(one: Object) -> str:
    return str(one["metadata"]["name"])
