"""Where an environment is, and what is laid down to get there."""

import json
import os
import pathlib
import shlex
import stat

import pytest

from infra import deploy, place, target, told
from infra.cluster import Cluster
from infra.containers import Containers
from validation.script import OutsideError, Refusal

NAMES = (
    "DEPLOY_TARGET",
    "KUBE_CONFIG",
    "KUBECONFIG",
    "SSH_KEY",
    "SSH_HOST_KEYS",
    "SSH_CONFIG",
    "SETTINGS",
    "STORE_KEYS",
    "DOCKER_HOST",
)


@pytest.fixture(autouse=True)
def environ(monkeypatch):
    """Begin without any of the settings, as on a laptop."""
    for name in (*NAMES, "GITHUB_ACTIONS", "GATEHOUSE_PORT"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("environment", "said", "kind"),
    [
        ("local", {}, "local"),
        ("local", {"DEPLOY_TARGET": "cluster", "KUBECONFIG": "k"}, "local"),
        ("rehearsal", {}, "local"),
        ("rehearsal", {"KUBECONFIG": "k"}, "cluster"),
        ("staging", {"DEPLOY_TARGET": "cluster"}, "cluster"),
        ("production", {"DEPLOY_TARGET": " ssh://me@host "}, "engine"),
    ],
)
def test_the_target_says_where_an_environment_is(environment, said, kind) -> None:
    """This machine and a rehearsal need nobody to say it."""
    assert kind == target.kind(environment, said)


@pytest.mark.parametrize("said", ["", "moon", "ssh://", "https://cluster.example.org"])
def test_a_target_that_says_nothing_is_refused(said) -> None:
    """Nothing is guessed for staging or production."""
    with pytest.raises(Refusal, match=r"DEPLOY_TARGET.*say `cluster`, or the engine of staging as ssh://user@host"):
        target.kind("staging", {"DEPLOY_TARGET": said})


def test_a_jobs_kubeconfig_is_ours_alone_and_gone_afterwards(environ) -> None:
    """Nobody else may read it, and what was set before is set again."""
    environ.setenv("DEPLOY_TARGET", "cluster")
    environ.setenv("KUBE_CONFIG", "apiVersion: v1")
    environ.setenv("KUBECONFIG", "another")
    with target.reached("staging"):
        path = pathlib.Path(os.environ["KUBECONFIG"])
        assert "apiVersion: v1\n" == path.read_text()
        assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert not path.exists()
    assert "another" == os.environ["KUBECONFIG"]


def test_a_jobs_key_leads_to_an_engine_whose_host_is_known(environ, tmp_path) -> None:
    """A key pasted without an end of line, or with those of Windows, is one all the same; no other host key counts."""
    (tmp_path / "with space").mkdir()
    environ.setattr(target.tempfile, "tempdir", str(tmp_path / "with space"))
    environ.setenv("DEPLOY_TARGET", "ssh://me@host.example.org")
    environ.setenv("SSH_KEY", "-----BEGIN\r\nx\r\n-----END")
    environ.setenv("SSH_HOST_KEYS", "host.example.org ssh-ed25519 AAAA")
    with target.reached("production"):
        assert "ssh://me@host.example.org" == os.environ["DOCKER_HOST"]
        text = pathlib.Path(os.environ["SSH_CONFIG"]).read_text()
        lines = {words[0]: words[1] for words in map(shlex.split, text.splitlines())}  # as ssh takes quotes
        assert "-----BEGIN\nx\n-----END\n" == pathlib.Path(lines["IdentityFile"]).read_text()
        assert "host.example.org ssh-ed25519 AAAA\n" == pathlib.Path(lines["UserKnownHostsFile"]).read_text()
        assert ("yes", "yes") == (lines["IdentitiesOnly"], lines["StrictHostKeyChecking"])
    assert "DOCKER_HOST" not in os.environ
    assert "SSH_CONFIG" not in os.environ


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("cluster", "KUBE_CONFIG is empty: give the environment staging a secret"),
        ("ssh://me@host", "SSH_KEY and SSH_HOST_KEYS is empty: give the environment staging"),
    ],
)
def test_a_job_that_lacks_its_credential_is_told_which(environ, where, sentence) -> None:
    """On a laptop the programs' own files are there; in a job nothing is."""
    environ.setenv("DEPLOY_TARGET", where)
    with target.reached("staging"):
        pass
    environ.setenv("GITHUB_ACTIONS", "true")
    with pytest.raises(Refusal, match=sentence), target.reached("staging"):
        pass


def test_variables_of_a_jobs_environment_are_settings_unless_set_otherwise(environ) -> None:
    """Those that a deployment knows; a variable of the name PATH changes nothing."""
    told = {"DEPLOY_TARGET": "cluster", "GATEHOUSE_PORT": "9000", "PATH": "/nowhere", "KUBE_CONTEXT": "mine"}
    environ.setenv("SETTINGS", json.dumps(told))
    environ.setenv("KUBE_CONTEXT", "theirs")
    with target.reached("staging"):
        assert ("cluster", "9000") == (os.environ["DEPLOY_TARGET"], os.environ["GATEHOUSE_PORT"])
        assert "theirs" == os.environ["KUBE_CONTEXT"]
        assert "/nowhere" != os.environ["PATH"]
    assert "GATEHOUSE_PORT" not in os.environ
    environ.setenv("SETTINGS", "no JSON")
    with pytest.raises(Refusal, match="SETTINGS is no JSON object"), target.reached("staging"):
        pass


def test_each_environment_gets_its_own_place(environ, tmp_path) -> None:
    """A cluster by the overlay of the name, an engine by a name that every machine knows."""
    environ.setenv("DEPLOY_TARGET", "cluster")
    made = place.choose(tmp_path, "", "production")
    assert isinstance(made, Cluster)
    assert "gatehouse-production" == made.overlay.namespace
    environ.setenv("DEPLOY_TARGET", "ssh://me@host")
    environ.setattr(place.host, "engine", lambda: type("Engine", (), {"machine": None}))
    image = f"registry.example.org/service@sha256:{'0' * 64}"
    made = place.choose(tmp_path, image, "staging")
    assert isinstance(made, Containers)
    assert ("income/staging", image) == (made.home, made.image)
    environ.setattr(place.host, "engine", lambda: None)
    with pytest.raises(OutsideError, match="no container engine answers"):
        place.choose(tmp_path, image, "staging")


def test_the_script_says_what_is_missing_before_it_starts(environ, make_bundle, store, capsys) -> None:
    """Exit 2, one sentence, and no line in the ledger."""
    sealed = store.add(make_bundle(1))
    order = ["--environment", "staging", "--bundle", str(sealed.folder), "--model-version", "1"]
    assert 2 == deploy.main(order)
    assert "DEPLOY_TARGET is not set" in capsys.readouterr().err
    assert [] == store.told()


@pytest.mark.parametrize("environment", ["staging", "production"])
@pytest.mark.parametrize(
    ("image", "named"), [("", "one that is built on the spot"), ("service:latest", "service:latest")]
)
def test_an_environment_of_users_takes_the_published_image_alone(
    environ, make_bundle, store, capsys, environment, image, named
) -> None:
    """One without a digest could not be verified: no engine is asked, and none builds it."""
    sealed = store.add(make_bundle(1))
    environ.setenv("DEPLOY_TARGET", "unix:///nowhere.sock")
    environ.setattr(place.host, "engine", lambda: pytest.fail("an engine was asked"))
    order = ["--environment", environment, "--bundle", str(sealed.folder), "--model-version", "1", "--image", image]
    assert 2 == deploy.main(order)
    assert f"{environment} takes the published image alone, by its digest" in (told := capsys.readouterr().err)
    assert f"not {named}\n" in told
    assert [] == store.told()


def test_a_jobs_store_keys_are_told_to_the_service_and_gone_afterwards(environ) -> None:
    """A line each, as the secret of an environment holds them; what is set here already counts more."""
    environ.setenv("DEPLOY_TARGET", "ssh://me@host")
    environ.setenv("AWS_DEFAULT_REGION", "here")
    environ.delenv("AWS_ACCESS_KEY_ID", raising=False)
    lines = ["# of the bucket", "", "AWS_ACCESS_KEY_ID=a=b", " AZURE_STORAGE_KEY=c== ", "AWS_DEFAULT_REGION=there"]
    environ.setenv("STORE_KEYS", "\r\n".join(lines))
    with target.reached("staging"):
        told_service = told.tell(
            os.environ | {"PREDICTION_LOG": "s3://bucket/log", "API_KEYS": "k"}, exposed=True, elsewhere=True
        ).variables
        names = ("AWS_ACCESS_KEY_ID", "AZURE_STORAGE_KEY", "AWS_DEFAULT_REGION")
        assert ["a=b", "c==", "here"] == [told_service[name] for name in names]
    assert "AWS_ACCESS_KEY_ID" not in os.environ


@pytest.mark.parametrize("line", ["SECRET", "PATH=/bin", "AWS_ACCESS_KEY_ID=", "export AWS_ACCESS_KEY_ID=SECRET"])
def test_store_keys_that_are_none_are_refused_by_their_line(environ, line) -> None:
    """Nothing else can be set that way, and the refusal quotes no value."""
    environ.setenv("STORE_KEYS", f"AWS_REGION=x\n{line}")
    with pytest.raises(Refusal, match="STORE_KEYS, line 2: write NAME=value") as refused, target.reached("local"):
        pass
    assert "SECRET" not in str(refused.value)
