"""The supervised process: one that serves, whatever happens to it."""

import concurrent.futures
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from infra import machine, process, supervisor
from tests.serves import serves


def version(place):
    return serves(place.url)["model_version"]


def pid(place):
    return serves(place.url)["pid"]


def state(place):
    return process.read(place.folder / "state.json")


def test_a_switch_loses_no_request(supervised, make_bundle, client):
    """Clients that never pause see each of three switches as nothing at all."""
    assert supervised.switch(make_bundle(1, slow=0.02)) is None
    load = [client(f"{supervised.url}/predict") for _ in range(3)]
    for number in (2, 3, 4):
        assert supervised.switch(make_bundle(number, slow=0.02)) is None
        assert process.wait(lambda number=number: version(supervised) == number, 20)
    answers, failures = (sum(parts, type(parts[0])()) for parts in zip(*(one.stop() for one in load), strict=True))
    assert [] == failures
    assert answers > 0


@pytest.mark.parametrize("fault", [{"dies": True}, {"never_ready_file": True}])
def test_what_never_becomes_ready_replaces_nothing(supervised, make_bundle, fault):
    """The old process goes on serving when the new one dies or hangs, and the reason comes back."""
    assert supervised.switch(make_bundle(1)) is None
    supervised.ready_seconds = 2
    why = supervised.switch(make_bundle(2, **fault))
    assert why in ("it ended with exit code 1 before it was ready", "it was not ready within 2 s")
    assert version(supervised) == 1


def test_nothing_is_shared_and_the_live_one_is_asked_at_the_port(supervised, make_bundle):
    """One process answers at a time; the candidate is asked at its own address."""
    assert supervised.stable == ""
    supervised.switch(make_bundle(1))
    candidate = supervised.start_candidate(make_bundle(2))
    assert supervised.share(0.5) is None
    assert candidate != supervised.stable == supervised.url


def test_a_killed_service_comes_back(supervised, make_bundle):
    """A client that asks while the service is dead is answered as soon as it is back: the port never closed."""
    supervised.switch(make_bundle(1))
    for restarts in (1, 2):
        before = pid(supervised)
        os.kill(before, signal.SIGKILL)
        assert process.wait(lambda restarts=restarts: state(supervised).get("restarts") == restarts, 20)
        assert pid(supervised) != before


def test_a_request_under_way_is_answered_before_the_end(supervised, make_bundle):
    """Taking the service down drains it."""
    supervised.switch(make_bundle(1, slow=1))
    log = supervised.folder / "service.log"
    with concurrent.futures.ThreadPoolExecutor() as pool:
        asked = pool.submit(httpx.get, f"{supervised.url}/predict", timeout=20)
        assert process.wait(lambda: "asked for /predict" in log.read_text(), 20)
        assert supervised.remove()
        assert 200 == asked.result().status_code
    assert "drained" in log.read_text()


def test_the_caller_is_not_held(supervised, make_bundle):
    """`make pipeline | tee` ends although the supervisor lives on."""
    one = make_bundle(1)
    place = f"Supervised(Path({str(supervised.folder)!r}), {supervised.port}, 20, {supervised.command!r})"
    script = (
        "from infra import bundle; from infra.supervised import Supervised; from pathlib import Path;"
        f"print({place}.switch(bundle.read(Path({str(one.folder)!r}))))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert "None\n" == done.stdout
    assert version(supervised) == 1


def test_a_killed_supervisor_is_replaced(supervised, make_bundle):
    """After `kill -9` of the supervisor its service is an orphan on the port; the next run puts both right."""
    supervised.switch(make_bundle(1))
    orphan = pid(supervised)
    os.kill(state(supervised)["pid"], signal.SIGKILL)
    assert process.wait(lambda: not supervised.is_up(), 20)
    supervised.settle()
    assert version(supervised) == 1
    assert pid(supervised) != orphan


def test_a_switch_that_a_killed_run_asked_for_is_waited_for(supervised, make_bundle, apart):
    """Else the next run would call live what the supervisor replaces a moment later."""
    supervised.switch(make_bundle(1))
    two = make_bundle(2, comes_after=2)
    run = apart.start(supervised.switch, two)
    apart.kill(run, lambda: process.read(supervised.folder / "wish.json").get("bundle") == str(two.folder))
    supervised.settle()
    assert process.wait(lambda: version(supervised) == 2, 1)
    supervised.switch_back()
    assert version(supervised) == 2


def test_a_removal_that_was_killed_is_ended_first(supervised, make_bundle):
    """What drains is not taken for what serves."""
    supervised.switch(make_bundle(1))
    (supervised.folder / "wish.json").write_text(json.dumps({"id": "killed", "bundle": None}))
    supervised.settle()
    assert not supervised.is_up()
    assert supervised.switch(make_bundle(2)) is None
    assert version(supervised) == 2


def test_a_switch_that_was_interrupted_does_not_come_later(supervised, make_bundle, monkeypatch):
    """The supervisor is asked for the old one again, and gives up the new one that it was bringing up."""
    supervised.switch(make_bundle(1))
    supervised.settle()
    with monkeypatch.context() as patch:
        patch.setattr(process, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            supervised.switch(make_bundle(2, comes_after=2))
    supervised.switch_back()
    assert not process.wait(lambda: version(supervised) == 2, 4)


def test_removal_leaves_nothing_and_may_be_repeated(supervised, make_bundle):
    """Nothing listens, nothing runs, and a second removal finds nothing to do."""
    supervised.switch(make_bundle(1))
    assert supervised.remove()
    assert not supervised.remove()
    process.listen(supervised.port).close()
    assert [] == list(supervised.folder.glob("*.leash"))


def told(place, name):
    """Return what a process that serves is told by a name; None where it is not."""
    variables = pathlib.Path(f"/proc/{pid(place)}/environ").read_text().split("\0")
    return dict(one.partition("=")[::2] for one in variables if one).get(name)


def test_what_was_proven_is_what_serves(supervised, make_bundle, monkeypatch):
    """A key that was withdrawn is not accepted after the next deployment, nor after a restart; no one else reads it."""
    monkeypatch.setenv("API_KEYS", "old predict sha256:0")
    monkeypatch.setenv("SENTRY_ENVIRONMENT", "there")
    assert supervised.switch(make_bundle(1)) is None
    assert ("old predict sha256:0", "there") == (told(supervised, "API_KEYS"), told(supervised, "SENTRY_ENVIRONMENT"))
    assert supervised.as_told()
    monkeypatch.setenv("API_KEYS", "new predict sha256:1")
    monkeypatch.delenv("SENTRY_ENVIRONMENT")
    assert not supervised.as_told()
    supervised.settle()
    assert supervised.switch(make_bundle(2)) is None
    assert process.wait(lambda: version(supervised) == 2, 20)
    for restarts in (0, 1):
        assert state(supervised).get("restarts") == restarts
        assert ("new predict sha256:1", None) == (
            told(supervised, "API_KEYS"),
            told(supervised, "SENTRY_ENVIRONMENT"),
        )
        if not restarts:
            os.kill(pid(supervised), signal.SIGKILL)
            assert process.wait(lambda: state(supervised).get("restarts") == 1, 20)
    for name in ("wish.json", "served.json"):
        assert 0o600 == (supervised.folder / name).stat().st_mode & 0o777
    assert "sha256" not in (supervised.folder / "state.json").read_text()
    supervised.switch_back()
    assert process.wait(lambda: version(supervised) == 1, 20)
    assert ("old predict sha256:0", "there") == (told(supervised, "API_KEYS"), told(supervised, "SENTRY_ENVIRONMENT"))
    supervised.remove()
    assert not (supervised.folder / "wish.json").exists()


def test_a_supervisor_that_hands_nothing_over_is_replaced(supervised, make_bundle, monkeypatch):
    """One that an older version started would serve with what it was told at its first start."""
    assert supervised.switch(make_bundle(1)) is None
    before = state(supervised)["pid"]
    (supervised.folder / "served.json").unlink()
    monkeypatch.setenv("API_KEYS", "new predict sha256:1")
    supervised.settle()
    assert supervised.switch(make_bundle(2)) is None
    assert state(supervised)["pid"] != before
    assert "new predict sha256:1" == told(supervised, "API_KEYS")


def test_a_killed_supervisors_service_comes_back_as_it_was_told(supervised, make_bundle, monkeypatch):
    """What served is started again with its own keys, not with those of the next deployment."""
    monkeypatch.setenv("API_KEYS", "old predict sha256:0")
    supervised.switch(make_bundle(1))
    os.kill(state(supervised)["pid"], signal.SIGKILL)
    assert process.wait(lambda: not supervised.is_up(), 20)
    monkeypatch.setenv("API_KEYS", "new predict sha256:1")
    supervised.settle()
    assert "old predict sha256:0" == told(supervised, "API_KEYS")


def test_files_that_a_power_failure_left_empty_are_none(supervised, make_bundle, trial):
    """What is not known any more is not gone back to, and the next deployment goes on."""
    machine.bring(supervised, make_bundle(1), supervised.folder, trial)
    os.killpg(state(supervised)["pid"], signal.SIGKILL)
    os.kill(pid(supervised), signal.SIGKILL)
    for name in ("state.json", "wish.json", "served.json", "deployment.json"):
        (supervised.folder / name).write_text("")
    record = machine.bring(supervised, make_bundle(2), supervised.folder, trial)
    assert (record["previous"], version(supervised)) == (None, 2)


def test_a_supervisor_without_socket_says_who_starts_it(tmp_path):
    """Started by hand it ends with one sentence."""
    done = subprocess.run(
        [sys.executable, "-m", "infra.supervisor", "--folder", str(tmp_path), "--", "true"],
        capture_output=True,
        text=True,
    )
    assert 2 == done.returncode
    assert "LISTEN_FD is not set" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_supervisor_whose_folder_is_gone_ends(supervised, make_bundle):
    """`rm -rf build` leaves no process behind that nobody could find again."""
    supervised.switch(make_bundle(1))
    shutil.rmtree(supervised.folder)
    assert process.wait(lambda: refused(supervised.port), 30)


def test_a_full_disk_does_not_end_the_supervisor(supervised, make_bundle, monkeypatch):
    """While state cannot be written and nothing can be started, it goes on trying; then the service comes back."""
    one = make_bundle(1)
    wish = {"id": "1", "bundle": str(one.folder), "ready_seconds": 20, "environment": {}}
    (supervised.folder / "wish.json").write_text(json.dumps(wish))
    with process.listen(supervised.port) as listener:
        worker = supervisor.Supervisor(supervised.folder, listener, supervised.command)
        assert process.wait(lambda: worker._step() or worker.serving is not None, 20)
        with monkeypatch.context() as patch:
            patch.setattr(process, "start", full)
            worker.serving.popen.kill()
            tries = []

            def give_in():
                try:
                    worker._step()
                except OSError as error:
                    tries.append(error)
                return len(tries) > 1

            assert process.wait(give_in, 20)
        assert process.wait(lambda: worker._step() or worker.restarts == 1, 20)
        with monkeypatch.context() as patch:
            patch.setattr(process, "start", full)
            (supervised.folder / "wish.json").write_text(json.dumps(wish | {"id": "2"}))
            assert process.wait(lambda: worker._step() or worker.answer["id"] == "2", 20)
        assert "it could not be started: No space left on device" == worker.answer["why"]
        assert worker.serving.popen.poll() is None
        worker.serving.popen.kill()
        worker.serving.popen.wait()


def test_a_log_does_not_grow_without_end(supervised, make_bundle, monkeypatch):
    """The service goes on writing to the same file, which begins anew; the part before is kept, where there is room."""
    one = make_bundle(1)
    wish = {"id": "1", "bundle": str(one.folder), "ready_seconds": 20, "environment": {}}
    (supervised.folder / "wish.json").write_text(json.dumps(wish))
    monkeypatch.setattr(supervisor, "LOG_BYTES", 500)
    log = supervised.folder / "service.log"
    with process.listen(supervised.port) as listener:
        worker = supervisor.Supervisor(supervised.folder, listener, supervised.command)
        assert process.wait(lambda: worker._step() or worker.serving is not None, 20)
        for room in (True, False):
            with monkeypatch.context() as patch:
                patch.setattr(shutil, "copyfile", shutil.copyfile if room else full)
                while log.stat().st_size <= 500:
                    httpx.get(f"{supervised.url}/predict")
                worker._step()
            httpx.get(f"{supervised.url}/readyz")
            assert "fake service: asked for /readyz\n" == log.read_text()
            assert log.with_name("service.log.1").exists() == room
        worker.serving.popen.kill()
        worker.serving.popen.wait()


def interrupted(*_):
    """Stand for Ctrl-C."""
    raise KeyboardInterrupt


def full(*_, **__):
    """Stand for a disk without room."""
    raise OSError(28, "No space left on device")


def refused(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
