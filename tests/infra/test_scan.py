"""The verdict on a scan: what blocks, what is the base's, what may stand for a time, and what is no scan at all."""

import json
from datetime import timedelta

import pytest

from infra import scan
from infra.scan import Finding, Ignored
from validation.words.settings import today

CVE = Finding("CVE-2026-1", "openssl", "3.0.1", "3.0.2", "CRITICAL")
LET = Ignored("CVE-2026-1", "openssl", "ada", "the service opens no such socket", today() + timedelta(days=30))


def vulnerability(finding):
    names = ("VulnerabilityID", "PkgName", "InstalledVersion", "FixedVersion", "Severity")
    values = (finding.id, finding.package, finding.installed, finding.fixed, finding.severity)
    return {name: value for name, value in zip(names, values, strict=True) if value}


def report(*found, classes=("os-pkgs", "lang-pkgs")):
    """Write a report as trivy does, with all packages listed."""
    results = [{"Class": name, "Type": "any", "Packages": [{"Name": "openssl"}]} for name in classes]
    if found:
        results[0]["Vulnerabilities"] = [vulnerability(one) for one in found]
    return json.dumps({"SchemaVersion": 2, "ArtifactName": "a", "Results": results})


CLEAN = report()


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Run the script on texts of reports and of the list."""

    def run(image, base=CLEAN, ignored=""):
        paths = {name: tmp_path / name for name in ("image.json", "base.json", "ignored.toml")}
        for path, text in zip(paths.values(), (image, base, ignored), strict=True):
            if text is not None:
                path.write_text(text)
        monkeypatch.setattr(scan, "IGNORED", paths["ignored.toml"])
        return scan.main(["--image", str(paths["image.json"]), "--base", str(paths["base.json"])])

    return run


def entry(**words):
    told = {"id": "CVE-2026-1", "package": "openssl", "owner": "ada", "reason": "no such socket"} | words
    lines = [f"{name} = {json.dumps(value)}" for name, value in told.items() if isinstance(value, str)]
    lines += [f"{name} = {value}" for name, value in told.items() if not isinstance(value, str)]
    return "\n".join(["[[ignored]]", *lines, ""])


def test_a_clean_scan_passes(ask, capsys):
    """Both were looked at, and nothing was found."""
    assert 0 == ask(report())
    assert "Scan: nothing blocks. 0 critical" in capsys.readouterr().out


def test_a_critical_finding_that_an_update_mends_blocks(ask, capsys):
    """The sentence names finding, package, and the version to go to."""
    assert ask(report(CVE)) == 1
    said = capsys.readouterr()
    assert "CVE-2026-1 in openssl 3.0.1: BLOCKED: update openssl to 3.0.2" in said.err
    assert "| CVE-2026-1 | openssl | 3.0.1 | 3.0.2 | BLOCKED" in said.out


@pytest.mark.parametrize(
    ("image", "base", "verdict"),
    [
        (Finding("CVE-2026-1", "openssl", "3.0.1", "", "CRITICAL"), report(), "nobody has mended it yet"),
        (Finding("CVE-2026-1", "openssl", "3.0.1", "3.0.2", "HIGH"), report(), "1 high"),
        (CVE, report(CVE), "of the base: a newer one mends it"),
    ],
    ids=["nobody mended it", "below the bound", "of the base"],
)
def test_what_no_change_of_ours_mends_is_told_and_does_not_block(ask, capsys, image, base, verdict):
    """Unfixed, less than critical, or the base's."""
    assert 0 == ask(report(image), base)
    assert verdict in capsys.readouterr().out


def test_the_base_excuses_its_own_findings_alone(ask):
    """The same number in another package, or another number in the same, blocks."""
    for other in (
        Finding("CVE-2026-2", "openssl", "3.0.1", "3.0.2", "CRITICAL"),
        Finding("CVE-2026-1", "zlib", "3.0.1", "3.0.2", "CRITICAL"),
        Finding("CVE-2026-1", "openssl", "3.0.0", "3.0.2", "CRITICAL"),  # of the system; the other was laid beside it
    ):
        assert ask(report(CVE), report(other)) == 1


@pytest.mark.parametrize("name", scan.OWN)
def test_a_list_of_the_scanners_own_is_refused(ask, capsys, tmp_path, monkeypatch, name):
    """What it leaves out would be in no report, with no owner and no end."""
    monkeypatch.setattr(scan, "ROOT", tmp_path)
    (tmp_path / name).write_text("CVE-2026-1\n")
    assert 2 == ask(report())
    assert f"{name} lets the scanner leave findings out; name them in" in capsys.readouterr().err


def test_a_finding_may_stand_for_a_time(ask, capsys):
    """With owner and reason, that day included; and for that package alone."""
    assert 0 == ask(report(CVE), ignored=entry(expires=today()))
    assert f"let pass until {today()} by ada: no such socket" in capsys.readouterr().out
    assert ask(report(CVE), ignored=entry(expires=today(), package="zlib")) == 1


def test_an_entry_that_has_expired_is_red(ask, capsys):
    """Even where nothing is found any more: it is removed, or decided anew."""
    assert ask(report(), ignored=entry(expires=today() - timedelta(days=1))) == 1
    assert "its entry expired on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[[ignored", "cannot be read"),
        (entry(), "it needs expires, id, owner, package, reason"),
        (entry(expires=today(), why="x"), "and nothing else"),
        (entry(expires=today(), reason=" "), "texts that say something"),
        (entry(expires="2026-12-31"), "expires must be a date"),
        (entry(expires=today() + timedelta(days=400)), "stands for more than 183 days"),
    ],
)
def test_a_list_that_says_too_little_is_refused(ask, capsys, text, sentence):
    """Exit 2."""
    assert 2 == ask(report(), ignored=text)
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("image", "base"),
    [
        (None, report()),
        ("", report()),
        ("[]", report()),
        ('{"SchemaVersion": 2}', report()),
        (report(), None),
        (report(classes=("os-pkgs",)), report()),
        (report(classes=("lang-pkgs",)), report()),
        (report(), report(classes=("lang-pkgs",))),
        ('{"Results": [{"Class": "os-pkgs"}, {"Class": "lang-pkgs"}]}', report()),
    ],
)
def test_a_scan_that_did_not_look_is_no_pass(ask, capsys, image, base):
    """No result, an empty one, or no packages: exit 3, and the sentence says so."""
    assert 3 == ask(image, base)
    assert "that is no pass" in capsys.readouterr().err


def test_the_list_of_the_repository_can_be_read():
    """What is committed is of the right form, and nothing in it has expired."""
    assert all(one.expires >= today() for one in scan.ignored(scan.IGNORED))
    assert [] == [verdict for _, verdict in scan.judge([], [], [LET]) if verdict.startswith("BLOCKED")]
