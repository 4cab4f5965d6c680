"""The chain of a repository whose variables name a tracking server, run under act."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.github.act import Run, approved, copy_tree
from tests.infra.fake_forge import FakeForge, serving
from tests.ports import free_ports
from tests.train.parts import running, wait

pytestmark = pytest.mark.act


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """MLflow's own server, on SQLite and a folder; its address."""
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path}/server.db"]
    command += ["--artifacts-destination", f"{tmp_path}/artifacts"]
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with running(command, tmp_path / "server.log", **settings) as process:
        wait(process, tmp_path / "server.log", f"{url}/health")
        yield url


def asked(server: str, path: str, **query: str) -> Any:
    """Ask the server's API."""
    told = httpx.get(f"{server}/api/2.0/mlflow/{path}", params=query, timeout=60, trust_env=False)
    assert 200 == told.status_code, told.text
    return told.json()


def test_pushes_use_the_server_and_proposals_the_copy_on_the_branch(
    checkout: Path, tmp_path: Path, act: Callable[..., Run], server: str
) -> None:
    """The variable moves the registry to the server; a proposal has its version compared and never reaches it."""
    variables = {"MLFLOW_TRACKING_URI": server}
    with serving(FakeForge()) as forge:
        run = act(approved(checkout, forge.url), "pipeline.yml", "push", variables=variables)
    assert (0, {"publish/attest", "deploy/deploy"}) == (
        run.code,
        {job for job in run.jobs if run.jobs[job] != "success"},
    )
    champion = asked(server, "registered-models/alias", name="income", alias="champion")
    assert "1" == champion["model_version"]["version"]

    proposal = copy_tree(tmp_path / "proposal")
    config = (proposal / "config.py").read_text()
    (proposal / "config.py").write_text(config.replace('"max_iter": 100', '"max_iter": 90'))
    event = {"number": 7}
    run = act(proposal, "pull-request.yml", "pull_request", event, scratch="scratch-2", variables=variables)
    assert (0, {"success"}) == (run.code, set(run.jobs.values()))
    assert "2" == run.outputs["train/fit"]["model-version"]
    assert "lost to the champion | version 1" in run.summaries["gates/performance"]
    [kept] = asked(server, "model-versions/search", filter="name='income'")["model_versions"]
    assert "1" == kept["version"]
