"""What is live in a namespace, and what a switch is about to bring, remembered in the namespace itself."""

import json

from infra.kube.kubectl import Kubectl, Object
from validation.script import OutsideError


class Record:
    """A ConfigMap with two sets of objects: `live`, and `next` while a switch is under way; None for none."""

    def __init__(self, kubectl: Kubectl, name: str) -> None:
        self._kubectl, self.name = kubectl, name
        self._version = ""  # as the cluster counts its changes; empty where there is none
        self.live: list[Object] | None = None
        self.next: list[Object] | None = None

    def read(self) -> None:
        """Look at what is remembered."""
        found = self._kubectl.find("ConfigMap", self.name) or {"metadata": {}}
        self._version = found["metadata"].get("resourceVersion", "")
        kept = found.get("data", {})
        self.live, self.next = (json.loads(kept[name]) if name in kept else None for name in ("live", "next"))

    def write(self, live: list[Object] | None, coming: list[Object] | None) -> None:
        """Remember, unless somebody else did since it was read: then another deployment is under way.

        Raises OutsideError.
        """
        data = {name: json.dumps(one) for name, one in (("live", live), ("next", coming)) if one is not None}
        labels = {"app.kubernetes.io/name": "gatehouse"}  # not managed-by: nobody tidies it away
        metadata = {"name": self.name, "labels": labels}
        metadata |= {"resourceVersion": self._version} if self._version else {}
        content = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        how = ("replace" if self._version else "create", "--filename=-", "--output=json")
        try:
            told = self._kubectl.ask("remember what is deployed", *how, given=content, again=False)
        except OutsideError as error:
            if any(sign in str(error) for sign in ("Conflict", "AlreadyExists", "NotFound")):
                space = self._kubectl.namespace
                raise OutsideError(
                    f"another deployment changed namespace {space} meanwhile; let it end first"
                ) from error
            raise
        self._version = json.loads(told)["metadata"]["resourceVersion"]
        self.live, self.next = live, coming

    def remove(self) -> bool:
        """Forget; return whether there was anything."""
        found = bool(self._version)
        self._kubectl.delete("ConfigMap", self.name)
        self._version, self.live, self.next = "", None, None
        return found
