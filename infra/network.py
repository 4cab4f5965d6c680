"""Where the containers of a home meet: in a network of their own, or, where the engine has none, on the machine's."""

import secrets
from dataclasses import dataclass
from typing import Any

from infra import host, process
from infra.connection import Engine


@dataclass(frozen=True)
class Network:
    """`name` is the prefix of all that belongs to a home; `trusted` are the addresses that the proxy asks from.

    `exposed` tells that others than the machine itself reach the proxy.
    """

    name: str
    bridged: bool
    trusted: str
    exposed: bool

    def joined(self, client: Engine, alias: str) -> dict[str, Any]:
        """Return how a container joins under a name of its own."""
        if not self.bridged:
            return {"network_mode": "host"}
        named = {self.name: client.api.create_endpoint_config(aliases=[alias])}
        return {"network": self.name, "networking_config": named}

    def volume(self, what: str) -> str:
        """Name a volume of this home."""
        return f"{self.name}-{what}"


def network(client: Engine, name: str, home: str, exposed: bool) -> Network:
    """Return the network of a home; it is made where it lacks. Raises OutsideError."""
    if not host.has_bridge(client):
        return Network(name, False, "127.0.0.1", exposed)
    with host.asking(f"make the network {name}"):
        found = [one for one in client.networks.list(names=[name]) if one.name == name]
        made = found[0] if found else client.networks.create(name, driver="bridge", labels={"gatehouse.home": home})
        made.reload()
    subnets = [config["Subnet"] for config in made.attrs["IPAM"]["Config"]]
    return Network(name, True, ",".join(subnets), exposed)


def remove(client: Engine, name: str) -> None:
    """Remove the network of a home, if there is one, once its containers are gone."""
    with host.asking(f"remove the network {name}"):
        for one in client.networks.list(names=[name]):
            if one.name == name:
                one.remove()


def free_port(client: Engine) -> int:
    """Return a port of 127.0.0.1 that nobody listens on at this moment; of another machine's it is guessed."""
    if host.machine(client) is not None:
        return 20_000 + secrets.randbelow(10_000)
    with process.listen(0) as listener:
        return process.port_of(listener)
