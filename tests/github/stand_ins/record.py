"""Stands in for an action that needs the platform or a container engine: notes that it was called, and how."""

import json
import os
from pathlib import Path

given = {key.removeprefix("WITH_"): value for key, value in os.environ.items() if key.startswith("WITH_") and value}
with Path(os.environ["CALLS"]).open("a") as calls:
    calls.write(json.dumps({"action": os.environ["ACTION"], "job": os.environ["GITHUB_JOB"], "with": given}) + "\n")
