"""A log without a service, and services whose bundle says what the log keeps."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from serve import ship
from serve.bundle import MANIFEST, seal
from serve.refusal import KINDS
from serve.remembered.settings import Settings
from serve.remembered.spool import Spool
from serve.seen.counts import Counts
from serve.seen.layout import LOG, Layout

INPUTS = [
    {"name": "age", "type": "number", "low": 0, "high": 99, "integer": True, "missing": True},
    {"name": "town", "type": "category", "values": ["a", "b"], "missing": True, "unseen": "other"},
]
DRIFT = {
    "columns": {"age": {"edges": [2.0]}, "town": {"counts": {"a": 30, "b": 20}}},
    "outputs": {"edges": [0.0, 0.5, 1.0]},
}
TARGETS = {
    "binary": {"kind": "binary", "labels": ["no", "yes"]},
    "classes": {"kind": "classes", "labels": [1, 2, 3]},
    "quantity": {"kind": "quantity", "labels": [], "unit": "francs"},
}
WIDTH = {"binary": 2, "classes": 3, "quantity": 1}


class Log:
    """A log of its own, of a model that was never trained."""

    def __init__(self, folder: Path, kind: str = "binary", **numbers: Any) -> None:
        usual = {
            "rate": 1.0, "columns": ("age", "town"), "queue_rows": 1000, "sync_seconds": 0, "segment_bytes": 1_000_000,
            "segment_seconds": 3600, "spool_bytes": 10_000_000, "store": "",
        }  # fmt: skip
        self.folder, self.kind, self.asked = folder, kind, 0
        self.settings = Settings(**(usual | numbers), spool=folder)
        folder.mkdir(exist_ok=True)
        target = TARGETS[kind]
        self.counts = Counts(Layout(INPUTS, target, DRIFT, KINDS))
        bundle: Any = SimpleNamespace(
            counts=self.counts,
            model=SimpleNamespace(target=target, labels=target["labels"], inputs=INPUTS),
            rows=SimpleNamespace(names=["age", "town"]),
            release={"model": "m", "model_version": 3, "model_digest": "d"},
        )
        self.spool = Spool(self.settings, bundle)

    def predict(self, rows: int = 1, request: str = "") -> list[str]:
        """Log one request; return the ids of its rows."""
        self.asked += 1
        request = request or f"r{self.asked}"
        outputs = np.full((rows, WIDTH[self.kind]), 0.25, dtype="float32")
        outputs[:, -1] = 0.5
        self.spool.later([[30.0] * rows, ["a"] * rows], outputs, [(request, rows)])
        return [f"{request}:{row}" for row in range(rows)]

    def count(self, name: str) -> int:
        """One of the log's counts."""
        return int(self.counts.total()[self.counts.layout.log + LOG.index(name)])


@pytest.fixture
def log(tmp_path) -> Callable[..., Log]:
    """Make a log whose spool lies in the test's folder."""
    return lambda **settings: Log(tmp_path / "spool", **settings)


@pytest.fixture
def shipped(tmp_path) -> Callable[..., tuple[pd.DataFrame, pd.DataFrame]]:
    """Ship a spool; give predictions and feedback as a reader of the store finds them."""

    def run(spool: Path = tmp_path / "spool", store: Path = tmp_path / "store"):
        assert 0 == ship.main(["--spool", str(spool), "--to", str(store)])
        return table(store, "predictions"), table(store, "feedback")

    return run


def table(store: Path, kind: str) -> pd.DataFrame:
    """Read what lies in a store."""
    return pd.read_parquet(store / kind) if (store / kind).exists() else pd.DataFrame({"id": []})


@pytest.fixture
def logging(chain, tmp_path, start) -> Callable[..., Any]:
    """Start a service whose bundle has other numbers for its log; other settings are the environment's."""

    def begin(numbers: dict[str, Any], **settings: str) -> Any:
        bundle = tmp_path / "bundle"
        if not bundle.exists():
            shutil.copytree(chain.root / "build/model", bundle)
        told = json.loads((bundle / "service.json").read_text())
        told["prediction_log"] |= {"rate": 1.0} | numbers
        (bundle / "service.json").write_text(json.dumps(told))
        (bundle / MANIFEST).unlink()
        seal(bundle)
        return start(**{"BUNDLE": str(bundle), "PREDICTION_LOG": str(tmp_path / "store")} | settings)

    return begin
