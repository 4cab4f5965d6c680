"""Who may approve: one who neither started the run nor wrote what it brings."""

import dataclasses

import pytest

from tests.infra.fake_forge import REPOSITORY, FakeForge, serving
from train import approval
from train.travel import history, ledger
from train.travel.history import LIVE, Unit
from train.travel.ledger import DEPLOYMENT

OLD, OTHER, COMMIT, LATER = (digit * 40 for digit in "abcd")
UNIT = Unit(3, "model-3", "bundle-3", "contract", "config", "here/service@sha256:3")


@pytest.fixture
def run(monkeypatch):
    """Be in a run that Cat's push started and Dan started again, of main as Bob left it meanwhile."""

    def approved_by(*approvers, lines=(), **forge):
        given = [{"state": "approved", "user": {"login": name}} for name in approvers]
        given.append({"state": "rejected", "user": {"login": "eve"}})
        with serving(FakeForge(approvals=given, **forge)) as served:
            monkeypatch.setenv("GITHUB_API_URL", served.url)
            return approval.unapproved(3, lines)

    for name, value in {
        "TOKEN": "t", "REPOSITORY": REPOSITORY, "RUN_ID": "7", "SHA": LATER, "ACTOR": "cat", "TRIGGERING_ACTOR": "dan",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"GITHUB_{name}", value)
    return approved_by


def deployed(environment, commit, unit=UNIT):
    return ledger.new(DEPLOYMENT, history.facts_of(environment, LIVE, unit), commit=commit)


@pytest.mark.parametrize(
    ("approvers", "sentence"),
    [
        ([], ""),
        (["ben"], ""),
        (["ann", "ben"], ""),
        (["ann"], "only ann approved this, who wrote or started it; somebody else has to"),
        (["ann", "cat"], "only ann, cat approved this"),
        (["dan"], "only dan approved this"),
    ],
)
def test_who_wrote_or_started_it_does_not_approve_it(run, approvers, sentence) -> None:
    """Without a line of it the run's own commit counts, which is Ann's: one of the others has to approve."""
    said = run(*approvers)
    assert said.startswith(sentence)
    assert bool(sentence) == bool(said)


@pytest.mark.parametrize(
    ("approver", "counts"), [("old", True), ("other", False), ("ann", False), ("bob", True), ("ben", True)]
)
def test_the_commits_are_those_since_production_had_another(run, approver, counts) -> None:
    """Not that of main by now; who wrote one that production has, or one that comes later, may approve."""
    old = dataclasses.replace(UNIT, version=2, bundle="bundle-2")
    lines = [deployed("staging", OLD, old), deployed("production", OTHER, old), deployed("staging", COMMIT)]
    wrote = {OLD: "old", OTHER: "other", COMMIT: "ann", LATER: "bob"}
    assert counts == (run(approver, lines=lines, wrote=wrote) == "")
    after = [*lines, deployed("production", LATER)]
    assert counts == (run(approver, lines=after, wrote=wrote) == ""), "the same once it is live"


@pytest.mark.parametrize(("approver", "counts"), [("ann", False), ("bob", True)])
def test_the_first_of_production_is_the_commit_of_its_version(run, approver, counts) -> None:
    """Nothing was there before, so nothing else is looked at; on a laptop's dirty tree it is the same commit."""
    for commit in (COMMIT, f"{COMMIT}-dirty"):
        assert counts == (run(approver, lines=[deployed("staging", commit)], wrote={COMMIT: "ann", LATER: "bob"}) == "")
    assert counts != (run(approver, lines=[deployed("staging", "unknown")], wrote={LATER: "bob"}) == "")


def test_more_commits_than_a_page_has_are_all_looked_at(run) -> None:
    """The hundred-and-first is of somebody, too; whom the platform does not know is nobody."""
    many = {f"{number:040x}": None for number in range(250)} | {OTHER: "other", COMMIT: "ann"}
    old = dataclasses.replace(UNIT, version=2, bundle="bundle-2")
    first = next(iter(many))
    lines = [deployed("staging", first, old), deployed("production", LATER, old), deployed("staging", COMMIT)]
    assert "only other approved" in run("other", lines=lines, wrote=many)
    assert "" == run("ben", lines=lines, wrote=many)


def test_outside_the_platform_nobody_is_asked(monkeypatch) -> None:
    """On a laptop there is no run that somebody could have approved."""
    monkeypatch.delenv("GITHUB_RUN_ID", raising=False)
    assert "" == approval.unapproved(3, [])
