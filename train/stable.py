"""skops files that are the same bytes for the same pipeline: skops itself names objects by where they lay in memory."""

import io
import json
import zipfile
from pathlib import PurePosixPath
from typing import Any

import numpy as np

SCHEMA = "schema.json"
PLAIN = "JsonNode"  # a number, text or None: nothing can tell whether two of them are one
BINS = "_BinMapper"  # histogram gradient boosting notes here by how many threads it was fitted, and does not ask again
ONE = {"__class__": "str", "__module__": "builtins", "__loader__": PLAIN, "content": "1", "is_json": True}


def stable(content: bytes, comment: str) -> bytes:
    """Write a skops file anew: objects and arrays numbered as they come, no time, nothing compressed, one comment."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        schema = json.loads(archive.read(SCHEMA))
        names: dict[str, str] = {}
        _number(schema, {}, names)
        files = {name: _without_gaps(name, archive.read(old)) for old, name in names.items()}
    files[SCHEMA] = json.dumps(schema, separators=(",", ":")).encode()
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.comment = comment.encode("ascii")
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)  # at its first moment, 1980
    return written.getvalue()


def _number(node: Any, ids: dict[int, int], names: dict[str, str]) -> None:
    """Give ids and files of a node, and of all below it, the numbers in which they come."""
    if isinstance(node, list):
        for one in node:
            _number(one, ids, names)
    if not isinstance(node, dict):
        return
    if isinstance(node.get("__loader__"), str):
        if node["__loader__"] == "SetNode":
            node["content"].sort(key=_told)  # a set of texts has another order in each process
        if node.get("__class__") == BINS:
            node["content"]["content"]["n_threads"] = {**ONE}
        if node["__loader__"] == PLAIN:
            node.pop("__id__", None)
        elif "__id__" in node:
            node["__id__"] = ids.setdefault(node["__id__"], len(ids) + 1)
        if isinstance(node.get("file"), str):
            kind = PurePosixPath(node["file"]).suffix
            node["file"] = names.setdefault(node["file"], f"{len(names) + 1}{kind}")
    for value in node.values():
        _number(value, ids, names)


def _without_gaps(name: str, content: bytes) -> bytes:
    """Write zeros between the fields of an array of records: trees leave there what lay in memory."""
    if not name.endswith(".npy"):
        return content
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype.names is None:
        return content
    whole = np.zeros(array.shape, array.dtype)
    for field in array.dtype.names:
        whole[field] = array[field]
    written = io.BytesIO()
    np.save(written, whole, allow_pickle=False)
    return written.getvalue()


def _told(node: Any) -> str:
    """Write a node without what hangs on where it lay."""
    if isinstance(node, dict):
        return json.dumps({key: _told(value) for key, value in node.items() if key not in ("__id__", "file")})
    return json.dumps([_told(one) for one in node] if isinstance(node, list) else node)
