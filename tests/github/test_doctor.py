"""doctor.yml, run under act by its button, against an API in this process."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.github.act import TOKEN, Run, approved
from tests.infra.examined import TOP, recorded
from tests.infra.fake_forge import FakeForge, serving

pytestmark = pytest.mark.act


@pytest.mark.parametrize(
    ("policy", "code", "result"), [("job-of-a-fork", 0, "success"), ("restricted-organization", 1, "failure")]
)
def test_the_button_writes_the_table_into_the_summary(
    checkout: Path, act: Callable[..., Run], policy: str, code: int, result: str
) -> None:
    """What may not be seen is not red; a ruleset that refuses the push of the registry is."""
    rules = f"{TOP}/rules/branches/ml-registry"
    replies = recorded("job-of-a-fork") | {rules: recorded(policy)[rules]}
    with serving(FakeForge(replies=replies)) as forge:
        run = act(approved(checkout, forge.url), "doctor.yml", "workflow_dispatch")
    assert (code, {"doctor": result, "advise": "skipped"}) == (run.code, run.jobs)  # no run left a scan
    assert {f"Bearer {TOKEN}"} == forge.tokens
    assert "| actions | fine: on, as this run shows |" in run.summaries["doctor"]
    assert ("refuses the workflow's push" in run.summaries["doctor"]) == bool(code)


@pytest.mark.parametrize("conclusion", ["success", "failure"])
def test_the_end_of_each_pipeline_is_followed(
    checkout: Path, tmp_path: Path, act: Callable[..., Run], conclusion: str
) -> None:
    """It tells what a fork lacks; of a green one the base's findings become one issue, of a red one nothing."""
    left = tmp_path / "scratch/artifacts/image"
    left.mkdir(parents=True)
    finding = {"VulnerabilityID": "CVE-1", "PkgName": "zlib", "InstalledVersion": "1", "Severity": "CRITICAL"}
    listed = {"Class": "os-pkgs", "Type": "debian", "Packages": [{"Name": "zlib"}], "Vulnerabilities": [finding]}
    (left / "base.json").write_text(json.dumps({"Results": [listed]}))
    followed = {"workflow_run": {"id": 5, "conclusion": conclusion}}
    with serving(FakeForge(replies=recorded("job-of-a-fork"))) as forge:
        run = act(approved(checkout, forge.url), "doctor.yml", "workflow_run", followed)
    green = conclusion == "success"
    assert (0, {"doctor": "success", "advise": "success" if green else "skipped"}) == (run.code, run.jobs)
    assert "| schedules | missing: no schedule runs: monitor.yml (disabled fork) |" in run.summaries["doctor"]
    assert "cannot see: this token may not see it | on a laptop" in run.summaries["doctor"]
    assert green == ("issue 1 is opened" in run.summaries.get("advise", ""))
