"""pull-request.yml, run under act: a proposal is judged up to an image that is thrown away, and leaves nothing live."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from infra.comment import text_of
from tests.github.act import COMMIT, Run

pytestmark = pytest.mark.act

JOBS = (
    *("tests/lint", "tests/tests", "data/schema", "data/dataset", "train/fit"),
    *("gates/performance", "gates/fairness", "gates/behaviour", "gates/parity", "gates/report"),
    *("image/image", "all-green"),
)


def test_a_good_proposal_is_all_green_and_deploys_nothing(checkout: Path, act: Callable[..., Run]) -> None:
    """Every job succeeds, from a fork too; no job deploys or promotes, and hostile names are only text."""
    marker = checkout / "marker"
    hostile = f"x$(touch {marker})`touch {marker}`"
    side = {"ref": hostile, "sha": "0" * 40, "repo": {"full_name": "somebody/fork", "fork": True}}
    event = {"number": 7, "pull_request": {"number": 7, "title": hostile, "head": side, "base": {"ref": "main"}}}
    run = act(checkout, "pull-request.yml", "pull_request", event)
    assert (0, dict.fromkeys(JOBS, "success")) == (run.code, run.jobs)
    assert not marker.exists()
    assert "registry-promoted" not in {artifact.name for artifact in run.artifacts.iterdir()}
    assert ["image", "image"] == [call["job"] for call in run.calls]
    assert "type=docker,name=service:judged" == run.calls[-1]["with"]["OUTPUTS"]


RED = {
    "performance": ('Gate("roc_auc", at_least=0.915', 'Gate("roc_auc", at_least=0.999', "roc_auc is 0.92"),
    "fairness": (
        "at_most=0.15, why",
        "at_most=0.01, why",
        "demographic_parity_difference by sex (sex: Female, Male) is",
    ),
}


@pytest.mark.parametrize("gate", RED)
def test_a_proposal_that_breaks_a_bound_is_red_and_says_so(checkout: Path, act: Callable[..., Run], gate: str) -> None:
    """The gate stops it, the report names measure, bound and command, and the comment would say the same."""
    old, new, sentence = RED[gate]
    config = (checkout / "config.py").read_text()
    assert old in config
    (checkout / "config.py").write_text(config.replace(old, new))
    run = act(checkout, "pull-request.yml", "pull_request", {"number": 7})
    assert run.code == 1
    assert {f"gates/{gate}", "gates/report"} == {job for job, outcome in run.jobs.items() if outcome == "failure"}
    text, summary, wrong = text_of(run.artifacts / "report/report.json")
    assert (None, False) == (wrong, summary is None or summary.passed)
    first, *rest = text.splitlines()
    assert "## Bounds changed" == first
    assert any("tightened" in line for line in rest[:5])
    assert "## income, version 1: NOT to be promoted" in rest
    assert sentence in text
    assert f"make {gate} MODEL_VERSION=1" in text
    assert "image/image" not in run.jobs or run.jobs["image/image"] == "skipped"


PULL_REQUEST = ".github/workflows/pull-request.yml"
ROWS = "Rows(at_least=40_000"


def laid_on(checkout: Path, config: str) -> str:
    """Commit a base with this config.py, two commits before what is judged, as a queue that rebases; return its id."""
    proposed = (checkout / "config.py").read_text()
    (checkout / "config.py").write_text(config)
    for git in (["git", "init", "-qb", "main"], ["git", "add", "config.py"], COMMIT):
        subprocess.run(git, cwd=checkout, check=True)
    (checkout / "config.py").write_text(proposed)
    return subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=checkout, text=True).strip()


@pytest.mark.parametrize("rows", ["40_001", "900_000"])
def test_what_a_queue_would_merge_is_judged_against_the_queues_base(
    checkout: Path, act: Callable[..., Run], rows: str
) -> None:
    """A bound of the base counts though its commit is no parent; where the data keep it too, All green comes."""
    workflow = yaml.safe_load((checkout / PULL_REQUEST).read_text())
    workflow["on"] = workflow.pop(True)  # YAML takes `on` for a truth value
    for job_id in workflow["jobs"].keys() - {"data", "all-green"}:  # theirs is another test's matter
        workflow["jobs"][job_id] = {"runs-on": "ubuntu-latest", "steps": [{"run": "true"}]}
    (checkout / PULL_REQUEST).write_text(yaml.safe_dump(workflow))
    config = (checkout / "config.py").read_text()
    assert ROWS in config
    base = laid_on(checkout, config.replace(ROWS, f"Rows(at_least={rows}"))
    event = {"action": "checks_requested", "merge_group": {"base_sha": base, "base_ref": "refs/heads/main"}}
    run = act(checkout, "pull-request.yml", "merge_group", event)
    kept, green = rows == "40_001", run.jobs.get("all-green") == "success"
    assert (0 if kept else 1, kept, kept) == (run.code, run.jobs["data/dataset"] == "success", green)
    assert f"| {int(rows)} to 1000000 |" in run.summaries["data/dataset"]
