"""Measure the service's image: megabytes by layer, and seconds from its start until it is ready, against IMAGE.

The quickest of three starts counts, as the machine is shared; each is read-only and without privilege, as deployed.

Reads   an image that the container engine has; IMAGE of config.py; ENGINE, DOCKER_HOST
Prints  a table: megabytes of each layer, seconds, bounds, verdict
Writes  build/image/measured.json: the same, and the digests of the layers, by which infra.publish knows them again
Exits   0 within the bounds; 1 beyond one of them, or never ready; 2 used wrongly, no engine, or no image of ours; 3 the
        engine failed
"""

import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

from infra import contained, host, hub, labels, network
from infra.asked import is_ready
from infra.connection import Engine
from infra.containers import MEMORY
from infra.image import DOCKERFILE
from validation import contract
from validation.contract import Image
from validation.script import BUILD, NO, YES, Refusal, door, log, parser, result, to_json, writing

OURS = ("libraries", "bytecode", "service", "bundle")  # what serve/Dockerfile lays on the base, in that order
# a row of the history that lays a stage's folder over the root: by the classic builder, and by BuildKit and Podman.
# Sizes tell nothing: where the engine keeps images as containerd does, a WORKDIR weighs 4 kB
LAID = re.compile(r"(?:/bin/sh -c #\(nop\) +)?COPY (?:dir|file|multi):\S+ in / *|COPY /layers/(\w+) / # buildkit")
STARTS = 3
PATIENCE = 60.0  # seconds until a start has failed, whatever the bound
MB = 1e6


@dataclass(frozen=True)
class Measured:
    """What an image weighs by layer (MB) and how long its starts took (seconds; none when one never got ready)."""

    base: str
    layers: dict[str, float]
    starts: tuple[float, ...]
    content: str = ""  # as `infra.hub.content_of` names it

    @property
    def own(self) -> float:
        """MB laid on the base."""
        return sum(self.layers[name] for name in OURS)

    @property
    def whole(self) -> float:
        """MB with the base."""
        return self.own + self.layers["base"]


def weigh(engine: Engine, reference: str) -> Measured:
    """Return the base of an image, MB by layer and its content. Raises Refusal when it is not built as ours are."""
    if not host.has(engine, reference):
        raise Refusal(f"the container engine has no image {reference}; `make image` builds one")
    with host.asking(f"describe {reference}"):
        image = engine.images.get(reference)
        rows = engine.api.history(image.id)  # the newest first
    base = str((image.labels or {}).get(labels.BASE) or "")
    layers = by_layer(list(reversed(rows)))
    if not base or layers is None:
        raise Refusal(f"{reference} was not built from {DOCKERFILE}: it does not name its base, or lacks a layer")
    return Measured(base, layers, (), hub.content_of(image.attrs["RootFS"]["Layers"]))


def by_layer(history: Sequence[Mapping[str, Any]]) -> dict[str, float] | None:
    """Return MB by layer of an image's history, the oldest row first; None unless just our four are laid over its root.

    What stands between them, as a folder that is made, is counted with the layer before it.
    """
    laid = [(place, found) for place, row in enumerate(history) if (found := LAID.fullmatch(str(row["CreatedBy"])))]
    laid = laid[-len(OURS) :] if all(found[1] is None for _, found in laid) else [one for one in laid if one[1][1]]
    if len(laid) != len(OURS) or any(found[1] not in (None, name) for (_, found), name in zip(laid, OURS, strict=True)):
        return None
    ends = [0, *(place for place, _ in laid), len(history)]
    sizes = [sum(int(row["Size"]) for row in history[one:other]) / MB for one, other in pairwise(ends)]
    return dict(zip(("base", *OURS), sizes, strict=True))


def start(engine: Engine, reference: str, number: int) -> float | None:
    """Start an image and return the seconds until it answered that it is ready; None when it never did."""
    began = time.monotonic()
    name = f"gatehouse-measured-{number}-{secrets.token_hex(4)}"
    try:
        alone = network.network(engine, name, name, exposed=False)
        container = contained.start(engine, reference, name, alone, {}, MEMORY)
        url = contained.url(engine, container)
        while time.monotonic() - began < PATIENCE:
            if is_ready(url):
                return time.monotonic() - began
            time.sleep(0.005)
        log(f"infra.measure: {reference} was not ready within {PATIENCE:g} s")
        return None
    finally:
        _clear(engine, name)


def _clear(engine: Engine, name: str) -> None:
    """Remove all that a start has made, as far as it came."""
    with host.asking(f"remove {name}"):
        for container in engine.containers.list(all=True, filters={"name": f"^/?{name}$"}):
            container.remove(force=True)
        for volume in engine.volumes.list(filters={"name": name}):
            volume.remove(force=True)
    network.remove(engine, name)


def faults(measured: Measured, bounds: Image) -> list[str]:
    """Name each bound that is broken, in a sentence; the whole is bounded on the pinned base alone."""
    found = []
    if measured.base == labels.pinned_base() and not measured.whole <= bounds.max_mb:
        found.append(f"the image has {measured.whole:.1f} MB, and IMAGE allows {bounds.max_mb:g}")
    if not measured.own <= bounds.max_own_mb:
        heaviest = max(OURS, key=lambda layer: measured.layers[layer])
        found.append(
            f"{measured.own:.1f} MB are laid on the base, most of them {heaviest}, and IMAGE allows"
            f" {bounds.max_own_mb:g}"
        )
    if len(measured.starts) < STARTS:
        found.append(f"it was ready after {len(measured.starts)} of {STARTS} starts; its log tells why")
    elif not min(measured.starts) <= bounds.ready_seconds:
        found.append(f"its quickest start took {min(measured.starts):.2f} s, and IMAGE allows {bounds.ready_seconds:g}")
    return found


def table(reference: str, measured: Measured, bounds: Image, broken: Sequence[str]) -> str:
    """Show what was measured as Markdown."""
    rows = [f"| {name} | {size:.1f} MB | |" for name, size in measured.layers.items()]
    pinned = measured.base == labels.pinned_base()
    whole = f"at most {bounds.max_mb:g} MB" if pinned else "not bounded: another base than the pinned one"
    rows.append(f"| laid on the base | {measured.own:.1f} MB | at most {bounds.max_own_mb:g} MB |")
    rows.append(f"| all | {measured.whole:.1f} MB | {whole} |")
    took = f"{min(measured.starts):.2f} s" if measured.starts else "never"
    rows.append(f"| ready, the quickest of {STARTS} starts | {took} | at most {bounds.ready_seconds:g} s |")
    head = f"Image {reference} on {measured.base.partition('@')[0]}: {'; '.join(broken) or 'within its bounds'}."
    return "\n".join([head, "", "| part | measured | bound |", "| --- | --- | --- |", *rows])


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Measure an image."""
    options = parser(__doc__)
    options.add_argument("--image", required=True, help="an image that the engine has")
    reference = options.parse_args(argv).image
    bounds = contract.load().image
    engine = host.engine()
    if engine is None:
        raise Refusal("no container engine answers, so no image can be measured; start one")
    weighed = weigh(engine, reference)
    starts = [start(engine, reference, number) for number in range(STARTS)]
    measured = replace(weighed, starts=tuple(seconds for seconds in starts if seconds is not None))
    broken = faults(measured, bounds)
    for fault in broken:
        log(f"infra.measure: {fault}")
    with writing(BUILD / "image/measured.json") as file:
        file.write(to_json(asdict(measured) | {"faults": broken}))
    result(table(reference, measured, bounds, broken))
    return NO if broken else YES


if __name__ == "__main__":
    raise SystemExit(main())
