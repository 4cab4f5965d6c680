"""Deployments to a cluster behind a fake kubectl: the same promises, and what the cluster itself gets wrong."""

import itertools
import json
import shutil

import httpx
import pytest
import yaml

from infra import machine, process
from infra.baking.sides import OvertakenError
from infra.kube import forwards, manifests, pods
from infra.kube.canary import Canary
from infra.kube.kubectl import Kubectl
from infra.kube.track import Track
from tests.infra.kube.faked import STAGING
from tests.serves import serves
from validation.script import ROOT, OutsideError, Refusal


@pytest.fixture
def ship(faked, trial):
    """Deploy a bundle in an image to the cluster."""

    def act(sealed, ready_seconds=20, **more):
        place = faked.place(sealed, ready_seconds=ready_seconds, **more)
        return machine.bring(place, sealed, faked.folder / "home", trial)

    return act


@pytest.fixture
def gateway(tmp_path):
    """An overlay with a route of the Gateway API."""
    for name in ("base", "components"):
        shutil.copytree(ROOT / "infra" / name, tmp_path / "infra" / name)
    folder = tmp_path / "infra/overlays/made"
    folder.mkdir(parents=True)
    content = {"namespace": "made", "resources": ["../../base"], "components": ["../../components/gateway"]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
    return folder


def version(place):
    return serves(place.url)["model_version"]


def begun(faked, sealed, **more):
    """Return a place where a bundle is the canary already."""
    place = faked.place(sealed, **more)
    place.settle()
    place.start_candidate(sealed)
    return place


def test_the_second_replaces_the_first(faked, make_bundle, ship):
    """Both pods are of the new one, users ask them, the canary is gone, and the record says so."""
    ship(make_bundle(1))
    two = make_bundle(2)
    record = ship(two)
    assert record["previous"]["version"] == 1
    assert 2 == version(faked.place())
    assert [(2, True), (2, True)] == faked.pods("stable")
    assert [] == faked.pods("canary")
    assert [2, None] == faked.record()
    assert f"registry.example.org/service@sha256:{two.digest}" == faked.place().live_image()


def test_nobody_asks_the_candidate_before_it_is_proven(faked, make_bundle, ship):
    """Golden rows reach it past the Service, whose label it does not bear."""
    ship(make_bundle(1))
    two = make_bundle(2)
    place = faked.place(two)
    place.settle()
    url = place.start_candidate(two)
    assert place.candidate_ended() is None
    assert process.wait(lambda: machine.serving(url) == two.digest, 20)
    assert [(2, False)] == faked.pods("canary")
    assert [(1, True), (1, True)] == faked.pods("stable")


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"dies": "Error"}, "ready: the candidate never was: it ended with exit code 1"),
        ({"dies": "OOMKilled"}, r"exit code 1 \(it used more memory than its limit\)"),
        ({"never_ready": True}, "ready: the candidate was not ready within 5 s"),
        ({"output": 2}, "smoke: 1 finding"),
    ],
)
def test_a_failing_candidate_changes_nothing(faked, make_bundle, ship, fault, sentence, capsys):
    """It is named, its log is shown, it is gone, and the old pods were never touched."""
    ship(make_bundle(1))
    before = faked.names("Pod")
    with pytest.raises(machine.CandidateError, match=sentence):
        ship(make_bundle(2, **fault), 5)
    assert before == faked.names("Pod")
    assert [1, None] == faked.record()
    assert "  | fake service" in capsys.readouterr().err


def test_a_failing_first_candidate_leaves_nothing(faked, make_bundle, ship):
    """Where nothing served, the namespace is as empty as before."""
    with pytest.raises(machine.CandidateError):
        ship(make_bundle(1, dies="Error"))
    assert {} == faked.objects
    assert not faked.place().is_up()


def test_a_switch_that_fails_is_taken_back(faked, make_bundle, ship):
    """A bundle that is ready as canary, and not where the old one was, is given up; the old one has its place again."""
    ship(make_bundle(1))
    with pytest.raises(machine.CandidateError, match="the rollout of gatehouse goes no further: exceeded its progress"):
        ship(make_bundle(2, never_rolls="stable"))
    assert [(1, True), (1, True)] == faked.pods("stable")
    assert [] == faked.pods("canary")
    assert [1, None] == faked.record()


def test_a_switch_waits_for_what_passes(faked, make_bundle, ship, monkeypatch):
    """As a quota that counts pods on their way out, or what is still said of the rollout before; it is not undone."""
    ship(make_bundle(1))
    monkeypatch.setattr("infra.kube.track.STUCK_SECONDS", 60)
    said = []
    monkeypatch.setattr(pods, "stuck", lambda deployment: said.append(deployment) or "exceeded quota: pods=4")
    ship(make_bundle(2))
    assert said
    assert [(2, True), (2, True)] == faked.pods("stable")


def test_a_switch_waits_for_what_is_forbidden_hardly_at_all(faked, make_bundle, ship, monkeypatch):
    """No time mends a rule; only it has to be said of this rollout, and not of the one that an undo ends."""
    ship(make_bundle(1))
    monkeypatch.setattr("infra.kube.track.STUCK_SECONDS", 600)
    place = begun(faked, make_bundle(2))
    faked.fault(no_pods='pods "g" is forbidden: violates PodSecurity "restricted:latest"')
    assert 'goes no further: pods "g" is forbidden: violates PodSecurity' in place.switch(None)
    faked.fault()
    stuck, said = pods.stuck, iter(['pods "g" is forbidden: violates PodSecurity'] * 3)
    monkeypatch.setattr(pods, "stuck", lambda deployment: next(said, None) or stuck(deployment))
    place.switch_back()
    assert [(1, True), (1, True)] == faked.pods("stable")


def test_a_rollout_that_finds_no_room_says_so(faked, make_bundle, ship):
    """The Deployment knows no more than that its time is over; the pod that waits knows why."""
    ship(make_bundle(1))
    place = begun(faked, make_bundle(2))
    faked.fault(unscheduled="0/3 nodes are available: 3 Insufficient cpu.")
    why = place.switch(None)
    assert why.endswith("goes no further: exceeded its progress deadline; 0/3 nodes are available: 3 Insufficient cpu")
    faked.fault()


@pytest.mark.parametrize(("spec", "why"), [({"paused": True}, "paused it"), ({"replicas": 0}, "scaled it to nothing")])
def test_a_deployment_that_somebody_halted_is_told_before_anything_starts(faked, make_bundle, ship, spec, why):
    """A rollout would wait for half an hour, and the sentence would be about the version."""
    ship(make_bundle(1))
    halted, found = spec, Track.deployment
    two = make_bundle(2)
    place = faked.place(two)
    place.settle()
    place._stable.deployment = lambda: (one := found(place._stable)) | {"spec": one["spec"] | halted}
    with pytest.raises(Refusal, match=f"the Deployment gatehouse would not take it: somebody {why}; `kubectl "):
        place.start_candidate(two)
    assert [] == faked.pods("canary")


def test_a_canary_that_does_not_leave_undoes_no_switch(faked, make_bundle, ship, monkeypatch, capsys):
    """It is of the version that is live by then, and goes at the end."""
    ship(make_bundle(1))
    place, remove, told = begun(faked, two := make_bundle(2)), Canary.remove, []

    def once(canary, live):
        if not told:
            told.append(canary)
            raise OutsideError("the pods of gatehouse-canary do not leave")
        remove(canary, live)

    monkeypatch.setattr(Canary, "remove", once)
    with machine._undoing(place):
        machine._finish(place, two)
    assert "the pods of gatehouse-canary do not leave" in capsys.readouterr().err
    assert [(2, True), (2, True)] == faked.pods("stable")
    assert [] == faked.pods("canary")
    assert [2, None] == faked.record()


def test_a_canary_whose_node_is_emptied_is_no_bad_version(faked, make_bundle, ship):
    """Its pod went, and another one comes that nobody has proven: it is the outside that failed."""
    ship(make_bundle(1))
    place = begun(faked, make_bundle(2))
    with faked.changing() as state:
        del state["objects"][
            next(name for name, one in state["objects"].items() if one.get("of") == "gatehouse-canary")
        ]
    with pytest.raises(
        OutsideError, match=r"the canary's pod gatehouse-canary-.* was deleted, by somebody or with its n"
    ):
        place.candidate_ended()


def test_the_canary_leaves_the_users_also_when_the_old_one_does_not_come_back(faked, make_bundle, ship, monkeypatch):
    """Both failures are told, and nobody is asked who failed."""
    ship(make_bundle(1))
    two = make_bundle(2, never_rolls="stable")
    place = begun(faked, two)
    place.share(0.3)

    monkeypatch.setattr(place._standing, "bring_back", lambda _: "its pods end")
    with (
        pytest.raises(OutsideError, match="does not come back by itself: its pods end") as told,
        machine._undoing(place),
    ):
        machine._finish(place, two)
    assert isinstance(told.value.__context__, machine.CandidateError)
    assert [] == faked.pods("canary")


def test_pods_that_fail_are_replaced_by_the_same_bundle_with_more_memory(faked, make_bundle, ship, tmp_path):
    """They are of the same bundle and version, and no pods of the new template."""
    one = make_bundle(1)
    shutil.copytree(ROOT / "infra", tmp_path / "infra")
    faked.fault(takes_anything=True)
    ship(one, overlay=tmp_path / "infra/overlays/drill/memory")
    faked.fault()
    assert [] == faked.place()._stable.ready()
    shutil.rmtree(faked.folder / "home/bundles")
    (faked.folder / "home/deployment.json").unlink()
    ship(one)
    assert 2 == len(faked.place()._stable.ready())
    assert "32Mi" != memory_of(faked.objects["Deployment/gatehouse"])


def memory_of(deployment):
    """Return the memory that a pod may take."""
    return deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"]


def test_an_evicted_pod_that_nobody_tidied_away_fails_no_rollout(faked, make_bundle, ship, monkeypatch):
    """It is of the newest template, and will never run again; one of it that crashes does fail a rollout."""
    ship(make_bundle(1))
    place, listed = faked.place(), Kubectl.list
    newest = next(one for one in place._stable.pods())
    dead = {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}}
    status = {"phase": "Failed", "reason": "Evicted", "containerStatuses": [{"name": "service", "state": dead}]}
    evicted = newest | {"status": status}

    def more(asked, kinds, labels="", *rest):
        found = listed(asked, kinds, labels, *rest)
        return [*found, evicted] if kinds == "Pod" and "track=stable" in labels else found

    monkeypatch.setattr(Kubectl, "list", more)
    deployment = place._stable.deployment()
    assert 2 == len(place._stable.pods())
    assert place._stable._failing(deployment) is None
    status["phase"] = "Running"
    assert f"pod {newest['metadata']['name']}: it ended with exit code 137" == place._stable._failing(deployment)


def test_an_interrupted_deployment_is_taken_back(faked, make_bundle, ship, monkeypatch):
    """Ctrl-C after the switch brings the old one back, with all that the overlay said then."""
    ship(make_bundle(1))

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(machine, "_confirm", interrupt)
        with pytest.raises(KeyboardInterrupt):
            ship(make_bundle(2))
    assert [(1, True), (1, True)] == faked.pods("stable")
    assert [1, None] == faked.record()


@pytest.mark.parametrize(("later", "live"), [({}, 2), ({"never_rolls": "stable"}, 1)])
def test_a_switch_cut_short_is_finished_or_undone(faked, make_bundle, ship, trial, apart, monkeypatch, later, live):
    """`kill -9` while the pods are replaced: the next run finishes it, or brings the old one back if it cannot be."""
    ship(make_bundle(1))
    two = make_bundle(2, **later)
    with monkeypatch.context() as patch:
        patch.setattr(Track, "wait_for_rollout", apart.hang)
        place = faked.place(two)
        child = apart.start(lambda: machine.bring(place, two, faked.folder / "home", trial) and 0)
        apart.kill(child, lambda: marked(faked) == "2")
    assert [1, 2] == faked.record()
    faked.place().settle()
    assert [(live, True), (live, True)] == faked.pods("stable")
    assert [] == faked.pods("canary")
    assert [live, None] == faked.record()


def marked(faked):
    """Return the version that the stable Deployment is to have."""
    return faked.objects["Deployment/gatehouse"]["metadata"]["annotations"]["gatehouse.version"]


def test_an_undo_cut_short_is_completed(faked, make_bundle, ship, monkeypatch):
    """What was being taken back is not finished by the next run, though all its pods are there."""
    ship(make_bundle(1))

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(machine, "_confirm", lambda *_: patch.setattr(Kubectl, "apply", interrupt) or interrupt())
        with pytest.raises(KeyboardInterrupt):
            ship(make_bundle(2))
    assert [(2, True), (2, True)] == faked.pods("stable")
    assert [1, 2] == faked.record()
    faked.place().settle()
    assert [(1, True), (1, True)] == faked.pods("stable")
    assert [1, None] == faked.record()


def test_an_old_version_that_does_not_come_back_blocks_no_new_one(faked, make_bundle, ship, capsys):
    """Its image may be gone: the next deployment says so, and the one after a bad one is the way out."""
    one = make_bundle(1)
    ship(one)
    (one.folder / "service.json").write_text('{"never_ready": true}')
    with pytest.raises(OutsideError, match=r"the old version does not come back by itself: .*progress"):
        ship(make_bundle(2, never_rolls="stable"))
    capsys.readouterr()
    ship(make_bundle(3))
    told = capsys.readouterr().err
    assert "the switch that a killed run left is undone: that was under way" in told
    assert "the old version does not come back by itself: the rollout of gatehouse goes no further" in told
    assert [(3, True), (3, True)] == faked.pods("stable")
    assert [3, None] == faked.record()


def test_a_switch_that_the_cluster_refuses_by_now_is_undone(faked, make_bundle, ship, trial, apart, monkeypatch):
    """A run was killed amid its switch, and a policy came meanwhile that takes an object of it no more."""
    ship(make_bundle(1))
    two = make_bundle(2)
    with monkeypatch.context() as patch:
        patch.setattr(Track, "wait_for_rollout", apart.hang)
        place = faked.place(two)
        child = apart.start(lambda: machine.bring(place, two, faked.folder / "home", trial) and 0)
        apart.kill(child, lambda: marked(faked) == "2")
    applied = Kubectl.apply

    def refuse(asked, objects, *more, **others):
        if manifests.marks_of(manifests.deployment_of(objects))["gatehouse.version"] == "2":
            raise Refusal("a policy of the cluster (p) refuses it: no")
        applied(asked, objects, *more, **others)

    monkeypatch.setattr(Kubectl, "apply", refuse)
    faked.place().settle()
    assert [(1, True), (1, True)] == faked.pods("stable")
    assert [1, None] == faked.record()


def losing(monkeypatch, nth, done, times=1):
    """Lose the answer of one write of the record, or of several; `done` tells whether it is written all the same."""
    ask, count = Kubectl.ask, itertools.count(1)

    def lost(asked, what, *arguments, **more):
        if what.startswith("remember") and nth <= next(count) < nth + times:
            if done:
                ask(asked, what, *arguments, **more)
            raise OutsideError("the cluster could not remember what is deployed: unexpected EOF")
        return ask(asked, what, *arguments, **more)

    monkeypatch.setattr(Kubectl, "ask", lost)


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_record_whose_answer_is_lost_undoes_nothing(faked, make_bundle, ship, monkeypatch, nth, done):
    """It is looked at, and written again where it is as it was: before the pods are replaced, and after it."""
    ship(make_bundle(1))
    losing(monkeypatch, nth, done)
    ship(make_bundle(2))
    assert [(2, True), (2, True)] == faked.pods("stable")
    assert [2, None] == faked.record()


def test_a_record_that_cannot_be_written_is_given_up(faked, make_bundle, ship, monkeypatch):
    """After three tries, and nothing is switched."""
    ship(make_bundle(1))
    losing(monkeypatch, 1, done=False, times=3)
    with pytest.raises(OutsideError, match="could not remember what is deployed: unexpected EOF"):
        ship(make_bundle(2))
    assert [(1, True), (1, True)] == faked.pods("stable")
    assert [1, None] == faked.record()


def test_a_bad_canary_is_taken_away_when_the_api_server_is_back(faked, make_bundle, ship, monkeypatch):
    """It restarts while the canary is to be undone: users would have it until somebody deploys again."""
    ship(make_bundle(1))
    place = begun(faked, make_bundle(2))
    place.share(0.3)
    monkeypatch.setattr("infra.kube.kubectl.time.sleep", lambda _: None)
    faked.fault(down=["The connection to the server 10.0.0.1:6443 was refused - did you specify the right host?"] * 10)
    with pytest.raises(machine.CandidateError, match="bake: undo"), machine._undoing(place):
        raise machine.CandidateError("bake: undo")
    assert [] == faked.pods("canary")


@pytest.mark.parametrize("text", ["[{", "[]", "null", '[{"kind": "Service"}]'])
def test_a_record_that_somebody_spoiled_is_as_good_as_none(faked, make_bundle, ship, text):
    """Nothing is touched, the sentence says what to do, and taking everything down still works."""
    ship(make_bundle(1))
    with faked.changing() as state:
        state["objects"]["ConfigMap/gatehouse-record"]["data"]["live"] = text
    before = faked.objects
    with pytest.raises(Refusal, match="lacks or does not know it: restore it, or take everything down"):
        faked.place().settle()
    assert set(before) == set(faked.objects)
    assert faked.place().remove()
    assert {} == faked.objects


def test_stable_pods_that_are_gone_for_a_moment_are_a_look_that_is_missed(faked, make_bundle, ship, monkeypatch):
    """A node is emptied, and the only pod starts elsewhere: nothing of it is the canary's fault."""
    ship(make_bundle(1))
    place = begun(faked, make_bundle(2))
    metrics = place.share(0.3)
    with monkeypatch.context() as patch:
        patch.setattr(place._stable, "ready", list)
        with pytest.raises(OutsideError, match="no pod of gatehouse is ready"):
            metrics()
    stable, canary = metrics()
    assert (2, 1) == (len(stable), len(canary))


def test_who_is_judged_alone_though_something_serves_is_told_so(faked, make_bundle, ship, monkeypatch, capsys):
    """The old one is there and does not answer; where nothing serves there is nothing to tell."""
    place = faked.place()
    assert machine._old(place, faked.folder / "home/bundles") is None
    assert "" == capsys.readouterr().err
    ship(make_bundle(1))
    monkeypatch.setattr(machine, "serving", lambda _: "")
    assert machine._old(place, faked.folder / "home/bundles") is None
    assert "what serves does not answer now: the new one is judged alone" in capsys.readouterr().err


def test_a_first_switch_cut_short_that_cannot_be_finished_leaves_nothing(faked, make_bundle, trial, apart, monkeypatch):
    """There is no old one to bring back."""
    one = make_bundle(1, never_rolls="stable")
    with monkeypatch.context() as patch:
        patch.setattr(Track, "wait_for_rollout", apart.hang)
        place = faked.place(one)
        child = apart.start(lambda: machine.bring(place, one, faked.folder / "home", trial) and 0)
        apart.kill(child, lambda: "Deployment/gatehouse" in faked.objects)
    faked.place().settle()
    assert {} == faked.objects


def test_what_serves_outlives_its_record(faked, make_bundle, ship):
    """Nothing is changed where something serves and nobody knows what belongs to it; taken down, all begins anew."""
    ship(make_bundle(1))
    before = lose_record(faked)
    sentence = "the Deployment gatehouse serves in namespace gatehouse-staging, and the ConfigMap gatehouse-record, .*"
    with pytest.raises(Refusal, match=sentence + r"restore it, or take everything down \(`python -m infra.deploy"):
        ship(make_bundle(2))
    assert before == set(faked.objects)
    assert faked.place().remove()
    ship(make_bundle(2))
    assert [2, None] == faked.record()


def test_a_record_that_lost_what_is_live_takes_nothing_down(faked, make_bundle, ship):
    """A switch was to be made, and what it was to replace still serves."""
    ship(make_bundle(1))
    place = faked.place(make_bundle(2))
    with faked.changing() as state:
        data = state["objects"]["ConfigMap/gatehouse-record"]["data"]
        marks = {"gatehouse.version": "2"}
        data["next"] = json.dumps(place.overlay.dressed(place.image, marks))
        del data["live"]
    with pytest.raises(Refusal, match="lacks or does not know it"):
        place.settle()
    assert [(1, True), (1, True)] == faked.pods("stable")


def test_a_record_that_is_lost_during_a_deployment_takes_nothing_down(faked, make_bundle, ship):
    """The candidate goes, and what serves stays."""
    ship(make_bundle(1))
    two = make_bundle(2)
    place = begun(faked, two)
    before = lose_record(faked)
    place.switch_back()
    place.remove_candidate()
    gone = {name for name in before if "canary" in name}
    assert before - gone == set(faked.objects)
    assert [(1, True), (1, True)] == faked.pods("stable")


def lose_record(faked):
    """Delete the record; return the names of all that is left."""
    with faked.changing() as state:
        del state["objects"]["ConfigMap/gatehouse-record"]
        return set(state["objects"])


def test_a_first_candidate_cut_short_is_cleaned_up(faked, make_bundle, ship):
    """No record was written yet, and nothing serves: what it left belongs to nothing."""
    one = make_bundle(1)
    place = faked.place(one)
    place.settle()
    place.start_candidate(one)
    faked.place().settle()
    assert {} == faked.objects
    ship(make_bundle(2))
    assert [2, None] == faked.record()


def test_a_stray_canary_and_the_ways_to_it_are_cleaned_up(faked, make_bundle, ship, trial, apart):
    """`kill -9` while the canary comes up: the old one serves; the next deployment takes the canary away and works."""
    ship(make_bundle(1))
    slow = make_bundle(2, never_ready=True)
    place, home = faked.place(slow, ready_seconds=60), faked.folder / "home"
    child = apart.start(lambda: machine.bring(place, slow, home, trial) and 0)
    apart.kill(child, lambda: any(leash.read_text() for leash in home.glob("forward-gatehouse-canary-*.leash")))
    assert [(2, False)] == faked.pods("canary")
    faked.place().settle()
    assert [] == faked.pods("canary")
    assert [] == list(home.glob("forward-*.leash"))
    ship(make_bundle(3))
    assert [(3, True), (3, True)] == faked.pods("stable")


def test_a_share_is_pods_that_users_ask(faked, make_bundle, ship):
    """One of three pods, or half; taken back, they are asked no more, and what comes in a lost one's place neither."""
    ship(make_bundle(1))
    two = make_bundle(2)
    place = begun(faked, two)
    place.share(0.1)
    assert [(2, True)] == faked.pods("canary")
    place.share(0.5)
    assert [(2, True), (2, True)] == faked.pods("canary")
    with faked.changing() as state:
        lost = next(name for name, one in state["objects"].items() if one.get("of") == "gatehouse-canary")
        del state["objects"][lost]
    assert process.wait(lambda: len(place._canary.pods()) == 2, 20)
    assert [False, True] == sorted(asked for _, asked in faked.pods("canary"))
    place.share(0)
    assert [(2, False), (2, False)] == faked.pods("canary")


def test_a_share_without_pods_for_it_is_refused(faked, make_bundle, ship):
    """It would be another share than the one that was asked for."""
    ship(make_bundle(1))
    two = make_bundle(2)
    place = begun(faked, two)
    faked.fault(no_pods="exceeded quota: pods=3")
    with pytest.raises(OutsideError, match=r"the canary cannot get its share: .*exceeded quota: pods=3"):
        place.share(0.5)


def test_a_route_shares_by_weight(faked, make_bundle, ship, gateway):
    """Exactly, however few pods there are; the canary's pods are found by the route, and not by the users' Service."""
    ship(make_bundle(1), overlay=gateway)
    place = begun(faked, make_bundle(2), overlay=gateway)
    place.share(0.07)
    assert [93, 7] == weights(faked)
    assert [(2, False)] == faked.pods("canary")
    place.remove_candidate()
    assert [100, 0] == weights(faked)


def test_a_route_of_ones_own_is_no_reason_to_share_nothing(faked, make_bundle, ship, gateway):
    """It leads to the Service of all pods that users ask: the canary's get the label, as without a route."""
    file = gateway.parents[1] / "components/gateway/route.yaml"
    content = yaml.safe_load(file.read_text())
    content["spec"]["rules"] = [{"backendRefs": [{"name": "gatehouse", "port": 80}]}]
    file.write_text(yaml.safe_dump(content))
    ship(make_bundle(1), overlay=gateway)
    place = begun(faked, make_bundle(2), overlay=gateway)
    place.share(0.1)
    assert [(2, True)] == faked.pods("canary")
    place.share(0)
    assert [(2, False)] == faked.pods("canary")


def test_another_route_is_for_nobody_before_the_new_one_is_proven(faked, make_bundle, ship, gateway):
    """The canary's part is a weight of the route that is live; with the switch comes the one of the new overlay."""
    ship(make_bundle(1), overlay=gateway)
    file = gateway.parents[1] / "components/gateway/route.yaml"
    file.write_text(file.read_text().replace("gatehouse.example.org", "other.example.org"))
    two = make_bundle(2)
    place = begun(faked, two, overlay=gateway)
    place.share(0.1)
    assert ["gatehouse.example.org"] == faked.objects["HTTPRoute/gatehouse"]["spec"]["hostnames"]
    assert [90, 10] == weights(faked)
    assert place.switch(two) is None
    assert ["other.example.org"] == faked.objects["HTTPRoute/gatehouse"]["spec"]["hostnames"]
    assert [100, 0] == weights(faked)


@pytest.mark.parametrize("killed", [True, False])
def test_a_route_leads_to_no_canary_that_somebody_deleted(faked, make_bundle, ship, gateway, killed):
    """Its part of the requests would have no pod to go to; the run itself takes it back, or the next one."""
    ship(make_bundle(1), overlay=gateway)
    place = begun(faked, make_bundle(2), overlay=gateway)
    place.share(0.1)
    with faked.changing() as state:
        del state["objects"]["Deployment/gatehouse-canary"]
    if killed:
        faked.place(overlay=gateway).settle()
    else:
        place.switch_back()
        place.remove_candidate()
    assert [100, 0] == weights(faked)
    before = [call for call in faked.calls if call[0] == "apply"]
    faked.place(overlay=gateway).settle()
    assert before == [call for call in faked.calls if call[0] == "apply"]


def test_a_kind_that_left_the_cluster_blocks_nobody(faked, make_bundle, ship, gateway, capsys):
    """The record has a route, the overlay does without it by now, and the cluster knows no routes any more."""
    ship(make_bundle(1), overlay=gateway)
    with faked.changing() as state:
        for name in ("HTTPRoute/gatehouse", "Gateway/gatehouse"):
            del state["objects"][name]
    faked.fault(no_gateways=True)
    with pytest.raises(Refusal, match=r"knows no HTTPRoute of gateway.networking.k8s.io: leave it out of the overlay"):
        faked.place(overlay=gateway).settle()
    file = gateway / "kustomization.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"components": []}))
    with pytest.raises(machine.CandidateError):
        ship(make_bundle(2, never_rolls="stable"), overlay=gateway)
    assert [(1, True), (1, True)] == faked.pods("stable")
    told = (
        "the cluster no longer knows Gateway.gateway.networking.k8s.io and HTTPRoute.gateway.networking.k8s.io, which"
    )
    assert told in capsys.readouterr().err
    ship(make_bundle(3), overlay=gateway)
    assert [3, None] == faked.record()


def test_a_changed_overlay_is_a_deployment_of_the_same_bundle(faked, make_bundle, ship, gateway, capsys):
    """A limit of its pods, or an object beside them; the same once more is no work."""
    one = make_bundle(1)
    file = gateway.parents[1] / "base/deployment.yaml"
    for wanted in ("", "768Mi", "", "1Gi", ""):
        if wanted:
            content = yaml.safe_load(file.read_text())
            content["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] = wanted
            file.write_text(yaml.safe_dump(content))
        before = faked.pods("stable")
        ship(one, overlay=gateway)
        done = capsys.readouterr().err
        assert ("live already" in done) == bool(before and not wanted)
        found = Track(Kubectl("made"), "gatehouse", "stable").deployment()
        limits = found["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
        assert limits["memory"] == (wanted or limits["memory"])
        assert faked.pods("stable") == [(1, True), (1, True)]
    route = gateway.parents[1] / "components/gateway/route.yaml"
    route.write_text(route.read_text().replace("kind: HTTPRoute", "kind: HTTPRoute\n# told", 1))
    ship(one, overlay=gateway)
    assert "live already" in capsys.readouterr().err
    content = yaml.safe_load(route.read_text())
    content["metadata"].setdefault("annotations", {})["example.org/team"] = "ours"
    route.write_text(yaml.safe_dump(content))
    ship(one, overlay=gateway)
    assert "live already" not in capsys.readouterr().err


def test_another_version_of_an_api_is_the_same_object(faked, make_bundle, ship, gateway, monkeypatch):
    """The overlay goes from v1beta1 to v1, and the route stays; one that it has no more goes."""
    file = gateway.parents[1] / "components/gateway/route.yaml"
    text, listed = file.read_text(), Kubectl.list
    file.write_text(text.replace("networking.k8s.io/v1", "networking.k8s.io/v1beta1"))
    ship(make_bundle(1), overlay=gateway)
    file.write_text(text)

    def in_the_clusters_version(asked, kinds, *more):
        newest = {"apiVersion": "gateway.networking.k8s.io/v1"}
        return [one | newest if one["kind"] == "HTTPRoute" else one for one in listed(asked, kinds, *more)]

    monkeypatch.setattr(Kubectl, "list", in_the_clusters_version)
    with pytest.raises(machine.CandidateError):
        ship(make_bundle(2, dies="Error"), overlay=gateway)
    assert ["gatehouse"] == faked.names("HTTPRoute")
    ship(make_bundle(3))
    assert [] == faked.names("HTTPRoute")


def weights(faked):
    """Return the weights of stable and canary."""
    (rule,) = faked.objects["HTTPRoute/gatehouse"]["spec"]["rules"]
    return [backend["weight"] for backend in rule["backendRefs"]]


def test_the_counts_of_every_pod_are_had(faked, make_bundle, ship, monkeypatch):
    """Those of the stable pods, and of the canary; with the key, where one is named."""
    ship(make_bundle(1))
    two = make_bundle(2)
    place = begun(faked, two)
    metrics = place.share(0.3)
    stable, canary = metrics()
    told = [json.loads(text)["model_version"] for text in (*stable, *canary)]
    assert ([1, 1, 2], 2) == (told, len(stable))
    seen = {}
    monkeypatch.setenv("SERVICE_KEY", "k")

    def answer(url, headers, **_):
        seen.update(headers)
        return httpx.Response(403, request=httpx.Request("GET", url))

    monkeypatch.setattr(forwards.httpx, "get", answer)
    with pytest.raises(Refusal, match=r"/metrics of pod gatehouse-.* answers 403: SERVICE_KEY needs a key for that"):
        metrics()
    assert {"Authorization": "Bearer k"} == seen


@pytest.mark.parametrize(
    ("faults", "kind", "sentence"),
    [
        ({"no_pods": "exceeded quota: cpu"}, Refusal, "makes no pod for the candidate: exceeded quota: cpu"),
        (
            {"waiting": {"reason": "ImagePullBackOff", "message": "denied: no such repository."}},
            Refusal,
            "the candidate cannot start: its image cannot be pulled: denied: no such repository$",
        ),
        (
            {"waiting": {"reason": "ErrImagePull", "message": "dial tcp: i/o timeout"}},
            OutsideError,
            "the candidate did not start within 1 s: its image cannot be pulled: dial tcp",
        ),
        (
            {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "s" not found'}},
            Refusal,
            'its container cannot be made: secret "s" not found',
        ),
        (
            {"waiting": {"reason": "ContainerCreating"}},
            OutsideError,
            r"within 1 s: its container waits, .*\(ContainerC",
        ),
        ({"unscheduled": "0/3 nodes are available: 3 Insufficient cpu."}, OutsideError, "within 1 s: 0/3 nodes are"),
        ({"runs": "x@sha256:" + "1" * 64}, Refusal, "the cluster runs another image than .*: docker-pullable://x@sha"),
        (
            {"denies apply": "no"},
            Refusal,
            r"the cluster does not allow it: Error from server \(Forbidden\): no; infra/",
        ),
        (
            {"refuses ServiceAccount": ["NotFound", 'namespaces "gatehouse-staging" not found']},
            Refusal,
            "namespace gatehouse-staging does not exist; an administrator makes it by `kubectl apply -k`",
        ),
    ],
)
def test_what_the_cluster_lacks_is_one_sentence(faked, make_bundle, ship, monkeypatch, faults, kind, sentence):
    """What is set up wrongly is told from what fails outside; the old one serves, and the canary is gone."""
    monkeypatch.setattr("infra.kube.track.START_SECONDS", 1)
    ship(make_bundle(1))
    faked.fault(**faults)
    with pytest.raises(kind, match=sentence):
        ship(make_bundle(2))
    faked.fault()
    assert [1, None] == faked.record()
    assert "Deployment/gatehouse-canary" not in faked.objects
    assert [(1, True), (1, True)] == faked.pods("stable")


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        *(
            (passing, OutsideError)
            for passing in (
                "unexpected status from HEAD request to https://ghcr.io/v2/o/r: 429 Too Many Requests",
                "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
                "rpc error: code = Unknown desc = unexpected status code 503: Service Unavailable",
                "httpReadSeeker: failed open: unexpected EOF",
                "pull QPS exceeded",
                "lookup ghcr.io on 10.0.0.10:53: server misbehaving",
                "dial tcp 10.0.0.1:443: connect: no route to host",
                "write: no space left on device",
            )
        ),
        *(
            (lasting, Refusal)
            for lasting in (
                "ghcr.io/o/r@sha256:ab: not found",
                "manifest unknown",
                "pull access denied, repository does not exist or may require authorization",
                "failed to fetch anonymous token: 401 Unauthorized",
                "no match for platform in manifest: not found",
                "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            )
        ),
    ],
)
def test_a_pull_that_may_succeed_later_is_waited_for(faked, make_bundle, monkeypatch, message, kind):
    """What lasts is told at once as the set-up's; the registry, the network and the node get their time."""
    monkeypatch.setattr("infra.kube.track.START_SECONDS", 0.2 if kind is OutsideError else 60)
    one = make_bundle(1)
    place = faked.place(one)
    place.settle()
    faked.fault(waiting={"reason": "ErrImagePull", "message": message})
    with pytest.raises(kind, match="its image cannot be pulled"):
        place.start_candidate(one)


def test_a_secret_that_is_missing_is_named(faked, make_bundle, ship):
    """The pod waits for it without an end, and only the events tell."""
    message = 'MountVolume.SetUp failed for volume "keys" : secret "gatehouse-keys" not found'
    one = make_bundle(1)
    uids = [str(number) for number in range(99)]
    events = [{"reason": "FailedMount", "message": message, "involvedObject": {"uid": uid}} for uid in uids]
    faked.fault(waiting={"reason": "ContainerCreating"}, events=events)
    with pytest.raises(Refusal, match='what it mounts is not in the namespace: secret "gatehouse-keys" not found'):
        ship(one)


@pytest.mark.parametrize(
    ("says", "kind", "sentence"),
    [
        (["The connection to the server localhost:8080 was refused"], Refusal, "no cluster is named; set KUBECONFIG"),
        (['error: context "moon" does not exist'], Refusal, "KUBECONFIG has no context moon; see"),
        (["error: You must be logged in to the server (Unauthorized)"], Refusal, "does not know the credentials in"),
        (
            ["Unable to connect to the server: dial tcp: i/o timeout"] * 3,
            OutsideError,
            "the cluster could not list Depl",
        ),
        (["Unable to connect to the server: net/http: TLS handshake timeout"], None, ""),
    ],
)
def test_a_cluster_that_does_not_answer_is_one_sentence(faked, monkeypatch, says, kind, sentence):
    """A wrong setting is told at once; silence only after three tries, and one that passes is not told at all."""
    monkeypatch.setattr("infra.kube.kubectl.time.sleep", lambda _: None)
    faked.fault(down=says)
    if kind is None:
        faked.place().settle()
    else:
        with pytest.raises(kind, match=sentence):
            faked.place().settle()


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        ("", "and none is known of this version"),
        ("registry.example.org/service:1", "not registry.example.org/service:1"),
    ],
)
def test_an_image_without_a_digest_is_refused(faked, make_bundle, image, sentence):
    """A tag says today this and tomorrow that; nothing is started."""
    place = faked.place()
    place.image = image
    place.settle()
    with pytest.raises(Refusal, match=f"a cluster needs an image by its digest .*, {sentence}"):
        place.start_candidate(make_bundle(1))
    assert {} == faked.objects


def test_a_rollback_takes_the_image_that_a_unit_had(faked, make_bundle, ship):
    """By its digest, from the ledger; without one, what was asked for stays."""
    one = make_bundle(1)
    place = faked.place(one)
    before = place.image
    place.prefer("")
    assert before == place.image
    place.prefer("x@sha256:" + "1" * 64)
    assert "x@sha256:" + "1" * 64 == place.image


def test_another_deployment_at_the_same_time_is_noticed(faked, make_bundle, ship, trial, monkeypatch):
    """Who comes second finds another record than it read, and changes nothing that is live."""
    ship(make_bundle(1))
    two, three = make_bundle(2), make_bundle(3)
    late = begun(faked, three)
    ship(two)
    with pytest.raises(OvertakenError, match="another deployment is under way in namespace gatehouse-staging"):
        late.switch(three)
    monkeypatch.setattr(late._canary, "must_be_own", lambda: None)  # it looked just before
    with pytest.raises(OutsideError, match="another deployment changed namespace gatehouse-staging meanwhile"):
        late.switch(three)
    assert [(2, True), (2, True)] == faked.pods("stable")
    assert [2, None] == faked.record()


def test_who_made_no_canary_may_ask_what_serves(faked, make_bundle, ship):
    """And is overtaken by nobody."""
    ship(make_bundle(1))
    stable, canary = faked.place().metrics()
    assert (2, []) == (len(stable), canary)


@pytest.mark.parametrize(
    "act",
    [
        lambda early, _: early.candidate_ended(),
        lambda early, _: early.share(0.5),
        lambda early, _: early.metrics(),
        lambda early, two: early.switch(two),
    ],
)
def test_who_is_overtaken_touches_nothing_of_the_others(faked, make_bundle, ship, act):
    """The one that settles later took its canary for a killed run's; its own goes on, and comes to its end."""
    ship(make_bundle(1))
    two, three = make_bundle(2), make_bundle(3)
    early = begun(faked, two)
    assert early.candidate_ended() is None
    early._canary._looked = 0.0
    late = begun(faked, three)
    with pytest.raises(OvertakenError, match="took the canary of this one away; let it end, and deploy again"):
        act(early, two)
    early.switch_back()
    early.remove_candidate()
    assert [(3, False)] == faked.pods("canary")
    assert late.candidate_ended() is None
    late.share(0.5)
    assert late.switch(three) is None
    assert [(3, True), (3, True)] == faked.pods("stable")
    assert [] == faked.pods("canary")


def test_what_another_deployment_needs_is_not_tidied_away(faked, make_bundle, ship, tmp_path):
    """Whoever was overtaken goes by what is live now, not by what it read when it began."""
    ship(make_bundle(1))
    late = faked.place(make_bundle(3))
    late.settle()
    shutil.copytree(ROOT / "infra", tmp_path / "infra")
    file = tmp_path / "infra/overlays/staging/kustomization.yaml"
    file.write_text(file.read_text().replace("ACCESS_LOG=0.1", "ACCESS_LOG=0.5"))
    ship(make_bundle(2), overlay=file.parent)
    before = faked.names("ConfigMap")
    late.remove_candidate()
    late.switch_back()
    assert before == faked.names("ConfigMap")
    assert [2, None] == faked.record()


def test_a_log_that_cannot_be_had_takes_no_failures_place(faked, make_bundle):
    """What is shown beside the reason is the reason why not."""
    one = make_bundle(1)
    place = faked.place(one)
    place.settle()
    assert [] == place.candidate_log()
    place.start_candidate(one)
    assert ["fake service: starts"] == place.candidate_log()
    faked.fault(denies_logs="no")
    (told,) = place.candidate_log()
    assert "could not show its log: the cluster does not allow it" in told


def test_settings_of_old_deployments_do_not_pile_up(faked, make_bundle, ship, tmp_path):
    """Another setting is another ConfigMap; the one that nothing uses any more is deleted, and no stranger's."""
    ship(make_bundle(1))
    (old,) = [name for name in faked.names("ConfigMap") if "settings" in name]
    with faked.changing() as state:
        state["objects"]["ConfigMap/kube-root-ca"] = {"kind": "ConfigMap", "metadata": {"name": "kube-root-ca"}}
    shutil.copytree(ROOT / "infra", tmp_path / "infra")
    file = tmp_path / "infra/overlays/staging/kustomization.yaml"
    file.write_text(file.read_text().replace("ACCESS_LOG=0.1", "ACCESS_LOG=0.5"))
    ship(make_bundle(2), overlay=file.parent)
    left = faked.names("ConfigMap")
    assert ("kube-root-ca" in left, old in left, len(left)) == (True, False, 3)


def test_removal_leaves_nothing_and_may_be_repeated(faked, make_bundle, ship):
    """Twice, the second time nothing was there."""
    ship(make_bundle(1))
    assert faked.place().remove()
    assert {} == faked.objects
    assert not faked.place().remove()


def test_what_a_canary_needs_is_made_again_where_somebody_deleted_it(faked, make_bundle, ship):
    """The cluster is asked and not the record; what is there stays as it is until the new one is proven."""
    ship(make_bundle(1))
    with faked.changing() as state:
        (settings,) = [name for name in state["objects"] if "settings" in name]
        del state["objects"][settings], state["objects"]["ServiceAccount/gatehouse"]
        state["objects"]["NetworkPolicy/gatehouse"]["spec"] = "as it is"
    two = make_bundle(2)
    begun(faked, two)
    assert {settings, "ServiceAccount/gatehouse"} <= set(faked.objects)
    assert "as it is" == faked.objects["NetworkPolicy/gatehouse"]["spec"]


@pytest.mark.parametrize("deletions", [1, 3])
def test_a_removal_cut_short_is_completed_or_deployed_over(faked, make_bundle, ship, monkeypatch, deletions):
    """The Deployment is the first to go, the record the last."""
    ship(make_bundle(1))
    done, delete = [], Kubectl.delete

    def cut_short(asked, kind, name):
        if len(done) == deletions:
            raise KeyboardInterrupt
        done.append(kind)
        delete(asked, kind, name)

    with monkeypatch.context() as patch:
        patch.setattr(Kubectl, "delete", cut_short)
        with pytest.raises(KeyboardInterrupt):
            faked.place().remove()
    assert "Deployment.apps" == done[0]
    ship(make_bundle(2))
    assert [(2, True), (2, True)] == faked.pods("stable")
    assert [2, None] == faked.record()
    assert faked.place().remove()
    assert {} == faked.objects


def test_another_service_in_the_namespace_is_left_alone(faked, make_bundle, ship, tmp_path):
    """By another model or another name: nothing of it is changed, deleted or taken down, and the sentence names it."""
    ship(make_bundle(1))
    before = faked.objects
    for place in (faked.place(make_bundle(2), model="churn"), faked.place(model="churn")):
        sentence = (
            "gatehouse-staging holds the Deployment gatehouse, which serves income, .* which serves churn: give each"
        )
        with pytest.raises(Refusal, match=sentence):
            place.settle()
        with pytest.raises(Refusal, match=sentence):
            place.remove()
    shutil.copytree(ROOT / "infra", tmp_path / "infra")
    file = tmp_path / "infra/overlays/staging/kustomization.yaml"
    file.write_text(f"{file.read_text()}\nnamePrefix: other-\n")
    with pytest.raises(Refusal, match=r"holds the Deployment gatehouse, .* beside other-gatehouse of this overlay"):
        faked.place(make_bundle(2), overlay=file.parent).settle()
    assert before == faked.objects


def test_a_deployment_from_before_models_were_marked_is_taken_for_this_one(faked, make_bundle, ship):
    """Its name says that it is."""
    ship(make_bundle(1))
    with faked.changing() as state:
        del state["objects"]["Deployment/gatehouse"]["metadata"]["annotations"]["gatehouse.model"]
    ship(make_bundle(2))
    assert 2 == version(faked.place())


def test_a_deployment_bears_the_ledgers_head(faked, make_bundle, trial):
    """What runs can be held against the ledger; another head alone restarts no pod."""
    one = make_bundle(1)
    for head in ("e" * 64, "f" * 64):
        place = faked.place(one)
        place.ledger = head
        place.settle()
        place.start_candidate(one)
        assert place.switch(one) is None
        assert {"the Deployment gatehouse in namespace gatehouse-staging": head} == place.heads()
        pods = [name for name in faked.names("Pod") if "canary" not in name]
        place.remove_candidate()
    assert sorted(pods) == faked.names("Pod")


def test_users_address_is_known(faked):
    """The host of the overlay, by TLS."""
    assert "https://staging.gatehouse.example.org" == faked.place().address


def test_an_edge_that_names_no_host_is_no_address(faked, gateway, tmp_path):
    """As where it takes whatever comes: the Service's name is told instead."""
    file = gateway / "kustomization.yaml"
    content = yaml.safe_load(file.read_text())
    patch = [{"op": "remove", "path": "/spec/hostnames"}]
    content["patches"] = [{"target": {"kind": "HTTPRoute"}, "patch": yaml.safe_dump(patch)}]
    file.write_text(yaml.safe_dump(content))
    assert "the Service gatehouse" == faked.place(overlay=gateway).address
    content["components"] = ["../../components/ingress"]
    content["patches"] = [
        {"target": {"kind": "Ingress"}, "patch": yaml.safe_dump([{"op": "remove", "path": "/spec/rules/0/host"}])}
    ]
    file.write_text(yaml.safe_dump(content))
    assert "the Service gatehouse" == faked.place(overlay=gateway).address


def test_an_overlay_with_a_secret_or_without_a_deployment_is_refused(faked, tmp_path):
    """Secrets are the cluster's; what Knative or KServe brings up is theirs."""
    shutil.copytree(ROOT / "infra", tmp_path / "infra")
    file = tmp_path / "infra/overlays/staging/kustomization.yaml"
    text = STAGING.joinpath("kustomization.yaml").read_text()
    file.write_text(f"{text}\nsecretGenerator: [{{ name: s, literals: [a=b] }}]\n")
    with pytest.raises(Refusal, match="holds a Secret; make it in the cluster"):
        faked.place(overlay=file.parent)
    other = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "cache"}, "spec": {}}
    file.with_name("cache.yaml").write_text(yaml.safe_dump(other))
    file.write_text(text.replace("[../../base]", "[../../base, cache.yaml]"))
    with pytest.raises(Refusal, match="has 2 Deployments, cache and gatehouse, and one is deployed: leave the others"):
        faked.place(overlay=file.parent)
    file.write_text(yaml.safe_dump({"resources": ["../../base"], "components": ["../../components/knative"]}))
    with pytest.raises(Refusal, match="no Deployment with a container named service: where Argo, Knative or KServe"):
        faked.place(overlay=file.parent)
    file.write_text(yaml.safe_dump({"resources": ["../../base"]}))
    with pytest.raises(Refusal, match="does not say one namespace"):
        faked.place(overlay=file.parent)
