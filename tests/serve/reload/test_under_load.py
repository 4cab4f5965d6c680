"""A reload under load: nobody's request fails, and no answer is of two versions."""

import http.client
import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from serve.model import Model
from tests.serve.reload.conftest import both
from tests.serve.test_workers import children, waited
from tests.serves import serves

CLIENTS = 4


def outputs(bundle: Path) -> list[float]:
    """The probabilities of the golden rows."""
    return [row[1] for row in json.loads((bundle / "model/golden.json").read_text())["outputs"]]


class Load:
    """Clients that ask without a pause, each on a connection that it keeps: one row, many rows, and large requests."""

    def __init__(self, url: str, rows: list[dict]) -> None:
        self._url, self._rows, self._end = url, rows, threading.Event()
        self.answers: list[tuple[float, float, int, list[tuple[int, float]]]] = []  # begun, ended, version, outputs

    def ask(self, number: int) -> None:
        """Ask until the end; remember when, and which version said what about which row."""
        with httpx.Client(base_url=self._url, trust_env=False, timeout=60) as client:
            while not self._end.is_set():
                places = [len(self.answers) % len(self._rows)] if number < 2 else [*range(len(self._rows))] * 2 * number
                rows = [self._rows[place] for place in places]
                began = time.monotonic()
                answer = client.post("/predict", json=rows[0] if number < 2 else {"records": rows})
                ended = time.monotonic()
                assert 200 == answer.status_code, answer.text
                told = answer.json()
                found = [told["prediction"]] if number < 2 else told["predictions"]
                said = [(place, each["probability"]) for place, each in zip(places, found, strict=True)]
                self.answers.append((began, ended, told["model_version"], said))

    def __enter__(self) -> "Load":
        self._pool = ThreadPoolExecutor(CLIENTS)
        self._clients = [self._pool.submit(self.ask, number) for number in range(CLIENTS)]
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for client in self._clients:
            client.result()  # raises what went wrong with a request
        self._pool.shutdown()


@both
def test_nobodys_request_fails(mounted, bundles, golden) -> None:
    """Four reloads under load: every answer is a 200, wholly one version's; old before, new once the log says so."""
    expected = {version: outputs(bundles / str(version)) for version in (1, 2)}
    spans = []
    with Load(mounted.url, golden["rows"]) as load:
        assert waited(lambda: len(load.answers) > 20)
        for version in (2, 1, 2, 1):
            asked = time.monotonic()
            assert f"version {version} of income answers" in mounted.reload(bundles / str(version))["message"]
            spans.append((asked, time.monotonic(), version))
            assert version == serves(mounted.url)["model_version"]
            told = time.monotonic()
            assert waited(lambda told=told: sum(answer[0] > told for answer in load.answers) > 20)
    for _, _, version, said in load.answers:
        assert [pytest.approx(expected[version][place], abs=1e-6) for place, _ in said] == [one for _, one in said]
    for (_, told, version), (asked, _, _) in zip(spans, [*spans[1:], (time.monotonic(), 0, 0)], strict=True):
        between = {answer[2] for answer in load.answers if answer[0] > told and answer[1] < asked}
        assert {version} == between
    assert {1} == {answer[2] for answer in load.answers if answer[1] < spans[0][0]}
    assert None is mounted.process.poll()


@pytest.mark.parametrize("mounted", [2], indirect=True)
def test_a_kept_connection_is_told_before_it_is_closed(mounted, bundles) -> None:
    """No old worker hangs up on a silent client: it answers once more, and says `connection: close`."""
    kept = [http.client.HTTPConnection(mounted.url.removeprefix("http://"), timeout=60) for _ in range(8)]
    assert [None] * 8 == [told(connection) for connection in kept]
    mounted.point(bundles / "2")
    mounted.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + 60
    while kept and time.monotonic() < end:
        time.sleep(0.2)  # silent for a while, but not as long as a server waits
        kept = [connection for connection in kept if told(connection) != "close"]
    assert [] == kept
    assert waited(lambda: mounted.events("reloaded") != [])


def told(connection: http.client.HTTPConnection) -> str | None:
    """Ask once; say what the answer tells about the connection."""
    connection.request("GET", "/readyz")
    answer = connection.getresponse()  # raises where nobody answers
    answer.read()
    assert 200 == answer.status
    return answer.getheader("connection")


@pytest.mark.parametrize("mounted", [2], indirect=True)
def test_workers_that_die_amid_a_reload_come_back_as_new(mounted, bundles, golden) -> None:
    """Kill -9 of both old workers once a reload is asked for: the service answers again, by the new bundle alone."""
    old = children(mounted.process.pid)
    mounted.point(bundles / "2")
    mounted.process.send_signal(signal.SIGHUP)
    for worker in old:
        os.kill(worker, signal.SIGKILL)
    assert waited(lambda: mounted.events("reloaded") != [])
    assert 2 == len(set(children(mounted.process.pid)) - set(old))
    found = [httpx.post(f"{mounted.url}/predict", json=golden["rows"][0]).json()["model_version"] for _ in range(20)]
    assert [2] * 20 == found


def test_the_made_bundles_differ(bundles) -> None:
    """What tells the versions apart here is far more than rounding."""
    one, two = (outputs(bundles / name) for name in "12")
    assert min(abs(a - b) for a, b in zip(one, two, strict=True)) > 1e-5
    assert len({Model(bundles / name / "model").digest for name in "123"}) == 3
