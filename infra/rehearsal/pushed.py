"""An image of the bundle for a rehearsal on a laptop: built here, pushed to CLUSTER_REGISTRY, known by its digest.

`kind load` is no way: what it brings into a node has no digest there, and a deployment names images by nothing else.
"""

import json
import os

from infra import connection, host, hub, image, publish
from infra.bundle import Bundle
from infra.connection import Engine
from infra.verified import UnverifiedError
from validation.script import OutsideError, Refusal, log


def must_be_possible() -> None:
    """Raise Refusal when there is no image and nowhere to push one to."""
    registry = os.environ.get("CLUSTER_REGISTRY", "")
    if not registry:
        raise Refusal(
            "there is no image: give a published one by its digest (--image REPOSITORY@sha256:...), or set"
            " CLUSTER_REGISTRY to a registry that this machine pushes to and the cluster pulls from (`kind load` loses"
            " the digest)"
        )
    if not os.environ.get("KUBECONFIG") and hub.LOCAL.fullmatch(registry.partition("/")[0]):
        raise Refusal(
            f"CLUSTER_REGISTRY={registry} means the node itself within a cluster of kind: name a registry that both"
            " reach, or set KUBECONFIG"
        )


def push(sealed: Bundle) -> str:
    """Build the image of a bundle, push it, note its publication, and return it by its digest.

    Raises Refusal without an engine, OutsideError when the engine or the registry fails.
    """
    engine = host.engine()
    if engine is None:
        raise Refusal("no container engine answers to build an image with: start one, or give --image")
    built = image.build(engine, sealed)
    pusher = _pusher(engine, built)
    with host.asking(f"push {built} to {os.environ['CLUSTER_REGISTRY']}"):
        layers = engine.images.get(built).attrs["RootFS"]["Layers"]
        name, tag = f"{os.environ['CLUSTER_REGISTRY'].rstrip('/')}/{sealed.slug}", sealed.short
        pusher.images.get(built).tag(name, tag)
        told = [json.loads(line) for line in pusher.images.push(name, tag).splitlines() if line.strip()]
    if wrong := [str(one["error"]) for one in told if "error" in one]:
        raise OutsideError(f"the container engine could not push {name}:{tag}: {wrong[0]}")
    (digest,) = [one["aux"]["Digest"] for one in told if "Digest" in one.get("aux", {})]
    reference = f"{name}@{digest}"
    try:
        publish.publish(sealed, hub.look(reference), hub.content_of(layers))
    except (UnverifiedError, hub.NoSuchImageError) as error:
        raise OutsideError(f"the registry has another image than was pushed: {error}") from error
    log(f"infra.rehearse: pushed {reference}")
    return reference


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
