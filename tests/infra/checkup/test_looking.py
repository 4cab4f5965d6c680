"""What is found on this machine, by programs that a test puts on the PATH."""

import socket

import pytest

from infra import host
from infra import machine as states
from infra.checkup import looking
from infra.checkup.machine import OTHERS, OURS, Secret
from tests.infra.checkup.programs import lend
from validation import contract
from validation.script import OutsideError, Refusal

MANIFESTS = """\
apiVersion: v1
kind: Service
metadata: {name: income, namespace: production}
spec: {ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: income, namespace: production}
spec: {template: {spec: {imagePullSecrets: [{name: pull}], containers: []}}}
"""
KUBECTL = """\
case "$*" in
  "get --raw /readyz"*) echo "$READY"; test -n "$READY" ;;
  kustomize*) echo "$MANIFESTS" ;;
  "auth can-i get secrets/pull --namespace production") echo "$MAY" ;;
  "get namespace production --output=name") echo "$NAMESPACE" ;;
  "get secret pull --namespace production --output=jsonpath={.type}") echo "$TYPE" ;;
  *) exit 9 ;;
esac"""


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine with no program, no overlay and no engine; the port is whatever nobody holds."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("ENGINE", "none")
    monkeypatch.setattr(looking, "OVERLAYS", tmp_path / "overlays")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("GATEHOUSE_PORT", str(free.getsockname()[1]))
    return tmp_path


def test_a_bare_machine_is_told_as_it_is(bare) -> None:
    """Nothing on the PATH, nothing deployed, no engine by choice."""
    found = looking.look()
    assert ("git", "make", "gh", "kubectl", "kind") == found.absent
    assert ("3.11", "3.11", "", "") == (found.python, found.wanted, found.remote, found.refused)
    assert (False, True, "", False, ()) == (found.engine, found.process, found.silent, found.cluster, found.secrets)
    assert ("", True) == (found.holder, found.free > 0)


def test_programs_on_the_path_are_found(bare) -> None:
    """By their names; none of them is asked for more than a word."""
    lend(bare, git="echo git@github.com:owner/name.git", make="exit 1", kind="exit 1")
    found = looking.look()
    assert (("gh", "kubectl"), "owner/name") == (found.absent, found.remote)


def test_the_lock_is_compared_with_what_is_installed() -> None:
    """A package that is missing, and one of another version; lines with a marker are not for every machine."""
    lock = "pytest==0.0.1 \\\n    --hash=sha256:a\nno-such-package==1.0 \\\nother==1 ; sys_platform == 'win32' \\\n"
    assert ["pytest", "no-such-package"] == list(looking._unlocked(lock))


def test_a_config_that_is_refused_is_told(bare, monkeypatch) -> None:
    """In its own sentence, and the other checks go on."""

    def refuse():
        raise Refusal("config.py, line 3: no such word")

    monkeypatch.setattr(contract, "load", refuse)
    monkeypatch.delenv("GATEHOUSE_PORT")
    found = looking.look()
    assert ("config.py, line 3: no such word", 0, "") == (found.refused, found.port, found.holder)


@pytest.mark.parametrize(("serves", "holder"), [("", OTHERS), ("d" * 64, OURS)])
def test_who_holds_the_port_is_asked(bare, monkeypatch, serves, holder) -> None:
    """A service of ours tells its bundle's digest."""
    monkeypatch.setattr(states, "serving", lambda _: serves)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("GATEHOUSE_PORT", str(listener.getsockname()[1]))
        assert holder == looking.look().holder


@pytest.mark.parametrize("text", ["x", "0", "65536", "\u0661"])
def test_what_is_no_port_is_told(bare, monkeypatch, text) -> None:
    """It is not listened to."""
    monkeypatch.setenv("GATEHOUSE_PORT", text)
    assert f"GATEHOUSE_PORT={text} is no port" == looking.look().holder


@pytest.mark.parametrize(
    ("answer", "engine", "silent"),
    [
        (lambda: object(), True, ""),
        (lambda: None, False, ""),
        (OutsideError("ENGINE=docker, but none is installed"), False, "ENGINE=docker, but none is installed"),
        (Refusal("ENGINE=x: say docker"), False, "ENGINE=x: say docker"),
        (ModuleNotFoundError("No module named 'docker'"), False, ""),
    ],
)
def test_an_engine_answers_or_not(bare, monkeypatch, answer, engine, silent) -> None:
    """One that is demanded and silent is told why."""

    def ask():
        if isinstance(answer, Exception):
            raise answer
        return answer()

    monkeypatch.setattr(host, "engine", ask)
    found = looking.look()
    assert (engine, silent) == (found.engine, found.silent)


@pytest.mark.parametrize("ready", ["ok", ""])
def test_a_cluster_answers_or_not(bare, monkeypatch, ready) -> None:
    """Its API server is asked whether it is ready."""
    lend(bare, kubectl=KUBECTL)
    monkeypatch.setenv("READY", ready)
    assert bool(ready) == looking.look().cluster


@pytest.mark.parametrize("context", ["mine", "theirs"])
def test_the_cluster_of_the_context_is_asked(bare, monkeypatch, context) -> None:
    """As a deployment asks it: another one of the same KUBECONFIG may well be ready."""
    lend(bare, kubectl='case "$*" in "get --raw /readyz "*"--context=mine") echo ok ;; *) exit 1 ;; esac')
    monkeypatch.setenv("KUBE_CONTEXT", context)
    assert (context == "mine") == looking.look().cluster


@pytest.mark.parametrize(
    ("changed", "there"),
    [
        ({}, True),
        ({"TYPE": ""}, False),
        ({"TYPE": "Opaque"}, False),
        ({"MAY": "no"}, None),
        ({"NAMESPACE": ""}, None),
        ({"READY": ""}, None),
    ],
)
def test_the_pull_secrets_of_the_overlays_are_looked_for(bare, monkeypatch, changed, there) -> None:
    """There, absent or of another type; not to be seen by this login, in another cluster, or without one."""
    (bare / "overlays/production").mkdir(parents=True)
    (bare / "overlays/production/kustomization.yaml").write_text("")
    lend(bare, kubectl=KUBECTL)
    told = {"READY": "ok", "MANIFESTS": MANIFESTS, "MAY": "yes", "NAMESPACE": "namespace/production"}
    for name, value in (told | {"TYPE": "kubernetes.io/dockerconfigjson"} | changed).items():
        monkeypatch.setenv(name, value)
    found = looking.look()
    assert (True, (Secret("production", "pull", there),)) == (found.overlays, found.secrets)


@pytest.mark.parametrize("manifests", ["", "a: [", "- 7\n---\ntext\n---\nspec: 7\n"])
def test_manifests_that_name_no_secret_give_none(bare, monkeypatch, manifests) -> None:
    """Broken ones too: to mend them is not the doctor's."""
    (bare / "overlays/staging").mkdir(parents=True)
    (bare / "overlays/staging/kustomization.yaml").write_text("")
    lend(bare, kubectl=KUBECTL)
    monkeypatch.setenv("MANIFESTS", manifests)
    monkeypatch.setenv("READY", "ok")
    found = looking.look()
    assert (True, ()) == (found.overlays, found.secrets)
