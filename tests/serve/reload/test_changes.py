"""What a reload takes along, and what it leaves: counts, contract; and an end that does not wait for it."""

import json
import shutil
import signal
from pathlib import Path

import httpx
import pytest

from serve.bundle import MANIFEST
from serve.remembered.ids import sample
from tests.serve.bundles import changed
from tests.serve.reload.conftest import both
from tests.serve.test_workers import waited


@both
def test_another_contract_takes_its_place_with_its_counts(mounted, bundles, golden) -> None:
    """A bundle with one column more: rows, documents and bins are the new one's; requests are counted on."""
    row = golden["rows"][0]
    for _ in range(20):
        assert 200 == httpx.post(f"{mounted.url}/predict", json=row).status_code
    assert 422 == httpx.post(f"{mounted.url}/predict", json=row | {"bonus": 1.0}).status_code
    mounted.reload(bundles / "3")
    for _ in range(10):
        assert 200 == httpx.post(f"{mounted.url}/predict", json=row | {"bonus": 7.0}).status_code
    assert 422 == httpx.post(f"{mounted.url}/predict", json=row).status_code
    assert "bonus" in httpx.get(f"{mounted.url}/openapi.json").json()["components"]["schemas"]["Row"]["required"]
    assert 200 == httpx.get(f"{mounted.url}/v2/models/income/versions/3").status_code
    wanted = {
        "predict_rows_total": 30, 'predict_answers_total{protocol="predict",status="200"}': 30,
        'predict_answers_total{protocol="predict",status="422"}': 2, "predict_seconds_count": 32,
        'predict_errors_total{kind="contract"}': 2, "predict_in_flight": 0,
        'feature_values_total{bin="[6,inf)",feature="bonus"}': 10, "prediction_count": 10,
    }  # fmt: skip
    # a worker counts after it has answered, and tells what it has counted: whoever is asked later tells more
    assert waited(lambda: wanted == {name: mounted.samples()[name] for name in wanted}), mounted.samples()
    assert any('version="3"' in name for name in mounted.samples() if name.startswith("model_info"))


@pytest.fixture
def spool(tmp_path, monkeypatch) -> Path:
    """The folder of the prediction log that the service is told to keep."""
    monkeypatch.setenv("PREDICTION_SPOOL", str(tmp_path / "spool"))
    return tmp_path / "spool"


@both
def test_the_log_tells_which_version_answered(spool, mounted, bundles, golden) -> None:
    """Nothing that was answered before or after is lost, and each row is told of under the version that scored it."""
    rate = json.loads((bundles / "1/service.json").read_text())["prediction_log"]["rate"]
    wanted = {}
    for version in (1, 2):
        ids = [f"v{version}-{number}" for number in range(60)]
        for name in ids:
            answer = httpx.post(f"{mounted.url}/predict", json=golden["rows"][0], headers={"X-Request-Id": name})
            assert version == answer.json()["model_version"]
        assert 200 == httpx.post(f"{mounted.url}/feedback", json={"id": ids[0], "outcome": "<=50K"}).status_code
        wanted[version] = set(sample([(name, 1) for name in ids], rate)[1])
        if version == 1:
            mounted.reload(bundles / "2")
    mounted.process.terminate()
    assert 0 == mounted.process.wait(timeout=60)
    kept = {1: set(), 2: set()}
    for path in spool.glob("*.jsonl"):
        head, *lines = [json.loads(line.partition(" ")[2]) for line in path.read_text().splitlines()]
        kept[head["model_version"]] |= {name for line in lines if line["kind"] == "prediction" for name in line["ids"]}
    assert wanted == kept
    assert all(wanted.values())
    assert [] == list(spool.glob("*.open"))


@both
def test_it_ends_in_bounded_time_while_it_loads(mounted, bundles, golden, tmp_path) -> None:
    """SIGTERM amid a load that would take minutes: exit 0, without an outcome of the reload."""
    endless = shutil.copytree(bundles / "2", tmp_path / "endless")
    with (endless / "a").open("w") as file:
        file.truncate(1 << 38)  # a hole of 256 GB, which takes minutes to digest
    files = json.loads((endless / MANIFEST).read_text())["files"]
    changed(endless / MANIFEST, files={"a": "0" * 64} | files)
    mounted.point(endless)
    mounted.process.send_signal(signal.SIGHUP)
    assert waited(lambda: any(str(endless) in opened for opened in open_files(mounted.process.pid)))
    assert 200 == httpx.post(f"{mounted.url}/predict", json=golden["rows"][0]).status_code
    mounted.process.terminate()
    assert 0 == mounted.process.wait(timeout=30)
    assert [] == mounted.events("reloaded") + mounted.events("reload refused")


def open_files(process: int) -> list[str]:
    found = []
    for path in Path(f"/proc/{process}/fd").iterdir():
        try:
            found.append(str(path.readlink()))
        except FileNotFoundError:  # closed meanwhile
            continue
    return found
