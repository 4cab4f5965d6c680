"""Several workers are one service: they share socket and counts, and the death of one is survived."""

import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx


def children(process: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def waited(condition, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(condition())


def scored(url: str) -> float:
    return float(re.search(r"^predict_rows_total (\S+)", httpx.get(f"{url}/metrics").text, re.MULTILINE).group(1))


def test_workers_count_together_and_drain(start, golden, tmp_path) -> None:
    """Whichever worker answers /metrics adds up all; SIGTERM ends all of them, exit 0."""
    with start(WORKERS="3", READY_FILE=str(tmp_path / "ready")) as (url, process):
        assert waited((tmp_path / "ready").exists)
        assert 3 == len(children(process.pid))
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: httpx.post(f"{url}/predict", json=golden["rows"][0]), range(90)))
        assert {200} == {answer.status_code for answer in answers}
        assert {90.0} == {scored(url) for _ in range(8)} or waited(lambda: scored(url) == 90)
        process.terminate()
        assert 0 == process.wait(timeout=30)


def test_a_worker_that_dies_is_started_again(start, golden, tmp_path) -> None:
    """Kill -9 under load: the service answers on, another process takes the place, counts are kept."""
    with start(WORKERS="2", READY_FILE=str(tmp_path / "ready")) as (url, process):
        assert waited((tmp_path / "ready").exists)
        before = children(process.pid)
        httpx.post(f"{url}/predict", json={"records": golden["rows"][:10]})
        os.kill(before[0], signal.SIGKILL)
        assert waited(lambda: len(set(children(process.pid)) - {before[0]}) == 2)
        for _ in range(20):
            assert 200 == httpx.post(f"{url}/predict", json=golden["rows"][0]).status_code
        assert waited(lambda: scored(url) >= 20)
        process.terminate()
        assert 0 == process.wait(timeout=30)
        assert "died (signal 9); it is started again" in process.stderr.read()


def test_without_the_supervisor_workers_end(start, tmp_path) -> None:
    """Kill -9 of the supervisor leaves nobody on the port."""
    with start(WORKERS="2", READY_FILE=str(tmp_path / "ready")) as (_, process):
        assert waited((tmp_path / "ready").exists)
        workers = children(process.pid)
        process.kill()
        assert waited(lambda: not any(Path(f"/proc/{worker}/task").exists() for worker in workers))


def test_requests_under_way_are_answered_before_the_end(start, golden) -> None:
    """SIGTERM while a large request is worked on: it is answered, then the process ends by 0."""
    with start() as (url, process), ThreadPoolExecutor(1) as pool:
        rows = (golden["rows"] * 120)[:9000]
        body = httpx.Request("POST", f"{url}/predict", json={"records": rows}).read()
        under_way = pool.submit(httpx.post, f"{url}/predict", content=body, timeout=60)
        assert waited(lambda: "predict_in_flight 1.0" in httpx.get(f"{url}/metrics").text or under_way.done())
        process.terminate()
        assert 9000 == len(under_way.result().json()["predictions"])
        assert 0 == process.wait(timeout=30)
