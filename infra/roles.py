"""The containers of the service in one home, found by the role that their names tell."""

from infra import contained, host
from infra.connection import Engine
from infra.contained import UPSTREAM
from infra.host import Container
from infra.proxy import ROLE as PROXY
from validation.steps import step

LIVE, CANDIDATE, PREVIOUS, NEXT = "live", "candidate", "previous", "next"


class Roles:
    """Containers that bear the label of a home; `key` is what tells their names from another home's."""

    def __init__(self, engine: Engine, home: str, key: str) -> None:
        self._engine, self._home, self._key = engine, home, key

    def name(self, slug: str, role: str) -> str:
        """Name a container of a model."""
        return f"gatehouse-{slug}-{self._key}-{role}"

    def all(self) -> list[Container]:
        """List them, running or not, but for the proxy."""
        with host.asking("list containers"):
            found = self._engine.containers.list(
                all=True, filters={"label": f"gatehouse.home={self._home}"}, ignore_removed=True
            )
        return [one for one in found if _role(one) != PROXY]

    def find(self, role: str) -> Container | None:
        """Return the one in a role."""
        return next((one for one in self.all() if _role(one) == role), None)

    def known(self, key: str) -> Container | None:
        """Return the one with an id, whatever it is called by now."""
        return next((one for one in self.all() if one.id == key), None)

    def stop_previous(self) -> None:
        """Stop what served before the live one, once it has answered what it had begun."""
        previous = self.find(PREVIOUS)
        if previous is not None and contained.running(previous):
            with host.asking(f"stop {previous.name}"):
                previous.stop(timeout=contained.DRAIN_SECONDS)

    def reached_at(self, upstream: str) -> Container | None:
        """Return the one that the proxy reaches by a name."""
        return next((one for one in self.all() if upstream and one.labels.get(UPSTREAM) == upstream), None)

    def call_live(self, served: Container) -> None:
        """Let the names say which one serves; who did before is `previous`, or `candidate` where that one is back."""
        other = self.find(LIVE)
        if other is not None and other.id != served.id:
            back = _role(served) == PREVIOUS
            if not back:
                contained.remove(self.find(PREVIOUS))
            self._call(other, CANDIDATE if back else PREVIOUS)
            step("renamed one")
        if _role(served) != LIVE:
            self._call(served, LIVE)

    def _call(self, container: Container, role: str) -> None:
        with host.asking(f"rename {container.name}"):
            container.rename(f"{container.name.rsplit('-', 1)[0]}-{role}")
            container.reload()


def _role(container: Container) -> str:
    return str(container.name).rsplit("-", 1)[1]
