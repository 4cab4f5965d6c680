"""What `tests.bench.serving` measures the service against: an echo, and what users would run instead."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench.batch import logged_pipeline
from tests.conftest import REPOSITORY


@dataclass(frozen=True)
class Peer:
    """A server: the command that starts it (PORT stands for its port), what it is asked, by which body."""

    command: list[str]
    ready: str
    path: str
    body: bytes
    settings: dict[str, str] = field(default_factory=dict)


@contextmanager
def peers(bundle: Path, row: dict[str, Any], mlflow: str | None, bentoml: str | None) -> Iterator[dict[str, Peer]]:
    """Give the echo, the service, and the peers whose programs are named, all for the same row."""
    one = json.dumps(row).encode()
    found = {
        "echo": Peer([sys.executable, "-m", "tests.bench.echo"], "/", "/", one),
        "gatehouse": Peer([sys.executable, "-m", "serve.app"], "/readyz", "/predict", one, {"BUNDLE": str(bundle)}),
    }
    with TemporaryDirectory() as temporary:
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
