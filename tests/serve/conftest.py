"""A service of the chain's bundle that a whole module asks."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from serve.loaded import Bundle


@contextmanager
def started(root: Path, **settings: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Start a service of the bundle below `root`; give address and process, and end it by SIGTERM."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    environment = os.environ | {"BUNDLE": str(root / "build/model"), "PORT": str(port)} | settings
    process = subprocess.Popen(
        [sys.executable, "-m", "serve.app"], cwd=root, env=environment, text=True, stderr=subprocess.PIPE
    )
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
