"""Where an environment is, and what leads there.

`local` is this machine, or the one of DOCKER_HOST. `rehearsal` is the cluster of KUBECONFIG, as the overlay of staging
describes it; without one, this machine. `staging` and `production` are where DEPLOY_TARGET says: `cluster`, the one of
KUBECONFIG, each by the overlay of its name; or the address of a container engine, as ssh://user@host.
"""

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from infra import ssh, told
from infra.environ import holding
from validation.script import ROOT, Refusal

LOCAL, REHEARSAL, STAGING, PRODUCTION = "local", "rehearsal", "staging", "production"
ENVIRONMENTS = (LOCAL, REHEARSAL, STAGING, PRODUCTION)
CLUSTER, ENGINE = "cluster", "engine"
OURS = re.compile(  # beside what the service is told, see infra.told
    r"DEPLOY_TARGET|KUBE_CONTEXT|SSH_HOST_KEYS|REPLAY_FILE|GATEHOUSE_(PORT|BIND|DOMAIN|CERTIFICATES)|PROXY_IMAGE"
    r"|API_KEYS_FILE"
)
OVERLAYS = {REHEARSAL: STAGING, STAGING: STAGING, PRODUCTION: PRODUCTION}


def kind(environment: str, environ: Mapping[str, str] = os.environ) -> str:
    """Say what an environment is on: CLUSTER, ENGINE, or LOCAL for whatever this machine offers.

    Raises Refusal when DEPLOY_TARGET does not say where it is.
    """
    if environment in (LOCAL, REHEARSAL):
        return CLUSTER if environment == REHEARSAL and environ.get("KUBECONFIG") else LOCAL
    target = environ.get("DEPLOY_TARGET", "").strip()
    if target == CLUSTER:
        return CLUSTER
    if re.match(r"(ssh|unix|tcp)://.", target):
        return ENGINE
    told = f"DEPLOY_TARGET={target}" if target else "DEPLOY_TARGET is not set"
    raise Refusal(f"{told}: say `{CLUSTER}`, or the engine of {environment} as ssh://user@host (see docs/deploy.md)")


def overlay(environment: str) -> Path:
    """Return the folder that describes an environment to a cluster."""
    return ROOT / "infra/overlays" / OVERLAYS[environment]


def settings(text: str) -> dict[str, str]:
    """Read SETTINGS, the variables of a job's environment as JSON: those of them that are settings of a deployment.

    Raises Refusal when it is no such thing.
    """
    try:
        found = {str(name): str(value) for name, value in json.loads(text or "{}").items()}
    except (ValueError, AttributeError):
        raise Refusal("SETTINGS is no JSON object of variables") from None
    return {name: value for name, value in found.items() if OURS.fullmatch(name) or told.PASSED.fullmatch(name)}


def store_keys(text: str) -> dict[str, str]:
    """Read STORE_KEYS, what leads to the prediction log's store: a line each, NAME=value, as AWS_ACCESS_KEY_ID=….

    Raises Refusal, which quotes no value, when a line is none of these.
    """
    keys = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, equals, value = line.strip().partition("=")
        if not name or name.startswith("#"):
            continue
        if not (equals and value and told.STORES.fullmatch(name)):
            raise Refusal(f"STORE_KEYS, line {number}: write NAME=value, where NAME begins with AWS_ or AZURE_STORAGE_")
        keys[name] = value
    return keys


@contextlib.contextmanager
def reached(environment: str) -> Iterator[None]:
    """Lay down what leads to an environment, for as long as the block runs; nobody else may read it.

    A job has no files of its own, and the variables of its environment are all in SETTINGS. KUBE_CONFIG is the text of
    a kubeconfig, SSH_KEY that of a private key, SSH_HOST_KEYS are lines of a known_hosts file; without them kubectl and
    ssh go by their own files, as on a laptop. STORE_KEYS are variables of the service that are secrets. Raises Refusal
    when a job lacks one of them.
    """
    told_us = settings(os.environ.get("SETTINGS", "")) | store_keys(os.environ.get("STORE_KEYS", ""))
    given = {name: text for name, text in told_us.items() if not os.environ.get(name)}
    with tempfile.TemporaryDirectory(prefix="target-") as folder:
        leads = _way(environment, os.environ | given, Path(folder))
        with holding(**given, **leads):
            yield


def _way(environment: str, environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Write what leads to an environment, and return the variables that name it."""
    where, target, job = (
        kind(environment, environ),
        environ.get("DEPLOY_TARGET", "").strip(),
        "GITHUB_ACTIONS" in environ,
    )
    config, key, known = (environ.get(name, "").strip() for name in ("KUBE_CONFIG", "SSH_KEY", "SSH_HOST_KEYS"))
    if where == CLUSTER and config:
        return {"KUBECONFIG": _secret(folder / "kubeconfig", config)}
    if where == CLUSTER and job and not environ.get("KUBECONFIG"):
        raise Refusal(f"KUBE_CONFIG is empty: give the environment {environment} a secret that holds a kubeconfig")
    if where != ENGINE:
        return {}
    if not target.startswith("ssh://") or not (key or job):
        return {"DOCKER_HOST": target}
    if empty := [name for name, text in (("SSH_KEY", key), ("SSH_HOST_KEYS", known)) if not text]:
        raise Refusal(
            f"{' and '.join(empty)} is empty: give the environment {environment} the secret SSH_KEY (a private key) and"
            " the variable SSH_HOST_KEYS (what `ssh-keyscan HOST` prints)"
        )
    options = {
        "IdentityFile": _secret(folder / "key", key),
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": _secret(folder / "known_hosts", known),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
    }
    lines = "".join(f"{option} {ssh.quoted(value)}\n" for option, value in options.items())
    return {"DOCKER_HOST": target, "SSH_CONFIG": _secret(folder / "ssh_config", lines)}


def _secret(path: Path, text: str) -> str:
    """Write a file that only we may read, and return its name; a key without an end of line is none."""
    path.touch(mode=0o600)
    path.write_text(text.replace("\r\n", "\n").rstrip("\n") + "\n")
    return str(path)
