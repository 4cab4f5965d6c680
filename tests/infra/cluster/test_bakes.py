"""A canary on a real cluster is asked by users, one pod in three: a bad one is undone, a good one takes the place."""

import time

import pytest

from infra import machine, trial
from infra.baking import scraped
from tests import kept

pytestmark = pytest.mark.cluster
FAULTY = ("COPY faulty_service.py /service/", 'ENTRYPOINT ["python", "/service/faulty_service.py"]')


def stable_failed(cluster):
    """Count the requests that the stable pods failed, by their own counts."""
    return sum(scraped.read(text).counts.failed for text in cluster.place().metrics()[0])


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [("errors", "bake: undo: .*failed requests"), ("drift", "bake: undo: .*predictions above")],
)
def test_a_canary_that_errs_is_undone(cluster, deployed, clock, fault, sentence):
    """It was ready and knew its golden rows; what users got of it is the price, and the old pods fail nobody."""
    two = deployed.faulty(2, fault)
    cluster.publish(two, *FAULTY)
    users = cluster.users()
    with clock() as took, pytest.raises(machine.CandidateError, match=sentence):
        deployed.bring(two, *FAULTY, trial=trial.of_new(kept.config(), two))
    time.sleep(1)
    answers, failures = users.leave()
    deployed.figure(f"canary with {fault}", "undone by the bake", answers, failures, took.seconds)
    assert set(failures) <= {"status 500"}  # no connection was lost
    assert bool(failures) == (fault == "errors")
    assert stable_failed(cluster) == 0
    assert [("stable", "1")] * 2 == cluster.pods()


def test_a_good_canary_is_finished_by_its_users(cluster, deployed, clock):
    """Its numbers tell after a while, and no request was lost."""
    two = deployed.bundle(2)
    cluster.publish(two)
    users = cluster.users()
    with clock() as took:
        record = deployed.bring(two, trial=trial.of_new(kept.config(), two))
    time.sleep(1)
    answers, failures = users.leave()
    deployed.figure("canary as good as the old one", "live", answers, failures, took.seconds)
    assert {} == failures
    assert "requests of users" in record["bake"]
    assert [("stable", "2")] * 2 == cluster.pods()
