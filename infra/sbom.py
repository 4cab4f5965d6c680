"""Complete the bill of materials of the service's image: the model is a part of it as well.

What the scanner of the image found has to be what the lock demands; a package that it missed, or found in another
version, would make the bill a wrong one.

Reads   a bill in CycloneDX's JSON, the bundle, the lock of the image, LICENSE
Prints  a table: how many parts of which kind
Writes  the bill with the model added: name, version, licence, digests of model, bundle and data
Exits   0 complete; 1 a package of the lock is not in it; 2 used wrongly, or it is no such bill
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from infra import bundle as bundles
from infra import labels
from infra.bundle import Bundle
from serve.bundle import BundleError, read_manifest
from serve.runtime import FILES
from validation.script import BUILD, NO, ROOT, YES, Refusal, door, log, parser, result, to_json, writing

LEAST = (1, 5)  # the version of CycloneDX that first knew models
LINUX = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}  # where the image runs
NAMES = {"MODEL_DIGEST": "model-digest", "BUNDLE_DIGEST": "bundle-digest", "MODEL_COMMIT": "model-commit"}


def read(path: Path) -> dict[str, Any]:
    """Read a bill; raises Refusal when it is none of CycloneDX, or of a version that knows no models."""
    try:
        bill = json.loads(path.read_text(encoding="utf-8"))
        version = tuple(map(int, bill["specVersion"].split(".")))
        known = bill["bomFormat"] == "CycloneDX" and isinstance(bill["components"], list)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise Refusal(f"{path} is no bill of materials in CycloneDX's JSON") from None
    if not known or version < LEAST:
        raise Refusal(f"{path} is no bill of materials in CycloneDX's JSON, of version 1.5 or later")
    return dict(bill)


def locked(lock: Path) -> Iterator[tuple[str, str]]:
    """Give name and version of each package that a lock installs on Linux."""
    for line in lock.read_text(encoding="utf-8").splitlines():
        if line[:1].isalnum():
            try:
                wanted = Requirement(line.rstrip("\\ "))
            except InvalidRequirement as error:
                raise Refusal(f"{lock}: {line!r} is no line of a lock") from error
            if wanted.marker is None or wanted.marker.evaluate(dict(LINUX)):
                yield canonicalize_name(wanted.name), str(wanted.specifier).removeprefix("==")


def lacking(bill: dict[str, Any], lock: Path) -> list[str]:
    """Name the packages of a lock that a bill does not list in that version."""
    listed = {
        (canonicalize_name(str(one.get("name"))), str(one.get("version")))
        for one in bill["components"]
        if str(one.get("purl", "")).startswith("pkg:pypi/")
    }
    return [f"{name} {version}" for name, version in locked(lock) if (name, version) not in listed]


def component(sealed: Bundle) -> dict[str, Any]:
    """Describe the model as a part; what is its file is hashed, what surrounds it is named by its digest."""
    files = read_manifest(sealed.folder)
    graph = next((name for file in FILES.values() if (name := f"model/{file}") in files), None)
    if graph is None:
        raise Refusal(f"{sealed.folder} holds no model that is known; export it again")
    told = labels.arguments(sealed)
    data = {"type": "dataset", "name": "training and test data", "contents": {"properties": [
        {"name": "gatehouse:data-digest", "value": told["DATA_DIGEST"]},
    ]}}  # fmt: skip
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{sealed.model}@{sealed.version}",
        "name": sealed.model,
        "version": str(sealed.version),
        "hashes": [{"alg": "SHA-256", "content": files[graph]}],
        "licenses": [{"license": {"name": _licence()}}],
        "modelCard": {"modelParameters": {"datasets": [data]}},
        "properties": [{"name": f"gatehouse:{name}", "value": told[key]} for key, name in NAMES.items()],
    }


def _licence() -> str:
    """Name the licence under which this repository, and the model that it makes, is given."""
    path = ROOT / "LICENSE"
    first = path.read_text(encoding="utf-8").strip().splitlines()[:1] if path.is_file() else []
    return first[0].strip() if first else "none stated"


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Complete a bill."""
    options = parser(__doc__)
    options.add_argument("--sbom", type=Path, default=BUILD / "image/sbom.json", help="the bill, completed in place")
    options.add_argument("--bundle", type=Path, default=BUILD / "model", help="the sealed bundle")
    options.add_argument("--lock", type=Path, default=ROOT / "serve/requirements.txt", help="the lock of the image")
    given = options.parse_args(argv)
    bill = read(given.sbom)
    if not given.lock.is_file():
        raise Refusal(f"--lock {given.lock} is no file; `serve.export` prints the one of a bundle")
    if missing := lacking(bill, given.lock):
        log(f"infra.sbom: {given.sbom} does not list {', '.join(missing)}, which {given.lock.name} demands")
        return NO
    try:
        model = component(bundles.read(given.bundle))
    except BundleError as error:
        log(f"infra.sbom: {error}; export the bundle again")
        return NO
    others = [one for one in bill["components"] if one.get("bom-ref") != model["bom-ref"]]
    bill["components"] = [*others, model]
    with writing(given.sbom) as file:
        file.write(to_json(bill))
    kinds = Counter(_kind(one) for one in bill["components"])
    result("\n".join(["| part | count |", "| --- | --- |", *(f"| {kind} | {kinds[kind]} |" for kind in sorted(kinds))]))
    return YES


def _kind(part: dict[str, Any]) -> str:
    purl = str(part.get("purl", ""))
    return purl.partition("/")[0].removeprefix("pkg:") if purl else str(part.get("type"))


if __name__ == "__main__":
    raise SystemExit(main())
