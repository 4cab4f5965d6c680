"""A machine with a container engine as a place to deploy to: a candidate, the live one, and the one before, stopped.

Two containers cannot publish one port, so the switch is stop, start: the port is closed for about as long as the
service takes to start. Names tell the role: gatehouse-<model>-<folder's digest>-candidate, -next, -live, -previous.
"""

from pathlib import Path

from infra import host, image, process
from infra.baking.sides import Metrics
from infra.bundle import Bundle
from infra.host import Container, Engine
from validation.script import Refusal, digest, log

DRAIN_SECONDS = 30  # for requests under way when a container is stopped
SHORT_DRAIN_SECONDS = 5  # the same for one that is taken back; one that just starts hears no SIGTERM
START_SECONDS = 15.0  # for the engine to say that a container runs


class Containers:
    """Serve images on 127.0.0.1:`port`; `folder` (the deployment's home) tells our containers from another clone's."""

    def __init__(self, engine: Engine, folder: Path, port: int, ready_seconds: float, reference: str = "") -> None:
        self.engine = engine
        self.home = str(folder.resolve())
        self.port = port
        self.ready_seconds = ready_seconds
        self.url = f"http://127.0.0.1:{port}"
        self.image = reference  # empty: built around the bundle
        self.name = "container"
        self.ledger = ""  # the head of the branch's ledger when this deployment began
        self._candidate: Container | None = None
        self._before = ""  # id of the container that served when `settle` looked

    def settle(self) -> None:
        """Repair what a killed run left: no stray candidate, the old one serving.

        Raises Refusal when the port belongs to somebody else.
        """
        self.remove_candidate()
        self._restore()
        live = self._find("live")
        if live is not None and host.url(live) != self.url:
            raise Refusal(
                f"the service runs at {host.url(live)}, not on port {self.port}; take it down first"
                " (`python -m infra.deploy --environment local --remove`)"
            )
        if live is None:
            process.listen(self.port).close()  # said before anything is started
        else:
            self._before = live.id

    def is_up(self) -> bool:
        """Whether something of ours serves now."""
        return self._find("live") is not None

    def prefer(self, image: str) -> None:
        """Serve this image, which a unit had before, if it can still be had; else one is built around the bundle."""
        if image and ("@sha256:" in image or host.has(self.engine, image)):
            self.image = image
        elif image:
            log(f"infra.deploy: the image {image[:19]} is not here any more; one is built around the same bundle")

    def live_image(self) -> str:
        """Return the image that serves: by the digest it was pulled by, else by its id in this engine."""
        live = self._find("live")
        return self.image if "@sha256:" in self.image or live is None else str(live.attrs["Image"])

    def start_candidate(self, bundle: Bundle) -> str:
        """Start the bundle's image beside the old one, on a port of its own, and return its URL."""
        if self.image:
            host.fetch(self.engine, self.image)
        else:
            self.image = image.build(self.engine, bundle)
        self._candidate = self._start(bundle, "candidate", None)
        return host.url(self._candidate)

    def share(self, part: float) -> Metrics | None:  # noqa: ARG002  what other places take
        """Hand nothing to the candidate: the port is published by one container alone."""
        return None

    def candidate_ended(self) -> str | None:
        """Say how the candidate ended, or None while it runs."""
        return _ended(self._candidate) if self._candidate is not None else None

    def candidate_log(self) -> list[str]:
        """Return the last lines of the candidate's log."""
        if self._candidate is None:
            return []
        with host.asking("show a log"):
            return str(self._candidate.logs(tail=12).decode(errors="replace")).splitlines()

    def remove_candidate(self) -> None:
        """Remove the candidate, if there is one."""
        _remove(self._find("candidate"))
        self._candidate = None

    def switch(self, bundle: Bundle) -> str | None:
        """Stop the old container and start the new one on the port; return why not if it could not."""
        self.remove_candidate()
        live = self._find("live")
        if live is not None:
            _remove(self._find("previous"))
            with host.asking(f"stop {live.name}"):
                live.stop(timeout=DRAIN_SECONDS)
                live.rename(self._named(live, "previous"))
        started = self._start(bundle, "next", self.port)
        if not process.wait(lambda: _running(started) or _ended(started) is not None, START_SECONDS):
            return "its container does not run"
        if why := _ended(started):
            return why
        with host.asking(f"rename {started.name}"):
            started.rename(self._named(started, "live"))
        return None

    def switch_back(self) -> None:
        """Serve what was served when `settle` looked, or nothing when there was nothing."""
        live = self._find("live")
        if live is not None and live.id != self._before:
            _remove(live, SHORT_DRAIN_SECONDS)
        self._restore()

    def remove(self) -> bool:
        """Take everything down; return whether there was anything."""
        ours = self._ours()
        for container in ours:
            _remove(container, DRAIN_SECONDS if container.name.endswith("-live") else 0)
        return bool(ours)

    def heads(self) -> dict[str, str]:
        """Return the ledger's head that each of our containers carries, by the container's name."""
        return {f"the container {one.name}": one.labels.get("gatehouse.ledger", "") for one in self._ours()}

    def _restore(self) -> None:
        """Let the old container serve when a switch was cut short."""
        _remove(self._find("next"))
        live, previous = self._find("live"), self._find("previous")
        with host.asking("start the old container again"):
            if live is None and previous is not None:
                previous.rename(self._named(previous, "live"))
                live = previous
            if live is not None and not _running(live):
                live.start()

    def _start(self, bundle: Bundle, role: str, port: int | None) -> Container:
        name = f"gatehouse-{bundle.slug}-{digest(self.home.encode())[:8]}-{role}"
        labels = {"gatehouse.home": self.home, "gatehouse.bundle": bundle.digest, "gatehouse.ledger": self.ledger}
        return host.start(self.engine, self.image, name, port=port, labels=labels, restart=role == "next")

    def _ours(self) -> list[Container]:
        with host.asking("list containers"):
            return list(self.engine.containers.list(all=True, filters={"label": f"gatehouse.home={self.home}"}))

    def _find(self, role: str) -> Container | None:
        return next((container for container in self._ours() if container.name.endswith(f"-{role}")), None)

    def _named(self, container: Container, role: str) -> str:
        return f"{container.name.rsplit('-', 1)[0]}-{role}"


def _remove(container: Container | None, drain: int = 0) -> None:
    """Remove a container, after `drain` seconds at most for requests under way; 0 for one that has none."""
    if container is None:
        return
    with host.asking(f"remove {container.name}"):
        if drain:
            container.stop(timeout=drain)
        container.remove(force=True)


def _running(container: Container) -> bool:
    with host.asking(f"look at {container.name}"):
        container.reload()
    return bool(container.attrs["State"]["Running"])


def _ended(container: Container) -> str | None:
    with host.asking(f"look at {container.name}"):
        container.reload()
    state = container.attrs["State"]
    return f"it ended with exit code {state['ExitCode']}" if state["Status"] in ("exited", "dead") else None
