"""Stands in for actions/upload-artifact: one path, a file or a folder, becomes a folder named after the artifact."""

import os
import shutil
import sys
from pathlib import Path

KNOWN = {"NAME", "PATH", "IF_NO_FILES_FOUND", "INCLUDE_HIDDEN_FILES"}

given = {key.removeprefix("WITH_"): value for key, value in os.environ.items() if key.startswith("WITH_") and value}
if unknown := given.keys() - KNOWN:
    sys.exit(f"the stand-in does not know {', '.join(sorted(unknown))}")
source, artifact = Path(given["PATH"]), Path(os.environ["ARTIFACTS"], given["NAME"])
found = [source] if source.is_file() else [path for path in source.rglob("*") if path.is_file()]
root = source.parent if source.is_file() else source
if given.get("INCLUDE_HIDDEN_FILES") != "true":
    found = [path for path in found if not any(part.startswith(".") for part in path.relative_to(root).parts)]
if artifact.exists():
    sys.exit(f"an artifact named {artifact.name} exists already")
if not found:
    sys.stdout.write(f"no files at {source}\n")
    sys.exit(given.get("IF_NO_FILES_FOUND") == "error")
for path in found:
    target = artifact / path.relative_to(root)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)
