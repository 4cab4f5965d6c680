"""Deployments to this machine with an engine: containers, the same promises."""

import concurrent.futures
import pathlib

import httpx
import pytest

from infra import contained, host, machine, process, told
from infra.baking.sides import OvertakenError
from infra.trial import Trial
from tests.serves import serves
from validation.script import OutsideError, Refusal

pytestmark = pytest.mark.engine


def said(engine, sentence):
    """Return what is said of a candidate that ended; an old Podman has started it again, and knows no more."""
    return sentence if host.tells_later(engine) else "it ended, and the engine started it again"


@pytest.fixture
def ship(containers, trial):
    """Deploy a bundle as a container of the fake service."""

    def act(sealed, ready_seconds=30):
        place = containers(sealed)
        place.ready_seconds = ready_seconds
        return machine.bring(place, sealed, pathlib.Path(place.home), trial)

    return act


def version(url):
    return serves(url)["model_version"]


def roles(place):
    return sorted(container.name.rsplit("-", 1)[1] for container in place.roles.all())


def test_the_second_replaces_the_first(containers, make_bundle, ship):
    """The new one serves the port, the one before is kept stopped, the candidate is gone."""
    ship(make_bundle(1))
    two = make_bundle(2)
    record = ship(two)
    assert record["previous"]["version"] == 1
    assert version(record["url"]) == 2
    assert ["live", "previous"] == roles(containers(two))


def test_what_another_deployment_removes_meanwhile_is_passed_over(containers, make_bundle, ship, monkeypatch):
    """The engine lists names first and describes each afterwards, when it may be gone."""
    one = make_bundle(1)
    ship(one)
    place = containers(one)
    listed = place.engine.api.containers
    monkeypatch.setattr(place.engine.api, "containers", lambda **how: [{"Id": "0" * 64}, *listed(**how)])
    assert ["live"] == roles(place)
    assert place.proxy.find() is not None


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
    state, _, how = sentence.rpartition(": ")
    sentence = f"{state}: {said(containers(one).engine, how)}" if how.startswith("it ended") else sentence
    with pytest.raises(machine.CandidateError, match=sentence):
        ship(make_bundle(2, **fault), 5)
    assert version(record["url"]) == 1
    assert ["live"] == roles(containers(one))
    assert "  | fake service" in capsys.readouterr().err


def test_a_candidate_that_comes_back_by_itself_has_ended(containers, make_bundle, ship, monkeypatch):
    """As with an old Podman, whose containers come back from the first; what proves good is kept."""
    monkeypatch.setattr(host, "tells_later", lambda _: False)
    one = make_bundle(1)
    record = ship(one)
    live = containers(one).roles.find("live")
    assert contained.kept(live.client)["Name"] == live.attrs["HostConfig"]["RestartPolicy"]["Name"]
    with pytest.raises(machine.CandidateError, match="ready: the candidate never was: it ended, and the engine"):
        ship(make_bundle(2, dies=True), 20)
    assert version(record["url"]) == 1
    assert ["live"] == roles(containers(one))


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
    live = place.roles.find("live")
    live.stop()
    live.rename(f"{live.name.removesuffix('live')}previous")
    place.start_candidate(one)
    place.settle()
    assert process.wait(lambda: answers(record["url"]) == 1, 30)
    assert ["live"] == roles(place)


def test_the_same_bundle_again_is_no_work(containers, make_bundle, ship):
    """The container that serves is not touched."""
    one = make_bundle(1)
    ship(one)
    before = containers(one).roles.find("live").id
    ship(one)
    assert containers(one).roles.find("live").id == before


def test_containers_run_without_privilege(containers, make_bundle, ship):
    """Read-only, no capability, no way to gain one, not root."""
    one = make_bundle(1)
    ship(one)
    live = containers(one).roles.find("live")
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
        process.listen(place.edge.port),
        pytest.raises(Refusal, match=f"port {place.edge.port} is in use by something else"),
    ):
        ship(one)
    ship(one)
    with pytest.raises(Refusal, match="take it down first"):
        containers(one, port=place.edge.port + 1).settle()


def test_removal_leaves_nothing_and_may_be_repeated(containers, make_bundle, ship):
    """Twice, the second time nothing was there."""
    one = make_bundle(1)
    ship(one)
    place = containers(one)
    assert place.remove()
    assert not place.remove()
    process.listen(place.edge.port).close()


def test_a_container_bears_the_ledgers_head_and_its_image_is_known(containers, make_bundle, trial, capsys):
    """What runs can be held against the ledger; an image that is here is used again, one that is gone is said."""
    one = make_bundle(1)
    place = containers(one)
    place.ledger = "f" * 64
    machine.bring(place, one, pathlib.Path(place.home), trial)
    live = place.roles.find("live")
    assert "f" * 64 == live.labels["gatehouse.ledger"]
    assert place.live_image() == live.image.id
    assert place.image == live.labels["gatehouse.image"]
    again = containers(one)
    again.image = ""
    again.prefer("sha256:" + "0" * 64)
    assert "" == again.image
    assert "is not here any more; one is built around the same bundle" in capsys.readouterr().err
    again.prefer(live.image.id)
    assert live.image.id == again.image
    pushed = f"here/service@sha256:{'1' * 64}"
    again.prefer(pushed)
    assert (pushed, live.image.id) == (again.image, again.live_image()), "what is ordered does not serve yet"


def test_the_image_that_serves_is_known_by_the_digest_it_was_ordered_by(containers, make_bundle, trial, monkeypatch):
    """Not by what is ordered now; the same bundle in another image is no deployment that was made already."""
    one = make_bundle(1)
    place = containers(one)
    built, ordered = place.image, [f"here/service@sha256:{digit * 64}" for digit in "12"]
    start = contained.start
    monkeypatch.setattr(contained, "start", lambda client, _, *more, **named: start(client, built, *more, **named))
    monkeypatch.setattr(host, "fetch", lambda *_: None)
    for image, before in zip(ordered, ["", ordered[0]], strict=True):
        place = containers(one)
        place.image = image
        assert before == place.live_image()
        machine.bring(place, one, pathlib.Path(place.home), trial)
        assert image == place.live_image()
    served = place.roles.find("live").id
    machine.bring(place, one, pathlib.Path(place.home), trial)
    assert served == place.roles.find("live").id


def test_requests_under_way_are_answered_by_the_one_that_leaves(containers, make_bundle, ship):
    """They began before the switch and outlast it; the old one ends by itself when they are done."""
    url = ship(make_bundle(1, slow=3))["url"]
    old = containers(make_bundle(1)).roles.find("live")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        asked = [pool.submit(httpx.get, f"{url}/predict", timeout=20) for _ in range(4)]
        assert process.wait(lambda: old.logs().count(b"asked for /predict") == 5, 20)  # one was the replay's
        ship(make_bundle(2))
        assert {200} == {one.result().status_code for one in asked}
    old.reload()
    assert ("exited", 0) == (old.attrs["State"]["Status"], old.attrs["State"]["ExitCode"])
    assert b"drained" in old.logs()


def test_a_service_that_takes_too_much_memory_is_killed_and_comes_back(containers, make_bundle, ship):
    """It alone: the machine goes on, and so does the service, by a new process."""
    one = make_bundle(1)
    place = containers(one)
    place.memory = 96 * 2**20
    machine.bring(place, one, pathlib.Path(place.home), Trial(lambda *_: [], None))
    live = place.roles.find("live")
    before = live.attrs["State"]["Pid"]
    assert 502 == httpx.get(f"{place.url}/eat", timeout=30).status_code
    assert version(place.url) == 1
    live.reload()
    assert live.attrs["RestartCount"] == 1
    assert live.attrs["State"]["Pid"] != before


def test_a_candidate_that_takes_too_much_memory_says_so(containers, make_bundle):
    """The sentence names memory, which an exit code does not."""
    one = make_bundle(1)
    place = containers(one)
    place.memory = 96 * 2**20
    url = place.start_candidate(one)
    assert process.wait(lambda: answers(url), 20)
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"{url}/eat", timeout=30)
    assert process.wait(lambda: place.candidate_ended() is not None, 20)
    memory = "it ended with exit code 137: it took more memory than it may"
    assert place.candidate_ended() == said(place.engine, memory)


def test_what_waits_for_the_store_outlives_the_service(containers, make_bundle, ship, monkeypatch, engine):
    """The spool is a volume that the service may write to, the same one for the next unit, and stays at the end."""
    monkeypatch.setenv("PREDICTION_SPOOL", "/var/spool/predictions")
    one, two = make_bundle(1), make_bundle(2)
    ship(one)
    place = containers(one)
    wrote = place.roles.find("live").exec_run(["touch", f"{told.SPOOLED}/here"])
    assert wrote.exit_code == 0, wrote.output
    ship(two)
    assert b"here\n" == place.roles.find("live").exec_run(["ls", told.SPOOLED]).output
    place.remove()
    [volume] = engine.volumes.list(filters={"name": place.network.volume("spool")})
    volume.remove()


def running(place):
    return {one.labels["gatehouse.bundle"] for one in place.roles.all() if contained.running(one)}


def begun(place, sealed):
    """Settle and start a candidate, and wait until it answers."""
    place.settle()
    url = place.start_candidate(sealed)
    assert process.wait(lambda: answers(url), 20)
    return place


@pytest.mark.parametrize("act", [lambda late, _: late.share(0.5), lambda late, two: late.switch(two)])
def test_who_is_overtaken_switches_to_nothing_and_removes_nothing(containers, make_bundle, ship, act):
    """Another machine's deployment took the candidate's place: one sentence, and its own candidate goes on."""
    record = ship(make_bundle(1))
    two, three = make_bundle(2), make_bundle(3)
    late = begun(containers(two), two)
    early = begun(containers(three), three)
    with pytest.raises(OvertakenError, match="another deployment is under way: the candidate of this one gave way"):
        act(late, two)
    for asks in (late.metrics, late.candidate_ended):
        with pytest.raises(OvertakenError, match="another deployment is under way"):
            asks()
    late.switch_back()
    late.remove_candidate()
    assert version(record["url"]) == 1
    assert early.candidate_ended() is None
    assert early.switch(three) is None
    early.remove_candidate()
    assert version(record["url"]) == 3


def test_a_candidate_that_is_gone_is_said(containers, make_bundle, ship):
    """Another deployment has settled, and not started its own yet; what serves is not touched."""
    record = ship(make_bundle(1))
    two = make_bundle(2)
    late = begun(containers(two), two)
    containers(make_bundle(3)).settle()
    with pytest.raises(OvertakenError, match="the candidate of this one is gone"):
        late.switch(two)
    late.switch_back()
    late.remove_candidate()
    assert (1, ["live"]) == (version(record["url"]), roles(late))


def test_an_undo_after_another_switch_leaves_that_one_alone(containers, make_bundle, ship):
    """Who comes too late neither routes back, nor stops what the other needs for its own undo."""
    record = ship(make_bundle(1))
    two, three = make_bundle(2), make_bundle(3)
    late = begun(containers(two), two)
    assert late.switch(two) is None
    early = begun(containers(three), three)
    assert early.switch(three) is None
    late.switch_back()
    late.remove_candidate()
    assert version(record["url"]) == 3
    assert {two.digest, three.digest} == running(early)
    early.switch_back()
    early.remove_candidate()
    assert (2, ["live"]) == (version(record["url"]), roles(early))


def test_a_candidate_taken_away_in_the_middle_of_a_switch_serves_nobody(containers, make_bundle, ship, monkeypatch):
    """The proxy was told to go where nobody is any more: the undo sends it back."""
    record = ship(make_bundle(1))
    two = make_bundle(2)
    late = begun(containers(two), two)
    route = type(late.proxy).route

    def overtaken(proxy, upstream):
        route(proxy, upstream)
        contained.remove(late.own)

    with monkeypatch.context() as patch:
        patch.setattr(type(late.proxy), "route", overtaken)
        with pytest.raises(OvertakenError, match="is gone"):
            late.switch(two)
    late.switch_back()
    late.remove_candidate()
    assert (1, ["live"]) == (version(record["url"]), roles(late))


def test_a_container_that_cannot_start_is_not_left(containers, make_bundle, ship, monkeypatch):
    """It is gone by the time that its sentence is said, and needs no undo."""
    one = make_bundle(1)
    place = containers(one)
    monkeypatch.setenv("PREDICTION_SPOOL", "/spool")
    monkeypatch.setattr(host, "put", no_room)
    with pytest.raises(OutsideError, match="no room"):
        place.start_candidate(one)
    assert [] == place.roles.all()


def no_room(*_):
    """Stand for an engine whose disk is full."""
    raise OutsideError("no room")


def test_a_log_that_cannot_be_shown_keeps_nothing_from_being_undone(containers, make_bundle, ship, monkeypatch, capsys):
    """The candidate is taken away all the same, and the reason why it was is the one that is said."""
    one = make_bundle(1)
    record = ship(one)
    monkeypatch.setattr(contained, "tail", no_room)
    with pytest.raises(machine.CandidateError, match="smoke: 1 finding"):
        ship(make_bundle(2, output=2))
    assert "  | no room" in capsys.readouterr().err
    assert (1, ["live"]) == (version(record["url"]), roles(containers(one)))
