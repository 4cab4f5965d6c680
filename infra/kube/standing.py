"""What stands in a namespace, by its record: brought about as a whole, mended after a killed run, taken down."""

from infra.kube import manifests
from infra.kube.kubectl import Kubectl, Object
from infra.kube.manifests import OURS, Overlay
from infra.kube.record import Record
from infra.kube.track import Track
from validation.script import Refusal, log

AWAY = "the old version does not come back by itself"


class Standing:
    """The objects that are live, and those that a switch brings."""

    def __init__(self, kubectl: Kubectl, overlay: Overlay, stable: Track) -> None:
        self._kubectl, self._stable = kubectl, stable
        self.record = Record(kubectl, f"{overlay.name}-record")
        self._kinds = {manifests.kind(one) for one in overlay.objects}  # of all that may be ours

    def mend(self) -> None:
        """Finish the switch that a killed run began, or undo it; an old version that stays away blocks nothing.

        Raises Refusal where something serves that the record does not know: what belongs to it nobody can say.
        """
        self._read()
        stable, coming = self._stable.deployment(), self.record.next
        begun = stable is not None and coming is not None and _same(stable, coming)
        if stable is not None and self.record.live is None and not begun:
            raise Refusal(
                f"the Deployment {self._stable.name} serves in namespace {self._kubectl.namespace}, and the ConfigMap"
                f" {self.record.name}, which tells what belongs to it, lacks or does not know it: restore it, or take"
                " everything down (`python -m infra.deploy --environment ... --remove`) and deploy again"
            )
        if coming is None:
            return
        if self.record.undone:
            why: str | None = "that was under way"
        elif begun:
            try:
                self._kubectl.apply(coming)  # some of it may be missing still
                why = self._stable.wait_for_rollout()
            except Refusal as refusal:
                why = str(refusal)
        else:
            why = "it had not begun"
        if why is None:
            log("infra.deploy: the switch that a killed run left is finished")
            self.record.write(coming, None)
        else:
            log(f"infra.deploy: the switch that a killed run left is undone: {why}")
            if why := self.bring_back(self.record.live):
                log(f"infra.deploy: {AWAY}: {why}; the deployment goes on without it")

    def bring(self, before: list[Object] | None, coming: list[Object]) -> str | None:
        """Roll the stable Deployment to what comes, with all that goes with it; return why not if it could not."""
        self.record.write(before, coming)
        self._kubectl.apply(coming)
        if why := self._stable.wait_for_rollout():
            return why
        self.record.write(coming, None)
        return None

    def bring_back(self, before: list[Object] | None) -> str | None:
        """Make what was live before live again; return why not when the cluster does not get there."""
        if before is None:
            self.remove()
            return None
        self.record.write(before, self.record.next or self.record.live, undone=True)
        self._kubectl.apply(before)
        if why := self._stable.wait_for_rollout():
            return why
        self.record.write(before, None)
        return None

    def tidy(self) -> None:
        """Delete what belongs to nothing that is live or to be, but nothing where it is not known what is live."""
        now = Record(self._kubectl, self.record.name)  # whatever is live, somebody else's deployment included
        now.read()
        kept = {manifests.key(one) for one in [*(now.live or []), *(now.next or [])]}
        if kept or self._stable.deployment() is None:
            self._delete([one for one in self._owned() if manifests.key(one) not in kept])

    def remove(self) -> bool:
        """Take everything down, and forget it; return whether there was anything.

        The Deployments go first, so that none is left without what its pods need; the record last, since it knows what
        is still to go when this is cut short and done again.
        """
        self._read()
        found = sorted(self._owned(), key=lambda one: one["kind"] != "Deployment")
        self._delete(found)
        return self.record.remove() or bool(found)

    def _read(self) -> None:
        self.record.read()
        known = {manifests.kind(one) for one in [*(self.record.live or []), *(self.record.next or [])]} - self._kinds
        if known:  # the overlay does without these by now, and the cluster may as well
            groups = {version.rpartition("/")[0] for version in self._kubectl.versions()}
            if gone := {kind for kind in known if kind.partition(".")[2] not in groups}:
                log(f"infra.deploy: the cluster no longer knows {' and '.join(sorted(gone))}, which was live")
                self.record.leave_out(gone)
            self._kinds |= known - gone

    def _owned(self) -> list[Object]:
        return self._kubectl.list(",".join(sorted(self._kinds)), OURS)

    def _delete(self, found: list[Object]) -> None:
        for one in found:
            self._kubectl.delete(manifests.kind(one), one["metadata"]["name"])


def _same(deployment: Object, coming: list[Object]) -> bool:
    return manifests.marks_of(deployment) == manifests.marks_of(manifests.deployment_of(coming))
