"""The door to a container engine: who answers, who does not, and how soon that is known."""

import hashlib
import json
import socket
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import docker
import pytest
import urllib3

from infra import connection, contained, deploy, host
from validation.script import OutsideError, Refusal


@pytest.fixture
def silent():
    """An engine that takes the connection and never says a word."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/e.sock")  # short: a socket's path holds 100 characters
        listener.listen(8)
        taken = []

        def accept():
            while True:
                try:
                    taken.append(listener.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield f"unix://{folder}/e.sock"
        listener.shutdown(socket.SHUT_RDWR)
        for connection in taken:
            connection.close()


def test_an_engine_that_is_named_and_never_answers_is_said(silent, monkeypatch, capsys):
    """Nobody waits for it for minutes, and what may serve there is not taken for nothing."""
    monkeypatch.delenv("ENGINE", raising=False)
    monkeypatch.setenv("DOCKER_HOST", silent)
    began = time.monotonic()
    with pytest.raises(OutsideError, match=f"DOCKER_HOST={silent}, but {silent} does not answer"):
        host.engine()
    assert time.monotonic() - began < 60  # requests alone would wait for ever
    assert f"{silent} does not answer (nothing within 3 s)" in capsys.readouterr().err


def test_an_engine_that_is_demanded_must_answer(silent, monkeypatch):
    """ENGINE=docker turns silence into exit 3."""
    monkeypatch.setenv("ENGINE", "docker")
    monkeypatch.setenv("DOCKER_HOST", silent)
    with pytest.raises(OutsideError, match=r"ENGINE=docker, but unix://.* does not answer"):
        host.engine()


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("unix:///nonexistent/docker.sock", "no such socket"),
        ("tcp://127.0.0.1:1", "nobody listens there"),
        ("nonsense://x", ""),
    ],
)
def test_a_named_address_without_engine_is_the_outside_that_failed(address, why, monkeypatch, capsys):
    """A wrong DOCKER_HOST is one sentence, and no other engine or process takes its place."""
    monkeypatch.delenv("ENGINE", raising=False)
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(OutsideError, match=f"DOCKER_HOST={address}, but"):
        host.engine()
    assert f"{address} does not answer ({why}" in capsys.readouterr().err


def test_a_silent_socket_that_nobody_named_is_none(silent, monkeypatch, capsys):
    """What lies about on a machine demands nothing; stderr says which one it was."""
    monkeypatch.delenv("ENGINE", raising=False)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(connection, "addresses", lambda _: [silent])
    assert host.engine() is None
    assert f"{silent} does not answer" in capsys.readouterr().err


def test_a_removal_whose_engine_is_silent_is_the_outside_that_failed(silent, monkeypatch, tmp_path, capsys):
    """Exit 3: nobody knows that nothing serves there."""
    monkeypatch.delenv("ENGINE", raising=False)
    monkeypatch.setenv("DOCKER_HOST", silent)
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path))
    assert deploy.main(["--environment", "local", "--remove"]) == 3
    said = capsys.readouterr().err
    assert "down already" not in said
    assert said.splitlines()[-1].endswith("start it, leave it out, or ENGINE=none")


def test_an_address_there_is_reached_by_a_tunnel_to_it():
    """A service that is bound to one address of that machine does not answer on its loopback."""
    asked = []

    class Far:
        def reach(self, port, address):
            asked.append((port, address))
            return 4711

    class Client:
        machine = Far()

    assert "http://127.0.0.1:4711" == host.at(Client(), 8080, "10.0.0.5")
    assert [(8080, "10.0.0.5")] == asked


def test_no_engine_can_be_asked_for(monkeypatch):
    """ENGINE=none asks nobody."""
    monkeypatch.setenv("ENGINE", "none")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent")
    assert host.engine() is None


def test_another_word_is_refused(monkeypatch):
    """A typo in ENGINE is no silent default."""
    monkeypatch.setenv("ENGINE", "dokcer")
    with pytest.raises(Refusal, match="ENGINE=dokcer: say docker, podman or none"):
        host.engine()


@pytest.mark.parametrize("wanted", ["", "docker", "podman"])
def test_the_address_that_is_said_counts_for_every_engine(monkeypatch, wanted):
    """DOCKER_HOST may be another machine, where an environment is: none that is here may take its place."""
    monkeypatch.setenv("DOCKER_HOST", "ssh://me@host")
    assert ["ssh://me@host"] == connection.addresses(wanted)


@pytest.mark.parametrize("named", ["currentContext", "DOCKER_CONTEXT"])
@pytest.mark.parametrize(
    ("wanted", "address", "first"),
    [
        ("", "unix://SOCKET", True),
        ("docker", "unix://SOCKET", True),
        ("podman", "unix://SOCKET", False),
        ("", "unix:///nowhere.sock", False),
        ("", "ssh://me@host", False),
        ("", None, False),
    ],
)
def test_the_socket_of_dockers_context_comes_first(silent, monkeypatch, tmp_path, named, wanted, address, first):
    """As colima and Rancher Desktop set it; one that leads to another machine, or cannot be read, is left aside."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONTEXT", "mine" if named == "DOCKER_CONTEXT" else "")
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "mine"} if named == "currentContext" else {}))
    folder = tmp_path / "contexts/meta" / hashlib.sha256(b"mine").hexdigest()
    folder.mkdir(parents=True)
    told = {"Host": address.replace("unix://SOCKET", silent)} if address else 7
    (folder / "meta.json").write_text(json.dumps({"Name": "mine", "Metadata": {}, "Endpoints": {"docker": told}}))
    found = connection.addresses(wanted)
    assert (first, first) == (found[:1] == [silent], silent in found)


def test_without_any_socket_there_is_no_engine(monkeypatch, tmp_path):
    """A machine without Docker and Podman is no error."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("ENGINE", "podman")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    if Path("/run/podman/podman.sock").exists():
        pytest.skip("this machine has Podman")
    with pytest.raises(OutsideError, match="none is installed"):
        host.engine()


def test_a_folder_that_is_closed_to_us_and_a_user_without_home_have_no_socket(monkeypatch):
    """`su` leaves the XDG_RUNTIME_DIR of who calls it, and a container's user may be a number alone."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/0")
    exists = Path.exists

    def closed(path):
        if path.is_relative_to("/run/user/0"):
            raise PermissionError(13, "Permission denied")
        return exists(path)

    def unknown():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "exists", closed)
    monkeypatch.setattr(Path, "home", unknown)
    assert not [one for one in connection.addresses("") if "/run/user/0" in one or "nonexistent" in one]


@pytest.mark.parametrize("address", ["", "unix:///run/e.sock", "tcp://127.0.0.1:2375", "tcp://localhost:2375"])
def test_an_engine_of_this_machine_is_asked_at_loopback(address):
    """Its ports are published there."""
    assert "http://127.0.0.1:9" == host.at(SimpleNamespace(address=address), 9)


@pytest.mark.parametrize("address", ["tcp://192.0.2.1:2376", "tcp://no-such-name.invalid:2375"])
def test_an_engine_of_another_machine_is_reached_by_ssh_alone(address):
    """What answers on our own loopback is another service, or none: a good version would never be ready."""
    with pytest.raises(Refusal, match=rf"DOCKER_HOST={address} is on another machine, .* say ssh://user@host"):
        host.at(SimpleNamespace(address=address), 9)


@pytest.mark.parametrize(
    ("parts", "later", "policy"),
    [
        ({"Engine": "20.10.24"}, True, "unless-stopped"),
        ({}, True, "unless-stopped"),
        ({"Podman Engine": "4.9.3", "Conmon": "conmon version 2.1.6"}, False, "always"),
        ({"Podman Engine": "5.0.3"}, False, "always"),
        ({"Podman Engine": "5.1.0-dev"}, True, "always"),
        ({"Podman Engine": "5.10.1"}, True, "always"),
        ({"Podman Engine": "10.0.0"}, True, "always"),
    ],
)
def test_an_old_podman_is_told_at_once_what_it_cannot_be_told_later(parts, later, policy):
    """A container that has to come back when it dies is made so, where its policy cannot change any more.

    With the machine Podman starts those alone whose policy is `always`.
    """

    class Client:
        def version(self):
            return {"Components": [{"Name": name, "Version": version} for name, version in parts.items()] or None}

    assert later is host.tells_later(Client())
    assert {"Name": policy} == contained.kept(Client())
    assert contained.at_birth(Client()) == ({} if later else {"restart_policy": {"Name": policy}})


@pytest.mark.parametrize("told", ["2026-11-28T14:21:14.923899526Z", "2026-11-28T15:21:14.923899526+01:00"])
def test_the_engines_clock_is_read_as_docker_and_podman_tell_it(told):
    """By the engine's clock a canary's share ends, wherever its deployment runs."""
    assert 1795875674.923899 == host.clock(SimpleNamespace(info=lambda: {"SystemTime": told}))


@pytest.mark.parametrize("steps", [[{"status": "Pulling"}], [{"status": "Pulling"}, {"error": "a layer is bad"}]])
def test_a_pull_whose_layer_fails_says_the_engines_reason(monkeypatch, steps):
    """The answer is 200 by then, and only its last line tells; a pull that ends well says nothing."""
    monkeypatch.setattr(host, "has", lambda *_: False)
    client = SimpleNamespace(api=SimpleNamespace(pull=lambda *_, **how: iter(steps) if how["stream"] else None))
    if len(steps) == 1:
        host.fetch(client, "a/b:1")
    else:
        with pytest.raises(OutsideError, match="could not pull a/b:1: a layer is bad"):
            host.fetch(client, "a/b:1")


@pytest.mark.parametrize("kind", [urllib3.exceptions.ProtocolError, docker.errors.StreamParseError])
def test_an_engine_that_is_killed_amid_its_answer_is_an_outside_failure(kind):
    """Exit 3, one sentence: while it builds or pulls, the SDK hands on what urllib3 says, or a line that is cut."""
    sentence = "the container engine could not build it: it broke"
    with pytest.raises(OutsideError, match=sentence), host.asking("build it"):
        raise kind("it broke")
