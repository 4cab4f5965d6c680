"""Stands in for actions/download-artifact: by name, or by a pattern whose artifacts are merged into one folder."""

import fnmatch
import os
import shutil
import sys
from pathlib import Path

OF_ANOTHER_RUN = {"RUN_ID", "GITHUB_TOKEN"}
KNOWN = (
    {"NAME", "PATH"},
    {"PATTERN", "PATH", "MERGE_MULTIPLE"},
    {"PATTERN", "PATH", "MERGE_MULTIPLE"} | OF_ANOTHER_RUN,
)

given = {key.removeprefix("WITH_"): value for key, value in os.environ.items() if key.startswith("WITH_") and value}
if given.keys() not in KNOWN or given.get("MERGE_MULTIPLE", "true") != "true":
    sys.exit(f"the stand-in does not know this use: {given}")
artifacts = Path(os.environ["ARTIFACTS"])
if "NAME" in given and not (artifacts / given["NAME"]).is_dir():
    sys.exit(f"there is no artifact named {given['NAME']}")
for artifact in sorted(artifacts.iterdir()) if artifacts.is_dir() else []:
    if fnmatch.fnmatch(artifact.name, given.get("NAME") or given["PATTERN"]):
        shutil.copytree(artifact, given["PATH"], dirs_exist_ok=True)
