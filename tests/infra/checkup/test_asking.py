"""What the platform is asked, and how it may fail."""

import pytest

from infra import forge as door
from infra.checkup.asking import ask
from infra.checkup.facts import FAILED, OFFLINE
from infra.forge import Forge
from tests.infra.examined import HERE, PACKAGES, PATHS, recorded
from tests.infra.fake_forge import REPOSITORY, FakeForge, serving


@pytest.fixture
def asked(monkeypatch):
    """Ask a platform with such replies."""
    monkeypatch.setattr(door, "PATIENCE", (0.0, 0.0))

    def run(name, **failing):
        with serving(FakeForge(replies=recorded(name), **failing)) as fake:
            monkeypatch.setenv("GITHUB_API_URL", fake.url)
            return fake, ask(Forge(REPOSITORY, "a-token"), HERE)

    return run


def test_each_fact_is_asked_for_once(asked) -> None:
    """By reading alone, with the token, a page at a time."""
    fake, replies = asked("well-set-up")
    assert {"GET"} == {method for method, _, _ in fake.calls}
    assert {"Bearer a-token"} == fake.tokens
    paths = [path.partition("?")[0] for _, path, _ in fake.calls]
    assert sorted(set(paths)) == sorted(paths)
    assert {PATHS[name] for name in replies if name != "package"} | {PACKAGES[0]} == set(paths)
    assert {200} == {reply.status for reply in replies.values()}


def test_an_organization_is_asked_for_more(asked) -> None:
    """Its package, its settings, the selection of actions, the ruleset that hinders."""
    _, replies = asked("restricted-organization")
    assert {"selected", "organization variables", "organization secrets", "ruleset 73"} <= replies.keys()
    assert (200, "private") == (replies["package"].status, replies["package"].content["visibility"])


def test_what_is_refused_is_an_answer(asked) -> None:
    """403 and 404 are kept with what the platform says to them."""
    _, replies = asked("job-of-a-fork")
    assert (403, "Resource not accessible by integration") == (
        replies["actions"].status,
        replies["actions"].content["message"],
    )
    assert 404 == replies["package"].status


def test_a_platform_that_recovers_is_asked_again(asked) -> None:
    """Two failures, then the answer."""
    _, replies = asked("well-set-up", failing={"GET": [502, 503]})
    assert {200} == {reply.status for reply in replies.values()}


def test_one_failure_leaves_the_other_answers(asked) -> None:
    """The first three tries fail, all else is asked for."""
    _, replies = asked("well-set-up", failing={"GET": [500, 500, 500]})
    assert FAILED == replies.pop("repository").status
    assert 200 == replies["actions"].status


@pytest.mark.parametrize("content", [b"<html>sign in</html>", b"", b'{"a": '])
def test_no_json_is_a_failure(asked, monkeypatch, content) -> None:
    """A page of somebody in between."""
    monkeypatch.setattr(FakeForge, "answer", lambda *_: (200, content))
    _, replies = asked("well-set-up")
    assert {FAILED} == {reply.status for reply in replies.values()}


def test_where_nobody_answers_one_try_is_enough(monkeypatch) -> None:
    """The rest is not asked for, and the reason is everywhere the same."""
    with serving(FakeForge()) as fake:
        url = fake.url
    monkeypatch.setenv("GITHUB_API_URL", url)
    monkeypatch.setattr(door.time, "sleep", lambda _: pytest.fail("it waited for nobody"))
    replies = ask(Forge(REPOSITORY, "a-token"), HERE)
    assert {(OFFLINE, "nobody answers at 127.0.0.1 (ConnectError)")} == {
        (reply.status, reply.content) for reply in replies.values()
    }


def test_rulesets_of_no_proper_number_are_not_asked_for(asked, monkeypatch) -> None:
    """A path is made of numbers alone."""
    hindering = [200, [{"type": "update", "ruleset_id": "../../user"}, {"type": "update", "ruleset_id": [7]}, 7]]
    replies = recorded("well-set-up") | {PATHS["registry rules"]: hindering}
    with serving(FakeForge(replies=replies)) as fake:
        monkeypatch.setenv("GITHUB_API_URL", fake.url)
        ask(Forge(REPOSITORY, "a-token"), HERE)
    assert [] == [path for _, path, _ in fake.calls if "rulesets" in path]
