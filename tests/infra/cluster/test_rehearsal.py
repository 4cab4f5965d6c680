"""The rehearsal as a whole on a real cluster: image, administrator's part, deployment with its bake, both drills."""

import contextlib
import json
import os

import pytest

from infra import rehearse, target
from infra.rehearsal import drill
from tests import kept
from tests.infra.cluster import conftest, real
from validation import contract
from validation.script import ROOT, Refusal

pytestmark = pytest.mark.cluster


@pytest.fixture
def bare(cluster):
    """The cluster without our namespace, which is laid down again afterwards for the other tests."""
    cluster.place()._forwards.keep(set())
    cluster.ask("delete", "namespace", real.SPACE)
    yield cluster
    cluster.ask("delete", "namespace", real.SPACE, "--ignore-not-found")
    cluster.deployer = cluster.lay_down()


@pytest.fixture
def brought(bare, store, make_real_bundle, monkeypatch, tmp_path):
    """A bundle that `infra.deploy` is to bring, by the overlay as this cluster understands it."""
    sealed = store.add(make_real_bundle(1))
    monkeypatch.setattr(rehearse, "FOLDER", tmp_path / "rehearsal")
    names = ("refuses", "memory")
    overlays = [bare.overlay(f"drill/{name}") for name in names]
    monkeypatch.setattr(rehearse, "DRILLS", dict(zip(drill.DRILLS, overlays, strict=True)))
    monkeypatch.delenv("ATTESTATION", raising=False)
    monkeypatch.delenv("SERVICE_KEY", raising=False)

    monkeypatch.setattr(target, "overlay", lambda _: bare.overlay("staging"))
    monkeypatch.setattr(contract, "load", kept.config)
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path / "home"))
    return sealed


def test_a_rehearsal_deploys_and_undoes_what_is_broken(brought, bare, request, capsys):
    """With the deployer's rights alone; no request fails, and the namespace goes."""
    code = rehearse.main(["--bundle", str(brought.folder), "--model-version", "1"])
    out, err = capsys.readouterr()
    assert code == 0, err
    assert "| rehearsal | pods | 1 |" in out
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in out.splitlines() if line.startswith("| a ")]
    figures = request.config.stash.setdefault(conftest.FIGURES, [])
    figures += [(f"rehearsal: {fault}", "undone", f"{n} of version 1", failed, s) for fault, _, n, failed, s in rows]
    assert ["0", "0"] == [row[3] for row in rows]
    assert "it ended with exit code 2" in rows[0][1]
    assert "it used more memory than its limit" in rows[1][1]
    spaces = json.loads(bare.ask("get", "namespaces", "--output=json"))["items"]
    left = [one for one in spaces if one["metadata"]["name"] == real.SPACE]
    assert all("deletionTimestamp" in one["metadata"] for one in left)
    assert os.environ["KUBECONFIG"] == bare.admin


def test_what_a_cluster_lacks_is_said_at_once(cluster):
    """An old one does not know the autoscaler of the overlay as it is; as the cluster understands it, nothing lacks."""
    names = ("staging", "drill/refuses", "drill/memory")
    rehearse.must_know(cluster.overlay(name) for name in names)
    said = pytest.raises(Refusal, match="knows no HorizontalPodAutoscaler of autoscaling/v2 and no PodDisruptionBudget")
    with said if cluster.is_old else contextlib.nullcontext():
        rehearse.must_know([ROOT / "infra/overlays/staging"])
