"""An image that is pushed to a registry, by the engine that built it or by another one that reaches the registry."""

import json
import os

from infra import connection, host
from infra.connection import Engine
from validation.script import OutsideError


def push(engine: Engine, built: str, name: str, tag: str) -> str:
    """Push an image of an engine, and return it by the digest that it has there.

    CLUSTER_ENGINE is the engine that pushes, if it is another one. Raises OutsideError when one of them fails.
    """
    pusher = _pusher(engine, built)
    with host.asking(f"push {built} to {name}"):
        pusher.images.get(built).tag(name, tag)
        told = [json.loads(line) for line in pusher.images.push(name, tag).splitlines() if line.strip()]
    if wrong := [str(one["error"]) for one in told if "error" in one]:
        raise OutsideError(f"the container engine could not push {name}:{tag}: {wrong[0]}")
    (digest,) = [one["aux"]["Digest"] for one in told if "Digest" in one.get("aux", {})]
    return f"{name}@{digest}"


def _pusher(engine: Engine, built: str) -> Engine:
    """Return the engine that reaches the registry, CLUSTER_ENGINE if that is another one; it has the image then."""
    address = os.environ.get("CLUSTER_ENGINE", "")
    if not address:
        return engine
    other, why = connection.connect(address)
    if other is None:
        raise OutsideError(f"CLUSTER_ENGINE={address} does not answer ({why})")
    with host.asking(f"hand {built} to {address}"):
        other.images.load(b"".join(engine.images.get(built).save(named=built)))
    return other
