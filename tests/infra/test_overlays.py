"""What a cluster is told: every overlay and component renders, and says what Kubernetes understands."""

import itertools
import os
import re
import shutil
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from infra.kube import kubectl
from serve.app import PATIENCE
from tests.infra import foreign
from validation.script import ROOT, Refusal

INFRA = ROOT / "infra"
OVERLAYS = ("staging", "production")
DRILLS = ("drill/refuses", "drill/memory")
VERSIONS = ("1.32", "1.34", "1.37")  # the oldest that a provider still offers, and up to the newest
STANDING = ("gateway", "ingress", "keys", "oidc", "pull-secret")  # beside the base's Deployment
REPLACING = ("argo-rollouts", "knative", "kserve")  # in its place
DIGEST = "sha256:" + "0" * 64


def rendered(folder):
    """Render a kustomization to its objects."""
    return [one for one in yaml.safe_load_all(kubectl.render(folder)) if one]


def one_of(objects, kind, name="gatehouse"):
    found = [one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    assert len(found) == 1, f"{len(found)} of {kind} {name}"
    return found[0]


def wrong_in(one, version):
    """Validate an object strictly; a sentence for what is wrong, or None. What is not Kubernetes' own is left aside."""
    try:
        kubernetes_validate.validate(one, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{one['kind']}, {list(error.path)}: {error.message}"
    return None


@pytest.fixture
def overlay(tmp_path):
    """Make an overlay of the base and some components, with an image by its digest."""
    shutil.copytree(INFRA / "base", tmp_path / "infra/base")
    shutil.copytree(INFRA / "components", tmp_path / "infra/components")

    def make(*components):
        folder = tmp_path / "infra/overlays/made"
        folder.mkdir(parents=True, exist_ok=True)
        images = [{"name": "gatehouse", "newName": "ghcr.io/a/b", "digest": DIGEST}]
        listed = [f"../../components/{name}" for name in components]
        content = {"namespace": "made", "resources": ["../../base"], "components": listed, "images": images}
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
        return rendered(folder)

    return make


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "name", [*(f"overlays/{name}" for name in (*OVERLAYS, *DRILLS)), *(f"namespace/{name}" for name in OVERLAYS)]
)
def test_an_overlay_holds_no_field_that_kubernetes_does_not_know(name, version):
    """Rendered by kustomize and validated strictly, by the schemas of several versions."""
    for one in rendered(INFRA / name):
        assert wrong_in(one, version) is None


def test_a_drill_is_staging_but_for_its_fault():
    """One place of the Deployment says otherwise, so that what is rehearsed is what is deployed."""
    staging = rendered(INFRA / "overlays/staging")
    for name, path, fault in (
        ("drill/refuses", ("env",), {"name": "BUNDLE", "value": "/nowhere"}),
        ("drill/memory", ("resources", "limits"), {"memory": "32Mi"}),
    ):
        drilled = rendered(INFRA / "overlays" / name)
        (container,) = one_of(drilled, "Deployment")["spec"]["template"]["spec"]["containers"]
        (sound,) = one_of(staging, "Deployment")["spec"]["template"]["spec"]["containers"]
        said = container
        for part in path:
            said = said[part]
        assert fault in said if isinstance(said, list) else fault.items() <= said.items()
        for part in ("env", "resources"):
            container[part] = sound[part]
        assert staging == drilled


def test_staging_fits_on_one_node_of_two_processors():
    """Its pods while one is replaced, and a canary, beside the cluster's own parts, which ask for one processor."""
    objects = rendered(INFRA / "overlays/staging")
    (container,) = one_of(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    pods = one_of(objects, "HorizontalPodAutoscaler")["spec"]["minReplicas"] + 2
    assert pods * int(container["resources"]["requests"]["cpu"].removesuffix("m")) <= 1000


def test_a_field_that_is_misspelt_is_found(tmp_path):
    """The validation above would say so."""
    shutil.copytree(INFRA, tmp_path / "infra")
    file = tmp_path / "infra/base/deployment.yaml"
    file.write_text(file.read_text().replace("readOnlyRootFilesystem", "readOnlyRootFileSystem"))
    found = [wrong_in(one, VERSIONS[-1]) for one in rendered(tmp_path / "infra/overlays/staging")]
    assert any("readOnlyRootFileSystem" in (said or "") for said in found)


@pytest.mark.parametrize("components", [*itertools.combinations(STANDING, 1), STANDING])
def test_a_component_beside_the_deployment_is_understood(overlay, components):
    """Alone and all together, strictly, those of the Gateway API by what of its schema is used."""
    objects = overlay(*components)
    for one in objects:
        wrong = foreign.wrong_in(one) if foreign.knows(one) else wrong_in(one, VERSIONS[-1])
        assert wrong is None
    assert "gatehouse" != one_of(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"]


@pytest.mark.parametrize("name", REPLACING)
def test_a_component_in_the_deployments_place_is_understood(overlay, name):
    """No Deployment is left that would run beside it, the image is the one by digest, its pods' fields are known."""
    objects = overlay("keys", name)
    assert not [one for one in objects if one["kind"] == "Deployment"]
    mine = [one for one in objects if foreign.knows(one)]
    assert mine
    for one in mine:
        assert foreign.wrong_in(one) is None
    for one in objects:
        if not foreign.knows(one):
            assert wrong_in(one, VERSIONS[-1]) is None
    pods = [pod for one in mine for pod in foreign.pods_of(one)]
    assert [f"ghcr.io/a/b@{DIGEST}"] == [pod["containers"][0]["image"] for pod in pods]
    for pod in pods:
        named = pod | {"containers": [{"name": "service", **pod["containers"][0]}]}
        assert wrong_in({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": named}, "1.37") is None


def test_a_misspelt_field_of_another_projects_kind_is_found(overlay):
    """So is one of another type."""
    route = one_of(overlay("gateway"), "HTTPRoute")
    assert foreign.wrong_in(route) is None
    backend = route["spec"]["rules"][0]["backendRefs"][0]
    backend["wieght"] = 1
    assert "wieght" in foreign.wrong_in(route)
    del backend["wieght"]
    backend["weight"] = "1"
    assert "weight" in foreign.wrong_in(route)


@pytest.mark.parametrize("name", OVERLAYS)
def test_what_an_overlay_names_is_there(name):
    """Settings, Services, the Deployment: each by a name that another object bears."""
    objects = rendered(INFRA / "overlays" / name)
    pod = one_of(objects, "Deployment")["spec"]["template"]
    settings = pod["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"]
    assert one_of(objects, "ConfigMap", settings)["data"]["WORKERS"] == "1"
    assert re.fullmatch(r"gatehouse-settings-\w{10}", settings)
    backend = one_of(objects, "Ingress")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    service = one_of(objects, backend["name"] and "Service", backend["name"])["spec"]
    assert backend["port"]["name"] == service["ports"][0]["name"]
    assert service["selector"].items() <= pod["metadata"]["labels"].items()
    assert one_of(objects, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == "gatehouse"
    for kind, field in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        assert one_of(objects, kind)["spec"][field]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    (spaces,) = {one["metadata"]["namespace"] for one in objects}
    assert f"gatehouse-{name}" == spaces
    assert one_of(rendered(INFRA / "namespace" / name), "Namespace", spaces)


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_edge_speaks_tls_and_the_service_asks_for_a_credential(name):
    """Nobody reaches it in clear text, nor without a key; nothing makes it open."""
    objects = rendered(INFRA / "overlays" / name)
    ingress = one_of(objects, "Ingress")["spec"]
    assert [ingress["rules"][0]["host"]] == ingress["tls"][0]["hosts"]
    pod = one_of(objects, "Deployment")["spec"]["template"]["spec"]
    assert {"name": "API_KEYS_FILE", "value": "/credentials/keys"} in pod["containers"][0]["env"]
    (keys,) = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
    assert not keys.get("optional")
    assert "INSECURE" not in kubectl.render(INFRA / "overlays" / name)
    assert not [one for one in objects if one["kind"] == "Secret"]


def test_pods_are_as_restricted_as_kubernetes_asks(overlay):
    """The profile `restricted` of the pod security standards, a read-only root, no token, and the image's own user."""
    pod = one_of(overlay("keys"), "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    user = re.findall(r"^USER (\d+):(\d+)$", (ROOT / "serve/Dockerfile").read_text(), re.MULTILINE)[-1]
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True
    assert tuple(map(int, user)) == (context["runAsUser"], context["runAsGroup"])
    assert {"type": "RuntimeDefault"} == context["seccompProfile"]
    wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert wanted == container["securityContext"]
    assert pod["automountServiceAccountToken"] is False


@pytest.mark.parametrize("name", ["knative", "kserve"])
def test_a_pod_of_another_project_is_as_restricted(overlay, name):
    """What infra/namespace enforces, by the pod or by its container."""
    (pod,) = [pod for one in overlay("keys", name) if foreign.knows(one) for pod in foreign.pods_of(one)]
    (container,) = pod["containers"]
    context = pod.get("securityContext", {}) | container["securityContext"]
    wanted = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
    wanted |= {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert wanted.items() <= context.items()


def test_a_pod_has_the_time_that_its_service_takes_to_drain(overlay):
    """The sleep before SIGTERM, the service's own patience, and some to spare fit into the grace period."""
    pod = one_of(overlay("keys"), "Deployment")["spec"]["template"]["spec"]
    sleep = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= sleep + PATIENCE + 5


def test_ports_and_probes_are_those_of_the_image(overlay):
    """What the image listens on is what is asked, and every probe has a route that the service serves."""
    (container,) = one_of(overlay("keys"), "Deployment")["spec"]["template"]["spec"]["containers"]
    port = re.search(r"^EXPOSE (\d+)$", (ROOT / "serve/Dockerfile").read_text(), re.MULTILINE)
    assert [int(port[1])] == [one["containerPort"] for one in container["ports"]]
    paths = [container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "readiness", "liveness")]
    assert ["/readyz", "/readyz", "/healthz"] == paths


def test_whoever_deploys_may_read_no_secret():
    """The rights of a deployment are listed one by one, in one namespace."""
    for name in OVERLAYS:
        rules = one_of(rendered(INFRA / "namespace" / name), "Role", "gatehouse-deployer")["rules"]
        assert "secrets" not in {kind for rule in rules for kind in rule["resources"]}
        assert "*" not in str(rules)


def test_a_folder_that_does_not_render_is_one_sentence(tmp_path):
    """It names the folder, and what kustomize says."""
    (tmp_path / "kustomization.yaml").write_text("resources: [nowhere.yaml]\n")
    with pytest.raises(Refusal, match=rf"{tmp_path} does not render: .*nowhere\.yaml"):
        kubectl.render(tmp_path)


def test_a_machine_without_kubectl_is_told_so(monkeypatch, tmp_path):
    """Neither in PATH, nor beside the interpreter."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(kubectl.sys, "executable", str(tmp_path / "python"))
    with pytest.raises(Refusal, match="kubectl is not installed; `make setup` brings the locked one"):
        kubectl.program()


def test_the_locked_kubectl_is_found_without_a_path(monkeypatch, tmp_path):
    """`.venv/bin/python -m infra.deploy` works in a shell that activated nothing."""
    (tmp_path / "kubectl").touch()
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.setattr(kubectl.sys, "executable", str(tmp_path / "python"))
    assert str(Path(tmp_path, "kubectl")) == kubectl.program()
