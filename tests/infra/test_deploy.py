"""Deployments to this machine without an engine: the new one is proved first, the old one is never lost."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from infra import bundle as bundles
from infra import deploy, machine, place, process
from serve.bundle import BundleError
from tests.serves import serves


@pytest.fixture
def ship(supervised, trial):
    """Deploy a bundle to the supervised place."""
    return lambda sealed: machine.bring(supervised, sealed, supervised.folder, trial)


@pytest.fixture
def run(store, supervised, monkeypatch):
    """Run the script itself, in this home and on this port, without an engine."""
    monkeypatch.setenv("ENGINE", "none")
    monkeypatch.setenv("GATEHOUSE_HOME", str(supervised.folder))
    monkeypatch.setenv("GATEHOUSE_PORT", str(supervised.port))
    return lambda *arguments: deploy.main(["--environment", "local", *arguments])


def version(place):
    return serves(place.url)["model_version"]


def copies(place):
    return sorted(path.name for path in (place.folder / "bundles").iterdir())


def test_a_deployment_loses_no_request(supervised, make_bundle, ship, client):
    """From the first bundle to the second, a client that never pauses notices nothing."""
    ship(make_bundle(1))
    load = client(f"{supervised.url}/predict")
    record = ship(make_bundle(2))
    assert process.wait(lambda: version(supervised) == 2, 20)
    answers, failures = load.stop()
    assert [] == failures
    assert answers > 0
    assert record["previous"]["version"] == 1


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"dies": True}, "ready: the candidate never was: it ended with exit code 1"),
        ({"never_ready": True}, "ready: the candidate was not ready within 2 s"),
        ({"output": 2}, "smoke: 1 finding"),
    ],
)
def test_a_failing_candidate_changes_nothing(supervised, make_bundle, ship, fault, sentence):
    """It is named, it is gone, its copy is gone, and the old one serves."""
    ship(make_bundle(1))
    before = copies(supervised)
    supervised.ready_seconds = 2
    with pytest.raises(machine.CandidateError, match=sentence):
        ship(make_bundle(2, **fault))
    assert version(supervised) == 1
    assert copies(supervised) == before
    assert process.alive(supervised.folder / "candidate.leash") is None


def test_a_failing_first_candidate_leaves_nothing(supervised, make_bundle, ship):
    """Where nothing served, nothing serves, and the port is free."""
    with pytest.raises(machine.CandidateError):
        ship(make_bundle(1, dies=True))
    assert not supervised.is_up()
    process.listen(supervised.port).close()


def test_the_log_of_a_failing_candidate_is_shown(supervised, make_bundle, ship, capsys):
    """What the service said last stands beside the verdict."""
    with pytest.raises(machine.CandidateError):
        ship(make_bundle(1, dies=True))
    assert "  | fake service: the model is broken" in capsys.readouterr().err


def test_a_switch_that_fails_is_taken_back(supervised, make_bundle, ship):
    """A bundle that serves as candidate and not on the real socket is given up."""
    ship(make_bundle(1))
    supervised.ready_seconds = 2
    with pytest.raises(machine.CandidateError, match=r"finish: it was not ready within 2 s"):
        ship(make_bundle(2, never_ready_file=True))
    assert version(supervised) == 1


def test_an_interrupted_deployment_is_taken_back(supervised, make_bundle, ship, monkeypatch):
    """Ctrl-C after the switch brings the old one back."""
    ship(make_bundle(1))

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(machine, "_confirm", interrupt)
        with pytest.raises(KeyboardInterrupt):
            ship(make_bundle(2))
    assert process.wait(lambda: version(supervised) == 1, 20)


def test_the_same_bundle_again_is_no_work(supervised, make_bundle, ship, capsys):
    """Same digest, live and healthy: said, and nothing is started."""
    one = make_bundle(1)
    first = ship(one)
    pid = serves(supervised.url)["pid"]
    assert ship(one) == first
    assert serves(supervised.url)["pid"] == pid
    assert "live already" in capsys.readouterr().err


def test_copies_of_two_bundles_are_kept(supervised, make_bundle, ship):
    """The live one and the one before; a service never depends on build/model."""
    made = [make_bundle(number) for number in (1, 2, 3)]
    for sealed in made:
        ship(sealed)
        shutil.rmtree(sealed.folder)
    assert copies(supervised) == sorted(sealed.short for sealed in made[1:])
    os.kill(serves(supervised.url)["pid"], signal.SIGKILL)
    assert process.wait(lambda: version(supervised) == 3, 20)


def test_a_killed_deployment_leaves_the_old_one_and_its_stray_is_cleaned_up(supervised, make_bundle, ship):
    """`kill -9` while the candidate comes up: the old one serves; the next deployment ends the candidate and works."""
    ship(make_bundle(1))
    slow = make_bundle(2, never_ready=True)
    script = f"""
        from pathlib import Path
        from infra import bundle, machine, supervised
        place = supervised.Supervised(Path({str(supervised.folder)!r}), {supervised.port}, 60, {supervised.command!r})
        machine.bring(place, bundle.read(Path({str(slow.folder)!r})), place.folder, None)
    """
    leash = supervised.folder / "candidate.leash"
    killed = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)])
    assert process.wait(lambda: leash.is_file() and leash.read_text() and process.alive(leash) is not None, 20)
    killed.kill()
    killed.wait()
    assert version(supervised) == 1
    stray = process.alive(leash)
    assert stray is not None
    ship(make_bundle(3))
    assert 3 == version(supervised)
    assert process.wait(lambda: not Path(f"/proc/{stray}").exists(), 20)
    assert slow.short not in copies(supervised)


def test_a_second_deployment_waits_its_turn(tmp_path, capsys):
    """It says that another one is under way, and goes on when that one ends."""
    entered, leave = threading.Event(), threading.Event()

    def first():
        with place.alone(tmp_path):
            entered.set()
            leave.wait()

    thread = threading.Thread(target=first)
    thread.start()
    entered.wait()
    with pytest.raises(place.OutsideError, match="another deployment has held"), place.alone(tmp_path, 0.1):
        pass
    leave.set()
    with place.alone(tmp_path, 20):
        thread.join()
    assert "another deployment is under way" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["service.json", "release.json"])
def test_a_flipped_byte_is_found_before_anything_starts(make_bundle, run, supervised, name, capsys):
    """Exit 1, the file is named, nothing ran."""
    sealed = make_bundle(7)
    path = sealed.folder / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert run("--bundle", str(sealed.folder), "--model-version", "7") == 1
    assert name in capsys.readouterr().err
    assert not supervised.is_up()


def test_a_missing_and_an_extra_file_are_found(make_bundle):
    """The manifest says exactly what a bundle holds."""
    sealed = make_bundle(7)
    (sealed.folder / "extra").touch()
    with pytest.raises(BundleError, match="extra"):
        bundles.read(sealed.folder)
    (sealed.folder / "extra").unlink()
    (sealed.folder / "service.json").unlink()
    with pytest.raises(BundleError, match=r"service\.json"):
        bundles.read(sealed.folder)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--model-version", "8"), "has version 7, not 8"),
        ((), "--model-version is missing"),
        (("--model-version", "7", "--bundle", "nowhere"), "nowhere holds no bundle"),
    ],
)
def test_wrong_use_is_one_sentence(make_bundle, run, arguments, sentence, capsys):
    """Exit 2, what and how to fix it."""
    sealed = make_bundle(7)
    assert 2 == run("--bundle", str(sealed.folder), *arguments)
    said = capsys.readouterr().err
    assert sentence in said
    assert "Traceback" not in said


@pytest.mark.parametrize("port", ["http", "0", "65536"])
def test_a_port_that_is_none_is_refused(make_bundle, run, monkeypatch, capsys, port):
    """GATEHOUSE_PORT is checked before anything starts."""
    monkeypatch.setenv("GATEHOUSE_PORT", port)
    assert 2 == run("--bundle", str(make_bundle(7).folder), "--model-version", "7")
    assert f"GATEHOUSE_PORT={port} is no port" in capsys.readouterr().err


def test_a_port_in_use_is_one_sentence(make_bundle, run, supervised, capsys):
    """Somebody else's port is not fought for."""
    with process.listen(supervised.port):
        assert 2 == run("--bundle", str(make_bundle(7).folder), "--model-version", "7")
    said = capsys.readouterr().err
    assert f"port {supervised.port} is in use by something else; stop it, or set GATEHOUSE_PORT" in said
    assert not supervised.is_up()


def test_an_unknown_environment_names_those_that_exist(run, capsys):
    """Exit 2 from the parser."""
    with pytest.raises(SystemExit) as ended:
        deploy.main(["--environment", "moon", "--model-version", "7"])
    assert 2 == ended.value.code
    assert "'moon' (choose from 'local', 'rehearsal', 'staging', 'production')" in capsys.readouterr().err


def test_taking_down_may_be_repeated(run, make_bundle, ship, supervised, capsys):
    """Both times exit 0; the second one says that nothing ran."""
    ship(make_bundle(1))
    assert 0 == run("--remove")
    assert "is taken down" in capsys.readouterr().err
    assert 0 == run("--remove")
    assert "was down already" in capsys.readouterr().err
    process.listen(supervised.port).close()
    assert not (supervised.folder / "deployment.json").exists()


def test_another_port_is_refused_while_the_old_one_serves(run, make_bundle, ship, free_port, monkeypatch, capsys):
    """A home has one port; moving is taking down first."""
    ship(make_bundle(1))
    with process.listen(0) as listener:
        other = process.port_of(listener)
    monkeypatch.setenv("GATEHOUSE_PORT", str(other))
    assert 2 == run("--bundle", str(make_bundle(2).folder), "--model-version", "2")
    assert f"the service runs on port {free_port}, not {other}" in capsys.readouterr().err


def test_the_table_says_what_is_live():
    """One row of Markdown."""
    record = {"what": "process", "version": 2, "digest": "b" * 64, "url": "http://127.0.0.1:8000"}
    record["previous"] = {"version": 1, "digest": "a" * 64}
    shown = deploy.table("local", record).splitlines()
    assert "| environment | what | version | bundle | url | previous |" == shown[0]
    assert f"| local | process | 2 | {'b' * 12} | http://127.0.0.1:8000 | 1 ({'a' * 12}) |" == shown[2]
    assert deploy.table("moon", record | {"previous": None}).endswith("| none |")


def test_the_real_service_is_deployed_switched_and_taken_down(workspace, make_real_bundle, tmp_path, free_port, client):
    """The scripts as a step runs them: twice a deployment, a table on stdout alone, no request lost, then nothing."""
    settings = {"ENGINE": "none", "GATEHOUSE_HOME": str(tmp_path / "home"), "GATEHOUSE_PORT": str(free_port)}
    command = [sys.executable, "-m", "infra.deploy", "--environment", "local"]

    def script(*arguments):
        environment = {**workspace.environment(), **settings}
        return subprocess.run(
            [*command, *arguments], cwd=workspace.root, env=environment, capture_output=True, text=True
        )

    url = f"http://127.0.0.1:{free_port}"
    try:
        first = script("--bundle", str(make_real_bundle(1).folder), "--model-version", "1")
        assert 0 == first.returncode, first.stderr
        load = client(f"{url}/version")
        second = script("--bundle", str(make_real_bundle(2).folder), "--model-version", "2")
        assert 0 == second.returncode, second.stderr
        assert [] == load.stop()[1]
        assert 2 == serves(url)["model_version"]
        assert second.stdout.startswith("| environment | what |")
        assert "### Bake: finish" == second.stdout.splitlines()[4]
    finally:
        ended = script("--remove")
    assert (0, "") == (ended.returncode, ended.stdout)
    process.listen(free_port).close()
