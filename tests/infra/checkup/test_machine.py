"""What this machine lacks: both sides of each check."""

from dataclasses import replace

import pytest

from infra.checkup import machine
from infra.checkup.answer import FINE, MISSING, UNSEEN
from infra.checkup.machine import CHECKS, OTHERS, OURS, Secret
from tests.infra.examined import MACHINE

CLUSTER = replace(MACHINE, overlays=True)


def test_a_machine_that_lacks_nothing_is_fine() -> None:
    """Every check says so."""
    assert {FINE} == {check(MACHINE).said for check in CHECKS}


@pytest.mark.parametrize(
    ("check", "changed", "needed", "named", "fix"),
    [
        (machine.python, {"python": "3.12"}, True, "Python 3.12", "install Python 3.11"),
        (machine.python, {"system": "win32"}, True, "win32", "install Python 3.11"),
        (machine.lock, {"unlocked": ("a", "b", "c", "d")}, True, "4 libraries", "`make setup`"),
        (machine.lock, {"unlocked": ("numpy",)}, True, "numpy", "`make setup`"),
        (machine.programs, {"absent": ("git", "kind", "make")}, True, "git, make", "install git and make"),
        (machine.config, {"refused": "config.py, line 3: no"}, True, "line 3", "as the sentence says"),
        (machine.port, {"holder": OTHERS}, True, "something else listens on 8000", "GATEHOUSE_PORT"),
        (machine.port, {"holder": "GATEHOUSE_PORT=x is no port"}, True, "GATEHOUSE_PORT=x", "GATEHOUSE_PORT"),
        (machine.disk, {"free": 400_000_000}, True, "0.4 GB are free, 0.5 are needed", "make room"),
        (machine.disk, {"free": 1_900_000_000, "unlocked": ("a",)}, True, "2.0 are needed", "make room"),
        (machine.remote, {"remote": ""}, False, "no repository of the platform", "`git remote add origin"),
        (machine.tracking, {"server": (True, True, False)}, True, "MLFLOW_TRACKING_PASSWORD", "`export"),
        (machine.tracking, {"server": (True, False, False)}, False, "without a login", "`export"),
        (machine.engine, {"engine": False}, False, "no container engine", "Docker or Podman"),
        (machine.engine, {"engine": False, "silent": "ENGINE=docker, but …"}, True, "ENGINE=docker", "ENGINE=none"),
        (machine.kind, {"absent": ("kind",)}, False, "kind", "install kind"),
        (machine.kind, {"absent": ("kind", "kubectl")}, False, "kind, kubectl", "install kind and kubectl"),
        (machine.cluster, {"cluster": False}, False, "no cluster answers", "KUBECONFIG"),
        (machine.cluster, {"cluster": False, "absent": ("kubectl",)}, False, "kubectl is not here", "install kubectl"),
    ],
)
def test_what_is_missing_is_named_with_its_fix(check, changed, needed, named, fix) -> None:
    """And whether the chain stops without it."""
    answer = check(replace(MACHINE, **changed))
    assert (MISSING, needed) == (answer.said, answer.needed)
    assert (True, True) == (named in answer.text, fix in answer.fix)


@pytest.mark.parametrize(
    ("check", "changed"),
    [
        (machine.python, {"system": "darwin"}),
        (machine.port, {"holder": OURS}),
        (machine.disk, {"free": 600_000_000}),
        (machine.tracking, {"server": (True, True, True)}),
        (machine.engine, {"engine": False, "process": True}),
        (machine.programs, {"absent": ("gh", "kind")}),
    ],
)
def test_what_will_do_is_fine(check, changed) -> None:
    """The other system, our own service on the port, a process by choice."""
    assert FINE == check(replace(MACHINE, **changed)).said


@pytest.mark.parametrize(
    ("changed", "private", "said"),
    [
        ({"overlays": False}, True, FINE),
        ({}, False, FINE),
        ({}, None, FINE),
        ({}, True, MISSING),
        ({"absent": ("kubectl",)}, True, UNSEEN),
        ({"secrets": (Secret("staging", "pull", True),)}, True, FINE),
        ({"secrets": (Secret("staging", "pull", None),)}, True, UNSEEN),
        ({"secrets": (Secret("staging", "pull", True), Secret("production", "pull", False))}, False, MISSING),
        ({"secrets": (Secret("staging", "pull", None), Secret("production", "pull", False))}, True, MISSING),
    ],
)
def test_a_pull_secret_is_wanted_where_an_overlay_names_it_or_the_image_is_private(changed, private, said) -> None:
    """Never needed: the chain goes on without a cluster."""
    answer = machine.pull_secret(replace(CLUSTER, **changed), private)
    assert (said, False) == (answer.said, answer.needed)


def test_a_pull_secret_that_the_cluster_lacks_is_made_by_a_command() -> None:
    """For its namespace, under its name."""
    answer = machine.pull_secret(replace(CLUSTER, secrets=(Secret("production", "pull", False),)), True)
    assert "production/pull" in answer.text
    assert "kubectl create secret docker-registry pull --namespace production --docker-server=ghcr.io" in answer.fix
