"""The team's server as compose starts it: pinned, healthy, closed, and without a password of its own."""

import os
import re
import subprocess

import pytest
import yaml

from tests.conftest import REPOSITORY

FILE = REPOSITORY / "infra/compose.yaml"
COMPOSE = yaml.safe_load(FILE.read_text())
SERVICES = COMPOSE["services"]
PASSWORDS = {"POSTGRES_PASSWORD", "S3_SECRET_KEY", "MLFLOW_ADMIN_PASSWORD", "MLFLOW_SECRET_KEY"}
DOCKERFILE = (REPOSITORY / "infra/mlflow/Dockerfile").read_text()


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned_by_digest(name: str) -> None:
    """What is pulled is what was looked at; what is built stands on such an image and on locked libraries."""
    service = SERVICES[name]
    if "build" in service:
        assert "ARG BASE_IMAGE=" in DOCKERFILE
        assert re.search(r"^ARG BASE_IMAGE=\S+:\S+@sha256:[0-9a-f]{64}$", DOCKERFILE, re.MULTILINE)
        assert "--require-hashes" in DOCKERFILE
    else:
        assert re.fullmatch(r"\S+:\S+@sha256:[0-9a-f]{64}", service["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_says_whether_it_is_well_and_comes_back(name: str) -> None:
    """A check of its own, or its image's; started again after a crash; started after what it needs is well."""
    service = SERVICES[name]
    assert "healthcheck" in service or ("build" in service and "HEALTHCHECK" in DOCKERFILE)
    assert "unless-stopped" == service["restart"]
    assert {"service_healthy"} >= {needed["condition"] for needed in service.get("depends_on", {}).values()}


def test_only_the_server_is_published_and_on_loopback() -> None:
    """Database and store cannot be reached from outside; the server's port is this machine's alone unless told."""
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert {"mlflow": ["${MLFLOW_BIND:-127.0.0.1}:${MLFLOW_PORT:-5000}:5000"]} == published
    assert {"postgres": ["inside"], "s3": ["inside"]} == {
        name: service["networks"] for name, service in SERVICES.items() if name != "mlflow"
    }
    assert COMPOSE["networks"]["inside"] == {"internal": True}


def test_no_secret_has_a_default() -> None:
    """Each is asked for with a sentence; whatever else looks like one is such a question too."""
    told = {key: value for one in SERVICES.values() for key, value in one["environment"].items()}
    asked = {name for value in told.values() for name in re.findall(r"\$\{(\w+):\?[^}]+\}", value)}
    assert asked == PASSWORDS
    secrets = {key: value for key, value in told.items() if re.search("PASSWORD|SECRET", key)}
    assert {} == {key: value for key, value in secrets.items() if not re.fullmatch(r"\$\{\w+:\?[^}]+\}", value)}


def test_what_is_kept_is_in_named_volumes() -> None:
    """Taking the containers away takes nothing of the registry away."""
    kept = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    assert sorted(COMPOSE["volumes"]) == sorted(kept)


def test_the_image_holds_what_the_tests_run() -> None:
    """The versions of the server's own lock are those of the repository's."""
    pins = [
        dict(re.findall(r"^([\w.-]+)==(\S+)", (REPOSITORY / name).read_text(), re.MULTILINE))
        for name in ("infra/mlflow/requirements.txt", "requirements.txt")
    ]
    assert {"mlflow", "psycopg2-binary", "boto3", "flask-wtf"} <= set(pins[0])
    assert pins[0].items() <= pins[1].items()


def config(**passwords: str) -> "subprocess.CompletedProcess[str]":
    """Let compose read the file."""
    unset = PASSWORDS - set(passwords)
    environment = {name: value for name, value in os.environ.items() if name not in unset} | passwords
    command = ["docker", "compose", "--file", str(FILE), "config", "--quiet"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.engine
def test_compose_refuses_to_start_without_a_password() -> None:
    """Each missing one is named; with all of them the file is taken."""
    try:
        version = subprocess.run(["docker", "compose", "version"], capture_output=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("docker is not on this machine")
    if version.returncode:
        pytest.skip("docker has no compose on this machine")
    everything = dict.fromkeys(PASSWORDS, "long enough for a test")
    for missing in sorted(PASSWORDS):
        refused = config(**{name: value for name, value in everything.items() if name != missing})
        assert 0 != refused.returncode
        assert missing in refused.stderr
    taken = config(**everything)
    assert 0 == taken.returncode, taken.stderr
