"""Where a bundle can be served on this machine: in containers when an engine answers, else as a supervised process."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from infra import host, process
from infra.containers import Containers
from infra.supervised import Supervised
from validation import contract
from validation.script import BUILD, OutsideError, Refusal, log

LOCK_SECONDS = 300.0  # as long as a deployment waits for another one
RECORD = "deployment.json"  # what the last deployment to this home made live

Place = Containers | Supervised


def home() -> Path:
    """Return the folder of the local environment's state: GATEHOUSE_HOME, else build/local."""
    return Path(os.environ.get("GATEHOUSE_HOME") or BUILD / "local").resolve()


def choose(folder: Path, image: str) -> Place:
    """Take what this machine offers.

    Raises Refusal when a process serves although an engine answers now, or a setting is wrong.
    """
    service = contract.load().service
    port = _port(service.port)
    as_process = Supervised(folder, port, service.ready_seconds)
    engine = host.engine()
    if engine is None:
        left = f"; the image {image} is left aside" if image else ""
        log(f"infra.deploy: no container engine answers, so a supervised process serves{left}")
        return as_process
    if as_process.is_up():
        raise Refusal(
            "the service runs as a process, and now an engine answers: set ENGINE=none, or take it down first"
            " (`python -m infra.deploy --environment local --remove`)"
        )
    return Containers(engine, folder, port, service.ready_seconds, image)


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
        places.append(Containers(engine, folder, 0, 0))
    found = [place.remove() for place in places]
    (folder / RECORD).unlink(missing_ok=True)
    shutil.rmtree(folder / "bundles", ignore_errors=True)
    return any(found)


def heads(folder: Path) -> dict[str, str]:
    """Return the ledger's head that each deployment to this home carries, by what carries it."""
    found = {f"the deployment in {folder / RECORD}": str(process.read(folder / RECORD).get("ledger", ""))}
    if (engine := host.engine()) is not None:
        found |= Containers(engine, folder, 0, 0).heads()
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
