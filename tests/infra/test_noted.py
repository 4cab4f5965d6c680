"""What a deployment leaves in the ledger, whatever happens to it."""

import os
import signal
import sys

import pytest

from infra import bundle, deploy, machine, noted, process
from train import embedded
from train.travel import book, content, history, ledger
from train.travel.history import FAILED, INTENT, LIVE, REMOVED
from train.travel.ledger import DEPLOYMENT
from validation import contract
from validation.script import OutsideError, Refusal

PUSHED = "here/service@sha256:1"


def test_a_deployment_is_a_line_before_and_a_line_after(store, ways, make_bundle, supervised) -> None:
    """The unit whole, the result naming the intent, the record naming the branch's head as it began."""
    one = store.add(make_bundle(1))
    content.remember(embedded.STORE / content.BASE, "c" * 40, [ledger.new("beginning", {}).sealed()])
    head = content.base()["head"]
    assert 0 == ways.deploy(one)
    intent, live = book.lines()
    assert [(DEPLOYMENT, INTENT, 1, None), (DEPLOYMENT, LIVE, 1, intent.id)] == store.told("of")
    unit = history.unit_of(live.facts)
    wanted = {"version": 1, "model": store.versions[1].digest, "bundle": one.digest, "image": ""}
    assert wanted.items() <= unit.facts().items()
    assert 64 == len(unit.contract) == len(unit.config)
    record = process.read(supervised.folder / "deployment.json")
    assert head == record["ledger"]
    assert ("ada", "c" * 40) == (live.actor, live.commit)


def test_what_is_live_already_gets_no_second_line(store, ways, make_bundle) -> None:
    """Unless the ledger never said so: then one."""
    one = store.add(make_bundle(1))
    ways.deploy(one)
    ways.deploy(one)
    assert 2 == len(book.lines())
    book.BOOK.unlink()
    ways.deploy(one)
    ways.deploy(one)
    assert [(DEPLOYMENT, LIVE, 1)] == store.told()
    assert "it was live already, and no line said so" == book.lines()[0].reason


def test_a_failing_candidate_is_a_line_that_says_why(store, ways, make_bundle) -> None:
    """The old one is what the ledger has live."""
    one, two = store.add(make_bundle(1)), store.add(make_bundle(2, output=2))
    ways.deploy(one)
    assert ways.deploy(two) == 1
    assert [(DEPLOYMENT, INTENT, 2), (DEPLOYMENT, FAILED, 2)] == store.told()[2:]
    assert book.lines()[-1].reason.startswith("smoke: 1 finding(s)")
    assert history.live(book.lines(), "local").facts["unit"]["version"] == 1


def test_a_deployment_killed_before_its_switch_is_ended_by_the_next(
    store, ways, make_bundle, supervised, apart, capsys
) -> None:
    """`kill -9` while the candidate comes up: the next run writes `failed`, says so, and does its own work."""
    one, slow, three = (store.add(make_bundle(n, never_ready=n == 2)) for n in (1, 2, 3))
    ways.deploy(one)
    leash = supervised.folder / "candidate.leash"
    apart.kill(apart.start(ways.deploy, slow), lambda: leash.is_file() and leash.read_text() != "")
    assert [(DEPLOYMENT, INTENT, 2)] == store.told()[2:]
    assert 0 == ways.deploy(three)
    assert [(DEPLOYMENT, FAILED, 2), (DEPLOYMENT, INTENT, 3), (DEPLOYMENT, LIVE, 3)] == store.told()[3:]
    said = f"repaired: the run that wrote line 3 did not end it, and bundle {one.short} serves"
    assert said == book.lines()[3].reason
    assert said in capsys.readouterr().err
    assert three.digest == ways.live()


def test_a_deployment_killed_after_its_switch_is_ended_by_the_next(
    store, ways, make_bundle, apart, monkeypatch
) -> None:
    """`kill -9` before the result: what serves is looked at, so the ledger has it live, and it can be gone back to."""
    one, two, three = (store.add(make_bundle(n)) for n in (1, 2, 3))
    ways.deploy(one)
    with monkeypatch.context() as patch:
        patch.setattr(machine, "_confirm", apart.hang)
        apart.kill(apart.start(ways.deploy, two), lambda: ways.live() == two.digest)
    assert 0 == ways.deploy(three)
    assert [(DEPLOYMENT, LIVE, 2), (DEPLOYMENT, INTENT, 3), (DEPLOYMENT, LIVE, 3)] == store.told()[3:]
    assert "repaired: the run that wrote line 3 did not end it, and this very bundle serves" == book.lines()[3].reason
    assert 0 == ways.roll_back()
    assert two.digest == ways.live()


@pytest.mark.parametrize(
    ("ordered", "told", "phase", "written"),
    [
        (PUSHED, "", LIVE, PUSHED),  # a process
        (PUSHED, PUSHED, LIVE, PUSHED),
        (PUSHED, "here/service@sha256:2", FAILED, PUSHED),
        (PUSHED, "sha256:2", FAILED, PUSHED),  # built on the spot
        ("", "sha256:2", LIVE, "sha256:2"),
        ("sha256:1", "sha256:2", LIVE, "sha256:2"),  # built again
    ],
)
def test_a_repair_looks_at_the_image_as_well(
    store, ways, make_bundle, supervised, monkeypatch, ordered, told, phase, written
) -> None:
    """One bundle in another image is another unit, where the image was ordered by its digest."""
    one = store.add(make_bundle(1))
    ways.deploy(one)
    book.note(DEPLOYMENT, history.facts_of("local", INTENT, bundle.unit(one, ordered)))
    monkeypatch.setattr(supervised, "live_image", lambda: told)
    (line,) = noted.repair(supervised, "local")
    assert (phase, written) == (line.facts["phase"], history.unit_of(line.facts).image)


def test_what_is_taken_down_is_a_line_once(store, ways, make_bundle, saving) -> None:
    """Nothing is live then; the rollback goes below it, and the same version can be brought again."""
    held, _ = saving
    one, two = (store.add(make_bundle(n)) for n in (1, 2))
    remove = ["--environment", "local", "--remove", "--record"]
    assert 0 == deploy.main(remove)
    assert ([], []) == (book.lines(), held)
    ways.deploy(one)
    ways.deploy(two)
    assert [0, 0] == [deploy.main(remove), deploy.main(remove)]
    assert (DEPLOYMENT, REMOVED, 2) == store.told()[-1]
    assert [REMOVED] == [phases[-1] for phases in held]
    assert (None, None) == (ways.live(), history.live(book.lines(), "local"))
    assert 0 == ways.deploy(two)
    assert (two.digest, 2) == (ways.live(), history.live(book.lines(), "local").facts["unit"]["version"])
    deploy.main(remove)
    assert 0 == ways.roll_back()
    assert one.digest == ways.live()


def test_a_cancelled_deployment_says_so(store, ways, make_bundle, apart, monkeypatch) -> None:
    """SIGTERM after the switch: taken back, exit 130, a line `failed`."""
    one, two = (store.add(make_bundle(n)) for n in (1, 2))
    ways.deploy(one)
    with monkeypatch.context() as patch:
        patch.setattr(machine, "_confirm", apart.hang)
        child = apart.start(ways.deploy, two)
        assert process.wait(lambda: ways.live() == two.digest, 30)
        os.kill(child.pid, signal.SIGTERM)
        child.join()
    assert 130 == child.exitcode
    assert process.wait(lambda: ways.live() == one.digest, 20)
    assert (DEPLOYMENT, FAILED, 2) == store.told()[-1]
    assert "interrupted" == book.lines()[-1].reason


def test_a_place_that_says_nothing_any_more_hides_no_reason(
    store, ways, make_bundle, supervised, monkeypatch, capsys
) -> None:
    """The first failure is told, and what became of it is left to the next run to find."""
    ways.deploy(store.add(make_bundle(1)))
    two = store.add(make_bundle(2, output=2))
    asked = supervised.live_image
    answers = iter([asked])  # before it begins

    def live_image():
        try:
            return next(answers)()
        except StopIteration:
            raise OutsideError("the engine is gone") from None

    monkeypatch.setattr(supervised, "live_image", live_image)
    assert ways.deploy(two) == 1
    told = capsys.readouterr().err
    assert "smoke: 1 finding(s)" in told
    assert "what serves now is not known, the next run looks: the engine is gone" in told
    assert (DEPLOYMENT, INTENT, 2) == store.told()[-1]
    monkeypatch.setattr(supervised, "live_image", asked)
    assert 0 == ways.deploy(store.add(make_bundle(3)))
    assert (DEPLOYMENT, FAILED, 2) == store.told()[-3]


def test_a_bundle_of_another_registry_is_deployed_and_said_to_be_without_a_way_back(
    store, ways, make_bundle, capsys
) -> None:
    """On a laptop; when it is recorded for others it is refused, before anything starts."""
    foreign = make_bundle(9)
    assert 2 == ways.deploy(foreign, "--record")
    assert "does not have this version 9, so it could not be rolled back to; restore" in capsys.readouterr().err
    assert (None, []) == (ways.live(), book.lines())
    assert 0 == ways.deploy(foreign)
    assert "does not have this version 9, so it could not be rolled back to; it is deployed" in capsys.readouterr().err


def test_a_recorded_deployment_is_saved_before_and_after(store, ways, make_bundle, saving) -> None:
    """The intent is on the branch before anything starts; a failure is saved as well."""
    held, _ = saving
    assert 0 == ways.deploy(store.add(make_bundle(1)), "--record")
    assert [[INTENT], [INTENT, LIVE]] == held
    assert ways.deploy(store.add(make_bundle(2, dies=True)), "--record") == 1
    assert [INTENT, LIVE, INTENT, FAILED] == held[-1]


@pytest.mark.parametrize(("error", "code"), [(OutsideError("no network"), 3), (Refusal("another store"), 2)])
def test_what_cannot_be_saved_is_not_begun(store, ways, make_bundle, saving, error, code) -> None:
    """Nothing starts, and the ledger here says why."""
    saving[1][0] = error
    assert code == ways.deploy(store.add(make_bundle(1)), "--record")
    assert ways.live() is None
    assert [(DEPLOYMENT, INTENT, 1), (DEPLOYMENT, FAILED, 1)] == store.told()
    assert f"nothing was started: the intent could not be saved: {error}" == book.lines()[1].reason


def test_saving_calls_the_store(store, monkeypatch) -> None:
    """Only when asked: the module is imported then, and gets the contract."""
    calls = []
    module = type("saving", (), {"save": staticmethod(lambda config: calls.append(config) or "saved")})
    monkeypatch.setitem(sys.modules, "train.travel.saving", module)
    noted.save(record=False)
    noted.save(record=True)
    assert [contract.load()] == calls


def test_an_end_of_another_environment_is_left_alone(store, ways, make_bundle) -> None:
    """A run repairs its own environment."""
    one = store.add(make_bundle(1))
    elsewhere = bundle.unit(one)
    book.note(DEPLOYMENT, history.facts_of("moon", INTENT, elsewhere))
    assert 0 == ways.deploy(one)
    assert [("moon", INTENT), ("local", INTENT), ("local", LIVE)] == [
        (line.facts["environment"], line.facts["phase"]) for line in book.lines()
    ]


def test_a_rewritten_ledger_stops_a_deployment(store, ways, make_bundle, capsys) -> None:
    """Exit 2, the line is named, and what serves goes on serving."""
    one = store.add(make_bundle(1))
    ways.deploy(one)
    book.BOOK.write_text(book.BOOK.read_text().replace('"version":1', '"version":7'))
    assert 2 == ways.deploy(store.add(make_bundle(2)))
    assert "line 1 was edited" in capsys.readouterr().err
    assert one.digest == ways.live()


@pytest.mark.parametrize(("granted", "arguments", "code"), [(0, ["--record"], 2), (1, ["--record"], 0), (0, [], 0)])
def test_a_number_that_the_branch_has_yet_to_grant_is_not_recorded(
    store, ways, make_bundle, saving, capsys, granted, arguments, code
) -> None:
    """A save may give the version another one; nothing is started, and on a laptop alone it does no harm."""
    one = store.add(make_bundle(1))
    line = book.note("registration", {"version": 1, "model": store.versions[1].digest})
    content.remember(embedded.STORE / content.BASE, "c" * 40, [line][:granted])
    assert code == ways.deploy(one, *arguments)
    assert bool(code) == ("`python -m train.claim --model-version 1` asks the branch" in capsys.readouterr().err)
    assert (None if code else one.digest) == ways.live()
