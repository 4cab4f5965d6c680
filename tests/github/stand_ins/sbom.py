"""Stands in for anchore/sbom-action: a bill that lists what either lock of the image demands."""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from infra.sbom import locked

assert (os.environ["WITH_FORMAT"], os.environ["WITH_IMAGE"]) == ("cyclonedx-json", "service:judged")
parts = [
    {"type": "library", "name": name, "version": version, "purl": f"pkg:pypi/{name}@{version}"}
    for lock in ("serve/requirements.txt", "serve/remembered/requirements.txt")
    for name, version in locked(Path(lock))
]
bill = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": parts}
Path(os.environ["WITH_OUTPUT_FILE"]).write_text(json.dumps(bill))
