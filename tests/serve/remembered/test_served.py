"""The log of a service that runs: nothing that was promised is lost, nothing is there twice, nobody waits for it."""

import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from validation.script import ROOT

MINUTE = 60


def waited(condition: Callable[[], object], seconds: float = MINUTE) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(condition())


def metric(url: str, name: str) -> float:
    text = httpx.get(f"{url}/metrics").text
    return float(re.search(rf"^{re.escape(name)} (\S+)", text, re.MULTILINE).group(1))


def ended(process) -> int:
    process.terminate()
    return process.wait(timeout=MINUTE)


@contextmanager
def asking(url: str, row: dict) -> Iterator[Callable[[int], str | None]]:
    """Predict and tell the outcome; give the id once the outcome is taken, None where a killed process had it."""
    with httpx.Client(base_url=url, trust_env=False) as client:

        def ask(number: int) -> str | None:
            try:
                client.post("/predict", json=row, headers={"X-Request-Id": f"p{number}"})
                taken = client.post("/feedback", json={"id": f"p{number}", "outcome": "<=50K"})
            except httpx.HTTPError:
                return None
            return f"p{number}:0" if taken.status_code == 200 else None

        yield ask


def files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name != "ship.lock"]


def test_what_was_answered_is_kept_after_sigterm(logging, golden, shipped, tmp_path) -> None:
    """Every row of every protocol, with the numbers of its answer and the columns that the list allows; exit 0."""
    rows, store = golden["rows"], tmp_path / "store"
    with logging({"columns": ["age"]}) as (url, process):
        one = httpx.post(f"{url}/predict", json=rows[0])
        many = httpx.post(f"{url}/predict", json={"records": rows[:40] * 10}, headers={"X-Request-Id": "many"})
        httpx.post(f"{url}/invocations", json={"inputs": rows[:3]}, headers={"X-Request-Id": "mlflow"})
        httpx.post(f"{url}/predict", json={"records": [{}]}, headers={"X-Request-Id": "refused"})
        assert 200 == httpx.post(f"{url}/feedback", json={"id": "many:7", "outcome": ">50K"}).status_code
        assert 0 == ended(process)
    assert [] == list((store / ".spool").glob("*.open"))  # all is written; how much is shipped, the clock decides
    predictions, feedback = shipped(store / ".spool")
    kept = predictions.set_index("id")
    name = one.headers["X-Request-Id"]
    assert {f"{name}:0", *(f"many:{row}" for row in range(400)), *(f"mlflow:{row}" for row in range(3))} == set(
        kept.index
    )
    for row, told in [(f"{name}:0", one.json()["prediction"]), ("many:399", many.json()["predictions"][399])]:
        assert told == kept.loc[row, ["label", "probability"]].to_dict()
    assert rows[7]["age"] == kept.loc["many:7", "age"]
    assert not set(rows[0]) - {"age"} & set(kept.columns)
    assert [("many:7", ">50K")] == list(feedback[["id", "outcome"]].itertuples(index=False, name=None))


def test_the_answer_is_the_same_with_and_without_a_log(logging, service, golden) -> None:
    """Same bytes in, same bytes out: the id is a header."""
    with logging({}) as (url, _):
        for path, body in (("/predict", golden["rows"][0]), ("/invocations", {"inputs": golden["rows"][:2]})):
            with_log, without = (httpx.post(f"{root}{path}", json=body) for root in (url, service))
            assert with_log.content == without.content


def test_workers_write_files_of_their_own(logging, golden, shipped, tmp_path) -> None:
    """Two processes log and ship, one of them is killed on the way: every feedback that was taken is there once."""
    store = tmp_path / "store"
    with logging({"segment_seconds": 1}, WORKERS="2") as (url, process):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        with asking(url, golden["rows"][0]) as ask, ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(ask, number) for number in range(400)]
            assert waited(asked[150].done)
            os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
            taken = {each.result() for each in asked} - {None}
        assert waited(lambda: metric(url, 'prediction_log_shipped_total{kind="feedback"}') > 0)
        assert 0 == ended(process)
    predictions, feedback = (told["id"] for told in shipped(store / ".spool"))
    assert len(taken) > 300
    assert (set(), True, True) == (taken - set(feedback), feedback.is_unique, predictions.is_unique)
    assert len({path.name for path in store.rglob("*.parquet")}) >= 2


def test_killed_and_started_again_nothing_promised_is_lost(logging, golden, shipped, tmp_path) -> None:
    """Kill -9 in the middle of the writing, three times: what was on the disk comes once, nothing torn comes."""
    store, promised = tmp_path / "store", set()
    for begin in (0, 200, 400):
        running = logging({"sync_seconds": 0})
        with running as (url, process), asking(url, golden["rows"][0]) as ask, ThreadPoolExecutor(4) as pool:
            answers = [pool.submit(ask, begin + number) for number in range(200)]
            assert waited(answers[60].done)
            process.kill()
            promised |= {each.result() for each in answers} - {None}
    with logging({}) as (_, process):
        assert waited(lambda: files(store / ".spool") == [])
        assert 0 == ended(process)
    predictions, feedback = shipped(store / ".spool")
    assert len(promised) >= 150
    assert promised - set(feedback["id"]) == set()
    assert (True, True) == (feedback["id"].is_unique, predictions["id"].is_unique)
    assert {"<=50K"} == set(feedback["outcome"])


def test_a_store_that_is_away_is_waited_for(logging, golden, shipped, tmp_path) -> None:
    """Predictions are answered, records wait; when the store is back, they are shipped without a restart."""
    store, spool = tmp_path / "store", tmp_path / "spool"
    store.write_text("no folder")
    with logging({"segment_seconds": 0.2}, PREDICTION_SPOOL=str(spool)) as (url, process):
        for row in golden["rows"][:20]:
            assert 200 == httpx.post(f"{url}/predict", json=row).status_code
        assert waited(lambda: metric(url, "prediction_log_ship_failures_total") >= 1)
        assert metric(url, 'prediction_log_shipped_total{kind="predictions"}') == 0
        assert waited(lambda: metric(url, "prediction_log_spool_bytes") > 0)
        store.unlink()
        assert waited(lambda: metric(url, 'prediction_log_shipped_total{kind="predictions"}') == 20)
        assert 0 == ended(process)
    assert 20 == len(shipped(spool)[0])


def test_a_store_that_stays_away_does_not_keep_the_end_waiting(logging, golden, shipped, tmp_path) -> None:
    """SIGTERM: exit 0, and the records lie in the spool for the next start."""
    (tmp_path / "store").write_text("no folder")
    with logging({}, PREDICTION_SPOOL=str(tmp_path / "spool")) as (url, process):
        httpx.post(f"{url}/predict", json=golden["rows"][0])
        assert 0 == ended(process)
    assert [".jsonl"] == [path.suffix for path in files(tmp_path / "spool")]
    (tmp_path / "store").unlink()
    with logging({}, PREDICTION_SPOOL=str(tmp_path / "spool")) as (url, process):
        assert waited(lambda: files(tmp_path / "spool") == [])
    assert len(shipped()[0]) == 1


def test_a_disk_that_takes_no_more_fails_no_prediction(logging, golden, shipped, tmp_path) -> None:
    """The process may write no byte: answers as before, feedback is refused for now; then it may, and all goes on."""
    with logging({}) as (url, process):
        assert 200 == httpx.post(f"{url}/feedback", json={"id": "a", "outcome": ">50K"}).status_code
        usual = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, usual[1]))
        for row in golden["rows"][:10]:
            assert 200 == httpx.post(f"{url}/predict", json=row).status_code
        refused = httpx.post(f"{url}/feedback", json={"id": "b", "outcome": ">50K"})
        assert (503, "5") == (refused.status_code, refused.headers["Retry-After"])
        assert waited(lambda: metric(url, 'prediction_log_dropped_total{reason="disk"}') == 11)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, usual)
        assert waited(lambda: httpx.post(f"{url}/feedback", json={"id": "c", "outcome": ">50K"}).status_code == 200)
        assert 0 == ended(process)
    assert {"a:0", "c:0"} == set(shipped(tmp_path / "store/.spool")[1]["id"])


def test_a_spool_alone_is_shipped_by_somebody_else(logging, golden, shipped, tmp_path) -> None:
    """Without a store nothing is shipped by the service; `serve.ship` beside it does, also while it runs."""
    with logging({"segment_seconds": 0.2}, PREDICTION_LOG="", PREDICTION_SPOOL=str(tmp_path / "spool")) as (url, _):
        httpx.post(f"{url}/predict", json=golden["rows"][0])
        assert waited(lambda: list((tmp_path / "spool").glob("*.jsonl")))
        assert len(shipped()[0]) == 1


@pytest.mark.parametrize("settings", [{"PREDICTION_LOG": "s3://bucket/log"}, {"PREDICTION_SPOOL": "/proc/none/spool"}])
def test_a_log_that_cannot_be_kept_is_no_start(chain, settings) -> None:
    """Exit 2 and a sentence, before anybody is answered."""
    environment = chain.environment() | {"BUNDLE": str(chain.root / "build/model"), "PORT": "0"} | settings
    done = subprocess.run(
        [sys.executable, "-m", "serve.app"],
        cwd=chain.root, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (2, 1) == (done.returncode, len(done.stderr.strip().splitlines()))
    assert "refuses to start" in done.stderr


def test_nothing_of_a_log_is_loaded_where_none_is_kept(chain) -> None:
    """Neither what writes nor what ships; and never Arrow."""
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from serve.guard.around import Guard\nfrom serve.guard.settings import read\n"
        "from serve.loaded import Bundle\nfrom serve.wire.served import serving\n"
        "bundle = Bundle(Path('build/model'))\n"
        "serving(bundle, Guard(read({}, bundle.limits, '127.0.0.1', False), {}))\n"
        "print(sorted({'serve.remembered.spool', 'serve.remembered.shipping', 'pyarrow', 'fsspec'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=chain.root, capture_output=True, text=True)
    assert "[]\n" == done.stdout, done.stderr


def test_the_example_of_the_docs_joins_the_two(log, shipped, tmp_path) -> None:
    """The last outcome of an id holds, and unknown ids are left out."""
    made = log()
    made.spool.start()
    made.predict(rows=4)
    for name, outcome in [("r1:0", "no"), ("r1:1", "no"), ("r1:0", "yes"), ("nobody:0", "yes")]:
        assert "" == made.spool.tell([name], [outcome]).result(timeout=MINUTE)
    made.spool.close()
    shipped(store=tmp_path / "log")
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "docs/predictions.md").read_text(), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert "2 of 4 are known, 0.500 of them were right\n" == done.stdout, done.stderr
