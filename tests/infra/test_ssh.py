"""An engine on another machine, reached by ssh: a real sshd on this one's loopback stands for it."""

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile

import httpx
import pytest

from infra import connection, deploy, host, machine, process, ssh
from infra.caddy import Edge
from infra.containers import Containers
from tests.serves import serves
from validation.script import OutsideError, Refusal

SSHD = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin")


@pytest.fixture
def sshd(monkeypatch, free_port):
    """Start sshd for one key; its user's ssh knows the host unless the test forgets it. Gives the address."""
    if SSHD is None or shutil.which("ssh") is None:
        pytest.skip("no sshd is installed here (openssh-server)")
    with tempfile.TemporaryDirectory(prefix="sshd-") as name:
        folder = pathlib.Path(name)
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        (folder / "known").write_text(f"[127.0.0.1]:{free_port} {(folder / 'host.pub').read_text()}")
        shutil.copy(folder / "user.pub", folder / "allowed")
        options = {
            "ListenAddress": f"127.0.0.1:{free_port}", "PidFile": folder / "pid", "HostKey": folder / "host",
            "AuthorizedKeysFile": folder / "allowed", "StrictModes": "no", "UsePAM": "no",
            "PasswordAuthentication": "no", "KbdInteractiveAuthentication": "no",
            "PermitRootLogin": "prohibit-password",
        }  # fmt: skip
        (folder / "sshd_config").write_text("".join(f"{option} {value}\n" for option, value in options.items()))
        told = {"IdentityFile": folder / "user", "IdentitiesOnly": "yes", "UserKnownHostsFile": folder / "known"}
        told |= {"GlobalKnownHostsFile": "/dev/null", "IdentityAgent": "none", "HashKnownHosts": "no"}
        (folder / "config").write_text("".join(f"{option} {value}\n" for option, value in told.items()))
        (folder / "ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/config "$@"\n')
        (folder / "ssh").chmod(0o755)
        if os.geteuid() == 0:
            pathlib.Path("/run/sshd").mkdir(exist_ok=True)  # it separates its privileges there
        server = subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=(folder / "log").open("w"))
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        assert process.wait(lambda: listens(free_port), 10), (folder / "log").read_text()
        yield f"ssh://127.0.0.1:{free_port}", folder
        server.terminate()
        server.wait()


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    "address",
    ["ssh://", "ssh://a:b@c", "ssh://-oProxyCommand=x", "ssh://-l@host", "ssh://host:port", "ssh://host?x"],
)
def test_an_address_that_is_none_is_refused(address):
    """Above all one that ssh would take for an option."""
    with pytest.raises(Refusal, match=r"an address by ssh is ssh://user@host"):
        ssh.Machine(address)


@pytest.mark.parametrize(
    ("address", "name", "destination"),
    [
        ("ssh://Prod", "Prod", "Prod"),
        ("ssh://me@Prod:22/run/docker.sock", "Prod", "me@Prod"),
        ("ssh://[FE80::1]:22", "FE80::1", "FE80::1"),
    ],
)
def test_a_machines_name_keeps_its_capitals(address, name, destination):
    """The settings of ssh tell them apart, as `Host Prod`."""
    machine = ssh.Machine(address)
    assert (name, destination) == (machine.name, machine.destination)
    machine.close()


def test_a_tunnel_leads_to_the_address_that_is_asked_for(sshd):
    """One that listens on 127.0.0.2 alone is reached there, and not by way of 127.0.0.1."""
    address, _ = sshd
    far = ssh.Machine(address)
    with socket.create_server(("127.0.0.2", 0)) as listener:
        try:
            far.engine()
            port = process.port_of(listener)
            with socket.create_connection(("127.0.0.1", far.reach(port, "127.0.0.2")), timeout=10):
                listener.settimeout(10)
                assert listener.accept()[0] is not None
            assert far.reach(port, "127.0.0.2") != far.reach(port)
        finally:
            far.close()


def test_an_unknown_host_key_is_one_sentence(sshd, monkeypatch, capsys):
    """Nobody is asked at a terminal; exit 3, and no process serves in its place."""
    address, folder = sshd
    (folder / "known").write_text("")
    monkeypatch.setenv("DOCKER_HOST", address)
    monkeypatch.delenv("ENGINE", raising=False)
    monkeypatch.setenv("GATEHOUSE_HOME", str(folder / "home"))
    assert deploy.main(["--environment", "local", "--remove"]) == 3
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.endswith("ssh to 127.0.0.1 failed: Host key verification failed")


def test_a_refused_login_is_one_sentence(sshd):
    """The key is not among those that are allowed."""
    address, folder = sshd
    (folder / "allowed").write_text("")
    with pytest.raises(OutsideError, match=r"ssh to 127\.0\.0\.1 failed: .*Permission denied \(publickey"):
        connection.connect(address)


def test_a_machine_that_nobody_listens_on_is_one_sentence(sshd, free_port):
    """As ssh says it."""
    with pytest.raises(OutsideError, match=r"ssh to me@127\.0\.0\.1 failed: .*Connection refused"):
        connection.connect("ssh://me@127.0.0.1:1")


def test_a_machine_without_an_engine_is_one_sentence(sshd):
    """It lets us in, and nobody answers on the socket."""
    address, folder = sshd
    with pytest.raises(OutsideError, match="lets us in, but no container engine answers there"):
        connection.connect(f"{address}{folder}/none.sock")


def test_a_tunnel_ends_with_who_opened_it(sshd, tmp_path):
    """Killed (-9), it leaves no ssh behind."""
    address, _ = sshd
    script = (
        f"from infra import ssh; m = ssh.Machine({address!r}); m.engine(); print(m._tunnel.pid, flush=True); input()"
    )
    opener = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=pathlib.Path.cwd()
    )
    tunnel = int(opener.stdout.readline())
    assert pathlib.Path(f"/proc/{tunnel}").exists()
    opener.kill()
    opener.wait()
    assert process.wait(lambda: not pathlib.Path(f"/proc/{tunnel}").exists(), 20)


@pytest.mark.engine
def test_a_deployment_by_ssh_serves_there(
    sshd, engine, containers, make_bundle, fake_image, trial, monkeypatch, tmp_path, free_port
):
    """Candidate, switch and removal, by the tunnel alone; its ports here are gone afterwards."""
    if not os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").startswith("unix://"):
        pytest.skip("the engine here has no socket to lead to")
    address, _ = sshd
    one, two = make_bundle(1), make_bundle(2)
    images = {sealed.short: fake_image(sealed) for sealed in (one, two)}
    socket_here = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    monkeypatch.setenv("DOCKER_HOST", address + socket_here)
    far = host.engine()
    with process.listen(0) as listener:
        port = process.port_of(listener)
    home = tmp_path / "far"
    home.mkdir()
    try:
        for sealed in (one, two):
            place = Containers(far, str(home), Edge(port), 30, images[sealed.short])
            record = machine.bring(place, sealed, home, trial)
            assert (record["what"], record["url"]) == ("container on 127.0.0.1", f"http://127.0.0.1:{port}")
        assert place.url != record["url"]
        assert serves(place.url)["model_version"] == 2
        assert serves(f"http://127.0.0.1:{port}")["model_version"] == 2
    finally:
        Containers(far, str(home), Edge(port), 30).remove()
        url = place.url
        host.machine(far).close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
