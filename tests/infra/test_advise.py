"""One issue of what is critical in the base: opened, written anew, closed, left alone where somebody closed it."""

import pytest

from infra import forge as door
from infra.advise import CLEAN, main
from infra.scan import Finding
from tests.infra.fake_forge import REPOSITORY, FakeForge, serving
from tests.infra.test_scan import CLEAN as CLEAN_SCAN
from tests.infra.test_scan import CVE, report

OTHER = Finding("CVE-2026-2", "zlib1g", "1.2", "", "CRITICAL")
HIGH = Finding("CVE-2026-3", "bash", "5.2", "5.3", "HIGH")


@pytest.fixture
def forge(monkeypatch):
    """A platform, and the environment of a job."""
    with serving(FakeForge()) as fake:
        monkeypatch.setenv("GITHUB_API_URL", fake.url)
        monkeypatch.setenv("GITHUB_REPOSITORY", REPOSITORY)
        monkeypatch.setenv("GITHUB_TOKEN", "token")
        monkeypatch.setattr(door, "PATIENCE", (0.0, 0.0))
        yield fake


@pytest.fixture
def advise(tmp_path, capsys):
    """Run the script on a scan of the base; return its exit and what it said."""

    def run(scan: str | None):
        if scan is not None:
            (tmp_path / "base.json").write_text(scan)
        code = main(["--base", str(tmp_path / "base.json")])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def written(forge) -> list[str]:
    """What was asked of the platform but to read."""
    return [method for method, *_ in forge.calls if method != "GET"]


def test_critical_findings_open_one_issue(forge, advise) -> None:
    """However many runs see them; what is less than critical is not told."""
    for _ in range(3):
        code, out, _ = advise(report(CVE, OTHER, HIGH))
        assert 0 == code
        assert "| CVE-2026-1 | openssl | 3.0.1 | 3.0.2 |" in out
    [issue] = forge.issues
    assert ("open", "Critical findings in the image's base") == (issue["state"], issue["title"])
    assert "2 critical." in issue["body"]
    assert "| CVE-2026-2 | zlib1g | 1.2 |" in issue["body"]
    assert "bash" not in issue["body"]
    assert ["POST"] == written(forge)


def test_other_findings_write_it_anew_and_none_close_it(forge, advise) -> None:
    """And the same ones again, later, open it again: it is always the one."""
    advise(report(CVE))
    advise(report(CVE, OTHER))
    assert "2 critical." in forge.issues[0]["body"]
    assert "issue 1 is closed" in advise(CLEAN_SCAN)[1]
    assert ("closed", True) == (forge.issues[0]["state"], CLEAN in forge.issues[0]["body"])
    assert "issue 1 says so already" in advise(CLEAN_SCAN)[1]
    assert "issue 1 is written anew" in advise(report(CVE))[1]
    assert ("open", 1) == (forge.issues[0]["state"], len(forge.issues))
    assert ["POST", "PATCH", "PATCH", "PATCH"] == written(forge)


def test_what_somebody_closed_stays_closed_until_the_findings_are_others(forge, advise) -> None:
    """A version that mends one of them makes them others."""
    advise(report(CVE, OTHER))
    forge.issues[0]["state"] = "closed"
    assert "issue 1 says so already, and somebody closed it" in advise(report(OTHER, CVE))[1]
    assert ("closed", ["POST"]) == (forge.issues[0]["state"], written(forge))
    advise(report(CVE, Finding("CVE-2026-2", "zlib1g", "1.2", "1.3", "CRITICAL")))
    assert "open" == forge.issues[0]["state"]


def test_nothing_found_opens_nothing(forge, advise) -> None:
    """As on a fresh fork."""
    code, out, _ = advise(CLEAN_SCAN)
    assert (0, []) == (code, forge.issues)
    assert "there is no issue, and none is needed" in out


def test_issues_of_others_are_left_alone(forge, advise) -> None:
    """Also one that bears our marker, and a pull request; ours may lie behind a hundred of theirs."""
    marked = "<!-- gatehouse base=nothing -->\nx"
    bot = {"login": "github-actions[bot]"}
    forge.issues = [
        {"number": 1, "state": "open", "user": {"login": "mallory"}, "body": marked},
        {"number": 2, "state": "open", "user": bot, "body": marked, "pull_request": {}},
        {"number": 3, "state": "open", "user": bot, "body": None},
    ]
    advise(report(CVE))
    assert [marked, marked, None] == [one["body"] for one in forge.issues[:3]]
    forge.issues += [
        {"number": 5 + place, "state": "open", "user": {"login": "ann"}, "body": "b"} for place in range(130)
    ]
    advise(report(OTHER))
    assert (134, True) == (len(forge.issues), "CVE-2026-2" in forge.issues[3]["body"])


def test_texts_of_the_scan_break_out_of_no_cell(forge, advise) -> None:
    """A package may be called anything."""
    advise(report(Finding("CVE-2026-9", "a|b\n# c <img src=x> @everyone", "1", "2", "CRITICAL")))
    body = forge.issues[0]["body"]
    assert "<img" not in body
    assert "@everyone" not in body
    assert 6 == len(body.strip().splitlines())


@pytest.mark.parametrize(("method", "status"), [("POST", 403), ("POST", 404), ("POST", 410), ("GET", 410)])
def test_a_token_that_may_not_and_a_repository_without_issues_are_told(forge, advise, method, status) -> None:
    """The findings are in the summary at least; nothing is red for it."""
    forge.failing = {method: [status]}
    code, out, err = advise(report(CVE))
    assert (0, []) == (code, forge.issues)
    assert f"(status {status}); the findings are in this summary alone" in err
    assert "| CVE-2026-1 | openssl" in out


@pytest.mark.parametrize(("scan", "said"), [(None, "left no result"), ("{}", "left no result")])
def test_a_scanner_that_failed_closes_no_issue(forge, advise, scan, said) -> None:
    """No result is not a clean one."""
    code, _, err = advise(scan)
    assert (3, []) == (code, forge.calls)
    assert said in err


def test_a_scan_that_looked_at_no_package_closes_no_issue(forge, advise) -> None:
    """As without the database."""
    advise(report(CVE))
    assert 3 == advise(report(classes=("lang-pkgs",)))[0]
    assert "open" == forge.issues[0]["state"]


def test_a_platform_that_fails_is_an_exit_of_its_own(forge, advise) -> None:
    """After it was asked again."""
    forge.failing = {"GET": [503] * 3}
    assert 3 == advise(report(CVE))[0]
