"""A Kubernetes cluster as a place to deploy to: a canary Deployment beside the stable one, behind the same Service.

A switch rolls the stable Deployment to the new image, an old pod leaving when a new one is ready, and then takes the
canary away. What is live, and what is about to be, stands in the ConfigMap <name>-record: by it the next run finishes
or undoes what a killed one left. KUBECONFIG and KUBE_CONTEXT name the cluster, the overlay says all else.
"""

from pathlib import Path

from infra.baking.sides import Metrics
from infra.bundle import Bundle
from infra.kube import manifests, pods
from infra.kube.canary import Canary
from infra.kube.forwards import Forwards
from infra.kube.kubectl import Kubectl, Object
from infra.kube.manifests import OURS, Overlay
from infra.kube.standing import AWAY, Standing
from infra.kube.track import Track
from validation.script import OutsideError, Refusal, log

NOWHERE = "http://127.0.0.1:1"  # where nobody answers


class Cluster:
    """Serve a model's images in the namespace that an overlay names; `folder` keeps the ways to pods that are open."""

    def __init__(self, overlay: Path, folder: Path, ready_seconds: float, model: str, reference: str = "") -> None:
        self.overlay, self.model = Overlay(overlay), model
        self.ready_seconds = ready_seconds
        self.image = reference  # by its digest
        self.name = "pods"
        self.ledger = ""  # the head of the branch's ledger when this deployment began
        self.address = f"https://{self.overlay.host}" if self.overlay.host else f"the Service {self.overlay.name}"
        self._kubectl = Kubectl(self.overlay.namespace)
        self._forwards = Forwards(self._kubectl, folder)
        self._stable = Track(self._kubectl, self.overlay.name, "stable")
        self._standing = Standing(self._kubectl, self.overlay, self._stable)
        self._canary = Canary(self._kubectl, self._stable, self._forwards)
        self._before: list[Object] | None = None  # what was live when `settle` looked
        self._next: list[Object] = []

    @property
    def url(self) -> str:
        """Where one of the stable pods answers, past the edge; an address that never does where none is ready."""
        ready = self._stable.ready()
        return self._forwards.sound(ready[0]) if ready else NOWHERE

    @property
    def stable(self) -> str:
        """The same; empty where no stable pod is ready."""
        return "" if (url := self.url) == NOWHERE else url

    def settle(self) -> None:
        """Repair what a killed run left: its switch finished, if it can be, or undone; no stray canary.

        Raises Refusal where another service is in the namespace, or something serves that no record knows.
        """
        self._forwards.keep(set())
        self.overlay.must_be_alone(self._deployments(), self.model)
        self._standing.mend()
        self.remove_candidate()
        self._before = self._standing.record.live

    def is_up(self) -> bool:
        """Whether something of ours serves now."""
        return self._stable.deployment() is not None

    def prefer(self, image: str) -> None:
        """Serve this image, which a unit had before."""
        self.image = image or self.image

    def live_image(self) -> str:
        """Return the image that serves, by its digest."""
        deployment = self._stable.deployment()
        return manifests.image_of(deployment) if deployment else self.image

    def as_told(self) -> bool:
        """Whether the overlay, with the image and release that are live, makes just the objects that are live."""
        live = self._standing.record.live
        if live is None:
            return False
        deployment = manifests.deployment_of(live)
        marks = {name: text for name, text in manifests.marks_of(deployment).items() if name != manifests.TEMPLATE}
        return self.overlay.dressed(manifests.image_of(deployment), marks) == live

    def start_candidate(self, bundle: Bundle) -> str:
        """Start the image beside the old one, unasked, and return its address. Raises Refusal or OutsideError."""
        if not pods.DIGEST.search(self.image):
            said = f"not {self.image}" if self.image else "and none is known of this version"
            raise Refusal(f"a cluster needs an image by its digest (--image REPOSITORY@sha256:...), {said}")
        if (live := self._stable.deployment()) and (why := pods.halted(live)):
            raise Refusal(f"the Deployment {self.overlay.name} would not take it: {why}")
        marks = {"bundle": bundle.digest, "version": str(bundle.version), "ledger": self.ledger, "model": self.model}
        self._next = self.overlay.dressed(self.image, {f"gatehouse.{name}": text for name, text in marks.items()})
        self._kubectl.apply(self._next, only_ask=True)  # what a switch would fail at is known before anything starts
        return self._canary.start(self._next)

    def candidate_ended(self) -> str | None:
        """Say how the candidate ended, or None while it runs."""
        return self._canary.ended()

    def candidate_log(self) -> list[str]:
        """Return the last lines of the candidate's log."""
        return self._canary.log()

    def share(self, part: float) -> Metrics:
        """Hand this part of the users' requests to the candidate, 0 to take it back; return `metrics`.

        Raises OutsideError when the pods for it do not come up.
        """
        if self._before is not None:  # else there are no users yet
            if part:
                self._canary.share(part, self._before)
            else:
                self._canary.take_back(self._before)
        return self.metrics

    def metrics(self) -> tuple[list[str], list[str]]:
        """Return the /metrics of each ready pod of the stable Deployment, and of the candidate.

        Raises OutsideError or httpx.HTTPError when one does not tell, Refusal when it wants another credential, and
        OvertakenError.
        """
        self._canary.must_be_own()
        stable, canary = self._stable.ready(), self._canary.ready()
        if self._before is not None and not stable:  # as while a node is emptied: a look is missed, no more
            raise OutsideError(f"no pod of {self.overlay.name} is ready")
        told = {pod: self._forwards.read(pod, "/metrics") for pod in (*stable, *canary)}
        return [told[pod] for pod in stable], [told[pod] for pod in canary]

    def remove_candidate(self) -> None:
        """Take the candidate away, if there is one, and whatever else belongs to nothing that is live or to be.

        Where another deployment's stands in its place, that one and what it needs is its own.
        """
        self._forwards.keep(set(self._stable.ready()))
        if not self._canary.overtaken():
            self._canary.remove(self._standing.record.live or [])
            self._standing.tidy()

    def switch(self, bundle: Bundle) -> str | None:  # noqa: ARG002  the image holds it
        """Roll the stable Deployment to the new image, then take the candidate away; return why not if it could not.

        Raises OvertakenError.
        """
        self._canary.must_be_own()
        if why := self._standing.bring(self._before, self._next):
            return why
        try:
            self.remove_candidate()
        except OutsideError as error:  # it is of the version that is live now, and is told to go once more at the end
            log(f"infra.deploy: {error}")
        return None

    def switch_back(self) -> None:
        """Serve what was served when `settle` looked, or nothing when there was nothing. Raises OutsideError."""
        record = self._standing.record
        if (record.live, record.next) != (self._before, None) and (why := self._standing.bring_back(self._before)):
            raise OutsideError(f"{AWAY}: {why}")

    def remove(self) -> bool:
        """Take everything down; return whether there was anything. Raises Refusal where another service is there."""
        self.overlay.must_be_alone(self._deployments(), self.model)
        found = self._standing.remove()
        self._forwards.keep(set())
        return found

    def heads(self) -> dict[str, str]:
        """Return the ledger's head that each of our Deployments carries, by what carries it."""
        found = {}
        for one in self._deployments():
            name = f"the Deployment {one['metadata']['name']} in namespace {self.overlay.namespace}"
            found[name] = manifests.marks_of(one).get("gatehouse.ledger", "")
        return found

    def _deployments(self) -> list[Object]:
        return self._kubectl.list("Deployment.v1.apps", OURS)
