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
from infra.kube.record import Record
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
        self._record = Record(self._kubectl, f"{self.overlay.name}-record")
        self._stable = Track(self._kubectl, self.overlay.name, "stable")
        self._canary = Canary(self._kubectl, self._stable, self._forwards)
        self._before: list[Object] | None = None  # what was live when `settle` looked
        self._next: list[Object] = []

    @property
    def url(self) -> str:
        """Where one of the stable pods answers, past the edge; an address that never does where none is ready."""
        ready = self._stable.ready()
        return self._forwards.to(ready[0]) if ready else NOWHERE

    @property
    def stable(self) -> str:
        """The same; empty where no stable pod is ready."""
        return "" if (url := self.url) == NOWHERE else url

    def settle(self) -> None:
        """Repair what a killed run left: its switch finished, if it can be, or undone; no stray canary.

        Raises Refusal where another service is in the namespace.
        """
        self._forwards.keep(set())
        self.overlay.must_be_alone(self._deployments(), self.model)
        self._record.read()
        if self._record.next is not None:
            self._mend(self._record.next)
        self.remove_candidate()
        self._before = self._record.live

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

    def start_candidate(self, bundle: Bundle) -> str:
        """Start the bundle's image beside the old one, asked by nobody, and return the address that answers for it.

        Raises Refusal for what the set-up lacks, OutsideError for what the cluster does not give.
        """
        if not pods.DIGEST.search(self.image):
            said = f"not {self.image}" if self.image else "and none is known of this version"
            raise Refusal(f"a cluster needs an image by its digest (--image REPOSITORY@sha256:...), {said}")
        marks = {"bundle": bundle.digest, "version": str(bundle.version), "ledger": self.ledger, "model": self.model}
        self._next = self.overlay.dressed(self.image, {f"gatehouse.{name}": text for name, text in marks.items()})
        self._kubectl.apply(self._next, only_ask=True)  # what a switch would fail at is known before anything starts
        return self._canary.start(self._next, self._before or [])

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
                self._canary.share(part)
            else:
                self._canary.take_back(self._before)
        return self.metrics

    def metrics(self) -> tuple[list[str], list[str]]:
        """Return the /metrics of each ready pod of the stable Deployment, and of the candidate.

        Raises OutsideError or httpx.HTTPError when one does not tell, Refusal when it wants another credential.
        """
        stable, canary = self._stable.ready(), self._canary.ready()
        told = {pod: self._forwards.read(pod, "/metrics") for pod in (*stable, *canary)}
        return [told[pod] for pod in stable], [told[pod] for pod in canary]

    def remove_candidate(self) -> None:
        """Take the candidate away, if there is one, and whatever else belongs to nothing that is live or to be."""
        self._canary.remove(self._record.live or [])
        self._forwards.keep(set(self._stable.ready()))
        now = Record(self._kubectl, self._record.name)  # whatever is live, somebody else's deployment included
        now.read()
        kept = {manifests.key(one) for one in [*(now.live or []), *(now.next or [])]}
        self._delete([one for one in self._owned() if manifests.key(one) not in kept])

    def switch(self, bundle: Bundle) -> str | None:  # noqa: ARG002  the image holds it
        """Roll the stable Deployment to the new image, then take the candidate away; return why not if it could not."""
        self._record.write(self._before, self._next)
        self._kubectl.apply(self._next)
        if why := self._stable.wait_for_rollout():
            return why
        self._record.write(self._next, None)
        self.remove_candidate()
        return None

    def switch_back(self) -> None:
        """Serve what was served when `settle` looked, or nothing when there was nothing."""
        if (self._record.live, self._record.next) != (self._before, None):
            self._bring_back(self._before)

    def remove(self) -> bool:
        """Take everything down; return whether there was anything. Raises Refusal as `settle` does."""
        self.overlay.must_be_alone(self._deployments(), self.model)
        self._record.read()
        found = self._owned()
        self._delete(found)
        self._forwards.keep(set())
        return self._record.remove() or bool(found)

    def heads(self) -> dict[str, str]:
        """Return the ledger's head that each of our Deployments carries, by what carries it."""
        found = {}
        for one in self._deployments():
            name = f"the Deployment {one['metadata']['name']} in namespace {self.overlay.namespace}"
            found[name] = manifests.marks_of(one).get("gatehouse.ledger", "")
        return found

    def _deployments(self) -> list[Object]:
        return self._kubectl.list("Deployment.v1.apps", OURS)

    def _mend(self, coming: list[Object]) -> None:
        """Finish the switch that a killed run began, or undo it."""
        stable = self._stable.deployment()
        begun = stable is not None and manifests.marks_of(stable) == manifests.marks_of(manifests.deployment_of(coming))
        if begun:
            self._kubectl.apply(coming)  # some of it may be missing still
        why = self._stable.wait_for_rollout() if begun else "it had not begun"
        if why is None:
            log("infra.deploy: the switch that a killed run left is finished")
            self._record.write(coming, None)
        else:
            log(f"infra.deploy: the switch that a killed run left is undone: {why}")
            self._bring_back(self._record.live)

    def _bring_back(self, before: list[Object] | None) -> None:
        """Make what was live before live again; raises OutsideError when the cluster does not get there."""
        if before is None:
            self.remove()
            return
        self._record.write(before, self._record.next or self._record.live)
        self._kubectl.apply(before)
        if why := self._stable.wait_for_rollout():
            raise OutsideError(f"the old version does not come back by itself: {why}")
        self._record.write(before, None)
        self.remove_candidate()

    def _owned(self) -> list[Object]:
        known = [*self.overlay.objects, *(self._record.live or []), *(self._record.next or [])]
        return self._kubectl.list(",".join(sorted({manifests.kind(one) for one in known})), OURS)

    def _delete(self, found: list[Object]) -> None:
        for one in found:
            self._kubectl.delete(manifests.kind(one), one["metadata"]["name"])
