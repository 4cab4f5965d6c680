"""Deployments to this machine with an engine: containers, the same promises."""

import pathlib

import httpx
import pytest

from infra import host, machine, process

pytestmark = pytest.mark.engine


@pytest.fixture
def ship(containers, trial):
    """Deploy a bundle as a container of the fake service."""

    def act(sealed, ready_seconds=30):
        place = containers(sealed)
        place.ready_seconds = ready_seconds
        return machine.bring(place, sealed, pathlib.Path(place.home), trial)

    return act


def version(url):
    return httpx.get(f"{url}/version", timeout=20).json()["model_version"]


def roles(place):
    return sorted(container.name.rsplit("-", 1)[1] for container in place._ours())


def test_the_second_replaces_the_first(containers, make_bundle, ship):
    """The new one serves the port, the one before is kept stopped, the candidate is gone."""
    ship(make_bundle(1))
    two = make_bundle(2)
    record = ship(two)
    assert record["previous"]["version"] == 1
    assert 2 == version(record["url"])
    assert ["live", "previous"] == roles(containers(two))


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"dies": True}, "ready: the candidate never was: it ended with exit code 1"),
        ({"never_ready": True}, "ready: the candidate was not ready within 5 s"),
        ({"output": 2}, "smoke: 1 finding"),
    ],
)
def test_a_failing_candidate_changes_nothing(containers, make_bundle, ship, fault, sentence, capsys):
    """It is named, its log is shown, it is gone, and the old container was never touched."""
    one = make_bundle(1)
    record = ship(one)
    with pytest.raises(machine.CandidateError, match=sentence):
        ship(make_bundle(2, **fault), 5)
    assert version(record["url"]) == 1
    assert ["live"] == roles(containers(one))
    assert "  | fake service" in capsys.readouterr().err


def test_a_switch_that_fails_is_taken_back(containers, make_bundle, ship, monkeypatch):
    """When the new container does not serve the port, the old one is started again."""
    one = make_bundle(1)
    record = ship(one)
    two = make_bundle(2)
    with monkeypatch.context() as patch:
        patch.setattr(machine, "_confirm", fail)
        with pytest.raises(machine.CandidateError, match="not confirmed"):
            ship(two)
    assert process.wait(lambda: answers(record["url"]) == 1, 30)
    assert ["live"] == roles(containers(one))


def fail(*_):
    """Stand for a port that does not show the new bundle."""
    raise machine.CandidateError("not confirmed")


def answers(url):
    try:
        return version(url)
    except httpx.HTTPError:
        return None


def test_a_switch_cut_short_is_repaired(containers, make_bundle, ship):
    """Killed after the old one was stopped: the next deployment starts it first, and removes strays."""
    one = make_bundle(1)
    record = ship(one)
    place = containers(one)
    live = place._find("live")
    live.stop()
    live.rename(place._named(live, "previous"))
    place._start(one, "candidate", None)
    place.settle()
    assert process.wait(lambda: answers(record["url"]) == 1, 30)
    assert ["live"] == roles(place)


def test_the_same_bundle_again_is_no_work(containers, make_bundle, ship):
    """The container that serves is not touched."""
    one = make_bundle(1)
    ship(one)
    before = containers(one)._find("live").id
    ship(one)
    assert containers(one)._find("live").id == before


def test_containers_run_without_privilege(containers, make_bundle, ship):
    """Read-only, no capability, no way to gain one, not root."""
    one = make_bundle(1)
    ship(one)
    live = containers(one)._find("live")
    assert live.exec_run(["touch", "/x"]).exit_code != 0
    assert b"10001\n" == live.exec_run(["id", "-u"]).output
    status = live.exec_run(["cat", "/proc/1/status"]).output.decode()
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


def test_another_port_is_refused_and_a_used_one_too(containers, make_bundle, ship):
    """One sentence each, before anything starts."""
    one = make_bundle(1)
    place = containers(one)
    with (
        process.listen(place.port),
        pytest.raises(host.Refusal, match=f"port {place.port} is in use by something else"),
    ):
        ship(one)
    ship(one)
    place.port, place.url = place.port + 1, f"http://127.0.0.1:{place.port + 1}"
    with pytest.raises(host.Refusal, match="take it down first"):
        place.settle()


def test_removal_leaves_nothing_and_may_be_repeated(containers, make_bundle, ship):
    """Twice, the second time nothing was there."""
    one = make_bundle(1)
    ship(one)
    place = containers(one)
    assert place.remove()
    assert not place.remove()
    process.listen(place.port).close()


def test_a_container_bears_the_ledgers_head_and_its_image_is_known(containers, make_bundle, trial, capsys):
    """What runs can be held against the ledger; an image that is here is used again, one that is gone is said."""
    one = make_bundle(1)
    place = containers(one)
    place.ledger = "f" * 64
    machine.bring(place, one, pathlib.Path(place.home), trial)
    live = place._find("live")
    assert "f" * 64 == live.labels["gatehouse.ledger"]
    assert place.live_image() == live.image.id
    again = containers(one)
    again.image = ""
    again.prefer("sha256:" + "0" * 64)
    assert "" == again.image
    assert "is not here any more; one is built around the same bundle" in capsys.readouterr().err
    again.prefer(live.image.id)
    assert live.image.id == again.image
    pushed = f"here/service@sha256:{'1' * 64}"
    again.prefer(pushed)
    assert (pushed, pushed) == (again.image, again.live_image())
