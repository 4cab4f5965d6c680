"""Stands in for docker/build-push-action: notes the call and, where an image is to be pushed, pushes one of one layer.

Its labels are those that serve/Dockerfile makes of the build arguments.
"""

import os
import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from infra import labels
from tests.infra import oci

OF = {labels.VERSION: "VERSION", labels.MODEL_DIGEST: "MODEL_DIGEST", labels.BUNDLE: "BUNDLE_DIGEST"}

arguments = dict(line.split("=", 1) for line in os.environ["WITH_BUILD_ARGS"].splitlines() if line)
outputs = dict(pair.split("=", 1) for pair in os.environ["WITH_OUTPUTS"].split(","))
runpy.run_path(str(Path(__file__).with_name("record.py")))  # which notes every call
if outputs["type"] == "image":
    host, _, name = outputs["name"].partition("/")
    reference = oci.push(host, name, {label: arguments[argument] for label, argument in OF.items()})
    with Path(os.environ["GITHUB_OUTPUT"]).open("a") as file:
        file.write(f"digest={reference.partition('@')[2]}\n")
