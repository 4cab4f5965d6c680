"""What is different from the champion: answers, groups of rows, data and request. Told, not judged."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from serve.bundle import read_json
from validation.contract import Config
from validation.judged import Judged
from validation.measures.curves import rounded
from validation.measures.losses import losses
from validation.measures.metrics import Array
from validation.measures.slices import slices_of
from validation.words.columns import Number

LEAST_ROWS = 100  # of a slice
WORST = 5


def changes(
    own: Judged, theirs: Judged, folders: tuple[Path, Path], train: pd.DataFrame, config: Config
) -> dict[str, Any]:
    """Compare two models on the same rows; `folders` are the candidate's and the champion's, `train` is fitted on."""
    flips = _flips(own, theirs, config)
    before = read_json(folders[1] / "drift.json")
    return {
        "rows": len(own.rows),
        "flipped": sum(flip["rows"] for flip in flips),
        "flips": flips,
        "moved": rounded(float(np.abs(own.outputs - theirs.outputs).mean())),
        "slices": _slices(own, theirs, config),
        "data": _data(train, before, config),
        "rows_trained": {"candidate": len(train), "champion": before["rows"]},
        "request": request_changes(*folders),
    }


def _flips(own: Judged, theirs: Judged, config: Config) -> list[dict[str, Any]]:
    """Count the rows that get another label, by the label they had; `right` of them get the true one now."""
    labels = config.target.labels
    if not labels:
        return []
    before, after = theirs.outputs.argmax(axis=1), own.outputs.argmax(axis=1)
    found = []
    for old in range(len(labels)):
        for new in range(len(labels)):
            rows = (before == old) & (after == new)
            if old != new and rows.any():
                right = int((own.outcome[rows] == new).sum())
                names = {"from": str(labels[old]), "to": str(labels[new])}
                found.append(names | {"rows": int(rows.sum()), "right": right})
    return sorted(found, key=lambda flip: -flip["rows"])


def _slices(own: Judged, theirs: Judged, config: Config) -> list[dict[str, Any]]:
    """Find the slices whose loss rose most."""
    mine, other = losses(own, config), losses(theirs, config)
    found = []
    for name, rows in slices_of(own.rows, config):
        if rows.sum() >= LEAST_ROWS:
            here, there = float(mine[rows].mean()), float(other[rows].mean())
            found.append((here - there, name, int(rows.sum()), here, there))
    found.sort(key=lambda one: -one[0])
    return [
        {"slice": name, "rows": n, "candidate": rounded(here), "champion": rounded(there)}
        for _, name, n, here, there in found[:WORST]
    ]


def _data(train: pd.DataFrame, before: dict[str, Any], config: Config) -> list[dict[str, Any]]:
    """Compare the training rows with the champion's, column by column: the population stability index over its bins."""
    found = []
    for column in config.inputs:
        there = before["columns"].get(column.name)
        if there is not None and ("edges" in there) == isinstance(column, Number):
            found.append({"column": column.name, "psi": rounded(psi(*_counts(train[column.name], there)))})
    return sorted(found, key=lambda one: (-float(one["psi"]), one["column"]))


def psi(here: Array, there: Array) -> float:
    """Population stability index of two counts over the same bins; half a row is added to each bin."""
    p, q = ((counts + 0.5) / (counts + 0.5).sum() for counts in (here, there))
    return float(((p - q) * np.log(p / q)).sum())


def _counts(values: "pd.Series[Any]", there: dict[str, Any]) -> tuple[Array, Array]:
    """Count values in the champion's bins; missing ones are the first bin, values it did not know the second."""
    present = values.dropna()
    if "edges" in there:
        places = np.searchsorted(there["edges"], present.to_numpy("float64"), side="right")
        here = [len(values) - len(present), *np.bincount(places, minlength=len(there["edges"]) + 1)]
        counts = [there["missing"], *there["counts"]]
    else:
        known = present.value_counts()
        named = [int(known.get(name, 0)) for name in there["counts"]]
        here = [len(values) - len(present), len(present) - sum(named), *named]
        counts = [there["missing"], there["other"], *there["counts"].values()]
    return np.array(here, dtype="float64"), np.array(counts, dtype="float64")


def request_changes(here: Path, there: Path) -> list[dict[str, Any]]:
    """Say how the request differs from the champion's: breaking means that a request which was taken no longer is."""
    new, old = (
        {spec["name"]: spec for spec in read_json(folder / "contract.json")["inputs"]} for folder in (here, there)
    )
    found = [{"change": f"{name} is gone from the request", "breaking": True} for name in old if name not in new]
    found += [{"change": f"{name} has to be sent", "breaking": True} for name in new if name not in old]
    for name in new.keys() & old.keys():
        found += _input_changes(name, new[name], old[name])
    return sorted(found, key=lambda one: (not one["breaking"], one["change"]))


def _input_changes(name: str, new: dict[str, Any], old: dict[str, Any]) -> list[dict[str, Any]]:
    if new["type"] != old["type"]:
        return [{"change": f"{name} is a {new['type']}, it was a {old['type']}", "breaking": True}]
    found = []
    if new["missing"] != old["missing"]:
        word = "may" if new["missing"] else "may no longer"
        found.append({"change": f"{name} {word} be missing", "breaking": not new["missing"]})
    if new["type"] == "number":
        if (new["low"], new["high"]) != (old["low"], old["high"]):
            narrower = new["low"] > old["low"] or new["high"] < old["high"]
            change = f"{name} is from {new['low']:g} to {new['high']:g}, it was {old['low']:g} to {old['high']:g}"
            found.append({"change": change, "breaking": narrower})
        if new["integer"] != old["integer"]:
            change = f"{name} {'has to' if new['integer'] else 'need not'} be a whole number"
            found.append({"change": change, "breaking": new["integer"]})
        return found
    gone = [value for value in old["values"] if value not in new["values"]]
    more = [value for value in new["values"] if value not in old["values"]]
    if gone:
        breaking = new["unseen"] == "reject"
        found.append({"change": f"{name} no longer knows {', '.join(gone)}", "breaking": breaking})
    if more:
        found.append({"change": f"{name} knows {', '.join(more)}", "breaking": False})
    if new["unseen"] != old["unseen"]:
        breaking = new["unseen"] == "reject"
        change = f"{name} {'rejects' if breaking else 'takes'} values that it does not know"
        found.append({"change": change, "breaking": breaking})
    return found
