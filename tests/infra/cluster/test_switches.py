"""Deployments to a real cluster while users ask it without a pause: no request fails, whatever the new one does."""

import json
import time

import pytest

from infra import machine, process
from infra.kube import track
from infra.kube.track import Track
from tests.infra.cluster.conftest import STABLE
from tests.infra.cluster.real import SPACE
from validation.script import ROOT

pytestmark = pytest.mark.cluster
SLEEPS = ('ENTRYPOINT ["python", "-c", "import time; time.sleep(9999)"]',)  # it runs, and never listens
CHANGE = "open('/bundle/service.json', 'a').write(' ')"  # its digest is another one then
BROKEN = ("USER 0", f'RUN ["python", "-c", "{CHANGE}"]', "USER 10001:10001")


@pytest.mark.parametrize("name", ["staging", "production"])
def test_an_api_server_takes_every_overlay(cluster, name):
    """Defaulted, validated and admitted, as whoever deploys, in a namespace as an administrator lays it down."""
    overlay = cluster.overlay(name)
    cluster.ask("apply", "--kustomize", str(ROOT / "infra/namespace" / name))
    told = cluster.ask("apply", "--kustomize", str(overlay), "--server-side", "--dry-run=server", "--output=name")
    assert len(told.split()) == 8


def test_a_rollout_loses_no_request(cluster, deployed, clock):
    """From one version to the next, pod by pod."""
    two = deployed.bundle(2)
    cluster.publish(two)
    users = cluster.users()
    with clock() as took:
        deployed.bring(two)
    time.sleep(1)
    answers, failures = users.leave()
    deployed.figure("rollout to a good version", "live", answers, failures, took.seconds)
    assert {} == failures
    assert {1, 2} == set(answers)
    assert [("stable", "2")] * 2 == cluster.pods()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (BROKEN, "ready: the candidate never was: it ended with exit code 2"),
        (SLEEPS, "ready: the candidate was not ready within 10 s"),
    ],
    ids=["ends", "never ready"],
)
def test_a_canary_that_fails_on_readiness_changes_nothing(cluster, deployed, clock, change, sentence, request):
    """It is named and gone, and users never met it."""
    two = deployed.bundle(2)
    cluster.publish(two, *change)
    users = cluster.users()
    with clock() as took, pytest.raises(machine.CandidateError, match=sentence):
        deployed.bring(two, *change, ready_seconds=10.0)
    answers, failures = users.leave()
    deployed.figure(f"canary that {request.node.callspec.id}", "undone", answers, failures, took.seconds)
    assert {} == failures
    assert {1} == set(answers)
    assert STABLE == cluster.pods()


def test_a_share_of_the_requests_is_handed_over_and_taken_back(cluster, deployed, clock):
    """One pod of three, asked by users like the others; then by nobody, and every pod tells its counts meanwhile."""
    two = deployed.bundle(2)
    place = cluster.place(cluster.publish(two))
    place.settle()
    url = place.start_candidate(two)
    assert process.wait(lambda: place.candidate_ended() is None and machine.serving(url) == two.digest, 30)
    users = cluster.users()
    with clock() as took:
        metrics = place.share(0.1)
        time.sleep(5)
        stable, canary = metrics()
        place.share(0)
        place.remove_candidate()
    answers, failures = users.leave()
    deployed.figure("canary asked by one in three, then taken away", "as before", answers, failures, took.seconds)
    assert {} == failures
    assert {1, 2} == set(answers)
    assert (2, 1) == (len(stable), len(canary))
    assert all("model_info{" in text for text in (*stable, *canary))
    assert STABLE == cluster.pods()


def test_a_rollback_loses_no_request(cluster, deployed, clock):
    """The version before is brought back the same way, by its digest."""
    deployed.bring(deployed.bundle(2))
    users = cluster.users()
    with clock() as took:
        deployed.bring(deployed.one)
    time.sleep(1)
    answers, failures = users.leave()
    deployed.figure("rollback", "the old one is live", answers, failures, took.seconds)
    assert {} == failures
    assert {1, 2} == set(answers)
    assert STABLE == cluster.pods()


def test_a_run_killed_while_its_canary_starts_is_undone_by_the_next(cluster, deployed, apart, clock):
    """`kill -9`; what it left is a canary that nobody asks."""
    two = deployed.bundle(2)
    place = cluster.place(cluster.publish(two, *SLEEPS), 60.0)
    users = cluster.users()
    child = apart.start(lambda: machine.bring(place, two, deployed.home, deployed.trial) and 0)
    apart.kill(child, lambda: ("canary", "2") in cluster.pods())
    with clock() as took:
        cluster.place().settle()
    answers, failures = users.leave()
    deployed.figure("run killed with a canary", "undone by the next", answers, failures, took.seconds)
    assert {} == failures
    assert {1} == set(answers)
    assert STABLE == cluster.pods()


def test_a_run_killed_in_the_middle_of_a_switch_is_finished_by_the_next(cluster, deployed, apart, clock, monkeypatch):
    """`kill -9` once the cluster has begun to replace pods, which it goes on to do by itself."""
    two = deployed.bundle(2)
    place = cluster.place(cluster.publish(two))
    users = cluster.users()
    with monkeypatch.context() as patch:
        patch.setattr(Track, "wait_for_rollout", apart.hang)
        child = apart.start(lambda: machine.bring(place, two, deployed.home, deployed.trial) and 0)
        apart.kill(child, lambda: ("stable", "2") in cluster.pods())
    with clock() as took:
        cluster.place().settle()
    time.sleep(1)
    answers, failures = users.leave()
    deployed.figure("run killed in the middle of its switch", "finished by the next", answers, failures, took.seconds)
    assert {} == failures
    assert {1, 2} == set(answers)
    assert [("stable", "2")] * 2 == cluster.pods()


@pytest.fixture
def no_room(cluster):
    """Let the namespace have no pod more than it has."""

    def set_up(count):
        quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "pods", "namespace": SPACE}}
        cluster.ask("apply", "--filename=-", given=json.dumps(quota | {"spec": {"hard": {"pods": str(count)}}}))
        shown = ("get", "resourcequota", "pods", f"--namespace={SPACE}", "--output=json")
        assert process.wait(lambda: "used" in json.loads(cluster.ask(*shown)).get("status", {}), 30)

    yield set_up
    cluster.ask("delete", "resourcequota", "pods", f"--namespace={SPACE}", "--ignore-not-found")


def test_a_switch_waits_for_the_room_of_pods_that_leave(cluster, deployed, clock, no_room, monkeypatch):
    """A quota of what a rollout needs counts a pod until it has drained, and is used up for these seconds."""
    two = deployed.bundle(2)
    cluster.publish(two)
    users = cluster.users()
    monkeypatch.setattr(
        machine, "_finish", lambda place, kept, finish=machine._finish: (no_room(4), finish(place, kept))
    )
    with clock() as took:
        deployed.bring(two)
    time.sleep(1)
    answers, failures = users.leave()
    deployed.figure("switch in a quota without a pod to spare", "live", answers, failures, took.seconds)
    assert {} == failures
    assert [("stable", "2")] * 2 == cluster.pods()
    said = cluster.ask("get", "events", f"--namespace={SPACE}", "--field-selector=reason=FailedCreate", "--output=json")
    assert "exceeded quota: pods" in said


def test_a_switch_that_the_cluster_does_not_finish_is_taken_back(cluster, deployed, clock, no_room, monkeypatch):
    """The new one was proven, and there is no room to replace a pod."""
    monkeypatch.setattr(track, "STUCK_SECONDS", 20.0)
    two = deployed.bundle(2)
    cluster.publish(two)
    users = cluster.users()
    monkeypatch.setattr(
        machine, "_finish", lambda place, kept, finish=machine._finish: (no_room(3), finish(place, kept))
    )
    with (
        clock() as took,
        pytest.raises(machine.CandidateError, match=r"the rollout of gatehouse goes no further: .*quota"),
    ):
        deployed.bring(two)
    answers, failures = users.leave()
    deployed.figure("switch without room for a pod", "taken back", answers, failures, took.seconds)
    assert {} == failures
    assert {1} == set(answers)
    assert STABLE == cluster.pods()
