"""Shadow mode over real sockets: what comes back is counted and compared, a caller who is too quick waits."""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import replace

import httpx
import pytest

from infra import bake, process
from infra.replay import Replay
from validation.script import ROOT, Refusal


@pytest.fixture
def deploy(config):
    return replace(config.deploy, replay_requests=200, replay_per_second=1000.0)


@pytest.fixture
def fake():
    """Serve `answer(row, count)` -> (status, headers, content) on loopback; give its address and what was asked."""
    servers = []

    def start(answer):
        asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # an answer is one packet: two wait for each other's acknowledgement

            def do_POST(self):
                row = json.loads(self.rfile.read(int(self.headers["content-length"])))
                asked.append((time.monotonic(), row, self.headers.get("authorization")))
                status, headers, content = answer(row, len(asked))
                body = json.dumps(content).encode()
                self.send_response(status)
                for name, value in (headers | {"content-length": str(len(body))}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                return

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}", asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


# Times are not what these tests are about, on a machine that others use too
AT_EASE = {"replay_requests": 3000, "error_rate_worse_by": 0.02, "slower_times": 10.0, "slower_by": 0.5}


def right(row, count):
    """Answer as the model of `make_real_bundle` does, which gives back its one input."""
    return 200, {}, {"prediction": {"value": row["x"]}}


def sent(replay, seconds=30.0):
    """Replay until there is nothing left."""
    while not (seen := replay(seconds)).done:
        pass
    return seen


def test_a_good_canary_gets_the_rows_that_stable_gets_and_finishes(fake, make_real_bundle, deploy) -> None:
    """Golden rows first, each row once to each side, and nothing to complain of."""
    (canary, asked), (stable, others) = fake(right), fake(right)
    told = replace(deploy, **AT_EASE)
    verdict = bake.shadow(Replay(make_real_bundle().folder, canary, stable, told, 3), told, 0.05)
    assert ("finish", "replay") == (verdict.outcome, verdict.source), verdict.markdown()
    rows, theirs = ([row["x"] for _, row, _ in some] for some in (asked, others))
    assert {1.0, 2.0} == set(rows[:2])
    assert sorted(rows) == sorted(theirs)
    assert all(0 <= x <= 9 for x in rows)


HARMS = {
    "errors": (lambda row, count: (500, {}, {}), "failed requests"),
    "refusals": (lambda row, count: (422, {}, {"detail": "no"}), "refused requests"),
    "no JSON": (lambda row, count: (200, {}, "text"), "a replayed answer is not the bundle's own"),
    "NaN": (lambda row, count: (200, {}, {"prediction": {"value": float("nan")}}), "gives nan instead of"),
    "another prediction, once in a while": (
        lambda row, count: right({"x": row["x"] + (count == 60)}, count),
        "a replayed answer is not the bundle's own: one of",
    ),
}


@pytest.mark.parametrize(("answer", "said"), HARMS.values(), ids=HARMS.keys())
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "beside stable"])
def test_harm_is_undone(fake, make_real_bundle, deploy, answer, said, alone) -> None:
    """Whether or not there is a stable to compare with."""
    (canary, _), (stable, _) = fake(answer), fake(right)
    verdict = bake.shadow(Replay(make_real_bundle().folder, canary, None if alone else stable, deploy, 3), deploy, 0.01)
    assert "undo" == verdict.outcome
    assert said in verdict.sentence


def test_what_answers_nothing_has_failed(fake, make_real_bundle, deploy, monkeypatch) -> None:
    """Nobody listens, or nothing comes within the time."""
    monkeypatch.setattr("infra.replay.TIMEOUT", 0.2)
    few, bundle = replace(deploy, replay_requests=8), make_real_bundle().folder
    with process.listen(0) as listener:
        closed = f"http://127.0.0.1:{process.port_of(listener)}"
    hangs, _ = fake(lambda row, count: time.sleep(1) or right(row, count))
    for url in (closed, hangs):
        seen = sent(Replay(bundle, url, None, few, 3))
        assert (8, 8, 0) == (seen.canary.asked, seen.canary.failed, seen.compared)


def test_a_stable_that_hangs_is_asked_no_more(fake, make_real_bundle, deploy, monkeypatch) -> None:
    """Its canary is asked on, and the rows that stable did not answer stay failed ones."""
    monkeypatch.setattr("infra.replay.TIMEOUT", 0.2)
    (canary, asked), (stable, _others) = fake(right), fake(lambda row, count: time.sleep(1) or right(row, count))
    seen = sent(Replay(make_real_bundle().folder, canary, stable, replace(deploy, replay_requests=60), 3))
    assert (60, 0, 60) == (seen.canary.asked, seen.canary.failed, len(asked))
    assert seen.stable.failed == seen.stable.asked
    assert 12 <= seen.stable.asked < 20
    assert "it answered none of the last 12 in time" in seen.aside


@pytest.mark.parametrize(("slow", "outcome"), [("stable", "finish"), ("both", "not enough")])
def test_a_slow_stable_does_not_starve_the_replay(fake, make_real_bundle, deploy, monkeypatch, slow, outcome) -> None:
    """Its canary is judged without it, soon, and the verdict says so; where both are slow, the pace is the reason."""
    monkeypatch.setattr("infra.baking.heard.HELD_UP", 0.3)
    monkeypatch.setattr("infra.baking.pace.PATIENCE", 4.0)

    def slowly(row, count):
        time.sleep(0.4)
        return right(row, count)

    told = replace(deploy, **AT_EASE, replay_seconds=24.0, look_seconds=0.2)
    (canary, asked), (stable, others) = fake(slowly if slow == "both" else right), fake(slowly)
    began = time.monotonic()
    verdict = bake.shadow(Replay(make_real_bundle().folder, canary, stable, told, 3), told, 0.01)
    assert outcome == verdict.outcome, verdict.markdown()
    assert time.monotonic() - began < 20
    if slow == "stable":
        assert len(others) < 40 < 250 < len(asked)
        assert re.search(r"it took 0\.\d s for each, too long for", verdict.notes[0])
    else:
        assert () == verdict.notes
        assert re.search(r"answers come too slowly \(canary in 0\.\d s, stable in 0\.\d s\)", verdict.sentence)


@pytest.mark.parametrize("side", ["canary", "stable"])
def test_a_side_that_is_asked_too_often_is_left_alone_and_not_blamed(fake, make_real_bundle, deploy, side) -> None:
    """429 is waited for, for both, as long as it says; the row is not counted on either side."""
    few = replace(deploy, replay_requests=20, replay_at_once=1)

    def busy(row, count):
        return (429, {"retry-after": "1"}, {}) if count == 10 else right(row, count)

    (slow, asked), (other, others) = fake(busy), fake(right)
    urls = (slow, other) if side == "canary" else (other, slow)
    seen = sent(Replay(make_real_bundle().folder, *urls, few, 3))
    assert [(19, 0, 0)] * 2 == [(one.asked, one.failed, one.refused) for one in (seen.canary, seen.stable)]
    for some in (asked, others):
        assert some[10][0] - some[9][0] >= 0.9


def test_the_key_is_sent_and_one_that_is_not_known_is_no_verdict(fake, make_real_bundle, deploy, monkeypatch) -> None:
    """The canary is not blamed for a missing key; the sentence names the variable."""
    monkeypatch.setenv("SERVICE_KEY", "k1")
    (known, asked), bundle = fake(right), make_real_bundle().folder
    sent(Replay(bundle, known, None, replace(deploy, replay_requests=3), 3))
    assert ["Bearer k1"] * 3 == [key for _, _, key in asked]
    unknown, _ = fake(lambda row, count: (401, {}, {}))
    with pytest.raises(Refusal, match="answers 401: SERVICE_KEY"):
        sent(Replay(bundle, unknown, None, deploy, 3))


def test_it_keeps_to_its_pace_and_to_its_number(fake, make_real_bundle, deploy) -> None:
    """Not more at once, a second, or in all than DEPLOY says."""
    under_way, most, lock = [0], [0], threading.Lock()

    def slow(row, count):
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.02)
        with lock:
            under_way[0] -= 1
        return right(row, count)

    url, asked = fake(slow)
    few = replace(deploy, replay_requests=40, replay_per_second=100.0, replay_at_once=3)
    replay = Replay(make_real_bundle().folder, url, None, few, 3)
    assert 0 < replay(0.1).canary.asked <= 10
    seen = sent(replay, 0.1)
    assert (40, 40) == (seen.canary.asked, len(asked))
    assert most[0] <= 3


def test_it_comes_to_an_end_however_slow_the_machine_is(fake, make_real_bundle, deploy) -> None:
    """A turn whose time is over before it could send anything sends one row all the same."""
    url, asked = fake(right)
    replay = Replay(make_real_bundle().folder, url, None, replace(deploy, replay_requests=3), 3)
    assert [1, 2, 3, 3] == [replay(0.0).canary.asked for _ in range(4)]
    assert 3 == len(asked)


def test_recorded_rows_go_first_and_those_that_break_the_contract_are_not_compared(
    fake, make_real_bundle, deploy, tmp_path
) -> None:
    """What the contract of the new version refuses is sent, and counted as whatever comes back."""
    (tmp_path / "rows.jsonl").write_text('{"x": 4.5}\n{"x": 99}\n')
    url, asked = fake(lambda row, count: right(row, count) if row["x"] <= 9 else (422, {}, {}))
    few = replace(deploy, replay_requests=4, replay_at_once=1)
    seen = sent(Replay(make_real_bundle().folder, url, None, few, 3, tmp_path / "rows.jsonl"))
    assert [4.5, 99, 1.0, 2.0] == [row["x"] for _, row, _ in asked]
    assert (4, 1, 3, 0) == (seen.canary.asked, seen.canary.refused, seen.compared, seen.unlike)


def test_a_bundle_that_cannot_be_read_is_refused(tmp_path, deploy) -> None:
    """One sentence."""
    with pytest.raises(Refusal, match="missing"):
        Replay(tmp_path, "http://127.0.0.1:9", None, deploy, 3)


def test_an_interrupt_ends_it_at_once(fake, make_real_bundle, deploy, tmp_path) -> None:
    """Ctrl-C while requests are under way: no further one is sent, exit 130."""
    url, asked = fake(right)
    code = f"""
import sys
from dataclasses import replace
from pathlib import Path
from infra.replay import Replay
from validation import contract
from validation.script import door

@door
def main(argv=None):
    deploy = replace(contract.load().deploy, replay_per_second=20.0)
    Replay(Path({str(make_real_bundle().folder)!r}), {url!r}, None, deploy, 3)(60)
    return 0

raise SystemExit(main())
"""
    started = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.wait(lambda: len(asked) > 3, 60)
    started.terminate()
    _, err = started.communicate(timeout=20)
    assert (130, True) == (started.returncode, "interrupted" in err)
    assert len(asked) < 200


def test_the_real_service_is_as_good_as_itself(make_real_bundle, deploy, tmp_path) -> None:
    """Two real services of one bundle, by their own /metrics and by replay: finished, and nothing was told."""
    sealed, services, urls = make_real_bundle(), [], []
    try:
        for _ in range(2):
            with process.listen(0) as listener:
                port = process.port_of(listener)
            environment = os.environ | {"BUNDLE": str(sealed.folder), "PORT": str(port)}
            services.append(subprocess.Popen([sys.executable, "-m", "serve.app"], cwd=ROOT, env=environment))
            urls.append(f"http://127.0.0.1:{port}")
        for url in urls:
            assert process.wait(lambda url=url: _answers(f"{url}/readyz"), 60)

        def metrics():
            canary, stable = (httpx.get(f"{url}/metrics", trust_env=False).text for url in urls)
            return [stable], [canary]

        told = replace(deploy, look_seconds=0.5, **AT_EASE)
        one = bake.side(sealed.folder)
        verdict = bake.bake(metrics, one, one, told, Replay(sealed.folder, *urls, told, 3))
        assert ("finish", "replay") == (verdict.outcome, verdict.source), verdict.markdown()
        assert all("its training rows" in note for note in verdict.notes)
    finally:
        for service in services:
            service.terminate()
            service.wait()


def _answers(url):
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
