"""Replies that say no, or that are none: each check answers in a sentence, whatever came."""

from dataclasses import replace

import pytest

from infra.checkup.answer import MISSING, UNSEEN
from infra.checkup.facts import FAILED, OFFLINE
from infra.doctor import PLATFORM, of_platform
from tests.infra.examined import HERE, NOT_FOUND, UPGRADE, facts

READS = {  # each check, and what it cannot do without
    "repository": ["repository"],
    "actions": ["actions"],
    "allowed": ["actions", "selected"],
    "token": ["token"],
    "workflows": ["workflows"],
    "schedules": ["workflows", "repository"],
    "protection": ["main", "main rules", "repository"],
    "registry": ["registry", "registry rules", "repository"],
    "production": ["environments", "repository"],
    "package": ["package", "repository"],
    "attestations": ["repository"],
    "server": ["variables", "secrets", "organization variables", "organization secrets"],
    "target": ["variables", "organization variables"],
    "predictions": ["variables", "organization variables"],
    "oidc": ["oidc"],
}
PAIRS = [(check, fact) for check, read in READS.items() for fact in read]
GARBAGE = ["text", 7, None, True, [], {}, [7], [[]], {"x": []}]
FORMS = [
    {"workflows": 7}, {"workflows": [7]}, {"workflows": [{"path": 7, "state": []}]}, {"enabled": "yes"},
    {"environments": [{"name": "production"}]}, {"variables": [{}], "total_count": 1}, {"patterns_allowed": {}},
    {"secrets": "x", "total_count": "x"}, {"enabled": True, "allowed_actions": 7}, {"owner": 7, "visibility": 7},
    {"protection": []}, {"protection": {"required_status_checks": [], "enabled": 1}}, [{"type": []}],
    [{"type": "required_status_checks"}],
    [{"type": "update", "ruleset_id": {}}], {"repository": []}, {"use_default": False, "include_claim_keys": 7},
    {"default_workflow_permissions": None},
]  # fmt: skip


def asked(check: str, fact: str, reply: list):
    """Answer one check of an organization's repository with one reply changed."""
    return of_platform(facts("restricted-organization", **{fact.replace(" ", "_"): reply}))[check]


def test_each_check_is_asked_here() -> None:
    """CODEOWNERS alone needs nobody."""
    assert READS.keys() | {"owners"} == {check.__name__ for check in PLATFORM}


@pytest.mark.parametrize(("check", "fact"), sorted({*PAIRS} - {("registry", "registry rules")}))
@pytest.mark.parametrize("status", [301, 401, 403])
def test_a_refusal_is_no_answer_and_no_failure(check, fact, status) -> None:
    """The token may not; the exit code does not change."""
    answer = asked(check, fact, [status, {"message": "no"}])
    assert (UNSEEN, False) == (answer.said, answer.failed)
    assert answer.fix


@pytest.mark.parametrize(("check", "fact"), PAIRS)
@pytest.mark.parametrize("status", [418, 500, FAILED])
def test_a_failure_of_the_platform_is_one(check, fact, status) -> None:
    """Nobody knows, and it is said to be the platform's fault."""
    answer = asked(check, fact, [status, "the platform's API failed"])
    assert (UNSEEN, True) == (answer.said, answer.failed)


@pytest.mark.parametrize(("check", "fact"), PAIRS)
def test_silence_is_no_failure(check, fact) -> None:
    """Without a network nobody is at fault."""
    answer = asked(check, fact, [OFFLINE, "nobody answers"])
    assert (UNSEEN, "nobody answers", False) == (answer.said, answer.text, answer.failed)


@pytest.mark.parametrize(("check", "fact"), PAIRS)
@pytest.mark.parametrize("content", [*GARBAGE, *FORMS], ids=repr)
def test_garbage_is_never_a_crash(check, fact, content) -> None:
    """What is not of the documented form is told so, and never taken for an answer that all is well."""
    answer = asked(check, fact, [200, content])
    assert answer.text
    if content in GARBAGE and (check, fact, content) not in EMPTY:
        assert (UNSEEN, True) == (answer.said, answer.failed), answer


EMPTY = [
    *((check, fact, []) for check, fact in PAIRS if fact.endswith("rules")),  # no rule
    *((check, "repository", it) for check in ("protection", "registry") for it in ({}, {"x": []})),  # it is there
    *(("allowed", "selected", it) for it in ({}, {"x": []})),  # nothing is allowed
    *(("package", "package", it) for it in ({}, {"x": []})),  # linked to nothing
    *(
        (check, fact, it) for check, fact in PAIRS if fact in ("main", "registry") for it in ({}, {"x": []})
    ),  # unprotected
]


def test_what_an_upgrade_would_bring_is_missing_and_not_hidden() -> None:
    """The plan says no, not the token."""
    answers = of_platform(facts(main_rules=UPGRADE, registry_rules=UPGRADE))
    assert [MISSING, MISSING] == [answers[check].said for check in ("protection", "registry")]


def test_nothing_at_all_is_one_reason_for_every_check() -> None:
    """A laptop without a token: the machine is looked at all the same."""
    blank = replace(facts(), replies={}, silent=("there is no token", "log in"))
    answers = of_platform(blank)
    assert {("there is no token", "log in")} == {
        (answer.text, answer.fix) for check, answer in answers.items() if check != "owners"
    }


def test_a_repository_that_is_hidden_hides_what_hangs_on_it() -> None:
    """A 404 of a private repository for a stranger's token."""
    answers = of_platform(facts(here=replace(HERE, job=True), repository=NOT_FOUND))
    hidden = {check for check, answer in answers.items() if answer.said == UNSEEN}
    assert {"repository", "attestations", "production", "protection", "registry", "package"} <= hidden
