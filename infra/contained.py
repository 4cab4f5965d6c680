"""One container of the service: how it is started, asked, and ended."""

import os
import secrets
from collections.abc import Mapping
from typing import Any

from infra import asked, host, process, told
from infra.connection import Engine
from infra.host import Container
from infra.network import Network, free_port
from validation.script import OutsideError

INSIDE = 8000  # the port of the service within its container, see serve/Dockerfile
UPSTREAM = "gatehouse.upstream"  # label: where the proxy reaches a container
IMAGE = "gatehouse.image"  # label: the image as it was ordered, for the engine itself knows a container's by its id
TOLD = "gatehouse.told"  # label: the digest of what it was told of the environment, never that itself
OPEN = "gatehouse.insecure"  # label: yes where it was told to ask nobody for a key
PORT = "gatehouse.port"  # label: its port on the machine, where it has no network of its own
LOGS = {"max-size": "10m", "max-file": "3"}  # of a container, which the engine would keep whole
PIDS = 256
DRAIN_SECONDS = 30  # for requests under way when a container is stopped


def start(
    client: Engine,
    reference: str,
    name: str,
    network: Network,
    labels: Mapping[str, str],
    memory: int,
    *,
    proven: bool = False,
) -> Container:
    """Start the service's image where the proxy and this machine alone reach it, read-only and without any privilege.

    `memory` is in bytes; beyond them the engine kills it. One that is `proven` comes back when it dies, another once
    `keep` says so, where the engine can be told later. Raises Refusal for a setting that cannot be passed on.
    """
    said = told.tell(os.environ, exposed=network.exposed, elsewhere=host.machine(client) is not None)
    variables = {**said.variables, "FORWARDED_ALLOW_IPS": network.trusted}
    labels = {**labels, TOLD: said.digest, OPEN: "yes" if said.asks_nobody else "no"}
    if network.bridged:
        alias = f"service-{secrets.token_hex(4)}"  # of its own, for names change with the role
        labels = {**labels, UPSTREAM: f"{alias}:{INSIDE}"}
        settings = network.joined(client, alias) | {"ports": {f"{INSIDE}/tcp": ("127.0.0.1", None)}}
    else:
        port = free_port(client)
        variables |= {"HOST": "127.0.0.1", "PORT": str(port)}
        if not network.exposed:
            variables.pop("INSECURE", None)  # the service sees for itself that it listens on loopback
        labels = {**labels, UPSTREAM: f"127.0.0.1:{port}", PORT: str(port)}  # the engine knows of no port then
        settings = {"network_mode": "host"}
    volumes = {told.SPOOL: network.volume("spool")} if said.spools else {}
    settings |= {"environment": variables} | ({"restart_policy": kept(client)} if proven else at_birth(client))
    made = create(client, reference, name, labels, memory, volumes, said.folders, **settings)
    try:
        if said.spools:
            host.put(made, told.SPOOL, {}, told.SPOOLED.rpartition("/")[2])
        with host.asking(f"start {name}"):
            made.start()
    except BaseException:
        remove(made)  # nobody knows its id yet
        raise
    return made


def create(
    client: Engine,
    reference: str,
    name: str,
    labels: Mapping[str, str],
    memory: int,
    volumes: Mapping[str, str],
    folders: Mapping[str, tuple[str, bool]],
    **settings: Any,
) -> Container:
    """Make a container that may write to memory and to its volumes (within: name) alone; `folders` are as in Told."""
    from docker.types import LogConfig, Mount

    mounts = [Mount(within, name, type="volume", labels=dict(labels)) for within, name in volumes.items()]
    # type bind: the engine refuses a folder that is not there, where it would make an empty one for a "volume"
    mounts += [Mount(within, name, type="bind", read_only=not ours) for within, (name, ours) in folders.items()]
    with host.asking(f"make {name}"):
        return client.containers.create(
            reference,
            name=name,
            labels=dict(labels),
            read_only=True,
            tmpfs={"/tmp": "size=64m"},  # noqa: S108 -- the container's own, in memory
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            pids_limit=PIDS,
            mem_limit=memory,
            memswap_limit=memory,  # no swap beside it: a service that crawls serves nobody
            log_config=LogConfig(type=LogConfig.types.JSON, config=LOGS),
            mounts=mounts,
            **settings,
        )


def kept(client: Engine) -> dict[str, str]:
    """Return the policy of what is started again when it dies, and with the machine."""
    return {"Name": "always" if host.podman(client) else "unless-stopped"}  # podman-restart.service passes that over


def at_birth(client: Engine) -> dict[str, Any]:
    """Return what a container is made with that has to come back when it dies, where it cannot be told so later."""
    return {} if host.tells_later(client) else {"restart_policy": kept(client)}


def keep(client: Engine, container: Container) -> None:
    """Let a container come back when it dies, and with the machine."""
    if host.tells_later(client):
        with host.asking(f"keep {container.name}"):
            container.update(restart_policy=kept(client))


def image(container: Container) -> str:
    """Return a container's image: by the digest that it was ordered by, else by its id in this engine."""
    ordered = str(container.labels.get(IMAGE, ""))
    return ordered if "@sha256:" in ordered else str(container.attrs["Image"])


def port(container: Container) -> int:
    """Return the port of its machine's loopback at which a container answers by itself."""
    with host.asking(f"describe {container.name}"):
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
    return int(published or container.labels[PORT])


def url(client: Engine, container: Container) -> str:
    """Return where a running container answers by itself."""
    return host.at(client, port(container))


def running(container: Container) -> bool:
    """Whether a container runs."""
    with host.asking(f"look at {container.name}"):
        container.reload()
    return bool(container.attrs["State"]["Running"])


def ended(container: Container, *, proven: bool = True) -> str | None:
    """Say how a container ended, or None while it runs or is about to; one that is not `proven` may not come back."""
    with host.asking(f"look at {container.name}"):
        container.reload()
    state = container.attrs["State"]
    if not proven and container.attrs.get("RestartCount"):
        return "it ended, and the engine started it again"
    if state["Status"] not in ("exited", "dead"):
        return None
    memory = ": it took more memory than it may" if state.get("OOMKilled") else ""
    return f"it ended with exit code {state['ExitCode']}{memory}"


def tail(container: Container, lines: int = 12) -> list[str]:
    """Return the last lines of a container's log."""
    with host.asking("show a log"):
        return str(container.logs(tail=lines).decode(errors="replace")).splitlines()


def start_again(container: Container) -> str | None:
    """Start a container that was stopped, or ended; return why it cannot be (a folder of it is gone), or None."""
    if not running(container):
        try:
            with host.asking(f"start {container.name} again"):
                container.start()
        except OutsideError as error:
            return str(error)
    return None


def come_up(client: Engine, container: Container, seconds: float) -> str | None:
    """Let a container get ready, started again if need be; return why it did not, or None."""
    if why := start_again(container):
        return why
    address = url(client, container)
    if process.wait(lambda: asked.is_ready(address) or ended(container) is not None, seconds):
        return ended(container)
    return f"it was not ready within {seconds:g} s"


def remove(container: Container | None, drain: int = 0) -> None:
    """Remove a container, after `drain` seconds at most for requests under way; 0 for one that has none."""
    if container is None:
        return
    with host.asking(f"remove {container.name}"):
        if drain:
            container.stop(timeout=drain)
        container.remove(force=True)
