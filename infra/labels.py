"""Say what a bundle is, in the words that label its image, and where that image is kept.

Reads   the bundle (build/model); PREDICTION_LOG, as the service that ships its log itself takes Arrow along; the commit
        of the code: GITHUB_SHA, else git
Prints  name= (the image without tag or digest), base= (what it stands on), then a line for each build argument of
        serve/Dockerfile: libraries=, source=, revision=, model=, version=, model-commit=, model-digest=, data-digest=,
        bundle-digest=
Exits   0 printed; 1 the bundle is not what was sealed; 2 used wrongly
"""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from infra import bundle as bundles
from infra.bundle import Bundle
from serve.bundle import BundleError, read_json
from serve.runtime import LIBRARIES, runtime_of
from serve.words import ONNX
from train.travel import ledger
from validation.script import BUILD, NO, ROOT, YES, Refusal, door, log, parser, result

KEEPER = "ghcr.io"
SHIPPING = "serve/remembered/requirements.txt"  # the libraries of a service that ships its prediction log itself
MODEL, VERSION, MODEL_DIGEST = "gatehouse.model", "gatehouse.model-version", "gatehouse.model-digest"
MODEL_COMMIT, DATA_DIGEST, BUNDLE = "gatehouse.model-commit", "gatehouse.data-digest", "gatehouse.bundle"
REVISION, BASE = "org.opencontainers.image.revision", "org.opencontainers.image.base.name"


def name(repository: str) -> str:
    """Return the name of a repository's image; registries take no capitals.

    Raises Refusal when it is no owner/name.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository, re.ASCII):
        raise Refusal(f"{repository!r} is no owner/name of a repository")
    return f"{KEEPER}/{repository.lower()}"


def pinned_base() -> str:
    """Return the base that the Dockerfile pins."""
    found = re.search(r"^ARG BASE_IMAGE=(\S+)", (ROOT / "serve/Dockerfile").read_text(), re.MULTILINE)
    return found.group(1) if found else ""


def revision() -> str:
    """Return the commit whose code the image holds, with `-dirty` where the tree differs; say where it is unknown."""
    found = ledger.commit()
    if found == ledger.UNKNOWN:
        log(f"infra.labels: {ROOT} is no git checkout, so the image's revision is unknown; GITHUB_SHA can say it")
    elif not os.environ.get("GITHUB_SHA") and not found.endswith("-dirty") and _adds():
        found += "-dirty"
    return found


def _adds() -> bool:
    """Whether the image takes files that no commit has."""
    command = ["git", "ls-files", "--others", "--exclude-standard", "--", "serve"]
    return bool(subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=20).stdout.strip())


def arguments(bundle: Bundle) -> dict[str, str]:
    """Return the build arguments of serve/Dockerfile that say what a bundle is; unknown ones are empty."""
    release = read_json(bundle.folder / "release.json")
    server, repository = (os.environ.get(word, "") for word in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY"))
    return {
        "LIBRARIES": _libraries(bundle),
        "SOURCE": f"{server}/{repository}" if server and repository else "",
        "REVISION": revision(),
        "MODEL": bundle.model,
        "VERSION": str(bundle.version),
        "MODEL_COMMIT": bundle.commit,
        "MODEL_DIGEST": str(release.get("model_digest") or ""),
        "DATA_DIGEST": str(release.get("data_digest") or ""),
        "BUNDLE_DIGEST": bundle.digest,
    }


def _libraries(bundle: Bundle) -> str:
    runtime = runtime_of(bundle.folder / "model")
    return SHIPPING if runtime == ONNX and os.environ.get("PREDICTION_LOG") else LIBRARIES[runtime]


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Print what the bundle is."""
    options = parser(__doc__)
    options.add_argument("--bundle", type=Path, default=BUILD / "model", help="the sealed bundle")
    options.add_argument("--repository", required=True, help="owner/name, as the platform has it")
    given = options.parse_args(argv)
    keeper = name(given.repository)
    try:
        told = arguments(bundles.read(given.bundle))
    except BundleError as error:
        log(f"infra.labels: {error}; export the bundle again")
        return NO
    heads = [f"name={keeper}", f"base={pinned_base()}"]
    result("\n".join([*heads, *(f"{key.lower().replace('_', '-')}={value}" for key, value in told.items())]))
    return YES


if __name__ == "__main__":
    raise SystemExit(main())
