"""A rehearsal on a cluster behind a fake kubectl: what must be undone is, nobody notices, and nothing is left."""

import base64
import json
import os
import signal

import pytest

from infra import rehearse
from infra.kube.kubectl import Kubectl
from infra.rehearsal import drill, kind, laid, own


def test_a_good_release_is_deployed_and_broken_ones_are_undone(rehearsal, faked):
    """Both tables are printed, every request was answered, and the old version serves by the same pods."""
    code, out, _ = rehearsal.run()
    assert code == 0
    assert out.startswith("| environment | what |")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in out.splitlines() if line.startswith("| a ")]
    assert [*drill.DRILLS] == [row[0] for row in rows]
    assert "undone: ready: the candidate never was: it ended with exit code 1" in rows[0][1]
    assert "it used more memory than its limit" in rows[1][1]
    assert all(int(row[2]) >= 20 and row[3] == "0" for row in rows)
    assert "DEPLOY_TARGET" in out


def test_a_deployment_is_made_with_the_rights_of_whoever_deploys(rehearsal, tmp_path, monkeypatch):
    """By a KUBECONFIG of its own and a fresh key, which nobody sees; the real target's credentials are out of reach."""
    monkeypatch.setenv("KUBE_CONFIG", "of production")
    rehearsal.code = 1
    _, out, err = rehearsal.run("--keep")
    assert str(tmp_path / "rehearsal/deployer.json") == rehearsal.seen["KUBECONFIG"]
    assert {"token": "token-of-the-deployer"} == rehearsal.config["users"][0]["user"]
    assert rehearsal.seen["KUBE_CONFIG"] is None
    assert rehearsal.seen["SERVICE_KEY"].startswith("gatehouse_")
    assert rehearsal.seen["SERVICE_KEY"] not in out + err
    assert not (tmp_path / "rehearsal/deployer.json").exists()
    assert ("the administrator's", "of production") == (os.environ["KUBECONFIG"], os.environ["KUBE_CONFIG"])
    assert "SERVICE_KEY" not in os.environ


def test_a_broken_release_that_is_not_undone_is_red(rehearsal, faked):
    """The cluster lets it run, and it takes the old one's place; no other drill follows, and the next time is anew."""
    faked.fault(takes_anything=True)
    code, out, err = rehearsal.run()
    assert code == 1
    assert out.count("| not undone: it serves |") == out.count("\n| a ") == 1
    assert "the broken release was not undone" in err
    faked.fault()
    assert rehearsal.run()[0] == 0


def test_a_failed_request_to_the_old_version_is_red(rehearsal, make_bundle, one_drill):
    """The broken release was undone all the same."""
    rehearsal.sealed = make_bundle(7, fails_posts=True)
    code, out, err = rehearsal.run()
    assert code == 1
    assert "| undone: " in out
    assert "requests to the old version failed, most of them by: status 500" in err


def test_an_old_version_that_is_touched_is_red(rehearsal, faked, monkeypatch, one_drill):
    """Another pod in the place of one that served before."""
    undone = drill._bring

    def lose(*order):
        told = undone(*order)
        with faked.changing() as state:
            objects = state["objects"]
            del objects[next(name for name, one in objects.items() if one.get("of") == "gatehouse")]
        return told

    monkeypatch.setattr(drill, "_bring", lose)
    code, _, err = rehearsal.run()
    assert code == 1
    assert "other pods serve than before" in err


@pytest.mark.parametrize("code", [1, 2, 3])
def test_a_deployment_that_fails_is_no_reason_for_a_drill(rehearsal, faked, code):
    """Its exit code is the rehearsal's, and what was laid down is taken away."""
    rehearsal.code = code
    assert (code, "") == rehearsal.run()[:2]
    assert {} == faked.objects


def test_nothing_is_left(rehearsal, faked, one_drill):
    """The namespace is deleted with all that is in it; kept, it is all there, and the next rehearsal begins anew."""
    rehearsal.run("--keep")
    assert [(7, True), (7, True)] == faked.pods("stable")
    assert "Secret/gatehouse-keys" in faked.objects
    rehearsal.code = 1
    _, _, err = rehearsal.run()
    assert "of a rehearsal before is deleted" in err
    assert {} == faked.objects


def test_what_an_administrator_lays_down_is_there_before_the_deployment(rehearsal):
    """Namespace, rights, and of the key its hash alone."""
    rehearsal.code = 1
    rehearsal.run()
    assert {"Namespace/gatehouse-staging", "Role/gatehouse-deployer", "Secret/gatehouse-keys"} <= rehearsal.laid.keys()
    line = base64.b64decode(rehearsal.laid["Secret/gatehouse-keys"]["data"]["keys"]).decode()
    assert line.startswith("rehearsal predict,admin sha256:")
    assert rehearsal.seen["SERVICE_KEY"] not in line
    assert "Secret/registry" not in rehearsal.laid


def test_a_login_for_the_images_is_the_pods_own(rehearsal, monkeypatch):
    """By their account, so that the overlay needs no edit; nobody sees the token."""
    monkeypatch.setenv("REGISTRY_USER", "ada")
    monkeypatch.setenv("REGISTRY_TOKEN", "secret-token")
    rehearsal.code = 1
    _, out, err = rehearsal.run()
    content = json.loads(base64.b64decode(rehearsal.laid["Secret/registry"]["data"][".dockerconfigjson"]))
    assert b"ada:secret-token" == base64.b64decode(content["auths"]["registry.example.org"]["auth"])
    assert [{"name": "registry"}] == rehearsal.laid["ServiceAccount/gatehouse"]["imagePullSecrets"]
    assert "secret-token" not in out + err
    monkeypatch.delenv("REGISTRY_USER")
    code, _, err = rehearsal.run()
    assert code == 2
    assert "REGISTRY_USER and REGISTRY_TOKEN go together" in err


def test_somebodys_namespace_is_left_alone(rehearsal, faked):
    """A real staging has the same name; its keys are not replaced."""
    with faked.changing() as state:
        space = {"name": laid.SPACE, "labels": {}}
        state["objects"]["Namespace/gatehouse-staging"] = {"kind": "Namespace", "metadata": space}
    code, _, err = rehearsal.run()
    assert code == 2
    assert "has a namespace gatehouse-staging that no rehearsal made" in err
    assert ["Namespace/gatehouse-staging"] == list(faked.objects)


def test_without_a_cluster_it_is_said_what_to_install(rehearsal, monkeypatch):
    """Neither KUBECONFIG nor kind."""
    monkeypatch.delenv("KUBECONFIG")
    code, _, err = rehearsal.run()
    assert code == 2
    assert f"set KUBECONFIG, or install kind {kind.VERSION} and a container engine" in err


def test_a_cluster_of_kind_is_made_and_deleted(rehearsal, fake_kind, tmp_path):
    """By the pinned image of its node; KUBECONFIG leads there meanwhile, and a strange kind is told."""
    asked = fake_kind(version="v0.20.0")
    rehearsal.code = 1
    _, _, err = rehearsal.run()
    assert ["version", "delete", "create", "delete"] == asked()
    assert kind.NODE in (tmp_path / "kind-calls").read_text()
    assert "this is kind v0.20.0 go1.25.0 linux/amd64; the node's image belongs to kind v0.33.0" in err
    assert "KUBECONFIG" not in os.environ


def test_the_nodes_are_those_of_our_cluster(fake_kind, tmp_path):
    """Kind may have others."""
    fake_kind()
    assert ["ours-control-plane", "ours-worker"] == kind.nodes()
    assert f"get nodes --name={kind.NAME}\n" == (tmp_path / "kind-calls").read_text()


def test_what_leads_to_the_cluster_needs_no_other_file(tmp_path, monkeypatch):
    """The administrator's KUBECONFIG may name a certificate beside it; the deployer's lies elsewhere."""
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "c", "cluster": {"server": "https://c.example.org", "certificate-authority": "ca.crt"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": "the administrator's"}}],
    }  # fmt: skip
    (tmp_path / "config").write_text(json.dumps(config))
    (tmp_path / "ca.crt").write_text("a certificate")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("KUBE_CONTEXT", raising=False)
    asked = Kubectl(laid.SPACE)
    ask = asked.ask
    monkeypatch.setattr(asked, "ask", lambda what, *more: "a token" if more[0] == "create" else ask(what, *more))
    made = json.loads(laid._config_of_deployer(asked, tmp_path / "rehearsal").read_text())
    assert b"a certificate" == base64.b64decode(made["clusters"][0]["cluster"]["certificate-authority-data"])
    assert {"token": "a token"} == made["users"][0]["user"]


def test_a_cluster_of_kind_is_kept_when_asked(rehearsal, fake_kind):
    """And it is said where it is, and how it ends."""
    asked = fake_kind()
    rehearsal.code = 1
    _, _, err = rehearsal.run("--keep")
    assert ["version", "delete", "create"] == asked()
    assert f"`kind delete cluster --name {kind.NAME}` ends it" in err


def test_a_kind_that_fails_is_the_outside(rehearsal, fake_kind):
    """Its own sentence is told, and what is left of the cluster deleted."""
    asked = fake_kind(create='echo "ERROR: failed to create cluster: no space left" >&2; exit 1')
    code, _, err = rehearsal.run()
    assert code == 3
    assert "kind create cluster failed: failed to create cluster: no space left" in err
    assert ["version", "delete", "create", "delete"] == asked()


@pytest.mark.parametrize("when", ["while it is made", "while it is deployed to"])
def test_ctrl_c_deletes_the_cluster_of_kind(rehearsal, fake_kind, monkeypatch, when):
    """Whenever it comes."""
    asked = fake_kind(create="kill -INT $PPID; sleep 30" if when == "while it is made" else ":")
    monkeypatch.setattr(rehearse.deploy, "main", lambda _: os.kill(os.getpid(), signal.SIGINT))
    code, _, _ = rehearsal.run()
    assert code == 130
    assert ["version", "delete", "create", "delete"] == asked()


def test_an_interrupted_deployment_interrupts_the_rehearsal(rehearsal, faked):
    """infra.deploy has its own door, and says so by its code."""
    rehearsal.code = 130
    assert rehearsal.run()[0] == 130
    assert {} == faked.objects


@pytest.mark.parametrize(
    ("more", "registry", "image", "sentence"),
    [
        ((), "", "registry.example.org/service:1", "does not name an image by its digest"),
        (("--record",), "ghcr.io/ada", "", "--record goes with --image"),
        ((), "localhost:5000", "", "means the node itself within a cluster of kind"),
    ],
)
def test_an_image_that_no_cluster_could_pull_is_refused(
    rehearsal, fake_kind, monkeypatch, more, registry, image, sentence
):
    """Before a cluster is made."""
    asked = fake_kind()
    monkeypatch.setenv("CLUSTER_REGISTRY", registry)
    code, _, err = rehearsal.run(*more, image=image)
    assert code == 2
    assert sentence in err
    assert [] == asked()


def test_a_cluster_that_is_named_is_not_reached_into(rehearsal):
    """An image is put into the nodes of kind alone."""
    code, _, err = rehearsal.run(image="")
    assert code == 2
    assert "there is no image: give a published one by its digest" in err


def test_what_the_cluster_lacks_is_said_before_anything_is_laid_down(rehearsal, faked, monkeypatch):
    """Nor is an image built for it."""
    faked.fault(lacks="autoscaling/v2")
    monkeypatch.setenv("CLUSTER_REGISTRY", "registry.example.org")
    monkeypatch.setattr(own, "must_be_possible", lambda: None)
    for image in (None, ""):
        code, out, err = rehearsal.run(image=image)
        assert (2, "", {}) == (code, out, faked.objects)
        assert (
            "the cluster knows no HorizontalPodAutoscaler of autoscaling/v2, which infra/overlays/staging asks for:"
            " leave that out" in err
        )


def test_another_version_than_the_bundles_is_refused(rehearsal):
    """The number is an identity, not a wish."""
    assert rehearse.main(["--bundle", str(rehearsal.sealed.folder), "--model-version", "8"]) == 2


def test_an_image_without_an_engine_is_refused(rehearsal, fake_kind, monkeypatch):
    """Where one would have to be built, and before a cluster is made."""
    asked = fake_kind()
    monkeypatch.setenv("ENGINE", "none")
    for registry in ("ghcr.io/ada", ""):
        monkeypatch.setenv("CLUSTER_REGISTRY", registry)
        code, _, err = rehearsal.run(image="")
        assert code == 2
        assert "no container engine answers to build an image with" in err
    assert [] == asked()
