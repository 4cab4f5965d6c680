"""What is live in a namespace, and what a switch is about to bring, remembered in the namespace itself."""

import json

from infra.kube.kubectl import TRIES, Kubectl, Object
from infra.kube.manifests import kind
from validation.script import OutsideError, log

UNDONE = "undone"  # the name of that mark


class Record:
    """A ConfigMap with two sets of objects: `live`, and `next` while a switch is under way; None for none.

    `undone` says of a switch that it is being taken back.
    """

    def __init__(self, kubectl: Kubectl, name: str) -> None:
        self._kubectl, self.name = kubectl, name
        self._version = ""  # as the cluster counts its changes; empty where there is none
        self.live: list[Object] | None = None
        self.next: list[Object] | None = None
        self.undone = False

    def read(self) -> None:
        """Look at what is remembered; what no deployment wrote says nothing."""
        found = self._found()
        self._version, kept = found["metadata"].get("resourceVersion", ""), found.get("data", {})
        told = {name: _objects(kept[name]) for name in ("live", "next") if name in kept}
        if whole := None not in told.values():
            self.live, self.next = told.get("live"), told.get("next")
        else:
            log(f"infra.deploy: the ConfigMap {self.name} holds no objects that a deployment wrote")
            self.live = self.next = None
        self.undone = whole and UNDONE in kept

    def write(self, live: list[Object] | None, coming: list[Object] | None, undone: bool = False) -> None:
        """Remember, unless somebody else did since it was read: then another deployment is under way.

        Raises OutsideError.
        """
        data = {name: json.dumps(one) for name, one in (("live", live), ("next", coming)) if one is not None}
        data |= {UNDONE: "yes"} if undone else {}
        labels = {"app.kubernetes.io/name": "gatehouse"}  # not managed-by: nobody tidies it away
        metadata = {"name": self.name, "labels": labels}
        metadata |= {"resourceVersion": self._version} if self._version else {}
        content = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        self._version = self._put(content)
        self.live, self.next, self.undone = live, coming, undone

    def leave_out(self, kinds: set[str]) -> None:
        """Take the objects of some kinds for no part of what is remembered."""
        self.live, self.next = (
            None if one is None else [each for each in one if kind(each) not in kinds] for one in (self.live, self.next)
        )

    def _put(self, content: Object, tries: int = TRIES) -> str:
        """Write the ConfigMap, and return its new version; where the answer is lost, look whether it was written."""
        how = ("replace" if self._version else "create", "--filename=-", "--output=json")
        try:
            told = self._kubectl.ask("remember what is deployed", *how, given=content, again=False)
            return str(json.loads(told)["metadata"]["resourceVersion"])
        except OutsideError as error:
            found = self._found()
            version = str(found["metadata"].get("resourceVersion", ""))
            if version == self._version:
                if tries == 1:
                    raise
                return self._put(content, tries - 1)
            if found.get("data") == content["data"]:
                return version
            space = self._kubectl.namespace
            raise OutsideError(f"another deployment changed namespace {space} meanwhile; let it end first") from error

    def remove(self) -> bool:
        """Forget; return whether there was anything."""
        found = bool(self._version)
        self._kubectl.delete("ConfigMap", self.name)
        self._version, self.live, self.next, self.undone = "", None, None, False
        return found

    def _found(self) -> Object:
        return self._kubectl.find("ConfigMap", self.name) or {"metadata": {}}


def _objects(text: str) -> list[Object] | None:
    """Read a set of objects; None where it is none."""
    try:
        found = json.loads(text)
        return found if any(one["kind"] == "Deployment" for one in found) else None
    except (ValueError, KeyError, TypeError):
        return None
