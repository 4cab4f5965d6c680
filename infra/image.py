"""Build the service's image around a sealed bundle, when a container engine answers.

Reads:  the bundle (build/model), serve/Dockerfile, the files .dockerignore lets in; ENGINE (docker, podman or none;
        empty: whichever answers), DOCKER_HOST, BASE_IMAGE (another base than the pinned one)
Prints: image=<model>:<first 12 digits of the bundle's digest>, or image= when no engine answers
Exits:  0 built, or no engine; 1 the bundle is not what was sealed; 2 used wrongly; 3 the engine failed
"""

from collections.abc import Sequence
from pathlib import Path

from infra import bundle, host
from serve.bundle import BundleError
from validation.script import BUILD, NO, YES, door, log, parser, result


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Build the image, or say that there is no engine to build it with."""
    arguments = parser(__doc__)
    arguments.add_argument("--bundle", type=Path, default=BUILD / "model", help="the sealed bundle")
    given = arguments.parse_args(argv)
    try:
        sealed = bundle.read(given.bundle)
    except BundleError as error:
        log(f"infra.image: {error}")
        return NO
    engine = host.engine()
    if engine is None:
        log("infra.image: no container engine answers, so no image is built; deploy starts a local process instead")
        result("image=")
    else:
        result(f"image={host.build(engine, sealed)}")
    return YES


if __name__ == "__main__":
    raise SystemExit(main())
