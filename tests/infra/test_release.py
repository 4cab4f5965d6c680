"""Production is deployed to only where somebody was asked: by the platform, or by a promotion pull request."""

import dataclasses
import json
import subprocess

import pytest

from infra import approved, bundle, deploy, lease, noted, release, target
from infra.lease import Lease
from infra.trial import Trial
from tests import kept
from tests.infra.fake_forge import REPOSITORY, FakeForge, serving
from train import kept as kept_files
from train import registry
from train.travel import book, history
from train.travel.ledger import DEPLOYMENT, PROMOTION, RELEASE, ROLLBACK, VERDICTS
from validation import contract
from validation.script import Refusal

PLACE = f"/repos/{REPOSITORY}/environments/production"
ASKS = [200, {"protection_rules": [{"type": "wait_timer"}, {"type": "required_reviewers"}]}]
OPEN = [200, {"protection_rules": [{"type": "branch_policy"}]}]
GIVEN = {"state": "approved", "environments": [{"name": "production"}], "user": {"login": "ben"}}
OTHERS = [GIVEN | {"state": "rejected"}, GIVEN | {"environments": [{"name": "staging"}]}, {"state": "approved"}]
IMAGE = f"registry.example.org/service@sha256:{'0' * 64}"


@pytest.fixture(autouse=True)
def committed(monkeypatch, tmp_path):
    """Begin on a laptop, without a release; give the file where one would be committed."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    path = tmp_path / "repository/release.json"
    monkeypatch.setattr(approved, "RELEASE", path)
    path.parent.mkdir()
    git(path, "init", "-q")
    git(path, "commit", "-q", "--allow-empty", "-m", "Begin")
    return path


def git(path, *command):
    who = ("-c", "user.name=tests", "-c", "user.email=tests@example.invalid")
    subprocess.run(["git", *who, *command], cwd=path.parent, check=True)


def commit(path, text):
    path.write_text(text)
    git(path, "add", path.name)
    git(path, "commit", "-qm", "Release")


@pytest.fixture
def job(monkeypatch):
    """Be in a job whose platform says something of the environment production."""

    def begin(reply, *approvals):
        forge = serving(FakeForge(replies={PLACE: reply}, approvals=list(approvals)))
        url = forge.__enter__().url
        for name, text in (
            ("ACTIONS", "true"),
            ("RUN_ID", "7"),
            ("TOKEN", "t"),
            ("REPOSITORY", REPOSITORY),
            ("API_URL", url),
            ("SHA", "c0ffee"),
            ("ACTOR", "cat"),
        ):
            monkeypatch.setenv(f"GITHUB_{name}", text)
        begun.append(forge)

    begun = []
    yield begin
    for one in begun:
        one.__exit__(None, None, None)


@pytest.fixture
def unit(make_bundle):
    return bundle.unit(make_bundle(3), IMAGE)


def must_be(unit, **changes):
    approved.must_be("production", unit, dataclasses.replace(kept.config().deploy, **changes))


def test_nobody_asked_is_refused(unit, job) -> None:
    """On a laptop, in a job whose environment is open or not there, and in one that nobody approved for production."""
    for reply, *approvals in (
        (None,),
        (OPEN, GIVEN),
        ([404, {"message": "Not Found"}], GIVEN),
        (ASKS,),
        (ASKS, *OTHERS),
    ):
        if reply:
            job(reply, *approvals)
        with pytest.raises(approved.UnapprovedError, match="nobody approved version 3: give the environment"):
            must_be(unit)


def test_reviewers_a_release_or_config_approve(unit, job, committed) -> None:
    """Each of the three is enough; other environments ask nobody."""
    approved.must_be("staging", unit, kept.config().deploy)
    must_be(unit, production_asks=False)
    committed.write_text(json.dumps(approved.facts(unit)))
    with pytest.raises(approved.UnapprovedError):  # it is written, and nobody merged it
        must_be(unit)
    commit(committed, committed.read_text())
    must_be(unit)
    commit(committed, json.dumps(approved.facts(unit) | {"version": 1}))
    job(ASKS, GIVEN)
    must_be(unit)


def test_an_author_who_approves_alone_is_refused_before_anything_starts(unit, job) -> None:
    """Promotion would refuse it afterwards, with the version live already."""
    job(ASKS, GIVEN | {"user": {"login": "ann"}})
    with pytest.raises(approved.UnapprovedError, match="only ann approved this, who wrote or started it"):
        must_be(unit)


@pytest.mark.parametrize("changed", ["version", "model", "bundle", "image"])
def test_a_release_of_something_else_approves_nothing(unit, committed, changed) -> None:
    """One that names another version, model, bundle or image."""
    facts = approved.facts(unit)
    commit(committed, json.dumps(facts | {changed: facts[changed] + (1 if changed == "version" else "0")}))
    with pytest.raises(approved.UnapprovedError):
        must_be(unit)


def test_a_release_that_is_none_is_one_sentence(unit, committed) -> None:
    """Broken JSON, or a field that lacks."""
    for text in ("{", "{}", "[]"):
        commit(committed, text)
        with pytest.raises(Refusal, match=r"is no release .*`python -m infra.release` writes one"):
            must_be(unit)


@pytest.fixture
def staged(store, make_bundle, monkeypatch):
    """Let a version be live in staging, with verdicts."""
    monkeypatch.setattr(contract, "load", kept.config)

    def make(number, passed=True, against=""):
        sealed = store.add(make_bundle(number))
        unit = bundle.unit(sealed, IMAGE)
        facts = {"version": number, "model": unit.model, "gates": {}, "passed": passed, "faults": 0, "against": against}
        book.note(VERDICTS, facts)
        book.note(DEPLOYMENT, history.facts_of("staging", history.LIVE, unit))
        return unit

    monkeypatch.setattr(release.following, "follow", lambda config: registry.view(config))
    return make


def test_what_waits_for_production_is_told_with_the_way_there(store, staged, job, committed, capsys) -> None:
    """By a request where nobody is asked, by reviewers, by the release once it is merged; nothing when it is there."""
    unit = staged(3)
    assert 0 == release.main([])
    told = capsys.readouterr()
    assert f"way=request\nmodel-version=3\nimage={IMAGE}\n" == told.out
    assert "waits for a pull request" in told.err
    job(ASKS)
    assert 0 == release.main([])
    assert capsys.readouterr().out.startswith("way=reviewers\n")
    assert 0 == release.main(["--write"])
    assert approved.facts(unit) == json.loads(committed.read_text())
    assert capsys.readouterr().out.startswith("way=reviewers\n")
    commit(committed, committed.read_text())
    assert 0 == release.main([])
    assert capsys.readouterr().out.startswith("way=merged\n")
    staged(4)
    assert 0 == release.main([])
    told = capsys.readouterr()
    assert told.out.startswith("way=reviewers\nmodel-version=4\n")
    assert "the release names version 3, and staging has 4 by now" in told.err
    book.note(DEPLOYMENT, history.facts_of("staging", history.LIVE, unit))
    book.note(DEPLOYMENT, history.facts_of("production", history.LIVE, unit))
    store.aliases["champion"] = 3
    assert 0 == release.main([])
    assert "way=nothing\n" == capsys.readouterr().out
    noted.taken_down("production", record=False)
    assert 0 == release.main([])
    assert "way=merged\nmodel-version=3\n" in capsys.readouterr().out


def test_what_a_rollback_left_is_proposed_to_nobody(store, staged, job, committed, capsys) -> None:
    """It would be approved and then refused; the sentence names the way out, and a release makes it wait again."""
    good = staged(4)
    bad = staged(5, against=good.model)
    for unit in (good, bad):
        book.note(DEPLOYMENT, history.facts_of("production", history.LIVE, unit))
    back = history.last(book.lines(), "production", 4)
    facts = history.facts_of("production", history.LIVE, good, to=back.id, left=bad) | {"leads": True}
    book.note(ROLLBACK, facts, "it errs\nimage=evil")
    store.follow()
    job(ASKS)
    for arguments in ([], ["--write"]):
        assert 0 == release.main(arguments)
        told = capsys.readouterr()
        assert "way=held\n" == told.out
        assert "version 5 is held in production: ada rolled it back on" in told.err
    assert not committed.exists()
    assert 0 == release.main(["--show"])
    (shown,) = capsys.readouterr().out.splitlines()
    assert shown.startswith("- version 5 is held in production: ")
    assert "because: it errs image=evil; once it is mended" in shown
    book.note(RELEASE, {"environment": "production", "version": 5}, "mended")
    assert 0 == release.main([])
    assert capsys.readouterr().out.startswith("way=reviewers\nmodel-version=5\n")


@pytest.mark.parametrize("event", ["push", "workflow_run"])
def test_a_merged_release_that_deploys_nothing_is_red(staged, committed, monkeypatch, capsys, event) -> None:
    """Whoever merged it waits for it; the end of a pipeline is not about the release, and stays green."""
    monkeypatch.setenv("GITHUB_EVENT_NAME", event)
    commit(committed, json.dumps(approved.facts(staged(3))))
    assert 0 == release.main([])
    assert capsys.readouterr().out.startswith("way=merged\n")
    staged(4)
    assert (event == "push") == release.main(["--show"])
    told = capsys.readouterr()
    assert "- the release names version 3, and staging has 4 by now\n" in told.out
    assert (event == "push") == release.main([])
    assert ("" if event == "push" else "way=request\n") == capsys.readouterr().out[:12]
    git(committed, "rm", "-q", committed.name)
    git(committed, "commit", "-qm", "Take it back")
    assert 0 == release.main([])


def test_a_promotion_that_was_lost_is_all_that_is_left_to_do(store, staged, capsys) -> None:
    """The job died between the deployment and its end: the champion follows production before anything else."""
    staged(3)
    store.aliases["champion"] = 3
    unit = staged(4, against=store.versions[3].digest)
    book.note(DEPLOYMENT, history.facts_of("production", history.LIVE, unit))
    staged(5)  # which was judged against the old champion
    assert 0 == release.main([])
    told = capsys.readouterr()
    assert f"way=promote\nmodel-version=4\nimage={IMAGE}\n" == told.out
    assert "production has version 4, and the champion is version 3: it is promoted, and nothing deployed" in told.err
    store.aliases["champion"] = 4
    assert release.main([]) == 1
    assert "version 5 was judged against the champion none, and now it is" in capsys.readouterr().err
    store.aliases["champion"] = 3
    book.note(VERDICTS, {"version": 4, "model": unit.model, "gates": {}, "passed": False, "faults": 1, "against": ""})
    assert release.main([]) == 1
    assert "the ledger's last verdicts on version 4 are red" in capsys.readouterr().err


def test_a_champion_that_somebody_chose_since_is_left_alone(store, staged, capsys) -> None:
    """Production has 3, and 4 was promoted by hand afterwards: it is proposed, and nobody promotes 3 again."""
    unit = staged(3)
    book.note(DEPLOYMENT, history.facts_of("production", history.LIVE, unit))
    newer = staged(4)
    store.aliases["champion"] = 4
    assert release.main([]) == 1  # where no line says that somebody chose it, it is the promotion of 3 that was lost
    assert "production has version 3, and the champion is version 4: it is promoted" in capsys.readouterr().err
    book.note(PROMOTION, {"version": 4, "model": newer.model, "begins": False, "evidence": ""})
    assert 0 == release.main([])
    assert "way=request\nmodel-version=4\n" in capsys.readouterr().out


def test_nothing_in_staging_is_one_sentence(store, staged, capsys) -> None:
    """Exit 2."""
    assert 2 == release.main([])
    assert "nothing is live in staging yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("verdicts", "sentence"),
    [
        ({"passed": False}, "the ledger's last verdicts on version 4 are red"),
        ({"against": "f" * 64}, "version 4 was judged against the champion ffffffffffff, and now it is"),
    ],
)
def test_a_version_that_would_not_be_promoted_is_not_released(
    store, staged, capsys, committed, verdicts, sentence
) -> None:
    """Red, or compared with another champion than that of now: exit 1, and nothing is written."""
    staged(3)
    store.aliases["champion"] = 3
    staged(4, **verdicts)
    assert release.main(["--write"]) == 1
    assert sentence in capsys.readouterr().err
    assert not committed.exists()


@pytest.fixture
def baked(staged, store, ways, monkeypatch):
    """A unit that staging has live, kept to be brought to production; its image counts as published."""
    unit = staged(5)
    sealed = next(one for one in store.bundles if one.version == 5)
    store.kept(sealed).parent.mkdir(parents=True, exist_ok=True)
    kept_files.keep_bundle(store.versions[5], sealed.folder)
    monkeypatch.setenv("DEPLOY_TARGET", "cluster")
    monkeypatch.setattr(deploy.verified, "must_be_published", lambda *_: None)
    return unit


def test_production_gets_what_staging_has(baked, capsys) -> None:
    """Bundle and image come from the registry; without somebody to ask nothing is touched."""
    order = ["--environment", "production", "--from", "staging", "--model-version", "5"]
    assert deploy.main(order) == 1
    assert "nobody approved version 5" in capsys.readouterr().err
    commit(approved.RELEASE, json.dumps(approved.facts(baked)))
    assert 0 == deploy.main(order)
    assert "| production | process | 5 |" in capsys.readouterr().out
    assert baked == history.unit_of(history.live(book.lines(), "production").facts)
    assert 2 == deploy.main([*order[:-1], "6"])
    assert "staging has version 5, not 6" in capsys.readouterr().err


def test_production_gets_the_very_image_that_was_approved(baked, monkeypatch, capsys) -> None:
    """A version packed anew meanwhile is another image: nobody approved that."""
    monkeypatch.setattr(deploy.approved, "must_be", lambda *_: None)
    order = ["--environment", "production", "--from", "staging", "--model-version", "5", "--image"]
    other = f"{IMAGE.partition('@')[0]}@sha256:{'9' * 64}"
    assert deploy.main([*order, other]) == 1
    assert f"staging has {IMAGE} by now, and {other} was asked for" in capsys.readouterr().err
    assert history.live(book.lines(), "production") is None
    assert 0 == deploy.main([*order, IMAGE])
    assert baked == history.unit_of(history.live(book.lines(), "production").facts)


@pytest.mark.parametrize("asks", [True, False])
def test_what_was_approved_before_another_became_champion_is_not_deployed(
    baked, store, monkeypatch, capsys, asks
) -> None:
    """It waited behind that one, with which nobody compared it; the promotion would refuse it once it is live."""
    config = kept.config()
    asking = dataclasses.replace(config, deploy=dataclasses.replace(config.deploy, production_asks=asks))
    monkeypatch.setattr(contract, "load", lambda: asking)
    commit(approved.RELEASE, json.dumps(approved.facts(baked)))
    store.versions[4], store.aliases["champion"] = dataclasses.replace(store.versions[5], number=4, digest="f" * 64), 4
    order = ["--environment", "production", "--from", "staging", "--model-version", "5"]
    assert deploy.main(order) == 1
    told = capsys.readouterr().err
    assert "plan: version 5 was judged against the champion none, and now it is ffffffffffff" in told
    assert history.live(book.lines(), "production") is None
    store.aliases["champion"] = 5
    assert 0 == deploy.main(order)
    store.aliases["champion"] = 4
    assert 0 == deploy.main(order)  # it is what users have


def test_another_that_became_champion_while_the_lease_was_waited_for_counts(
    baked, store, supervised, monkeypatch, capsys
) -> None:
    """What was so when the job began is no more; the place is not even looked at."""
    monkeypatch.setattr(approved, "must_be", lambda *_: None)
    theirs = Lease("production", supervised.folder.parent, lambda: None)
    held = theirs.facts(contract.load().deploy, 30.0, Trial(None, None))
    supervised.folder.mkdir(exist_ok=True)
    intent = book.note(DEPLOYMENT, history.facts_of("production", history.INTENT, baked) | held)

    def pause():
        book.note(DEPLOYMENT, history.facts_of("production", history.FAILED, baked, intent.id))
        store.versions[4] = dataclasses.replace(store.versions[5], number=4, digest="f" * 64)
        store.aliases["champion"] = 4

    monkeypatch.setattr(lease, "pause", pause)
    monkeypatch.setattr(supervised, "settle", lambda: pytest.fail("it was touched"))
    assert deploy.main(["--environment", "production", "--from", "staging", "--model-version", "5"]) == 1
    told = capsys.readouterr().err
    assert "production is held by the deployment of line" in told
    assert "plan: version 5 was judged against the champion none, and now it is ffffffffffff" in told


def test_the_champion_follows_production_once_it_is_live(staged, unit) -> None:
    """Before, a rehearsal or this machine leads; staging never does. To take it down for a while changes nothing."""
    assert [True, True, False, True] == [noted.leads(one) for one in target.ENVIRONMENTS]
    book.note(DEPLOYMENT, history.facts_of("production", history.LIVE, unit))
    assert [False, False, False, True] == [noted.leads(one) for one in target.ENVIRONMENTS]
    noted.taken_down("production", record=False)
    assert [False, False, False, True] == [noted.leads(one) for one in target.ENVIRONMENTS]
