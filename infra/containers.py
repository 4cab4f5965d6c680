"""A machine with a container engine as a place to deploy to: candidate and live one behind a proxy, the one before.

The proxy owns the port, so a switch is a word to it, and no request is refused. Names tell the roles:
gatehouse-<model>-<folder's digest>-candidate, -live, -previous; the last is stopped once what it had begun is answered.
A run may be killed at any step: `settle` (infra/repair.py) finishes a switch that the proxy has made, or undoes it.
"""

import os
from functools import cached_property

from infra import asked, contained, host, image, network, repair, switching, told
from infra.baking.sides import Metrics
from infra.bundle import Bundle
from infra.caddy import Edge
from infra.connection import Engine
from infra.contained import DRAIN_SECONDS, IMAGE, UPSTREAM
from infra.host import Container
from infra.network import Network
from infra.proxy import Proxy
from infra.roles import CANDIDATE, LIVE, Roles
from infra.told import Told
from validation.script import digest, log
from validation.steps import step

MEMORY = 2**30  # bytes; of one process that serves, where nothing else is said


class Containers:
    """Serve images behind `edge`, each with `memory` bytes; `home` is a name that tells our containers from others."""

    def __init__(
        self, engine: Engine, home: str, edge: Edge, ready_seconds: float, reference: str = "", memory: int = MEMORY
    ) -> None:
        self.engine = engine
        self.home = home
        self.edge, self.memory = edge, memory
        self.ready_seconds = ready_seconds
        self.image = reference  # empty: built around the bundle
        self.ledger = ""  # the head of the branch's ledger when this deployment began
        key = digest(self.home.encode())[:8]
        self.roles = Roles(engine, self.home, key)
        self._known = f"gatehouse-{key}"
        self.before = ""  # id of the container that served when `settle` looked
        self.own: Container | None = None  # what this deployment started, whatever its name has become
        far = host.machine(engine)
        self.name = f"container on {far.destination}" if far else "container"
        near = f"http://{far.name if far and edge.exposed else edge.near}:{edge.port}"
        self.address = f"https://{edge.domain}" if edge.domain else near

    @cached_property
    def network(self) -> Network:
        """The network of this home; made when it is asked for the first time."""
        return network.network(self.engine, self._known, self.home, self.edge.exposed)

    @cached_property
    def proxy(self) -> Proxy:
        """The proxy of this home, with the edge that is asked for."""
        return self.behind(self.edge)

    def behind(self, edge: Edge) -> Proxy:
        """Return the same proxy, as it is behind another edge."""
        return Proxy(self.engine, self.network, edge, self.home)

    @cached_property
    def door(self) -> Proxy:
        """The proxy as it is now: with the edge of before while what serves must not be opened to others."""
        return self.proxy

    @cached_property
    def old_door(self) -> Proxy:
        """The proxy as what served when `settle` looked may stand behind it."""
        return self.proxy

    @cached_property
    def told(self) -> Told:
        """What a container would be told now. Raises Refusal for what cannot be passed on."""
        return told.tell(os.environ, exposed=self.edge.exposed, elsewhere=host.machine(self.engine) is not None)

    @property
    def url(self) -> str:
        """Where a deployment asks what serves: the proxy's own door, on the engine's machine."""
        return self.door.url

    @property
    def stable(self) -> str:
        """Where the live one answers by itself, past the proxy; empty where none is, or it does not answer."""
        address = self._own_url(LIVE)
        return address if address and asked.is_ready_soon(address) else ""

    def settle(self) -> None:
        """Repair what a killed run left: a switch is finished or undone, and no candidate stays.

        Raises Refusal when the port belongs to somebody else, or a setting is wrong.
        """
        _ = self.told  # refused before anything is touched
        live = repair.settle(self)
        self.before = live.id if live is not None else ""

    def is_up(self) -> bool:
        """Whether something of ours serves now."""
        return self.roles.find(LIVE) is not None

    def prefer(self, image: str) -> None:
        """Serve this image, which a unit had before, if it can still be had; else one is built around the bundle."""
        if image and ("@sha256:" in image or host.has(self.engine, image)):
            self.image = image
        elif image:
            log(f"infra.deploy: the image {image[:19]} is not here any more; one is built around the same bundle")

    def live_image(self) -> str:
        """Return the image that serves: by the digest it was pulled by, else by its id in this engine."""
        live = self.roles.find(LIVE)
        return contained.image(live) if live is not None else ""

    def as_told(self) -> bool:
        """Whether what serves was told what a container would be told now."""
        live = self.roles.find(LIVE)
        return live is not None and live.labels.get(contained.TOLD) == self.told.digest

    def start_candidate(self, bundle: Bundle) -> str:
        """Start the bundle's image beside the old one, on a port of its own, and return its URL."""
        if self.image:
            host.fetch(self.engine, self.image)
        else:
            self.image = image.build(self.engine, bundle)
        labels = {"gatehouse.bundle": bundle.digest, "gatehouse.ledger": self.ledger, IMAGE: self.image}
        self.own = self.start(self.image, self.roles.name(bundle.slug, CANDIDATE), labels)
        step("candidate")
        return contained.url(self.engine, self.own)

    def candidate_ended(self) -> str | None:
        """Say how the candidate ended, or None while it runs. Raises OvertakenError."""
        return contained.ended(switching.standing(self), proven=False) if self.own is not None else None

    def candidate_log(self) -> list[str]:
        """Return the last lines of the candidate's log."""
        return contained.tail(self.own) if self.own is not None else []

    def share(self, part: float) -> Metrics:
        """Hand a part (0 to 1) of the requests to the candidate, where something serves that it can be taken from.

        Raises OvertakenError.
        """
        candidate = switching.standing(self)
        if self.roles.find(LIVE) is not None:
            self.proxy.share(candidate.labels[UPSTREAM], part)
            step("share")
        return self.metrics

    def metrics(self) -> tuple[list[str], list[str]]:
        """Return what the live one and the candidate tell Prometheus. Raises OutsideError or Refusal."""
        live = self.roles.find(LIVE)
        tried = self.own is not None and (live is None or live.id != self.own.id)
        urls = self._own_url(LIVE), contained.url(self.engine, switching.standing(self)) if tried else ""
        self.proxy.go_on()
        stable, canary = ([asked.metrics(url)] if url else [] for url in urls)
        return stable, canary

    def remove_candidate(self) -> None:
        """Take its share from the candidate and remove it; where it serves, what served before drains and is stopped.

        Only what this deployment started, or took the place of.
        """
        switching.clear(self)
        self.own = None

    def switch(self, bundle: Bundle) -> str | None:  # noqa: ARG002  the candidate holds it
        """Let the candidate take over from the next request on; return why not if it could not.

        What served before goes on running until `remove_candidate`, so that `switch_back` finds it ready. Raises
        OvertakenError when another deployment took the candidate away.
        """
        return switching.switch(self)

    def switch_back(self) -> None:
        """Serve what was served when `settle` looked, or nothing when there was nothing."""
        switching.back(self)

    def remove(self) -> bool:
        """Take everything down; return whether there was anything. Certificates and records that wait stay."""
        known = Network(self._known, bridged=False, trusted="", exposed=False)
        found = Proxy(self.engine, known, Edge(0), self.home).remove()
        ours = self.roles.all()
        for container in ours:
            contained.remove(container, DRAIN_SECONDS if container.name.endswith("-live") else 0)
        network.remove(self.engine, self._known)
        return bool(ours) or found

    def heads(self) -> dict[str, str]:
        """Return the ledger's head that each of our containers carries, by the container's name."""
        return {f"the container {one.name}": one.labels.get("gatehouse.ledger", "") for one in self.roles.all()}

    def _own_url(self, role: str) -> str:
        found = self.roles.find(role)
        return contained.url(self.engine, found) if found is not None and contained.running(found) else ""

    def start(self, image: str, name: str, labels: dict[str, str], *, proven: bool = False) -> Container:
        """Start a container of the service, which the proxy does not know yet."""
        ours = {**labels, "gatehouse.home": self.home}
        return contained.start(self.engine, image, name, self.network, ours, self.memory, proven=proven)
