"""MLflow's own pages on the embedded store."""

import os
import sys
from pathlib import Path

import httpx

from tests.conftest import REPOSITORY, Workspace
from tests.github.tree import dry_run
from tests.ports import free_ports
from tests.train.parts import running, wait


def test_the_pages_open_on_the_embedded_store(chain_copy: Workspace, tmp_path: Path) -> None:
    """What `make ui` runs serves its page, and knows the model with its champion."""
    [port] = free_ports(1)
    line = dry_run(REPOSITORY, "ui", f"UI_PORT={port}").splitlines()[-1]
    assert str(REPOSITORY) in line
    command = ["bash", "-c", f"exec env {line.replace(str(REPOSITORY), str(chain_copy.root), 1)}"]
    url, log = f"http://127.0.0.1:{port}", tmp_path / "log"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with running(command, log, PATH=path) as process:
        wait(process, log, f"{url}/health")
        with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
            assert "<title>MLflow</title>" in client.get("/").raise_for_status().text
            found = client.get("/api/2.0/mlflow/registered-models/get", params={"name": "income"}).json()
    assert {"alias": "champion", "version": "1"} in found["registered_model"]["aliases"]
