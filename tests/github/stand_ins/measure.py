"""Stands in for infra.measure, which needs an engine: what was measured is the image that build_push.py makes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from infra import hub
from tests.infra import oci
from validation.script import to_json

target = Path("build/image/measured.json")
target.parent.mkdir(parents=True, exist_ok=True)
target.write_text(to_json({"content": hub.content_of([oci.digest(oci.layer("service"))]), "faults": []}))
sys.stdout.write("| part | measured |\n| --- | --- |\n| all | nothing |\n")
