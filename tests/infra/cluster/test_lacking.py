"""What a real cluster lacks is one sentence, and the old version serves on."""

import json

import pytest

from tests.infra.cluster.real import SPACE
from validation.script import OutsideError, Refusal

pytestmark = pytest.mark.cluster
STABLE = [("stable", "1")] * 2


def test_an_image_that_is_not_there_is_named(cluster, deployed):
    """The registry answers, and has no such digest."""
    place = cluster.place(f"{cluster.registry}/same@sha256:{'1' * 64}")
    place.settle()
    with pytest.raises(Refusal, match=r"the candidate cannot start: its image cannot be pulled: .*(not found|unknown)"):
        place.start_candidate(deployed.bundle(2))
    place.remove_candidate()
    assert STABLE == cluster.pods()


def test_a_secret_that_is_not_there_is_named(cluster, deployed):
    """By the pod's events, since whoever deploys may not look for it."""
    two = deployed.bundle(2)
    place = cluster.place(cluster.publish(two))
    place.settle()
    secret = json.loads(cluster.ask("get", "secret", "gatehouse-keys", f"--namespace={SPACE}", "--output=json"))
    cluster.ask("delete", "secret", "gatehouse-keys", f"--namespace={SPACE}")
    try:
        with pytest.raises(Refusal, match='what it mounts is not in the namespace: secret "gatehouse-keys" not found'):
            place.start_candidate(two)
    finally:
        kept = {name: secret["metadata"][name] for name in ("name", "namespace")}
        cluster.ask("create", "--filename=-", given=json.dumps(secret | {"metadata": kept}))
        place.remove_candidate()
    assert STABLE == cluster.pods()


def test_a_quota_that_is_used_up_is_named(cluster, deployed):
    """No pod is made, and the Deployment tells why."""
    two = deployed.bundle(2)
    place = cluster.place(cluster.publish(two))
    place.settle()
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "pods", "namespace": SPACE}}
    cluster.ask("apply", "--filename=-", given=json.dumps(quota | {"spec": {"hard": {"pods": "2"}}}))
    try:
        with pytest.raises(Refusal, match=r"the cluster makes no pod for the candidate: .*exceeded quota: pods"):
            place.start_candidate(two)
    finally:
        cluster.ask("delete", "resourcequota", "pods", f"--namespace={SPACE}")
        place.remove_candidate()
    assert STABLE == cluster.pods()


def test_a_namespace_where_nothing_is_allowed_or_that_is_not_there_is_named(cluster, deployed, monkeypatch):
    """Whoever deploys to one has no rights in another; an administrator sees that there is none."""
    two = deployed.bundle(2)
    place = cluster.place(cluster.publish(two))
    place._kubectl._place[0] = "--namespace=default"
    with pytest.raises(Refusal, match=r"the cluster does not allow it: .*infra/namespace has the rights"):
        place.settle()
    monkeypatch.setenv("KUBECONFIG", cluster.admin)
    lost = cluster.place(cluster.publish(two), namespace="moon")
    lost.settle()
    with pytest.raises(Refusal, match="namespace moon does not exist; an administrator makes it"):
        lost.start_candidate(two)


def test_a_cluster_that_is_gone_is_said(cluster, deployed, monkeypatch, tmp_path):
    """Nobody listens at its address."""
    config = json.loads(cluster.deployer.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "gone.json").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "gone.json"))
    with pytest.raises(OutsideError, match=r"the cluster could not list Deployment.v1.apps: .*refused"):
        cluster.place().settle()


def test_a_removal_leaves_nothing_and_may_be_repeated(cluster, deployed):
    """But for what the administrator laid down, and the cluster itself."""
    assert cluster.place().remove()
    assert not cluster.place().remove()
    kinds = "deployment,service,ingress,networkpolicy,horizontalpodautoscaler,poddisruptionbudget"
    assert [] == json.loads(cluster.ask("get", kinds, f"--namespace={SPACE}", "--output=json"))["items"]
