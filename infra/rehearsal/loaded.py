"""An image that is put into the nodes of a cluster of kind, where it has a digest and no registry is needed.

`kind load` names what it brings by its tag, under which no digest is found (kubernetes-sigs/kind, issue 2394). The
containerd of a node, asked itself, names an image by the digest of its manifest, and gives both back byte by byte.
"""

import contextlib
import functools
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra import host, hub
from infra.connection import Engine
from infra.rehearsal import kind
from validation.script import OutsideError, Refusal, log

HOST = "kind.local"  # of images that are in the nodes alone; no registry has this name
ARCHIVE = "gatehouse-image.tar"  # at the top of a node's files, while it is taken in
CTR = ("ctr", "--namespace=k8s.io")  # where the cluster's images are

Node = Any  # docker.models.containers.Container; the SDK has no types


@contextlib.contextmanager
def in_nodes(engine: Engine, built: str, name: str, folder: Path) -> Iterator[str]:
    """Put an image of the engine into every node; give it by its digest, read from a node, while the block runs.

    Raises Refusal when the nodes are in another engine, OutsideError when the engine or a node fails.
    """
    nodes = [_node(engine, one) for one in kind.nodes()]
    base = f"{HOST}/{name}"
    log(f"infra.rehearse: {built} is put into {' and '.join(node.name for node in nodes) or 'no node'}")
    with _packed(engine, built, folder) as packed:
        references = {_take_in(node, packed, base) for node in nodes}
    if len(references) != 1:
        raise OutsideError(f"{len(nodes)} nodes of kind have {len(references)} different images of {built}")
    with hub.elsewhere(HOST, functools.partial(_content, nodes[0])):
        yield references.pop()


def _node(engine: Engine, name: str) -> Node:
    import docker

    with host.asking(f"look for the node {name}"):
        try:
            return engine.containers.get(name)
        except docker.errors.NotFound:
            raise Refusal(
                f"the container engine that builds has no container {name}, the node of kind: let both use the same one"
                " (ENGINE, DOCKER_HOST, KIND_EXPERIMENTAL_PROVIDER)"
            ) from None


@contextlib.contextmanager
def _packed(engine: Engine, built: str, folder: Path) -> Iterator[Path]:
    """Save an image, and pack that once more, which is how an engine takes files for a container."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as home:
        saved, packed = Path(home, "saved"), Path(home, "packed")
        with host.asking(f"save {built}"), saved.open("wb") as file:
            for piece in engine.images.get(built).save(named=built):
                file.write(piece)
        with tarfile.open(packed, "w") as archive:
            archive.add(saved, ARCHIVE)
        yield packed


def _take_in(node: Node, packed: Path, base: str) -> str:
    """Let a node's containerd take an image in; return `base`@ and the digest that it has there."""
    try:
        with host.asking(f"copy an image into {node.name}"), packed.open("rb") as file:
            node.put_archive("/", file)
        # unpacked by whoever starts it first: that one knows where the cluster keeps its layers
        _run(node, *CTR, "images", "import", "--digests", f"--base-name={base}", "--no-unpack", f"/{ARCHIVE}")
    finally:
        _run(node, "rm", "-f", f"/{ARCHIVE}")
    names = _run(node, *CTR, "images", "list", "--quiet").decode().split()
    found = [name for name in names if name.startswith(f"{base}@")]
    if len(found) != 1:
        raise OutsideError(f"{node.name} has {len(found)} images named {base}@..., and not one")
    return found[0]


def _content(node: Node, path: str, _: tuple[str, ...]) -> bytes:
    """Read what a path of the distribution API names from the node's containerd."""
    return _run(node, *CTR, "content", "get", path.rpartition("/")[2])


def _run(node: Node, *command: str) -> bytes:
    """Run a program in a node; return its stdout. Raises OutsideError when it fails."""
    with host.asking(f"run {' '.join(command[:4])} in {node.name}"):
        done = node.exec_run(list(command), demux=True)
    out, error = done.output
    if done.exit_code:
        lines = [line.strip() for line in (error or out or b"").decode(errors="replace").splitlines() if line.strip()]
        raise OutsideError(f"{node.name}: {' '.join(command[:4])} failed: {(lines or ['no reason given'])[-1]}")
    return out or b""
