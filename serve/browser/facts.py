"""What the page is told: who the model is, what it takes and gives, and what its bundle has to show."""

from typing import Any

import msgspec

from serve.loaded import Bundle


def runs(bundle: Bundle) -> dict[str, str]:
    """Name what runs the model, with a note where that is slow."""
    return {"runtime": bundle.model.runtime} | ({"runtime_note": bundle.note} if bundle.note else {})


def facts(bundle: Bundle) -> bytes:
    """Write the facts of a bundle as JSON."""
    told: dict[str, Any] = {
        "release": {**bundle.release, **runs(bundle), "bundle_digest": bundle.digest},
        "inputs": bundle.model.inputs,
        "target": bundle.model.target,
        "example": bundle.model.golden_rows[-1],
        "page": msgspec.Raw(bundle.page),
    }
    return msgspec.json.encode(told)
