"""After stage 4: prove that what was pushed is what was judged, write it into the ledger, and tag it.

The image in the registry has to carry the labels of the bundle, and the very layers that infra.measure measured and the
scanner looked at. A deployment takes no other image for this version.

Reads   the image's registry (see infra.hub), the bundle, what infra.measure wrote; ATTESTATION, how the image is
        attested: platform, none or the file of a public key (see infra.verified)
Prints  a table: the image by digest, its model, bundle, commits, and how it is attested
Writes  the ledger's line `publication`; the image's own tag, model-<version>-<first 12 digits of its digest>, and
        model-<version>, which goes on to the next image of that version
Exits   0 published; 1 the image is another than the one that was judged; 2 used or set up wrongly;
        3 the outside failed
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from infra import bundle as bundles
from infra import hub, labels, verified
from infra.bundle import Bundle
from infra.hub import Image, NoSuchImageError
from infra.verified import NONE, PLATFORM, UnverifiedError
from serve.bundle import BundleError
from train.travel import book
from train.travel.ledger import PUBLICATION, Line
from validation import script
from validation.script import BUILD, NO, YES, Refusal, door, log, result

SAID = {
    PLATFORM: "by the platform: provenance and bill of materials, signed by this workflow",
    NONE: "not attested: the platform does it for public repositories alone; the digest is enforced all the same",
}


def measured_content(path: Path) -> str:
    """Return the name of the content that was measured and within its bounds; raises Refusal when none was."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        content, broken = str(told["content"]), list(told["faults"])
    except (OSError, ValueError, KeyError, TypeError):
        raise Refusal(f"{path} does not say what was measured; `python -m infra.measure` writes it") from None
    if broken or not content:
        raise Refusal(f"{path}: the image was measured and found beyond its bounds; it is not published")
    return content


def publish(sealed: Bundle, image: Image, content: str) -> Line:
    """Note that an image is the one of a bundle, once; return the line that says so.

    Raises UnverifiedError when it is not.
    """
    unit = bundles.unit(sealed, image.reference)
    found = verified.differences(image, unit)
    if image.content != content:
        found.append("its layers are not those that were measured and scanned")
    if found:
        raise UnverifiedError(f"{image.reference} is not published: {'; '.join(found)}")
    facts = verified.publication(unit.version, unit.model, unit.bundle, image.reference, image.content)
    for line in book.lines():
        if line.event == PUBLICATION and dict(line.facts) == facts:
            return line
    return book.note(PUBLICATION, facts)


def tags(version: int, reference: str) -> tuple[str, str]:
    """Name an image by a tag that it alone has, and by the one that goes on to the version's next image."""
    _, _, wanted = hub.parts(reference)
    # without its own, the image that is live would lose its only tag to the next build of the same version
    return f"model-{version}-{wanted.removeprefix('sha256:')[:12]}", f"model-{version}"


def table(sealed: Bundle, image: Image, line: Line, how: str) -> str:
    """Show what was published as Markdown."""
    told = {
        "image": f"`{image.reference}`",
        "model": f"{sealed.model}, version {sealed.version}",
        "bundle": f"`{sealed.digest}`",
        "data": f"`{image.labels.get(labels.DATA_DIGEST, '')}`",
        "built from": f"`{image.labels.get(labels.REVISION, '')}`",
        "trained at": f"`{image.labels.get(labels.MODEL_COMMIT, '')}`",
        "attested": SAID.get(how, f"by the key {how}"),
        "ledger": f"line {line.number}",
    }
    return "\n".join(["| published | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in told.items())])


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Publish an image that was pushed."""
    options = script.parser(__doc__)
    options.add_argument("--image", required=True, help="where it was pushed to, host/name@sha256:...")
    options.add_argument("--bundle", type=Path, default=BUILD / "model", help="the sealed bundle")
    options.add_argument(
        "--measured", type=Path, default=BUILD / "image/measured.json", help="what infra.measure wrote"
    )
    given = options.parse_args(argv)
    how = os.environ.get("ATTESTATION", "")
    if not how:
        raise Refusal(f"ATTESTATION is not set: say {PLATFORM}, {NONE} or a file with a public key of cosign")
    content = measured_content(given.measured)
    try:
        sealed = bundles.read(given.bundle)
        image = hub.look(given.image)
        line = publish(sealed, image, content)
        for word in tags(sealed.version, given.image):
            hub.tag(given.image, word)
    except (BundleError, NoSuchImageError, UnverifiedError) as error:
        log(f"infra.publish: {error}")
        return NO
    result(table(sealed, image, line, how))
    return YES


if __name__ == "__main__":
    raise SystemExit(main())
