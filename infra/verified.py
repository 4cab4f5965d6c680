"""Whether an image is the one that was published for a bundle: asked before anything of it runs.

Its labels, the bundle and the ledger have to agree, and where the platform's plan offers attestations, one by our own
publishing workflow has to exist. ATTESTATION says which: `platform`, `none` (digests alone), or the file of a public
key (cosign.pub), where a team signs by a key of its own.
"""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from infra import hub, labels
from infra.hub import Image, NoSuchImageError
from train.travel.history import Unit
from train.travel.ledger import PUBLICATION, Line
from validation.script import OutsideError, Refusal, log

PLATFORM, NONE = "platform", "none"
SIGNER = ".github/workflows/publish.yml"  # the one workflow that publishes
SECONDS = 120
# how gh and cosign, both written in Go, say that they reached nobody; all else that fails is a refusal
UNREACHED = re.compile(
    r"error connecting to |dial tcp\b|no such host|i/o timeout|TLS handshake timeout|connection re(?:fused|set)"
    r"|network is unreachable|Client\.Timeout exceeded|server misbehaving|HTTP (?:429|5\d\d)\b"
)


class UnverifiedError(Exception):
    """An image is not what was published for a bundle: one sentence."""


def publication(version: int, model: str, bundle: str, image: str, content: str) -> dict[str, str | int]:
    """Return the facts of the ledger's line that says which image was published for a version."""
    return {"version": version, "model": model, "bundle": bundle, "image": image, "content": content}


def differences(image: Image, unit: Unit) -> list[str]:
    """Name what an image's labels say otherwise than the unit that is to be deployed."""
    wanted = {labels.VERSION: str(unit.version), labels.MODEL_DIGEST: unit.model, labels.BUNDLE: unit.bundle}
    told = {name: image.labels.get(name) or "nothing" for name in wanted}
    return [f"its label {name} says {told[name]}, not {value}" for name, value in wanted.items() if told[name] != value]


def unpublished(lines: Sequence[Line], image: Image, unit: Unit) -> list[str]:
    """Say so when the ledger has no publication of this very image for this very unit."""
    about = [line.facts for line in lines if line.event == PUBLICATION and line.facts["version"] == unit.version]
    wanted = publication(unit.version, unit.model, unit.bundle, image.reference, image.content)
    if any(dict(facts) == wanted for facts in about):
        return []
    if not about:
        return [f"the ledger has no image of version {unit.version}"]
    others = sorted({str(facts["image"]).rpartition("@")[2][:19] for facts in about})
    return [f"the ledger has {' and '.join(others)} for version {unit.version} and not this image with this bundle"]


def must_be_published(reference: str, unit: Unit, lines: Sequence[Line]) -> None:
    """Raise UnverifiedError unless an image is what was published for a unit.

    Raises Refusal when ATTESTATION does not say how, OutsideError when the image's registry fails.
    """
    how = os.environ.get("ATTESTATION", "")
    if not how:
        raise Refusal(f"ATTESTATION is not set: say {PLATFORM}, {NONE} or a file with a public key of cosign")
    try:
        image = hub.look(reference)
    except NoSuchImageError as error:
        raise UnverifiedError(str(error)) from error
    found = [*differences(image, unit), *unpublished(lines, image, unit)]
    if found:
        raise UnverifiedError(f"{reference} is refused: {'; '.join(found)}")
    attested(reference, how)
    log(f"infra.verified: {reference} is the image that was published for version {unit.version}")


def attested(reference: str, how: str) -> None:
    """Raise UnverifiedError unless an image is attested as `how` demands, OutsideError when that cannot be asked."""
    if how == NONE:
        log("infra.verified: no attestation is asked for (ATTESTATION=none): digests alone prove the image")
        return
    for command in _platform(reference) if how == PLATFORM else _key(reference, Path(how)):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        except FileNotFoundError:
            raise Refusal(f"{command[0]} is not on this machine, and ATTESTATION={how} asks for it") from None
        except subprocess.TimeoutExpired:
            raise OutsideError(f"{reference} is not verified: {command[0]} said nothing within {SECONDS} s") from None
        if done.returncode:
            said = ([line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"])[-1]
            if UNREACHED.search(said):
                raise OutsideError(f"{reference} is not verified: {' '.join(command[:3])}: {said.strip()}")
            raise UnverifiedError(f"{reference} is refused: {' '.join(command[:3])}: {said.strip()}")


def _platform(reference: str) -> list[list[str]]:
    from train.travel.saving import MAIN

    repository = os.environ.get("GITHUB_REPOSITORY", "")
    labels.name(repository)  # refuses what is no repository
    by_us = ("--repo", repository, "--signer-workflow", f"{repository}/{SIGNER}", "--source-ref", MAIN)
    return [["gh", "attestation", "verify", f"oci://{reference}", *by_us, "--deny-self-hosted-runners"]]


def _key(reference: str, key: Path) -> list[list[str]]:
    if not key.is_file():
        raise Refusal(f"ATTESTATION={key} is neither {PLATFORM} nor {NONE} nor a file that is there")
    # a key of one's own is in no public log
    more = ["--key", str(key), "--private-infrastructure", *_plain(reference), reference]
    return [["cosign", "verify", *more], ["cosign", "verify-attestation", "--type", "cyclonedx", *more]]


def _plain(reference: str) -> list[str]:
    return ["--allow-http-registry"] if hub.LOCAL.fullmatch(reference.partition("/")[0]) else []
