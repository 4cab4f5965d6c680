"""What the page is told: who the model is, what it takes and gives, and what its bundle has to show."""

from typing import Any

import msgspec

from serve.loaded import Bundle

WHY = "runtime_why"  # of release.json


def identity(bundle: Bundle) -> dict[str, Any]:
    """Say which model it is, and what runs it; anybody may know, so not why: that may name columns."""
    release = {name: value for name, value in bundle.release.items() if name != WHY}
    note = {"runtime_note": bundle.note} if bundle.note else {}
    return {**release, "runtime": bundle.model.runtime, **note, "bundle_digest": bundle.digest}


def facts(bundle: Bundle) -> bytes:
    """Write the facts of a bundle as JSON."""
    told: dict[str, Any] = {
        "release": {**bundle.release, **identity(bundle)},
        "inputs": bundle.model.inputs,
        "target": bundle.model.target,
        "example": bundle.model.golden_rows[-1],
        "page": msgspec.Raw(bundle.page),
    }
    return msgspec.json.encode(told)
