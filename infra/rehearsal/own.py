"""An image for a rehearsal where none is published: built here, and brought to where the cluster finds it.

That is CLUSTER_REGISTRY, a registry that both reach; without one it is put into the nodes that kind made.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from infra import host, hub, image, publish
from infra.bundle import Bundle
from infra.connection import Engine
from infra.rehearsal import loaded, pushed
from infra.verified import UnverifiedError
from validation.script import OutsideError, Refusal, log


def must_be_possible() -> None:
    """Raise Refusal when no image can be built, or none be brought to the cluster."""
    registry = os.environ.get("CLUSTER_REGISTRY", "")
    given = bool(os.environ.get("KUBECONFIG"))
    if given and not registry:
        raise Refusal(
            "there is no image: give a published one by its digest (--image REPOSITORY@sha256:...), or set"
            " CLUSTER_REGISTRY to a registry that this machine pushes to and the cluster of KUBECONFIG pulls from"
        )
    if not given and hub.LOCAL.fullmatch(registry.partition("/")[0]):
        raise Refusal(
            f"CLUSTER_REGISTRY={registry} means the node itself within a cluster of kind: leave it out, and the image"
            " is put into the node; or set KUBECONFIG"
        )
    _engine()


@contextlib.contextmanager
def image_of(sealed: Bundle, folder: Path) -> Iterator[str]:
    """Build the image of a bundle, bring it, note its publication, and give it by its digest while the block runs.

    Raises Refusal without an engine, OutsideError when the engine, the registry or the node fails.
    """
    engine = _engine()
    built = image.build(engine, sealed)
    with host.asking(f"look at {built}"):
        layers = engine.images.get(built).attrs["RootFS"]["Layers"]
    registry = os.environ.get("CLUSTER_REGISTRY", "").rstrip("/")
    with contextlib.ExitStack() as stack:
        if registry:
            reference = pushed.push(engine, built, f"{registry}/{sealed.slug}", sealed.short)
        else:
            reference = stack.enter_context(loaded.in_nodes(engine, built, sealed.slug, folder))
        try:
            publish.publish(sealed, hub.look(reference), hub.content_of(layers))
        except (UnverifiedError, hub.NoSuchImageError) as error:
            raise OutsideError(f"another image arrived than was built: {error}") from error
        log(f"infra.rehearse: brought {reference}")
        yield reference


def _engine() -> Engine:
    engine = host.engine()
    if engine is None:
        raise Refusal("no container engine answers to build an image with: start one, or give --image")
    return engine
