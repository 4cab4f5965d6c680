"""The one door to a container engine (Docker, or Podman by the same API); without one, None comes back and is said."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infra import credentials, process
from validation.script import OutsideError, Refusal, log

Engine = Any  # docker.DockerClient; the SDK has no types
Container = Any

ANSWER_SECONDS = 3.0  # a healthy engine answers its version within milliseconds
SILENCES = {  # what the SDK wraps three times over, in plain words
    "timed out": f"nothing within {ANSWER_SECONDS:g} s",
    "No such file": "no such socket",
    "Connection refused": "nobody listens there",
    "Permission denied": "permission denied; may you use this engine?",
}
WORK_SECONDS = 300.0  # for one call, a layer of a build included
INSIDE = 8000  # the port of the service within its container, see serve/Dockerfile


def engine() -> Engine | None:
    """Connect to the container engine that answers, else return None; ENGINE=none asks for none.

    ENGINE=docker or ENGINE=podman demands that engine. Raises OutsideError when it does not answer, Refusal for any
    other word.
    """
    wanted = os.environ.get("ENGINE", "")
    if wanted not in ("", "none", "docker", "podman"):
        raise Refusal(f"ENGINE={wanted}: say docker, podman or none, or leave it out to take what answers")
    if wanted == "none":
        return None
    silent = []
    for address in _addresses(wanted):
        client, why = _connect(address)
        if client is not None:
            return client
        silent.append(f"{address} does not answer ({why})")
        log(f"infra.host: {silent[-1]}")
    if wanted:
        raise OutsideError(f"ENGINE={wanted}, but {'; '.join(silent) or 'none is installed'}; start it, or ENGINE=none")
    return None


def _addresses(wanted: str) -> list[str]:
    """List where an engine may listen: DOCKER_HOST alone if it is set, else the usual sockets that exist."""
    if wanted != "podman" and os.environ.get("DOCKER_HOST"):
        return [os.environ["DOCKER_HOST"]]
    home, runtime = Path.home(), Path(os.environ.get("XDG_RUNTIME_DIR") or "/nonexistent")
    docker = ("/var/run/docker.sock", runtime / "docker.sock", home / ".docker/run/docker.sock")
    podman = (runtime / "podman/podman.sock", "/run/podman/podman.sock")
    sockets = {"": docker + podman, "docker": docker, "podman": podman}[wanted]
    return [f"unix://{socket}" for socket in map(Path, sockets) if socket.exists()]


def _connect(address: str) -> tuple[Engine | None, str]:
    import docker
    import requests

    settings = docker.utils.kwargs_from_env() | {"base_url": address}  # TLS of a remote engine comes with it
    try:
        client = docker.DockerClient(**settings, version="auto", timeout=ANSWER_SECONDS)
        client.ping()
    except (docker.errors.DockerException, requests.RequestException, OSError, ValueError) as error:
        return None, next((said for sign, said in SILENCES.items() if sign in str(error)), _first_line(error))
    client.api.timeout = WORK_SECONDS
    return client, ""


@contextlib.contextmanager
def asking(what: str) -> Iterator[None]:
    """Turn what an engine refuses into one sentence (OutsideError)."""
    import docker
    import requests

    try:
        yield
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise OutsideError(f"the container engine could not {what}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    text = str(getattr(error, "explanation", None) or error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def has_bridge(client: Engine) -> bool:
    """Whether containers can have a network of their own with published ports (dockerd --bridge=none: they cannot)."""
    with asking("list its networks"):
        return any(network.attrs.get("Driver") == "bridge" for network in client.networks.list())


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
            client.api.pull(reference)


def start(
    client: Engine, reference: str, name: str, *, port: int | None, labels: Mapping[str, str], restart: bool
) -> Container:
    """Start the service's image on 127.0.0.1:`port` (None: a free one), read-only and without any privilege."""
    told, volumes = credentials.for_container(os.environ)
    settings: dict[str, Any] = {"ports": {f"{INSIDE}/tcp": ("127.0.0.1", port)}}
    if not has_bridge(client):
        port = port or free_port()
        told |= {"HOST": "127.0.0.1", "PORT": str(port)}
        told.pop("INSECURE", None)  # there the service sees for itself that it listens on loopback
        settings = {"network_mode": "host"}
        labels = {**labels, "gatehouse.port": str(port)}  # the engine knows of no port then
    with asking(f"start {name}"):
        return client.containers.run(
            reference,
            name=name,
            labels=dict(labels),
            detach=True,
            read_only=True,
            tmpfs={"/tmp": "size=64m"},  # noqa: S108 -- the container's own, in memory
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            pids_limit=256,
            restart_policy={"Name": "unless-stopped"} if restart else None,
            environment=told,
            volumes=volumes,
            **settings,
        )


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on at this moment."""
    with process.listen(0) as listener:
        return process.port_of(listener)


def url(container: Container) -> str:
    """Return where a running container answers."""
    with asking(f"describe {container.name}"):
        container.reload()
    settings = container.attrs
    published = next(
        (
            ports[f"{INSIDE}/tcp"][0]["HostPort"]
            for ports in (settings["NetworkSettings"].get("Ports"), settings["HostConfig"].get("PortBindings"))
            if ports and ports.get(f"{INSIDE}/tcp")
        ),
        None,
    )
    return f"http://127.0.0.1:{published or container.labels['gatehouse.port']}"
