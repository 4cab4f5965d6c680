"""What `tests.bench.serving` measures the service against: an echo, and what users would run instead."""

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from serve.bundle import MANIFEST, seal
from serve.guard.keys import line_of, make
from tests.bench.batch import logged_pipeline
from tests.conftest import REPOSITORY
from tests.serve.bundles import changed


@dataclass(frozen=True)
class Peer:
    """A server: the command that starts it (PORT stands for its port), what it is asked, by which body."""

    command: list[str]
    ready: str
    path: str
    body: bytes
    settings: dict[str, str] = field(default_factory=dict)
    key: str = ""


@contextmanager
def peers(
    bundle: Path, other: Path | None, row: dict[str, Any], mlflow: str | None, bentoml: str | None
) -> Iterator[dict[str, Peer]]:
    """Give the echo, the service bare and with all on, and the bundle and peers that are named, for the same row."""
    one = json.dumps(row).encode()
    found = {"echo": Peer([sys.executable, "-m", "tests.bench.echo"], "/", "/", one)}
    for name, folder in (("gatehouse", bundle), ("other", other)):
        if folder:
            command = [sys.executable, "-m", "serve.app"]
            found[name] = Peer(command, "/readyz", "/predict", one, {"BUNDLE": str(folder)})
    with TemporaryDirectory() as temporary:
        found["gatehouse, all on"] = _all_on(found["gatehouse"], bundle, Path(temporary))
        folder = Path(temporary) / "pipeline"
        if mlflow or bentoml:
            logged_pipeline(REPOSITORY, folder)
        if mlflow:
            command = [mlflow, "models", "serve", "--env-manager", "local", "-m", str(folder), "-p", "PORT"]
            # as pyfunc wants them: its signature has no missing text, and floats where the contract has whole numbers
            told = {name: "" if value is None else value for name, value in row.items()}
            body = json.dumps({"dataframe_records": [told]}).encode()
            found["mlflow models serve"] = Peer(command, "/ping", "/invocations", body)
        if bentoml:
            service = "tests.bench.bento_service:Income"
            command = [
                bentoml,
                "serve",
                "--quiet",
                service,
                "--host",
                "127.0.0.1",
                "--port",
                "PORT",
                "--working-dir",
                ".",
            ]
            body = json.dumps({"rows": [row]}).encode()
            found["BentoML"] = Peer(command, "/readyz", "/predict", body, {"MODEL": str(folder)})
        yield found


def _all_on(plain: Peer, bundle: Path, folder: Path) -> Peer:
    """Give the service with a key asked for and a prediction log kept; one caller may ask as often as all may."""
    unbounded = folder / "bundle"
    shutil.copytree(bundle, unbounded)
    changed(unbounded / "service.json", requests_per_second=1e9, burst=1_000_000_000)
    (unbounded / MANIFEST).unlink()
    seal(unbounded)
    key = make()
    settings = {"BUNDLE": str(unbounded), "API_KEYS": line_of(key, "bench", "predict")}
    log = {"PREDICTION_LOG": str(folder / "log"), "PREDICTION_SPOOL": str(folder / "spool")}
    return replace(plain, settings=settings | log, key=key)
