"""The container that owns the port and hands each request on: Caddy, told where to by infra/caddy.py."""

import dataclasses
import json
import time
from typing import Any

from infra import caddy, contained, host, program
from infra.caddy import CANDIDATE, CERTIFICATES, FOLDER, GATE, LIVE, SHARE, STORE, UNTIL, Edge
from infra.connection import Engine
from infra.host import USER, Container
from infra.network import Network
from infra.swapped import Swapped
from validation.script import OutsideError, digest, log
from validation.steps import step

ROLE = "proxy"
SHAPE = "gatehouse.shape"  # label: what it takes another container to change
CONFIGURATION = "caddy.json"
EDGE = "edge.json"  # what the configuration was made of
MEMORY = 512 * 2**20  # bytes; 1,000 connections take a tenth of it
SHARED_SECONDS = 300  # that a candidate has its share for, unless its deployment, which may be dead, says so again


class Proxy:
    """The proxy of one home. Nothing of it is there until `ensure`, and nothing but the certificates after `remove`."""

    def __init__(self, engine: Engine, network: Network, edge: Edge, home: str) -> None:
        self._engine, self._network, self._edge = engine, network, edge
        self._labels = {"gatehouse.home": home, contained.PORT: str(edge.port)}
        self._name = f"{network.name}-{ROLE}"
        self.url = host.at(engine, edge.port, edge.near) if edge.port else ""
        self._swapped = Swapped(engine, self._name, f"{network.name}-before-{ROLE}", self.url)
        self._ahead = 0.0  # seconds of the engine's clock before ours
        self._until = 0.0  # when the share ends, by our clock

    def find(self) -> Container | None:
        """Return its container, if there is one."""
        return self._swapped.find()

    def ensure(self, live: str) -> None:
        """Let it run as it is to be, every request going to `live`.

        Raises OutsideError when it does not come up; then the one before serves on as it did.
        """
        image, settings = program.ordered(), self._settings()
        wanted = caddy.configuration(self._edge, bridged=self._network.bridged)
        self._swapped.heal()
        found = self.find()
        if found is None or found.labels.get(SHAPE) != _shape(image, settings):
            image = program.fetch(self._engine, image)  # while the old one serves
        shape = _shape(image, settings)
        if found is None or found.labels.get(SHAPE) != shape:
            self._swapped.replace(found, lambda: self._create(image, settings, shape), self._files(wanted, live))
        elif not contained.running(found):
            self._swapped.replace(None, lambda: found, self._files(wanted, live))
        else:
            try:
                self._load(found, wanted)
            except OutsideError as error:
                if self._swapped.answers():
                    raise
                log(f"infra.proxy: the proxy does not come up by itself, and is started anew: {error}")
                with host.asking(f"stop {found.name}"):
                    found.stop(timeout=contained.DRAIN_SECONDS)
                self._swapped.replace(None, lambda: found, self._files(wanted, live))
            if self.routed() != live:
                self.route(live)

    def edge(self) -> Edge | None:
        """Return the edge that its configuration is of; None where there is none, or another version has noted it."""
        try:
            return Edge(**json.loads(self._told(EDGE)))
        except (TypeError, ValueError):
            return None

    def route(self, live: str) -> None:
        """Hand every request to `live` from the next one on."""
        self._tell(LIVE, live)
        self._tell(SHARE, caddy.share(0))

    def share(self, candidate: str, part: float) -> None:
        """Hand a part (0 to 1) of the requests to `candidate`, for SHARED_SECONDS."""
        if part:
            self._tell(CANDIDATE, candidate)
            self._ahead = host.clock(self._engine) - time.time()
            self._prolong()
        else:
            self._until = 0.0
        self._tell(SHARE, caddy.share(part))

    def go_on(self) -> None:
        """Let a share that was handed out go on; say so while a deployment looks at it."""
        if self._until and self._until - time.time() < SHARED_SECONDS * 0.8:
            self._prolong()

    def _prolong(self) -> None:
        self._until = time.time() + SHARED_SECONDS
        self._tell(UNTIL, f"{self._until + self._ahead:.0f}")

    def routed(self) -> str:
        """Return whom requests go to; empty when there is no proxy."""
        return self._told(LIVE)

    def shared(self) -> str:
        """Return whom a part of the requests goes or went to; it may be the same."""
        return self._told(CANDIDATE)

    def remove(self) -> bool:
        """Take it down once what it has begun is answered; return whether it was there."""
        found = self.find()
        contained.remove(self._swapped.aside())
        contained.remove(found, contained.DRAIN_SECONDS)
        with host.asking("remove the volume of the proxy"):
            name = self._network.volume("routes")
            for volume in self._engine.volumes.list(filters={"name": name}):
                if volume.name == name:  # the engine looks for a part of a name
                    volume.remove()
        return found is not None

    def _told(self, name: str) -> str:
        found = self.find() or self._swapped.aside()
        return host.take(found, f"{FOLDER}/{name}") if found is not None else ""

    def _tell(self, name: str, text: str) -> None:
        """Change one of its files in one step."""
        found = self.find()
        if found is None:
            raise OutsideError(f"the proxy {self._name} is gone; deploy again, and it is made anew")
        host.put(found, FOLDER, {f"{name}.new": text})
        host.run(found, ["mv", "-f", f"{FOLDER}/{name}.new", f"{FOLDER}/{name}"])

    def _settings(self) -> dict[str, Any]:
        """Return what the container is made with, as it depends on the place."""
        edge = self._edge
        if not self._network.bridged:
            return {"network_mode": "host"}
        ports: dict[str, Any] = {f"{caddy.PLAIN}/tcp": (edge.bind, edge.port)}
        if edge.domain:
            # at every address: where one is named, as 0.0.0.0, a domain of IPv6 is never reached, nor gets certificates
            ports |= {f"{caddy.HTTP}/tcp": edge.http, f"{caddy.HTTPS}/tcp": edge.https}
        return {"network": self._network.name, "ports": ports}

    def _create(self, image: str, settings: dict[str, Any], shape: str) -> Container:
        volumes = {GATE: self._network.volume("routes")}
        if self._edge.domain:
            volumes[CERTIFICATES] = self._network.volume("certificates")
        made = contained.create(
            self._engine,
            image,
            self._name,
            self._labels | {SHAPE: shape},
            MEMORY,
            volumes,
            {},
            cap_add=["NET_BIND_SERVICE"],  # its program bears this one, and does not start where it is ruled out
            entrypoint=["caddy"],
            command=["run", "--config", f"{FOLDER}/{CONFIGURATION}"],
            user=f"{USER}:{USER}",
            environment={"XDG_DATA_HOME": "/tmp", "XDG_CONFIG_HOME": "/tmp"},  # noqa: S108 -- in memory, for what it makes up
            **settings,
            **contained.at_birth(self._engine),
        )
        if self._edge.domain:
            host.put(made, CERTIFICATES, {}, STORE)
        return made

    def _files(self, configuration: str, live: str) -> dict[str, str]:
        """Return the files of one that is to be started."""
        noted = json.dumps(dataclasses.asdict(self._edge))
        return {CONFIGURATION: configuration, EDGE: noted, LIVE: live, CANDIDATE: live, SHARE: "", UNTIL: "0"}

    def _load(self, container: Container, wanted: str) -> None:
        """Let one that runs take another configuration; the file that it starts with is changed when it has done so."""
        if host.take(container, f"{FOLDER}/{CONFIGURATION}") == wanted and self.edge() is not None:
            return
        log("infra.proxy: its configuration changed and is loaded; callers who keep connections may have to retry")
        new, edge = f"{CONFIGURATION}.new", json.dumps(dataclasses.asdict(self._edge))
        # Caddy fails each request whose file is not there, as UNTIL was not for a proxy of before
        host.put(container, FOLDER, {new: wanted, f"{EDGE}.new": edge, UNTIL: "0"})
        host.run(container, ["caddy", "reload", "--config", f"{FOLDER}/{new}", "--address", caddy.ADMIN])
        step("loaded")
        for name in (EDGE, CONFIGURATION):  # the latter says that both are done
            host.run(container, ["mv", "-f", f"{FOLDER}/{name}.new", f"{FOLDER}/{name}"])


def _shape(image: str, settings: dict[str, Any]) -> str:
    return digest(repr((image, sorted(settings.items()))).encode())
