"""The real service behind the real proxy while callers never pause: whatever happens to a deployment, none notices."""

import pathlib
import re

import pytest

from infra import asked, contained, machine, process, trial
from infra.trial import Trial
from tests import kept
from tests.serves import serves

pytestmark = pytest.mark.engine

ROW = {"x": 3}
OLD, NEW = 21, 22  # versions whose images no other test builds


@pytest.fixture
def ship(real_containers):
    """Deploy a bundle, a share of the requests going to it before it takes over."""

    def act(sealed):
        place = real_containers()
        return machine.bring(place, sealed, pathlib.Path(place.home), Trial(shared(place), None))

    return act


def shared(place):
    """Judge a candidate by sharing: half of the requests, for a while, then by nothing else."""

    def judge(*_):
        read = place.share(0.5)
        if place.is_up():
            assert process.wait(lambda: all(rows(text) > 100 for side in read() for text in side), 60)
        return []

    return judge


def rows(text):
    return float(re.search(r"^predict_rows_total (\S+)", text, re.MULTILINE)[1])


def version(url):
    return serves(url)["model_version"]


def test_a_switch_loses_no_request(real_containers, make_real_bundle, ship, callers):
    """Candidate, share, switch, the old one drains: the answers of kept and of new connections are all good."""
    url = ship(make_real_bundle(OLD))["url"]
    load = callers(url, ROW)
    assert ship(make_real_bundle(NEW))["version"] == NEW
    assert version(url) == NEW
    assert load.stop() == []
    assert load.answers > 100


def test_an_undone_switch_loses_no_request(real_containers, make_real_bundle, ship, callers, monkeypatch):
    """The new one serves already and is given up: the old one, which still runs, takes over again."""
    url = ship(make_real_bundle(OLD))["url"]
    old = real_containers().roles.find("live").id
    load = callers(url, ROW)
    with monkeypatch.context() as patch:
        patch.setattr(machine, "_confirm", fail)
        with pytest.raises(machine.CandidateError, match="not confirmed"):
            ship(make_real_bundle(NEW))
    assert version(url) == OLD
    assert load.stop() == []
    assert old == real_containers().roles.find("live").id
    assert [old] == [one.id for one in real_containers().roles.all()]


def fail(*_):
    """Stand for a port that does not show the new bundle."""
    raise machine.CandidateError("not confirmed")


def test_a_candidate_that_dies_under_its_share_costs_no_request_that_it_had_not_taken(
    real_containers, make_real_bundle, ship, callers
):
    """Killed while half of the requests are its own: whoever comes next is answered by the old one."""
    url = ship(make_real_bundle(OLD))["url"]
    place = real_containers()
    place.settle()
    candidate = place.start_candidate(make_real_bundle(NEW))
    assert process.wait(lambda: asked.is_ready(candidate), 60)
    place.share(0.5)
    place.roles.find("candidate").kill()
    load = callers(url, ROW)
    assert process.wait(lambda: load.answers > 200, 60)
    assert load.stop() == []
    assert place.candidate_ended().startswith("it ended with exit code 137")
    place.remove_candidate()
    assert version(url) == OLD


def test_a_live_one_that_hangs_does_not_keep_its_mend_out(real_containers, make_real_bundle, ship, monkeypatch):
    """It tells no /metrics to compare with, and the new one is judged alone, as where nothing serves."""
    monkeypatch.setattr(contained, "DRAIN_SECONDS", 1)
    ship(make_real_bundle(OLD))
    place = real_containers()
    place.ready_seconds = 10
    held = place.roles.find("live")
    assert place.stable == contained.url(place.engine, held)
    held.kill("SIGSTOP")
    assert place.stable == ""
    mend = make_real_bundle(NEW)
    machine.bring(place, mend, pathlib.Path(place.home), trial.of_new(kept.config(), mend))
    assert version(place.url) == NEW
