"""report-comment.yml, run under act against an API in this process: what it would write, it writes there."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Workspace
from tests.github.act import TOKEN, Run
from tests.infra.fake_forge import FakeForge, pull, serving

pytestmark = pytest.mark.act
SHA = "a" * 40


def test_the_report_of_a_run_becomes_a_comment(
    checkout: Path, tmp_path: Path, act: Callable[..., Run], chain: Workspace
) -> None:
    """The artifact of the run that ended is read as data; hostile names of branches are only text."""
    marker = tmp_path / "marker"
    branch = f"x$(touch {marker})`touch {marker}`"
    event = {
        "workflow_run": {
            "id": 5,
            "event": "pull_request",
            "conclusion": "failure",
            "head_sha": SHA,
            "head_branch": branch,
            "head_repository": {"full_name": "stranger/fork"},
        }
    }
    left = tmp_path / "scratch/artifacts/report"
    left.mkdir(parents=True)
    report = json.loads((chain.root / "build/report/report.json").read_text())
    (left / "report.json").write_text(json.dumps(report))
    (left / "sitecustomize.py").write_text(f"open({str(marker)!r}, 'w')")
    with serving(FakeForge(pulls=[pull(9, SHA, "stranger/fork", branch)])) as forge:
        workflow = checkout / ".github/workflows/report-comment.yml"
        text = workflow.read_text()
        assert "          RUN_ID:" in text
        # act knows the platform's own address only
        workflow.write_text(
            text.replace("          RUN_ID:", f"          GITHUB_API_URL: {forge.url}\n          RUN_ID:")
        )
        forge_name = "owner/name"
        workflow.write_text(
            workflow.read_text().replace(
                "          RUN_ID:", f"          GITHUB_REPOSITORY: {forge_name}\n          RUN_ID:"
            )
        )
        run = act(checkout, "report-comment.yml", "workflow_run", event)
    assert (0, {"comment": "success"}) == (run.code, run.jobs)
    assert not marker.exists()
    [(_, _, written)] = [call for call in forge.calls if call[0] == "POST"]
    assert written is not None
    assert "income, version 1: every gate passed" in written["body"]
    assert {f"Bearer {TOKEN}"} == forge.tokens
    assert "income, version 1: every gate passed" in run.summaries["comment"]


def test_a_queues_run_has_no_comment(checkout: Path, act: Callable[..., Run]) -> None:
    """It is of no one pull request; its report stays in the summary of its own run."""
    event = {"workflow_run": {"id": 5, "event": "merge_group", "conclusion": "success", "head_sha": SHA}}
    run = act(checkout, "report-comment.yml", "workflow_run", event)
    assert (0, []) == (run.code, [job for job, outcome in run.jobs.items() if outcome != "skipped"])
