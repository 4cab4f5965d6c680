"""The registry behind a tracking server: the same scripts, no other change."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A tracking server of MLflow's own, with a database and an artifact folder of its own."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{tmp_path / 'server.db'}",
        "--artifacts-destination",
        str(tmp_path / "kept"),
    ]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(1200):
            assert process.poll() is None, (tmp_path / "server.log").read_text()[-2000:]
            try:
                if httpx.get(f"{url}/health", timeout=5, trust_env=False).status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.2)
        yield url
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=60)


def test_a_server_takes_the_place_of_the_embedded_store(workspace, server, tmp_path, monkeypatch) -> None:
    """Fit, gates, bundle and promotion through a real server: stdout stays the result, no store appears here."""
    ran = workspace.run_all(["validation.schema"], ["validation.dataset"])
    assert [0, 0] == [one.code for one in ran]
    environment = workspace.environment() | {"MLFLOW_TRACKING_URI": server}
    monkeypatch.setattr(type(workspace), "environment", lambda _: environment)
    fitted = workspace.run("train.fit")
    assert (0, "model-version=1\n") == (fitted.code, fitted.out), fitted.err
    gates = [
        [f"validation.{gate}", "--model-version", "1"] for gate in ("performance", "fairness", "behaviour", "parity")
    ]
    export = ["serve.export", "--model-version", "1", "--to", "build/model"]
    report, promote = (["validation.report", "--model-version", "1"], ["train.promote", "--model-version", "1"])
    ran = workspace.run_all(["train.fit"], *gates, report, export, promote, ["train.fit"])
    assert [0] * 9 == [one.code for one in ran], [one.err for one in ran]
    assert "model-version=1\nreused=true\n" == ran[0].out
    assert "| none | version 1 |" in ran[-2].out
    [kept] = (tmp_path / "kept").rglob("report.html")  # where the server keeps what promotion stored
    assert kept.read_bytes() == (workspace.root / "build/report/index.html").read_bytes()
    assert not (workspace.root / ".mlflow").exists()
    saved = workspace.run("train.store", "save", "--to", "build/store")
    assert "saved: the tracking server keeps the registry; nothing to carry\n" == saved.out
