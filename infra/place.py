"""Where a bundle can be served: in containers when an engine answers, here or by ssh, else as a supervised process."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from infra import caddy, host, process
from infra.baking.sides import Metrics
from infra.bundle import Bundle
from infra.caddy import Edge
from infra.containers import Containers
from infra.supervised import Supervised
from validation import contract
from validation.contract import Service
from validation.script import BUILD, OutsideError, Refusal, log

LOCK_SECONDS = 300.0  # as long as a deployment waits for another one
RECORD = "deployment.json"  # what the last deployment to this home made live
PROCESS_BYTES = 256 * 2**20  # of a process that serves, before a request comes: 100 MB were measured


class Place(Protocol):
    """A place to deploy to: one unit is live there, and a candidate may stand beside it."""

    name: str  # what serves, as the table says it
    address: str  # where people call it
    image: str  # the image to serve; empty: built around the bundle, or none is needed
    ledger: str  # the head of the branch's ledger when this deployment began
    ready_seconds: float

    @property
    def url(self) -> str:
        """Where a deployment asks what serves."""

    @property
    def stable(self) -> str:
        """Where the live one answers by itself, whatever share of the requests goes elsewhere; empty where none is."""

    def settle(self) -> None:
        """Repair what a killed run left. Raises Refusal when it cannot be this place's."""

    def is_up(self) -> bool:
        """Whether something of ours serves now."""

    def prefer(self, image: str) -> None:
        """Serve this image, which a unit had before, if it can still be had."""

    def live_image(self) -> str:
        """Return the image that serves, or nothing."""

    def start_candidate(self, bundle: Bundle) -> str:
        """Start a bundle beside the live one, and return where it answers by itself."""

    def candidate_ended(self) -> str | None:
        """Say how the candidate ended, or None while it runs."""

    def candidate_log(self) -> list[str]:
        """Return the last lines of the candidate's log."""

    def share(self, part: float) -> Metrics | None:
        """Hand a part (0 to 1) of the users' requests to the candidate, 0 to take it back; None where it cannot.

        What is returned reads the /metrics of each replica of the live one, and of the candidate.
        """

    def remove_candidate(self) -> None:
        """End what stands beside the live one: the candidate, or what served before a switch."""

    def switch(self, bundle: Bundle) -> str | None:
        """Let the candidate take the live one's place; return why not if it could not."""

    def switch_back(self) -> None:
        """Serve what was served when `settle` looked."""

    def remove(self) -> bool:
        """Take everything down; return whether there was anything."""


def home() -> Path:
    """Return the folder of the local environment's state: GATEHOUSE_HOME, else build/local."""
    return Path(os.environ.get("GATEHOUSE_HOME") or BUILD / "local").resolve()


def choose(folder: Path, image: str) -> Place:
    """Take what this machine offers, or the one that DOCKER_HOST names.

    Raises Refusal when a process serves although an engine answers now, or a setting is wrong.
    """
    service = contract.load().service
    edge = _edge(service)
    as_process = Supervised(folder, edge.port, service.ready_seconds)
    engine = host.engine()
    if engine is None:
        if edge.exposed:
            raise Refusal(
                "no container engine answers, and a process serves this machine alone: leave GATEHOUSE_DOMAIN and"
                " GATEHOUSE_BIND out, or start an engine"
            )
        left = f"; the image {image} is left aside" if image else ""
        log(f"infra.deploy: no container engine answers, so a supervised process serves{left}")
        return as_process
    if as_process.is_up():
        raise Refusal(
            "the service runs as a process, and now an engine answers: set ENGINE=none, or take it down first"
            " (`python -m infra.deploy --environment local --remove`)"
        )
    return Containers(engine, folder, edge, service.ready_seconds, image, _memory(service))


def _edge(service: Service) -> Edge:
    return caddy.edge(
        os.environ,
        _port(service.port),
        header_seconds=service.header_seconds,
        body_seconds=service.body_seconds,
        max_header_bytes=service.max_header_bytes,
    )


def _memory(service: Service) -> int:
    """Return what a container may take: of each process its own, and as many bodies as it takes at once."""
    workers = os.environ.get("WORKERS", "")
    count = max(int(workers), 1) if workers.isascii() and workers.isdigit() else 1
    return count * (PROCESS_BYTES + int(service.concurrent * service.max_body_bytes))


def _port(usual: int) -> int:
    text = os.environ.get("GATEHOUSE_PORT", "")
    if not text:
        return usual
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise Refusal(f"GATEHOUSE_PORT={text} is no port; give a number from 1 to 65535")
    return int(text)


def remove(folder: Path) -> bool:
    """Take down whatever of this home runs, as container or as process; return whether there was anything."""
    engine = host.engine()
    places: list[Place] = [Supervised(folder, 0, 0)]
    if engine is not None:
        places.append(Containers(engine, folder, Edge(0), 0))
    found = [place.remove() for place in places]
    (folder / RECORD).unlink(missing_ok=True)
    shutil.rmtree(folder / "bundles", ignore_errors=True)
    return any(found)


def heads(folder: Path) -> dict[str, str]:
    """Return the ledger's head that each deployment to this home carries, by what carries it."""
    found = {f"the deployment in {folder / RECORD}": str(process.read(folder / RECORD).get("ledger", ""))}
    if (engine := host.engine()) is not None:
        found |= Containers(engine, folder, Edge(0), 0).heads()
    return {name: head for name, head in found.items() if head}


@contextlib.contextmanager
def alone(folder: Path, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold other deployments to this home back while the block runs; wait for one under way, and say so.

    Raises OutsideError when it is still under way after `seconds`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "deploy.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log("infra.deploy: another deployment is under way; waiting for it")
        try:
            lock.acquire(timeout=seconds)
        except Timeout as error:
            raise OutsideError(f"another deployment has held {lock.lock_file} for {seconds:g} s; end it") from error
    try:
        yield
    finally:
        lock.release()
