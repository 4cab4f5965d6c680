"""Where a bundle can be served: a cluster, containers where an engine answers, here or by ssh, or a process."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from infra import here, host, process, target
from infra.baking.sides import Metrics
from infra.bundle import Bundle
from infra.caddy import Edge
from infra.cluster import Cluster
from infra.containers import Containers
from infra.supervised import Supervised
from validation import contract
from validation.script import BUILD, OutsideError, log

LOCK_SECONDS = 300.0  # as long as a deployment waits for another one
RECORD = "deployment.json"  # what the last deployment to this home made live


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

    def as_told(self) -> bool:
        """Whether what serves was told what it would be told now, by the environment or an overlay."""

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


def home(environment: str = target.LOCAL) -> Path:
    """Return the folder of what this machine knows of an environment: GATEHOUSE_HOME, else build/<environment>."""
    return Path(os.environ.get("GATEHOUSE_HOME") or BUILD / environment).resolve()


def choose(folder: Path, image: str, environment: str = target.LOCAL) -> Place:
    """Take the place that an environment is at; `folder` is its home here.

    Raises Refusal when that is not said, or needs another image, OutsideError when it does not answer.
    """
    config = contract.load()
    service, where = config.service, target.kind(environment)
    if where == target.CLUSTER:
        return Cluster(target.overlay(environment), folder, service.ready_seconds, config.model.name, image)
    if where == target.LOCAL:
        return here.choose(folder, image, service)
    engine = host.engine()
    if engine is None:
        raise OutsideError(f"no container engine answers at {os.environ.get('DOCKER_HOST')}, where {environment} is")
    named = f"{config.model.name}/{environment}"  # whoever deploys, from whatever machine
    return Containers(engine, named, here.edge(service), service.ready_seconds, image, here.memory(service))


def remove(folder: Path, environment: str = target.LOCAL) -> bool:
    """Take down whatever runs in an environment; return whether there was anything."""
    if target.kind(environment) == target.LOCAL:
        engine = host.engine()
        places: list[Place] = [Supervised(folder, 0, 0)]
        if engine is not None:
            places.append(Containers(engine, str(folder), Edge(0), 0))
    else:
        places = [choose(folder, "", environment)]
    found = [place.remove() for place in places]
    (folder / RECORD).unlink(missing_ok=True)
    shutil.rmtree(folder / "bundles", ignore_errors=True)
    return any(found)


def heads(folder: Path) -> dict[str, str]:
    """Return the ledger's head that each deployment to this home carries, by what carries it."""
    found = {f"the deployment in {folder / RECORD}": str(process.read(folder / RECORD).get("ledger", ""))}
    if (engine := host.engine()) is not None:
        found |= Containers(engine, str(folder), Edge(0), 0).heads()
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
