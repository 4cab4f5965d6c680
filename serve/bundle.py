"""A folder that proves itself: manifest.json lists the SHA-256 of every other file (stdlib only)."""

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
FORMAT = 1
RECORDED = "outputs.parquet"  # what training gave on every test row
KEPT_BACK = (RECORDED,)  # derived from rows: sealed with the model, never shipped with it
EXPECTED = "expected.json"  # counts of these outputs, by which a deployment is judged; the service does not read it


class BundleError(Exception):
    """A folder is not what its manifest says."""


class OtherLibraryError(BundleError):
    """A model was written by another version of the library that runs it, and this one cannot read it."""


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_below(folder: Path) -> list[str]:
    """Name every file below `folder`, relative to it, in order."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def seal(folder: Path) -> str:
    """Write the manifest of a folder; return its digest, the SHA-256 of the manifest."""
    names = [name for name in files_below(folder) if name != MANIFEST]
    manifest = {"files": {name: sha256(folder / name) for name in names}, "format": FORMAT}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return sha256(folder / MANIFEST)


def verify(folder: Path, may_lack: Collection[str] = ()) -> str:
    """Check every file of a sealed folder; return its digest.

    Raises BundleError when the manifest is missing or unreadable, or a file is missing, changed or not listed.
    """
    listed = read_manifest(folder)
    for name, expected in listed.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise BundleError(f"{folder}: the manifest names {name}, which lies outside the folder")
        if not path.is_file():
            if name in may_lack:
                continue
            raise BundleError(f"{folder}: {name} is missing")
        if sha256(path) != expected:
            raise BundleError(f"{folder}: {name} is not what the manifest lists; its digest differs")
    extra = [name for name in files_below(folder) if name not in listed and name != MANIFEST]
    if extra:
        raise BundleError(f"{folder}: {extra[0]} is not listed in the manifest")
    return sha256(folder / MANIFEST)


def read_manifest(folder: Path) -> dict[str, str]:
    """Read the files that a manifest lists, with their digests.

    Raises BundleError when there is none, or it is not of this format.
    """
    manifest = read_json(folder / MANIFEST)
    files = manifest.get("files")
    if manifest.get("format") != FORMAT or not isinstance(files, dict) or not files:
        raise BundleError(f"{folder}: {MANIFEST} is not of format {FORMAT}")
    return files


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of the bundle.

    Raises BundleError when the file is missing or holds no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(f"{path} is missing") from None
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise BundleError(f"{path} holds no JSON object")
    return value
