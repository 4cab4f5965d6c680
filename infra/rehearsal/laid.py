"""What an administrator lays down before a first deployment, laid down for a rehearsal, and taken away after it.

The namespace and the rights of whoever deploys (infra/namespace), a key in the Secret gatehouse-keys, a login where
images are not everybody's, and a KUBECONFIG with those rights and no others, by which the deployment is then made.
"""

import base64
import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import yaml

from infra import process
from infra.environ import holding
from infra.kube import kubectl
from infra.kube.kubectl import Kubectl, Object
from serve.guard import keys
from validation.script import ROOT, OutsideError, Refusal, log, to_json

FOLDER = ROOT / "infra/namespace/staging"
SPACE = "gatehouse-staging"  # as that folder says
MARK = "gatehouse.rehearsal"  # the label of a namespace that a rehearsal made
MANAGER = "gatehouse-rehearsal"  # of the fields laid down: a deployment has those of its own
DEPLOYER = "gatehouse-deployer"
TOKEN_HOURS = 2  # the cluster may make it less
LEAVE_SECONDS = 120.0  # until the namespace of a rehearsal before is gone


@contextlib.contextmanager
def down(folder: Path, host: str, keep: bool) -> Iterator[None]:
    """Lay it all down; while the block runs, KUBECONFIG is the deployer's and SERVICE_KEY the service's key.

    `host` is the registry that the image comes from. The namespace is deleted then, unless it is to be kept. Raises
    Refusal for a namespace that no rehearsal made: somebody's own service may be in it.
    """
    asked = Kubectl(SPACE)
    _must_be_free(asked)
    key = keys.make()
    try:
        log(f"infra.rehearse: an administrator's part: namespace {SPACE}, rights, key")
        asked.apply(_objects(key, host), manager=MANAGER)
        path = _config_of_deployer(asked, folder)
        with holding(KUBECONFIG=str(path), KUBE_CONFIG=None, SERVICE_KEY=key):
            yield
    finally:
        (folder / "deployer.json").unlink(missing_ok=True)
        if not keep:
            _take_away(asked)


def _must_be_free(asked: Kubectl) -> None:
    """Delete the namespace of a rehearsal before, and wait until it is gone."""
    there = asked.find("Namespace", SPACE)
    if there is None:
        return
    if MARK not in there["metadata"].get("labels", {}):
        raise Refusal(
            f"the cluster of KUBECONFIG has a namespace {SPACE} that no rehearsal made, and its keys would be replaced:"
            " name a cluster for rehearsals, or none, and kind makes one"
        )
    log(f"infra.rehearse: namespace {SPACE} of a rehearsal before is deleted")
    asked.delete("Namespace", SPACE)
    if not process.wait(lambda: asked.find("Namespace", SPACE) is None, LEAVE_SECONDS):
        raise OutsideError(f"namespace {SPACE} is still being deleted after {LEAVE_SECONDS:g} s; see `kubectl get ns`")


def _objects(key: str, host: str) -> list[Object]:
    """Return the namespace, what is in its folder, and the Secrets."""
    laid: list[Object] = [one for one in yaml.safe_load_all(kubectl.render(FOLDER)) if one]
    (space,) = [one for one in laid if one["kind"] == "Namespace"]
    space["metadata"]["labels"][MARK] = "yes"
    line = keys.line_of(key, "rehearsal", "predict,admin")
    others = [one for one in laid if one is not space]
    return [space, *others, _secret("gatehouse-keys", "Opaque", "keys", f"{line}\n"), *_login(host)]


def _login(host: str) -> list[Object]:
    """Return the registry's login, if there is one, and the account of the pods that brings it along."""
    user, token = os.environ.get("REGISTRY_USER", ""), os.environ.get("REGISTRY_TOKEN", "")
    if bool(user) != bool(token):
        raise Refusal("REGISTRY_USER and REGISTRY_TOKEN go together: the login by which the cluster pulls the image")
    if not user:
        return []
    auth = base64.b64encode(f"{user}:{token}".encode()).decode()
    content = json.dumps({"auths": {host: {"auth": auth}}})
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "gatehouse", "namespace": SPACE},
        "imagePullSecrets": [{"name": "registry"}],
    }
    return [_secret("registry", "kubernetes.io/dockerconfigjson", ".dockerconfigjson", content), account]


def _secret(name: str, kind: str, file: str, content: str) -> Object:
    data = {file: base64.b64encode(content.encode()).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "type": kind, "data": data} | {
        "metadata": {"name": name, "namespace": SPACE}
    }


def _config_of_deployer(asked: Kubectl, folder: Path) -> Path:
    """Write a KUBECONFIG with a token of the deployer's account; nobody else may read it."""
    token = asked.ask("give a token", "create", "token", DEPLOYER, f"--duration={TOKEN_HOURS}h").strip()
    config = json.loads(
        asked.ask("show KUBECONFIG", "config", "view", "--raw", "--minify", "--flatten", "--output=json")
    )
    config["users"][0]["user"] = {"token": token}
    path = folder / "deployer.json"
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(to_json(config))
    return path


def _take_away(asked: Kubectl) -> None:
    """Delete the namespace; a failure of that takes no other one's place."""
    try:
        asked.delete("Namespace", SPACE)
    except (OutsideError, Refusal) as error:
        log(f"infra.rehearse: {error}")
