"""A service of the chain's bundle that a whole module asks, and batch as a user runs it."""

import datetime
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import httpx
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from serve import batch
from serve.bulk import job, parts, source
from serve.loaded import Bundle
from tests.ports import free_port

BEGUN = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)


@contextmanager
def started(root: Path, log: Path | None = None, **settings: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Start a service of the bundle below `root`; give address and process, and end it by SIGTERM.

    What it logs goes to `log`, or into the process's pipe.
    """
    port = free_port()
    environment = os.environ | {"BUNDLE": str(root / "build/model"), "PORT": str(port)} | settings
    command = [sys.executable, "-m", "serve.app"]
    with log.open("w") if log else nullcontext(subprocess.PIPE) as told:
        process = subprocess.Popen(command, cwd=root, env=environment, text=True, stderr=told)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                if httpx.get(f"{url}/readyz", trust_env=False).status_code == 200:
                    break
            except httpx.HTTPError:
                assert process.poll() is None, "the service ended before it was ready"
            time.sleep(0.05)
        yield url, process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)


@pytest.fixture(scope="module")
def service(chain) -> Iterator[str]:
    """The address of a service with the routes of every platform."""
    routes = {"AIP_PREDICT_ROUTE": "/vertex/predict", "AIP_HEALTH_ROUTE": "/vertex/health", "AZUREML_MODEL_DIR": "/x"}
    with started(chain.root, **routes) as (url, _):
        yield url


@pytest.fixture
def start(chain) -> Callable[..., object]:
    """Start a service with settings of one's own."""
    return lambda **settings: started(chain.root, **settings)


@pytest.fixture(scope="session")
def bundle(chain) -> Bundle:
    """The chain's bundle, loaded here."""
    return Bundle(chain.root / "build/model")


@pytest.fixture(scope="session")
def golden(chain) -> dict:
    """Rows made up from the contract, with their outputs."""
    return json.loads((chain.root / "build/model/model/golden.json").read_text())


@pytest.fixture
def score(chain, tmp_path, monkeypatch, capsys):
    """Write a frame, score it, and give exit code, output, rejects and what was said."""
    monkeypatch.setattr(source, "CHUNK", 500)
    monkeypatch.setattr(job, "CHUNK", 500)
    monkeypatch.setattr(parts, "now", lambda: BEGUN)
    monkeypatch.chdir(tmp_path)

    def run(frame, *flags: str, kinds=("parquet", "parquet")):
        name = write(frame, tmp_path / f"in.{kinds[0]}") if isinstance(frame, pd.DataFrame) else frame
        places = ["--input", str(name), "--output", f"out.{kinds[1]}", "--bundle", str(chain.root / "build/model")]
        code = batch.main([*places, *flags])
        told = capsys.readouterr()
        return code, read(f"out.{kinds[1]}"), read(f"out.rejects.{kinds[1]}"), told

    return run


def write(frame: pd.DataFrame, path: Path) -> Path:
    """Write a frame as the kind of file that its name says."""
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, row_group_size=700)
    return path


def read(name: str) -> pa.Table | None:
    """Read a file that batch wrote, if it is there."""
    if not Path(name).exists():
        return None
    return pyarrow.csv.read_csv(name) if name.endswith(".csv") else pyarrow.parquet.read_table(name)
