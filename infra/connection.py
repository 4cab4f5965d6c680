"""Who listens where: the addresses of container engines, and a first word with each."""

import contextlib
import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from validation.script import OutsideError

Engine = Any  # docker.DockerClient; the SDK has no types

ANSWER_SECONDS = 3.0  # a healthy engine answers its version within milliseconds
WORK_SECONDS = 300.0  # for one call, a layer of a build included
FAR = "ssh://"
NOWHERE = "/nonexistent"
SILENCES = {  # what the SDK wraps three times over, in plain words
    "timed out": f"nothing within {ANSWER_SECONDS:g} s",
    "No such file": "no such socket",
    "Connection refused": "nobody listens there",
    "Permission denied": "permission denied; may you use this engine?",
}


def addresses(wanted: str) -> list[str]:
    """List where an engine may listen: DOCKER_HOST alone if it is set, else the sockets that exist.

    Both engines speak one API, so DOCKER_HOST counts whichever is wanted: it may name another machine. The socket of
    docker's context comes first, then the usual ones.
    """
    if os.environ.get("DOCKER_HOST"):
        return [os.environ["DOCKER_HOST"]]
    home, runtime = _home(), Path(os.environ.get("XDG_RUNTIME_DIR") or NOWHERE)
    docker = ("/var/run/docker.sock", runtime / "docker.sock", home / ".docker/run/docker.sock")
    podman = (runtime / "podman/podman.sock", "/run/podman/podman.sock")
    chosen = () if wanted == "podman" else _of_context()
    sockets = {"": docker + podman, "docker": docker, "podman": podman}[wanted]
    return list(dict.fromkeys(f"unix://{path}" for path in map(Path, (*chosen, *sockets)) if _is_there(path)))


def _home() -> Path:
    """Return our home; a user of a container may have none."""
    try:
        return Path.home()
    except RuntimeError:
        return Path(NOWHERE)


def _is_there(path: Path) -> bool:
    """Whether a socket exists; one in a folder that is closed to us is none: `su` leaves another's XDG_RUNTIME_DIR."""
    try:
        return path.exists()
    except OSError:
        return False


def _of_context() -> tuple[str, ...]:
    """Return the socket that docker's command goes by (DOCKER_CONTEXT, else `docker context use`), if it is one."""
    from docker.context import ContextAPI

    try:
        found = ContextAPI.get_context(os.environ.get("DOCKER_CONTEXT", ""))
        address = str(found.Host or "") if found else ""
    except Exception:  # the SDK raises just that for a context that it cannot read; then the usual sockets are left
        return ()
    return (address.removeprefix("unix://"),) if address.startswith("unix://") else ()


def connect(address: str) -> tuple[Engine | None, str]:
    """Return the engine that answers at an address, else None and why; it bears the `machine` that it is on.

    Raises OutsideError when a machine that ssh leads to has none: who names a machine does not mean this one.
    """
    import docker
    import requests

    far = None
    settings = docker.utils.kwargs_from_env() | {"base_url": address}  # TLS of a remote engine comes with it
    if address.startswith(FAR):
        from infra.ssh import Machine

        far = Machine(address)
        settings = {"base_url": far.engine()}
    try:
        client = docker.DockerClient(**settings, version="auto", timeout=ANSWER_SECONDS)
        client.ping()
    except (docker.errors.DockerException, requests.RequestException, OSError, ValueError) as error:
        why = next((said for sign, said in SILENCES.items() if sign in str(error)), first_line(error))
        if far is not None:
            far.close()
            raise OutsideError(f"{address} lets us in, but no container engine answers there ({why})") from error
        return None, why
    client.api.timeout = WORK_SECONDS
    client.machine = far
    client.address = address
    return client, ""


def is_here(address: str) -> bool:
    """Whether an engine's address, unless it is one by ssh, is of this machine: its ports are on our loopback then."""
    name = urlsplit(address).hostname
    if address.startswith("unix://") or not name:
        return True
    try:
        found = socket.getaddrinfo(name, 0, type=socket.SOCK_STREAM)
    except OSError:
        return False
    for family, kind, protocol, _, there in found:
        with contextlib.suppress(OSError), socket.socket(family, kind, protocol) as probe:
            probe.bind(there)  # which the kernel refuses for an address of another machine
            return True
    return False


def first_line(error: Exception) -> str:
    """Return the first line of what an engine or the SDK says."""
    text = str(getattr(error, "explanation", None) or error).strip()
    return text.splitlines()[0] if text else type(error).__name__
