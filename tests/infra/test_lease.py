"""Who holds an environment that several deploy to, how long, and when a lease is known to be over."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from infra import bundle, deploy, lease, machine, noted, process
from infra import forge as forge_of_platform
from infra.checkup import here
from infra.lease import HOLDER, SHARED, Lease, LostError, in_turn
from infra.target import LOCAL, PRODUCTION, REHEARSAL, STAGING
from infra.trial import Trial
from tests.infra.fake_forge import REPOSITORY, FakeForge, serving
from train.travel import book, history
from train.travel.history import FAILED, INTENT, LIVE, Unit
from train.travel.ledger import DEPLOYMENT, ROLLBACK
from validation import contract
from validation.script import INTERRUPTED, OutsideError, Refusal

UNIT = Unit(1, "m" * 64, "b" * 64, "c" * 64, "d" * 64, "here/service@sha256:1")
RUN = f"https://github.com/{REPOSITORY}/actions/runs/5"


@pytest.fixture
def branch(store, tmp_path, monkeypatch):
    """One ledger that several homes read; what another one does while we wait is a list of functions, one a pause."""
    bare = Trial(None, None)

    class Branch:
        saves, pauses, meanwhile = 0, [], []

        @classmethod
        def save(cls):
            cls.saves += 1

        @classmethod
        def lease(cls, home, environment=STAGING):
            (tmp_path / home).mkdir(exist_ok=True)
            return Lease(environment, tmp_path / home, cls.save)

        @classmethod
        def intend(cls, home, environment=STAGING, trial=bare, event=DEPLOYMENT, **known):
            held = cls.lease(home, environment).facts(contract.load().deploy, 30.0, trial)
            return book.note(event, history.facts_of(environment, INTENT, UNIT) | held, **known)

        @staticmethod
        def end(intent, phase=LIVE):
            facts = history.facts_of(intent.facts["environment"], phase, UNIT, intent.id)
            return book.note(intent.event, facts)

        @classmethod
        def pause(cls):
            cls.pauses.append(cls.saves)
            assert cls.meanwhile, "it waits for what never comes"
            cls.meanwhile.pop(0)()

    Branch.pauses, Branch.meanwhile = [], []
    monkeypatch.setattr(lease, "pause", Branch.pause)
    return Branch


def test_whoever_comes_second_waits_for_the_line_that_ends_the_first(branch, capsys) -> None:
    """It says once who holds the environment, since when and where that can be seen, and reads the branch each time."""
    first = branch.intend("ada", run_url=RUN)
    branch.meanwhile = [lambda: None, lambda: branch.end(first, FAILED)]
    branch.lease("grace").wait()
    assert ([1, 2], 3) == (branch.pauses, branch.saves)
    said = capsys.readouterr().err
    assert said.count("staging is held by the deployment of line 1 (ada, begun ") == 1
    assert f"{RUN}) until " in said
    assert "--break-lease" in said


@pytest.mark.parametrize("environment", SHARED)
@pytest.mark.parametrize("event", [DEPLOYMENT, ROLLBACK])
def test_deployments_and_rollbacks_hold_each_shared_environment(branch, environment, event) -> None:
    """And another environment than their own they do not."""
    first = branch.intend("ada", environment, event=event)
    [other] = set(SHARED) - {environment}
    branch.lease("grace", other).wait()
    assert [] == branch.pauses
    branch.meanwhile = [lambda: branch.end(first)]
    branch.lease("grace", environment).wait()
    assert len(branch.pauses) == 1


@pytest.mark.parametrize("environment", [LOCAL, REHEARSAL])
def test_what_is_of_this_machine_alone_needs_no_lease(branch, environment) -> None:
    """Nothing is read, written or waited for: the lock of its home keeps two apart."""
    intent = branch.intend("ada", environment)
    assert "lease" not in intent.facts
    mine = branch.lease("grace", environment)
    mine.wait()
    later = branch.intend("grace", environment)
    mine.must_be_first(later)
    mine.must_last(later)
    assert ([], 0) == (branch.pauses, branch.saves)


@pytest.mark.parametrize(
    ("begun", "until", "waits"),
    [(-60, -1, False), (-60, 3600, True), (-7100, 10**9, True), (-7300, 10**9, False)],  # seconds from now
)
def test_a_lease_ends_by_itself(branch, begun, until, waits) -> None:
    """At the time that it names, and two hours after its line at the latest, whatever that says."""
    then = [(datetime.now(UTC) + timedelta(seconds=seconds)).isoformat() for seconds in (begun, until)]
    held = {"lease": {"until": then[1], "holder": "ada", "attempt": 1}}
    line = book.note(DEPLOYMENT, history.facts_of(STAGING, INTENT, UNIT) | held, time=then[0])
    branch.meanwhile = [lambda: branch.end(line)]
    branch.lease("grace").wait()
    assert waits == bool(branch.pauses)


def test_a_killed_run_of_the_same_home_is_waited_for_by_nobody(branch, tmp_path) -> None:
    """There is one deployment at a time in a home; one that never wrote a lease, as older lines, holds nothing."""
    branch.intend("ada")
    branch.lease("ada").wait()
    book.note(DEPLOYMENT, history.facts_of(PRODUCTION, INTENT, UNIT))
    branch.lease("grace", PRODUCTION).wait()
    assert [] == branch.pauses
    assert len((tmp_path / "ada" / HOLDER).read_text()) == 16


@pytest.mark.parametrize(
    ("reply", "waits"),
    [
        ([200, {"status": "completed", "run_attempt": 1}], False),
        ([200, {"status": "in_progress", "run_attempt": 1}], True),
        ([200, {"status": "in_progress", "run_attempt": 2}], False),  # it was begun again
        ([200, {"status": "queued"}], True),
        ([200, []], True),
        ([403, {"message": "Resource not accessible by integration"}], True),
        ([404, {"message": "Not Found"}], True),  # it may be hidden
        ([500, {"message": "no"}], True),
    ],
)
def test_the_platform_says_whether_a_run_is_over(branch, monkeypatch, reply, waits) -> None:
    """A run that is known to be over holds nothing; one that cannot be asked for holds its lease to the end."""
    monkeypatch.setattr(forge_of_platform, "PATIENCE", ())
    first = branch.intend("ada", run_url=RUN)
    branch.meanwhile = [lambda: branch.end(first)]
    with serving(FakeForge()) as forge:
        forge.replies[f"/repos/{REPOSITORY}/actions/runs/5"] = reply
        for name, value in (("API_URL", forge.url), ("REPOSITORY", REPOSITORY), ("TOKEN", "token")):
            monkeypatch.setenv(f"GITHUB_{name}", value)
        branch.lease("grace").wait()
    assert waits == bool(branch.pauses)


def test_a_laptop_asks_as_gh_does(branch, monkeypatch) -> None:
    """For the repository of its remote; no variable names either there."""
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    monkeypatch.setattr(here, "remote", lambda: REPOSITORY)
    monkeypatch.setattr(here, "token", lambda: "of gh")
    branch.intend("ada", run_url=RUN)
    with serving(FakeForge()) as forge:
        forge.replies[f"/repos/{REPOSITORY}/actions/runs/5"] = [200, {"status": "completed"}]
        monkeypatch.setenv("GITHUB_API_URL", forge.url)
        branch.lease("grace").wait()
    assert {"Bearer of gh"} == forge.tokens
    assert [] == branch.pauses


@pytest.mark.parametrize("url", ["https://github.com/somebody/else/actions/runs/5", RUN])
def test_a_run_that_nobody_can_be_asked_for_holds(branch, monkeypatch, url) -> None:
    """Another repository's, or without a token."""
    monkeypatch.setattr(here, "remote", lambda: REPOSITORY)
    monkeypatch.setattr(here, "token", lambda: "")
    first = branch.intend("ada", run_url=url)
    branch.meanwhile = [lambda: branch.end(first)]
    branch.lease("grace").wait()
    assert len(branch.pauses) == 1


def test_another_attempt_of_a_run_goes_on_at_once(branch, monkeypatch) -> None:
    """Nobody has to be asked: the platform begins one when the one before is over."""
    monkeypatch.setattr(here, "token", lambda: "")
    for name, value in (("SERVER_URL", "https://github.com"), ("REPOSITORY", REPOSITORY), ("RUN_ID", "5")):
        monkeypatch.setenv(f"GITHUB_{name}", value)
    first = branch.intend("ada")
    assert RUN == first.run_url
    branch.meanwhile = [lambda: branch.end(first)]
    monkeypatch.setenv("GITHUB_RUN_ATTEMPT", "2")
    branch.lease("grace").wait()
    assert [] == branch.pauses
    monkeypatch.setenv("GITHUB_RUN_ATTEMPT", "1")
    branch.lease("grace").wait()
    assert len(branch.pauses) == 1


def test_a_lease_can_be_broken(branch, capsys) -> None:
    """By whoever knows that its deployment is dead; whose it was is said."""
    branch.intend("ada")
    branch.lease("grace").wait(broken=True)
    assert [] == branch.pauses
    assert "the lease of the deployment of line 1 (ada" in capsys.readouterr().err


def test_of_two_at_once_the_earlier_line_counts(branch) -> None:
    """One whose lease is over, or whose line is ended, came before nobody."""
    first, second = branch.intend("ada"), branch.intend("grace")
    branch.lease("ada").must_be_first(first)
    with pytest.raises(LostError, match=r"the deployment of line 1 \(ada.*came first; nothing was started"):
        branch.lease("grace").must_be_first(second)
    branch.end(first, FAILED)
    branch.lease("grace").must_be_first(second)


def test_a_bake_that_took_too_long_is_not_switched(branch) -> None:
    """The lease has time for all that config.py allows, and for the switch when it is begun at the last moment."""
    config = contract.load().deploy
    short, long = branch.intend("ada"), branch.intend("ada", trial=Trial(None, lambda *_: None))
    mine = branch.lease("ada")
    ends = [datetime.fromisoformat(one.facts["lease"]["until"]) for one in (short, long)]
    assert config.bake_seconds + config.replay_seconds == pytest.approx((ends[1] - ends[0]).total_seconds(), abs=5)
    mine.must_last(short)
    near = (datetime.now(UTC) + timedelta(seconds=lease.SWITCH_SECONDS - 5)).isoformat()
    late = dataclasses.replace(short, facts={**short.facts, "lease": short.facts["lease"] | {"until": near}})
    with pytest.raises(OutsideError, match=r"it took so long that its lease of staging ends at .*deploy again"):
        mine.must_last(late)


def test_who_was_not_first_begins_anew_a_few_times() -> None:
    """Then it is a failure of the outside; any other error is one at once."""
    tries = []

    def lost(last=None):
        tries.append(1)
        if last and len(tries) == last:
            return "live"
        raise LostError("line 1 came first")

    assert "live" == in_turn(lambda: lost(3))
    tries.clear()
    with pytest.raises(LostError):
        in_turn(lost)
    assert lease.TURNS == len(tries)
    with pytest.raises(Refusal):
        in_turn(lambda: (_ for _ in ()).throw(Refusal("no")))


@pytest.fixture
def shared(monkeypatch, ways, saving):
    """Let the environment of this machine be one that others deploy to as well."""
    monkeypatch.setattr(lease, "SHARED", (LOCAL,))
    return ways


def test_an_intent_that_came_first_meanwhile_is_waited_for(
    branch, shared, store, make_bundle, monkeypatch, capsys
) -> None:
    """It is on the branch when ours is saved: ours ends as failed, nothing was started, and then it is our turn."""
    one = store.add(make_bundle(1))
    theirs = []
    save = noted.save

    def saved(record):
        save(record)
        if history.left_open(book.lines(), LOCAL) and not theirs:  # the branch has their line before ours
            ours = book.lines()
            book.BOOK.unlink()
            theirs.append(branch.intend("elsewhere", LOCAL))
            book.note_all(ours)

    monkeypatch.setattr(noted, "save", saved)
    branch.meanwhile = [lambda: branch.end(theirs[0], FAILED)]
    assert 0 == shared.deploy(one, "--record")
    assert [INTENT, INTENT, FAILED, FAILED, INTENT, LIVE] == [line.facts["phase"] for line in book.lines()]
    ended = book.lines()[2]
    assert (book.lines()[1].id, "lease" in ended.facts) == (ended.facts["of"], False)
    assert "came first; nothing was started" in ended.reason
    assert "beginning anew" in capsys.readouterr().err
    assert one.digest == shared.live()


def test_a_lease_that_ends_meanwhile_undoes_the_deployment(
    shared, store, make_bundle, saving, monkeypatch, capsys
) -> None:
    """Exit 3, what served serves on, and the ledger says why."""
    one, two = store.add(make_bundle(1)), store.add(make_bundle(2))
    assert 0 == shared.deploy(one, "--record")
    monkeypatch.setattr(lease, "SPARE_SECONDS", -3600.0)
    assert 3 == shared.deploy(two, "--record")
    assert one.digest == shared.live()
    assert (DEPLOYMENT, FAILED, 2) == store.told()[-1]
    assert "nothing is switched any more" in book.lines()[-1].reason


@pytest.mark.parametrize("way", ["deploy", "roll_back", "remove"])
def test_each_way_waits_before_it_touches_the_place(
    branch, shared, store, make_bundle, supervised, monkeypatch, way
) -> None:
    """Settling alone takes away what another deployment is trying out."""
    one, two = store.add(make_bundle(1)), store.add(make_bundle(2))
    assert [0, 0] == [shared.deploy(sealed, "--record") for sealed in (one, two)]
    theirs, touched = branch.intend("elsewhere", LOCAL), []
    for name in ("settle", "remove"):
        called = getattr(supervised, name)
        monkeypatch.setattr(supervised, name, lambda called=called: (touched.append(len(branch.pauses)), called())[1])
    branch.meanwhile = [lambda: None, lambda: branch.end(theirs, FAILED)]
    if way == "remove":
        assert 0 == deploy.main(["--environment", LOCAL, "--remove", "--record"])
    elif way == "deploy":
        assert 0 == shared.deploy(store.add(make_bundle(3)), "--record")
    else:
        assert 0 == shared.roll_back("--record")
    assert len(branch.pauses) == 2
    assert way == "remove" or touched
    assert 2 == min(touched, default=2)


def test_a_killed_deployment_is_repaired_at_once_from_its_own_home_and_late_from_another(
    shared, store, make_bundle, supervised, apart, monkeypatch
) -> None:
    """`kill -9` after the switch; whoever comes from elsewhere breaks the lease, or waits for its end."""
    one, two, three = (store.add(make_bundle(number)) for number in (1, 2, 3))
    assert 0 == shared.deploy(one, "--record")
    with monkeypatch.context() as patch:
        patch.setattr(machine, "_confirm", apart.hang)
        apart.kill(apart.start(shared.deploy, two, "--record"), lambda: shared.live() == two.digest)
    (supervised.folder / HOLDER).write_text("another home")
    with monkeypatch.context() as patch:
        patch.setattr(lease, "pause", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
        assert INTERRUPTED == shared.deploy(three, "--record")
    assert (two.digest, INTENT) == (shared.live(), book.lines()[-1].facts["phase"])
    assert 0 == shared.deploy(three, "--record", "--break-lease")
    assert [(DEPLOYMENT, LIVE, 2), (DEPLOYMENT, INTENT, 3), (DEPLOYMENT, LIVE, 3)] == store.told()[3:]
    assert process.wait(lambda: three.digest == shared.live(), 20)
    assert bundle.unit(three).bundle == history.live(book.lines(), LOCAL).facts["unit"]["bundle"]
