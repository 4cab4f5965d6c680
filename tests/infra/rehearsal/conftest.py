"""A rehearsal that is played: its deployment, its kind, and a node with a real containerd in it."""

import json
import os
import pathlib
import shutil
import tempfile

import pytest

from infra import image, machine, rehearse
from infra.program import packed
from infra.rehearsal import drill, kind, loaded, users
from tests.infra import oci
from tests.train.parts import running

KIND = """#!/bin/sh
echo "$@" >> "{calls}"
case "$1 $2" in
"version ") echo "kind {version} go1.25.0 linux/amd64" ;;
"create cluster") {create} ;;
"get nodes") printf '%s\\n' ours-control-plane ours-worker ;;
esac
"""
CONFIG = """version = 2
root = "{home}/root"
state = "{home}/state"
grpc.address = "{home}/containerd.sock"
"""


@pytest.fixture
def rehearsal(faked, make_bundle, trial, monkeypatch, tmp_path, capfd):
    """Run the script; the deployment is played by the state machine itself, on the fake cluster."""
    monkeypatch.setattr(rehearse, "FOLDER", tmp_path / "rehearsal")
    monkeypatch.setattr("infra.trial.of_known", lambda: trial)
    monkeypatch.setattr(users, "ENOUGH", 20)
    monkeypatch.setattr(drill, "ENOUGH", 20)
    for name in ("SERVICE_KEY", "REGISTRY_USER", "REGISTRY_TOKEN", "CLUSTER_REGISTRY", "CLUSTER_ENGINE", "KUBE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KUBECONFIG", "the administrator's")

    class Rehearsal:
        """`code` is what infra.deploy exits by; with 0 it deploys."""

        seen, code, sealed = {}, 0, make_bundle(7)

        def deploy(self, argv):
            """Play infra.deploy."""
            self.argv = argv
            self.seen = {name: os.environ.get(name) for name in ("KUBECONFIG", "KUBE_CONFIG", "SERVICE_KEY")}
            self.config = json.loads((tmp_path / "rehearsal/deployer.json").read_text())
            self.laid = faked.objects
            if self.code == 0:
                machine.bring(faked.place(self.sealed), self.sealed, faked.folder / "home", trial)
                print("| environment | what |")  # noqa: T201
            return self.code

        def run(self, *more, image=None):
            """Return the exit code and what was printed and logged; `image` "" is none."""
            if image is None:
                image = faked.place(self.sealed).image
            order = ["--bundle", str(self.sealed.folder), "--model-version", "7", "--image", image]
            code = rehearse.main([*order, *more])
            return code, *capfd.readouterr()

    made = Rehearsal()
    monkeypatch.setattr(rehearse.deploy, "main", made.deploy)
    return made


@pytest.fixture
def one_drill(monkeypatch):
    """Drill once: what is red by one is red by the other."""
    monkeypatch.setattr(rehearse, "DRILLS", dict([next(iter(drill.DRILLS.items()))]))


@pytest.fixture
def fake_kind(faked, monkeypatch, tmp_path):
    """Put a kind in the PATH whose `create cluster` does what is said; return what it was asked for."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    calls = tmp_path / "kind-calls"
    calls.touch()

    def make(create=":", version=kind.VERSION):
        program = faked.folder / "bin/kind"
        program.write_text(KIND.format(calls=calls, create=create, version=version))
        program.chmod(0o755)
        return lambda: [line.split()[0] for line in calls.read_text().splitlines()]

    return make


@pytest.fixture(scope="module")
def containerd():
    """A containerd of our own; the folder that its socket is in."""
    missing = [name for name in ("containerd", "ctr") if shutil.which(name) is None]
    if missing or os.getuid():
        pytest.skip(f"{missing[0]} is not on this machine" if missing else "containerd cannot run but as root")
    home = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-"))  # short: a socket's path has 107 characters at most
    (home / "config.toml").write_text(CONFIG.format(home=home))
    with running(["containerd", "--config", str(home / "config.toml")], home / "log"):
        yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def node(engine, containerd, monkeypatch):
    """A container that stands for the node of kind: in it are `ctr` and the way to containerd."""
    volumes = {
        shutil.which("ctr"): {"bind": "/usr/bin/ctr", "mode": "ro"},
        str(containerd): {"bind": "/run/containerd"},
    }
    name = f"gatehouse-test-{os.getpid()}-control-plane"
    base = os.environ.get("BASE_IMAGE", "python:3.11-slim")
    made = engine.containers.run(base, ["sleep", "600"], name=name, volumes=volumes, network_mode="none", detach=True)
    monkeypatch.setattr(kind, "nodes", lambda: [name])
    yield made
    for one in loaded._run(made, *loaded.CTR, "images", "list", "--quiet").decode().split():
        loaded._run(made, *loaded.CTR, "images", "remove", "--sync", one)
    made.remove(force=True)


@pytest.fixture
def small(engine, monkeypatch):
    """Build an image of one file around a bundle, labelled as the service's is."""
    built = []

    def build(engine, sealed):
        recipe = f"FROM scratch\nLABEL process={os.getpid()}\nCOPY bundle /\nENV BUNDLE={sealed.digest}\n".encode()
        files = {"Dockerfile": recipe, "bundle": sealed.digest.encode()}
        tag, told = f"gatehouse-test:{sealed.short}-{os.getpid()}", oci.labels_of(sealed)
        engine.images.build(fileobj=packed(files), custom_context=True, tag=tag, rm=True, labels=told)
        built.append(tag)
        return tag

    monkeypatch.setattr(image, "build", build)
    yield build
    for tag in built:
        engine.images.remove(tag, force=True)
