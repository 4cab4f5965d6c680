"""The recorded reference: the distribution of each column that `Resembles` names, as counts in bins or values."""

import json
from typing import Any

import numpy as np
import pandas as pd

from validation.contract import Config
from validation.script import ROOT, Refusal
from validation.words.columns import Number
from validation.words.expectations import Resembles

BINS = 10  # per number, of about equal counts


def reference_of(frame: pd.DataFrame, config: Config) -> dict[str, Any]:
    """Record shares per bin (numbers) or per value (categories), over the rows where the column is present."""
    columns = {rule.column for rule in config.dataset if isinstance(rule, Resembles)}
    return {name: _distribution(frame[name].dropna(), name, config) for name in sorted(columns)}


def _distribution(values: "pd.Series[Any]", name: str, config: Config) -> dict[str, Any]:
    if values.empty:
        raise Refusal(f"column {name} holds no value: there is nothing to resemble")
    declared = next((column for column in config.features if column.name == name), config.target)
    if isinstance(declared, Number) or (config.target.kind == "quantity" and declared is config.target):
        inner = np.unique(np.quantile(values.to_numpy("float64"), np.linspace(0, 1, BINS + 1))[1:-1])
        edges = np.unique([declared.low, *inner, declared.high])  # type: ignore[union-attr]
        counts, _ = np.histogram(values, bins=edges)
        return {"bins": edges.tolist(), "weights": (counts / counts.sum()).tolist()}
    shares = values.value_counts(normalize=True).sort_index()
    return {"values": shares.index.tolist(), "weights": shares.tolist()}


def load_reference(config: Config) -> dict[str, Any]:
    """Read the recorded reference.

    Raises Refusal when it is missing, no JSON, or lacks a column.
    """
    path = ROOT / config.reference
    needed = sorted({rule.column for rule in config.dataset if isinstance(rule, Resembles)})
    if not needed:
        return {}
    if not path.is_file():
        raise Refusal(f"{config.reference} is missing: nothing is recorded to resemble; `make freeze` records it")
    try:
        recorded = json.loads(path.read_text(encoding="utf-8"))
        absent = [name for name in needed if name not in recorded]
    except (ValueError, TypeError) as error:
        raise Refusal(
            f"{config.reference} is no JSON object ({error}); restore it from git, or `make freeze`"
        ) from None
    if absent:
        raise Refusal(f"{config.reference} has no reference of {', '.join(absent)}; `make freeze` records it")
    return {name: recorded[name] for name in needed}
