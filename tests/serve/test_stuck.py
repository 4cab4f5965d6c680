"""The end of a service whose work does not end: it leaves when its patience is over, and has kept what it promised."""

import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from tests.ports import free_port

# A service whose large requests wait: for ever, or until the end is asked for; each tells that it has begun
SERVICE = """
import os, sys, threading
from pathlib import Path
from serve import app, running
from serve.wire import app as wire

how, told, patience = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
asked, end, large, count = threading.Event(), running.Server.close_doors, wire._large, iter(range(100))

def ending(self):
    asked.set()
    end(self)

def waits(*more):
    (told / f"{os.getpid()} {next(count)}").touch()
    (asked if how == "ends" else threading.Event()).wait()
    return large(*more)

running.Server.close_doors, wire._large, running.DRAIN_SECONDS = ending, waits, patience
sys.argv[1:] = []
raise SystemExit(app.main())
"""


def begins(chain, tmp_path, how: str, patience: float, workers: str) -> tuple[str, "subprocess.Popen[str]"]:
    """Start it, with a log of predictions."""
    port = free_port()
    (tmp_path / "told").mkdir()
    settings = {"BUNDLE": str(chain.root / "build/model"), "PORT": str(port), "WORKERS": workers}
    settings |= {"PREDICTION_SPOOL": str(tmp_path / "spool")}
    command = [sys.executable, "-c", SERVICE, how, str(tmp_path / "told"), str(patience)]
    process = subprocess.Popen(
        command, cwd=chain.root, env=chain.environment() | settings, text=True, stderr=subprocess.PIPE
    )
    url = f"http://127.0.0.1:{port}"
    while True:
        try:
            if httpx.get(f"{url}/readyz", trust_env=False).status_code == 200:
                return url, process
        except httpx.HTTPError:
            assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    ("how", "count", "patience", "code", "status"), [("hangs", 9, 1, 1, 500), ("ends", 2, 60, 0, 200)]
)
def test_it_leaves_when_its_patience_is_over(
    chain, golden, tmp_path, how, count, patience, code, status, workers
) -> None:
    """Exit 1 and a log that is whole when threads hang, more than the loop has; exit 0 when they end in time."""
    url, process = begins(chain, tmp_path, how, patience, workers)
    row, answers = golden["rows"][-1], []
    large = {"records": [row] * 400}
    small = {"records": [row] * 150}  # of which the log keeps a tenth, by their ids
    assert 200 == httpx.post(f"{url}/predict", json=small, headers={"X-Request-Id": "small"}).status_code

    def ask() -> None:
        try:
            answers.append(httpx.post(f"{url}/predict", json=large, timeout=120, trust_env=False).status_code)
        except httpx.HTTPError:
            answers.append(0)

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    while not list((tmp_path / "told").iterdir()):
        assert process.poll() is None
        time.sleep(0.01)
    if how == "ends":  # those that are let in now are answered, too
        while len(list((tmp_path / "told").iterdir())) < count:
            time.sleep(0.01)
    process.terminate()
    _, said = process.communicate(timeout=60)  # a minute for a busy machine: without an end it would be for ever
    for thread in threads:
        thread.join()
    assert code == process.returncode, said
    assert {status} >= set(answers) - {0}
    assert count == len(answers)
    assert [] == list((tmp_path / "spool").glob("*.open"))
    assert any('"small:' in path.read_text() for path in (tmp_path / "spool").glob("*.jsonl"))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_who_sends_slowly_makes_no_end_a_bad_one(chain, tmp_path, workers) -> None:
    """A body that is still on its way when the patience is over was no work: exit 0."""
    url, process = begins(chain, tmp_path, "ends", 1, workers)
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as small, socket.create_connection((host, int(port))) as large:
        for sender, size in ((small, 1_000), (large, 1_000_000)):
            sender.sendall(
                b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
                b"content-length: %d\r\n\r\n{" % size
            )
        assert 200 == httpx.get(f"{url}/readyz", trust_env=False).status_code  # what came before it has been read
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert 0 == process.returncode, said
