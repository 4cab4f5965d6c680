"""Ways to pods: opened once, opened anew at the same address, and never left behind."""

import fcntl
import os
import signal

import httpx
import pytest

from infra import process
from infra.kube import forwards
from infra.kube.forwards import Forwards
from infra.kube.kubectl import Kubectl
from tests.serves import serves
from validation.script import OutsideError


@pytest.fixture
def pod(faked, make_bundle):
    """The name of a pod that serves."""
    sealed = make_bundle(1)
    place = faked.place(sealed)
    place.settle()
    place.start_candidate(sealed)
    return faked.names("Pod")[0]


@pytest.fixture
def ways(tmp_path):
    """Ways of one run; all are closed after the test."""
    (tmp_path / "home").mkdir(exist_ok=True)
    made = Forwards(Kubectl("n"), tmp_path / "home")
    yield made
    made.keep(set())


def answers(url):
    return serves(url)["model_version"] == 1


def test_a_way_that_ended_is_opened_anew_at_the_same_address(pod, ways, tmp_path):
    """As when the service had not begun to listen; whoever holds the address need not know."""
    url = ways.to(pod)
    assert answers(url)
    process.stop(tmp_path / f"home/forward-{pod}.leash", 5)
    assert url == ways.to(pod)
    assert answers(url)


@pytest.mark.parametrize("hangs", [True, False])
def test_a_way_on_which_nothing_comes_back_is_opened_anew(pod, ways, tmp_path, monkeypatch, hangs):
    """Its process lives, its connection to the cluster does not: at the same address; one that answers stays."""
    monkeypatch.setattr(forwards, "PROBE_SECONDS", 0.5)
    monkeypatch.setattr(forwards, "PATIENCE", 0.5)
    url, leash = ways.sound(pod), tmp_path / f"home/forward-{pod}.leash"
    before = process.alive(leash)
    if hangs:
        os.kill(before, signal.SIGSTOP)
    assert url == ways.sound(pod)
    assert answers(url)
    assert hangs == (before != process.alive(leash))


def test_counts_that_do_not_come_back_have_a_new_way_the_next_time(pod, ways, tmp_path, monkeypatch):
    """Else three looks in a row would be missed, and the version undone for its tunnel."""
    monkeypatch.setattr(forwards, "READ_SECONDS", 1.0)
    monkeypatch.setattr(forwards, "PATIENCE", 0.5)
    assert ways.read(pod, "/metrics")
    os.kill(process.alive(tmp_path / f"home/forward-{pod}.leash"), signal.SIGSTOP)
    with pytest.raises(httpx.TransportError):
        ways.read(pod, "/metrics")
    monkeypatch.setattr(forwards, "READ_SECONDS", 5.0)
    assert ways.read(pod, "/metrics")


def test_a_way_that_another_run_left_is_not_taken_for_ours(pod, ways, tmp_path):
    """Its address is unknown here: it is closed, and one of our own opened."""
    left = Forwards(Kubectl("n"), tmp_path / "home")
    old = left.to(pod)
    assert answers(ways.to(pod))
    with pytest.raises(httpx.ConnectError):
        answers(old)


def test_ways_that_nobody_needs_are_closed(pod, ways, tmp_path):
    """And their files are gone."""
    ways.to(pod)
    ways.keep({pod})
    assert len(list((tmp_path / "home").glob("forward-*.leash"))) == 1
    ways.keep(set())
    assert [] == list((tmp_path / "home").glob("forward-*"))


def test_a_way_whose_process_cannot_be_named_stops_nobody(ways, tmp_path, capsys):
    """As when a run was killed between the start of a process and the note of its number."""
    leash = tmp_path / "home/forward-p.leash"
    with leash.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ways.keep(set())
    assert not leash.exists()
    assert "held by a process it does not name" in capsys.readouterr().err


def test_a_pod_that_is_gone_is_one_sentence(faked, ways):
    """It is the one that kubectl says."""
    with pytest.raises(
        OutsideError, match=r"the cluster could not open a way to pod p: Error from server \(NotFound\): pod/p"
    ):
        ways.to("p")
