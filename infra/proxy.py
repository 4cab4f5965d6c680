"""The container that owns the port and hands each request on: Caddy, told where to by infra/caddy.py."""

import os
from typing import Any

import httpx

from infra import caddy, contained, host, process
from infra.caddy import CANDIDATE, CERTIFICATES, FOLDER, GATE, LIVE, ROUTES, SHARE, STORE, Edge
from infra.connection import Engine
from infra.host import USER, Container
from infra.network import Network
from validation.script import OutsideError, digest, log

IMAGE = "caddy:2.11.7-alpine@sha256:d8542f48d34a9cf4e4c11a478865229840e87e4c96ea3f439101f31a5d35f75f"
ROLE = "proxy"
SHAPE = "gatehouse.shape"  # label: what it takes another container to change
CONFIGURATION = "caddy.json"
MEMORY = 512 * 2**20  # bytes; 1,000 connections take a tenth of it
START_SECONDS = 15.0


class Proxy:
    """The proxy of one home. Nothing of it is there until `ensure`, and nothing but the certificates after `remove`."""

    def __init__(self, engine: Engine, network: Network, edge: Edge, home: str) -> None:
        self._engine, self._network, self._edge = engine, network, edge
        self._labels = {"gatehouse.home": home, contained.PORT: str(edge.port)}
        self._name = f"{network.name}-{ROLE}"
        self.url = host.at(engine, edge.port, edge.near) if edge.port else ""

    def find(self) -> Container | None:
        """Return its container, if there is one."""
        with host.asking("list containers"):
            found = self._engine.containers.list(all=True, filters={"name": f"^/?{self._name}$"})
        return next(iter(found), None)

    def ensure(self, live: str) -> None:
        """Let it run as it is to be, every request going to `live`. Raises OutsideError when it does not come up."""
        image = os.environ.get("PROXY_IMAGE") or IMAGE
        settings = self._settings()
        shape = digest(repr((image, sorted(settings.items()))).encode())
        found = self.find()
        if found is not None and found.labels.get(SHAPE) != shape:
            log("infra.proxy: the proxy is made anew, with another image or other ports; the port is closed meanwhile")
            contained.remove(found, contained.DRAIN_SECONDS)
            found = None
        if found is None:
            host.fetch(self._engine, image)
            found = self._create(image, settings, shape)
        wanted = caddy.configuration(self._edge, bridged=self._network.bridged)
        if not contained.running(found):
            files = {CONFIGURATION: wanted, LIVE: live, CANDIDATE: live, SHARE: ""}
            host.put(found, GATE, files, ROUTES)
            self._start(found)
            return
        if host.take(found, f"{FOLDER}/{CONFIGURATION}") != wanted:
            log("infra.proxy: its configuration changed and is loaded; callers who keep connections may have to retry")
            host.put(found, FOLDER, {CONFIGURATION: wanted})
            host.run(found, ["caddy", "reload", "--config", f"{FOLDER}/{CONFIGURATION}", "--address", caddy.ADMIN])
        if self.routed() != live:
            self.route(live)

    def route(self, live: str) -> None:
        """Hand every request to `live` from the next one on."""
        self._tell(LIVE, live)
        self._tell(SHARE, caddy.share(0))

    def share(self, candidate: str, part: float) -> None:
        """Hand a part (0 to 1) of the requests to `candidate`."""
        if part:
            self._tell(CANDIDATE, candidate)
        self._tell(SHARE, caddy.share(part))

    def routed(self) -> str:
        """Return whom requests go to; empty when there is no proxy."""
        return self._told(LIVE)

    def shared(self) -> str:
        """Return whom a part of the requests goes or went to; it may be the same."""
        return self._told(CANDIDATE)

    def remove(self) -> bool:
        """Take it down once what it has begun is answered; return whether it was there."""
        found = self.find()
        contained.remove(found, contained.DRAIN_SECONDS)
        with host.asking("remove the volume of the proxy"):
            for volume in self._engine.volumes.list(filters={"name": self._network.volume("routes")}):
                volume.remove()
        return found is not None

    def _told(self, name: str) -> str:
        found = self.find()
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
            ports |= {f"{caddy.HTTP}/tcp": ("0.0.0.0", edge.http), f"{caddy.HTTPS}/tcp": ("0.0.0.0", edge.https)}  # noqa: S104 -- the domain's callers come from anywhere
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

    def _start(self, container: Container) -> None:
        with host.asking(f"start {self._name}"):
            container.start()
        if not process.wait(lambda: self._answers() or contained.ended(container) is not None, START_SECONDS):
            why: str | None = f"it does not answer at {self.url} within {START_SECONDS:g} s"
        else:
            why = contained.ended(container)
        if why is not None:
            said = " ".join(contained.tail(container, 1))
            contained.remove(container)
            raise OutsideError(f"the proxy {self._name} does not start: {why}: {said}")
        contained.keep(self._engine, container)  # now that it has come up once

    def _answers(self) -> bool:
        try:
            httpx.get(f"{self.url}/healthz", timeout=2, trust_env=False)
        except httpx.TimeoutException:
            return True  # it waits for the service
        except httpx.HTTPError:
            return False
        return True
