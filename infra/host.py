"""The one door to a container engine (Docker, or Podman by the same API); without one, None comes back and is said."""

import contextlib
import io
import os
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from infra import connection
from infra.connection import Engine, first_line
from validation.script import OutsideError, Refusal, log

if TYPE_CHECKING:
    from infra.ssh import Machine

Container = Any  # the SDK has no types

TOLD_LATER = (5, 1)  # the Podman from which on its API changes the restart policy of a container that is made

USER = 10001  # whom the service's image runs as, and the proxy too


def engine() -> Engine | None:
    """Connect to the container engine that answers, else return None; ENGINE=none asks for none.

    ENGINE=docker or ENGINE=podman demands that engine, DOCKER_HOST the one that it names. Raises OutsideError when it
    does not answer, Refusal for any other word.
    """
    wanted = os.environ.get("ENGINE", "")
    if wanted not in ("", "none", "docker", "podman"):
        raise Refusal(f"ENGINE={wanted}: say docker, podman or none, or leave it out to take what answers")
    if wanted == "none":
        return None
    silent = []
    for address in connection.addresses(wanted):
        client, why = connection.connect(address)
        if client is not None:
            return client
        silent.append(f"{address} does not answer ({why})")
        log(f"infra.host: {silent[-1]}")
    if wanted:
        raise OutsideError(f"ENGINE={wanted}, but {'; '.join(silent) or 'none is installed'}; start it, or ENGINE=none")
    if named := os.environ.get("DOCKER_HOST"):  # what serves there is not to be taken for nothing
        raise OutsideError(f"DOCKER_HOST={named}, but {silent[0]}; start it, leave it out, or ENGINE=none")
    return None


def machine(client: Engine) -> "Machine | None":
    """Return the machine that an engine is on; None where it is this one."""
    return getattr(client, "machine", None)


def at(client: Engine, port: int, address: str = "127.0.0.1") -> str:
    """Return the URL by which a port of the engine's machine is reached from here.

    Raises Refusal where the engine is on another one, and no tunnel leads there.
    """
    far = machine(client)
    named = getattr(client, "address", "")
    if far is None and not connection.is_here(named):
        raise Refusal(
            f"DOCKER_HOST={named} is on another machine, whose service only that one reaches: say ssh://user@host"
        )
    return f"http://127.0.0.1:{far.reach(port, address)}" if far else f"http://{address}:{port}"


@contextlib.contextmanager
def asking(what: str) -> Iterator[None]:
    """Turn what an engine refuses into one sentence (OutsideError)."""
    import docker
    import requests
    import urllib3

    try:
        yield
    # the last two: of an engine that is killed amid an answer that the SDK reads bit by bit
    except (
        docker.errors.DockerException,
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        docker.errors.StreamParseError,
    ) as error:
        raise OutsideError(f"the container engine could not {what}: {first_line(error)}") from error


def has_bridge(client: Engine) -> bool:
    """Whether containers can have a network of their own with published ports (dockerd --bridge=none: they cannot)."""
    with asking("list its networks"):
        return any(network.attrs.get("Driver") == "bridge" for network in client.networks.list())


def podman(client: Engine) -> tuple[int, ...] | None:
    """Return the version of an engine that is Podman; None for another one."""
    with asking("tell its version"):
        parts = {part["Name"]: part["Version"] for part in client.version().get("Components") or []}
    found = re.match(r"(\d+)\.(\d+)", parts.get("Podman Engine", ""))
    return tuple(map(int, found.groups())) if found else None


def tells_later(client: Engine) -> bool:
    """Whether a container that runs can be told to come back when it dies: Podman before 5.1 is told at its making."""
    return (podman(client) or TOLD_LATER) >= TOLD_LATER


def clock(client: Engine) -> float:
    """Return what time it is on the engine's machine, in seconds since 1970."""
    with asking("tell the time"):
        return datetime.fromisoformat(client.info()["SystemTime"]).timestamp()


def has(client: Engine, reference: str) -> bool:
    """Whether the engine has an image already. Raises OutsideError."""
    import docker

    with asking(f"look for {reference}"):
        try:
            client.images.get(reference)
        except docker.errors.ImageNotFound:
            return False
    return True


def fetch(client: Engine, reference: str) -> None:
    """Pull an image unless the engine has it. Raises OutsideError."""
    if not has(client, reference):
        log(f"infra.host: pulling {reference}")
        with asking(f"pull {reference}"):
            # read to its end: the SDK's plain call passes over the layer that failed
            for step in client.api.pull(reference, stream=True, decode=True):
                if "error" in step:
                    why = str(step["error"]).strip()
                    raise OutsideError(f"the container engine could not pull {reference}: {why}")


def put(container: Container, folder: str, files: Mapping[str, str], below: str = "") -> None:
    """Write files into a folder of a container's volume, or into one `below` it that is made; they are USER's."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entries: list[tuple[str, bytes, bytes]] = [(below, b"", tarfile.DIRTYPE)] if below else []
        entries += [(f"{below}/{name}".lstrip("/"), text.encode(), tarfile.REGTYPE) for name, text in files.items()]
        for name, content, kind in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.size, entry.uid, entry.gid = kind, len(content), USER, USER
            entry.mode = 0o700 if kind == tarfile.DIRTYPE else 0o600
            archive.addfile(entry, io.BytesIO(content))
    with asking(f"write into {container.name}"):
        container.put_archive(folder, packed.getvalue())


def take(container: Container, path: str) -> str:
    """Read a file of a container; empty when there is none."""
    import docker

    with asking(f"read {path} of {container.name}"):
        try:
            packed = io.BytesIO(b"".join(container.get_archive(path)[0]))
        except docker.errors.NotFound:
            return ""
    with tarfile.open(fileobj=packed) as archive:
        file = archive.extractfile(archive.getmembers()[0])
        return file.read().decode() if file else ""


def run(container: Container, command: Sequence[str]) -> None:
    """Run a program in a running container, by its arguments: no shell. Raises OutsideError when it fails."""
    with asking(f"run {command[0]} in {container.name}"):
        done = container.exec_run(list(command))
    if done.exit_code:
        said = done.output.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise OutsideError(f"{command[0]} failed in the container {container.name}: {said[-1]}")
