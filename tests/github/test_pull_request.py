"""pull-request.yml, run under act: a proposal is judged up to an image that is thrown away, and leaves nothing live."""

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.comment import text_of
from tests.github.act import Run

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
