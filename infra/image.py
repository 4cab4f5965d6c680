"""Build the service's image around a sealed bundle, when a container engine answers.

Reads   the bundle (build/model), serve/Dockerfile, the files .dockerignore lets in; ENGINE (docker, podman or none;
        empty: whichever answers), DOCKER_HOST; BASE_IMAGE (another base than the pinned one), BUILD_IMAGE (another
        image with pip, else BASE_IMAGE where that is set); PREDICTION_LOG (see infra.labels)
Prints  image=<model>:<first 12 digits of the bundle's digest>, or image= when no engine answers
Exits   0 built, or no engine; 1 the bundle is not what was sealed; 2 used wrongly; 3 the engine failed
"""

import io
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path

from infra import bundle as bundles
from infra import host, labels
from infra.bundle import Bundle
from infra.connection import Engine
from serve.bundle import BundleError
from validation.script import BUILD, NO, ROOT, YES, OutsideError, door, log, parser, result

DOCKERFILE = "serve/Dockerfile"


def build(engine: Engine, bundle: Bundle) -> str:
    """Build the image of a bundle and return its reference, <model>:<digest>.

    The engine's own builder does it through the API: no command line, no plug-in. Raises OutsideError.
    """
    reference = f"{bundle.slug}:{bundle.short}"
    base = os.environ.get("BASE_IMAGE")
    bases = {"BASE_IMAGE": base, "BUILD_IMAGE": os.environ.get("BUILD_IMAGE") or base}
    with host.asking(f"build {reference}"):
        steps = engine.api.build(
            fileobj=pack(bundle.folder),
            custom_context=True,
            dockerfile=DOCKERFILE,
            tag=reference,
            buildargs=labels.arguments(bundle) | {name: image for name, image in bases.items() if image},
            network_mode=None if host.has_bridge(engine) else "host",
            rm=True,
            forcerm=True,
            decode=True,
        )
        for step in steps:
            if "error" in step:
                why = str(step["error"]).strip()
                raise OutsideError(f"the container engine could not build {reference}: {why}; ENGINE=none does without")
            if text := str(step.get("stream", "")).strip():
                log(text)
    return reference


def pack(folder: Path) -> io.BytesIO:
    """Pack the build's context: what .dockerignore lets in, and the bundle, wherever it lies, as build/model.

    Owners and times are left out, so that an unchanged file is found in the engine's cache.
    """
    from docker.utils.build import exclude_paths

    rules = (ROOT / ".dockerignore").read_text().splitlines()
    names = exclude_paths(str(ROOT), rules, DOCKERFILE)
    files = {name: ROOT / name for name in names if not name.startswith(("build", ".dockerignore"))}
    files |= {f"build/model/{path.relative_to(folder).as_posix()}": path for path in folder.rglob("*")}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, path in sorted(files.items()):
            if path.is_file():
                archive.add(path, name, filter=_anonymous)
    packed.seek(0)
    return packed


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o644  # the service is another user in there
    return entry


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Build the image, or say that there is no engine to build it with."""
    arguments = parser(__doc__)
    arguments.add_argument("--bundle", type=Path, default=BUILD / "model", help="the sealed bundle")
    given = arguments.parse_args(argv)
    try:
        sealed = bundles.read(given.bundle)
    except BundleError as error:
        log(f"infra.image: {error}; export the bundle again")
        return NO
    engine = host.engine()
    if engine is None:
        log("infra.image: no container engine answers, so no image is built; deploy starts a process instead")
        result("image=")
    else:
        result(f"image={build(engine, sealed)}")
    return YES


if __name__ == "__main__":
    raise SystemExit(main())
