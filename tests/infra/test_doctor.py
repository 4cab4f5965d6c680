"""The doctor as a whole: the table of a repository as it is met, and what the exit code says."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from infra import doctor
from infra import forge as door
from infra.checkup import here, looking
from infra.checkup.facts import Facts
from tests.infra.checkup.programs import lend
from tests.infra.examined import HERE, MACHINE, REPLIES, TOP, recorded
from tests.infra.fake_forge import FakeForge, serving
from validation.script import ROOT

FRESH = replace(HERE, owners="/config.py\n")
JOB = replace(FRESH, job=True)
LAPTOP = replace(MACHINE, engine=False, cluster=False, absent=("kubectl", "kind"))


@pytest.fixture
def examine(monkeypatch, capsys):
    """Run the doctor on a platform with such replies; return exit code, table and log."""
    monkeypatch.setattr(door, "PATIENCE", (0.0, 0.0))
    monkeypatch.setenv("GITHUB_TOKEN", "a-token")

    def run(replies, told=FRESH, machine=MACHINE, **failing):
        monkeypatch.setattr(here, "here", lambda _: told)
        monkeypatch.setattr(looking, "look", lambda: machine)
        with serving(FakeForge(replies=replies, **failing)) as fake:
            monkeypatch.setenv("GITHUB_API_URL", fake.url)
            code = doctor.main([])
        return (code, *capsys.readouterr())

    return run


@pytest.mark.parametrize(
    ("name", "told", "machine", "code"),
    [
        ("fresh-fork", FRESH, MACHINE, 1),
        ("job-of-a-fork", JOB, MACHINE, 0),
        ("private-free", FRESH, LAPTOP, 0),
        ("restricted-organization", FRESH, MACHINE, 1),
        ("well-set-up", HERE, MACHINE, 0),
    ],
)
def test_a_repository_is_told_what_it_lacks(examine, name, told, machine, code) -> None:
    """A fork that nobody has touched, a job of one, a private repository, an organization's, one without a fault."""
    found, table, _ = examine(recorded(name), told, machine)
    assert (code, (REPLIES / f"{name}.md").read_text()) == (found, table)


def test_an_organization_with_many_settings_is_read_to_the_last_page(examine) -> None:
    """Target and address are on the third page of its variables, the login on the second of its secrets."""
    code, table, _ = examine(recorded("well-set-up", "crowded-organization"), HERE)
    assert (0, (REPLIES / "crowded-organization.md").read_text()) == (code, table)
    assert "cannot see" not in table


def test_a_page_that_cannot_be_had_is_no_end_of_the_listing(examine) -> None:
    """What may stand there is not taken for missing: exit 3, and the check says why."""
    crowded = recorded("well-set-up", "crowded-organization")
    code, table, _ = examine(crowded | {f"{TOP}/actions/organization-secrets?page=2": [403, {"message": "no"}]}, HERE)
    said = "| server, target | cannot see: the platform gave page 2 of a listing with status 403 | run it again |"
    assert (3, True) == (code, said in table), table


def test_a_laptop_without_a_network_hears_of_itself(monkeypatch, capsys) -> None:
    """One line says why nobody could be asked; nothing of it is red."""
    with serving(FakeForge()) as fake:
        url = fake.url
    monkeypatch.setenv("GITHUB_API_URL", url)
    monkeypatch.setenv("GITHUB_TOKEN", "a-token")
    monkeypatch.setattr(here, "here", lambda _: FRESH)
    monkeypatch.setattr(looking, "look", lambda: LAPTOP)
    assert 0 == doctor.main([])
    assert (REPLIES / "no-network.md").read_text() == capsys.readouterr().out


def test_what_is_needed_is_in_the_log_too(examine) -> None:
    """With its fix, and a count of all."""
    _, _, said = examine(recorded("fresh-fork"))
    assert "infra.doctor: workflows: it is a fork" in said
    assert "infra.doctor: 22 fine, 6 missing, 0 cannot see" in said


def test_a_machine_alone_can_be_red(examine) -> None:
    """Another Python, on a repository without a fault."""
    code, table, _ = examine(recorded("well-set-up"), HERE, replace(MACHINE, python="3.13"))
    assert (1, True) == (code, "| python | **missing**: this is Python 3.13" in table)


@pytest.mark.parametrize("status", [500, 503])
def test_a_platform_that_answers_by_a_failure_is_exit_3(examine, status) -> None:
    """All else is told."""
    code, table, _ = examine(recorded("well-set-up") | {f"{TOP}/environments": [status, {}]}, HERE)
    assert (3, True) == (
        code,
        "| production | cannot see: the platform&#39;s API failed" in table or "production" in table,
    )
    assert "| registry | " in table or "registry" in table


def test_a_reply_of_another_form_is_exit_3(examine) -> None:
    """It is no answer that all is well."""
    code, table, _ = examine(
        recorded("well-set-up") | {f"{TOP}/actions/permissions": [200, {"enabled": "maybe"}]}, HERE
    )
    assert (3, True) == (code, "the platform's answer has no proper enabled" in table)


def test_what_is_known_to_be_missing_comes_before_a_failure(examine) -> None:
    """Exit 1: running it again would not help."""
    code, _, _ = examine(recorded("fresh-fork") | {f"{TOP}/environments": [500, {}]})
    assert code == 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_token_that_may_see_nothing_is_no_failure(examine, status) -> None:
    """Exit 0, and where to run it instead."""
    replies = {path: [status, {"message": "no"}] for path in recorded("well-set-up")}
    code, table, _ = examine(replies, JOB)
    assert (0, True) == (code, "repository, allowed, token, workflows" in table)


def test_a_job_leaves_its_own_settings_to_the_check_of_the_repository(examine) -> None:
    """There the environment is what the repository's settings say."""
    _, table, _ = examine(recorded("job-of-a-fork"), replace(JOB, server=(True, True, False)))
    assert ("| server | **missing**" in table, "| tracking |" in table) == (True, False)


def test_a_private_image_wants_a_pull_secret(examine) -> None:
    """The package says so, else the repository."""
    cluster = replace(MACHINE, overlays=True)
    _, table, _ = examine(recorded("private-free"), machine=cluster)
    assert "| pull secret | missing: the image is private" in table
    _, table, _ = examine(recorded("well-set-up"), machine=cluster)
    assert "| pull secret | fine" in table


def test_nothing_seen_says_nothing_of_the_image() -> None:
    """Neither private nor public."""
    answers = doctor.of_machine(replace(MACHINE, overlays=True), Facts(HERE))
    assert "fine" == answers["pull secret"].said


def test_it_runs_on_a_python_without_any_library(tmp_path) -> None:
    """The first thing that a fresh machine lacks is the lock's environment; the doctor says so, and does not crash."""
    lend(tmp_path, git="echo git@github.com:owner/name.git", gh="echo a-token")
    alone = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path), "ENGINE": "none", "PYTHONPATH": str(ROOT)}
    base = [os.path.realpath(sys.executable), "-S", "-m", "infra.doctor"]
    done = subprocess.run(base, cwd=tmp_path, env=alone, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "| lock | **missing**: " in done.stdout
    assert "cannot see: the library that asks is not here | `make setup` |" in done.stdout


def test_what_it_does_not_know_is_used_wrongly() -> None:
    """Exit 2, by argparse."""
    with pytest.raises(SystemExit) as ended:
        doctor.main(["--all"])
    assert 2 == ended.value.code


def test_a_repository_that_is_none_is_set_up_wrongly(monkeypatch, capsys) -> None:
    """GITHUB_REPOSITORY goes into paths, so it is looked at."""
    monkeypatch.setenv("GITHUB_TOKEN", "a-token")
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name/../../user")
    assert 2 == doctor.main([])
    assert "is no owner/name" in capsys.readouterr().err
