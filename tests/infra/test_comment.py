"""One comment a pull request, written anew in place, by a job that trusts nothing of the report."""

import json

import pytest

from infra import forge as door
from infra.comment import LIMIT, NO_REPORT, NO_REPORT_OF_OURS, looks_of, main
from tests.infra.fake_forge import REPOSITORY, FakeForge, pull, serving

SHA = "a" * 40
HOSTILE = "<script>alert(1)</script> @everyone ![x](http://e.example/x.png) | \\n# head [a](javascript:b) <!-- -->"


@pytest.fixture
def forge(monkeypatch):
    """A platform with one pull request, and the environment of a job."""
    with serving(FakeForge(pulls=[pull(7, SHA)])) as fake:
        monkeypatch.setenv("GITHUB_API_URL", fake.url)
        monkeypatch.setenv("GITHUB_REPOSITORY", REPOSITORY)
        monkeypatch.setenv("GITHUB_TOKEN", "token")
        monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
        monkeypatch.setattr(door, "PATIENCE", (0.0, 0.0))
        yield fake


@pytest.fixture
def report(chain, tmp_path):
    """Write the report of the chain, changed."""
    content = json.loads((chain.root / "build/report/report.json").read_text())

    def write(**changed: object) -> str:
        path = tmp_path / "report.json"
        path.write_text(json.dumps(content | changed))
        return str(path)

    return write


def run(path: str, sha: str = SHA, repository: str = REPOSITORY, branch: str = "topic", number: str = "5") -> int:
    arguments = ["--report", path, "--run-id", number, "--head-sha", sha]
    return main([*arguments, "--head-repository", repository, "--head-branch", branch])


def test_the_first_run_writes_a_comment(forge, report, capsys) -> None:
    """Verdict first, the address of the run last, and the same text is printed."""
    assert run(report()) == 0
    [comment] = forge.comments
    assert (7, True) == (comment["issue"], "income, version 1: every gate passed" in comment["body"])
    assert "[The run](https://github.com/owner/name/actions/runs/5)" in comment["body"]
    assert capsys.readouterr().out.strip() in comment["body"]
    assert {"Bearer token"} == forge.tokens


def test_the_next_run_writes_it_anew_in_place(forge, report) -> None:
    """One comment, however many runs; models that the test part has judged are counted once each."""
    forge.comments = [{"id": 1, "user": {"login": "ada"}, "body": "first"}]
    for digest in ("b" * 64, "c" * 64, "b" * 64):
        assert run(report(model_digest=digest)) == 0
    assert 2 == len(forge.comments)
    assert ["POST", "PATCH", "PATCH"] == [method for method, _, _ in forge.calls if method != "GET"]
    assert ["b" * 12, "c" * 12] == looks_of(forge.comments[1]["body"])
    assert "that the test part has judged: 2." in forge.comments[1]["body"]


def test_a_foreign_fork_gets_its_comment(forge, report) -> None:
    """The number comes from the API, by commit, repository and branch."""
    forge.pulls = [pull(7, SHA), pull(8, SHA, "stranger/fork"), pull(9, "b" * 40, "stranger/fork")]
    assert run(report(), repository="stranger/fork") == 0
    assert [8] == [comment["issue"] for comment in forge.comments]


@pytest.mark.parametrize(
    "elsewhere", [{"sha": "b" * 40}, {"repository": "owner/other"}, {"branch": "moved"}, {"repository": "other/name"}]
)
def test_a_head_that_moved_on_gets_none(forge, report, elsewhere, capsys) -> None:
    """Nothing is written to a pull request that shows another commit by now."""
    assert run(report(), **elsewhere) == 0
    assert [] == forge.comments
    assert "no open pull request has this commit as its head" in capsys.readouterr().err


@pytest.mark.parametrize("status", [401, 403, 404])
def test_where_the_token_cannot_write_the_summary_is_left(forge, report, status, capsys) -> None:
    """A read-only token is no failure."""
    forge.failing = {"POST": [status]}
    assert run(report()) == 0
    told = capsys.readouterr()
    assert ("every gate passed" in told.out, "in the job's summary alone" in told.err) == (True, True)


def test_a_platform_that_recovers_is_asked_again(forge, report) -> None:
    """Two failures, then the comment."""
    forge.failing = {"GET": [502, 503], "POST": [429]}
    assert run(report()) == 0
    assert len(forge.comments) == 1


@pytest.mark.parametrize("failing", [{"GET": [500] * 9}, {"POST": [503] * 9}, {"GET": [404]}, {"POST": [422]}])
def test_a_platform_that_fails_is_said(forge, report, failing, capsys) -> None:
    """Exit 3, one sentence, and the report is printed all the same."""
    forge.failing = failing
    assert run(report()) == 3
    assert "the platform's API" in capsys.readouterr().err


@pytest.mark.parametrize("author", ["ada", "github-actions", None])
def test_a_marker_of_somebody_else_is_left_alone(forge, report, author) -> None:
    """Who writes our marker into a comment of his own gets no text of ours into it, and none of his is read."""
    forge.comments = [
        {"id": 1, "user": author and {"login": author}, "body": "<!-- gatehouse report looks=abc -->\nmine"}
    ]
    assert run(report()) == 0
    assert "mine" in forge.comments[0]["body"]
    assert len(looks_of(forge.comments[1]["body"])) == 1


def test_our_comment_is_found_behind_a_hundred_others(forge, report) -> None:
    """The list has pages."""
    forge.comments = [{"id": one, "user": {"login": "ada"}, "body": "x"} for one in range(1, 131)]
    for _ in range(2):
        assert run(report()) == 0
    assert 131 == len(forge.comments)


def test_markup_of_a_report_stays_text(forge, report, chain) -> None:
    """Names of groups and reasons come from strangers: no tag, mention, picture or link of theirs."""
    content = json.loads((chain.root / "build/report/report.json").read_text())
    for gate in content["gates"]:
        for line in gate["measures"]:
            line |= {"group": HOSTILE, "why": HOSTILE}
    assert run(report(gates=content["gates"], bounds_changed=[HOSTILE])) == 0
    body = forge.comments[0]["body"]
    assert "@everyone" not in body
    for mark in ("<script", "![x]", "](javascript", "](http://e.example"):
        assert mark not in body
    assert body.count("<!--") == 1


def test_a_huge_report_is_cut_to_the_platforms_size(forge, report, chain) -> None:
    """Thousands of lines fit into one comment; what was left out is said."""
    content = json.loads((chain.root / "build/report/report.json").read_text())
    for gate in content["gates"]:
        gate["measures"] = [gate["measures"][0] | {"why": "w" * 300}] * 250
    assert run(report(gates=content["gates"])) == 0
    assert len(forge.comments[0]["body"]) < LIMIT + 5000 < 65_536
    assert "Left out to stay short" in forge.comments[0]["body"]


POISONED = {
    "no JSON": "<b>@everyone</b>",
    "empty": "",
    "another form": '{"passed": true, "note": "@everyone"}',
    "deep": "[" * 100_000,
    "not a number": '{"format": NaN}',
    "huge": '{"format": "' + "x" * 5_000_000 + '"}',
    "null bytes": "\x00" * 1000,
}


@pytest.mark.parametrize("content", POISONED.values(), ids=POISONED)
def test_what_is_no_report_is_not_shown(forge, tmp_path, content, capsys) -> None:
    """Nothing of it reaches the comment, which says so in a sentence of ours; the job is red."""
    (tmp_path / "report.json").write_text(content)
    assert run(str(tmp_path / "report.json")) == 2
    assert NO_REPORT_OF_OURS in forge.comments[0]["body"]
    told = capsys.readouterr()
    assert "everyone" not in forge.comments[0]["body"] + told.out
    assert "infra.comment: report.json" in told.err


def test_a_link_is_not_followed(forge, tmp_path) -> None:
    """An artifact that is a link leads nowhere."""
    (tmp_path / "secret.json").write_text("{}")
    (tmp_path / "report.json").symlink_to(tmp_path / "secret.json")
    assert run(str(tmp_path / "report.json")) == 2
    assert NO_REPORT_OF_OURS in forge.comments[0]["body"]


def test_a_run_that_ended_early_is_told(forge, tmp_path) -> None:
    """Without a report the comment says where to look."""
    assert run(str(tmp_path / "none.json")) == 0
    assert NO_REPORT in forge.comments[0]["body"]


@pytest.mark.parametrize("name", ["GITHUB_TOKEN", "GITHUB_REPOSITORY"])
def test_what_is_not_set_is_named(forge, report, monkeypatch, name, capsys) -> None:
    """A job without a token, or outside the platform, gets a sentence."""
    monkeypatch.delenv(name)
    assert run(report()) == 2
    assert f"{name} is not set" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["", "x", "1)", "\u0661"])
def test_a_run_is_a_number(forge, report, number) -> None:
    """What goes into a link is checked."""
    assert run(report(), number=number) == 2
    assert [] == forge.comments


def test_the_token_follows_no_redirect(forge, report, monkeypatch) -> None:
    """Another host never sees it."""
    monkeypatch.setattr(forge, "answer", lambda *_: (302, {"message": "elsewhere"}))
    assert run(report()) == 3


def test_what_the_repository_has_switched_off_is_a_sentence(forge, report, capsys) -> None:
    """A status that says so for good is the outside's, wherever it comes."""
    forge.failing = {"GET": [410]}
    assert run(report()) == 3
    assert "switched off (status 410)" in capsys.readouterr().err
    assert [] == forge.comments
