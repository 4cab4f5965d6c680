"""What the platform is asked, and how it may fail."""

import pytest

from infra import forge as door
from infra.checkup.asking import PAGES, ask
from infra.checkup.facts import FAILED, OFFLINE, Hidden
from infra.checkup.offers import all_of
from infra.forge import Forge
from tests.infra.examined import HERE, PACKAGES, PATHS, TOP, recorded
from tests.infra.fake_forge import REPOSITORY, FakeForge, serving


@pytest.fixture
def asked(monkeypatch):
    """Ask a platform with such replies."""
    monkeypatch.setattr(door, "PATIENCE", (0.0, 0.0))

    def run(*names, changed=None, **failing):
        with serving(FakeForge(replies=recorded(*names) | (changed or {}), **failing)) as fake:
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


def test_a_listing_is_asked_for_page_by_page(asked) -> None:
    """Each page once, in order, until all that the total says is there, or a page of rules is not full."""
    fake, replies = asked("well-set-up", "crowded-organization")
    for name, key, count, last in (
        ("organization variables", "variables", 72, "MLFLOW_TRACKING_URI"),
        ("organization secrets", "secrets", 103, "MLFLOW_TRACKING_USERNAME"),
    ):
        names = [one["name"] for one in replies[name].content[key]]
        assert (count, count, last) == (len(names), len(set(names)), names[-1])
    assert ["workflows"] * 100 == [rule["type"] for rule in replies["main rules"].content[:100]]
    assert 100 < len(replies["main rules"].content) < 200
    asked_for = [path for _, path, _ in fake.calls if "organization-variables" in path]
    assert ["per_page=30", "per_page=30&page=2", "per_page=30&page=3"] == [path.partition("?")[2] for path in asked_for]
    assert len(fake.calls) == len({path for _, path, _ in fake.calls})


VARIABLES = f"{TOP}/actions/variables"


def listing(total, *names):
    return [200, {"total_count": total, "variables": [{"name": name, "value": "x"} for name in names]}]


def test_pages_have_an_end(asked) -> None:
    """A total that no page ever reaches is asked for so long and no longer; an empty page ends it at once."""
    pages = {f"{VARIABLES}?page={number}": listing(10_000, f"A_{number}") for number in range(2, 2 * PAGES)}
    fake, replies = asked("well-set-up", changed={VARIABLES: listing(10_000, "A")} | pages)
    assert PAGES == len([path for _, path, _ in fake.calls if path.startswith(VARIABLES)])
    assert (PAGES, 10_000) == (
        len(replies["variables"].content["variables"]),
        replies["variables"].content["total_count"],
    )
    fake, replies = asked(
        "well-set-up", changed=pages | {VARIABLES: listing(3, "A"), f"{VARIABLES}?page=2": listing(3)}
    )
    assert 2 == len([path for _, path, _ in fake.calls if path.startswith(VARIABLES)])
    assert ["A"] == [one["name"] for one in replies["variables"].content["variables"]]


@pytest.mark.parametrize("page", [[403, {"message": "no"}], [404, {"message": "Not Found"}], [500, {}]])
def test_a_page_that_is_refused_is_a_failure(asked, page) -> None:
    """The first one alone is not all there is; and 404 does not mean that there is none."""
    changed = {VARIABLES: listing(2, "A"), f"{VARIABLES}?page=2": page}
    _, replies = asked("well-set-up", changed=changed)
    assert FAILED == replies["variables"].status
    assert "page" in replies["variables"].content


@pytest.mark.parametrize("content", [["A"], {"total_count": 2}, {"variables": "A"}, "A", None])
def test_a_page_that_is_no_listing_is_left_to_the_checks(asked, content) -> None:
    """Whether it is the first or a later one."""
    _, replies = asked("well-set-up", changed={VARIABLES: [200, content]})
    assert (200, content) == (replies["variables"].status, replies["variables"].content)
    changed = {VARIABLES: listing(2, "B"), f"{VARIABLES}?page=2": [200, content]}
    _, replies = asked("well-set-up", changed=changed)
    assert 200 == replies["variables"].status
    with pytest.raises(Hidden):
        all_of(replies["variables"].content, "variables")


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
